# SPDX-License-Identifier: GPL-2.0-or-later
"""Display filters as --filter: the file has what tshark selects from all of the same traffic."""

import concurrent.futures
import contextlib
import os
import struct
import urllib.parse

from .capture import IN, PROCESS, SPACE, CaptureTest, File, python_in_netns
from .harness import as_user, need, program, run, tshark_rows, wait_until

MARKS = "eth.type == 0x88b5"
PCAP_MARKS = "ether proto 0x88b5"

# What Wireshark 4.0 does not know, or not without quotes.
QUOTED = {
    "https": "tcp.port == 443 or udp.port == 443",
    "http.request.method == GET": 'http.request.method == "GET"',
    "http.request.uri contains /api": 'http.request.uri contains "/api"',
}

# A question for a name, and a connection, to where nobody listens.
QUERY = """
import socket, sys
question = bytes.fromhex("123401000001000000000000") + b"\\3www\\4test\\0" + bytes.fromhex("00010001")
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(question, (sys.argv[1], 53))
socket.socket().connect_ex((sys.argv[1], 443))
"""
PLAIN = ("-o", "tcp.try_heuristic_first:FALSE")  # as the program's own tshark


# Without cap_perfmon, and with the programs of pods.
TOO_MUCH = """
(((tls.handshake.type) and ((tls.handshake.ciphersuite) or (stratoshark))) and
 (((tls.record.content_type != 8) and (http.accept_language == "api.example.test")) and
  (http.content_length_header in {"a-word-that-is-rather-long.and-goes-on.test",
                                  "a-word-that-is-rather-long.and-goes-on.test"}))) or
((((dns.cname in {"x", "x"}) and (arp.dst.hw_mac != 02:aa:bb:cc:dd:01)) and
  (not (stratoshark.interface != "in"))) and
 (((stratoshark.runtime in {"a-word-that-is-rather-long.and-goes-on.test", "/api/v1"}) and
   (http.accept_language != "api.example.test")) or (not (tcp.flags.ece != 0)))) or
tcp.dstport == 8080
"""


