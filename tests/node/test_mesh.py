# SPDX-License-Identifier: GPL-2.0-or-later
"""Service meshes: a pod with a sidecar to which iptables redirects what the application sends.

The sidecar is our own (images/sidecar.c): it carries the bytes on over TLS, as Envoy would.
"""

import os
import shutil
import sys
import tempfile

from .capture import SPACE, CaptureTest, File, in_netns
from .harness import (
    Container,
    Image,
    build_directory,
    need,
    run,
    run_as_user,
    tshark_rows,
    wait_until,
)

PORT = 8443
SIDECAR_PORT = 15001
SIDECAR_USER = 1337  # as Istio's: what it sends itself is not redirected

NGINX_CONF = f"""daemon off;
pid /tmp/nginx.pid;
error_log /dev/stderr warn;
events {{ worker_connections 1024; }}
http {{
	access_log off;
	server {{
		listen {PORT} ssl; listen [::]:{PORT} ssl;
		ssl_certificate /etc/tls/cert.pem; ssl_certificate_key /etc/tls/key.pem;
		location / {{ return 200 "hello $request_uri\\n"; }}
	}}
}}
"""

# One connection: a request, and one more for each line of standard input. [host, port, path]
TWO_REQUESTS = """
import socket, sys
host, port, path = sys.argv[1:]
connection = socket.create_connection((host, int(port)))
def ask():
    connection.sendall(f"GET {path} HTTP/1.1\\r\\nHost: {host}\\r\\n\\r\\n".encode())
    text = b""
    while not text.endswith(path.encode() + b"\\n"):
        text += connection.recv(4096) or sys.exit("closed")
    print("answered", file=sys.stderr, flush=True)
ask()
for _ in sys.stdin:
    ask()
"""

FIELDS = ["tcp.stream", "ip.src", "ip.dst", "ipv6.dst", "tcp.dstport", "http.request.uri",
          "http.response.code", "frame.interface_name"]


