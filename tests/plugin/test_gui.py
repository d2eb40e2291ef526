#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Stock Wireshark with the plugin and the profile, on a display of its own (Xvfb), used as a person
would: menus, tabs and dialogs, whose words are read from the screen. Pictures stay in
$STRATOCAP_ARTIFACTS, else in a folder that is printed.

    STRATOCAP_PLUGIN=path/to/stratoshark.so test_gui.py
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

from tshark import Tshark, plugin_path

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../.."))
# pylint: disable=wrong-import-position
from tests.screen import PROGRAMS, Screen  # noqa: E402

PROFILE = os.path.join(HERE, "../../profiles/Kubernetes")
WIDTH, HEIGHT = 1400, 900
FILTER_FIELD = "900x34+20+60"
STATUS_BAR = f"{WIDTH}x30+0+{HEIGHT - 30}"
TABS = f"{WIDTH - 220}x34+220+8"
DESTINATIONS = "230x340+380+115"  # a column
MENU_BAR = f"{WIDTH}x24+0+0"
CAPTURE = "translated.pcapng"
REQUEST = 19  # the number of its first "GET / HTTP/1.1", to the service
CLIENT, SERVICE, API = "production/client-x", "production/svc/api", "production/api-1"


def beyond(part, x, y):
    """Of a part of the screen, what is at the right of and below an entry: a menu it has opened."""
    width, height, left, top = map(int, re.split("[x+]", part))
    right, bottom = min(left + width, x + 700), top + height
    x, y = max(left, x - 40), max(top, y - 20)
    return f"{max(right - x, 1)}x{max(bottom - y, 1)}+{x}+{y}"


@unittest.skipUnless(all(map(shutil.which, ("wireshark", *PROGRAMS))),
                     "needs the packages wireshark xvfb xdotool imagemagick tesseract-ocr")
class GuiTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.pictures = os.environ.get("STRATOCAP_ARTIFACTS") or tempfile.mkdtemp(prefix="ss-gui-")
        os.makedirs(cls.pictures, exist_ok=True)

    @classmethod
    def tearDownClass(cls):
        print(f"pictures in {cls.pictures}")

    def setUp(self):
        self.tshark = Tshark(plugin_path())
        self.addCleanup(self.tshark.close)
        # The folder that -C would fill from the one of all users.
        self.profile = os.path.join(self.tshark.home, ".config/wireshark/profiles/Kubernetes")
        shutil.copytree(PROFILE, self.profile)
        self.tshark.own()
        self.screen = Screen(self.pictures, WIDTH, HEIGHT)
        self.addCleanup(self.screen.close)
        self.wireshark = self.errors = None

    def open(self, *words, profile=("-C", "Kubernetes")):
        argv, environment = self.tshark.command(*profile, "-r", CAPTURE, *words)
        argv[argv.index("tshark")] = "wireshark"
        environment.update(DISPLAY=self.screen.name, QT_QPA_PLATFORM="xcb")
        self.errors = open(os.path.join(self.tshark.home, "errors"), "w+", encoding="utf-8")
        self.addCleanup(self.errors.close)
        self.wireshark = subprocess.Popen(argv, cwd=self.tshark.home, env=environment,
                                          stdout=subprocess.DEVNULL, stderr=self.errors)
        self.addCleanup(self.end)
        self.take(f"^{CAPTURE}")
        self.wait(lambda: "Packets" in self.screen.text("opening", STATUS_BAR),
                  "the packets in the status bar")

    def end(self):
        self.wireshark.terminate()
        self.wireshark.wait(30)
        self.errors.seek(0)
        said = self.errors.read()
        for word in ("Could not compile", "Dissector bug", "CRITICAL"):
            self.assertNotIn(word, said)

    def wait(self, condition, what):
        end = time.monotonic() + 120
        while True:
            found = condition()
            if found:
                return found
            self.assertIsNone(self.wireshark.poll(), "Wireshark has ended")
            self.assertLess(time.monotonic(), end, f"no {what}: see {self.pictures}")
            time.sleep(0.2)

    def take(self, title, height=HEIGHT):
        window = self.wait(lambda: self.screen.window(title), f"window '{title}'")
        self.screen.take(window, height=height)
        return window

    def press(self, name, phrase, crop=None, last=False, **how):
        """Clicks on a phrase, once it is on the screen."""
        place = None
        while True:  # until it stays where it is: windows move while they open
            found = self.wait(lambda: self.screen.find(name, phrase, crop, last), f"'{phrase}'")
            if found == place:
                break
            place = found
        before = self.screen.picture("before")
        self.screen.click(*place, **how)
        return before, place

    def choose(self, name, before, place, *entries, last=False):
        """Clicks along menus, of which the first one has opened since a picture, and a click."""
        def find(entry):
            part = self.screen.changed(before)
            if not part:
                return None
            return (self.screen.find(name, entry, beyond(part, *place), last) or
                    self.screen.find(name, entry, part, last))

        for entry in entries:
            place = self.wait(lambda entry=entry: find(entry), f"'{entry}' in a menu")
            before = self.screen.picture("before")
            self.screen.click(*place)

    def menu(self, name, title, *entries, last=False):
        """Opens a menu of the main window, and clicks along."""
        before, place = self.press(name, title, MENU_BAR)
        self.choose(name, before, place, *entries, last=last)

    def see(self, name, *words, crop=None):
        """Waits until a picture has all the words: runs of letters and digits, as tesseract
        confuses what is between them."""
        def there():
            text = "".join(filter(str.isalnum, self.screen.text(name, crop))).lower()
            missing[:] = [word for word in words
                          if "".join(filter(str.isalnum, word)).lower() not in text]
            return not missing

        missing = []
        self.wait(there, f"{words} in {name}.png")

    def test_packet_list_with_the_profile(self):
        self.open("-g", str(REQUEST))
        self.see("gui-packets", CLIENT, SERVICE, API, "Deployment/client", "Service api:80",
                 "Source pod", "Profile: Kubernetes")

    def test_the_profile_that_wireshark_chooses_for_our_captures(self):
        chooses = self.tshark.version >= (4, 4)
        self.open(profile=())
        self.see("gui-profile", f"Profile: {'Kubernetes' if chooses else 'Default'}",
                 crop=STATUS_BAR)
        self.see("gui-profile", *(("Source pod", CLIENT) if chooses else ("Destination",)))

    def test_kubernetes_flows(self):
        self.open()
        self.menu("gui-flows-menu", "Statistics", "Kubernetes Flows")
        self.take("Kubernetes Flows", HEIGHT // 2)
        self.see("gui-flows", "production/Deployment/client", "production/Deployment/api",
                 "Retransmissions", "Response p95", "1563", "6.013")

    def test_kubernetes_pods(self):
        self.open()
        # Below "Kubernetes Flows".
        self.menu("gui-pods-menu", "Statistics", "Kubernetes", "Pods", last=True)
        self.take("Pods", HEIGHT // 2)
        self.see("gui-pods", "production", "client-x", "api-1", "kube-system", "dns-1", "Bytes")

    def test_conversations(self):
        self.open()
        self.menu("gui-conversations-menu", "Statistics", "Conversations")
        self.take("Conversations", HEIGHT // 2)
        self.press("gui-conversations", "Kubernetes", TABS)
        self.see("gui-conversations", CLIENT, SERVICE, API)

    def test_endpoints(self):
        self.open()
        self.menu("gui-endpoints-menu", "Statistics", "Endpoints")
        self.take("Endpoints", HEIGHT // 2)
        self.press("gui-endpoints", "Kubernetes", TABS)
        self.see("gui-endpoints", CLIENT, SERVICE, API)

    def test_flow_graph(self):
        self.open()
        self.menu("gui-graph-menu", "Statistics", "Flow Graph")
        self.take("Flow")
        before, place = self.press("gui-graph-type", "All Flows")
        self.choose("gui-graph-type", before, place, "Kubernetes Pod Flows")
        self.see("gui-graph", CLIENT, SERVICE, API)

    def test_follow(self):
        """4.0's menu has no entry of plugins: there the names are those of the capture."""
        ours = self.tshark.version >= (4, 4)
        self.open("-g", str(REQUEST))
        self.menu("gui-follow-menu", "Analyze", "Follow",
                  "Kubernetes Stream" if ours else "TCP Stream")
        self.take("Follow")
        if ours:
            self.see("gui-follow", "production/client-x (Deployment/client) -> production/api "
                     "(Service api:80)", "GET / HTTP/1.1",
                     "production/api (Service api:80) -> production/client-x")
        else:
            self.see("gui-follow", "GET / HTTP/1.1")
        self.press("gui-follow-sides", "Entire conversation")
        self.see("gui-follow-sides", "client-x.production:41001 api.production.svc:80")

    def test_a_cell_as_a_filter(self):
        self.open("-g", str(REQUEST))
        before, place = self.press("gui-cell", SERVICE, DESTINATIONS, button=3)
        self.choose("gui-cell", before, place, "Apply as Filter", "Selected")
        self.see("gui-cell-filter", f'stratoshark.dst.name == "{SERVICE}"', crop=FILTER_FIELD)
        self.see("gui-cell-filter", "Displayed: 13", crop=STATUS_BAR)

    def test_conversation_filter(self):
        self.open("-g", str(REQUEST))
        self.menu("gui-conversation-filter", "Analyze", "Conversation Filter", "Kubernetes flow")
        # The field shows the end of it.
        self.see("gui-conversation-filter", f'|| (stratoshark.src.name == "{SERVICE}" && '
                 f'stratoshark.dst.name == "{CLIENT}")', crop=FILTER_FIELD)
        self.see("gui-conversation-filter", "Displayed: 26", crop=STATUS_BAR)


if __name__ == "__main__":
    unittest.main()
