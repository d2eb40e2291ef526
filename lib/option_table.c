/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rows. Order is the order in --help and in the man page. */
#include "option_table.h"

#define CAPTURE SS_COMMAND_CAPTURE
#define PODS    SS_COMMAND_PODS
#define TLS     SS_COMMAND_TLS
#define STATS   SS_COMMAND_STATS
#define ALL     (~0u)

const struct ss_option ss_option_table[] = {
	{SS_OPTION_POD, "pod", "[NS/]NAME", CAPTURE | PODS | TLS,
	 "This pod; repeat for more. A bare name must be unique on the node or come with --namespace.",
	 NULL, "string", "Pod, for ssl-plaintext without a name", ""},
	{SS_OPTION_NAMESPACE, "namespace", "NS", CAPTURE | PODS | TLS,
	 "The namespace of --pod; without --pod, every pod of the namespace. Repeatable.", NULL,
	 NULL, NULL, NULL},
	{SS_OPTION_SELECTOR, "selector", "SELECTOR", CAPTURE | PODS | TLS,
	 "Pods whose labels fit, as kubectl -l: 'app=api,tier!=db', 'env in (a,b)', 'key', '!key'. "
	 "Repeatable: all must fit. Labels are asked from the container runtime (root) or the API "
	 "server.",
	 NULL, NULL, NULL, NULL},
	{SS_OPTION_WORKLOAD, "workload", "[NS/]KIND/NAME", CAPTURE | PODS | TLS,
	 "Pods of this workload: deploy/api, sts/db, ds/agent, rs/NAME, job/NAME, cj/NAME (kubectl's names of "
	 "kinds). Repeatable: of any of them.",
	 NULL, NULL, NULL, NULL},
	{SS_OPTION_CONTAINER, "container", "NAME", CAPTURE | PODS | TLS,
	 "Pods that have a container of this name, and of their frames those that one of its "
	 "processes sent or received; frames of which nobody knows the process are kept. "
	 "Repeatable.",
	 NULL, NULL, NULL, NULL},
	{SS_OPTION_ALL_PODS, "all-pods", NULL, CAPTURE | TLS, "Every pod of this node.", NULL, NULL,
	 NULL, NULL},
	{SS_OPTION_NODE, "node", "NAME", CAPTURE | PODS | TLS,
	 "The node whose pods are meant: this one, else it is an error. Alone: every pod of it.",
	 NULL, NULL, NULL, NULL},
	{SS_OPTION_INTERFACE, "interface", "DEVICE", CAPTURE,
	 "Capture a device of this host (eth0), or 'any' for all of them. Repeatable.", NULL, NULL,
	 NULL, NULL},
	{SS_OPTION_FILTER, "filter", "FILTER", CAPTURE,
	 "Keep only frames that match: a pcap-filter(7) such as 'tcp port 80', or a display filter of "
	 "Wireshark such as 'http.request.method == GET'. As much of it as possible runs in the "
	 "kernel, the rest in tshark while capturing. A display filter is about what Wireshark "
	 "shows: also about what is inside of tunnels and ICMP errors, and with --mesh about "
	 "connections as they are shown; stratoshark.comm and .container take a tshark with the "
	 "plugin. HTTP inside a CONNECT tunnel, which Wireshark may show as data, is found where the "
	 "kernel alone decides (see --explain-filter).",
	 NULL, NULL, NULL, NULL},
	{SS_OPTION_EXPLAIN_FILTER, "explain-filter", NULL, CAPTURE,
	 "Say how --filter is understood, what of it runs in the kernel, and what is left to tshark "
	 "and why; captures nothing.",
	 NULL, NULL, NULL, NULL},
	{SS_OPTION_NO_CONTEXT, "no-context", NULL, CAPTURE,
	 "Do not add the other half of HTTP and DNS exchanges: without this, a --filter that asks for "
	 "something in responses (http.response.code >= 500, http.time > 0.5, dns.flags.rcode != 0) "
	 "also keeps the requests they answer, and one on requests (http.host == \"api\", "
	 "dns.flags.response == 0) the responses; of each HTTP message all segments. A DNS query that "
	 "does not match waits for its answer, 5s at most, and what comes behind it waits, too: "
	 "--live shows it late.",
	 NULL, "boolflag", "Only what matches, not the whole exchange", "false"},
	{SS_OPTION_BPF_PROGRAM, "bpf-program", "FILE", CAPTURE,
	 "Keep only frames for which the eBPF function in FILE, an object file of your own, returns "
	 "anything but 0. Runs in the kernel, after --filter; see examples/bpf-program.",
	 NULL, NULL, NULL, NULL},
	{SS_OPTION_OUTPUT, "output", "FILE", CAPTURE,
	 "Write pcapng to FILE, '-' for standard output. Files are created with mode 0600.", NULL,
	 NULL, NULL, NULL},
	{SS_OPTION_LIVE, "live", NULL, CAPTURE,
	 "Show the packets through tshark while they come (also beside --output). The default on a "
	 "terminal without --output.",
	 NULL, NULL, NULL, NULL},
	{SS_OPTION_DURATION, "duration", "TIME", CAPTURE, "Stop after TIME: 300s, 5m, 1h.", NULL,
	 NULL, NULL, NULL},
	{SS_OPTION_COUNT, "count", "N", CAPTURE, "Stop after N frames.", NULL, NULL, NULL, NULL},
	{SS_OPTION_SNAPLEN, "snaplen", "BYTES", CAPTURE,
	 "Keep at most BYTES of each frame; 0 is the default, all (up to 262016, the most a pcapng "
	 "block of Wireshark holds).",
	 NULL, "unsigned", "Snapshot length (bytes, 0 = all)", "0"},
	{SS_OPTION_ATTACH, "attach", "MODE", CAPTURE,
	 "Where to hook: 'netns' the devices inside the pod's network namespace (needs "
	 "cap_sys_admin), 'veth' the host's end of the pod's cable and the pod's loopback, 'cgroup' "
	 "the pod's sockets (no ARP, no packet for a closed port), 'auto' the best that is "
	 "permitted.",
	 "auto,netns,veth,cgroup", "selector", "Where to hook", "auto"},
	{SS_OPTION_MESH, "mesh", "MODE", CAPTURE,
	 "Pods with a service mesh: 'auto' shows a connection that iptables redirects to the "
	 "sidecar (Istio, Linkerd, ambient), in plaintext on lo, as one from the client to its "
	 "destination; 'plain' also leaves out its encrypted twin on other devices, that is, from "
	 "its TLS ClientHello on and once lo has shown plaintext, a connection to an address and "
	 "port to which plaintext went through the sidecar, to port 15008, or of Istio by its ALPN; "
	 "'off' stores frames as they are. --filter is about what is shown.",
	 "auto,off,plain", "selector", "Service meshes", "auto"},
	{SS_OPTION_BUFFER_SIZE, "buffer-size", "MIB", CAPTURE,
	 "Size of the ring between kernel and program in MiB, rounded up to a power of two. Default "
	 "32.",
	 NULL, "unsigned", "Buffer size (MiB)", "32"},
	{SS_OPTION_WAIT, "wait", NULL, CAPTURE,
	 "Wait for a pod that is not there yet instead of failing.", NULL, "boolflag",
	 "Wait for a pod that is not there yet", "false"},
	{SS_OPTION_RING_FILES, "ring-files", "N", CAPTURE,
	 "Keep only the newest N files of the ring.", NULL, NULL, NULL, NULL},
	{SS_OPTION_RING_SIZE, "ring-size", "SIZE", CAPTURE,
	 "Begin a new file before one grows above SIZE: 100M, 1G.", NULL, NULL, NULL, NULL},
	{SS_OPTION_RING_TIME, "ring-time", "TIME", CAPTURE, "Begin a new file every TIME.", NULL,
	 NULL, NULL, NULL},
	{SS_OPTION_STATS_INTERVAL, "stats-interval", "TIME", CAPTURE,
	 "Print a line of counts (packets, bytes, drops by cause) every TIME.", NULL, NULL, NULL,
	 NULL},
	{SS_OPTION_RECORD, "record", "FILE", CAPTURE,
	 "Also record what enters the program, for --replay: to reproduce a problem without the "
	 "node.",
	 NULL, NULL, NULL, NULL},
	{SS_OPTION_REPLAY, "replay", "FILE", CAPTURE,
	 "Take the input from a recording instead of the kernel; needs no privilege. --filter and "
	 "--dns-failure-only choose from it as they do while capturing.",
	 NULL, NULL, NULL, NULL},
	{SS_OPTION_SSL_KEYLOG, "ssl-keylog", NULL, CAPTURE,
	 "Put the TLS session keys of the pods' processes into the capture, so that Wireshark shows "
	 "their HTTPS decrypted. Reads the keys where the TLS libraries derive them; nothing in the "
	 "pod changes. Needs cap_perfmon, and cap_sys_ptrace for other users' processes. Whoever has "
	 "the file can read the traffic. To filter by what TLS carries use --ssl-plaintext: tshark "
	 "decides by the keys as well, but single packets of a connection can't be decrypted in the "
	 "file.",
	 NULL, "boolflag", "TLS keys in the capture (decrypts HTTPS)", "false"},
	{SS_OPTION_KEYLOG_FILE, "keylog-file", "FILE", CAPTURE,
	 "Write the keys to FILE as well, in the NSS key log format, mode 0600. Implies "
	 "--ssl-keylog.",
	 NULL, NULL, NULL, NULL},
	{SS_OPTION_SSL_PLAINTEXT, "ssl-plaintext", NULL, CAPTURE,
	 "Show what the pods' processes send and receive through TLS as packets of their own, on "
	 "interfaces stratoshark-ssl-plaintext:<namespace>/<pod>: also for connections older than "
	 "the capture. No connection is shown twice: of these the encrypted packets are left out, and "
	 "those whose keys are in the capture are shown by their own packets. They have to match "
	 "--filter, too; with what matches come the handshakes that readers need.",
	 NULL, "boolflag", "TLS plaintext as packets", "false"},
	{SS_OPTION_NO_PACKETS, "no-packets", NULL, CAPTURE,
	 "Leave the network's packets out: only --ssl-plaintext and events.", NULL, NULL, NULL,
	 NULL},
	{SS_OPTION_NO_PROCESSES, "no-processes", NULL, CAPTURE,
	 "Do not find out which process each packet is of.", NULL, NULL, NULL, NULL},
	{SS_OPTION_REDACT, "redact", NULL, CAPTURE,
	 "Mask payment card numbers, credentials in HTTP headers and passwords in plaintext packets, "
	 "lengths unchanged. The default for what --live shows; files are not masked unless asked "
	 "for. Compressed bodies are not looked into, and packets that Wireshark decrypts with "
	 "--ssl-keylog can't be masked.",
	 NULL, "boolflag", "Mask cards, credentials and passwords in plaintext", "false"},
	{SS_OPTION_NO_REDACT, "no-redact", NULL, CAPTURE, "Mask nothing, in --live output either.",
	 NULL, NULL, NULL, NULL},
	{SS_OPTION_REDACT_RULES, "redact-rules", "FILE", CAPTURE,
	 "More to mask, a rule a line: 'header NAME', 'field NAME', 'pattern REGEX', 'no-cards'. "
	 "Implies --redact.",
	 NULL, NULL, NULL, NULL},
	{SS_OPTION_TLS_MAX_CALL, "tls-max-call", "SIZE", CAPTURE,
	 "Copy at most SIZE plaintext bytes of one call, up to 256Mi; the rest is shown as a gap. The "
	 "kernel sets aside a quarter more memory, 32Mi at least. Default 24Mi.",
	 NULL, NULL, NULL, NULL},
	{SS_OPTION_NO_URETPROBE, "no-uretprobe", NULL, CAPTURE,
	 "Use no return probes, which break programs whose coroutines change threads inside a TLS "
	 "call. Then keys and plaintext come from Go programs only.",
	 NULL, NULL, NULL, NULL},
	{SS_OPTION_DNS_FAILURE_ONLY, "dns-failure-only", NULL, CAPTURE,
	 "Keep only DNS exchanges (port 53) that fail, query and answer: an error code, a truncated "
	 "answer, no answer within --dns-timeout, or one that came later; each with an event record "
	 "that says which. Frames wait for the verdict, so what is shown comes late by as much.",
	 NULL, "boolflag", "Only DNS exchanges that fail", "false"},
	{SS_OPTION_DNS_TIMEOUT, "dns-timeout", "TIME", CAPTURE,
	 "With --dns-failure-only: how long an answer may take. Default 5s.", NULL, NULL, NULL,
	 NULL},
	{SS_OPTION_DNS_NXDOMAIN, "dns-nxdomain", "MODE", CAPTURE,
	 "With --dns-failure-only: is it a failure that a name does not exist? 'search' (the default): "
	 "yes, unless the client finds it within a second under another suffix, as resolvers do that go "
	 "through a search list (ndots:5); 'all': yes; 'no': never.",
	 "search,all,no", NULL, NULL, NULL},
	{SS_OPTION_FORMAT, "format", "FORMAT", PODS | TLS,
	 "table (default), wide (more columns), json (format/pods.md) or names.",
	 "table,json,names,wide", NULL, NULL, NULL},
	{SS_OPTION_WATCH, "watch", NULL, PODS,
	 "Go on after the list: a row, or a line of JSON, for each pod that comes, changes or goes.",
	 NULL, NULL, NULL, NULL},
	{SS_OPTION_STATS_HIERARCHY, "protocol-hierarchy", NULL, STATS,
	 "Frames and bytes by protocol (tshark -z io,phs).", NULL, NULL, NULL, NULL},
	{SS_OPTION_STATS_FLOWS, "flows", NULL, STATS,
	 "Workloads and services that talk to each other: frames, bytes, retransmissions, resets, "
	 "median and 95th percentile of handshake and response times (-z stratoshark,flows). What a "
	 "client asks of a service, captured at both ends, is one row.",
	 NULL, NULL, NULL, NULL},
	{SS_OPTION_STATS_PODS, "pods", NULL, STATS,
	 "Frames and bytes of each captured pod, by direction (-z stratoshark,tree).", NULL, NULL,
	 NULL, NULL},
	{SS_OPTION_STATS_CONVERSATIONS, "conversations", NULL, STATS,
	 "Pairs of pods, services, nodes and other addresses (-z conv,stratoshark).", NULL, NULL,
	 NULL, NULL},
	{SS_OPTION_KUBECONFIG, "kubeconfig", "FILE", CAPTURE | PODS | TLS,
	 "How to reach the API server (client certificates, tokens, passwords, exec plugins); default "
	 "$KUBECONFIG, ~/.kube/config, or a pod's service account. It is asked to list and watch pods, "
	 "services and nodes, with --namespace pods of these only; with rights in some namespaces "
	 "only, those are seen.",
	 NULL, NULL, NULL, NULL},
	{SS_OPTION_CONTEXT, "context", "NAME", CAPTURE | PODS | TLS,
	 "The context of the kubeconfig; default its current one.", NULL, NULL, NULL, NULL},
	{SS_OPTION_NO_KUBE, "no-kube", NULL, CAPTURE | PODS | TLS, "Do not ask the API server.",
	 NULL, NULL, NULL, NULL},
	{SS_OPTION_NO_CRI, "no-cri", NULL, CAPTURE | PODS | TLS,
	 "Do not ask the container runtime ($CONTAINER_RUNTIME_ENDPOINT, or the usual sockets).",
	 NULL, NULL, NULL, NULL},
	{SS_OPTION_QUIET, "quiet", NULL, CAPTURE, "No progress, notes or summary; errors only.",
	 NULL, NULL, NULL, NULL},
	{SS_OPTION_VERBOSE, "verbose", NULL, ALL, "Say more, the kernel's verifier included.", NULL,
	 NULL, NULL, NULL},
	{SS_OPTION_HELP, "help", NULL, ALL, "Show this help.", NULL, NULL, NULL, NULL},
	/* For the extcap and for measurements. */
	{SS_OPTION_EXIT_WITH_PARENT, "exit-with-parent", NULL, CAPTURE, NULL, NULL, NULL, NULL,
	 NULL},
	{SS_OPTION_DISCARD, "discard", NULL, CAPTURE, NULL, NULL, NULL, NULL, NULL},
	{0, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL},
};

