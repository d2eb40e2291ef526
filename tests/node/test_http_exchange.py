# SPDX-License-Identifier: GPL-2.0-or-later
"""Filters on HTTP: what fails comes with what was asked, and nothing else; beside a tcpdump."""

import collections

from .capture import CaptureTest, File
from .harness import tshark_rows, wait_until

FIELDS = ["tcp.stream", "tcp.srcport", "tcp.dstport", "http.request.uri", "http.response.code",
          "tcp.seq_raw"]
SEGMENT = ["tcp.srcport", "tcp.dstport", "tcp.seq_raw", "tcp.len"]


class HttpExchangeTest(CaptureTest):
    def ask(self, paths, *words):
        """All on one connection, one after the other."""
        urls = [self.web.url(path) for path in paths]
        self.client.exec("tools", ["curl", "-s", "-m", "20", "-o", "/dev/null", *words, *urls],
                         check=False)

    def captured(self, display, ask, *words, responses=1):
        """(rows of ours, rows of everything, stderr)."""
        ours, full = self.file(), self.file("full.pcap")
        judge = self.tcpdump(full)
        capture = self.capture("--filter", display, "-w", ours, *words)
        ask()
        self.mark("end", full)
        wait_until(lambda: len(tshark_rows(ours, FIELDS, "http.response", complete=False))
                   >= responses, "the responses")
        self.stop(capture)
        self.stop_tcpdump(judge)
        file = File(ours)
        self.assertEqual(file.delivered(), len(file.frames))
        self.assertEqual(file.dropped(), 0)
        return (tshark_rows(ours, FIELDS, "http"), tshark_rows(full, FIELDS, "http"),
                capture.stderr)

    @staticmethod
    def requests(rows):
        return [row["http.request.uri"] for row in rows if row["http.request.uri"]
                and not row["http.response.code"]]

    @staticmethod
    def codes(rows):
        return collections.Counter(row["http.response.code"] for row in rows
                                   if row["http.response.code"])

    def test_a_failure_comes_with_its_request(self):
        def ask():
            paths = [f"/status/200?{number}" for number in range(30)]
            paths[7], paths[21] = "/status/500?x", "/status/503?y"
            self.ask(paths)
            self.ask(["/missing"])

        ours, full, stderr = self.captured("http.response.code >= 500", ask, responses=2)
        self.assertEqual(self.codes(full)["500"] + self.codes(full)["503"], 2)
        self.assertEqual(self.codes(ours), {"500": 1, "503": 1})
        self.assertEqual(self.requests(ours), ["/status/500?x", "/status/503?y"])
        self.assertRegex(stderr, r"[23]\d left out \(of exchanges that do not match\)")

    def test_no_failure_is_missed_under_load(self):
        """As many connections at once as curl likes; each of them with good and bad answers."""
        def ask():
            paths = [f"/status/{500 if number % 40 == 3 else 200}?{number}"
                     for number in range(400)]
            self.ask(paths, "-Z", "--parallel-max", "20")

        ours, full, _ = self.captured("http.response.code >= 500", ask, responses=10)
        wanted = sorted(uri for uri in self.requests(full) if uri.startswith("/status/500"))
        self.assertEqual(len(wanted), 10)
        self.assertEqual(self.codes(ours), {"500": 10})
        self.assertEqual(sorted(self.requests(ours)), wanted)

    def test_a_request_comes_with_its_response(self):
        """The response is large: all of it, on a connection that is used before and after."""
        def ask():
            self.ask(["/api/users", "/bytes/200000", "/api/users", "/status/404"])

        ours, _, _ = self.captured('http.request.uri contains "/bytes"', ask)
        self.assertEqual(self.requests(ours), ["/bytes/200000"])
        self.assertEqual(self.codes(ours), {"200": 1})

    def marked(self, display, ask):
        """The rows of each part of a capture: what the filter selects, what is only context."""
        path = self.file()
        capture = self.capture("--filter", display, "-w", path)
        ask()
        wait_until(lambda: tshark_rows(path, FIELDS, "http.response", complete=False),
                   "the response")
        self.stop(capture)
        return [self.plugin_rows(path, part, FIELDS) for part in
                (display, "http && !stratoshark.context", "stratoshark.context",
                 "tcp.len > 0 && !stratoshark.context", "tcp.len > 0")]

    def test_a_request_that_is_only_context_is_marked(self):
        def ask():
            self.ask(["/api/users", "/status/500?a", "/api/users", "/status/500?b"])

        wanted, unmarked, context, _, _ = self.marked("http.response.code >= 500", ask)
        self.assertEqual(len(wanted), 2)
        self.assertEqual(unmarked, wanted)
        self.assertEqual(self.requests(context), ["/status/500?a", "/status/500?b"])
        self.assertEqual(self.codes(context), {})

    def test_a_response_that_is_only_context_is_marked(self):
        """All of its segments."""
        def ask():
            self.ask(["/api/users", "/bytes/200000", "/status/404"])

        wanted, unmarked, context, own, data = self.marked(
            'http.request.uri contains "/bytes"', ask)
        self.assertEqual(len(wanted), 1)
        self.assertEqual(unmarked, wanted)
        self.assertEqual(own, wanted)
        self.assertEqual(self.codes(context), {"200": 1})
        self.assertEqual(len(context), len(data) - 1)

    def test_without_context(self):
        """Exactly what tshark selects: the frame that completes the response."""
        def ask():
            self.ask(["/api/users", "/status/500", "/api/users"])

        ours, full = self.file(), self.file("full.pcap")
        judge = self.tcpdump(full)
        capture = self.capture("--filter", "http.response.code >= 500", "--no-context", "-w", ours)
        ask()
        self.mark("end", full)
        wait_until(lambda: File(ours).of("/web"), "the frame")
        self.stop(capture)
        self.stop_tcpdump(judge)
        rows = tshark_rows(full, ["frame.number"], "http.response.code >= 500")
        wanted = [File(full).frames[int(row["frame.number"]) - 1].data for row in rows]
        self.assertEqual([frame.data for frame in File(ours).of("/web")], wanted)


