# SPDX-License-Identifier: GPL-2.0-or-later
"""What tests of `stratoshark capture` share: pods, captures beside tcpdump, and a reader of both.

The reader is our own, and small: it judges each byte of a file without the code that wrote it.
"""

import bisect
import collections
import contextlib
import json
import os
import re
import shutil
import socket
import struct
import sys
import tempfile

from .harness import (Container, NodeTest, build_directory, need, program, run, run_as_user,
                      wait_until)

SPACE = "capture-test"  # other nodes on this machine may have pods of the same name
MARK_TYPE = 0x88B5  # IEEE 802: for local experiments; every stack drops it silently

SELECTING = (
    "--pod",
    "--namespace",
    "--interface",
    "--selector",
    "--workload",
    "--container",
    "--all-pods",
    "--node",
)

IN, OUT = 1, 2  # epb_flags

SWAP_NS = 20 * 10**6  # frames of one flow that are further apart have an order

PROCESS, CONTAINER = 10, 3  # types of TLVs in option 2989

Frame = collections.namedtuple(
    "Frame", "interface time length data direction lost tlvs", defaults=(0, 0, {})
)
Interface = collections.namedtuple("Interface", "name description link_type snap_len filter")
Secrets = collections.namedtuple("Secrets", "frames kind text")  # frames: how many came before it
KEY_LOG = 0x544C534B  # kind of Secrets: NSS key log lines


class File:
    """A capture file: frames, and in pcapng interfaces, names, secrets and the last statistics of
    each interface."""

    def __init__(self, path):
        self.frames, self.interfaces, self.names, self.statistics = [], [], {}, {}
        self.secrets = []
        self.sections = 0
        with open(path, "rb") as file:
            self._bytes = file.read()
        magic = self._bytes[:4]
        if magic == b"\x0a\x0d\x0d\x0a":
            self._read_pcapng()
        elif magic in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1"):
            self._read_pcap()
        elif magic:
            raise AssertionError(f"'{path}' is no capture file: it begins with {magic.hex()}")

    def _read_pcap(self):
        at = 24
        while at + 16 <= len(self._bytes):
            second, part, stored, length = struct.unpack_from("<IIII", self._bytes, at)
            if at + 16 + stored > len(self._bytes):
                break  # still being written
            data = self._bytes[at + 16 : at + 16 + stored]
            self.frames.append(Frame(0, second * 10**9 + part, length, data))
            at += 16 + stored

    def _read_pcapng(self):
        readers = {
            0x0A0D0D0A: self._section,
            1: self._interface,
            4: self._names,
            5: self._statistics,
            6: self._frame,
            10: self._secrets,
        }
        at = 0
        while at + 12 <= len(self._bytes):
            kind, size = struct.unpack_from("<II", self._bytes, at)
            if size % 4 or size < 12:
                raise AssertionError(f"block of {size} bytes at {at}")
            if at + size > len(self._bytes):
                break
            if struct.unpack_from("<I", self._bytes, at + size - 4)[0] != size:
                raise AssertionError(f"the sizes of the block at {at} differ")
            readers[kind](self._bytes[at + 8 : at + size - 4])
            at += size
        self.rest = len(self._bytes) - at

    @staticmethod
    def _options(body):
        at, found = 0, {}
        while at + 4 <= len(body):
            code, length = struct.unpack_from("<HH", body, at)
            if code == 0:
                break
            found.setdefault(code, []).append(body[at + 4 : at + 4 + length])
            at += 4 + (length + 3 & ~3)
        return found

    def _section(self, _):
        self.sections += 1

    def _interface(self, body):
        link_type, _, snap_len = struct.unpack_from("<HHI", body)
        options = self._options(body[8:])
        text = {code: values[0].decode() for code, values in options.items() if code in (2, 3)}
        rule = options.get(11, [b"\0"])[0][1:].decode()
        self.interfaces.append(Interface(text.get(2), text.get(3), link_type, snap_len, rule))

    def _names(self, body):
        at = 0
        while at + 4 <= len(body):
            kind, length = struct.unpack_from("<HH", body, at)
            if kind == 0:
                break
            size = {1: 4, 2: 16}[kind]
            record = body[at + 4 : at + 4 + length]
            self.names[record[:size]] = record[size:].split(b"\0")[0].decode()
            at += 4 + (length + 3 & ~3)

    def _statistics(self, body):
        options = self._options(body[12:])
        values = {
            code: struct.unpack("<Q", value[0])[0] for code, value in options.items() if code > 3
        }
        self.statistics[struct.unpack_from("<I", body)[0]] = values

    def _frame(self, body):
        interface, high, low, stored, length = struct.unpack_from("<IIIII", body)
        options = self._options(body[20 + (stored + 3 & ~3) :])
        flags = struct.unpack("<I", options[2][0])[0] if 2 in options else 0
        lost = struct.unpack("<Q", options[4][0])[0] if 4 in options else 0
        tlvs = self._tlvs(options[2989][0]) if 2989 in options else {}
        self.frames.append(
            Frame(interface, high << 32 | low, length, body[20 : 20 + stored], flags & 3, lost,
                  tlvs)
        )

    @staticmethod
    def _tlvs(value):
        """{type: value} of our metadata."""
        found, at = {}, 6  # behind PEN and magic
        while at < len(value):
            if value[at]:
                found[value[at]] = value[at + 2 : at + 2 + value[at + 1]]
                at += 2 + value[at + 1]
            else:
                at += 1
        return found

    def _secrets(self, body):
        kind, length = struct.unpack_from("<II", body)
        if length > len(body) - 8:
            raise AssertionError(f"secrets of {length} bytes in a block of {len(body)}")
        self.secrets.append(Secrets(len(self.frames), kind, body[8 : 8 + length].decode()))

    def of(self, name_end):
        """The frames of interfaces whose name ends like this."""
        wanted = {i for i, each in enumerate(self.interfaces) if each.name.endswith(name_end)}
        return [frame for frame in self.frames if frame.interface in wanted]

    def packets(self):
        """Frames of the network: no event records."""
        return [f for f in self.frames if not self.interfaces or
                self.interfaces[f.interface].name != "stratoshark-events"]

    def delivered(self):
        """Frames in the file, as the statistics of all interfaces say (isb_usrdeliv)."""
        return sum(values.get(8, 0) for values in self.statistics.values())

    def dropped(self):
        return sum(values.get(7, 0) for values in self.statistics.values())


