# SPDX-License-Identifier: GPL-2.0-or-later
"""capture --ssl-plaintext: what processes send and receive through TLS, as packets of their own;
stock tshark shows it without any key."""

import collections
import hashlib
import json
import os
import re
import signal

from . import tls_apps
from .capture import File
from .extcap import UserHome
from .harness import need, tshark_rows, wait_until
from .tls import (
    PLAIN,
    SPACE,
    TLS12,
    UNTIL_CLOSE,
    Held,
    TlsTest,
    digest,
    exported,
    http2_bodies,
    numbered,
    segment,
)
from .tls_apps import APPLICATIONS
from .tls_images import SIZES, body

RAW = 101  # LINKTYPE_RAW
PID, COMM = 6, 7  # types of TLVs in option 2989
LARGE = 20_000_000  # bytes, in one call
# Numbered pages with bodies of all sizes, small ones mostly: about 1,000 a second by wrk's 32
# connections, each of which rests before its next one. sizes is put in front.
NUMBERED_BODIES = """local number = 0
function request()
  number = number + 1
  local size = sizes[number % (#sizes - 2) + 1]
  if number % 200 == 0 then size = sizes[#sizes] elseif number % 20 == 0 then size = sizes[#sizes - 1] end
  return wrk.format("GET", "/bodies/" .. size .. "-" .. number)
end
function delay()
  return 30
end
"""
CONNECTIONS = 32
CARD = "4111111111111111"  # a number that Visa gives out for tests
PAYMENT = json.dumps({"amount": 1000, "card_number": CARD})


def interface(pod):
    return f"stratoshark-ssl-plaintext:{SPACE}/{pod}"


