# SPDX-License-Identifier: GPL-2.0-or-later
"""images/tls_app.c with BoringSSL inside and no symbols, as Envoy and others carry it; and with
Debian's shared library of it. Built from Debian's source package."""

import concurrent.futures
import glob
import os
import platform
import re
import tarfile

from .images import run, source

PACKAGE = "android-platform-external-boringssl"
LIBRARY = "android-libboringssl"
RELEASE = "bookworm"
FLAGS = ["-O2", "-fPIC", "-DNDEBUG", "-fno-strict-aliasing", "-D_GNU_SOURCE", "-w"]
CXX_FLAGS = ["-std=gnu++17", "-fno-exceptions", "-fno-rtti"]
PROGRAMS = ("boringssl-static", "boringssl-shared")


def _listed(folder, name):
    """A list of its makefile's."""
    with open(f"{folder}/sources.mk", encoding="utf-8") as file:
        found = re.search(rf"^{name} := \\\n((?:.*\\\n)*)", file.read(), re.M)
    return found[1].replace("\\", "").split()


def _sources(folder):
    assembly = _listed(folder, f"linux_{platform.machine()}_sources")
    ssl = [os.path.relpath(path, folder) for path in glob.glob(f"{folder}/src/ssl/*.cc")]
    tests = [path for path in ssl if path.endswith("_test.cc")]
    return sorted(set(ssl) - set(tests)) + _listed(folder, "crypto_sources") + assembly


def _compile(folder, path):
    words = CXX_FLAGS if path.endswith(".cc") else []
    output = f"{path.replace('/', '_')}.o"
    run(["clang", *words, *FLAGS, "-Isrc/include", "-c", path, "-o", output], cwd=folder)
    return output


def build(folder, download):
    """Both programs, and the shared libraries, into the folder. download(folder, release, binary
    packages, source packages) unpacks what apt has."""
    download(folder, RELEASE, [LIBRARY], [PACKAGE])
    (archive,) = glob.glob(f"{folder}/source/*.orig.tar.*")
    work = f"{folder}/work"
    with tarfile.open(archive) as tar:
        tar.extractall(work)
    # Its makefile lies at the top of the package, or one folder below.
    (makefile,) = glob.glob(f"{work}/sources.mk") or glob.glob(f"{work}/*/sources.mk")
    tree = os.path.dirname(makefile)
    app = os.path.relpath(source("tls_app.c"), tree)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(lambda path: _compile(tree, path), _sources(tree)))
    words = ["clang++", *FLAGS, "-Isrc/include", "-x", "c", app, "-x", "none"]
    static, shared = (f"{folder}/{name}" for name in PROGRAMS)
    run([*words, *objects, "-lpthread", "-s", "-o", static], cwd=tree)
    libraries = f"{folder}/root/usr/lib/{platform.machine()}-linux-gnu/android"
    links = [f"{libraries}/lib{name}.so.0" for name in ("ssl", "crypto")]
    run([*words, *links, "-Wl,-rpath,/usr/lib/android", "-o", shared], cwd=tree)
    run(["rm", "-rf", work, f"{folder}/source"], cwd=folder)


def libraries(folder):
    """{path in the image: path here}"""
    found = glob.glob(f"{folder}/root/usr/lib/*/android/*.so.0")
    return {f"/usr/lib/android/{os.path.basename(path)}": path for path in found}
