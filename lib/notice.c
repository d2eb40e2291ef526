/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An event becomes JSON when it is queued, because what it borrows does not last. */
#include "notice.h"

#include <glib.h>

#define OURS UINT32_MAX /* on the stream's own interface of events */

struct notice {
	uint32_t interface_id;
	uint64_t time_ns;
	char *info, *json;
};

static void notice_free(void *pointer)
{
	struct notice *notice = pointer;

	g_free(notice->info);
	g_free(notice->json);
	g_free(notice);
}

static int write_notice(void *item, void *user_data)
{
	const struct notice *notice = item;
	const struct ss_notices *notices = user_data;

	if (notice->interface_id == OURS)
		return ss_stream_event_json(notices->stream, notice->time_ns, notice->info,
					    notice->json, notices->error);
	return ss_stream_record(notices->stream, notice->interface_id, notice->time_ns,
				notice->info, notice->json, notices->error);
}

/* Takes json. */
static void queue(struct ss_notices *notices, uint32_t interface_id, uint64_t time_ns,
		  const char *info, char *json)
{
	struct notice *notice = g_new(struct notice, 1);

	*notice = (struct notice){interface_id, time_ns, g_strdup(info), json};
	ss_gate_queue(notices->gate, time_ns, notice, write_notice, notice_free, notices);
}

void ss_notices_add(struct ss_notices *notices, uint64_t time_ns, const struct ss_event *event)
{
	time_ns = ss_gate_stamp(notices->gate, time_ns);
	queue(notices, OURS, time_ns, event->message, ss_event_json(time_ns, event));
}

void ss_notices_add_record(struct ss_notices *notices, uint32_t interface_id, uint64_t time_ns,
			   const char *info, const char *json)
{
	queue(notices, interface_id, ss_gate_stamp(notices->gate, time_ns), info, g_strdup(json));
}
