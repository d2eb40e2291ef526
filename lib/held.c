/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every frame gets a record when it is offered first. In the ring it belongs to the queue; as a
 * copy to those who wait, and goes with the last word. What could surprise: the words come while
 * frames are taken, so a late copy is handed over in the midst of that.
 */
#include "held.h"

#include <string.h>

#include "format/pcapng.h"
#include "output/blocks.h"
#include "spare.h"

struct ss_held {
	struct ss_held_reader reader;
	struct ss_held_callbacks callbacks;
	GArray *places;
	GQueue frames;         /* struct ss_held_frame in the ring, in order, by link */
	struct ss_spare spare; /* struct ss_held_frame */
	size_t copied;         /* bytes */
	uint64_t admitted;     /* bytes so far: positions count from there */
	size_t inspected;      /* bytes behind it that were looked at */
	uint64_t front_ns;     /* stamp of the first frame offered */
	bool released;
};

struct ss_held *ss_held_new(const struct ss_held_reader *reader,
			    const struct ss_held_callbacks *callbacks)
{
	struct ss_held *held = g_new0(struct ss_held, 1);

	held->reader = *reader;
	held->callbacks = *callbacks;
	held->places = ss_places_new();
	g_queue_init(&held->frames);
	return held;
}

void ss_held_free(struct ss_held *held)
{
	GList *link;

	if (!held)
		return;
	while ((link = g_queue_pop_head_link(&held->frames)))
		g_free(link->data);
	ss_spare_deinit(&held->spare);
	g_array_unref(held->places);
	g_free(held);
}

/* The comment goes before the end of the options. */
static void add_comment(GByteArray *block, const char *text)
{
	uint16_t head[2] = {GUINT16_TO_LE(SS_OPT_COMMENT), GUINT16_TO_LE((uint16_t)strlen(text))};
	static const uint8_t padding[3];
	uint8_t tail[8];
	uint32_t size;

	memcpy(tail, block->data + block->len - sizeof(tail), sizeof(tail));
	g_byte_array_set_size(block, block->len - (guint)sizeof(tail));
	g_byte_array_append(block, (const guint8 *)head, sizeof(head));
	g_byte_array_append(block, (const guint8 *)text, (guint)strlen(text));
	g_byte_array_append(block, padding, -(guint)strlen(text) & 3);
	g_byte_array_append(block, tail, sizeof(tail));
	size = GUINT32_TO_LE(block->len);
	memcpy(block->data + 4, &size, sizeof(size));
	memcpy(block->data + block->len - 4, &size, sizeof(size));
}

/* What was left out is not. */
static void take_back(const struct ss_held *held, uint8_t *block)
{
	ss_block_set_type(block, SS_PCAPNG_EPB);
	ss_block_set_context(block, ss_block_word(block + 4), true);
	held->callbacks.taken_back(ss_block_word(block + 8), ss_block_word(block + 24),
				   held->callbacks.user_data);
}

/* A copy leaves after all, not before what has left already. */
static void write_late(struct ss_held *held, struct ss_held_frame *frame)
{
	uint64_t time_ns = MAX(frame->time_ns, held->front_ns);
	g_autofree char *text = NULL;

	if (frame->is_left_out) {
		take_back(held, frame->copy->data);
		held->callbacks.left_out(frame->interface_id, held->callbacks.user_data);
	}
	if (time_ns != frame->time_ns) {
		text = g_strdup_printf("sent %.6f s before; it waited for its answer",
				       (double)(time_ns - frame->time_ns) / 1e9);
		ss_block_set_time(frame->copy->data, time_ns);
		add_comment(frame->copy, text);
	}
	held->callbacks.late(frame->interface_id, time_ns, g_steal_pointer(&frame->copy),
			     held->callbacks.user_data);
}

void ss_held_wait(struct ss_held_frame *frame, uint64_t until_ns)
{
	if (!frame->waits && !frame->is_left_out)
		frame->wanted = false;
	frame->waits++;
	frame->until_ns = until_ns;
}

void ss_held_decide(struct ss_held *held, struct ss_held_frame *frame, bool wanted)
{
	frame->wanted |= wanted;
	if (--frame->waits || !frame->copy)
		return;
	held->copied -= frame->copy->len;
	if (frame->wanted)
		write_late(held, frame);
	g_clear_pointer(&frame->copy, g_byte_array_unref);
	ss_spare_give(&held->spare, frame);
}

size_t ss_held_copied(const struct ss_held *held)
{
	return held->copied;
}

