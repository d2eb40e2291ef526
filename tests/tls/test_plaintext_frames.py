#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Plaintext of TLS connections as frames: scripted conversations go through the library (the program
conversation, see conversation.c) and are judged by stock tshark. No privilege is needed.
STRATOCAP_CONVERSATION names the program."""

import contextlib
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


def frame(kind, flags, stream, payload=b""):
    """An HTTP/2 frame."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def fields(*pairs, form=0x00):
    """Header fields, each literal with its name; form 0x40: to be put into the table."""
    return b"".join(bytes([form, len(name)]) + name + bytes([len(value)]) + value
                    for name, value in pairs)


DATA, HEADERS, SETTINGS, CONTINUATION = 0, 1, 4, 9
END_STREAM, END_HEADERS, PADDED, PRIORITY = 1, 4, 8, 0x20
POST_HTTPS = b"\x83\x87"  # static table: :method POST, :scheme https
OK_200 = b"\x88"


def grpc(message):
    return b"\0" + struct.pack(">I", len(message)) + message


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

    def capture(self, *arguments, damaged=False):
        path = os.path.join(self.case.folder, "out.pcapng")
        subprocess.run([PROGRAM, *arguments, path], input="\n".join(self.lines) + "\n", text=True,
                       check=True, timeout=60)
        return Capture(self.case, path, damaged)


class Capture:
    def __init__(self, case, path, damaged):
        self.case, self.path = case, path
        # What must hold in every capture: nothing damaged, lost, reordered or retransmitted.
        damage = self.rows("_ws.malformed or tcp.analysis.lost_segment or tcp.analysis.out_of_order"
                           " or tcp.analysis.retransmission or tcp.analysis.ack_lost_segment"
                           " or tcp.checksum.status == 0 or ip.checksum.status == 0",
                           "frame.number", "_ws.col.Info", "_ws.expert.message")
        case.assertEqual(damage if not damaged else [], [])
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
        # Wireshark 4.4 shows a request's fields in its answer, too.
        rule = "http.request" if field.startswith("http.request.") else field
        return [row[0] for row in self.rows(rule, field, options=options)]

    def bodies(self):
        """Text; in hexadecimal since Wireshark 4.2."""
        found = self.values("http.file_data")
        with contextlib.suppress(ValueError):
            return [bytes.fromhex(each).decode() for each in found]
        return found

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
                                      "http.request.method", "http.response.code"),
                         [("10.244.0.5", "41000", "10.96.0.9", "443", "GET", ""),
                          ("10.96.0.9", "443", "10.244.0.5", "41000", "", "200")])
        self.assertEqual(capture.values("http.request.uri"), ["/api/users"])
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


