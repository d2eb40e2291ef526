/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Follows as TCP does, with its own functions, and puts a line in front where the speaker changes.
 */
#include "follow.h"
#include "compat.h"

#include <string.h>

#include <epan/dissectors/packet-tcp.h>
#include <epan/follow.h>

#include "metadata.h"

static tap_packet_cb follow_tcp;

/* Records are in reverse order: the last of the list is the first of the new ones. */
static GList *first_new(GList *records, const GList *before)
{
	while (records && records->next != before)
		records = records->next;
	return records;
}

static GByteArray *line(packet_info *pinfo, const struct ss_sides *sides, bool first)
{
	const char *text = wmem_strdup_printf(pinfo->pool, "%s[%s -> %s]\n", first ? "" : "\n",
					      ss_side_text(pinfo->pool, &sides->src),
					      ss_side_text(pinfo->pool, &sides->dst));

	return g_byte_array_append(g_byte_array_new(), (const guint8 *)text, (guint)strlen(text));
}

static tap_packet_status follow(void *data, packet_info *pinfo, epan_dissect_t *edt,
				const void *tapped, tap_flags_t flags)
{
	follow_info_t *info = (follow_info_t *)data;
	GList *before = info->payload, *first;
	tap_packet_status status = follow_tcp(data, pinfo, edt, tapped, flags);
	const follow_record_t *said, *last;
	follow_record_t *added;
	struct ss_sides sides;

	first = first_new(info->payload, before);
	if (info->payload == before || !first)
		return status;
	said = (const follow_record_t *)first->data;
	last = before ? (const follow_record_t *)before->data : NULL;
	if ((last && last->is_server == said->is_server) || !ss_metadata_get_sides(pinfo, &sides))
		return status;
	added = g_new(follow_record_t, 1);
	*added = *said;
	added->data = line(pinfo, &sides, !last);
	/* Behind the first new one in the list is before it in the stream. */
	info->payload = g_list_insert_before(info->payload, first->next, added);
	return status;
}

void ss_follow_handoff(void)
{
	register_follow_t *tcp = get_follow_by_name("TCP");

	if (!tcp)
		return;
	follow_tcp = get_follow_tap_handler(tcp);
	ss_register_follow(ss_proto, get_follow_tap_string(tcp), get_follow_conv_func(tcp),
			   get_follow_index_func(tcp), get_follow_address_func(tcp),
			   get_follow_port_to_display(tcp), follow, get_tcp_stream_count);
}
