# SPDX-License-Identifier: GPL-2.0-or-later
"""Filters on HTTP: what fails comes with what was asked, and nothing else; beside a tcpdump."""

import collections

from .capture import CaptureTest, File
from .harness import tshark_rows, wait_until

FIELDS = ["tcp.stream", "tcp.srcport", "tcp.dstport", "http.request.uri", "http.response.code",
          "tcp.seq_raw"]


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
