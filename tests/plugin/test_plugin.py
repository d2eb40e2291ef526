#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the plugin makes stock tshark show of the golden captures, and that these captures are
readable without it. STRATOCAP_PLUGIN=path/to/stratoshark.so test_plugin.py"""

import filecmp
import math
import os
import re
import subprocess
import sys
import tempfile
import unittest

from tshark import CAPTURES, Tshark, plugin_path

ALL = ("pods", "malformed", "short", "hostile", "events", "plaintext", "sections",
       "redirects", "context", "cluster", "nodes", "descriptions", "processes",
       "translated", "flaky", "owners", "late")
CLIENT, API = "production/client-x", "production/api-1"
OUTSIDE = "203.0.113.7"
STATISTICS = ("stratoshark,tree", "stratoshark,flows", "conv,stratoshark",
              "endpoints,stratoshark", "flow,stratoshark,standard",
              "follow,stratoshark,ascii,0")


class PluginTest(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.tshark = Tshark(plugin_path())
        cls.stock = Tshark(None)

    @classmethod
    def tearDownClass(cls):
        cls.tshark.close()
        cls.stock.close()

    def read(self, capture, *arguments, tshark=None):
        done = (tshark or self.tshark).run("-r", capture + ".pcapng", *arguments)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def fields(self, capture, *names, tshark=None, options=()):
        """A list per frame, of field values; several occurrences are joined by a comma."""
        arguments = [a for name in names for a in ("-e", name)]
        text = self.read(capture, *options, "-T", "fields", *arguments, tshark=tshark)
        return [line.split("\t") for line in text.rstrip("\n").split("\n")]

    def frames(self, capture, display_filter):
        text = self.read(capture, "-Y", display_filter, "-T", "fields", "-e", "frame.number")
        return [int(line) for line in text.split()]


class TestPods(PluginTest):
    def test_plugin_is_loaded(self):
        self.assertRegex(self.tshark.run("-G", "plugins").stdout, r"(?m)^stratoshark\.so\s")

    def test_identity(self):
        rows = self.fields("pods", "stratoshark.namespace", "stratoshark.pod",
                           "stratoshark.container", "stratoshark.device")
        api = ["production", "api", "web", "eth0"]
        self.assertEqual(rows, [
            api, api, ["production", "api", "web", "lo"], ["payments", "db", "", "eth0"],
            ["staging", "web6", "nginx", "net1"], api, api, ["tools", "shell", "", ""],
            ["", "", "", "ens3"], [""] * 4, [""] * 4, [""] * 4, api, api, api])

    def test_node_runtime_uid_hook_interface(self):
        rows = self.fields("pods", "stratoshark.node", "stratoshark.runtime", "stratoshark.uid",
                           "stratoshark.hook", "stratoshark.interface")
        self.assertEqual(rows[3], ["n1", "cri-o", "0b5c1d5e-7a50-4f5e-9c0e-2f0a8a1f0002",
                                   "veth/clsact", "stratoshark-pod:payments/db"])
        self.assertEqual(rows[2][4], "stratoshark-pod:production/api/lo")

    def test_option(self):
        rows = self.fields("pods", "stratoshark.netns", "stratoshark.container_id",
                           "stratoshark.cgroup")
        self.assertEqual(rows[0], ["4026532001", "0123456789ab", "8589934592123"])
        self.assertEqual(rows[3], ["4026532002", "", ""])
        self.assertEqual(rows[8], ["", "", "77"])

    def test_direction(self):
        column = [row[0] for row in self.fields("pods", "stratoshark.direction")]
        self.assertEqual(column, ["2", "1", "3", "2", "2", "1", "0", "2", "1", "", "", "", "2",
                                  "2", "9"])

    def test_foreign_frames_stay_untouched(self):
        self.assertEqual(self.frames("pods", "!stratoshark"), [10, 11, 12])
        self.assertEqual(self.frames("short", "stratoshark"), [])

    def test_filters(self):
        for display_filter, frames in (
                ('stratoshark.pod == "api"', [1, 2, 3, 6, 7, 13, 14, 15]),
                ('stratoshark.namespace == "payments"', [4]),
                ('stratoshark.pod_containers == "metrics"', [4]),
                ('stratoshark.pod_containers == "nginx"', [5]),
                ('stratoshark.direction == "in"', [2, 6, 9]),
                ('stratoshark.direction == "local"', [3]),
                ('stratoshark.container_id == "0123456789ab"', [1, 2]),
                ('stratoshark.cgroup == 8589934592123 && udp', [1, 2]),
                ('stratoshark.netns == 4026532002', [4]),
                ('stratoshark.pod matches "^web" && ipv6', [5]),
                ('stratoshark.malformed', [])):
            with self.subTest(display_filter):
                self.assertEqual(self.frames("pods", display_filter), frames)

    def test_second_pass(self):
        text = self.read("pods", "-2", "-R", 'stratoshark.pod == "db"', "-T", "fields", "-e",
                         "stratoshark.pod_containers")
        self.assertEqual(text, "postgres,metrics\n")

    def test_summary_line(self):
        lines = [line for line in self.read("pods", "-V").split("\n")
                 if line.startswith("Kubernetes: ")]
        self.assertEqual(lines, ["Kubernetes: " + text for text in (
            "production/api (web) → 10.0.0.2, out, eth0",
            "10.0.0.2 → production/api (web), in, eth0",
            "production/api (web) → production/api (web), local, lo",
            "payments/db → 10.0.0.1, out, eth0", "staging/web6 (nginx) → fd00::7, out, net1",
            "10.0.0.2 → production/api (web), in, eth0",
            "production/api (web), eth0", "tools/shell → 10.0.0.1, out",
            "control group 77, in, ens3", "production/api (web) → 10.0.0.2, out, eth0",
            "production/api (web) → 10.0.0.2, out, eth0", "production/api (web), unknown, eth0")])

    def test_columns(self):
        columns = '"Pod","%Cus:stratoshark.pod:0:R","Direction","%Cus:stratoshark.direction:0:R"'
        text = self.read("pods", "-o", "gui.column.format:" + columns)
        rows = [line.split() for line in text.rstrip("\n").split("\n")]
        self.assertEqual(rows[:4], [["api", "out"], ["api", "in"], ["api", "local"],
                                    ["db", "out"]])
        self.assertEqual(rows[9], [])

    def test_statistics(self):
        text = self.read("pods", "-q", "-z", "stratoshark,tree")
        rows = re.findall(r"(?m)^( *)(\S+) +(\d+) ", text)
        tree = [(len(indent), name, int(count)) for indent, name, count in rows]
        split = tree.index((0, "Bytes", 538))
        frames, sizes = tree[:split], tree[split:]
        self.assertEqual(frames[0], (0, "Frames", 11))
        self.assertEqual(frames[1:3], [(1, "production", 8), (2, "api", 8)])
        self.assertEqual(sorted(frames[3:7]), [(3, "in", 2), (3, "local", 1), (3, "out", 3),
                                               (3, "unknown", 2)])
        self.assertEqual(sizes[1:3], [(1, "production", 377), (2, "api", 377)])
        self.assertEqual(sorted(sizes[3:7]), [(3, "in", 95), (3, "local", 47), (3, "out", 141),
                                              (3, "unknown", 94)])
        self.assertIn((1, "staging", 67), sizes)

    def test_statistics_with_filter(self):
        text = self.read("pods", "-q", "-z", 'stratoshark,tree,stratoshark.namespace == "payments"')
        self.assertRegex(text, r"(?m)^Frames +1 ")
        self.assertNotIn("production", text)


class TestSections(PluginTest):
    def test_second_section_is_not_taken_for_the_first(self):
        second = ["payments", "db"] if self.tshark.version >= (4, 2) else ["", ""]
        self.assertEqual(self.fields("sections", "stratoshark.namespace", "stratoshark.pod"),
                         [["production", "api"], second])
        self.assertEqual(self.fields("sections", "stratoshark.direction"), [["2"], ["1"]])


class TestRedirects(PluginTest):
    def test_redirect(self):
        rows = self.fields("redirects", "stratoshark.redirect", "stratoshark.netns",
                           "stratoshark.container_id")
        self.assertEqual(rows, [["15001", "", "0123456789ab"], ["15001", "4026532001", ""],
                                ["", "4026532001", ""], ["", "", ""]])
        self.assertEqual(self.frames("redirects", "stratoshark.redirect == 15001"), [1, 2])
        self.assertEqual(self.frames("redirects", "stratoshark.malformed"), [4])

    def test_text(self):
        text = self.read("redirects", "-V", "-Y", "frame.number == 1")
        self.assertIn("[Redirected to port 15001 (sidecar)]\n", text)


class TestContext(PluginTest):
    def test_context(self):
        rows = self.fields("context", "stratoshark.context", "stratoshark.direction",
                           "stratoshark.redirect")
        # Wireshark 4.4 prints truth as a word.
        self.assertEqual([row[0].replace("True", "1") for row in rows], ["1", "", "1", "1", ""])
        self.assertEqual([row[1:] for row in rows[:3]], [["2", ""], ["1", ""], ["3", "15001"]])
        self.assertEqual(self.frames("context", "!stratoshark.context"), [2, 5])
        self.assertEqual(self.frames("context", "stratoshark.malformed"), [4])


class TestSides(PluginTest):
    """Who is at either end, in the words of the descriptions."""

    def sides(self, first, last, *names, second_pass=False):
        arguments = [a for name in names for a in ("-e", "stratoshark." + name)]
        if second_pass:
            arguments.append("-2")
        text = self.read("cluster", "-T", "fields", *arguments)
        return [line.split("\t") for line in text.split("\n")][first - 1:last]

    def test_before_and_after_translation(self):
        names = ("src.name", "src.kind", "src.workload", "dst.name", "dst.kind", "dst.service",
                 "dst.workload", "dst.node", "dst.namespace")
        client = ["production/client-x", "pod", "Deployment/client"]
        self.assertEqual(self.sides(12, 12, *names), [
            client + ["production/svc/api", "service", "api", "", "", "production"]])
        self.assertEqual(self.sides(20, 20, *names), [
            client + ["production/api-1", "pod", "api,api-all", "Deployment/api", "n1",
                      "production"]])
        # The server sees the same.
        self.assertEqual(self.sides(25, 25, *names), self.sides(20, 20, *names))

    def test_answers_name_the_source(self):
        names = ("src.name", "src.service", "dst.pod", "peer.name", "peer.kind", "peer.service")
        self.assertEqual(self.sides(13, 13, *names), [
            ["production/svc/api", "api", "client-x", "production/svc/api", "service", "api"]])
        self.assertEqual(self.sides(26, 26, *names), [
            ["production/api-1", "api,api-all", "client-x", "production/client-x", "pod", ""]])

    def test_port_of_a_node(self):
        self.assertEqual(
            self.sides(34, 34, "src.name", "src.kind", "dst.name", "dst.kind", "dst.service",
                       "dst.node", "dst.namespace"),
            [["203.0.113.7", "outside", "node/n1", "node", "api", "n1", "production"]])

    def test_other_ends(self):
        rows = self.sides(35, 39, "dst.name", "dst.kind", "dst.workload")
        self.assertEqual(rows, [["data/db-0", "pod", "StatefulSet/db"],
                                ["production/client-x", "pod", "Deployment/client"],
                                ["203.0.113.7", "outside", ""], ["224.0.0.251", "unknown", ""],
                                ["production/svc/api", "service", ""]])

    def test_an_owner_that_is_told_late(self):
        """The first pass can't know; the second one, and so its flows, does."""
        for words, first in (((), ""), (("-2",), "Deployment/client")):
            text = self.read("owners", *words, "-Y", "tcp", "-T", "fields",
                             "-e", "stratoshark.src.workload", "-e", "stratoshark.dst.workload")
            found = [line.split("\t") for line in text.rstrip("\n").split("\n")]
            self.assertEqual([max(row) for row in found], [first] * 3 + ["Deployment/client"] * 3)
        for words in ((), ("-2",)):
            flows = self.read("owners", *words, "-q", "-z", "stratoshark,flows")
            self.assertEqual(flows.count("production/Deployment/client"), 1, flows)
            self.assertEqual(flows.count("production/client-x"), 0, flows)

    def test_an_address_passes_to_another_pod(self):
        for second_pass in (False, True):
            rows = self.sides(40, 42, "dst.name", "dst.workload", second_pass=second_pass)
            self.assertEqual(rows, [["production/api-2", "Deployment/api"], ["", ""],
                                    ["staging/job-1", "Job/job"]])

    def test_labels_are_those_of_the_time(self):
        for second_pass in (False, True):
            rows = self.sides(42, 44, "label", second_pass=second_pass)
            self.assertEqual(rows, [["app=client,tier=front"], [""], ["app=client,tier=back"]])

    def test_description_behind_the_frame(self):
        self.assertEqual(self.sides(1, 1, "dst.name", second_pass=True), [["production/api-1"]])
        self.assertEqual(self.sides(1, 1, "dst.name"), [["10.0.0.2"]])

    def test_the_captured_pod(self):
        self.assertEqual(self.sides(20, 20, "workload", "label", "image", "container_id"), [
            ["Deployment/client", "app=client,tier=front", "registry.example/tools:1",
             "0123456789ab"]])
        # Which container is not said: all images.
        self.assertEqual(self.sides(36, 36, "image"), [["registry.example/tools:1"]])

    def test_filters(self):
        for display_filter, frames in (
                ('stratoshark.dst.service == "api" && tcp.flags.syn == 1 && tcp.flags.ack == 0',
                 [12, 20, 25, 30, 34]),
                ('stratoshark.service == "dns"', [32, 33]),
                ('stratoshark.name == "node/n1"', [34]),
                ('stratoshark.label == "tier=back"', [44]),
                ('stratoshark.peer.kind == "outside"', [37]),
                ('stratoshark.dst.workload == "StatefulSet/db"', [35]),
                ('stratoshark.src.namespace == "kube-system"', [33])):
            with self.subTest(display_filter):
                self.assertEqual(self.frames("cluster", display_filter), frames)

    def test_summary_line(self):
        lines = [line for line in self.read("cluster", "-V").split("\n")
                 if line.startswith("Kubernetes: ")]
        self.assertIn("Kubernetes: production/client-x (Deployment/client) → production/api "
                      "(Service api:80), out, eth0", lines)
        self.assertIn("Kubernetes: 203.0.113.7 (outside) → node/n1 (Service production/api:30080),"
                      " ens3", lines)

    def test_columns(self):
        columns = ",".join(f'"{name}","%Cus:stratoshark.{name}:0:R"'
                           for name in ("src.name", "dst.name"))
        rows = self.read("cluster", "-o", "gui.column.format:" + columns).split("\n")
        self.assertEqual(rows[11].split(), ["production/client-x", "production/svc/api"])

    def test_files_of_two_nodes_keep_apart(self):
        names = ("src.name", "dst.name")
        rows = self.fields("nodes", *("stratoshark." + name for name in names))
        self.assertEqual([row[-1] for row in rows[2:]], ["ns/server-n1", "ns/server-n2"])


