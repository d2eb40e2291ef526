#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""How long it takes to list a node's pods: real ones of containerd, each with a container.

They live in a mount namespace of the bench, so no other program on this machine lists them.
README.md says how to read it.
"""

import argparse
import concurrent.futures
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.realpath(__file__))
CHECKOUT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, CHECKOUT]

# pylint: disable=wrong-import-position
from bench import progress  # noqa: E402
from tests.node.harness import RUNTIME, build_directory, program  # noqa: E402
from tests.node.journal import unmount  # noqa: E402
from tests.node.node import Container, Node  # noqa: E402

SPACE = "list-bench"
AT_ONCE = 4  # pods being made
MOST_MS = 50  # for 500 pods
LOGS = ("/var/log/pods", "/var/log/containers")
INSIDE = "STRATOCAP_LIST_BENCH_INSIDE"


def enter_mount_namespace():
    """Starts over in one."""
    if not os.environ.get(INSIDE):
        os.environ[INSIDE] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", "--",
                              sys.executable, *sys.argv])


@contextlib.contextmanager
def own_logs():
    for path in LOGS:
        subprocess.run(["mount", "-t", "tmpfs", "none", path], check=True)
    try:
        yield
    finally:
        for path in LOGS:
            unmount(path)


def populate(node, count):
    def make(number):
        containers = [Container("web", "web")]
        node.run_pod(SPACE, f"pod-{number}", containers, labels={"app": f"app-{number % 20}"})

    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for done, _ in enumerate(pool.map(make, range(count)), 1):
            progress(f"{done} of {count} pods")
    progress("")


def measure(argv, rounds):
    """[(ms that passed, ms of CPU)], after one round that nobody counts; and lines of output."""
    runs, lines = [], 0
    for _ in range(rounds + 1):
        with tempfile.TemporaryFile() as output:
            began = time.monotonic()
            process = subprocess.Popen(argv, stdout=output, stderr=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
            passed = time.monotonic() - began
            process.returncode = status
            if status:
                sys.exit(f"list_bench.py: {' '.join(argv)} ended with {status}")
            output.seek(0)
            lines = output.read().count(b"\n")
        runs.append((passed * 1e3, (usage.ru_utime + usage.ru_stime) * 1e3))
    return runs[1:], lines


def report(rounds):
    extcap = os.environ.get("STRATOCAP_EXTCAP") or f"{build_directory()}/extcap/bin/stratoshark"
    ways = {
        "pods": [program(), "pods"],
        "pods -o json": [program(), "pods", "-o", "json"],
        "pods --no-cri": [program(), "pods", "--no-cri"],
        "pods -o names": [program(), "pods", "-o", "names"],
        "--extcap-interfaces": [extcap, "--extcap-interfaces"],
    }
    print(f"{'':22}     ms (least-most)      ms of CPU    lines")
    for name, argv in ways.items():
        runs, lines = measure(argv, rounds)
        passed, busy = zip(*runs)
        print(f"{name:22} {statistics.median(passed):6.1f} ({min(passed):.1f}-{max(passed):.1f})"
              f"   {statistics.median(busy):6.1f}   {lines:8}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--pods", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--quick", action="store_true", help="does everything run? (for CI)")
    options = parser.parse_args()
    if options.quick:
        options.pods, options.rounds = 10, 1
    enter_mount_namespace()
    with Node(os.environ.get("STRATOCAP_NODE_DIR", "/run/stratoshark-node-list")) as node:
        os.environ[RUNTIME] = f"unix://{node.cri_socket}"
        with own_logs():
            populate(node, options.pods)
            report(options.rounds)


if __name__ == "__main__":
    main()
