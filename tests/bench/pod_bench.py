#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What it costs to say which process each frame of a pod is of: a pod receives, another sends.

Each round measures the load without a capture, with `--no-processes`, and as it comes; in another
order each time. README.md says how to read it.
"""

import argparse
import contextlib
import json
import os
import re
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
CELLS = {"64": (64, 100000), "1500": (1500, 60000)}  # bytes of a frame; frames a second
MODES = {"control": None, "frames": ("--no-processes",), "processes": ()}
MOST = 1.1  # processes ÷ frames


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
            wait_for(lambda: self.send(64, 1000, 0.1) > 0, "the pods do not reach each other")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self._stack.close()

    def send(self, frame, rate, seconds):
        """Frames sent."""
        said = self.client.exec("tools", ["/bench/load", "send", self.server.ip, str(PORT),
                                          str(frame), str(rate), str(seconds)], round(seconds) + 30)
        return json.loads(said)["sent"]


def measure(rig, cell, words, program, seconds):
    path = os.path.join(rig.directory, "capture")
    warm(rig.directory, seconds)
    with contextlib.ExitStack() as stack:
        capture = None
        if words is not None:
            capture = stack.enter_context(Background(
                [program, "capture", "--pod", f"{SPACE}/server", "-w", path, *words]))
            capture.wait_stderr("capturing")
        before = cpu_seconds()
        sent = rig.send(*CELLS[cell], seconds)
        time.sleep(DRAIN)
        after = cpu_seconds()
        if capture:
            if capture.stop(timeout_s=60):
                raise BenchError(f"the capture failed: {capture.stderr.strip()}")
            os.unlink(path)
            frames = int(re.search(r"(\d+) frames", capture.stderr)[1])
            dropped = re.search(r"(\d+) dropped", capture.stderr)
            if frames + (int(dropped[1]) if dropped else 0) < sent:
                raise BenchError(f"{sent} frames were sent, {frames} captured")
    return (after[0] - before[0]) / sent * 1e6


def measure_cell(rig, cell, options):
    """Costs in µs per frame, above the control of their round."""
    rounds = []
    for number in range(options.rounds):
        names = list(MODES)
        shift, busy = number % len(names), {}
        for name in names[shift:] + names[:shift]:
            progress(f"{cell}: round {number + 1}/{options.rounds}, {name}")
            busy[name] = measure(rig, cell, MODES[name], options.program, options.seconds)
        rounds.append({name: busy[name] - busy["control"] for name in names})
    return rounds


def report(cell, rounds, judges):
    progress("")
    print(f"\n{cell}: UDP {CELLS[cell][0]} B, {CELLS[cell][1] / 1000:.0f} kpps, to a file; µs/frame")
    frames, processes = ([one[name] for one in rounds] for name in ("frames", "processes"))
    print(f"  without processes  {spread(frames)}\n  with processes     {spread(processes)}")
    # Of medians: a round's own ratio is that of two small differences of large numbers.
    medians = [sorted(values)[len(values) // 2] for values in (processes, frames)]
    if medians[1] <= 0:
        print("  ratio              lost in the noise")
        return
    ratio = medians[0] / medians[1]
    verdict = f"≤{MOST} {'met' if ratio <= MOST else 'MISSED'}" if judges else ""
    print(f"  ratio              {ratio:.2f} {verdict}".rstrip())


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
            report(cell, measure_cell(rig, cell, options), not options.quick)
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (BenchError, AssertionError, subprocess.SubprocessError) as failure:
        sys.exit(f"pod_bench: {failure}")
    except KeyboardInterrupt:
        sys.exit("pod_bench: interrupted")
