/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reader of the frame ring. It trusts the writers, who are our own programs in the kernel, but
 * not their pace: head and in-flight words change while it looks.
 *
 * Surprising: what is committed may go back. A writer announces what it read of head, possibly long
 * ago, before it finds out that others were faster. It goes back over blocks that stay valid, and
 * never below tail that matters: what was consumed is consumed.
 */
#include "ring.h"

#include <unistd.h>

#include <glib.h>

size_t ss_ring_mapping_size(uint32_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (SS_RING_DATA_OFFSET + (size_t)size + SS_RING_SPILL + page - 1) & ~(page - 1);
}

void ss_ring_init(struct ss_ring *ring, void *mapping, uint32_t size, int cpus)
{
	char *bytes = mapping;

	*ring = (struct ss_ring){
		.producer = mapping,
		.consumer = (void *)(bytes + SS_RING_CONSUMER_OFFSET),
		.data = bytes + SS_RING_DATA_OFFSET,
		.size = size,
		.words = (size_t)CLAMP(cpus, 1, SS_RING_CPUS) * SS_RING_STRIDE,
	};
	for (size_t i = 0; i < G_N_ELEMENTS(ring->producer->inflight); i++)
		ring->producer->inflight[i] = SS_RING_IDLE;
	ring->consumer->wake_at = SS_RING_NEVER;
}

static uint64_t committed(const struct ss_ring *ring)
{
	struct ss_ring_producer *producer = ring->producer;
	uint64_t least = __atomic_load_n(&producer->head, __ATOMIC_ACQUIRE);

	for (size_t i = 0; i < ring->words; i++) {
		uint64_t word;

		if (i % SS_RING_STRIDE >= SS_RING_NESTING)
			continue;
		word = __atomic_load_n(&producer->inflight[i], __ATOMIC_ACQUIRE);
		least = MIN(least, word);
	}
	return MAX(least, ring->tail);
}

/* Position of the first byte behind the data area, as tail's lap counts. */
static uint64_t lap_end(const struct ss_ring *ring)
{
	return ring->tail - ring->offset + ring->size;
}

unsigned ss_ring_peek(struct ss_ring *ring, struct iovec slices[2])
{
	uint64_t end = committed(ring), turn = lap_end(ring);
	unsigned count = 0;

	if (end == ring->tail)
		return 0;
	if (end < turn) {
		slices[0] = (struct iovec){ring->data + ring->offset, end - ring->tail};
		return 1;
	}
	/* The block that reaches the turn is committed, so its writer has said where it ends. It is
	 * read once: when tail is in the spill area, the next lap's may be there already. */
	if (ring->wrap_end < turn)
		ring->wrap_end = __atomic_load_n(&ring->producer->wrap_end, __ATOMIC_RELAXED);
	slices[count++] = (struct iovec){ring->data + ring->offset, ring->wrap_end - ring->tail};
	/* From inside the spill area one can see the next turn, too: that one later. */
	if (end > ring->wrap_end && end < turn + ring->size)
		slices[count++] =
			(struct iovec){ring->data + (ring->wrap_end - turn), end - ring->wrap_end};
	return count;
}

void ss_ring_consume(struct ss_ring *ring, size_t length)
{
	uint64_t turn = lap_end(ring);

	ring->tail += length;
	ring->offset += length;
	if (ring->wrap_end >= turn && ring->tail >= ring->wrap_end)
		ring->offset = ring->tail - turn;
	__atomic_store_n(&ring->consumer->tail, ring->tail, __ATOMIC_RELEASE);
}

bool ss_ring_arm(struct ss_ring *ring, uint64_t watermark)
{
	uint64_t head = __atomic_load_n(&ring->producer->head, __ATOMIC_RELAXED), armed;

	/* Only the writer that passes wake_at rings: again, if that was before it could see it. */
	do {
		uint64_t wake_at = watermark ? head + watermark - 1 : SS_RING_NEVER;

		armed = head;
		__atomic_store_n(&ring->consumer->wake_at, wake_at, __ATOMIC_SEQ_CST);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		head = __atomic_load_n(&ring->producer->head, __ATOMIC_ACQUIRE);
	} while (watermark > 1 && head - armed >= watermark);
	return head != ring->tail;
}
