/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Plaintext as its readers get it: a view for all of them, or, where only the live one's is masked,
 * a view for each. Records become frames (tls/plaintext.h), which have to match the filter, and go
 * through the gate. tshark judges a display filter: then frames wait here for its word, and what
 * belongs to those that match (turns.h) comes with them.
 */
#ifndef SS_VIEWS_H
#define SS_VIEWS_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "filter/filter.h"
#include "format/tls.h"
#include "gate.h"
#include "loop.h"
#include "options.h"
#include "report.h"
#include "source/bpf.h"
#include "stream.h"
#include "tenants.h"
#include "tls/redact.h"

/* Plaintext arrives at most this late. */
#define SS_VIEWS_LATE_NS UINT64_C(40000000)

struct ss_views;

struct ss_views_context {
	const struct ss_options *options;
	struct ss_loop *loop;
	struct ss_stream *stream;
	struct ss_bpf_source *source; /* for its clock */
	struct ss_gate *gate;
	const struct ss_filter *filter;
	struct ss_tls_redact *redact;
	const char *node;               /* host name, for interfaces */
	struct ss_tenants *tenants;     /* get an interface with their first frame */
	const struct ss_report *report; /* what is shown by its own packets and keys */
	/* An error; or 0: there are as many frames as were asked for. */
	void (*failed)(int status, void *user_data);
	/* Frames that were held may go on. */
	void (*retry)(void *user_data);
	void *user_data;
	struct ss_error *error; /* of what fails later */
};

/* Borrows what the context points to. */
int ss_views_new(const struct ss_views_context *context, struct ss_views **ret_views,
		 struct ss_error *error);
/* After the gate has let go what is in it. */
void ss_views_free(struct ss_views *views);

void ss_views_record(struct ss_views *views, const struct ss_tls_record *record);
/* What has waited long enough goes on. boot_ns: CLOCK_BOOTTIME. */
void ss_views_flush(struct ss_views *views, uint64_t boot_ns);
/* The last frames into the gate; nothing comes after it. */
void ss_views_end(struct ss_views *views);

/* Frames of packets wait so long for plaintext that belongs before them. */
uint64_t ss_views_window_ns(const struct ss_views *views);
/* Frames that were written for the primary reader. */
uint64_t ss_views_written(const struct ss_views *views);
/* ... without a verdict (judge.h); after the end. */
uint64_t ss_views_undecided(const struct ss_views *views);
/* Frames that there was no room for until it was known whether they are wanted; after the end. */
uint64_t ss_views_given_up(const struct ss_views *views);

#endif