class TestStatistics(PluginTest):
    def table(self, capture, statistic):
        text = self.read(capture, "-q", "-z", statistic)
        return [[cell.strip() for cell in line.split("|")] for line in text.split("\n")]

    def flows(self, capture="cluster", condition=""):
        table = self.table(capture, "stratoshark,flows" + condition)
        rows = [row for row in table if len(row) > 12]
        names = [name for name in rows[0] if name]
        return {(row["Client"], row["Server"], row["Port"]): row
                for row in (dict(zip(names, row)) for row in rows[1:])}

    @staticmethod
    def ms(cell):
        number, unit = cell.split()
        assert unit == "ms", cell
        return float(number)

    def test_flow_before_translation(self):
        row = self.flows()["production/Deployment/client", "production/svc/api", "80"]
        self.assertEqual([row[name] for name in (
            "Service", "Protocol", "Frames", "Bytes", "Retransmissions", "Resets",
            "Handshake p50", "Handshake p95")], ["api", "TCP", "8", "610", "1", "0", "1.050 ms",
                                                 "1.050 ms"])
        self.assertAlmostEqual(self.ms(row["Response p50"]), 5, delta=0.03)
        self.assertAlmostEqual(self.ms(row["Response p95"]), 20, delta=0.1)

    def test_flow_after_translation_is_counted_once(self):
        row = self.flows()["production/Deployment/client", "production/Deployment/api", "8080"]
        self.assertEqual([row[name] for name in ("Service", "Frames", "Retransmissions",
                                                 "Response p50")],
                         ["api, api-all", "5", "0", "3.000 ms"])

    def test_refused_and_datagrams(self):
        flows = self.flows()
        row = flows["production/Deployment/client", "production/Deployment/api", "9090"]
        self.assertEqual((row["Frames"], row["Resets"], row["Response p50"]), ("2", "1", "-"))
        row = flows["production/Deployment/client", "kube-system/svc/dns", "53"]
        self.assertEqual((row["Protocol"], row["Response p50"]), ("UDP", "7.000 ms"))

    def test_flow_captured_before_and_after_translation_is_one(self):
        client, api = "production/Deployment/client", "production/Deployment/api"
        names = "Service", "Frames", "Bytes", "Retransmissions", "Resets", "Handshake p50"
        flows = self.flows("translated")
        rows = {key: [row[name] for name in names] for key, row in flows.items()}
        self.assertEqual(rows, {
            # Two whole connections, one older than the capture, one that nobody answers.
            (client, api, "80"): ["api", "21", "1563", "2", "1", "0.450 ms"],
            # Answered where nothing is captured.
            (client, "production/svc/api", "80"): ["api", "5", "339", "0", "0", "2.050 ms"],
            # Through the port of a node, which puts its own address in place of the client's.
            (OUTSIDE, api, "30080"): ["api", "5", "339", "0", "0", "0.350 ms"],
            # Other connections of the same ports of the client; what was never translated.
            (client, "data/StatefulSet/db", "5432"): ["", "3", "162", "0", "0", "1.050 ms"],
            (client, api, "8080"): ["api, api-all", "6", "324", "0", "0", "0.150 ms"],
            # Not described: the service's address is its name.
            ("10.9.0.1", "10.9.0.2", "80"): ["10.97.0.1", "3", "162", "0", "0", "0.150 ms"],
            (client, "kube-system/Deployment/dns", "53"): ["dns", "2", "108", "0", "0", "-"],
            # No endpoint of the service: two exchanges.
            (client, "kube-system/svc/dns", "53"): ["dns", "2", "108", "0", "0", "-"],
            (client, "data/StatefulSet/db", "53"): ["", "2", "108", "0", "0", "-"]})

    def test_names_that_are_told_late_make_no_second_row(self):
        """Whose connection it was is known by what is told later, if it is over, too."""
        client, api = "production/Deployment/client", "production/Deployment/api"
        names = "Service", "Frames", "Handshake p50", "Response p50"
        rows = {key: [row[name] for name in names] for key, row in self.flows("late").items()}
        self.assertEqual(rows, {
            # Two from before, one of them asks again; and one from after.
            (client, "production/svc/api", "80"): ["api", "20", "1.050 ms", "2.000 ms"],
            (client, api, "80"): ["api", "7", "1.050 ms", "2.020 ms"],
            # The same address, of one pod after the other.
            (client, "staging/Job/one", "80"): ["", "3", "1.050 ms", "-"],
            (client, "staging/Job/two", "80"): ["", "3", "1.050 ms", "-"]})

    def test_flows_agree_with_the_analysis_of_tcp(self):
        """As seen at one interface, because Wireshark's own analysis mixes two."""
        for capture, condition in (("cluster", 'tcp.port == 40001'),
                                   ("translated", 'tcp.port == 41001 && tcp.port == 80'),
                                   ("translated", 'tcp.port == 50001 && tcp.port == 30080'),
                                   ("flaky", "tcp")):
            def count(more, capture=capture, condition=condition):
                return len(self.frames(capture, f"{condition} && {more}"))

            def times(key, field, capture=capture, condition=condition):
                """p50 and p95: the smallest that so many do not exceed."""
                text = self.read(capture, "-T", "fields", "-e", key, "-e", field, "-Y",
                                 f"{condition} && {field}")
                one_each = dict(line.split() for line in text.splitlines())
                values = sorted(1000 * float(value) for value in one_each.values())
                return [values[math.ceil(share * len(values)) - 1] for share in (0.5, 0.95)]

            with self.subTest(capture, condition=condition):
                (row,) = self.flows(capture, "," + condition).values()
                again = "(tcp.analysis.retransmission || tcp.analysis.fast_retransmission || " \
                        "tcp.analysis.spurious_retransmission)"
                self.assertEqual(int(row["Frames"]), count("tcp"))
                self.assertEqual(int(row["Retransmissions"]), count(again))
                self.assertEqual(int(row["Resets"]), count("tcp.flags.reset == 1"))
                figures = [("Response", "frame.number", "http.time"),
                           ("Handshake", "tcp.stream", "tcp.analysis.initial_rtt")]
                if capture == "flaky":  # a second SYN begins it anew for Wireshark, not for us
                    self.assertGreater(self.ms(row["Handshake p95"]), 1000)
                    figures.pop()
                for name, *words in figures:
                    for share, value in zip(("p50", "p95"), times(*words)):
                        self.assertAlmostEqual(self.ms(row[f"{name} {share}"]), value,
                                               delta=0.01 * value)

    def test_cells_of_flows_stand_below_their_names(self):
        lines = self.read("translated", "-q", "-z", "stratoshark,flows").split("\n")
        bars = {tuple(i for i, c in enumerate(line) if c == "|") for line in lines if "|" in line}
        self.assertEqual(len(bars), 1, "\n".join(lines))

    def test_conversations(self):
        text = self.read("cluster", "-q", "-z", "conv,stratoshark")
        self.assertRegex(text, r"(?m)^production/client-x +<-> production/svc/api +4 336 bytes +"
                               r"5 321 bytes +9 657 bytes")
        self.assertRegex(text, r"(?m)^production/client-x +<-> production/api-1 +2 148 bytes +"
                               r"4 238 bytes")

    def test_endpoints(self):
        text = self.read("cluster", "-q", "-z", "endpoints,stratoshark")
        self.assertRegex(text, r"(?m)^production/svc/api +9 +657\D+4 +336\D+5 +321")

    def test_flow_graph(self):
        text = self.read("cluster", "-q", "-z", "flow,stratoshark,standard")
        self.assertRegex(text, r"(?m)^\|Time +\| production/client-x +\| production/svc/api ")
        self.assertIn("TCP: 40001 ", text)

    def test_follow(self):
        text = self.read("cluster", "-q", "-z", "follow,stratoshark,ascii,0")
        request = text.index("[production/client-x (Deployment/client) -> production/api "
                             "(Service api:80)]\n")
        answer = text.index("[production/api (Service api:80) -> production/client-x "
                            "(Deployment/client)]\n")
        self.assertLess(request, text.index("GET /"))
        self.assertLess(text.index("GET /"), answer)
        self.assertLess(answer, text.index("HTTP/1.1 200 OK"))
        self.assertEqual(text.count("[production/"), 4)

    def test_all_with_every_capture(self):
        words = [word for statistic in STATISTICS[:-1] for word in ("-z", statistic)]
        for capture in ALL:
            with self.subTest(capture):
                self.read(capture, "-q", *words)


