/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ring's reader against writers that do what bpf/ring.h does, in one thread at every awkward
 * moment, and in several at once. Each word of the stream is a function of its position, so that
 * what is lost, doubled, torn or from another lap shows.
 */
#include "source/ring.h"

#include <string.h>
#include <time.h>

#include <glib.h>

#define SIZE      SS_RING_SIZE_MIN
#define WRITERS   (2 * SS_RING_NESTING) /* of two CPUs */
#define BLOCK_MAX 0x40000u

struct block {
	uint64_t head, size;
	__u64 *word; /* in flight; NULL: this writer rests */
};

struct fixture {
	struct ss_ring ring;
	void *mapping;
	struct block blocks[WRITERS];
	GQueue ends; /* of blocks, in order: positions as pointers */
};

static uint32_t word_at(uint64_t position)
{
	return (uint32_t)(position * 0x9e3779b97f4a7c15ull >> 29);
}

static void set_up(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	f->mapping = g_malloc0(ss_ring_mapping_size(SIZE) + 64);
	ss_ring_init(&f->ring, f->mapping, SIZE, 3);
	g_queue_init(&f->ends);
}

static void tear_down(struct fixture *f)
{
	g_queue_clear(&f->ends);
	g_free(f->mapping);
}

/* False: no word, no room. */
static bool reserve(struct ss_ring *ring, struct block *block, unsigned cpu, uint64_t size,
		    uint64_t *ret_stamp)
{
	struct ss_ring_producer *producer = ring->producer;
	__u64 head = __atomic_load_n(&producer->head, __ATOMIC_RELAXED);
	uint64_t limit = __atomic_load_n(&ring->consumer->tail, __ATOMIC_ACQUIRE) + SIZE;
	__u64 *word = &producer->inflight[cpu * SS_RING_STRIDE];
	__u64 idle = SS_RING_IDLE;
	struct timespec now;

	if (head + size > limit)
		return false;
	for (unsigned i = 0; !__atomic_compare_exchange_n(word, &idle, head, false,
							  __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	     idle = SS_RING_IDLE, word++)
		if (++i == SS_RING_NESTING)
			return false;
	for (;;) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		*ret_stamp = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
		if (__atomic_compare_exchange_n(&producer->head, &head, head + size, false,
						__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			break;
		__atomic_store_n(word, head, __ATOMIC_SEQ_CST);
		if (head + size > limit) {
			__atomic_store_n(word, SS_RING_IDLE, __ATOMIC_RELEASE);
			return false;
		}
	}
	if ((head & (SIZE - 1)) + size >= SIZE)
		__atomic_store_n(&producer->wrap_end, head + size, __ATOMIC_RELAXED);
	*block = (struct block){head, size, word};
	return true;
}

static uint32_t *words_of(struct ss_ring *ring, const struct block *block)
{
	return (uint32_t *)(void *)(ring->data + (block->head & (SIZE - 1)));
}

static void fill(struct ss_ring *ring, const struct block *block)
{
	for (uint64_t i = 0; i < block->size; i += 4)
		words_of(ring, block)[i / 4] = word_at(block->head + i);
}

static void commit(struct block *block)
{
	__atomic_store_n(block->word, SS_RING_IDLE, __ATOMIC_RELEASE);
	block->word = NULL;
}

static bool write_block(struct fixture *f, unsigned writer, uint64_t size)
{
	struct block *block = &f->blocks[writer];
	uint64_t stamp;

	if (!reserve(&f->ring, block, writer / SS_RING_NESTING, size, &stamp))
		return false;
	g_queue_push_tail(&f->ends, GSIZE_TO_POINTER(block->head + size));
	return true;
}

/* The first length bytes of the slices are what writers wrote at these positions. */
static void check_slices(struct fixture *f, const struct iovec *slices, unsigned count,
			 uint64_t length)
{
	uint64_t position = f->ring.tail;

	for (unsigned i = 0; i < count; i++) {
		const char *bytes = slices[i].iov_base;

		g_assert_cmpuint(slices[i].iov_len, >, 0);
		for (size_t at = 0; at < slices[i].iov_len && length; at++, position++, length--) {
			uint32_t word = word_at(position & ~3ull);

			if (bytes[at] != ((char *)&word)[position & 3])
				g_error("position %" G_GUINT64_FORMAT " holds something else",
					position);
		}
	}
	g_assert_cmpuint(length, ==, 0);
}

/* Consumes so much of what is there, checked. Returns how much is there. */
static uint64_t read_some(struct fixture *f, uint64_t most)
{
	struct iovec slices[2];
	unsigned count = ss_ring_peek(&f->ring, slices);
	uint64_t there = 0;

	for (unsigned i = 0; i < count; i++)
		there += slices[i].iov_len;
	if (count)
		g_assert_nonnull(g_queue_find(&f->ends, GSIZE_TO_POINTER(f->ring.tail + there)));
	check_slices(f, slices, count, MIN(most, there));
	ss_ring_consume(&f->ring, MIN(most, there));
	while (f->ends.head && GPOINTER_TO_SIZE(f->ends.head->data) <= f->ring.tail)
		g_queue_pop_head(&f->ends);
	return there;
}

static void finish(struct fixture *f, struct block *block)
{
	fill(&f->ring, block);
	commit(block);
}

static void test_order_of_commits(void)
{
	struct fixture f;

	set_up(&f);
	g_assert_cmpuint(read_some(&f, 0), ==, 0);
	g_assert_true(write_block(&f, 0, 100));
	g_assert_true(write_block(&f, 1, 200));
	g_assert_true(write_block(&f, 4, 300));
	finish(&f, &f.blocks[1]);
	g_assert_cmpuint(read_some(&f, 0), ==, 0);
	finish(&f, &f.blocks[0]);
	g_assert_cmpuint(read_some(&f, 0), ==, 300);
	finish(&f, &f.blocks[4]);
	g_assert_cmpuint(read_some(&f, 600), ==, 600);
	g_assert_cmpuint(read_some(&f, 0), ==, 0);
	tear_down(&f);
}

static void test_full(void)
{
	struct fixture f;

	set_up(&f);
	for (unsigned i = 0; i < 4; i++) {
		g_assert_true(write_block(&f, 0, SIZE / 4));
		finish(&f, &f.blocks[0]);
	}
	g_assert_false(write_block(&f, 0, 4));
	g_assert_cmpuint(read_some(&f, 4), ==, SIZE);
	g_assert_true(write_block(&f, 0, 4));
	g_assert_false(write_block(&f, 1, 4));
	finish(&f, &f.blocks[0]);
	g_assert_cmpuint(read_some(&f, SIZE), ==, SIZE);
	tear_down(&f);
}

static void test_nesting(void)
{
	struct fixture f;

	set_up(&f);
	for (unsigned i = 0; i < SS_RING_NESTING; i++)
		g_assert_true(write_block(&f, i, 100));
	g_assert_false(write_block(&f, 0, 100));
	g_assert_true(write_block(&f, SS_RING_NESTING, 100)); /* another CPU */
	tear_down(&f);
}

/* A writer that was interrupted before it reserved announces a head of long ago. */
static void test_stale_announcement(void)
{
	struct fixture f;
	__u64 *word;

	set_up(&f);
	word = &f.ring.producer->inflight[2 * SS_RING_STRIDE];
	for (unsigned i = 0; i < 2; i++) {
		g_assert_true(write_block(&f, 0, 100));
		finish(&f, &f.blocks[0]);
	}
	g_assert_cmpuint(read_some(&f, 150), ==, 200);
	*word = 100; /* below tail */
	g_assert_cmpuint(read_some(&f, 50), ==, 0);
	*word = SS_RING_IDLE;
	g_assert_cmpuint(read_some(&f, 50), ==, 50);
	g_assert_true(write_block(&f, 0, 100));
	finish(&f, &f.blocks[0]);
	*word = 200; /* at tail */
	g_assert_cmpuint(read_some(&f, 100), ==, 0);
	*word = SS_RING_IDLE;
	g_assert_cmpuint(read_some(&f, 100), ==, 100);
	tear_down(&f);
}

/* A block ends exactly at the turn, then one goes far beyond it, read in pieces. */
static void test_turn(void)
{
	struct fixture f;

	set_up(&f);
	for (unsigned i = 0; i < 4; i++) {
		g_assert_true(write_block(&f, 0, SIZE / 4));
		finish(&f, &f.blocks[0]);
		g_assert_cmpuint(read_some(&f, SIZE / 4), ==, SIZE / 4);
	}
	g_assert_cmpuint(f.ring.offset, ==, 0);
	for (unsigned i = 0; i < 3; i++) {
		g_assert_true(write_block(&f, 0, SIZE / 4));
		finish(&f, &f.blocks[0]);
		g_assert_cmpuint(read_some(&f, SIZE / 4), ==, SIZE / 4);
	}
	g_assert_true(write_block(&f, 0, SIZE / 4 - 8));
	finish(&f, &f.blocks[0]);
	g_assert_true(write_block(&f, 0, BLOCK_MAX));
	finish(&f, &f.blocks[0]);
	/* To the middle of the spill area; writers fill what is free, past the next turn. */
	g_assert_cmpuint(read_some(&f, SIZE / 4 + 1000), ==, SIZE / 4 - 8 + BLOCK_MAX);
	while (write_block(&f, 0, 500))
		finish(&f, &f.blocks[0]);
	while (read_some(&f, 300))
		;
	g_assert_cmpuint(f.ring.tail, ==, f.ring.producer->head);
	tear_down(&f);
}

/* Anything, in any order. */
static void test_random(void)
{
	GRand *rand = g_rand_new_with_seed((guint32)g_test_rand_int());
	uint64_t total = 0;
	struct fixture f;

	set_up(&f);
	for (unsigned i = 0; i < 100000; i++) {
		unsigned writer = (unsigned)g_rand_int_range(rand, 0, WRITERS);
		__u64 *stale = &f.ring.producer->inflight[2 * SS_RING_STRIDE];
		struct block *block = &f.blocks[writer];
		gint32 size = g_rand_int_range(rand, 0, 20) ? 400 : BLOCK_MAX / 4;

		switch (g_rand_int_range(rand, 0, 4)) {
		case 0:
			if (*stale == SS_RING_IDLE && g_rand_int_range(rand, 0, 8) == 0)
				*stale = f.ring.tail -
					 MIN(f.ring.tail, (uint64_t)g_rand_int_range(rand, 0, 999));
			else
				*stale = SS_RING_IDLE;
			break;
		case 1:
			read_some(&f, (uint64_t)g_rand_int_range(rand, 0, 5000));
			if (g_rand_int_range(rand, 0, 50) == 0)
				read_some(&f, SIZE);
			break;
		default:
			if (block->word)
				finish(&f, block);
			else
				total += write_block(&f, writer,
						     4 * (uint64_t)g_rand_int_range(rand, 4, size));
		}
	}
	f.ring.producer->inflight[2 * SS_RING_STRIDE] = SS_RING_IDLE;
	for (unsigned i = 0; i < WRITERS; i++)
		if (f.blocks[i].word)
			finish(&f, &f.blocks[i]);
	while (read_some(&f, SIZE))
		;
	g_assert_cmpuint(f.ring.tail, ==, f.ring.producer->head);
	g_assert_cmpuint(f.ring.tail, >, 10 * SIZE);
	g_test_message("%" G_GUINT64_FORMAT " blocks", total);
	g_rand_free(rand);
	tear_down(&f);
}

static void test_arm(void)
{
	struct fixture f;

	set_up(&f);
	g_assert_false(ss_ring_arm(&f.ring, 1));
	g_assert_cmpuint(f.ring.consumer->wake_at, ==, 0);
	g_assert_true(write_block(&f, 0, 100));
	g_assert_true(ss_ring_arm(&f.ring, 1)); /* though it is not committed */
	finish(&f, &f.blocks[0]);
	read_some(&f, 100);
	g_assert_false(ss_ring_arm(&f.ring, 1000));
	g_assert_cmpuint(f.ring.consumer->wake_at, ==, 1099);
	g_assert_false(ss_ring_arm(&f.ring, 0));
	g_assert_cmpuint(f.ring.consumer->wake_at, ==, SS_RING_NEVER);
	tear_down(&f);
}

#define THREAD_BLOCKS 200000u

struct thread {
	struct ss_ring *ring;
	unsigned cpu;
	gint *stop;
	uint64_t written;
};

/* Blocks begin with their size and their stamp. */
static gpointer write_blocks(gpointer data)
{
	struct thread *thread = data;
	uint64_t random = thread->cpu + 1;

	while (!g_atomic_int_get(thread->stop)) {
		struct block block;
		uint64_t stamp;

		random = random * 6364136223846793005ull + 1442695040888963407ull;
		if (!reserve(thread->ring, &block, thread->cpu, 16 + (random >> 40) % 400 * 4,
			     &stamp)) {
			g_thread_yield();
			continue;
		}
		fill(thread->ring, &block);
		memcpy(words_of(thread->ring, &block), &block.size, 8);
		memcpy(words_of(thread->ring, &block) + 2, &stamp, 8);
		commit(&block);
		thread->written++;
	}
	return NULL;
}

static uint64_t check_blocks(const char *bytes, size_t length, uint64_t position, uint64_t *stamp)
{
	uint64_t size, next, blocks = 0;

	for (size_t at = 0; at < length; at += size, blocks++) {
		memcpy(&size, bytes + at, 8);
		memcpy(&next, bytes + at + 8, 8);
		g_assert_cmpuint(size, >=, 16);
		g_assert_cmpuint(size, <=, length - at);
		g_assert_cmpuint(next, >=, *stamp);
		*stamp = next;
		for (size_t i = 16; i < size; i += 4) {
			uint32_t word;

			memcpy(&word, bytes + at + i, 4);
			g_assert_cmpuint(word, ==, word_at(position + at + i));
		}
	}
	return blocks;
}

static void test_threads(void)
{
	struct thread threads[2];
	GThread *handles[2];
	uint64_t blocks = 0, stamp = 0;
	struct fixture f;
	gint stop = 0;
	bool last = false;

	set_up(&f);
	for (unsigned i = 0; i < 2; i++) {
		threads[i] = (struct thread){&f.ring, i, &stop, 0};
		handles[i] = g_thread_new("writer", write_blocks, &threads[i]);
	}
	while (!last) {
		struct iovec slices[2];
		unsigned count;
		size_t length = 0;

		if (blocks > THREAD_BLOCKS && !g_atomic_int_get(&stop)) {
			g_atomic_int_set(&stop, 1);
			for (unsigned i = 0; i < 2; i++)
				g_thread_join(handles[i]);
		}
		last = g_atomic_int_get(&stop);
		count = ss_ring_peek(&f.ring, slices);
		for (unsigned i = 0; i < count; i++) {
			blocks += check_blocks(slices[i].iov_base, slices[i].iov_len,
					       f.ring.tail + length, &stamp);
			length += slices[i].iov_len;
		}
		ss_ring_consume(&f.ring, length);
	}
	g_assert_cmpuint(f.ring.tail, ==, f.ring.producer->head);
	g_assert_cmpuint(blocks, ==, threads[0].written + threads[1].written);
	tear_down(&f);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/ring/order-of-commits", test_order_of_commits);
	g_test_add_func("/ring/full", test_full);
	g_test_add_func("/ring/nesting", test_nesting);
	g_test_add_func("/ring/stale-announcement", test_stale_announcement);
	g_test_add_func("/ring/turn", test_turn);
	g_test_add_func("/ring/random", test_random);
	g_test_add_func("/ring/arm", test_arm);
	g_test_add_func("/ring/threads", test_threads);
	return g_test_run();
}
