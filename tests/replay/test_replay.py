#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A recording of a real node through the whole pipeline, without any privilege, judged by stock
tshark against golden text. UPDATE=1 writes the golden text anew: read the difference before you
commit it. STRATOCAP_PROGRAM names the program under test."""

import os
import subprocess
import tempfile
import unittest

from recording import LINKTYPE_UPPER_PDU, Connection, Recording, dns, get, response

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.environ.get("STRATOCAP_PROGRAM", "stratoshark")
RECORDING = os.path.join(HERE, "pods.ssrec")
FIELDS = ("frame.interface_name", "frame.time_epoch", "frame.len", "frame.packet_flags_direction",
          "_ws.col.Source", "_ws.col.Destination", "ip.id", "tcp.flags.str", "http.request.uri",
          "http.response.code", "json.value.string")


class Base(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="stratoshark-replay-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        os.chmod(self.folder, 0o777)

    def replay(self, *arguments, recording=RECORDING, output="out.pcapng"):
        path = os.path.join(self.folder, output)
        command = [PROGRAM, "capture", "--replay", recording, "-w", path, *arguments]
        if os.geteuid() == 0:
            command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *command]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False,
                              env={**os.environ, "HOME": self.folder})
        return done, path

    def rows(self, path, fields=FIELDS, *more):
        command = ["tshark", "-r", path, "-N", "n", "-T", "fields", *more]
        for field in fields:
            command += ["-e", field]
        environment = {"HOME": self.folder, "PATH": os.environ["PATH"], "TZ": "UTC",
                       "WIRESHARK_PLUGIN_DIR": self.folder}
        if os.geteuid() == 0:
            command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *command]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60,
                              check=True)
        return done.stdout


class ReplayTest(Base):
    def test_the_capture_is_what_it_was(self):
        done, path = self.replay()
        self.assertEqual((done.returncode, done.stderr.count("85 frames")), (0, 1), done.stderr)
        text = self.rows(path)
        golden = os.path.join(HERE, "pods.txt")
        if os.environ.get("UPDATE"):
            with open(golden, "w", encoding="utf-8") as file:
                file.write(text)
        with open(golden, encoding="utf-8") as file:
            self.assertEqual(text, file.read())

    def test_two_replays_have_the_same_frames(self):
        first = self.rows(self.replay(output="a.pcapng")[1])
        self.assertEqual(first, self.rows(self.replay(output="b.pcapng")[1]))

    def test_count_ends_it(self):
        done, path = self.replay("-c", "7")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.rows(path, ("frame.number",)).split(), list("1234567"))

    def test_a_ring_of_files_has_every_frame_once(self):
        whole = self.rows(self.replay()[1], ("frame.time_epoch", "frame.interface_name"))
        done, _ = self.replay("--ring-size", "8192", output="ring.pcapng")
        self.assertEqual(done.returncode, 0, done.stderr)
        files = sorted(name for name in os.listdir(self.folder) if name.startswith("ring_"))
        self.assertGreater(len(files), 2)
        parts = [self.rows(os.path.join(self.folder, name),
                           ("frame.time_epoch", "frame.interface_name")) for name in files]
        self.assertEqual("".join(parts), whole)

    def test_a_cut_recording_keeps_what_came_before(self):
        with open(RECORDING, "rb") as file:
            data = file.read()
        path = os.path.join(self.folder, "cut.ssrec")
        with open(path, "wb") as file:
            file.write(data[: len(data) // 2])
        os.chmod(path, 0o644)
        done, output = self.replay(recording=path)
        self.assertEqual(done.returncode, 6, done.stderr)
        self.assertIn("damaged", done.stderr)
        whole = self.rows(self.replay(output="whole.pcapng")[1], ("frame.time_epoch",)).split()
        kept = self.rows(output, ("frame.time_epoch",)).split()
        self.assertGreater(len(kept), 10)
        self.assertEqual(kept, whole[: len(kept)])


class FilterTest(Base):
    """What filters leave of a recording; tshark on the whole is the judge."""

    def selected(self, *arguments, recording=RECORDING):
        """Times and numbers of the frames; without events."""
        done, path = self.replay(*arguments, recording=recording)
        self.assertEqual(done.returncode, 0, done.stderr)
        return self.rows(path, ("frame.time_epoch", "frame.len"), "-Y",
                         'frame.interface_name != "stratoshark-events"'), done.stderr

    def whole(self, display, recording=RECORDING):
        _, path = self.replay(recording=recording, output="whole.pcapng")
        return self.rows(path, ("frame.time_epoch", "frame.len"), "-Y",
                         f'({display}) && frame.interface_name != "stratoshark-events"')

    def test_a_display_filter_selects_what_tshark_does(self):
        for display in ("http", "http.response.code >= 200", "tcp.flags.syn == 1", "tcp.len > 100",
                        "tcp.analysis.flags", "ipv6 && !http", "arp", "frame.number == 20",
                        "tcp.seq_raw > 100 && frame.len in {60..80}"):
            self.assertEqual(self.selected("--no-context", "--filter", display)[0],
                             self.whole(display), display)

    def test_a_pcap_filter_selects_what_libpcap_does(self):
        for filter_, display in (("tcp port 8080", "tcp.port == 8080"),
                                 ("ip6", "ipv6"), ("greater 101", "frame.len > 100"),
                                 ("tcp[tcpflags] & tcp-syn != 0", "tcp.flags.syn == 1 && ip"),
                                 ("arp or udp", "arp || udp")):
            chosen, stderr = self.selected("--filter", filter_)
            self.assertEqual(chosen, self.whole(display), filter_)
            self.assertRegex(stderr, r"\d+ others rejected by the filter")

    def test_events_are_kept(self):
        events = ("_ws.col.Protocol", "frame.time_epoch", "_ws.col.Info")
        only = ("-Y", 'frame.interface_name == "stratoshark-events"')
        _, whole = self.replay(output="whole.pcapng")
        expected = self.rows(whole, events, *only)
        self.assertTrue(expected)
        for filter_ in ("tcp port 1", "http.response.code == 999"):
            self.assertEqual(self.rows(self.replay("--filter", filter_)[1], events, *only), expected)

    def exchanges(self):
        """Two connections, with segments, and a failure on each; events between them."""
        path = os.path.join(self.folder, "http.ssrec")
        recording = Recording()
        api = recording.interface("stratoshark-pod:production/api", "pod=api; namespace=production")
        events = recording.interface("stratoshark-events", linktype=LINKTYPE_UPPER_PDU)
        one, two = Connection(40001), Connection(40002)
        large = response(503, b"x" * 30)
        recording.frames(api, (1, one.say(get("/good"))), (1.1, two.say(get("/large")[:12])))
        recording.event(events, 1.2, "something")
        recording.frames(api, (1.3, two.say(get("/large")[12:])),
                         (1.4, one.say(response(200), False)),
                         (1.5, two.say(large[:40], False)))
        recording.event(events, 1.6, "something")
        recording.frames(api, (1.7, one.say(get("/bad"))), (1.8, two.say(large[40:], False)),
                         (1.9, one.say(response(500), False)), (2, one.say(get("/good"))),
                         (2.1, one.say(response(200), False)))
        recording.counters(api, 9)
        recording.write(path)
        return path

    def times(self, *arguments, recording):
        rows, _ = self.selected(*arguments, recording=recording)
        return [float(row.split("\t")[0]) for row in rows.splitlines()]

    def marks(self, path):
        """Of each frame: the type of its direction is that of context."""
        with open(path, "rb") as file:
            data = file.read()
        return [data[at + 6] >> 7 for at in range(len(data))
                if data[at:at + 6] == b"\xd9\x7e\0\0ST"]

    def test_whole_exchanges(self):
        path = self.exchanges()
        failures = ("--filter", "http.response.code >= 500")
        self.assertEqual(self.times(*failures, recording=path), [1.1, 1.3, 1.5, 1.7, 1.8, 1.9])
        self.assertEqual(self.marks(self.replay(*failures, recording=path)[1]), [1, 1, 0, 1, 0, 0])
        requests = ("--filter", 'http.request.uri == "/large"')
        self.assertEqual(self.times(*requests, recording=path), [1.1, 1.3, 1.5, 1.8])
        self.assertEqual(self.marks(self.replay(*requests, recording=path)[1]), [0, 0, 1, 1])
        self.assertEqual(self.times(*failures, "--no-context", recording=path), [1.8, 1.9])
        self.assertEqual(self.times(*failures, "-c", "2", recording=path), [1.1, 1.3])

    def test_exchanges_that_tshark_chooses(self):
        """Where first lines do not decide: only what it selects has no mark."""
        path = self.exchanges()
        responses = ("--filter", "http.response.code >= 500 && http.response.phrase")
        self.assertEqual(self.times(*responses, recording=path), [1.1, 1.3, 1.5, 1.7, 1.8, 1.9])
        self.assertEqual(self.marks(self.replay(*responses, recording=path)[1]), [1, 1, 1, 1, 0, 0])
        requests = ("--filter", '(http.request.uri == "/large" && http.request.version) || dns.id == 1')
        self.assertEqual(self.times(*requests, recording=path), [1.1, 1.3, 1.5, 1.8])
        self.assertEqual(self.marks(self.replay(*requests, recording=path)[1]), [1, 0, 1, 1])
        either = ("--filter", 'http.request.uri contains "bad" || http.response.code == 503')
        self.assertEqual(self.times(*either, recording=path), [1.1, 1.3, 1.5, 1.7, 1.8, 1.9])
        self.assertEqual(self.marks(self.replay(*either, recording=path)[1]), [1, 1, 1, 0, 0, 1])
        self.assertEqual(self.times(*either, "--no-context", recording=path), [1.7, 1.8])

    def test_whole_dns_exchanges(self):
        """A query twice, an id again, an answer that comes late, one that nobody asked for."""
        path = os.path.join(self.folder, "dns.ssrec")
        recording = Recording()
        lo = recording.interface("stratoshark-pod:production/api/lo", "pod=api; namespace=production")
        recording.frames(lo, (1, dns(1, "good.example")), (1.1, dns(2, "gone.example")),
                         (1.2, dns(2, "gone.example")), (1.3, dns(1, "good.example", True)),
                         (1.4, dns(2, "gone.example", True, 3)), (1.5, dns(3, "slow.example")),
                         (1.6, dns(2, "good.example")), (1.7, dns(2, "good.example", True)),
                         (99, dns(3, "slow.example", True, 2)),
                         (99.1, dns(4, "who.example", True, 5)))
        recording.counters(lo, 10)
        recording.write(path)
        failures = ("--filter", "dns.flags.rcode != 0")
        self.assertEqual(self.times(*failures, recording=path), [1.1, 1.2, 1.4, 1.5, 99, 99.1])
        self.assertEqual(self.marks(self.replay(*failures, recording=path)[1]), [1, 1, 0, 1, 0, 0])
        queries = ("--filter", 'dns.flags.response == 0 && dns.qry.name == "good.example"')
        self.assertEqual(self.times(*queries, recording=path), [1, 1.3, 1.6, 1.7])
        self.assertEqual(self.marks(self.replay(*queries, recording=path)[1]), [0, 1, 0, 1])
        self.assertEqual(self.times(*failures, "--no-context", recording=path), [1.4, 99, 99.1])

    def test_only_dns_failures(self):
        path = os.path.join(self.folder, "dns.ssrec")
        recording = Recording()
        lo = recording.interface("stratoshark-pod:production/api/lo", "pod=api; namespace=production")
        recording.frames(lo, (1, dns(1, "good.example")), (1.01, dns(1, "good.example", True)),
                         (1.02, dns(2, "gone.example")), (1.03, dns(2, "gone.example", True, 3)),
                         (1.04, Connection(40000).say(get("/"))), (1.05, dns(3, "lost.example")),
                         (1.06, dns(4, "slow.example")))
        api = recording.interface("stratoshark-pod:production/api", "pod=api; namespace=production")
        recording.frames(lo, (3.5, dns(4, "slow.example", True)))
        recording.frames(api, (20, dns(5, "late.example")), (20.1, dns(5, "late.example", True)))
        recording.write(path)
        chosen = ("--dns-failure-only", "--dns-timeout", "2s")
        self.assertEqual(self.times(*chosen, recording=path), [1.02, 1.03, 1.05, 1.06, 3.5])
        done, output = self.replay(*chosen, recording=path)
        self.assertIn("DNS: 2 exchanges went well, 3 failed: 1 NXDOMAIN, 1 too slow, "
                      "1 without answer", done.stderr)
        events = self.rows(output, ("json.value.string",), "-Y",
                           'frame.interface_name == "stratoshark-events"')
        self.assertEqual([row.count('production') for row in events.splitlines()], [1] * 4, events)
        for word in ("NXDOMAIN", "timeout", "slow", "lost.example"):
            self.assertIn(word, events)
        # Its interfaces are still right: the events' came between.
        rows = self.rows(output, ("frame.interface_name", "frame.interface_id"))
        self.assertIn("stratoshark-pod:production/api/lo\t0", rows)

    def test_dns_failures_that_match(self):
        path = os.path.join(self.folder, "dns.ssrec")
        recording = Recording()
        api = recording.interface("stratoshark-pod:production/api")
        recording.frames(api, (1, dns(1, "a.example")), (1.1, dns(1, "a.example", True, 3)),
                         (1.2, dns(2, "b.example")), (1.3, dns(2, "b.example", True, 3)))
        recording.write(path)
        self.assertEqual(self.times("--dns-failure-only", "--filter", 'dns.qry.name == "b.example"',
                                    recording=path), [1.2, 1.3])

    def test_what_cannot_be_done_is_said(self):
        done, _ = self.replay("--filter", "http.nonsense == 1")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("http.nonsense", done.stderr)
        fifo = os.path.join(self.folder, "fifo")
        os.mkfifo(fifo)
        done, _ = self.replay("--filter", "http", recording=fifo)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("read twice", done.stderr)

    def test_a_cut_recording_is_filtered_up_to_there(self):
        with open(RECORDING, "rb") as file:
            data = file.read()
        path = os.path.join(self.folder, "cut.ssrec")
        with open(path, "wb") as file:
            file.write(data[: len(data) // 2])
        os.chmod(path, 0o644)
        done, output = self.replay("--filter", "tcp.flags.syn == 1", recording=path)
        self.assertEqual(done.returncode, 6, done.stderr)
        kept = self.rows(output, ("frame.time_epoch",), "-Y", "tcp")
        self.assertTrue(kept)
        self.assertTrue(self.rows(self.replay()[1], ("frame.time_epoch",), "-Y",
                                  "tcp.flags.syn == 1").startswith(kept))


if __name__ == "__main__":
    unittest.main(verbosity=2)
