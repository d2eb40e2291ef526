#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Stock Wireshark with the plugin and the profile, on a display of its own (Xvfb): its windows come
up, without a complaint. Pictures stay in $STRATOCAP_ARTIFACTS, else in a folder that is printed.

    STRATOCAP_PLUGIN=path/to/stratoshark.so test_gui.py
"""

import os
import shutil
import subprocess
import tempfile
import time
import unittest

from tshark import Tshark, plugin_path

PROFILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../profiles/Kubernetes")
PROGRAMS = ("wireshark", "Xvfb", "xdotool", "import")
SIZE = 1400, 900


@unittest.skipUnless(all(map(shutil.which, PROGRAMS)),
                     "needs the packages wireshark xvfb xdotool imagemagick")
class GuiTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tshark = Tshark(plugin_path())
        cls.addClassCleanup(cls.tshark.close)
        folder = os.path.join(cls.tshark.home, ".config/wireshark/profiles/Kubernetes")
        shutil.copytree(PROFILE, folder)
        cls.tshark.own()
        cls.pictures = os.environ.get("STRATOCAP_ARTIFACTS") or tempfile.mkdtemp(prefix="ss-gui-")
        os.makedirs(cls.pictures, exist_ok=True)
        reader, writer = os.pipe()
        screen = "%dx%dx24" % SIZE
        cls.server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(writer), "-screen", "0", screen, "-nolisten", "tcp", "-ac"],
            pass_fds=[writer], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        cls.addClassCleanup(cls.server.wait)
        cls.addClassCleanup(cls.server.terminate)
        os.close(writer)
        with os.fdopen(reader) as file:
            cls.display = f":{file.readline().strip()}"

    def x(self, *words):
        done = subprocess.run(words, env={**os.environ, "DISPLAY": self.display},
                              capture_output=True, text=True, check=False)
        return done.stdout.split()

    def show(self, name, window, *words):
        """Wireshark on the capture of the cluster, until the window is there; its picture."""
        argv, environment = self.tshark.command("-C", "Kubernetes", "-r", "cluster.pcapng", *words)
        argv[argv.index("tshark")] = "wireshark"
        environment["DISPLAY"] = self.display
        errors = open(os.path.join(self.tshark.home, "errors"), "w+", encoding="utf-8")
        wireshark = subprocess.Popen(argv, cwd=self.tshark.home, env=environment,
                                     stdout=subprocess.DEVNULL, stderr=errors)
        try:
            end = time.monotonic() + 120
            found = []
            while not found:
                found = self.x("xdotool", "search", "--onlyvisible", "--name", window)
                self.assertIsNone(wireshark.poll(), "Wireshark has ended")
                self.assertLess(time.monotonic(), end, f"no window '{window}'")
                time.sleep(0.2)
            self.x("xdotool", "windowmove", found[-1], "0", "0", "windowsize", found[-1],
                   str(SIZE[0]), str(SIZE[1] // (1 if name == "packets" else 2)))
            time.sleep(2)  # for the picture only: nothing is judged by it
            self.x("import", "-window", "root", os.path.join(self.pictures, f"plugin-{name}.png"))
        finally:
            wireshark.terminate()
            wireshark.wait(30)
            errors.seek(0)
            said = errors.read()
            errors.close()
        for word in ("Could not compile", "Dissector bug", "CRITICAL"):
            self.assertNotIn(word, said)

    def test_packet_list_with_the_profile(self):
        self.show("packets", r"^cluster\.pcapng$")

    def test_kubernetes_flows(self):
        self.show("flows", "Kubernetes Flows", "-z", "stratoshark,flows")

    @classmethod
    def tearDownClass(cls):
        print(f"pictures in {cls.pictures}")


if __name__ == "__main__":
    unittest.main()
