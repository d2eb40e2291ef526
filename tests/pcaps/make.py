#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes the golden captures of the plugin tests, here or in the folder given:  make.py [FOLDER]

The captures are checked in; this script says what is in them and why. Made again they are the
same, byte for byte (test_plugin.py checks that).
"""

import json
import os
import sys

from pcapng import (IN, LINKTYPE_UPPER_PDU, LOCAL, OUT, PEN, Capture, metadata, pdu, tcp, tlv, udp)

API = ("pod=api; namespace=production; container=web; device=eth0; node=n1; runtime=containerd; "
       "uid=0b5c1d5e-7a50-4f5e-9c0e-2f0a8a1f0001; hook=netns/tcx")
API_LO = API.replace("device=eth0", "device=lo")
DB = ("pod=db; namespace=payments; container=postgres,metrics; device=eth0; node=n1; "
      "runtime=cri-o; uid=0b5c1d5e-7a50-4f5e-9c0e-2f0a8a1f0002; hook=veth/clsact")
WEB6 = "pod=web6; namespace=staging; container=nginx; device=net1; node=n2; hook=netns/tcx"


def pods():
    """Several pods, devices, directions; frames with more, less and nothing of ours."""
    c = Capture()
    api = c.interface("stratoshark-pod:production/api", API)
    api_lo = c.interface("stratoshark-pod:production/api/lo", API_LO)
    db = c.interface("stratoshark-pod:payments/db", DB)
    web6 = c.interface("stratoshark-pod:staging/web6/net1", WEB6)
    bare = c.interface("stratoshark-pod:tools/shell")
    host = c.interface("ens3", "device=ens3; node=n1; hook=tcx")
    other = c.interface("eth7", "An interface of another program")

    full = dict(netns=4026532001, container="0123456789ab", cgroup=8589934592123)
    # 1-3: a full option, both directions; only a direction on lo
    c.frame(api, udp("10.0.0.1", "10.0.0.2"), 0x6, [metadata(OUT, **full)])
    c.frame(api, udp("10.0.0.2", "10.0.0.1", b"answer"), 0x5, [metadata(IN, **full)])
    c.frame(api_lo, udp("127.0.0.1", "127.0.0.1"), None, [metadata(LOCAL)])
    # 4: several containers: which one is not known
    c.frame(db, udp("10.0.0.3", "10.0.0.1"), 0x6, [metadata(OUT, netns=4026532002)])
    # 5: IPv6
    c.frame(web6, udp("fd00::6", "fd00::7"), 0x6, [metadata(OUT)])
    # 6-7: no option: the direction is that of epb_flags, or unknown
    c.frame(api, udp("10.0.0.2", "10.0.0.1"), 0x5)
    c.frame(api, udp("10.0.0.2", "10.0.0.1"))
    # 8: an interface without description: the name tells
    c.frame(bare, udp("10.0.0.9", "10.0.0.1"), 0x6, [metadata(OUT)])
    # 9: a device of the host, with an option
    c.frame(host, udp("192.0.2.1", "192.0.2.2"), None, [metadata(IN, cgroup=77)])
    # 10-11: not ours: nothing must appear
    c.frame(host, udp("192.0.2.1", "192.0.2.2"))
    c.frame(other, udp("192.0.2.1", "192.0.2.2"), 0x5)
    # 12: others use the documentation PEN too, here and next to ours (13)
    theirs = PEN.to_bytes(4, "little") + b"not ours"
    c.frame(other, udp("192.0.2.1", "192.0.2.2"), None, [theirs])
    c.frame(api, udp("10.0.0.1", "10.0.0.2"), 0x6,
            [theirs, (1, b"a comment"), (2988, PEN.to_bytes(4, "little") + b"ST text"),
             (10949).to_bytes(4, "little") + bytes(8), metadata(OUT)])
    # 14: types of a later version, padding between
    c.frame(api, udp("10.0.0.1", "10.0.0.2"), None,
            [metadata(extra=b"\0\0" + tlv(200, b"later") + b"\0" + tlv(1, b"\x02") +
                      tlv(201, b"") + b"\0")])
    # 15: a direction of a later version
    c.frame(api, udp("10.0.0.1", "10.0.0.2"), None, [metadata(9)])
    return c


def malformed():
    """Options that end early or lie about lengths: frame 1 is whole, all others are malformed."""
    c = Capture()
    api = c.interface("stratoshark-pod:production/api", API)
    other = c.interface("eth7")
    whole = metadata(OUT, 4026532001, "0123456789ab", 77)
    c.frame(api, udp("10.0.0.1", "10.0.0.2"), None, [whole])
    items = len(whole) - 6
    # Every cut inside an item; a cut between two is a whole option (not in this file).
    for cut in (c2 for c2 in range(1, items) if c2 not in (3, 9, 17)):
        c.frame(api, udp("10.0.0.1", "10.0.0.2"), None, [whole[:6 + cut]])
    for bad in (tlv(1, b""), tlv(1, b"\x01\x02"), tlv(2, b"\x01\x02\x03"), tlv(3, b"12345"),
                tlv(4, bytes(9)), b"\xff", b"\xff\xff", b"\x01\xff\x01"):
        c.frame(api, udp("10.0.0.1", "10.0.0.2"), None, [metadata(extra=bad)])
    c.frame(other, udp("10.0.0.1", "10.0.0.2"), None, [metadata(IN, extra=b"\x02\x04")])
    return c


def short():
    """Options too short to be ours, or empty: never malformed, never shown."""
    c = Capture()
    other = c.interface("eth7")
    pen = PEN.to_bytes(4, "little")
    for value in (pen, pen + b"S", pen + b"TS", pen + b"S\0", b"\0\0\0\0ST\x01\x01\x01"):
        c.frame(other, udp("10.0.0.1", "10.0.0.2"), None, [value])
    return c


def hostile():
    """Names no Kubernetes would give out, one frame each."""
    c = Capture()
    long = "a" * 60000
    for name, description in (
            ("stratoshark-pod:ns/esc", "pod=a%3Bb%3Dc%25d; namespace=x%0Ay%1B[31m; container=%2C"),
            ("stratoshark-pod:ns/bad", "pod=%; namespace=%4; container=%zz,%"),
            ("stratoshark-pod:ns/nul", "pod=a%00b; namespace=%00"),
            ("stratoshark-pod:ns/utf8", b"pod=\xff\xfe%C3%28; namespace=%C3%A9t%C3%A9"),
            ("stratoshark-pod:ns/long", f"pod={long}; namespace=ns"),
            ("stratoshark-pod:ns/many",
             "pod=many; namespace=ns; container=" + ",".join(f"c{i}" for i in range(5000))),
            ("stratoshark-pod:ns/twice", "pod=first; pod=second; namespace=; =x; ;;; novalue"),
            ("stratoshark-pod:", "pod"),
            ("stratoshark-pod:/", "=;=;="),
            ("stratoshark-pod:ns", ""),
            ("stratoshark-pod:///x/y/z", None),
            (b"stratoshark-pod:\xff\x01/\x1b[0m", None),
            ("stratoshark-pod:" + long, None),
            ("stratoshark-pod:ns/%s%n%x", "pod=%25s%25n%25s%25s; namespace=%s%n")):
        c.frame(c.interface(name, description), udp("10.0.0.1", "10.0.0.2"), None, [metadata(OUT)])
    return c


def plaintext():
    """What processes said through TLS: an interface of its own, pid and comm beside the frame."""
    c = Capture()
    tls = c.interface("stratoshark-ssl-plaintext:production/api",
                      API.replace("device=eth0; ", "").replace("netns/tcx", "tls"))
    bare = c.interface("stratoshark-ssl-plaintext:tools/shell")
    process = tlv(6, (4711).to_bytes(4, "little"))
    c.frame(tls, udp("10.0.0.1", "10.0.0.2"), 0x2,
            [metadata(OUT, extra=process + tlv(7, b"nginx".ljust(16, b"\0")))])
    # 2: sixteen bytes are not terminated; 3: no UTF-8
    c.frame(bare, udp("10.0.0.1", "10.0.0.2"), 0x1,
            [metadata(IN, extra=process + tlv(7, b"x" * 16))])
    c.frame(bare, udp("10.0.0.1", "10.0.0.2"), None,
            [metadata(extra=tlv(7, b"\xff\x1b[0m".ljust(16, b"\0")))])
    # 4: the wrong length
    c.frame(bare, udp("10.0.0.1", "10.0.0.2"), None, [metadata(OUT, extra=tlv(7, b"short"))])
    return c


def event(**members):
    return json.dumps({"schema": 1, "time": "2026-01-01T00:00:00.000000000Z", **members},
                      ensure_ascii=False).encode()


def events():
    """Events of ours (1-4), ones that cannot be read (5-8), records of others (9-12)."""
    c = Capture()
    i = c.interface("stratoshark-events", "node=n1", LINKTYPE_UPPER_PDU)
    text = "pod production/api started"
    c.frame(i, pdu(event(event="pod-started", namespace="production", pod="api", node="n1",
                         uid="u-1", containers=["web"],
                         interface="stratoshark-pod:production/api", message=text),
                   info=text.encode()))
    text = "pod production/api is gone"
    c.frame(i, pdu(event(event="pod-gone", namespace="production", pod="api", message=text),
                   info=text.encode()))
    # 3: escapes, a surrogate pair, members before and after nested values
    c.frame(i, pdu(b' {"nested": {"pod": "wrong", "a": [1, {"b": "]"}]}, "pod": "q\\"\\u00e9'
                   b'\\ud83e\\udd88\\n", "event" : "pod-started", "n": -1.5e3, "t": true,'
                   b'"message":"tab\\there"} ', info=b"escapes"))
    # 4: no message: the event's name is the line
    c.frame(i, pdu(b'{"event":"interface-gone"}', info=b"x"))
    for bad in (b'{"event":"cut", "message":"not fini', b"", b"[" * 4000 + b"]" * 4000,
                b'{"message":"lone \\ud800 \\u12 \\q \\u0000","pod":"x"} trailing'):
        c.frame(i, pdu(bad, info=b"bad"))
    c.frame(i, pdu(b'{"not": "ours"}', protocol=b"Other", info=b"another program"))
    c.frame(i, pdu(b'{"not": "ours"}', protocol=b"", info=b""))
    c.frame(i, pdu(b'{"not": "ours"}', protocol=b"StratoSharkTank"))
    c.frame(i, b"\x00\x21\xff\xff" + b"StratoShark")
    # 13: a TLS connection that stays dark
    c.frame(i, pdu(event(event="tls-connection", namespace="production", pod="api",
                         message="TLS stays dark", tls_state="unsupported",
                         tls_reason="pid 7 (java): Java (JSSE): no", client="10.0.0.1:40000",
                         server="[fd00::7]:443", server_name="db.example", alpn="h2"),
                   info=b"TLS stays dark"))
    # 14: a DNS exchange that failed
    c.frame(i, pdu(event(event="dns-failure", namespace="production", pod="api",
                         message="DNS NXDOMAIN: db.example A", dns_failure="NXDOMAIN",
                         dns_name="db.example", dns_type="A", dns_server="10.96.0.10:53",
                         dns_client="10.0.0.1:40000", dns_transport="udp", dns_rcode="NXDOMAIN",
                         dns_latency_ns=1200000, dns_queries=2),
                   info=b"DNS NXDOMAIN: db.example A"))
    return c


def sections():
    """Two captures in one file: interface 0 of each is another pod."""
    c = Capture()
    c.frame(c.interface("stratoshark-pod:production/api", API), udp("10.0.0.1", "10.0.0.2"),
            None, [metadata(OUT)])
    c.section()
    c.frame(c.interface("stratoshark-pod:payments/db", DB), udp("10.0.0.3", "10.0.0.1"),
            None, [metadata(IN)])
    return c


def redirects():
    """Frames that name the proxy to which they were redirected."""
    c = Capture()
    lo = c.interface("stratoshark-pod:production/api/lo", API_LO)
    # 1-2: in place of the network namespace; behind it, in the padding
    c.frame(lo, udp("10.0.0.1", "10.9.9.9"), None,
            [metadata(LOCAL, extra=tlv(5, b"\x99\x3a") + b"\0\0" +
                      tlv(3, bytes.fromhex("0123456789ab")) + b"\0")])
    c.frame(lo, udp("10.9.9.9", "10.0.0.1"), None,
            [metadata(LOCAL, netns=4026532001, redirect=15001, extra=bytes(5))])
    # 3: not redirected; 4: of the wrong length
    c.frame(lo, udp("127.0.0.1", "127.0.0.1"), None, [metadata(LOCAL, netns=4026532001)])
    c.frame(lo, udp("127.0.0.1", "127.0.0.1"), None, [metadata(extra=tlv(5, b"\x99"))])
    return c


def context():
    """Frames that are there for the sake of others: the mark is in the type of what it stands in."""
    c = Capture()
    api = c.interface("stratoshark-pod:production/api", API)
    lo = c.interface("stratoshark-pod:production/api/lo", API_LO)
    c.frame(api, udp("10.0.0.1", "10.0.0.2"), 0x2, [metadata(extra=tlv(0x81, bytes([OUT])) + b"\0")])
    c.frame(api, udp("10.0.0.2", "10.0.0.1"), 0x1, [metadata(IN)])
    c.frame(lo, udp("10.0.0.1", "10.9.9.9"), None, [metadata(extra=tlv(0x85, b"\x99\x3a"))])
    # 4: of the wrong length; 5: a type that has no such mark
    c.frame(api, udp("10.0.0.1", "10.0.0.2"), 0x2, [metadata(extra=tlv(0x81, bytes(2)))])
    c.frame(api, udp("10.0.0.1", "10.0.0.2"), 0x2, [metadata(OUT, extra=tlv(0x83, bytes(6)))])
    return c


def describe(c, interface, kind, message, **members):
    """A description record."""
    c.frame(interface, pdu(event(event=kind, message=message, **members), info=message.encode()))


CLIENT, API_1, API_2, DB_ADDRESS = "10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::5"
SERVICE, DNS, NODE_1, NODE_2 = "10.96.0.10", "10.96.0.53", "192.168.1.1", "192.168.1.2"
OUTSIDE = "203.0.113.7"


def pod_interface(pod, uid, device="eth0", containers="tools"):
    return (f"pod={pod}; namespace=production; container={containers}; device={device}; node=n1; "
            f"runtime=containerd; uid={uid}; hook=netns")


def describe_cluster(c, events):
    for name, addresses in (("n1", [NODE_1]), ("n2", [NODE_2, "fd01::2"])):
        describe(c, events, "node", f"node {name}", node=name, addresses=addresses)
    describe(c, events, "pod", "pod production/client-x", namespace="production", pod="client-x",
             uid="u-client", node="n1", addresses=[CLIENT], containers=["tools"],
             container_ids={"0123456789ab": "tools"}, images={"tools": "registry.example/tools:1"},
             labels={"app": "client", "tier": "front"}, workload="Deployment/client")
    for number, address in ((1, API_1), (2, API_2)):
        describe(c, events, "pod", f"pod production/api-{number}", namespace="production",
                 pod=f"api-{number}", uid=f"u-api-{number}", node=f"n{number}",
                 addresses=[address], containers=["web", "proxy"],
                 container_ids={"aaaaaaaaaaaa": "web", "bbbbbbbbbbbb": "proxy"},
                 images={"web": "registry.example/api:1.2", "proxy": "envoy:1"},
                 labels={"app": "api"}, workload="Deployment/api")
    describe(c, events, "pod", "pod data/db-0", namespace="data", pod="db-0", uid="u-db",
             node="n2", addresses=[DB_ADDRESS, "10.0.1.5"], containers=["postgres"],
             workload="StatefulSet/db")
    describe(c, events, "pod", "pod kube-system/proxy-n1", namespace="kube-system",
             pod="proxy-n1", uid="u-proxy", node="n1", addresses=[NODE_1], host_network=True,
             workload="DaemonSet/proxy")
    endpoints = [{"address": API_1, "pod": "production/api-1", "ports": [8080]},
                 {"address": API_2, "pod": "production/api-2", "ports": [8080, 9090]}]
    describe(c, events, "service", "service production/api", namespace="production",
             service="api", uid="u-svc-api", type="NodePort", addresses=[SERVICE],
             ports=[{"name": "http", "protocol": "TCP", "port": 80, "node_port": 30080}],
             endpoints=endpoints)
    describe(c, events, "service", "service production/api-all", namespace="production",
             service="api-all", uid="u-svc-all", type="ClusterIP", addresses=[],
             ports=[{"name": "http", "protocol": "TCP", "port": 8080}], endpoints=endpoints)
    describe(c, events, "service", "service kube-system/dns", namespace="kube-system",
             service="dns", uid="u-svc-dns", type="ClusterIP", addresses=[DNS],
             ports=[{"name": "dns", "protocol": "UDP", "port": 53}], endpoints=[])


class Connection:
    """Both ends of a TCP connection, as one interface sees them."""

    def __init__(self, c, interface, client, port, server, server_port, out=True):
        self.c, self.interface, self.ends = c, interface, ((client, port), (server, server_port))
        self.seq, self.out = [1000, 5000], out

    def send(self, server, flags, payload=b"", after_us=1000, again=False):
        if again:
            self.seq[server] = (self.seq[server] - len(payload)) % 2**32
        options = [metadata(OUT if self.out != bool(server) else IN, container="0123456789ab")]
        a, b = self.ends[server], self.ends[not server]
        self.c.frame(self.interface, tcp(*a, *b, flags, self.seq[server], self.seq[not server],
                                         payload), None, options, after_us)
        self.seq[server] += len(payload) + ("S" in flags) + ("F" in flags)
        self.seq[server] %= 2**32

    def open(self, after_us=1000):
        self.send(0, "S")
        self.send(1, "SA", after_us=after_us)
        self.send(0, "A", after_us=50)

    def ask(self, answer_us):
        self.send(0, "PA", b"GET / HTTP/1.1\r\nHost: api\r\n\r\n")
        self.send(1, "PA", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", answer_us)


def cluster():
    """Pods, services, nodes described; frames between them before and after translation. The
    numbers of frames are those of the tests."""
    c = Capture()
    client = c.interface("stratoshark-pod:production/client-x",
                         pod_interface("client-x", "u-client"))
    api = c.interface("stratoshark-pod:production/api-1",
                      pod_interface("api-1", "u-api-1", containers="web,proxy"))
    lo = c.interface("stratoshark-pod:production/client-x/lo",
                     pod_interface("client-x", "u-client", "lo"))
    host = c.interface("ens3", "device=ens3; node=n1; hook=tcx")
    events = c.interface("stratoshark-events", "node=n1", LINKTYPE_UPPER_PDU)
    # 1: before the records that describe its ends
    c.frame(client, udp(CLIENT, API_1, b"early"), None, [metadata(OUT)])
    # 2-11
    describe_cluster(c, events)
    # 12-16: the client asks the service; 17-18: again, slower; 19: sent again
    service = Connection(c, client, CLIENT, 40001, SERVICE, 80)
    service.open()
    service.ask(5000)
    service.ask(20000)
    service.send(1, "PA", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", again=True)
    # 20-24: a connection to a pod, as the client sees it; 25-29: the same as the server does
    both = [Connection(c, client, CLIENT, 40002, API_1, 8080),
            Connection(c, api, CLIENT, 40002, API_1, 8080, out=False)]
    for connection in both:
        connection.open()
        connection.ask(3000)
    # 30-31: a port where nobody listens
    closed = Connection(c, client, CLIENT, 40003, API_2, 9090)
    closed.send(0, "S")
    closed.send(1, "RA")
    # 32-33: DNS
    c.frame(client, udp(CLIENT, DNS, b"q" * 12, 53), None, [metadata(OUT)])
    c.frame(client, udp(DNS, CLIENT, b"a" * 12, 40000, 53), None, [metadata(IN)], 7000)
    # 34: from outside to the port of a node, on a device of the host; 35: IPv6; 36: loopback
    c.frame(host, tcp(OUTSIDE, 50000, NODE_1, 30080, "S", 1))
    c.frame(client, udp("fd00::1", DB_ADDRESS), None, [metadata(OUT)])
    c.frame(lo, udp("127.0.0.1", "127.0.0.1"), None, [metadata(LOCAL)])
    # 37: to the outside; 38: a group; 39: the service's address, another port
    c.frame(client, udp(CLIENT, OUTSIDE), None, [metadata(OUT)])
    c.frame(client, udp(CLIENT, "224.0.0.251", port=5353), None, [metadata(OUT)])
    c.frame(client, udp(CLIENT, SERVICE, port=9), None, [metadata(OUT)])
    # 40: api-2 is replaced, its address belongs to another pod now; 41: before, 42: after
    c.frame(client, udp(CLIENT, API_2), None, [metadata(OUT)])
    describe(c, events, "pod", "pod staging/job-1", namespace="staging", pod="job-1",
             uid="u-job", node="n2", addresses=[API_2], workload="Job/job")
    c.frame(client, udp(CLIENT, API_2), None, [metadata(OUT)])
    # 43-44: the client's labels change
    describe(c, events, "pod", "pod production/client-x", namespace="production", pod="client-x",
             uid="u-client", node="n1", addresses=[CLIENT], containers=["tools"],
             labels={"app": "client", "tier": "back"}, workload="Deployment/client")
    c.frame(client, udp(CLIENT, API_1), None, [metadata(OUT)])
    return c


def nodes():
    """Two nodes' captures, merged by time: each describes another pod with the same address."""
    c = Capture()
    ends = []
    for node in ("n1", "n2"):
        pod = c.interface(f"stratoshark-pod:ns/client-{node}",
                          f"pod=client-{node}; namespace=ns; node={node}; uid=u-{node}")
        ends.append((node, pod, c.interface("stratoshark-events", f"node={node}",
                                            LINKTYPE_UPPER_PDU)))
    for node, _, events in ends:
        describe(c, events, "pod", "pod", namespace="ns", pod=f"server-{node}", uid=f"s-{node}",
                 addresses=["10.0.0.9"])
    for _, pod, _ in ends:
        c.frame(pod, udp("10.0.0.8", "10.0.0.9"), None, [metadata(OUT)])
    return c


