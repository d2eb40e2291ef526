# SPDX-License-Identifier: GPL-2.0-or-later
"""What tests of the extcap share: the binary, a user's home that has it, a node with a pod."""

import contextlib
import os
import re
import shutil
import tempfile

from .harness import (
    Container,
    NodeTest,
    as_user,
    build_directory,
    need,
    program,
    run,
    unable,
    wait_until,
)

SPACE = "extcap-test"  # other nodes on this machine may have a production/api as well


def extcap():
    path = os.environ.get("STRATOCAP_EXTCAP")
    path = path or os.path.join(build_directory(), "extcap", "bin", "stratoshark")
    return path if os.access(path, os.X_OK) else unable(f"the extcap '{path}' is not built")


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def is_gone(pid):
    """Ended; whether somebody has reaped it is not its affair."""
    with contextlib.suppress(OSError):
        return re.search(r"^State:\s*Z", read(f"/proc/{pid}/status"), re.M) is not None
    return True


class UserHome:
    """The home folder of an ordinary user who has our extcap in Wireshark's personal folder."""

    # Where 4.0 looks, and where 4.4 and later do.
    FOLDERS = (".config/wireshark/extcap", ".local/lib/wireshark/extcap")

    def __init__(self, folder):
        self.folder = folder
        for name in self.FOLDERS:
            os.makedirs(os.path.join(folder, name))
            shutil.copy(extcap(), os.path.join(folder, name, "stratoshark"))
        os.makedirs(os.path.join(folder, "run"), mode=0o700)
        self.environment = {
            **os.environ,
            "HOME": folder,
            "XDG_CONFIG_HOME": os.path.join(folder, ".config"),
            "XDG_RUNTIME_DIR": os.path.join(folder, "run"),
            "TMPDIR": folder,
            "LC_ALL": "C.UTF-8",
        }
        self.environment.pop("WIRESHARK_EXTCAP_DIR", None)
        if os.getuid() == 0:
            # as_user() makes the user when it is missing.
            run(as_user(["true"]))
            run(["chown", "-R", "sstest:", folder])

    def add_program(self, capabilities="cap_bpf,cap_net_admin"):
        """The program under test, with the capabilities its documentation names, or others."""
        path = os.path.join(self.folder, "stratoshark")
        shutil.copy(program(), path)
        os.chmod(path, 0o755)
        run([need("setcap"), f"{capabilities}+ep", path])
        self.environment["STRATOCAP_PROGRAM"] = path
        return path

    def argv(self, *words):
        return as_user(words) if os.getuid() == 0 else list(words)

    def tshark(self, *words, **options):
        argv = self.argv(need("tshark"), *words)
        return run(argv, env=self.environment, check=False, **options)


class ExtcapNodeTest(NodeTest):
    """A pod, and the program as an ordinary user runs it: capabilities on its file only."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = tempfile.mkdtemp(prefix="sstest-")
        cls.addClassCleanup(shutil.rmtree, folder, ignore_errors=True)
        os.chmod(folder, 0o755)
        cls.home = UserHome(os.path.join(folder, "home"))
        cls.program = cls.home.add_program()
        cls.api = cls.class_pod(SPACE, "api", [Container("web", "web")])
        cls.client = cls.class_pod("extcap-client", "client", [Container("tools", "tools")])

    def setUp(self):
        self.wait_http(self.client, "tools", self.api.url())
        self.addCleanup(self.assert_nothing_left)

    def captures(self):
        """The pids of captures the extcap has started."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                if read(f"/proc/{pid}/cmdline").split("\0")[0] == self.program:
                    found.append(int(pid))
        return [pid for pid in found if not is_gone(pid)]

    def assert_nothing_left(self):
        wait_until(lambda: not self.captures(), "the capture process to end", 10)

    def get(self, path="/api/users"):
        argv = ["curl", "-s", "-m", "5", "-o", "/dev/null", self.api.url(path)]
        self.client.exec("tools", argv)
