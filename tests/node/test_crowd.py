# SPDX-License-Identifier: GPL-2.0-or-later
"""Many pods with little traffic and one filter: it costs next to nothing, and nothing is lost.

STRATOCAP_LONG=1 asks for the full size, 100 pods, and prints what it cost.
"""

import os
import subprocess
import sys

from .capture import CaptureTest, File
from .crowd import Crowd
from .harness import tshark_rows, wait_until

LONG = bool(os.environ.get("STRATOCAP_LONG"))
PODS = 100 if LONG else 30
ROUNDS = 40 if LONG else 8
PAUSE_S = 0.5
ONE_IN = 20 if LONG else 8  # a failure
# Of one core, for the program and its tshark. A machine that builds beside is slower.
MOST = 0.05 if LONG else 0.5
SPACE = "crowd"
TALK = os.path.join(os.path.dirname(__file__), "talk_crowd.py")


def cpu_s(pid):
    """Of a process and its children, also those that have ended."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        children = file.read().split()
    own = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return own + sum(map(cpu_s, children))


class CrowdTest(CaptureTest):
    def setUp(self):
        super().setUp()
        self.crowd = Crowd(self.node, SPACE, PODS)
        self.addCleanup(self.crowd.stop)

    def captured(self, *words):
        """A file, and what the capture cost while the pods talked, of one core."""
        path = self.file()
        capture = self.capture("--namespace", SPACE, "--wait", "-w", path, *words,
                               ready="waiting for a pod")
        for _ in range(PODS):
            self.crowd.grow()
        wait_until(lambda: capture.stderr.count(" started") == PODS, "all to be hooked", 60)
        pids = [str(member.process.pid) for member in self.crowd.members]
        argv = [sys.executable, TALK, str(ROUNDS), str(PAUSE_S), str(ONE_IN), *pids]
        talk = self.background(argv, stdin=subprocess.PIPE)
        talk.wait_stderr("ready")
        before = cpu_s(capture.process.pid)
        talk.process.stdin.close()
        talk.wait_stderr("done", timeout_s=120)
        cost = (cpu_s(capture.process.pid) - before) / (ROUNDS * PAUSE_S)
        self.stop(capture)
        if LONG:
            print(f"     {' '.join(words) or 'no filter'}: {100 * cost:.1f} % of a core",
                  file=sys.stderr)
        self.assertEqual(File(path).dropped(), 0)
        self.assertLess(cost, MOST)
        return path

    def failures(self):
        return sum((number + place) % ONE_IN == 0
                   for number in range(ROUNDS) for place in range(PODS))

    def count(self, path, display):
        return len(tshark_rows(path, ["frame.number"], display))

    def test_a_filter_on_http(self):
        path = self.captured("--filter", "http.response.code >= 500")
        self.assertEqual(self.count(path, "http.response.code == 500"), self.failures())
        self.assertEqual(self.count(path, "http.request"), self.failures())
        self.assertEqual(self.count(path, "http || dns"), 2 * self.failures())

    def test_a_filter_on_dns_finds_nothing(self):
        path = self.captured("--filter", "dns.flags.rcode != 0 && dns.flags.response == 1")
        self.assertEqual(self.count(path, "dns || http"), 0)

    def test_a_filter_that_tshark_decides(self):
        path = self.captured("--no-context", "--filter",
                             'http.response.code >= 500 && http.content_length == 2')
        self.assertEqual(self.count(path, "http"), self.failures())
