# SPDX-License-Identifier: GPL-2.0-or-later
"""capture --ssl-plaintext: what processes send and receive through TLS, as packets of their own;
stock tshark shows it without any key."""

import collections
import hashlib
import json
import os
import re

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
LARGE = 20_000_000  # bytes, in one call
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
                for capture, path in ends:
                    self.wait_shown(capture, path, paths, options)
                    self.stop(capture)
                    self.assert_bodies(path, paths, h2)

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
        home = UserHome(os.path.join(self.folder(), "home"))
        home.add_program("cap_bpf,cap_net_admin,cap_perfmon,cap_sys_ptrace,cap_sys_admin")
        words = ["-i", interface("nginx"), "-Y", "http.request", "-T", "fields"]
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

    def test_a_card_number_is_shown_when_asked_for(self):
        row, _ = self.paid("--no-redact")
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
        capture = self.capture("--ssl-plaintext", "--no-packets", "--live")
        asked = 0

        def shown():
            nonlocal asked
            asked += 1
            self.curl(self.url(f"/n/live-{asked}?card={CARD}"), "--http1.1")
            return b"/n/live-1" in capture.stdout

        capture.wait(shown, "the request as a line")
        self.stop(capture)
        self.assertNotIn(CARD.encode(), capture.stdout)


def _application_test(name):
    def test(self):
        self.application(name)

    return test


for _name in (name for name, each in APPLICATIONS.items() if each.plaintext):
    _method = f"test_application_{_name.replace('-', '_').replace('.', '_')}"
    setattr(PlaintextTest, _method, _application_test(_name))
