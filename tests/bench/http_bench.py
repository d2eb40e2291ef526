#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What it costs to find the failing requests of a busy server: `capture --filter` with a display
filter, beside tcpdump with and without a tshark behind it. README.md says how to read the table.
"""

import argparse
import contextlib
import json
import os
import re
import resource
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

from bench import (BUILT, DEVICE, DRAIN, SINK, SOURCE, BenchError, Rig, cpu_seconds, family,
                   has_packet_socket, has_tc_programs, progress, read, run, spread, wait_for)

PORT = 8080
CONNECTIONS = 20
RATE = 5000  # requests a second, which tshark can follow
REST = 0.5  # seconds; who takes less than a hundredth of them has nothing to do
FILTER = "http.response.code >= 500"
CONF = """daemon off; worker_processes 1; pid {0}/nginx.pid; error_log {0}/error.log crit;
events {{ worker_connections 1024; }}
http {{
	split_clients "$request_id" $bad {{ 0.5% 1; * 0; }}
	access_log off; keepalive_requests 1000000; client_body_temp_path {0}/body;
	proxy_temp_path {0}/proxy; fastcgi_temp_path {0}/fastcgi; uwsgi_temp_path {0}/uwsgi;
	scgi_temp_path {0}/scgi;
	log_format one "$request_uri";
	server {{
		listen {1}; access_log {0}/bad.log one if=$bad;
		location / {{ if ($bad) {{ return 500 "sorry\\n"; }} root {0}; sendfile on; }}
	}}
}}
"""
# Each connection rests before its next request, as long as makes that rate, give or take half: as
# strangers would, not all at once.
PACED = """local rest = {0} * 1000 / {1}
function delay()
  return math.random() * rest + rest / 2
