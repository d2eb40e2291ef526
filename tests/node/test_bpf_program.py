# SPDX-License-Identifier: GPL-2.0-or-later
"""--bpf-program: the example of examples/bpf-program between two pods, beside a tcpdump."""

import collections
import os

from .capture import CaptureTest, File
from .harness import build_directory, tshark_rows, wait_until

CONNECTIONS = 300  # of which one in 16 is kept: that none is, or all are, does not happen
FIELDS = ["ip.src", "tcp.srcport", "ip.dst", "tcp.dstport", "tcp.seq_raw", "tcp.len", "tcp.flags"]


class BpfProgramTest(CaptureTest):
    def sample(self):
        path = os.path.join(build_directory(), "examples", "sample.bpf.o")
        self.assertTrue(os.path.exists(path), f"'{path}' is not built")
        return path

    def connections(self, path, *words):
        """{ends: frames}; both directions are one."""
        found = collections.defaultdict(list)
        for row in tshark_rows(path, FIELDS, "tcp.port == 8080", *words):
            found[frozenset(((row["ip.src"], row["tcp.srcport"]),
                             (row["ip.dst"], row["tcp.dstport"])))].append(tuple(row.values()))
        return found

    def sampled(self, *words):
        ours, full = self.file(), self.file("full.pcap")
        judge = self.tcpdump(full)
        capture = self.capture("--bpf-program", self.sample(), "-w", ours, *words)
        self.client.exec("tools", ["curl", "-s", "-H", "Connection: close", "-o", "/dev/null",
                                   self.web.url(f"/api/users?[1-{CONNECTIONS}]")])
        self.mark("end", full)
        wanted = self.connections(full)
        self.assertGreaterEqual(len(wanted), CONNECTIONS)
        wait_until(lambda: len(self.connections(ours)) == len(wanted), "every SYN")
        self.stop(capture)
        self.stop_tcpdump(judge)
        found = self.connections(ours)
        whole = [ends for ends, frames in found.items() if len(frames) > 2]
        for ends, frames in found.items():
            if ends in whole:
                self.assertEqual(collections.Counter(frames), collections.Counter(wanted[ends]))
            else:  # the SYN and its answer
                self.assertEqual([int(frame[-1], 16) & 2 for frame in frames], [2, 2])
        self.assertTrue(0 < len(whole) < CONNECTIONS / 2, len(whole))
        self.assertEqual(File(ours).dropped(), 0)

    def test_sample_in_the_pod(self):
        self.sampled()

    def test_sample_through_the_cable(self):
        self.sampled("--attach", "veth", "--filter", "tcp port 8080")

    def test_what_does_not_fit_is_refused(self):
        path = self.file("text.o")
        with open(path, "w", encoding="utf-8") as file:
            file.write("int filter;")
        capture = self.capture("--bpf-program", path, "-w", self.file(), ready=None)
        self.assertNotEqual(capture.process.wait(10), 0)
        self.assertIn("is no BPF object file", capture.stderr)
        self.assertFalse(os.path.exists(self.file()) and os.path.getsize(self.file()))