const struct ss_command_row ss_command_table[] = {
	{SS_COMMAND_CAPTURE, "capture",
	 "[--pod [NS/]NAME]... [--namespace NS]... [-l SELECTOR]... [OPTION]...",
	 "Capture pods (or devices) into a pcapng file, a pipe, or the terminal",
	 "Captures the traffic of pods on this node with eBPF and writes pcapng that any Wireshark "
	 "opens. The pod is not changed in any way. Pods that restart are picked up again; new ones "
	 "are hooked as soon as their sandbox runs, and what they send waits until it is known whether "
	 "they are meant. Needs the capabilities cap_bpf and cap_net_admin, or root.",
	 "  # watch a pod's HTTP\n"
	 "  " PROGRAM_NAME " capture --pod production/api --filter 'tcp port 8080' --live\n"
	 "  # every pod with a label, also those that come later\n"
	 "  " PROGRAM_NAME " capture -l 'app=api,tier!=db' --output api.pcapng\n"
	 "  # only what fails, by a display filter\n"
	 "  " PROGRAM_NAME " capture --pod production/api --filter 'http.response.code >= 500' -w "
	 "api.pcapng\n"
	 "  # five minutes of a whole namespace into a file\n"
	 "  " PROGRAM_NAME " capture --namespace production --duration 5m --output prod.pcapng\n"
	 "  # into Wireshark on another machine\n"
	 "  ssh node " PROGRAM_NAME " capture --pod production/api -w - | wireshark -k -i -\n"
	 "  # read a pod's HTTPS\n"
	 "  " PROGRAM_NAME " capture --pod production/api --ssl-keylog --live\n"
	 "  # keep the last ten files of 100 MB each\n"
	 "  " PROGRAM_NAME " capture --pod production/api -w api.pcapng --ring-size 100M "
	 "--ring-files 10\n"},
	{SS_COMMAND_PODS, "pods", "[--namespace NS]... [-l SELECTOR]...",
	 "List the pods of this node that can be captured",
	 "Lists pods as the node shows them (log directories, cgroups, /proc), which needs no "
	 "credentials; labels, images and owners come from the container runtime and the API server "
	 "where these may be asked.",
	 "  " PROGRAM_NAME " pods -o wide\n  " PROGRAM_NAME
	 " pods --namespace production -l app=api --format json\n  " PROGRAM_NAME
	 " pods --watch\n"},
	{SS_COMMAND_TLS, "tls", "[--pod [NS/]NAME]... [--namespace NS]...",
	 "Say which TLS a pod's processes use, and what can be read of it",
	 "Lists the TLS libraries that the processes of pods have loaded, and whether capture "
	 "--ssl-keylog or --ssl-plaintext can read them; where not, why, and what would help. "
	 "Attaches nothing. Needs cap_sys_ptrace for other users' processes.",
	 "  " PROGRAM_NAME " tls --pod production/api\n  " PROGRAM_NAME
	 " tls --namespace production --format json\n"},
	{SS_COMMAND_STATS, "stats", "FILE", "Print statistics of a capture, with pods",
	 "Prints what tshark's statistics say about a capture: who talks to whom, how much, how fast "
	 "the answers come. Without an option: flows and pods. All but the protocol hierarchy are "
	 "made by the StratoShark plugin, and in Wireshark's menu as well, beside pods in Endpoints, "
	 "Flow Graph and (from 4.4 on) Follow. In tshark those are -z endpoints,stratoshark, "
	 "flow,stratoshark,standard and follow,stratoshark,ascii,0; with -2 they know names that were "
	 "told late. Exit status 6: the file is damaged; what could be read of it is told.",
	 "  " PROGRAM_NAME " stats api.pcapng --flows\n  " PROGRAM_NAME
	 " stats api.pcapng --protocol-hierarchy --conversations\n"},
	{SS_COMMAND_DOCTOR, "doctor", "",
	 "Say what this machine, kernel and user can and cannot do",
	 "Checks kernel, capabilities, Wireshark and pods, and names the one command that would "
	 "change what is missing. Exit status 0 if capturing works.",
	 "  " PROGRAM_NAME " doctor\n"},
	{SS_COMMAND_FILTER, "filter", "EXPRESSION", NULL,
	 "Checks a capture filter: silent if valid, else a sentence on standard output.", ""},
	{SS_COMMAND_GENERATE, "generate", "man|bash", NULL,
	 "Prints the man page or the bash completion.", ""},
	{0, NULL, NULL, NULL, NULL, NULL},
};