class TestProcesses(PluginTest):
    def test_processes(self):
        rows = self.fields("processes", "stratoshark.pid", "stratoshark.comm", "stratoshark.exe",
                           "stratoshark.container", options=["-2"])
        nginx = ["4711", "nginx", "/usr/sbin/nginx", "proxy"]
        curl, shell = ["4711", "curl", "", "web"], ["4711", "sh", "", "web"]
        self.assertEqual(rows[:4], [nginx, nginx, nginx, curl])
        self.assertEqual(rows[5], curl)
        self.assertEqual(rows[7:10], [shell, ["", "", "", "web"], ["4712", "", "", "web"]])
        self.assertEqual(rows[11], ["4711", "other", "", "web"])
        self.assertEqual(rows[12], nginx)
        self.assertEqual(rows[18], ["5000", "", "", "web"])
        self.assertEqual(rows[20][0], "6000")

    def test_one_pass_knows_what_came_before(self):
        rows = self.fields("processes", "stratoshark.comm")
        self.assertEqual([row[0] for row in rows[:4]], ["", "nginx", "nginx", ""])

    def test_filters(self):
        self.assertEqual(self.frames("processes", 'stratoshark.comm == "nginx" && udp'), [3, 13])
        self.assertEqual(self.frames("processes", "stratoshark.pid == 4711 && udp"),
                         [1, 3, 4, 6, 8, 12, 13])
        self.assertEqual(self.frames("processes", "stratoshark.netns == 4026532001 && "
                                                  "stratoshark.cgroup == 8589934592123"),
                         [1, 3, 4, 6, 8, 9, 10, 13, 14, 19, 21])
        self.assertEqual(self.frames("processes", "stratoshark.direction == 3"), [13])
        self.assertEqual(self.frames("processes", "stratoshark.malformed"), [14])


