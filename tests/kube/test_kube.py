#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The API server's provider against an API server over HTTPS that does all that servers do: right,
wrong, late, and not at all. STRATOCAP_KUBE_DUMP names the program."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

if __name__ == "__main__":
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))

from tests.kube import objects as k8s
from tests.kube.provider import Provider
from tests.kube.server import ApiServer, Authority, RESOURCES, status

API = "production/api-7d9f8b6c5d-x2k4m"


def find(cluster, name):
    namespace, name = name.split("/")
    return next(obj for obj in cluster if obj["kind"] == "Pod" and
                obj["metadata"]["namespace"] == namespace and obj["metadata"]["name"] == name)


def wait_until(condition, what, timeout=30):
    ends = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > ends:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(0.02)


def is_over(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().split()[2] == "Z"
    except OSError:
        return True


class KubeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="stratoshark-kube-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.authority = Authority(cls.folder)
        cls.authority.issue("server", "/CN=kube-apiserver",
                            "subjectAltName=IP:127.0.0.1,DNS:kubernetes.default")
        cls.authority.issue("client", "/O=viewers/CN=viewer", "extendedKeyUsage=clientAuth")

    def setUp(self):
        self.cluster = k8s.small_cluster()
        self.api = ApiServer(self.authority)
        self.addCleanup(self.api.close)

    # The kubeconfig, as JSON: that is YAML too

    def write(self, name, content, mode=0o600):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(content if isinstance(content, str) else json.dumps(content))
        os.chmod(path, mode)
        return path

    def kubeconfig(self, user=None, cluster=None, context=None, name="config"):
        entries = {"server": self.api.url,
                   "certificate-authority-data": self.authority.data("ca.crt")}
        entries.update(cluster or {})
        entries = {key: value for key, value in entries.items() if value is not None}
        return self.write(name, {
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "c", "cluster": entries}],
            "users": [{"name": "u", "user": user or {}}],
            "contexts": [{"name": "test",
                          "context": {"cluster": "c", "user": "u", **(context or {})}}]})

    def provider(self, *arguments, kubeconfig=None, node="worker-1", **more):
        provider = Provider("-k", kubeconfig or self.kubeconfig(), "-n", node, "-s", "2",
                            *arguments, **more)
        self.addCleanup(self.end, provider)
        return provider

    def end(self, provider):
        self.assertEqual(provider.close(), 0, provider.errors)
        self.assertEqual(provider.errors, "")

    def assert_answers(self, provider, name=API, workload="Deployment/api"):
        provider.complete(find(self.cluster, name))
        return provider.wait_event("complete", done=True, labels_known=True,
                                   name=name.split("/")[1], workload=workload)


