# SPDX-License-Identifier: GPL-2.0-or-later
"""Pods by the dozen per second: what a kubelet and a runtime leave on a node, without waiting for
them. Each has a log directory, a cgroup with a container's below, and a process that lives in a
network namespace of its own with `lo` up. A container runtime takes half a second for that.
"""

import os
import shutil
import subprocess
import uuid

from .journal import remove_cgroup
from .pod import pod_cgroup

# In a network namespace of its own: [cgroup directory]
LIFE = "ip link set lo up; echo 0 > $0/cgroup.procs; exec sleep 1000"
UNIFIED = ("/sys/fs/cgroup/unified", "/sys/fs/cgroup")  # hybrid, pure


def unified():
    return next(root for root in UNIFIED if os.path.exists(f"{root}/cgroup.procs"))


class Member:
    def __init__(self, namespace, name):
        self.namespace, self.name, self.uid = namespace, name, str(uuid.uuid4())
        self.container_id = os.urandom(32).hex()
        self.log_directory = f"/var/log/pods/{namespace}_{name}_{self.uid}"
        self.link = f"/var/log/containers/{name}_{namespace}_app-{self.container_id}.log"
        self.cgroup = pod_cgroup(self.uid, "besteffort", "cgroupfs")
        self.process = None

    def start(self):
        os.makedirs(f"{self.log_directory}/app")
        os.symlink(f"{self.log_directory}/app/0.log", self.link)
        leaf = f"{unified()}{self.cgroup}/{self.container_id}"
        os.makedirs(leaf)
        self.process = subprocess.Popen(["unshare", "--net", "--", "sh", "-c", LIFE, leaf])

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
        remove_cgroup(self.cgroup)
        if os.path.lexists(self.link):
            os.unlink(self.link)
        shutil.rmtree(self.log_directory, ignore_errors=True)


class Crowd:
    """Members of one namespace; the oldest goes when a new one comes, if there are enough."""

    def __init__(self, node, namespace, size):
        self.node = node
        self.namespace, self.size, self.started, self.members = namespace, size, 0, []

    def grow(self):
        self.started += 1
        member = Member(self.namespace, f"member-{self.started}")
        self.members.append(member)
        self.node.remember(member.cgroup, member.log_directory, member.link)
        member.start()
        if len(self.members) > self.size:
            self.members.pop(0).stop()
        return member

    def stop(self):
        while self.members:
            self.members.pop().stop()