class TestTools(PluginTest):
    """What other tools of Wireshark's write anew says the same."""

    NAMES = ("frame.time_epoch", "stratoshark.pod", "stratoshark.direction", "stratoshark.pid",
             "stratoshark.comm", "stratoshark.container_id", "stratoshark.src.name",
             "stratoshark.dst.name", "stratoshark.dst.service", "stratoshark.event")
    WHOLE = {
        "editcap": ["editcap", "{}.pcapng", "copy.pcapng"],
        "mergecap": ["mergecap", "-w", "copy.pcapng", "{}.pcapng"],
        "reordercap": ["reordercap", "{}.pcapng", "copy.pcapng"],
        "tshark": ["tshark", "-r", "{}.pcapng", "-w", "copy.pcapng"],
        "tshark in two passes": ["tshark", "-2", "-r", "{}.pcapng", "-w", "copy.pcapng"],
    }

    def make(self, argv, tshark=None):
        """copy.pcapng, by a tool without our plugin."""
        copy = os.path.join(self.tshark.home, "copy.pcapng")
        if os.path.exists(copy):
            os.unlink(copy)
        program, *words = argv
        done = (tshark or self.tshark).run(*words, program=program)
        self.assertEqual(done.returncode, 0, done.stderr)

    def rows(self, capture):
        return self.fields(capture, *self.NAMES, options=["-2"])

    def test_whole_files(self):
        for tool, argv in self.WHOLE.items():
            for capture in ("cluster", "translated", "processes", "plaintext", "redirects"):
                with self.subTest(f"{tool}, {capture}"):
                    self.make([word.format(capture) for word in argv])
                    self.assertEqual(self.rows("copy"), self.rows(capture))

    def test_several_times(self):
        self.make(["editcap", "translated.pcapng", "copy.pcapng"])
        for argv in (["tshark", "-r", "copy.pcapng", "-w", "again.pcapng"],
                     ["mergecap", "-w", "copy.pcapng", "again.pcapng"]):
            done = self.tshark.run(*argv[1:], program=argv[0])
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.rows("copy"), self.rows("translated"))

    def test_files_of_two_pods_in_one(self):
        self.make(["mergecap", "-w", "copy.pcapng", "translated.pcapng", "processes.pcapng"])
        # Names of addresses may come from the other file.
        rows = [row[:6] for row in self.rows("translated") + self.rows("processes")]
        self.assertEqual(sorted(row[:6] for row in self.rows("copy")), sorted(rows))

    def test_frames_without_the_records_about_them(self):
        """A part of a file: what frames and interfaces say themselves remains."""
        for argv in (["editcap", "-r", "translated.pcapng", "copy.pcapng", "13-94"],
                     ["tshark", "-r", "translated.pcapng", "-Y", "!stratoshark.event", "-w",
                      "copy.pcapng"]):
            with self.subTest(argv[0]):
                self.make(argv)
                names = ("pod", "direction", "container_id", "src.name", "dst.name")
                rows = self.fields("copy", *("stratoshark." + name for name in names))
                self.assertEqual(len(rows), 82)
                self.assertEqual(rows[0], ["client-x", "2", "0123456789ab", CLIENT, "10.96.0.10"])
                self.assertEqual(rows[2], ["api-1", "2", "0123456789ab", API, "10.0.0.1"])

    def test_a_single_frame(self):
        """No state is needed but what the file said before."""
        self.make(["editcap", "-r", "processes.pcapng", "copy.pcapng", "2", "13"])
        self.assertEqual(self.fields("copy", "stratoshark.pod", "stratoshark.comm")[1],
                         ["api", "nginx"])


