# SPDX-License-Identifier: GPL-2.0-or-later
"""What node tests share: the node, the program under test, tshark as judge, background captures.

A test is a unittest class below NodeTest. It finds `self.node` up, gets pods with `self.pod()`
that end with it, and never sleeps: it waits for a condition with wait_until().
"""

import atexit
import contextlib
import csv
import io
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

from .journal import wait_until

try:
    from .images import Image
    from .node import Container, Node, NodeError, Pod, missing_requirement
except ModuleNotFoundError as error:
    Image = Container = Node = NodeError = Pod = None
    _REASON = f"the Python module '{error.name}' is missing: apt-get install python3-grpcio"

    def missing_requirement():
        return _REASON


__all__ = [
    "Background",
    "Container",
    "Image",
    "Node",
    "NodeError",
    "NodeTest",
    "Pod",
    "capinfos",
    "need",
    "program",
    "release_shared_node",
    "run",
    "run_as_user",
    "shared_node",
    "tshark_rows",
    "unable",
    "wait_until",
]

CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TEST_DIRECTORY = "/run/stratoshark-node-test"  # not the demo's: both may be up
USER = "sstest"
RUNTIME = "CONTAINER_RUNTIME_ENDPOINT"
SEPARATOR = "\x1f"  # between tshark's columns: no field contains it


def unable(reason):
    """Skip here, fail where nothing may be skipped: under CI a missing piece is an error."""
    if os.environ.get("CI"):
        raise AssertionError(reason)
    raise unittest.SkipTest(reason)


def need(name):
    """The path of a program a test cannot do without."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    return path or unable(f"the program '{name}' is missing: apt-get install its package")


def program():
    """The program under test: $STRATOCAP_PROGRAM, else build/'s, else `stratoshark` in PATH."""
    built = os.path.join(CHECKOUT, "build", "cli", "stratoshark")
    name = os.environ.get("STRATOCAP_PROGRAM") or (
        built if os.path.exists(built) else "stratoshark"
    )
    path = shutil.which(name)
    return path or unable(f"'{name}' is not built: set STRATOCAP_PROGRAM to the built program")


def build_directory():
    """Where the build's other products are: $STRATOCAP_BUILD_DIR, else build/ in the checkout."""
    path = os.environ.get("STRATOCAP_BUILD_DIR", os.path.join(CHECKOUT, "build"))
    if not os.path.isdir(path):
        unable(f"the build folder '{path}' does not exist: set STRATOCAP_BUILD_DIR")
    return path


# The node


_shared = None


def shared_node():
    """One node for all tests of this process; it goes down when the process ends."""
    global _shared
    reason = missing_requirement()
    if reason:
        unable(reason)
    if _shared is None:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that atexit runs
        atexit.register(release_shared_node)
        _shared = Node(os.environ.get("STRATOCAP_NODE_DIR") or TEST_DIRECTORY)
        _shared.up()
        os.environ[RUNTIME] = f"unix://{_shared.cri_socket}"  # where the program asks
    return _shared


def release_shared_node():
    """End the shared node, for a test that needs the machine without one."""
    global _shared
    if _shared is not None and _shared.owned:
        _shared.down()
    os.environ.pop(RUNTIME, None)
    _shared = None


class NodeTest(unittest.TestCase):
    """A test with a node. Class-wide pods: run them in setUpClass with cls.pod()."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.node = shared_node()

    @classmethod
    def class_pod(cls, *args, **kwargs):
        """node.run_pod(...) for all tests of the class."""
        pod = cls.node.run_pod(*args, **kwargs)
        cls.addClassCleanup(cls._stop_if_running, pod)
        return pod

    def pod(self, *args, **kwargs):
        """node.run_pod(...) for this test."""
        pod = self.node.run_pod(*args, **kwargs)
        self.addCleanup(self._stop_if_running, pod)
        return pod

    @classmethod
    def _stop_if_running(cls, pod):
        if pod in cls.node.pods:
            cls.node.stop_pod(pod)

    def folder(self):
        """A folder for this test's files, writable by an ordinary user too."""
        path = tempfile.mkdtemp(prefix="sstest-")
        os.chmod(path, 0o777)
        self.addCleanup(shutil.rmtree, path, ignore_errors=True)
        return path

    def background(self, argv, **kwargs):
        """A Background process that ends with this test."""
        process = Background(argv, **kwargs)
        self.addCleanup(process.stop)
        return process

    def wait_http(self, client, container, url):
        """Wait until a server answers: a started process need not listen yet."""
        argv = ["curl", "-s", "-m", "2", "-o", "/dev/null", "-w", "%{http_code}", url]
        wait_until(lambda: client.exec(container, argv, check=False) != "000", f"{url} to answer")


# Processes


