# SPDX-License-Identifier: GPL-2.0-or-later
"""Display filters as --filter: the file has what tshark selects from all of the same traffic."""

import os
import shutil
from unittest import mock

from .capture import IN, SPACE, CaptureTest, File
from .harness import program, run, tshark_rows, wait_until

MARKS = "eth.type == 0x88b5"
PLAIN = ("-o", "tcp.try_heuristic_first:FALSE")  # as the program's own tshark


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

    def beside_everything(self, traffic, *filters, pod=None):
        """[(filter, its frames, those that tshark selects from a capture of everything)]"""
        everything = self.file("everything.pcapng")
        files = [self.file(f"{number}.pcapng") for number in range(len(filters))]
        captures = [self.capture("-w", everything, pod=pod)]
        captures += [
            self.capture("-w", path, "--filter", f"({text}) or {MARKS}", pod=pod)
            for path, text in zip(files, filters)
        ]
        self.mark("begin", everything, *files, pod=pod)
        traffic()
        self.mark("end", everything, *files, pod=pod)
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

    def use_plugin(self):
        """By every tshark from now on, also as root, which takes no personal plugins."""
        plugin = os.environ.get("STRATOCAP_PLUGIN")
        if not plugin:
            self.skipTest("STRATOCAP_PLUGIN is not set")
        version = run(["tshark", "--version"]).stdout.split()[2].rsplit(".", 1)[0]
        plugins = self.folder()
        folder = os.path.join(plugins, version, "epan")
        os.makedirs(folder)
        shutil.copy(plugin, folder)
        patch = mock.patch.dict(os.environ, WIRESHARK_PLUGIN_DIR=plugins)
        patch.start()
        self.addCleanup(patch.stop)

    def test_a_process(self):
        def traffic():
            self.get(times=3)
            self.client.exec("tools", ["wget", "-q", "-O", "/dev/null", self.web.url("/api/users")])
            self.get("/missing", times=2)

        self.use_plugin()
        results = self.beside_everything(
            traffic,
            'stratoshark.comm == "curl"',
            'stratoshark.comm contains "get" and tcp.len > 0',
            '!(stratoshark.comm == "curl")',
            "stratoshark.pid > 1 and stratoshark.direction == out",
            'stratoshark.comm == "curl" and http.request',
            'stratoshark.container == "tools"',
            pod=self.client,
        )
        self.assert_each_same(results)
        said = self.explain('stratoshark.comm == "curl"')
        self.assertRegex(said, r'in the kernel: +stratoshark\.comm == "curl"')

    def test_frames_of_other_processes_stay_in_the_kernel(self):
        """Without tshark the file has all that the kernel lets through."""
        self.use_plugin()
        path = self.file()
        text = f'stratoshark.comm == "nobody" or {MARKS}'
        capture = self.capture("-w", path, "--filter", text, pod=self.client)
        os.kill(self.children(capture.process.pid)[0][0], 9)
        capture.wait_stderr("tshark, which decides the rest of the filter, has ended")
        self.mark("begin", path, pod=self.client)
        self.get(times=20)
        self.mark("end", path, pod=self.client)
        self.stop(capture)
        file = File(path)
        self.assertGreater(sum(values.get(4, 0) for values in file.statistics.values()), 150)
        self.assertEqual(self.between_marks(file.of("/client")), [])

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
        self.assertIn("without the requests they answer", said)

    def test_a_misspelt_field_gets_the_nearest(self):
        said = self.explain("mqtt.msgtyp == 3", status=2)
        self.assertIn("did you mean mqtt.msgtype", said)
