#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What --ssl-keylog and --ssl-plaintext cost a TLS server: nginx in a pod, asked by wrk in another.

Each round measures the server without a capture, with packets only, with keys, with plaintext;
in another order each time. README.md says how to read it.
"""

import argparse
import collections
import contextlib
import dataclasses
import json
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
CHECKOUT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, CHECKOUT]

# pylint: disable=wrong-import-position
from bench import MEMORY, BenchError, cpu_seconds, introduce, program_of, progress, spread, wait_for  # noqa: E402
from tests.node import tls, tls_images  # noqa: E402
from tests.node.harness import Background, tshark_rows  # noqa: E402
from tests.node.node import Container, Node  # noqa: E402

SPACE = "tls-bench"
CONNECTIONS = 32
UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}  # of wrk, in ms


@dataclasses.dataclass(frozen=True)
class Cell:
    name: str
    title: str
    path: str
    calls: int  # of SSL_read and SSL_write, by the server, for a request
    headers: tuple = ()
    paced: bool = False  # a bounded rate, and every request has to be in the file


@dataclasses.dataclass(frozen=True)
class Mode:
    name: str
    words: tuple = None  # of capture; None: no capture


# Numbered requests, about 1,000 a second: each connection rests before its next one.
PACED = """local number = 0
function request()
  number = number + 1
  return wrk.format("GET", "/n/" .. number)
end
function delay()
  return 30
