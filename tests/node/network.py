# SPDX-License-Identifier: GPL-2.0-or-later
"""The node's pod network: one bridge, IPv4 and IPv6, and no way out of the machine."""

import base64
import contextlib
import glob
import json
import os
import subprocess

from .containerd import NodeError

BRIDGES = 16  # nodes at the same time on one machine, each its own bridge and 4093 addresses
CNI_CACHE = "/var/lib/cni/results"
IPV6_DISABLED = "/proc/sys/net/ipv6/conf/all/disable_ipv6"


def _ip(*arguments):
    result = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if result.returncode:
        raise NodeError(f"'ip {' '.join(arguments)}' failed: {result.stderr.strip()}")


def _read(path):
    with contextlib.suppress(FileNotFoundError):
        with open(path, encoding="utf-8") as file:
            return file.read().strip()
    return None


def cached_netns(directory):
    """Network namespaces that CNI remembers making for the node in `directory`."""
    found = []
    for path in glob.glob(f"{CNI_CACHE}/*"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            with open(path, encoding="utf-8") as file:
                cached = json.load(file)
            config = json.loads(base64.b64decode(cached["config"]))
            if config["plugins"][0]["ipam"]["dataDir"] == os.path.join(directory, "ipam"):
                found += [link.get("sandbox") for link in cached["result"]["interfaces"]]
    return {path for path in found if path}


class Network:
    def __init__(self, directory, journal):
        self._directory = directory
        self._journal = journal
        self.bridge = ""
        self.subnets = []
        self.gateway = ""  # the node's own address towards its pods

    def up(self):
        number = self._claim_bridge()
        self.subnets = [f"10.244.{16 * number}.0/20"]
        if _read(IPV6_DISABLED) == "0":
            self.subnets.append(f"fd00:10:244:{number:x}::/64" if number else "fd00:10:244::/64")
        self.gateway = f"10.244.{16 * number}.1"
        for family, subnet in zip(("-4", "-6"), self.subnets):
            # Pods may talk to pods and to the node, never through it to the outside.
            self._add_rule(family, f"pref 10000 iif {self.bridge} to {subnet} lookup main")
            self._add_rule(family, f"pref 10001 iif {self.bridge} unreachable")

    def _add_rule(self, family, rule):
        self._journal.add("run", f"ip {family} rule del {rule}")
        _ip(family, "rule", "add", *rule.split())

    def _claim_bridge(self):
        """Creating a link is atomic: whoever makes the bridge owns its number and addresses."""
        for number in range(BRIDGES):
            bridge = f"ssnode{number}"
            try:
                _ip("link", "add", bridge, "type", "bridge")
            except NodeError as error:
                if "exists" in str(error):
                    continue
                raise
            self._journal.add("run", f"ip link del {bridge}")
            self._journal.add("file", f"{CNI_CACHE}/{bridge}-*")
            self.bridge = bridge
            return number
        raise NodeError(
            f"all of ssnode0 to ssnode{BRIDGES - 1} are taken: end a node with 'demo-node down'"
        )

    def conflist(self):
        """The CNI configuration, for containerd to call the plugins with."""
        ipam = {
            "type": "host-local",
            "dataDir": os.path.join(self._directory, "ipam"),
            "ranges": [[{"subnet": subnet}] for subnet in self.subnets],
            "routes": [{"dst": dst} for dst in ("0.0.0.0/0", "::/0")[: len(self.subnets)]],
        }
        bridge = {
            "type": "bridge",
            "bridge": self.bridge,
            "isGateway": True,
            "hairpinMode": True,
            "ipMasq": False,
            "ipam": ipam,
        }
        portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
        return {"cniVersion": "0.4.0", "name": self.bridge, "plugins": [bridge, portmap]}
