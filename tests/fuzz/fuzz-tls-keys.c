/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any frames and records, in any order, with time that passes. The input is steps: a letter, a u16
 * length, that many bytes. Lines are well formed and come once for each connection; what was
 * admitted is what was offered, in whole blocks.
 */
#include <string.h>

#include <glib.h>

#include "cursor.h"
#include "format/pcapng.h"
#include "tls/keylog.h"
#include "tls/keys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_line(const char *line, void *user_data)
{
	(void)user_data;
	g_assert(strlen(line) < SS_TLS_LINE_SIZE);
	g_assert(strspn(line, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0 ") > 0);
	g_assert(strlen(strrchr(line, ' ') + 1) % 2 == 0);
}

static void on_flow(const struct ss_tls_flow *flow, void *user_data)
{
	(void)user_data;
	g_assert(memchr(flow->server_name, 0, sizeof(flow->server_name)));
	g_assert(memchr(flow->alpn, 0, sizeof(flow->alpn)));
	g_assert(flow->state <= SS_TLS_FLOW_DARK);
}

static bool on_expects(uint32_t interface_id, void *user_data)
{
	(void)user_data;
	return interface_id != 3;
}

struct state {
	struct ss_tls_keys *keys;
	GByteArray *blocks; /* not admitted yet */
	bool broken;        /* they may have been no blocks */
	uint64_t now_ns;
};

static void put_word(GByteArray *bytes, uint32_t word)
{
	word = GUINT32_TO_LE(word);
	g_byte_array_append(bytes, (const guint8 *)&word, sizeof(word));
}

/* The first byte chooses the interface, the second how much was cut off; then the frame. */
static void put_frame(struct state *state, struct ss_cursor data)
{
	static const guint8 zeros[4];
	uint8_t interface_id, cut;
	uint32_t padded;

	if (ss_cursor_u8(&data, &interface_id) < 0 || ss_cursor_u8(&data, &cut) < 0)
		return;
	padded = ((uint32_t)data.length + 3) & ~3u;
	put_word(state->blocks, SS_PCAPNG_EPB);
	put_word(state->blocks, 32 + padded);
	put_word(state->blocks, interface_id & 7);
	put_word(state->blocks, 0);
	put_word(state->blocks, (uint32_t)state->now_ns);
	put_word(state->blocks, (uint32_t)data.length);
	put_word(state->blocks, (uint32_t)data.length + cut);
	g_byte_array_append(state->blocks, data.data, (guint)data.length);
	g_byte_array_append(state->blocks, zeros, -(guint)data.length & 3);
	put_word(state->blocks, 32 + padded);
}

static void admit(struct state *state)
{
	g_autofree uint8_t *exact = g_memdup2(state->blocks->data, state->blocks->len);
	uint64_t again_ns = UINT64_MAX;
	size_t admitted =
		ss_tls_keys_admit(state->keys, exact, state->blocks->len, state->now_ns, &again_ns);

	g_assert(admitted <= state->blocks->len);
	g_assert(admitted % 4 == 0 || state->broken);
	g_assert(admitted == state->blocks->len || again_ns <= 1000000000 || state->broken);
	if (admitted)
		g_byte_array_remove_range(state->blocks, 0, (guint)admitted);
}

/* A record of this size with what bytes there are. */
static void give(struct state *state, struct ss_cursor data, uint32_t type, size_t size)
{
	g_autofree struct ss_tls_record *record = g_malloc0(size);
	size_t body = size - sizeof(*record);

	ss_cursor_copy(&data, MIN(data.length, body), record + 1);
	record->type = type;
	record->size = (uint32_t)size;
	record->pid = record->tid = 1;
	ss_tls_keys_record(state->keys, record);
}

static void step(struct state *state, uint8_t what, struct ss_cursor data)
{
	switch (what) {
	case 'f':
		put_frame(state, data);
		break;
	case 'a':
		admit(state);
		break;
	case 'k':
		give(state, data, SS_TLS_RECORD_KDF, sizeof(struct ss_tls_kdf));
		break;
	case 'l':
		give(state, data, SS_TLS_RECORD_LABELLED, sizeof(struct ss_tls_labelled));
		break;
	case 't':
		state->now_ns += 1000000ull << (data.length & 15);
		break;
	case 'r':
		ss_tls_keys_release(state->keys);
		break;
	case 'b': /* whatever it is, as a block */
		g_byte_array_append(state->blocks, data.data, (guint)data.length);
		state->broken = true;
		admit(state);
		g_byte_array_set_size(state->blocks, 0);
		break;
	default:
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct ss_tls_keys_callbacks callbacks = {on_line, on_flow, on_expects, NULL, NULL};
	struct state state = {.now_ns = 1};
	struct ss_cursor cursor = ss_cursor(data, size), part = {0};
	uint16_t length;
	uint8_t what;

	state.keys = ss_tls_keys_new(0, &callbacks);
	state.blocks = g_byte_array_new();
	for (uint32_t i = 0; i < 6; i++)
		ss_tls_keys_interface(state.keys, i,
				      i & 1 ? SS_LINKTYPE_RAW : SS_LINKTYPE_ETHERNET);
	while (ss_cursor_u8(&cursor, &what) == 0 && ss_cursor_u16(&cursor, &length) == 0) {
		ss_cursor_part(&cursor, MIN(length, cursor.length), &part);
		step(&state, what, part);
	}
	admit(&state);
	ss_tls_keys_live_lines(state.keys, on_line, NULL);
	ss_tls_keys_free(state.keys);
	g_byte_array_unref(state.blocks);
	return 0;
}
