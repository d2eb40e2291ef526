# SPDX-License-Identifier: GPL-2.0-or-later
"""Proves the node itself: its pods look as a kubelet's do, and it leaves nothing behind."""

import contextlib
import os
import signal
import subprocess
import sys
import unittest

from .harness import (
    CHECKOUT,
    Background,
    Container,
    Node,
    NodeError,
    NodeTest,
    capinfos,
    missing_requirement,
    need,
    release_shared_node,
    run,
    run_as_user,
    tshark_rows,
    unable,
    wait_until,
)
from .journal import cgroup_hierarchies

CRASH_DIRECTORY = "/run/stratoshark-node-crash"
SECOND_DIRECTORY = "/run/stratoshark-node-second"


def web():
    return Container("web", "web")


def tools(name="tools"):
    return Container(name, "tools")


def netns(pid):
    return os.stat(f"/proc/{pid}/ns/net").st_ino


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


class PodTest(NodeTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.api = cls.class_pod("production", "api", [web()], labels={"app": "api"})
        cls.client = cls.class_pod("production", "client", [tools(), tools("sidecar")])

    def curl(self, *arguments):
        return self.client.exec("tools", ["curl", "-s", "-m", "5", *arguments])

    def test_pod_answers_on_ipv4_and_ipv6(self):
        self.wait_http(self.client, "tools", self.api.url())
        for host in filter(None, (self.api.ip, self.api.ip6 and f"[{self.api.ip6}]")):
            with self.subTest(host=host):
                self.assertIn("ada", self.curl(f"http://{host}:8080/api/users"))

    def test_web_serves_what_tests_ask_for(self):
        self.wait_http(self.client, "tools", self.api.url())
        for path, code, size in (
            ("/", 200, 15),
            ("/bytes/1000000", 200, 1000000),
            ("/status/503", 503, 0),
            ("/missing", 404, 10),
        ):
            with self.subTest(path=path):
                written = self.curl(
                    "-o", "/dev/null", "-w", "%{http_code} %{size_download}", self.api.url(path)
                )
                self.assertEqual(written, f"{code} {size}")

    def test_pods_do_not_reach_beyond_the_node(self):
        # This address is reserved for documentation: it is nobody, even if a packet left.
        with self.assertRaisesRegex(NodeError, "gave 7"):
            self.curl("http://198.51.100.1/")

    def test_exec_returns_stdout_and_reports_failure(self):
        self.assertEqual(self.client.exec("tools", ["echo", "hello"]), "hello\n")
        with self.assertRaisesRegex(NodeError, "gave 3: no"):
            self.client.exec("tools", ["sh", "-c", "echo no >&2; exit 3"])
        self.assertEqual(self.client.exec("tools", ["false"], check=False), "")

    def test_distroless_image_has_no_shell(self):
        with self.assertRaises(Exception):
            self.api.exec("web", ["sh", "-c", "true"])
        root = f"/proc/{self.api.container_pid('web')}/root"
        files = [name for _, _, names in os.walk(root, followlinks=False) for name in names]
        self.assertIn("web", os.listdir(root))
        self.assertNotIn("libc.so.6", files)

    def test_logs_lie_where_the_kubelet_puts_them(self):
        directory = f"/var/log/pods/production_client_{self.client.uid}"
        self.assertEqual(sorted(os.listdir(directory)), ["sidecar", "tools"])
        for container, identity in self.client.containers.items():
            link = f"/var/log/containers/client_production_{container}-{identity}.log"
            self.assertEqual(os.readlink(link), f"{directory}/{container}/0.log")
            self.assertTrue(os.path.exists(link))
        self.assertIn("sidecar", run_as_user(["ls", directory]).stdout)

    def test_cgroup_paths_are_the_kubelets(self):
        path = f"/kubepods/besteffort/pod{self.client.uid}/{self.client.containers['tools']}"
        lines = read(f"/proc/{self.client.container_pid('tools')}/cgroup").splitlines()
        self.assertEqual({line.split(":", 2)[2] for line in lines}, {path})
        for root in cgroup_hierarchies():
            self.assertTrue(os.path.isdir(root + path), root + path)

    def test_cgroup_paths_of_the_systemd_driver(self):
        pod = self.pod("production", "slice", [tools()], cgroup_driver="systemd", qos="burstable")
        path = (
            "/kubepods.slice/kubepods-burstable.slice/"
            f"kubepods-burstable-pod{pod.uid.replace('-', '_')}.slice/"
            f"cri-containerd-{pod.containers['tools']}.scope"
        )
        lines = read(f"/proc/{pod.container_pid('tools')}/cgroup").splitlines()
        self.assertEqual({line.split(":", 2)[2] for line in lines}, {path})

    def test_containers_share_a_netns_of_their_own(self):
        pids = [self.client.container_pid(name) for name in ("tools", "sidecar")]
        spaces = {netns(pid) for pid in pids}
        self.assertEqual(len(spaces), 1)
        self.assertNotIn(netns("self"), spaces)
        self.assertEqual(os.stat(self.client.netns_path).st_ino, netns(pids[0]))
        self.assertTrue({*pids, self.client.pid} <= self.client.pids())

    def test_host_network_pod_shares_the_nodes_netns(self):
        pod = self.pod("kube-system", "proxy", [Container("web", "web", ["18080"])], True)
        self.assertEqual(netns(pod.container_pid("web")), netns("self"))
        self.assertEqual(pod.netns_path, "")
        self.wait_http(self.client, "tools", pod.url(port=18080))

    def test_environment_and_mounts_reach_the_container(self):
        folder = self.folder()
        container = tools()
        container.env = {"GREETING": "hello"}
        container.mounts = [(folder, "/data", False)]
        pod = self.pod("production", "mounts", [container])
        pod.exec("tools", ["sh", "-c", "echo $GREETING >/data/file"])
        self.assertEqual(read(f"{folder}/file"), "hello\n")

    def test_restart_keeps_the_name_and_nothing_else(self):
        old = self.pod("production", "db-0", [tools()])
        old_netns = os.stat(old.netns_path)
        # Keep the old namespace alive, or the new one might get its inode number.
        with open(old.netns_path, "rb"):
            new = self.node.restart_pod(old)
            self.addCleanup(self.node.stop_pod, new)
            self.assertNotEqual(os.stat(new.netns_path).st_ino, old_netns.st_ino)
        self.assertEqual((new.namespace, new.name), ("production", "db-0"))
        self.assertNotEqual(new.uid, old.uid)
        self.assertFalse(os.path.exists(old.log_directory))
        self.assertFalse(os.path.exists(old.netns_path))

    def test_killed_pod_is_noticed_and_can_be_removed(self):
        pod = self.pod("production", "victim", [tools()])
        self.node.kill_pod(pod)
        self.assertEqual(pod.pids(), set())
        self.node.stop_pod(pod)
        self.assertFalse(os.path.exists(pod.log_directory))

    def test_restarted_container_keeps_the_pod(self):
        pod = self.pod("production", "crash", [tools()])
        first, space = pod.containers["tools"], netns(pod.pid)
        self.node.restart_container(pod, "tools")
        self.assertNotEqual(pod.containers["tools"], first)
        self.assertEqual(netns(pod.container_pid("tools")), space)
        self.assertTrue(os.readlink(pod.log_link("tools")).endswith("/tools/1.log"))

    def test_a_background_capture_is_judged_by_tshark(self):
        self.wait_http(self.client, "tools", self.api.url())
        path = os.path.join(self.folder(), "api.pcap")
        argv = [need("tcpdump"), "-U", "-Z", "root", "-ni", "eth0", "-w", path, "tcp port 8080"]
        space = f"--net={self.api.netns_path}"
        with Background([need("nsenter"), space, *argv]) as capture:
            capture.wait_stderr("listening on")
            self.curl(self.api.url("/api/users"))
            capture.wait_frames(path, 1, "http.response")
        uris = tshark_rows(path, ["ip.src", "http.request.uri"], "http.request")
        self.assertEqual(
            uris, [{"ip.src": self.client.ip, "http.request.uri": "/api/users"}]
        )
        self.assertGreaterEqual(int(capinfos(path)["Number of packets"]), 8)

    def test_a_node_in_use_is_not_taken_over(self):
        with self.assertRaisesRegex(NodeError, "another process uses the node"):
            Node(self.node.directory).up()


def processes():
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            yield pid, read(f"/proc/{pid}/cmdline").split("\0")


def machine():
    """Everything a node could leave behind, as a set of strings."""
    found = {f"mount {line}" for line in read("/proc/self/mounts").splitlines()}
    found |= {f"link {name}" for name in os.listdir("/sys/class/net")}
    for family in ("-4", "-6"):
        found |= {f"rule {line}" for line in run(["ip", family, "rule"]).stdout.splitlines()}
        routes = run(["ip", family, "route", "show", "table", "all"]).stdout
        found |= {f"route {line}" for line in routes.splitlines()}
    for root in cgroup_hierarchies():
        for directory, names, _ in os.walk(root):
            found |= {f"cgroup {directory}/{name}" for name in names}
    for path in ("/run", "/run/netns", "/run/containerd", "/var/lib", "/var/lib/cni"):
        with contextlib.suppress(FileNotFoundError):
            found |= {f"file {path}/{name}" for name in os.listdir(path)}
    for path in ("/var/log/pods", "/var/log/containers", "/var/lib/cni/results"):
        with contextlib.suppress(FileNotFoundError):
            found |= {f"file {path}", *(f"file {path}/{name}" for name in os.listdir(path))}
    for path in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
        with contextlib.suppress(FileNotFoundError):
            found.add(f"sysctl {path} {read('/proc/sys/net/' + path).strip()}")
    found |= {f"process {' '.join(argv)}" for _, argv in processes() if "containerd" in argv[0]}
    return found


class CleanupTest(unittest.TestCase):
    maxDiff = None  # a failure names every leftover

    @classmethod
    def setUpClass(cls):
        reason = missing_requirement()
        if reason:
            unable(reason)
        release_shared_node()

    def setUp(self):
        for directory in (CRASH_DIRECTORY, SECOND_DIRECTORY):
            Node(directory).down()
        if any("containerd" in argv[0] for _, argv in processes()):
            # Another node's pods come and go: before and after would differ through no fault.
            unable("another containerd runs on this machine: stop it for this test")
        self.before = machine()

    def assert_machine_as_before(self):
        # The kernel removes veth pairs and namespaces a moment after their last user.
        with contextlib.suppress(TimeoutError):
            wait_until(lambda: machine() == self.before, "the machine to be as before", 10)
        after = machine()
        processes_left = [c for c in after - self.before if c.startswith("process ")]
        if any("/run/stratoshark-node-" not in line for line in processes_left):
            self.skipTest("another node came up meanwhile: before and after say nothing")
        self.assertEqual((after - self.before, self.before - after), (set(), set()))

    def start_and_crash(self):
        """A node whose process dies without a word; returns nothing, as it would."""
        code = (
            "import os\n"
            "from tests.node.node import Container, Node\n"
            f"node = Node({CRASH_DIRECTORY!r}).up()\n"
            "node.run_pod('production', 'api', [Container('web', 'web')])\n"
            "node.run_pod('production', 'slice', [Container('tools', 'tools')],"
            " cgroup_driver='systemd')\n"
            "node.run_pod('kube-system', 'proxy', [Container('web', 'web', ['18081'])], True)\n"
            "os.kill(os.getpid(), 9)\n"
        )
        result = subprocess.run(
            [sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=False
        )
        self.assertEqual(result.returncode, -signal.SIGKILL, result.stderr)

    def kill(self, name):
        for pid, argv in list(processes()):
            if os.path.basename(argv[0]) == name and CRASH_DIRECTORY in " ".join(argv):
                os.kill(int(pid), signal.SIGKILL)

    def test_down_leaves_nothing(self):
        with Node(CRASH_DIRECTORY) as node:
            node.run_pod("production", "api", [web()])
            node.run_pod("production", "proxy", [tools()], host_network=True)
        self.assert_machine_as_before()

    def test_two_nodes_leave_nothing_in_either_order(self):
        for first_down in (0, 1):
            with self.subTest(first_down=first_down):
                nodes = [Node(CRASH_DIRECTORY), Node(SECOND_DIRECTORY)]
                for node in nodes:
                    self.addCleanup(node.down)
                    node.up()
                pods = [node.run_pod("production", "api", [web()]) for node in nodes]
                self.assertNotEqual(pods[0].ip, pods[1].ip)
                nodes.pop(first_down).down()
                nodes[0].restart_pod(pods[1 - first_down])
                nodes[0].down()
                self.assert_machine_as_before()

    def test_down_after_a_crash_leaves_nothing(self):
        self.start_and_crash()
        self.kill("containerd")
        Node(CRASH_DIRECTORY).down()
        self.assert_machine_as_before()

    def test_down_without_containerd_and_shims_leaves_nothing(self):
        self.start_and_crash()
        self.kill("containerd")
        self.kill("containerd-shim-runc-v2")
        Node(CRASH_DIRECTORY).down()
        self.assert_machine_as_before()

    def test_up_removes_a_former_run(self):
        self.start_and_crash()
        with Node(CRASH_DIRECTORY) as node:
            self.assertEqual(node.cri.sandboxes(), [])
            node.run_pod("production", "api", [web()])
        self.assert_machine_as_before()


if __name__ == "__main__":
    unittest.main()
