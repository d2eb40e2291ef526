/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The statistics tree "Pods". A tree has one counter per node, an int: frames and bytes are two
 * trees in one, and a byte count stops at 2 GiB instead of turning negative. (The frame nodes also
 * average the frame length, so that the exact sum remains to be had: count times average.)
 */
#include "stats.h"

#include <limits.h>
#include <string.h>

#include <epan/strutil.h>

#include "metadata.h"

#include "format/metadata.h"

#define FRAMES "Frames"
#define BYTES  "Bytes"

/* stats_tree * → GHashTable *: node id → gint64 *, the bytes so far. */
static GHashTable *totals;

static void reset_totals(stats_tree *tree)
{
	if (!totals)
		totals =
			g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)g_hash_table_unref);
	/* Replaces those of the previous run over the file. */
	g_hash_table_insert(totals, tree, g_hash_table_new_full(NULL, NULL, NULL, g_free));
}

static void forget_totals(stats_tree *tree)
{
	if (totals)
		g_hash_table_remove(totals, tree);
}

static gint64 *node_total(stats_tree *tree, int node)
{
	GHashTable *nodes;
	gint64 *total;

	if (!totals || !g_hash_table_contains(totals, tree))
		reset_totals(tree);
	nodes = (GHashTable *)g_hash_table_lookup(totals, tree);
	total = (gint64 *)g_hash_table_lookup(nodes, GINT_TO_POINTER(node));
	if (!total) {
		total = g_new0(gint64, 1);
		g_hash_table_insert(nodes, GINT_TO_POINTER(node), total);
	}
	return total;
}

/* Both return the node. All nodes are parents, leaves too: only parents have a number. */
static int add_frame(stats_tree *tree, const char *name, int parent, unsigned bytes)
{
	return stats_tree_manip_node_int(MN_AVERAGE, tree, name, parent, true,
					 (int)MIN(bytes, INT_MAX));
}

static int add_bytes(stats_tree *tree, const char *name, int parent, unsigned bytes)
{
	int node = stats_tree_manip_node_int(MN_INCREASE, tree, name, parent, true, 0);
	gint64 *total = node_total(tree, node);

	*total += bytes;
	return stats_tree_manip_node_int(MN_SET, tree, name, parent, true,
					 (int)MIN(*total, INT_MAX));
}

static tap_packet_status count(stats_tree *tree, packet_info *pinfo, epan_dissect_t *edt,
			       const void *data, tap_flags_t flags)
{
	const struct ss_tap *record = (const struct ss_tap *)data;
	const struct ss_interface *interface = record->interface;
	const char *namespace = interface ? interface->values[SS_FIELD_NAMESPACE] : NULL;
	const char *path[] = {
		NULL, /* FRAMES, then BYTES */
		namespace ? namespace : "(no namespace)",
		interface ? interface->values[SS_FIELD_POD] : NULL,
		ss_direction_name(record->direction),
	};
	const unsigned bytes = pinfo->fd->pkt_len;

	(void)edt;
	(void)flags;
	if (!path[2])
		return TAP_PACKET_DONT_REDRAW;
	for (size_t i = 1; i < G_N_ELEMENTS(path); i++)
		path[i] = (const char *)format_text(pinfo->pool, (const void *)path[i],
						    strlen(path[i]));
	for (int is_bytes = 0; is_bytes <= 1; is_bytes++) {
		int parent = 0;

		path[0] = is_bytes ? BYTES : FRAMES;
		for (size_t i = 0; i < G_N_ELEMENTS(path); i++)
			parent = is_bytes ? add_bytes(tree, path[i], parent, bytes)
					  : add_frame(tree, path[i], parent, bytes);
	}
	return TAP_PACKET_REDRAW;
}

void ss_stats_register(void)
{
	stats_tree_register_plugin("stratoshark", "stratoshark",
				   "Kubernetes" SS_MENU_SEPARATOR "Pods", 0, count, reset_totals,
				   forget_totals);
}