@unittest.skipUnless(os.environ.get("STRATOCAP_PROGRAM"), "STRATOCAP_PROGRAM is not set")
class TestStatsCommand(PluginTest):
    """stratoshark stats: the same, by our program."""

    def stats(self, *arguments, tshark=None):
        return (tshark or self.tshark).run("stats", *arguments,
                                           program=os.environ["STRATOCAP_PROGRAM"])

    def test_all_statistics(self):
        done = self.stats("cluster.pcapng", "--protocol-hierarchy", "--flows", "--pods",
                          "--conversations")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for text in ("Protocol Hierarchy Statistics", "Kubernetes Flows", "Kubernetes/Pods",
                     "Kubernetes Conversations", "production/Deployment/client"):
            self.assertIn(text, done.stdout)

    def test_without_an_option(self):
        done = self.stats("cluster.pcapng")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("Kubernetes Flows", done.stdout)
        self.assertNotIn("Protocol Hierarchy", done.stdout)
        # Descriptions that come late count as well.
        self.assertNotIn("|10.0.0.2 ", done.stdout)

    def test_what_is_wrong_is_said(self):
        with open(os.path.join(self.tshark.home, "cluster.pcapng"), "rb") as file:
            data = file.read()
        with open(os.path.join(self.tshark.home, "cut.pcapng"), "wb") as file:
            file.write(data[:-10])
        self.tshark.own()
        for words, status, text in (
                (["none.pcapng"], 4, "cannot read '.*none.pcapng': No such file"),
                ([], 2, "stats takes one capture file"),
                (["cluster.pcapng", "-x"], 2, "unknown option '-x'"),
                (["cut.pcapng", "--flows"], 6, "'.*' can't be read to its end: .*cut short")):
            with self.subTest(words):
                done = self.stats(*words)
                self.assertEqual(done.returncode, status)
                self.assertRegex(done.stderr, f"^stratoshark: {text}")
        self.assertIn("production/Deployment/client", done.stdout)

    def test_without_the_plugin(self):
        done = self.stats("cluster.pcapng", tshark=self.stock)
        self.assertEqual(done.returncode, 4)
        self.assertIn("made by the StratoShark plugin", done.stderr)
        done = self.stats("cluster.pcapng", "--protocol-hierarchy", tshark=self.stock)
        self.assertEqual((done.returncode, done.stderr), (0, ""))