static void take(struct ss_held *held, const uint8_t *block, uint32_t size, uint64_t position,
		 uint64_t now_ns)
{
	const struct ss_held_callbacks *callbacks = &held->callbacks;
	const struct ss_place *place = ss_places_get(held->places, ss_block_word(block + 8));
	struct ss_held_frame *frame = NULL;
	struct ss_transport transport;
	bool left_out;

	if (!place || (callbacks->skip && callbacks->skip(block, size, callbacks->user_data)) ||
	    !ss_transport_read(ss_cursor(block, size), place->link_type, &transport))
		return;
	left_out = ss_block_type(block) == SS_BLOCK_LEFT_OUT;
	if (!left_out || (callbacks->taken_back && ss_block_is_context(block, size))) {
		frame = ss_spare_take(&held->spare, sizeof(*frame));
		frame->position = position;
		frame->interface_id = place->interface_id;
		frame->time_ns = transport.time_ns;
		frame->is_left_out = left_out;
		frame->wanted = !left_out;
		frame->link.data = frame;
	}
	held->reader.take(frame, &transport, place->owner, now_ns, held->reader.reader);
	if (!frame)
		return;
	if (frame->waits || frame->wanted || !left_out)
		g_queue_push_tail_link(&held->frames, &frame->link);
	else
		ss_spare_give(&held->spare, frame);
}

static void inspect(struct ss_held *held, const uint8_t *blocks, size_t length, uint64_t now_ns)
{
	struct ss_blocks walk = ss_blocks(blocks, length, held->inspected);

	while (ss_blocks_next(&walk))
		take(held, blocks + walk.at, (uint32_t)walk.size, held->admitted + walk.at, now_ns);
	held->inspected = length;
}

static void leave_out(const struct ss_held *held, uint8_t *block)
{
	held->callbacks.left_out(ss_block_word(block + 8), held->callbacks.user_data);
	ss_block_set_type(block, SS_BLOCK_LEFT_OUT);
}

/* Out of the ring, so that others need not wait. */
static void copy_out(struct ss_held *held, struct ss_held_frame *frame, const uint8_t *block)
{
	frame->copy = g_byte_array_sized_new(ss_block_word(block + 4));
	g_byte_array_append(frame->copy, block, ss_block_word(block + 4));
	held->copied += frame->copy->len;
}

/* Finishes the frames at the front that need not wait any more. Returns how much may go on. */
static size_t settle(struct ss_held *held, uint8_t *blocks, size_t length, uint64_t now_ns,
		     uint64_t *ret_again_ns)
{
	struct ss_held_frame *frame;

	while ((frame = g_queue_peek_head(&held->frames))) {
		size_t offset = (size_t)(frame->position - held->admitted);
		uint8_t *block = blocks + offset;

		if (offset > length || length - offset < 12 ||
		    ss_block_word(block + 4) > length - offset)
			return length; /* offered less than before */
		if (frame->waits && frame->until_ns > now_ns && !held->released) {
			*ret_again_ns = frame->until_ns - now_ns;
			return offset;
		}
		g_queue_unlink(&held->frames, &frame->link);
		if (frame->waits)
			copy_out(held, frame, block);
		if (frame->is_left_out && frame->wanted && !frame->waits)
			take_back(held, block);
		if (!frame->is_left_out && (frame->waits || !frame->wanted))
			leave_out(held, block);
		if (!frame->waits)
			ss_spare_give(&held->spare, frame);
	}
	return length;
}

static size_t admit(void *blocks, size_t length, uint64_t now_ns, uint64_t *ret_again_ns,
		    void *user_data)
{
	struct ss_held *held = user_data;
	const uint8_t *front = blocks;
	size_t admitted;

	if (length >= 20)
		held->front_ns =
			(uint64_t)ss_block_word(front + 12) << 32 | ss_block_word(front + 16);
	if (held->inspected < length)
		inspect(held, blocks, length, now_ns);
	admitted = settle(held, blocks, length, now_ns, ret_again_ns);
	held->admitted += admitted;
	held->inspected -= admitted;
	held->released = false;
	held->reader.taken(now_ns, held->reader.reader);
	return admitted;
}

static void release(void *user_data)
{
	((struct ss_held *)user_data)->released = true;
}

static void add_interface(const struct ss_place *place, void *user_data)
{
	struct ss_held *held = user_data;

	if (place->is_lo || !held->callbacks.lo_only)
		ss_places_set(held->places, place);
}

struct ss_stage ss_held_stage(struct ss_held *held)
{
	return (struct ss_stage){
		.admit = admit,
		.release = release,
		.interface = add_interface,
		.leaves_out = true,
		.user_data = held,
	};
}
