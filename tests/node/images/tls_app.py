# SPDX-License-Identifier: GPL-2.0-or-later
"""HTTPS server and client in Python, for a test image: blocking sockets, or asyncio.

Blocking sockets call SSL_read_ex and SSL_write_ex on the socket; asyncio keeps TLS in memory
BIOs and moves the bytes itself.

    tls_app.py serve blocking|asyncio PORT      with /tls/server.pem and .key
    tls_app.py get blocking|asyncio ADDRESS PORT PATH...      one connection; POST when PATH is
                                                              /post/N, with a body of N bytes
It answers /n/..., /bytes/N (N bytes in one write), /post/N (the SHA-256 of what was posted) and
/api/payment. SSLKEYLOGFILE is obeyed.
"""

import asyncio
import hashlib
import os
import re
import socket
import ssl
import sys
import threading

PERIOD = 65536


def body(size):
    """Bytes that every part of the tests can make, and that differ with their number."""
    block = bytes((i * 31 + (i >> 8) * 17 + size) & 255 for i in range(min(size, PERIOD)))
    return (block * (size // PERIOD + 1))[:size]


def server_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("/tls/server.pem", "/tls/server.key")
    return logged(context)


def client_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return logged(context)


def logged(context):
    if "SSLKEYLOGFILE" in os.environ:
        context.keylog_filename = os.environ["SSLKEYLOGFILE"]
    context.set_alpn_protocols(["http/1.1"])
    return context


def answer(path, posted):
    """The whole response, for one write."""
    content = f"answer to {path}\n".encode()
    if path.startswith("/bytes/"):
        content = body(int(path.split("/")[2]))
    elif path.startswith("/post/"):
        content = hashlib.sha256(posted).hexdigest().encode()
    elif path == "/api/payment":
        content = b'{"status": "accepted"}\n'
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


def request(path):
    """The whole request, for one write."""
    posted = body(int(path.split("/")[2])) if path.startswith("/post/") else b""
    head = f"{'POST' if posted else 'GET'} {path} HTTP/1.1\r\nHost: server.test\r\n"
    if posted:
        head += f"Content-Type: application/octet-stream\r\nContent-Length: {len(posted)}\r\n"
    return (head + "\r\n").encode() + posted


def content_length(head):
    found = re.search(rb"content-length: *(\d+)", head, re.I)
    return int(found[1]) if found else 0


class Blocking:
    """Head and body of a message from a blocking socket."""

    def __init__(self, connection):
        self.connection, self.rest = connection, b""

    def message(self):
        while b"\r\n\r\n" not in self.rest:
            piece = self.connection.recv(65536)
            if not piece:
                return None, b""
            self.rest += piece
        head, _, rest = self.rest.partition(b"\r\n\r\n")
        pieces, missing = [rest], content_length(head) - len(rest)
        while missing > 0:
            pieces.append(self.connection.recv(65536))
            missing -= len(pieces[-1])
        content = b"".join(pieces)
        self.rest = content[content_length(head) :]
        return head, content[: content_length(head)]


def serve_one(connection, context):
    try:
        with context.wrap_socket(connection, server_side=True) as tls:
            reader = Blocking(tls)
            while True:
                head, posted = reader.message()
                if head is None:
                    return
                tls.sendall(answer(head.split(b" ")[1].decode(), posted))
    except OSError:
        pass  # the client left


def serve_blocking(port):
    context, listener = server_context(), socket.create_server(("", port), backlog=128)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve_one, args=(connection, context), daemon=True).start()


def get_blocking(address, port, paths):
    with socket.create_connection((address, port)) as connection:
        with client_context().wrap_socket(connection) as tls:
            reader = Blocking(tls)
            for path in paths:
                tls.sendall(request(path))
                print(hashlib.sha256(reader.message()[1]).hexdigest(), path)


async def message(reader):
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, OSError):
        return None, b""
    return head, await reader.readexactly(content_length(head))


async def serve_asyncio(port):
    async def serve(reader, writer):
        while True:
            head, posted = await message(reader)
            if head is None:
                break
            writer.write(answer(head.split(b" ")[1].decode(), posted))
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "", port, ssl=server_context(), limit=1 << 24)
    await server.serve_forever()


async def get_asyncio(address, port, paths):
    reader, writer = await asyncio.open_connection(
        address, port, ssl=client_context(), limit=1 << 24
    )
    for path in paths:
        writer.write(request(path))
        await writer.drain()
        print(hashlib.sha256((await message(reader))[1]).hexdigest(), path)
    writer.close()
    await writer.wait_closed()


def main(action, kind, *words):
    if action == "serve":
        port = int(words[0])
        serve_blocking(port) if kind == "blocking" else asyncio.run(serve_asyncio(port))
    else:
        address, port, *paths = words
        get = get_blocking if kind == "blocking" else get_asyncio
        result = get(address, int(port), paths)
        asyncio.run(result) if result else None


if __name__ == "__main__":
    main(*sys.argv[1:])
