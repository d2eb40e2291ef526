#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The provider against a real API server (HTTP/2, RBAC, tokens that it issues) with a real etcd.
STRATOCAP_APISERVER names the program, which tests/kube/apiserver builds; etcd is of etcd-server."""

import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

import yaml

if __name__ == "__main__":
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))

from tests.kube import objects as k8s
from tests.kube.provider import Provider
from tests.kube.server import Authority, RESOURCES

HERE = os.path.dirname(os.path.abspath(__file__))
APISERVER = os.environ.get("STRATOCAP_APISERVER", "")
RBAC = "/apis/rbac.authorization.k8s.io/v1"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Cluster:
    """etcd and an API server, and an administrator's way to it."""

    def __init__(self, folder):
        self.folder = folder
        self.authority = Authority(folder)
        self.authority.issue("server", "/CN=kube-apiserver", "subjectAltName=IP:127.0.0.1")
        self.authority.issue("admin", "/O=system:masters/CN=admin", "extendedKeyUsage=clientAuth")
        subprocess.run(["openssl", "ecparam", "-genkey", "-noout", "-name", "prime256v1", "-out",
                        "account.key"], cwd=folder, check=True, capture_output=True)
        self.port, self.etcd_port, self.peer_port = free_port(), free_port(), free_port()
        etcd = f"http://127.0.0.1:{self.etcd_port}"
        self.etcd = self.run("etcd", "etcd", "--data-dir", f"{folder}/etcd",
                             "--listen-client-urls", etcd, "--advertise-client-urls", etcd,
                             "--listen-peer-urls", f"http://127.0.0.1:{self.peer_port}")
        self.context = ssl.create_default_context(cafile=f"{folder}/ca.crt")
        self.context.load_cert_chain(f"{folder}/admin.crt", f"{folder}/admin.key")
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def run(self, name, *argv):
        with open(f"{self.folder}/{name}.log", "ab") as log:
            return subprocess.Popen(argv, stdout=log, stderr=log, cwd=self.folder)

    def start(self):
        self.server = self.run(
            "apiserver", APISERVER, f"--etcd-servers=http://127.0.0.1:{self.etcd_port}",
            f"--secure-port={self.port}", "--bind-address=127.0.0.1",
            "--tls-cert-file=server.crt", "--tls-private-key-file=server.key",
            "--client-ca-file=ca.crt", "--service-account-key-file=account.key",
            "--service-account-signing-key-file=account.key",
            "--service-account-issuer=https://kubernetes.default",
            "--service-cluster-ip-range=10.96.0.0/16", "--authorization-mode=RBAC",
            "--disable-admission-plugins=ServiceAccount", f"--cert-dir={self.folder}/run")
        ends = time.monotonic() + 90
        while not self.is_ready():
            if time.monotonic() > ends or self.server.poll() is not None:
                with open(f"{self.folder}/apiserver.log", encoding="utf-8") as log:
                    raise AssertionError("the API server did not start:\n" + log.read()[-3000:])
            time.sleep(0.2)

    def is_ready(self):
        try:
            self.ask("GET", "/readyz")
            return self.ask("GET", f"{RBAC}/clusterroles/view") is not None
        except (OSError, http.client.HTTPException):
            return False

    def kill(self):
        self.server.send_signal(signal.SIGKILL)
        self.server.wait()

    def close(self):
        self.kill()
        self.etcd.kill()
        self.etcd.wait()

    def ask(self, method, path, body=None):
        request = urllib.request.Request(
            f"https://127.0.0.1:{self.port}{path}", method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, context=self.context, timeout=20) as answer:
            text = answer.read()
        return json.loads(text) if text.startswith(b"{") else {}

    @staticmethod
    def path(obj, kinds={"ClusterRole": f"{RBAC}/clusterroles",
                         "ClusterRoleBinding": f"{RBAC}/clusterrolebindings",
                         "RoleBinding": f"{RBAC}/rolebindings",
                         "Namespace": "/api/v1/namespaces",
                         "ServiceAccount": "/api/v1/serviceaccounts", **RESOURCES}):
        path, namespace = kinds[obj["kind"]], obj["metadata"].get("namespace")
        if not namespace:
            return path
        head, _, resource = path.rpartition("/")
        return f"{head}/namespaces/{namespace}/{resource}"

    def create(self, obj):
        """The server gives uids of its own: returns the object as it is there."""
        obj = json.loads(json.dumps(obj))
        for name in ("uid", "managedFields", "creationTimestamp"):
            obj["metadata"].pop(name, None)
        made = self.ask("POST", self.path(obj), obj)
        if obj["kind"] in ("Pod", "Node") and "status" in obj:
            made["status"] = obj["status"]
            made = self.ask("PUT", f"{self.path(obj)}/{obj['metadata']['name']}/status", made)
        return made

    def delete(self, obj):
        self.ask("DELETE", f"{self.path(obj)}/{obj['metadata']['name']}",
                 {"gracePeriodSeconds": 0})

    def token(self, account):
        answer = self.ask("POST", f"/api/v1/namespaces/kube-system/serviceaccounts/{account}/token",
                          {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
                           "spec": {"expirationSeconds": 600}})
        return answer["status"]["token"]

    def kubeconfig(self, token):
        path = f"{self.folder}/config"
        with open(path, "w", encoding="utf-8") as file:
            json.dump({
                "current-context": "test",
                "clusters": [{"name": "c", "cluster": {
                    "server": f"https://127.0.0.1:{self.port}",
                    "certificate-authority": "ca.crt"}}],
                "users": [{"name": "u", "user": {"token": token}}],
                "contexts": [{"name": "test", "context": {"cluster": "c", "user": "u"}}]}, file)
        return path


