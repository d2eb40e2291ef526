# SPDX-License-Identifier: GPL-2.0-or-later
"""Which process each frame is of. The truth is what the processes say of themselves."""

import collections
import concurrent.futures
import glob
import ipaddress
import json
import os
import re
import struct

from . import tls_images
from .capture import CONTAINER, OUT, PROCESS, SPACE, CaptureTest, File
from .harness import Container, tshark_rows, wait_until

HERE = os.path.dirname(os.path.abspath(__file__))
# So that a process can learn its number on the node.
MOUNTS = [("/proc", "/hostproc", True), (f"{HERE}/talk.py", "/talk.py", True)]
# A shell that says who it is (pid on the node, start) and becomes the program that follows.
SAY = 'read pid rest </hostproc/self/stat; set -- $pid $rest; echo $1 ${22}; '
PORT, LOCAL_PORT, HAND_OVER_PORT, CLOSED_PORT, HOST_PORT = 7000, 7001, 7002, 7003, 17004
NOBODY = (0, 0)
TCP, UDP, ICMP = 6, 17, 1
RESET = 4

# A TCP or UDP packet; host and port are the pod's end of it.
Packet = collections.namedtuple("Packet", "protocol source destination sport dport flags payload")

NGINX_CONF = """daemon off;
worker_processes 4;
pid /tmp/nginx.pid;
error_log /dev/stderr warn;
events { worker_connections 64; }
http {
	access_log off;
	server { listen 8080; listen [::]:8080; keepalive_timeout 0;
		 location / { return 200 "worker $pid\\n"; } }
}
"""


def talk(*words):
    return ["/usr/bin/python3", "/talk.py", *map(str, words)]


def ask_http(address, port, *words):
    host = f"[{address}]" if ":" in address else address
    return ["curl", "-s", "-g", "-m", "10", *words, f"http://{host}:{port}/"]


def numbers(said):
    return tuple(map(int, said.split()[:2]))


def owner(frame):
    """(pid, start)"""
    return struct.unpack("<II", frame.tlvs[PROCESS])


