# SPDX-License-Identifier: GPL-2.0-or-later
"""HTTP on connections that change what they speak: CONNECT tunnels, and upgrades to WebSocket and
HTTP/2, by real servers in the web pod; captured at the client pod."""

import collections
import sys
import urllib.parse

from .capture import in_netns, python_in_netns
from .harness import need, tshark_rows, wait_until
from .test_http_exchange import FIELDS, SEGMENT, ExchangeTest

MESSAGES = "(http.request || http.response)"
PROXY, UPGRADER, SOCKET = 8888, 8081, 8765
PROXY_CONF = """
Port {port}
Listen {address}
Timeout 60
MaxClients 20
LogLevel Error
"""
# Repeats what it is told; /status/CODE is refused with that.
SOCKET_SERVER = """
import asyncio, http, sys, websockets
async def repeat(socket):
    async for message in socket:
        await socket.send(message * 3)
async def refuse(path, _):
    return (http.HTTPStatus(int(path[8:])), [], b"no") if path.startswith("/status/") else None
async def main():
    async with websockets.serve(repeat, sys.argv[1], int(sys.argv[2]), process_request=refuse):
        print("ready", file=sys.stderr, flush=True)
        await asyncio.Future()
asyncio.run(main())
"""
SOCKET_CLIENT = """
import asyncio, sys, websockets
async def main():
    async with websockets.connect(sys.argv[1] + "/chat") as socket:
        for message in ("hello", "GET / HTTP/1.1\\r\\n\\r\\n", "x" * 3000):
            await socket.send(message)
            await socket.recv()
    try:
        async with websockets.connect(sys.argv[1] + "/status/503"):
            pass
    except websockets.exceptions.InvalidStatusCode:
        pass
asyncio.run(main())
"""
# Something else than HTTP in a tunnel, in both directions, and much of it.
TUNNEL = """
import socket, sys
def read(connection, size):
    while size:
        size -= len(connection.recv(size))
proxy, port, target = sys.argv[1], int(sys.argv[2]), sys.argv[3]
listener = socket.socket()
listener.bind((target, 0))
listener.listen()
client = socket.create_connection((proxy, port))
name = "%s:%d" % (target, listener.getsockname()[1])
client.sendall(("CONNECT %s HTTP/1.1\\r\\nHost: %s\\r\\n\\r\\n" % (name, name)).encode())
server, _ = listener.accept()
while b"\\r\\n\\r\\n" not in client.recv(4096):
    pass
for _ in range(10):
    client.sendall(b"\\x17\\3\\3" + bytes(3000))
    read(server, 3003)
    server.sendall(b"\\x17\\3\\3" + bytes(30000))
    read(client, 30003)
client.close()
"""


