/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For tests of a stage of the gate: frames that are offered to it as the pump does, again and again
 * until they may go on, and what became of them.
 */
#ifndef SS_TESTS_OFFERED_H
#define SS_TESTS_OFFERED_H

#include "dns-frames.h"
#include "held.h"
#include "tests/offer.h"

#define MS 1000000ull

struct offered {
	struct ss_stage stage;
	GByteArray *blocks; /* all that were offered so far */
	size_t from;        /* what is held begins here */
	GArray *starts;     /* guint, of each frame */
	uint64_t now_ns;    /* when it is, and what new frames are stamped with */
	int left_out;       /* frames the stage told of that did not come late */
	int taken_back;     /* frames that were left out before */
	GPtrArray *late;    /* GByteArray: frames that came after all */
};

/* For interfaces 0 and 1 of a pod, Ethernet and raw, and 2 of the host. */
static inline void offered_init(struct offered *offered, struct ss_stage stage)
{
	g_autofree char *namespace = g_strdup("production"), *name = g_strdup("api"),
			*uid = g_strdup("uid");
	const struct ss_pod pod = {.namespace = namespace, .name = name, .uid = uid};

	add_place(&stage, (struct ss_place){0, 7, SS_LINKTYPE_ETHERNET, .pod = &pod});
	add_place(&stage, (struct ss_place){1, 7, SS_LINKTYPE_RAW, .pod = &pod});
	add_place(&stage, (struct ss_place){2, 8, SS_LINKTYPE_ETHERNET, .pod = NULL});
	*offered = (struct offered){
		.stage = stage,
		.blocks = g_byte_array_new(),
		.starts = g_array_new(FALSE, FALSE, sizeof(guint)),
		.now_ns = 1000 * MS,
		.late = g_ptr_array_new_with_free_func((GDestroyNotify)g_byte_array_unref),
	};
}

static inline void offered_deinit(struct offered *offered)
{
	g_byte_array_unref(offered->blocks);
	g_array_unref(offered->starts);
	g_ptr_array_unref(offered->late);
}

/* What stages call, with a struct offered. */

static inline void offered_left_out(uint32_t interface_id, void *user_data)
{
	g_assert_cmpuint(interface_id, <, 3);
	((struct offered *)user_data)->left_out++;
}

static inline void offered_taken_back(uint32_t interface_id, uint32_t length, void *user_data)
{
	g_assert_cmpuint(interface_id, <, 3);
	g_assert_cmpuint(length, >=, 20);
	((struct offered *)user_data)->taken_back++;
}

static inline void offered_late(uint32_t interface_id, uint64_t time_ns, GByteArray *block,
				void *user_data)
{
	struct offered *offered = user_data;

	g_assert_cmpuint(interface_id, <, 3);
	g_assert_cmpuint(whole_blocks(block->data, block->len, SIZE_MAX), ==, block->len);
	g_assert_cmpuint(time_ns, ==, ss_block_time(block->data, block->len));
	offered->left_out--;
	g_ptr_array_add(offered->late, block);
}

/* For stages on held.h. */
static inline struct ss_held_callbacks offered_callbacks(struct offered *offered)
{
	return (struct ss_held_callbacks){
		.left_out = offered_left_out,
		.late = offered_late,
		.taken_back = offered_taken_back,
		.user_data = offered,
	};
}

/* A frame that was sent now. Returns its block, which lives until the next is put. */
static inline uint8_t *offered_put(struct offered *offered, struct packet packet)
{
	guint start;

	packet.time_ns = offered->now_ns;
	start = dns_put_block(offered->blocks, &packet);
	g_array_append_val(offered->starts, start);
	return offered->blocks->data + start;
}

/* What a judge said: it has left out what it does not select. */
enum said { YES, NO };

static inline void offered_put_judged(struct offered *offered, struct packet packet, enum said said)
{
	uint8_t *block = offered_put(offered, packet);

	if (said == YES)
		return;
	ss_block_set_context(block, ss_block_word(block + 4), true);
	ss_block_set_type(block, SS_BLOCK_LEFT_OUT);
}

/* Offers what is held; in steps, as the pump's ticks do, until ms later. */
static inline void offered_run(struct offered *offered, unsigned ms)
{
	for (unsigned passed = 0; passed <= ms; passed += 20) {
		if (passed)
			offered->now_ns += 20 * MS;
		offered->from += offer(&offered->stage, offered->blocks->data + offered->from,
				       offered->blocks->len - offered->from, offered->now_ns);
	}
}

/* Room in the ring: frames that went on are gone. Returns how many of them are written. */
static inline unsigned offered_forget_passed(struct offered *offered)
{
	unsigned written = 0;
	guint passed = 0;

	for (; passed < offered->starts->len; passed++) {
		guint start = g_array_index(offered->starts, guint, passed);

		if (start >= offered->from)
			break;
		written += ss_block_type(offered->blocks->data + start) != SS_BLOCK_LEFT_OUT;
	}
	g_array_remove_range(offered->starts, 0, passed);
	for (guint i = 0; i < offered->starts->len; i++)
		g_array_index(offered->starts, guint, i) -= (guint)offered->from;
	g_byte_array_remove_range(offered->blocks, 0, (guint)offered->from);
	offered->from = 0;
	return written;
}

/* Likewise, and nothing is held. */
static inline void offered_forget(struct offered *offered)
{
	g_assert_cmpuint(offered->from, ==, offered->blocks->len);
	offered_forget_passed(offered);
}

/* A letter per frame that went on: y it is written, n it is left out. The others wait behind. */
static inline void offered_assert_kept(const struct offered *offered, const char *kept)
{
	g_autoptr(GString) found = g_string_new(NULL);

	for (guint i = 0; i < offered->starts->len; i++) {
		guint start = g_array_index(offered->starts, guint, i);
		uint32_t type = ss_block_type(offered->blocks->data + start);

		if (start < offered->from)
			g_string_append_c(found, type == SS_BLOCK_LEFT_OUT ? 'n' : 'y');
	}
	g_assert_cmpstr(found->str, ==, kept);
}

#endif
