#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Captures with keys, and with plaintext, as a node made them (tests/node/make_tls_captures.py):
what tshark shows of them, with the plugin of STRATOCAP_PLUGIN; whatever its version."""

import collections
import os
import shutil
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "plugin"))

from tshark import Tshark, plugin_path  # noqa: E402

CAPTURES = os.path.join(HERE, "..", "pcaps", "tls")
HTTP1, HTTP2 = ("http1", "http1-tls12"), ("http2",)


def paths(kinds):
    numbers = [f"/n/{kind}/{number}" for kind in kinds for number in range(3)]
    return collections.Counter(numbers + ["/bytes/16385"] * len(kinds))


class CapturesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tshark = Tshark(plugin_path())
        cls.addClassCleanup(cls.tshark.close)
        cls.folder = cls.tshark.home
        for name in os.listdir(CAPTURES):
            if name.endswith((".pcap", ".keys", ".pcapng")):
                shutil.copy(os.path.join(CAPTURES, name), cls.folder)
        cls.tshark.own()

    def values(self, name, field, rule, *options):
        """One for each time that the field is shown."""
        done = self.tshark.run("-r", name, *options, "-Y", rule, "-T", "fields", "-E",
                               "occurrence=a", "-E", "aggregator=|", "-e", field)
        self.assertEqual(done.returncode, 0, done.stderr)
        return collections.Counter(value for line in done.stdout.splitlines() if line
                                   for value in line.split("|"))

    def check(self, name, *options):
        self.assertEqual(self.values(name, "http.request.uri", "http.request", *options),
                         paths(HTTP1))
        self.assertEqual(self.values(name, "http2.headers.path", "http2", *options), paths(HTTP2))
        self.assertEqual(self.values(name, "http.response.code", "http", *options), {"200": 8})
        self.assertEqual(self.values(name, "http2.headers.status", "http2", *options), {"200": 4})

    def test_keys(self):
        """In one pass, as live, and in two, as Wireshark does."""
        for options in ((), ("-2",)):
            with self.subTest(options=options):
                self.check("keys.pcapng", *options)

    def test_plaintext(self):
        for options in ((), ("-2",)):
            with self.subTest(options=options):
                self.check("plaintext.pcapng", *options)

    def test_the_plugin_knows_the_pod(self):
        for name in ("keys.pcapng", "plaintext.pcapng"):
            with self.subTest(name):
                pods = self.values(name, "stratoshark.pod", "http or http2")
                self.assertEqual(set(pods), {"nginx"})

    def test_nothing_is_malformed(self):
        rule = "_ws.malformed or tcp.analysis.lost_segment or tls.alert_message"
        for name in ("keys.pcapng", "plaintext.pcapng"):
            with self.subTest(name):
                found = self.values(name, "frame.number",
                                    f"({rule}) and not tls.alert_message.desc == 0")
                self.assertFalse(found)

    def test_bodies(self):
        for name in ("keys.pcapng", "plaintext.pcapng"):
            with self.subTest(name):
                lengths = self.values(name, "http.content_length", "http.response")
                self.assertEqual(lengths["16385"], 2)
                data = self.values(name, "http2.body.reassembled.length", "http2")
                self.assertEqual(data["16385"], 1, data)

    def test_key_logs(self):
        """Handshakes of every kind, with the lines that the applications wrote, put in front."""
        if not shutil.which("editcap"):
            self.skipTest("editcap is missing: install the package wireshark-common")
        for name in sorted(os.listdir(CAPTURES)):
            base, end = os.path.splitext(name)
            if end != ".keys":
                continue
            with self.subTest(base):
                made = os.path.join(self.folder, f"{base}-with-keys.pcapng")
                subprocess.run(["editcap", "--inject-secrets",
                                f"tls,{os.path.join(CAPTURES, name)}",
                                os.path.join(CAPTURES, f"{base}.pcap"), made], check=True)
                os.chmod(made, 0o644)
                # Both ends' Finished, which nobody sees who can't decrypt.
                found = self.values(made, "tls.handshake.type", "tls.handshake.type == 20")
                self.assertGreaterEqual(found["20"], 2)


if __name__ == "__main__":
    unittest.main()