class FactsTest(KubeTest):
    def test_a_pod_of_this_node(self):
        self.api.set(*self.cluster)
        line = self.assert_answers(self.provider())
        self.assertEqual(line["labels"], "app=api,pod-template-hash=7d9f8b6c5d,tier=front")
        self.assertEqual(line["annotations"], "prometheus.io/scrape=true")
        self.assertEqual(line["containers"],
                         "proxy=registry.example/proxy:9,web=registry.example/web:1.2")
        self.assertEqual(line["addresses"], "10.244.1.5")
        self.assertEqual(line["node"], "worker-1")

    def test_owners_at_the_top(self):
        self.api.set(*self.cluster)
        provider = self.provider()
        self.assert_answers(provider, "staging/report-28595520-9fjwq", "CronJob/report")
        provider.wait_event("peer", name="db-0", workload="StatefulSet/db", workload_known=True)
        provider.wait_event("peer", name="cart-5c6d7e8f9a-b1b2b", workload="Deployment/cart",
                            workload_known=True)
        provider.wait_event("peer", name="kube-proxy-h7x2z", workload="DaemonSet/kube-proxy",
                            host_network=True)
        self.assertTrue(all("as=PartialObjectMetadataList" in headers.get("Accept", "")
                            for path, headers in self.api.requests
                            if "replicasets" in path or "/jobs" in path))

    def test_what_names_addresses(self):
        self.api.set(*self.cluster)
        provider = self.provider()
        provider.wait_event("peer", name="db-0", addresses="10.244.2.7 fd00:10:244:2::7",
                            node="worker-2", labels="")
        provider.wait_event("node", name="worker-2", addresses="10.0.0.12 fd00::12")
        provider.wait_event("service", name="api", type="NodePort", addresses="10.96.0.20",
                            ports="http:80/6:30080",
                            endpoints="10.244.1.5:8080=api-7d9f8b6c5d-x2k4m")
        provider.wait_event("service", name="db", addresses="", endpoints="10.244.2.7:5432=db-0")
        self.assertEqual(provider.all("peer", node="worker-1"), [])
        self.assertIn("API server v1.28.4", provider.state()["state"])

    def test_endpoints_where_there_are_no_slices(self):
        self.api.missing.add(RESOURCES["EndpointSlice"])
        self.api.set(*self.cluster)
        self.provider().wait_event("service", name="api",
                                   endpoints="10.244.1.5:8080=api-7d9f8b6c5d-x2k4m")

    def test_a_service_joins_its_slices(self):
        self.api.set(*self.cluster)
        provider = self.provider()
        provider.wait_event("service", name="db", endpoints="10.244.2.7:5432=db-0")
        more = k8s.endpoint_slice("production", "db", "zzzzz", [("10.244.2.9", "db-1")], [5432])
        self.api.set(more)
        provider.wait("both", lambda line: line["event"] == "service" and sorted(
            line["endpoints"].split()) == ["10.244.2.7:5432=db-0", "10.244.2.9:5432=db-1"])
        since = provider.count()
        self.api.remove(more)
        provider.wait_event("service", since=since, name="db", endpoints="10.244.2.7:5432=db-0")

    def test_a_static_pod_has_the_kubelet_s_uid(self):
        self.api.set(k8s.pod("kube-system", "etcd-worker-1", "worker-1", "10.0.0.11",
                             {"component": "etcd"},
                             {"kubernetes.io/config.mirror": "0123456789abcdef0123456789abcdef",
                              "kubernetes.io/config.source": "file"},
                             ("v1", "Node", "worker-1"), host_network=True))
        provider = self.provider()
        provider.command("complete", "kube-system", "etcd-worker-1",
                         "0123456789abcdef0123456789abcdef")
        provider.wait_event("complete", done=True, labels="component=etcd",
                            workload="Node/worker-1")

    def test_the_node_s_name_is_learned(self):
        self.api.set(*self.cluster)
        provider = self.provider(node="ip-10-0-0-11")
        self.assert_answers(provider)
        provider.wait_event("peer", name=API.split("/")[1], change="gone")
        self.assert_answers(provider, "staging/report-28595520-9fjwq", "CronJob/report")
        self.assertIn("node worker-1", provider.state()["state"])

    def test_a_pod_that_nobody_knows(self):
        self.api.set(*self.cluster)
        provider = self.provider()
        provider.command("complete", "production", "ghost", "11111111-2222-3333-4444-555555555555")
        provider.wait_event("complete", name="ghost", done=True, labels_known=False)

    def test_finished_pods_name_no_address(self):
        self.api.set(k8s.pod("production", "old", "worker-2", "10.244.2.7", phase="Succeeded"),
                     k8s.pod("production", "new", "worker-2", "10.244.2.7"))
        provider = self.provider()
        provider.wait_event("peer", name="new")
        self.assertEqual(provider.all("peer", name="old"), [])
        self.api.set(k8s.pod("production", "new", "worker-2", "10.244.2.7", phase="Failed"))
        provider.wait_event("peer", name="new", change="gone")

    def test_only_some_namespaces(self):
        self.api.set(*self.cluster)
        provider = self.provider("-N", "staging")
        self.assert_answers(provider, "staging/report-28595520-9fjwq", "CronJob/report")
        provider.complete(find(self.cluster, API))
        provider.wait_event("complete", name=API.split("/")[1], done=True, labels_known=False)
        provider.wait_event("node", name="worker-1")
        provider.wait_event("service", name="api")  # of production: what DNS is, for all
        self.assertEqual(self.api.asked("/namespaces/production/"), [])
        self.assertEqual(self.api.asked("^/api/v1/pods"), [])

    def test_nothing_for_peers(self):
        self.api.set(*self.cluster)
        provider = self.provider("-p")
        self.assert_answers(provider)
        self.assertEqual(self.api.asked("/services|/nodes|slices"), [])


