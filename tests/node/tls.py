# SPDX-License-Identifier: GPL-2.0-or-later
"""What tests of TLS share: certificates, clients, their own key logs, and judges of a capture.

The truth is the application's: it writes its secrets into a key log (SSLKEYLOGFILE and the like),
knows what it asked and got. tshark is the judge of what a capture shows.
"""

import collections
import contextlib
import functools
import hashlib
import http.client
import os
import re
import shutil
import ssl
import struct
import tempfile
import zlib

from . import tls_apps, tls_images
from .capture import KEY_LOG, CaptureTest
from .harness import LOOK_INSIDE, Container, need, run, tshark_rows, unable, wait_until
from .images import ImageError

# Nodes beside each other have pods of the same name, and a capture takes them all.
SPACE = f"tls-{zlib.crc32(os.environ.get('STRATOCAP_NODE_DIR', '').encode()):08x}"

PLAIN, TLS12, RETRY, MUTUAL, IDS, EARLY = range(8443, 8449)  # ports of images/nginx-tls.conf

# What Wireshark needs; a library logs more (EXPORTER_SECRET), which may be there or not.
NEEDED = {
    "CLIENT_RANDOM",
    "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
    "SERVER_HANDSHAKE_TRAFFIC_SECRET",
    "CLIENT_TRAFFIC_SECRET_0",
    "SERVER_TRAFFIC_SECRET_0",
}
LINE = re.compile(r"([A-Z_0-9]+) ([0-9a-f]{64}) ([0-9a-f]{64,128})")
# The random of a ServerHello that is a HelloRetryRequest: SHA-256 of that word (RFC 8446 4.1.3).
RETRY_RANDOM = hashlib.sha256(b"HelloRetryRequest").digest()


# Key logs


def key_lines(text):
    """{(label, client random, secret)} of a key log; a line that is none of these fails."""
    found = set()
    for line in text.splitlines():
        if line and not line.startswith("#"):
            match = LINE.fullmatch(line.strip().replace("\r", ""))
            if not match:
                raise AssertionError(f"this is no line of a key log: '{line}'")
            found.add(match.groups())
    return found


def needed(lines):
    return {line for line in lines if line[0] in NEEDED}


def secrets_in(file):
    """The key log of all Decryption Secrets Blocks of a File."""
    found = set()
    for block in file.secrets:
        if block.kind == KEY_LOG:
            found |= key_lines(block.text)
    return found


def read(path):
    with contextlib.suppress(FileNotFoundError):
        with open(path, encoding="utf-8") as file:
            return file.read()
    return ""


# What is in frames


Segment = collections.namedtuple("Segment", "flow back payload")  # flow: as the sender sees it


def segment(data):
    """The TCP segment in an Ethernet or raw IP frame, or None."""
    if data[12:14] in (b"\x08\0", b"\x86\xdd"):
        data = data[14:]
    version = data[0] >> 4 if data else 0
    if version == 4 and data[9] == 6:
        size, end = (data[0] & 15) * 4, struct.unpack_from("!H", data, 2)[0]
        addresses, tcp = (data[12:16], data[16:20]), data[size : end or None]
    elif version == 6 and data[6] == 6:
        addresses, tcp = (data[8:24], data[24:40]), data[40:]
    else:
        return None
    ports = struct.unpack_from("!HH", tcp)
    ends = tuple(zip(addresses, ports))
    return Segment(ends, ends[::-1], tcp[(tcp[12] >> 4) * 4 :])


def hello(payload, kind):
    """The random of a ClientHello (1) or ServerHello (2) that a segment begins with, or None."""
    if len(payload) >= 43 and payload[0] == 22 and payload[5] == kind:
        return payload[11:43]
    return None


def changes_cipher(payload):
    """Does a segment that begins with a record have a ChangeCipherSpec?"""
    at = 0
    while at + 5 <= len(payload) and 20 <= payload[at] <= 23 and payload[at + 1] == 3:
        if payload[at] == 20:
            return True
        at += 5 + struct.unpack_from("!H", payload, at + 3)[0]
    return False


