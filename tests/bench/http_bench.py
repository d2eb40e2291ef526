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
import statistics
import subprocess
import sys
import tempfile
import time

from bench import (BUILT, DEVICE, SINK, BenchError, Rig, cpu_seconds, family,
                   has_packet_socket, has_tc_programs, process_seconds, run, wait_for)

PORT = 8080
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
MODES = ("control", "ours", "tcpdump", "tcpdump | tshark")
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
        return process_seconds(family(self.process.pid)) + ended.ru_utime + ended.ru_stime

    def bad(self):
        with open(self.log, encoding="utf-8") as file:
            return sum(1 for _ in file)

    def load(self, seconds):
        said = self.rig.inside(self.rig.source, "wrk", "-t1", "-c20", f"-d{seconds}",
                               f"http://{SINK}:{PORT}/page", seconds=seconds + 30)
        return int(re.search(r"(\d+) requests in", said)[1])


@contextlib.contextmanager
def capturing(rig, mode, program, path):
    """Gives a function for the CPU seconds of what captures; ends when all is written."""
    ours = [program, "capture", "--interface", DEVICE, "--quiet", "--filter", FILTER, "-w", path]
    dump = ["tcpdump", "-Z", "root", "-i", DEVICE, "-w"]
    words = {"ours": ours, "tcpdump": [*dump, path], "tcpdump | tshark": [
        "sh", "-c", f"{' '.join(dump)} - -U | tshark -n -r - -Y '{FILTER}' -w {path}"]}
    if mode == "control":
        yield lambda: 0
        return
    with rig.started(rig.sink, words[mode]) as process:
        def ready():
            pids = family(process.pid)
            if mode == "ours":
                return any(has_tc_programs(pid, rig.sink) for pid in pids)
            return any(has_packet_socket(pid, process.pid) for pid in pids)
        wait_for(ready, f"{mode} does not begin")
        yield lambda: process_seconds(family(process.pid))
        time.sleep(1.5)  # libpcap hands over a half full buffer after one
        for pid in reversed(family(process.pid)):
            name = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
            if name in ("tcpdump", os.path.basename(program)):
                os.kill(pid, 2)
        process.wait(120)


def found(path, display):
    return len(run("tshark", "-n", "-r", path, "-Y", display, "-T", "fields", "-e",
                   "frame.number", seconds=300).split())


def measure(rig, server, mode, arguments, row):
    path = os.path.join(rig.directory, "found")
    before, (used, _) = server.bad(), cpu_seconds()
    with capturing(rig, mode, arguments.program, path) as seconds_of_capture:
        own = server.seconds()
        requests = server.load(arguments.seconds)
        time.sleep(0.2)  # what is left in a buffer
        own = server.seconds() - own + seconds_of_capture()
    row["us"] = (cpu_seconds()[0] - used) / requests * 1e6
    row["own"] = own / requests * 1e6
    row["requests"], row["bad"] = requests, server.bad() - before
    if mode in ("ours", "tcpdump | tshark"):
        row["found"] = found(path, FILTER)
    if mode == "ours":
        row["asked"] = found(path, "http.request")
    if mode != "control":
        row["bytes"] = os.path.getsize(path)
        os.unlink(path)


def run_cost():
    """(ns, runs) of all our programs, as the kernel counts them."""
    programs = json.loads(run("bpftool", "-j", "prog", "show"))
    ours = [each for each in programs if each.get("name", "").startswith("ss_frame")]
    return (sum(each.get("run_time_ns", 0) for each in ours),
            sum(each.get("run_cnt", 0) for each in ours))


def predicates(rig, server, arguments):
    """ns a frame in our programs, filter and all."""
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
            print(f"{ns / runs if runs else 0:8.0f} ns/frame  {text or '(no filter)'}")
    finally:
        with open(switch, "w", encoding="ascii") as file:
            file.write(old)


def table(rounds):
    """Prints costs and ratios; false: a 500 was missed, or came without its request."""
    for key, what in (("us", "the whole machine"), ("own", "server, client and capture")):
        control = [each["control"][key] for each in rounds]
        costs = {mode: [each[mode][key] - base for each, base in zip(rounds, control)]
                 for mode in MODES[1:]}
        print(f"CPU of {what}: {statistics.median(control):.2f} µs a request, and above that")
        for mode, values in costs.items():
            print(f"  {mode:17} {statistics.median(values):+8.2f} "
                  f"({min(values):+.2f} to {max(values):+.2f})")
        ours = statistics.median(costs["ours"])
        for mode, target in (("tcpdump", 0.25), ("tcpdump | tshark", 0.02)):
            theirs = statistics.median(costs[mode])
            print(f"  ours ÷ {mode}: "
                  + (f"{ours / theirs:.3f}" if theirs > 0 else "unclear")
                  + f" (target {target})")
    good = True
    for each in rounds:
        row = each["ours"]
        good &= row["found"] == row["bad"] == row["asked"]
        print(f"ours: {row['requests']} requests, {row['bad']} answered 500, {row['found']} found, "
              f"{row['asked']} with their request, {row['bytes']} bytes; tshark found "
              f"{each['tcpdump | tshark']['found']} of {each['tcpdump | tshark']['bad']}")
    return good


def compare(rig, server, arguments):
    """All modes in each round, each time another one first."""
    rounds = []
    for number in range(arguments.rounds):
        order = MODES[number % len(MODES):] + MODES[:number % len(MODES)]
        results = {mode: {} for mode in order}
        for mode in order:
            measure(rig, server, mode, arguments, results[mode])
        rounds.append(results)
    return table(rounds)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", default=BUILT)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--body", type=int, nargs="+", default=[200, 20000],
                        help="bytes of a good answer")
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--no-predicates", action="store_true")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.seconds = 1, 2
        arguments.body = arguments.body[:1]
    arguments.program = os.path.abspath(arguments.program)
    try:
        good = True
        with Rig() as rig:
            for body in arguments.body:
                with Server(rig, body) as server:
                    print(f"answers of {body} bytes:")
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
