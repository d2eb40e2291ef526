# SPDX-License-Identifier: GPL-2.0-or-later
"""Captures of pods that are meant by label, owner or container, as they come and go."""

import concurrent.futures
import os
import signal

from .capture import SPACE, CaptureTest, File
from .crowd import Crowd
from .harness import Container, program, run, tshark_rows, wait_until

OTHERS, NEW, AT_ONCE = 250, 24, 3
DEPLOYED = {"app": "late", "pod-template-hash": "5d78c9869d"}


class SelectTest(CaptureTest):
    def run_pod(self, name, labels=None, container="web"):
        return self.pod(SPACE, name, [Container(container, "web")], labels=labels)

    def ask(self, pod):
        self.curl(pod.url(), "--retry", "9", "--retry-connrefused", "--retry-delay", "0")

    def requests(self, path, pod, end="dst"):
        wanted = f"http.request && ip.{end} == {pod.ip}"
        return tshark_rows(path, ["frame.interface_name"], wanted, complete=False)

    def assert_from_first_syn(self, path, pod):
        flags = ["tcp.flags.syn", "tcp.flags.ack"]
        rows = tshark_rows(path, flags, f"ip.addr == {pod.ip} && tcp")
        self.assertEqual([rows[0][flag] for flag in flags], ["1", "0"])

    def test_pods_with_a_label_from_their_first_syn(self):
        path = self.file()
        words = ["--selector", "app=late,tier notin (db)", "--wait", "-w", path]
        capture = self.capture(*words, ready="waiting for a pod")
        other = self.run_pod("other", {"app": "late", "tier": "db"})
        late = self.run_pod("late", {"app": "late"})
        self.ask(late)
        self.ask(other)
        wait_until(lambda: self.requests(path, late), "the request in the file")
        late = self.node.restart_pod(late)
        self.addCleanup(self._stop_if_running, late)
        self.ask(late)
        wait_until(lambda: self.requests(path, late), "the request after the restart")
        self.stop(capture)
        self.assert_from_first_syn(path, late)
        self.assertFalse(self.requests(path, other))
        self.assertEqual(capture.stderr.count("late started"), 2)
        self.assertIn("late is gone", capture.stderr)

    def test_a_workload_and_its_later_pods(self):
        path = self.file()
        first = self.run_pod("late-5d78c9869d-aaaaa", DEPLOYED)
        capture = self.capture("--workload", "deploy/late", "-w", path)
        second = self.run_pod("late-5d78c9869d-bbbbb", DEPLOYED)
        for pod in (first, second, self.web):
            self.ask(pod)
        wait_until(lambda: self.requests(path, second), "the second pod's request")
        self.stop(capture)
        self.assertTrue(self.requests(path, first))
        self.assertFalse(self.requests(path, self.web))
        self.assert_from_first_syn(path, second)

    def test_pods_with_a_container(self):
        path = self.file()
        words = ["--namespace", SPACE, "--container", "backend", "--wait", "-w", path]
        capture = self.capture(*words, ready="waiting for a pod")
        late = self.run_pod("late", container="backend")
        self.ask(late)
        wait_until(lambda: self.requests(path, late), "the request in the file")
        self.ask(self.web)
        self.stop(capture)
        self.assert_from_first_syn(path, late)
        self.assertFalse(self.requests(path, self.web))

    def test_all_pods(self):
        self.assert_all_pods("--all-pods")

    def test_a_node_means_all_its_pods(self):
        self.assert_all_pods("--node", os.uname().nodename)

    def assert_all_pods(self, *words):
        path = self.file()
        capture = self.capture(*words, "-w", path)
        self.ask(self.web)
        wait_until(lambda: self.requests(path, self.web), "the request in the file")
        self.stop(capture)
        names = {interface.name for interface in File(path).interfaces}
        wanted = {f"stratoshark-pod:{SPACE}/web", f"stratoshark-pod:{SPACE}/client"}
        self.assertLessEqual(wanted, names)

    def test_a_runtime_that_hangs_does_not_matter_to_a_name(self):
        path, pid = self.file(), self.node.runtime_pid
        os.kill(pid, signal.SIGSTOP)
        self.addCleanup(os.kill, pid, signal.SIGCONT)
        capture = self.capture("-w", path)
        os.kill(pid, signal.SIGCONT)  # curl is run by it
        self.ask(self.web)
        capture.wait_frames(path, 1, "http.response")
        self.stop(capture)

    def test_a_runtime_that_restarts(self):
        path = self.file()
        capture = self.capture("--selector", "app=late", "--wait", "-w", path, ready="waiting")
        self.node.restart_runtime()
        late = self.run_pod("late", {"app": "late"})
        self.ask(late)
        wait_until(lambda: self.requests(path, late), "the request in the file")
        self.stop(capture)
        self.assert_from_first_syn(path, late)

    def test_first_packets_of_many_new_pods(self):
        """The first act of a container is a SYN, on a node with many pods, some starting at once."""
        crowd = Crowd(self.node, "crowd", OTHERS)
        self.addCleanup(crowd.stop)
        for _ in range(OTHERS):
            crowd.grow()
        path, ask = self.file(), ["/bin/busybox", "wget", "-q", "-O", "/dev/null", self.web.url()]
        words = ["--namespace", SPACE, "--selector", "app=first", "--wait", "-w", path]
        capture = self.capture(*words, ready="waiting for a pod")

        def make(number):
            container = Container("asks", "tools", command=ask)
            labels = {"app": "first" if number % 3 else "other"}
            return self.node.run_pod(SPACE, f"new-{number}", [container], labels=labels)

        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            pods = list(pool.map(make, range(NEW)))
        for pod in pods:
            self.addCleanup(self._stop_if_running, pod)
        meant = [pod for pod in pods if pod.labels["app"] == "first"]
        for pod in meant:
            wait_until(lambda p=pod: self.requests(path, p, "src"), f"the request of {pod.name}")
        self.stop(capture)
        for pod in meant:
            self.assert_from_first_syn(path, pod)
        names = {interface.name for interface in File(path).interfaces}
        self.assertFalse([name for name in names if "new-0" in name or "crowd" in name], names)
        # What a sandbox says before its containers start may wait too long, and is counted.
        self.assertRegex(capture.stderr, r"\b(0 dropped,|(\d+) dropped \(\2 of new pods, )")

    def test_nothing_fits(self):
        argv = [program(), "capture", "--selector", "app=nobody", "-w", self.file()]
        result = run(argv, check=False)
        self.assertEqual(result.returncode, 4, result.stderr)
        self.assertIn("no pod on this node fits the label selector 'app=nobody'", result.stderr)
        self.assertEqual(result.stderr.count("\n"), 1)