def keys_come_late(file):
    """Client randoms of flows with keys whose first frame that needs one lies before it.

    Stock Wireshark shows nothing of such a flow, in two passes neither. TLS 1.3 needs all of them
    at the ServerHello, 1.2 its only one, which does not exist yet then, at the ChangeCipherSpec.
    """
    last, old = {}, set()  # {client random: frames before its last secret}; of TLS 1.2
    for block in file.secrets:
        for label, random, _ in key_lines(block.text) if block.kind == KEY_LOG else ():
            if label in NEEDED:
                last[random] = block.frames
            if label == "CLIENT_RANDOM":
                old.add(random)
    late, randoms = set(), {}
    for number, frame in enumerate(file.frames):
        tcp = segment(frame.data)
        if not tcp:
            continue
        if random := hello(tcp.payload, 1):
            randoms[tcp.flow] = randoms[tcp.back] = random.hex()
        mine = randoms.get(tcp.flow)
        if mine in old:
            needs = changes_cipher(tcp.payload)
        else:
            needs = hello(tcp.payload, 2) not in (None, RETRY_RANDOM)
        if needs and last.get(mine, 0) > number:
            late.add(mine)
    return late


def _counted(path, fields, options, complete):
    """Counter of all values of these fields."""
    found = collections.Counter()
    for row in tshark_rows(path, fields, " or ".join(fields), options, complete):
        for value in row.values():
            found.update(filter(None, value.split(",")))
    return found


def uris(path, options=(), complete=True):
    """Counter of all URIs asked for, of HTTP/1 and HTTP/2."""
    return _counted(path, ["http.request.uri", "http2.headers.path"], options, complete)


# Stock tshark waits with an answer whose end is that of the connection, for ever inside TLS.
UNTIL_CLOSE = ("-o", "http.desegment_body:FALSE")


def statuses(path, options=(), complete=True):
    """Counter of all response codes, of HTTP/1 and HTTP/2."""
    return _counted(path, ["http.response.code", "http2.headers.status"], options, complete)


def exported(path, folder, options=()):
    """Counter of the SHA-256 of all HTTP objects in a file, as tshark --export-objects gives them."""
    os.makedirs(folder)
    run([need("tshark"), "-r", path, "-q", *LOOK_INSIDE, *options, "--export-objects", f"http,{folder}"])
    found = collections.Counter()
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as file:
            found[hashlib.sha256(file.read()).hexdigest()] += 1
    return found


def http2_bodies(path):
    """Counter of the SHA-256 of all HTTP/2 bodies in a file, both ways; tshark 4.0 exports none."""
    fields = ["http2.streamid", "http2.type", "http2.length", "http2.data.data"]
    bodies = collections.defaultdict(bytes)
    for row in tshark_rows(path, ["tcp.stream", "tcp.srcport", *fields], "http2.type == 0"):
        streams, kinds, lengths, data = (row[field].split(",") for field in fields)
        data = iter(data)  # an item for each DATA frame
        for stream, kind, length in zip(streams, kinds, lengths, strict=True):
            if kind == "0":
                way, piece = (row["tcp.stream"], row["tcp.srcport"], stream), bytes.fromhex(next(data))
                # With the last frame tshark shows the body it put together instead.
                bodies[way] = bodies[way] + piece if len(piece) == int(length) else piece
    return collections.Counter(hashlib.sha256(each).hexdigest() for each in bodies.values())


def digest(size):
    """The SHA-256 of what every server answers to /bytes/SIZE."""
    return hashlib.sha256(tls_images.body(size)).hexdigest()


# Certificates


def openssl(*words, **options):
    return run([need("openssl"), *words], **options)


def make_certificates(folder):
    """A CA, a server and a client below it: EC P-256, valid for a day, made for one test run."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    own = ["-days", "1", "-x509", *key]
    authority = ["-keyout", f"{folder}/ca.key", "-out", f"{folder}/ca.pem"]
    openssl("req", *own, *authority, "-subj", "/CN=test authority")
    for name in ("server", "client"):
        request = f"{folder}/{name}.csr"
        words = ["-keyout", f"{folder}/{name}.key", "-out", request]
        openssl("req", *key, *words, "-subj", f"/CN={name}.test")
        by = ["-CA", f"{folder}/ca.pem", "-CAkey", f"{folder}/ca.key", "-CAcreateserial"]
        openssl("x509", "-req", "-days", "1", *by, "-in", request, "-out", f"{folder}/{name}.pem")
        os.chmod(f"{folder}/{name}.key", 0o644)  # servers in pods drop root


class Held:
    """A connection from the node to a server that stays: the test decides when it asks."""

    def __init__(self, address, port, key_log=None, version=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if key_log:
            context.keylog_filename = key_log
        if version:
            context.minimum_version = context.maximum_version = version
        self._http = http.client.HTTPSConnection(address, port, timeout=20, context=context)
        self._http.connect()
        self.port = self._http.sock.getsockname()[1]

    def get(self, path):
        self._http.request("GET", path)
        answer = self._http.getresponse()
        return answer.status, answer.read()

    def close(self):
        self._http.close()


# Pods


@functools.lru_cache(maxsize=None)
def dissected_ports():
    """Ports that stock tshark has a protocol for, such as 44322. It knows none on 8443, so it would
    take a connection for that of its client's port, whatever is in it."""
    table = run([need("tshark"), "-G", "decodes"]).stdout.splitlines()
    ports = {words[1] for words in map(str.split, table) if words[0] == "tcp.port"}
    return ",".join(sorted(port for port in ports if int(port) >= 1024))


