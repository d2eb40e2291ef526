# SPDX-License-Identifier: GPL-2.0-or-later
"""Many pods at once, then many that come and go each second: nothing leaks, nothing waits.

STRATOCAP_LONG=1 asks for the full size: 100 at once, then 20 a second for a minute.
"""

import collections
import contextlib
import os
import re
import resource
import time

from .capture import CaptureTest, File, python_in_netns
from .crowd import Crowd
from .harness import capinfos, need, run, wait_until

LONG = bool(os.environ.get("STRATOCAP_LONG"))
AT_ONCE = 100 if LONG else 40
PER_SECOND = 20 if LONG else 10
SECONDS = 60 if LONG else 6
PATIENCE_S = 60
SPACE = "churn"
SPARE = 12  # programs for the next pods may come between the two looks
SEND = """
import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"of the crowd", ("127.0.0.1", 9))
"""


def programs():
    """Our programs in the kernel and what they are attached by."""
    listed = run([need("bpftool"), "prog", "list"]).stdout
    links = run([need("bpftool"), "link", "list"]).stdout
    maps = run([need("bpftool"), "map", "list"]).stdout
    return (
        len(re.findall(r"name ss_frame", listed)),
        len(re.findall(r"^\d+: ", links, re.M)),
        len(re.findall(r"^\d+: ", maps, re.M)),
    )


@contextlib.contextmanager
def few_descriptors():
    """As a shell has them, for fewer pods."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (2 * AT_ONCE + 64, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


class ChurnTest(CaptureTest):
    def setUp(self):
        super().setUp()
        self.crowd = Crowd(self.node, SPACE, AT_ONCE)
        self.addCleanup(self.crowd.stop)

    def status(self, capture, key):
        with open(f"/proc/{capture.process.pid}/status", encoding="ascii") as file:
            return int(re.search(rf"^{key}:\s+(\d+)", file.read(), re.M).group(1))

    def cpu_s(self, capture):
        with open(f"/proc/{capture.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def descriptors(self, capture):
        return len(os.listdir(f"/proc/{capture.process.pid}/fd"))

    def wait_said(self, capture, words, count):
        """Of so many pods, once of each."""
        try:
            wait_until(lambda: capture.stderr.count(words) == count, words, PATIENCE_S)
        except TimeoutError:
            said = collections.Counter(re.findall(rf"pod {SPACE}/(\S+){words}\n", capture.stderr))
            others = [line for line in capture.stderr.splitlines()
                      if not re.search(" (started|is gone)$", line)]
            names = [f"member-{number + 1}" for number in range(self.crowd.started)]
            self.fail(f"{said.total()} of {count}{words}; never: "
                      f"{[name for name in names if not said[name]][:20]}; again: "
                      f"{[name for name in names if said[name] > 1][:20]}; also: {others[:20]}")

    def settle(self, capture):
        """All that came were hooked, all that went are gone."""
        gone = self.crowd.started - len(self.crowd.members)
        self.wait_said(capture, " started", self.crowd.started)
        self.wait_said(capture, " is gone", gone)
        return self.descriptors(capture), *programs(), self.status(capture, "VmRSS")

    def hooked(self, path, member):
        return f"stratoshark-pod:{SPACE}/{member.name}" in {
            File(path).interfaces[frame.interface].name for frame in File(path).frames
        }

    def test_pods_come_and_go(self):
        path = self.file()
        words = ["--namespace", SPACE, "--namespace", self.web.namespace, "--wait", "-w", path]
        with few_descriptors():
            capture = self.capture(*words)
        began = time.monotonic()
        for _ in range(AT_ONCE):
            self.crowd.grow()
        self.wait_said(capture, " started", AT_ONCE)
        at_once_s = time.monotonic() - began
        newest = self.crowd.members[-1]
        python_in_netns(newest.process.pid, SEND)
        wait_until(lambda: self.hooked(path, newest), "its frame in the file")
        # A second crowd in place of the first: whatever is kept for new pods is there then.
        for _ in range(AT_ONCE):
            self.crowd.grow()
        before = self.settle(capture)

        cpu_s, began, slowest = self.cpu_s(capture), time.monotonic(), 0
        for number in range(PER_SECOND * SECONDS):
            self.crowd.grow()
            if number % PER_SECOND == 0:
                asked = time.monotonic()
                self.get()
                slowest = max(slowest, time.monotonic() - asked)
            wait_until(lambda: time.monotonic() - began >= number / PER_SECOND, "its turn", 60)
        churn_s = time.monotonic() - began
        cpu_s = self.cpu_s(capture) - cpu_s
        after = self.settle(capture)
        names = ("descriptors", "programs", "links", "maps", "resident KiB")
        print(
            f"{AT_ONCE} pods hooked in {at_once_s:.1f} s; {PER_SECOND * SECONDS} more in "
            f"{churn_s:.1f} s, {100 * cpu_s / churn_s:.0f} % of a CPU, slowest request "
            f"{slowest:.2f} s; "
            + ", ".join(f"{n} {b} → {a}" for n, b, a in zip(names, before, after))
        )
        # Others on this machine may load programs; memory that is free is not given back at once.
        for name, less, more in zip(names[:2], before[:2], after[:2]):
            self.assertLessEqual(more, less + 2 + SPARE, name)
        self.assertLessEqual(after[4], before[4] * 1.5 + 4096, names[4])
        self.crowd.stop()
        self.wait_said(capture, " is gone", self.crowd.started)
        self.stop(capture)
        for interface in File(path).statistics.values():
            self.assertFalse(interface.get(5), "drops")
        self.assertEqual(int(capinfos(path)["Number of packets"]), len(File(path).frames))
