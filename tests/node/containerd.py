# SPDX-License-Identifier: GPL-2.0-or-later
"""A containerd of our own: configuration, start, stop. It shares nothing with the machine's."""

import contextlib
import glob
import json
import os
import shlex
import signal
import socket
import subprocess

from .cri import Cri, CriError
from .images import PAUSE_REFERENCE
from .journal import wait_until

CONFIG = """version = 2
root = "{root}"
state = "{state}"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
	"io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
	"io.containerd.internal.v1.opt", "io.containerd.internal.v1.tracing"]
[grpc]
  address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  stream_server_address = "127.0.0.1"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{cni}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "{snapshotter}"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        BinaryName = "{runc}"
        Root = "{directory}/runc"
"""

# With a systemd slice as parent, containerd writes "slice:cri-containerd:id" and leaves it to
# systemd to make the directories. There may be no systemd here: we spell out the same path.
RUNC = r"""#!/bin/sh
# Turns systemd's name of a container's cgroup into the path systemd would have made.
bundle=.
previous=
create=
for argument; do
	case "$previous" in --bundle|-b) bundle=$argument ;; esac
	[ "$argument" = create ] && create=1
	previous=$argument
done
tail='(-pod[^:"]*\.slice):([^:"]*):([^:"]*)"'
[ -n "$create" ] && sed -E -i \
	-e 's#"cgroupsPath":"(kubepods)'"$tail"'#"cgroupsPath":"/\1.slice/\1\2/\3-\4.scope"#' \
	-e 's#"cgroupsPath":"(kubepods)(-[a-z]+)'"$tail"'#"cgroupsPath":"/\1.slice/\1\2.slice/\1\2\3/\4-\5.scope"#' \
	"$bundle/config.json"
exec {runc} "$@"
"""


class NodeError(Exception):
    """The node cannot do what was asked; the text says why."""


class Containerd:
    def __init__(self, directory):
        self.directory = directory
        self.socket = self._path("containerd.sock")
        self.log = self._path("containerd.log")
        self.process = None
        self.cri = None

    def _path(self, name):
        return os.path.join(self.directory, name)

    def _snapshotter(self):
        """overlayfs, unless our folder itself is on an overlay, which cannot carry another."""
        kind = subprocess.run(
            ["stat", "-f", "-c", "%T", self.directory], capture_output=True, text=True, check=True
        ).stdout.strip()
        return "native" if kind == "overlayfs" else "overlayfs"

    def configure(self, network, runc):
        """Write every configuration file; `network` is a CNI conflist as a dict."""
        os.makedirs(self._path("cni"), exist_ok=True)
        with open(self._path("cni/10-node.conflist"), "w", encoding="utf-8") as file:
            json.dump(network, file, indent=1)
        with open(self._path("runc.sh"), "w", encoding="utf-8") as file:
            file.write(RUNC.replace("{runc}", shlex.quote(runc)))
            os.fchmod(file.fileno(), 0o755)
        with open(self._path("config.toml"), "w", encoding="utf-8") as file:
            file.write(
                CONFIG.format(
                    directory=self.directory,
                    root=self._path("root"),
                    state=self._path("state"),
                    socket=self.socket,
                    cni=self._path("cni"),
                    runc=self._path("runc.sh"),
                    pause=PAUSE_REFERENCE,
                    snapshotter=self._snapshotter(),
                )
            )

    def is_configured(self):
        return os.path.exists(self._path("config.toml"))

    def pid(self):
        """The pid of our running containerd, started by whichever process, or 0."""
        with contextlib.suppress(OSError, ValueError):
            with open(self._path("containerd.pid"), encoding="utf-8") as file:
                pid = int(file.read())
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if self._path("config.toml").encode() in file.read().split(b"\0"):
                    return pid
        return 0

    def start(self):
        """Start, or join what already runs, and wait until CRI answers."""
        if not self.pid():
            with open(self.log, "ab") as log:
                self.process = subprocess.Popen(
                    ["containerd", "--config", self._path("config.toml")],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            with open(self._path("containerd.pid"), "w", encoding="utf-8") as file:
                file.write(str(self.process.pid))
        # grpc waits five seconds after a failed connect: let it try only what will succeed.
        wait_until(self._listens, "containerd to listen")
        if not self.cri:
            self.cri = Cri(self.socket)
        wait_until(self._answers, "containerd's CRI to answer")

    def _listens(self):
        if self.process and self.process.poll() is not None:
            raise NodeError(f"containerd ended at once, it says: {self.last_words()}")
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.connect(self.socket)
            return True
        return False

    def _answers(self):
        with contextlib.suppress(CriError):
            return self.cri.version()
        return None

    def last_words(self):
        with contextlib.suppress(OSError):
            with open(self.log, encoding="utf-8", errors="replace") as file:
                return file.read()[-400:].strip()
        return "nothing"

    def import_image(self, path, reference):
        result = subprocess.run(
            ["ctr", "--address", self.socket, "--namespace", "k8s.io", "images", "import"]
            + ["--snapshotter", self._snapshotter(), path],
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            raise NodeError(f"cannot import image '{reference}': {result.stderr.strip()}")
        wait_until(lambda: self.cri.has_image(reference), f"CRI to know the image {reference}")

    def close(self):
        if self.cri:
            self.cri.close()
            self.cri = None

    def stop(self):
        self.close()
        pid = self.pid()
        if pid:
            os.kill(pid, signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                wait_until(lambda: self._ended(pid), "containerd to end", timeout_s=10)
            with contextlib.suppress(ProcessLookupError):
                if self.pid():
                    os.kill(pid, signal.SIGKILL)
                    wait_until(lambda: self._ended(pid), "containerd to die")
        self.process = None

    def _ended(self, pid):
        if self.process:
            return self.process.poll() is not None
        # A child of a process that is gone: it may stay a zombie where nobody reaps.
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                return file.read().rpartition(")")[2].split()[0] == "Z"
        return True

    def kill_shims(self):
        """The last resort: shims outlive containerd."""
        for name in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                with open(f"/proc/{name}/cmdline", "rb") as file:
                    argv = file.read().split(b"\0")
                if b"containerd-shim" in argv[0] and self.socket.encode() in argv:
                    os.kill(int(name), signal.SIGKILL)

    def shim_sockets(self):
        """The sockets of the present shims; they lie outside our folder."""
        found = []
        tasks = self._path("state/io.containerd.runtime.v2.task/k8s.io")
        for address in glob.glob(f"{glob.escape(tasks)}/*/address"):
            with contextlib.suppress(OSError):
                with open(address, encoding="utf-8") as file:
                    found.append(file.read().strip().removeprefix("unix://"))
        return found
