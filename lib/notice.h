/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events that wait in the gate (gate.h) for the frames before them. */
#ifndef SS_NOTICE_H
#define SS_NOTICE_H

#include "error.h"
#include "gate.h"
#include "stream.h"

struct ss_notices { /* borrowed until the gate is gone */
	struct ss_gate *gate;
	struct ss_stream *stream;
	struct ss_error *error; /* for what a write says */
};

/* time_ns (UTC): when it happened; it is stamped later if that has left already. */
void ss_notices_add(struct ss_notices *notices, uint64_t time_ns, const struct ss_event *event);
/* One that is finished already (from a recording). */
void ss_notices_add_record(struct ss_notices *notices, uint32_t interface_id, uint64_t time_ns,
			   const char *info, const char *json);

#endif
