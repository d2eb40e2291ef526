# SPDX-License-Identifier: GPL-2.0-or-later
"""Stock Wireshark, driven as a person would: find the pod, double click it, watch, stop.

It runs on a display of its own (Xvfb); the words on the screen are read by tesseract. Screenshots
are kept in $STRATOCAP_ARTIFACTS, else in a folder whose name is printed.
"""

import contextlib
import os
import re
import tempfile
import threading

from tests.screen import PROGRAMS, Screen

from .extcap import SPACE, ExtcapNodeTest, UserHome
from .harness import need, wait_until
from .tls import SPACE as TLS_SPACE
from .tls import TlsTest

WIDTH, HEIGHT = 1280, 900
PACKET_LIST = WIDTH // 2, HEIGHT // 3
ROW = f"pod:{SPACE}/api"


class OnScreen:
    """What tests on a screen share."""

    def open_screen(self, home, pods):
        """Sets screen, and environment for a Wireshark of this user that sees these pods alone:
        others of this machine would push ours out of sight."""
        self.artifacts = os.environ.get("STRATOCAP_ARTIFACTS")
        if self.artifacts:
            os.makedirs(self.artifacts, exist_ok=True)
        else:
            self.artifacts = tempfile.mkdtemp(prefix="stratocap-gui-")
            print(f"screenshots are in {self.artifacts}")
        for program in PROGRAMS:
            need(program)
        self.screen = Screen(self.artifacts, WIDTH, HEIGHT)
        self.addCleanup(self.screen.close)
        logs = self.folder()
        for pod in pods:
            os.mkdir(os.path.join(logs, os.path.basename(pod.log_directory)))
        self.environment = {
            **home.environment,
            "DISPLAY": self.screen.name,
            "STRATOCAP_POD_LOGS": logs,
            "QT_QPA_PLATFORM": "xcb",
            "QT_ACCESSIBILITY": "0",
        }

    def keep_asking(self, ask):
        """Traffic until the test ends."""
        stop = threading.Event()

        def go_on():
            while not stop.wait(0.2):
                ask()

        thread = threading.Thread(target=go_on)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(stop.set)

    def counted(self, word):
        """What the status bar counts: "Packets" or "Displayed"."""
        bottom = f"{WIDTH}x40+0+{HEIGHT - 40}"
        match = re.search(rf"{word}\W+(\d+)", self.screen.text("2-capturing", bottom))
        return int(match[1]) if match else 0


class Gui(OnScreen, ExtcapNodeTest):
    def setUp(self):
        super().setUp()
        self.open_screen(self.home, (self.api, self.client))

    def find_row(self):
        """Where the pod's row is."""
        for text, x, y in self.screen.words("1-start"):
            # The colon and the dash are small; the rest identifies it.
            if re.match(rf"pod.?{SPACE[:6]}.*/api", text):
                return x, y
        return None

    def begin(self, x, y):
        """Double-clicks. On a busy machine the two clicks may come too far apart to be one."""
        self.screen.click(x, y, times=2)
        with contextlib.suppress(TimeoutError):
            return wait_until(self.captures, "a capture process of ours", 5)
        return False

    def test_a_double_click_captures_the_pod(self):
        # Of all kinds of interfaces, list pipes and extcaps: a node has a cable for every pod.
        kinds = "gui.interfaces_hidden_types:0,1,4,5,6,7,9"
        argv = self.home.argv(need("wireshark"), "-o", kinds)
        wireshark = self.background(argv, env=self.environment)
        title = "The Wireshark Network Analyzer"
        window = wireshark.wait(lambda: self.screen.window(title), "Wireshark's window", 30)
        self.screen.take(window)
        x, y = wireshark.wait(self.find_row, f"the row {ROW} on the screen", 30)

        self.keep_asking(self.get)
        wireshark.wait(lambda: self.begin(x, y), "a capture process of ours", 30)
        capturing = f"Capturing from {ROW}"
        wireshark.wait(lambda: self.screen.window(capturing), f"the title '{capturing}'", 15)
        packets = lambda: self.counted("Packets")  # noqa: E731
        first = wireshark.wait(packets, "packets counted in the status bar", 15)
        wireshark.wait(lambda: packets() > first, "more packets in the status bar", 15)

        # In the filter field, which has the keyboard, Ctrl+E goes to the end of the line.
        self.screen.click(*PACKET_LIST)
        self.screen.key("ctrl+e")
        self.assert_nothing_left()
        wireshark.wait(lambda: not self.screen.window("^Capturing"), "the title to change", 10)
        self.screen.picture("3-stopped")
        dialogs = self.screen.window("^(Error|Warning|Wireshark)$")
        self.assertIsNone(dialogs, "a dialog is open: see 3-stopped.png")
        wireshark.process.kill()


class TlsGui(OnScreen, TlsTest):
    def test_what_was_said_is_shown_live(self):
        """A display filter that no packet passes unless it is decrypted."""
        home = UserHome(os.path.join(self.folder(), "home"))
        home.add_program("cap_bpf,cap_net_admin,cap_perfmon,cap_sys_ptrace,cap_sys_admin")
        self.open_screen(home, (self.web,))
        row = f"{TLS_SPACE}/nginx"
        name = re.sub(r"\W", "_", f"stratoshark_pod_{row}")
        words = ["-k", "-i", f"stratoshark-pod:{row}", "-o", f"extcap.{name}.sslkeylog:true"]
        argv = home.argv(need("wireshark"), *words, "-Y", "http.request.uri == \"/n/screen\"")
        wireshark = self.background(argv, env=self.environment)
        title = f"Capturing from .*{row}"
        window = wireshark.wait(lambda: self.screen.window(title), f"the title '{title}'", 30)
        self.screen.take(window)
        self.keep_asking(lambda: self.curl(self.url("/n/screen"), "--http1.1"))
        wireshark.wait(lambda: self.counted("Displayed"), "decrypted packets displayed", 30)
        wireshark.process.kill()