def run(argv, timeout_s=60, check=True, **kwargs):
    """Run to the end: CompletedProcess with text stdout and stderr. A failure shows stderr."""
    result = subprocess.run(
        list(argv),
        stdin=kwargs.pop("stdin", subprocess.DEVNULL),
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout_s,
        check=False,
        **kwargs,
    )
    if check and result.returncode:
        raise AssertionError(
            f"'{' '.join(map(str, argv))}' gave {result.returncode}: {result.stderr.strip()}"
        )
    return result


def as_user(argv, uid=None, gid=None):
    """argv prefixed so that it runs without root, groups and capabilities."""
    if uid is None:
        try:
            entry = pwd.getpwnam(USER)
        except KeyError:
            command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin"]
            run([need("useradd"), *command[1:], USER])
            entry = pwd.getpwnam(USER)
        uid, gid = entry.pw_uid, entry.pw_gid
    switch = [f"--reuid={uid}", f"--regid={uid if gid is None else gid}", "--clear-groups"]
    return [need("setpriv"), *switch, "--inh-caps=-all", "--", *argv]


def run_as_user(argv, uid=None, gid=None, **kwargs):
    """run() as an ordinary user: `sstest`, made when missing, or any numbers given."""
    env = {**os.environ, "HOME": "/nonexistent", **kwargs.pop("env", {})}
    return run(as_user(argv, uid, gid), env=env, **kwargs)


class Background:
    """A process that runs while a test acts, such as a capture; its output is kept in files.

    with Background([program(), "capture", "--pod", "a/b", "-w", path]) as capture:
        capture.wait_stderr("capturing")
    """

    def __init__(self, argv, user=False, **kwargs):
        self.argv = as_user(argv) if user else list(argv)
        self._stdout = tempfile.TemporaryFile()
        self._stderr = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            self.argv,
            stdin=kwargs.pop("stdin", subprocess.DEVNULL),
            stdout=kwargs.pop("stdout", self._stdout),
            stderr=self._stderr,
            **kwargs,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    @staticmethod
    def _read(file):
        # pread: the process writes through the same open file, whose offset must stay.
        return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0)

    @property
    def stdout(self):
        return self._read(self._stdout)

    @property
    def stderr(self):
        return self._read(self._stderr).decode(errors="replace")

    def wait(self, condition, what, timeout_s=20):
        """Wait for a condition while the process lives; when it ends first, say why."""

        def check():
            answer = condition()
            if not answer and self.process.poll() is not None:
                # It may have come true between the question and the end.
                answer = condition()
                if not answer:
                    raise AssertionError(
                        f"'{self.argv[0]}' ended with {self.process.returncode} "
                        f"before {what}: {self.stderr.strip()}"
                    )
            return answer

        return wait_until(check, what, timeout_s)

    def wait_stderr(self, pattern, timeout_s=20):
        """Wait for a line on stderr; returns the match."""
        return self.wait(lambda: re.search(pattern, self.stderr), f"'{pattern}' said", timeout_s)

    def wait_frames(self, path, count=1, display_filter=None, timeout_s=20):
        """Wait until the file being written holds that many frames."""

        def enough():
            with contextlib.suppress(AssertionError, FileNotFoundError):
                if os.path.getsize(path):
                    rows = tshark_rows(path, ["frame.number"], display_filter, complete=False)
                    return len(rows) >= count
            return False

        self.wait(enough, f"{count} frames in {path}", timeout_s)

    def stop(self, signal_number=signal.SIGINT, timeout_s=10):
        """End it as a user would and return its exit status; kill it when it does not listen."""
        if self.process.poll() is None:
            self.process.send_signal(signal_number)
            try:
                self.process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError(
                    f"'{self.argv[0]}' did not end within {timeout_s} s of signal {signal_number}"
                ) from None
        return self.process.returncode


# The judge


# A client's random port may be that of a protocol tshark knows; then it looks no further.
LOOK_INSIDE = ("-o", "tcp.try_heuristic_first:TRUE")


def tshark_rows(path, fields, display_filter=None, options=(), complete=True):
    """[{field: value}] of each frame, as stock tshark sees it; several values join with a comma.

    Without name options (-N) nothing is resolved. complete=False accepts a file still growing.
    """
    argv = [need("tshark"), "-r", path, *LOOK_INSIDE, "-T", "fields", "-E", f"separator={SEPARATOR}"]
    argv += [] if any(option.startswith("-N") for option in options) else ["-n"]
    argv += ["-Y", display_filter] if display_filter else []
    argv += list(options)
    for field in fields:
        argv += ["-e", field]
    output = run(argv, check=complete).stdout
    return [dict(zip(fields, line.split(SEPARATOR))) for line in output.splitlines()]


def capinfos(path, options=()):
    """{column: value} of capinfos' table for one file."""
    output = run([need("capinfos"), "-T", "-m", "-Q", "-M", *options, path]).stdout
    header, values = list(csv.reader(io.StringIO(output)))[:2]
    return dict(zip(header, values))