end
"""
CELLS = (
    Cell("small", "answers of 20 B, connections that stay", "/n/1", 3),
    Cell("paced", "answers of 20 B, 1,000 requests/s", "/n/0", 3, paced=True),
    Cell("100k", "answers of 100 kB, connections that stay", "/bytes/100000", 9),
    Cell("handshakes", "a connection for each request", "/n/1", 3, ("-H", "Connection: close")),
)
MODES = (
    Mode("control"),
    Mode("packets", ()),
    Mode("keys", ("--ssl-keylog",)),
    Mode("plaintext", ("--ssl-plaintext", "--no-packets")),
)


class Rig:
    """A node with the two pods."""

    def __init__(self):
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.directory = stack.enter_context(
                tempfile.TemporaryDirectory(prefix=f"ssbench-{os.getpid()}-", dir=MEMORY))
            certificates = os.path.join(self.directory, "certificates")
            os.mkdir(certificates, 0o755)
            os.chmod(self.directory, 0o755)
            tls.make_certificates(certificates)
            with open(os.path.join(certificates, "paced.lua"), "w", encoding="utf-8") as file:
                file.write(PACED)
            folder = os.environ.get("STRATOCAP_NODE_DIR", "/run/stratoshark-node-bench")
            node = stack.enter_context(Node(folder))
            tls_images.add(node, "tls")
            mounts = [(certificates, "/tls", True)]
            server = Container("nginx", "tls", command=["nginx"], mounts=mounts)
            client = Container("tools", "tls", command=tls_images.SLEEP, mounts=mounts)
            self.server = node.run_pod(SPACE, "server", [server])
            self.client = node.run_pod(SPACE, "client", [client])
            wait_for(self._answers, "nginx does not answer yet")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self._stack.close()

    def _answers(self):
        with contextlib.suppress(OSError):
            tls.Held(self.server.ip, tls.PLAIN).close()
            return True
        return False

    def load(self, cell, seconds):
        """What wrk says: requests, their rate, latency at 99 % in ms."""
        url = f"https://{self.server.ip}:{tls.PLAIN}{cell.path}"
        argv = ["wrk", "-t", "1", "-c", str(CONNECTIONS), "-d", f"{seconds}s", "--latency",
                *cell.headers, *(("-s", "/tls/paced.lua") if cell.paced else ()), url]
        said = self.client.exec("tools", argv, seconds + 30)
        rate = re.search(r"Requests/sec: +([\d.]+)", said)
        late = re.search(r"99% +([\d.]+)(us|ms|s|m)\b", said)
        count = re.search(r"(\d+) requests in", said)
        if not rate or not late or not int(count[1]):
            raise BenchError(f"wrk measured nothing: {said.strip()}")
        if "Non-2xx" in said:
            raise BenchError("the server refuses requests")
        return int(count[1]), float(rate[1]), float(late[1]) * UNITS[late[2]]


def missing(path, requests):
    """How many of the answered requests stock tshark does not show with their answers. Some more
    than were counted may have been answered when wrk ended."""
    fields = ("http.response_for.uri", "http.response.code")
    rows = tshark_rows(path, fields, "http.response")
    shown = collections.Counter(uri for row in rows
                                for uri in row["http.response_for.uri"].split(",") if uri)
    if {code for row in rows for code in row["http.response.code"].split(",")} != {"200"}:
        raise BenchError("the capture shows other answers than the server gave")
    twice = sum(shown.values()) - len(shown)
    first = [uri for uri in shown if 0 < int(uri.rpartition("/")[2]) <= requests]
    # The last of each connection may have been asked, and not answered before the end.
    return max(0, requests - len(shown), requests - CONNECTIONS - len(first)) + twice


def measure(rig, cell, mode, program, seconds):
    path = os.path.join(rig.directory, "capture")
    with contextlib.ExitStack() as stack:
        capture = None
        if mode.words is not None:
            argv = [program, "capture", "--pod", f"{SPACE}/server", "-w", path, *mode.words]
            capture = stack.enter_context(Background(argv))
            capture.wait_stderr("capturing")
        before = cpu_seconds()
        requests, rate, p99 = rig.load(cell, seconds)
        after = cpu_seconds()
        result = {"requests": requests, "rate": rate, "p99": p99,
                  "busy": after[0] - before[0], "stolen": after[1] - before[1]}
        if capture:
            if capture.stop(timeout_s=60):
                raise BenchError(f"the capture failed: {capture.stderr.strip()}")
            dropped = re.search(r"(\d+) dropped", capture.stderr)
            lost = re.search(r"(\d+) (?:TLS )?records? (?:were )?lost", capture.stderr)
            result["dropped"] = sum(int(each[1]) for each in (dropped, lost) if each)
            if cell.paced and "--ssl" in "".join(mode.words):
                result["missing"] = missing(path, requests)
            result["size"] = os.path.getsize(path)
            os.unlink(path)
    return result


def measure_cell(rig, cell, options):
    """Rounds in which each mode runs once."""
    rounds = []
    for number in range(options.rounds):
        shift, results = number % len(MODES), {}
        for mode in MODES[shift:] + MODES[:shift]:
            progress(f"{cell.name}: round {number + 1}/{options.rounds}, {mode.name}")
            results[mode.name] = measure(rig, cell, mode, options.program, options.seconds)
        control = results["control"]
        for result in results.values():
            result["kept"] = result["rate"] / control["rate"]
            each = (one["busy"] / one["requests"] * 1e6 for one in (result, control))
            result["cost"] = next(each) - next(each)
            result["call"] = result["cost"] / cell.calls
        rounds.append(results)
    return rounds


def report(cell, rounds):
    progress("")
    print(f"\n{cell.name}: {cell.title}")
    widths = (11, 24, 20, 18, 20, 20, 9, 9)
    heads = ("mode", "requests/s", "p99 ms", "rate kept", "µs/request", "µs/call", "dropped",
             "missing" if cell.paced else "")
    row = "  " + "".join(f"{{:<{width}}}" for width in widths)
    print(row.format(*heads).rstrip())
    for mode in MODES:
        results = [one[mode.name] for one in rounds]

        def column(key, digits=2):
            return spread([result[key] for result in results], digits)

        print(row.format(
            mode.name, column("rate", 0), column("p99"), column("kept"),
            column("cost", 1) if mode.words is not None else "-",
            column("call", 1) if mode.words is not None else "-",
            sum(result.get("dropped", 0) for result in results),
            sum(result["missing"] for result in results) if "missing" in results[0] else "",
        ).rstrip())


def parse_options():
    names = [cell.name for cell in CELLS]
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--program", help="the stratoshark to measure (default: build/cli)")
    parser.add_argument("--rounds", type=int, help="runs of each mode in each cell (5)")
    parser.add_argument("--seconds", type=int, help="how long each load lasts (5)")
    parser.add_argument("--only", metavar="CELL,...", help=f"of {', '.join(names)}")
    parser.add_argument("--quick", action="store_true",
                        help="one short round: does everything run? The numbers mean nothing")
    parser.add_argument("--json", metavar="FILE", help="also write every run to FILE")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 5)
    options.seconds = options.seconds or (1 if options.quick else 5)
    wanted = options.only.split(",") if options.only else names
    if unknown := set(wanted) - set(names):
        parser.error(f"'{unknown.pop()}' is no cell: choose from {', '.join(names)}")
    options.cells = [cell for cell in CELLS if cell.name in wanted]
    options.program = program_of(parser, options.program)
    if os.geteuid():
        parser.error("needs root: it starts pods")
    return options


def main():
    options = parse_options()
    about = introduce(options)
    cells = {}
    with Rig() as rig:
        for cell in options.cells:
            cells[cell.name] = measure_cell(rig, cell, options)
            report(cell, cells[cell.name])
            sys.stdout.flush()
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"machine": about, "cells": cells}, file, indent=1)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (BenchError, AssertionError, subprocess.SubprocessError) as failure:
        sys.exit(f"tls_bench: {failure}")
    except KeyboardInterrupt:
        sys.exit("tls_bench: interrupted")
