/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The plaintext of one connection. What was read and what was written wait in two queues, each in
 * the order of positions, and leave merged by time when they have waited a moment: a write is
 * stamped when it entered but told of when it returned. What leaves is cut of what was had before,
 * and shown (rendering.h), unless the connection is shown otherwise.
 */
#ifndef SS_TLS_TALK_H
#define SS_TLS_TALK_H

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "format/tls.h"
#include "tls/ending.h"
#include "tls/plaintext.h"
#include "tls/rendering.h"

/* Pieces wait so long at least. */
#define SS_TLS_TALK_WINDOW_NS G_GUINT64_CONSTANT(10000000)

/* What all talks of a capture share. */
struct ss_tls_talks {
	struct ss_tls_plaintext_callbacks callbacks;
	struct ss_tls_renderer renderer;
	GHashTable *endings; /* ending.h */
	GQueue used;         /* all talks, the longest unused first */
	GQueue busy;         /* those that have something to do */
	size_t buffered;     /* bytes in pieces */
	uint64_t latest_ns;  /* of records */
};

/* One of a connection's two ways. */
struct ss_tls_talk_way {
	GQueue pieces; /* struct ss_tls_piece *, by position */
	bool begun;
	uint64_t next; /* position after what has left */
};

struct ss_tls_talk {
	struct ss_tls_talks *talks;
	uint64_t id; /* of the connection, within the process */
	uint64_t cgroup_id;
	uint32_t pid, tid;
	char comm[17];
	struct ss_tls_socket socket;
	struct ss_tls_talk_way ways[2]; /* [0] what the process reads, [1] what it writes */
	struct ss_tls_rendering rendering;
	bool silent;                  /* shown otherwise: by its other end, or its own packets */
	struct ss_tls_ending *ending; /* that it owns, or NULL */
	bool roles_known, local_is_client;
	uint64_t closed_ns; /* its object is gone, or its process; 0 */
	uint64_t shut_ns;   /* SSL_shutdown(); 0 */
	size_t buffered;    /* bytes in pieces */
	GList used;         /* in talks->used */
	GList busy;         /* in talks->busy, if it is */
	bool is_busy;
};

/* Its first record tells who talks. */
struct ss_tls_talk *ss_tls_talk_new(struct ss_tls_talks *talks, const struct ss_tls_data *data);
/* Everything leaves, and it ends and is freed. time_ns: when it ended, if it did not say so. */
void ss_tls_talk_finish(struct ss_tls_talk *talk, uint64_t time_ns);

/* The record's lengths must have been checked. */
void ss_tls_talk_take(struct ss_tls_talk *talk, const struct ss_tls_data *data);
/* Positions begin anew when the object's address is used again, and its close was lost. */
bool ss_tls_talk_begins_anew(const struct ss_tls_talk *talk, const struct ss_tls_data *data);
/* The object is gone. Records of other CPUs may still come. */
void ss_tls_talk_close(struct ss_tls_talk *talk, uint64_t time_ns);
void ss_tls_talk_shut(struct ss_tls_talk *talk, uint64_t time_ns);

/* Lets go what has waited long enough; UINT64_MAX: everything. */
void ss_tls_talk_work(struct ss_tls_talk *talk, uint64_t now_ns);
/* Nothing more is to come. */
bool ss_tls_talk_is_over(const struct ss_tls_talk *talk, uint64_t now_ns);
/* There is nothing to do until the next record. */
bool ss_tls_talk_is_idle(const struct ss_tls_talk *talk);

#endif
