/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses of these views are names: "production/api-1", "production/svc/api", "node/n1". Frames
 * that are in the file twice are counted once.
 */
#include "conversations.h"
#include "compat.h"

#include <string.h>

#include <epan/conversation_filter.h>
#include <epan/conversation_table.h>

#include "metadata.h"

static bool is_counted(const struct ss_tap *record)
{
	return !record->transport.again && record->sides.src.address->type != AT_NONE;
}

static address name_address(const packet_info *pinfo, const struct ss_side *side)
{
	const char *name = ss_side_name(pinfo->pool, side);
	address named;

	set_address(&named, AT_STRINGZ, (int)strlen(name) + 1, name);
	return named;
}

static const char *field_name(conv_filter_type_e filter)
{
	switch (filter) {
	case CONV_FT_SRC_ADDRESS:
		return "stratoshark.src.name";
	case CONV_FT_DST_ADDRESS:
		return "stratoshark.dst.name";
	case CONV_FT_ANY_ADDRESS:
		return "stratoshark.name";
	default:
		return CONV_FILTER_INVALID;
	}
}

static const char *conversation_field(conv_item_t *conversation, conv_filter_type_e filter)
{
	(void)conversation;
	return field_name(filter);
}

static const char *endpoint_field(endpoint_item_t *endpoint, conv_filter_type_e filter)
{
	(void)endpoint;
	return field_name(filter);
}

static tap_packet_status count_conversation(void *data, packet_info *pinfo, epan_dissect_t *edt,
					    const void *tapped, tap_flags_t flags)
{
	static ct_dissector_info_t info = {conversation_field};
	const struct ss_tap *record = (const struct ss_tap *)tapped;
	conv_hash_t *hash = (conv_hash_t *)data;
	address src, dst;

	(void)edt;
	if (!is_counted(record))
		return TAP_PACKET_DONT_REDRAW;
	src = name_address(pinfo, &record->sides.src);
	dst = name_address(pinfo, &record->sides.dst);
	hash->flags = flags;
	add_conversation_table_data(hash, &src, &dst, 0, 0, 1, (int)pinfo->fd->pkt_len,
				    &pinfo->rel_ts, &pinfo->abs_ts, &info, CONVERSATION_NONE);
	return TAP_PACKET_REDRAW;
}

static tap_packet_status count_endpoint(void *data, packet_info *pinfo, epan_dissect_t *edt,
					const void *tapped, tap_flags_t flags)
{
	static et_dissector_info_t info = {endpoint_field};
	const struct ss_tap *record = (const struct ss_tap *)tapped;
	conv_hash_t *hash = (conv_hash_t *)data;
	address src, dst;

	(void)edt;
	if (!is_counted(record))
		return TAP_PACKET_DONT_REDRAW;
	src = name_address(pinfo, &record->sides.src);
	dst = name_address(pinfo, &record->sides.dst);
	hash->flags = flags;
	add_endpoint_table_data(hash, &src, 0, true, 1, (int)pinfo->fd->pkt_len, &info,
				ENDPOINT_NONE);
	add_endpoint_table_data(hash, &dst, 0, false, 1, (int)pinfo->fd->pkt_len, &info,
				ENDPOINT_NONE);
	return TAP_PACKET_REDRAW;
}

static void replace_address(address *to, const packet_info *pinfo, const struct ss_side *side)
{
	address named = name_address(pinfo, side);

	free_address(to);
	copy_address(to, &named);
}

/* Not what a pod says to itself: tshark can't draw an arrow that ends where it begins. */
static bool is_drawn(const packet_info *pinfo, const struct ss_tap *record)
{
	return is_counted(record) && strcmp(ss_side_name(pinfo->pool, &record->sides.src),
					    ss_side_name(pinfo->pool, &record->sides.dst)) != 0;
}

static tap_packet_status draw_frame(void *data, packet_info *pinfo, epan_dissect_t *edt,
				    const void *tapped, tap_flags_t flags)
{
	const struct ss_tap *record = (const struct ss_tap *)tapped;
	struct ss_sequence *sequence = (struct ss_sequence *)data;
	struct ss_sequence_item *item;

	(void)edt;
	(void)flags;
	if (!is_drawn(pinfo, record))
		return TAP_PACKET_DONT_REDRAW;
	item = sequence_analysis_create_sai_with_addresses(pinfo, sequence);
	if (!item)
		return TAP_PACKET_DONT_REDRAW;
	item->frame_number = pinfo->num;
	replace_address(&item->src_addr, pinfo, &record->sides.src);
	replace_address(&item->dst_addr, pinfo, &record->sides.dst);
	item->port_src = record->sides.src.port;
	item->port_dst = record->sides.dst.port;
	sequence_analysis_use_color_filter(pinfo, item);
	sequence_analysis_use_col_info_as_label_comment(pinfo, item);
	item->line_style = 1;
	item->display = true;
	g_queue_push_tail(sequence->items, item);
	return TAP_PACKET_REDRAW;
}

static bool is_flow(packet_info *pinfo)
{
	return ss_metadata_sides(pinfo) != NULL;
}

/* In quotes. */
static void append_name(GString *filter, const char *field, const char *name)
{
	g_string_append_printf(filter, "stratoshark.%s.name == \"", field);
	for (; *name; name++) {
		if (*name == '"' || *name == '\\')
			g_string_append_c(filter, '\\');
		g_string_append_c(filter, *name);
	}
	g_string_append_c(filter, '"');
}

static char *flow_filter(packet_info *pinfo)
{
	const struct ss_sides *sides = ss_metadata_sides(pinfo);
	GString *filter = g_string_new("(");
	const char *src, *dst;

	if (!sides)
		return g_string_free(filter, true);
	src = ss_side_name(pinfo->pool, &sides->src);
	dst = ss_side_name(pinfo->pool, &sides->dst);
	append_name(filter, "src", src);
	g_string_append(filter, " && ");
	append_name(filter, "dst", dst);
	g_string_append(filter, ") || (");
	append_name(filter, "src", dst);
	g_string_append(filter, " && ");
	append_name(filter, "dst", src);
	g_string_append_c(filter, ')');
	return g_string_free(filter, false);
}

SS_CONVERSATION_FILTER(ss_bool, flow_is_valid, is_flow)
SS_CONVERSATION_FILTER(char *, flow_make_filter, flow_filter)

void ss_conversations_register(void)
{
	register_conversation_table(ss_proto, true, count_conversation, count_endpoint);
	register_seq_analysis("stratoshark", "Kubernetes Pod Flows", ss_proto, "stratoshark",
			      TL_REQUIRES_COLUMNS, draw_frame);
	ss_register_conversation_filter("stratoshark", "Kubernetes flow", flow_is_valid,
					flow_make_filter);
}
