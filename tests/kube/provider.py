# SPDX-License-Identifier: GPL-2.0-or-later
"""kube-dump as a child: commands in, JSON lines out."""

import json
import os
import subprocess
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
DUMP = os.environ.get("STRATOCAP_KUBE_DUMP",
                      os.path.join(HERE, "../../build/tests/kube/kube-dump"))


class Provider:
    def __init__(self, *arguments, environment=None, prefix=()):
        self.lines, self.condition = [], threading.Condition()
        variables = {key: value for key, value in os.environ.items()
                     if key not in ("KUBECONFIG", "NODE_NAME") and not key.endswith("_proxy")}
        variables.update(environment or {})
        self.process = subprocess.Popen(
            [*prefix, DUMP, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env=variables)
        self.errors = ""
        self.threads = [threading.Thread(target=self._read, daemon=True),
                        threading.Thread(target=self._read_errors, daemon=True)]
        for thread in self.threads:
            thread.start()

    def _read(self):
        for line in self.process.stdout:
            with self.condition:
                self.lines.append(json.loads(line))
                self.condition.notify_all()
        with self.condition:
            self.condition.notify_all()

    def _read_errors(self):
        self.errors = self.process.stderr.read()

    def command(self, *words):
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()

    def complete(self, pod):
        meta = pod["metadata"]
        self.command("complete", meta["namespace"], meta["name"], meta["uid"])

    def wait(self, what, condition, timeout=40):
        """The first line that condition accepts."""
        ends = time.monotonic() + timeout
        seen = 0
        with self.condition:
            while True:
                for line in self.lines[seen:]:
                    if condition(line):
                        return line
                seen = len(self.lines)
                left = ends - time.monotonic()
                if left <= 0 or (self.process.poll() is not None and
                                 not self.threads[0].is_alive() and seen == len(self.lines)):
                    raise AssertionError(f"no {what} in {timeout} s:\n" + "\n".join(
                        map(str, self.lines[-30:])) + f"\n{self.errors}")
                self.condition.wait(min(left, 1))

    def wait_event(self, event, timeout=40, since=0, **values):
        ours = iter(range(1 << 40))
        return self.wait(f"{event} {values}", lambda line: next(ours) >= since and
                         line["event"] == event and
                         all(line.get(key) == value for key, value in values.items()), timeout)

    def count(self):
        with self.condition:
            return len(self.lines)

    def state(self):
        since = self.count()
        self.command("state")
        return self.wait_event("state", since=since)

    def logs(self, level=None):
        with self.condition:
            return [line["message"] for line in self.lines if line["event"] == "log" and
                    (level is None or line["level"] == level)]

    def all(self, event, **values):
        with self.condition:
            return [line for line in self.lines if line["event"] == event and
                    all(line.get(key) == value for key, value in values.items())]

    def close(self):
        """Its exit status; -1: it did not end by itself."""
        try:
            self.process.stdin.close()
        except OSError:
            pass
        try:
            code = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            code = -1
        for thread in self.threads:
            thread.join(10)
        self.process.stdout.close()
        self.process.stderr.close()
        return code
