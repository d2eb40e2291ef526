# SPDX-License-Identifier: GPL-2.0-or-later
"""Who sent a frame and to whom: descriptions and names in the capture, and what tshark makes of
them with the plugin, live and later, also after other tools have written the file anew."""

import glob
import ipaddress
import json
import os
import shutil
import subprocess
import unittest

from .capture import SPACE, CaptureTest, File
from .harness import Container, need, run, wait_until

SIDES = ("src.name", "dst.name")


class IdentityTest(CaptureTest):
    """The client asks the web pod of CaptureTest; both are of this node."""

    def setUp(self):
        super().setUp()
        self.plugin = os.environ.get("STRATOCAP_PLUGIN")
        if not self.plugin:
            self.skipTest("STRATOCAP_PLUGIN is not set")

    def tshark_home(self):
        """tshark loads personal plugins of ordinary users only."""
        home = os.path.join(self.folder(), "home")
        version = run(["tshark", "--version"]).stdout.split()[2].rsplit(".", 1)[0]
        folder = os.path.join(home, ".local/lib/wireshark/plugins", version, "epan")
        os.makedirs(folder, exist_ok=True)
        shutil.copy(self.plugin, os.path.join(folder, "stratoshark.so"))
        os.chmod(self.folder(), 0o755)
        return home

    def read(self, data, *words):
        """tshark's output for the bytes of a capture."""
        environment = {**os.environ, "HOME": self.tshark_home(), "WIRESHARK_PLUGIN_DIR": "/none",
                       "LC_ALL": "C.UTF-8"}
        argv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", need("tshark"),
                "-r", "-", *words]
        done = subprocess.run(argv, input=data, capture_output=True, env=environment, check=True)
        return done.stdout.decode()

    def sides(self, path, display_filter="http"):
        with open(path, "rb") as file:
            data = file.read()
        fields = [word for name in SIDES for word in ("-e", f"stratoshark.{name}")]
        text = self.read(data, "-T", "fields", *fields, "-Y", display_filter)
        return {tuple(line.split("\t")) for line in text.splitlines()}

    def descriptions(self, path):
        return [
            json.loads(frame.data[frame.data.index(b"{") :])
            for frame in File(path).of("stratoshark-events")
            if b'"event":"pod"' in frame.data
        ]

    def captured(self, *words):
        path = self.file()
        capture = self.capture("-w", path, *words)
        self.get()
        capture.wait_frames(path, 1, "http.response")
        self.stop(capture)
        return path

    def both(self):
        client, server = f"{SPACE}/{self.client.name}", f"{SPACE}/{self.web.name}"
        return {(client, server), (server, client)}

    def test_both_sides_have_names(self):
        path = self.captured()
        self.assertEqual(self.sides(path), self.both())

    def test_only_what_frames_need_is_described(self):
        path = self.captured()
        described = {record["pod"] for record in self.descriptions(path)}
        self.assertEqual(described, {self.client.name, self.web.name})
        names = File(path).names
        for pod in self.web, self.client:
            address = ipaddress.ip_address(pod.ip).packed
            self.assertEqual(names[address], f"{pod.name}.{SPACE}")

    def test_a_description_stands_before_its_first_frame(self):
        frames = File(self.captured()).frames
        needed = [i for i, frame in enumerate(frames) if b'"event":"pod"' in frame.data]
        first = next(i for i, frame in enumerate(frames) if b"GET /" in frame.data)
        self.assertEqual(len(needed), 2)
        self.assertLess(max(needed), first)
        times = [frame.time for frame in frames]
        self.assertEqual(times, sorted(times))

    def test_each_file_of_a_ring_has_its_own(self):
        path = self.file("ring.pcapng")
        capture = self.capture("-w", path, "--ring-size", "100k")
        pattern = path.replace(".pcapng", "_*.pcapng")

        def several():
            self.get(times=20)
            return len(glob.glob(pattern)) >= 3

        wait_until(several, "a ring of three files", timeout_s=60)
        self.stop(capture)
        for name in sorted(glob.glob(pattern))[:3]:
            with self.subTest(name):
                self.assertEqual(self.sides(name), self.both())
                self.assertIn(ipaddress.ip_address(self.web.ip).packed, File(name).names)

    def test_other_tools_keep_it(self):
        path = self.captured()
        for tool, argv in {
            "editcap": [need("editcap"), path],
            "mergecap": [need("mergecap"), "-w"],
            "reordercap": [need("reordercap"), path],
            "tshark": [need("tshark"), "-r", path, "-w"],
        }.items():
            with self.subTest(tool):
                copy = self.file(f"{tool}.pcapng")
                argv = argv + [copy] + ([path] if tool == "mergecap" else [])
                run(argv)
                self.assertEqual(self.sides(copy), self.both())


if __name__ == "__main__":
    unittest.main()
