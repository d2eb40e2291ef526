# SPDX-License-Identifier: GPL-2.0-or-later
"""Images that speak TLS, each with another library: built when a test first asks for them.

tls           nginx, openssl, curl, wrk           libssl, HTTP/1.1 and HTTP/2
python        Debian's python3                    libssl by SSL_*_ex; memory BIOs with asyncio
node          node                                libssl, shared (Debian's) or inside (its makers')
go            three Go programs                   crypto/tls: static, PIE, linked with cgo; stripped
go-oldest     the static one, by other releases   crypto/tls of Go 1.15,
go-newest                                         and of the newest that Debian has
gnutls        gnutls-serv, gnutls-cli             GnuTLS
boringssl     a C program, twice                  BoringSSL, inside and without symbols; or shared
musl          the C program with musl, twice      OpenSSL, shared as in Alpine, and inside
rustls        a Rust program                      rustls on ring, with its symbols
openssl-1.1   openssl of another Debian release,  OpenSSL 1.1.1, 3.5, 3.6
openssl-3.5   with that release's C library
openssl-3.6
"""

import functools
import glob
import hashlib
import os
import pathlib
import platform
import shutil

from . import boringssl, musl
from .images import Image, ImageError, libraries, run, source

CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CACHE = os.path.join(CHECKOUT, ".cache", "tls-images")  # what takes seconds to make
SLEEP = ["/bin/sleep", "2147483647"]
PERIOD = 65536

# Around the sizes of a record, a page, an event of ours.
SIZES = (1, 2, 255, 256, 4096, 16383, 16384, 16385, 100000, 1 << 20)

GO_VARIANTS = {
    "static": {"environment": {"CGO_ENABLED": "0"}, "words": ["-ldflags=-s -w"]},
    "pie": {"environment": {}, "words": ["-buildmode=pie", "-ldflags=-s -w"]},
    "cgo": {"environment": {}, "words": ["-ldflags=-s -w -linkmode=external"]},
}

# golang-go of sid depends on the newest.
GO_RELEASES = {
    "go-oldest": ("bullseye", ["golang-1.15-go", "golang-1.15-src"]),
    "go-newest": ("sid", [f"~R(?exact-name({name}))" for name in ("golang-go", "golang-src")]),
}

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
RELEASES = {
    "openssl-1.1": ("bullseye", ["openssl", "libssl1.1", "libc6"]),
    "openssl-3.5": ("trixie", ["openssl", "libssl3t64", "libc6", "zlib1g", "libzstd1"]),
    "openssl-3.6": ("sid", ["openssl", "libssl3t64", "libc6", "zlib1g", "libzstd1"]),
}