# Runs inside a network namespace: [device, tag]
MARK = f"""
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((sys.argv[1], 0))
head = b"\\xff" * 6 + b"\\2mark\\0" + bytes.fromhex("{MARK_TYPE:04x}")
s.send(head + sys.argv[2].encode() + bytes(40))
"""


def flows(frames):
    """{addresses and ports: its frames in order}; each direction is a flow of its own."""
    found = collections.defaultdict(list)
    for frame in frames:
        ports = frame.data[26:38] if frame.data[12:14] == b"\x08\0" else frame.data[22:58]
        found[frame.data[:14] + ports].append(frame)
    return found


def farthest_swap(ours, theirs):
    """(ns, frame, frame): of frames in another order than theirs, the two farthest apart in ours.

    Both hold the same frames. Equal ones are matched in order of appearance.
    """
    places = collections.defaultdict(collections.deque)
    for place, frame in enumerate(theirs):
        places[frame.length, frame.data].append(place)
    farthest = 0, None, None
    highest = []  # of their places, in what we have seen so far
    for frame in ours:
        place = places[frame.length, frame.data].popleft()
        # The first of ours that comes behind this one in theirs.
        first = bisect.bisect_right(highest, place)
        if first < len(highest):
            swap = frame.time - ours[first].time, ours[first], frame
            farthest = max(farthest, swap, key=lambda each: each[0])
        highest.append(max(place, highest[-1]) if highest else place)
    return farthest


def in_netns(pid, argv):
    return [need("nsenter"), "-t", str(pid), "-n", "--", *argv]


