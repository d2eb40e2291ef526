# SPDX-License-Identifier: GPL-2.0-or-later
"""--dns-failure-only: a pod asks a real DNS server in another pod; what fails is in the file.

The truth is a tcpdump of everything beside it, read by tshark.
"""

import json
import sys

from .capture import SPACE, CaptureTest, File, in_netns
from .harness import Container, Image, need, run, tshark_rows, wait_until

LONG = "x" * 200
# Asked for the zones that end badly: answers after a while, with an error, or never.
UPSTREAM = """
import socket, struct, sys, threading
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 5300))
def answer(data, peer, rcode):
    s.sendto(data[:2] + struct.pack("!H", 0x8180 | rcode) + data[4:6] + bytes(6) + data[12:], peer)
print("ready", file=sys.stderr, flush=True)
while True:
    data, peer = s.recvfrom(2000)
    if b"\\x08servfail" in data:
        answer(data[:data.index(b"\\x04test\\0") + 10], peer, 2)
    for name, seconds in ((b"\\x04slow", 4), (b"\\x04late", 6)):
        if name in data:
            data = data[:data.index(b"\\x04test\\0") + 10]
            threading.Timer(seconds, answer, (data, peer, 0)).start()
"""
# A query, and at once the same again, as of a resolver that has no patience.
TWICE = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
name = b"".join(bytes([len(label)]) + label.encode() for label in sys.argv[2].split("."))
query = b"\\x12\\x34\\x01\\0\\0\\x01\\0\\0\\0\\0\\0\\0" + name + b"\\0\\0\\x01\\0\\x01"
for _ in range(2):
    s.sendto(query, (sys.argv[1], 53))
for _ in range(2):
    s.recv(2000)