class FilterTest(CaptureTest):
    @staticmethod
    def without_events(file, frames):
        """Records about pods and processes are no frames of theirs: no filter is about them."""
        return [
            frame
            for frame in frames
            if file.interfaces[frame.interface].name != "stratoshark-events"
        ]

    def selected(self, path, display_filter):
        """The frames that stock tshark selects, as our reader sees them."""
        file = File(path)
        rows = tshark_rows(path, ["frame.number"], display_filter, PLAIN)
        frames = [file.frames[int(row["frame.number"]) - 1] for row in rows]
        return self.between_marks(self.without_events(file, frames))

    def written(self, path):
        file = File(path)
        return self.between_marks(self.without_events(file, file.frames))

    def beside_everything(self, traffic, *filters):
        """[(filter, its frames, those that tshark selects from a capture of everything)]"""
        everything = self.file("everything.pcapng")
        files = [self.file(f"{number}.pcapng") for number in range(len(filters))]
        captures = [self.capture("-w", everything)]
        captures += [
            self.capture("-w", path, "--no-context", "--filter", f"({text}) or {MARKS}")
            for path, text in zip(files, filters)
        ]
        self.mark("begin", everything, *files)
        traffic()
        self.mark("end", everything, *files)
        for capture in captures:
            self.stop(capture)
            self.assertNotIn("may not match", capture.stderr)
        for path in files:
            file = File(path)
            self.assertEqual(file.delivered(), len(file.frames))
            self.assertEqual(file.dropped(), 0)
        return [
            (
                text,
                self.written(path),
                self.selected(everything, f"({text}) or {MARKS}"),
            )
            for path, text in zip(files, filters)
        ]

    def assert_each_same(self, results):
        for text, ours, theirs in results:
            with self.subTest(filter=text):
                self.assert_same_frames(ours, theirs)

    def requests(self):
        self.get(times=5)
        self.get("/missing", times=3)
        self.curl(self.web.url("/api/users"), "-X", "POST", "-d", "name=" + "x" * 5000)

    def test_headers(self):
        self.assert_each_same(
            self.beside_everything(
                self.requests,
                f"ip.src == {self.client.ip}",
                "tcp.flags.syn == 1",
                "frame.len > 200 and not arp",
                "tcp.port != 80 or tcp.len == 0",
            )
        )

    @staticmethod
    def write_pcap(to, path):
        """What is on Ethernet; for tools that want one link type."""
        file = File(path)
        with open(to, "wb") as output:
            output.write(struct.pack("<IHHIIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1))
            for frame in file.frames:
                if file.interfaces[frame.interface].link_type == 1:
                    second, part = divmod(frame.time, 10**9)
                    sizes = len(frame.data), frame.length
                    output.write(struct.pack("<IIII", second, part, *sizes) + frame.data)

    def test_each_language_means_what_its_own_tool_means(self):
        """What people know from one of them, in both: tshark is the judge of one, tcpdump of the
        other; where the manual says that they are the same, they are."""
        server, client = self.web.ip, self.client.ip
        port = urllib.parse.urlsplit(self.web.url()).port or 80
        # False: errors of ICMP hold addresses and ports, for Wireshark.
        rows = [
            (f"tcp and ip.addr == {client}", f"tcp and host {client}", True),
            ("frame.len > 1000", "greater 1001", True),
            ("frame.len >= 1000", "greater 1000", True),
            ("frame.len <= 66", "less 66", True),
            ("tcp.flags.syn == 1", "tcp[tcpflags] & tcp-syn != 0", True),
            (f"tcp.port == {port}", f"tcp port {port}", True),
            (f"tcp.port in {{{port}, 443}}", f"tcp port {port} or tcp port 443", True),
            (f"ip && !(ip.dst == {server}/32) && !(ip.dst == 172.16.0.0/12)",
             f"ip and not dst net {server}/32 and not dst net 172.16.0.0/12", False),
            (f"tcp && !(ip.src == {server})", f"tcp and not src host {server}", True),
            ("udp.port == 53", "port 53", False),
            ("icmp", "icmp", True),
            ("frame.p2p_dir == 0", "outbound", None),  # tcpdump knows no directions of a file
            ("!(frame.p2p_dir == 0)", "inbound", None),
            ("http.request.method == GET", None, None),
            ("http.request.uri contains /api", None, None),
            ("http", None, None),
            ("dns", None, None),
            ("https", None, None),
            ("http.response.code >= 400", None, None),
        ]
        everything = self.file("everything.pcapng")
        files = {}
        for display, pcap, _ in rows:
            files[f"({display}) or {MARKS}"] = self.file(f"{len(files)}.pcapng")
            if pcap:
                files[f"({pcap}) or {PCAP_MARKS}"] = self.file(f"{len(files)}.pcapng")
        captures = [self.capture("-w", everything)]
        captures += [self.capture("-w", path, "--no-context", "--filter", text)
                     for text, path in files.items()]
        self.mark("begin", everything, *files.values())
        self.requests()
        python_in_netns(self.client.pid, QUERY, server)
        self.mark("end", everything, *files.values())
        for capture in captures:
            self.stop(capture)
        plain, judged = self.file("everything.pcap"), self.file("judged.pcap")
        self.write_pcap(plain, everything)
        for display, pcap, same in rows:
            with self.subTest(display=display, pcap=pcap):
                ours = self.written(files[f"({display}) or {MARKS}"])
                text = QUOTED.get(display, display)
                self.assert_same_frames(ours, self.selected(everything, f"({text}) or {MARKS}"))
                if not pcap:
                    continue
                if same is None:
                    self.assert_same_frames(self.written(files[f"({pcap}) or {PCAP_MARKS}"]), ours)
                    continue
                text = f"({pcap}) or {PCAP_MARKS}"
                run([need("tcpdump"), "-r", plain, "-w", judged, text])
                theirs = self.between_marks(File(judged).frames)
                self.assert_same_frames(self.written(files[text]), theirs)
                self.assertEqual([frame.data for frame in ours] == [f.data for f in theirs], same)

    def requests_beside_everything(self, everything, path, text, *words):
        """The same requests in two files: all frames, and those of a pcap-filter."""
        captures = [
            self.capture("-w", everything, *words),
            self.capture("-w", path, *words, "--filter", f"({text}) or {PCAP_MARKS}"),
        ]
        self.mark("begin", everything, path)
        self.requests()
        self.mark("end", everything, path)
        for capture in captures:
            self.stop(capture)

    def test_a_pcap_filter_sees_payload_that_is_not_beside_the_headers(self):
        everything, path = self.file("everything.pcapng"), self.file("found.pcapng")
        self.requests_beside_everything(everything, path, "ip[52:4] = 0x47455420")
        ours = self.written(path)
        self.assertEqual(len(ours), 8)
        self.assert_same_frames(
            ours, self.selected(everything, f"frame[66:4] == 47:45:54:20 or {MARKS}")
        )

    def test_a_pcap_filter_knows_what_is_not_in_the_bytes(self):
        """tcpdump itself is no judge: libpcap filters the first blocks without directions."""
        device = self.link(self.web)["ifindex"]
        rows = [
            ("netns", "inbound", "frame.p2p_dir == 1"),
            ("netns", "outbound and tcp", "frame.p2p_dir == 0 and tcp"),
            ("netns", f"ifindex {device}", "frame"),
            ("veth", "inbound and not port 53", "frame.p2p_dir == 1 and not udp.port == 53"),
            ("veth", "outbound", "frame.p2p_dir == 0"),
        ]
        for mode, text, meaning in rows:
            with self.subTest(mode=mode, filter=text):
                everything, path = self.file("everything.pcapng"), self.file()
                self.requests_beside_everything(everything, path, text, "--attach", mode)
                ours = self.written(path)
                self.assertGreater(len(ours), 20)
                self.assert_same_frames(ours, self.selected(everything, f"{meaning} or {MARKS}"))

    def test_loopback_is_inbound(self):
        """As tcpdump shows it: each frame once, as received."""
        inbound, outbound = self.file("inbound.pcapng"), self.file("outbound.pcapng")
        captures = [
            self.capture("-w", inbound, "--filter", "inbound and tcp port 9", pod=self.client),
            self.capture("-w", outbound, "--filter", "outbound", pod=self.client),
        ]
        self.client.exec("tools", ["curl", "-s", "http://127.0.0.1:9/"], check=False)
        self.wait_count(inbound, 2)
        for capture in captures:
            self.stop(capture)
        addresses = tshark_rows(outbound, ["ip.src"], "ip.addr == 127.0.0.0/8")
        self.assertEqual(addresses, [])
        self.assertIn("what stays on its loopback", self.explain("inbound"))

    def test_protocols_that_only_tshark_knows(self):
        self.assert_each_same(
            self.beside_everything(
                self.requests,
                "http.request",
                "http.response and tcp.len > 50",
                f'http.request.uri contains "/api" and ip.dst == {self.web.ip}',
                "tcp.analysis.initial_rtt and !(http.request)",
            )
        )

    def test_packets_that_the_kernel_does_not_understand(self):
        """Fragments have ports only together, ICMP errors those of what they quote."""

        def traffic():
            self.sends(self.web, 20, size=4000)  # nobody listens there
            self.get()

        results = self.beside_everything(traffic, "udp.port == 9", "icmp", "not udp and not http")
        self.assert_each_same(results)
        text, ours, _ = results[0]
        self.assertTrue([frame for frame in ours if frame.data[23] == 1], f"no error by {text}")

    def test_a_pod_and_its_direction(self):
        path = self.file()
        filter_text = 'stratoshark.pod == "web" and stratoshark.direction == in'
        capture = self.capture("-w", path, "--namespace", SPACE, "--filter", filter_text)
        self.get(times=3)
        self.wait_count(path, 9)
        self.stop(capture)
        file = File(path)
        self.assertTrue(file.of("/web"))
        self.assertEqual(file.of("/client"), [])
        self.assertEqual({frame.direction for frame in file.of("/web")}, {IN})

    def test_a_pid(self):
        """The kernel alone decides."""
        def traffic():
            self.get(times=3)
            self.get("/missing", times=2)

        text = "stratoshark.pid > 1 and ip.src == " + self.client.ip
        path, everything = self.file(), self.file("everything.pcapng")
        captures = [self.capture("-w", path, "--filter", f"{text} or {MARKS}", pod=self.client),
                    self.capture("-w", everything, pod=self.client)]
        self.mark("begin", path, everything, pod=self.client)
        traffic()
        self.mark("end", path, everything, pod=self.client)
        for capture in captures:
            self.stop(capture)
        source = bytes(map(int, self.client.ip.split(".")))
        right = [frame for frame in self.written(everything)
                 if frame.tlvs[PROCESS][:4] != bytes(4) and frame.data[26:30] == source]
        self.assert_same_frames(self.written(path), right)
        self.assertRegex(self.explain("stratoshark.pid == 7"), "left to tshark: nothing")

    def test_a_process(self):
        texts = ['stratoshark.comm == "curl"',
                 'stratoshark.comm contains "get" and tcp.len > 0',
                 '!(stratoshark.comm == "curl")',
                 'stratoshark.comm == "curl" and tcp.dstport == 8080',
                 'stratoshark.container == "tools"']
        self.compare_processes(
            "cap_bpf,cap_net_admin,cap_perfmon,cap_sys_admin,cap_sys_ptrace", texts)

    def test_a_process_that_only_tshark_decides(self):
        self.compare_processes("cap_bpf,cap_net_admin", ['stratoshark.comm == "curl"',
                                                         "stratoshark.pid and tcp.len > 0"])

    def test_a_filter_that_is_too_much_for_the_verifier(self):
        said = self.compare_processes("cap_bpf,cap_net_admin", [TOO_MUCH])
        self.assertIn("the filter is too big for the kernel", said)

    @contextlib.contextmanager
    def lasting_clients(self, path, *uris):
        """A curl for each and a wget have asked, as the file says, and been answered. Each curl is
        there until the end: without cap_perfmon the names of processes are read while they live."""
        wait = "while [ ! -e /tmp/enough ]; do sleep 0.1; done"
        curl = "curl -s -m 60 -H 'Connection: close' -o /dev/null"
        self.client.exec("tools", ["rm", "-f", "/tmp/enough"])
        with concurrent.futures.ThreadPoolExecutor(len(uris)) as pool:
            argvs = [["sh", "-c", f"{wait} | {curl} {self.web.url(uri)} --next -sT - file:///dev/null"]
                     for uri in uris]
            curls = [pool.submit(self.client.exec, "tools", argv, 60) for argv in argvs]
            try:
                self.client.exec("tools", ["wget", "-q", "-O", "/dev/null", self.web.url(uris[0])])
                wait_until(lambda: self.count(path, "http.response") >= len(uris) + 1 and
                           self.count(path, "tcp.flags.fin == 1") >= 2 * (len(uris) + 1),
                           "all to be answered")
                yield
            finally:
                self.client.exec("tools", ["touch", "/tmp/enough"])
            for each in curls:
                each.result()

    @staticmethod
    def count(path, display_filter):
        return len(tshark_rows(path, ["frame.number"], display_filter, complete=False))

    def compare_processes(self, capabilities, texts):
        """The files are what tshark selects of everything. Returns what the last capture says."""
        texts = [f"({text}) or {MARKS}" for text in texts]
        environment, folder = self.plugin_environment(), self.folder()
        binary = self.installed(f"{capabilities}+ep")
        paths = [f"{folder}/{number}.pcapng" for number in range(len(texts) + 1)]
        captures = []
        for path, text in zip(paths, [None, *texts]):
            argv = [binary, "capture", "--pod", f"{SPACE}/{self.client.name}", "-w", path]
            argv += ["--no-context", "--filter", text] if text else []
            captures.append(self.background(as_user(argv), env=environment))
        for capture in captures:
            capture.wait_stderr("capturing", 120)
        self.mark("begin", *paths, pod=self.client)
        with self.lasting_clients(paths[0], *["/api/users"] * 3, *["/missing"] * 2):
            self.mark("end", *paths, pod=self.client)
        for capture in captures:
            self.stop(capture)
        everything = File(paths[0])
        for path, text in zip(paths[1:], texts):
            argv = [need("tshark"), "-n", "-r", paths[0], "-Y", text, "-T", "fields", "-e",
                    "frame.number"]
            numbers = run(as_user(argv), env=environment).stdout.split()
            right = [everything.frames[int(number) - 1] for number in numbers]
            with self.subTest(filter=text):
                self.assert_same_frames(
                    self.written(path),
                    self.between_marks(self.without_events(everything, right)))
        return captures[-1].stderr

    def test_names_of_processes_need_the_plugin(self):
        said = self.explain('stratoshark.comm == "curl"', status=2)
        self.assertIn("needs our Wireshark plugin", said)

    def test_count_means_what_matches(self):
        path = self.file()
        capture = self.capture("-w", path, "-c", "3", "--no-context", "--filter",
                               "http.request")
        self.get(times=5)
        self.ends(capture)
        self.assertEqual(len(File(path).of("/web")), 3)
        self.assertEqual(len(tshark_rows(path, ["http.request.uri"], "http.request")), 3)

    def test_without_capabilities_tshark_decides(self):
        """The child has none, and is gone with the capture."""
        path = self.file()
        capture = self.capture("-w", path, "--no-context", "--filter", "http.request")
        children = self.children(capture.process.pid)
        self.assertEqual([name for _, name in children], ["tshark"])
        pid = children[0][0]
        with open(f"/proc/{pid}/status", encoding="utf-8") as status:
            lines = dict(line.split(":", 1) for line in status)
        self.assertEqual(int(lines["CapEff"], 16), 0)
        self.assertEqual(int(lines["CapPrm"], 16), 0)
        self.get()
        capture.wait_frames(path, 1, "http.request")
        self.stop(capture)
        wait_until(lambda: not os.path.exists(f"/proc/{pid}"), "the end of tshark")

    def test_a_tshark_that_dies_loses_nothing(self):
        path = self.file()
        capture = self.capture("-w", path, "--filter", "tcp.analysis.initial_rtt")
        pid = self.children(capture.process.pid)[0][0]
        os.kill(pid, 9)
        capture.wait_stderr("tshark, which decides the rest of the filter, has ended")
        self.get()
        self.wait_count(path, 8)
        self.stop(capture)
        self.assertRegex(capture.stderr, r"\d+ frames may not match the filter")

    @staticmethod
    def children(pid):
        """[(pid, name)]"""
        found = []
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                with open(f"/proc/{entry}/stat", encoding="utf-8") as file:
                    name, rest = file.read().rsplit(")", 1)
            except OSError:
                continue
            if int(rest.split()[1]) == pid:
                found.append((int(entry), name.split("(", 1)[1]))
        return found

    def explain(self, text, status=0):
        argv = [program(), "capture", "--explain-filter", "--filter", text]
        result = run(argv, check=False, timeout_s=20)
        self.assertEqual(result.returncode, status, result.stderr)
        return result.stdout + result.stderr

    def test_explanations(self):
        self.assertIn("a pcap-filter", self.explain("tcp port 80"))
        said = self.explain("tcp.port == 80 and mqtt.msgtype == 3")
        self.assertIn("a display filter", said)
        self.assertRegex(said, r"in the kernel: +tcp\.port == 80")
        self.assertRegex(said, r"left to tshark: mqtt\.msgtype == 3")

        said = self.explain("http.response.code >= 500")
        self.assertIn("and the requests they answer", said)
        said = self.explain('http.response.code >= 500 && http.server contains "nginx"')
        self.assertIn("both halves of exchanges of HTTP", said)
        said = self.explain("http.host == a && http.response.code >= 500")
        self.assertIn("the filter selects nothing", said)
        said = self.explain('dns.a == 10.0.0.1 || http.request.uri contains "x"')
        self.assertIn("both halves of exchanges of DNS and HTTP", said)
        self.assertNotIn("exchanges", self.explain("dns || http || tcp.port == 80"))

    def test_a_misspelt_field_gets_the_nearest(self):
        said = self.explain("mqtt.msgtyp == 3", status=2)
        self.assertIn("did you mean mqtt.msgtype", said)
        said = self.explain("stratoshark.namespac == a", status=2)  # with the plugin, and without
        self.assertIn("did you mean stratoshark.namespace?", said)

    def test_a_wrong_regular_expression_is_told(self):
        said = self.explain('http.host matches "a("', status=2)
        self.assertIn("parenthesis", said)
        self.assertRegex(said, r'\n +http\.host matches "a\("\n +\^')
