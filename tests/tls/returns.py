#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Go programs in every kind of link: are the return instructions of crypto/tls found, all and only those?

tests/tls/returns.py build/tests/unit/tls-points [GO...]

GO is a go program ("go" by default; of other versions: /usr/lib/go-1.26/bin/go). objdump is the judge; stripped programs are
compared with the same program unstripped, whose functions have the same shape.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

SOURCE = """package main

import "net/http"

func main() { panic(http.ListenAndServeTLS(":8443", "a", "b", nil)) }
"""

POINTS = {"go-keylog", "go-read", "go-read-ret", "go-write", "go-write-ret", "go-close"}
SYMBOLS = {"go-read": "crypto/tls.(*Conn).Read", "go-write": "crypto/tls.(*Conn).Write"}
ARM64 = {"GOARCH": "arm64", "CGO_ENABLED": "0"}
VARIANTS = {
    # name: (arguments, environment, stripped)
    "plain": ([], {}, False),
    "stripped": (["-ldflags", "-s -w"], {}, True),
    "pie": (["-buildmode=pie"], {}, False),
    "pie-stripped": (["-buildmode=pie", "-ldflags", "-s -w"], {}, True),
    "cgo": (["-ldflags", "-linkmode=external"], {"CGO_ENABLED": "1"}, False),
    "cgo-pie-stripped": (["-buildmode=pie", "-ldflags", "-linkmode=external -s -w"], {"CGO_ENABLED": "1"}, True),
    "arm64": ([], ARM64, False),
    "arm64-stripped": (["-ldflags", "-s -w"], ARM64, True),
    "arm64-pie": (["-buildmode=pie"], ARM64, False),
    "arm64-pie-stripped": (["-buildmode=pie", "-ldflags", "-s -w"], ARM64, True),
}


def points(program, path):
    output = subprocess.run([program, path], check=True, capture_output=True, text=True).stdout.splitlines()
    found = {}
    for line in output[1:]:
        function, _flags, offset = line.split()
        found.setdefault(function, set()).add(int(offset, 0))
    return output[0], found


def symbols(path):
    """name: (address, size), of functions"""
    lines = subprocess.run(["readelf", "-sW", path], check=True, capture_output=True, text=True).stdout.splitlines()
    rows = (line.split() for line in lines)
    return {row[7]: (int(row[1], 16), int(row[2], 0)) for row in rows if len(row) == 8 and row[3] == "FUNC"}


def file_offset(path, address):
    lines = subprocess.run(["readelf", "-lW", path], check=True, capture_output=True, text=True).stdout.splitlines()
    for row in (line.split() for line in lines):
        if row[:1] == ["LOAD"] and int(row[2], 16) <= address < int(row[2], 16) + int(row[4], 16):
            return address - int(row[2], 16) + int(row[1], 16)
    raise ValueError(f"{address:#x} is in no segment of {path}")


def objdump_returns(path, address, size):
    """distances of return instructions from the function's start"""
    tool = "aarch64-linux-gnu-objdump" if "arm64" in path else "objdump"
    output = subprocess.run([tool, "-d", f"--start-address={address:#x}", f"--stop-address={address + size:#x}", path],
                            check=True, capture_output=True, text=True).stdout
    return {int(found[1], 16) - address for found in re.finditer(r"^\s*([0-9a-f]+):\t[0-9a-f ]+\s+ret", output, re.M)}


def shape(found, entry, returns):
    """what one function's points look like, wherever it is"""
    start = min(found[entry])
    return sorted(offset - start for offset in found[returns])


def check(program, path, reference):
    """A sentence if something is wrong. reference: shapes of the unstripped program, or None."""
    headline, found = points(program, path)
    print(headline)
    if set(found) != POINTS:
        return f"found functions {sorted(found)}"
    for entry, name in SYMBOLS.items():
        relative = shape(found, entry, entry + "-ret")
        if reference is not None:
            if relative != reference[entry]:
                return f"{name}: {relative}, unstripped {reference[entry]}"
            continue
        address, size = symbols(path)[name]
        if found[entry] != {file_offset(path, address)}:
            return f"{name}: found at {found[entry]}"
        judged = sorted(objdump_returns(path, address, size))
        if relative != judged:
            return f"{name}: {relative}, objdump {judged}"
    return None


def main():
    program = os.path.abspath(sys.argv[1])
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, text in (("main.go", SOURCE), ("go.mod", "module x\n")):
            with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
                file.write(text)
        for go in sys.argv[2:] or ["go"]:
            shapes = {}
            for variant, (arguments, environment, stripped) in VARIANTS.items():
                if environment is ARM64 and not shutil.which("aarch64-linux-gnu-objdump"):
                    print(f"SKIP {variant}: aarch64-linux-gnu-objdump is missing (binutils-aarch64-linux-gnu)")
                    continue
                path = f"{folder}/{variant}"
                subprocess.run([go, "build", *arguments, "-o", path, "."], check=True, cwd=folder,
                               env={**os.environ, "GOCACHE": f"{folder}/cache", "GOTOOLCHAIN": "local", **environment})
                kind = environment is ARM64, "pie" in variant
                wrong = check(program, path, shapes[kind] if stripped else None)
                if not stripped and not wrong:
                    _, found = points(program, path)
                    shapes.setdefault(kind, {entry: shape(found, entry, entry + "-ret") for entry in SYMBOLS})
                print(f"{'FAIL' if wrong else 'PASS'} {go} {variant}{': ' + wrong if wrong else ''}")
                passed, failed = passed + (not wrong), failed + bool(wrong)
            shutil.rmtree(f"{folder}/cache", ignore_errors=True)
    print(f"{passed} passed, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