"""
DNSMASQ = [
    "dnsmasq", "--no-daemon", "--no-resolv", "--no-hosts", "--user=root", "--pid-file=",
    "--cache-size=0", "--address=/good.test/10.1.2.3", "--address=/nx.test/",
    "--address=/cluster.local/", "--address=/example.test/10.1.2.4",
    *(f"--server=/{zone}.test/127.0.0.1#5300" for zone in ("servfail", "slow", "late", "drop")),
    *[f"--txt-record=big.test,{LONG}"] * 5,
]
RESOLV = "search {0}.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n"
FIELDS = ["frame.number", "dns.id", "dns.qry.name", "dns.flags.response", "dns.flags.rcode",
          "dns.flags.truncated", "udp.port", "tcp.port"]
TIMEOUT_S = 2


def packet(row):
    """What two captures of one packet have in common."""
    return tuple(row[field] for field in FIELDS[1:])


def response(row):
    return row[FIELDS.index("dns.flags.response") - 1]


def exchange(row):
    """The id and the ports."""
    return (row[0], *sorted(",".join(row[-2:]).split(",")))


def events(path):
    objects = (json.loads(frame.data[frame.data.index(b"{") :].rstrip(b"\0"))
               for frame in File(path).of("stratoshark-events"))
    return [each for each in objects if each["event"] == "dns-failure"]


class DnsTest(CaptureTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for tool in ("dnsmasq", "dig"):
            need(tool)
        cls.node.add_image(Image("dns", programs=["dnsmasq", "dig"], shell=True,
                                 entrypoint=DNSMASQ))
        cls.server = cls.class_pod(SPACE, "dns", [Container("dnsmasq", "dns")])
        cls.asker = cls.class_pod(SPACE, "asker", [
            Container("dig", "dns", command=["/bin/sleep", "2147483647"])])

    def setUp(self):
        upstream = self.background(in_netns(self.server.pid, [sys.executable, "-c", UPSTREAM]))
        upstream.wait_stderr("ready")
        wait_until(lambda: "NOERROR" in self.dig("good.test"), "an answer of dnsmasq")

    def dig(self, *words, server=None, tries=1, wait_s=8):
        argv = ["dig", f"@{server or self.server.ip}", f"+tries={tries}", f"+time={wait_s}", *words]
        return self.asker.exec("dig", argv, check=False)

    def captured(self, ask, *words, wait=None, **options):
        """(path of ours, path of everything, summary) of what ask() does."""
        ours, full = self.file(), self.file("full.pcap")
        judge = self.tcpdump(full, pod=self.asker)
        capture = self.capture("--dns-failure-only", "-w", ours, *words, pod=self.asker, **options)
        ask()
        if wait:
            wait_until(lambda: wait(ours), "what is waited for", 30)
        self.mark("end", full, pod=self.asker)
        self.stop(capture)
        self.stop_tcpdump(judge)
        return ours, full, capture.stderr

    def assert_only_failures(self, ours, full, failing):
        """Of each name in failing all frames, of no other any; in the order of the full file."""
        wanted = [packet(row) for row in tshark_rows(full, FIELDS, "dns")
                  if row["dns.qry.name"] in failing]
        found = [packet(row) for row in tshark_rows(ours, FIELDS, "dns")]
        self.assertEqual(found, wanted)
        self.assertTrue(wanted)

    def test_failures_of_every_kind(self):
        def ask():
            for _ in range(3):
                self.dig("good.test")
            self.dig("none.nx.test", "+tries=1")
            self.dig("none.servfail.test")
            self.dig("refused.other")
            self.dig("big.test", "TXT", "+ignore", "+bufsize=512")
            self.dig("none.drop.test", wait_s=TIMEOUT_S + 2)
            self.dig("good.test")

        def told(path):
            return len(events(path)) >= 5

        ours, full, stderr = self.captured(ask, "--dns-timeout", f"{TIMEOUT_S}s", wait=told)
        failing = {"none.nx.test": "NXDOMAIN", "none.servfail.test": "SERVFAIL",
                   "refused.other": "REFUSED", "big.test": "truncated",
                   "none.drop.test": "timeout"}
        self.assert_only_failures(ours, full, failing)
        seen = events(ours)
        self.assertEqual({each["dns_name"]: each["dns_failure"] for each in seen}, failing)
        for each in seen:
            self.assertEqual((each["namespace"], each["pod"]), (SPACE, "asker"))
            self.assertEqual(each["dns_server"], f"{self.server.ip}:53")
            self.assertEqual("dns_latency_ns" in each, each["dns_failure"] != "timeout")
        self.assertRegex(stderr, r"DNS: [4-9] exchanges went well, 5 failed: 1 NXDOMAIN, 2 with")
        self.assertRegex(stderr, r"left out \(DNS that did not fail\)")
        file = File(ours)
        self.assertEqual(file.delivered(), len(file.frames))

    def test_slow_answer(self):
        ours, full, _ = self.captured(lambda: self.dig("one.slow.test"), "--dns-timeout",
                                      f"{TIMEOUT_S}s", wait=lambda path: len(events(path)) >= 2)
        self.assert_only_failures(ours, full, ["one.slow.test"])
        kinds = [each["dns_failure"] for each in events(ours)]
        self.assertEqual(kinds, ["timeout", "slow"])
        self.assertGreater(events(ours)[1]["dns_latency_ns"], 3 * 10**9)

    def test_slow_is_fine_when_that_is_allowed(self):
        def ask():
            self.dig("two.slow.test")
            self.dig("none.nx.test")

        ours, full, _ = self.captured(ask, "--dns-timeout", "20s", wait=events)
        self.assert_only_failures(ours, full, ["none.nx.test"])

    def test_tcp_and_ipv6(self):
        def ask():
            self.dig("tcp.nx.test", "+tcp")
            self.dig("good.test", "+tcp")
            self.dig("big.test", "TXT", "+tcp")
            if self.server.ip6:
                self.dig("six.nx.test", "AAAA", server=self.server.ip6)

        names = ["tcp.nx.test"] + (["six.nx.test"] if self.server.ip6 else [])
        ours, full, _ = self.captured(ask, wait=lambda path: len(events(path)) == len(names))
        self.assert_only_failures(ours, full, names)
        self.assertEqual([each["dns_transport"] for each in events(ours)],
                         ["tcp", "udp"][:len(names)])

    def test_search_domains(self):
        """A name outside is looked for in every search domain first, which gives NXDOMAIN."""
        self.asker.exec("dig", ["sh", "-c", f"printf '{RESOLV.format(SPACE)}' >/etc/resolv.conf"])

        def ask():
            self.dig("+search", "www.example.test")

        names = [f"www.example.test{end}" for end in (
            f".{SPACE}.svc.cluster.local", ".svc.cluster.local", ".cluster.local")]
        ours, full, _ = self.captured(ask, "--dns-nxdomain", "all",
                                      wait=lambda path: len(events(path)) == len(names))
        self.assert_only_failures(ours, full, names)

        # It is found in the end: the others were steps on the way.
        def search():
            ask()
            self.dig("none.nx.test")

        ours, full, stderr = self.captured(search, wait=events)
        self.assert_only_failures(ours, full, ["none.nx.test"])
        self.assertIn("3 names were only tried on the way through a search list", stderr)
        ours, _, stderr = self.captured(ask, "--dns-nxdomain", "no")
        self.assertFalse(tshark_rows(ours, FIELDS, "dns"))
        self.assertFalse(events(ours))
        self.assertRegex(stderr, r"DNS: [3-8] exchanges went well, 0 failed")

    def test_nobody_listens(self):
        """kube-proxy answers like this for a service without ready pods."""
        ours, _, _ = self.captured(lambda: self.dig("good.test", server=self.web.ip, wait_s=1),
                                   wait=events)
        self.assertEqual([each["dns_failure"] for each in events(ours)], ["unreachable"])
        self.assertEqual(len(tshark_rows(ours, FIELDS, "dns && !icmp")), 1)
        self.assertEqual(len(tshark_rows(ours, FIELDS, "icmp.type == 3")), 1)

    def test_with_a_filter(self):
        def ask():
            self.dig("tcp.nx.test", "+tcp")
            self.dig("udp.nx.test")

        ours, full, _ = self.captured(ask, "--filter", "tcp", wait=events)
        self.assert_only_failures(ours, full, ["tcp.nx.test"])

    # Filters on one half of exchanges bring the other, marked.

    def exchanged(self, filter_, ask, *words, enough=1):
        """(rows of ours, of the full file) after ask(); ours has so many matches at least."""
        ours, full = self.file(), self.file("full.pcap")
        judge = self.tcpdump(full, pod=self.asker)
        capture = self.capture("--filter", filter_, "-w", ours, *words, pod=self.asker)
        ask()
        self.mark("end", full, pod=self.asker)
        wait_until(lambda: len(tshark_rows(ours, FIELDS, filter_)) >= enough, "what matches", 30)
        self.stop(capture)
        self.stop_tcpdump(judge)
        return ours, full

    def assert_exchanges(self, ours, full, filter_, context=True):
        """What matches, exactly; and, marked, of the other half what belongs to that."""
        wanted = [packet(row) for row in tshark_rows(full, FIELDS, filter_)]
        half = {response(row) for row in wanted}
        ids = {exchange(row) for row in wanted}
        other = [row for row in map(packet, tshark_rows(full, FIELDS, "dns && !icmp"))
                 if response(row) not in half and exchange(row) in ids]
        self.assertTrue(wanted)
        self.assertEqual(len(half), 1)
        self.assertEqual(sorted(map(packet, tshark_rows(ours, FIELDS, "dns"))),
                         sorted(wanted + (other if context else [])))
        if not context:
            return
        self.assertTrue(other)
        marked = [packet(row) for row in self.plugin_rows(ours, "stratoshark.context", FIELDS)]
        self.assertEqual(sorted(marked), sorted(other))
        rest = [packet(row) for row in
                self.plugin_rows(ours, "dns && !stratoshark.context", FIELDS)]
        self.assertEqual(rest, wanted)

    def ask_all(self):
        for _ in range(3):
            self.dig("good.test")
        self.dig("none.nx.test")
        self.dig("none.servfail.test", "+noedns")
        self.dig("tcp.nx.test", "+tcp")
        self.dig("tcp.example.test", "+tcp")
        self.dig("refused.other")
        run(in_netns(self.asker.pid, [sys.executable, "-c", TWICE, self.server.ip, "twice.nx.test"]))

    def test_queries_of_answers(self):
        filter_ = "dns.flags.rcode != 0"
        ours, full = self.exchanged(filter_, self.ask_all, enough=4)
        self.assert_exchanges(ours, full, filter_)

    def test_queries_of_records(self):
        """EDNS has a record in queries, too; answers may be in TCP."""
        filter_ = "dns.a == 10.1.2.4 || dns.count.answers > 1"
        ours, full = self.exchanged(filter_, self.ask_all)
        self.assert_exchanges(ours, full, filter_)

    def test_answers_of_queries(self):
        filter_ = 'dns.flags.response == 0 && dns.qry.name contains "nx.test"'
        ours, full = self.exchanged(filter_, self.ask_all, enough=4)
        self.assert_exchanges(ours, full, filter_)

    def test_the_query_of_a_slow_answer(self):
        """The file says how slow it was; but if the query has left the ring before."""
        def ask():
            self.dig("one.slow.test")
            self.dig("good.test")
            self.dig("one.late.test")

        filter_ = 'dns.time > 3 || (dns.flags.response == 1 && dns.qry.name contains "late")'
        ours, full = self.exchanged(filter_, ask, enough=2)
        self.assert_exchanges(ours, full, filter_)
        self.assertTrue(tshark_rows(ours, FIELDS,
                                    'dns.time > 3 && dns.qry.name == "one.slow.test"'))
        comments = tshark_rows(ours, ["dns.qry.name", "frame.comment"], "frame.comment")
        self.assertEqual([row["dns.qry.name"] for row in comments], ["one.late.test"])
        self.assertRegex(comments[0]["frame.comment"], r"sent [56]\..* before; it waited")

    def test_only_what_matches(self):
        filter_ = "dns.flags.rcode != 0"
        ours, full = self.exchanged(filter_, self.ask_all, "--no-context", enough=4)
        self.assert_exchanges(ours, full, filter_, context=False)

    def test_live(self):
        """Both halves as lines, and nothing of the others."""
        capture = self.capture("--filter", "dns.flags.rcode != 0", "--live", pod=self.asker)
        self.dig("good.test")
        self.dig("none.nx.test")
        self.dig("good.test")
        self.dig("other.nx.test")
        wait_until(lambda: b"response" in capture.stdout and
                   capture.stdout.count(b"other.nx.test") >= 2, "the last exchange")
        self.stop(capture)
        text = capture.stdout.decode()
        self.assertEqual(len([line for line in text.splitlines() if "none.nx.test" in line]), 2)
        self.assertNotIn("good.test", text)