class Http2Test(FramesTest):
    def call(self, path=b"/shop.Cart/Add", kind=b"application/grpc", stream=1, message=b"\x0a\x01x"):
        head = POST_HTTPS + fields((b":path", path), (b":authority", b"cart"),
                                   (b"content-type", kind), (b"te", b"trailers"))
        return (frame(HEADERS, END_HEADERS, stream, head) +
                frame(DATA, END_STREAM, stream, grpc(message)))

    def answer(self, stream=1, message=b"\x0a\x02ok", kind=b"application/grpc"):
        head = OK_200 + fields((b"content-type", kind))
        return (frame(HEADERS, END_HEADERS, stream, head) + frame(DATA, 0, stream, grpc(message)) +
                frame(HEADERS, END_HEADERS | END_STREAM, stream, fields((b"grpc-status", b"0"))))

    def assert_calls(self, capture, paths, *options):
        self.assertEqual(capture.values("http2.headers.path", *options), paths)
        self.assertEqual(capture.values("http2.headers.status", *options), ["200"] * len(paths))
        self.assertEqual(len(capture.values("grpc.message_length", *options)), 2 * len(paths))

    def test_grpc_from_its_preface_on(self):
        for port in (443, 8443, 50051, 9999):
            with self.subTest(port=port):
                script = self.script(port)
                script.out(PREFACE + frame(SETTINGS, 0, 0)).into(frame(SETTINGS, 0, 0))
                capture = script.out(self.call()).into(self.answer()).line("close a").capture()
                self.assert_calls(capture, ["/shop.Cart/Add"])
                self.assertEqual(set(capture.values("tls.handshake.extensions_alpn_str")), {"h2"})
                self.assertNotIn("middle", capture.comments()[0])

    def test_grpc_from_the_middle_on(self):
        for port in (443, 50051, 9999):
            with self.subTest(port=port):
                script = self.script(port).out(self.call(stream=7)).into(self.answer(stream=7))
                capture = script.out(self.call(b"/shop.Cart/Pay", stream=9)).into(
                    self.answer(stream=9)).capture()
                self.assert_calls(capture, ["/shop.Cart/Add", "/shop.Cart/Pay"])
                self.assertIn("middle", capture.comments()[0])

    def test_the_server_s_side_from_the_middle_on(self):
        script = Script(self).line("socket a inet 10.0.0.1 40001 10.0.0.2 30000")
        script.into(self.call(stream=7)).out(self.answer(stream=7))
        self.assertEqual(script.capture().rows("tls.handshake.type == 1", "tcp.dstport"),
                         [("40001",)])

    def test_large_messages(self):
        body = noise(100000)
        head = POST_HTTPS + fields((b":path", b"/up"), (b":authority", b"a"))
        data = b"".join(frame(DATA, END_STREAM if start + 16384 >= len(body) else 0, 1,
                              body[start:start + 16384]) for start in range(0, len(body), 16384))
        script = self.script().out(PREFACE + frame(SETTINGS, 0, 0))
        script.out(frame(HEADERS, END_HEADERS, 1, head)).out(data, pieces=5000)
        capture = script.into(frame(HEADERS, END_HEADERS | END_STREAM, 1, OK_200)).capture()
        self.assertEqual(capture.values("http2.body.reassembled.length"), [str(len(body))])
        whole = capture.values("http2.body.reassembled.data")[0].replace(":", "")
        self.assertEqual(bytes.fromhex(whole), body)

    def test_a_gap_in_a_message_keeps_the_frames(self):
        call = self.call(b"/a.B/C", message=bytes(2000))
        script = self.script().out(PREFACE + frame(SETTINGS, 0, 0)).out(call[:500])
        script.line("lose out a 700").out(call[1200:]).into(self.answer())
        capture = script.out(self.call(b"/a.B/D", stream=3)).into(self.answer(stream=3)).capture()
        self.assert_calls(capture, ["/a.B/C", "/a.B/D"])


    def test_a_gap_over_frames_is_left_out(self):
        calls = [self.call(path, stream=stream, message=bytes(3000))
                 for path, stream in ((b"/a.B/C", 1), (b"/a.B/D", 3), (b"/a.B/E", 5))]
        whole = b"".join(calls)
        # From within the first message to within the second, to its end, and to a header's middle.
        for gap in (len(calls[0]), 2 * len(calls[0]) - 500, 2 * len(calls[0]) - 496):
            for large in (0, 5000000):
                with self.subTest(gap=gap, large=large):
                    script = self.script().out(PREFACE + frame(SETTINGS, 0, 0))
                    script.out(whole[:500]).line(f"lose out a {gap + large}")
                    # Wireshark 4.0 calls it a bug of its own when gRPC answers nothing.
                    script.out(whole[500 + gap:]).into(self.answer(stream=5, kind=b"text/plain"))
                    capture = script.capture()
                    paths = capture.values("http2.headers.path")
                    self.assertEqual(paths, ["/a.B/C"] + ["/a.B/E"] * (
                        gap <= 2 * len(calls[0]) - 500))
                    self.assertIn("up to the next HTTP/2 frame", capture.comments()[-1])

    def test_a_gap_within_a_header_starts_anew(self):
        script = self.script().out(PREFACE + frame(SETTINGS, 0, 0)).out(self.call()[:5])
        script.line("lose out a 1000").out(self.call(b"/a.B/D", stream=3)).into(
            self.answer(stream=3))
        capture = script.capture(damaged=True)  # the five bytes of a header
        self.assertEqual(capture.rows("http2.headers.path", "tcp.stream", "http2.headers.path"),
                         [("1", "/a.B/D")])

    def test_a_beginning_within_a_frame_is_left_out(self):
        call = self.call(b"/a.B/C", message=noise(2000))
        script = self.script().out(call[700:]).into(self.answer(kind=b"text/plain"))
        script.out(self.call(b"/a.B/D", stream=3)).into(self.answer(stream=3))
        capture = script.capture()
        self.assertEqual(capture.values("http2.headers.path"), ["/a.B/D"])
        self.assertEqual(capture.values("http2.headers.status"), ["200", "200"])


