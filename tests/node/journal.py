# SPDX-License-Identifier: GPL-2.0-or-later
"""What a node changed on this machine, written down before it is done.

One line per change in a file that survives a crash, undone last to first by any later process.
Undoing is idempotent and leaves alone what was there before us or is still in use by others.
"""

import contextlib
import ctypes
import glob
import os
import shutil
import subprocess
import time

MNT_DETACH = 2


def wait_until(condition, what, timeout_s=20):
    """Ask until the answer is true, and return it; `what` completes 'waited N s for ...'."""
    deadline = time.monotonic() + timeout_s
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout_s} s for {what}")
        time.sleep(0.02)


def cgroup_hierarchies():
    """Mount points of every cgroup hierarchy: v1 controllers, hybrid's v2, or pure v2."""
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        rows = [line.split() for line in mounts]
    return [row[1] for row in rows if row[2] in ("cgroup", "cgroup2")]


def cgroup_directories(path):
    found = (root + path for root in cgroup_hierarchies())
    return [directory for directory in found if os.path.isdir(directory)]


def cgroup_pids(path):
    """Every process in a cgroup or below it, in any hierarchy."""
    pids = set()
    for root in cgroup_directories(path):
        for directory, _, _ in os.walk(root):
            with contextlib.suppress(OSError):
                with open(os.path.join(directory, "cgroup.procs"), encoding="utf-8") as file:
                    pids.update(int(pid) for pid in file)
    return pids


def mount_points():
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        return [line.split()[1] for line in mounts]


def unmount(path):
    """Lazily, and by system call: umount(8) would leave a /run/mount behind."""
    ctypes.CDLL(None).umount2(os.fsencode(path), MNT_DETACH)


def remove_cgroup(path):
    def gone():
        for root in cgroup_directories(path):
            for directory, _, _ in os.walk(root, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(directory)
        return not cgroup_directories(path)

    # A killed process leaves its cgroup only when it has been reaped.
    with contextlib.suppress(TimeoutError):
        wait_until(gone, f"cgroup {path} to empty", timeout_s=5)


def _remove_directory(path):
    with contextlib.suppress(OSError):
        os.rmdir(path)


def remove_tree(path):
    below = [mount for mount in mount_points() if mount.startswith(path + "/")]
    for mount in sorted(below, key=len, reverse=True):
        unmount(mount)
    shutil.rmtree(path, ignore_errors=True)


def _remove_file(path):
    for match in glob.glob(path):
        with contextlib.suppress(OSError):
            os.unlink(match)


def remove_netns(path):
    unmount(path)
    _remove_file(glob.escape(path))


def _unmount_when_empty(path):
    if os.path.isdir(path) and not os.listdir(path):
        unmount(path)


def _run(command):
    subprocess.run(command.split(), capture_output=True, check=False)


def _restore_sysctl(assignment):
    path, value = assignment.split("=")
    with contextlib.suppress(OSError):
        with open(path, "w", encoding="utf-8") as file:
            file.write(value)


UNDO = {
    "cgroup": remove_cgroup,  # with everything below it
    "pod": remove_cgroup,  # a pod's cgroup: its processes may be killed
    "directory": _remove_directory,  # when empty
    "tree": remove_tree,  # mounts below it included
    "file": _remove_file,  # a glob pattern
    "netns": remove_netns,
    "mount": _unmount_when_empty,
    "sysctl": _restore_sysctl,
    "run": _run,  # a command
}


class Journal:
    def __init__(self, path):
        self._path = path

    def entries(self):
        with contextlib.suppress(FileNotFoundError):
            with open(self._path, encoding="utf-8") as file:
                return [line.rstrip("\n").split(" ", 1) for line in file if line.endswith("\n")]
        return []

    def add(self, kind, value):
        assert kind in UNDO and "\n" not in value
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(f"{kind} {value}\n")

    def add_directory(self, path):
        """Make `path` and its parents; those that were missing are removed at the end."""
        if os.path.isdir(path):
            return
        self.add_directory(os.path.dirname(path))
        self.add("directory", path)
        os.makedirs(path, exist_ok=True)

    def add_cgroup(self, path):
        if not cgroup_directories(path):
            self.add("cgroup", path)

    def undo(self):
        for kind, value in reversed(self.entries()):
            UNDO.get(kind, lambda _: None)(value)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)
