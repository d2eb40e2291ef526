#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The TLS programs on real libraries, as root: what probe-test prints of clients and servers in a
cgroup, compared with the key logs and the bytes that these write themselves.
STRATOCAP_PROBE_TEST names the program."""

import json
import os
import re
import socket
import struct
import subprocess
import tempfile
import threading
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../.."))

from tests.node import tls_images  # noqa: E402

PROBE_TEST = os.environ.get("STRATOCAP_PROBE_TEST",
                            os.path.join(HERE, "../../build/tests/tls/probe-test"))


def enumeration():
    """Names of enum ss_tls_function -> numbers, from the header itself."""
    with open(os.path.join(HERE, "../../format/tls.h"), encoding="utf-8") as file:
        body = re.search(r"enum ss_tls_function \{(.*?)\}", file.read(), re.S).group(1)
    body = re.sub(r"/\*.*?\*/", "", body, flags=re.S)
    names = [name.strip() for name in body.split(",") if name.strip()]
    return {name.replace("SS_TLS_", ""): number for number, name in enumerate(names)}


FUNCTIONS = enumeration()
FLAGS = {"SSL_write_ex2": ":2"} # SS_TLS_POINT_WRITE_EX2


def cgroup_root():
    with open("/proc/self/mounts", encoding="utf-8") as file:
        for line in file:
            fields = line.split()
            if fields[2] == "cgroup2":
                return fields[1]
    raise unittest.SkipTest("no cgroup v2")


def file_offsets(path):
    """Symbol -> offset in the file, of the functions in both symbol tables."""
    headers = subprocess.run(["readelf", "-lW", path], capture_output=True, text=True, check=True)
    segments = [tuple(int(word, 16) for word in line.split()[1:5])
                for line in headers.stdout.splitlines() if line.strip().startswith("LOAD")]
    table = subprocess.run(["readelf", "-sW", path], capture_output=True, text=True, check=True)
    symbols = {}
    for line in table.stdout.splitlines():
        fields = line.split()
        if len(fields) < 8 or fields[3] != "FUNC" or fields[6] == "UND":
            continue
        address = int(fields[1], 16)
        for offset, virtual, _, size in segments:
            if virtual <= address < virtual + size:
                symbols[fields[7].split("@")[0]] = address - virtual + offset
    return symbols


def library_of(program, name):
    """The file that a program loads under this name."""
    done = subprocess.run(["ldd", program], capture_output=True, text=True, check=True)
    return os.path.realpath(re.search(rf"{name}\S* => (\S+)", done.stdout).group(1))


def points(path, wanted):
    """(function, symbol)s -> arguments of probe-test; what the file lacks is left out."""
    symbols = file_offsets(path)
    return ["--file", path] + [f"{FUNCTIONS[function]}:{symbols[symbol]}" + FLAGS.get(symbol, "")
                               for function, symbol in wanted if symbol in symbols]


OPENSSL_KEYS = [("EVP_KDF_DERIVE", "EVP_KDF_derive")]
OPENSSL_1_1_KEYS = [("EVP_PKEY_CTX_CTRL", "EVP_PKEY_CTX_ctrl"),
                    ("EVP_PKEY_DERIVE", "EVP_PKEY_derive")]
GNUTLS_KEYS = [("NETTLE_HKDF_EXPAND", "nettle_hkdf_expand")]
GNUTLS_PLAINTEXT = [("GNUTLS_SEND", "gnutls_record_send"), ("GNUTLS_SEND", "gnutls_record_send2"),
                    ("GNUTLS_RECV", "gnutls_record_recv"), ("GNUTLS_DEINIT", "gnutls_deinit")]

OPENSSL_PLAINTEXT = [
    ("SSL_READ", "SSL_read"), ("SSL_READ_EX", "SSL_read_ex"), ("SSL_WRITE", "SSL_write"),
    ("SSL_WRITE_EX", "SSL_write_ex"), ("SSL_WRITE_EX", "SSL_write_ex2"),
    ("SSL_READ_EARLY_DATA", "SSL_read_early_data"),
    ("SSL_WRITE_EARLY_DATA", "SSL_write_early_data"), ("SSL_HANDSHAKE", "SSL_do_handshake"),
    ("SSL_HANDSHAKE", "SSL_connect"), ("SSL_HANDSHAKE", "SSL_accept"), ("SSL_FREE", "SSL_free"),
    ("SSL_FREE", "SSL_clear"), ("SSL_SHUTDOWN", "SSL_shutdown")]

SECRETS = {"c hs traffic": "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
           "s hs traffic": "SERVER_HANDSHAKE_TRAFFIC_SECRET",
           "c ap traffic": "CLIENT_TRAFFIC_SECRET_0", "s ap traffic": "SERVER_TRAFFIC_SECRET_0",
           "exp master": "EXPORTER_SECRET", "c e traffic": "CLIENT_EARLY_TRAFFIC_SECRET",
           "e exp master": "EARLY_EXPORTER_SECRET"}


def key_log(path):
    """{(label, secret)} of an NSS key log."""
    with open(path, encoding="utf-8") as file:
        lines = [line.split() for line in file if line.strip() and not line.startswith("#")]
    return {(label, secret) for label, _, secret in lines}


def derived(records):
    """{(key log label, secret)} of what the KDF records say."""
    found = set()
    for record in records:
        if record["type"] != "kdf":
            continue
        label = bytes.fromhex(record["label"]).decode("latin-1")
        if record["kind"] == 2 and label in SECRETS:
            found.add((SECRETS[label], record["out"]))
        context = bytes.fromhex(record["context"])
        if record["kind"] == 3 and (context.startswith(b"master secret") or
                                    context.startswith(b"extended master secret")):
            found.add(("CLIENT_RANDOM", record["out"]))
    return found


def streams(records):
    """{(pid, connection, write): bytes}; asserts that positions have no hole."""
    found = {}
    for record in records:
        if record["type"] != "data":
            continue
        key = record["pid"], record["connection"], record["write"]
        stream = found.setdefault(key, bytearray())
        assert record["position"] == len(stream), record
        assert record["lost"] == 0, record
        stream.extend(bytes.fromhex(record["data"]))
    return {key: bytes(value) for key, value in found.items()}


def sent(body):
    """What echo.py's client writes for it."""
    return len(body).to_bytes(8, "big") + body


