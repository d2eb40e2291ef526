# SPDX-License-Identifier: GPL-2.0-or-later
"""Changes that all nodes of a machine share: the first makes them, the last undoes them.

Several nodes may be up at once (a demo and a test run). Directories such as /var/log/pods, the
parents of all pod cgroups and the forwarding sysctls belong to none of them alone.
"""

import contextlib
import fcntl
import os
import urllib.parse

from .journal import Journal, mount_points, remove_tree

DIRECTORY = "/run/stratoshark-nodes"
DIRECTORIES = (
    "/run/containerd/s",
    "/var/lib/cni/results",
    "/var/log/pods",
    "/var/log/containers",
)
CGROUPS = ("/kubepods", "/kubepods.slice") + tuple(
    path
    for level in ("besteffort", "burstable")
    for path in (f"/kubepods/{level}", f"/kubepods.slice/kubepods-{level}.slice")
)
SYSCTLS = ("/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding")
NETNS = "/run/netns"


@contextlib.contextmanager
def _locked():
    """Hold the shared folder; another node may remove it while we wait, so look again."""
    while True:
        os.makedirs(DIRECTORY, exist_ok=True)
        try:
            lock = os.open(DIRECTORY, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(lock), os.stat(DIRECTORY)):
                    yield Journal(os.path.join(DIRECTORY, "journal"))
                    return
        finally:
            os.close(lock)


def _holder(node_directory):
    return os.path.join(DIRECTORY, "node-" + urllib.parse.quote(node_directory, safe=""))


def _holders():
    names = (name for name in os.listdir(DIRECTORY) if name.startswith("node-"))
    return {name: urllib.parse.unquote(name.removeprefix("node-")) for name in names}


def join(node_directory):
    """Before a node changes anything outside its folder."""
    with _locked() as journal:
        first = not _holders()
        with open(_holder(node_directory), "w", encoding="utf-8"):
            pass
        if first:
            _prepare(journal)


def leave(node_directory):
    """After a node undid its own changes; harmless when it never joined."""
    if not os.path.isdir(DIRECTORY):
        return
    with _locked() as journal:
        for name, directory in _holders().items():
            # A node whose folder was removed by hand will never leave by itself.
            if directory == node_directory or not os.path.isdir(directory):
                os.unlink(os.path.join(DIRECTORY, name))
        if not _holders():
            journal.undo()
            remove_tree(DIRECTORY)


def _prepare(journal):
    for path in DIRECTORIES:
        journal.add_directory(path)
    if NETNS not in mount_points():
        # CNI's network namespaces live there, and whoever makes the first mounts the folder.
        journal.add_directory(NETNS)
        journal.add("mount", NETNS)
    for path in CGROUPS:
        journal.add_cgroup(path)
    for path in SYSCTLS:  # the bridge plugin switches them on
        with contextlib.suppress(FileNotFoundError):
            with open(path, encoding="utf-8") as file:
                journal.add("sysctl", f"{path}={file.read().strip()}")
