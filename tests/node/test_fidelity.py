# SPDX-License-Identifier: GPL-2.0-or-later
"""Fidelity: what we store equals, frame by frame, what tcpdump inside the pod stores."""

import collections

from .capture import IN, OUT, SPACE, CaptureTest, File, in_netns, python_in_netns
from .harness import Container, need, run, wait_until

# Runs inside a pod's namespace: frames of its own making, [device, target MAC]
CRAFT = """
import socket, struct, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((sys.argv[1], 0))
to = bytes.fromhex(sys.argv[2].replace(":", ""))
mac = s.getsockname()[4]
for tags in (b"\\x81\\0\\x20\\x05", b"\\x88\\xa8\\0\\x07\\x81\\0\\0\\x08"):
    for size in (1, 46, 700):
        s.send(to + mac + tags + b"\\x88\\xb6" + bytes(range(256)) * 3 + bytes(size))
for size in (0, 1, 2, 3, 4, 45, 46, 1400):
    s.send(to + mac + b"\\x88\\xb6" + bytes([size & 255]) * size)
"""


class Fidelity(CaptureTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.class_pod(
            SPACE, "server", [Container("tools", "tools", command=["iperf3", "-s"])]
        )

    def beside_tcpdump(self, traffic, *words, pod=None, device="eth0", tcpdump=()):
        """Our frames and tcpdump's of the same traffic; the device's name in ours."""
        pod = pod or self.web
        self.receive_on_one_cpu(pod)
        ours, theirs = self.file("ours.pcapng"), self.file("theirs.pcap")
        capture = self.capture("-w", ours, *words, pod=pod)
        judge = self.tcpdump(theirs, device, pod=pod, words=tcpdump)
        self.mark("begin", ours, theirs, device=device, pod=pod)
        traffic()
        self.mark("end", ours, theirs, device=device, pod=pod)
        self.stop(capture)
        self.stop_tcpdump(judge)
        mine = File(ours)
        self.assertEqual(mine.dropped(), 0, capture.stderr)
        self.assertEqual(mine.delivered(), len(mine.frames))
        self.assertEqual(mine.rest, 0)
        times = [frame.time for frame in mine.frames]
        self.assertEqual(times, sorted(times))
        frames = self.between_marks(mine.of("/lo" if device == "lo" else f"/{pod.name}"))
        return frames, self.between_marks(File(theirs).frames)

    @staticmethod
    def receive_on_one_cpu(pod):
        """Else two frames arriving at the same moment have no order that hooks could agree on."""
        steer = "echo 1 >/sys/class/net/eth0/queues/rx-0/rps_cpus"
        script = f"mount -t sysfs none /sys; mount -o remount,rw /sys; {steer}"
        run(in_netns(pod.pid, [need("unshare"), "-m", "sh", "-c", script]))

    def assert_same_arrivals(self, ours, theirs, pod):
        """All flows together, one after the other: they arrived on one CPU."""
        own = bytes.fromhex(self.link(pod)["address"].replace(":", ""))
        mine, judged = ([f.data for f in x if f.data[6:12] != own] for x in (ours, theirs))
        self.assertTrue(mine == judged, "frames arrived in another order")

    def assert_directions(self, frames, pod=None):
        own = bytes.fromhex(self.link(pod or self.web)["address"].replace(":", ""))
        # Not multicast: the bridge sends it back, so both directions have the pod's address.
        wrong = [
            frame
            for frame in frames
            if not frame.data[0] & 1 and frame.direction != (OUT if frame.data[6:12] == own else IN)
        ]
        self.assertEqual(wrong, [])

    def iperf(self, *words):
        self.client.exec("tools", ["iperf3", "-c", self.server.ip, *words], 60)

    def test_http_load(self):
        load = ["wrk", "-t1", "-c8", "-d2s", self.web.url("/api/users")]
        ours, theirs = self.beside_tcpdump(lambda: self.client.exec("tools", load))
        self.assertGreater(len(theirs), 2000)
        self.assert_same_frames(ours, theirs)
        self.assert_same_arrivals(ours, theirs, self.web)
        self.assert_directions(ours)

    def test_tcp_load(self):
        self.wait_iperf()
        ours, theirs = self.beside_tcpdump(
            lambda: self.iperf("-n", "300M", "-b", "2G"), pod=self.server
        )
        self.assert_same_frames(ours, theirs)
        self.assert_same_arrivals(ours, theirs, self.server)
        self.assert_directions(ours, self.server)
        # Super-frames, as the kernel has them before a wire would need them small.
        self.assertGreater(max(frame.length for frame in ours), 32 << 10)

    def test_udp_load(self):
        self.wait_iperf()
        ours, theirs = self.beside_tcpdump(
            lambda: self.iperf("-u", "-b", "100M", "-l", "512", "-t", "2"), pod=self.server
        )
        self.assertGreater(len(theirs), 10000)
        self.assert_same_frames(ours, theirs)
        self.assert_same_arrivals(ours, theirs, self.server)
        self.assert_directions(ours, self.server)

    def test_udp_from_the_sender(self):
        self.wait_iperf()
        ours, theirs = self.beside_tcpdump(
            lambda: self.iperf("-u", "-b", "100M", "-l", "64", "-t", "1"), pod=self.client
        )
        self.assert_same_frames(ours, theirs)
        self.assert_directions(ours, self.client)

    def wait_iperf(self):
        argv = ["iperf3", "-c", self.server.ip, "-n", "1K"]

        def answers():
            return "iperf Done" in self.client.exec("tools", argv, check=False)

        wait_until(answers, "iperf3 to listen")

    def test_loopback_is_stored_once(self):
        def ask():
            for host in ("127.0.0.1", "[::1]"):
                self.curl(f"http://{host}:8000/", pod=self.loop)

        self.loop = self.pod(
            SPACE,
            "loop",
            [Container("tools", "tools"), Container("web", "web", args=["8000"])],
        )
        self.wait_http(self.loop, "tools", "http://127.0.0.1:8000/")
        ours, theirs = self.beside_tcpdump(ask, pod=self.loop, device="lo")
        self.assertGreater(len(theirs), 16)
        self.assert_same_frames(ours, theirs)

    def test_kinds_of_frames(self):
        """IPv4, IPv6, ARP, ICMP, fragments both ways, VLAN tags, odd sizes."""

        def traffic():
            self.get()
            if self.web.ip6:
                self.curl(f"http://[{self.web.ip6}]:8080/bytes/5000")
                self.ping(self.web.ip6, "-s", "4000")
            self.ping(self.web.ip, "-s", "4000")
            self.ping(self.web.ip)
            client, web = (self.link(pod)["address"] for pod in (self.client, self.web))
            python_in_netns(self.web.pid, CRAFT, "eth0", client)
            python_in_netns(self.client.pid, CRAFT, "eth0", web)
            self.client.exec("tools", ["arping", "-c", "2", "-I", "eth0", self.web.ip])

        ours, theirs = self.beside_tcpdump(traffic)
        self.assert_same_frames(ours, theirs)
        self.assert_directions(ours)
        kinds = {frame.data[12:14] for frame in ours}
        self.assertLessEqual({b"\x08\0", b"\x08\x06", b"\x81\0", b"\x88\xa8", b"\x88\xb6"}, kinds)
        if self.web.ip6:
            self.assertIn(b"\x86\xdd", kinds)
        fragments = [f for f in ours if f.data[12:14] == b"\x08\0" and f.data[20] & 0x20]
        self.assertGreaterEqual(len(fragments), 4)
        tags = [f.data[12:16] for f in ours if f.data[12:14] == b"\x81\0"]
        self.assertEqual(tags, [b"\x81\0\x20\x05"] * 6)

    def ping(self, address, *words):
        self.client.exec("tools", ["ping", "-c", "2", "-i", "0.2", *words, address])

    def set_mtu(self, mtu):
        """Of the pods' cables at both ends, and of the bridge between them."""
        ip = need("ip")
        for pod in (self.web, self.client):
            run(in_netns(pod.pid, [ip, "link", "set", "eth0", "mtu", str(mtu)]))
            peer = self.link(pod)["link_index"]
            lines = run([ip, "-o", "link"]).stdout.splitlines()
            line = next(line for line in lines if line.startswith(f"{peer}:"))
            name = line.split(":")[1].split("@")[0].strip()
            run([ip, "link", "set", name, "mtu", str(mtu)])

    def test_jumbo_frames(self):
        self.addCleanup(self.set_mtu, 1500)
        self.set_mtu(9000)
        ours, theirs = self.beside_tcpdump(lambda: self.ping(self.web.ip, "-s", "8900"))
        self.assert_same_frames(ours, theirs)
        self.assertEqual(max(frame.length for frame in ours), 14 + 20 + 8 + 8900)

    def test_vlan_device(self):
        ip = need("ip")
        words = "link add link lo name ssprobe0 type vlan id 9".split()
        probe = run([ip, *words], check=False)
        if "Unknown device type" in probe.stderr:
            self.skipTest("this kernel has no VLAN devices (8021q); tagged frames are tested above")
        run([ip, "link", "del", "ssprobe0"], check=False)
        script = "link add link eth0 name eth0.9 type vlan id 9\nlink set eth0.9 up\n"
        addresses = {self.web.pid: "192.0.2.1", self.client.pid: "192.0.2.2"}
        for pid, address in addresses.items():
            argv = in_netns(pid, [ip, "-batch", "-"])
            commands = self.file("commands")
            with open(commands, "w", encoding="utf-8") as file:
                file.write(f"{script}addr add {address}/24 dev eth0.9\n")
            run([*argv[:-1], commands])
            self.addCleanup(run, in_netns(pid, [ip, "link", "del", "eth0.9"]))
        ours, theirs = self.beside_tcpdump(
            lambda: self.curl("http://192.0.2.1:8080/bytes/3000")
        )
        self.assert_same_frames(ours, theirs)
        tagged = [f for f in ours if f.data[12:16] == b"\x81\0\0\x09"]
        self.assertTrue(any(f.direction == IN for f in tagged))
        self.assertTrue(any(f.direction == OUT for f in tagged))

    def test_snaplen(self):
        def traffic():
            self.get("/bytes/100000")
            python_in_netns(self.client.pid, CRAFT, "eth0", self.link(self.web)["address"])

        ours, theirs = self.beside_tcpdump(traffic, "-s", "96", tcpdump=["-s", "96"])
        self.assert_same_frames(ours, theirs)
        self.assertEqual(max(len(frame.data) for frame in ours), 96)
        self.assertGreater(max(frame.length for frame in ours), 1000)


class Filters(CaptureTest):
    """A filtered capture equals an unfiltered one read with tcpdump and the same expression."""

    EXPRESSIONS = (
        "tcp port 8080",
        "icmp or arp",
        "ip6",
        "vlan 5",
        "vlan and not vlan 5",
        "greater 700",
        "tcp[tcpflags] & tcp-syn != 0",
        "ip[6:2] & 0x1fff != 0",
        "not tcp",
    )

    def traffic(self):
        self.get("/bytes/3000", times=2)
        if self.web.ip6:
            self.curl(f"http://[{self.web.ip6}]:8080/")
        self.client.exec("tools", ["ping", "-c", "1", "-s", "3000", self.web.ip])
        self.client.exec("tools", ["arping", "-c", "1", "-I", "eth0", self.web.ip])
        python_in_netns(self.client.pid, CRAFT, "eth0", self.link(self.web)["address"])

    def compare(self, mode):
        whole = self.file("whole.pcap")
        judge = self.tcpdump(whole)
        captures = []
        for number, expression in enumerate(self.EXPRESSIONS):
            path = self.file(f"{number}.pcapng")
            words = ["--filter", f"ether proto 0x88b5 or ({expression})", "--attach", mode]
            captures.append((self.capture(*words, "-w", path), path, expression))
        paths = [whole, *(path for _, path, _ in captures)]
        self.mark("begin", *paths)
        self.traffic()
        self.mark("end", *paths)
        self.stop_tcpdump(judge)
        for capture, path, expression in captures:
            self.stop(capture)
            wanted = self.file("wanted.pcap")
            rule = f"ether proto 0x88b5 or ({expression})"
            run([need("tcpdump"), "-r", whole, "-w", wanted, rule])
            with self.subTest(expression=expression):
                ours = self.between_marks(File(path).of("/web"))
                theirs = self.between_marks(File(wanted).frames)
                # Which frames, is asked here. With ten captures at once two CPUs may swap
                # frames between the end of the cable and the pod.
                self.assert_same_frames(ours, theirs, ordered=False)

    def test_filters_in_the_pod(self):
        self.compare("netns")

    def test_filters_on_the_cable(self):
        self.compare("veth")

    def test_filters_of_sockets(self):
        """cgroup mode begins with the IP header; what it has equals tcpdump's from there on."""
        for expression in ("tcp port 8080", "ip6", "tcp[tcpflags] & tcp-fin != 0"):
            with self.subTest(expression=expression):
                ours, theirs = self.file(), self.file("theirs.pcap")
                judge = self.tcpdump(theirs, words=[f"tcp and ({expression})"])
                words = ["--attach", "cgroup", "--filter", f"tcp and ({expression})"]
                capture = self.capture(*words, "-w", ours)
                self.get("/bytes/3000", times=2)
                if self.web.ip6:
                    self.curl(f"http://[{self.web.ip6}]:8080/")
                self.wait_same_count(ours, theirs)
                self.stop(capture)
                self.stop_tcpdump(judge)
                packets = collections.Counter(f.data[14:] for f in File(theirs).frames)
                self.assertEqual(collections.Counter(f.data for f in File(ours).packets()), packets)

    @staticmethod
    def wait_same_count(ours, theirs):
        def same():
            mine, judged = (len(File(path).packets()) for path in (ours, theirs))
            return mine == judged > 0

        wait_until(same, "as many frames as tcpdump has")
