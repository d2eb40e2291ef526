# SPDX-License-Identifier: GPL-2.0-or-later
"""Which process each frame is of. The truth is what the processes say of themselves."""

import collections
import glob
import re

from . import tls_images
from .capture import CONTAINER, OUT, SPACE, CaptureTest, File
from .harness import Container, tshark_rows, wait_until
from .processes import (ICMP, MOUNTS, NOBODY, SAY, TCP, UDP, numbers, owner, packet, processes,
                        says, talk)

PORT, LOCAL_PORT, HAND_OVER_PORT, CLOSED_PORT, HOST_PORT = 7000, 7001, 7002, 7003, 17004
RESET = 4


def ask_http(address, port, *words):
    host = f"[{address}]" if ":" in address else address
    return ["curl", "-s", "-g", "-m", "10", *words, f"http://{host}:{port}/"]


class ProcessesTest(CaptureTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        tls_images.add(cls.node, "python")
        cls.client = cls.class_pod(
            SPACE, "processes", [Container("tools", "tools", mounts=MOUNTS),
                                 Container("other", "tools", mounts=MOUNTS)])
        cls.one, cls.two = (cls.talker(name) for name in ("one", "two"))

    @classmethod
    def talker(cls, name, **options):
        """A pod with a server for others, one for itself, and one that hands over."""
        containers = [
            Container("server", "python", mounts=MOUNTS, command=talk("serve", "", PORT)),
            Container("local", "python", mounts=MOUNTS,
                      command=talk("serve", "127.0.0.1", LOCAL_PORT)),
            Container("forks", "python", mounts=MOUNTS,
                      command=talk("hand-over", HAND_OVER_PORT))]
        return cls.class_pod(SPACE, name, containers, **options)

    def wait_rows(self, path, display_filter, count=1):
        wait_until(lambda: len(tshark_rows(path, ["frame.number"], display_filter,
                                           complete=False)) >= count, display_filter)

    def assert_owners(self, frames, right, ethernet=True):
        """Each frame is of the process that right(packet) names."""
        self.assertTrue(frames)
        wrong = [(each.direction, owner(each), packet(each, ethernet)) for each in frames
                 if owner(each) != right(packet(each, ethernet))]
        self.assertEqual(wrong, [])

    def test_clients_of_two_containers(self):
        path = self.file()
        capture = self.capture("-w", path, pod=self.client)
        truth = {}
        for name in ("tools", "other"):
            curl = f"exec curl -s -o /dev/null {self.web.url('/' + name)}"
            truth[numbers(self.client.exec(name, ["sh", "-c", SAY + curl]))] = name
        self.wait_rows(path, "http.response", 2)
        self.stop(capture)
        file = File(path)
        for process, name in truth.items():
            identity = self.client.containers[name]
            frames = [each for each in file.of("/processes") if owner(each) == process]
            self.assertGreater(len(frames), 8)
            self.assertEqual({each.tlvs[CONTAINER].hex() for each in frames}, {identity[:12]})
            said = processes(file)[process]
            self.assertEqual((said["comm"], said["pod"]), ("curl", "processes"))
            # It may have ended before anybody could look.
            self.assertIn(said.get("executable"), (None, "/usr/bin/curl"))
            self.assertEqual((said["container"], said["container_id"]), (name, identity))
        tcp = [each for each in file.of("/processes") if packet(each) and packet(each).protocol == TCP]
        self.assertEqual([each for each in tcp if owner(each) not in truth], [])
        # Whoever reads from the front knows each one before its first frame.
        first = file.of("stratoshark-events")[0]
        self.assertLess(file.frames.index(first), file.frames.index(tcp[0]))

    def test_server_and_client_of_both_families(self):
        server = says(self.one, "server")
        path = self.file()
        capture = self.capture("-w", path, "--namespace", SPACE)
        clients = {}
        for address in (self.one.ip, self.one.ip6):
            for _ in range(3):
                said = self.two.exec("server", talk("ask", address, PORT, 5))
                clients[int(said.split()[2])] = numbers(said)
        self.mark("end", path, pod=self.one)
        self.stop(capture)
        file = File(path)
        tcp = {name: [each for each in file.of(name) if packet(each) and
                      PORT in packet(each)[3:5]] for name in ("/one", "/two")}
        self.assert_owners(tcp["/one"], lambda each: server)
        self.assert_owners(tcp["/two"],
                           lambda each: clients[each.sport if each.dport == PORT else each.dport])
        self.assertEqual(len(tcp["/one"]), len(tcp["/two"]))

    def test_one_socket_of_two_processes(self):
        server = says(self.one, "server")
        for family, address in (("4", self.one.ip), ("6", self.one.ip6)):
            with self.subTest(family=family):
                path = self.file(family)
                capture = self.capture("-w", path, "--namespace", SPACE)
                self.two.exec("server", talk("pair", family, address, PORT))
                self.wait_rows(path, f"udp.srcport == {PORT}", 40)
                self.stop(capture)
                file = File(path)
                udp = {name: [each for each in file.of(name) if packet(each) and
                              packet(each).protocol == UDP] for name in ("/one", "/two")}
                sent = [each for each in udp["/two"] if each.direction == OUT]
                self.assertEqual(len(sent), 20)
                self.assertEqual(len({owner(each) for each in sent}), 2)
                self.assert_owners(sent, lambda each: numbers(each.payload[5:].decode()))
                self.assert_owners(udp["/one"], lambda each: server)

    def test_older_than_the_capture(self):
        keeper = self.pod(SPACE, "keeper", [
            Container("keeper", "python", mounts=MOUNTS, command=talk("keep", self.one.ip, PORT))])
        wait_until(lambda: len(keeper.log("keeper").split()) >= 4, "the connection")
        said = keeper.log("keeper").split("\n")[0].split("F ")[-1]
        client, server = numbers(said), says(self.one, "server")
        path = self.file()
        capture = self.capture("-w", path, "--namespace", SPACE)
        keeper.exec("keeper", ["sh", "-c", "touch /tmp/ask"])
        self.wait_rows(path, f"ip.dst == {keeper.ip} && udp.srcport == {PORT}", 2)
        self.stop(capture)
        file = File(path)
        about = [each for each in file.of("/keeper") if packet(each) and
                 PORT in packet(each)[3:5]]
        self.assert_owners(about, lambda each: client)
        there = [each for each in file.of("/one") if packet(each) and
                 keeper.ip in packet(each)[1:3] and PORT in packet(each)[3:5]]
        self.assert_owners(there, lambda each: server)
        self.assertEqual({packet(each).protocol for each in there}, {TCP, UDP})
        said = processes(file)[server]
        self.assertEqual(said["comm"], "python3")
        self.assertEqual(said["executable"], "/usr/bin/python3")

    def test_a_connection_that_is_handed_over(self):
        parent = says(self.one, "forks")
        path = self.file()
        capture = self.capture("-w", path, pod=self.one)
        self.two.exec("server", talk("ask", self.one.ip, HAND_OVER_PORT))
        self.wait_rows(path, f"tcp.srcport == {HAND_OVER_PORT} && tcp.len > 0")
        self.stop(capture)
        frames = [each for each in File(path).of("/one") if packet(each) and
                  HAND_OVER_PORT in packet(each)[3:5]]
        answer = next(i for i, each in enumerate(frames) if packet(each).payload[:5] == b"from ")
        child = numbers(packet(frames[answer]).payload[5:].decode())
        self.assertNotEqual(child, parent)
        self.assert_owners(frames[:2], lambda each: parent)
        self.assert_owners(frames[answer:], lambda each: child)

    def assert_only_senders(self, path, name, port, ethernet=True):
        sent = [each for each in File(path).of(name)
                if packet(each, ethernet).payload.startswith(b"from ") and
                packet(each, ethernet).dport == port]
        self.assertEqual(len(sent), 2 * 3 * 5)
        self.assertEqual(len({owner(each) for each in sent}), 2 + 5)
        self.assert_owners(sent, lambda each: numbers(each.payload[5:].decode()), ethernet)
        said = processes(File(path))
        self.assertEqual({said[owner(each)]["comm"] for each in sent}, {"python3"})

    def test_who_only_sends(self):
        """On sockets that were passed to it, or inherited, without a look at what comes back."""
        path = self.file()
        capture = self.capture("-w", path, pod=self.two)
        for address, port in ((self.one.ip, PORT), ("127.0.0.1", LOCAL_PORT)):
            self.two.exec("local", talk("only-send", address, port))
            self.wait_rows(path, f"tcp.srcport == {port} && tcp.flags.fin == 1")
        self.stop(capture)
        self.assert_only_senders(path, "/two", PORT)
        self.assert_only_senders(path, "/two/lo", LOCAL_PORT)

    def test_who_only_sends_through_the_far_end(self):
        """The far end of the pod's cable does not see who sends; the pod's cgroup does."""
        path = self.file()
        program = self.installed("cap_bpf,cap_net_admin,cap_perfmon+ep")
        capture = self.capture("-w", path, pod=self.two, binary=program, user=True)
        for address, port in ((self.one.ip, PORT), ("127.0.0.1", LOCAL_PORT)):
            self.two.exec("local", talk("only-send", address, port))
            self.wait_rows(path, f"tcp.srcport == {port} && tcp.flags.fin == 1")
        self.stop(capture)
        self.assert_only_senders(path, "/two", PORT)
        self.assert_only_senders(path, "/two/lo", LOCAL_PORT, ethernet=False)

    def test_the_kernel_is_nobody(self):
        path = self.file()
        capture = self.capture("-w", path, pod=self.one)
        self.client.exec("tools", ["ping", "-c", "2", self.one.ip])
        for address in (self.one.ip, self.one.ip6):
            self.client.exec("tools", ask_http(address, CLOSED_PORT), check=False)
        self.sends(self.one, 3, port=CLOSED_PORT)
        self.wait_rows(path, "icmp.type == 3", 3)
        self.stop(capture)
        frames = [each for each in File(path).of("/one") if packet(each) and
                  (packet(each).protocol == ICMP or CLOSED_PORT in packet(each)[3:5])]
        self.assertGreaterEqual(len(frames), 4 + 4 + 6)
        self.assert_owners(frames, lambda each: NOBODY)
        self.assertTrue([each for each in frames if packet(each).flags & RESET])

    def test_of_one_container(self):
        """Client and server, to others and on loopback; not what the other containers say."""
        path = self.file()
        capture = self.capture("-w", path, "--container", "local", pod=self.one)

        def ask(pod, container, address, port, count=3):
            return int(pod.exec(container, talk("ask", address, port, count)).split()[2])

        unwanted = {ask(self.one, "server", "127.0.0.1", HAND_OVER_PORT, 1),
                    ask(self.one, "server", self.two.ip, PORT),
                    ask(self.two, "server", self.one.ip, PORT)}
        wanted = [ask(self.one, "local", "127.0.0.1", PORT),
                  ask(self.one, "server", "127.0.0.1", LOCAL_PORT),
                  ask(self.one, "local", self.two.ip, PORT)]
        self.wait_rows(path, f"tcp.srcport == {PORT} && tcp.dstport == {wanted[-1]} && "
                             "tcp.flags.fin == 1")
        self.stop(capture)
        self.assertIn("left out (of other containers)", capture.stderr)
        count = collections.Counter()
        for frame in File(path).of("/one") + File(path).of("/one/lo"):
            what = packet(frame)
            if what and what.protocol == TCP:
                # Nobody may have known yet who listens there.
                first = what.flags == 2 and HAND_OVER_PORT in what[3:5]
                count.update(set() if first else set(what[3:5]))
        self.assertEqual({port: count[port] for port in unwanted}, dict.fromkeys(unwanted, 0))
        for port in wanted:
            self.assertGreaterEqual(count[port], 3 + 3 * 2 + 3, port)

    def test_of_a_container_that_nobody_can_tell(self):
        path = self.file()
        capture = self.capture("-w", path, "--container", "local", "--no-processes", pod=self.one)
        self.two.exec("server", talk("ask", self.one.ip, PORT))
        self.wait_rows(path, f"tcp.srcport == {PORT} && tcp.flags.fin == 1")
        self.stop(capture)
        self.assertIn("with --no-processes nobody knows which container", capture.stderr)

    def test_host_network(self):
        pod = self.pod(SPACE, "hostly", [
            Container("server", "python", mounts=MOUNTS, command=talk("serve", "", HOST_PORT)),
            Container("client", "python", mounts=MOUNTS, command=["sleep", "3600"])],
            host_network=True)
        server = says(pod, "server")
        path = self.file()
        capture = self.capture("-w", path, pod=pod)
        said = pod.exec("client", talk("ask", "127.0.0.1", HOST_PORT, 3))
        there = pod.exec("client", talk("ask", self.one.ip, PORT, 3))
        self.wait_rows(path, f"tcp.srcport == {PORT} && tcp.flags.fin == 1")
        self.stop(capture)
        clients = {int(each.split()[2]): numbers(each) for each in (said, there)}
        frames = File(path).of("/hostly")
        self.assertGreater(len(frames), 20)
        self.assert_owners(frames, lambda each: server if each.sport == HOST_PORT
                           else clients.get(each.sport) or clients[each.dport], ethernet=False)

    def test_not_asked_for(self):
        path = self.file()
        capture = self.capture("-w", path, "--no-processes", pod=self.client)
        self.client.exec("tools", ask_http(self.web.ip, 8080))
        self.wait_rows(path, "http.response")
        self.stop(capture)
        file = File(path)
        self.assert_owners(file.of("/processes"), lambda each: NOBODY)
        self.assertEqual(processes(file), {})

    def test_each_file_of_a_ring_describes_them(self):
        server = says(self.one, "server")
        folder = self.folder()
        capture = self.capture("-w", f"{folder}/ring.pcapng", "--ring-size", "8k", pod=self.one)

        def files():
            return sorted(glob.glob(f"{folder}/*"))

        while len(files()) < 4:
            self.two.exec("server", talk("ask", self.one.ip, PORT, 20))
        self.stop(capture)
        for path in files():
            file = File(path)
            named = {owner(each) for each in file.of("/one")} - {NOBODY}
            if server in named:
                self.assertEqual(processes(file)[server]["comm"], "python3", path)

    # An ordinary user

    def test_without_more_capabilities(self):
        """Pids are right; when the processes began is not known."""
        path = self.file()
        program = self.installed()
        capture = self.capture("-w", path, pod=self.two, binary=program, user=True)
        said = self.two.exec("server", talk("ask", self.one.ip, PORT, 5))
        local = self.two.exec("local", talk("ask", "127.0.0.1", LOCAL_PORT, 5))
        self.wait_rows(path, f"tcp.srcport == {LOCAL_PORT} && tcp.flags.fin == 1")
        self.stop(capture)
        file = File(path)
        about = [each for each in file.of("/two") if packet(each) and
                 PORT in packet(each)[3:5]]
        pid = numbers(said)[0]
        self.assert_owners(about, lambda each: (pid, 0))
        self.assertEqual(processes(file)[numbers(said)]["comm"], "python3")
        own = [each for each in file.of("/two/lo")
               if packet(each, ethernet=False).dport == LOCAL_PORT]
        self.assert_owners(own, lambda each: (numbers(local)[0], 0), ethernet=False)
        self.assertEqual(len(re.findall("cap_perfmon", capture.stderr)), 1, capture.stderr)