class WatchTest(KubeTest):
    def test_pods_come_change_and_go(self):
        self.api.set(*self.cluster)
        provider = self.provider()
        provider.wait_event("peer", name="db-0")
        new = k8s.pod("production", "web-0", "worker-2", "10.244.2.33")
        self.api.set(new)
        provider.wait_event("peer", name="web-0", addresses="10.244.2.33")
        new["status"]["podIP"] = "10.244.2.34"
        new["status"]["podIPs"] = [{"ip": "10.244.2.34"}]
        self.api.set(new)
        provider.wait_event("peer", name="web-0", addresses="10.244.2.34")
        self.api.remove(new)
        provider.wait_event("peer", name="web-0", change="gone")

    def test_a_pod_asked_for_before_it_is_known(self):
        self.api.set(*[obj for obj in self.cluster if obj["kind"] != "Pod"])
        provider = self.provider()
        provider.wait_event("node", name="worker-1")
        pod = find(self.cluster, API)
        provider.complete(pod)
        self.api.set(pod)
        provider.wait_event("complete", done=True, workload="Deployment/api")
        pod["metadata"]["labels"]["release"] = "canary"
        self.api.set(pod)
        provider.wait("the new label", lambda line: line["event"] == "complete" and
                      "release=canary" in line["labels"])

    def test_nothing_is_told_twice(self):
        self.api.set(*self.cluster)
        provider = self.provider()
        provider.wait_event("peer", name="cart-5c6d7e8f9a-b1b2b", workload_known=True)
        pod = find(self.cluster, "production/db-0")
        pod["status"]["containerStatuses"][0]["restartCount"] = 7
        self.api.set(pod)
        self.api.set(k8s.pod("production", "last", "worker-2", "10.244.2.77"))
        provider.wait_event("peer", name="last")
        self.assertEqual(len(provider.all("peer", name="db-0")), 1)

    def test_pages(self):
        pods = [k8s.pod("production", f"w-{i}", "worker-2", f"10.244.{i // 250}.{i % 250}")
                for i in range(1203)]
        self.api.set(*pods)
        self.api.page_max = 100
        provider = self.provider()
        provider.wait_event("peer", name="w-999")
        wait_until(lambda: len(provider.all("peer")) == 1203, "all pods of all pages")
        self.assertEqual(len([path for path in self.api.asked("^/api/v1/pods.*continue=")
                              if "nodeName" not in path]), 12)
        self.assertTrue(all("limit=500" in path for path in self.api.asked("pods\\?(?!watch)")
                            if "watch=" not in path))

    def test_bookmarks_move_on(self):
        self.api.set(*self.cluster)
        provider = self.provider("-w", "1")
        provider.wait_event("peer", name="db-0")
        self.api.set(k8s.node("worker-3", "10.0.0.13"))  # no pod: only a bookmark says it
        provider.wait_event("node", name="worker-3")
        wait_until(lambda: self.api.asked(f"^/api/v1/pods.*watch=1.*resourceVersion="
                                          f"{self.api.version}(&|$)"),
                   "a watch of pods from the bookmark")
        self.assertEqual(len(self.api.asked("^/api/v1/services\\?limit")), 1)

    def test_history_that_is_gone(self):
        self.api.set(*self.cluster)
        provider = self.provider()
        provider.wait_event("peer", name="db-0")
        with self.api.condition:  # what happens while nobody watches
            self.api.objects[RESOURCES["Pod"]].pop(("production", "db-0"))
        self.api.set(k8s.pod("production", "db-1", "worker-2", "10.244.2.8"))
        self.api.compact()
        provider.wait_event("peer", name="db-0", change="gone")
        provider.wait_event("peer", name="db-1")
        wait_until(lambda: [path for path in self.api.asked("^/api/v1/pods\\?limit=500")
                            if "resourceVersion=0" not in path], "a list of now")
        self.assertEqual(provider.logs("warning"), [])

    def test_history_that_is_gone_by_status(self):
        self.api.set(*self.cluster)
        provider = self.provider()
        provider.wait_event("peer", name="db-0")
        self.api.fault("^/api/v1/pods.*watch", lambda request: request.send_json(
            410, status(410, "Gone", "too old")), 2)
        self.api.compact()
        self.api.set(k8s.pod("production", "db-1", "worker-2", "10.244.2.8"))
        provider.wait_event("peer", name="db-1")

    def test_a_page_that_expired(self):
        self.api.set(*[k8s.pod("production", f"w-{i}", "worker-2", f"10.244.3.{i}")
                       for i in range(200)])
        self.api.page_max = 100
        fault = self.api.fault("continue=", lambda request: request.send_json(
            410, status(410, "Expired", "too old")), 1)
        provider = self.provider()
        wait_until(lambda: len(provider.all("peer")) == 200, "all pods")
        self.assertEqual(fault.hits, 1)

    def test_the_server_starts_again(self):
        self.api.set(*self.cluster)
        provider = self.provider()
        provider.wait_event("peer", name="db-0")
        provider.wait_event("service", name="api")
        self.api.stop()
        self.api.set(k8s.pod("production", "db-1", "worker-2", "10.244.2.8"))
        self.api.remove(find(self.cluster, "production/db-0"))
        self.api.start()
        provider.wait_event("peer", name="db-1")
        provider.wait_event("peer", name="db-0", change="gone")

    def test_the_server_comes_late(self):
        self.api.set(*self.cluster)
        self.api.stop()
        provider = self.provider()
        provider.complete(find(self.cluster, API))
        provider.wait_event("complete", done=True, labels_known=False)  # gave up, for now
        self.api.start()
        provider.wait_event("complete", done=True, labels_known=True, workload="Deployment/api")
        wait_until(lambda: "v1.28.4" in provider.state()["state"] or
                   "API server (" in provider.state()["state"], "a state without trouble")


