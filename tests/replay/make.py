# SPDX-License-Identifier: GPL-2.0-or-later
"""Records a short capture of a namespace on a real node: see make.sh."""

import signal
import subprocess
import sys

from ..node.harness import program, wait_until
from ..node.node import Container, Node


def main(path):
    with Node("/run/stratoshark-node-replay") as node:
        api = node.run_pod("shop", "api", [Container("web", "web")])
        client = node.run_pod("shop", "client", [Container("tools", "tools")])
        curl = ["curl", "-s", "-o", "/dev/null", "-m", "2"]
        wait_until(lambda: client.exec("tools", curl + [api.url()]) is not None, "the web server")
        capture = subprocess.Popen(
            [program(), "capture", "--namespace", "shop", "--record", path, "-w", "/dev/null"],
            stderr=subprocess.PIPE, text=True)
        for line in capture.stderr:
            if "capturing" in line:
                break
        client.exec("tools", curl + [api.url("/api/users")])
        client.exec("tools", curl + [f"http://[{api.ip6}]:8080/bytes/3000"])
        node.kill_pod(api)
        again = node.run_pod("shop", "api", [Container("web", "web")])
        wait_until(lambda: client.exec("tools", curl + [again.url("/")]) is not None, "the new pod")
        capture.send_signal(signal.SIGINT)
        capture.wait()


main(sys.argv[1])
