# SPDX-License-Identifier: GPL-2.0-or-later
"""Container images built from files of this machine: no registry, no network.

An image is a docker-archive tar of one layer. `pause` and `web` hold one static binary and
nothing else (distroless: no shell, no libraries); `tools` is busybox plus Debian's own programs
and the libraries ldd names for them. A test makes further ones: Image("tls", programs=["openssl"]).
"""

import hashlib
import io
import json
import os
import platform
import re
import shutil
import subprocess
import tarfile

SOURCES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "images")
PAUSE_REFERENCE = "registry.k8s.io/pause:3.6"

PASSWD = """root:x:0:0:root:/root:/bin/sh
www-data:x:33:33:www-data:/var/www:/bin/sh
nobody:x:65534:65534:nobody:/:/bin/sh
"""
GROUP = "root:x:0:\nwww-data:x:33:\nnogroup:x:65534:\n"
# Enough for `nginx` without arguments; a test mounts its own over it.
NGINX_CONF = """daemon off;
pid /tmp/nginx.pid;
error_log /dev/stderr warn;
events { worker_connections 1024; }
http {
	access_log off;
	client_body_temp_path /tmp/body;
	proxy_temp_path /tmp/proxy;
	server { listen 8080; listen [::]:8080; root /var/www; }
}
"""


class ImageError(Exception):
    """An image cannot be built here; the text says what is missing."""


def run(argv, **options):
    """What it prints; ImageError unless it works."""
    try:
        result = subprocess.run(argv, capture_output=True, text=True, check=False, **options)
    except FileNotFoundError as error:
        raise ImageError(
            f"the program '{argv[0]}' is missing: apt-get install its package"
        ) from error
    if result.returncode:
        raise ImageError(f"'{' '.join(argv)}' failed: {(result.stderr or result.stdout).strip()}")
    return result.stdout


class Image:
    """What goes into an image.

    programs: names or paths of this machine's programs, taken along with their libraries
    files:    {path in the image: bytes, str, or a Path-like source on this machine}
    sources:  {path in the image: C file compiled with gcc -static}
    shell:    busybox with all its applets in /bin
    """

    def __init__(self, name, programs=(), files=None, sources=None, shell=False, entrypoint=()):
        self.name = name
        self.reference = PAUSE_REFERENCE if name == "pause" else f"localhost/{name}:test"
        self.programs = list(programs)
        self.files = dict(files or {})
        self.sources = dict(sources or {})
        self.shell = shell
        self.entrypoint = list(entrypoint)

    def build(self, directory):
        """Write the docker-archive into `directory` and return its path."""
        layer = _layer(self, directory)
        digest = hashlib.sha256(layer).hexdigest()
        config = {
            "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(
                platform.machine(), platform.machine()
            ),
            "os": "linux",
            "config": {
                "Entrypoint": self.entrypoint,
                "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
                "WorkingDir": "/",
            },
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        }
        config = json.dumps(config).encode()
        config_name = hashlib.sha256(config).hexdigest() + ".json"
        manifest = [{"Config": config_name, "RepoTags": [self.reference], "Layers": ["layer.tar"]}]
        path = os.path.join(directory, f"{self.name}.tar")
        with tarfile.open(path, "w") as archive:
            _add(archive, "layer.tar", layer)
            _add(archive, config_name, config)
            _add(archive, "manifest.json", json.dumps(manifest).encode())
        return path


def _add(archive, name, data, mode=0o644):
    info = tarfile.TarInfo(name.lstrip("/"))
    info.size = len(data)
    info.mode = mode
    archive.addfile(info, io.BytesIO(data))


def _add_special(archive, name, kind, mode=0o755, target=""):
    info = tarfile.TarInfo(name.lstrip("/"))
    info.type, info.mode, info.linkname = kind, mode, target
    archive.addfile(info)


def _read(path):
    with open(path, "rb") as file:
        return file.read()


def _compile(source, directory):
    output = os.path.join(directory, os.path.basename(source).removesuffix(".c"))
    command = ["gcc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-static", "-o", output, source]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise ImageError(f"cannot compile '{source}': {result.stderr.strip()}")
    return _read(output)


def _which(name):
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not path:
        raise ImageError(f"the program '{name}' is missing: apt-get install its package")
    return os.path.realpath(path)


def libraries(program):
    """The shared libraries of a program, the loader included, as ldd resolves them."""
    result = subprocess.run(["ldd", program], capture_output=True, text=True, check=False)
    if "not found" in result.stdout:
        raise ImageError(f"'{program}' lacks a library: {result.stdout.strip()}")
    return re.findall(r"(/\S+) \(0x", result.stdout)


def _programs(names):
    """{path in the image: path here} of programs and all their libraries."""
    files = {}
    for name in names:
        path = _which(name)
        files[f"/usr/bin/{os.path.basename(name)}"] = path
        files.update({library: library for library in libraries(path)})
    return files


def _contents(content):
    """(bytes, mode) of one entry of Image.files."""
    if isinstance(content, os.PathLike):
        return _read(content), os.stat(content).st_mode & 0o777
    return content.encode() if isinstance(content, str) else content, 0o644


def _layer(image, directory):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as layer:
        if image.shell:
            for name in ("/root", "/run", "/var/log", "/var/www"):
                _add_special(layer, name, tarfile.DIRTYPE)
            _add_special(layer, "/tmp", tarfile.DIRTYPE, mode=0o1777)
            _add(layer, "/etc/passwd", PASSWD.encode())
            _add(layer, "/etc/group", GROUP.encode())
            busybox = _which("busybox")
            _add(layer, "/bin/busybox", _read(busybox), 0o755)
            applets = subprocess.run([busybox, "--list"], capture_output=True, check=True)
            for applet in applets.stdout.decode().split():
                if applet != "busybox":
                    _add_special(layer, f"/bin/{applet}", tarfile.SYMTYPE, target="busybox")
        for inside, source in image.sources.items():
            _add(layer, inside, _compile(source, directory), 0o755)
        for inside, source in _programs(image.programs).items():
            _add(layer, inside, _read(source), 0o755)
        for inside, content in image.files.items():
            _add(layer, inside, *_contents(content))
    return buffer.getvalue()


def source(name):
    return os.path.join(SOURCES, name)


STANDARD = (
    Image("pause", sources={"/pause": source("pause.c")}, entrypoint=["/pause"]),
    Image("web", sources={"/web": source("web.c")}, entrypoint=["/web"]),
    Image(
        "tools",
        programs=["curl", "wrk", "iperf3", "tcpdump", "nginx"],
        files={"/etc/nginx/nginx.conf": NGINX_CONF, "/var/www/index.html": "hello from nginx\n"},
        shell=True,
        entrypoint=["/bin/sleep", "2147483647"],
    ),
)
