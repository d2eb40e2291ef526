# SPDX-License-Identifier: GPL-2.0-or-later
"""images/tls_app.c with OpenSSL on musl, as Alpine and images FROM scratch have it: the shared
libraries with musl's loader, and one static program. Built from Debian's source package by
musl-gcc."""

import glob
import os
import platform
import tarfile

from .images import run, source

PACKAGE = "openssl"
LIBC = "musl"
RELEASE = "bookworm"
PROGRAMS = ("musl-static", "musl-shared")
FLAGS = ["-O2", "-D_GNU_SOURCE", "-w"]
# Nothing that a connection does not need, for the build's time; and musl has no headers of Linux.
WITHOUT = """afalgeng aria async bf blake2 camellia cast cmp cms comp ct des devcryptoeng dsa dso dtls
	ec2m engine gost idea ktls legacy md4 mdc2 module ocb ocsp rc2 rc4 rfc3779 rmd160 scrypt
	secure-memory seed siphash sm2 sm3 sm4 srp ssl3 tests ts ui-console weak-ssl-ciphers
	whirlpool""".split()


def _configure(tree):
    words = ["./Configure", f"linux-{platform.machine()}", "shared", "-O2"]
    words += ["--prefix=/usr", "--libdir=lib", "--openssldir=/etc/ssl"]
    words += [f"no-{name}" for name in WITHOUT]
    run(words, cwd=tree, env={**os.environ, "CC": "musl-gcc"})


def build(folder, download):
    """Both programs, musl and the shared libraries, into the folder. download(folder, release,
    binary packages, source packages) unpacks what apt has."""
    download(folder, RELEASE, [LIBC], [PACKAGE])
    (archive,) = glob.glob(f"{folder}/source/*.orig.tar.*z")
    work = f"{folder}/work"
    with tarfile.open(archive) as tar:
        tar.extractall(work)
    (tree,) = glob.glob(f"{work}/*/")
    _configure(tree)
    shared = ["libssl.so.3", "libcrypto.so.3"]
    run(["make", f"-j{os.cpu_count()}", "build_generated"], cwd=tree)
    run(["make", f"-j{os.cpu_count()}", *shared], cwd=tree)
    # Its makefile would compile each file once more for the archives.
    objects = glob.glob(f"{tree}/**/*-*lib-*.o", recursive=True)
    run(["ar", "qcs", "static.a", *objects], cwd=tree)
    app = ["musl-gcc", *FLAGS, "-Iinclude", source("tls_app.c")]
    for name, words in zip(PROGRAMS, (["-static", "static.a", "-pthread"], shared)):
        run([*app, *words, "-o", f"{folder}/{name}"], cwd=tree)
    run(["cp", *shared, folder], cwd=tree)
    run(["rm", "-rf", work, f"{folder}/source"])


def files(folder):
    """{path in the image: path here}. Alpine had the libraries in /lib, and has them in /usr/lib:
    one in each."""
    loader = f"/lib/ld-musl-{platform.machine()}.so.1"
    return {
        loader: os.path.realpath(f"{folder}/root{loader}"),
        "/lib/libcrypto.so.3": f"{folder}/libcrypto.so.3",
        "/usr/lib/libssl.so.3": f"{folder}/libssl.so.3",
        **{f"/usr/bin/{name}": f"{folder}/{name}" for name in PROGRAMS},
    }
