# SPDX-License-Identifier: GPL-2.0-or-later
"""capture --ssl-keylog: secrets in the file, before the records that need them; stock tshark
shows what was said."""

import collections
import contextlib
import glob
import json
import os
import re
import signal
import stat
import subprocess

from .capture import File
from .extcap import UserHome
from .harness import need, program, run, tshark_rows, wait_until
from .images import libraries
from .tls import (
    IDS,
    MUTUAL,
    PLAIN,
    RETRY,
    SPACE,
    TLS12,
    UNTIL_CLOSE,
    Held,
    TlsTest,
    digest,
    exported,
    hello,
    key_lines,
    keys_come_late,
    needed,
    numbered,
    read,
    secrets_in,
    segment,
    statuses,
    uris,
)
from .tls_apps import APPLICATIONS, command
from .tls_images import SIZES

LONG = bool(os.environ.get("STRATOCAP_LONG"))
ROUND = 10  # connections of one round of mixed ones
AT_ONCE = 4  # rounds
FULL = "cap_bpf,cap_net_admin,cap_perfmon,cap_sys_ptrace,cap_sys_admin"


class Keys:
    """A capture with --ssl-keylog, its file and its key log."""

    def __init__(self, test, *words, **options):
        self.test = test
        self.path, self.log = test.file(), test.file("capture.keys")
        words = ["--ssl-keylog", "--keylog-file", self.log, "-w", self.path, *words]
        self.capture = test.capture(*words, **options)

    def stop(self):
        self.test.stop(self.capture)
        return File(self.path)

    def shows(self, wanted, options=()):
        """Ends it as soon as its file shows exactly these requests, each answered."""
        self.test.wait_shown(self.capture, self.path, wanted, options)
        file = self.stop()
        self.test.assert_keys_first(file)
        self.test.assertEqual(secrets_in(file), key_lines(read(self.log)))
        return file

    def lines(self):
        return key_lines(read(self.log))