class ExchangeTest(CaptureTest):
    """What else comes with what a filter selects, beside a tcpdump."""

    def beside_everything(self, ask, *filters, pod=None):
        """[(filter, file of ours, file of everything)] of what ask() does; ours are complete when
        they have as many matches as the other."""
        full = self.file("full.pcap")
        files = [self.file(f"{number}.pcapng") for number in range(len(filters))]
        judge = self.tcpdump(full, pod=pod)
        captures = [self.capture("--filter", text, "-w", path, pod=pod)
                    for text, path in zip(filters, files)]
        ask()
        self.mark("end", full, pod=pod)
        self.stop_tcpdump(judge)
        for text, path in zip(filters, files):
            wanted = len(tshark_rows(full, SEGMENT, text))
            self.assertTrue(wanted, text)
            # What needs segments that do not match themselves can't be read again.
            wait_until(lambda: len(tshark_rows(path, SEGMENT, text, complete=False)) >= wanted or
                       len(tshark_rows(path, SEGMENT, "tcp", complete=False)) == wanted,
                       f"what matches '{text}'")
        for capture in captures:
            self.stop(capture)
        return [(text, path, full) for text, path in zip(filters, files)]

    @staticmethod
    def segments(rows):
        return sorted(tuple(row[field] for field in SEGMENT) for row in rows)

    @staticmethod
    def pairs(messages):
        """Numbers of the frames of requests and of their responses, which come one after the other
        on a connection; tcpdump may swap them."""
        found = collections.defaultdict(lambda: ([], []))
        for row in messages:
            is_response = bool(row["http.response.code"])
            port = row["tcp.dstport" if is_response else "tcp.srcport"]
            found[port][is_response].append(row["frame.number"])
        return [pair for both in found.values() for pair in zip(*both)]

    def assert_exchanges(self, text, ours, full, message="http", unmarked="tcp"):
        """Unmarked: what tshark selects, exactly. All in all: each message of exchanges of which it
        selects one, readable, and no other."""
        selected = tshark_rows(full, ["frame.number", *SEGMENT], text)
        numbers = {row["frame.number"] for row in selected}
        messages = tshark_rows(full, ["frame.number", "http.response.code", *SEGMENT], message)
        pairs = self.pairs(messages)
        whole = numbers | {each for pair in pairs if numbers & set(pair) for each in pair}
        self.assertGreater(len(whole), len(numbers), text)
        self.assertLess(len(whole), len(messages), text)
        self.assertEqual(self.segments(tshark_rows(ours, SEGMENT, "http")),
                         self.segments(row for row in messages if row["frame.number"] in whole))
        rest = self.plugin_rows(ours, f"{unmarked} && !stratoshark.context", SEGMENT)
        self.assertEqual(self.segments(rest), self.segments(selected))
        file = File(ours)
        self.assertEqual(file.delivered(), len(file.frames))
        self.assertEqual(file.dropped(), 0)


