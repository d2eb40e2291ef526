/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DNS queries and their answers, paired: which exchanges fail, and which frames belong to them.
 *
 * A query is paired by its ends, protocol, id and question. It is undecided until the answer comes
 * or its time is over; the frames of an undecided exchange wait for the verdict. Two clocks: frames
 * are stamped (time_ns), which gives latencies; the caller's now_ns, which never goes back, gives
 * deadlines.
 */
#ifndef SS_ANALYSIS_EXCHANGE_H
#define SS_ANALYSIS_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "analysis/dns.h"
#include "transport.h"

struct ss_exchanges;

/* A frame that carries messages. Embedded by the caller, who keeps it until it waits for nothing or
 * ss_exchanges_release() was called. */
struct ss_exchange_frame {
	unsigned waits; /* for so many verdicts */
	bool wanted;    /* one of them: failed */
};

enum ss_exchange_failure {
	SS_EXCHANGE_FINE,
	SS_EXCHANGE_RCODE,       /* the answer says so */
	SS_EXCHANGE_TRUNCATED,   /* the answer did not fit */
	SS_EXCHANGE_SLOW,        /* the answer came after the timeout */
	SS_EXCHANGE_TIMEOUT,     /* no answer in time */
	SS_EXCHANGE_UNREACHABLE, /* an ICMP error came back */
	SS_EXCHANGE_REFUSED,     /* TCP: the connection was reset at once */
	SS_EXCHANGE_FAILURES
};

/* An exchange that failed. Borrowed for the call. */
struct ss_exchange_report {
	uint32_t place; /* as the caller numbered it */
	uint8_t protocol;
	struct ss_endpoint client, server;
	enum ss_exchange_failure failure;
	const char *name; /* NULL: not known */
	uint16_t type;
	bool answered;       /* then ... */
	bool timed;          /* ... if the query was seen: */
	uint64_t latency_ns; /* from the first query to the answer */
	uint16_t rcode;
	unsigned asked; /* the query was seen so often */
};

struct ss_exchanges_options {
	uint64_t timeout_ns;
	bool nxdomain_is_fine;
	/* ... if the client finds the name under another suffix at once: it goes through a search
	 * list. */
	bool searches_are_fine;
	void (*failed)(const struct ss_exchange_report *report, void *user_data);
	void *user_data;
};

struct ss_exchange_counts {
	uint64_t fine, failed[SS_EXCHANGE_FAILURES];
	uint64_t nxdomain; /* of failed[SS_EXCHANGE_RCODE] */
	uint64_t searched; /* of fine: NXDOMAIN on the way through a search list */
	uint64_t unjudged; /* no room to wait for the verdict */
};

struct ss_exchanges *ss_exchanges_new(const struct ss_exchanges_options *options);
void ss_exchanges_free(struct ss_exchanges *exchanges);

/* Who sends to whom, and where that was seen. */
struct ss_exchange_flow {
	struct ss_endpoint source, destination;
	uint32_t place;
	uint8_t protocol; /* IPPROTO_* */
};

/* A message, and the frames that carry it (struct ss_exchange_frame), which may have to wait. */
void ss_exchanges_message(struct ss_exchanges *exchanges, const struct ss_exchange_flow *flow,
			  const struct ss_dns_message *message, uint64_t time_ns, uint64_t now_ns,
			  GPtrArray *frames);
/* A TCP segment without a message: the beginning and the end of connections. */
void ss_exchanges_segment(struct ss_exchanges *exchanges, const struct ss_exchange_flow *flow,
			  uint8_t flags, uint64_t time_ns, uint64_t now_ns,
			  struct ss_exchange_frame *frame);
/* The flow's datagram with this query (-1: the connection of that flow) did not get there. */
void ss_exchanges_unreachable(struct ss_exchanges *exchanges, const struct ss_exchange_flow *flow,
			      int id, uint64_t time_ns, struct ss_exchange_frame *frame);

/* Decides what has waited for too long. */
void ss_exchanges_expire(struct ss_exchanges *exchanges, uint64_t now_ns);
/* No frame is waited for any more; all that waited are wanted. Exchanges go on without. */
void ss_exchanges_release(struct ss_exchanges *exchanges);

void ss_exchanges_count(const struct ss_exchanges *exchanges, struct ss_exchange_counts *ret);

#endif
