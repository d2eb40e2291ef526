#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Echo over TLS: echo.py threads|asyncio server PORT CERTIFICATE KEY
                   echo.py threads|asyncio client PORT FILE CERTIFICATE
The client exits with 0 if FILE came back."""

import asyncio
import socket
import ssl
import sys


def server_context(certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def client_context(certificate):
    return ssl.create_default_context(cafile=certificate)


def serve(port, context):
    with socket.create_server(("127.0.0.1", port)) as listening:
        while True:
            connection, _ = listening.accept()
            with context.wrap_socket(connection, server_side=True) as tls:
                length = int.from_bytes(tls.recv(8), "big")
                received = bytearray()
                while len(received) < length:
                    received += tls.recv(65536)
                tls.sendall(received)


def ask(port, body, context):
    with socket.create_connection(("127.0.0.1", port)) as connection:
        with context.wrap_socket(connection, server_hostname="localhost") as tls:
            tls.sendall(len(body).to_bytes(8, "big"))
            tls.sendall(body)
            received = bytearray()
            while len(received) < len(body):
                received += tls.recv(65536)
            return bytes(received)


async def serve_asyncio(port, context):
    async def echo(reader, writer):
        length = int.from_bytes(await reader.readexactly(8), "big")
        writer.write(await reader.readexactly(length))
        await writer.drain()
        writer.close()
    server = await asyncio.start_server(echo, "127.0.0.1", port, ssl=context)
    await server.serve_forever()


async def ask_asyncio(port, body, context):
    async def one(number):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context,
                                                       server_hostname="localhost")
        mine = body + str(number).encode()
        writer.write(len(mine).to_bytes(8, "big"))
        await writer.drain()
        writer.write(mine)
        received = await reader.readexactly(len(mine))
        port_here = writer.get_extra_info("sockname")[1]
        writer.close()
        print(number, port_here)
        return received == mine
    return body if all(await asyncio.gather(*map(one, range(3)))) else b""


def main():
    mode, role, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if role == "server":
        context = server_context(sys.argv[4], sys.argv[5])
        if mode == "asyncio":
            asyncio.run(serve_asyncio(port, context))
        serve(port, context)
    with open(sys.argv[4], "rb") as file:
        body = file.read()
    context = client_context(sys.argv[5])
    if mode == "asyncio":
        received = asyncio.run(ask_asyncio(port, body, context))
    else:
        received = ask(port, body, context)
    sys.exit(0 if received == body else 1)


if __name__ == "__main__":
    main()