class TestDamage(PluginTest):
    def test_malformed_options_are_reported(self):
        numbers = [int(row[0]) for row in self.fields("malformed", "frame.number")]
        self.assertGreater(len(numbers), 30)
        self.assertEqual(self.frames("malformed", "stratoshark.malformed"), numbers[1:])
        self.assertEqual(self.frames("malformed", "_ws.expert.group == Malformed"), numbers[1:])

    def test_malformed_options_keep_the_pod(self):
        rows = self.fields("malformed", "stratoshark.pod")
        self.assertEqual(rows[:-1], [["api"]] * (len(rows) - 1))

    def test_expert_statistics(self):
        text = self.read("malformed", "-q", "-z", "expert")
        self.assertIn("the option ends inside an item", text)
        self.assertIn("an item is longer than the option", text)
        self.assertIn("an item has the wrong length", text)

    def test_hostile_names(self):
        rows = self.fields("hostile", "stratoshark.namespace", "stratoshark.pod")
        self.assertEqual([row[1] for row in rows[:3]], ["a;b=c%d", "%", "a?b"])
        self.assertEqual(rows[1][0], "%4")
        self.assertEqual(rows[3], ["été", "\ufffd\ufffd\ufffd("])
        self.assertEqual(rows[4][1][:10], "a" * 10)
        self.assertEqual(rows[6], ["ns", "first"])
        self.assertEqual(rows[13], ["%s%n", "%s%n%s%s"])

    def test_hostile_container_list_is_bounded(self):
        names = self.fields("hostile", "stratoshark.pod_containers")[5][0].split(",")
        self.assertEqual(names, [f"c{i}" for i in range(64)])

    def test_control_characters_stay_out_of_the_tree(self):
        text = self.read("hostile", "-V")
        ours = [line for line in text.split("\n") if line.startswith("Kubernetes: ")]
        self.assertRegex(ours[0], "^Kubernetes: x\\\\ny\ufffd\\[31m/a;b=c%d \\(,\\)")

    def test_hostile_descriptions(self):
        names = ("src.name", "src.node", "workload", "label", "image", "dst.service", "dst.name")
        rows = self.fields("descriptions", *("stratoshark." + name for name in names))
        row = rows[-1]
        # What a value may contain is escaped when it becomes part of a name, by 4.6 once more.
        self.assertEqual(row[0].replace("\\\\", "\\"), 'n\\n\ufffds/\ufffd}{"🦈', row)
        self.assertEqual((row[2], row[4]), ("Dep\ufffd]0;x\ufffd/a", "i\ufffd"))
        self.assertEqual(row[5], "s")
        self.assertEqual(row[6], "ns/p299")
        text = self.read("descriptions", "-V", "-Y", f"frame.number == {len(rows)}")
        self.assertNotRegex(text, r"[\x00-\x09\x0b-\x1f\x7f]")
        words = [word for statistic in STATISTICS[:-1] for word in ("-z", statistic)]
        text = self.read("descriptions", "-q", *words)
        self.assertNotRegex(text, r"[\x00-\x09\x0b-\x1f\x7f]")

    def test_every_output_format(self):
        for capture in ALL:
            for form in ("text", "json", "ek", "pdml", "ps"):
                with self.subTest(f"{capture} as {form}"):
                    self.assertNotIn("Dissector bug", self.read(capture, "-V", "-T", form))


