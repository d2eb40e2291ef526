# SPDX-License-Identifier: GPL-2.0-or-later
"""A pod and its containers: what was asked for, what it became, and what can be asked of it."""

import dataclasses

from .containerd import NodeError
from .journal import cgroup_pids


@dataclasses.dataclass
class Container:
    """One container of a pod. mounts are (path on the node, path inside, read-only)."""

    name: str
    image: str
    args: list = dataclasses.field(default_factory=list)
    env: dict = dataclasses.field(default_factory=dict)
    mounts: list = dataclasses.field(default_factory=list)
    command: list = dataclasses.field(default_factory=list)
    user: int | None = None
    privileged: bool = False


@dataclasses.dataclass
class Pod:
    """A running pod. containers is {container name: container id}."""

    node: object  # the Node it runs on
    namespace: str
    name: str
    uid: str
    labels: dict
    host_network: bool
    specs: list
    qos: str
    cgroup_driver: str
    ip: str = ""
    ip6: str = ""
    sandbox_id: str = ""
    pid: int = 0  # of pause, on the node
    netns_path: str = ""
    containers: dict = dataclasses.field(default_factory=dict)
    attempts: dict = dataclasses.field(default_factory=dict)

    @property
    def cgroup(self):
        return pod_cgroup(self.uid, self.qos, self.cgroup_driver)

    @property
    def system_labels(self):
        return {
            "io.kubernetes.pod.name": self.name,
            "io.kubernetes.pod.namespace": self.namespace,
            "io.kubernetes.pod.uid": self.uid,
        }

    @property
    def log_directory(self):
        return f"/var/log/pods/{self.namespace}_{self.name}_{self.uid}"

    def log_link(self, container):
        identity = self.containers[container]
        return f"/var/log/containers/{self.name}_{self.namespace}_{container}-{identity}.log"

    def log_path(self, container):
        return f"{self.log_directory}/{container}/{self.attempts[container]}.log"

    def url(self, path="/", port=8080):
        return f"http://{self.ip}:{port}{path}"

    def exec(self, container, argv, timeout_s=30, check=True):
        """Run argv inside and return its stdout; a failure raises unless check is False."""
        output, errors, code = self.node.cri.exec_sync(self.containers[container], argv, timeout_s)
        if code and check:
            said = (errors or output.decode(errors="replace")).strip()
            raise NodeError(f"'{' '.join(argv)}' in {self.name}/{container} gave {code}: {said}")
        return output.decode(errors="replace")

    def container_pid(self, container):
        return self.node.cri.container_pid(self.containers[container])

    def pids(self):
        """Every process of the pod, pause included, as the node numbers them."""
        return cgroup_pids(self.cgroup)

    def log(self, container):
        with open(self.log_path(container), encoding="utf-8", errors="replace") as file:
            return file.read()


def pod_cgroup(uid, qos, driver):
    """The pod's path below each hierarchy, as the kubelet's cgroup driver spells it."""
    level = "" if qos == "guaranteed" else qos
    if driver == "cgroupfs":
        return f"/kubepods/{level}/pod{uid}" if level else f"/kubepods/pod{uid}"
    prefix = f"kubepods-{level}" if level else "kubepods"
    leaf = f"{prefix}-pod{uid.replace('-', '_')}.slice"
    middle = f"/{prefix}.slice" if level else ""
    return f"/kubepods.slice{middle}/{leaf}"
