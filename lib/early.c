/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Numbers begin where no stream's interfaces get, so that frames of the stream cost one look. What
 * was settled is kept for a while: frames with the old number may still be in the ring.
 */
#include "early.h"

#include <glib.h>

#include "format/pcapng.h"
#include "output/blocks.h"

#define FIRST_NUMBER 0x80000000u
#define WAIT_NS      2000000000ull
#define KEEP_NS      10000000000ull /* frames are in the order of time */

struct interface {
	bool settled;
	uint32_t id;         /* in the stream, once settled */
	uint64_t settled_ns; /* UTC */
	uint64_t lost;       /* frames that could not wait */
};

struct ss_early {
	uint64_t (*utc_ns)(void *user_data);
	void *user_data;
	GHashTable *interfaces; /* number → struct interface * */
	uint32_t next;
	uint64_t lost;
	bool waits;    /* something did when it was offered last */
	bool released; /* it is not to wait any more */
};

struct ss_early *ss_early_new(uint64_t (*utc_ns)(void *user_data), void *user_data)
{
	struct ss_early *early = g_new0(struct ss_early, 1);

	early->utc_ns = utc_ns;
	early->user_data = user_data;
	early->interfaces = g_hash_table_new_full(NULL, NULL, NULL, g_free);
	early->next = FIRST_NUMBER;
	return early;
}

void ss_early_free(struct ss_early *early)
{
	if (!early)
		return;
	g_hash_table_unref(early->interfaces);
	g_free(early);
}

static struct interface *find(const struct ss_early *early, uint32_t number)
{
	return g_hash_table_lookup(early->interfaces, GUINT_TO_POINTER(number));
}

static gboolean is_past(gpointer number, gpointer value, gpointer user_data)
{
	const struct interface *interface = value;
	const uint64_t *now_ns = user_data;

	(void)number;
	return interface->settled && interface->settled_ns + KEEP_NS < *now_ns;
}

uint32_t ss_early_add(struct ss_early *early)
{
	uint64_t now_ns = early->utc_ns(early->user_data);
	uint32_t number = early->next;

	g_hash_table_foreach_remove(early->interfaces, is_past, &now_ns);
	early->next = number == UINT32_MAX ? FIRST_NUMBER : number + 1;
	g_hash_table_replace(early->interfaces, GUINT_TO_POINTER(number),
			     g_new0(struct interface, 1));
	return number;
}

uint64_t ss_early_settle(struct ss_early *early, uint32_t number, uint32_t interface_id)
{
	struct interface *interface = find(early, number);

	if (!interface)
		return 0;
	interface->settled = true;
	interface->id = interface_id;
	interface->settled_ns = early->utc_ns(early->user_data);
	early->lost += interface->lost;
	return interface->lost;
}

void ss_early_forget(struct ss_early *early, uint32_t number)
{
	g_hash_table_remove(early->interfaces, GUINT_TO_POINTER(number));
}

uint64_t ss_early_lost(const struct ss_early *early)
{
	return early->lost;
}

static void leave_out(uint8_t *block)
{
	ss_block_set_type(block, SS_BLOCK_LEFT_OUT);
}

/* Whose number a frame has, at the front. 0: it goes on; else how long it is to wait. */
static uint64_t pass(struct ss_early *early, uint8_t *block, size_t size)
{
	struct interface *interface = find(early, ss_block_word(block + 8));
	uint64_t now_ns, until_ns;

	if (!interface) {
		leave_out(block);
		return 0;
	}
	if (interface->settled) {
		ss_block_set_interface(block, interface->id);
		return 0;
	}
	now_ns = early->utc_ns(early->user_data);
	until_ns = ss_block_time(block, size) + WAIT_NS;
	if (!early->released && now_ns < until_ns)
		return MIN(until_ns - now_ns, WAIT_NS); /* the clock may have been set back */
	interface->lost++;
	leave_out(block);
	return 0;
}

static size_t admit(void *blocks, size_t length, uint64_t now_ns, uint64_t *ret_again_ns,
		    void *user_data)
{
	struct ss_early *early = user_data;

	(void)now_ns;
	for (struct ss_blocks walk = ss_blocks(blocks, length, 0); ss_blocks_next(&walk);) {
		uint8_t *block = (uint8_t *)blocks + walk.at;

		if (ss_block_word(block + 8) >= FIRST_NUMBER &&
		    ss_block_type(block) != SS_BLOCK_LEFT_OUT) {
			*ret_again_ns = pass(early, block, walk.size);
			early->waits = *ret_again_ns != 0;
			if (early->waits)
				return walk.at;
		}
	}
	early->waits = early->released = false;
	return length;
}

static void release(void *user_data)
{
	struct ss_early *early = user_data;

	early->released = early->waits;
}

struct ss_stage ss_early_stage(struct ss_early *early)
{
	return (struct ss_stage){
		.admit = admit,
		.release = release,
		.leaves_out = true,
		.user_data = early,
	};
}
