#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What it costs to say which process each frame of a pod is of: a pod receives, another sends.

Each round measures the load without a capture, with `--no-processes`, and as it comes; in another
order each time. Then the kernel counts how long our programs run, in rounds of their own, because
counting costs. README.md says how to read it.
"""

import argparse
import collections
import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.realpath(__file__))
CHECKOUT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, CHECKOUT]

# pylint: disable=wrong-import-position
from bench import (DRAIN, MEMORY, PORT, BenchError, cpu_seconds, introduce, program_of, progress, run,  # noqa: E402
                   spread, wait_for, warm)
from tests.node import tls_images  # noqa: E402
from tests.node.harness import Background  # noqa: E402
from tests.node.node import Container, Node  # noqa: E402

SPACE = "pod-bench"
Cell = collections.namedtuple("Cell", "frame rate pod command")  # bytes; frames a second; captured
CELLS = {"64": Cell(64, 100000, "server", "send"), "1500": Cell(1500, 60000, "server", "send"),
         "sent": Cell(64, 100000, "client", "send"),
         "sent-to": Cell(64, 100000, "client", "send-to")}
MODES = {"control": None, "frames": ("--no-processes",), "processes": ()}
MOST = 0.1  # of the cost of a frame
STATISTICS = "/proc/sys/kernel/bpf_stats_enabled"


class Rig:
    """A node with the two pods."""

    def __init__(self):
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.directory = stack.enter_context(
                tempfile.TemporaryDirectory(prefix=f"ssbench-{os.getpid()}-", dir=MEMORY))
            os.chmod(self.directory, 0o755)
            tools = os.path.join(self.directory, "tools")
            os.mkdir(tools, 0o755)
            run("gcc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-static", "-o",
                os.path.join(tools, "load"), os.path.join(HERE, "load.c"))
            node = stack.enter_context(
                Node(os.environ.get("STRATOCAP_NODE_DIR", "/run/stratoshark-node-bench")))
            tls_images.add(node, "tls")
            mounts = [(tools, "/bench", True)]
            listen = ["/bench/load", "receive", "0.0.0.0", str(PORT)]
            self.server = node.run_pod(
                SPACE, "server", [Container("load", "tls", command=listen, mounts=mounts)])
            self.client = node.run_pod(
                SPACE, "client", [Container("tools", "tls", command=tls_images.SLEEP,
                                            mounts=mounts)])
            wait_for(lambda: self.send(Cell(64, 1000, "server", "send"), 0.1) > 0,
                     "the pods do not reach each other")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self._stack.close()

    def send(self, cell, seconds):
        """Frames sent."""
        said = self.client.exec("tools", ["/bench/load", cell.command, self.server.ip, str(PORT),
                                          str(cell.frame), str(cell.rate), str(seconds)],
                                round(seconds) + 30)
        return json.loads(said)["sent"]


@contextlib.contextmanager
def capturing(rig, cell, words, program):
    """A capture of the cell's pod; at the end it has accounted for what rig.send() sent."""
    path = os.path.join(rig.directory, "capture")
    with Background([program, "capture", "--pod", f"{SPACE}/{cell.pod}", "-w", path,
                     *words]) as capture:
        capture.wait_stderr("capturing")
        sent = []
        yield sent
        if capture.stop(timeout_s=60):
            raise BenchError(f"the capture failed: {capture.stderr.strip()}")
        os.unlink(path)
        frames = int(re.search(r"(\d+) frames", capture.stderr)[1])
        dropped = re.search(r"(\d+) dropped", capture.stderr)
        if frames + (int(dropped[1]) if dropped else 0) < sum(sent):
            raise BenchError(f"{sum(sent)} frames were sent, {frames} captured")


def measure(rig, cell, words, program, seconds):
    """CPU time of the whole machine in µs per frame."""
    warm(rig.directory, seconds)
    with contextlib.ExitStack() as stack:
        counts = [] if words is None else stack.enter_context(
            capturing(rig, cell, words, program))
        before = cpu_seconds()
        sent = rig.send(cell, seconds)
        counts.append(sent)
        time.sleep(DRAIN)
        after = cpu_seconds()
    return (after[0] - before[0]) / sent * 1e6


@contextlib.contextmanager
def statistics_enabled():
    with open(STATISTICS, encoding="ascii") as file:
        old = file.read()
    try:
        with open(STATISTICS, "w", encoding="ascii") as file:
            file.write("1")
        yield
    finally:
        with open(STATISTICS, "w", encoding="ascii") as file:
            file.write(old)


EMPTY = """#include <linux/bpf.h>
__attribute__((section("tc"), used)) int empty(struct __sk_buff *skb) { return 0; }
"""


