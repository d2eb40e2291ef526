# SPDX-License-Identifier: GPL-2.0-or-later
"""Recordings whose every frame is known: format/recording.md, written on its own."""

import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "pcaps"))
from pcapng import (LINKTYPE_ETHERNET, LINKTYPE_UPPER_PDU, OUT, block, metadata,  # noqa: E402
                    option, padded, tcp, udp)

SECOND = 1_000_000_000
API, CLIENT, SERVER = "10.0.0.1", "10.0.0.9", "10.0.0.53"


def text(value):
    return struct.pack("<I", 0) if value is None else (
        struct.pack("<I", len(value) + 1) + value.encode() + b"\0")


class Recording:
    def __init__(self):
        self.data = b"\x89SSR\r\n\x1a\n" + struct.pack("<II", 2, 0)
        self.interfaces = 0

    def _record(self, kind, payload):
        self.data += struct.pack("<II", kind, len(payload)) + payload

    def interface(self, name, description="", linktype=LINKTYPE_ETHERNET):
        self._record(1, struct.pack("<IIHBB6x", self.interfaces, 262016, linktype, 0, 0) +
                     text(name) + text(description) + text(None))
        self.interfaces += 1
        return self.interfaces - 1

    def frames(self, interface, *frames):
        """(seconds after the epoch, bytes) each."""
        blocks = b""
        for seconds, data in frames:
            time_ns = int(seconds * SECOND)
            blocks += block(6, struct.pack("<IIIII", interface, time_ns >> 32,
                                           time_ns & 0xffffffff, len(data), len(data)) +
                            padded(data) + option(2989, metadata(OUT)) + option(0, b""))
        self._record(3, blocks)

    def event(self, interface, seconds, message):
        self._record(4, struct.pack("<IQ", interface, int(seconds * SECOND)) + text(message) +
                     text('{"message":"%s"}' % message))

    def counters(self, interface, frames):
        self._record(5, struct.pack("<IQQQQ", interface, frames, frames, 0, 100 * frames))

    def write(self, path):
        self._record(6, b"")
        with open(path, "wb") as file:
            file.write(self.data)
        os.chmod(path, 0o644)


def dns(number, name, answer=False, rcode=0):
    flags = 0x0100 | (0x8080 | rcode if answer else 0)
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    message = struct.pack("!HHHHHH", number, flags, 1, 0, 0, 0) + labels + b"\0\0\1\0\1"
    if answer:
        return udp(SERVER, API, message, port=40000, source_port=53)
    return udp(API, SERVER, message, port=53)


class Connection:
    """Of HTTP: frames with the right sequence numbers."""

    def __init__(self, port):
        self.port = port
        self.sent = {True: 1000, False: 5000}

    def say(self, payload, client=True):
        at, other = self.sent[client], self.sent[not client]
        self.sent[client] += len(payload)
        if client:
            return tcp(CLIENT, self.port, API, 80, "PA", at, other, payload)
        return tcp(API, 80, CLIENT, self.port, "PA", at, other, payload)


def get(path):
    return f"GET {path} HTTP/1.1\r\nHost: api\r\n\r\n".encode()


def response(code, body=b"ok"):
    return f"HTTP/1.1 {code} X\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


__all__ = ("API", "CLIENT", "Connection", "LINKTYPE_UPPER_PDU", "Recording", "dns", "get",
           "response")