def packet(frame, ethernet=True):
    """What is in the frame, or None."""
    data = frame.data[14:] if ethernet else frame.data
    if ethernet and frame.data[12:14] not in (b"\x08\0", b"\x86\xdd"):
        return None
    if data[0] >> 4 == 4:
        protocol, size = data[9], (data[0] & 15) * 4
        ends = data[12:16], data[16:20]
    else:
        protocol, size = data[6], 40
        ends = data[8:24], data[24:40]
    ends = [str(ipaddress.ip_address(each)) for each in ends]
    if protocol not in (TCP, UDP):
        return Packet(protocol, *ends, 0, 0, 0, data[size:])
    ports = struct.unpack_from("!HH", data, size)
    if protocol == UDP:
        return Packet(protocol, *ends, *ports, 0, data[size + 8 :])
    flags, header = data[size + 13], (data[size + 12] >> 4) * 4
    return Packet(protocol, *ends, *ports, flags, data[size + header :])


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

    def says(self, pod, container):
        """(pid, start) of a server, once it serves."""
        wait_until(lambda: re.search(r"\d+ \d+", pod.log(container)), f"{container} to serve")
        return numbers(re.search(r"\d+ \d+", pod.log(container))[0])

    def described(self, file):
        """{(pid, start): its last description}"""
        frames = file.of("stratoshark-events")
        events = [json.loads(frame.data[frame.data.index(b"{") :]) for frame in frames]
        return {(each["pid"], each["start"]): each for each in events
                if each["event"] == "process"}

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
            said = self.described(file)[process]
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
        server = self.says(self.one, "server")
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

    def test_equal_ports_on_two_loopbacks(self):
        path = self.file()
        pods = {"/one/lo": self.one, "/two/lo": self.two}
        servers = {name: self.says(pod, "local") for name, pod in pods.items()}
        capture = self.capture("-w", path, "--namespace", SPACE)
        clients = {name: {} for name in pods}
        for _ in range(5):
            for name, pod in pods.items():
                said = pod.exec("local", talk("ask", "127.0.0.1", LOCAL_PORT, 5))
                clients[name][int(said.split()[2])] = numbers(said)

        def right(name):
            return lambda each: (servers[name] if each.sport == LOCAL_PORT
                                 else clients[name][each.sport])

        self.wait_rows(path, f"tcp.srcport == {LOCAL_PORT} && tcp.flags.fin == 1", 10)
        self.stop(capture)
        for name in pods:
            self.assert_owners(File(path).of(name), right(name))

    def test_one_socket_of_two_processes(self):
        server = self.says(self.one, "server")
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
        client, server = numbers(said), self.says(self.one, "server")
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
        said = self.described(file)[server]
        self.assertEqual(said["comm"], "python3")
        self.assertEqual(said["executable"], "/usr/bin/python3")

    def test_a_connection_that_is_handed_over(self):
        parent = self.says(self.one, "forks")
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
        said = self.described(File(path))
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
        server = self.says(pod, "server")
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
        self.assertEqual(self.described(file), {})

    def test_each_file_of_a_ring_describes_them(self):
        server = self.says(self.one, "server")
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
                self.assertEqual(self.described(file)[server]["comm"], "python3", path)

    # As many as in production

    def test_many_short_clients(self):
        """200 curls in 10 pods ask servers of one, and of several processes."""
        space = f"{SPACE}-many"
        folder = self.folder()
        with open(f"{folder}/nginx.conf", "w", encoding="utf-8") as file:
            file.write(NGINX_CONF)
        workers = self.pod(space, "workers", [Container(
            "nginx", "tools", command=["/bin/sh", "-c", "mkdir -p /var/lib/nginx && exec nginx"],
            mounts=[(f"{folder}/nginx.conf", "/etc/nginx/nginx.conf", True), *MOUNTS])])
        clients = {f"client-{number}": self.pod(space, f"client-{number}",
                                                [Container("tools", "tools", mounts=MOUNTS)])
                   for number in range(10)}
        self.wait_http(self.client, "tools", workers.url())
        path = self.file()
        capture = self.capture("-w", path, "--namespace", space)
        targets = f"http://{workers.ip}:8080/ http://[{workers.ip6}]:8080/"
        script = (f"for i in 1 2 3 4 5 6 7 8 9 10; do for u in {targets}; do sh -c '{SAY} exec curl "
                  "-s -g -m 10 -w \"%{local_ip} %{local_port}\\n\" '$u; done; done")
        with concurrent.futures.ThreadPoolExecutor() as pool:
            said = dict(zip(clients, pool.map(
                lambda pod: pod.exec("tools", ["sh", "-c", script]), clients.values())))
        self.mark("end", path, pod=clients["client-0"])
        self.stop(capture)
        self.judge_many(File(path), workers, clients, said)

    def judge_many(self, file, workers, clients, said):
        truth, answered = {}, {}  # by address and port: the client, the number of the worker
        pattern = r"(\d+) (\d+)\nworker (\d+)\n(\S+) (\d+)"
        for pid, start, worker, address, port in re.findall(pattern, "\n".join(said.values())):
            truth[address, int(port)] = int(pid), int(start)
            answered[address, int(port)] = int(worker)
        self.assertEqual(len(truth), 200)
        inside = {}  # of the workers, by their number in the pod
        for pid in workers.pids():
            with open(f"/proc/{pid}/status", encoding="utf-8") as status:
                inside[int(re.search(r"NSpid:.*\t(\d+)", status.read())[1])] = pid
        described = self.described(file)
        master = workers.container_pid("nginx")
        count = collections.Counter()
        for frame in file.frames:
            interface = file.interfaces[frame.interface].name
            name = interface.rpartition("/")[2]
            if name not in (*clients, "workers") or not packet(frame):
                continue
            what = packet(frame)
            if what.protocol != TCP or 8080 not in what[3:5]:
                continue
            count["all"] += 1
            client = what.source if what.dport == 8080 else what.destination
            port = what.sport if what.dport == 8080 else what.dport
            key = client, port
            found = owner(frame)
            if name == "workers":
                # Before it is accepted, a connection is the listener's.
                right = found[0] in (master, inside[answered[key]])
                if what.payload.startswith(b"HTTP/1.1 200"):
                    right = found[0] == inside[answered[key]]
            else:
                right = found == truth[key]
            count["nobody" if found == NOBODY else "right" if right else "wrong"] += 1
            container = described.get(found, {}).get("container")
            count["container"] += container == ("nginx" if name == "workers" else "tools")
        print(f"{count['all']} frames of 200 clients: {count['right']} right, "
              f"{count['wrong']} wrong, {count['nobody']} of nobody, "
              f"{count['container']} with the container")
        self.assertGreater(count["all"], 3000)
        self.assertEqual(count["wrong"], 0)
        self.assertGreaterEqual(count["right"], 0.999 * count["all"])
        self.assertEqual(count["container"], count["right"])

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
        self.assertEqual(self.described(file)[numbers(said)]["comm"], "python3")
        own = [each for each in file.of("/two/lo")
               if packet(each, ethernet=False).dport == LOCAL_PORT]
        self.assert_owners(own, lambda each: (numbers(local)[0], 0), ethernet=False)
        self.assertEqual(len(re.findall("cap_perfmon", capture.stderr)), 1, capture.stderr)
