# SPDX-License-Identifier: GPL-2.0-or-later
"""Real pods that an API server knows more of than the node does."""

import json
import os
import shutil
import tempfile
import uuid

from tests.kube import objects
from tests.kube.server import ApiServer, Authority

from .capture import SPACE, CaptureTest
from .harness import Container, need, program, run, tshark_rows, wait_until

NODE = "worker-1"


class KubeTest(CaptureTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        need("openssl")
        folder = tempfile.mkdtemp(prefix="sstest-kube-")
        cls.addClassCleanup(shutil.rmtree, folder)
        cls.authority = Authority(folder)
        cls.authority.issue("server", "/CN=kube-apiserver", "subjectAltName=IP:127.0.0.1")

    def setUp(self):
        super().setUp()
        self.api = ApiServer(self.authority)
        self.addCleanup(self.api.close)
        self.api.set(objects.replica_set(SPACE, "shop", "7d9f8b6c5d"))
        self.tell(self.web.name, self.web.uid, {"app": "shop", "tier": "front"}, "shop-7d9f8b6c5d")
        self.kubeconfig = os.path.join(self.folder(), "config")
        with open(self.kubeconfig, "w", encoding="utf-8") as file:
            cluster = {
                "server": self.api.url,
                "certificate-authority-data": self.authority.data("ca.crt"),
            }
            context = {"name": "test", "context": {"cluster": "c", "user": "u"}}
            json.dump(
                {
                    "clusters": [{"name": "c", "cluster": cluster}],
                    "users": [{"name": "u", "user": {}}],
                    "contexts": [context],
                    "current-context": "test",
                },
                file,
            )

    def tell(self, name, uid, labels, replica_set=None):
        """The API server has this pod, on this node under a name that only it knows."""
        owner = ("apps/v1", "ReplicaSet", replica_set) if replica_set else None
        pod = objects.pod(SPACE, name, NODE, None, labels, None, owner)
        pod["metadata"]["uid"] = uid
        self.api.set(pod)

    def words(self):
        return ["--kubeconfig", self.kubeconfig, "--no-cri"]

    def pods(self, *words):
        argv = [program(), "pods", "-o", "json", *self.words(), *words]
        return {pod["pod"]: pod for pod in json.loads(run(argv).stdout)}

    def requests(self, path, pod):
        wanted = f"http.request && ip.dst == {pod.ip}"
        return tshark_rows(path, ["frame.interface_name"], wanted, complete=False)

    def ask(self, pod):
        self.curl(pod.url(), "--retry", "9", "--retry-connrefused", "--retry-delay", "0")

    def test_only_the_namespaces_that_are_meant_are_asked_for(self):
        """A big cluster's API server is not to be hurt."""
        self.pods("--namespace", SPACE)
        self.assertTrue(self.api.asked(f"^/api/v1/namespaces/{SPACE}/pods"))
        self.assertEqual(self.api.asked("^/api/v1/pods"), [])
        self.pods()
        self.assertTrue(self.api.asked("^/api/v1/pods"))

    def test_what_it_knows_is_listed(self):
        web = self.pods("--namespace", SPACE)["web"]
        self.assertEqual(web["labels"], {"app": "shop", "tier": "front"})
        self.assertEqual(web["workload"], "Deployment/shop")
        self.assertEqual(web["node"], NODE)
        self.assertEqual(web["addresses"], [self.web.ip, self.web.ip6])
        sources = web["sources"]
        self.assertEqual((sources["labels"], sources["workload"]), ("kube", "kube"))
        self.assertEqual((sources["name"], sources["addresses"]), ("node", "node"))

    def test_a_selection_by_what_only_it_knows(self):
        self.assertEqual(list(self.pods("-l", "app=shop")), ["web"])
        self.assertEqual(list(self.pods("--workload", "deploy/shop")), ["web"])

    def test_a_new_pod_of_a_workload_from_its_first_syn(self):
        path, identity = self.file(), str(uuid.uuid4())
        capture = self.capture("--workload", "deploy/shop", *self.words(), "-w", path)
        self.tell("shop-7d9f8b6c5d-bbbbb", identity, {"app": "shop"}, "shop-7d9f8b6c5d")
        late = self.pod(SPACE, "shop-7d9f8b6c5d-bbbbb", [Container("web", "web")], uid=identity)
        capture.wait_stderr("bbbbb started")
        self.ask(late)
        self.ask(self.web)
        wait_until(lambda: self.requests(path, late), "the request in the file")
        wait_until(lambda: self.requests(path, self.web), "the old pod's request")
        self.stop(capture)
        rows = tshark_rows(path, ["tcp.flags.syn", "tcp.flags.ack"], f"ip.addr == {late.ip} && tcp")
        self.assertEqual(list(rows[0].values()), ["1", "0"])

    def test_labels_that_change(self):
        path = self.file()
        words = ["-l", "debug=yes", "--wait", *self.words(), "-w", path]
        capture = self.capture(*words, ready="waiting for a pod")
        self.tell("web", self.web.uid, {"app": "shop", "debug": "yes"}, "shop-7d9f8b6c5d")
        capture.wait_stderr("web started")
        self.ask(self.web)
        wait_until(lambda: self.requests(path, self.web), "the request in the file")
        self.stop(capture)

    def test_a_server_that_hangs_or_goes_costs_no_frame(self):
        path = self.file()
        self.api.fault("", lambda request: request.hang())
        capture = self.capture(*self.words(), "-w", path)
        self.get(times=3)
        capture.wait_frames(path, 3, "http.response")
        self.api.stop()
        self.get(times=3)
        capture.wait_frames(path, 6, "http.response")
        self.stop(capture)

    def test_nothing_listens_there(self):
        self.api.stop()
        path = self.file()
        capture = self.capture(*self.words(), "-w", path)
        self.get()
        capture.wait_frames(path, 1, "http.response")
        self.stop(capture)
        self.assertEqual(self.pods("--namespace", SPACE)["web"]["addresses"][0], self.web.ip)
