# SPDX-License-Identifier: GPL-2.0-or-later
"""Applications with TLS, each with server and client: how to start them, where their secrets go.

A row is all a test needs to know of one: adding a row adds it to every test of applications.
"""

import dataclasses

PORT = 8443
S_CLIENT = (
    'for path in {paths}; do printf "GET $path HTTP/1.1\\r\\nHost: server.test\\r\\n'
    'Connection: close\\r\\n\\r\\n" | openssl s_client -ign_eof -connect {address}:{port} '
    "-keylogfile {log}; done"
)
# It hangs up as soon as its input ends; the answer is all there when "</html>" or the like is not.
GNUTLS = (
    'for path in {paths}; do (printf "GET $path HTTP/1.0\\r\\n\\r\\n"; '
    "cat </tmp/never) | gnutls-cli --insecure -p {port} {address}; done"
)


@dataclasses.dataclass(frozen=True)
class Application:
    """Words may have {log}, {address}, {port}; {paths} stands for the paths, joined in a script."""

    image: str
    library: str  # as reports name it
    serve: tuple
    get: tuple  # HTTP/1, one connection or one for each path
    h2: tuple = ()  # HTTP/2
    variable: str = ""  # of the environment, names the key log
    bodies: bool = True  # answers /bytes/N and /post/N
    each: bool = False  # a connection for each path
    keys: bool = True
    plaintext: bool = True
    serves_calls: bool = True  # its server reads and writes by calls that the library exports
    comm: str = ""


def _python(kind):
    words = ("/usr/bin/python3", "/tls_app.py")
    return Application(
        "python", "OpenSSL", (*words, "serve", kind, "{port}"),
        (*words, "get", kind, "{address}", "{port}", "{paths}"),
        variable="SSLKEYLOGFILE", comm="python3",
    )  # fmt: skip


def _go(variant, image="go"):
    program = f"/usr/bin/go-{variant}"
    ask = ("{address}", "{port}", "{paths}")
    return Application(
        image, "Go", (program, "serve", "{port}"), (program, "get", *ask), (program, "h2", *ask),
        variable="KEYLOG", comm=f"go-{variant}",
    )  # fmt: skip


def _tls_app(image, library, kind):
    program = f"/usr/bin/{image}-{kind}"
    return Application(
        image, library, (program, "serve", "{port}"),
        (program, "get", "{address}", "{port}", "{paths}"),
        variable="SSLKEYLOGFILE", comm=f"{image}-{kind}",
    )  # fmt: skip


def _openssl(image):
    certificate = ("-cert", "/tls/server.pem", "-key", "/tls/server.key")
    # s_server talks through an SSL BIO: libssl calls its own functions, not SSL_read() and SSL_write().
    # Keys can be had of it, plaintext of s_client only.
    serve = ("openssl", "s_server", "-accept", "{port}", "-www", "-keylogfile", "{log}")
    return Application(
        image, "OpenSSL", (*serve, *certificate), ("sh", "-c", S_CLIENT), bodies=False, each=True,
        serves_calls=False, comm="openssl",
    )  # fmt: skip


NODE = ("node", "--tls-keylog={log}", "/tls_app.js")
APPLICATIONS = {
    "python": _python("blocking"),
    "asyncio": _python("asyncio"),
    "node": Application(
        "node", "OpenSSL", (*NODE, "serve", "{port}"),
        (*NODE, "get", "{address}", "{port}", "{paths}"),
        (*NODE, "h2", "{address}", "{port}", "{paths}"),
        comm="node",
    ),  # fmt: skip
    "go-static": _go("static"),
    "go-pie": _go("pie"),
    "go-cgo": _go("cgo"),
    "go-oldest": _go("oldest", "go-oldest"),
    "go-newest": _go("newest", "go-newest"),
    "gnutls": Application(
        "gnutls", "GnuTLS",
        ("gnutls-serv", "--http", "-p", "{port}", "--x509certfile", "/tls/server.pem",
         "--x509keyfile", "/tls/server.key"),
        ("sh", "-c", GNUTLS), variable="SSLKEYLOGFILE", bodies=False, each=True,
        comm="gnutls-serv",
    ),  # fmt: skip
    "boringssl-static": _tls_app("boringssl", "BoringSSL", "static"),
    "boringssl-shared": _tls_app("boringssl", "BoringSSL", "shared"),
    "musl-static": _tls_app("musl", "OpenSSL", "static"),
    "musl-shared": _tls_app("musl", "OpenSSL", "shared"),
    "rustls": Application(
        "rustls", "rustls", ("/usr/bin/rustls-app", "serve", "{port}"),
        ("/usr/bin/rustls-app", "get", "{address}", "{port}", "{paths}"),
        variable="SSLKEYLOGFILE", plaintext=False, comm="rustls-app",
    ),  # fmt: skip
    "openssl-1.1": _openssl("openssl-1.1"),
    "openssl-3.5": _openssl("openssl-3.5"),
    "openssl-3.6": _openssl("openssl-3.6"),
}


def command(words, log, address="", port=PORT, paths=()):
    """argv with its places filled in."""
    filled = []
    for word in words:
        if word == "{paths}":
            filled += paths
        else:
            # Not format(): a script may have braces of its own.
            for name, value in {"log": log, "address": address, "port": port}.items():
                word = word.replace("{" + name + "}", str(value))
            filled.append(word.replace("{paths}", " ".join(paths)))
    return filled
