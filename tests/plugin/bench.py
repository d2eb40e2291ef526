#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the plugin costs tshark, on a capture of a million frames of pods in a described cluster:

    STRATOCAP_PLUGIN=path/to/stratoshark.so bench.py [--frames 1000000] [--rounds 3] [--only filter]

Each way of reading runs with the plugin and without, in turn; told is the least of each, because
other programs only ever make a run longer. Needs a quiet machine and a gigabyte below /tmp.
"""

import argparse
import os
import random
import resource
import struct
import subprocess
import sys
import time

from tshark import CAPTURES, Tshark, plugin_path

sys.path.insert(0, CAPTURES)
# pylint: disable=wrong-import-position
from make import describe  # noqa: E402
from pcapng import IN, LINKTYPE_UPPER_PDU, OUT, Capture, metadata, padded, tcp, tlv  # noqa: E402

PODS = 200
WAYS = {
    "the packet list": ["-n"],
    "a display filter": ["-n", "-Y", "tcp.flags.syn == 1"],
    "statistics": ["-n", "-q", "-z", "io,phs"],
}
# What cannot be had without the plugin, and what tshark has that comes nearest: a filter costs it
# the tree of each frame, whichever field it is on.
OWN_WAYS = {
    "a filter on a pod": (["-n", "-Y", 'stratoshark.pod == "none"'],
                          ["-n", "-Y", "tcp.port == 1"]),
    "a filter on a service": (["-n", "-Y", 'stratoshark.dst.service == "none"'],
                              ["-n", "-Y", "tcp.port == 1"]),
    "a filter on a process": (["-n", "-Y", 'stratoshark.comm == "none"'],
                              ["-n", "-Y", "tcp.port == 1"]),
    "Kubernetes Flows": (["-n", "-q", "-z", "stratoshark,flows"], ["-n", "-q", "-z", "conv,tcp"]),
    "all details": (["-n", "-V"], ["-n", "-V"]),
}


def make(path, frames):
    """Connections between pods, of eight frames each; as our captures have them."""
    c = Capture()
    events = c.interface("stratoshark-events", "node=n1", LINKTYPE_UPPER_PDU)
    pods = [c.interface(f"stratoshark-pod:production/pod-{i}",
                        f"pod=pod-{i}; namespace=production; container=web; device=eth0; node=n1; "
                        f"runtime=containerd; uid=u-{i}; hook=netns") for i in range(20)]
    addresses = [f"10.0.{i // 250}.{i % 250 + 1}" for i in range(PODS)]
    for i, address in enumerate(addresses):
        describe(c, events, "pod", f"pod production/pod-{i}", namespace="production",
                 pod=f"pod-{i}", uid=f"u-{i}", node="n1", addresses=[address],
                 containers=["web"], images={"web": "registry.example/web:1"},
                 labels={"app": f"app-{i % 20}", "tier": "back"}, workload=f"Deployment/app-{i % 20}")
    chosen = random.Random(1)
    option = metadata(OUT, extra=tlv(10, struct.pack("<II", 4711, 100)))
    options = [struct.pack("<HH", 2989, len(value)) + padded(value) + bytes(4) for value in
               (option, option.replace(tlv(1, bytes([OUT])), tlv(1, bytes([IN]))))]
    with open(path, "wb") as file:
        file.write(c.data)
        moment = c.time_ns
        for number in range(frames // 8):
            pod = chosen.randrange(20)
            ends = [(addresses[pod], 32768 + number % 28000),
                    (addresses[chosen.randrange(20, PODS)], 8080)]
            for data, server in connection(ends):
                moment += 20_000
                body = struct.pack("<IIIII", pods[pod], moment >> 32, moment & 0xFFFFFFFF,
                                   len(data), len(data)) + padded(data) + options[server]
                length = len(body) + 12
                file.write(struct.pack("<II", 6, length) + body + struct.pack("<I", length))


def connection(ends):
    seq = [random.getrandbits(31), random.getrandbits(31)]
    for server, flags, payload in ((0, "S", b""), (1, "SA", b""), (0, "A", b""),
                                   (0, "PA", b"GET /api HTTP/1.1\r\nHost: api\r\n\r\n"),
                                   (1, "PA", b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n"
                                    + b"x" * 400),
                                   (0, "FA", b""), (1, "FA", b""), (0, "A", b"")):
        yield tcp(*ends[server], *ends[not server], flags, seq[server], seq[not server],
                  payload), server
        seq[server] = (seq[server] + len(payload) + ("S" in flags) + ("F" in flags)) % 2**32


def measure(tshark, words):
    """(seconds of CPU, MiB at most) of one run."""
    argv, environment = tshark.command("-r", "bench.pcapng", *words)
    process = subprocess.Popen(argv, cwd=tshark.home, env=environment,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"bench.py: {' '.join(argv)} ended with {status}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def least(runs):
    return [min(run[i] for run in runs) for i in range(2)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--frames", type=int, default=1000000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="ways whose name contains this text")
    arguments = parser.parse_args()
    with Tshark(plugin_path()) as ours, Tshark(None) as stock:
        path = os.path.join(ours.home, "bench.pcapng")
        start = time.monotonic()
        make(path, arguments.frames)
        os.link(path, os.path.join(stock.home, "bench.pcapng"))
        for home in ours, stock:
            home.own()
        print(f"made in {time.monotonic() - start:.0f} s, {os.path.getsize(path) >> 20} MiB")
        ways = {name: (words, words) for name, words in WAYS.items()}
        for name, (words, stock_words) in {**ways, **OWN_WAYS}.items():
            if arguments.only not in name:
                continue
            runs = [[], []]
            for _ in range(arguments.rounds):
                runs[0].append(measure(stock, stock_words))
                runs[1].append(measure(ours, words))
            (time_a, memory_a), (time_b, memory_b) = map(least, runs)
            print(f"{name:24} {time_a:6.2f} s → {time_b:6.2f} s ({time_b / time_a - 1:+.1%})   "
                  f"{memory_a:5.0f} → {memory_b:5.0f} MiB ({memory_b / memory_a - 1:+.1%})")


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
