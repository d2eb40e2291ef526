# SPDX-License-Identifier: GPL-2.0-or-later
"""Which container each frame is of, in pods that have several, of servers and connections that are
older than the capture, and younger. The truth is what the processes say of themselves."""

import collections
import contextlib
import pathlib

from . import tls_images
from .capture import CONTAINER, IN, CaptureTest, File
from .harness import Container, wait_until
from .processes import (MOUNTS, NOBODY, TCP, UDP, numbers, owner, packet, processes, says, talk)

SPACE = "containers"
PODS = 3
SERVERS = {"front": 7000, "back": 7001}  # containers of each pod, and where they listen

# One end of a connection: whose it is depends on the peer, too, unless it is a server's.
End = collections.namedtuple("End", "pod protocol port peer peer_port", defaults=(None, None))
Owner = collections.namedtuple("Owner", "pod container process")


class ContainersTest(CaptureTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        tls_images.add(cls.node, "python")

    def setUp(self):
        super().setUp()
        self.said, self.truth, self.spoken = self.folder(), {}, 0
        self.addCleanup(self.silence)
        self.pods = [self.pair(f"pair-{i}") for i in range(PODS)]

    # The scene

    def pair(self, name):
        """A pod of two servers."""
        mounts = [*MOUNTS, (self.said, "/said", False)]
        pod = self.pod(SPACE, name, [
            Container(each, "python", mounts=mounts, command=talk("serve", "", port))
            for each, port in SERVERS.items()])
        for each, port in SERVERS.items():
            process = says(pod, each)
            for protocol in (TCP, UDP):
                self.truth[End(name, protocol, port)] = Owner(pod, each, process)
        return pod

    def speaks(self, pod, container, *servers):
        """A client in there, until silence()."""
        self.spoken += 1
        words = [word for address, port in servers for word in (address, str(port))]
        command = " ".join(talk("speak", 5, "/said/enough", 0, *words))
        pod.exec(container, ["sh", "-c", f"{command} >/said/{self.spoken} 2>&1 &"])
        process, *ports = self.heard(str(self.spoken), 2 * len(servers))
        peers = [peer for peer in servers for _ in (TCP, UDP)]
        for protocol, port, peer in zip((TCP, UDP) * len(servers), ports, peers):
            self.truth[End(pod.name, protocol, port, *peer)] = Owner(pod, container, process)

    def heard(self, name, ports):
        """Process and ports in a file that a process writes."""
        def told():
            with contextlib.suppress(FileNotFoundError):
                words = pathlib.Path(f"{self.said}/{name}").read_text(encoding="utf-8").split()
                return words if len(words) == 2 + ports else None
            return None

        words = wait_until(told, f"'{name}' to speak")
        return numbers(" ".join(words)), *map(int, words[2:])

    def silence(self):
        """Who speaks comes to an end."""
        pathlib.Path(f"{self.said}/enough").touch()

    def everybody_speaks(self):
        """Each container asks both of the next pod, and the other one of its own."""
        for pod, other in zip(self.pods, [*self.pods[1:], self.pods[0]]):
            for container, address, local in (("front", other.ip, ("127.0.0.1", SERVERS["back"])),
                                              ("back", other.ip6, ("::1", SERVERS["front"]))):
                there = [(address, port) for port in SERVERS.values()]
                self.speaks(pod, container, *there, local)

    def play(self, *words):
        """A capture that begins while all speak; then more do, also of a pod that comes."""
        path = self.file()
        self.everybody_speaks()
        capture = self.capture("--namespace", SPACE, *words, "-w", path)
        self.everybody_speaks()
        self.pods.append(self.pair("late"))
        self.everybody_speaks()
        self.silence()
        self.mark("end", path, pod=self.pods[0])
        self.stop(capture)
        return File(path)

    # What is asked

    def ends(self, file):
        """(frame, packet, whose it is, as that process says)"""
        for frame in file.frames:
            interface = file.interfaces[frame.interface]
            _, _, name = interface.name.partition(f":{SPACE}/")
            what = packet(frame, interface.link_type == 1) if name else None
            if not what or what.protocol not in (TCP, UDP):
                continue
            own, peer = (what.dport, (what.source, what.sport))
            if frame.direction != IN:
                own, peer = (what.sport, (what.destination, what.dport))
            end = End(name.split("/")[0], what.protocol, own)
            yield frame, what, self.truth.get(end) or self.truth[end._replace(
                peer=peer[0], peer_port=peer[1])]

    def assert_all_right(self, file):
        """No frame names another process or container, or a process alone. Nobody's are only the
        last ones of connections that are older than the capture, which the kernel answers."""
        described, count, nobody, wrong = processes(file), 0, 0, []
        for frame, what, right in self.ends(file):
            identity = right.pod.containers[right.container]
            said = owner(frame), frame.tlvs.get(CONTAINER, b"").hex()
            count += 1
            if said[0] == NOBODY and what.protocol == TCP and not what.payload:
                nobody += 1
            elif said != (right.process, identity[:12]):
                wrong.append((frame.direction, *what[:6], said, right.container, right.process))
            elif described[right.process].get("container_id") != identity:
                wrong.append(described[right.process])
        self.assertEqual(wrong[:10], [], f"{len(wrong)} of {count}")
        self.assertGreater(count, 1000)
        self.assertLessEqual(nobody, count // 500)

    def test_each_frame_of_a_namespace(self):
        file = self.play()
        self.assert_all_right(file)
        self.assertEqual({right.pod.name for _, _, right in self.ends(file)},
                         {pod.name for pod in self.pods})

    def test_one_container_of_each_pod(self):
        """Both ends of what it says and hears, and nothing else."""
        file = self.play("--container", "back")
        self.assert_all_right(file)
        devices = [right for frame, _, right in self.ends(file)
                   if not file.interfaces[frame.interface].name.endswith("/lo")]
        self.assertEqual({right.pod.name for right in devices}, {pod.name for pod in self.pods})
        self.assertEqual({right.container for right in devices}, {"back"})