def reserve_ports(pod):
    """Its clients get other ports."""
    words = [need("sysctl"), "-q", f"net.ipv4.ip_local_reserved_ports={dissected_ports()}"]
    run([need("nsenter"), f"--net=/proc/{pod.pid}/ns/net", "--", *words])
    return pod


class TlsTest(CaptureTest):
    """A pod with a TLS server and a client pod with curl and openssl.

    cls.web is the server (what capture() captures unless told otherwise). Both have /keys, one
    folder of the node, for their key logs.
    """

    @classmethod
    def setUpClass(cls):
        super(CaptureTest, cls).setUpClass()  # not CaptureTest's own pods
        cls.keys = cls.class_folder(0o777)
        cls.certificates = cls.class_folder(0o755)
        make_certificates(cls.certificates)
        cls.image("tls")
        cls.web = cls.class_pod(SPACE, "nginx", [cls.container("nginx", "tls", ["nginx"])])
        # curl's libraries are nginx's as well: a capture of the client knows them before it runs.
        cls.client = cls.class_pod(SPACE, "client", [cls.container("tools", "tls", ["nginx"])])

    @classmethod
    def class_pod(cls, *words, **options):
        return reserve_ports(super().class_pod(*words, **options))

    def pod(self, *words, **options):
        return reserve_ports(super().pod(*words, **options))

    def setUp(self):
        self.log_number = 0
        self.wait_tls(self.web, PLAIN)

    @classmethod
    def class_folder(cls, mode):
        path = tempfile.mkdtemp(prefix="sstest-")
        os.chmod(path, mode)
        cls.addClassCleanup(shutil.rmtree, path, ignore_errors=True)
        return path

    @classmethod
    def image(cls, name):
        try:
            tls_images.add(cls.node, name)
        except ImageError as error:
            unable(str(error))

    @classmethod
    def container(cls, name, image, command=(), env=None):
        mounts = [(cls.certificates, "/tls", True), (cls.keys, "/keys", False)]
        command = list(command) or tls_images.SLEEP
        return Container(name, image, command=command, mounts=mounts, env=dict(env or {}))

    def wait_tls(self, pod, port):
        """Wait until its TLS server answers; from the node, so that no pod is a client."""

        def answers():
            with contextlib.suppress(OSError):
                Held(pod.ip, port).close()
                return True
            if len(pod.pids()) < 1 + len(pod.containers):  # pause and one for each container
                self.fail("; ".join(map(pod.log, pod.containers)))
            return False

        wait_until(answers, f"{pod.name}:{port} to answer")

    def key_log(self, name="client"):
        """A name for a new key log: (path in a pod, path on the node)."""
        self.log_number += 1
        name = f"{self.id().rpartition('.')[2]}-{name}-{self.log_number}.keys"
        return f"/keys/{name}", f"{self.keys}/{name}"

    # Clients. Each returns what it printed; all verify nothing, they are not what is tested.

    def curl(self, url, *words, pod=None, log=None, output="/dev/null"):
        env = ["env", f"SSLKEYLOGFILE={log}"] if log else []
        argv = [*env, "curl", "-s", "-S", "-k", "-g", "-m", "20", "-o", output, *words, url]
        return (pod or self.client).exec("tools", argv)

    def url(self, path, port=PLAIN, pod=None):
        return f"https://{(pod or self.web).ip}:{port}{path}"

    def curl_all(self, paths, *words, log=None, port=PLAIN, pod=None, timeout_s=60):
        """One curl for all paths; with --parallel, on connections of their own."""
        env = ["env", f"SSLKEYLOGFILE={log}"] if log else []
        argv = [*env, "curl", "-s", "-S", "-k", "-g", "-m", str(timeout_s), *words]
        for path in paths:
            argv += ["-o", "/dev/null", self.url(path, port, pod)]
        return self.client.exec("tools", argv, timeout_s + 5)

    def s_client(self, path, *words, log=None, port=PLAIN, pod=None, container="tools"):
        """One request by openssl s_client; returns what it said."""
        request = f"GET {path} HTTP/1.1\\r\\nHost: server.test\\r\\nConnection: close\\r\\n\\r\\n"
        words = " ".join([*words, *(["-keylogfile", log] if log else [])])
        address = f"{self.web.ip}:{port}"
        # It ends with its input, so that stays open until the server has closed.
        script = f"printf '{request}' | openssl s_client -ign_eof -connect {address} {words} 2>&1"
        return (pod or self.client).exec(container, ["sh", "-c", script])

    # Close, or curl waits whether the first connection turns out to be one of HTTP/2.
    PARALLEL = ("--http1.1", "--parallel", "--parallel-immediate", "--parallel-max", "100",
                "-H", "Connection: close")  # fmt: skip

    def resume(self, first, second, log, port=PLAIN, word="", **options):
        """Two connections by openssl, the second with the session of the first."""
        session = f"/tmp/session-{self.id()}-{self.log_number}"
        self.s_client(first, word, "-sess_out", session, log=log, port=port, **options)
        return self.s_client(second, word, "-sess_in", session, log=log, port=port, **options)

    def send_early(self, first, second, log, **options):
        """Two connections by openssl, the second request in the same flight as the ClientHello."""
        session = f"/tmp/session-{self.id()}-{self.log_number}"
        self.s_client(first, "-tls1_3", "-sess_out", session, log=log, port=EARLY, **options)
        request = f"GET {second} HTTP/1.1\\r\\nHost: server.test\\r\\nConnection: close\\r\\n\\r\\n"
        script = (
            f"printf '{request}' >{session}.early; openssl s_client -ign_eof -tls1_3 "
            f"-connect {self.web.ip}:{EARLY} -sess_in {session} -early_data {session}.early "
            f"-keylogfile {log} </dev/null 2>&1"
        )
        said = self.client.exec("tools", ["sh", "-c", script])
        self.assertIn("Early data was accepted", said)

    # Applications

    def serve(self, application, name="server"):
        """A pod whose container "app" is the application's server, with the log it writes."""
        log, truth = self.key_log("server")
        self.image(application.image)
        env = {application.variable: log} if application.variable else {}
        words = tls_apps.command(application.serve, log)
        pod = self.pod(SPACE, name, [self.container("app", application.image, words, env)])
        self.wait_tls(pod, tls_apps.PORT)
        with contextlib.suppress(FileNotFoundError):
            os.truncate(truth, 0)
        return pod, truth

    def asking(self, application, name="asking"):
        """A pod from which the application's client can ask. Its server runs there as well, so
        that a capture knows the library before the client comes, and ends."""
        return self.serve(application, name)[0]

    def sleeping(self, image, name="sleeping"):
        """A pod that has the programs of an image and runs none."""
        self.image(image)
        return self.pod(SPACE, name, [self.container("app", image)])

    def ask(self, application, client, server, paths, h2=False):
        """Run its client; returns what it printed, and the log it wrote."""
        log, truth = self.key_log("client")
        words = application.h2 if h2 else application.get
        argv = tls_apps.command(words, log, server.ip, tls_apps.PORT, paths)
        env = ["env", f"{application.variable}={log}"] if application.variable else []
        return client.exec("app", [*env, *argv], 60), truth

    # Judges

    def wait_shown(self, capture, path, wanted, options=()):
        """Wait until stock tshark shows each of these requests once, answered, and nothing else."""
        wanted, last = collections.Counter(wanted), None

        def all_there():
            nonlocal last
            last = uris(path, options, False), statuses(path, options, False)
            return last == (wanted, {"200": wanted.total()})

        try:
            capture.wait(all_there, "all requests shown")
        except TimeoutError:
            asked, answered = last
            missing, more = wanted - asked, asked - wanted
            self.fail(
                f"of {wanted.total()} requests {missing.total()} are not shown, "
                f"such as {list(missing)[:3]}; too many: {list(more.items())[:3]}; "
                f"answers: {dict(answered)}; it said: {capture.stderr.strip()}"
            )

    def assert_keys_first(self, file):
        """No frame of a flow with keys that needs one lies before it."""
        self.assertTrue(file.secrets, "no secrets in the file")
        late = keys_come_late(file)
        self.assertFalse(late, f"keys of {len(late)} flows come too late")

    def assert_same_keys(self, ours, truth):
        """Ours has each needed secret of the truth, and no line that is not in it."""
        missing, wrong = needed(truth) - ours, ours - truth
        counts = collections.Counter(line[0] for line in missing)
        self.assertFalse(missing, f"missing, by label: {dict(counts)}; of {len(truth)} lines")
        self.assertFalse(wrong, f"{len(wrong)} lines the application does not know")


@functools.lru_cache(maxsize=None)
def numbered(count, start=0):
    return [f"/n/{number}" for number in range(start, start + count)]
