/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What differs between Wireshark 4.0, 4.4 and 4.6, and nowhere else in the plugin.
 */
#ifndef SS_PLUGIN_COMPAT_H
#define SS_PLUGIN_COMPAT_H

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include <epan/packet.h>
#include <epan/stats_tree.h>
#include <epan/tap.h>
#include <wiretap/wtap.h>
#include <ws_version.h>

#define SS_WIRESHARK_AT_LEAST(major, minor)                                                        \
	(WIRESHARK_VERSION_MAJOR > (major) ||                                                      \
	 (WIRESHARK_VERSION_MAJOR == (major) && WIRESHARK_VERSION_MINOR >= (minor)))

/* What callbacks return: gboolean is an int, bool is not. */
#if SS_WIRESHARK_AT_LEAST(4, 4)
typedef bool ss_bool;
#else
typedef gboolean ss_bool;
#endif

/* In a path of the Statistics menu. */
#ifdef STATS_TREE_MENU_SEPARATOR
#define SS_MENU_SEPARATOR STATS_TREE_MENU_SEPARATOR
#else
#define SS_MENU_SEPARATOR "/"
#endif

static inline unsigned ss_record_section(const packet_info *pinfo)
{
	return pinfo->rec->presence_flags & WTAP_HAS_SECTION_NUMBER ? pinfo->rec->section_number
								    : 0;
}

/*
 * Name and description of the record's interface; NULL when unknown. Before 4.2 the lookup does not
 * know sections, and answers with an interface of the first one: unknown is better than wrong.
 */
#if SS_WIRESHARK_AT_LEAST(4, 2)
static inline const char *ss_record_interface_name(const packet_info *pinfo, unsigned id)
{
	return epan_get_interface_name(pinfo->epan, id, ss_record_section(pinfo));
}

static inline const char *ss_record_interface_description(const packet_info *pinfo, unsigned id)
{
	return epan_get_interface_description(pinfo->epan, id, ss_record_section(pinfo));
}
#else
static inline const char *ss_record_interface_name(const packet_info *pinfo, unsigned id)
{
	return ss_record_section(pinfo) == 0 ? epan_get_interface_name(pinfo->epan, id) : NULL;
}

static inline const char *ss_record_interface_description(const packet_info *pinfo, unsigned id)
{
	return ss_record_section(pinfo) == 0 ? epan_get_interface_description(pinfo->epan, id)
					     : NULL;
}
#endif

/* The value of a custom binary option (2989), without its PEN. */
static inline uint32_t ss_custom_option(const wtap_optval_t *value, const uint8_t **ret_data,
					size_t *ret_length)
{
#if SS_WIRESHARK_AT_LEAST(4, 6)
	*ret_data = (const uint8_t *)value->custom_binaryval.data.custom_data;
	*ret_length = value->custom_binaryval.data.custom_data_len;
	return value->custom_binaryval.pen;
#else
	*ret_data = (const uint8_t *)value->custom_opt.data.generic_data.custom_data;
	*ret_length = value->custom_opt.data.generic_data.custom_data_len;
	return value->custom_opt.pen;
#endif
}

/* A function of (packet_info *) as a callback of register_conversation_filter(). */
#if SS_WIRESHARK_AT_LEAST(4, 4)
#define SS_CONVERSATION_FILTER(type, name, function)                                               \
	static type name(packet_info *pinfo, void *user_data)                                      \
	{                                                                                          \
		(void)user_data;                                                                   \
		return function(pinfo);                                                            \
	}
#define ss_register_conversation_filter(protocol, title, is_valid, make)                           \
	register_conversation_filter(protocol, title, is_valid, make, NULL)
#else
#define SS_CONVERSATION_FILTER(type, name, function)                                               \
	static type name(packet_info *pinfo)                                                       \
	{                                                                                          \
		return function(pinfo);                                                            \
	}
#define ss_register_conversation_filter(protocol, title, is_valid, make)                           \
	register_conversation_filter(protocol, title, is_valid, make)
#endif

#if SS_WIRESHARK_AT_LEAST(4, 4)
#define ss_register_follow(protocol, tap, conversation, index, addresses, port, handler, count)    \
	register_follow_stream(protocol, tap, conversation, index, addresses, port, handler,       \
			       count, NULL)
#else
#define ss_register_follow(protocol, tap, conversation, index, addresses, port, handler, count)    \
	register_follow_stream(protocol, tap, conversation, index, addresses, port, handler)
#endif

/*
 * The flow graph: exported by the library, but its header epan/sequence_analysis.h is in no -dev
 * package. The beginnings of its two structures, as far as we touch them.
 */
struct ss_sequence_item {
	uint32_t frame_number;
	address src_addr;
	uint16_t port_src;
	address dst_addr;
	uint16_t port_dst;
	char *frame_label;
	char *time_str;
	char *comment;
	uint16_t conv_num;
	unsigned fg_color, bg_color;
	ss_bool has_color_filter;
	ss_bool display;
	unsigned src_node, dst_node;
	uint16_t line_style;
};

struct ss_sequence {
	const char *name;
	ss_bool any_addr;
	int conversations;
	GQueue *items; /* struct ss_sequence_item * */
};

WS_DLL_PUBLIC void register_seq_analysis(const char *name, const char *ui_name, const int proto_id,
					 const char *tap_listener, unsigned tap_flags,
					 tap_packet_cb tap_func);
WS_DLL_PUBLIC struct ss_sequence_item *
sequence_analysis_create_sai_with_addresses(packet_info *pinfo, struct ss_sequence *sequence);
WS_DLL_PUBLIC void sequence_analysis_use_color_filter(packet_info *pinfo,
						      struct ss_sequence_item *item);
WS_DLL_PUBLIC void sequence_analysis_use_col_info_as_label_comment(packet_info *pinfo,
								   struct ss_sequence_item *item);

#endif
