/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which process used a socket last: one word for a place, so that who uses a socket again and again
 * is recognized without a look at the socket's storage, which is a call. Needs CAP_PERFMON: the
 * verifier lets others learn nothing of a socket's address.
 *
 * A word of a process says: the socket at this address has an owner, whose container is known, and
 * it is this process. Other words say nothing; each of them is there once and never again.
 *
 * - Whoever changes an owner writes the storage, then a new word that says nothing (users_void()).
 * - A process that is not known begins with such a word of its own (users_begin()), then reads the
 *   storage, and if that names it, replaces this very word by the one that says so (users_end()).
 *   If the owner changed in between, another word is there, and nothing is written.
 * - The kernel uses the memory of a socket for another one at once. So who closes one voids its
 *   word, and as only programs for who uses an open socket write words of processes, none comes
 *   later. The first owner of a new socket does the same. A connection that comes in has its
 *   listener's owner, but no word until somebody reads from it.
 *
 * A pid that is used again is told apart as little as by is_current(). Sockets share places: the
 * later one displaces the earlier, and both are only slower.
 */
#ifndef SS_BPF_USERS_H
#define SS_BPF_USERS_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h> /* needs the types of linux/bpf.h */
#include <stdbool.h>

#include "bpf/atomic.h"
#include "bpf/map_value.h"

#define USERS         4096 /* a power of two */
#define USER_PID_BITS 22   /* PID_MAX_LIMIT */

/*
 * A word of a process: its pid, above it those bits of the socket's address that do not tell the
 * place, and 0 in the highest bit, which the others have. Sockets begin with a cache line, so 6
 * bits of an address say nothing, the next 12 are the place; of the rest 41 are more than kernels
 * use.
 */
#define USER_PLACE_SHIFT 6
#define USER_REST_SHIFT  18
#define USER_OTHER       (1ull << 63)

struct users {
	__u64 count; /* of the words that say nothing */
	__u64 unused[7];
	__u64 places[USERS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct users);
} users SEC(".maps");

/* From the socket to the table: a number, where the address itself stays a pointer. */
static __always_inline __u64 users_distance(const struct users *table, const void *socket)
{
	__u64 distance = (__u64)table;

	asm volatile("%0 -= %1" : "+r"(distance) : "r"(socket));
	return distance;
}

static __always_inline __u64 *users_place(struct users *table, __u64 distance)
{
	return &table->places[distance >> USER_PLACE_SHIFT & (USERS - 1)];
}

/* The word of pid 0, which is nobody's. */
static __always_inline __u64 users_word(__u64 distance)
{
	return distance >> USER_REST_SHIFT << (USER_PID_BITS + 1) >> 1;
}

/* The pid of the socket's user, 0 for nobody; not user_is_known(): any number. */
static __always_inline __u64 user_pid(struct users *table, const void *socket)
{
	__u64 distance = users_distance(table, socket);

	return *(volatile __u64 *)users_place(table, distance) ^ users_word(distance);
}

static __always_inline bool user_is_known(__u64 pid)
{
	return pid && !(pid >> USER_PID_BITS);
}

static __always_inline __u64 users_begin_at(struct users *table, __u64 distance)
{
	__u64 word = USER_OTHER | atomic_fetch_add(&table->count, 1);

	atomic_exchange(users_place(table, distance), word);
	return word;
}

static __always_inline __u64 users_begin(struct users *table, const void *socket)
{
	return users_begin_at(table, users_distance(table, socket));
}

static __always_inline void users_end(struct users *table, const void *socket, __u64 begun,
				      __u64 pid)
{
	__u64 distance = users_distance(table, socket);

	atomic_compare_exchange(users_place(table, distance), begun, users_word(distance) | pid);
}

/* The socket has another owner now, or goes. */
static __always_inline void users_void(const void *socket)
{
	struct users *table = MAP_VALUE(users);

	if (table)
		users_begin(table, socket);
}

#endif
