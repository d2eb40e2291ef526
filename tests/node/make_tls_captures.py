# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes tests/pcaps/tls/*.pcapng, which tests/tls/test_captures.py judges with any Wireshark:
    sudo STRATOCAP_PROGRAM=build/cli/stratoshark /usr/bin/python3 -m unittest tests.node.make_tls_captures
"""

import os

from .tls import PLAIN, TLS12, TlsTest

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "pcaps", "tls")
KINDS = (("http1", "--http1.1", PLAIN), ("http1-tls12", "--http1.1", TLS12),
         ("http2", "--http2", PLAIN))  # fmt: skip


class Captures(TlsTest):
    def make(self, name, *words):
        path = os.path.join(FOLDER, name)
        if os.path.exists(path):
            os.unlink(path)
        capture = self.capture("-w", path, *words)
        paths = []
        for kind, word, port in KINDS:
            mine = [f"/n/{kind}/{number}" for number in range(3)] + ["/bytes/16385"]
            self.curl_all(mine, word, port=port)
            paths += mine
        self.wait_shown(capture, path, paths)
        self.stop(capture)

    def test_keys(self):
        self.make("keys.pcapng", "--ssl-keylog")

    def test_plaintext(self):
        self.make("plaintext.pcapng", "--ssl-plaintext")
