# SPDX-License-Identifier: GPL-2.0-or-later
"""`stratoshark pods`: what is known of the node's pods, and who told it."""

import json
import os
import signal

from .harness import RUNTIME, Container, NodeTest, program, run, run_as_user, wait_until

SPACE = "pods-test"
DEPLOYED = {"app": "api", "tier": "front", "pod-template-hash": "5d78c9869d"}
API = "api-5d78c9869d-abcde"


class PodsTest(NodeTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.api = cls.class_pod(SPACE, API, [Container("web", "web")], labels=DEPLOYED)
        cls.client = cls.class_pod(
            SPACE,
            "client",
            [Container("tools", "tools"), Container("web", "web")],
            labels={"app": "client"},
        )

    def pods(self, *words, **options):
        return json.loads(self.list("-o", "json", *words, **options))

    def list(self, *words, **options):
        return run([program(), "pods", "--namespace", SPACE, *words], **options).stdout

    def names(self, *words):
        return self.list("-o", "names", *words).split()

    def refused(self, *words, status, **options):
        result = run([program(), "pods", *words], check=False, **options)
        self.assertEqual(result.returncode, status, result.stderr)
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        return result.stderr

    def test_labels_images_and_owner(self):
        api = {pod["pod"]: pod for pod in self.pods()}[API]
        self.assertEqual(api["labels"], DEPLOYED)
        self.assertEqual(api["workload"], "Deployment/api")
        self.assertEqual(api["addresses"], [self.api.ip, self.api.ip6])
        container = {"name": "web", "id": self.api.containers["web"], "image": "localhost/web:test"}
        self.assertEqual(api["containers"], [container])
        self.assertEqual(api["uid"], self.api.uid)
        sources = api["sources"]
        self.assertEqual(sources["name"], "node")
        self.assertEqual((sources["labels"], sources["images"]), ("cri", "cri"))

    def test_what_a_list_recalls_is_the_same(self):
        def is_kept():
            self.pods()
            with open("/run/stratoshark/pods", encoding="ascii") as file:
                return self.api.uid in file.read()

        first = self.pods("--no-cri")
        # not before its process is ten seconds old
        wait_until(is_kept, "a list to keep the pod", 30)
        self.assertEqual(self.pods("--no-cri"), first)
        self.assertEqual(os.stat("/run/stratoshark").st_mode & 0o777, 0o700)

    def test_a_wide_table(self):
        head, *lines = self.list("-o", "wide").splitlines()
        for column in ("NAMESPACE", "POD", "WORKLOAD", "IMAGES", "LABELS", "SOURCES"):
            self.assertIn(column, head)
        line = next(line for line in lines if API in line)
        self.assertIn("app=api,pod-template-hash=5d78c9869d,tier=front", line)
        self.assertIn("labels:cri", line)
        self.assertEqual(line.index(" app=api"), head.index(" LABELS"))

    def test_selection(self):
        api, client = f"{SPACE}/{API}", f"{SPACE}/client"
        for words, chosen in (
            (["-l", "app=api"], [api]),
            (["-l", "app in (api, client)", "-l", "tier!=front"], [client]),
            (["-l", "!tier"], [client]),
            (["--workload", "deploy/api"], [api]),
            (["--workload", f"{SPACE}/rs/api-5d78c9869d"], [api]),
            (["--container", "tools"], [client]),
            (["--container", "web"], [api, client]),
            (["-l", "tier", "--container", "web"], [api]),
        ):
            with self.subTest(words=words):
                self.assertEqual(self.names(*words), chosen)

    def test_nothing_fits(self):
        near = self.refused("-n", SPACE, "-l", "app=apy", status=4)
        self.assertIn("'app=apy'; values of 'app' here: ", near)
        self.assertIn("api", near)
        near = self.refused("-n", SPACE, "--workload", "deploy/apy", status=4)
        self.assertIn("belongs to 'Deployment/apy'", near)
        near = self.refused("-n", SPACE, "--container", "wep", status=4)
        self.assertIn("containers here: ", near)
        self.assertIn("this is node", self.refused("--node", "another", status=4))

    def test_wrong_words(self):
        self.assertIn("'=' at character", self.refused("-l", "app=a=b", status=2))
        self.assertIn("no kind of workload", self.refused("--workload", "boat/api", status=2))
        self.assertIn("container name", self.refused("--container", "A", status=2))

    def test_an_ordinary_user_sees_what_the_node_shows(self):
        result = run_as_user([program(), "pods", "--namespace", SPACE, "-o", "json"])
        self.assertIn("may not be opened", result.stderr)
        api = {pod["pod"]: pod for pod in json.loads(result.stdout)}[API]
        self.assertNotIn("labels", api)
        self.assertEqual([container["name"] for container in api["containers"]], ["web"])

    def test_labels_need_somebody_who_knows_them(self):
        words = ["pods", "-l", "app=api"]
        denied = run_as_user([program(), *words], check=False)
        self.assertEqual(denied.returncode, 3, denied.stderr)
        self.assertIn("--selector needs the pods' labels", denied.stderr)
        self.assertIn("may not be opened", denied.stderr)
        self.assertIn("--no-cri", self.refused("--no-cri", "-l", "app=api", status=1))

    def test_a_runtime_that_hangs_only_costs_its_facts(self):
        pid = self.node.runtime_pid
        os.kill(pid, signal.SIGSTOP)
        self.addCleanup(os.kill, pid, signal.SIGCONT)
        result = run([program(), "pods", "--namespace", SPACE, "-o", "json"], timeout_s=30)
        os.kill(pid, signal.SIGCONT)
        api = {pod["pod"]: pod for pod in json.loads(result.stdout)}[API]
        self.assertNotIn("labels", api)
        self.assertTrue(api["running"])
        self.assertIn("what it would tell is missing", result.stderr)

    def test_a_kubeconfig_that_is_of_no_use_is_told(self):
        folder = self.folder()
        with open(f"{folder}/broken", "w", encoding="utf-8") as file:
            file.write("a: [")
        for path in (f"{folder}/none", f"{folder}/broken"):
            result = run([program(), "pods", "--namespace", SPACE, "--kubeconfig", path])
            self.assertIn(API, result.stdout)
            self.assertIn(path, result.stderr)

    def test_no_runtime_at_all(self):
        env = {**os.environ, RUNTIME: "/nowhere.sock"}
        pods = self.pods(env=env)
        self.assertEqual({pod["pod"] for pod in pods}, {API, "client"})

    def test_watch(self):
        words = ["pods", "--namespace", SPACE, "--watch", "-l", "app=watched"]
        watch = self.background([program(), *words, "-o", "json"])
        table = self.background([program(), *words])

        def changes():
            lines = [json.loads(line) for line in watch.stdout.decode().splitlines()]
            return [(line["change"], line["pod"]) for line in lines]

        table.wait(lambda: b"CHANGE" in table.stdout, "the head of the table")
        pod = self.pod(SPACE, "watched", [Container("web", "web")], labels={"app": "watched"})
        self.pod(SPACE, "other", [Container("web", "web")], labels={"app": "other"})
        watch.wait(lambda: ("added", "watched") in changes(), "it to come")
        self.node.stop_pod(pod)
        watch.wait(lambda: changes()[-1] == ("removed", "watched"), "it to go")
        table.wait(lambda: b"removed" in table.stdout, "its row")
        first = json.loads(watch.stdout.decode().splitlines()[0])
        self.assertEqual(first["labels"], {"app": "watched"})
        self.assertEqual({name for _, name in changes()}, {"watched"})
        rows = [row.split() for row in table.stdout.decode().splitlines()]
        self.assertEqual(rows[1][0], "added", rows)
        self.assertEqual((rows[-1][0], rows[-1][3]), ("removed", "ended"), rows)
        for before, row in zip(rows, rows[1:]):  # what changed is in a column
            self.assertNotEqual(before[1:], row[1:])

    def test_control_characters_stay_off_the_terminal(self):
        name = "printf '\\033[31mred' >/proc/$$/comm; echo named; sleep 1000 & wait"
        pod = self.pod(SPACE, "hostile", [Container("tools", "tools", command=["sh", "-c", name])],
                       labels={"x": "a\x1b[31mb\u202ec"})
        wait_until(lambda: "named" in pod.log("tools"), "it to have its name")
        wrong = run([program(), "pods", "-l", "a\x1b[31mb ="], check=False)
        for shown in (self.list("-o", "wide"), wrong.stderr,
                      run([program(), "tls", "--pod", f"{SPACE}/hostile"]).stdout):
            self.assertRegex(shown, "hostile|label")
            self.assertNotIn("\x1b", shown)
            self.assertNotIn("\u202e", shown)

    def test_doctor_asks_the_runtime(self):
        lines = run([program(), "doctor"], check=False).stdout.splitlines()
        runtime = next(line for line in lines if line.split()[1] == "runtime")
        self.assertTrue(runtime.startswith("ok"), runtime)
        self.assertIn("containerd ", runtime)
