#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Plaintext of TLS connections as frames: scripted conversations go through the library (the program
conversation, see conversation.c) and are judged by stock tshark. No privilege is needed.
STRATOCAP_CONVERSATION names the program."""

import hashlib
import os
import shutil
import struct
import subprocess
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.environ.get("STRATOCAP_CONVERSATION",
                         os.path.join(HERE, "../../build/tests/tls/conversation"))
ADDRESSES = {4: ("10.244.0.5", "10.96.0.9"), 6: ("fd00:10:244::5", "fd00:10:96::9")}
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def request(path="/api/users", body=b"", headers=""):
    method = "POST" if body else "GET"
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    return (f"{method} {path} HTTP/1.1\r\nHost: api.example\r\n{headers}{length}\r\n").encode() + body


def response(body=b"hello", kind="text/plain", headers=""):
    return (f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{headers}Content-Length: {len(body)}"
            "\r\n\r\n").encode() + body


def noise(length):
    """The same bytes each time, of every value."""
    blocks = (hashlib.sha256(i.to_bytes(8, "big")).digest() for i in range(length // 32 + 1))
    return b"".join(blocks)[:length]


class Script:
    """What happens, for conversation.c. One client connection "a" unless told otherwise."""

    def __init__(self, case, port=443, family=4, client=True):
        self.case, self.lines, self.files = case, [], 0
        pod, service = ADDRESSES[family]
        ends = (pod, 41000, service, port) if client else (service, port, pod, 41000)
        self.line("socket a inet %s %d %s %d" % ends)

    def line(self, text):
        self.lines.append(text)
        return self

    def say(self, verb, data, name="a", pieces=0):
        for start in range(0, len(data), pieces or len(data)):
            self.files += 1
            path = os.path.join(self.case.folder, f"said{self.files}")
            with open(path, "wb") as file:
                file.write(data[start:start + (pieces or len(data))])
            self.line(f"{verb} {name} {path}")
        return self

    def out(self, data, **more):
        return self.say("out", data, **more)

    def into(self, data, **more):
        return self.say("in", data, **more)

    def capture(self, *arguments):
        path = os.path.join(self.case.folder, "out.pcapng")
        subprocess.run([PROGRAM, *arguments, path], input="\n".join(self.lines) + "\n", text=True,
                       check=True, timeout=60)
        return Capture(self.case, path)


class Capture:
    def __init__(self, case, path):
        self.case, self.path = case, path
        # What must hold in every capture: nothing damaged, lost, reordered or retransmitted.
        damage = self.rows("_ws.malformed or tcp.analysis.lost_segment or tcp.analysis.out_of_order"
                           " or tcp.analysis.retransmission or tcp.analysis.ack_lost_segment"
                           " or tcp.checksum.status == 0 or ip.checksum.status == 0",
                           "frame.number", "_ws.col.Info", "_ws.expert.message")
        case.assertEqual(damage, [])
        # Time never goes back within a stream.
        latest = {}
        for stream, moment in self.rows("tcp", "tcp.stream", "frame.time_epoch"):
            case.assertGreaterEqual(moment, latest.get(stream, ""))
            latest[stream] = moment

    def tshark(self, *arguments):
        command = ["tshark", "-r", self.path, "-N", "n", "-o", "tcp.check_checksum:TRUE",
                   "-o", "ip.check_checksum:TRUE", *arguments]
        if os.geteuid() == 0:
            command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *command]
        environment = {"HOME": self.case.folder, "PATH": os.environ["PATH"], "TZ": "UTC",
                       "LC_ALL": "C.UTF-8", "WIRESHARK_PLUGIN_DIR": self.case.folder}
        return subprocess.run(command, capture_output=True, env=environment, timeout=120,
                              encoding="utf-8", errors="replace", check=True,
                              cwd=self.case.folder).stdout

    def rows(self, display_filter, *fields, options=()):
        command = ["-Y", display_filter, "-T", "fields", *options]
        for field in fields:
            command += ["-e", field]
        return [tuple(line.split("\t")) for line in self.tshark(*command).splitlines()]

    def values(self, field, *options):
        return [row[0] for row in self.rows(field, field, options=options)]

    def comments(self):
        return self.values("frame.comment")

    def objects(self):
        """What "File, Export objects, HTTP" saves: name to SHA-256."""
        folder = tempfile.mkdtemp(dir=self.case.folder)
        os.chmod(folder, 0o777)
        self.tshark("-q", "--export-objects", f"http,{folder}")
        found = {}
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), "rb") as file:
                found[name] = hashlib.sha256(file.read()).hexdigest()
        return found


class FramesTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="stratoshark-plaintext-")
        self.addCleanup(shutil.rmtree, self.folder)
        os.chmod(self.folder, 0o777)

    def script(self, *arguments, **more):
        return Script(self, *arguments, **more)


class Http1Test(FramesTest):
    def test_a_request_and_its_response(self):
        script = self.script().out(request()).into(response()).line("close a")
        capture = script.capture()
        self.assertEqual(capture.rows("http", "ip.src", "tcp.srcport", "ip.dst", "tcp.dstport",
                                      "http.request.uri", "http.response.code"),
                         [("10.244.0.5", "41000", "10.96.0.9", "443", "/api/users", ""),
                          ("10.96.0.9", "443", "10.244.0.5", "41000", "", "200")])
        self.assertEqual(capture.values("tls.handshake.extensions_server_name"), ["api.example"])
        self.assertEqual(set(capture.values("tls.handshake.extensions_alpn_str")), {"http/1.1"})
        self.assertEqual([row[0] for row in capture.rows("tcp", "tcp.flags.str")][:3],
                         ["··········S·", "·······A··S·", "·······A····"])
        self.assertEqual(len(capture.rows("tcp.flags.fin == 1", "frame.number")), 2)
        self.assertIn("process 4711 (conversation)", capture.comments()[0])

    def test_every_port_and_family(self):
        ports = (443, 8443, 50051, 9999, 6443, 30443, 80, 8080, 5000)
        script = Script(self)
        for port in ports:
            for family in (4, 6):
                pod, service = ADDRESSES[family]
                name = f"{port}-{family}"
                script.line(f"socket {name} inet {pod} 41000 {service} {port}")
                script.out(request("/x", b"a=1"), name=name).into(response(), name=name)
        capture = script.capture()
        for field, value in (("http.request.uri", "/x"), ("http.response.code", "200")):
            found = capture.rows(field, field, "ip.version", "tcp.port")
            self.assertEqual({row[0] for row in found}, {value})
            server = {(row[1], (set(row[2].split(",")) - {"41000"}).pop()) for row in found}
            self.assertEqual(server, {(version, str(port)) for version in "46" for port in ports})
        self.assertEqual({row[0] for row in capture.rows("tcp", "tcp.checksum.status")}, {"1"})
        self.assertEqual({row[0] for row in capture.rows("ip", "ip.checksum.status")}, {"1"})

    def test_bodies_of_all_sizes_arrive_whole(self):
        for length in (1, 2, 1000, 16384, 16385, 100000, 1 << 20):
            with self.subTest(length=length):
                body, other = noise(length), noise(length)[::-1]
                script = self.script().out(request("/up", body))
                script.into(response(other, "application/octet-stream"), pieces=16000)
                objects = script.line("close a").capture().objects()
                self.assertEqual(set(objects.values()), {hashlib.sha256(body).hexdigest(),
                                                         hashlib.sha256(other).hexdigest()})

    def test_the_server_s_side(self):
        script = self.script(client=False).into(request()).out(response()).line("close a")
        self.assertEqual(script.capture().rows("http", "tcp.dstport"), [("443",), ("41000",)])

    def test_the_content_tells_the_client_not_the_port(self):
        script = Script(self).line("socket a inet 10.0.0.1 443 10.0.0.2 50000").out(request())
        self.assertEqual(script.capture().rows("tls.handshake.type == 1", "tcp.dstport"),
                         [("50000",)])

    def test_requests_byte_by_byte(self):
        script = self.script(9999).out(request(), pieces=1).line("wait 50").into(response(), pieces=1)
        capture = script.capture()
        self.assertEqual(capture.values("http.request.uri"), ["/api/users"])
        self.assertEqual(capture.values("http.response.code"), ["200"])

    def test_another_protocol_on_a_port_without_dissector(self):
        script = self.script(9999).out(b"\x01\x02binary").into(b"\x03\x04")
        self.assertEqual(len(script.capture().values("tls.app_data")), 2)

    def test_a_connection_seen_from_its_middle_on(self):
        for port in (443, 9999):
            with self.subTest(port=port):
                script = self.script(port).into(noise(5000)).line("wait 300")
                capture = script.out(request("/next")).into(response()).capture()
                self.assertEqual(capture.values("http.request.uri"), ["/next"])
                self.assertEqual(capture.values("http.response.code"), ["200"])


class OtherProtocolTest(FramesTest):
    def test_postgresql_speaks_as_it_is(self):
        startup = b"\0\3\0\0user\0app\0database\0shop\0\0"
        startup = struct.pack(">I", len(startup) + 4) + startup
        query = b"SELECT 1\0"
        script = self.script(5432).out(startup)
        script.into(b"R\0\0\0\x08\0\0\0\0" + b"Z\0\0\0\x05I")
        script.out(b"Q" + struct.pack(">I", len(query) + 4) + query)
        capture = script.capture()
        self.assertEqual(capture.values("pgsql.query"), ["SELECT 1"])
        self.assertEqual(capture.values("tls.record.content_type"), [])

    def test_http_on_a_port_of_another_protocol_says_what_to_do(self):
        capture = self.script(5432).out(request()).into(response()).capture()
        self.assertIn("Decode As TLS", capture.comments()[0])
        self.assertEqual(capture.values("http.request.uri", "-d", "tcp.port==5432,tls"),
                         ["/api/users"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