class GapTest(FramesTest):
    def test_lost_bytes_become_zeros(self):
        body = noise(50000)
        whole = response(body, "application/octet-stream")
        start = len(whole) - len(body) + 1000
        for gap in ("lose", "cut"):
            with self.subTest(gap=gap):
                script = self.script().out(request()).into(whole[:start])
                script.line(f"{gap} in a 30000").into(whole[start + 30000:])
                capture = script.out(request("/next")).into(response()).capture()
                expected = body[:1000] + bytes(30000) + body[31000:]
                self.assertIn(hashlib.sha256(expected).hexdigest(), capture.objects().values())
                self.assertEqual(capture.values("http.request.uri"), ["/api/users", "/next"])
                self.assertIn("30000 bytes were lost here", capture.comments()[1])

    def test_a_large_gap_ends_the_stream(self):
        script = self.script(9999).out(request()).into(response(b"x" * 3000000)[:5000])
        script.line("lose in a 2000000").into(b"x" * 100)
        capture = script.out(request("/next")).into(response()).line("close a").capture()
        self.assertEqual(set(capture.values("tcp.stream")), {"0", "1"})
        self.assertEqual(capture.rows("http.request", "tcp.stream", "http.request.uri"),
                         [("0", "/api/users"), ("1", "/next")])
        self.assertIn("2000000 bytes were lost before it", capture.comments()[-1])

    def test_a_beginning_that_was_lost(self):
        script = self.script().line("lose in a 3000").into(noise(300)).line("wait 200")
        capture = script.out(request()).into(response()).capture()
        self.assertEqual(capture.values("http.request.uri"), ["/api/users"])
        self.assertIn("3000 bytes were lost before it", capture.comments()[0])


