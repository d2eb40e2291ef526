# SPDX-License-Identifier: GPL-2.0-or-later
"""A real Kubernetes node without Kubernetes: containerd, CNI, and pods as a kubelet makes them.

Same runtime, CRI calls, labels, cgroup paths, log directories and symlinks; only the API server
is missing. Everything lives in one folder; every change outside it is journalled, so that down()
restores the machine even from another process after a crash.

    with Node() as node:
        api = node.run_pod("production", "api", [Container("web", "web")])
        client = node.run_pod("production", "client", [Container("tools", "tools")])
        print(client.exec("tools", ["curl", "-s", api.url("/api/users")]))
"""

import contextlib
import fcntl
import glob
import os
import shutil
import signal
import uuid

from . import cri, images, shared
from .containerd import Containerd, NodeError
from .journal import (
    Journal,
    cgroup_hierarchies,
    cgroup_pids,
    remove_cgroup,
    remove_netns,
    remove_tree,
    wait_until,
)
from .network import CNI_CACHE, Network, cached_netns
from .pod import Container, Pod

__all__ = ["Container", "Node", "NodeError", "Pod", "missing_requirement"]

DIRECTORY = "/run/stratoshark-node"

PACKAGES = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "ip": "iproute2",
    "iptables": "iptables",
    "busybox": "busybox-static",
    "gcc": "gcc libc6-dev",
    "curl": "curl",
    "wrk": "wrk",
    "iperf3": "iperf3",
    "tcpdump": "tcpdump",
    "nginx": "nginx-light",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
}


def missing_requirement():
    """Why this machine cannot be a node: one sentence, or None when it can."""
    if os.geteuid() != 0:
        return "a node needs root: run it with sudo"
    search = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    packages = {p for name, p in PACKAGES.items() if not shutil.which(name, path=search)}
    if packages:
        return f"programs are missing: apt-get install {' '.join(sorted(packages))}"
    if not cgroup_hierarchies():
        return "no cgroup hierarchy is mounted: mount -t cgroup2 none /sys/fs/cgroup"
    return None