class MeshTest(CaptureTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        path = os.path.join(os.path.dirname(__file__), "images", "sidecar.c")
        cls.node.add_image(Image("sidecar", programs=["openssl"], sources={"/sidecar": path},
                                 shell=True, entrypoint=["/sidecar"]))
        folder = cls.certificate()
        mounts = [(folder, "/etc/tls", True),
                  (f"{folder}/nginx.conf", "/etc/nginx/nginx.conf", True)]
        start = ["/bin/sh", "-c", "mkdir -p /var/lib/nginx && exec nginx"]
        cls.upstream = cls.class_pod(
            SPACE, "upstream", [Container("nginx", "tools", command=start, mounts=mounts)]
        )
        cls.meshed = cls.class_pod(
            SPACE, "meshed", [Container("app", "tools"),
                              Container("sidecar", "sidecar", user=SIDECAR_USER)]
        )
        for program in ("iptables", "ip6tables"):
            rule = ["-t", "nat", "-A", "OUTPUT", "-p", "tcp", "--dport", str(PORT), "-m", "owner",
                    "!", "--uid-owner", str(SIDECAR_USER),
                    "-j", "REDIRECT", "--to-ports", str(SIDECAR_PORT)]
            run(in_netns(cls.meshed.pid, [need(program), *rule]))

    @classmethod
    def certificate(cls):
        folder = tempfile.mkdtemp(prefix="sstest-")
        cls.addClassCleanup(shutil.rmtree, folder, ignore_errors=True)
        run([need("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
             "-subj", "/CN=upstream", "-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem"])
        with open(f"{folder}/nginx.conf", "w", encoding="utf-8") as file:
            file.write(NGINX_CONF)
        return folder

    def setUp(self):
        super().setUp()
        self.wait_http(self.meshed, "app", self.url("/ready"))

    def url(self, path, host=None):
        return f"http://{host or self.upstream.ip}:{PORT}{path}"

    def ask(self, path, host=None):
        answer = self.meshed.exec("app", ["curl", "-s", "-g", "-m", "5", self.url(path, host)])
        self.assertEqual(answer, f"hello {path}\n")

    def captured(self, path, *words, host=None):
        """A capture of one request, as tshark reads it; the file's rows with TCP."""
        file = self.file()
        capture = self.capture("-w", file, *words, pod=self.meshed)
        self.ask(path, host)
        wait_until(lambda: tshark_rows(file, ["frame.number"], "http.response", complete=False),
                   "the response in the file")
        self.stop(capture)
        self.summary = capture.stderr
        return file, tshark_rows(file, FIELDS, "tcp")

    def assert_one_conversation(self, rows, path, host=None):
        """The pod's lo has one TCP stream, to the destination that the application asked for."""
        local = [row for row in rows if row["frame.interface_name"].endswith("/lo")]
        self.assertFalse([row for row in local if row["tcp.dstport"] == str(SIDECAR_PORT)])
        asked = [row for row in local if row["http.request.uri"]]
        self.assertEqual([row["http.request.uri"] for row in asked], [path])
        # Others, if any, are the end of an earlier one.
        stream = [row for row in local if row["tcp.stream"] == asked[0]["tcp.stream"]]
        sent = [row for row in stream if row["tcp.dstport"] == str(PORT)]
        self.assertGreaterEqual(len(sent), 4)  # SYN, ACK, request, FIN
        key, address = ("ipv6.dst", host.strip("[]")) if host else ("ip.dst", self.upstream.ip)
        self.assertEqual({row[key] for row in sent}, {address})
        codes = [row["http.response.code"] for row in stream if row["http.response.code"]]
        self.assertEqual(codes, ["200"])

    def encrypted(self, file):
        return tshark_rows(file, ["frame.number"], "tls.app_data and not http")

    def test_redirected_is_one_conversation(self):
        file, rows = self.captured("/one")
        self.assert_one_conversation(rows, "/one")
        self.assertTrue(self.encrypted(file))  # its twin on eth0
        self.assertEqual(File(file).delivered(), len(File(file).frames))

    def test_redirect_is_named(self):
        file, _ = self.captured("/named")
        plugin = os.environ.get("STRATOCAP_PLUGIN") or os.path.join(
            build_directory(), "plugins/epan/stratoshark/stratoshark.so")
        home = self.folder()
        version = run([need("tshark"), "-v"]).stdout.split()[2].rsplit(".", 1)[0]
        place = f"{home}/.local/lib/wireshark/plugins/{version}/epan"
        os.makedirs(place)
        shutil.copy(plugin, place)
        os.chmod(file, 0o644)
        os.chmod(os.path.dirname(file), 0o755)
        argv = [need("tshark"), "-r", file, "-Y", 'stratoshark.device == "lo" && tcp', "-T",
                "fields", "-e", "tcp.stream", "-e", "tcp.dstport", "-e", "tcp.srcport",
                "-e", "stratoshark.redirect", "-e", "http.request.uri"]
        # For root, no plugins of one's own. Nor an installed one beside the one under test.
        env = {"HOME": home, "WIRESHARK_PLUGIN_DIR": f"{home}/none"}
        rows = [line.split("\t") for line in run_as_user(argv, env=env).stdout.splitlines()]
        asked = [row[0] for row in rows if row[4] == "/named"]
        # Others, if any, are the end of an earlier one.
        rows = [row for row in rows if row[0] in asked]
        self.assertGreater(len(rows), 6)
        for row in rows:
            self.assertIn(str(PORT), row[1:3])
            self.assertEqual(row[3], str(SIDECAR_PORT))

    def test_redirected_over_ipv6(self):
        if not self.upstream.ip6:
            self.skipTest("pods of this node have no IPv6 address")
        host = f"[{self.upstream.ip6}]"
        _, rows = self.captured("/six", host=host)
        self.assert_one_conversation(rows, "/six", host)

    def test_redirected_through_the_cgroup(self):
        _, rows = self.captured("/cgroup", "--attach", "veth")
        self.assert_one_conversation(rows, "/cgroup")

    def test_off_leaves_frames_alone(self):
        _, rows = self.captured("/off", "--mesh", "off")
        local = [row for row in rows if row["frame.interface_name"].endswith("/lo")]
        asked = [row for row in local if row["http.request.uri"]]
        answered = [row for row in local if row["http.response.code"]]
        streams = [{row["tcp.stream"] for row in half} for half in (asked, answered)]
        self.assertEqual([len(half) for half in streams], [1, 1])
        self.assertNotEqual(*streams)
        self.assertEqual([(row["ip.dst"], row["tcp.dstport"]) for row in asked],
                         [("127.0.0.1", str(SIDECAR_PORT))])

    def test_plain_leaves_the_twin_out(self):
        file, rows = self.captured("/plain", "--mesh", "plain")
        self.assert_one_conversation(rows, "/plain")
        self.assertFalse(self.encrypted(file))
        self.assertFalse(tshark_rows(file, ["frame.number"], "tls"))
        self.assertTrue([row for row in rows if not row["frame.interface_name"].endswith("/lo")])
        self.assertEqual(File(file).delivered(), len(File(file).frames))
        self.assertEqual(File(file).dropped(), 0)
        self.assertRegex(self.summary, r" 0 dropped, [1-9]\d* left out")

    def test_connection_older_than_the_capture(self):
        file = self.file()
        argv = [sys.executable, "-c", TWO_REQUESTS, self.upstream.ip, str(PORT), "/old"]
        read, write = os.pipe()
        client = self.background(in_netns(self.meshed.pid, argv), stdin=read)
        self.addCleanup(os.close, write)  # before the client is stopped: its input ends
        os.close(read)
        client.wait_stderr("answered")
        capture = self.capture("-w", file, pod=self.meshed)
        os.write(write, b"\n")
        client.wait_stderr("answered\nanswered")
        wait_until(lambda: tshark_rows(file, ["frame.number"], "http.response", complete=False),
                   "the response in the file")
        self.stop(capture)
        rows = tshark_rows(file, FIELDS, "http")
        self.assertEqual([row["http.request.uri"] for row in rows], ["/old", ""])
        self.assertEqual(rows[0]["ip.dst"], self.upstream.ip)
        self.assertEqual(len({row["tcp.stream"] for row in rows}), 1)

    def test_filters_on_what_the_application_asked_for(self):
        """In either language: both halves, and nothing else."""
        for number, filter_ in enumerate((
                f"tcp port {PORT}", f"dst host {self.upstream.ip} and tcp dst port {PORT}",
                f"tcp.port == {PORT}",
                f"ip.dst == {self.upstream.ip} && tcp.dstport == {PORT}")):
            with self.subTest(filter=filter_):
                path = f"/filter/{number}"
                file, one_way = self.file(f"{number}.pcapng"), "dst" in filter_
                capture = self.capture("-w", file, "--filter", filter_, pod=self.meshed)
                self.ask(path)
                wanted = "http.request" if one_way else "http.response"
                wait_until(lambda: tshark_rows(file, ["frame.number"], wanted, complete=False),
                           "the exchange in the file")
                self.stop(capture)
                rows = tshark_rows(file, FIELDS + ["tcp.srcport"], "tcp")
                local = [row for row in rows if row["frame.interface_name"].endswith("/lo")]
                self.assertEqual([row["http.request.uri"] for row in local
                                  if row["http.request.uri"]], [path])
                ports = {row["tcp.dstport"] for row in local} | {
                    row["tcp.srcport"] for row in local}
                self.assertNotIn(str(SIDECAR_PORT), ports)
                if one_way:
                    self.assertEqual({(row["ip.dst"], row["tcp.dstport"]) for row in rows},
                                     {(self.upstream.ip, str(PORT))})
                else:
                    self.assert_one_conversation(rows, path)
                self.assertEqual(File(file).delivered(), len(File(file).frames))

    def test_whole_exchanges(self):
        """Of each filter on one half the other, marked; whoever decides it."""
        for number, (filter_, selects) in enumerate((
                ('http.request.uri contains "/wanted"', "http.request"),
                ("http.response.code == 200", "http.response"),
                ('http.server contains "nginx"', "http.response"),
                (f'http.user_agent && tcp.port == {PORT}', "http.request"))):
            with self.subTest(filter=filter_):
                path = f"/wanted/{number}"
                file = self.file(f"{number}.pcapng")
                capture = self.capture("-w", file, "--filter", filter_, pod=self.meshed)
                self.ask(path)
                wait_until(lambda: len(tshark_rows(file, ["frame.number"], "http",
                                                   complete=False)) == 2, "the exchange")
                self.stop(capture)
                rows = self.plugin_rows(file, "http && !stratoshark.context", FIELDS)
                self.assertEqual(len(rows), 1)
                self.assertEqual(bool(rows[0]["http.response.code"]), selects == "http.response")
                rows = tshark_rows(file, FIELDS, "http")
                self.assertEqual(len({row["tcp.stream"] for row in rows}), 1)
                self.assertEqual(rows[0]["http.request.uri"], path)
                self.assertEqual(rows[0]["ip.dst"], self.upstream.ip)
                self.assertEqual(File(file).delivered(), len(File(file).frames))

    def test_a_filter_on_the_proxy_finds_nothing_that_is_shown_otherwise(self):
        file = self.file()
        capture = self.capture("-w", file, "--filter", f"tcp port {SIDECAR_PORT}", pod=self.meshed)
        for number in range(3):
            self.ask(f"/{number}")
        self.stop(capture)
        self.assertFalse(tshark_rows(file, ["frame.number"], "http"))

    def test_many_at_once(self):
        file = self.file()
        capture = self.capture("-w", file, pod=self.meshed)
        urls = [self.url(f"/many/{number}") for number in range(60)]
        argv = ["curl", "-s", "-m", "20", "-Z", "--parallel-immediate", "--parallel-max", "20",
                *urls]
        answer = self.meshed.exec("app", argv)
        self.assertEqual(len(answer.splitlines()), len(urls))
        wait_until(lambda: len(tshark_rows(file, ["frame.number"], "http.response",
                                           complete=False)) == len(urls), "all responses")
        self.stop(capture)
        rows = tshark_rows(file, FIELDS, "tcp")
        local = [row for row in rows if row["frame.interface_name"].endswith("/lo")]
        asked = {row["tcp.stream"] for row in local if row["http.request.uri"]}
        self.assertEqual(asked, {row["tcp.stream"] for row in local if row["http.response.code"]})
        self.assertFalse([row for row in local if row["tcp.dstport"] == str(SIDECAR_PORT)])
