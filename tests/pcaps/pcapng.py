# SPDX-License-Identifier: GPL-2.0-or-later
"""Just enough pcapng (and frames to put in it) to write captures whose every byte is known.

Written from the specifications and format/*.md, on its own: what it shares with the code under
test would hide mistakes.
"""

import ipaddress
import struct

LINKTYPE_ETHERNET = 1
LINKTYPE_UPPER_PDU = 252
PEN = 32473
IN, OUT, LOCAL = 1, 2, 3
TCP, UDP = 6, 17


def padded(data):
    return data + bytes(-len(data) % 4)


def option(code, value):
    return struct.pack("<HH", code, len(value)) + padded(value)


def block(kind, body):
    length = len(body) + 12
    return struct.pack("<II", kind, length) + body + struct.pack("<I", length)


def tlv(kind, value):
    return struct.pack("BB", kind, len(value)) + value


def metadata(direction=None, netns=None, container=None, cgroup=None, redirect=None,
             extra=b""):
    """The value of option 2989: PEN, magic, TLVs."""
    value = struct.pack("<I", PEN) + b"ST"
    if direction is not None:
        value += tlv(1, bytes([direction]))
    if netns is not None:
        value += tlv(2, struct.pack("<I", netns))
    if container is not None:
        value += tlv(3, bytes.fromhex(container))
    if cgroup is not None:
        value += tlv(4, struct.pack("<Q", cgroup))
    if redirect is not None:
        value += tlv(5, struct.pack("<H", redirect))
    return value + extra


class Capture:
    """A growing file. Time advances by a millisecond per frame, so that files are the same
    every time they are made."""

    def __init__(self):
        self.data = b""
        self.interfaces = 0
        self.time_ns = 1_700_000_000_000_000_000
        self.section()

    def section(self):
        body = struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)
        body += option(4, b"StratoShark golden capture") + option(0, b"")
        self.data += block(0x0A0D0D0A, body)
        self.interfaces = 0

    def interface(self, name, description=None, link_type=LINKTYPE_ETHERNET):
        body = struct.pack("<HHI", link_type, 0, 262144)
        if name is not None:
            body += option(2, name if isinstance(name, bytes) else name.encode())
        if description is not None:
            text = description if isinstance(description, bytes) else description.encode()
            body += option(3, text)
        body += option(9, b"\x09") + option(0, b"")
        self.data += block(1, body)
        self.interfaces += 1
        return self.interfaces - 1

    def names(self, names):
        """A Name Resolution Block: {address: name}."""
        body = b""
        for address, name in names.items():
            packed = ipaddress.ip_address(address).packed
            record = packed + name.encode() + b"\0"
            body += struct.pack("<HH", 1 if len(packed) == 4 else 2, len(record)) + padded(record)
        self.data += block(4, body + bytes(4))

    def frame(self, interface, data, flags=None, custom=(), after_us=1000):
        """custom: values of option 2989, or (code, value) pairs."""
        self.time_ns += after_us * 1000
        body = struct.pack("<IIIII", interface, self.time_ns >> 32, self.time_ns & 0xFFFFFFFF,
                           len(data), len(data)) + padded(data)
        options = b""
        if flags is not None:
            options += option(2, struct.pack("<I", flags))
        for value in custom:
            options += option(*value) if isinstance(value, tuple) else option(2989, value)
        if options:
            options += option(0, b"")
        self.data += block(6, body + options)

    def write(self, path):
        with open(path, "wb") as file:
            file.write(self.data)


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ethernet(source, destination, protocol, segment):
    """An Ethernet frame with a TCP or UDP segment, whose checksum (at protocol's place) is set,
    over whichever IP the addresses are."""
    a, b = ipaddress.ip_address(source), ipaddress.ip_address(destination)
    pseudo = a.packed + b.packed
    if a.version == 4:
        pseudo += struct.pack("!BBH", 0, protocol, len(segment))
    else:
        pseudo += struct.pack("!IBBBB", len(segment), 0, 0, 0, protocol)
    at = 16 if protocol == TCP else 6
    value = checksum(pseudo + segment) or 0xFFFF
    segment = segment[:at] + struct.pack("!H", value) + segment[at + 2:]
    if a.version == 4:
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 1, 0x4000, 64, protocol, 0)
        ip += a.packed + b.packed
        ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
        ether_type = 0x0800
    else:
        ip = struct.pack("!IHBB", 6 << 28, len(segment), protocol, 64) + a.packed + b.packed
        ether_type = 0x86DD
    header = bytes.fromhex("020000000001020000000002") + struct.pack("!H", ether_type)
    return header + ip + segment


def udp(source, destination, payload=b"hello", port=5000, source_port=40000):
    return ethernet(source, destination, UDP,
                    struct.pack("!HHHH", source_port, port, 8 + len(payload), 0) + payload)


def tcp(source, source_port, destination, port, flags, seq, ack=0, payload=b""):
    """flags: letters of SYN, ACK, FIN, RST, PSH: "SA"."""
    bits = sum({"F": 1, "S": 2, "R": 4, "P": 8, "A": 16}[letter] for letter in flags)
    return ethernet(source, destination, TCP,
                    struct.pack("!HHIIBBHHH", source_port, port, seq, ack, 5 << 4, bits, 64240,
                                0, 0) + payload)


def pdu(payload, protocol=b"StratoShark", info=b"", dissector=b"json"):
    """A LINKTYPE_WIRESHARK_UPPER_PDU record; a tag's length includes its padding."""
    data = b""
    for tag, value in ((12, dissector), (33, protocol), (36, info)):
        if value:
            data += struct.pack("!HH", tag, len(padded(value))) + padded(value)
    return data + struct.pack("!HH", 0, 0) + payload
