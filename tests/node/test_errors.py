# SPDX-License-Identifier: GPL-2.0-or-later
"""What goes wrong gets one sentence on stderr and its exit status; what was captured is kept."""

import os
import shutil

from .capture import SPACE, CaptureTest, File
from .harness import Container, capinfos, need, program, run

USAGE, PERMISSION, NOT_FOUND, OUTPUT, DAMAGED = 2, 3, 4, 5, 6  # lib/stratoshark.h


class ErrorTest(CaptureTest):
    def refuse(self, status, pattern, *words):
        result = run([program(), "capture", *words], check=False, timeout_s=20)
        self.assertEqual(result.returncode, status, result.stderr)
        self.assertRegex(result.stderr, pattern)
        self.assertEqual(result.stdout, "")
        self.assertTrue(result.stderr.startswith("stratoshark: "))
        return result.stderr

    def pods(self):
        return ["--pod", f"{SPACE}/web", "-w", self.file()]

    def test_an_unknown_pod_names_near_ones(self):
        said = self.refuse(NOT_FOUND, "webb", "--pod", f"{SPACE}/webb", "-w", self.file())
        self.assertIn("web", said.replace("webb", ""))
        self.assertEqual(len(said.splitlines()), 1)

    def test_an_unknown_namespace(self):
        self.refuse(NOT_FOUND, "nowhere", "--namespace", "nowhere", "-w", self.file())

    def test_an_ambiguous_name_lists_its_pods(self):
        for space in (f"{SPACE}-one", f"{SPACE}-two"):
            self.pod(space, "twin", [Container("web", "web")])
        said = self.refuse(NOT_FOUND, "twin", "--pod", "twin", "-w", self.file())
        self.assertIn(f"{SPACE}-one/twin", said)
        self.assertIn(f"{SPACE}-two/twin", said)

    def test_a_pod_that_has_ended(self):
        pod = self.pod(SPACE, "ended", [Container("web", "web")])
        self.node.kill_pod(pod)
        said = self.refuse(NOT_FOUND, "ended", "--pod", f"{SPACE}/ended", "-w", self.file())
        self.assertIn("--wait", said)

    def test_a_bad_filter_shows_where(self):
        said = self.refuse(USAGE, "filter", *self.pods(), "--filter", "tcp port eighty and")
        self.assertIn("^", said)

    def test_bad_words(self):
        for pattern, words in (
            ("duration", ["--duration", "5 parsecs"]),
            ("duration", ["--duration", "-1s"]),
            ("--colour", ["--colour"]),
            ("-c|count", ["-c", "many"]),
            ("attach", ["--attach", "glue"]),
            ("ring", ["--ring-files", "3"]),
            ("snaplen", ["-s", "-5"]),
            ("extra", ["extra"]),
        ):
            with self.subTest(words=words):
                said = self.refuse(USAGE, pattern, *self.pods(), *words)
                self.assertEqual(len(said.splitlines()), 1, said)

    def test_nothing_to_capture(self):
        self.refuse(USAGE, "--pod NAME", "-w", self.file())

    def test_an_unknown_device(self):
        self.refuse(NOT_FOUND, "nowhere0", "--interface", "nowhere0", "-w", self.file())

    def test_an_output_that_can_not_be(self):
        self.refuse(OUTPUT, "cannot create", "--pod", f"{SPACE}/web", "-w", "/nowhere/out.pcapng")
        self.refuse(OUTPUT, "cannot create", "--pod", f"{SPACE}/web", "-w", "/proc/out.pcapng")

    def test_a_full_disk_keeps_what_was_written(self):
        folder = self.folder()
        run([need("mount"), "-t", "tmpfs", "-o", "size=256k", "none", folder])
        self.addCleanup(run, [need("umount"), folder])
        path = os.path.join(folder, "out.pcapng")
        capture = self.capture("-w", path)
        self.get("/bytes/1000000")
        self.ends(capture, OUTPUT)
        self.assertRegex(capture.stderr, "no space left for .*: .* kept and readable")
        file = File(path)
        self.assertTrue(file.frames)
        self.assertEqual(file.rest, 0)
        self.assertEqual(int(capinfos(path)["Number of packets"]), len(file.frames))

    # Recordings

    def record(self):
        """(recording, what was written at the same time)"""
        recording, path = self.file("recording"), self.file()
        capture = self.capture("--record", recording, "-w", path)
        self.get(times=5)
        self.get("/bytes/100000")
        self.wait_count(path, 50)
        self.stop(capture)
        return recording, path

    def replay(self, recording, status=0):
        again = self.file("again.pcapng")
        result = run([program(), "capture", "--replay", recording, "-w", again], check=False)
        self.assertEqual(result.returncode, status, result.stderr)
        return File(again), result.stderr

    def test_a_replay_is_the_same(self):
        recording, path = self.record()
        again, _ = self.replay(recording)
        live = File(path)
        self.assertEqual(again.frames, live.frames)
        self.assertEqual(again.interfaces, live.interfaces)
        self.assertEqual(again.names, live.names)
        self.assertEqual(again.delivered(), live.delivered())

    def test_a_cut_recording_is_used_as_far_as_it_goes(self):
        recording, path = self.record()
        live = File(path).frames
        size = os.path.getsize(recording)
        kept = set()
        for part in (size // 2, size - 1, size - 9):
            with self.subTest(bytes=part):
                cut = self.file("cut")
                shutil.copy(recording, cut)
                os.truncate(cut, part)
                again, said = self.replay(cut, DAMAGED)
                self.assertIn("cut", said)
                self.assertEqual(again.frames, live[: len(again.frames)])
                self.assertEqual(again.rest, 0)
                kept.add(len(again.frames))
        self.assertGreater(max(kept), 0)

    def test_not_a_recording(self):
        _, said = self.replay(self.record()[1], DAMAGED)
        self.assertIn("recording", said)