def descriptions():
    """Descriptions that no Kubernetes would give: 1-16, then a frame that they are about."""
    c = Capture()
    events = c.interface("stratoshark-events", None, LINKTYPE_UPPER_PDU)
    pod = c.interface("stratoshark-pod:ns/pod", "pod=pod; namespace=ns; uid=u")
    for text in (
            b'{"event":"pod"}', b'{"event":"pod","pod":"x"}', b'{"event":"service","service":{}}',
            b'{"event":"node","node":7,"addresses":["10.0.0.3"]}',
            b'{"event":"pod","namespace":"ns","pod":"types","uid":"t","addresses":"10.0.0.3",'
            b'"labels":["a"],"containers":{"a":1},"images":[],"container_ids":3}',
            b'{"event":"pod","namespace":"ns","pod":"many","uid":"m","addresses":['
            + b",".join(b'"10.%d.%d.1"' % (i // 256, i % 256) for i in range(5000)) + b"]}",
            b'{"event":"service","namespace":"ns","service":"s","uid":"s","addresses":["::",""],'
            b'"ports":[{"port":70000},{"port":-1,"node_port":99999999999999999999},7,[]],'
            b'"endpoints":[{"ports":[1]},{"address":"10.0.0.2","ports":[0,65536,"80",5000]},3]}',
            b'{"event":"node","node":"n\\u001b[31m\\u0000x","addresses":["10.0.0.1","nonsense",'
            b'"' + b"1" * 100 + b'"]}',
            b'{"event":"pod","namespace":"n\\n\\u0007s","pod":"\xff}{\\"\xf0\x9f\xa6\x88","uid":"u",'
            b'"addresses":["10.0.0.1"],"workload":"Dep\\u001b]0;x\\u0007/a","labels":{"k\\u001b":'
            b'"v\\n","":"","=":"="},"images":{"c":"i\\u0001"}}',
            b'{"event":"pod","namespace":"ns","pod":"deep","uid":"d","labels":'
            + b'{"a":' * 40 + b"1" + b"}" * 40 + b"}"):
        c.frame(events, pdu(text, info=b"x"))
    for i in range(300):
        c.frame(events, pdu(b'{"event":"pod","namespace":"ns","pod":"p%d","uid":"p%d",'
                            b'"addresses":["10.0.0.2"]}' % (i, i), info=b"x"))
    c.frame(pod, udp("10.0.0.1", "10.0.0.2"), None, [metadata(OUT)])
    return c


def process(pid, start, direction=tlv(1, bytes([OUT])) + b"\0", container=bytes(8)):
    """Option 2989 as the kernel writes it."""
    value = tlv(10, pid.to_bytes(4, "little") + start.to_bytes(4, "little"))
    return metadata(extra=value + direction + container)


def processes():
    """Frames that name their process by number, and records that describe it."""
    c = Capture()
    api = c.interface("stratoshark-pod:production/api", API.replace("hook=netns/tcx",
                      "hook=netns; netns=4026532001; cgroup=8589934592123"))
    events_of = c.interface("stratoshark-events", None, LINKTYPE_UPPER_PDU)
    n2 = c.interface("stratoshark-pod:production/n2", API.replace("node=n1", "node=n2"))

    def frame(*words, interface=api, **options):
        c.frame(interface, udp("10.0.0.1", "10.0.0.2"), 0x6, [process(*words, **options)])

    def describe(comm, node="n1", **members):
        c.frame(events_of, pdu(event(event="process", namespace="production", pod="api", node=node,
                                     comm=comm, message=f"process {comm}", **members),
                               info=b"process"))

    # 1: before its description (2), 3: after; the container is the process'
    frame(4711, 100)
    describe("nginx", pid=4711, start=100, executable="/usr/sbin/nginx", container="proxy",
             container_id="fedcba9876543210")
    frame(4711, 100, container=tlv(3, bytes.fromhex("fedcba987654")))
    # 4: the number is used again, by an unknown one at first: 5 describes it, in a pod of two
    frame(4711, 200)
    describe("curl", pid=4711, start=200, container="web")
    # 6: its start is not known: the latest of that number
    frame(4711, 0)
    # 7-8: it executes another program
    describe("sh", pid=4711, start=200)
    frame(4711, 200)
    # 9: nobody; 10: never described; 11: of another node
    frame(0, 0)
    frame(4712, 300)
    describe("other", node="n2", pid=4711, start=100)
    frame(4711, 100, interface=n2)
    # 13: a redirect stands in place of the direction, which is local then
    frame(4711, 100, direction=tlv(5, b"\x99\x3a"))
    # 14: of the wrong length; 15-18: descriptions of nobody, 19: who stays unknown
    c.frame(api, udp("10.0.0.1", "10.0.0.2"), 0x6, [metadata(OUT, extra=tlv(10, bytes(7)))])
    for pid in ("5000", -5000, 2**32 + 5000, None):
        describe("nobody", pid=pid, start=1)
    frame(5000, 1)
    # 20-21: names that nobody should have
    describe("\x1b[31m\u0000\n", pid=6000, start=1, executable="/" + "x" * 5000)
    frame(6000, 1)
    return c


class Views:
    """A TCP connection as two interfaces see it, each under other addresses: a service's address is
    translated on the way. The second view has each frame from the client 20 us later, each one
    from the server 20 us earlier."""

    def __init__(self, c, client, server, seq=1000):
        self.ends = [Connection(c, *client), Connection(c, *server, out=False)]
        for end in self.ends:
            end.seq = [seq, seq + 4000]

    def send(self, server, flags, payload=b"", after_us=1000, again=False):
        first, second = self.ends[::-1] if server else self.ends
        first.send(server, flags, payload, after_us - 20, again)
        second.send(server, flags, payload, 20, again)

    open = Connection.open
    ask = Connection.ask


def translated():
    """What clients ask of services, captured at both ends."""
    c = Capture()
    client = c.interface("stratoshark-pod:production/client-x",
                         pod_interface("client-x", "u-client"))
    api = c.interface("stratoshark-pod:production/api-1",
                      pod_interface("api-1", "u-api-1", containers="web,proxy"))
    dns = c.interface("stratoshark-pod:kube-system/dns-1",
                      pod_interface("dns-1", "u-dns-1").replace("production", "kube-system"))
    host = c.interface("ens3", "device=ens3; node=n1; hook=tcx")
    events = c.interface("stratoshark-events", "node=n1", LINKTYPE_UPPER_PDU)
    c.names({CLIENT: "client-x.production", API_1: "api-1.production", API_2: "api-2.production",
             SERVICE: "api.production.svc", DNS: "dns.kube-system.svc", NODE_1: "n1"})
    describe_cluster(c, events)
    describe(c, events, "pod", "pod kube-system/dns-1", namespace="kube-system", pod="dns-1",
             uid="u-dns-1", node="n1", addresses=["10.0.0.53"], workload="Deployment/dns")
    describe(c, events, "service", "service kube-system/dns", namespace="kube-system",
             service="dns", uid="u-svc-dns", type="ClusterIP", addresses=[DNS],
             ports=[{"name": "dns", "protocol": "UDP", "port": 53}],
             endpoints=[{"address": "10.0.0.53", "ports": [53]}])

    # Two connections to the service that this node answers, with what was sent again
    for number in range(2):
        views = Views(c, (client, CLIENT, 41001 + number, SERVICE, 80),
                      (api, CLIENT, 41001 + number, API_1, 8080), 10000 * (number + 1))
        views.open(400)
        views.ask(4000 + 2000 * number)
        views.ask(6000)
        views.send(1, "PA", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", again=True)
    views.send(1, "R")
    # Two that another node answers, one of which nobody does
    far = Connection(c, client, CLIENT, 41003, SERVICE, 80)
    far.open(2000)
    far.ask(9000)
    Connection(c, client, CLIENT, 41004, SERVICE, 80).send(0, "S")
    # One older than the capture, first seen at the server
    views = Views(c, (client, CLIENT, 41005, SERVICE, 80), (api, CLIENT, 41005, API_1, 8080),
                  30000)
    views.send(1, "PA", b"late")
    views.ask(2000)
    # The client's address is translated, too
    views = Views(c, (host, OUTSIDE, 50001, NODE_1, 30080), (api, NODE_1, 50001, API_1, 8080),
                  40000)
    views.open(300)
    views.ask(1500)
    # The same address and port of the client, but another connection: each for itself
    other = Connection(c, client, CLIENT, 41001, "10.0.1.5", 5432)
    other.open()
    other = Connection(c, api, CLIENT, 41003, API_1, 8080, out=False)
    other.seq = [777777, 888888]
    other.open()
    # Of nobody that is described: the sequence numbers tell
    views = Views(c, (client, "10.9.0.1", 42000, "10.97.0.1", 80),
                  (api, "10.9.0.1", 42000, "10.9.0.2", 8080), 50000)
    views.open(100)
    # Datagrams: the service's endpoints tell
    for port, server in ((40000, "10.0.0.53"), (40001, "10.0.1.5")):
        for interface, address, out in ((client, DNS, 1), (dns, server, 0)):
            c.frame(interface, udp(CLIENT, address, b"q" * 12, 53, port), None,
                    [metadata(OUT if out else IN)])
        for interface, address, out in ((dns, server, 1), (client, DNS, 0)):
            c.frame(interface, udp(address, CLIENT, b"a" * 12, port, 53), None,
                    [metadata(OUT if out else IN)], 500)
    # To the pod itself, seen by both: it is one connection to Wireshark already
    both = Views(c, (client, CLIENT, 41006, API_1, 8080), (api, CLIENT, 41006, API_1, 8080), 60000)
    both.open(100)
    return c


def flaky():
    """Thirty connections of several requests over a bad line, with times that differ: what was
    sent again, out of order, kept alive and reset."""
    c = Capture()
    client = c.interface("stratoshark-pod:production/client-x",
                         pod_interface("client-x", "u-client"))
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    for number in range(30):
        one = Connection(c, client, CLIENT, 42001 + number, SERVICE, 80)
        one.seq = [1000 * number, 2**32 - 40 if number == 7 else 5000]  # which wraps around
        if number % 5 == 0:
            one.send(0, "S")
            one.seq[0] -= 1
            one.send(0, "S", after_us=1000000)
            one.send(1, "SA", after_us=700)
            one.send(0, "A", after_us=50)
        else:
            one.open(500 + 37 * number)
        for request in range(number % 4 + 1):
            one.ask(1000 + 331 * number + 517 * request)
            if (number + request) % 3 == 0:
                one.send(1, "PA", answer, 300000, again=True)
            one.send(0, "A", after_us=40)
        if number % 6 == 0:  # a probe: the byte before the next one, or nothing at that place
            one.seq[0] -= 1
            one.send(0, "A", after_us=400000)
            one.seq[0] += 1
            one.send(1, "A", after_us=300)
        if number % 4 == 1:
            one.send(1, "RA")
        else:
            one.send(0, "FA")
            one.send(1, "FA")
            if number % 4 == 2:
                one.seq[1] -= 1
                one.send(1, "FA", after_us=250000)
            one.send(0, "A")
    return c


def owners():
    """A pod whose owner is told behind the first of its frames."""
    c = Capture()
    client = c.interface("stratoshark-pod:production/client-x",
                         pod_interface("client-x", "u-client"))
    events_of = c.interface("stratoshark-events", "node=n1", LINKTYPE_UPPER_PDU)
    for number, owner in enumerate(({}, {"workload": "Deployment/client"})):
        describe(c, events_of, "pod", "pod production/client-x", namespace="production",
                 pod="client-x", uid="u-client", node="n1", addresses=[CLIENT],
                 containers=["tools"], **owner)
        one = Connection(c, client, CLIENT, 42001 + number, OUTSIDE, 80)
        one.open(500)
    return c


def late():
    """Owners and services that are told behind the first frames, in the middle of connections; and
    an address that passes to another pod."""
    c = Capture()
    client = c.interface("stratoshark-pod:production/client-x",
                         pod_interface("client-x", "u-client"))
    api = c.interface("stratoshark-pod:production/api-1",
                      pod_interface("api-1", "u-api-1", containers="web,proxy"))
    events_of = c.interface("stratoshark-events", "node=n1", LINKTYPE_UPPER_PDU)
    describe(c, events_of, "pod", "pod production/client-x", namespace="production",
             pod="client-x", uid="u-client", node="n1", addresses=[CLIENT],
             workload="ReplicaSet/client-7d9f")
    before, long, after = (Connection(c, client, CLIENT, 43001 + number, SERVICE, 80)
                           for number in range(3))
    both = Views(c, (client, CLIENT, 43011, SERVICE, 80), (api, CLIENT, 43011, API_1, 8080), 50000)
    jobs = [Connection(c, client, CLIENT, 43021 + number, "10.0.9.9", 80) for number in range(2)]
    for each in (before, long, both):
        each.open()
        each.ask(2000)
    before.send(0, "FA")
    before.send(1, "FA")
    before.send(0, "A")
    describe_cluster(c, events_of)
    for number, job in enumerate(("one", "two")):
        describe(c, events_of, "pod", f"pod staging/{job}", namespace="staging", pod=job,
                 uid=f"u-{job}", node="n2", addresses=["10.0.9.9"], workload=f"Job/{job}")
        jobs[number].open()
    long.ask(2000)
    both.ask(2000)
    after.open()
    after.ask(2000)
    return c


CAPTURES = (pods, malformed, short, hostile, events, plaintext, sections, redirects, context,
            cluster, nodes, descriptions, processes, translated, flaky, owners, late)


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    folder = sys.argv[1] if len(sys.argv) > 1 else here
    for make in CAPTURES:
        make().write(os.path.join(folder, make.__name__ + ".pcapng"))


if __name__ == "__main__":
    main()