def statistics_cost(directory):
    """ns that the kernel counts for a program that does nothing: what it takes to count."""
    source, made, place = (os.path.join(directory, name) for name in ("empty.c", "empty.o", "bpf"))
    with open(source, "w", encoding="ascii") as file:
        file.write(EMPTY)
    run("clang", "-O2", "-target", "bpf", f"-I/usr/include/{os.uname().machine}-linux-gnu", "-c",
        source, "-o", made)
    os.makedirs(place, exist_ok=True)
    run("mount", "-t", "bpf", "bpf", place)
    try:
        run("bpftool", "prog", "load", made, f"{place}/empty")
        run("bpftool", "prog", "run", "pinned", f"{place}/empty", "data_in", source, "repeat",
            "1000000")
        one = json.loads(run("bpftool", "-j", "prog", "show", "pinned", f"{place}/empty"))
        return one["run_time_ns"] / one["run_cnt"]
    finally:
        run("umount", place)


def program_times():
    """By id: name, runs, and ns that they took."""
    return {one["id"]: (one.get("name", "?"), one.get("run_cnt", 0), one.get("run_time_ns", 0))
            for one in json.loads(run("bpftool", "-j", "prog", "show"))}


def measure_programs(rig, cell, words, program, seconds, counting):
    """Run time of the capture's programs in ns per frame, by their names, without what it takes to
    count: that is as much again as the smallest of them need."""
    warm(rig.directory, seconds)
    others, times = program_times(), {}
    with capturing(rig, cell, words, program) as counts:
        before = program_times()
        counts.append(rig.send(cell, seconds))
        for number, (name, runs, spent) in program_times().items():
            if number in others:
                continue
            _, runs_before, spent_before = before.get(number, (name, 0, 0))
            more = spent - spent_before - counting * (runs - runs_before)
            times[name] = times.get(name, 0) + max(more, 0) / counts[0]
    return times


def measure_cell(rig, cell, options):
    """Costs in µs per frame, above the control of their round; and ns in programs."""
    rounds, programs = [], []
    for number in range(options.rounds):
        names = list(MODES)
        shift, busy = number % len(names), {}
        for name in names[shift:] + names[:shift]:
            progress(f"{cell}: round {number + 1}/{options.rounds}, {name}")
            busy[name] = measure(rig, CELLS[cell], MODES[name], options.program, options.seconds)
        rounds.append({name: busy[name] - busy["control"] for name in names})
    with statistics_enabled():
        counting = statistics_cost(rig.directory)
        for number in range(options.rounds):
            names = ["frames", "processes"][::1 if number % 2 else -1]
            progress(f"{cell}: programs, round {number + 1}/{options.rounds}")
            programs.append({name: measure_programs(rig, CELLS[cell], MODES[name], options.program,
                                                    min(options.seconds, 1), counting)
                             for name in names})
    return rounds, programs


def report(cell, rounds, programs, judges):
    progress("")
    what = CELLS[cell]
    print(f"\n{cell}: UDP {what.frame} B, {what.rate / 1000:.0f} kpps, at the {what.pod}, "
          "to a file")
    print(f"{'':20}{'CPU, µs/frame':24}in programs, ns/frame")
    for name, title in (("frames", "without processes"), ("processes", "with processes")):
        costs = [one[name] for one in rounds]
        times = [sum(one[name].values()) for one in programs]
        print(f"  {title:18}{spread(costs):24}{spread(times, 0)}")
    more = statistics.median(sum(one["processes"].values()) - sum(one["frames"].values())
                             for one in programs)
    last = programs[-1]["processes"]
    print("  of these: " + ", ".join(f"{name} {last[name]:.0f}" for name in sorted(
        last, key=last.get, reverse=True) if last[name] >= 1))
    cost = statistics.median(one["frames"] for one in rounds) * 1000
    if cost <= 0:
        print("  the cost of a frame is lost in the noise")
        return
    verdict = f", ≤{MOST:.0%} {'met' if more <= MOST * cost else 'MISSED'}" if judges else ""
    print(f"  processes add {more:.0f} ns in programs: {more / cost:.0%} of {cost:.0f} ns{verdict}")


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--program", help="the stratoshark to measure (default: build/cli)")
    parser.add_argument("--rounds", type=int, help="runs of each mode in each cell (5)")
    parser.add_argument("--seconds", type=float, help="how long each load lasts (5)")
    parser.add_argument("--only", metavar="CELL", choices=CELLS, help=f"of {', '.join(CELLS)}")
    parser.add_argument("--quick", action="store_true",
                        help="one short round: does everything run? The numbers mean nothing")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 5)
    options.seconds = options.seconds or (0.5 if options.quick else 5)
    options.program = program_of(parser, options.program)
    if os.geteuid():
        parser.error("needs root: it starts pods")
    return options


def main():
    options = parse_options()
    introduce(options)
    with Rig() as rig:
        for cell in [options.only] if options.only else CELLS:
            report(cell, *measure_cell(rig, cell, options), not options.quick)
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (BenchError, AssertionError, subprocess.SubprocessError) as failure:
        sys.exit(f"pod_bench: {failure}")
    except KeyboardInterrupt:
        sys.exit("pod_bench: interrupted")
