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

#endif