def tuples(records):
    """{(local port, remote address, remote port)} of data records."""
    return {(record["local"][1], *record["remote"]) for record in records
            if record["type"] == "data"}


def tell_apart(records):
    """Another connection may get the address of one that was freed: connection becomes a pair."""
    lives = {}
    for record in records:
        if "connection" not in record:
            continue
        key = record["pid"], record["connection"]
        record["connection"] = record["connection"], lives.get(key, 0)
        if record.get("freed"):
            lives[key] = lives.get(key, 0) + 1


class Probe:
    """A running probe-test; records() ends it."""

    def __init__(self, options, cgroup, files, prefix=()):
        command = [*prefix, PROBE_TEST, *options, "--cgroup", cgroup, *files]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(self.process.communicate()[1])
        self.lines = []
        self.thread = threading.Thread(target=lambda: self.lines.extend(self.process.stdout))
        self.thread.start()

    def records(self):
        self.process.stdin.close()
        self.thread.join(60)
        self.process.stdout.close()
        self.errors = self.process.stderr.read()
        self.process.stderr.close()
        self.process.wait(60)
        decoded = [json.loads(line) for line in self.lines]
        self.counters = decoded.pop()
        tell_apart(decoded)
        return decoded


class ProbeCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("needs root")

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="stratoshark-tls-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        pod = os.path.join(cgroup_root(), f"stratoshark-tls-{os.getpid()}")
        self.pod = pod
        self.container = os.path.join(pod, "container")
        os.makedirs(self.container)
        self.addCleanup(self.remove_cgroup)
        self.certificate = os.path.join(self.folder, "certificate.pem")
        self.key = os.path.join(self.folder, "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost", "-keyout", self.key,
                        "-out", self.certificate], check=True, capture_output=True)

    def remove_cgroup(self):
        for path in (self.container, self.pod):
            for _ in range(100):
                try:
                    os.rmdir(path)
                    break
                except OSError:
                    time.sleep(0.05)

    def start(self, *command, inside=True, **keywords):
        """A process in the pod, killed at the end."""
        def enter():
            with open(os.path.join(self.container, "cgroup.procs"), "w", encoding="utf-8") as file:
                file.write("0")
        process = subprocess.Popen(command, preexec_fn=enter if inside else None,
                                   stdin=keywords.pop("stdin", subprocess.DEVNULL),
                                   stdout=keywords.pop("stdout", subprocess.DEVNULL),
                                   stderr=keywords.pop("stderr", subprocess.DEVNULL), **keywords)
        self.addCleanup(self.stop, process)
        return process

    @staticmethod
    def stop(process):
        process.kill()
        process.communicate()

    def free_port(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    def wait_for_port(self, port):
        """Until somebody listens there, without connecting."""
        needle = f":{port:04X} 00000000:0000 0A"
        needle6 = f":{port:04X} {'0' * 32}:0000 0A"
        for _ in range(500):
            for name, text in (("tcp", needle), ("tcp6", needle6)):
                with open(f"/proc/net/{name}", encoding="utf-8") as file:
                    if text in file.read():
                        return
            time.sleep(0.02)
        self.fail(f"nobody listens on port {port}")

    def probe(self, options, files, **keywords):
        probe = Probe(options, self.pod, files, **keywords)
        self.addCleanup(probe.process.kill)
        return probe

    def openssl_exchange(self, *client, server=(), inside_server=False, inside_client=True,
                         port=None, request=b"GET / HTTP/1.0\r\n\r\n", program=("openssl",),
                         **keywords):
        """s_client against s_server -www. Returns the key log's path and what came back."""
        port = port or self.free_port()
        keys = os.path.join(self.folder, f"keys-{port}")
        serving = self.start(*program, "s_server", "-accept", str(port), "-cert",
                             self.certificate, "-key", self.key, "-www", "-quiet", *server,
                             inside=inside_server, **keywords)
        self.wait_for_port(port)
        connecting = self.start(*program, "s_client", "-connect", f"127.0.0.1:{port}", "-quiet",
                                "-ign_eof", "-keylogfile", keys, *client, inside=inside_client,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, **keywords)
        answer = connecting.communicate(request, timeout=30)[0]
        serving.terminate()
        serving.wait(10)
        return keys, answer


class OpenSSLTest(ProbeCase):
    def setUp(self):
        super().setUp()
        program = subprocess.run(["which", "openssl"], capture_output=True, text=True,
                                 check=True).stdout.strip()
        self.libssl = library_of(program, "libssl.so")
        self.libcrypto = library_of(program, "libcrypto.so")

    def assert_secrets(self, version, expected, **where):
        probe = self.probe(["--keys"], points(self.libcrypto, OPENSSL_KEYS))
        keys, answer = self.openssl_exchange(version, **where)
        records = probe.records()
        self.assertIn(b"HTTP/1.0 200", answer)
        logged = key_log(keys)
        self.assertEqual(len(logged), expected)
        self.assertEqual(derived(records), logged)
        self.assertEqual(probe.counters["ring_full"], 0)
        return records

    def test_secrets_of_a_tls13_client(self):
        records = self.assert_secrets("-tls1_3", 5)
        self.assertEqual({record["comm"] for record in records}, {"openssl"})
        self.assertEqual({record["cgroup"] for record in records}, {os.stat(self.pod).st_ino})
        self.assertEqual({record["library"] for record in records if record["type"] == "kdf"},
                         {1})

    def test_secrets_of_a_tls13_server(self):
        self.assert_secrets("-tls1_3", 5, inside_server=True, inside_client=False)

    def test_secrets_of_a_tls12_client(self):
        self.assert_secrets("-tls1_2", 1)

    def test_the_key_schedule_is_complete(self):
        records = self.assert_secrets("-tls1_3", 5)
        kdfs = [record for record in records if record["type"] == "kdf"]
        handshake = [r for r in kdfs if r["kind"] == 1 and r["salt"]]
        traffic = {bytes.fromhex(r["label"]).decode(): r for r in kdfs if r["kind"] == 2}
        secrets = {r["out"] for r in handshake}
        self.assertIn(traffic["c hs traffic"]["key"], secrets)
        self.assertIn(traffic["s ap traffic"]["key"], secrets)
        self.assertIn(traffic["c hs traffic"]["key"], {r["salt"] for r in handshake})
        self.assertEqual(len(traffic["c hs traffic"]["context"]), 96)
        self.assertNotIn("key", traffic)

    def test_other_derivations_are_not_told(self):
        probe = self.probe(["--keys"], points(self.libcrypto, OPENSSL_KEYS))
        for name, options in (("HKDF", ("digest:SHA256", "key:secret", "salt:salt", "info:label")),
                              ("HKDF", ("digest:SHA256", "key:secret", "mode:EXTRACT_ONLY")),
                              ("X963KDF", ("digest:SHA256", "secret:secret", "info:label"))):
            command = ["openssl", "kdf", "-keylen", "32"]
            for option in options:
                command += ["-kdfopt", option]
            self.assertEqual(self.start(*command, name).wait(10), 0)
        self.assertEqual({record["type"] for record in probe.records()}, {"exec", "exit"})

    def test_other_cgroups_are_not_heard(self):
        probe = self.probe(["--keys"], points(self.libcrypto, OPENSSL_KEYS))
        self.openssl_exchange("-tls1_3", inside_client=False)
        self.assertEqual(probe.records(), [])

    def test_secrets_by_perf_events(self):
        probe = self.probe(["--keys", "--perf-events"], points(self.libcrypto, OPENSSL_KEYS))
        keys, _ = self.openssl_exchange("-tls1_3")
        self.assertEqual(derived(probe.records()), key_log(keys))

    def test_plaintext_of_a_client(self):
        probe = self.probe(["--plaintext"], points(self.libssl, OPENSSL_PLAINTEXT))
        port = self.free_port()
        _, answer = self.openssl_exchange("-tls1_3", port=port)
        records = probe.records()
        found = streams(records)
        self.assertEqual({write: data for (_, _, write), data in found.items()},
                         {0: answer, 1: b"GET / HTTP/1.0\r\n\r\n"})
        self.assertEqual({record["state"] for record in records if record["type"] == "data"}, {1})
        (local, address, remote), = tuples(records)
        self.assertEqual((address, remote), ("::ffff:127.0.0.1", port))
        self.assertGreater(local, 1023)
        closes = [record["freed"] for record in records if record["type"] == "close"]
        self.assertEqual(closes[-1], 1)
        with open("/proc/self/ns/net", encoding="utf-8"):
            self.assertEqual({record["netns"] for record in records if record["type"] == "data"},
                             {os.stat("/proc/self/ns/net").st_ino})

    def test_early_data(self):
        """Of a session that is resumed: both ends, and the client's early secrets."""
        port = self.free_port()
        server = self.start("openssl", "s_server", "-accept", str(port), "-cert", self.certificate,
                            "-key", self.key, "-early_data", "-tls1_3", stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE)
        self.wait_for_port(port)
        early, session, keys = (os.path.join(self.folder, name)
                                for name in ("early", "session", "keys"))
        with open(early, "wb") as file:
            file.write(b"early bytes")

        def connect(done, *options):
            client = self.start("openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_3",
                                *options, stdin=subprocess.PIPE)
            for _ in range(500):
                if done():
                    break
                time.sleep(0.02)
            client.communicate(b"Q\n", timeout=10)

        def has_logged():
            return os.path.exists(keys) and len(key_log(keys)) == 7

        connect(lambda: os.path.exists(session) and os.path.getsize(session), "-sess_out", session)
        probe = self.probe(["--keys", "--plaintext"],
                           points(self.libssl, OPENSSL_PLAINTEXT) +
                           points(self.libcrypto, OPENSSL_KEYS))
        connect(has_logged, "-sess_in", session, "-early_data", early, "-keylogfile", keys)
        server.terminate()
        server.communicate(timeout=10)
        records = probe.records()
        self.assertEqual([(write, data) for (_, _, write), data
                          in sorted(streams(records).items(), key=lambda item: item[0][2])
                          if data.startswith(b"early")],
                         [(0, b"early bytes"), (1, b"early bytes")])
        self.assertEqual(derived(records), key_log(keys))
        self.assertIn("CLIENT_EARLY_TRAFFIC_SECRET", dict(key_log(keys)))

    def test_two_capabilities_are_enough(self):
        capabilities = "-all,+bpf,+perfmon"
        limited = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                   f"--inh-caps={capabilities}", f"--ambient-caps={capabilities}",
                   f"--bounding-set={capabilities}"]
        probe = self.probe(["--keys", "--plaintext"],
                           points(self.libcrypto, OPENSSL_KEYS) +
                           points(self.libssl, OPENSSL_PLAINTEXT), prefix=limited)
        keys, answer = self.openssl_exchange("-tls1_3")
        records = probe.records()
        self.assertEqual(derived(records), key_log(keys))
        self.assertIn(answer, streams(records).values())

    def test_without_return_probes_there_is_nothing_of_openssl(self):
        probe = self.probe(["--keys", "--plaintext", "--no-return-probes"],
                           points(self.libcrypto, OPENSSL_KEYS) +
                           points(self.libssl, OPENSSL_PLAINTEXT))
        self.openssl_exchange("-tls1_3")
        self.assertEqual({record["type"] for record in probe.records()}, {"exec", "exit"})

    def test_plaintext_by_perf_events(self):
        probe = self.probe(["--plaintext", "--perf-events"],
                           points(self.libssl, OPENSSL_PLAINTEXT))
        _, answer = self.openssl_exchange("-tls1_3")
        self.assertIn(answer, streams(probe.records()).values())

    def exchange_in_python(self, body, inside_server=False, mode="threads"):
        """A Python client sends body and reads its echo back."""
        script = os.path.join(HERE, "echo.py")
        port = self.free_port()
        server = self.start("/usr/bin/python3", script, mode, "server", str(port),
                            self.certificate, self.key, inside=inside_server)
        self.wait_for_port(port)
        path = os.path.join(self.folder, "body")
        with open(path, "wb") as file:
            file.write(body)
        client = self.start("/usr/bin/python3", script, mode, "client", str(port), path,
                            self.certificate, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        output, errors = client.communicate(timeout=60)
        self.assertEqual(client.returncode, 0, errors)
        server.kill()
        server.wait()
        return port, output

    def python_probe(self, *options):
        module = subprocess.run(["/usr/bin/python3", "-c", "import _ssl; print(_ssl.__file__)"],
                                capture_output=True, text=True, check=True).stdout.strip()
        return self.probe(["--plaintext", *options],
                          points(library_of(module, "libssl.so"), OPENSSL_PLAINTEXT) +
                          points(library_of(module, "libcrypto.so"), [("BIO_WRITE", "BIO_write")]))

    def test_both_ends_say_the_same(self):
        probe = self.python_probe()
        self.exchange_in_python(b"hello", inside_server=True)
        records = probe.records()
        ends = {}
        for (pid, _, write), data in streams(records).items():
            ends.setdefault(pid, {})[write] = data
        first, second = ends.values()
        self.assertEqual((first[0], first[1]), (second[1], second[0]))
        self.assertEqual(len({frozenset((local, remote)) for local, _, remote
                              in tuples(records)}), 1)

    def test_sockets_of_memory_bios(self):
        """asyncio never lets the library see a socket; three connections at once."""
        self.assert_sockets_of_memory_bios(self.python_probe())

    def test_sockets_of_memory_bios_after_a_while(self):
        """BIO_write is not probed any more when nobody has needed it for 10 seconds."""
        probe = self.python_probe()
        time.sleep(11)
        self.assert_sockets_of_memory_bios(probe)

    def assert_sockets_of_memory_bios(self, probe):
        body = os.urandom(30000)
        port, output = self.exchange_in_python(body, mode="asyncio")
        ports = dict(line.split() for line in output.decode().splitlines())
        records = probe.records()
        self.assertEqual({record["state"] for record in records if record["type"] == "data"}, {1})
        local = {record["connection"]: record["local"][1] for record in records
                 if record["type"] == "data"}
        found = {(local[connection], write): data
                 for (_, connection, write), data in streams(records).items()}
        expected = {}
        for number, port_here in ports.items():
            mine = body + number.encode()
            expected[int(port_here), 0], expected[int(port_here), 1] = mine, sent(mine)
        self.assertEqual(found, expected)
        self.assertEqual({remote for _, _, remote in tuples(records)}, {port})

    def test_plaintext_of_a_large_call(self):
        body = os.urandom(20_000_000)
        probe = self.python_probe("--budget", str(32 << 20), "--ring", str(64 << 20))
        self.exchange_in_python(body)
        records = probe.records()
        found = streams(records)
        self.assertEqual({write: data for (_, _, write), data in found.items()},
                         {0: body, 1: sent(body)})
        self.assertEqual(probe.counters["lost_bytes"], 0)

    def test_what_is_over_the_budget_is_said_to_be_lost(self):
        body = os.urandom(1_000_000)
        probe = self.python_probe("--budget", "65536")
        self.exchange_in_python(body)
        written = [record for record in probe.records()
                   if record["type"] == "data" and record["write"]]
        self.assertEqual(b"".join(bytes.fromhex(record["data"]) for record in written),
                         sent(body)[:8 + 65536])
        self.assertEqual([record["lost"] for record in written], [0, 0, 0, 0, 1_000_000 - 65536])
        self.assertGreaterEqual(probe.counters["lost_bytes"], 1_000_000 - 65536)

    def test_a_full_ring_leaves_holes_in_positions(self):
        body = os.urandom(2_000_000)
        probe = self.python_probe("--ring", "65536")
        self.exchange_in_python(body)
        written = [record for record in probe.records()
                   if record["type"] == "data" and record["write"]]
        self.assertGreater(probe.counters["ring_full"], 0)
        self.assertGreater(probe.counters["lost_bytes"], 0)
        for record in written:
            data = bytes.fromhex(record["data"])
            begin = record["position"]
            self.assertEqual(data, sent(body)[begin:begin + len(data)])


class OtherOpenSSLTest(ProbeCase):
    """Roots of file systems with another OpenSSL, in STRATOCAP_OPENSSL_ROOTS (separated by
    colons)."""

    def libraries(self):
        """(program, environment, libssl, libcrypto) of each."""
        for root in filter(None, os.environ.get("STRATOCAP_OPENSSL_ROOTS", "").split(":")):
            folder = os.path.join(root, "usr/lib/x86_64-linux-gnu")
            names = sorted(os.listdir(folder))
            libssl, libcrypto = (next(os.path.join(folder, name) for name in names
                                      if name.startswith(start))
                                 for start in ("libssl.so.", "libcrypto.so."))
            loader = os.path.join(folder, "ld-linux-x86-64.so.2")
            program = os.path.join(root, "usr/bin/openssl")
            command = (loader, "--library-path", folder, program)
            if not os.path.exists(loader) or libssl.endswith("1.1"):
                command = (program,)
            yield command, {"env": {"OPENSSL_CONF": "/dev/null", "LD_LIBRARY_PATH": folder}
                            if len(command) == 1 else {"OPENSSL_CONF": "/dev/null"}}, \
                libssl, libcrypto

    def test_secrets(self):
        for program, environment, _, libcrypto in self.libraries():
            wanted = OPENSSL_1_1_KEYS if libcrypto.endswith("1.1") else OPENSSL_KEYS
            for version, expected in (("-tls1_3", 5), ("-tls1_2", 1)):
                for server in (False, True):
                    with self.subTest(libcrypto=libcrypto, version=version, server=server):
                        probe = self.probe(["--keys"], points(libcrypto, wanted))
                        keys, _ = self.openssl_exchange(version, inside_server=server,
                                                        inside_client=not server, program=program,
                                                        **environment)
                        found, logged = derived(probe.records()), key_log(keys)
                        self.assertEqual(len(logged), expected)
                        self.assertEqual(found, logged)

    def test_plaintext(self):
        for program, environment, libssl, _ in self.libraries():
            with self.subTest(libssl=libssl):
                probe = self.probe(["--plaintext"], points(libssl, OPENSSL_PLAINTEXT))
                port = self.free_port()
                _, answer = self.openssl_exchange("-tls1_3", port=port, program=program,
                                                  **environment)
                records = probe.records()
                self.assertEqual({write: data for (_, _, write), data in streams(records).items()},
                                 {0: answer, 1: b"GET / HTTP/1.0\r\n\r\n"})
                self.assertEqual({remote for _, _, remote in tuples(records)}, {port})


class GnuTLSTest(ProbeCase):
    def setUp(self):
        super().setUp()
        self.libgnutls = library_of("/usr/bin/gnutls-cli", "libgnutls.so")
        self.libnettle = library_of(self.libgnutls, "libnettle.so")

    def exchange(self, inside_server=False, inside_client=True):
        """gnutls-cli against gnutls-serv --echo. Returns the port and the client's key log."""
        port = self.free_port()
        keys = os.path.join(self.folder, f"keys-{port}")
        self.start("gnutls-serv", "--echo", "--port", str(port), "--x509certfile",
                   self.certificate, "--x509keyfile", self.key, inside=inside_server)
        self.wait_for_port(port)
        client = self.start("gnutls-cli", "--insecure", "--no-ca-verification", "--port",
                            str(port), "localhost", inside=inside_client, stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, env={**os.environ, "SSLKEYLOGFILE": keys})
        client.stdin.write(b"hello over gnutls\n")
        client.stdin.flush()
        for line in client.stdout:
            if line == b"hello over gnutls\n":
                break
        client.communicate(timeout=30)
        return port, keys

    def test_secrets(self):
        for server in (False, True):
            with self.subTest(server=server):
                probe = self.probe(["--keys"], points(self.libnettle, GNUTLS_KEYS))
                _, keys = self.exchange(inside_server=server, inside_client=not server)
                records = probe.records()
                logged = {(label, secret) for label, secret in key_log(keys)
                          if label != "CLIENT_RANDOM"}
                self.assertGreaterEqual(len(logged), 4)
                self.assertLessEqual(logged, derived(records))
                by_label = {bytes.fromhex(record["label"]).decode(): record["key"]
                            for record in records if record["type"] == "kdf"}
                self.assertEqual(by_label["c hs traffic"], by_label["s hs traffic"])
                self.assertEqual(by_label["c ap traffic"], by_label["s ap traffic"])
                self.assertNotEqual(by_label["c hs traffic"], by_label["c ap traffic"])

    def test_plaintext(self):
        probe = self.probe(["--plaintext"], points(self.libgnutls, GNUTLS_PLAINTEXT))
        port, _ = self.exchange()
        records = probe.records()
        self.assertEqual({write: data for (_, _, write), data in streams(records).items()},
                         {0: b"hello over gnutls\n", 1: b"hello over gnutls\n"})
        self.assertEqual({remote for _, _, remote in tuples(records)}, {port})
        self.assertEqual([record["freed"] for record in records if record["type"] == "close"], [1])


class BoringSSLTest(ProbeCase):
    def test_secrets_by_the_key_derivation(self):
        """HKDF_expand() is exported, here by Debian's shared library; AWS-LC has the same."""
        folder = tls_images.boringssl_folder()
        program = os.path.join(folder, "boringssl-shared")
        own = {os.path.basename(path): path for path in tls_images.boringssl.libraries(folder).values()}
        libcrypto = own["libcrypto.so.0"]
        environment = {**os.environ, "LD_LIBRARY_PATH": os.path.dirname(libcrypto)}
        port, keys = self.free_port(), os.path.join(self.folder, "keys")
        self.start("openssl", "s_server", "-accept", str(port), "-cert", self.certificate, "-key",
                   self.key, "-WWW", "-quiet", inside=False)
        self.wait_for_port(port)
        probe = self.probe(["--keys"], points(libcrypto, [("HKDF_EXPAND", "HKDF_expand")]))
        # s_server knows no such page, and says so by hanging up: the handshake is what is wanted.
        self.start(program, "get", "127.0.0.1", str(port), "/none",
                   env={**environment, "SSLKEYLOGFILE": keys}).wait(30)
        logged = {pair for pair in key_log(keys)}
        self.assertEqual(len(logged), 5)
        self.assertLessEqual(logged, derived(probe.records()))


class ProcessTest(ProbeCase):
    def test_programs_that_begin_and_end_are_told(self):
        probe = self.probe(["--keys"], [])
        process = self.start("/bin/sh", "-c", "/bin/true; exec /bin/sleep 0.1")
        process.wait(10)
        self.start("/bin/true", inside=False).wait(10)
        told = [(record["type"], record["comm"]) for record in probe.records()]
        self.assertEqual(told, [("exec", "sh"), ("exec", "true"), ("exit", "true"),
                                ("exec", "sleep"), ("exit", "sleep")])

    def test_a_process_ends_with_its_last_thread(self):
        probe = self.probe(["--keys"], [])
        script = "import threading, time; [threading.Thread(target=time.sleep, args=(0.1,))" \
                 ".start() for _ in range(4)]"
        process = self.start("/usr/bin/python3", "-c", script)
        process.wait(10)
        exits = [record for record in probe.records() if record["type"] == "exit"]
        self.assertEqual([record["pid"] for record in exits], [process.pid])


class HostileTest(ProbeCase):
    def test_lengths_and_pointers_that_make_no_sense(self):
        """Nothing is copied that is not there, and what comes after is heard."""
        program = os.path.join(self.folder, "hostile")
        subprocess.run(["gcc", "-O1", "-w", "-o", program, os.path.join(HERE, "hostile.c")],
                       check=True)
        budget = 65536
        probe = self.probe(["--keys", "--plaintext", "--budget", str(budget)],
                           points(program, OPENSSL_PLAINTEXT + OPENSSL_KEYS))
        process = self.start(program)
        self.assertEqual(process.wait(30), 0)
        records = probe.records()
        self.assertEqual(probe.process.returncode, 0, probe.errors)
        data = [record for record in records if record["type"] == "data"]
        self.assertEqual(bytes.fromhex(data[-1]["data"]), b"the end")
        # The only memory that can be read: a page of zeros.
        for record in data[:-1]:
            self.assertEqual(record["data"].strip("0"), "")
            self.assertLessEqual(len(record["data"]) // 2, 4096)
        for record in records:
            if record["type"] == "kdf":
                self.assertFalse(any(bytes.fromhex(record["out"])), record)


class NodeTest(ProbeCase):
    """OpenSSL inside the program, its sockets served by an event loop."""

    def start_echo(self):
        process = self.start("node", os.path.join(HERE, "echo.js"), self.certificate, self.key,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        output, errors = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 0, errors)
        return dict(map(int, line.split()) for line in output.splitlines())

    def setUp(self):
        super().setUp()
        self.program = subprocess.run(["node", "-p", "process.execPath"], capture_output=True,
                                      text=True, check=True).stdout.strip()
        if "SSL_read" not in file_offsets(self.program):
            self.program = library_of(self.program, "libssl.so")
        wanted = OPENSSL_PLAINTEXT + [("BIO_WRITE", "BIO_write")]
        self.points = points(self.program, wanted)
        if self.program.endswith("node"):
            return
        self.points += points(library_of(self.program, "libcrypto.so"), wanted)

    def test_plaintext(self):
        probe = self.probe(["--plaintext"], self.points)
        ports = self.start_echo()
        records = probe.records()
        local = {record["connection"]: (record["local"][1], record["remote"][1])
                 for record in records if record["type"] == "data"}
        found = {(*local[connection], write): data
                 for (_, connection, write), data in streams(records).items()}
        for number, port in ports.items():
            body = f"{number}:".encode() * 3000
            self.assertEqual({(port == here, write): data for (here, there, write), data
                              in found.items() if port in (here, there)},
                             {(client, write): body for client in (True, False)
                              for write in (0, 1)})
        self.assertEqual({record["state"] for record in records if record["type"] == "data"}, {1})


class GoTest(ProbeCase):
    FUNCTIONS = {"GO_KEYLOG": r"crypto/tls.\(\*Config\).writeKeyLog",
                 "GO_READ": r"crypto/tls.\(\*Conn\).Read", "GO_WRITE": r"crypto/tls.\(\*Conn\).Write",
                 "GO_CLOSE": r"crypto/tls.\(\*Conn\).Close"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = tempfile.TemporaryDirectory(prefix="stratoshark-go-")
        cls.addClassCleanup(folder.cleanup)
        cls.program = os.path.join(folder.name, "echo")
        environment = {**os.environ, "GO111MODULE": "off", "GOCACHE": folder.name,
                       "GOFLAGS": ""}
        subprocess.run(["go", "build", "-o", cls.program, os.path.join(HERE, "echo.go")],
                       check=True, env=environment)
        cls.points = ["--file", cls.program]
        offsets = file_offsets(cls.program)
        for function, pattern in cls.FUNCTIONS.items():
            entry = offsets[pattern.replace("\\", "")]
            cls.points.append(f"{FUNCTIONS[function]}:{entry}")
            if function + "_RET" in FUNCTIONS:
                listing = subprocess.run(["go", "tool", "objdump", "-s", f"^{pattern}$",
                                          cls.program], capture_output=True, text=True, check=True)
                lines = [line.split() for line in listing.stdout.splitlines()[1:]]
                base = int(lines[0][1], 16)
                cls.points += [f"{FUNCTIONS[function + '_RET']}:{entry + int(line[1], 16) - base}"
                               for line in lines if line[3] == "RET"]

    def run_echo(self, *arguments):
        """Returns {number: client's port} and the key log."""
        keys = os.path.join(self.folder, "keys")
        process = self.start(self.program, self.certificate, self.key, keys, *arguments,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        output, errors = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 0, errors)
        return {int(line.split()[0]): int(line.split()[1]) for line in output.splitlines()}, keys

    def test_secrets(self):
        probe = self.probe(["--keys"], self.points)
        _, keys = self.run_echo()
        labelled = [record for record in probe.records() if record["type"] == "labelled"]
        with open(keys, encoding="utf-8") as file:
            logged = {tuple(line.split()) for line in file}
        found = {(bytes.fromhex(record["label"]).decode(), record["random"], record["secret"])
                 for record in labelled}
        self.assertEqual(len(logged), 16)
        self.assertEqual(found, logged) # what the server says equals what the client says

    def assert_plaintext(self, *arguments):
        probe = self.probe(["--plaintext"], self.points)
        ports, _ = self.run_echo(*arguments)
        records = probe.records()
        self.assertEqual({record["state"] for record in records if record["type"] == "data"}, {1})
        bodies = {}
        by_stream = streams(records)
        for record in records:
            if record["type"] == "data":
                key = record["pid"], record["connection"], record["write"]
                bodies[record["local"][1], record["remote"][1], record["write"]] = by_stream[key]
        for number, port in ports.items():
            body = f"{number}:".encode() * 3000
            found = {(port == local, write): data for (local, remote, write), data
                     in bodies.items() if port in (local, remote)}
            self.assertEqual(found, {(client, write): body for client in (True, False)
                                     for write in (0, 1)})
        return records

    def test_plaintext(self):
        records = self.assert_plaintext()
        self.assertEqual(len({record["connection"] for record in records
                              if record["type"] == "close"}), 8)

    def test_plaintext_of_wrapped_connections(self):
        self.assert_plaintext("wrapped")


if __name__ == "__main__":
    unittest.main()
