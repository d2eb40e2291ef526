#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Feeds mutated golden captures to tshark with the plugin; fails on a crash or a dissector bug.

    STRATOCAP_PLUGIN=path/to/stratoshark.so fuzz.py [--seconds 60] [--seed N] [--keep FOLDER]

Most of tshark's time is its start: many mutated blocks go through one run. Two kinds of rounds:
mutants of single blocks, framed so that the file stays readable up to the last one; and whole
files with bytes changed anywhere, where the reader may well refuse. What fails is kept, with the
command that shows it again.
"""

import argparse
import os
import random
import re
import struct
import sys
import time

from tshark import CAPTURES, Tshark, plugin_path

PER_RUN = 400
IDB, EPB, SHB = 1, 6, 0x0A0D0D0A


def blocks(data):
    """(type, body) of every block."""
    offset = 0
    while offset < len(data):
        kind, length = struct.unpack_from("<II", data, offset)
        yield kind, data[offset + 8:offset + length - 4]
        offset += length


def block(kind, body):
    body += bytes(-len(body) % 4)
    length = len(body) + 12
    return struct.pack("<II", kind, length) + body + struct.pack("<I", length)


def options(body, start):
    """(offset of the value, its length) of every option from start."""
    while start + 4 <= len(body):
        code, length = struct.unpack_from("<HH", body, start)
        if code == 0 or start + 4 + length > len(body):
            return
        yield start + 4, length
        start += 4 + length + -length % 4


def targets(kind, body):
    """The byte ranges worth changing: option values and frame bytes, not what frames them."""
    if kind == IDB:
        return [(offset, length) for offset, length in options(body, 8) if length > 1]
    captured = struct.unpack_from("<I", body, 12)[0]
    ranges = list(options(body, 20 + captured + -captured % 4))
    return ranges + [(20, captured)]


INTERESTING = (b"\0", b"\xff", b"%", b";", b"=", b",", b"/", b"\x7f", b"\x80", b"\n", b'"', b"\\",
               b"{", b"[", b"}", b"\\u", b"%00", b"%4", b"ST", b"\x00\x21", b"\xff\xff",
               b'""', b"[]", b"{}", b"null", b"-1", b"99999", b'"pod"', b'"service"', b'"node"',
               b'"addresses"', b'"endpoints"', b'"labels"', b'"10.0.0.1"', b'"10.0.0.2"', b'"::"')
STATISTICS = ("stratoshark,tree", "stratoshark,flows", "conv,stratoshark",
              "endpoints,stratoshark", "flow,stratoshark,standard")


def mutate(random_source, data, start, length):
    """data with some bytes of a range changed; the length stays."""
    data = bytearray(data)
    for _ in range(random_source.choice((1, 1, 2, 4, 16))):
        if length == 0:
            break
        # Beginnings hold magic, types and lengths: look there as often as anywhere.
        span = min(length, 16) if random_source.random() < 0.5 else length
        at = start + random_source.randrange(span)
        choice = random_source.randrange(4)
        if choice == 0:
            data[at] ^= 1 << random_source.randrange(8)
        elif choice == 1:
            data[at] = random_source.randrange(256)
        elif choice == 2:
            piece = random_source.choice(INTERESTING)[:start + length - at]
            data[at:at + len(piece)] = piece
        else:
            # A piece of the same range elsewhere: repeats and reorders items.
            size = random_source.randrange(1, min(length, 12) + 1)
            size = min(size, start + length - at)
            from_ = start + random_source.randrange(length - size + 1)
            data[at:at + size] = data[from_:from_ + size]
    return bytes(data)


def shorten(random_source, body):
    """An EPB whose metadata option ends early: a length only the plugin looks at."""
    captured = struct.unpack_from("<I", body, 12)[0]
    for offset, length in options(body, 20 + captured + -captured % 4):
        if struct.unpack_from("<H", body, offset - 4)[0] == 2989 and length > 4:
            cut = random_source.randrange(4, length)
            value = body[offset:offset + cut]
            return (body[:offset - 4] + struct.pack("<HH", 2989, cut) + value +
                    bytes(-cut % 4) + bytes(4))
    return body


def mutant_blocks(random_source, corpus):
    """A capture of PER_RUN mutated frames on mutated interfaces, all in one section."""
    name = random_source.choice(sorted(corpus))
    all_blocks = list(blocks(corpus[name]))
    out = block(*all_blocks[0])
    interfaces = [body for kind, body in all_blocks if kind == IDB and len(body) < 4096]
    frames = [body for kind, body in all_blocks if kind == EPB]
    link_types = []
    for body in random_source.choices(interfaces, k=40):
        ranges = targets(IDB, body)
        if ranges and random_source.random() < 0.8:
            body = mutate(random_source, body, *random_source.choice(ranges))
        link_types.append(struct.unpack_from("<H", body)[0])
        out += block(IDB, body)
    for body in random_source.choices(frames, k=PER_RUN):
        choice = random_source.random()
        if choice < 0.2:
            body = shorten(random_source, body)
        body = struct.pack("<I", random_source.randrange(len(link_types))) + body[4:]
        if choice > 0.1:
            body = mutate(random_source, body, *random_source.choice(targets(EPB, body)))
        out += block(EPB, body)
    return out


def mutant_file(random_source, corpus):
    data = corpus[random_source.choice(sorted(corpus))]
    for _ in range(random_source.choice((1, 4, 32))):
        data = mutate(random_source, data, 0, len(data))
    return data


def failures(done):
    """What is wrong with this run of tshark. It may refuse a file, with a small status."""
    found = set()
    if done.returncode < 0 or done.returncode >= 128:
        found.add(f"ended with status {done.returncode}")
    for line in (done.stdout + done.stderr).split("\n"):
        bug = re.search(r"Dissector bug.*?(packet-[\w-]+\.c:\d+|$)", line)
        if bug:
            found.add(f"dissector bug at {bug[1] or line.strip()}")
        elif "g_string_erase" in line:
            continue  # stock's flow graph, with more names than it has room for
        elif re.search(r"\bCRITICAL\b|\*\* ERROR|GLib-\w*-?WARNING", line):
            found.add(line.strip())
    return found


def run(tshark, mutant, command):
    with open(os.path.join(tshark.home, "mutant.pcapng"), "wb") as file:
        file.write(mutant)
    tshark.own()
    return tshark.run(*command, timeout=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", default=".", help="folder for what fails (default: this one)")
    arguments = parser.parse_args()
    plugin = plugin_path()

    corpus = {}
    for name in os.listdir(CAPTURES):
        if name.endswith(".pcapng"):
            with open(os.path.join(CAPTURES, name), "rb") as file:
                corpus[name] = file.read()

    end = time.monotonic() + arguments.seconds
    rounds = 0
    stock_only = set()
    with Tshark(plugin) as tshark, Tshark(None) as stock:
        while time.monotonic() < end:
            # Each round has a seed of its own: to repeat one, no other need run.
            random_source = random.Random(f"{arguments.seed}/{rounds}")
            make = mutant_file if rounds % 4 == 3 else mutant_blocks
            mutant = make(random_source, corpus)
            command = ["-r", "mutant.pcapng", "-V", "-z", "expert"]
            if rounds % 2:
                command.append("-2")
            ours = [word for name in STATISTICS for word in ("-z", name)]
            found = failures(run(tshark, mutant, command + ours))
            if found:
                # Stock has bugs of its own, in exported_pdu for one: they are not ours.
                known = failures(run(stock, mutant, command))
                stock_only |= found & known
                found -= known
            if found:
                kept = os.path.join(arguments.keep, f"fuzz-{arguments.seed}-{rounds}.pcapng")
                with open(kept, "wb") as file:
                    file.write(mutant)
                command = [word.replace("mutant.pcapng", kept) for word in command + ours]
                print(f"fuzz.py: round {rounds}: {'; '.join(sorted(found))}\nWith the plugin "
                      f"installed: tshark {' '.join(command)}")
                return 1
            rounds += 1
    print(f"fuzz.py: {rounds} rounds, no failure (seed {arguments.seed})")
    for text in sorted(stock_only):
        print(f"fuzz.py: also without the plugin: {text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
