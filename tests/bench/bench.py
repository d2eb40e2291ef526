#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a capture costs, and what it loses: stratoshark beside the usual tools.

Two network namespaces of its own and a veth pair between them are all it touches. README.md
says how to read the table.
"""

import argparse
import contextlib
import ctypes
import dataclasses
import json
import math
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.realpath(__file__))
NAMESPACES = "/run/netns"
BUILT = os.path.join(HERE, "..", "..", "build", "cli", "stratoshark")
MEMORY = "/dev/shm"  # captures go here: a disk would be measured instead
DEVICE = "eth0"
SOURCE, SINK = "10.201.0.1", "10.201.0.2"
PORT = 9000
DRAIN = 1.3  # seconds after the load; libpcap hands over a half full buffer after one
WARM = 600 << 20  # bytes a second; more than any tool writes
PATIENCE = 30  # seconds to start or to stop; netsniff-ng first zeroes its large ring


class BenchError(Exception):
    pass


@dataclasses.dataclass(frozen=True)
class Udp:
    frame: int
    rate: int  # per second, 0: as fast as it goes


@dataclasses.dataclass(frozen=True)
class Tcp:
    rate: str  # as iperf3 -b takes it


@dataclasses.dataclass(frozen=True)
class Cell:
    name: str
    title: str
    load: object
    ratios: dict = dataclasses.field(default_factory=dict)  # tool: ours ÷ tool at most
    nothing: bool = False  # the capture goes nowhere instead of to a file
    snap_len: int = 0
    rejects: str = ""  # a filter that no frame passes
    copies: int = 1  # of the tool at once: what costs little is lost in the noise
    keeps: float = 0  # the sender keeps at least this part of its rate
    memory: int = 0  # MiB of ours at most
    tools: tuple = ()  # beside DEFAULT_TOOLS


FILE = {"tcpdump": 0.45, "dumpcap": 0.35}
NOTHING = {"tcpdump": 0.4, "dumpcap": 0.2}
REJECTS = {
    "reject": "udp port 9",
    "reject-host": "host 192.0.2.1",
    "reject-nets": "not net 10.0.0.0/8 and not net 172.16.0.0/12 and not net 192.168.0.0/16",
    "reject-field": "udp[4:2] = 9",  # behind IPv4's options, as tcp[tcpflags]
    "reject-flags": "tcp[tcpflags] & tcp-syn != 0",
}
CELLS = (
    Cell("64", "UDP 64 B, 100 kpps, to a file", Udp(64, 100000),
         {"tcpdump": 0.5, "dumpcap": 0.2}),
    Cell("1500", "UDP 1500 B, 60 kpps, to a file", Udp(1500, 60000), FILE),
    Cell("gso", "TCP 4 Gbit/s with GSO, to a file", Tcp("4G"), {"tcpdump": 0.85, "dumpcap": 0.7}),
    Cell("64-nothing", "UDP 64 B, 100 kpps, discarded", Udp(64, 100000), NOTHING, nothing=True),
    Cell("1500-nothing", "UDP 1500 B, 60 kpps, discarded", Udp(1500, 60000), NOTHING,
         nothing=True),
    Cell("gso-nothing", "TCP 4 Gbit/s with GSO, discarded", Tcp("4G"), NOTHING, nothing=True),
    Cell("snaplen", "UDP 1500 B, 60 kpps, snaplen 128, to a file", Udp(1500, 60000),
         {"tcpdump": 0.6}, snap_len=128),
    *(Cell(name, f"UDP 64 B, unpaced, '{text}' rejects all", Udp(64, 0), {"tcpdump": 1.0},
           rejects=text, copies=8) for name, text in REJECTS.items()),
    Cell("flood", "UDP 64 B, unpaced, to a file", Udp(64, 0), keeps=0.95),
    Cell("usual", "UDP 1500 B, 1 Gbit/s, to a file", Udp(1500, 83333), memory=64,
         tools=("tshark",)),
)


@dataclasses.dataclass(frozen=True)
class Tool:
    name: str
    command: str
    file: str  # options that write to the file {}
    nothing: str  # options that write nowhere; standard output is /dev/null
    captured: str  # patterns in what the tool says when it ends: its own counts
    dropped: str
    listening: str = ""  # pattern in what it says when it has begun
    snap_len: str = ""  # the option, if it has it
    filter: str = ""  # the option; else the filter comes last
    ours: bool = False


TCPDUMP = Tool(
    "tcpdump", f"tcpdump -Z root -i {DEVICE}", "-w {}", "-w /dev/null",
    r"(\d+) packets? captured", r"(\d+) packets? dropped by kernel", "listening on", "-s",
)
OURS = Tool(
    "ours", f"{{program}} capture --interface {DEVICE}", "-w {}", "-w -",
    r"(\d+) frames,", r"(\d+) dropped", "", "--snaplen", "--filter", ours=True,
)
WIRESHARK = f"-q -n -B 32 -i {DEVICE}"
TOOLS = (
    OURS,
    dataclasses.replace(OURS, name="ours --discard", nothing="--discard"),
    TCPDUMP,
    dataclasses.replace(TCPDUMP, name="tcpdump -B", command=TCPDUMP.command + " -B 32768"),
    Tool("dumpcap", f"dumpcap {WIRESHARK}", "-w {}", "-w -",
         r"Packets captured: (\d+)", r"received/dropped on interface .*: \d+/(\d+)",
         "File: ", "-s", "-f"),
    Tool("tshark", f"tshark {WIRESHARK}", "-w {}", "-w /dev/null",
         r"(\d+) packets? captured", r"(\d+) packets? dropped", "File: ", "-s", "-f"),
    Tool("netsniff-ng", f"netsniff-ng --in {DEVICE} --silent", "--out {}", "--out /dev/null",
         r"(\d+)  packets passed filter", r"(\d+)  packets failed filter"),
)
DEFAULT_TOOLS = ("ours", "tcpdump", "tcpdump -B", "dumpcap", "netsniff-ng")
CONTROL = None  # no capture, in each round


def tools_of(cell, chosen=()):
    names = {*DEFAULT_TOOLS, *cell.tools, *(["ours --discard"] if cell.nothing else [])}
    if cell.copies > 1:  # the others have large rings
        names = {"ours", *cell.ratios, *cell.tools}
    if chosen:
        names &= {"ours", *chosen}
    return [tool for tool in TOOLS
            if tool.name in names and not (cell.snap_len and not tool.snap_len)]


def command_line(tool, cell, program, path):
    words = [program if word == "{program}" else word for word in tool.command.split()]
    if cell.snap_len:
        words += [tool.snap_len, str(cell.snap_len)]
    words += [word.format(path) for word in (tool.nothing if cell.nothing else tool.file).split()]
    if cell.rejects:
        words += [*tool.filter.split(), cell.rejects]
    return words


def read(path):
    """A file of /proc whose process may end at any time."""
    with contextlib.suppress(OSError):
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    return ""


def wait_for(condition, what, seconds=PATIENCE):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise BenchError(f"{what} after {seconds} s")
        time.sleep(0.01)


def run(*words, seconds=60):
    try:
        result = subprocess.run(words, capture_output=True, text=True, timeout=seconds,
                                check=False)
    except FileNotFoundError:
        raise BenchError(f"'{words[0]}' is missing: install it") from None
    except subprocess.TimeoutExpired:
        raise BenchError(f"'{' '.join(words)}' does not end within {seconds:.0f} s") from None
    if result.returncode:
        said = (result.stderr.strip() or result.stdout.strip()).splitlines()
        raise BenchError(f"'{' '.join(words)}' failed: {said[-1] if said else 'it said nothing'}")
    return result.stdout


def cpu_seconds():
    """CPU time used by anything, interrupts included, and stolen by the hypervisor; all CPUs.

    Used is everything but idle: the kernel measures idle to the microsecond but guesses the rest
    by looking at each tick, and a paced sender may run in step with that.
    """
    fields = [int(word) for word in read("/proc/stat").split("\n", 1)[0].split()[1:]]
    idle, iowait, steal = fields[3], fields[4], fields[7]
    tick = 1 / os.sysconf("SC_CLK_TCK")
    return time.monotonic() * os.cpu_count() - (idle + iowait + steal) * tick, steal * tick


def family(pid):
    """The process and its descendants: tshark leaves the work to a child."""
    pids = [pid]
    for parent in pids:
        for task in os.listdir(f"/proc/{parent}/task") if os.path.isdir(f"/proc/{parent}") else ():
            pids += map(int, read(f"/proc/{parent}/task/{task}/children").split())
    return pids


def process_seconds(pids):
    ticks = 0
    for pid in pids:
        fields = read(f"/proc/{pid}/stat").rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12]) if fields else 0
    return ticks / os.sysconf("SC_CLK_TCK")


def peak_mebibytes(pids):
    """Peak resident memory. Rings shared with the kernel are mapped whole, so they count."""
    found = (re.search(r"VmHWM:\s+(\d+)", read(f"/proc/{pid}/status")) for pid in pids)
    return sum(int(match[1]) for match in found if match) / 1024


def has_packet_socket(pid, namespace_pid):
    """A running AF_PACKET socket with its ring mapped."""
    rows = [row.split() for row in read(f"/proc/{namespace_pid}/net/packet").splitlines()[1:]]
    running = any(len(row) > 5 and row[4] != "0" and row[5] == "1" for row in rows)
    return running and "socket:[" in read(f"/proc/{pid}/maps")


def has_tc_programs(pid, namespace):
    """Both directions hooked: tcx links are ours by fd; before tcx, clsact filters."""
    descriptors = f"/proc/{pid}/fdinfo"
    links = 0
    with contextlib.suppress(OSError):
        links = sum("link_type:\ttcx" in read(f"{descriptors}/{fd}")
                    for fd in os.listdir(descriptors))
    if links >= 2:
        return True
    return all(" bpf " in subprocess.run(
        ["tc", "-n", namespace, "filter", "show", "dev", DEVICE, side],
        capture_output=True, text=True, check=False).stdout for side in ("ingress", "egress"))


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Rig:
    """Two namespaces, the cable, and everything started inside them."""

    def __init__(self):
        self._stack = contextlib.ExitStack()
        self.source = f"ssbench-{os.getpid()}-source"
        self.sink = f"ssbench-{os.getpid()}-sink"

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.directory = stack.enter_context(
                tempfile.TemporaryDirectory(prefix=f"ssbench-{os.getpid()}-", dir=MEMORY))
            self.load = os.path.join(self.directory, "load")
            run("gcc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-o", self.load,
                os.path.join(HERE, "load.c"))
            for namespace in (self.source, self.sink):
                run("ip", "netns", "add", namespace)
                stack.callback(subprocess.run, ["ip", "netns", "del", namespace], check=False)
                # Without IPv6 and ARP nothing but the load crosses the cable.
                self.inside(namespace, "sh", "-c",
                            "for f in /proc/sys/net/ipv6/conf/*/disable_ipv6; do "
                            "[ ! -e $f ] || echo 1 > $f; done")
            run("ip", "link", "add", DEVICE, "netns", self.source, "type", "veth",
                "peer", "name", DEVICE, "netns", self.sink)
            ends = ((self.source, SOURCE, 1), (self.sink, SINK, 2))
            for namespace, address, number in ends:
                run("ip", "-n", namespace, "address", "add", f"{address}/24", "dev", DEVICE)
                run("ip", "-n", namespace, "link", "set", DEVICE, "arp", "off",
                    "address", f"02:00:00:00:00:0{number}", "up")
            for (namespace, _, _), (_, address, number) in zip(ends, reversed(ends)):
                run("ip", "-n", namespace, "neighbour", "replace", address, "dev", DEVICE,
                    "lladdr", f"02:00:00:00:00:0{number}")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self._stack.close()

    def inside(self, namespace, *words, seconds=60):
        return run("ip", "netns", "exec", namespace, *words, seconds=seconds)

    @contextlib.contextmanager
    def started(self, namespace, words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        # pylint: disable=subprocess-popen-preexec-fn  (single-threaded)
        with subprocess.Popen(["ip", "netns", "exec", namespace, *words], stdout=stdout,
                              stderr=stderr, stdin=subprocess.DEVNULL, text=True,
                              preexec_fn=die_with_parent) as process:
            try:
                yield process
            finally:
                for pid in family(process.pid) if process.poll() is None else ():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)

    def frames(self):
        """Frames that crossed the captured device, both directions."""
        link = json.loads(run("ip", "-n", self.sink, "-s", "-j", "link", "show", DEVICE))[0]
        return sum(link["stats64"][side]["packets"] for side in ("rx", "tx"))


class Load:
    """Sends for some seconds; the other end listens as long as the context lasts."""

    def __init__(self, rig, load, seconds):
        self.rig = rig
        self.seconds = str(seconds)
        self.load = load
        self.tcp = isinstance(load, Tcp)

    @contextlib.contextmanager
    def listening(self):
        server = [self.rig.load, "receive", SINK, str(PORT)]
        if self.tcp:
            server = ["iperf3", "-s", "-p", str(PORT), "--forceflush"]
        with self.rig.started(self.rig.sink, server, subprocess.PIPE) as process:
            for line in process.stdout:
                if "ready" in line or "listening" in line:
                    break
            else:
                raise BenchError(f"'{server[0]}' does not listen")
            yield

    def send(self):
        """Frames or bits per second it reached."""
        limit = 2 * float(self.seconds) + 30
        if self.tcp:
            said = self.rig.inside(self.rig.source, "iperf3", "-c", SINK, "-p", str(PORT),
                                   "-b", self.load.rate, "-J",
                                   # whole seconds, and 0 is for ever
                                   "-t", str(math.ceil(float(self.seconds))), seconds=limit)
            return json.loads(said)["end"]["sum_sent"]["bits_per_second"]
        said = json.loads(self.rig.inside(
            self.rig.source, self.rig.load, "send", SINK, str(PORT), str(self.load.frame),
            str(self.load.rate), self.seconds, seconds=limit))
        return said["sent"] / said["seconds"]


class Capture:
    """One run of one tool: ready, measured, stopped, counted."""

    def __init__(self, rig, tool, cell, program, number=0):
        self.rig, self.tool, self.cell = rig, tool, cell
        self.path = os.path.join(rig.directory, f"capture-{number}")
        self.words = command_line(tool, cell, program, self.path)
        self.said_path = os.path.join(rig.directory, f"said-{number}")
        self.process = None

    @contextlib.contextmanager
    def running(self):
        with open(self.said_path, "w", encoding="utf-8") as said:
            # netsniff-ng says its counts on standard output; others write the capture there.
            stdout = said if self.tool.name == "netsniff-ng" else subprocess.DEVNULL
            try:
                with self.rig.started(self.rig.sink, self.words, stdout, said) as self.process:
                    wait_for(self._ready, f"{self.tool.name} does not capture yet")
                    yield self
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self.path)

    def _ready(self):
        pid = self.process.pid
        status = self.process.poll()
        if status is not None:
            raise BenchError(f"{self.tool.name} ended with {status}: {self._last_words()}")
        if self.tool.listening not in read(self.said_path):
            return False
        if self.tool.ours:
            return has_tc_programs(pid, self.rig.sink) and (
                self.cell.nothing or os.path.exists(self.path) and os.path.getsize(self.path) > 0)
        return any(has_packet_socket(one, pid) for one in family(pid))

    def _last_words(self):
        said = read(self.said_path).strip().splitlines()
        return said[-1] if said else "it said nothing"

    def usage(self):
        pids = family(self.process.pid)
        return process_seconds(pids), peak_mebibytes(pids)

    def stop(self):
        """Ends it; returns frames in the file (or as it says) and drops as it says."""
        self.process.send_signal(signal.SIGINT)
        try:
            status = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise BenchError(f"{self.tool.name} does not stop") from None
        if status:
            raise BenchError(f"{self.tool.name} ended with {status}: {self._last_words()}")
        said = read(self.said_path)
        captured = re.search(self.tool.captured, said)
        captured = int(captured[1]) if captured else None
        dropped = re.search(self.tool.dropped, said)
        if not self.cell.nothing:
            counted = json.loads(run(self.rig.load, "count", self.path, str(PORT)))
            if not counted["whole"] or counted["frames"] != counted["distinct"]:
                raise BenchError(f"{self.tool.name}'s file is broken: {counted}")
            captured = counted["frames"]
        if captured is None:
            raise BenchError(f"{self.tool.name} does not say what it captured")
        return captured, int(dropped[1]) if dropped else 0


def warm(directory, seconds):
    """Leaves the kernel free memory that the machine has touched.

    A virtual machine pays its host for each page that it touches for the first time, or again
    after the host took it back: ten times what a capture pays to fill it, and whichever tool
    comes first would pay for all.
    """
    path = os.path.join(directory, "warm")
    size = min(int(WARM * float(seconds)), shutil.disk_usage(directory).free // 2)
    with open(path, "wb", buffering=0) as file:
        block = bytes(1 << 20)
        for _ in range(size >> 20):
            file.write(block)
    os.unlink(path)


def write_alone(directory, size):
    """CPU seconds to write so many bytes to a file, in large pieces: less is not possible."""
    path = os.path.join(directory, "alone")
    piece = memoryview(bytes(1 << 20))
    with open(path, "wb", buffering=0) as file:
        began = time.process_time()
        for left in range(size, 0, -len(piece)):
            file.write(piece[:left])
        seconds = time.process_time() - began
    os.unlink(path)
    return seconds


def program_cost():
    """(ns, runs) of our programs, as the kernel counts them."""
    programs = json.loads(run("bpftool", "-j", "prog", "show"))
    ours = [each for each in programs if each.get("name", "").startswith("ss_frame")]
    return (sum(each.get("run_time_ns", 0) for each in ours),
            sum(each.get("run_cnt", 0) for each in ours))


@contextlib.contextmanager
def program_statistics():
    """The kernel counts what programs cost, which itself costs some 60 ns a run."""
    switch = "/proc/sys/kernel/bpf_stats_enabled"
    old = read(switch)

    def put(value):
        with open(switch, "w", encoding="ascii") as file:
            file.write(value)

    put("1")
    try:
        yield
    finally:
        put(old)


def measure_program(rig, cell, program, seconds):
    """ns a frame in our program: everything in it, filter and statistics included."""
    load = Load(rig, cell.load, seconds)
    with load.listening(), Capture(rig, OURS, cell, program).running(), program_statistics():
        load.send()
        ns, runs = program_cost()
    return ns / runs if runs else 0


def measure(rig, cell, tool, program, seconds):
    """One run: what the load did and, with a tool, what the tool did."""
    load = Load(rig, cell.load, seconds)
    if float(seconds) >= 2 and not cell.rejects:  # shorter runs are not judged
        warm(rig.directory, seconds)
    with load.listening(), contextlib.ExitStack() as stack:
        captures = [stack.enter_context(Capture(rig, tool, cell, program, number).running())
                    for number in range(cell.copies)] if tool else []
        used = sum(capture.usage()[0] for capture in captures)
        frames, before, began = rig.frames(), cpu_seconds(), time.monotonic()
        rate = load.send()
        if not cell.rejects:
            time.sleep(DRAIN)
        after, passed = cpu_seconds(), time.monotonic() - began
        result = {"busy": after[0] - before[0], "stolen": after[1] - before[1],
                  "frames": rig.frames() - frames, "rate": rate}
        if captures:
            usage = [capture.usage() for capture in captures]
            # The tool works while the load runs; the drain must not thin its share.
            result.update(cpu=(sum(each[0] for each in usage) - used) / float(seconds) * 100,
                          memory=sum(each[1] for each in usage))
            counts = [capture.stop() for capture in captures]
            result["captured"], result["dropped"] = map(sum, zip(*counts))
            size = (os.path.getsize(captures[0].path)
                    if tool.ours and not cell.nothing and not cell.rejects else 0)
    if not result["frames"]:
        raise BenchError("the load sent nothing")
    if tool and size:  # the file has gone, and its memory is there to be used again
        result["alone"] = write_alone(rig.directory, size) / result["frames"] * 1e6
    return result


def measure_cell(rig, cell, options):
    """Rounds in which each tool and the control run once, each time in another order."""
    runners = [CONTROL, *tools_of(cell, options.tools)]
    rounds = []
    for number in range(options.rounds):
        results = {}
        shift = number % len(runners)
        for tool in runners[shift:] + runners[:shift]:
            name = tool.name if tool else "control"
            if tool and not shutil.which(command_line(tool, cell, options.program, "")[0]):
                results[name] = {"error": "not installed"}
                continue
            progress(f"{cell.name}: round {number + 1}/{options.rounds}, {name}")
            try:
                results[name] = measure(rig, cell, tool, options.program, options.seconds)
            except BenchError as error:
                results[name] = {"error": str(error)}
        rounds.append(derive(cell, results))
        if cell.rejects and "error" not in results["ours"]:
            results["ours"]["program"] = measure_program(rig, cell, options.program,
                                                         options.seconds / 4)
    return rounds


def derive(cell, results):
    """Adds what a run is worth beside the control of its round."""
    control = results["control"]
    for name, result in results.items():
        if name == "control" or "error" in result:
            continue
        if "error" in control:
            result["error"] = f"no control to compare with: {control['error']}"
            continue
        frames = result["frames"]
        if cell.rejects:  # nothing leaves the kernel: the sender does all of the work
            result["cost"] = (1 / result["rate"] - 1 / control["rate"]) / cell.copies * 1e6
        else:
            result["cost"] = (result["busy"] - control["busy"]) / frames * 1e6
        result["kept"] = result["rate"] / control["rate"]
        result["lost"] = frames - result["captured"]
    for name, result in results.items():
        if name != "ours" and result.get("cost", 0) > 0 and "cost" in results["ours"]:
            result["ratio"] = results["ours"]["cost"] / result["cost"]
    return results


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def spread(values, digits=2):
    """Median (least–most), or what there is."""
    if not values:
        return "-"
    text = f"{statistics.median(values):.{digits}f}"
    if len(values) > 1:
        text += f" ({min(values):.{digits}f}-{max(values):.{digits}f})"
    return text


class Report:
    """The table; remembers targets missed and runs that went wrong."""

    HEADS = ("tool", "µs/frame", "ours÷tool", "target", "rate kept", "lost %", "says %",
             "CPU %", "MiB")
    WIDTHS = (15, 20, 18, 15, 18, 7, 7, 6, 6)

    def __init__(self, judges, chosen):
        self.judges = judges  # whether the numbers are worth a verdict
        self.chosen = chosen  # tools, or none for all
        self.met = self.missed = self.unclear = 0
        self.problems = []

    def _row(self, cells):
        line = "".join(f"{cell:<{width}}" for cell, width in zip(cells, self.WIDTHS))
        print("  " + line.rstrip())

    def _target(self, met, text):
        if not self.judges:
            return text
        if met is None:
            self.unclear += 1
            return text + " unclear"
        self.met += met
        self.missed += not met
        return text + (" met" if met else " MISSED")

    def cell(self, cell, rounds):
        progress("")
        print(f"\n{cell.name}: {cell.title}")
        controls = [one["control"] for one in rounds if "error" not in one["control"]]
        if controls:
            rate, busy, stolen = (statistics.median(control[key] for control in controls)
                                  for key in ("rate", "busy", "stolen"))
            rate = (f"{rate / 1e9:.2f} Gbit/s" if isinstance(cell.load, Tcp) else
                    f"{rate / 1e3:.1f} kpps")
            print(f"  without capture: {rate}, {busy:.2f} s of CPU, {stolen:.2f} s stolen")
        self._row(self.HEADS)
        for tool in tools_of(cell, self.chosen):
            good = [one[tool.name] for one in rounds if "error" not in one[tool.name]]
            errors = [one[tool.name]["error"] for one in rounds if "error" in one[tool.name]]
            if errors:
                self._row((tool.name, f"{errors[-1]} ({len(errors)} of {len(rounds)} rounds)"))
                if tool.ours:
                    self.problems.append(f"{cell.name}: {errors[-1]}")
            if good:
                self._tool(cell, tool, good)

    def _tool(self, cell, tool, good):
        def values(key):
            return [result[key] for result in good if key in result]

        frames = sum(values("frames"))
        ratios, targets = values("ratio"), []
        if tool.name in cell.ratios:
            most = cell.ratios[tool.name]
            # No ratio: the tool seemed to cost nothing. That, or less than nothing, is noise.
            told = len(ratios) == len(good) and min(ratios) > -0.1
            met = statistics.median(ratios) <= most if told else None
            targets.append(self._target(met, f"≤{most}"))
        if tool.name == "ours" and cell.keeps:
            targets.append(self._target(statistics.median(values("kept")) >= cell.keeps,
                                        f"≥{cell.keeps}"))
        if tool.name == "ours" and cell.memory:
            targets.append(self._target(max(values("memory")) <= cell.memory,
                                        f"≤{cell.memory} MiB"))
        clear = not isinstance(cell.load, Udp) or cell.load.rate or cell.rejects
        lost = "-" if cell.rejects else f"{sum(values('lost')) / frames:.2%}"[:-1]
        self._row((
            tool.name,
            spread(values("cost")) if clear else "-",
            spread(ratios) if clear else "-",
            ", ".join(targets) or "-",
            spread(values("kept")),
            lost,
            f"{sum(values('dropped')) / frames:.2%}"[:-1],
            spread([statistics.median(values("cpu"))], 0),
            spread([max(values("memory"))], 0),
        ))
        if values("alone"):
            self._row(("  write alone", spread(values("alone"))))
        if values("program"):
            self._row(("  program", f"{spread(values('program'), 0)} ns"))
        if tool.ours:
            self._check_truth(cell, tool, good)

    def _check_truth(self, cell, tool, good):
        """Ours must account for each frame: in the file, or in the drops it says."""
        for result in good:
            captured, dropped = result["captured"], result["dropped"]
            if cell.rejects:
                if captured or dropped:
                    self.problems.append(f"{cell.name}: {tool.name} let {captured} frames pass")
            elif captured + dropped != result["frames"]:
                self.problems.append(
                    f"{cell.name}: {tool.name} captured {captured} and says {dropped} dropped, "
                    f"of {result['frames']} frames")

    def end(self):
        print(f"\ntargets: {self.met} met, {self.missed} missed, {self.unclear} unclear"
              if self.judges else "\ntargets: not judged, the runs were too short")
        for problem in self.problems:
            print(f"problem: {problem}")
        return 1 if self.problems else 0


def machine():
    """What the numbers depend on; how busy it is before we begin, the hypervisor included."""
    before, began = cpu_seconds(), time.monotonic()
    time.sleep(1)
    all_seconds = (time.monotonic() - began) * os.cpu_count()
    busy, stolen = ((now - then) / all_seconds for now, then in zip(cpu_seconds(), before))
    return {"kernel": os.uname().release, "machine": os.uname().machine, "cpus": os.cpu_count(),
            "busy_before": round(max(busy, 0), 3), "stolen_before": round(max(stolen, 0), 3)}


def introduce(options):
    """Says on what machine, and how, it is measured; returns machine()."""
    about = machine()
    print(f"Linux {about['kernel']}, {about['machine']}, {about['cpus']} CPUs; "
          f"{options.rounds} rounds of {options.seconds} s; medians (least-most)")
    if about["busy_before"] + about["stolen_before"] > 0.05:
        print(f"note: other programs use {about['busy_before']:.0%} of the CPUs and the hypervisor "
              f"takes {about['stolen_before']:.0%}:\n"
              "      the numbers are noise, repeat it when the machine is quiet")
    return about


def program_of(parser, named):
    """The stratoshark to measure: the one that is named, or built, or installed."""
    wanted = named or (BUILT if os.path.exists(BUILT) else "stratoshark")
    found = shutil.which(wanted)
    if not found:
        parser.error(f"no program '{wanted}': build it, or name it with --program")
    return os.path.realpath(found)


def sweep():
    """What a bench left that was killed; a living one's things stay."""
    for name in os.listdir(NAMESPACES) if os.path.isdir(NAMESPACES) else ():
        if abandoned(name):
            run("ip", "netns", "del", name)
    for name in os.listdir(MEMORY):
        if abandoned(name):
            shutil.rmtree(os.path.join(MEMORY, name), ignore_errors=True)