class ConnectionTest(FramesTest):
    def talk(self, script, path, name="a"):
        return script.out(request(path), name=name).into(response(), name=name)

    def test_one_object_after_another_at_an_address(self):
        script = self.talk(self.script(), "/1").line("close a").line(
            "socket a inet 10.244.0.5 41001 10.96.0.9 443")
        capture = self.talk(script, "/2").line("close a").capture()
        self.assertEqual(capture.rows("http.request", "tcp.stream", "tcp.srcport",
                                      "http.request.uri"),
                         [("0", "41000", "/1"), ("1", "41001", "/2")])

    def test_another_socket_is_another_stream(self):
        script = self.talk(self.script(), "/1").line("socket a inet 10.244.0.5 41001 10.96.0.9 443")
        capture = self.talk(script, "/2").line("close a").capture()
        self.assertEqual(capture.rows("http.request", "tcp.stream", "tcp.srcport",
                                      "http.request.uri"),
                         [("0", "41000", "/1"), ("1", "41001", "/2")])
        self.assertEqual(len(capture.rows("tcp.flags.fin == 1", "frame.number")), 4)

    def test_the_same_ports_again(self):
        script = self.talk(self.script(), "/1").line("close a").line("wait 20")
        capture = self.talk(script, "/2").line("close a").capture()
        self.assertEqual(capture.rows("http.request", "tcp.stream", "http.request.uri"),
                         [("0", "/1"), ("1", "/2")])

    def test_a_socket_that_becomes_known(self):
        script = Script(self).line("socket a unknown").out(request("/1")).line("wait 500")
        script.line("socket a inet 10.244.0.5 41001 10.96.0.9 443").into(response())
        capture = self.talk(script, "/2").capture()
        self.assertEqual(capture.rows("http.request", "tcp.stream", "ip.src", "http.request.uri"),
                         [("0", "10.244.0.5", "/1"), ("0", "10.244.0.5", "/2")])

    def test_a_socket_that_stays_unknown(self):
        for state in ("none", "unknown"):
            with self.subTest(state=state):
                script = self.talk(Script(self).line(f"socket a {state}"), "/1").line("wait 3000")
                capture = self.talk(script, "/2").capture()
                self.assertEqual(capture.rows("http.request", "tcp.stream", "ip.src",
                                              "tcp.dstport"), [("0", "127.0.18.103", "443")] * 2)
                self.assertIn("made up; ", capture.comments()[0])

    def both_ends(self, first, gap):
        script = Script(self).line("pid 100").line("socket c inet 10.244.0.5 41000 10.244.0.6 8443")
        script.line("pid 200").line("socket s inet 10.244.0.6 8443 10.244.0.5 41000")
        for path in ("/1", "/2"):
            script.line("pid 100").out(request(path), name="c").line(gap)
            script.line("pid 200").into(request(path), name="s").line(gap)
            script.out(response(), name="s").line(gap)
            script.line("pid 100").into(response(), name="c").line(gap)
        script.line("close c").line("wait 50").line("pid 200").into(b"late", name="s")
        capture = script.line("close s").capture()
        self.assertEqual(capture.values("http.request.uri"), ["/1", "/2"])
        self.assertEqual(set(capture.values("tcp.stream")), {"0"})
        self.assertIn(f"process {first} ", capture.comments()[0])

    def test_both_ends_are_shown_once_by_the_server(self):
        self.both_ends(200, "wait 1")

    def test_both_ends_are_shown_once_by_the_client_if_it_came_first(self):
        self.both_ends(100, "wait 50")

    def test_loopback_in_two_namespaces_is_two_connections(self):
        script = Script(self).line("pid 100").line(
            "socket c inet 127.0.0.1 41000 127.0.0.1 8443 netns 1")
        script.line("pid 200").line("socket s inet 127.0.0.1 8443 127.0.0.1 41000 netns 2")
        script.line("pid 100").out(request("/1"), name="c").line("close c").line("wait 50")
        script.line("pid 200").into(request("/2"), name="s")
        self.assertEqual(script.capture().values("http.request.uri"), ["/1", "/2"])

    def test_what_its_own_packets_show_is_left_out(self):
        script = self.talk(self.script().line("shown a"), "/1")
        script.line("socket b inet 10.244.0.5 41001 10.96.0.9 443")
        capture = self.talk(script, "/2", "b").capture()
        self.assertEqual(capture.values("http.request.uri"), ["/2"])

    def test_shown_after_all(self):
        script = self.talk(self.script(), "/1").line("wait 50").line("shown a")
        capture = self.talk(script, "/2").capture()
        self.assertEqual(capture.values("http.request.uri"), ["/1"])
        self.assertIn("own packets", capture.comments()[-1])

    def test_a_write_that_is_told_of_late(self):
        script = self.script().out(request("/1")).line("back 8").into(response()).line("back -8")
        capture = script.capture()
        self.assertEqual(len(capture.rows("http", "frame.number")), 2)

    def test_the_end_of_a_process_ends_its_connections(self):
        script = self.talk(self.script(), "/1").line("exit")
        capture = script.line("wait 100").capture()
        self.assertEqual(len(capture.rows("tcp.flags.fin == 1", "frame.number")), 2)


# Header blocks as python3-hpack codes them, Huffman and table included: the first and the second
# request (all of it indexed), and two responses.
CODED_REQUESTS = tuple(bytes.fromhex(text) for text in (
    "82449e6283cc6abfcb505b208cf1fc0c842a11124fd4b540864963295920ea5abf41881d665cbe474d74178757"
    "8eba51d85b144324b194ac90752d5f608a4150831ea810c92c653f4087f2b0eb32dd4beb854324b194ff4086f2"
    "b5740cd57f8aee641a3a0aa771d1697f7a9025b650c3ca341084210842108421087f",
    "82c4c387c2c1c0bfbe"))
CODED_RESPONSES = tuple(bytes.fromhex(text) for text in (
    "8877904150831ea810c92c653f6a6b1a67818f5f8b1d75d0620d263d4c7441ea", "88bfbe"))


