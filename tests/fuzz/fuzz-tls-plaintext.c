/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Records in any order become streams without holes: within each, sequence numbers and times go on.
 * The input is a row of steps: what happens, on which of a few connections, and its bytes.
 */
#include <string.h>

#include <glib.h>

#include "cursor.h"
#include "tls/plaintext.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SYN        0x02
#define MS         UINT64_C(1000000)
#define LOST_LARGE (3u << 20) /* too much to be filled */
#define LOST_SMALL 5000u
#define TOTAL_MAX  (3u << 20) /* of frames: gaps are filled */

/* One direction of what is on an address and port. */
struct way {
	uint32_t next;
	uint64_t time_ns;
};

struct check {
	GHashTable *ways; /* struct way * by addresses and ports, as in the packet */
	size_t total;
};

static uint32_t big_endian(const uint8_t *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof(value));
	return g_ntohl(value);
}

static void on_frame(const struct ss_tls_frame *frame, void *user_data)
{
	bool ipv6 = frame->data[0] >> 4 == 6;
	guint ip = ipv6 ? 40 : 20, addresses = ipv6 ? 8 : 12;
	const uint8_t *tcp = frame->data + ip;
	GString *text = g_string_new(NULL);
	struct check *check = user_data;
	uint32_t sequence, length;
	struct way *way;
	char *key;

	g_assert(frame->length >= ip + 20 && frame->length <= 65535);
	for (guint i = 0; i < ip - addresses + 4; i++) /* addresses and ports */
		g_string_append_printf(text, "%02x", frame->data[addresses + i]);
	key = g_string_free(text, FALSE);
	way = g_hash_table_lookup(check->ways, key);
	sequence = big_endian(tcp + 4);
	length = frame->length - ip - 4 * (tcp[12] >> 4);
	if (!way) {
		way = g_new0(struct way, 1);
		g_hash_table_insert(check->ways, key, way);
		g_assert(tcp[13] & SYN);
	} else {
		g_free(key);
		g_assert(tcp[13] & SYN || sequence == way->next);
		g_assert(tcp[13] & SYN || frame->time_ns >= way->time_ns);
	}
	way->next = sequence + length + (tcp[13] & 3 ? 1 : 0);
	way->time_ns = frame->time_ns;
	check->total += frame->length;
}

static bool is_shown(const struct ss_tls_socket *socket, void *user_data)
{
	(void)user_data;
	return socket->remote_port == 3;
}

static void put_socket(struct ss_tls_socket *socket, uint8_t which)
{
	socket->state = which % 4 ? SS_TLS_SOCKET_INET : which >> 2 & 1;
	if (socket->state != SS_TLS_SOCKET_INET)
		socket->state = which >> 2 & 1 ? SS_TLS_SOCKET_NONE : SS_TLS_SOCKET_UNKNOWN;
	socket->local[10] = socket->local[11] = socket->remote[10] = socket->remote[11] =
		which & 0x80 ? 0 : 0xff;
	/* Both ends of one connection among them. */
	socket->local[15] = which & 0x40 ? 2 : 1;
	socket->remote[15] = which & 0x40 ? 1 : 2;
	socket->local_port = which & 0x40 ? which & 3 : 7;
	socket->remote_port = which & 0x40 ? 7 : which & 3;
}

static int step(struct ss_tls_plaintext *plaintext, struct ss_cursor *cursor, uint64_t *now_ns)
{
	uint8_t verb, which, socket, delta, length;
	struct ss_tls_close close = {0};
	struct ss_tls_data *record;
	const uint8_t *bytes;
	uint32_t position;
	int r = 0;

	if (ss_cursor_u8(cursor, &verb) < 0 || ss_cursor_u8(cursor, &which) < 0 ||
	    ss_cursor_u8(cursor, &delta) < 0)
		return -1;
	*now_ns += delta * MS / 4;
	close.head.time_ns = *now_ns;
	close.head.pid = which & 1;
	close.connection = which >> 1 & 3;
	close.freed = verb >> 4 & 1;
	close.head.size = sizeof(close);
	switch (verb & 7) {
	case 0:
		ss_tls_plaintext_flush(plaintext, *now_ns);
		return 0;
	case 1:
		close.head.type = SS_TLS_RECORD_CLOSE;
		ss_tls_plaintext_record(plaintext, &close.head);
		return 0;
	case 2:
		close.head.type = SS_TLS_RECORD_EXIT;
		ss_tls_plaintext_record(plaintext, &close.head);
		return 0;
	default:
		break;
	}
	if (ss_cursor_u8(cursor, &socket) < 0 || ss_cursor_u32(cursor, &position) < 0 ||
	    ss_cursor_u8(cursor, &length) < 0 || ss_cursor_bytes(cursor, length, &bytes) < 0)
		return -1;
	record = g_malloc0(sizeof(*record) + length);
	record->head = close.head;
	record->head.type = SS_TLS_RECORD_DATA;
	record->head.size = (uint32_t)sizeof(*record) + length;
	record->head.time_ns -= verb & 0x80 ? 7 * MS : 0;
	record->connection = close.connection;
	record->position = verb & 0x40 ? position : position & 0x3ff;
	record->write = verb >> 3 & 1;
	record->length = length;
	record->lost = verb & 0x20 ? (verb & 0x40 ? LOST_LARGE : position % LOST_SMALL) : 0;
	put_socket(&record->socket, socket);
	memcpy(record->data, bytes, length);
	ss_tls_plaintext_record(plaintext, &record->head);
	g_free(record);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct check check = {
		.ways = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free)};
	const struct ss_tls_plaintext_callbacks callbacks = {on_frame, is_shown, &check};
	struct ss_tls_redact *redact = NULL;
	struct ss_cursor cursor = ss_cursor(data, size);
	struct ss_tls_plaintext *plaintext;
	uint64_t now_ns = 1000 * MS;
	uint8_t flags = 0;

	ss_cursor_u8(&cursor, &flags);
	if (flags & 1)
		g_assert(ss_tls_redact_new(NULL, &redact, NULL) == 0);
	plaintext = ss_tls_plaintext_new(redact, &callbacks);
	while (check.total < TOTAL_MAX && step(plaintext, &cursor, &now_ns) == 0)
		;
	ss_tls_plaintext_free(plaintext);
	ss_tls_redact_free(redact);
	g_hash_table_unref(check.ways);
	return 0;
}
