/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HTTP/1 messages in one direction of a TCP connection: where they begin and end (RFC 9112), by
 * their lengths, which heads tell. Bodies are not kept, nor are heads: one line at a time.
 *
 * Segments come in the order of the capture. What was captured before is skipped; what is missing
 * in a body of known length is counted; elsewhere the next segment that begins like a message is
 * waited for.
 */
#ifndef SS_ANALYSIS_HTTP_H
#define SS_ANALYSIS_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "cursor.h"

#define SS_HTTP_LINE_MAX 256 /* of a line, so much is looked at */

enum ss_http_event {
	SS_HTTP_MORE,     /* the segment goes on with the message under way */
	SS_HTTP_REQUEST,  /* one begins in it */
	SS_HTTP_RESPONSE, /* likewise */
	SS_HTTP_END,      /* the message under way ends in it, or nobody knows where */
	SS_HTTP_NONE,     /* what was under way has turned out to be no message */
};

struct ss_http_side {
	enum {
		SS_HTTP_IDLE,
		SS_HTTP_HEAD,
		SS_HTTP_BODY, /* left bytes */
		SS_HTTP_CHUNK_SIZE,
		SS_HTTP_CHUNK, /* likewise, with the end of its line */
		SS_HTTP_TRAILER,
		SS_HTTP_UNTIL_FIN,
		SS_HTTP_OTHER, /* something else is spoken now, until the end */
	} state;
	bool started; /* next is known */
	uint32_t next;
	uint64_t left;
	char line[SS_HTTP_LINE_MAX + 1];
	size_t length; /* of the line, all of it */
	bool first;    /* it is the first one of the head */
	bool is_response, has_length, chunked;
	uint64_t content_length;
	/* Of the last message, from its head's end on: */
	bool is_head, is_connect; /* requests */
	unsigned code;            /* responses */
	/* To be told at SS_HTTP_RESPONSE: it answers such a request. */
	bool answers_head, answers_connect;
};

typedef void (*ss_http_told)(enum ss_http_event event, void *user_data);

/* A struct of zeros is a new one. payload: what was captured of length bytes at sequence. */
void ss_http_side_take(struct ss_http_side *side, uint32_t sequence, struct ss_cursor payload,
		       uint32_t length, ss_http_told told, void *user_data);
/* The sender has nothing more to say. */
void ss_http_side_end(struct ss_http_side *side, ss_http_told told, void *user_data);
/* After a response that changes the protocol; both sides. */
static inline void ss_http_side_stop(struct ss_http_side *side)
{
	side->state = SS_HTTP_OTHER;
}
static inline bool ss_http_side_is_idle(const struct ss_http_side *side)
{
	return side->state == SS_HTTP_IDLE;
}
/* Is a response with this code an interim one (1xx), with the final one to come? */
static inline bool ss_http_is_interim(unsigned code)
{
	return code >= 100 && code < 200 && code != 101;
}
/* Does it change the protocol? answers_connect: its request was a CONNECT. */
static inline bool ss_http_is_switch(unsigned code, bool answers_connect)
{
	return code == 101 || (answers_connect && code >= 200 && code < 300);
}
static inline bool ss_http_side_is_interim(const struct ss_http_side *side)
{
	return ss_http_is_interim(side->code);
}
static inline bool ss_http_side_is_switch(const struct ss_http_side *side)
{
	return ss_http_is_switch(side->code, side->answers_connect);
}

/* What a payload begins like: SS_HTTP_REQUEST, SS_HTTP_RESPONSE or SS_HTTP_NONE. */
enum ss_http_event ss_http_beginning(struct ss_cursor payload);

#endif