class RedactTest(FramesTest):
    SECRET = b"s3cr3t"

    def redacted(self, script, *arguments):
        capture = script.capture("--redact", *arguments)
        with open(capture.path, "rb") as file:
            self.assertNotIn(self.SECRET, file.read())
        return capture

    def test_http1(self):
        body = (b'{"amount": 1000, "card_number": "4111111111111111", "cvv": 123, "note": "hi",'
                b' "token" : "s3cr3t", "pan": 4111111111111111}')
        script = self.script().out(request("/api/payment?api_key=s3cr3t&a=b", body,
                                           "Authorization: Bearer s3cr3t\r\nCookie: a=s3cr3t\r\n"
                                           "Content-Type: application/json\r\n"))
        script.into(response(b"ok", headers="Set-Cookie: session=s3cr3t\r\n"))
        capture = self.redacted(script)
        self.assertEqual(capture.values("http.request.uri"), ["/api/payment?api_key=******&a=b"])
        self.assertEqual(capture.values("http.authorization"), ["Bearer ******"])
        self.assertEqual(capture.values("http.cookie"), ["********"])
        self.assertEqual(capture.values("http.set_cookie"), ["*" * 14])
        members = capture.values("json.path_with_value")[0].split(",")
        self.assertEqual(members, ["/amount:1000", "/card_number:****************", "/cvv:*",
                                   "/note:hi", "/token:******", "/pan:**************"])
        self.assertEqual(capture.values("http.response.code"), ["200"])

    def test_pieces(self):
        script = self.script().out(request("/x?password=s3cr3t", b'{"password":"s3cr3t"}',
                                           "Authorization: Bearer s3cr3t\r\n"), pieces=3)
        capture = self.redacted(script.into(response(b"4111 1111 1111 1111"), pieces=3))
        self.assertEqual(capture.values("http.request.uri"), ["/x?password=******"])
        self.assertEqual(capture.bodies(),
                         ['{"password":"******"}', "**** **** **** ****"])

    def test_what_is_held_goes_before_the_answer(self):
        script = self.script().out(request("/x", b"count 1234")).into(response()).line("wait 1")
        capture = self.redacted(script.line("wait 300").out(request("/y")).into(response()))
        self.assertEqual(capture.rows("http", "http.request.method", "http.response.code"),
                         [("POST", ""), ("", "200"), ("GET", ""), ("", "200")])
        self.assertEqual(capture.values("http.request.uri"), ["/x", "/y"])

    def test_form(self):
        script = self.script().out(request("/login", b"user=bob&password=s3cr3t&x=1",
                                           "Content-Type: application/x-www-form-urlencoded\r\n"))
        capture = self.redacted(script)
        self.assertEqual(capture.values("urlencoded-form.value"), ["bob,******,1"])

    def test_http2_as_a_real_encoder_writes_it(self):
        script = self.script().out(PREFACE + frame(SETTINGS, 0, 0)).into(frame(SETTINGS, 0, 0))
        for i, stream in enumerate((1, 3)):
            script.out(frame(HEADERS, END_HEADERS | END_STREAM, stream, CODED_REQUESTS[i]))
            script.into(frame(HEADERS, END_HEADERS, stream, CODED_RESPONSES[i]) +
                        frame(DATA, END_STREAM, stream, b'{"password":"s3cr3t","a":"b"}'))
        capture = self.redacted(script)
        paths = capture.values("http2.headers.path")
        self.assertEqual(len(paths), 2)
        self.assertEqual(paths[0], paths[1])
        self.assertRegex(paths[0], r"^/login\?user=bob&access_token=\*+$")
        for field, pattern in (("authorization", r"^Bearer \*+$"), ("cookie", r"^\*+$"),
                               ("set_cookie", r"^\*+$"), ("user_agent", r"^curl/8 \*+$"),
                               ("authority", r"^api.example$")):
            values = capture.values(f"http2.headers.{field}")
            self.assertEqual(len(values), 2, field)
            for value in values:
                self.assertRegex(value, pattern)
        self.assertEqual(capture.values("json.value.string"), ["******,b"] * 2)
        text = capture.tshark("-V", "-Y", "http2")
        self.assertEqual(text.count("Header: x-plain: visible value"), 2)
        self.assertNotIn("t0ken", text)
        self.assertRegex(text, r"Header: x-api-key: \*+\n")

    def test_http2_plain_in_pieces(self):
        head = POST_HTTPS + fields((b":path", b"/a?token=s3cr3t"), (b":authority", b"a"),
                                   (b"authorization", b"Basic s3cr3t"), (b"cookie", b"s3cr3t"),
                                   (b"x-plain", b"visible"), form=0x40)
        # Padded, with a priority, and continued.
        first = b"\x04" + b"\0\0\0\0\x10" + head[:40] + bytes(4)
        data = PREFACE + frame(SETTINGS, 0, 0) + frame(HEADERS, PADDED | PRIORITY, 1, first)
        data += frame(CONTINUATION, END_HEADERS, 1, head[40:])
        data += frame(DATA, END_STREAM, 1, b"card 4111-1111-1111-1111 and no more")
        # The names by the table: 62 is x-plain, 63 cookie, 64 authorization.
        data += frame(HEADERS, END_HEADERS | END_STREAM, 3, POST_HTTPS + b"\x7f\x01\x06s3cr3t" +
                      fields((b":path", b"/b"), (b":authority", b"a")))
        capture = self.redacted(self.script().out(data, pieces=7))
        self.assertEqual(capture.values("http2.headers.path"), ["/a?token=******", "/b"])
        self.assertEqual(capture.values("http2.headers.authorization"), ["Basic ******", "******"])
        self.assertEqual(capture.values("http2.headers.cookie"), ["******"])
        body = capture.values("http2.data.data")[-1].replace(":", "")
        self.assertEqual(bytes.fromhex(body), b"card ****-****-****-**** and no more")

    def test_rules(self):
        path = os.path.join(self.folder, "rules")
        with open(path, "w", encoding="utf-8") as file:
            file.write("header X-Ours\npattern order (\\d+)\n")
        script = self.script().out(request("/x", b"order 77", "X-Ours: s3cr3t\r\n"))
        capture = self.redacted(script, "--rules", path)
        self.assertEqual(capture.bodies(), ["order **"])

    def test_bodies_without_secrets_are_not_changed(self):
        body = noise(1 << 20)
        script = self.script().out(request("/up", body)).into(response())
        objects = self.redacted(script).objects()
        self.assertIn(hashlib.sha256(body).hexdigest(), objects.values())


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

    def test_protocols_of_their_own_ports(self):
        mail = b"* OK ready\r\n", b"a NOOP\r\n"
        for port, server, client, shown in (
                (993, *mail, "imap.request.command"), (143, *mail, "imap.request.command"),
                (6379, b"+OK\r\n", b"*1\r\n$4\r\nPING\r\n", "tcp.payload"),
                (25, b"250-x\r\n", b"EHLO x\r\n", "smtp.req.command"),
                (465, b"220 x\r\n", b"EHLO x\r\n", "smtp.req.command")):
            with self.subTest(port=port):
                capture = self.script(port).into(server).out(client).capture()
                self.assertTrue(capture.values(shown))

    def test_an_unknown_beginning_on_a_port_of_the_web(self):
        script = self.script(8080).into(noise(5000)).line("wait 300")
        capture = script.out(request("/next")).into(response()).capture()
        self.assertEqual(capture.values("http.request.uri"), ["/next"])

    def test_http_on_a_port_of_another_protocol_says_what_to_do(self):
        capture = self.script(5432).out(request()).into(response()).capture()
        self.assertIn("Decode As TLS", capture.comments()[0])
        self.assertEqual(capture.values("http.request.uri", "-d", "tcp.port==5432,tls"),
                         ["/api/users"])

    def test_a_client_s_port_of_another_protocol_says_what_to_do(self):
        """Where Wireshark has nothing for the server's port, it looks at the other one."""
        for port in (34980, 40000, 44321, 44322, 44818, 48049, 48898, 57000):
            with self.subTest(port=port):
                script = self.script(8443)
                script.line(f"socket a inet 10.244.0.5 {port} 10.96.0.9 8443")
                capture = script.out(request()).into(response()).capture(damaged=True)
                self.assertIn(f"port {port}: Decode As TLS", capture.comments()[0])
                self.assertEqual(capture.values("http.request.uri", "-d", f"tcp.port=={port},tls"),
                                 ["/api/users"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
