# SPDX-License-Identifier: GPL-2.0-or-later
"""Which process each frame is of. The truth is what the processes say of themselves."""

import json
import struct

from .capture import CONTAINER, PROCESS, SPACE, CaptureTest, File
from .harness import Container, tshark_rows, wait_until

PROC = ("/proc", "/hostproc", True)  # so that a process can learn its number on the node
# A shell that says who it is (pid on the node, start) and becomes the program that follows.
SAY = 'read pid rest </hostproc/self/stat; set -- $pid $rest; echo $1 ${22}; '
NOBODY = (0, 0)


def say(words):
    return ["sh", "-c", f"{SAY} exec {words}"]


def numbers(said):
    return tuple(map(int, said.split()[:2]))


def owner(frame):
    """(pid, start)"""
    return struct.unpack("<II", frame.tlvs[PROCESS])


def container_of(frame):
    return frame.tlvs.get(CONTAINER, b"").hex()


class ProcessesTest(CaptureTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.client = cls.class_pod(
            SPACE, "processes", [Container("tools", "tools", mounts=[PROC]),
                                 Container("other", "tools", mounts=[PROC])])

    def described(self, file):
        """{(pid, start): its last description}"""
        frames = file.of("stratoshark-events")
        events = [json.loads(frame.data[frame.data.index(b"{") :]) for frame in frames]
        return {(each["pid"], each["start"]): each for each in events
                if each["event"] == "process"}

    def wait_rows(self, path, display_filter, count=1):
        wait_until(lambda: len(tshark_rows(path, ["frame.number"], display_filter,
                                           complete=False)) >= count, display_filter)

    def test_clients_of_two_containers(self):
        path = self.file()
        capture = self.capture("-w", path, "--verbose", pod=self.client)
        truth = {}
        for name in ("tools", "other"):
            words = say(f"curl -s -o /dev/null {self.web.url('/' + name)}")
            truth[numbers(self.client.exec(name, words))] = name
        self.wait_rows(path, "http.response", 2)
        self.stop(capture)
        open("/tmp/attr.err","w").write(capture.stderr)
        file = File(path)
        for process, name in truth.items():
            identity = self.client.containers[name]
            frames = [each for each in file.of("/processes") if owner(each) == process]
            self.assertGreater(len(frames), 8)
            self.assertEqual({container_of(each) for each in frames}, {identity[:12]})
            said = self.described(file)[process]
            self.assertEqual((said["comm"], said["executable"], said["pod"]),
                             ("curl", "/usr/bin/curl", "processes"))
            self.assertEqual((said["container"], said["container_id"]), (name, identity))
        tcp = [each for each in file.of("/processes") if each.data[23:24] == b"\6"]
        self.assertEqual([each for each in tcp if owner(each) not in truth], [])
        # Whoever reads from the front knows each one before its first frame.
        first = file.of("stratoshark-events")[0]
        self.assertLess(file.frames.index(first), file.frames.index(tcp[0]))
        print(capture.stderr)
