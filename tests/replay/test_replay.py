#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A recording of a real node through the whole pipeline, without any privilege, judged by stock
tshark against golden text. UPDATE=1 writes the golden text anew: read the difference before you
commit it. STRATOCAP_PROGRAM names the program under test."""

import os
import subprocess
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.environ.get("STRATOCAP_PROGRAM", "stratoshark")
RECORDING = os.path.join(HERE, "pods.ssrec")
FIELDS = ("frame.interface_name", "frame.time_epoch", "frame.len", "frame.packet_flags_direction",
          "_ws.col.Source", "_ws.col.Destination", "ip.id", "tcp.flags.str", "http.request.uri",
          "http.response.code", "json.value.string")


class ReplayTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="stratoshark-replay-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        os.chmod(self.folder, 0o777)

    def replay(self, *arguments, recording=RECORDING, output="out.pcapng"):
        path = os.path.join(self.folder, output)
        command = [PROGRAM, "capture", "--replay", recording, "-w", path, *arguments]
        if os.geteuid() == 0:
            command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *command]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return done, path

    def rows(self, path, fields=FIELDS, *more):
        command = ["tshark", "-r", path, "-N", "n", "-T", "fields", *more]
        for field in fields:
            command += ["-e", field]
        environment = {"HOME": self.folder, "PATH": os.environ["PATH"], "TZ": "UTC",
                       "WIRESHARK_PLUGIN_DIR": self.folder}
        if os.geteuid() == 0:
            command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *command]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60,
                              check=True)
        return done.stdout

    def test_the_capture_is_what_it_was(self):
        done, path = self.replay()
        self.assertEqual((done.returncode, done.stderr.count("85 frames")), (0, 1), done.stderr)
        text = self.rows(path)
        golden = os.path.join(HERE, "pods.txt")
        if os.environ.get("UPDATE"):
            with open(golden, "w", encoding="utf-8") as file:
                file.write(text)
        with open(golden, encoding="utf-8") as file:
            self.assertEqual(text, file.read())

    def test_two_replays_have_the_same_frames(self):
        first = self.rows(self.replay(output="a.pcapng")[1])
        self.assertEqual(first, self.rows(self.replay(output="b.pcapng")[1]))

    def test_count_ends_it(self):
        done, path = self.replay("-c", "7")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.rows(path, ("frame.number",)).split(), list("1234567"))

    def test_a_ring_of_files_has_every_frame_once(self):
        whole = self.rows(self.replay()[1], ("frame.time_epoch", "frame.interface_name"))
        done, _ = self.replay("--ring-size", "8192", output="ring.pcapng")
        self.assertEqual(done.returncode, 0, done.stderr)
        files = sorted(name for name in os.listdir(self.folder) if name.startswith("ring_"))
        self.assertGreater(len(files), 2)
        parts = [self.rows(os.path.join(self.folder, name),
                           ("frame.time_epoch", "frame.interface_name")) for name in files]
        self.assertEqual("".join(parts), whole)

    def test_a_cut_recording_keeps_what_came_before(self):
        with open(RECORDING, "rb") as file:
            data = file.read()
        path = os.path.join(self.folder, "cut.ssrec")
        with open(path, "wb") as file:
            file.write(data[: len(data) // 2])
        os.chmod(path, 0o644)
        done, output = self.replay(recording=path)
        self.assertEqual(done.returncode, 6, done.stderr)
        self.assertIn("damaged", done.stderr)
        whole = self.rows(self.replay(output="whole.pcapng")[1], ("frame.time_epoch",)).split()
        kept = self.rows(output, ("frame.time_epoch",)).split()
        self.assertGreater(len(kept), 10)
        self.assertEqual(kept, whole[: len(kept)])


if __name__ == "__main__":
    unittest.main(verbosity=2)