class KeysTest(TlsTest):
    def shown(self, act, wanted, pods=("nginx",), options=()):
        """Captures the pods while act(log in the pod) runs; judges file, keys and order."""
        words = [word for pod in pods for word in ("--pod", f"{SPACE}/{pod}")]
        keys = Keys(self, *words)
        log, truth = self.key_log()
        act(log)
        file = keys.shows(wanted, options)
        self.assert_same_keys(keys.lines(), key_lines(read(truth)))
        return keys.path, file

    def test_a_filter_on_what_tls_carries(self):
        """tshark decides with the keys; that the file can't be read alone is said."""
        keys = Keys(self, "--filter", "http.response.code >= 400")
        keys.capture.wait_stderr("use --ssl-plaintext in place of --ssl-keylog")
        self.curl_all(numbered(5) + ["/missing"] + numbered(5), "--http1.1")
        wait_until(lambda: File(keys.path).of("/nginx"), "the frame that matches")
        file = keys.stop()
        self.assertEqual(len(file.of("/nginx")), 1)
        self.assertTrue(file.secrets)

    # What is shown

    def curled(self, *words, pods=("nginx",), port=PLAIN, count=20):
        return self.shown(
            lambda log: self.curl_all(numbered(count), *words, log=log, port=port),
            numbered(count),
            pods,
        )

    EACH = ("--http1.1", "-H", "Connection: close")

    def test_http1_of_the_server(self):
        path, _ = self.curled(*self.EACH)
        names = {r["frame.interface_name"] for r in tshark_rows(path, ["frame.interface_name"], "http")}
        self.assertEqual(names, {f"stratoshark-pod:{SPACE}/nginx"})

    def test_http2_of_the_server(self):
        path, _ = self.curled("--http2")
        self.assertTrue(tshark_rows(path, ["frame.number"], "http2.headers.path"))

    def test_http1_of_the_client(self):
        self.curled(*self.EACH, pods=["client"])

    def test_http2_of_the_client(self):
        self.curled("--http2", pods=["client"])

    def test_both_ends(self):
        """Each frame twice in the file; the secrets, and what is shown, once."""
        _, file = self.curled(*self.EACH, pods=["nginx", "client"])
        lines = collections.Counter(
            line for block in file.secrets for line in block.text.splitlines()
        )
        self.assertEqual({line for line, count in lines.items() if count > 1}, set())

    def test_tls_1_2(self):
        for pod in ("nginx", "client"):
            with self.subTest(pod=pod):
                self.curled(*self.EACH, port=TLS12, pods=[pod])

    def test_hello_retry_request(self):
        for pod in ("nginx", "client"):
            with self.subTest(pod=pod):
                self.curled(*self.EACH, port=RETRY, pods=[pod])

    def test_client_certificates(self):
        words = ["--cert", "/tls/client.pem", "--key", "/tls/client.key"]
        self.curled(*self.EACH, *words, port=MUTUAL, count=5)

    def test_resumption(self):
        for port, word in ((PLAIN, "-tls1_3"), (TLS12, ""), (IDS, "")):
            with self.subTest(port=port):
                self.shown(
                    lambda log: self.resume("/n/1", "/n/2", log=log, port=port, word=word),
                    ["/n/1", "/n/2"],
                )

    def test_early_data(self):
        """A request that is sent before the handshake is done, with keys of its own."""
        for pod in ("nginx", "client"):
            with self.subTest(pod=pod):
                path, _ = self.shown(
                    lambda log: self.send_early("/n/1", "/n/2", log), ["/n/1", "/n/2"], [pod]
                )
                hello = "tls.handshake.type == 1 && tls.handshake.extension.type == 42"
                self.assertTrue(tshark_rows(path, ["frame.number"], hello))
                labels = {line[0] for line in secrets_in(File(path))}
                self.assertIn("CLIENT_EARLY_TRAFFIC_SECRET", labels)

    def test_bodies_are_whole(self):
        paths = [f"/bytes/{size}" for size in SIZES]
        path, _ = self.shown(lambda log: self.curl_all(paths, "--http1.1", log=log), paths)
        found = exported(path, f"{self.folder()}/objects")
        self.assertEqual(found, collections.Counter(map(digest, SIZES)))

    def test_many_connections_at_once(self):
        self.curled(*self.PARALLEL, count=100)

    def test_under_load(self):
        """wrk's hundred connections; its requests, counted by itself, are all shown."""
        keys = Keys(self)
        argv = ["wrk", "-c", "100", "-t", "2", "-d", "1s", self.url("/n/load")]
        said = self.client.exec("tools", argv)
        count = int(re.search(r"(\d+) requests in", said)[1])
        connections = 100

        def complete():
            labels = collections.Counter(line[0] for line in keys.lines())
            return labels["CLIENT_TRAFFIC_SECRET_0"] >= connections

        keys.capture.wait(complete, f"the secrets of {connections} connections")
        keys.capture.wait(
            lambda: statuses(keys.path, complete=False)["200"] >= count, "all answers shown"
        )
        file = keys.stop()
        self.assert_keys_first(file)
        self.assertEqual(file.dropped(), 0)

    def mixed(self, rounds, log):
        """A script for so many rounds of ROUND connections, each of another kind, AT_ONCE rounds
        beside each other; and what they ask for."""
        address = self.web.ip
        head = "Host: server.test\\r\\nConnection: close\\r\\n\\r\\n"
        curl = f"SSLKEYLOGFILE={log} curl -s -S -k -o /dev/null"
        own = "--cert /tls/client.pem --key /tls/client.key"
        ciphers = "-ciphersuites TLS_AES_128_GCM_SHA256"

        def s_client(kind, port, *words):
            return (
                f'printf "GET /n/{kind}$i HTTP/1.1\\r\\n{head}" | openssl s_client -ign_eof '
                f"-connect {address}:{port} -keylogfile {log} {' '.join(words)} >/dev/null 2>&1"
            )

        lines = [
            f"{curl} --http1.1 https://{address}:{PLAIN}/n/a$i",
            f"{curl} --http2 https://{address}:{PLAIN}/n/b$i",
            f"{curl} --http1.1 https://{address}:{TLS12}/n/c$i",
            f"{curl} --http2 https://{address}:{RETRY}/n/d$i",
            f"{curl} --http1.1 {own} https://{address}:{MUTUAL}/n/e$i",
            s_client("f", PLAIN, "-tls1_3", ciphers),
            s_client("g", PLAIN, "-sess_out /tmp/mixed$w"),
            s_client("h", PLAIN, "-sess_in /tmp/mixed$w"),
            s_client("i", TLS12, "-cipher ECDHE-ECDSA-AES128-GCM-SHA256"),
            s_client("j", PLAIN, ciphers, "-groups P-256"),
        ]
        assert len(lines) == ROUND
        body = "; ".join(lines)
        wanted = [f"/n/{kind}{i}" for i in range(rounds) for kind in "abcdefghij"]
        loop = f"i=$w; while [ $i -lt {rounds} ]; do {body}; i=$((i + {AT_ONCE})); done"
        workers = " ".join(map(str, range(AT_ONCE)))
        return f"for w in {workers}; do ({loop}) & done; wait", wanted

    def test_keys_are_those_of_the_application(self):
        """As sets, over hundreds of connections of ten kinds, some at the same time."""
        keys = Keys(self)
        log, truth = self.key_log()
        script, wanted = self.mixed(1000 // ROUND if LONG else 300 // ROUND, log)
        self.client.exec("tools", ["sh", "-c", script], 120)
        logged = key_lines(read(truth))
        self.assertGreaterEqual(len({line[1] for line in logged}), len(wanted))
        keys.shows(wanted)
        self.assert_same_keys(keys.lines(), logged)

    # Whose connections

    def application(self, name):
        """Seen from either end alone, by two captures beside each other."""
        application = APPLICATIONS[name]
        server, _ = self.serve(application)
        client = self.asking(application)
        paths = numbered(5) + ([f"/bytes/{100000}", "/post/100000"] if application.bodies else [])
        options = () if application.bodies else UNTIL_CLOSE
        for h2 in (False, True) if application.h2 else (False,):
            with self.subTest(h2=h2):
                ends = [Keys(self, pod=server), Keys(self, pod=client)]
                _, truth = self.ask(application, client, server, paths, h2)
                for end in ends:
                    end.shows(paths, options)
                    self.assert_same_keys(end.lines(), key_lines(read(truth)))

    def test_a_rustls_client_that_logs_nothing_is_shown(self):
        """Found by symbol, but with arguments that no ABI promises: proved by the handshake."""
        application = APPLICATIONS["rustls"]
        server, _ = self.serve(application)
        client = self.asking(application)
        keys = Keys(self, pod=client)
        argv = command(application.get, "", server.ip, paths=numbered(5))
        client.exec("app", argv, 60)
        keys.capture.wait_stderr("keys found by pattern, and proved")
        keys.shows(numbered(5))

    def test_without_return_probes_go_is_shown(self):
        application = APPLICATIONS["go-static"]
        server, _ = self.serve(application)
        client = self.asking(application)
        keys = Keys(self, "--no-uretprobe", pod=server)
        self.ask(application, client, server, numbered(5))
        keys.shows(numbered(5))

    def test_without_return_probes_openssl_is_not(self):
        path = self.file()
        capture = self.capture("--ssl-keylog", "--no-uretprobe", "-w", path)
        self.curl_all(numbered(3), *self.EACH)
        capture.wait_frames(path, 3, "tls.handshake.type == 2")
        self.stop(capture)
        self.assertEqual(File(path).secrets, [])

    # Processes and pods that come

    def until_shown(self, keys, ask, start=0):
        """Ask numbered questions until one is shown; then twenty more have to be."""
        number, first = 0, f"/n/first-{start}"

        def one():
            nonlocal number
            number += 1
            ask(f"{first}-{number}")
            return any(uri.startswith(first) for uri in uris(keys.path, complete=False))

        keys.capture.wait(one, "the first request shown")
        for path in numbered(20, start):
            ask(path)

        def all_there():
            return set(numbered(20, start)) <= set(uris(keys.path, complete=False))

        keys.capture.wait(all_there, "the requests after it shown")

    def test_a_process_that_starts_later(self):
        pod = self.sleeping("python")
        keys = Keys(self, pod=pod)
        serve = "python3 /tls_app.py serve blocking 8443 </dev/null >/dev/null 2>&1 &"
        pod.exec("app", ["sh", "-c", serve])
        wait_until(lambda: len(pod.pids()) > 2, "the server to start")
        self.wait_tls(pod, PLAIN)
        self.until_shown(keys, lambda path: self.curl(self.url(path, pod=pod)))
        self.assert_keys_first(keys.stop())

    def test_programs_that_start_later(self):
        """No process of the pod has a TLS library when the capture begins, and each lives for
        one request only."""
        pod = self.sleeping("tls")
        keys = Keys(self, pod=pod)
        self.until_shown(keys, lambda path: self.curl_in(pod, path))
        self.assert_keys_first(keys.stop())

    def curl_in(self, pod, path):
        pod.exec("app", ["curl", "-s", "-k", "-o", "/dev/null", self.url(path)])

    def test_a_library_that_an_upgrade_replaces(self):
        """As package managers do it: another file takes the name."""
        pod = self.sleeping("tls")
        keys = Keys(self, pod=pod)
        self.until_shown(keys, lambda path: self.curl_in(pod, path))
        library = next(each for each in libraries(need("curl")) if "libcrypto.so" in each)
        replace = f"cp {library} {library}.new && mv {library}.new {library}"
        pod.exec("app", ["sh", "-c", replace])
        self.until_shown(keys, lambda path: self.curl_in(pod, path), 100)
        self.assert_keys_first(keys.stop())

    def test_a_worker_that_crashes(self):
        """With a connection open; the others, and those of its successor, are shown."""
        keys = Keys(self)
        held = Held(self.web.ip, PLAIN)
        self.addCleanup(held.close)
        held.get("/n/0")
        before = self.web.pids()
        for pid in before:
            if read(f"/proc/{pid}/cmdline").startswith("nginx: worker"):
                os.kill(pid, signal.SIGSEGV)
        wait_until(lambda: len(self.web.pids() - before) >= 2, "new workers")
        self.curl_all(numbered(20, 1), *self.EACH)
        keys.shows(numbered(21))

    def test_a_library_that_nobody_has_mapped_is_ready(self):
        """It lies where Alpine has it: not even the first connection of the first process that
        loads it is missed."""
        application = APPLICATIONS["musl-shared"]
        pod = self.sleeping(application.image)
        keys = Keys(self, pod=pod)
        self.ask(application, pod, self.web, numbered(3))
        keys.shows(numbered(3))

    def test_a_worker_that_is_forked_later(self):
        keys = Keys(self)
        before = self.web.pids()
        self.web.exec("nginx", ["kill", "-HUP", "1"])
        wait_until(lambda: len(self.web.pids() - before) >= 2, "new workers")
        self.curl_all(numbered(20), *self.EACH)
        keys.shows(numbered(20))

    def test_a_pod_that_is_restarted(self):
        pod = self.pod(SPACE, "again", [self.container("nginx", "tls", ["nginx"])])
        keys = Keys(self, pod=pod)
        pod = self.node.restart_pod(pod)
        self.addCleanup(self._stop_if_running, pod)
        self.wait_tls(pod, PLAIN)
        self.until_shown(keys, lambda path: self.curl(self.url(path, pod=pod)))
        self.assert_keys_first(keys.stop())

    # Outputs

    def test_without_the_option_there_are_no_secrets(self):
        path = self.file()
        capture = self.capture("-w", path)
        self.curl_all(numbered(3), *self.EACH)
        capture.wait_frames(path, 3, "tls.handshake.type == 2")
        self.stop(capture)
        self.assertEqual(File(path).secrets, [])
        self.assertEqual(uris(path), {})

    def test_the_key_log_is_its_owners(self):
        log = self.file("own.keys")
        capture = self.capture("--keylog-file", log, "-w", self.file())  # implies --ssl-keylog
        self.curl_all(numbered(1))
        capture.wait(lambda: needed(key_lines(read(log))), "lines in the key log")
        self.assertEqual(stat.S_IMODE(os.stat(log).st_mode), 0o600)
        self.stop(capture)
        self.assertIn("session keys: whoever has it can read the traffic", capture.stderr)

    def test_a_ring_has_secrets_in_each_file(self):
        """In each file, of each flow in it: of new ones before their ServerHello, of older ones
        anywhere, for who merges the files."""
        folder = self.folder()
        words = ["--ssl-keylog", "-w", f"{folder}/ring.pcapng", "--ring-size", "300k"]
        capture = self.capture(*words)
        log, truth = self.key_log()
        held = Held(self.web.ip, PLAIN, truth)
        self.addCleanup(held.close)
        wanted = []

        def files():
            return sorted(glob.glob(f"{folder}/*"))

        def enough():
            path = f"/n/ring-{len(wanted)}"
            self.curl_all([path], log=log)
            held.get("/bytes/100000")
            wanted.append(path)
            return len(files()) >= 4

        capture.wait(enough, "four files")
        with contextlib.suppress(TimeoutError):  # the last ones may still be on their way
            wait_until(lambda: uris(files()[-1], complete=False)[wanted[-1]], "the last one", 5)
        self.stop(capture)
        shown, own = collections.Counter(), key_lines(read(truth))
        mine = {line for line in own if line[1] == self.random_of(files()[0], held.port)}
        self.assertTrue(needed(mine))
        for path in files():
            file = File(path)
            self.assertFalse(keys_come_late(file), path)
            self.assertLessEqual(secrets_in(file), own)
            if any(held.port in dict(s.flow).values() for s in self.segments(file)):
                self.assertLessEqual(needed(mine), secrets_in(file), path)
            shown += uris(path)
        for path in wanted:
            # One whose handshake ends in one file and whose request begins the next is lost.
            self.assertLessEqual(shown[path], 1)
        self.assertGreaterEqual(shown.total(), len(wanted) - len(files()))

    def segments(self, file):
        return filter(None, (segment(frame.data) for frame in file.frames))

    def random_of(self, path, port):
        """The client random of the connection from this port."""
        for each in self.segments(File(path)):
            if each.flow[0][1] == port and hello(each.payload, 1):
                return hello(each.payload, 1).hex()
        return None

    def test_into_tshark(self):
        argv = [program(), "capture", "--pod", f"{SPACE}/nginx", "--ssl-keylog", "-w", "-"]
        capture = self.background(argv, stdout=subprocess.PIPE)
        words = ["-l", "-r", "-", "-n", "-T", "fields", "-e", "http.request.uri", "-Y", "http.request"]
        tshark = self.background([need("tshark"), *words], stdin=capture.process.stdout)
        capture.process.stdout.close()
        capture.wait_stderr("capturing")
        self.curl_all(numbered(5), *self.EACH)
        tshark.wait(lambda: tshark.stdout.decode().split() == numbered(5), "five requests")
        self.stop(capture)

    def test_live_shows_what_was_said(self):
        argv = [program(), "capture", "--pod", f"{SPACE}/nginx", "--ssl-keylog", "--live"]
        capture = self.background(argv)
        capture.wait_stderr("capturing")
        asked = 0

        def shown():  # tshark starts on its own time, but misses nothing
            nonlocal asked
            asked += 1
            self.curl_all([f"/n/live-{asked}"], "--http1.1")
            return b"/n/live-1" in capture.stdout

        capture.wait(shown, "the request as a line")
        self.stop(capture)
        line = next(each for each in capture.stdout.decode().splitlines() if "/n/live-1" in each)
        self.assertIn("HTTP", line)

    def test_wireshark_shows_what_was_said(self):
        home = self.home(FULL)
        key = f"extcap.stratoshark_pod_{SPACE.replace('-', '_')}_nginx.sslkeylog:true"
        words = ["-i", f"stratoshark-pod:{SPACE}/nginx", "-o", key, "-Y", "http || http2"]
        fields = ["-T", "fields", "-e", "http.request.uri", "-e", "http2.headers.path"]
        tshark = self.background(home.argv(need("tshark"), "-l", *words, *fields), env=home.environment)

        def shown():
            self.curl_all(["/n/http1"], "--http1.1")
            self.curl_all(["/n/http2"], "--http2")
            return b"/n/http1" in tshark.stdout and b"/n/http2" in tshark.stdout

        tshark.wait(shown, "both requests as lines")
        self.assertEqual(tshark.stop(), 0)

    def home(self, capabilities):
        path = os.path.join(self.folder(), "home")
        home = UserHome(path)
        self.program = home.add_program(capabilities)
        return home

    # What must not be

    def test_secrets_are_nowhere_else(self):
        """Not in what it says, not in the words of any process it starts."""
        path, log = self.file(), self.file("own.keys")
        argv = ["--ssl-keylog", "--keylog-file", log, "-w", path, "--live", "--verbose"]
        capture = self.capture(*argv)
        self.curl_all(numbered(5), *self.EACH)
        capture.wait(lambda: len(needed(key_lines(read(log)))) >= 20, "the secrets")
        words = "".join(
            read(name).replace("\0", " ")
            for pid in self.family(capture.process.pid)
            for name in (f"/proc/{pid}/cmdline", f"/proc/{pid}/environ")
        )
        self.stop(capture)
        said = capture.stderr + capture.stdout.decode(errors="replace") + words
        for _, _, secret in key_lines(read(log)):
            self.assertNotIn(secret.lower(), said.lower())

    def test_secrets_do_not_stay_in_memory(self):
        """Of connections that have ended, once their frames are written."""
        keys = Keys(self)
        if "libasan" in read(f"/proc/{keys.capture.process.pid}/maps"):
            keys.stop()
            self.skipTest("a sanitizer has memory of its own")
        self.curl_all(numbered(20), *self.EACH)
        keys.capture.wait(lambda: len(needed(keys.lines())) >= 80, "the secrets")
        secrets = {bytes.fromhex(line[2]) for line in keys.lines()}
        forms = secrets | {secret.hex().encode() for secret in secrets}

        found = None

        def wiped():
            nonlocal found
            memory = self.memory(keys.capture.process.pid)
            found = [
                (line, content.find(form), len(form))
                for line, content in memory
                for form in forms
                if form in content
            ]
            return not found

        try:
            keys.capture.wait(wiped, "the secrets to be wiped")
        except TimeoutError:
            self.fail(f"{len(found)} remain, such as {found[:5]}")
        keys.stop()

    @staticmethod
    def memory(pid):
        """(lines of its maps, content) of what it may write to."""
        with open(f"/proc/{pid}/mem", "rb") as file:
            for line in read(f"/proc/{pid}/maps").splitlines():
                begin, end = (int(word, 16) for word in line.split()[0].split("-"))
                with contextlib.suppress(OSError, ValueError, OverflowError):
                    if line.split()[1].startswith("rw"):
                        file.seek(begin)
                        yield line, file.read(end - begin)

    def test_its_memory_is_never_dumped(self):
        """The kernel gives /proc/PID to root when it would not dump the process."""
        binary, folder = self.installed(capabilities=None), self.class_folder(0o777)
        rights = [f"+{each.removeprefix('cap_')}" for each in FULL.split(",")]
        rights = ",".join(["-all", *rights])
        user = [need("setpriv"), "--reuid=65534", "--regid=65534", "--clear-groups",
                f"--inh-caps={rights}", f"--ambient-caps={rights}"]  # fmt: skip
        for words, owner in (((), 65534), (("--ssl-keylog",), 0), (("--ssl-plaintext",), 0)):
            with self.subTest(words):
                argv = [*user, binary, "capture", "--pod", f"{SPACE}/nginx", *words]
                capture = self.background([*argv, "-w", f"{folder}/out.pcapng"])
                capture.wait_stderr("capturing")
                self.assertEqual(os.stat(f"/proc/{capture.process.pid}/environ").st_uid, owner)
                self.stop(capture)

    def family(self, pid):
        pids = [pid]
        for each in pids:
            pids += map(int, read(f"/proc/{each}/task/{each}/children").split())
        return pids

    def kernel_objects(self, pid):
        """Ids of links and programs in the kernel that this process holds."""
        found = set()
        for descriptor in os.listdir(f"/proc/{pid}/fdinfo"):
            text = read(f"/proc/{pid}/fdinfo/{descriptor}")
            found |= {(kind, int(number)) for kind, number in
                      re.findall(r"^(link|prog)_id:\s*(\d+)", text, re.M)}  # fmt: skip
        return found

    def all_objects(self):
        """All there are, and the processes that hold probes of perf."""
        found = set()
        for kind in ("link", "prog"):
            said = run([need("bpftool"), "-j", kind, "list"]).stdout
            found |= {(kind, each["id"]) for each in json.loads(said or "[]")}
        for each in json.loads(run([need("bpftool"), "-j", "perf", "list"]).stdout or "[]"):
            found.add(("perf", each["pid"]))
        return found

    def test_a_killed_capture_leaves_no_probes(self):
        keys = Keys(self)
        self.curl_all(numbered(3))
        keys.capture.wait(keys.lines, "secrets")
        pid = keys.capture.process.pid
        mine = self.kernel_objects(pid)
        self.assertTrue(mine)
        mine |= {("perf", pid)} & self.all_objects()
        keys.capture.process.send_signal(signal.SIGKILL)
        keys.capture.process.wait(10)
        wait_until(lambda: not mine & self.all_objects(), "probes and programs to be gone")
        self.curl_all(numbered(3))  # the application never noticed

    def test_what_was_kept_when_it_is_killed_is_shown(self):
        keys = Keys(self)
        self.curl_all(numbered(5), *self.EACH)
        self.wait_shown(keys.capture, keys.path, numbered(5))
        keys.capture.process.send_signal(signal.SIGKILL)
        keys.capture.process.wait(10)
        self.assertEqual(uris(keys.path), collections.Counter(numbered(5)))

    def test_without_perfmon_packets_are_captured_and_a_sentence_says_why(self):
        home, path = self.home("cap_bpf,cap_net_admin"), os.path.join(self.folder(), "out.pcapng")
        argv = [self.program, "capture", "--pod", f"{SPACE}/nginx", "--ssl-keylog", "-w", path]
        capture = self.background(argv, user=True, env=home.environment)
        capture.wait_stderr("capturing")
        self.curl_all(numbered(3), *self.EACH)
        capture.wait_frames(path, 3, "tls.handshake.type == 2")
        self.stop(capture)
        said = [line for line in capture.stderr.splitlines() if "looking into TLS" in line]
        self.assertEqual(len(said), 1, capture.stderr)
        self.assertIn("cap_perfmon", said[0])
        self.assertEqual(File(path).secrets, [])


def _application_test(name):
    def test(self):
        self.application(name)

    return test


for _name in APPLICATIONS:
    _method = f"test_application_{_name.replace('-', '_').replace('.', '_')}"
    setattr(KeysTest, _method, _application_test(_name))