class SwitchTest(ExchangeTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for tool in ("tinyproxy", "nghttpx"):
            need(tool)

    def serve(self, argv, port):
        """A server in the web pod's network, that listens already."""
        server = self.background(in_netns(self.web.pid, argv))
        probe = f"import socket; socket.create_connection(('{self.web.ip}', {port}))"
        wait_until(lambda: python_in_netns(self.web.pid, f"""
try:
    {probe}
    print("yes")
except OSError:
    pass""").stdout, f"a server at port {port}")
        return server

    def proxy(self):
        path = self.file("tinyproxy.conf")
        with open(path, "w", encoding="ascii") as file:
            file.write(PROXY_CONF.format(port=PROXY, address=self.web.ip))
        self.serve(["tinyproxy", "-d", "-c", path], PROXY)
        return f"http://{self.web.ip}:{PROXY}"

    def curls(self, *words):
        """One connection, if that is possible."""
        self.client.exec("tools", ["curl", "-s", "-m", "20", *words], check=False)

    @staticmethod
    def several(*urls):
        return [word for url in urls for word in ("-o", "/dev/null", url)]

    def inside(self, proxy):
        """HTTP in a tunnel; and what is none."""
        self.curls("-p", "-x", proxy, *self.several(
            self.web.url("/status/200?a"), self.web.url("/status/500?b"),
            self.web.url("/bytes/200000"), self.web.url("/status/503?c"), self.web.url("/")))
        self.curls("-x", proxy, *self.several(self.web.url("/status/502?d"), self.web.url("/")))
        self.tunnel()

    def tunnel(self):
        python_in_netns(self.client.pid, TUNNEL, self.web.ip, PROXY, self.client.ip)

    @staticmethod
    def uris(rows):
        """Without what a proxy needs."""
        return [urllib.parse.urlsplit(row["http.request.uri"])._replace(scheme="", netloc="").geturl()
                for row in rows if row["http.request.uri"] and not row["http.response.code"]]

    def test_failures_in_a_tunnel(self):
        """For Wireshark it is data, if the port is one of HTTP: here the servers' truth counts."""
        proxy = self.proxy()
        ours, full = self.file(), self.file("full.pcap")
        judge = self.tcpdump(full, pod=self.client)
        capture = self.capture("--filter", "http.response.code >= 500", "-w", ours, pod=self.client)
        self.inside(proxy)
        self.mark("end", full, pod=self.client)
        wait_until(lambda: len(tshark_rows(ours, FIELDS, "http.response", complete=False)) >= 3,
                   "the failures")
        self.stop(capture)
        self.stop_tcpdump(judge)
        rows = tshark_rows(ours, FIELDS, MESSAGES)
        self.assertEqual(self.uris(rows), ["/status/500?b", "/status/503?c", "/status/502?d"])
        codes = collections.Counter(row["http.response.code"] for row in rows)
        del codes[""]
        self.assertEqual(codes, {"500": 1, "503": 1, "502": 1})
        seen = tshark_rows(full, SEGMENT, "tcp.len > 0")
        kept = self.segments(tshark_rows(ours, SEGMENT, "tcp.len > 0"))
        self.assertLess(len(kept), len(seen) / 2)
        self.assertLessEqual(set(kept), set(self.segments(seen)))

    def test_requests_of_a_tunnel(self):
        """Nothing of what is inside and is no HTTP, however much it is."""
        self.proxy()
        filters = ('http.request.method == "CONNECT"', "http.request", "http.response",
                   f"http.response && ip.src == {self.web.ip}")
        for text, ours, full in self.beside_everything(self.tunnel, *filters, pod=self.client):
            with self.subTest(filter=text):
                self.assertEqual(self.segments(tshark_rows(ours, SEGMENT, "tcp.len > 0")),
                                 self.segments(tshark_rows(full, SEGMENT, MESSAGES)))

    def test_all_of_a_tunnel(self):
        """The protocol's name is about everything in it."""
        proxy = self.proxy()
        for text, ours, full in self.beside_everything(
                lambda: self.inside(proxy), "http", f"http && ip.dst == {self.web.ip}",
                pod=self.client):
            with self.subTest(filter=text):
                self.assertEqual(self.segments(tshark_rows(ours, SEGMENT, "tcp")),
                                 self.segments(tshark_rows(full, SEGMENT, text)))

    def upgrades(self):
        two = f"http://{self.web.ip}:{UPGRADER}"
        for version in ("--http2", "--http1.1"):
            self.curls(version, *self.several(
                f"{two}/api/users", f"{two}/status/500?{version}", f"{two}/"))
        python_in_netns(self.client.pid, SOCKET_CLIENT, f"ws://{self.web.ip}:{SOCKET}")

    def test_upgrades(self):
        """To HTTP/2 and WebSocket: of what follows nothing, unless the filter is about that."""
        self.serve([sys.executable, "-c", SOCKET_SERVER, self.web.ip, str(SOCKET)], SOCKET)
        target = urllib.parse.urlsplit(self.web.url())
        self.serve(["nghttpx", f"-f{self.web.ip},{UPGRADER};no-tls",
                    f"-b{self.web.ip},{target.port or 80}", "--errorlog-file=/dev/null"], UPGRADER)
        halves = ("http.response.code >= 500", "http.response.code == 101",
                  'http.request.method == "GET" && http.request.uri contains "/status"',
                  'http.request.uri contains "chat"', 'http.upgrade == "websocket"')
        wholes = ("http", "http2", "websocket", "http || websocket.opcode == 1")
        for text, ours, full in self.beside_everything(self.upgrades, *halves, *wholes,
                                                       pod=self.client):
            with self.subTest(filter=text):
                if text in halves:
                    self.assert_exchanges(text, ours, full, MESSAGES, MESSAGES)
                    self.assertFalse(tshark_rows(
                        ours, SEGMENT, f"(websocket || http2) && !{MESSAGES}"))
                else:
                    self.assertEqual(self.segments(tshark_rows(ours, SEGMENT, "tcp")),
                                     self.segments(tshark_rows(full, SEGMENT, text)))
