# SPDX-License-Identifier: GPL-2.0-or-later
"""Outputs of a capture: files, rings of files, pipes, the live view; how fast and how honest."""

import collections
import contextlib
import glob
import os
import re
import signal
import stat
import subprocess
import time

from .capture import SPACE, CaptureTest, File
from .harness import capinfos, need, program, run, tshark_rows, wait_until

ENOUGH = 600  # datagrams that fill some files of 64 kB


class OutputTest(CaptureTest):
    def numbers(self, frames):
        """The numbers of our datagrams, in the order of the file."""
        found = (re.search(rb"number (\d{8})", frame.data[:64]) for frame in frames)
        return [int(match[1]) for match in found if match]

    def datagrams(self, count=ENOUGH, size=400):
        # Port 9 refuses by ICMP, which quotes the datagram: the filter leaves that out.
        self.sends(self.web, count, size=size)

    ONLY_THESE = ("--filter", "udp dst port 9")

    # One file

    def test_the_file_counts_what_it_holds(self):
        path = self.file()
        capture = self.capture("-w", path)
        self.get(times=3)
        self.use_and_wait(path)
        self.stop(capture)
        file = File(path)
        self.assertEqual(file.sections, 1)
        self.assertEqual(file.delivered(), len(file.frames))
        self.assertEqual(int(capinfos(path)["Number of packets"]), len(file.frames))
        self.assertEqual(len(tshark_rows(path, ["frame.number"])), len(file.frames))
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        said = re.search(r"^(\d+) frames, .* 0 dropped", capture.stderr, re.M)
        self.assertEqual(int(said[1]), len(file.frames))

    def use_and_wait(self, path):
        wait_until(
            lambda: len(tshark_rows(path, ["frame.number"], "http.response", complete=False)) >= 3,
            "the answers in the file",
        )

    def test_addresses_have_names(self):
        path = self.file()
        capture = self.capture("-w", path)
        self.get()
        self.wait_count(path, 8)
        self.stop(capture)
        rows = tshark_rows(path, ["_ws.col.Destination"], "http.request", options=["-N", "n"])
        self.assertEqual(rows[0]["_ws.col.Destination"], f"web.{SPACE}")

    def test_a_pcap_name_gets_pcapng_and_a_note(self):
        path = self.file("out.pcap")
        capture = self.capture("-w", path)
        self.stop(capture)
        self.assertRegex(capture.stderr, r"out\.pcap' will hold pcapng")
        self.assertEqual(File(path).sections, 1)

    # Ends

    def test_count_is_exact(self):
        for count in (1, 7, 250):
            with self.subTest(count=count):
                path = self.file()
                capture = self.capture("-c", str(count), "-w", path)
                self.datagrams(300)
                self.ends(capture)
                self.assertEqual(len(File(path).packets()), count)
                self.assertIn(f"{count} frames", capture.stderr)

    def test_duration(self):
        path = self.file()
        begin = time.monotonic()
        capture = self.capture("--duration", "1s", "-w", path)
        self.get()
        self.ends(capture)
        self.assertTrue(0.9 < time.monotonic() - begin < 2.5)
        self.assertTrue(tshark_rows(path, ["frame.number"], "http.response"))

    def test_signals_are_ordinary_ends(self):
        for signal_number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(signal=signal_number):
                path = self.file()
                capture = self.capture("-w", path)
                self.get()
                self.stop(capture, signal_number=signal_number)
                self.assertTrue(tshark_rows(path, ["frame.number"], "http.response"))

    # Rings of files

    def ring(self, *words, frames=ENOUGH):
        folder = self.folder()
        capture = self.capture("-w", f"{folder}/ring.pcapng", *self.ONLY_THESE, *words)

        def files():
            found = []
            for path in sorted(glob.glob(f"{folder}/*")):
                with contextlib.suppress(FileNotFoundError):
                    found.append((path, File(path)))
            return found

        def newest():
            return [number for _, file in files() for number in self.numbers(file.frames)][-1:]

        self.datagrams(frames)
        wait_until(lambda: newest() == [frames - 1], "the last datagram in the ring")
        self.stop(capture)
        return files()

    def assert_each_readable(self, files):
        for path, file in files:
            self.assertEqual(file.sections, 1)
            self.assertEqual(file.rest, 0)
            self.assertEqual(int(capinfos(path)["Number of packets"]), len(file.frames))
            self.assertTrue(any(each.name.endswith("/web") for each in file.interfaces))
            self.assertIn(f"web.{SPACE}", file.names.values())
            self.assertTrue(file.statistics)

    def test_ring_by_size(self):
        files = self.ring("--ring-size", "64k")
        self.assertGreater(len(files), 3)
        self.assert_each_readable(files)
        for path, _ in files:
            self.assertLess(os.path.getsize(path), 70000)
        numbers = [number for _, file in files for number in self.numbers(file.frames)]
        self.assertEqual(numbers, list(range(ENOUGH)))

    def test_ring_keeps_the_newest_files(self):
        files = self.ring("--ring-size", "64k", "--ring-files", "2")
        self.assertEqual(len(files), 2)
        self.assert_each_readable(files)
        numbers = [number for _, file in files for number in self.numbers(file.frames)]
        self.assertEqual(numbers, list(range(numbers[0], ENOUGH)))

    def test_ring_by_time(self):
        folder = self.folder()
        words = ["--ring-time", "300ms", *self.ONLY_THESE]
        capture = self.capture("-w", f"{folder}/ring.pcapng", *words)
        sent = 0

        def enough():
            nonlocal sent
            sent += 1
            self.sends(self.web, 1)
            return len(glob.glob(f"{folder}/*")) >= 3

        wait_until(enough, "three files")
        self.stop(capture)
        files = [(path, File(path)) for path in sorted(glob.glob(f"{folder}/*"))]
        self.assert_each_readable(files)
        self.assertEqual(sum(len(file.packets()) for _, file in files), sent)

    # Pipes

    def test_into_tshark(self):
        argv = [program(), "capture", "--pod", f"{SPACE}/web", "-c", "20", "-w", "-"]
        capture = self.background(argv, stdout=subprocess.PIPE)
        words = ["-r", "-", "-n", "-T", "fields", "-e", "frame.interface_name", "-Y", "http"]
        tshark = self.background([need("tshark"), *words], stdin=capture.process.stdout)
        capture.process.stdout.close()
        capture.wait_stderr("capturing")
        self.get(times=4)
        self.ends(capture)
        tshark.process.wait(10)
        lines = set(tshark.stdout.decode().splitlines())
        self.assertEqual(lines, {f"stratoshark-pod:{SPACE}/web"})

    def test_a_closed_reader_is_an_ordinary_end(self):
        argv = [program(), "capture", "--pod", f"{SPACE}/web", "-w", "-"]
        capture = self.background(argv, stdout=subprocess.PIPE)
        capture.wait_stderr("capturing")
        capture.process.stdout.close()
        self.ends(capture, timeout_s=1)

    def test_a_slow_reader_costs_frames_that_are_counted(self):
        argv = [program(), "capture", "--pod", f"{SPACE}/web", "--buffer-size", "1", "-w", "-"]
        capture = self.background([*argv, *self.ONLY_THESE], stdout=subprocess.PIPE)
        capture.wait_stderr("capturing")
        sent = 8000  # of 1400 bytes: more than pipe and ring hold
        self.datagrams(sent, size=1400)
        path = self.file()
        with open(path, "wb") as file:
            reader = subprocess.Popen(
                [need("cat")], stdin=capture.process.stdout, stdout=file
            )
        self.addCleanup(reader.wait)
        capture.process.stdout.close()
        wait_until(lambda: os.path.getsize(path) > 1 << 20, "the backlog to be read")
        self.sends(self.web, 1)
        sent += 1
        self.stop(capture)
        reader.wait(10)
        file = File(path)
        lost = sent - len(file.packets())
        self.assertGreater(lost, 1000)
        self.assertEqual(file.dropped(), lost)
        self.assertEqual(sum(frame.lost for frame in file.frames), lost)
        self.assertEqual(file.delivered(), len(file.frames))
        self.assertRegex(capture.stderr, rf"{lost} dropped \({lost} buffer full")
        self.assertEqual(len(self.numbers(file.frames)), len(set(self.numbers(file.frames))) + 1)

    def test_latency_of_a_slow_stream(self):
        argv = [program(), "capture", "--pod", f"{SPACE}/web", "-w", "-", *self.ONLY_THESE]
        capture = self.background(argv, stdout=subprocess.PIPE)
        capture.wait_stderr("capturing")
        sender, delays = self.udp(self.web), []
        for number in range(15):
            marker = b"number %08d" % number
            begin = time.monotonic()
            sender.sendto(marker, (self.web.ip, 9))
            seen = b""
            while marker not in seen:
                seen += os.read(capture.process.stdout.fileno(), 65536)
            delays.append(time.monotonic() - begin)
        self.assertLess(sorted(delays)[len(delays) // 2], 0.05, delays)

    def test_the_first_frame_comes_soon(self):
        delays = []
        for _ in range(3):
            begin = time.monotonic()
            argv = [program(), "capture", "--pod", f"{SPACE}/web", "-w", "-", *self.ONLY_THESE]
            capture = self.background(argv, stdout=subprocess.PIPE)
            output, seen = capture.process.stdout.fileno(), b""
            os.set_blocking(output, False)
            sender = self.udp(self.web)

            def arrived():
                nonlocal seen
                sender.sendto(b"number 00000000", (self.web.ip, 9))
                with contextlib.suppress(BlockingIOError):
                    seen += os.read(output, 1 << 20)
                return b"number 00000000" in seen

            capture.wait(arrived, "the first frame")
            delays.append(time.monotonic() - begin)
            capture.stop()
        self.assertLess(min(delays), 0.3, delays)

    # People

    def test_live_shows_lines_with_pod_names(self):
        argv = [program(), "capture", "--pod", f"{SPACE}/web", "--live"]
        capture = self.background(argv)
        capture.wait_stderr("capturing")
        self.wait_http(self.client, "tools", self.web.url())  # tshark is ready when it shows this
        wait_until(lambda: b"HTTP" in capture.stdout, "the first lines")
        begin = time.monotonic()
        self.curl(self.web.url("/status/503"))
        wait_until(lambda: b"/status/503" in capture.stdout, "the request as a line")
        self.assertLess(time.monotonic() - begin, 1.5)  # curl inside the pod takes its part
        line = next(li for li in capture.stdout.decode().splitlines() if "/status/503" in li)
        self.assertIn(f"web.{SPACE}", line)
        self.stop(capture)

    def test_quiet_says_nothing(self):
        path = self.file()
        capture = self.capture("-q", "-c", "1", "-w", path, ready=None)
        wait_until(lambda: os.path.exists(path) and File(path).interfaces, "the capture to begin")

        def ended():
            self.sends(self.web, 1)
            return capture.process.poll() is not None

        wait_until(ended, "its end")
        self.assertEqual((capture.process.returncode, capture.stderr), (0, ""))

    def test_interval_lines(self):
        capture = self.capture("--stats-interval", "200ms", "-w", self.file())
        self.sends(self.web, 5)
        wait_until(
            lambda: re.search(r"^[1-9]\d* frames, .* dropped", capture.stderr, re.M),
            "a line of counts",
        )
        self.stop(capture)

    def test_several_pods_in_one_file(self):
        path = self.file()
        words = ["--pod", f"{SPACE}/web", "--pod", f"{SPACE}/client", "-w", path]
        capture = self.capture(*words)
        self.get()
        self.wait_count(path, 16)
        self.stop(capture)
        # Not HTTP: for tshark the second sight of a segment is a retransmission.
        rows = tshark_rows(path, ["frame.interface_name"], "tcp.flags == 0x002")
        counts = collections.Counter(row["frame.interface_name"] for row in rows)
        wanted = {f"stratoshark-pod:{SPACE}/{name}": 1 for name in ("web", "client")}
        self.assertEqual(counts, wanted)
        times = [frame.time for frame in File(path).frames]
        self.assertEqual(times, sorted(times))
        self.assertEqual(run([need("capinfos"), path]).stderr, "")
