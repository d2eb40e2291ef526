# SPDX-License-Identifier: GPL-2.0-or-later
"""--bpf-program: the example of examples/bpf-program between two pods, beside a tcpdump."""

import collections
import os
import re

from .capture import CaptureTest, File
from .harness import build_directory, need, run, tshark_rows, wait_until

HOW_TO = os.path.join(os.path.dirname(__file__), "..", "..", "examples", "bpf-program")

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

    def compile(self, text):
        """As the how-to says it."""
        need("clang")
        source, path = self.file("own.bpf.c"), self.file("own.bpf.o")
        with open(source, "w", encoding="utf-8") as file:
            file.write("#include <stratoshark/filter.h>\n" + text)
        triplet = run(["gcc", "-print-multiarch"]).stdout.strip()
        run(["clang", "-target", "bpf", "-O2", "-g", f"-I{HOW_TO}", "-idirafter",
             f"/usr/include/{triplet}", "-c", source, "-o", path])
        return path

    def test_the_how_to_finds_payload(self):
        with open(os.path.join(HOW_TO, "README.md"), encoding="utf-8") as file:
            text = re.search(r"```c\n(.*?)```", file.read(), re.DOTALL)[1]
        ours = self.file()
        capture = self.capture("--bpf-program", self.compile(text.replace("5432", "8080")),
                               "-w", ours)
        for query in ("SELECT 1", "INSERT 2", "SELECT 3"):
            self.client.exec("tools", ["sh", "-c", f"printf 'Q\\0\\0\\0\\14{query}' | "
                                       f"nc -w 1 {self.web.ip} 8080"])
        capture.wait_frames(ours, 2)
        self.stop(capture)
        self.assertEqual([bytes(frame.data[-8:]) for frame in File(ours).frames
                          if frame.data[12:14] == b"\x08\x00"], [b"SELECT 1", b"SELECT 3"])

    def test_what_is_missing_is_said(self):
        path = self.compile("STRATOSHARK_FILTER int own(struct __sk_buff *skb)\n"
                            "{ char begin[8]; return !ss_ip_bytes(skb, 0, begin, 8) &&\n"
                            "  !__builtin_memcmp(begin, \"SELECT\", skb->len & 7); }\n")
        capture = self.capture("--bpf-program", path, "-w", self.file(), ready=None)
        self.assertNotEqual(capture.process.wait(10), 0)
        self.assertIn("uses something that it does not define", capture.stderr)

    def test_what_does_not_fit_is_refused(self):
        path = self.file("text.o")
        with open(path, "w", encoding="utf-8") as file:
            file.write("int filter;")
        capture = self.capture("--bpf-program", path, "-w", self.file(), ready=None)
        self.assertNotEqual(capture.process.wait(10), 0)
        self.assertIn("is no BPF object file", capture.stderr)
        self.assertFalse(os.path.exists(self.file()) and os.path.getsize(self.file()))