def abandoned(name):
    match = re.match(r"ssbench-(\d+)-", name)
    return match and not os.path.exists(f"/proc/{match[1]}")


def missing(cell, seconds):
    """What this machine lacks for the cell, or nothing."""
    if isinstance(cell.load, Tcp):
        if not shutil.which("iperf3"):
            return "iperf3 is not installed"
        rate = 5e8
    else:
        rate = (cell.load.rate or 1e6) * (cell.load.frame + 64)
    needed = 0 if cell.nothing else rate * seconds * 1.1
    available = re.search(r"MemAvailable:\s+(\d+)", read("/proc/meminfo"))
    free = min(shutil.disk_usage(MEMORY).free, int(available[1]) * 1024)
    if needed > free:
        return f"it needs {needed / 2**30:.1f} GiB of memory in {MEMORY}: choose less --seconds"
    return ""


def parse_options():
    names = [cell.name for cell in CELLS]
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--program", help="the stratoshark to measure (default: build/cli)")
    parser.add_argument("--rounds", type=int, help="runs of each tool in each cell (5)")
    parser.add_argument("--seconds", type=float, help="how long each load lasts (5)")
    parser.add_argument("--only", metavar="CELL,...", help=f"of {', '.join(names)}")
    parser.add_argument("--tools", metavar="TOOL,...",
                        help="of "
                        f"{', '.join(tool.name for tool in TOOLS if tool.name != 'ours')}; "
                        "ours is always measured (all that the cell names)")
    parser.add_argument("--quick", action="store_true",
                        help="one short round: does everything run? The numbers mean nothing")
    parser.add_argument("--json", metavar="FILE", help="also write every run to FILE")
    options = parser.parse_args()
    if options.rounds is None:
        options.rounds = 1 if options.quick else 5
    if options.seconds is None:
        options.seconds = 0.5 if options.quick else 5
    if not 1 <= options.rounds <= 100 or not 0.1 <= options.seconds <= 60:
        parser.error("choose 1 to 100 rounds of 0.1 to 60 seconds")
    wanted = options.only.split(",") if options.only else names
    for name in wanted:
        if name not in names:
            parser.error(f"'{name}' is no cell: choose from {', '.join(names)}")
    options.cells = [dataclasses.replace(cell, copies=min(cell.copies, 2)) if options.quick
                     else cell for cell in CELLS if cell.name in wanted]
    options.tools = tuple(options.tools.split(",")) if options.tools else ()
    for name in options.tools:
        if name not in (tool.name for tool in TOOLS):
            parser.error(f"'{name}' is no tool of the bench: see --help")
    options.program = program_of(parser, options.program)
    if os.geteuid():
        parser.error("needs root: it makes network namespaces and captures in them")
    return options


def main():
    options = parse_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("bench: terminated"))
    sweep()
    about = introduce(options)
    report, rounds = Report(not options.quick, options.tools), {}
    with Rig() as rig:
        for cell in options.cells:
            reason = missing(cell, options.seconds)
            if reason:
                print(f"\n{cell.name}: {cell.title}\n  left out: {reason}")
                continue
            rounds[cell.name] = measure_cell(rig, cell, options)
            report.cell(cell, rounds[cell.name])
            sys.stdout.flush()
    status = report.end()
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"machine": about, "seconds": options.seconds, "cells": rounds}, file,
                      indent=1)
    return status


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as failure:
        sys.exit(f"bench: {failure}")
    except KeyboardInterrupt:
        sys.exit("bench: interrupted")
