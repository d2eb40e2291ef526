# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs stock tshark with the plugin under test, as an ordinary user: Wireshark loads no personal
plugins, and no plugin folder from the environment, for root."""

import os
import re
import shutil
import subprocess
import sys
import tempfile

NOBODY = 65534
CAPTURES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "pcaps")


class Tshark:
    """A home folder with (or without) the plugin. Use as a context manager; close() removes it."""

    def __init__(self, plugin):
        self.home = tempfile.mkdtemp(prefix="stratoshark-test-")
        self.version = self._version()
        if plugin:
            folder = os.path.join(self.home, ".local/lib/wireshark/plugins",
                                  "%d.%d" % self.version, "epan")
            os.makedirs(folder)
            shutil.copy(plugin, os.path.join(folder, "stratoshark.so"))
        for name in os.listdir(CAPTURES):
            if name.endswith(".pcapng"):
                shutil.copy(os.path.join(CAPTURES, name), self.home)
        self.own()

    def own(self):
        """Everything in the home folder belongs to the user tshark runs as."""
        if os.geteuid() != 0:
            return
        for folder, _, files in os.walk(self.home):
            os.chown(folder, NOBODY, NOBODY)
            for name in files:
                os.chown(os.path.join(folder, name), NOBODY, NOBODY)

    @staticmethod
    def _version():
        if not shutil.which("tshark"):
            sys.exit("no tshark found: install the package tshark")
        text = subprocess.run(["tshark", "--version"], capture_output=True, text=True,
                              check=True).stdout
        found = re.search(r"\b(\d+)\.(\d+)\.\d+", text)
        return int(found[1]), int(found[2])

    def command(self, *arguments):
        """Command line and environment."""
        command = ["tshark", *arguments]
        if os.geteuid() == 0:
            command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
                       *command]
        # An installed plugin of ours would stand beside the one under test: no global folder.
        environment = {"HOME": self.home, "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8",
                       "TZ": "UTC", "WIRESHARK_PLUGIN_DIR": os.path.join(self.home, "none")}
        return command, environment

    def run(self, *arguments, timeout=60, program="tshark"):
        """The finished process; output is text in which undecodable bytes are replaced."""
        command, environment = self.command(*arguments)
        command[command.index("tshark")] = program
        return subprocess.run(command, cwd=self.home, env=environment, capture_output=True,
                              encoding="utf-8", errors="replace", timeout=timeout, check=False)

    def close(self):
        shutil.rmtree(self.home)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def plugin_path():
    path = os.environ.get("STRATOCAP_PLUGIN")
    if not path:
        sys.exit("STRATOCAP_PLUGIN is not set: set it to the stratoshark.so to test")
    if not os.path.exists(path):
        sys.exit(f"'{path}' does not exist: build the plugin, or correct STRATOCAP_PLUGIN")
    return path