class CredentialsTest(KubeTest):
    def secrets_are_kept(self, provider, *secrets):
        with open(f"/proc/{provider.process.pid}/cmdline", encoding="utf-8") as file:
            text = file.read()
        text += json.dumps(provider.lines) + provider.errors
        for secret in secrets:
            self.assertNotIn(secret, text)

    def test_token(self):
        self.api.tokens = {"s3cret-token"}
        self.api.set(*self.cluster)
        provider = self.provider(kubeconfig=self.kubeconfig({"token": "s3cret-token"}))
        self.assert_answers(provider)
        self.secrets_are_kept(provider, "s3cret-token")

    def test_password(self):
        self.api.passwords = {"viewer:pa:ss"}
        self.api.set(*self.cluster)
        self.assert_answers(self.provider(kubeconfig=self.kubeconfig(
            {"username": "viewer", "password": "pa:ss"})))

    def test_client_certificate(self):
        self.api.want_certificate = True
        self.api.set(*self.cluster)
        self.assert_answers(self.provider(kubeconfig=self.kubeconfig(
            {"client-certificate-data": self.authority.data("client.crt"),
             "client-key-data": self.authority.data("client.key")})))

    def test_files_beside_the_kubeconfig(self):
        self.api.want_certificate = True
        self.api.set(*self.cluster)
        self.assert_answers(self.provider(kubeconfig=self.kubeconfig(
            {"client-certificate": "client.crt", "client-key": "client.key"},
            {"certificate-authority-data": None, "certificate-authority": "ca.crt"})))

    def test_a_token_file_that_changes(self):
        token = self.write("token", "first\n")
        self.api.tokens = {"first"}
        self.api.set(*self.cluster)
        provider = self.provider("-w", "1", kubeconfig=self.kubeconfig({"tokenFile": "token"}))
        self.assert_answers(provider)
        self.write("token.new", "second\n")
        os.rename(os.path.join(self.folder, "token.new"), token)
        self.api.tokens = {"second"}
        self.api.set(k8s.pod("production", "db-1", "worker-2", "10.244.2.8"))
        wait_until(lambda: any("Bearer second" in headers.get("Authorization", "")
                               for _, headers in self.api.requests), "the new token")
        self.api.set(k8s.pod("production", "db-2", "worker-2", "10.244.2.9"))
        provider.wait_event("peer", name="db-2")

    def plugin(self, script, **more):
        path = self.write("plugin", "#!/bin/sh\n" + script, 0o700)
        return self.kubeconfig({"exec": {
            "apiVersion": "client.authentication.k8s.io/v1", "command": "./plugin",
            "args": ["--cluster", "a b"], "env": [{"name": "PLUGIN_MODE", "value": "test"}],
            "interactiveMode": "IfAvailable", "provideClusterInfo": True, **more}}), path

    CREDENTIAL = ('{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential",'
                  '"status":{"token":"%s"%s}}')

    def test_exec_plugin(self):
        self.api.tokens = {"from-plugin"}
        self.api.set(*self.cluster)
        log = os.path.join(self.folder, "plugin.log")
        kubeconfig, _ = self.plugin(
            f'echo "$1 $2 $PLUGIN_MODE $KUBERNETES_EXEC_INFO" > {log}\n'
            f'grep -h ^Cap[PE] /proc/self/status >> {log}\n'
            f"echo secret-on-stderr >&2\n"
            f"echo '{self.CREDENTIAL % ('from-plugin', '')}'")
        provider = self.provider(kubeconfig=kubeconfig)
        self.assert_answers(provider)
        self.secrets_are_kept(provider, "from-plugin", "secret-on-stderr")
        with open(log, encoding="utf-8") as file:
            line, *capabilities = file.read().splitlines()
        self.assertTrue(line.startswith("--cluster a b test {"), line)
        info = json.loads(line[line.index("{"):])
        self.assertEqual(info["spec"]["cluster"]["server"], self.api.url)
        self.assertFalse(info["spec"]["interactive"])
        for capability in capabilities:
            self.assertEqual(int(capability.split()[1], 16), 0, capability)

    def test_exec_plugin_again_when_the_token_expired(self):
        counter = os.path.join(self.folder, "runs")
        if os.path.exists(counter):
            os.remove(counter)
        kubeconfig, _ = self.plugin(
            f"echo x >> {counter}\n"
            f"n=$(wc -l < {counter})\n"
            f"echo '{self.CREDENTIAL % ('token-N', '')}' | sed s/token-N/token-$n/")
        self.api.tokens = {"token-1"}
        self.api.set(*self.cluster)
        provider = self.provider("-w", "1", kubeconfig=kubeconfig)
        self.assert_answers(provider)
        self.api.tokens = {"token-2", "token-3", "token-4"}
        wait_until(lambda: any("Bearer token-2" in headers.get("Authorization", "")
                               for _, headers in self.api.requests), "the second token")
        self.api.set(k8s.pod("production", "db-9", "worker-2", "10.244.2.99"))
        provider.wait_event("peer", name="db-9")
        self.assertEqual(provider.logs("warning"), [])

    def test_exec_plugin_with_an_expiry(self):
        counter = os.path.join(self.folder, "runs")
        if os.path.exists(counter):
            os.remove(counter)
        kubeconfig, _ = self.plugin(
            f"echo x >> {counter}\n"
            "echo '" + self.CREDENTIAL % (
                "short", ',"expirationTimestamp":"2020-01-01T00:00:00Z"') + "'")
        self.api.tokens = {"short"}
        self.api.set(*self.cluster)
        provider = self.provider(kubeconfig=kubeconfig)
        self.assert_answers(provider)
        with open(counter, encoding="utf-8") as file:
            self.assertLessEqual(len(file.readlines()), 3)  # not once a request

    def test_exec_plugin_certificate(self):
        self.api.want_certificate = True
        self.api.set(*self.cluster)
        answer = self.write("answer", {
            "apiVersion": "client.authentication.k8s.io/v1beta1", "kind": "ExecCredential",
            "status": {"clientCertificateData": self.authority.text("client.crt"),
                       "clientKeyData": self.authority.text("client.key")}})
        kubeconfig, _ = self.plugin(f"cat {answer}",
                                    apiVersion="client.authentication.k8s.io/v1beta1")
        self.assert_answers(self.provider(kubeconfig=kubeconfig))

    def trouble(self, kubeconfig, *words):
        provider = self.provider(kubeconfig=kubeconfig)
        provider.complete(find(self.cluster, API))
        provider.wait_event("complete", done=True, labels_known=False)
        wait_until(lambda: all(word in provider.state()["state"] for word in words),
                   f"{words} in the state")
        return provider

    def test_exec_plugins_that_fail(self):
        self.api.tokens = {"x"}
        self.trouble(self.plugin("exit 3")[0], "exec plugin", "status 3")
        self.trouble(self.plugin("echo no json")[0], "no ExecCredential")
        self.trouble(self.plugin("kill -9 $$")[0], "signal 9")
        self.trouble(self.plugin("head -c 3000000 /dev/zero")[0], "larger than 1 MiB")
        self.trouble(self.plugin("", command="./no-such-plugin")[0], "not installed")
        self.trouble(self.plugin("", interactiveMode="Always")[0], "terminal")
        self.trouble(self.plugin("", apiVersion="client.authentication.k8s.io/v1alpha1")[0],
                     "apiVersion")

    def test_an_exec_plugin_that_hangs_blocks_nothing(self):
        self.api.tokens = {"x"}
        pids = os.path.join(self.folder, "pids")
        kubeconfig, _ = self.plugin(f"sleep 100 & echo $$ $! > {pids}.new\n"
                                    f"mv {pids}.new {pids}\nwait")
        provider = self.provider(kubeconfig=kubeconfig)
        wait_until(lambda: os.path.exists(pids), "the plugin runs")
        provider.state()
        self.end(provider)
        with open(pids, encoding="utf-8") as file:
            for pid in file.read().split():
                wait_until(lambda pid=pid: is_over(pid), "the plugin is gone")

    def test_a_wrong_token(self):
        self.api.tokens = {"right"}
        provider = self.trouble(self.kubeconfig({"token": "wrong"}), "401", "Unauthorized")
        wait_until(lambda: provider.logs("warning"), "a warning")
        self.assertEqual(len(provider.logs("warning")), 1)

    def test_a_server_with_another_authority(self):
        with tempfile.TemporaryDirectory() as folder:
            other = Authority(folder)
            kubeconfig = self.kubeconfig({"token": "s3cret"}, {
                "certificate-authority-data": other.data("ca.crt")})
            self.trouble(kubeconfig, "certificate")
        self.assertEqual(self.api.requests, [])
        provider = self.provider(kubeconfig=self.kubeconfig(None, {
            "certificate-authority-data": None, "insecure-skip-tls-verify": True}))
        self.api.set(*self.cluster)
        self.assert_answers(provider)

    def test_a_server_with_another_name(self):
        self.api.set(*self.cluster)
        server = self.api.url.replace("127.0.0.1", "localhost")
        self.trouble(self.kubeconfig(None, {"server": server}), "localhost")
        self.assert_answers(self.provider(kubeconfig=self.kubeconfig(
            None, {"server": server, "tls-server-name": "kubernetes.default"})))
        self.assertTrue(any(headers["Host"].startswith("localhost:")
                            for _, headers in self.api.requests))

    def test_a_path_before_the_api(self):
        self.api.prefix = "/k8s/clusters/c-1"
        self.api.set(*self.cluster)
        self.assert_answers(self.provider())

    def test_proxy(self):
        self.api.set(*self.cluster)
        seen = []
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)

        def pump(source, target):
            with source:
                try:
                    while data := source.recv(65536):
                        target.sendall(data)
                    target.shutdown(socket.SHUT_WR)
                except OSError:
                    pass

        def serve():
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                head = b""
                while b"\r\n\r\n" not in head:
                    head += client.recv(4096)
                seen.append(head.split()[:2])
                server = socket.create_connection(("127.0.0.1", self.api.port))
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                threading.Thread(target=pump, args=(client, server), daemon=True).start()
                threading.Thread(target=pump, args=(server, client), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        port = listener.getsockname()[1]
        self.assert_answers(self.provider(kubeconfig=self.kubeconfig(
            None, {"proxy-url": f"http://127.0.0.1:{port}"})))
        self.assertEqual(seen[0], [b"CONNECT", f"127.0.0.1:{self.api.port}".encode()])

    def test_no_proxy_for_this_machine(self):
        self.api.set(*self.cluster)
        self.assert_answers(self.provider(environment={"HTTPS_PROXY": "http://127.0.0.1:1"}))

    def test_a_password_in_the_server_s_address(self):
        server = self.api.url.replace("https://", "https://viewer:s3cret@")
        self.api.passwords = {"viewer:s3cret"}
        self.api.set(*self.cluster)
        kubeconfig = self.kubeconfig(None, {"server": server})
        provider = self.provider(kubeconfig=kubeconfig)
        self.assert_answers(provider)
        self.api.stop()
        wait_until(lambda: "127.0.0.1" in provider.state()["state"], "trouble")
        self.secrets_are_kept(provider, "s3cret")

    @unittest.skipUnless(os.geteuid() == 0, "mounts need root")
    def test_in_the_cluster(self):
        self.api.tokens = {"account-token"}
        self.api.set(*self.cluster)
        account = os.path.join(self.folder, "account")
        os.makedirs(account, exist_ok=True)
        for name, text in (("token", "account-token"), ("ca.crt", self.authority.text("ca.crt")),
                           ("namespace", "production")):
            self.write(f"account/{name}", text)
        place = "/run/secrets/kubernetes.io/serviceaccount"
        provider = Provider(
            "-n", "worker-1", prefix=[
                "unshare", "-m", "sh", "-c", f'mount -t tmpfs none /run && mkdir -p {place} && '
                f'cp {account}/* {place}/ && exec "$0" "$@"'],
            environment={"HOME": "/nonexistent", "KUBERNETES_SERVICE_HOST": "127.0.0.1",
                         "KUBERNETES_SERVICE_PORT": str(self.api.port)})
        self.addCleanup(self.end, provider)
        self.assert_answers(provider)
        self.assertIn("service account", provider.state()["state"])


class TroubleTest(KubeTest):
    def setUp(self):
        super().setUp()
        self.api.set(*self.cluster)

    def test_only_namespaces_may_be_listed(self):
        self.api.denied = lambda resource, namespace: namespace not in ("production", "staging")
        provider = self.provider(kubeconfig=self.kubeconfig(context={"namespace": "staging"}))
        self.assert_answers(provider)
        provider.wait_event("peer", name="db-0")
        provider.wait_event("service", name="api", endpoints="10.244.1.5:8080=api-7d9f8b6c5d-x2k4m")
        self.assert_answers(provider, "staging/report-28595520-9fjwq", "CronJob/report")
        self.assertIn("may not see all", provider.state()["state"])
        notes = provider.logs("note")
        self.assertEqual(len(notes), 1, notes)
        self.assertIn("403", notes[0])
        self.assertIn("rbac.yaml", notes[0])

    def test_rights_that_come_while_it_runs(self):
        self.api.denied = lambda resource, namespace: namespace != "production"
        provider = self.provider()
        self.assert_answers(provider)
        provider.wait_event("peer", name="db-0")
        self.assertEqual(provider.all("peer", name="kube-proxy-h7x2z"), [])
        self.api.denied = lambda resource, namespace: False
        provider.wait_event("peer", name="kube-proxy-h7x2z", timeout=90)
        provider.wait_event("node", name="worker-2", timeout=90)
        wait_until(lambda: "may not see" not in provider.state()["state"], "nothing is limited", 90)
        self.api.remove(find(self.cluster, "production/db-0"))
        provider.wait_event("peer", name="db-0", change="gone")
        self.assertEqual(len(provider.all("peer", name="db-0")), 2)

    def test_a_server_that_does_not_know_the_rights_yet(self):
        """An API server that starts answers 403 until it has read the roles."""
        provider = self.provider("-w", "1")
        self.assert_answers(provider)
        provider.wait_event("peer", name="cart-5c6d7e8f9a-b1b2b", workload_known=True)
        fault = self.api.fault("", lambda request: request.send_json(
            403, status(403, "Forbidden", "pods is forbidden")), 12)
        self.api.set(k8s.replica_set("production", "new", "abc"),
                     k8s.pod("production", "new-abc-1", "worker-2", "10.244.2.50", None, None,
                             ("apps/v1", "ReplicaSet", "new-abc")))
        provider.wait_event("peer", name="new-abc-1", workload="Deployment/new", timeout=60)
        self.assertGreaterEqual(fault.hits, 5)
        self.assertEqual(self.api.asked("^/api/v1/namespaces/[a-z]+/services"), [])

    def test_nothing_may_be_listed(self):
        self.api.denied = lambda resource, namespace: True
        provider = self.provider()
        provider.complete(find(self.cluster, API))
        provider.wait_event("complete", done=True, labels_known=False)
        self.assertLess(len(self.api.requests), 40)

    def test_owners_may_not_be_listed(self):
        self.api.denied = lambda resource, namespace: resource.endswith("replicasets")
        provider = self.provider()
        provider.complete(find(self.cluster, API))
        provider.wait_event("complete", done=True, workload="ReplicaSet/api-7d9f8b6c5d")
        provider.wait_event("log", level="note")
        self.assertEqual(len(provider.logs("note")), 1)

    def refuse_first(self, action, count=3):
        fault = self.api.fault("/pods", action, count)
        provider = self.provider()
        self.assert_answers(provider)
        provider.wait_event("peer", name="db-0")
        self.assertEqual(fault.hits, count)
        return provider

    def test_too_many_requests(self):
        times = []

        def refuse(request):
            times.append(time.monotonic())
            request.send_json(429, status(429, "TooManyRequests", "slow down"),
                              [("Retry-After", "2")])

        self.refuse_first(refuse, 1)
        first = next(i for i, (path, _) in enumerate(self.api.requests) if "/pods" in path)
        self.assertTrue(first >= 0)
        self.assertGreaterEqual(time.monotonic() - times[0], 2)

    def test_internal_errors(self):
        self.refuse_first(lambda request: request.send_json(
            500, status(500, "InternalError", "etcdserver: \x1b[31mleader changed")))

    def test_no_json_at_all(self):
        self.refuse_first(lambda request: request.send_json(200, b"<html>proxy login</html>"))

    def test_json_that_is_no_list(self):
        self.refuse_first(lambda request: request.send_json(200, b'{"a": [1, 2, {"b": "}{"}]}'))

    def test_lists_cut_in_the_middle(self):
        def cut(request):
            request.send_response(200)
            request.send_header("Content-Length", "100000")
            request.end_headers()
            request.wfile.write(b'{"kind":"PodList","metadata":{"resourceVersion":"5"},"items":[{')
            request.cut()

        self.refuse_first(cut)

    def test_lists_that_hang(self):
        def hang(request):
            request.send_response(200)
            request.send_header("Content-Length", "100000")
            request.end_headers()
            request.hang()

        self.refuse_first(hang, 2)

    def test_requests_that_hang(self):
        self.refuse_first(lambda request: request.hang(), 2)

    def test_watches_that_hang(self):
        fault = self.api.fault("watch=1", lambda request: request.hang(), 5)
        provider = self.provider("-w", "1")
        provider.wait_event("peer", name="db-0")
        wait_until(lambda: fault.hits >= 4, "watches began")
        self.api.set(k8s.pod("production", "db-1", "worker-2", "10.244.2.8"))
        provider.wait_event("peer", name="db-1", timeout=60)

    def test_watches_cut_in_the_middle(self):
        def cut(request):
            request.begin_stream()
            request.chunk(b'{"type":"MODIFIED","object":{"kind":"Pod","metadata":{"name":"d')
            request.cut()

        self.api.fault("watch=1", cut, 8)
        provider = self.provider()
        provider.wait_event("peer", name="db-0")
        self.api.set(k8s.pod("production", "db-1", "worker-2", "10.244.2.8"))
        provider.wait_event("peer", name="db-1", timeout=60)

    def test_garbage_in_a_watch(self):
        provider = self.provider()
        provider.wait_event("peer", name="db-0")
        for raw in (b"\x00\xff\xfe nonsense\n", b'{"type":"ADDED","object":null}\n',
                    b'{"type":7,"object":{"metadata":[]}}\n', b"]]]]\n",
                    b'{"type":"ADDED","object":{"metadata":{"name":{"a":1}}}}\n',
                    b'{"type":"ADDED","object":' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}\n"):
            self.api.send("Pod", raw)
        self.api.set(k8s.pod("production", "db-1", "worker-2", "10.244.2.8"))
        provider.wait_event("peer", name="db-1", timeout=60)

    def test_a_huge_object(self):
        huge = k8s.pod("production", "huge", "worker-2", "10.244.2.66",
                       annotations={"big": "x" * (10 << 20)})
        self.api.set(huge)
        provider = self.provider()
        provider.wait_event("peer", name="db-0")
        provider.wait_event("log", level="warning")
        self.api.set(huge, k8s.pod("production", "db-1", "worker-2", "10.244.2.8"))
        provider.wait_event("peer", name="db-1")
        state = provider.state()
        self.assertEqual(provider.all("peer", name="huge"), [])
        self.assertLess(state["rss_kib"], self.rss_limit(40))
        self.assertEqual(len(provider.logs("warning")), 1, provider.logs())

    def rss_limit(self, mib):
        """Sanitizers need more, and keep what is freed."""
        from tests.kube.provider import DUMP
        with open(DUMP, "rb") as file:
            return mib << (20 if b"__asan_init" in file.read() else 10)

    def test_hostile_names(self):
        escape = "\x1b]0;owned\x07"
        bad = k8s.pod("production", "bad" + escape, "worker-2", "10.244.2.66")
        self.api.set(
            bad, k8s.pod("../../x", "p", "worker-2", "10.244.2.67"),
            k8s.pod("production", "odd", "worker-1", "10.244.1.77",
                    {"app": "a" + escape, "b\nad": "x", "good": "yes"},
                    {"note": escape + "}"}, ("apps/v1", "Replica\nSet", "x"),
                    (("we\tb", "i"), ("web", "img" + escape))),
            k8s.pod("production", "wrong-ip", "worker-2", "1.2.3.4; rm -rf"),
            k8s.service("production", "svc" + escape, "10.96.0.66", []),
            k8s.node("node" + escape, "10.0.0.66"))
        provider = self.provider()
        odd = find(list(self.api.objects[RESOURCES["Pod"]].values()), "production/odd")
        provider.complete(odd)
        line = provider.wait_event("complete", name="odd", labels_known=True)
        self.assertEqual(line["labels"], "good=yes")
        self.assertEqual(line["containers"], "web=")
        self.assertNotIn("workload", line)
        provider.wait_event("peer", name="wrong-ip", addresses="")
        provider.wait_event("node", name="worker-2")
        self.api.set(k8s.pod("production", "last", "worker-2", "10.244.2.8"))
        provider.wait_event("peer", name="last")
        text = json.dumps([line for line in provider.lines if line["event"] != "complete"])
        self.assertNotIn("owned", text)
        self.assertNotIn("..", text)

    def test_sentences_move_no_cursor(self):
        self.api.fault("/pods", lambda request: request.send_json(
            500, status(500, "InternalError", "a \x1b[2J\x07\u202eb")))
        provider = self.provider()
        provider.wait_event("log", level="warning")
        self.assertIn("a ?[2J??b", provider.state()["state"])

    def test_many_pods_in_little_memory(self):
        replica_sets = [k8s.replica_set(f"ns-{i % 20}", f"app{i}", "abcdef1234")
                        for i in range(2000)]
        pods = [k8s.pod(f"ns-{i % 20}", f"app{i % 2000}-abcdef1234-{i:05}", f"worker-{i % 90 + 2}",
                        f"10.{i // 62500}.{i // 250 % 250}.{i % 250}", {"app": f"app{i % 2000}"},
                        None, ("apps/v1", "ReplicaSet", f"app{i % 2000}-abcdef1234"))
                for i in range(10000)]
        self.api.set(*replica_sets, *pods)
        provider = self.provider("-s" "20")
        wait_until(lambda: len(provider.all("peer", workload_known=True)) >= 10000,
                   "all owners", 120)
        state = provider.state()
        print(f"10000 pods: {state['rss_kib']} KiB, at most {state['busy_ms']} ms of work in a turn",
              file=sys.stderr)
        self.assertLess(state["rss_kib"], self.rss_limit(40))
        # owners of a namespace are asked for together, not one by one
        self.assertLess(len(self.api.asked("replicasets")), 200)


@unittest.skipUnless(shutil.which("nginx") and shutil.which("ss"), "needs nginx and iproute2")
class Http2Test(KubeTest):
    """All requests in one connection: nginx speaks HTTP/2 before the API server."""

    def setUp(self):
        super().setUp()
        self.api.set(*self.cluster)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.nginx = None
        self.addCleanup(self.stop)
        self.start()
        self.config = self.kubeconfig(None, {"server": f"https://127.0.0.1:{self.port}"})

    def start(self):
        temporary = "".join(f"{name}_temp_path {self.folder}/{name}; " for name in
                            ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        path = self.write("nginx.conf", f"""
daemon off; user root; worker_processes 2; pid {self.folder}/nginx.pid;
error_log {self.folder}/nginx.log;
events {{ worker_connections 256; }}
http {{ access_log off; {temporary}
server {{ listen 127.0.0.1:{self.port} ssl http2;
ssl_certificate {self.authority.path("server.crt")};
ssl_certificate_key {self.authority.path("server.key")};
location / {{ proxy_pass {self.api.url}; proxy_buffering off; proxy_http_version 1.1; }} }} }}
""")
        self.nginx = subprocess.Popen(["nginx", "-c", path, "-e", f"{self.folder}/nginx.log"])
        wait_until(self.is_listening, "nginx listens")

    def is_listening(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        if self.nginx:
            self.nginx.terminate()
            self.nginx.wait()

    def connections(self):
        """Of the provider: which worker of nginx has each."""
        text = subprocess.run(["ss", "-Htnp", "state", "established", f"sport = :{self.port}"],
                              capture_output=True, text=True, check=True).stdout
        return [int(pid) for pid in re.findall(r"pid=(\d+)", text)]

    def test_one_connection(self):
        provider = self.provider(kubeconfig=self.config)
        self.assert_answers(provider)
        provider.wait_event("peer", name="cart-5c6d7e8f9a-b1b2b", workload_known=True)
        provider.wait_event("service", name="api")
        self.api.set(k8s.pod("production", "db-1", "worker-2", "10.244.2.8"))
        provider.wait_event("peer", name="db-1")
        self.assertEqual(len(self.connections()), 1)

    def test_the_server_says_goodbye(self):
        provider = self.provider(kubeconfig=self.config)
        provider.wait_event("peer", name="db-0")
        self.stop()
        self.start()
        self.api.set(k8s.pod("production", "db-1", "worker-2", "10.244.2.8"))
        provider.wait_event("peer", name="db-1", timeout=60)

    def test_a_connection_that_is_stuck(self):
        provider = self.provider("-w", "1", kubeconfig=self.config)
        provider.wait_event("peer", name="cart-5c6d7e8f9a-b1b2b", workload_known=True)
        for worker in set(self.connections()):
            os.kill(worker, signal.SIGSTOP)
            self.addCleanup(os.kill, worker, signal.SIGCONT)
        self.api.set(k8s.pod("production", "db-1", "worker-2", "10.244.2.8"))
        provider.wait_event("peer", name="db-1", timeout=60)


class ConfigTest(KubeTest):
    def run_dump(self, *arguments, **environment):
        provider = Provider(*arguments, environment={"HOME": self.folder + "/nowhere",
                                                     "KUBERNETES_SERVICE_HOST": "",
                                                     **environment})
        return provider.close(), provider.errors

    def test_no_configuration(self):
        code, text = self.run_dump()
        self.assertEqual(code, 3)
        self.assertIn("--kubeconfig", text)
        self.assertEqual(self.run_dump(KUBECONFIG="/nonexistent/a:/nonexistent/b")[0], 3)

    def test_sentences(self):
        config = self.kubeconfig()
        bad = self.write("bad.yaml", "clusters: [\n  {name: c\nusers: }")
        for arguments, words in (
                (("-k", "/nonexistent/config"), "there is no kubeconfig '/nonexistent/config'"),
                (("-k", config, "-c", "prod"), "no context 'prod'"),
                (("-k", config, "-c", "a\x1b[2J"), "no context 'a?[2J'"),
                (("-k", bad), "not valid YAML"),
                (("-k", self.write("list.yaml", "- a\n- b\n")), "is no kubeconfig"),
                (("-k", self.write("empty.yaml", "")), "no current-context"),
                (("-k", self.kubeconfig(None, {"server": "ftp://x"}, name="ftp")), "https://"),
                (("-k", self.kubeconfig({"client-certificate": "/nonexistent.crt"}, name="crt")),
                 "cannot read the kubeconfig's client-certificate"),
                (("-k", self.kubeconfig({"client-key-data": "AAAA"}, name="b64")), "no PEM"),
                (("-k", self.kubeconfig({"auth-provider": {"name": "gcp"}}, name="gcp")),
                 "auth-provider 'gcp'")):
            code, text = self.run_dump(*arguments)
            self.assertEqual(code, 1, text)
            self.assertIn(words, text)
            self.assertEqual(len(text.splitlines()), 1, text)

    def test_several_files(self):
        """Of entries with one name the first file's is used; files that are missing do not matter."""
        self.api.tokens = {"good"}
        self.api.set(*self.cluster)
        entry = {"server": self.api.url,
                 "certificate-authority-data": self.authority.data("ca.crt")}
        first = self.write("first", {
            "users": [{"name": "u", "user": {"token": "good"}}],
            "contexts": [{"name": "mine", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "mine"})
        second = self.write("second", {
            "clusters": [{"name": "c", "cluster": entry}],
            "users": [{"name": "u", "user": {"token": "bad"}}],
            "contexts": [{"name": "mine", "context": {"cluster": "other", "user": "u"}}],
            "current-context": "other"})
        provider = Provider("-n", "worker-1", environment={
            "KUBECONFIG": f"/nonexistent:{first}::{second}"})
        self.addCleanup(self.end, provider)
        self.assert_answers(provider)

    def test_yaml_of_people(self):
        self.api.tokens = {"12345"}
        self.api.set(*self.cluster)
        path = self.write("people.yaml", f"""
# written by hand
apiVersion: v1
kind: Config
x-defaults: &cluster
  server: {self.api.url}/
  certificate-authority: ca.crt
clusters:
- cluster: *cluster
  name: "c"
users:
- name: 'u'
  user:
    token: 12345
    username: null
contexts:
- name: test
  context: {{cluster: c, user: u, namespace: ~}}
current-context: test
preferences: {{}}
extra: &loop [*loop]
""")
        self.assert_answers(self.provider(kubeconfig=path))

    def test_home(self):
        self.api.set(*self.cluster)
        os.makedirs(os.path.join(self.folder, ".kube"), exist_ok=True)
        shutil.copy(self.kubeconfig(), os.path.join(self.folder, ".kube/config"))
        provider = Provider(environment={"HOME": self.folder, "NODE_NAME": "worker-1"})
        self.addCleanup(self.end, provider)
        self.assert_answers(provider)


if __name__ == "__main__":
    unittest.main()
