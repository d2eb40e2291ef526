# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs in pods: servers and clients that say which process they are.

talk.py WHAT [WORDS]; each prints "pid start" as the node numbers them, from /hostproc.
"""

import fcntl
import os
import select
import socket
import struct
import sys
import termios
import time


def me():
    with open("/hostproc/self/stat", encoding="utf-8", errors="replace") as file:
        text = file.read()
    return f"{text.split()[0]} {text.rpartition(')')[2].split()[19]}"


def say(*words):
    print(*words, flush=True)


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def udp(family):
    return socket.socket(socket.AF_INET6 if family == "6" else socket.AF_INET, socket.SOCK_DGRAM)


def serve(address, port):
    """TCP and UDP echo, one process. "" is every address of both families."""
    address = address or "::"
    tcp = socket.create_server((address, int(port)), family=family_of(address),
                               dualstack_ipv6=address == "::")
    datagrams = socket.socket(family_of(address), socket.SOCK_DGRAM)
    datagrams.bind((address, int(port)))
    say(me())
    sockets = [tcp, datagrams]
    while True:
        for ready in select.select(sockets, [], [])[0]:
            if ready is tcp:
                sockets.append(tcp.accept()[0])
            elif ready is datagrams:
                data, sender = datagrams.recvfrom(2048)
                datagrams.sendto(data, sender)
            else:
                data = ready.recv(2048)
                ready.sendall(data)
                if not data:
                    sockets.remove(ready)
                    ready.close()


def ask(address, port, count="1"):
    """TCP echo: prints also the own port."""
    connection = socket.create_connection((address, int(port)))
    say(me(), connection.getsockname()[1])
    for _ in range(int(count)):
        connection.sendall(b"question")
        connection.recv(2048)
    connection.close()


def keep(address, port):
    """A connection that asks once, and again for each file named /tmp/ask."""
    connection = socket.create_connection((address, int(port)))
    datagrams = udp("4")
    datagrams.connect((address, int(port)))
    say(me(), connection.getsockname()[1], datagrams.getsockname()[1])
    while True:
        connection.sendall(b"question")
        connection.recv(2048)
        datagrams.send(b"question")
        datagrams.recv(2048)
        while not os.path.exists("/tmp/ask"):
            time.sleep(0.05)
        os.unlink("/tmp/ask")


def speak(rounds, until, own_port, *servers):
    """TCP and UDP with the echo at each address and port: so many rounds, and on until a file of
    this name appears; from one port, if it isn't 0. Prints the own ports, too."""
    sockets = []
    for address, port in zip(servers[::2], servers[1::2]):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            sockets.append(socket.socket(family_of(address), kind))
            if int(own_port):
                sockets[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sockets[-1].bind((address, int(own_port)))
            sockets[-1].connect((address, int(port)))
    say(me(), *[each.getsockname()[1] for each in sockets])
    done = 0
    while done < int(rounds) or not os.path.exists(until):
        for each in sockets:
            each.send(b"question")
            each.recv(2048)
        done += 1
        time.sleep(0.02)


def pair(family, address, port):
    """One datagram socket of two processes that send in turn; each says in it who it is."""
    sender = udp(family)
    ends = socket.socketpair()
    child = os.fork() == 0
    end = ends[child]
    if not child:
        end.send(b"x")
    for _ in range(10):
        end.recv(1)
        sender.sendto(f"from {me()}".encode(), (address, int(port)))
        end.send(b"x")
    if not child:
        os.wait()


def hand_over(port):
    """Accepts, and lets a child answer."""
    server = socket.create_server(("", int(port)))
    say(me())
    while True:
        connection, _ = server.accept()
        if os.fork() == 0:
            connection.recv(2048)
            connection.sendall(f"from {me()}".encode())
            os._exit(0)
        connection.close()
        os.wait()


def wait_acknowledged(connection):
    """Or what is sent next may go out later, by the kernel."""
    while struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, b"\0" * 4))[0]:
        time.sleep(0.001)


def only_send(address, port):
    """A connection and a connected datagram socket, passed to a process that is older, which hands
    them down to a child; all three only send, in turn, and say in it who they are."""
    ends = socket.socketpair()
    receiver = os.fork() == 0
    end = ends[receiver]
    ends[not receiver].close()
    if receiver:
        _, handles, _, _ = socket.recv_fds(end, 1, 2)
        connection, datagrams = (socket.socket(fileno=handle) for handle in handles)
    else:
        connection = socket.create_connection((address, int(port)))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        datagrams = udp("4")
        datagrams.connect((address, int(port)))
        socket.send_fds(end, [b"x"], [connection.fileno(), datagrams.fileno()])

    def send():
        wait_acknowledged(connection)
        connection.send(f"from {me()}".encode())
        datagrams.send(f"from {me()}".encode())
        wait_acknowledged(connection)

    for _ in range(5):
        if not receiver:
            send()
            end.send(b"x")
            end.recv(1)
        else:
            end.recv(1)
            send()
            if os.fork() == 0:
                send()
                os._exit(0)
            os.wait()
            end.send(b"x")
    if not receiver:
        os.wait()
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(2048):  # or the end is a reset
            pass


{"serve": serve, "ask": ask, "keep": keep, "speak": speak, "pair": pair, "hand-over": hand_over,
 "only-send": only_send}[sys.argv[1]](*sys.argv[2:])
