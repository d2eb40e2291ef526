/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What our captures say about a frame beyond its bytes. Described for readers in metadata.md.
 *
 * 1. Per frame: EPB option 2989 (custom binary, copied by editors). Value:
 *	u32 PEN			little-endian, SS_METADATA_PEN
 *	u8  'S', u8 'T'		magic: 32473 is the documentation PEN (RFC 5612), others use it too
 *	then TLVs to the end:	u8 type, u8 length, length bytes. Multi-byte integers little-endian.
 *    A reader skips types that it does not know. Type 0 has no length byte: it is padding.
 * 2. Per interface: if_name and if_description of its IDB, see SS_INTERFACE_*.
 * 3. Events: EPBs on an interface of LINKTYPE_WIRESHARK_UPPER_PDU, see events.md.
 */
#ifndef SS_FORMAT_METADATA_H
#define SS_FORMAT_METADATA_H

#define SS_METADATA_PEN    32473u
#define SS_METADATA_MAGIC0 'S'
#define SS_METADATA_MAGIC1 'T'

enum ss_metadata_type {
	SS_METADATA_PAD = 0,       /* one byte, no length */
	SS_METADATA_DIRECTION = 1, /* u8, enum ss_direction, as the pod sees it */
	SS_METADATA_NETNS = 2,     /* u32: inode number of the network namespace (lsns -t net) */
	SS_METADATA_CONTAINER = 3, /* 6 bytes: the first 12 hex digits of the container id */
	SS_METADATA_CGROUP = 4,    /* u64: cgroup v2 id (inode number of its directory) */
	SS_METADATA_REDIRECT = 5,  /* u16: port to which the connection was redirected */
	SS_METADATA_PID = 6,       /* u32: process that sent or received, in the host's namespace */
	SS_METADATA_COMM = 7,      /* 16 bytes: name of its thread, padded with NUL */
	SS_METADATA_PROCESS = 10,  /* u32 pid as PID, u32 start: which process of that number */
};

/* In the type of DIRECTION or REDIRECT, whose value stays: the frame does not match the filter, but
 * is here as the other half of an exchange that does. */
#define SS_METADATA_CONTEXT 0x80

enum ss_direction {
	SS_DIRECTION_UNKNOWN = 0,
	SS_DIRECTION_IN = 1,    /* received by the pod */
	SS_DIRECTION_OUT = 2,   /* sent by the pod */
	SS_DIRECTION_LOCAL = 3, /* loopback: sent and received here, stored once */
};

#define SS_CONTAINER_ID_SIZE 6  /* bytes of SS_METADATA_CONTAINER */
#define SS_REDIRECT_SIZE     2  /* bytes of SS_METADATA_REDIRECT */
#define SS_COMM_SIZE         16 /* bytes of SS_METADATA_COMM */
/*
 * Bytes of SS_METADATA_PROCESS. start: the low 32 bits of /proc/PID/stat field 22 (clock ticks
 * after boot); 0 if it is not known. pid 0: it is not known who sent or received, or it was the
 * kernel.
 */
#define SS_PROCESS_SIZE 8

/*
 * if_name is the interface value the user asked for:
 *	stratoshark-pod:<namespace>/<pod>		the pod's first device (eth0)
 *	stratoshark-pod:<namespace>/<pod>/<device>	its other devices, lo among them
 *	stratoshark-ssl-plaintext:<namespace>/<pod>	what its processes said through TLS
 *	<device>					a device of the host (--interface)
 * if_description is a list of "key=value" joined by "; ". Bytes below 0x20, 0x7f, ';', '=' and '%'
 * in a value are written as %XX. Keys in this order, absent when unknown:
 */
#define SS_INTERFACE_POD_PREFIX    "stratoshark-pod:"
#define SS_INTERFACE_NS_PREFIX     "stratoshark-ns:"
#define SS_INTERFACE_PLAINTEXT     "stratoshark-ssl-plaintext" /* then :<namespace>/<pod> */
#define SS_INTERFACE_EVENTS        "stratoshark-events"
#define SS_INTERFACE_KEY_POD       "pod"       /* api */
#define SS_INTERFACE_KEY_NAMESPACE "namespace" /* production */
#define SS_INTERFACE_KEY_CONTAINER "container" /* names, comma-separated, without pause */
#define SS_INTERFACE_KEY_DEVICE    "device"    /* eth0 */
#define SS_INTERFACE_KEY_NODE      "node"      /* host name of the node */
#define SS_INTERFACE_KEY_RUNTIME   "runtime"   /* containerd, cri-o */
#define SS_INTERFACE_KEY_UID       "uid"       /* pod uid */
#define SS_INTERFACE_KEY_HOOK      "hook"      /* netns, veth, cgroup, tls; device: of the host */
#define SS_INTERFACE_KEY_NETNS     "netns"     /* inode of the network namespace (lsns -t net) */
#define SS_INTERFACE_KEY_CGROUP    "cgroup"    /* cgroup v2 id of the pod: its directory's inode */

/* Wireshark's fifo path holds the interface name: above 215 bytes the name is cut, see extcap. */
#define SS_INTERFACE_NAME_MAX 215

#endif