class PartnersTest(ExchangeTest):
    """Filters that only tshark decides: the other half comes, too, marked."""

    def traffic(self):
        """On one connection, and on others; large answers and questions."""
        self.client.exec("tools", [
            "curl", "-s", "-o", "/dev/null", self.web.url("/api/users"),
            self.web.url("/status/404?a"), self.web.url("/bytes/300000"), self.web.url("/"),
            self.web.url("/status/500?b"), self.web.url("/api/users?again")])
        for path in ("/", "/api/users", "/missing"):
            self.curl(self.web.url(path))
        self.curl(self.web.url("/api/users"), "-X", "POST", "-d", "name=" + "x" * 50000)
        self.curl(self.web.url("/status/204"), "-I")

    def test_what_only_tshark_decides(self):
        for text, ours, full in self.beside_everything(
                self.traffic,
                'http.content_type contains "json"',
                'http.server == "web" && http.content_length > 100000',
                'http.request.full_uri contains "/bytes" || http.response.code == 404',
                f'http.user_agent contains "curl" && ip.dst == {self.web.ip} && '
                'http.request.method in {"POST", "HEAD"}',
                'http.response_for.uri contains "again"'):
            with self.subTest(filter=text):
                self.assert_exchanges(text, ours, full)

    def test_under_load(self):
        """As many connections at once as curl likes."""
        def ask():
            urls = [self.web.url(f"/status/{500 if number % 40 == 3 else 200}?{number}")
                    for number in range(400)]
            self.client.exec("tools", ["curl", "-s", "-m", "20", "-o", "/dev/null", "-Z",
                                       "--parallel-max", "20", *urls], check=False)

        for text, ours, full in self.beside_everything(
                ask, 'http.response.code >= 500 && http.server == "web"',
                'http.request.uri contains "500?1" && http.host'):
            with self.subTest(filter=text):
                self.assert_exchanges(text, ours, full)

    def test_dns_and_http_in_one_filter(self):
        """Of both protocols both halves: here of HTTP, because nobody asks a name."""
        text = 'dns.flags.rcode != 0 || http.request.uri contains "/bytes"'
        for each in self.beside_everything(self.traffic, text):
            self.assert_exchanges(*each)

    def test_requests_that_do_not_wait(self):
        """Several in a segment, and answers likewise: each has its own."""
        def ask():
            lines = "".join(f"GET {path} HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n" for path in
                            ("/", "/status/404", "/api/users", "/bytes/100000", "/status/500"))
            port = self.web.url("").rsplit(":", 1)[1].split("/")[0]
            self.client.exec("tools", [
                "sh", "-c", f"(printf '{lines}'; sleep 1) | nc {self.web.ip} {port} >/dev/null"],
                check=False)
            self.curl(self.web.url("/api/users"))

        filters = ('http.content_type contains "json"',
                   'http.content_length > 1000')
        for text, ours, full in self.beside_everything(ask, *filters):
            with self.subTest(filter=text):
                wanted = tshark_rows(full, SEGMENT, text)
                rest = self.plugin_rows(ours, "tcp && !stratoshark.context", SEGMENT)
                self.assertEqual(self.segments(rest), self.segments(wanted))
                self.assertIn("/api/users" if "json" in text else "/bytes/100000",
                              ",".join(self.uris(ours)))
                self.assertEqual(len(tshark_rows(full, SEGMENT, text)),
                                 len(tshark_rows(ours, SEGMENT, text)))

    @staticmethod
    def uris(path):
        return [row["http.request.uri"] for row in tshark_rows(path, FIELDS, "http.request")]
