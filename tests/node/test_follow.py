# SPDX-License-Identifier: GPL-2.0-or-later
"""Pods that come and go while a capture runs."""

import json
import os

from .capture import SPACE, CaptureTest, File
from .harness import Container, capinfos, tshark_rows, wait_until


PODS = 15  # at once
SPARE = 12  # programs for the next pods; they may come after the first look
DESCRIPTIONS = ("pod", "service", "node", "process")  # who is who: test_identity.py


def web():
    return Container("web", "web")


class FollowTest(CaptureTest):
    def events(self, path):
        """Our event records, as stock tshark's JSON dissector is given them."""
        events = [
            json.loads(frame.data[frame.data.index(b"{") :])
            for frame in File(path).of("stratoshark-events")
        ]
        return [event for event in events if event["event"] not in DESCRIPTIONS]

    def event_kinds(self, path, name):
        return [e["event"] for e in self.events(path) if e["pod"] == name]

    def run_pod(self, name, space=SPACE):
        pod = self.pod(space, name, [web()])
        self.addCleanup(self._stop_if_running, pod)
        return pod

    def requests(self, path, pod):
        wanted = f"http.request && ip.dst == {pod.ip}"
        return tshark_rows(path, ["frame.interface_name"], wanted, complete=False)

    def test_a_pod_that_ends_is_recorded(self):
        path = self.file()
        pod = self.run_pod("ends")
        capture = self.capture("--pod", f"{SPACE}/ends", "--pod", f"{SPACE}/web", "-w", path)
        self.node.stop_pod(pod)
        capture.wait_stderr("ends is gone")
        self.get()  # the others go on
        capture.wait_frames(path, 1, "http.response")
        self.stop(capture)
        event = self.events(path)[0]
        self.assertEqual(event["event"], "pod-gone")
        self.assertEqual((event["namespace"], event["pod"], event["uid"]), (SPACE, "ends", pod.uid))
        rule = 'json.value.string == "pod-gone"'
        rows = tshark_rows(path, ["json.value.string"], rule)
        self.assertEqual(len(rows), 1)
        self.assertIn("pod-gone", rows[0]["json.value.string"])
        self.assertIn("is gone", rows[0]["json.value.string"])

    def test_a_killed_pod_is_recorded(self):
        path = self.file()
        pod = self.run_pod("killed")
        capture = self.capture("-w", path, pod=pod)
        self.node.kill_pod(pod)
        capture.wait_stderr("killed is gone")
        self.stop(capture)
        self.assertEqual(self.event_kinds(path, "killed"), ["pod-gone"])

    def test_a_pod_that_comes_back_is_captured_from_its_first_syn(self):
        path = self.file()
        pod = self.run_pod("back")
        capture = self.capture("-w", path, pod=pod)
        pod = self.node.restart_pod(pod)
        self.addCleanup(self._stop_if_running, pod)
        self.curl(pod.url(), "--retry", "9", "--retry-connrefused", "--retry-delay", "0")
        wait_until(lambda: self.requests(path, pod), "the request in the file")
        self.stop(capture)
        self.assertEqual(self.event_kinds(path, "back"), ["pod-gone", "pod-started"])
        rows = tshark_rows(path, ["tcp.flags.syn", "tcp.flags.ack"], f"ip.addr == {pod.ip} && tcp")
        self.assertEqual((rows[0]["tcp.flags.syn"], rows[0]["tcp.flags.ack"]), ("1", "0"))
        named = [i for i in File(path).interfaces if i.name.endswith("/back")]
        self.assertNotIn(pod.uid, named[0].description)
        self.assertIn(pod.uid, named[-1].description)

    def test_waiting_for_a_pod(self):
        path = self.file()
        words = ["--pod", f"{SPACE}/expected", "--wait", "-w", path]
        capture = self.capture(*words, ready="waiting for a pod")
        pod = self.run_pod("expected")
        self.curl(pod.url(), "--retry", "9", "--retry-connrefused", "--retry-delay", "0")
        wait_until(lambda: self.requests(path, pod), "the request in the file")
        self.stop(capture)
        self.assertEqual(self.event_kinds(path, "expected"), ["pod-started"])
        first = tshark_rows(path, ["tcp.flags.syn"], f"ip.dst == {pod.ip} && tcp")[0]
        self.assertEqual(first["tcp.flags.syn"], "1")

    def test_a_namespace_takes_later_pods(self):
        path, space = self.file(), f"{SPACE}-space"
        first = self.run_pod("first", space)
        other = self.run_pod("other")
        capture = self.capture("--namespace", space, "-w", path)
        second = self.run_pod("second", space)
        capture.wait_stderr("second started")
        for pod in (first, second, other):
            self.wait_http(self.client, "tools", pod.url())
        wait_until(lambda: self.requests(path, second), "the second pod's request")
        self.stop(capture)
        self.assertTrue(self.requests(path, first))
        self.assertFalse(self.requests(path, other))
        names = {interface.name for interface in File(path).interfaces}
        self.assertLessEqual({f"stratoshark-pod:{space}/{p}" for p in ("first", "second")}, names)

    def test_many_pods_leak_nothing(self):
        path, space = self.file(), f"{SPACE}-many"
        capture = self.capture("--namespace", space, "--wait", "-w", path, ready="waiting")

        def descriptors():
            return len(os.listdir(f"/proc/{capture.process.pid}/fd"))

        most = None
        for each in range(3):
            pods = [self.run_pod(f"pod-{number}", space) for number in range(PODS)]
            started = PODS * (each + 1)
            wait_until(lambda: capture.stderr.count(" started") == started, "all to be hooked", 30)
            self.curl(pods[-1].url(), "--retry", "9", "--retry-connrefused", "--retry-delay", "0")
            for pod in pods:
                self.node.stop_pod(pod)
            wait_until(lambda: capture.stderr.count(" is gone") == started, "all to be gone", 30)
            # Programs of pods that went are kept for those that come: only the first time counts.
            most = most or descriptors() + SPARE
            wait_until(lambda: descriptors() <= most, f"{descriptors()} to be {most} descriptors")
        self.stop(capture)
        kinds = [event["event"] for event in self.events(path)]
        self.assertEqual((kinds.count("pod-started"), kinds.count("pod-gone")), (3 * PODS, 3 * PODS))
        self.assertEqual(int(capinfos(path)["Number of packets"]), len(File(path).frames))