class Node:
    def __init__(self, directory=None):
        self.directory = directory or os.environ.get("STRATOCAP_NODE_DIR") or DIRECTORY
        self.images = {}
        self.pods = []
        self._lock = -1
        self._containerd = Containerd(self.directory)
        self._journal = Journal(os.path.join(self.directory, "journal"))
        self.network = Network(self.directory, self._journal)

    def __enter__(self):
        try:
            return self.up()
        except BaseException:
            if self.owned:
                self.down()
            raise

    def __exit__(self, *_):
        self.down()

    @property
    def cri(self):
        return self._containerd.cri

    @property
    def owned(self):
        """Whether this process holds the node: only then may it take it down."""
        return self._lock >= 0

    @property
    def cri_socket(self):
        return self._containerd.socket

    @property
    def runtime_pid(self):
        return self._containerd.pid()

    def restart_runtime(self):
        """As an update of its package does: pods live on."""
        self._containerd.stop()
        self._containerd.start()

    # Life of the node

    def up(self):
        """Bring the node up; what a former run left in the same folder is removed first."""
        reason = missing_requirement()
        if reason:
            raise NodeError(reason)
        self.down()
        os.makedirs(self.directory, mode=0o755, exist_ok=True)
        self._take_lock()
        shared.join(self.directory)
        self.network.up()
        runc = shutil.which("runc") or "/usr/sbin/runc"
        self._containerd.configure(self.network.conflist(), runc)
        self._containerd.start()
        for image in images.STANDARD:
            self.add_image(image)
        return self

    def down(self):
        """Remove every pod and every trace. Works from any process, after any crash."""
        if not os.path.isdir(self.directory):
            return
        self._take_lock()
        # Before containerd restarts: it forgets the bundles of dead shims, not their sockets.
        for socket in self._containerd.shim_sockets():
            self._journal.add("file", glob.escape(socket))
        if self._journal.entries() and self._containerd.is_configured():
            try:
                self._remove_all_pods()
            except (NodeError, cri.CriError, TimeoutError, OSError):
                pass  # what CRI could not remove is removed by force below
        self._containerd.stop()
        self._remove_by_force()
        self._journal.undo()
        shared.leave(self.directory)
        remove_tree(self.directory)
        os.close(self._lock)
        self._lock = -1
        self.pods, self.images = [], {}

    def detach(self):
        """Leave the node running when this process ends; down() of another one removes it."""
        self._containerd.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def attach(self):
        """Talk to a node that runs already; False when there is none."""
        if not self._containerd.pid():
            return False
        if not self.cri:
            self._containerd.start()
        return True

    def _take_lock(self):
        """One process owns the node; the lock is on the folder itself and ends with the owner."""
        if self._lock >= 0:
            return
        lock = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise NodeError(
                f"another process uses the node in '{self.directory}': "
                "wait for it, or set STRATOCAP_NODE_DIR to another folder"
            ) from None
        self._lock = lock

    def _remove_all_pods(self):
        self._containerd.start()
        for sandbox_id, _, _ in self.cri.sandboxes():
            self.cri.stop_sandbox(sandbox_id)
            wait_until(lambda i=sandbox_id: self._removed(i), "a pod to be removable")

    def _remove_by_force(self):
        for kind, value in self._journal.entries():
            if kind == "pod":
                for pid in cgroup_pids(value):
                    _kill(pid)
        self._containerd.kill_shims()
        for path in cached_netns(self.directory):
            remove_netns(path)

    # Images and pods

    def add_image(self, image):
        """Build an images.Image and make it known under its name."""
        directory = os.path.join(self.directory, "images")
        os.makedirs(directory, exist_ok=True)
        path = image.build(directory)
        self._containerd.import_image(path, image.reference)
        os.unlink(path)
        self.images[image.name] = image.reference

    def run_pod(
        self,
        namespace,
        name,
        containers,
        host_network=False,
        labels=None,
        uid=None,
        qos="besteffort",
        cgroup_driver="cgroupfs",
    ):
        """What a kubelet does when a pod is bound to its node, in its order."""
        pod = Pod(
            node=self,
            namespace=namespace,
            name=name,
            uid=uid or str(uuid.uuid4()),
            labels=dict(labels or {}),
            host_network=host_network,
            specs=list(containers),
            qos=qos,
            cgroup_driver=cgroup_driver,
        )
        self._journal.add("pod", pod.cgroup)
        self._journal.add("tree", pod.log_directory)
        os.makedirs(pod.log_directory, mode=0o755)
        config = self._sandbox_config(pod)
        try:
            pod.sandbox_id = self.cri.run_sandbox(config)
            self._read_status(pod)
            for spec in containers:
                self._run_container(pod, spec, config)
        except BaseException:
            self.stop_pod(pod)
            raise
        self.pods.append(pod)
        return pod

    def remember(self, cgroup, log_directory, link):
        """A pod that somebody else makes: it goes down with the node."""
        self._journal.add("pod", cgroup)
        self._journal.add("tree", log_directory)
        self._journal.add("file", glob.escape(link))

    def stop_pod(self, pod, grace_s=0):
        """Delete the pod: its processes, network, logs and cgroup."""
        if pod.sandbox_id:
            for container_id in pod.containers.values():
                with contextlib.suppress(cri.CriError):
                    self.cri.stop_container(container_id, grace_s)
            self.cri.stop_sandbox(pod.sandbox_id)
            wait_until(lambda: self._removed(pod.sandbox_id), f"{pod.name} to be removable")
        for container in pod.containers:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(pod.log_link(container))
        remove_tree(pod.log_directory)
        remove_cgroup(pod.cgroup)
        if pod in self.pods:
            self.pods.remove(pod)

    def _removed(self, sandbox_id):
        """Try as the kubelet does, again and again: containerd may not know of an exit yet."""
        try:
            self.cri.remove_sandbox(sandbox_id)
        except cri.CriError as error:
            if "still running" not in str(error):
                raise
            return False
        return True

    def kill_pod(self, pod):
        """Kill every process of the pod, as a node's out-of-memory killer would."""

        def dead():
            for pid in pod.pids():
                _kill(pid)
            return not pod.pids()

        wait_until(dead, f"the processes of {pod.name} to die")

        def noticed():
            if any(self.cri.container_runs(identity) for identity in pod.containers.values()):
                return False
            return any(i == pod.sandbox_id and not r for i, _, r in self.cri.sandboxes())

        wait_until(noticed, f"containerd to notice that {pod.name} died")

    def restart_pod(self, pod):
        """Delete the pod and make it again: same name and containers, new uid and netns."""
        self.stop_pod(pod)
        return self.run_pod(
            pod.namespace,
            pod.name,
            pod.specs,
            host_network=pod.host_network,
            labels=pod.labels,
            qos=pod.qos,
            cgroup_driver=pod.cgroup_driver,
        )

    def restart_container(self, pod, name):
        """What the kubelet does when a container crashed: a new one in the same sandbox."""
        spec = next(spec for spec in pod.specs if spec.name == name)
        self.cri.stop_container(pod.containers[name])
        os.unlink(pod.log_link(name))
        self.cri.remove_container(pod.containers.pop(name))
        self._run_container(pod, spec, self._sandbox_config(pod), pod.attempts[name] + 1)

    def _sandbox_config(self, pod):
        return cri.sandbox_config(
            name=pod.name,
            uid=pod.uid,
            namespace=pod.namespace,
            log_directory=pod.log_directory + "/",
            labels={**pod.labels, **pod.system_labels},
            cgroup_parent=pod.cgroup,
            host_network=pod.host_network,
            dns=cri.dns_config(pod.namespace, self.network.gateway),
        )

    def _read_status(self, pod):
        addresses, info = self.cri.sandbox_status(pod.sandbox_id)
        # CRI leaves a hostNetwork pod's address to the kubelet: it is the node's.
        own = self.network.gateway if pod.host_network else ""
        pod.ip = next((a for a in addresses if ":" not in a), own)
        pod.ip6 = next((a for a in addresses if ":" in a), "")
        pod.pid = info["pid"]
        namespaces = {n["type"]: n for n in info["runtimeSpec"]["linux"]["namespaces"]}
        pod.netns_path = namespaces.get("network", {}).get("path", "")
        self._journal.add("file", f"{CNI_CACHE}/*-{pod.sandbox_id}-*")
        if pod.netns_path:
            self._journal.add("netns", pod.netns_path)

    def _run_container(self, pod, spec, sandbox_config, attempt=0):
        os.makedirs(f"{pod.log_directory}/{spec.name}", mode=0o755, exist_ok=True)
        labels = {**pod.system_labels, "io.kubernetes.container.name": spec.name}
        config = cri.container_config(
            spec, self.images.get(spec.image, spec.image), labels, pod.host_network, attempt
        )
        container_id = self.cri.create_container(pod.sandbox_id, config, sandbox_config)
        pod.containers[spec.name] = container_id
        pod.attempts[spec.name] = attempt
        self.cri.start_container(container_id)
        link = pod.log_link(spec.name)
        self._journal.add("file", glob.escape(link))
        os.symlink(pod.log_path(spec.name), link)


def _kill(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
