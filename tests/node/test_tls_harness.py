# SPDX-License-Identifier: GPL-2.0-or-later
"""What tests of TLS stand on: with its own key log, each application's traffic is shown by tshark
from tcpdump's file. No stratoshark in here: when these fail, the ground is missing."""

import collections

from .harness import tshark_rows
from .tls import (
    IDS,
    MUTUAL,
    PLAIN,
    RETRY,
    TLS12,
    UNTIL_CLOSE,
    Held,
    TlsTest,
    digest,
    exported,
    key_lines,
    needed,
    numbered,
    read,
)
from .tls_apps import APPLICATIONS
from .tls_images import SIZES


class TruthTest(TlsTest):
    def judge(self, act, wanted, pod=None, options=()):
        """tcpdump in the pod while act() runs, until it shows what is wanted; act returns logs."""
        path = self.file("truth.pcap")
        judge = self.tcpdump(path, pod=pod, words=["tcp"])
        log = self.file("truth.keys")
        with open(log, "w", encoding="utf-8") as file:
            file.write("".join(map(read, act())))
        options = ["-o", f"tls.keylog_file:{log}", *options]
        self.wait_shown(judge, path, wanted, options)
        self.stop_tcpdump(judge)
        return path, options

    def curled(self, port, *words):
        def act():
            log, truth = self.key_log()
            self.curl_all(numbered(3), *words, log=log, port=port)
            return [truth]

        return self.judge(act, numbered(3))

    def values(self, judged, field, rule="tls"):
        return {row[field] for row in tshark_rows(judged[0], [field], rule, judged[1])}

    def test_http1_and_http2_of_nginx(self):
        for word in ("--http1.1", "--http2"):
            with self.subTest(word):
                judged = self.curled(PLAIN, word)
                kinds = self.values(judged, "tls.handshake.extensions_alpn_str")
                self.assertIn({"--http1.1": "http/1.1", "--http2": "h2"}[word], kinds)

    def test_tls_1_2(self):
        judged = self.curled(TLS12, "--http1.1")
        rule = "tls.handshake.type == 2 && !tls.handshake.extensions.supported_version"
        self.assertEqual(self.values(judged, "tls.handshake.version", rule), {"0x0303"})

    def test_hello_retry_request(self):
        judged = self.curled(RETRY)
        rule = "tls.handshake.random == cf:21:ad:74:e5:9a:61:11:be:1d:8c:02:1e:65:b8:91:c2:a2:11:" \
            "16:7a:bb:8c:5e:07:9e:09:e2:c8:a8:33:9c"
        self.assertTrue(self.values(judged, "frame.number", rule))

    def test_client_certificates(self):
        words = ["--cert", "/tls/client.pem", "--key", "/tls/client.key"]
        judged = self.curled(MUTUAL, *words)
        self.assertTrue(self.values(judged, "frame.number", "tls.handshake.type == 13"))

    def test_resumption(self):
        """Both ways of TLS 1.2, and the one of 1.3."""
        for port, rule, word in (
            (PLAIN, "tls.handshake.type == 2 && tls.handshake.extension.type == 41", "-tls1_3"),
            (TLS12, "tls.handshake.type == 1 && tls.handshake.extension.len > 100", ""),
            (IDS, "tls.handshake.type == 1 && tls.handshake.session_id_length > 0", ""),
        ):
            with self.subTest(port=port):

                def act():
                    log, truth = self.key_log()
                    self.resume("/n/1", "/n/2", log=log, port=port, word=word)
                    return [truth]

                judged = self.judge(act, ["/n/1", "/n/2"])
                self.assertTrue(self.values(judged, "frame.number", rule))

    def test_a_held_connection(self):
        def act():
            truth = self.key_log()[1]
            held = Held(self.web.ip, PLAIN, truth)
            self.addCleanup(held.close)
            for path in numbered(3):
                self.assertEqual(held.get(path), (200, f"answer to {path}\n".encode()))
            return [truth]

        self.judge(act, numbered(3))

    def test_bodies_of_nginx(self):
        def act():
            log, truth = self.key_log()
            self.curl_all(paths, "--http1.1", log=log)
            return [truth]

        paths = [f"/bytes/{size}" for size in SIZES]
        path, options = self.judge(act, paths)
        found = exported(path, f"{self.folder()}/objects", options)
        self.assertEqual(found, collections.Counter(map(digest, SIZES)))

    def test_many_connections_at_once(self):
        def act():
            log, truth = self.key_log()
            self.curl_all(numbered(100), *self.PARALLEL, log=log)
            self.assertEqual(len(needed(key_lines(read(truth)))), 400)
            return [truth]

        self.judge(act, numbered(100))

    def application(self, name):
        application = APPLICATIONS[name]
        server, served = self.serve(application)
        client = self.asking(application)
        paths = numbered(5)
        if application.bodies:
            paths = paths + [f"/bytes/{size}" for size in SIZES] + ["/post/1", "/post/100000"]
        end = () if application.bodies else UNTIL_CLOSE
        for h2 in (False, True) if application.h2 else (False,):
            with self.subTest(h2=h2):

                def act():
                    said, truth = self.ask(application, client, server, paths, h2)
                    if application.bodies:
                        for size in SIZES:
                            self.assertIn(f"{digest(size)} /bytes/{size}", said)
                    both = {name: needed(key_lines(read(name))) for name in (truth, served)}
                    self.assertTrue(both[truth])
                    self.assertLessEqual(both[truth], both[served])
                    return [truth]

                self.judge(act, paths, server, end)


def _application_test(name):
    def test(self):
        self.application(name)

    return test


for _name in APPLICATIONS:
    setattr(TruthTest, f"test_{_name.replace('-', '_').replace('.', '_')}", _application_test(_name))