class PlaintextTest(TlsTest):
    def plaintext(self, *words, **options):
        path = self.file()
        return self.capture("--ssl-plaintext", "-w", path, *words, **options), path

    def shown(self, act, wanted, pod=None, options=()):
        """Captures the pod while act() runs, until all that is wanted is shown; the file's path."""
        capture, path = self.plaintext(pod=pod)
        act()
        self.wait_shown(capture, path, wanted, options)
        self.stop(capture)
        self.assertEqual(File(path).secrets, [])
        return path

    def frames(self, path, pod="nginx"):
        file = File(path)
        wanted = {i for i, each in enumerate(file.interfaces) if each.name == interface(pod)}
        self.assertEqual({file.interfaces[i].link_type for i in wanted}, {RAW})
        return [frame for frame in file.frames if frame.interface in wanted]

    def values(self, path, field, rule="http"):
        return {row[field] for row in tshark_rows(path, [field], rule)}

    # What is shown

    def test_numbered_requests_and_bodies(self):
        """Each once, whole, in the right pod, between the right ends."""
        paths = numbered(200) + [f"/bytes/{size}" for size in SIZES]
        path = self.shown(lambda: self.curl_all(paths, "--http1.1", "--rate", "6000/m"), paths)
        self.assertEqual(self.values(path, "frame.interface_name"), {interface("nginx")})
        found = exported(path, f"{self.folder()}/objects")
        for size in SIZES:
            self.assertEqual(found[digest(size)], 1, f"bodies of {size} bytes")
        self.assertEqual(found.total(), len(paths))
        for rule, fields in (
            ("http.request", ("ip.src", "ip.dst", "tcp.dstport")),
            ("http.response", ("ip.dst", "ip.src", "tcp.srcport")),
        ):
            ends = {tuple(row.values()) for row in tshark_rows(path, fields, rule)}
            self.assertEqual(ends, {(self.client.ip, self.web.ip, str(PLAIN))})

    def test_a_thousand_requests_a_second(self):
        """Each numbered request is there with its answer, whole, between the right ends."""
        with open(f"{self.keys}/bodies.lua", "w", encoding="utf-8") as file:
            file.write(f"local sizes = {{ {', '.join(map(str, SIZES))} }}\n{NUMBERED_BODIES}")
        capture, path = self.plaintext("--no-packets")
        load = ["-t", "1", "-c", str(CONNECTIONS), "-d", "1s", "-s", "/keys/bodies.lua"]
        said = self.client.exec("tools", ["wrk", *load, self.url("/")])
        count = int(re.search(r"(\d+) requests in", said)[1])
        self.assertNotIn("Non-2xx", said)
        asked = 'http.request.uri contains "/bodies/"'
        capture.wait_frames(path, count, asked, timeout_s=60)
        self.stop(capture)
        whole = self.numbered_bodies(path)
        self.assertGreaterEqual(len(whole), count)
        # wrk makes the first one for itself only, and when it ends, the last answer to each
        # connection may be under way.
        missing = set(range(2, count + 1)) - set(whole)
        self.assertLessEqual(len(missing), CONNECTIONS)
        fields = ("ip.src", "ip.dst", "tcp.dstport", "frame.interface_name")
        ends = {tuple(row.values()) for row in tshark_rows(path, fields, asked)}
        self.assertEqual(ends, {(self.client.ip, self.web.ip, str(PLAIN), interface("nginx"))})

    def numbered_bodies(self, path):
        """Numbers of the requests whose answer's body is there and has the right SHA-256. Another
        body fails, and so does a number that is there twice."""
        folder, numbers = f"{self.folder()}/objects", []
        exported(path, folder)
        # tshark names what it has no request of "object1.text" or the like: then that one is missing.
        for name in filter(re.compile(r"\d+-.*").fullmatch, os.listdir(folder)):
            size, number = name.split("-")
            with open(os.path.join(folder, name), "rb") as file:
                content = file.read()
            if len(content) == int(size):
                self.assertEqual(hashlib.sha256(content).hexdigest(), digest(int(size)), name)
                numbers.append(int(number))
        self.assertEqual(len(numbers), len(set(numbers)))
        return numbers

    # Filters

    def asked(self, path):
        return [row["http.request.uri"] for row in
                tshark_rows(path, ["http.request.uri"], "http.request")]

    def test_a_display_filter_is_about_plaintext(self):
        """What matches can be read: with the handshake, and the answer."""
        capture, path = self.plaintext("--filter", 'http.request.uri == "/n/7"')
        self.curl_all(numbered(20), "--http1.1")
        wait_until(lambda: tshark_rows(path, ["http.response.code"], "http.response",
                                       complete=False), "the answer")
        self.stop(capture)
        self.assertEqual(self.asked(path), ["/n/7"])
        self.assertEqual(len(tshark_rows(path, ["frame.number"], "http.response")), 1)

    def test_without_packets_and_by_the_answer(self):
        capture, path = self.plaintext("--no-packets", "--filter", "http.response.code >= 400")
        self.curl_all(numbered(10) + ["/missing"] + numbered(10), "--http1.1")
        wait_until(lambda: tshark_rows(path, ["http.response.code"], "http.response",
                                       complete=False), "the answer")
        self.stop(capture)
        self.assertEqual(self.asked(path), ["/missing"])
        self.assertEqual(self.values(path, "http.response.code", "http.response"), {"404"})

    def test_a_pcap_filter_is_about_plaintext(self):
        held = [Held(self.web.ip, PLAIN) for _ in range(2)]
        for each in held:
            self.addCleanup(each.close)
        capture, path = self.plaintext("--filter", f"tcp port {held[1].port}")
        for each in held:
            each.get("/n/1")
        self.wait_shown(capture, path, numbered(2)[1:])
        self.stop(capture)
        ports = tshark_rows(path, ["tcp.srcport"], "http.request")
        self.assertEqual([int(row["tcp.srcport"]) for row in ports], [held[1].port])

    def test_ports_of_the_client_are_true(self):
        held = [Held(self.web.ip, PLAIN) for _ in range(5)]
        for each in held:
            self.addCleanup(each.close)

        def act():
            for number, each in enumerate(held):
                each.get(f"/n/{number}")

        path = self.shown(act, numbered(5))
        rows = tshark_rows(path, ["http.request.uri", "tcp.srcport"], "http.request")
        ports = {row["http.request.uri"]: int(row["tcp.srcport"]) for row in rows}
        self.assertEqual(ports, {f"/n/{i}": each.port for i, each in enumerate(held)})

    def test_a_connection_older_than_the_capture(self):
        for port in (PLAIN, TLS12):
            with self.subTest(port=port):
                held = Held(self.web.ip, port)
                self.addCleanup(held.close)
                held.get("/n/before")
                self.shown(lambda: list(map(held.get, numbered(5))), numbered(5))

    def test_http2(self):
        paths = numbered(20) + ["/bytes/1048576"]
        path = self.shown(lambda: self.curl_all(paths, "--http2"), paths)
        self.assertTrue(tshark_rows(path, ["frame.number"], "http2.headers.path"))
        self.assertIn(digest(1 << 20), http2_bodies(path))

    def test_early_data(self):
        """By functions of their own, before the handshake is done."""
        for pod in (self.web, self.client):
            with self.subTest(pod=pod.name):
                log = self.key_log()[0]
                act = lambda: self.send_early("/n/1", "/n/2", log)  # noqa: E731
                self.shown(act, ["/n/1", "/n/2"], pod)

    def test_processes_that_die_within_a_call(self):
        """Each serves a connection, and waits in SSL_read() when it is killed; its successors have
        their objects at the same address."""
        server, _ = self.serve(APPLICATIONS["musl-shared"])
        capture, path = self.plaintext(pod=server)
        before = server.pids()
        for number, how in enumerate((signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM)):
            held = Held(server.ip, tls_apps.PORT)
            self.addCleanup(held.close)
            held.get(f"/n/{number}")
            for pid in server.pids() - before:
                os.kill(pid, how)
            wait_until(lambda: not server.pids() - before, "the process to be gone")
        self.wait_shown(capture, path, numbered(3))
        self.stop(capture)
        streams = self.values(path, "tcp.stream", "http.request")
        self.assertEqual(len(streams), 3)

    def test_a_process_that_becomes_another_program(self):
        """With a connection open, which its successor of the same number never closes."""
        pod = self.sleeping("python")
        capture, path = self.plaintext(pod=pod)
        words = ["get", "blocking", self.web.ip, str(PLAIN)]
        script = (
            "import os, socket, sys; sys.path.insert(0, '/'); import tls_app; "
            f"connection = socket.create_connection(('{self.web.ip}', {PLAIN})); "
            "tls = tls_app.client_context().wrap_socket(connection); "
            "tls.sendall(tls_app.request('/n/0')); tls_app.Blocking(tls).message(); "
            f"os.execv('/usr/bin/python3', ['python3', '/tls_app.py', *{words}, '/n/1', '/n/2'])"
        )
        pod.exec("app", ["/usr/bin/python3", "-c", script])
        self.wait_shown(capture, path, numbered(3))
        self.stop(capture)
        pids = {each.tlvs[PID] for each in self.frames(path, pod.name)}
        self.assertEqual(len(pids), 1)

    def test_the_clients_side(self):
        path = self.shown(
            lambda: self.curl_all(numbered(5), "--http1.1"), numbered(5), pod=self.client
        )
        self.assertEqual(self.values(path, "frame.interface_name"), {interface("client")})

    def test_many_connections_at_once(self):
        paths = numbered(100)
        self.shown(lambda: self.curl_all(paths, *self.PARALLEL), paths)

    def test_directions_are_the_pods(self):
        path = self.shown(lambda: self.curl_all(numbered(3), "--http1.1"), numbered(3))
        directions = {"http.request": 1, "http.response": 2}
        for rule, direction in directions.items():
            rows = tshark_rows(path, ["frame.packet_flags_direction"], rule)
            self.assertEqual({int(row["frame.packet_flags_direction"], 16) for row in rows}, {direction})

    def test_streams_have_no_holes(self):
        paths = [f"/bytes/{size}" for size in SIZES]
        path = self.shown(lambda: self.curl_all(paths, "--http1.1"), paths)
        rule = "tcp.analysis.lost_segment or tcp.analysis.ack_lost_segment or tcp.analysis.retransmission"
        rows = tshark_rows(path, ["frame.number"], f'({rule}) and frame.interface_name contains "ssl"')
        self.assertEqual(rows, [])

    def test_a_large_write_is_intact(self):
        application = APPLICATIONS["python"]
        server, _ = self.serve(application)
        client = self.asking(application)
        path = f"/bytes/{LARGE}"
        capture, file = self.plaintext("--no-packets", pod=server)
        said, _ = self.ask(application, client, server, [path])
        self.assertIn(digest(LARGE), said)
        self.wait_shown(capture, file, [path])
        self.stop(capture)
        found = exported(file, f"{self.folder()}/objects")
        self.assertEqual(found, {digest(LARGE): 1})

    def test_a_call_above_the_limit_is_a_gap_that_is_told(self):
        application = APPLICATIONS["python"]
        server, _ = self.serve(application)
        client = self.asking(application)
        capture, file = self.plaintext("--tls-max-call", "64K", "--no-packets", pod=server)
        self.ask(application, client, server, ["/bytes/1048576", "/n/after"])
        capture.wait_frames(file, 1, 'http.request.uri == "/n/after"')
        self.stop(capture)
        comments = [row["frame.comment"] for row in tshark_rows(file, ["frame.comment"])]
        lost = sum(int(number) for number in re.findall(r"(\d+) bytes", " ".join(comments)))
        self.assertGreater(lost, (1 << 20) - (1 << 17), comments)
        self.assertTrue(any("--tls-max-call" in each for each in comments), comments)

    # Whose

    def application(self, name):
        """Both ends, by two captures beside each other."""
        application = APPLICATIONS[name]
        server, _ = self.serve(application)
        client = self.asking(application)
        paths = numbered(5)
        if application.bodies:
            paths = paths + [f"/bytes/{size}" for size in SIZES] + ["/post/1", "/post/100000"]
        options = () if application.bodies else UNTIL_CLOSE
        for h2 in (False, True) if application.h2 else (False,):
            with self.subTest(h2=h2):
                pods = (server, client) if application.serves_calls else (client,)
                ends = [self.plaintext(pod=pod) for pod in pods]
                self.ask(application, client, server, paths, h2)
                for pod, (capture, path) in zip(pods, ends):
                    self.wait_shown(capture, path, paths, options)
                    self.stop(capture)
                    self.assert_bodies(path, paths, h2)
                    if pod is server:
                        self.assert_process(path, pod, application)

    def assert_process(self, path, pod, application):
        """Its frames say which process they are of."""
        frames = self.frames(path, pod.name)
        names = {each.tlvs[COMM].rstrip(b"\0").decode() for each in frames}
        self.assertEqual(names, {application.comm[:15]})
        for pid in {int.from_bytes(each.tlvs[PID], "little") for each in frames}:
            # Some servers have a process for each client, and it may have ended.
            self.assertTrue(pid in pod.pids() or not os.path.exists(f"/proc/{pid}"), pid)

    def assert_bodies(self, path, paths, h2):
        """SHA-256 of what was fetched and posted: each once, and no more of them."""
        sizes = [int(each.split("/")[2]) for each in paths if each.startswith("/bytes/")]
        posted = [int(each.split("/")[2]) for each in paths if each.startswith("/post/")]
        told = [hashlib.sha256(body(size)).hexdigest().encode() for size in posted]
        wanted = collections.Counter(map(digest, sizes + posted))
        wanted.update(hashlib.sha256(each).hexdigest() for each in told)
        found = http2_bodies(path) if h2 else exported(path, f"{self.folder()}/objects")
        found = {each: count for each, count in found.items() if each in wanted}
        self.assertEqual(found, wanted, f"HTTP/2: {h2}")

    # With keys, and the packets

    def test_never_both(self):
        """A flow that has keys is shown by its packets; one that is older, by its plaintext."""
        held = Held(self.web.ip, PLAIN)
        self.addCleanup(held.close)
        held.get("/n/before")
        capture, path = self.plaintext("--ssl-keylog")
        self.curl_all(numbered(10), "--http1.1", "-H", "Connection: close")
        for number in range(10, 15):
            held.get(f"/n/{number}")
        self.wait_shown(capture, path, numbered(15))
        self.stop(capture)
        self.assert_keys_first(File(path))
        rows = tshark_rows(path, ["http.request.uri", "frame.interface_name"], "http.request")
        by = {row["http.request.uri"]: row["frame.interface_name"] for row in rows}
        for number in range(15):
            wanted = f"stratoshark-pod:{SPACE}/nginx" if number < 10 else interface("nginx")
            self.assertEqual(by[f"/n/{number}"], wanted)

    def test_without_packets(self):
        capture, path = self.plaintext("--no-packets")
        self.curl_all(numbered(5), "--http1.1")
        self.wait_shown(capture, path, numbered(5))
        self.stop(capture)
        self.assertEqual(len(self.frames(path)), len(File(path).of("/nginx")))

    def test_encrypted_packets_do_not_share_a_stream(self):
        """A connection is in the file as packets or as plaintext: tshark would mix the two."""
        path = self.shown(lambda: self.curl_all(numbered(5), "--http1.1"), numbered(5))
        flows = [
            {segment(frame.data).flow for frame in frames if segment(frame.data)}
            for frames in (self.frames(path), File(path).of(f"stratoshark-pod:{SPACE}/nginx"))
        ]
        self.assertTrue(flows[0])
        self.assertFalse(flows[0] & flows[1])

    # Wireshark

    def test_wireshark_has_a_row_for_it(self):
        """Of a pod, of a namespace, and one whose option names the pod."""
        home = UserHome(os.path.join(self.folder(), "home"))
        home.add_program("cap_bpf,cap_net_admin,cap_perfmon,cap_sys_ptrace,cap_sys_admin")
        option = ("-o", f"extcap.stratoshark_ssl_plaintext.pod:{SPACE}/nginx")
        row = "stratoshark-ssl-plaintext"
        for words in ([interface("nginx")], [interface("")], [row, *option]):
            with self.subTest(words):
                words = ["-i", *words, "-Y", "http.request", "-T", "fields"]
                argv = home.argv(need("tshark"), "-l", *words, "-e", "http.request.uri")
                tshark = self.background(argv, env=home.environment)

                def shown():
                    self.curl_all(["/n/extcap"], "--http1.1")
                    return b"/n/extcap" in tshark.stdout

                tshark.wait(shown, "the request as a line")
                self.assertEqual(tshark.stop(), 0)

    # Redaction

    def pay(self):
        words = ["-H", "Content-Type: application/json", "--data", PAYMENT]
        self.curl(self.url("/api/payment"), "--http1.1", "-H", "Authorization: Bearer sesame", *words)

    def paid(self, *words):
        """What stock tshark shows of the payment's body, and all bytes of the file."""
        capture, path = self.plaintext("--no-packets", *words)
        self.pay()
        self.wait_shown(capture, path, ["/api/payment"])
        self.stop(capture)
        masked = re.search(r"; (\d+) bytes masked$", capture.stderr, re.M)
        self.assertEqual(bool(masked), any(word.startswith("--redact") for word in words), capture.stderr)
        rows = tshark_rows(path, ["http.file_data", "http.authorization"], "http.request")
        with open(path, "rb") as file:
            return rows[0], file.read()

    def test_a_card_number_is_masked(self):
        row, data = self.paid("--redact")
        self.assertNotIn(CARD.encode(), data)
        self.assertNotIn(b"sesame", data)
        self.assertIn('"amount": 1000', row["http.file_data"])
        self.assertIn('"card_number"', row["http.file_data"])
        self.assertEqual(len(row["http.file_data"]), len(PAYMENT))

    def test_a_card_number_is_shown_in_files(self):
        for words in ((), ("--no-redact",)):
            with self.subTest(words):
                row, _ = self.paid(*words)
                self.assertEqual(row["http.file_data"], PAYMENT)
                self.assertEqual(row["http.authorization"], "Bearer sesame")

    def test_own_rules_mask_too(self):
        rules = self.file("rules")
        with open(rules, "w", encoding="utf-8") as file:
            file.write("field amount\n")
        row, data = self.paid("--redact-rules", rules)
        self.assertNotIn(b"1000", data)
        self.assertNotIn(CARD.encode(), data)

    def test_a_card_number_that_two_writes_share_is_masked(self):
        """The head and half of the number in one call, the rest in another."""
        capture, path = self.plaintext("--no-packets", "--redact")
        half = len(PAYMENT) - 12
        head = (
            f"POST /api/payment HTTP/1.1\\r\\nHost: server.test\\r\\nContent-Length: {len(PAYMENT)}"
            "\\r\\nConnection: close\\r\\n\\r\\n"
        )
        quoted = PAYMENT.replace('"', '\\"')
        script = (
            f'(printf "{head}"; printf %s "{quoted[:half]}"; sleep 0.2; printf %s "{quoted[half:]}")'
            f" | openssl s_client -ign_eof -connect {self.web.ip}:{PLAIN} >/dev/null 2>&1"
        )
        self.client.exec("tools", ["sh", "-c", script])
        self.wait_shown(capture, path, ["/api/payment"])
        self.stop(capture)
        with open(path, "rb") as file:
            data = file.read()
        self.assertNotIn(CARD.encode(), data)
        self.assertNotIn(CARD[-10:].encode(), data)

    def test_live_masks_by_default(self):
        """What is shown; a file beside it is as it was said."""
        capture, path = self.plaintext("--no-packets", "--live")
        asked = 0

        def shown():
            nonlocal asked
            asked += 1
            self.curl(self.url(f"/n/live-{asked}?card={CARD}"), "--http1.1")
            return b"/n/live-1" in capture.stdout

        capture.wait(shown, "the request as a line")
        self.stop(capture)
        self.assertNotIn(CARD.encode(), capture.stdout)
        with open(path, "rb") as file:
            self.assertIn(CARD.encode(), file.read())


def _application_test(name):
    def test(self):
        self.application(name)

    return test


for _name in (name for name, each in APPLICATIONS.items() if each.plaintext):
    _method = f"test_application_{_name.replace('-', '_').replace('.', '_')}"
    setattr(PlaintextTest, _method, _application_test(_name))
