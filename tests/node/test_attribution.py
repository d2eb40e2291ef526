# SPDX-License-Identifier: GPL-2.0-or-later
"""As in production: short-lived clients in ten pods, long-lived servers, equal ports on loopback in
two pods, TCP and UDP, IPv4 and IPv6, in one capture. Whose each frame is, the processes have said.
"""

import collections
import concurrent.futures
import contextlib
import os
import pathlib
import re

from . import tls_images
from .capture import CONTAINER, IN, CaptureTest, File
from .harness import Container, wait_until
from .journal import cgroup_pids
from .processes import MOUNTS, NOBODY, SAY, TCP, UDP, owner, packet, processes, says, talk

SPACE = "attribution"
PODS, ROUNDS = 10, 100
HTTP, ECHO, LOCAL, OWN = 8080, 7000, 7001, 20000  # ports; LOCAL is of IPv4, the next of IPv6
LOOPBACKS = ("127.0.0.1", "::1")
SHOWN = ["frame.number", "stratoshark.namespace", "stratoshark.pod", "stratoshark.container",
         "stratoshark.pid"]
# Bytes of a block beside its frame: in any capture, also of one interface and with directions; and
# for who is who.
ALONE, MOST = 32 + 8 + 4, 40

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
# 20 times curl in a pod: who it is, which worker answered, and the connection's ends.
CURLS = f"""for i in $(seq $0); do
	for url; do
		sh -c '{SAY} exec curl -s -g -m 10 -w "%{{local_ip}} %{{local_port}} %{{remote_ip}}\\n" '$url
	done
done
"""
CURL_SAYS = re.compile(r"(\d+) (\d+)\nworker (\d+)\n(\S+) (\d+) (\S+)")

# A pod's end of a connection, and the other one.
End = collections.namedtuple("End", "pod protocol address port other other_port")


def frames_of(file):
    """(place in the file, frame, packet, end) of each TCP and UDP frame of our pods."""
    for place, frame in enumerate(file.frames):
        _, _, name = file.interfaces[frame.interface].name.partition(f":{SPACE}/")
        what = packet(frame) if name else None
        if what and what.protocol in (TCP, UDP):
            ends = [(what.source, what.sport), (what.destination, what.dport)]
            if frame.direction == IN:
                ends.reverse()
            yield place, frame, what, End(name.split("/")[0], what.protocol, *ends[0], *ends[1])


def own_pid(pid):
    """As its pod numbers it."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        return int(re.search(r"NSpid:.*\t(\d+)", status.read())[1])


def start_of(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        return int(file.read().rpartition(")")[2].split()[19])


class Truth:
    """Of an end: (pod, container, owners), each owner (pid, start). Several where either may be
    meant: a connection is the listener's until a worker has accepted it."""

    def __init__(self):
        self.ends, self.listeners, self.answering = {}, {}, {}

    def listener(self, pod, container, port):
        self.listeners[pod.name, port] = pod, container, {says(pod, container)}

    def speaker(self, pod, said, own, servers):
        """own: addresses; servers: (address, port), of the same families."""
        pid, start, *ports = map(int, said.split())
        pairs = [(protocol, i) for i in range(2) for protocol in (TCP, UDP)]
        for (protocol, i), port in zip(pairs, ports):
            end = End(pod.name, protocol, own[i], port, *servers[i])
            self.ends[end] = pod, "speaker", {(pid, start)}

    def curls(self, pod, said, servers):
        """servers: {address: Nginx}"""
        for pid, start, worker, address, port, other in CURL_SAYS.findall(said):
            end = End(pod.name, TCP, address, int(port), other, HTTP)
            self.ends[end] = pod, "tools", {(int(pid), int(start))}
            nginx = servers[other]
            end = End(nginx.pod.name, TCP, other, HTTP, address, int(port))
            worker = nginx.workers[int(worker)]
            self.ends[end] = nginx.pod, "nginx", {nginx.master, worker}
            self.answering[end] = nginx.pod, "nginx", {worker}

    def of(self, end, answered):
        if answered and end in self.answering:
            return self.answering[end]
        return self.ends.get(end) or self.listeners.get((end.pod, end.port))


