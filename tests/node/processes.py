# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes of pods that say who they are, and what the frames of a capture say of them."""

import collections
import ipaddress
import json
import os
import re
import struct

from .capture import PROCESS
from .harness import wait_until

HERE = os.path.dirname(os.path.abspath(__file__))
# So that a process can learn its number on the node.
MOUNTS = [("/proc", "/hostproc", True), (f"{HERE}/talk.py", "/talk.py", True)]
# A shell that says who it is (pid on the node, start) and becomes the program that follows.
SAY = 'read pid rest </hostproc/self/stat; set -- $pid $rest; echo $1 ${22}; '
NOBODY = (0, 0)
TCP, UDP, ICMP = 6, 17, 1

# A TCP or UDP packet.
Packet = collections.namedtuple("Packet", "protocol source destination sport dport flags payload")


def talk(*words):
    return ["/usr/bin/python3", "/talk.py", *map(str, words)]


def numbers(said):
    """(pid, start) at the beginning of what a process says."""
    return tuple(map(int, said.split()[:2]))


def says(pod, container):
    """(pid, start) of a server, once it serves."""
    said = wait_until(lambda: re.search(r"\d+ \d+", pod.log(container)), f"{container} to serve")
    return numbers(said[0])


def owner(frame):
    """(pid, start)"""
    return struct.unpack("<II", frame.tlvs[PROCESS])


def packet(frame, ethernet=True):
    """What is in the frame, or None."""
    data = frame.data[14:] if ethernet else frame.data
    if ethernet and frame.data[12:14] not in (b"\x08\0", b"\x86\xdd"):
        return None
    if data[0] >> 4 == 4:
        protocol, size = data[9], (data[0] & 15) * 4
        ends = data[12:16], data[16:20]
    else:
        protocol, size = data[6], 40
        ends = data[8:24], data[24:40]
    ends = [str(ipaddress.ip_address(each)) for each in ends]
    if protocol not in (TCP, UDP):
        return Packet(protocol, *ends, 0, 0, 0, data[size:])
    ports = struct.unpack_from("!HH", data, size)
    if protocol == UDP:
        return Packet(protocol, *ends, *ports, 0, data[size + 8 :])
    flags, header = data[size + 13], (data[size + 12] >> 4) * 4
    return Packet(protocol, *ends, *ports, flags, data[size + header :])


def processes(file):
    """{(pid, start): its last description}"""
    frames = file.of("stratoshark-events")
    events = [json.loads(frame.data[frame.data.index(b"{") :]) for frame in frames]
    return {(each["pid"], each["start"]): each for each in events if each["event"] == "process"}
