/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every stage keeps its own place in what the pump offers: a stage that let frames through does
 * not see them again while a later one still holds them.
 */
#include "gate.h"

#include <glib.h>

#include "format/pcapng.h"
#include "output/blocks.h"

struct stage {
	struct ss_stage stage;
	size_t admitted; /* bytes at the front that it let through and that have not left yet */
};

struct item {
	uint64_t time_ns;
	void *data;
	ss_gate_write write;
	GDestroyNotify free_data;
	void *user_data;
};

struct ss_gate {
	void (*failed)(int status, void *user_data);
	void *user_data;
	GArray *stages; /* struct stage */
	GQueue items;   /* struct item *, by time */
	uint64_t window_ns;
	uint64_t (*utc_ns)(void *user_data);
	void *utc_data;
	uint64_t left_ns; /* what has left is stamped at most this */
	bool released, leaves_out;
};

static void item_free(struct item *item)
{
	if (item->free_data)
		item->free_data(item->data);
	g_free(item);
}

struct ss_gate *ss_gate_new(void (*failed)(int status, void *user_data), void *user_data)
{
	struct ss_gate *gate = g_new0(struct ss_gate, 1);

	gate->failed = failed;
	gate->user_data = user_data;
	gate->stages = g_array_new(FALSE, TRUE, sizeof(struct stage));
	g_queue_init(&gate->items);
	return gate;
}

void ss_gate_free(struct ss_gate *gate)
{
	struct item *item;

	if (!gate)
		return;
	while ((item = g_queue_pop_head(&gate->items)) != NULL)
		item_free(item);
	g_array_unref(gate->stages);
	g_free(gate);
}

void ss_gate_add_stage(struct ss_gate *gate, const struct ss_stage *stage)
{
	struct stage one = {.stage = *stage};

	gate->leaves_out |= stage->leaves_out;
	g_array_append_val(gate->stages, one);
}

void ss_gate_interface(struct ss_gate *gate, const struct ss_place *place)
{
	for (guint i = 0; i < gate->stages->len; i++)
		ss_stage_interface(&g_array_index(gate->stages, struct stage, i).stage, place);
}

void ss_gate_set_window(struct ss_gate *gate, uint64_t window_ns,
			uint64_t (*utc_ns)(void *user_data), void *user_data)
{
	gate->window_ns = window_ns;
	gate->utc_ns = utc_ns;
	gate->utc_data = user_data;
}

uint64_t ss_gate_stamp(const struct ss_gate *gate, uint64_t time_ns)
{
	return MAX(time_ns, gate->left_ns);
}

void ss_gate_queue(struct ss_gate *gate, uint64_t time_ns, void *data, ss_gate_write write,
		   GDestroyNotify free_data, void *user_data)
{
	struct item *item = g_new0(struct item, 1);
	GList *before = gate->items.tail;

	*item = (struct item){time_ns, data, write, free_data, user_data};
	while (before && ((struct item *)before->data)->time_ns > time_ns)
		before = before->prev; /* they come nearly in order */
	g_queue_insert_after(&gate->items, before, item);
}

static void write_first(struct ss_gate *gate)
{
	struct item *item = g_queue_pop_head(&gate->items);
	int r = item->write(item->data, item->user_data);

	item_free(item);
	if (r < 0)
		gate->failed(r, gate->user_data);
}

static const struct item *first_item(struct ss_gate *gate)
{
	return g_queue_peek_head(&gate->items);
}

void ss_gate_flush(struct ss_gate *gate, uint64_t upto_ns)
{
	while (first_item(gate) && first_item(gate)->time_ns <= upto_ns) {
		gate->left_ns = MAX(gate->left_ns, first_item(gate)->time_ns);
		write_first(gate);
	}
}

/* The ring holds whole Enhanced Packet Blocks only. */
static uint64_t block_time(const uint8_t *block)
{
	return (uint64_t)ss_block_word(block + 12) << 32 | ss_block_word(block + 16);
}

