/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Registers the protocol "stratoshark", its fields and its expert infos.
 */
#include "fields.h"

#include "format/metadata.h"

int ss_proto = -1;
int ss_fields[SS_FIELD_COUNT];
int ss_tree = -1, ss_side_tree = -1;
expert_field ss_expert_malformed = EI_INIT;

static const value_string directions[] = {
	{SS_DIRECTION_UNKNOWN, "unknown"},
	{SS_DIRECTION_IN, "in"},
	{SS_DIRECTION_OUT, "out"},
	{SS_DIRECTION_LOCAL, "local"},
	{0, NULL},
};

#define FIELD(field, title, name, type, base, strings, blurb)                                      \
	{                                                                                          \
		&ss_fields[SS_FIELD_##field],                                                      \
		{                                                                                  \
			title, "stratoshark." name, type, base, strings, 0, blurb, HFILL           \
		}                                                                                  \
	}
#define STRING(field, title, name, blurb)                                                          \
	FIELD(field, title, name, FT_STRING, BASE_NONE, NULL, blurb)

/* Of one side of the frame. */
#define SIDE_ROW(side, field, title, name, blurb)                                                  \
	{                                                                                          \
		&ss_fields[SS_FIELD_##side + SS_SIDE_##field],                                     \
		{                                                                                  \
			title, "stratoshark." name, FT_STRING, BASE_NONE, NULL, 0, blurb, HFILL    \
		}                                                                                  \
	}
/* clang-format off */
#define SIDE(side, title, name, who)                                                               \
	SIDE_ROW(side, NAME, title, name ".name",                                                  \
		 "Name of the " who ": namespace/pod, namespace/svc/service, node/name, or its address"), \
	SIDE_ROW(side, KIND, title " kind", name ".kind",                                          \
		 "What the " who " is: pod, service, node, outside (of the cluster), unknown"),    \
	SIDE_ROW(side, POD, title " pod", name ".pod", "Pod of the " who),                         \
	SIDE_ROW(side, NAMESPACE, title " namespace", name ".namespace",                           \
		 "Namespace of the " who "'s pod or service"),                                     \
	SIDE_ROW(side, WORKLOAD, title " workload", name ".workload",                              \
		 "What the " who "'s pod belongs to: Deployment/api"),                             \
	SIDE_ROW(side, SERVICE, title " service", name ".service",                                 \
		 "Service at the " who "'s address and port, before or after its translation"),    \
	SIDE_ROW(side, NODE, title " node", name ".node", "Node of the " who)
/* clang-format on */

static hf_register_info rows[] = {
	STRING(POD, "Pod", "pod",
	       "Pod that sent or received this frame, or that an event concerns"),
	STRING(NAMESPACE, "Namespace", "namespace", "Kubernetes namespace of the pod"),
	STRING(CONTAINER, "Container", "container",
	       "The container of the process, or the one of the pod that can be meant"),
	STRING(POD_CONTAINERS, "Pod container", "pod_containers",
	       "Every container of the pod; which of them sent or received is not known"),
	STRING(NODE, "Node", "node", "Host name of the node"),
	STRING(RUNTIME, "Runtime", "runtime", "Container runtime of the node"),
	STRING(UID, "Pod UID", "uid", "Unique id of the pod"),
	STRING(DEVICE, "Device", "device", "Network device, as the pod names it"),
	STRING(HOOK, "Hook", "hook", "Where the frame was taken"),
	STRING(INTERFACE, "Interface", "interface", "Capture interface (if_name)"),
	FIELD(DIRECTION, "Direction", "direction", FT_UINT8, BASE_DEC, VALS(directions),
	      "As the pod sees it"),
	FIELD(NETNS, "Network namespace", "netns", FT_UINT32, BASE_DEC, NULL,
	      "Inode number of the network namespace (lsns -t net)"),
	STRING(CONTAINER_ID, "Container id", "container_id",
	       "First 12 hex digits of the container id"),
	FIELD(CGROUP, "Control group", "cgroup", FT_UINT64, BASE_DEC, NULL,
	      "cgroup v2 id: the inode number of its directory"),
	FIELD(REDIRECT, "Redirected to port", "redirect", FT_UINT16, BASE_DEC, NULL,
	      "Port of the proxy in the pod (sidecar) that answered in place of the destination"),
	FIELD(CONTEXT, "Context", "context", FT_BOOLEAN, BASE_NONE, NULL,
	      "It does not match the capture's filter: it is the other half of an exchange that does"),
	FIELD(PID, "Process id", "pid", FT_UINT32, BASE_DEC, NULL,
	      "Process that sent or received, as the node numbers it"),
	STRING(COMM, "Process name", "comm",
	       "Name of the process (or thread) that sent or received"),
	STRING(EXE, "Executable", "exe", "Path of its program, as its container sees it"),
	STRING(EVENT, "Event", "event", "What happened"),
	STRING(MESSAGE, "Message", "message", "The event in one line"),
	STRING(TLS_STATE, "TLS state", "tls.state",
	       "Can this TLS connection be read: decrypted, shown as plaintext, handshake missed ..."),
	STRING(TLS_REASON, "TLS reason", "tls.reason",
	       "Why the connection stays encrypted, and what would help"),
	STRING(TLS_CLIENT, "TLS client", "tls.client", "Address and port of the client"),
	STRING(TLS_SERVER, "TLS server", "tls.server", "Address and port of the server"),
	STRING(TLS_SERVER_NAME, "TLS server name", "tls.server_name",
	       "The name the client asked for (SNI)"),
	STRING(TLS_ALPN, "TLS application protocol", "tls.alpn", "Negotiated or offered (ALPN)"),
	STRING(DNS_FAILURE, "DNS failure", "dns.failure",
	       "How the exchange failed: NXDOMAIN, SERVFAIL, timeout, slow, truncated ..."),
	STRING(DNS_NAME, "DNS name", "dns.name", "The name that was asked for"),
	STRING(DNS_TYPE, "DNS type", "dns.type", "The type of record that was asked for"),
	STRING(DNS_SERVER, "DNS server", "dns.server", "Address and port of who was asked"),
	STRING(DNS_CLIENT, "DNS client", "dns.client", "Address and port of who asked"),
	STRING(DNS_TRANSPORT, "DNS transport", "dns.transport", "udp or tcp"),
	STRING(DNS_RCODE, "DNS response code", "dns.rcode", "What the answer said, if one came"),
	STRING(WORKLOAD, "Workload", "workload", "What the pod belongs to: Deployment/api"),
	STRING(LABEL, "Label", "label", "A label of the pod: key=value"),
	STRING(IMAGE, "Image", "image", "Image of a container of the pod"),
	STRING(NAME, "Name of an end", "name", "Name of the source or of the destination"),
	STRING(SERVICE, "Service", "service", "Service of the source or of the destination"),
	SIDE(SRC, "Source", "src", "source"),
	SIDE(DST, "Destination", "dst", "destination"),
	SIDE(PEER, "Peer", "peer", "other side, as the captured pod sees it"),
};

static ei_register_info expert_rows[] = {
	{&ss_expert_malformed,
	 {"stratoshark.malformed", PI_MALFORMED, PI_WARN,
	  "StratoShark metadata cannot be read: damaged file?", EXPFILL}},
};

void ss_fields_register(void)
{
	static int *trees[] = {&ss_tree, &ss_side_tree};

	/* The short name is what tabs and menus call it. */
	ss_proto = proto_register_protocol("StratoShark Kubernetes Metadata", "Kubernetes",
					   "stratoshark");
	proto_register_field_array(ss_proto, rows, G_N_ELEMENTS(rows));
	proto_register_subtree_array(trees, G_N_ELEMENTS(trees));
	expert_register_field_array(expert_register_protocol(ss_proto), expert_rows,
				    G_N_ELEMENTS(expert_rows));
}

/* As proto_field_is_referenced(), which takes its time when asked forty times a frame. */
bool ss_field_is_wanted(const proto_tree *tree, enum ss_field field)
{
	static const header_field_info *infos[SS_FIELD_COUNT];

	if (!tree || PTREE_DATA(tree)->visible)
		return tree;
	if (!infos[field])
		infos[field] = proto_registrar_get_nth((guint)ss_fields[field]);
	return infos[field]->ref_type != HF_REF_TYPE_NONE;
}

bool ss_fields_are_wanted(const proto_tree *tree, enum ss_field first, enum ss_field last)
{
	for (int field = first; field <= (int)last; field++) {
		if (ss_field_is_wanted(tree, (enum ss_field)field))
			return true;
	}
	return false;
}

/* A filter on a field references its protocol as well, though only indirectly. */
bool ss_root_is_wanted(const proto_tree *tree)
{
	return tree && (PTREE_DATA(tree)->visible || !PTREE_DATA(tree)->fake_protocols ||
			proto_registrar_get_nth((guint)ss_proto)->ref_type > HF_REF_TYPE_INDIRECT);
}

const char *ss_direction_name(uint8_t direction)
{
	return val_to_str_const(direction, directions, "unknown");
}