end
"""
KIND_ROUNDS, KIND_RUNS = 10, 1500  # what passes of a round fits into the ring
MODES = ("control", "ours", "tcpdump", "tcpdump | tshark")
TARGETS = (("tcpdump", 0.25), ("tcpdump | tshark", 0.02))
# What each test costs where nothing matches, and where no other test is asked.
PREDICATES = (
    "", "tcp port 9", "tcp.port == 9", "http.response.code >= 600",
    'http.request.method == "PUT"', 'http.request.uri == "/none"',
    'http.request.uri contains "none"', "dns.flags.rcode != 0",
    'dns.qry.name contains "example"', "tls.handshake.type == 1",
)


class Server:
    """nginx in the sink; one in 200 answers is a 500, and its log is the truth."""

    def __init__(self, rig, body):
        self.rig, self.stack = rig, contextlib.ExitStack()
        self.folder = tempfile.mkdtemp(prefix="http", dir=rig.directory)
        self.log = os.path.join(self.folder, "bad.log")
        self.conf = os.path.join(self.folder, "nginx.conf")
        with open(self.conf, "w", encoding="utf-8") as file:
            file.write(CONF.format(self.folder, PORT))
        with open(os.path.join(self.folder, "page"), "w", encoding="utf-8") as file:
            file.write("x" * body)

    def __enter__(self):
        nginx = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
        if not nginx or not shutil.which("wrk"):
            raise BenchError("nginx and wrk are needed: apt-get install nginx-light wrk")
        os.chmod(self.rig.directory, 0o755)
        os.chmod(self.folder, 0o777)
        self.process = self.stack.enter_context(
            self.rig.started(self.rig.sink, [nginx, "-c", self.conf]))
        wait_for(lambda: "200" in subprocess.run(
            ["ip", "netns", "exec", self.rig.source, "curl", "-s", "-o", "/dev/null", "-w",
             "%{http_code}", f"http://{SINK}:{PORT}/page"], capture_output=True, text=True,
            check=False).stdout, "nginx does not answer")
        return self

    def __exit__(self, *_):
        self.stack.close()

    def seconds(self):
        """CPU time of the server, and of all clients that have ended."""
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        return exact_seconds(family(self.process.pid)) + ended.ru_utime + ended.ru_stime

    def bad(self):
        with open(self.log, encoding="utf-8") as file:
            return sum(1 for _ in file)

    def load(self, seconds, rate=0):
        """Asks so many times a second, or as fast as it can. Returns how many were answered."""
        words = ["-t1", f"-c{CONNECTIONS}", f"-d{seconds}"]
        if rate:
            script = os.path.join(self.folder, "paced.lua")
            with open(script, "w", encoding="utf-8") as file:
                file.write(PACED.format(CONNECTIONS, rate))
            words += ["-s", script]
        said = self.rig.inside(self.rig.source, "wrk", *words, f"http://{SINK}:{PORT}/page",
                               seconds=seconds + 30)
        return int(re.search(r"(\d+) requests in", said)[1])


def exact_seconds(pids):
    """CPU time of processes, to the nanosecond."""
    total = 0
    for pid in pids:
        for task in os.listdir(f"/proc/{pid}/task") if os.path.isdir(f"/proc/{pid}/task") else ():
            total += int((read(f"/proc/{pid}/task/{task}/schedstat").split() or ["0"])[0])
    return total / 1e9


def wait_idle(seconds):
    """Until who took so many CPU seconds rests: it has looked at all, and written what it wants."""
    def rests():
        before = seconds()
        time.sleep(REST)
        return seconds() - before < REST / 100
    wait_for(rests, "the capture goes on", 300)


class Capture:
    """What captures, in a mode."""

    def __init__(self, rig, mode, program):
        self.mode = mode
        self.path = os.path.join(rig.directory, "found")
        self.said = os.path.join(rig.directory, "said")
        self.program = program
        self.rig = rig

    def words(self):
        dump = ["tcpdump", "-Z", "root", "-i", DEVICE, "-w"]
        if self.mode == "ours":
            return [self.program, "capture", "--interface", DEVICE, "--filter", FILTER,
                    "-w", self.path]
        if self.mode == "tcpdump":
            return [*dump, self.path]
        return ["sh", "-c", f"{' '.join(dump)} - -U | tshark -n -r - -Y '{FILTER}' -w {self.path}"]

    def _ready(self, process):
        pids = family(process.pid)
        if self.mode == "ours":
            return any(has_tc_programs(pid, self.rig.sink) for pid in pids)
        return any(has_packet_socket(pid, process.pid) for pid in pids)

    @contextlib.contextmanager
    def running(self):
        """Gives a function for the CPU seconds that it took until now."""
        if self.mode == "control":
            yield lambda: 0
            return
        with open(self.said, "w", encoding="utf-8") as said, \
                self.rig.started(self.rig.sink, self.words(), stderr=said) as process:
            wait_for(lambda: self._ready(process), f"{self.mode} does not begin")
            yield lambda: exact_seconds(family(process.pid))
            for pid in reversed(family(process.pid)):
                name = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
                if name in ("tcpdump", os.path.basename(self.program)):
                    os.kill(pid, 2)
            process.wait(120)

    def lost(self):
        """Frames, as it says itself."""
        return sum(map(int, re.findall(r"(\d+) (?:packets )?dropped", read(self.said))))


def found(path, display):
    return len(run("tshark", "-n", "-r", path, "-Y", display, "-T", "fields", "-e",
                   "frame.number", seconds=300).split())


def measure(rig, server, mode, arguments):
    """One load, from when the capture is there and rests to when it rests again."""
    capture = Capture(rig, mode, arguments.program)
    with capture.running() as seconds:
        wait_idle(seconds)
        bad, own, used = server.bad(), server.seconds() + seconds(), cpu_seconds()[0]
        requests = server.load(arguments.seconds, arguments.rate)
        time.sleep(DRAIN)  # libpcap hands over a half full buffer after one
        wait_idle(seconds)
        own, used = server.seconds() + seconds() - own, cpu_seconds()[0] - used
    row = {"requests": requests, "bad": server.bad() - bad, "us": used / requests * 1e6,
           "own": own / requests * 1e6}
    if mode != "control":
        row["lost"] = capture.lost()
        row["bytes"] = os.path.getsize(capture.path)
        row["found"] = found(capture.path, FILTER) if mode != "tcpdump" else None
        row["asked"] = found(capture.path, "http.request") if mode == "ours" else None
        os.unlink(capture.path)
    return row


def run_cost():
    """(ns, runs) of all our programs, as the kernel counts them."""
    programs = json.loads(run("bpftool", "-j", "prog", "show"))
    ours = [each for each in programs if each.get("name", "").startswith("ss_frame")]
    return (sum(each.get("run_time_ns", 0) for each in ours),
            sum(each.get("run_cnt", 0) for each in ours))


def tcp_frame(payload, to_server):
    """With the usual options, timestamps."""
    ends = [(socket.inet_aton(SOURCE), 40000), (socket.inet_aton(SINK), PORT)]
    (source, source_port), (sink, sink_port) = ends if to_server else reversed(ends)
    segment = struct.pack("!HHIIBBHHH", source_port, sink_port, 1, 1, 8 << 4,
                          0x18 if payload else 0x10, 500, 0, 0)
    segment += bytes.fromhex("0101080a0000000100000002") + payload
    packet = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(segment), 1, 0x4000, 64, 6, 0, source,
                         sink) + segment
    return bytes.fromhex("02aabbccdd0202aabbccdd010800") + packet


def kinds_of_frames():
    return {
        "ACK": tcp_frame(b"", True),
        "request": tcp_frame(b"GET /page HTTP/1.1\r\nHost: server\r\n\r\n", True),
        "response": tcp_frame(b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n", False),
        "body": tcp_frame(b"x" * 200, False),
    }


def own_program(pid):
    """The number of a program that the process has attached."""
    for each in family(pid):
        folder = f"/proc/{each}/fdinfo"
        said = "".join(read(f"{folder}/{fd}") for fd in os.listdir(folder))
        found_ids = set(map(int, re.findall(r"prog_id:\s+(\d+)", said)))
        for program in json.loads(run("bpftool", "-j", "prog", "show")):
            if program["id"] in found_ids and program.get("name", "").startswith("ss_frame"):
                return program["id"]
    raise BenchError("the program is not found")


def kind_cost(program, path):
    """ns a run on such a frame, over and over: all in the cache, all bytes linear."""
    costs = []
    for _ in range(KIND_ROUNDS):
        words = ["bpftool", "-j", "prog", "run", "id", str(program), "data_in", path, "repeat",
                 str(KIND_RUNS)]
        costs.append(json.loads(run(*words))["duration"])
        time.sleep(0.01)  # what passes is taken out of the ring
    return min(costs)


def kinds(rig, program):
    """What each kind of frame costs."""
    costs = {}
    for name, frame in kinds_of_frames().items():
        path = os.path.join(rig.directory, "frame")
        with open(path, "wb") as file:
            file.write(frame)
        costs[name] = kind_cost(program, path)
    return ", ".join(f"{name} {ns}" for name, ns in costs.items())


def predicates(rig, server, arguments):
    """ns a frame in our programs, filter and all; the kernel's statistics add some 50. Then for each
    kind of frame, by itself and without statistics."""
    switch = "/proc/sys/kernel/bpf_stats_enabled"
    with open(switch, encoding="ascii") as file:
        old = file.read()
    try:
        run("sysctl", "-q", "kernel.bpf_stats_enabled=1")
        for text in PREDICATES:
            words = [arguments.program, "capture", "--interface", DEVICE, "--quiet", "--discard"]
            words += ["--filter", text] if text else []
            with rig.started(rig.sink, words) as process:
                wait_for(lambda p=process: any(has_tc_programs(pid, rig.sink)
                                               for pid in family(p.pid)), "ours does not begin")
                server.load(max(1, arguments.seconds // 2))
                ns, runs = run_cost()
                run("sysctl", "-q", "kernel.bpf_stats_enabled=0")
                by_kind = kinds(rig, own_program(process.pid))
                run("sysctl", "-q", "kernel.bpf_stats_enabled=1")
            print(f"{ns / runs if runs else 0:8.0f} ns/frame  {text or '(no filter)'}  ({by_kind})")
    finally:
        with open(switch, "w", encoding="ascii") as file:
            file.write(old)


def table(rounds):
    """Prints costs and ratios; false: a 500 was missed, or came without its request."""
    for key, what in (("us", "the whole machine"), ("own", "server, client and capture")):
        control = [each["control"][key] for each in rounds]
        costs = {mode: [each[mode][key] - base for each, base in zip(rounds, control)]
                 for mode in MODES[1:]}
        print(f"CPU of {what}: {spread(control)} µs a request, and above that")
        for mode, values in costs.items():
            print(f"  {mode:17} {statistics.median(values):+8.2f} "
                  f"({min(values):+.2f} to {max(values):+.2f})")
        ours = statistics.median(costs["ours"])
        for mode, target in TARGETS:
            theirs = statistics.median(costs[mode])
            print(f"  ours ÷ {mode}: "
                  + (f"{ours / theirs:.3f}" if theirs > 0 else "unclear")
                  + f" (target {target})")
    for mode in MODES:
        print(f"{mode}: " + "; ".join(outcome(each[mode]) for each in rounds))
    ours = [each["ours"] for each in rounds]
    return all(each["found"] == each["bad"] == each["asked"] for each in ours)


def outcome(row):
    """What a run found, and what it lost of what it was to look at."""
    words = [f"{row['requests']} requests"]
    if "lost" in row:
        words += [f"{row['lost']} frames lost", f"{row['bytes']} bytes"]
    if row.get("found") is not None:
        words.append(f"{row['found']} of {row['bad']} found")
    if row.get("asked") is not None:
        words.append(f"{row['asked']} with their request")
    return ", ".join(words)


def compare(rig, server, arguments):
    """All modes in each round, each time another one first."""
    rounds = []
    for number in range(arguments.rounds):
        order = MODES[number % len(MODES):] + MODES[:number % len(MODES)]
        results = {}
        for mode in order:
            progress(f"round {number + 1}/{arguments.rounds}, {mode}")
            results[mode] = measure(rig, server, mode, arguments)
        rounds.append(results)
    progress("")
    return table(rounds)


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", default=BUILT)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--body", type=int, nargs="+", default=[200, 20000],
                        help="bytes of a good answer")
    parser.add_argument("--rate", type=int, default=RATE, help="requests a second")
    parser.add_argument("--full-speed", action="store_true",
                        help="as many requests as the machine can do")
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--no-predicates", action="store_true")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.seconds = 1, 2
        arguments.body = arguments.body[:1]
    if arguments.full_speed:
        arguments.rate = 0
    arguments.program = os.path.abspath(arguments.program)
    return arguments


def main():
    arguments = parse_options()
    try:
        good = True
        with Rig() as rig:
            for body in arguments.body:
                with Server(rig, body) as server:
                    pace = f"{arguments.rate} a second" if arguments.rate else "at full speed"
                    print(f"answers of {body} bytes, {pace}:")
                    good &= compare(rig, server, arguments)
            if not arguments.no_predicates:
                with Server(rig, arguments.body[0]) as server:
                    predicates(rig, server, arguments)
    except BenchError as error:
        print(f"http_bench: {error}", file=sys.stderr)
        return 1
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
