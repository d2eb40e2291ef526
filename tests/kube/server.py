# SPDX-License-Identifier: GPL-2.0-or-later
"""An API server over HTTPS as far as a reader sees it: lists in pages, watches with bookmarks,
tokens and client certificates, the node and name field selectors, metadata only. A test writes
objects, and faults that answer in place of it."""

import base64
import http.server
import json
import os
import re
import ssl
import subprocess
import threading
import time
import urllib.parse

RESOURCES = {"Pod": "/api/v1/pods", "Service": "/api/v1/services", "Node": "/api/v1/nodes",
             "Endpoints": "/api/v1/endpoints", "ReplicaSet": "/apis/apps/v1/replicasets",
             "EndpointSlice": "/apis/discovery.k8s.io/v1/endpointslices",
             "Job": "/apis/batch/v1/jobs"}


class Authority:
    """A certificate authority made for the run, by openssl."""

    def __init__(self, folder):
        self.folder = folder
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                      "-nodes", "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=test ca",
                      "-days", "30")

    def _openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)

    def issue(self, name, subject, extension):
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                      "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", subject)
        with open(self.path(f"{name}.ext"), "w", encoding="utf-8") as file:
            file.write(extension + "\n")
        self._openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key",
                      "-CAcreateserial", "-days", "30", "-extfile", f"{name}.ext", "-out",
                      f"{name}.crt")

    def path(self, name):
        return os.path.join(self.folder, name)

    def text(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def data(self, name):
        return base64.b64encode(self.text(name).encode()).decode()


def status(code, reason, message):
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": reason, "code": code}


class Fault:
    """Answers requests whose path and query match, at most count times."""

    def __init__(self, pattern, action, count=1 << 30):
        self.pattern, self.action, self.count = re.compile(pattern), action, count
        self.hits = 0


class Request(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *arguments):
        pass

    def setup(self):
        self.request.settimeout(20)
        super().setup()

    def handle(self):
        try:
            super().handle()
        except (OSError, ssl.SSLError, ValueError):
            pass

    @property
    def api(self):
        return self.server.api

    def send_json(self, code, body, headers=()):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def begin_stream(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def end_stream(self):
        self.wfile.write(b"0\r\n\r\n")

    def cut(self):
        """The connection ends in the middle."""
        self.wfile.flush()
        self.close_connection = True
        self.connection.close()

    def hang(self):
        """Nothing more comes, until the test is over."""
        self.wfile.flush()
        self.api.over.wait(60)
        self.close_connection = True

    def is_allowed(self):
        if not self.api.tokens and not self.api.passwords and not self.api.want_certificate:
            return True
        if self.api.want_certificate and self.connection.getpeercert():
            return True
        header = self.headers.get("Authorization", "")
        if header.startswith("Bearer "):
            return header[len("Bearer "):] in self.api.tokens
        if header.startswith("Basic "):
            return base64.b64decode(header[len("Basic "):]).decode() in self.api.passwords
        return False

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        self.api.note(self.path, dict(self.headers))
        for fault in list(self.api.faults):
            if fault.hits < fault.count and fault.pattern.search(self.path):
                fault.hits += 1
                fault.action(self)
                return
        if not self.is_allowed():
            self.send_json(401, status(401, "Unauthorized", "Unauthorized"))
            return
        path = url.path[len(self.api.prefix):] if url.path.startswith(self.api.prefix) else ""
        if path == "/version":
            self.send_json(200, {"major": "1", "minor": "28", "gitVersion": "v1.28.4"})
            return
        match = re.fullmatch(r"(/api/v1|/apis/[a-z0-9.]+/v1)(?:/namespaces/([a-z0-9-]+))?/([a-z]+)",
                             path)
        resource = f"{match[1]}/{match[3]}" if match else None
        if resource not in RESOURCES.values() or resource in self.api.missing:
            self.send_json(404, status(404, "NotFound",
                                       "the server could not find the requested resource"))
            return
        namespace = match[2]
        if not self.api.may(resource, namespace):
            where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
            self.send_json(403, status(
                403, "Forbidden", f'{match[3]} is forbidden: User "test" cannot list resource '
                f'"{match[3]}" in API group "" {where}'))
            return
        query = {key: values[0] for key, values in urllib.parse.parse_qs(url.query).items()}
        if query.get("watch") == "1":
            self.api.watch(self, resource, namespace, query)
        else:
            self.api.list(self, resource, namespace, query)


class ApiServer:
    def __init__(self, authority, prefix=""):
        self.authority, self.prefix = authority, prefix
        self.tokens, self.passwords, self.want_certificate = set(), set(), False
        self.missing = set()       # resources the server does not have
        self.denied = lambda resource, namespace: False
        self.faults, self.requests = [], []
        self.objects = {path: {} for path in RESOURCES.values()}
        self.events = {path: [] for path in RESOURCES.values()}  # (version, type, object)
        self.version, self.oldest = 1000, 0
        self.page_max = 500
        self.bookmarks_s = 0.5
        self.condition = threading.Condition()
        self.over = threading.Event()
        self.down = False
        self.port = 0
        self.start()

    def start(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.authority.path("server.crt"),
                                self.authority.path("server.key"))
        context.load_verify_locations(self.authority.path("ca.crt"))
        context.verify_mode = ssl.CERT_OPTIONAL
        http.server.ThreadingHTTPServer.allow_reuse_address = True
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Request)
        self.http.api = self
        self.http.daemon_threads = True
        self.http.handle_error = lambda *arguments: None
        self.port = self.http.server_address[1]
        self.http.socket = context.wrap_socket(self.http.socket, server_side=True,
                                               do_handshake_on_connect=False)
        self.down = False
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        """Closes everything; start() comes back on the same port."""
        self.down = True
        with self.condition:
            self.condition.notify_all()
        self.http.shutdown()
        self.http.server_close()

    def close(self):
        self.over.set()
        self.stop()

    @property
    def url(self):
        return f"https://127.0.0.1:{self.port}{self.prefix}"

    def note(self, path, headers):
        with self.condition:
            self.requests.append((path, headers))
            self.condition.notify_all()

    def asked(self, pattern):
        return [path for path, _ in self.requests if re.search(pattern, path)]

    def may(self, resource, namespace):
        return not self.denied(resource, namespace)

    def fault(self, pattern, action, count=1 << 30):
        fault = Fault(pattern, action, count)
        self.faults.append(fault)
        return fault

    # What a test writes

    def _store(self, event, obj, raw=None):
        path = RESOURCES[obj["kind"]]
        key = (obj["metadata"].get("namespace"), obj["metadata"]["name"])
        with self.condition:
            self.version += 1
            obj = json.loads(json.dumps(obj))
            obj["metadata"]["resourceVersion"] = str(self.version)
            if event == "DELETED":
                self.objects[path].pop(key, None)
            else:
                self.objects[path][key] = obj
            self.events[path].append((self.version, event, obj, raw))
            self.condition.notify_all()

    def set(self, *objects):
        for obj in objects:
            key = (obj["metadata"].get("namespace"), obj["metadata"]["name"])
            known = key in self.objects[RESOURCES[obj["kind"]]]
            self._store("MODIFIED" if known else "ADDED", obj)

    def remove(self, *objects):
        for obj in objects:
            self._store("DELETED", obj)

    def send(self, kind, raw):
        """Bytes in the stream of every watch of this kind."""
        with self.condition:
            self.version += 1
            self.events[RESOURCES[kind]].append((self.version, "RAW", {"metadata": {}}, raw))
            self.condition.notify_all()

    def compact(self):
        """The history is gone: who watches from the past gets 410."""
        with self.condition:
            self.version += 1
            self.oldest = self.version
            for events in self.events.values():
                events.clear()
            self.condition.notify_all()

    # What a reader gets

    @staticmethod
    def selects(query, namespace, obj):
        selector = query.get("fieldSelector", "")
        if namespace and obj["metadata"].get("namespace") != namespace:
            return False
        if selector.startswith("spec.nodeName="):
            return obj.get("spec", {}).get("nodeName") == selector.split("=", 1)[1]
        if selector.startswith("metadata.name="):
            return obj["metadata"]["name"] == selector.split("=", 1)[1]
        return True

    def list(self, request, resource, namespace, query):
        with self.condition:
            items = [obj for _, obj in sorted(self.objects[resource].items(), key=str)
                     if self.selects(query, namespace, obj)]
            version = self.version
        start = 0
        if "continue" in query:
            version, start = json.loads(base64.b64decode(query["continue"]))
            if version < self.oldest:
                request.send_json(410, status(410, "Expired", "The provided continue parameter is "
                                                              "too old"))
                return
        limit = min(int(query.get("limit", 0)) or self.page_max, self.page_max)
        page = items[start:start + limit]
        meta = {"resourceVersion": str(version)}
        if start + limit < len(items):
            meta["continue"] = base64.b64encode(
                json.dumps([version, start + limit]).encode()).decode()
            meta["remainingItemCount"] = len(items) - start - limit
        kind = "List"
        if "as=PartialObjectMetadataList" in request.headers.get("Accept", ""):
            kind = "PartialObjectMetadataList"
            page = [{"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
                     "metadata": obj["metadata"]} for obj in page]
        else:  # items of a list have no kind
            page = [{key: value for key, value in obj.items()
                     if key not in ("kind", "apiVersion")} for obj in page]
        request.send_json(200, {"kind": kind, "apiVersion": "v1", "metadata": meta, "items": page})

    def watch(self, request, resource, namespace, query):
        since = int(query.get("resourceVersion", 0))
        ends = time.monotonic() + int(query.get("timeoutSeconds", 3600))
        request.begin_stream()
        while not self.down and time.monotonic() < ends:
            with self.condition:
                gone = since < self.oldest
                news = [] if gone else [event for event in self.events[resource]
                                        if event[0] > since]
                now = self.version
                if not news and not gone and now == since:
                    self.condition.wait(self.bookmarks_s)
            if gone:
                event = {"type": "ERROR", "object": status(
                    410, "Expired", f"too old resource version: {since} ({self.oldest})")}
                request.chunk(json.dumps(event).encode() + b"\n")
                break
            for version, event, obj, raw in news:
                since = version
                if raw is not None:
                    request.chunk(raw)
                elif self.selects(query, namespace, obj):
                    line = json.dumps({"type": event, "object": obj}).encode() + b"\n"
                    middle = len(line) // 3  # events come in pieces
                    request.chunk(line[:middle])
                    request.chunk(line[middle:])
            if not news and query.get("allowWatchBookmarks") == "true" and now > since:
                since = now
                bookmark = {"type": "BOOKMARK", "object": {
                    "kind": "Pod", "apiVersion": "v1", "metadata": {"resourceVersion": str(now)}}}
                request.chunk(json.dumps(bookmark).encode() + b"\n")
        if self.down:
            request.cut()
        else:
            request.end_stream()
