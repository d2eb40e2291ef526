/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What option 2989 of a record says about it: the TLVs of format/metadata.h.
 */
#ifndef SS_PLUGIN_OPTION_H
#define SS_PLUGIN_OPTION_H

#include "compat.h"

#include "format/metadata.h"

struct ss_option {
	bool present;        /* there is an option with our PEN and magic */
	const char *problem; /* why decoding stopped (what came before is valid), or NULL */
	bool has_direction;
	bool has_netns;
	bool has_container;
	bool has_cgroup;
	bool has_redirect;
	bool has_pid;
	bool has_comm;
	bool is_context;   /* it does not match the capture's filter */
	uint8_t direction; /* enum ss_direction, or a later value */
	uint32_t netns;
	uint64_t cgroup;
	uint16_t redirect; /* port */
	uint32_t pid;      /* 0: not known, or the kernel */
	uint32_t start;    /* of the process, /proc/PID/stat field 22; 0: not known */
	char comm[SS_COMM_SIZE + 1];
	uint8_t container[SS_CONTAINER_ID_SIZE];
};

/* Decodes the first such option of the record. */
void ss_option_get(const packet_info *pinfo, struct ss_option *ret_option);

/* The value behind the PEN. */
void ss_option_decode(const uint8_t *data, size_t length, struct ss_option *ret_option);

#endif
