/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One device (or cgroup) being captured: an interface of the stream, and the programs that hang
 * where its frames pass.
 */
#ifndef SS_TAP_H
#define SS_TAP_H

#include <stdbool.h>
#include <stdint.h>

#include "early.h"
#include "error.h"
#include "format/metadata.h"
#include "k8s/pod.h"
#include "options.h"
#include "source/bpf.h"
#include "stream.h"

struct ss_tap;

/* What taps and targets work with; borrowed for their life. */
struct ss_target_context {
	struct ss_bpf_source *source;
	struct ss_stream *stream;
	const char *filter; /* text, for the interface; may be NULL */
	bool ethernet_only; /* the filter asks for what only Ethernet frames have */
	const char *node;   /* host name */
	uint32_t snap_len;
	enum ss_attach_mode mode;
	bool no_packets;        /* pods are followed, nothing is hooked */
	struct ss_early *early; /* NULL: no pod is hooked before it is known to be meant */
	/* What the filter says to all frames of an interface in a direction: bits for the flags of
	 * the slot. */
	uint32_t (*verdicts)(const struct ss_interface *interface, enum ss_direction direction,
			     void *user_data);
	/* Told of every interface; pod: NULL: a device of the host. May be NULL. */
	void (*interface_added)(uint32_t id, uint16_t link_type, const struct ss_pod *pod,
				const char *device, void *user_data);
	void *user_data;
	uint64_t retired_drops[SS_DROP_CAUSES]; /* of hooks that are gone */
};

/* What the interface says. Borrowed for the call. */
struct ss_tap_identity {
	const struct ss_pod *pod; /* NULL: a device of the host */
	const char *hook;         /* "netns": format/metadata.h */
	bool first;               /* of the pod: has the bare name */
	bool early;               /* not in the stream before ss_tap_settle(), if ever */
};

/* Where a program hangs, and what its frames are. */
struct ss_tap_point {
	enum ss_program program;
	enum ss_direction direction;
	bool ingress;
	uint32_t flags;   /* SS_SLOT_* */
	int32_t netns_id; /* where its sockets are, as struct ss_slot */
};

/* Adds the interface to the stream, unless it is early. index: ifindex where the device lives, 0
 * for a cgroup; mac: 6 bytes or NULL. Nothing is hooked yet. */
int ss_tap_new(struct ss_target_context *context, const struct ss_tap_identity *identity, int index,
	       const char *name, uint16_t link_type, const uint8_t *mac, struct ss_tap **ret_tap,
	       struct ss_error *error);
/* Detaches, leaves the last counters in the stream; an early one leaves nothing. */
void ss_tap_free(struct ss_tap *tap);

/* Hangs programs on the device of the current network namespace, or on the pod's cgroup. All
 * programs are loaded before the first is attached, so that both directions begin together. */
int ss_tap_hook(struct ss_tap *tap, const struct ss_tap_identity *identity,
		const struct ss_tap_point *points, size_t count, struct ss_error *error);

/* Adds the interface of an early tap to the stream, with the frames that wait. */
int ss_tap_settle(struct ss_tap *tap, const struct ss_tap_identity *identity,
		  struct ss_error *error);

/* The pod has other containers: a new interface says so, the programs point to it. */
int ss_tap_describe(struct ss_tap *tap, const struct ss_tap_identity *identity,
		    struct ss_error *error);

/* Brings the interface's counters up to date in the stream, and adds drops by cause. */
void ss_tap_count(struct ss_tap *tap, uint64_t drops[SS_DROP_CAUSES]);

int ss_tap_index(const struct ss_tap *tap);

#endif
