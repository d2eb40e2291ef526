/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reader's side of the frame ring (format/ring.h): arithmetic on a mapping, no system calls.
 */
#ifndef SS_SOURCE_RING_H
#define SS_SOURCE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "format/ring.h"

/* Embedded in the source; fields are the module's own. */
struct ss_ring {
	struct ss_ring_producer *producer;
	struct ss_ring_consumer *consumer;
	char *data;
	uint32_t size;     /* of the data area, without spill */
	size_t words;      /* in-flight words in use */
	uint64_t tail;     /* position, the private copy of consumer->tail */
	uint64_t offset;   /* of tail in data; at or past size in the spill area */
	uint64_t wrap_end; /* where the block that crosses size ends, once it is seen */
};

/* Size bytes of data in a mapping of ss_ring_mapping_size(size) zeros; cpus may write. */
void ss_ring_init(struct ss_ring *ring, void *mapping, uint32_t size, int cpus);
size_t ss_ring_mapping_size(uint32_t size);

/* Committed blocks, whole ones, in order: 0, 1 or 2 slices, valid until consumed. */
unsigned ss_ring_peek(struct ss_ring *ring, struct iovec slices[2]);
/* Gives length bytes from the front back to the writers; any number up to what peek returned. */
void ss_ring_consume(struct ss_ring *ring, size_t length);

/* Asks for the doorbell once watermark more bytes are there (0: never). Returns true if blocks
 * are waiting already. */
bool ss_ring_arm(struct ss_ring *ring, uint64_t watermark);

#endif