class TestEvents(PluginTest):
    def test_rows(self):
        rows = self.read("events").split("\n")
        for row, text in zip(rows, ("pod production/api started", "pod production/api is gone",
                                    "tab\\there", "interface-gone")):
            self.assertRegex(row, r" StratoShark \d+ " + re.escape(text) + "$")

    def test_fields(self):
        rows = self.fields("events", "stratoshark.event", "stratoshark.namespace",
                           "stratoshark.pod", "stratoshark.message", "stratoshark.node")
        self.assertEqual(rows[0], ["pod-started", "production", "api",
                                   "pod production/api started", "n1"])
        self.assertEqual(rows[1][:3], ["pod-gone", "production", "api"])
        # A newline in a value is tshark's to escape: versions differ.
        self.assertTrue(rows[2][2].startswith('q"é🦈'), rows[2])
        self.assertEqual(rows[3], ["interface-gone", "", "", "", ""])

    def test_filters_of_frames_find_events(self):
        self.assertEqual(self.frames("events", 'stratoshark.pod == "api"'), [1, 2, 13, 14])
        self.assertEqual(self.frames("events", 'stratoshark.event == "pod-started"'), [1, 3])

    def test_json_tree_remains(self):
        self.assertEqual(self.frames("events", 'json.value.string == "pod-gone"'), [2])

    def test_unreadable_events_are_reported(self):
        self.assertEqual(self.frames("events", "stratoshark.malformed"), [5, 6, 7, 8])

    def test_records_of_others_are_stock(self):
        self.assertEqual(self.frames("events", "!stratoshark"), [9, 10, 11, 12])
        names = ["frame.protocols", "json.key"]
        self.assertEqual(self.fields("events", *names)[8:12],
                         self.fields("events", *names, tshark=self.stock)[8:12])

    def test_tls_connections(self):
        self.assertEqual(self.frames("events", 'stratoshark.tls.state == "unsupported"'), [13])
        rows = self.fields("events", *("stratoshark.tls." + name for name in (
            "reason", "client", "server", "server_name", "alpn")))
        self.assertEqual(rows[12], ["pid 7 (java): Java (JSSE): no", "10.0.0.1:40000",
                                    "[fd00::7]:443", "db.example", "h2"])

    def test_dns_failures(self):
        self.assertEqual(self.frames("events", 'stratoshark.dns.failure == "NXDOMAIN"'), [14])
        rows = self.fields("events", *("stratoshark.dns." + name for name in (
            "name", "type", "server", "client", "transport", "rcode")))
        self.assertEqual(rows[13], ["db.example", "A", "10.96.0.10:53", "10.0.0.1:40000", "udp",
                                    "NXDOMAIN"])