@unittest.skipUnless(APISERVER and shutil.which("etcd"),
                     "needs etcd and STRATOCAP_APISERVER=the program of tests/kube/apiserver")
class RealTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="stratoshark-real-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.cluster = Cluster(cls.folder)
        cls.addClassCleanup(cls.cluster.close)
        for name in ("production", "staging"):
            cls.cluster.create({"kind": "Namespace", "apiVersion": "v1",
                                "metadata": {"name": name}})
        with open(os.path.join(HERE, "../../deploy/rbac.yaml"), encoding="utf-8") as file:
            for obj in yaml.safe_load_all(file):
                cls.cluster.create(obj)
        order = ["Node", "ReplicaSet", "Job", "Pod", "Service", "Endpoints"]
        objects = [obj for obj in k8s.small_cluster() if obj["kind"] in order]
        uids, cls.pods = {}, {}
        for obj in sorted(objects, key=lambda each: order.index(each["kind"])):
            for owner in obj["metadata"].get("ownerReferences", []):
                owner["uid"] = uids.get(owner["uid"], owner["uid"])
            made = cls.cluster.create(obj)
            uids[obj["metadata"]["uid"]] = made["metadata"]["uid"]
            if obj["kind"] == "Pod":
                cls.pods[obj["metadata"]["name"]] = made

    def provider(self, token):
        provider = Provider("-k", self.cluster.kubeconfig(token), "-n", "worker-1", "-s", "3")
        self.addCleanup(lambda: self.assertEqual((provider.close(), provider.errors), (0, "")))
        return provider

    def assert_answers(self, provider):
        provider.complete(self.pods["api-7d9f8b6c5d-x2k4m"])
        provider.wait_event("complete", done=True, labels_known=True, workload="Deployment/api",
                            labels="app=api,pod-template-hash=7d9f8b6c5d,tier=front")

    def test_the_cluster_role_is_enough(self):
        provider = self.provider(self.cluster.token("stratoshark"))
        self.assert_answers(provider)
        provider.complete(self.pods["report-28595520-9fjwq"])
        provider.wait_event("complete", done=True, workload="CronJob/report")
        provider.wait_event("peer", name="db-0", addresses="10.244.2.7 fd00:10:244:2::7",
                            workload="StatefulSet/db")
        provider.wait_event("peer", name="cart-5c6d7e8f9a-b1b2b", workload="Deployment/cart")
        provider.wait_event("node", name="worker-2", addresses="10.0.0.12 fd00::12")
        provider.wait_event("service", name="api", addresses="10.96.0.20",
                            ports="http:80/6:30080",
                            endpoints="10.244.1.5:8080=api-7d9f8b6c5d-x2k4m")
        self.assertIn("API server v1.", provider.state()["state"])
        self.assertEqual(provider.logs("note") + provider.logs("warning"), [])

    def test_pods_come_and_go_through_a_restart(self):
        provider = self.provider(self.cluster.token("stratoshark"))
        provider.wait_event("peer", name="db-0")
        first = self.cluster.create(k8s.pod("production", "web-1", "worker-2", "10.244.2.41"))
        provider.wait_event("peer", name="web-1", addresses="10.244.2.41")
        self.cluster.kill()
        self.cluster.start()
        second = self.cluster.create(k8s.pod("production", "web-2", "worker-2", "10.244.2.42"))
        self.cluster.delete(first)
        provider.wait_event("peer", name="web-2", addresses="10.244.2.42", timeout=90)
        provider.wait_event("peer", name="web-1", change="gone", timeout=90)
        self.cluster.delete(second)
        provider.wait_event("peer", name="web-2", change="gone")

    def test_a_role_in_one_namespace(self):
        self.cluster.create({"kind": "ServiceAccount", "apiVersion": "v1",
                             "metadata": {"name": "narrow", "namespace": "kube-system"}})
        self.cluster.create({
            "kind": "RoleBinding", "apiVersion": "rbac.authorization.k8s.io/v1",
            "metadata": {"name": "narrow", "namespace": "production"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                        "name": "stratoshark"},
            "subjects": [{"kind": "ServiceAccount", "name": "narrow",
                          "namespace": "kube-system"}]})
        provider = self.provider(self.cluster.token("narrow"))
        self.assert_answers(provider)
        provider.wait_event("peer", name="db-0")
        provider.wait_event("service", name="api")
        self.assertEqual(provider.all("node"), [])
        self.assertEqual(len(provider.logs("note")), 1, provider.logs())
        self.assertIn("forbidden", provider.logs("note")[0])

    def test_a_token_that_is_not_valid(self):
        provider = self.provider("eyJhbGciOiJFUzI1NiJ9.e30.AAAA")
        provider.complete(self.pods["api-7d9f8b6c5d-x2k4m"])
        provider.wait_event("complete", done=True, labels_known=False)
        self.assertIn("401", provider.state()["state"])


if __name__ == "__main__":
    unittest.main()