/* How much of the front is stamped at most limit_ns. */
static size_t stamped_until(const uint8_t *blocks, size_t length, uint64_t limit_ns)
{
	struct ss_blocks walk = ss_blocks(blocks, length, 0);

	while (ss_blocks_next(&walk))
		if (walk.size < SS_EPB_HEADER_SIZE || block_time(blocks + walk.at) > limit_ns)
			break;
	return walk.at;
}

/* What all stages let through. */
static size_t pass_stages(struct ss_gate *gate, uint8_t *blocks, size_t length, uint64_t now_ns,
			  uint64_t *ret_again_ns)
{
	for (guint i = 0; i < gate->stages->len; i++) {
		struct stage *stage = &g_array_index(gate->stages, struct stage, i);
		uint64_t again_ns = 0;

		if (stage->admitted < length)
			stage->admitted +=
				ss_stage_admit(&stage->stage, blocks + stage->admitted,
					       length - stage->admitted, now_ns, &again_ns);
		if (stage->admitted >= length)
			continue;
		length = stage->admitted;
		*ret_again_ns = *ret_again_ns ? MIN(*ret_again_ns, again_ns) : again_ns;
	}
	return length;
}

/* Writes the items that belong before the frames, and cuts the frames where the next one belongs.
 */
static size_t merge(struct ss_gate *gate, const uint8_t *blocks, size_t length,
		    uint64_t *ret_again_ns)
{
	uint64_t limit_ns = UINT64_MAX;

	if (!length)
		return 0;
	if (gate->window_ns && !gate->released) {
		uint64_t now_ns = gate->utc_ns(gate->utc_data);
		uint64_t front_ns = block_time(blocks);

		limit_ns = now_ns - gate->window_ns;
		if (front_ns > limit_ns) {
			uint64_t wait_ns = front_ns - limit_ns;

			*ret_again_ns = *ret_again_ns ? MIN(*ret_again_ns, wait_ns) : wait_ns;
			return 0;
		}
	}
	ss_gate_flush(gate, block_time(blocks));
	/* Before a frame of the same time: it may be about that one. It is later than the front. */
	if (first_item(gate))
		limit_ns = MIN(limit_ns, first_item(gate)->time_ns - 1);
	if (limit_ns == UINT64_MAX)
		return length;
	gate->left_ns = MAX(gate->left_ns, limit_ns);
	return stamped_until(blocks, length, limit_ns);
}

static size_t admit(void *blocks, size_t length, uint64_t now_ns, uint64_t *ret_again_ns,
		    void *user_data)
{
	struct ss_gate *gate = user_data;
	uint64_t again_ns = 0;
	size_t passed;

	passed = pass_stages(gate, blocks, length, now_ns, &again_ns);
	passed = merge(gate, blocks, passed, &again_ns);
	for (guint i = 0; i < gate->stages->len; i++)
		g_array_index(gate->stages, struct stage, i).admitted -= passed;
	if (passed)
		gate->released = false;
	else
		*ret_again_ns = again_ns ? again_ns : 1;
	return passed;
}

static void release(void *user_data)
{
	struct ss_gate *gate = user_data;

	gate->released = true;
	for (guint i = 0; i < gate->stages->len; i++)
		ss_stage_release(&g_array_index(gate->stages, struct stage, i).stage);
}

/* Frames that come from now on are stamped later than the items, unless those are late themselves.
 */
static void drained(void *user_data)
{
	struct ss_gate *gate = user_data;

	if (!first_item(gate))
		return;
	ss_gate_flush(gate, gate->window_ns ? gate->utc_ns(gate->utc_data) - gate->window_ns
					    : UINT64_MAX);
}

struct ss_stage ss_gate_stage(struct ss_gate *gate)
{
	return (struct ss_stage){
		.admit = admit,
		.release = release,
		.drained = drained,
		.leaves_out = gate->leaves_out,
		.user_data = gate,
	};
}