@functools.lru_cache(maxsize=None)
def body(size):
    """The bytes every server answers to /bytes/SIZE: no two parts of 64 KiB alike in content of
    another size. images/tls_app.* make the same."""
    block = bytes((i * 31 + (i >> 8) * 17 + size) & 255 for i in range(min(size, PERIOD)))
    return (block * (size // PERIOD + 1))[:size]


def _tls():
    files = {f"/var/www/bytes/{size}": body(size) for size in SIZES}
    files["/etc/nginx/nginx.conf"] = pathlib.Path(source("nginx-tls.conf"))
    files["/etc/nginx/answers.conf"] = pathlib.Path(source("nginx-answers.conf"))
    files["/usr/lib/ssl/openssl.cnf"] = pathlib.Path("/etc/ssl/openssl.cnf")
    return Image(
        "tls",
        programs=["nginx", "openssl", "curl", "wrk"],
        files=files,
        shell=True,
        entrypoint=SLEEP,
    )


def _python():
    python = "/usr/bin/python3"
    library = run([python, "-c", "import sysconfig; print(sysconfig.get_path('stdlib'))"]).strip()
    left_out = {"test", "idlelib", "lib2to3", "distutils", "pydoc_data", "tkinter", "unittest"}
    files, modules = {}, glob.glob(f"{library}/lib-dynload/*.so")
    for path in pathlib.Path(library).rglob("*.py"):
        if not left_out & set(path.parts) and "dist-packages" not in path.parts:
            files[str(path)] = path
    for path in [*modules, *(each for module in modules for each in libraries(module))]:
        files[path] = pathlib.Path(path)
    files["/tls_app.py"] = pathlib.Path(source("tls_app.py"))
    return Image("python", programs=[python], files=files, shell=True, entrypoint=SLEEP)


def _node():
    files = {"/tls_app.js": pathlib.Path(source("tls_app.js"))}
    # Debian's node reads parts of itself from there.
    for path in pathlib.Path("/usr/share/nodejs").rglob("*"):
        if path.suffix in (".js", ".json", ".wasm") and path.is_file():
            files[str(path)] = path
    return Image("node", programs=["node"], files=files, shell=True, entrypoint=SLEEP)


def _cached(name, key, make):
    """The folder CACHE/name-<hash of key>; make(folder) fills it when it is not there yet."""
    digest = hashlib.sha256(repr(key).encode()).hexdigest()[:16]
    folder = os.path.join(CACHE, f"{name}-{digest}")
    if not os.path.isdir(folder):
        draft = f"{folder}.{os.getpid()}"
        shutil.rmtree(draft, ignore_errors=True)
        os.makedirs(draft)
        make(draft)
        os.rename(draft, folder)
    return folder


def _build_go(folder, name, variant, go="go", environment=()):
    """The program go-NAME, of the source that lies in the folder."""
    environment = {
        **os.environ,
        "GO111MODULE": "off",
        "GOFLAGS": "",
        "GOPATH": os.path.join(folder, "path"),
        "GOCACHE": os.path.join(folder, "cache"),
        **variant["environment"],
        **dict(environment),
    }
    output = os.path.join(folder, f"go-{name}")
    argv = [go, "build", "-trimpath", *variant["words"], "-o", output, "main.go"]
    run(argv, cwd=os.path.join(folder, "source"), env=environment)


def _copy_go_source(folder):
    work = os.path.join(folder, "source")
    os.makedirs(work, exist_ok=True)
    shutil.copy(source("tls_app.go"), os.path.join(work, "main.go"))


def _build_go_variants(folder):
    _copy_go_source(folder)
    for name, variant in GO_VARIANTS.items():
        _build_go(folder, name, variant)
    shutil.rmtree(os.path.join(folder, "cache"))


def _build_go_release(folder, name):
    _download(folder, *GO_RELEASES[name])
    _copy_go_source(folder)
    (root,) = glob.glob(f"{folder}/root/usr/lib/go-*")
    environment = {"GOROOT": root, "GOTOOLCHAIN": "local"}
    variant = name.removeprefix("go-")
    _build_go(folder, variant, GO_VARIANTS["static"], f"{root}/bin/go", environment)
    for each in ("cache", "root"):
        shutil.rmtree(os.path.join(folder, each))


def _go():
    if not shutil.which("go"):
        raise ImageError("the program 'go' is missing: apt-get install golang-go")
    with open(source("tls_app.go"), "rb") as file:
        key = (run(["go", "version"]), GO_VARIANTS, file.read())
    folder = _cached("go", key, _build_go_variants)
    programs = [os.path.join(folder, f"go-{name}") for name in GO_VARIANTS]
    return Image("go", programs=programs, shell=True, entrypoint=SLEEP)


def _other_go(name):
    with open(source("tls_app.go"), "rb") as file:
        key = (GO_RELEASES[name], GO_VARIANTS["static"], file.read())
    folder = _cached(name, key, lambda it: _build_go_release(it, name))
    return Image(name, programs=[os.path.join(folder, name)], shell=True, entrypoint=SLEEP)


def _gnutls():
    return Image(
        "gnutls", programs=["gnutls-serv", "gnutls-cli"], shell=True, entrypoint=SLEEP
    )


def boringssl_folder():
    with open(source("tls_app.c"), "rb") as file:
        key = (boringssl.PACKAGE, boringssl.FLAGS, boringssl.CXX_FLAGS, file.read())
    return _cached("boringssl", key, lambda it: boringssl.build(it, _download))


def _boringssl():
    folder = boringssl_folder()
    programs = [os.path.join(folder, name) for name in boringssl.PROGRAMS]
    own = boringssl.libraries(folder)
    needed = {path: path for path in libraries(programs[0])}
    files = {**needed, **own, **{f"/usr/bin/{os.path.basename(path)}": path for path in programs}}
    files = {inside: pathlib.Path(path) for inside, path in files.items()}
    return Image("boringssl", files=files, shell=True, entrypoint=SLEEP)


def _musl():
    with open(source("tls_app.c"), "rb") as file:
        key = (musl.PACKAGE, musl.WITHOUT, musl.FLAGS, file.read())
    folder = _cached("musl", key, lambda it: musl.build(it, _download))
    files = {inside: pathlib.Path(path) for inside, path in musl.files(folder).items()}
    return Image("musl", files=files, shell=True, entrypoint=SLEEP)


CARGO = """[package]
name = "rustls-app"
version = "1.0.0"
edition = "2021"
[dependencies]
ring = "0.16"
rustls = { version = "0.20", features = ["dangerous_configuration", "tls12"], default-features = false }
rustls-pemfile = "1"
"""
CRATES = "/usr/share/cargo/registry"  # Debian's packages of crates put their source there


def _build_rust(folder):
    work = os.path.join(folder, "work")
    os.makedirs(f"{work}/src")
    shutil.copy(source("tls_app.rs"), f"{work}/src/main.rs")
    with open(f"{work}/Cargo.toml", "w", encoding="utf-8") as file:
        file.write(CARGO)
    # The distribution's own, whatever else is in PATH or set up for the user.
    environment = {"PATH": "/usr/bin:/bin", "CARGO_HOME": f"{folder}/cargo", "HOME": folder}
    replace = ["source.crates-io.replace-with='debian'", f"source.debian.directory='{CRATES}'"]
    words = [word for each in replace for word in ("--config", each)]
    run(["/usr/bin/cargo", "build", "--release", "--offline", *words], cwd=work, env=environment)
    shutil.copy(f"{work}/target/release/rustls-app", folder)
    for name in ("work", "cargo"):
        shutil.rmtree(f"{folder}/{name}", ignore_errors=True)


def _rustls():
    if not os.path.exists("/usr/bin/cargo") or not glob.glob(f"{CRATES}/rustls-pemfile-*"):
        raise ImageError(
            "cargo or its crates are missing: apt-get install cargo librust-rustls-dev "
            "librust-rustls-pemfile-dev"
        )
    with open(source("tls_app.rs"), "rb") as file:
        key = (run(["/usr/bin/rustc", "--version"]), CARGO, file.read())
    program = os.path.join(_cached("rustls", key, _build_rust), "rustls-app")
    return Image("rustls", programs=[program], shell=True, entrypoint=SLEEP)


def _mirror():
    """Where this machine gets its own packages."""
    sites = run(["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages"])
    for site in sites.split():
        if not site.rstrip("/").endswith("security"):
            return site
    raise ImageError("apt has no package lists on this machine: run 'apt-get update'")


def _download(folder, release, packages, sources=()):
    """Unpack packages of another Debian release into root, and put the archives of source packages
    into source, by apt, which checks their signatures."""
    for name in ("lists/partial", "archives/partial", "root", "source"):
        os.makedirs(os.path.join(folder, name))
    with open(f"{folder}/sources.list", "w", encoding="utf-8") as file:
        for kind in ("deb", "deb-src") if sources else ("deb",):
            file.write(f"{kind} [signed-by={KEYRING}] {_mirror()} {release} main\n")
    with open(f"{folder}/status", "w", encoding="utf-8"):
        pass
    settings = {
        "Dir::Etc::SourceList": f"{folder}/sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State::Lists": f"{folder}/lists",
        "Dir::State::status": f"{folder}/status",
        "Dir::Cache": folder,
        "Dir::Cache::archives": f"{folder}/archives",
        "APT::Sandbox::User": "root",
    }
    apt = ["apt-get", "-q"]
    for key, value in settings.items():
        apt += ["-o", f"{key}={value}"]
    run([*apt, "update"])
    run([*apt, "download", *packages], cwd=f"{folder}/archives")
    if sources:
        run([*apt, "source", "--download-only", *sources], cwd=f"{folder}/source")
    for package in glob.glob(f"{folder}/archives/*.deb"):
        run(["dpkg-deb", "-x", package, f"{folder}/root"])
    for name in ("lists", "archives"):
        shutil.rmtree(f"{folder}/{name}")
    for path in glob.glob(f"{folder}/*cache.bin"):
        os.unlink(path)


def _other_openssl(name):
    release, packages = RELEASES[name]
    folder = _cached(name, (release, packages), lambda it: _download(it, release, packages))
    root = os.path.join(folder, "root")
    files = {"/usr/lib/ssl/openssl.cnf": pathlib.Path("/etc/ssl/openssl.cnf")}
    loader = {"x86_64": "/lib64/ld-linux-x86-64.so.2", "aarch64": "/lib/ld-linux-aarch64.so.1"}
    loader = loader[platform.machine()]
    triplet = f"{platform.machine()}-linux-gnu"
    wanted = ("libc.so", "libdl.so", "libpthread.so", "libssl.so", "libcrypto.so", "libz.so",
              "libzstd.so", os.path.basename(loader))  # fmt: skip
    for path in glob.glob(f"{root}/lib/{triplet}/*") + glob.glob(f"{root}/usr/lib/{triplet}/*"):
        base = os.path.basename(path)
        if base.startswith(wanted) and os.path.isfile(path):
            files[loader if base == wanted[-1] else f"/usr/lib/{triplet}/{base}"] = pathlib.Path(path)
    files["/usr/bin/openssl"] = pathlib.Path(f"{root}/usr/bin/openssl")
    return Image(name, files=files, shell=True, entrypoint=SLEEP)


MAKERS = {
    "tls": _tls,
    "python": _python,
    "node": _node,
    "go": _go,
    "gnutls": _gnutls,
    "boringssl": _boringssl,
    "musl": _musl,
    "rustls": _rustls,
    **{name: functools.partial(_other_openssl, name) for name in RELEASES},
    **{name: functools.partial(_other_go, name) for name in GO_RELEASES},
}


def add(node, name):
    """Make the image known to the node, unless it is. ImageError says what is missing."""
    if name not in node.images:
        node.add_image(MAKERS[name]())
