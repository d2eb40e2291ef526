/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One interface of a capture: what its Interface Description Block says. Its id is the order. */
#ifndef SS_INTERFACE_H
#define SS_INTERFACE_H

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

struct ss_interface {
	char *name;        /* format/metadata.h */
	char *description; /* "key=value; ...", see ss_interface_describe() */
	char *filter;      /* capture filter text, NULL without */
	uint32_t snap_len; /* bytes, 0: no limit */
	uint16_t link_type;
	bool has_mac;
	uint8_t mac[6];
};

/* What happened to its frames, for the Interface Statistics Block and the summary. */
struct ss_interface_counters {
	uint64_t seen;     /* reached the hook */
	uint64_t accepted; /* passed the filter */
	uint64_t dropped;  /* accepted but lost */
	uint64_t bytes;    /* of the accepted, original lengths */
	uint64_t left_out; /* accepted, and not written because that was asked for */
	/* Accepted by the kernel's part of the filter, but not by the rest of it; lengths. */
	uint64_t unmatched, unmatched_bytes;
};

/* Frames in the file. */
uint64_t ss_interface_delivered(const struct ss_interface_counters *counters);
/* Frames that passed all of the filter. */
uint64_t ss_interface_matched(const struct ss_interface_counters *counters);

struct ss_interface *ss_interface_new(const char *name, uint16_t link_type);
void ss_interface_free(struct ss_interface *interface);

/* Appends "key=value" with the escapes of format/metadata.md; nothing when value is NULL or empty.
 */
void ss_interface_describe(struct ss_interface *interface, const char *key, const char *value);

/* What it says for a key; NULL: nothing. g_free(). */
char *ss_interface_value(const struct ss_interface *interface, const char *key);

/* "stratoshark-pod:<namespace>/<pod>", with "/<device>" unless device is NULL. */
char *ss_interface_pod_name(const char *namespace, const char *pod, const char *device);

#endif
