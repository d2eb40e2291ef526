/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One function per question Wireshark asks; each returns the exit status. What they print to
 * stdout is the extcap protocol; stderr stays silent unless a capture fails, because Wireshark
 * shows whatever is there as an error.
 */
#ifndef SS_EXTCAP_H
#define SS_EXTCAP_H

#include <stddef.h>

#include "lib/option_table.h"

#define SS_REQUEST_OPTIONS_MAX 32

struct ss_request {
	const char *interface, *fifo;
	const char *filter; /* NULL: none, or empty */
	/* Options of the dialog, in the order given. value is NULL for a flag. */
	struct {
		const struct ss_option *row;
		const char *value;
	} options[SS_REQUEST_OPTIONS_MAX];
	size_t option_count;
	const char *unknown; /* the first argument nobody here knows, or NULL */
};

int ss_answer_interfaces(const struct ss_request *request);
int ss_answer_dlts(void);
int ss_answer_config(void);
int ss_answer_filter(const struct ss_request *request);
int ss_capture(const struct ss_request *request); /* returns only on failure */

#endif
