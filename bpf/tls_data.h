/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Plaintext of a call that has returned, in records of up to SS_TLS_DATA_MAX bytes. */
#ifndef SS_BPF_TLS_DATA_H
#define SS_BPF_TLS_DATA_H

#include "bpf/tls_connection.h"

/* Plaintext bytes that a call may take before the rest is given up. */
const volatile __u32 call_budget = 24 << 20;
/* Has the kernel bpf_loop() (Linux 5.17)? Without it a call may take PIECES_WITHOUT_LOOP records.
 */
const volatile bool have_loop = true;
#define PIECES_WITHOUT_LOOP 16

/* Smaller reservations for smaller pieces: the ring lasts longer. */
#define SMALL  256
#define MIDDLE 2048

struct span {
	__u64 cgroup_id, cookie, time_ns;
	__u64 connection;
	__u64 position; /* of the first byte */
	__u64 buffer;
	__u64 count; /* bytes of the call */
	__u64 limit; /* bytes to copy */
	struct ss_tls_socket socket;
	__u32 write, moved;
};

static __always_inline void fill_piece(struct ss_tls_data *data, __u64 maximum,
				       const struct span *span, __u64 offset, __u64 length)
{
	__u64 lost = offset + length == span->limit ? span->count - span->limit : 0;

	length = clamp(length, maximum);
	if (length &&
	    bpf_probe_read_user(data->data, (__u32)length, (void *)(span->buffer + offset))) {
		COUNT(unreadable, 1);
		lost += length;
		length = 0;
	}
	if (lost)
		COUNT(lost_bytes, lost);
	fill_head(&data->head, SS_TLS_RECORD_DATA, sizeof(*data) + (__u32)length, span->cgroup_id,
		  span->cookie);
	if (span->time_ns)
		data->head.time_ns = span->time_ns;
	data->connection = span->connection;
	data->position = span->position + offset;
	data->socket = span->socket;
	data->length = (__u32)length;
	data->lost = (__u32)lost;
	data->moved = span->moved;
	data->write = (__u8)span->write;
	data->pattern = SS_TLS_COOKIE_FLAGS(span->cookie) & SS_TLS_POINT_PATTERN ? 1 : 0;
	__builtin_memset(data->unused, 0, sizeof(data->unused));
	submit_quietly(data);
}

/* A callback of bpf_loop(): 0 goes on. What does not fit into the ring is a hole in positions. */
static __noinline long copy_piece(__u32 index, struct span *span)
{
	__u64 offset = (__u64)index * SS_TLS_DATA_MAX, length = span->limit - offset;
	struct ss_tls_data *data;

	if (offset >= span->limit && index)
		return 1;
	if (length > SS_TLS_DATA_MAX)
		length = SS_TLS_DATA_MAX;
	if (length <= SMALL) {
		data = RESERVE(sizeof(*data) + SMALL);
		if (data)
			fill_piece(data, SMALL, span, offset, length);
	} else if (length <= MIDDLE) {
		data = RESERVE(sizeof(*data) + MIDDLE);
		if (data)
			fill_piece(data, MIDDLE, span, offset, length);
	} else {
		data = RESERVE(sizeof(*data) + SS_TLS_DATA_MAX);
		if (data)
			fill_piece(data, SS_TLS_DATA_MAX, span, offset, length);
	}
	if (!data)
		COUNT(lost_bytes, length);
	return 0;
}

/* count bytes were read or written by the call; they are still in its buffer, if it has one. */
static __always_inline void copy_plaintext(const struct call *call, __u64 cookie, bool write,
					   __u64 count)
{
	struct connection *connection = get_connection(call->connection);
	struct span span = {
		.cgroup_id = call->cgroup_id,
		.cookie = cookie,
		.time_ns = write ? call->time_ns : 0,
		.connection = call->connection,
		.buffer = call->buffer,
		.count = count,
		.limit = call->buffer ? count : 0,
		.write = write,
		.moved = count <= SS_TLS_DATA_MAX ? call->moved : 0,
	};
	__u32 pieces;

	if (!connection)
		return;
	span.position = __sync_fetch_and_add(&connection->position[write], count);
	span.socket = connection->socket;
	if (span.limit > call_budget)
		span.limit = call_budget;
	if (!have_loop && span.limit > PIECES_WITHOUT_LOOP * SS_TLS_DATA_MAX)
		span.limit = PIECES_WITHOUT_LOOP * SS_TLS_DATA_MAX;
	pieces = (__u32)((span.limit + SS_TLS_DATA_MAX - 1) / SS_TLS_DATA_MAX);
	if (pieces < 2) {
		copy_piece(0, &span);
	} else if (have_loop) {
		bpf_loop(pieces, copy_piece, &span, 0);
	} else {
		for (__u32 i = 0; i < PIECES_WITHOUT_LOOP; i++)
			if (copy_piece(i, &span))
				break;
	}
}

#endif
