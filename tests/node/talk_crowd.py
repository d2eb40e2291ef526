# SPDX-License-Identifier: GPL-2.0-or-later
"""Little traffic in many network namespaces by one process, which costs nearly nothing: in each, on
its lo, an HTTP and a DNS exchange per round. Every so many rounds an HTTP request fails.

Arguments: rounds, pause between them in seconds, one failure in so many, pids that live there.
Says "ready", and begins when its standard input ends.
"""

import ctypes
import os
import socket
import sys
import time

LIBC = ctypes.CDLL(None, use_errno=True)
QUERY = b"\0\1\1\0\0\1\0\0\0\0\0\0\3api\7example\0\0\1\0\1"
ANSWER = b"\0\1\x81\x80" + QUERY[4:]


class Room:
    def __init__(self, pid):
        descriptor = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
        if LIBC.setns(descriptor, 0) < 0:
            raise OSError(ctypes.get_errno(), "setns")
        os.close(descriptor)
        listener = socket.create_server(("127.0.0.1", 8080))
        self.client = socket.create_connection(("127.0.0.1", 8080))
        self.server = listener.accept()[0]
        self.resolver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.resolver.bind(("127.0.0.1", 53))
        self.stub = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.stub.connect(("127.0.0.1", 53))

    def exchange(self, number, code):
        self.client.sendall(b"GET /%d HTTP/1.1\r\nHost: api\r\n\r\n" % number)
        self.server.recv(4096)
        self.server.sendall(b"HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\nok" % code)
        self.client.recv(4096)
        self.stub.send(QUERY)
        _, peer = self.resolver.recvfrom(4096)
        self.resolver.sendto(ANSWER, peer)
        self.stub.recv(4096)


def main():
    rounds, pause, one_in = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    rooms = [Room(pid) for pid in sys.argv[4:]]
    print("ready", file=sys.stderr, flush=True)
    sys.stdin.read()
    for number in range(rounds):
        for place, room in enumerate(rooms):
            room.exchange(number, 500 if (number + place) % one_in == 0 else 200)
        time.sleep(pause)
    print("done", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
