# SPDX-License-Identifier: GPL-2.0-or-later
"""Where we hook: each attach mode on real pods, with what privileges, and what is left after."""

import collections
import os
import re
import shutil
import signal
import stat
import tempfile

from .capture import IN, OUT, SPACE, CaptureTest, File, exhaust, in_netns, programs_left
from .harness import Container, as_user, need, program, run, tshark_rows, wait_until


def tc(*words, pid=None):
    argv = [need("tc"), *words]
    return run(in_netns(pid, argv) if pid else argv).stdout


def status_field(pid, name):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return re.search(rf"^{name}:\s*(.*)$", file.read(), re.M)[1]


class AttachTest(CaptureTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.loop = cls.class_pod(
            SPACE, "loop", [Container("tools", "tools"), Container("web", "web", args=["8000"])]
        )

    def setUp(self):
        super().setUp()
        self.wait_http(self.loop, "tools", "http://127.0.0.1:8000/")

    def cable(self, pod):
        """The name of the host's end of the pod's cable."""
        index = self.link(pod)["link_index"]
        links = run([need("ip"), "-o", "link"]).stdout.splitlines()
        return next(re.match(r"\d+: ([^@:]+)", li)[1] for li in links if li.startswith(f"{index}:"))

    def use_loopback(self, pod=None):
        pod = pod or self.loop
        for host in ("127.0.0.1", "[::1]"):
            self.curl(f"http://{host}:8000/", pod=pod)
        # One datagram, which nobody takes.
        pod.exec("tools", ["curl", "-s", "-m", "1", "tftp://127.0.0.1:8000/x"], check=False)

    def assert_loopback_once(self, frames, link_header):
        """Each TCP segment once, both families, and the datagram with what refused it."""
        packets = [frame.data[link_header:] for frame in frames]
        four = [p for p in packets if p[0] >> 4 == 4 and p[9] == 6]
        six = [p for p in packets if p[0] >> 4 == 6 and p[6] == 6]
        self.assertEqual(len([p for p in four if p[33] & 0x3F == 2]), 1, "SYN over IPv4")
        self.assertEqual(len([p for p in six if p[53] & 0x3F == 2]), 1, "SYN over IPv6")
        for version in (four, six):
            twice = [p.hex() for p, n in collections.Counter(version).items() if n > 1]
            self.assertEqual(twice, [])
        self.assertGreaterEqual(min(len(four), len(six)), 8)
        self.assertEqual(len([p for p in packets if p[0] == 0x45 and p[9] == 17]), 1, "UDP")

    def beside_loopback(self, *words, pod=None):
        path = self.file()
        capture = self.capture("-w", path, *words, pod=pod or self.loop)
        self.use_loopback(pod)
        self.stop(capture)
        return File(path)

    def test_loopback_in_the_pod(self):
        file = self.beside_loopback("--attach", "netns")
        self.assert_loopback_once(file.of("/lo"), 14)

    def test_loopback_by_cgroup(self):
        file = self.beside_loopback("--attach", "veth")
        self.assert_loopback_once(file.of("/lo"), 0)

    def test_a_refused_connection_is_stored_once(self):
        """The reset has no socket: only its arrival is seen."""
        for mode in ("netns", "veth"):
            with self.subTest(mode=mode):
                path = self.file()
                capture = self.capture("-w", path, "--attach", mode, pod=self.loop)
                self.loop.exec("tools", ["curl", "-s", "http://127.0.0.1:9/"], check=False)
                self.stop(capture)
                rows = tshark_rows(path, ["tcp.flags"], "tcp")
                self.assertEqual([row["tcp.flags"] for row in rows], ["0x0002", "0x0014"])

    def test_cable_shows_the_pods_view(self):
        ours, theirs = self.file(), self.file("theirs.pcap")
        capture = self.capture("-w", ours, "--attach", "veth")
        judge = self.tcpdump(theirs)
        self.mark("begin", ours, theirs)
        self.get("/bytes/200000", times=3)
        self.mark("end", ours, theirs)
        self.stop(capture)
        self.stop_tcpdump(judge)
        frames = self.between_marks(File(ours).of("/web"))
        self.assert_same_frames(frames, self.between_marks(File(theirs).frames))
        own = bytes.fromhex(self.link(self.web)["address"].replace(":", ""))
        for frame in frames:
            if not frame.data[0] & 1:
                self.assertEqual(frame.direction, OUT if frame.data[6:12] == own else IN)

    def test_host_network_pod_shows_only_its_own(self):
        path = self.file()
        servers = [Container("tools", "tools"), Container("web", "web", args=["8000"])]
        pod = self.pod(SPACE, "hostnet", servers, host_network=True)
        self.wait_http(pod, "tools", "http://127.0.0.1:8000/")
        capture = self.capture("-w", path, pod=pod)
        run([need("curl"), "-s", "-o", "/dev/null", self.web.url()])  # the node's, not the pod's
        self.curl(self.web.url("/status/204"), pod=pod)
        self.use_loopback(pod)
        self.stop(capture)
        rows = tshark_rows(path, ["ip.dst", "http.request.uri"], "http.request")
        asked = [row["http.request.uri"] for row in rows if row["ip.dst"] == self.web.ip]
        self.assertEqual(asked, ["/status/204"])
        local = [f for f in File(path).frames if f.data[12:20] == b"\x7f\0\0\1\x7f\0\0\1"]
        local += [f for f in File(path).frames if f.data[0] >> 4 == 6]
        self.assert_loopback_once(local, 0)
        self.assertEqual(len({f.data for f in File(path).frames}), len(File(path).frames))

    def test_device_of_the_host(self):
        device, path = self.cable(self.web), self.file()
        capture = self.capture("--interface", device, "-w", path)
        self.get()
        self.wait_count(path, 8)
        self.stop(capture)
        file = File(path)
        self.assertEqual([each.name for each in file.interfaces], [device])
        syn = tshark_rows(path, ["frame.p2p_dir", "ip.dst"], "tcp.flags == 0x002")
        self.assertEqual([row["ip.dst"] for row in syn], [self.web.ip])
        self.assertEqual(file.frames[0].direction, OUT)  # as the host sees it

    def test_any_is_every_device(self):
        path = self.file()
        capture = self.capture("--interface", "any", "-w", path)
        pod = self.pod(SPACE, "late", [Container("web", "web")])
        self.wait_http(self.client, "tools", pod.url())
        cable = self.cable(pod)
        self.stop(capture)
        names = {each.name for each in File(path).interfaces}
        self.assertLessEqual({"lo", self.cable(self.web), cable, self.node.network.bridge}, names)
        self.assertTrue(File(path).of(cable))

    # The fallback without tcx

    def filters(self, device, pid=None):
        return "".join(tc("filter", "show", "dev", device, side, pid=pid)
                       for side in ("ingress", "egress"))

    def fallback(self, *words, path=None):
        environment = {**os.environ, "STRATOCAP_NO_TCX": "1"}
        return self.capture("-w", path or self.file(), *words, env=environment)

    def test_fallback_in_the_pod(self):
        before = tc("qdisc", "show", pid=self.web.pid)
        path = self.file()
        capture = self.fallback(path=path)
        self.assertIn("clsact", tc("qdisc", "show", pid=self.web.pid))
        self.get()
        self.wait_count(path, 8)
        self.stop(capture)
        self.assertEqual(tc("qdisc", "show", pid=self.web.pid), before)
        self.assertEqual(len(tshark_rows(path, ["frame.number"], "http.request")), 1)

    def test_fallback_is_gone_after_a_kill(self):
        before = tc("qdisc", "show", pid=self.web.pid)
        capture = self.fallback()
        capture.stop(signal.SIGKILL)
        exhaust(lambda: tc("qdisc", "show", pid=self.web.pid) != before, "no qdisc to be left", 2)

    def test_fallback_leaves_others_alone(self):
        device = self.cable(self.web)
        run([need("tc"), "qdisc", "add", "dev", device, "clsact"])
        self.addCleanup(run, [need("tc"), "qdisc", "del", "dev", device, "clsact"])
        rule = "protocol ip pref 50 u32 match ip dport 1 0xffff".split()
        run([need("tc"), "filter", "add", "dev", device, "ingress", *rule])
        qdiscs, filters = tc("qdisc", "show", "dev", device), self.filters(device)
        for signal_number in (signal.SIGINT, signal.SIGKILL):
            with self.subTest(signal=signal_number):
                capture = self.fallback("--interface", device)
                self.assertIn("bpf", self.filters(device))
                capture.stop(signal_number)
                exhaust(lambda: self.filters(device) != filters, "our filters to go", 2)
                self.assertEqual(tc("qdisc", "show", "dev", device), qdiscs)

    def test_two_fallback_captures_share_a_device(self):
        before = tc("qdisc", "show", pid=self.web.pid)
        first, second, path = self.fallback(), None, self.file()
        second = self.fallback(path=path)
        self.stop(first)
        self.get()
        self.wait_count(path, 8)
        self.stop(second)
        exhaust(lambda: tc("qdisc", "show", pid=self.web.pid) != before, "no qdisc to be left", 2)

    # Nothing is left

    def links(self):
        return set(re.findall(r"^(\d+): .*\n?.*prog (\d+)", run([need("bpftool"), "link"]).stdout,
                              re.M))

    def test_nothing_is_left_after_a_kill(self):
        for mode in ("netns", "veth", "cgroup"):
            with self.subTest(mode=mode):
                before = programs_left()
                qdiscs = tc("qdisc", "show"), tc("qdisc", "show", pid=self.web.pid)
                capture = self.capture("-w", self.file(), "--attach", mode)
                ours = programs_left() - before
                self.assertTrue(ours)
                self.assertTrue([link for link in self.links() if link[1] in ours])
                capture.stop(signal.SIGKILL)
                exhaust(lambda: programs_left() & ours, "no program of ours to be left", 2)
                self.assertFalse([link for link in self.links() if link[1] in ours])
                self.assertEqual(
                    (tc("qdisc", "show"), tc("qdisc", "show", pid=self.web.pid)), qdiscs
                )

    # Without root

    def test_an_ordinary_user_captures(self):
        path = self.file()
        capture = self.capture(
            "-w", path, pod=self.loop, binary=self.installed(), user=True, ready="capturing"
        )
        pid = capture.process.pid
        self.assertNotEqual(status_field(pid, "Uid").split()[0], "0")
        self.assertEqual(int(status_field(pid, "CapEff"), 16), 0)
        self.use_loopback()
        self.curl(self.web.url(), pod=self.loop)
        self.wait_count(path, 8, "/loop")
        self.assertEqual(int(status_field(pid, "CapEff"), 16), 0)
        self.stop(capture)
        self.assert_loopback_once(File(path).of("/lo"), 0)
        self.assertTrue(tshark_rows(path, ["frame.number"], "http.response"))
        entry = os.stat(path)
        self.assertEqual(stat.S_IMODE(entry.st_mode), 0o600)
        self.assertNotEqual(entry.st_uid, 0)

    def test_without_capabilities_says_how_to_get_them(self):
        argv = [self.installed(None), "capture", "--pod", f"{SPACE}/web", "-w", self.file()]
        result = run(as_user(argv), check=False)
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        self.assertIn("setcap cap_bpf,cap_net_admin+ep", result.stderr)

    def test_pods_namespace_needs_more_capabilities(self):
        words = ["--attach", "netns", "--pod", f"{SPACE}/web", "-w", self.file()]
        result = run(as_user([self.installed(), "capture", *words]), check=False)
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertIn("cap_sys_admin", result.stderr)

    def test_a_restarted_pod_is_captured_without_root(self):
        path = self.file()
        pod = self.pod(SPACE, "again", [Container("web", "web")])
        capture = self.capture("-w", path, pod=pod, binary=self.installed(), user=True)
        pod = self.node.restart_pod(pod)
        self.addCleanup(self._stop_if_running, pod)
        capture.wait_stderr("again started")
        self.wait_http(self.client, "tools", pod.url())
        wait_until(lambda: tshark_rows(path, ["ip.dst"], f"http && ip.dst == {pod.ip}",
                                       complete=False), "its HTTP in the file")
        self.stop(capture)