def python_in_netns(pid, code, *arguments):
    """Run Python inside the network namespace of a process."""
    return run(in_netns(pid, [sys.executable, "-c", code, *map(str, arguments)]))


def exhaust(condition, what, timeout_s=5):
    """wait_until, with what it still was when time is over."""
    wait_until(lambda: not condition(), what, timeout_s)


def programs_left():
    """Our programs in the kernel, by id."""
    listed = run([need("bpftool"), "prog", "list"]).stdout
    names = "ss_frame|socket_created|connection_chan|received"
    return set(re.findall(rf"^(\d+): .*name (?:{names})", listed, re.M))


class CaptureTest(NodeTest):
    """A web pod and a client pod that has tools and asks it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.web = cls.class_pod(SPACE, "web", [Container("web", "web")])
        cls.client = cls.class_pod(SPACE, "client", [Container("tools", "tools")])

    def setUp(self):
        self.wait_http(self.client, "tools", self.web.url())

    def installed(self, capabilities="cap_bpf,cap_net_admin+ep"):
        """A copy of the program as an administrator would install it for ordinary users."""
        directory = tempfile.mkdtemp(prefix="sstest-")
        self.addCleanup(shutil.rmtree, directory)
        os.chmod(directory, 0o755)
        path = os.path.join(directory, "stratoshark")
        shutil.copy(program(), path)
        os.chmod(path, 0o755)
        if capabilities:
            run([need("setcap"), capabilities, path])
        return path

    def file(self, name="out.pcapng"):
        return os.path.join(self.folder(), name)

    def capture(self, *words, pod=None, ready="capturing", **options):
        """A capture that has begun. Without a selection in `words`: of the pod, else of web."""
        pod = pod or self.web
        selection = ["--pod", f"{pod.namespace}/{pod.name}"]
        if any(word in words for word in SELECTING):
            selection = []
        argv = [options.pop("binary", None) or program(), "capture", *selection, *words]
        capture = self.background(argv, **options)
        if ready:
            capture.wait_stderr(ready)
        return capture

    def stop(self, capture, status=0, **options):
        self.assertEqual(capture.stop(**options), status, capture.stderr)

    def ends(self, capture, status=0, timeout_s=10):
        """It ends on its own."""
        self.assertEqual(capture.process.wait(timeout_s), status, capture.stderr)

    def tcpdump(self, path, device="eth0", pod=None, pid=None, words=()):
        argv = [need("tcpdump"), "-i", device, "-n", "-U", "-B", "65536", "-w", path, *words]
        judge = self.background(in_netns(pid or (pod or self.web).pid, argv))
        judge.wait_stderr("listening on")
        return judge

    def stop_tcpdump(self, judge):
        judge.stop()
        self.assertIn("\n0 packets dropped by kernel", judge.stderr)

    def mark(self, tag, *paths, device="eth0", pod=None):
        """Send a frame nobody answers; wait until all these files hold it."""
        python_in_netns((pod or self.web).pid, MARK, device, tag)

        def arrived(path):
            with contextlib.suppress(FileNotFoundError):
                with open(path, "rb") as file:
                    # Its place is near the end; the rest of a big file need not be read again.
                    file.seek(max(0, os.path.getsize(path) - 65536))
                    return tag.encode() + bytes(40) in file.read()
            return False

        wait_until(lambda: all(map(arrived, paths)), f"the mark '{tag}' in each file")

    def between_marks(self, frames):
        """The frames after the mark "begin" and before the mark "end"."""
        # The bridge sends a broadcast back where it came from: a mark may be there twice.
        places = {b"begin": [], b"end": []}
        for position, frame in enumerate(frames):
            if frame.data[12:14] == struct.pack("!H", MARK_TYPE):
                places[frame.data[14:].split(b"\0")[0]].append(position)
        self.assertTrue(places[b"begin"] and places[b"end"], places)
        return frames[places[b"begin"][-1] + 1 : places[b"end"][0]]

    def curl(self, url, *words, pod=None):
        argv = ["curl", "-s", "-g", "-m", "10", "-o", "/dev/null", *words, url]
        return (pod or self.client).exec("tools", argv)

    def get(self, path="/api/users", times=1):
        """That many requests, each on a connection of its own."""
        for _ in range(times):
            self.curl(self.web.url(path))

    def sends(self, pod, count, port=9, size=32):
        """Datagrams from the node to a pod, numbered: easy to recognise and to count."""
        sender = self.udp(pod)
        for number in range(count):
            sender.sendto(b"number %08d" % number + bytes(size - 15), (pod.ip, port))

    def udp(self, pod):
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(sender.close)
        return sender

    def plugin_rows(self, path, display, fields):
        """With the plugin, which tshark loads from the folder of an ordinary user only."""
        home = self.folder()
        version = run([need("tshark"), "-v"]).stdout.split()[2].rsplit(".", 1)[0]
        place = f"{home}/.local/lib/wireshark/plugins/{version}/epan"
        os.makedirs(place)
        shutil.copy(os.environ.get("STRATOCAP_PLUGIN") or os.path.join(
            build_directory(), "plugins/epan/stratoshark/stratoshark.so"), place)
        os.chmod(path, 0o644)
        os.chmod(os.path.dirname(path), 0o755)
        argv = [need("tshark"), "-r", path, "-Y", display, "-T", "fields"]
        argv += [word for field in fields for word in ("-e", field)]
        env = {"HOME": home, "WIRESHARK_PLUGIN_DIR": f"{home}/none"}
        return [dict(zip(fields, line.split("\t")))
                for line in run_as_user(argv, env=env).stdout.splitlines()]

    def plugin_environment(self):
        """For tshark as an ordinary user: root gets no plugin of one's own."""
        plugin = os.environ.get("STRATOCAP_PLUGIN")
        if not plugin:
            self.skipTest("STRATOCAP_PLUGIN is not set")
        version = run(["tshark", "--version"]).stdout.split()[2].rsplit(".", 1)[0]
        home = self.folder()
        folder = os.path.join(home, version, "epan")
        os.makedirs(folder)
        shutil.copy(plugin, os.path.join(folder, "stratoshark.so"))
        return {**os.environ, "HOME": home, "WIRESHARK_PLUGIN_DIR": home}

    def wait_count(self, path, count, name_end=""):
        """Wait until the file holds that many frames."""

        def enough():
            with contextlib.suppress(FileNotFoundError):
                return len(File(path).of(name_end)) >= count
            return False

        wait_until(enough, f"{count} frames in {path}")

    def assert_same_frames(self, ours, theirs, ordered=True):
        """Each frame once in both, same bytes and length; same order of each flow and direction.

        Frames that two CPUs handle at the same moment have no order: two tcpdumps differ there as
        well. In one flow that is data of the process and ACKs of the stack, so frames that follow
        each other closely may be swapped there.
        """
        self.assertTrue(theirs)
        mine, judged = (collections.Counter((f.length, f.data) for f in x) for x in (ours, theirs))
        if mine != judged:
            lines = [f"ours has {len(ours)} frames, tcpdump {len(theirs)}"]
            for word, frames in (("missing", judged - mine), ("too many", mine - judged)):
                lines += [f"{frames.total()} {word}, such as"] if frames else []
                lines += [f"  {length}: {data[:64].hex()}" for length, data in list(frames)[:3]]
            self.fail("\n".join(lines))
        times = [frame.time for frame in ours]
        self.assertTrue(times == sorted(times), "our times go back")
        mine, judged = flows(ours), flows(theirs) if ordered else {}
        for flow, frames in judged.items():
            apart, first, second = farthest_swap(mine[flow], frames)
            if apart > SWAP_NS:
                self.fail(
                    f"the order of flow {flow} differs: tcpdump has these, {apart} ns apart in "
                    f"ours, the other way round:\n  {first.data[:64].hex()}"
                    f"\n  {second.data[:64].hex()}"
                )

    def link(self, pod, device="eth0"):
        argv = in_netns(pod.pid, [need("ip"), "-j", "link", "show", device])
        return json.loads(run(argv).stdout)[0]
