# SPDX-License-Identifier: GPL-2.0-or-later
"""The few CRI calls a kubelet makes, spoken to containerd's socket.

Protobuf is encoded by hand: a message is a sequence of (field number, value), and CRI needs
only varints, strings, nested messages and string maps. That spares the tests a code generator
and a copy of the Kubernetes API; the field numbers are those of `runtime.v1`.
"""

import json

import grpc

NETWORK_POD = 0
NETWORK_NODE = 2
PID_CONTAINER = 1
CONTAINER_RUNNING = 1

CALL_TIMEOUT_S = 60


class CriError(Exception):
    """A CRI call failed; the text names the call and containerd's own reason."""


def varint(number):
    out = bytearray()
    number &= (1 << 64) - 1
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number, value):
    """One field. Lists repeat it, dicts are map<string, string>, defaults are left out."""
    if isinstance(value, list):
        return b"".join(field(number, item) or _bytes(number, b"") for item in value)
    if isinstance(value, dict):
        return b"".join(_bytes(number, message((1, k), (2, v))) for k, v in value.items())
    if not value:
        return b""
    if isinstance(value, int):
        return varint(number << 3) + varint(int(value))
    return _bytes(number, value.encode() if isinstance(value, str) else value)


def _bytes(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def message(*fields):
    return b"".join(field(number, value) for number, value in fields)


def _read_varint(data, offset):
    value = shift = 0
    while True:
        if offset >= len(data) or shift > 63:
            raise CriError("containerd sent a broken message: a number does not end")
        byte = data[offset]
        offset += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, offset
        shift += 7


def decode(data):
    """A message as {field number: [values]}; a value is an int or undecoded bytes."""
    fields, offset = {}, 0
    while offset < len(data):
        tag, offset = _read_varint(data, offset)
        wire = tag & 7
        if wire == 0:
            value, offset = _read_varint(data, offset)
        else:
            if wire == 2:
                length, offset = _read_varint(data, offset)
            elif wire in (1, 5):
                length = 8 if wire == 1 else 4
            else:
                raise CriError(f"containerd sent a broken message: wire type {wire}")
            value, offset = data[offset : offset + length], offset + length
            if offset > len(data):
                raise CriError("containerd sent a broken message: a field is cut short")
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def text(fields, number):
    return fields.get(number, [b""])[-1].decode()


def nested(fields, number):
    return decode(fields.get(number, [b""])[-1])


def string_map(fields, number):
    entries = (decode(entry) for entry in fields.get(number, []))
    return {text(entry, 1): text(entry, 2) for entry in entries}


class Cri:
    """A connection to one CRI socket; every method is one call."""

    def __init__(self, socket_path):
        # grpc asks the environment's HTTP proxy even for a unix socket unless told not to.
        self._channel = grpc.insecure_channel(
            f"unix://{socket_path}", options=[("grpc.enable_http_proxy", 0)]
        )

    def close(self):
        self._channel.close()

    def _call(self, method, request=b"", service="RuntimeService", timeout=CALL_TIMEOUT_S):
        invoke = self._channel.unary_unary(f"/runtime.v1.{service}/{method}")
        try:
            return decode(invoke(request, timeout=timeout))
        except grpc.RpcError as error:
            raise CriError(f"{method}: {error.details()}") from None

    def version(self, timeout=1):
        reply = self._call("Version", timeout=timeout)
        return f"{text(reply, 2)} {text(reply, 3)}"

    def has_image(self, reference):
        request = message((1, message((1, reference))))
        return 1 in self._call("ImageStatus", request, service="ImageService")

    def run_sandbox(self, config):
        return text(self._call("RunPodSandbox", message((1, config))), 1)

    def stop_sandbox(self, sandbox_id):
        self._call("StopPodSandbox", message((1, sandbox_id)))

    def remove_sandbox(self, sandbox_id):
        self._call("RemovePodSandbox", message((1, sandbox_id)))

    def sandboxes(self):
        """Every sandbox as (id, labels, ready)."""
        items = map(decode, self._call("ListPodSandbox").get(1, []))
        return [(text(i, 1), string_map(i, 5), not i.get(3, [0])[-1]) for i in items]

    def sandbox_status(self, sandbox_id):
        """(addresses, info): info is containerd's own JSON, with the pid of pause."""
        reply = self._call("PodSandboxStatus", message((1, sandbox_id), (2, True)))
        network = nested(nested(reply, 1), 5)
        addresses = [text(network, 1)]
        addresses += [text(decode(item), 1) for item in network.get(2, [])]
        return [a for a in addresses if a], json.loads(string_map(reply, 2).get("info", "{}"))

    def create_container(self, sandbox_id, config, sandbox_config):
        request = message((1, sandbox_id), (2, config), (3, sandbox_config))
        return text(self._call("CreateContainer", request), 1)

    def start_container(self, container_id):
        self._call("StartContainer", message((1, container_id)))

    def stop_container(self, container_id, grace_s=0):
        self._call("StopContainer", message((1, container_id), (2, grace_s)))

    def remove_container(self, container_id):
        self._call("RemoveContainer", message((1, container_id)))

    def container_pid(self, container_id):
        """The host pid of the container's first process, 0 when it does not run."""
        reply = self._call("ContainerStatus", message((1, container_id), (2, True)))
        return json.loads(string_map(reply, 2).get("info", "{}")).get("pid", 0)

    def container_runs(self, container_id):
        reply = self._call("ContainerStatus", message((1, container_id)))
        return nested(reply, 1).get(3, [0])[-1] == CONTAINER_RUNNING

    def exec_sync(self, container_id, argv, timeout_s):
        """Run argv in the container: (stdout, stderr, exit code)."""
        request = message((1, container_id), (2, list(argv)), (3, timeout_s))
        reply = self._call("ExecSync", request, timeout=timeout_s + 5)
        return (
            reply.get(1, [b""])[-1],
            reply.get(2, [b""])[-1].decode(errors="replace"),
            reply.get(3, [0])[-1],
        )


def dns_config(namespace, server):
    searches = [f"{namespace}.svc.cluster.local", "svc.cluster.local", "cluster.local"]
    return message((1, [server]), (2, searches), (3, ["ndots:5"]))


def _namespaces(host_network):
    network = NETWORK_NODE if host_network else NETWORK_POD
    return message((1, network), (2, PID_CONTAINER))


def sandbox_config(
    name, uid, namespace, log_directory, labels, cgroup_parent, host_network, dns, attempt=0
):
    security = message((1, _namespaces(host_network)))
    return message(
        (1, message((1, name), (2, uid), (3, namespace), (4, attempt))),
        (2, "" if host_network else name),
        (3, log_directory),
        (4, dns),
        (6, labels),
        (7, {"kubernetes.io/config.source": "api"}),
        (8, message((1, cgroup_parent), (2, security))),
    )


def container_config(container, image, labels, host_network, attempt=0):
    """`container` is a node.Container; the log path is the kubelet's <container>/<attempt>.log."""
    # Int64Value: user 0 is a present message, told apart from "as the image says".
    user = b"" if container.user is None else varint(1 << 3) + varint(container.user)
    security = message((2, container.privileged), (3, _namespaces(host_network)), (5, user))
    mounts = [message((1, inside), (2, node), (3, ro)) for node, inside, ro in container.mounts]
    return message(
        (1, message((1, container.name), (2, attempt))),
        (2, message((1, image))),
        (3, list(container.command)),
        (4, list(container.args)),
        (6, [message((1, key), (2, value)) for key, value in container.env.items()]),
        (7, mounts),
        (9, labels),
        (10, {"io.kubernetes.container.restartCount": str(attempt)}),
        (11, f"{container.name}/{attempt}.log"),
        (15, message((2, security))),
    )
