# SPDX-License-Identifier: GPL-2.0-or-later
"""`stratoshark tls`: what the processes of a pod have for TLS; and a capture's own account of it."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import socket
import ssl

from . import tls_images
from .capture import File
from .extcap import UserHome
from .harness import Container, Image, need, program, run, unable, wait_until
from .images import libraries, source
from .tls import PLAIN, SPACE, Held, TlsTest, key_lines, needed, numbered, read
from .tls_apps import APPLICATIONS

NSS = "/usr/bin/certutil"  # of libnss3-tools


class ReportTest(TlsTest):
    def report(self, pod):
        """The rows of its processes, by command name."""
        argv = [program(), "tls", "--pod", f"{SPACE}/{pod.name}", "--format", "json"]
        rows = json.loads(run(argv).stdout)
        for row in rows:
            self.assertEqual(row["pod"], f"{SPACE}/{pod.name}")
        self.assertLessEqual({row["pid"] for row in rows}, pod.pids())
        return rows

    def of(self, pod, comm):
        rows = [row for row in self.report(pod) if row["comm"].startswith(comm[:15])]
        self.assertTrue(rows, f"no process '{comm}' is reported")
        return rows

    # Processes

    def test_nginx(self):
        """libssl and libcrypto are one row; the version is the library's own word."""
        rows = self.of(self.web, "nginx")
        said = self.web.exec("nginx", ["openssl", "version"])
        version = re.match(r"OpenSSL \d+\.\d+\.\d+", said)[0]
        self.assertEqual([row["library"] for row in rows], [version] * len(rows))
        self.assertTrue(all(row["keys"] and row["plaintext"] for row in rows), rows)
        pids = [row["pid"] for row in rows]
        self.assertEqual(pids, sorted(set(pids)))

    def test_every_process_is_reported(self):
        rows = self.of(self.web, "nginx")
        self.assertEqual({row["pid"] for row in rows}, self.web.pids() - {self.web.pid})

    def test_the_table(self):
        argv = [program(), "tls", "--pod", f"{SPACE}/{self.web.name}"]
        lines = run(argv).stdout.splitlines()
        self.assertRegex(lines[0], r"^POD +PID +COMM +LIBRARY +KEYS +PLAINTEXT")
        found = [line.split() for line in lines[1:] if " nginx " in line]
        self.assertEqual({int(words[1]) for words in found}, self.web.pids() - {self.web.pid})
        self.assertTrue(any("yes" in words for words in found))

    def test_a_process_without_tls(self):
        pod = self.pod(SPACE, "plain", [Container("web", "web")])
        (row,) = self.of(pod, "web")
        self.assertFalse(row["keys"] or row["plaintext"])
        self.assertIn("none", row["library"])

    def application(self, name):
        application = APPLICATIONS[name]
        pod, _ = self.serve(application)
        rows = self.of(pod, application.comm)
        self.assertTrue(any(row["keys"] for row in rows), rows)
        self.assertTrue(any(row["plaintext"] for row in rows), rows)
        self.assertTrue(any(application.library in row["library"] for row in rows), rows)
        return rows

    def test_versions_of_openssl(self):
        for name in ("openssl-1.1", "openssl-3.5", "openssl-3.6"):
            with self.subTest(name):
                wanted = name.removeprefix("openssl-")
                rows = self.application(name)
                self.assertTrue(any(f"OpenSSL {wanted}." in row["library"] for row in rows), rows)
                self.stop_pods("server")

    def test_openssl_on_musl(self):
        """What the static one was linked with has no words about its version."""
        for name, wanted in (("musl-shared", "OpenSSL 3.0."), ("musl-static", "OpenSSL (musl-st")):
            with self.subTest(name):
                rows = self.application(name)
                self.assertTrue(any(wanted in row["library"] for row in rows), rows)
                self.stop_pods("server")

    def stop_pods(self, *names):
        for pod in [each for each in self.node.pods if each.name in names]:
            self.node.stop_pod(pod)

    def test_go(self):
        for name in ("go-static", "go-pie", "go-cgo", "go-oldest", "go-newest"):
            with self.subTest(name):
                rows = self.application(name)
                self.assertTrue(any(re.search(r"Go go1\.\d+", row["library"]) for row in rows), rows)
                self.stop_pods("server")

    def test_node(self):
        self.application("node")

    def test_gnutls(self):
        """Nettle is the part of it that gives keys."""
        (row,) = self.application("gnutls")
        self.assertTrue(row["keys"] and row["plaintext"], row)

    def test_boringssl_without_symbols_is_believed_when_proved(self):
        (row,) = self.application("boringssl-static")
        self.assertIn("found by pattern", row["note"])
        application = APPLICATIONS["boringssl-static"]
        server = next(pod for pod in self.node.pods if pod.name == "server")
        client = self.asking(application)
        for option, what in (("--ssl-keylog", "keys"), ("--ssl-plaintext", "plaintext")):
            with self.subTest(what):
                path = self.file()
                capture = self.capture(option, "-w", path, pod=server)
                self.ask(application, client, server, numbered(3))
                capture.wait_stderr(f"{what} found by pattern, and proved")
                self.wait_shown(capture, path, numbered(3))
                self.stop(capture)

    def test_a_pattern_that_is_something_else_is_let_go(self):
        if "decoy" not in self.node.images:
            self.node.add_image(Image("decoy", sources={"/decoy": source("decoy.c")}))
        pod = self.pod(SPACE, "decoy", [Container("decoy", "decoy", command=["/decoy"])])
        (row,) = self.of(pod, "decoy")
        self.assertIn("found by pattern", row["note"])
        capture = self.capture("--ssl-keylog", "-w", self.file(), pod=pod)
        capture.wait_stderr("looked like a source of keys is none")
        self.stop(capture)

    @contextlib.contextmanager
    def waiting(self, pod):
        """A keytool that waits in its handshake: who it talks to says nothing."""
        with socket.create_server((self.node.network.gateway, 0)) as listener:
            self.keytool(pod, ":".join(map(str, listener.getsockname())), "&")
            connection, _ = listener.accept()
            with connection:
                connection.recv(1)
                yield

    def test_java_is_told_and_what_would_help(self):
        pod = self.java()
        with self.waiting(pod):
            rows = self.of(pod, "keytool")
        self.assertFalse(any(row["keys"] or row["plaintext"] for row in rows), rows)
        said = " ".join(f"{row['library']} {row.get('note')}" for row in rows)
        self.assertIn("Java", said)
        self.assertIn("JVM", said)

    def test_connections_of_java_are_counted_as_unsupported(self):
        pod, path = self.java(), self.file()
        with self.waiting(pod):
            capture = self.capture("--ssl-keylog", "-w", path, pod=pod)
            self.keytool(pod, f"{self.web.ip}:{PLAIN}")
            capture.wait_frames(path, 1, "tls.handshake.type == 2")
            capture.wait_stderr("Java")
            self.stop(capture)
        states = self.account(capture)
        self.assertNotIn("decrypted", states)
        self.assertTrue(any("unsupported" in state for state in states), states)

    def java(self):
        """A pod with a Java runtime; keytool is the TLS client every one of them has."""
        java = shutil.which("java") or unable(
            "the program 'java' is missing: apt-get install openjdk-17-jre-headless"
        )
        home = pathlib.Path(java).resolve().parents[1]
        files = {
            str(path): path.resolve()
            for folder in ("bin", "conf", "lib")
            for path in (home / folder).rglob("*")
            if path.is_file() and path.name not in ("src.zip", "ct.sym", "classes.jsa")
        }
        search = os.environ | {"LD_LIBRARY_PATH": f"{home}/lib:{home}/lib/server"}
        for path in [path for path in files if path.endswith((".so", "/bin/java"))]:
            # Those of windows and sound need what a runtime without a screen has not.
            said = run([need("ldd"), path], env=search, check=False).stdout
            for name in re.findall(r"(/\S+) \(0x", said):
                files.setdefault(name, pathlib.Path(name))
        if "java" not in self.node.images:
            self.node.add_image(Image("java", files=files, shell=True))
        self.home = home
        return self.pod(SPACE, "java", [Container("app", "java", command=tls_images.SLEEP)])

    def keytool(self, pod, address, end=""):
        command = f"{self.home}/bin/keytool -printcert -sslserver {address} >/dev/null 2>&1 {end}"
        pod.exec("app", ["sh", "-c", command], 60)

    def test_nss_is_told(self):
        """certutil waits for a password: its libraries are mapped then."""
        need(NSS)
        files = {}
        for name in ("libsoftokn3.so", "libfreebl3.so", "libfreeblpriv3.so", "libnssckbi.so"):
            for folder in ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"):
                for path in (f"{folder}/{name}", f"{folder}/nss/{name}"):
                    if os.path.exists(path):
                        files[path] = pathlib.Path(path)
                        files.update({each: pathlib.Path(each) for each in libraries(path)})
        if "nss" not in self.node.images:
            self.node.add_image(Image("nss", programs=[NSS], files=files, shell=True))
        script = "mkdir /tmp/db; certutil -N -d sql:/tmp/db -f /tmp/never-ending"
        fifo = "mkfifo /tmp/never-ending; "
        pod = self.pod(SPACE, "nss", [Container("nss", "nss", command=["sh", "-c", fifo + script])])
        wait_until(
            lambda: any("libnss3" in read(f"/proc/{pid}/maps") for pid in pod.pids()), "certutil"
        )
        rows = self.of(pod, "certutil")
        self.assertFalse(any(row["keys"] for row in rows), rows)
        self.assertIn("NSS", " ".join(row["library"] for row in rows))
        self.assertIn("SSLKEYLOGFILE", " ".join(row.get("note") or "" for row in rows))

    def test_without_ptrace_others_processes_stay_dark_and_a_sentence_says_why(self):
        home = UserHome(os.path.join(self.folder(), "home"))
        binary = home.add_program("cap_bpf,cap_net_admin,cap_perfmon,cap_sys_admin")
        path = os.path.join(home.folder, "out.pcapng")
        argv = [binary, "capture", "--pod", f"{SPACE}/nginx", "--ssl-keylog", "-w", path]
        capture = self.background(argv, user=True, env=home.environment)
        capture.wait_stderr("capturing")
        self.curl_all(numbered(3), "--http1.1")
        capture.wait_frames(path, 1, "tls.handshake.type == 2")
        self.stop(capture)
        said = [line for line in capture.stderr.splitlines() if "cap_sys_ptrace" in line]
        self.assertEqual(len(said), 1, capture.stderr)
        self.assertEqual(File(path).secrets, [])

    # What a capture says

    def account(self, capture):
        """{state: connections} of the summary, and their sum."""
        line = re.search(r"^TLS: (\d+) (?:connection|flow)s?: (.*)$", capture.stderr, re.M)
        self.assertTrue(line, capture.stderr)
        states = {
            state: int(number)
            for number, state in re.findall(r"(\d+) ([a-z ]+)", line[2].partition(";")[0])
        }
        self.assertEqual(int(line[1]), sum(states.values()), capture.stderr)
        return states

    def test_libraries_are_said_before_the_capture_begins(self):
        capture = self.capture("--ssl-keylog", "-w", self.file())
        before = capture.stderr.partition("capturing")[0]
        self.stop(capture)
        self.assertRegex(before, r"TLS: .*OpenSSL")

    def test_decrypted_and_missed_connections_are_counted(self):
        held = Held(self.web.ip, PLAIN)
        self.addCleanup(held.close)
        held.get("/n/before")
        path, log = self.file(), self.file("own.keys")
        capture = self.capture("--ssl-keylog", "--keylog-file", log, "-w", path)
        held.get("/n/held")
        self.curl_all(numbered(10), "--http1.1", "-H", "Connection: close")
        capture.wait(lambda: len(needed(key_lines(read(log)))) >= 40, "the keys of ten")
        capture.wait_frames(path, 11, "tcp.flags.fin == 1 || tls.app_data")
        self.stop(capture)
        states = self.account(capture)
        self.assertEqual(states["decrypted"], 10)
        missed = sum(count for state, count in states.items() if "missed" in state)
        self.assertEqual(missed, 1, states)

    def test_plaintext_connections_are_counted(self):
        path = self.file()
        capture = self.capture("--ssl-plaintext", "-w", path)
        self.curl_all(numbered(10), "--http1.1", "-H", "Connection: close")
        self.wait_shown(capture, path, numbered(10))
        self.stop(capture)
        states = self.account(capture)
        self.assertEqual(sum(n for state, n in states.items() if "plaintext" in state), 10, states)

    def test_a_server_that_is_no_tls_library(self):
        """A ClientHello to a port where nothing speaks TLS is counted, and is not decrypted."""
        path = self.file()
        capture = self.capture("--ssl-keylog", "-w", path, pod=self.plain())
        address = (self.plain_pod.ip, 8080)
        with socket.create_connection(address, 10) as connection:
            connection.sendall(self.client_hello())
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass
        # Stock tshark takes what is on this port for HTTP, so its bytes tell.
        capture.wait_frames(path, 1, "tcp.payload[0:3] == 16:03:01")
        self.stop(capture)
        self.assertEqual(File(path).secrets, [])
        line = re.search(r"^TLS: .*$", capture.stderr, re.M)
        self.assertNotIn(" decrypted", line[0] if line else "")

    def plain(self):
        self.plain_pod = self.pod(SPACE, "plain", [Container("web", "web")])
        wait_until(lambda: self.answers(self.plain_pod.ip, 8080), "the web server")
        return self.plain_pod

    @staticmethod
    def answers(address, port):
        try:
            socket.create_connection((address, port), 2).close()
            return True
        except OSError:
            return False

    @staticmethod
    def client_hello():
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        connection = context.wrap_bio(incoming, outgoing)
        try:
            connection.do_handshake()
        except ssl.SSLWantReadError:
            pass
        return outgoing.read()