class TestPlaintext(PluginTest):
    def test_identity_and_process(self):
        rows = self.fields("plaintext", "stratoshark.namespace", "stratoshark.pod",
                           "stratoshark.hook", "stratoshark.direction", "stratoshark.pid",
                           "stratoshark.comm")
        self.assertEqual(rows[0], ["production", "api", "tls", "2", "4711", "nginx"])
        self.assertEqual(rows[1], ["tools", "shell", "", "1", "4711", "x" * 16])
        self.assertTrue(rows[2][5].startswith("\ufffd"), rows[2])
        self.assertEqual(self.frames("plaintext", "stratoshark.malformed"), [4])


class TestWithoutPlugin(PluginTest):
    def test_captures_read_without_complaint(self):
        for capture in ALL:
            with self.subTest(capture):
                text = self.read(capture, "-V", tshark=self.stock)
                self.assertNotIn("Dissector bug", text)

    def test_stock_identifies_the_pod(self):
        text = self.read("pods", "-Y",
                         'frame.interface_name == "stratoshark-pod:production/api"', "-T",
                         "fields", "-e", "frame.number", tshark=self.stock)
        self.assertEqual(text.split(), ["1", "2", "6", "7", "13", "14", "15"])

    def test_stock_shows_events(self):
        rows = self.read("events", tshark=self.stock).split("\n")
        self.assertIn("StratoShark", rows[0])
        self.assertEqual(self.read("events", "-Y", 'json.value.string == "pod-gone"', "-T",
                                   "fields", "-e", "frame.number", tshark=self.stock), "2\n")

    def test_plugin_changes_nothing_else(self):
        def rest(text):
            return re.sub(r"(?m)^Kubernetes: .*\n( .*\n)*", "", text)

        self.assertEqual(rest(self.read("pods", "-V")),
                         self.read("pods", "-V", tshark=self.stock))


class TestCaptures(unittest.TestCase):
    def test_script_makes_the_captures(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, "-B", os.path.join(CAPTURES, "make.py"), folder],
                           check=True)
            names = sorted(os.listdir(folder))
            self.assertEqual(names, sorted(name + ".pcapng" for name in ALL))
            _, differ, missing = filecmp.cmpfiles(folder, CAPTURES, names, shallow=False)
            self.assertEqual((differ, missing), ([], []))


if __name__ == "__main__":
    unittest.main()