class Nginx:
    """Its processes: (pid, start); the workers by their number in the pod."""

    def __init__(self, pod):
        self.pod = pod
        pids = cgroup_pids(f"{pod.cgroup}/{pod.containers['nginx']}")
        self.workers = {own_pid(pid): (pid, start_of(pid)) for pid in pids}
        self.master = self.workers[1]


class AttributionTest(CaptureTest):
    """The scene is played once, for all that is asked of its file."""

    played = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        tls_images.add(cls.node, "python")

    def setUp(self):
        super().setUp()
        if not self.played:
            AttributionTest.played = self.play()
        self.recorded, self.size, self.shown, self.truth = self.played

    # The scene

    def serving(self, name, *containers):
        """A pod with nginx."""
        mounts = [(f"{self.said}/nginx.conf", "/etc/nginx/nginx.conf", True), *MOUNTS]
        nginx = Container("nginx", "tools", mounts=mounts, command=[
            "/bin/sh", "-c", "mkdir -p /var/lib/nginx && exec nginx"])
        pod = self.pod(SPACE, name, [nginx, *containers])
        self.wait_http(self.client, "tools", pod.url())
        return pod

    def speaks(self, pod, name, *words):
        """What a speaker says of itself; it goes on until there is a file "enough"."""
        path = f"{self.said}/{name}"
        command = " ".join(talk("speak", ROUNDS, "/said/enough", *words))
        self.speaking.append(self.pool.submit(
            pod.exec, "speaker", ["sh", "-c", f"{command} >/said/{name}"], 120))

        def said():
            with contextlib.suppress(FileNotFoundError):
                with open(path, encoding="utf-8") as file:
                    return file.read().strip()
            return None

        return wait_until(said, f"{name} to speak", 60)

    def play(self):
        self.said, self.speaking = self.folder(), []
        self.pool = concurrent.futures.ThreadPoolExecutor(2 * PODS)
        self.addCleanup(self.pool.shutdown)
        with open(f"{self.said}/nginx.conf", "w", encoding="utf-8") as file:
            file.write(NGINX_CONF)
        tools = Container("tools", "tools", mounts=MOUNTS)
        speaker = Container("speaker", "python", mounts=[*MOUNTS, (self.said, "/said", False)],
                            command=tls_images.SLEEP)
        locals_ = [Container(f"local-{i}", "python", mounts=MOUNTS,
                             command=talk("serve", address, LOCAL + i))
                   for i, address in enumerate(LOOPBACKS)]
        echo = Container("echo", "python", mounts=MOUNTS, command=talk("serve", "", ECHO))
        server = self.serving("server", echo)
        both = [self.serving(f"client-{i}", tools, speaker, *locals_) for i in range(2)]
        pods = both + [self.pod(SPACE, f"client-{i}", [tools, speaker]) for i in range(2, PODS)]
        truth = Truth()
        truth.listener(server, "echo", ECHO)
        for pod in both:
            for i in range(2):
                truth.listener(pod, f"local-{i}", LOCAL + i)

        path = f"{self.said}/out.pcapng"
        capture = self.capture("-w", path, "--all-pods")
        self.addCleanup(pathlib.Path(f"{self.said}/enough").touch)
        there = [(server.ip, ECHO), (server.ip6, ECHO)]
        for pod in pods:
            said = self.speaks(pod, pod.name, 0, *there[0], *there[1])
            truth.speaker(pod, said, (pod.ip, pod.ip6), there)
        here = [(address, LOCAL + i) for i, address in enumerate(LOOPBACKS)]
        for pod in both:
            said = self.speaks(pod, f"{pod.name}-lo", OWN, *here[0], *here[1])
            truth.speaker(pod, said, LOOPBACKS, here)
        nginx = Nginx(server)
        curled = {pod.name: self.pool.submit(self.curls, pod, server, pod in both) for pod in pods}
        for pod in pods:
            servers = {server.ip: nginx, server.ip6: nginx}
            if pod in both:
                servers.update(dict.fromkeys(LOOPBACKS, Nginx(pod)))
            truth.curls(pod, curled[pod.name].result(), servers)
        pathlib.Path(f"{self.said}/enough").touch()
        for each in self.speaking:
            each.result()
        self.mark("end", path, pod=pods[0])
        self.stop(capture)
        shown = self.plugin_rows(path, "tcp || udp", SHOWN)
        return File(path), os.path.getsize(path), shown, truth

    def curls(self, pod, server, at_home):
        urls = [f"http://{server.ip}:{HTTP}/", f"http://[{server.ip6}]:{HTTP}/"]
        if at_home:
            urls += [f"http://127.0.0.1:{HTTP}/", f"http://[::1]:{HTTP}/"]
        argv = ["sh", "-c", CURLS, str(20 // len(urls)), *urls]
        return pod.exec("tools", argv, timeout_s=120)

    # What is asked

    def judged(self):
        """(place in the file, frame, end, truth) of each."""
        answered = set()
        for place, frame, what, end in frames_of(self.recorded):
            if what.payload.startswith(b"HTTP/1.1 200") and end.port == HTTP:
                answered.add(end)
            yield place, frame, end, self.truth.of(end, end in answered)

    def test_all_took_part(self):
        self.assertEqual(len(self.truth.answering), 200)
        found = {end for _, _, end, _ in self.judged()}
        self.assertEqual(set(self.truth.ends) - found, set())
        self.assertEqual([end for _, _, end, right in self.judged() if not right], [])

    def test_process_of_each_frame(self):
        count = collections.Counter()
        for _, frame, end, (_, _, owners) in self.judged():
            said = owner(frame)
            verdict = "right" if said in owners else "unknown" if said == NOBODY else "wrong"
            count[verdict] += 1
            if verdict == "wrong":
                print(f"{end} is of {said}, not of {owners}")
        print(f"{count.total()} frames: {dict(count)}")
        self.assertGreater(count.total(), 4000)
        self.assertEqual(count["wrong"], 0)
        self.assertGreaterEqual(count["right"], 0.999 * count.total())

    def test_pod_and_container_of_each_frame(self):
        described = processes(self.recorded)
        for _, frame, end, (pod, container, _) in self.judged():
            self.assertIn(end.address, (pod.ip, pod.ip6, *LOOPBACKS), end)
            self.assertEqual(described[owner(frame)]["container"], container, end)
            identity = pod.containers[container]
            self.assertEqual(described[owner(frame)]["container_id"], identity, end)
            if CONTAINER in frame.tlvs:  # not of what is older than the capture
                self.assertEqual(frame.tlvs[CONTAINER].hex(), identity[:12], end)

    def test_shown_by_the_plugin(self):
        shown = {int(row["frame.number"]): row for row in self.shown}
        for place, frame, end, (pod, container, _) in self.judged():
            row = shown[place + 1]
            self.assertEqual(
                [row[field] for field in SHOWN[1:]],
                [SPACE, pod.name, container, str(owner(frame)[0])], end)

    def test_bytes_of_each_frame(self):
        """With all that is told once: pods, processes, names."""
        frames = self.recorded.packets()
        alone = sum(ALONE + (len(frame.data) + 3 & ~3) for frame in frames)
        added = (self.size - alone) / len(frames)
        told = len(processes(self.recorded))
        print(f"{len(frames)} frames, {told} processes: {added:.1f} bytes for each frame")
        self.assertLessEqual(added, MOST)

    def test_each_process_is_described_once(self):
        """Again only when there is more to say: its container's name, another program."""
        told = collections.Counter(
            frame.data[frame.data.index(b"{") :] for frame in
            self.recorded.of("stratoshark-events"))
        again = [text for text, count in told.items() if count > 1 and b'"process"' in text]
        self.assertEqual(again, [])
