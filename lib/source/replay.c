/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The recording's reader. One record at a time is in memory, and a record takes no more memory than
 * the file has bytes for it, whatever length it claims.
 *
 * The decoders (one per record type, in a table) say what is wrong as a phrase; the sentence around
 * it, with file and position, is made in one place.
 */
#include "replay.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <glib.h>

#include "cursor.h"
#include "format/pcapng.h"
#include "source/epb.h"

#define READ_STEP (1u << 20) /* bytes; memory for a record grows by this */

struct ss_replay {
	FILE *file;
	char *path;
	uint64_t position;              /* in the file, of the next byte */
	uint64_t record;                /* in the file, where the current record begins */
	GByteArray *payload;            /* of the current record; items point into it */
	struct ss_interface *interface; /* of the current record */
	uint32_t interfaces;
	bool ended;
	int result; /* what next() returns once it has ended */
};

static int damaged(const struct ss_replay *replay, const char *problem, struct ss_error *error)
{
	return ss_fail(error, -EBADMSG,
		       "'%s' is damaged at byte %" PRIu64 ": %s; what came before was used",
		       replay->path, replay->record, problem);
}

/* Appends up to length bytes; fewer at the end of the file. */
static int read_bytes(struct ss_replay *replay, size_t length, GByteArray *bytes,
		      struct ss_error *error)
{
	while (length) {
		size_t step = MIN(length, READ_STEP), n;
		guint before = bytes->len;

		g_byte_array_set_size(bytes, before + (guint)step);
		errno = 0;
		n = fread(bytes->data + before, 1, step, replay->file);
		g_byte_array_set_size(bytes, before + (guint)n);
		replay->position += n;
		length -= n;
		if (n == step)
			continue;
		if (ferror(replay->file)) {
			int r = errno ? -errno : -EIO;

			return ss_fail(error, r, "cannot read '%s': %s", replay->path,
				       g_strerror(-r));
		}
		break;
	}
	return 0;
}

static int read_header(struct ss_replay *replay, struct ss_error *error)
{
	struct ss_cursor cursor;
	const uint8_t *magic;
	uint32_t version;
	int r;

	r = read_bytes(replay, SS_RECORDING_HEADER_SIZE, replay->payload, error);
	if (r < 0)
		return r;
	cursor = ss_cursor(replay->payload->data, replay->payload->len);
	if (ss_cursor_bytes(&cursor, SS_RECORDING_MAGIC_SIZE, &magic) < 0 ||
	    memcmp(magic, SS_RECORDING_MAGIC, SS_RECORDING_MAGIC_SIZE) != 0 ||
	    ss_cursor_u32(&cursor, &version) < 0 || ss_cursor_skip(&cursor, 4) < 0)
		return ss_fail(error, -EBADMSG,
			       "'%s' is no recording: --replay takes what "
			       "'" PROGRAM_NAME " capture --record FILE' wrote",
			       replay->path);
	if (version < 1 || version > SS_RECORDING_VERSION)
		return ss_fail(error, -EBADMSG,
			       "'%s' is a recording of version %" PRIu32 ", this "
			       "program reads version %u: replay it with the "
			       "version of " PROGRAM_NAME " that made it",
			       replay->path, version, SS_RECORDING_VERSION);
	return 0;
}

/* Takes over the file. */
static int replay_new(FILE *file, const char *path, struct ss_replay **ret_replay,
		      struct ss_error *error)
{
	struct ss_replay *replay = g_new0(struct ss_replay, 1);
	int r;

	replay->file = file;
	replay->path = g_strdup(path);
	replay->payload = g_byte_array_new();
	r = read_header(replay, error);
	if (r < 0) {
		ss_replay_free(replay);
		return r;
	}
	*ret_replay = replay;
	return 0;
}

int ss_replay_new(const char *path, struct ss_replay **ret_replay, struct ss_error *error)
{
	FILE *file = fopen(path, "re");

	if (!file)
		return ss_fail(error, -errno, "cannot open the recording '%s': %s", path,
			       g_strerror(errno));
	return replay_new(file, path, ret_replay, error);
}

int ss_replay_new_memory(const void *data, size_t length, struct ss_replay **ret_replay,
			 struct ss_error *error)
{
	/* Opened for reading only, so the missing const of its first parameter does no harm. */
	FILE *file = fmemopen((void *)(uintptr_t)data, length, "r");

	if (!file)
		return ss_fail(error, -errno, "cannot read the recording: %s", g_strerror(errno));
	return replay_new(file, "memory", ret_replay, error);
}

void ss_replay_free(struct ss_replay *replay)
{
	if (!replay)
		return;
	fclose(replay->file);
	ss_interface_free(replay->interface);
	g_byte_array_unref(replay->payload);
	g_free(replay->path);
	g_free(replay);
}

/* NULL for a text that is absent. */
static int take_text(struct ss_cursor *cursor, const char **ret_text)
{
	uint32_t length;

	*ret_text = NULL;
	if (ss_cursor_u32(cursor, &length) < 0)
		return -EBADMSG;
	return length ? ss_cursor_text(cursor, length, ret_text) : 0;
}

/* One that must be there. */
static int need_text(struct ss_cursor *cursor, const char **ret_text)
{
	return take_text(cursor, ret_text) < 0 || !*ret_text ? -EBADMSG : 0;
}

static int need_interface(const struct ss_replay *replay, struct ss_cursor *cursor,
			  uint32_t *ret_id)
{
	return ss_cursor_u32(cursor, ret_id) < 0 || *ret_id >= replay->interfaces ? -EBADMSG : 0;
}

/* The decoders return NULL, or what is wrong. */
static const char *decode_interface(struct ss_replay *replay, struct ss_cursor *cursor,
				    struct ss_replay_item *item)
{
	static const char malformed[] = "the interface record is malformed";
	const char *name, *description, *filter;
	uint8_t has_mac, zero, mac[6];
	uint32_t snap_len;
	uint16_t link_type;

	if (ss_cursor_u32(cursor, &item->id) < 0 || ss_cursor_u32(cursor, &snap_len) < 0 ||
	    ss_cursor_u16(cursor, &link_type) < 0 || ss_cursor_u8(cursor, &has_mac) < 0 ||
	    ss_cursor_u8(cursor, &zero) < 0 || ss_cursor_copy(cursor, sizeof(mac), mac) < 0 ||
	    need_text(cursor, &name) < 0 || need_text(cursor, &description) < 0 ||
	    take_text(cursor, &filter) < 0 || has_mac > 1 || zero)
		return malformed;
	if (item->id != replay->interfaces)
		return "an interface is out of order";
	if (link_type != SS_LINKTYPE_ETHERNET && link_type != SS_LINKTYPE_RAW &&
	    link_type != SS_LINKTYPE_UPPER_PDU)
		return "an interface has a link type that no capture has";
	replay->interfaces++;
	replay->interface = ss_interface_new(name, link_type);
	replay->interface->snap_len = snap_len;
	replay->interface->has_mac = has_mac;
	memcpy(replay->interface->mac, mac, sizeof(mac));
	g_free(replay->interface->description);
	replay->interface->description = g_strdup(description);
	replay->interface->filter = g_strdup(filter);
	item->interface = replay->interface;
	return NULL;
}

static const char *decode_name(struct ss_replay *replay, struct ss_cursor *cursor,
			       struct ss_replay_item *item)
{
	uint8_t binary[16];

	(void)replay;
	if (need_text(cursor, &item->address) < 0 || need_text(cursor, &item->name) < 0)
		return "the name record is malformed";
	if (inet_pton(AF_INET, item->address, binary) != 1 &&
	    inet_pton(AF_INET6, item->address, binary) != 1)
		return "the name record has no IP address";
	return NULL;
}

static const char *decode_frames(struct ss_replay *replay, struct ss_cursor *cursor,
				 struct ss_replay_item *item)
{
	item->frames = (struct iovec){replay->payload->data, cursor->length};
	if (!cursor->length)
		return "a record of packets has none";
	while (cursor->length) {
		const char *problem = ss_epb_check(cursor, replay->interfaces);

		if (problem)
			return problem;
	}
	return NULL;
}

static const char *decode_event(struct ss_replay *replay, struct ss_cursor *cursor,
				struct ss_replay_item *item)
{
	if (need_interface(replay, cursor, &item->id) < 0 ||
	    ss_cursor_u64(cursor, &item->time_ns) < 0 || need_text(cursor, &item->info) < 0 ||
	    need_text(cursor, &item->json) < 0)
		return "the event record is malformed";
	return NULL;
}

static const char *decode_counters(struct ss_replay *replay, struct ss_cursor *cursor,
				   struct ss_replay_item *item)
{
	struct ss_interface_counters *counters = &item->counters;

	if (need_interface(replay, cursor, &item->id) < 0 ||
	    ss_cursor_u64(cursor, &counters->seen) < 0 ||
	    ss_cursor_u64(cursor, &counters->accepted) < 0 ||
	    ss_cursor_u64(cursor, &counters->dropped) < 0 ||
	    ss_cursor_u64(cursor, &counters->bytes) < 0)
		return "the counters record is malformed";
	/* What was not written is not in the recording. */
	counters->left_out = counters->unmatched = counters->unmatched_bytes = 0;
	return NULL;
}

static const char *decode_secrets(struct ss_replay *replay, struct ss_cursor *cursor,
				  struct ss_replay_item *item)
{
	(void)replay;
	return need_text(cursor, &item->lines) < 0 ? "the secrets record is malformed" : NULL;
}

static const char *decode_end(struct ss_replay *replay, struct ss_cursor *cursor,
			      struct ss_replay_item *item)
{
	(void)cursor;
	(void)item;
	return fgetc(replay->file) == EOF ? NULL : "something follows the end of the recording";
}

static const char *(*const decoders[])(struct ss_replay *, struct ss_cursor *,
				       struct ss_replay_item *) = {
	[SS_RECORDING_INTERFACE] = decode_interface, [SS_RECORDING_NAME] = decode_name,
	[SS_RECORDING_FRAMES] = decode_frames,       [SS_RECORDING_EVENT] = decode_event,
	[SS_RECORDING_COUNTERS] = decode_counters,   [SS_RECORDING_END] = decode_end,
	[SS_RECORDING_SECRETS] = decode_secrets,
};

/* Into replay->payload. */
static int read_record(struct ss_replay *replay, uint32_t *ret_type, struct ss_error *error)
{
	struct ss_cursor cursor;
	uint32_t type, length;
	int r;

	replay->record = replay->position;
	g_byte_array_set_size(replay->payload, 0);
	r = read_bytes(replay, SS_RECORDING_RECORD_SIZE, replay->payload, error);
	if (r < 0)
		return r;
	cursor = ss_cursor(replay->payload->data, replay->payload->len);
	if (ss_cursor_u32(&cursor, &type) < 0 || ss_cursor_u32(&cursor, &length) < 0)
		return damaged(replay, "it was cut short", error);
	if (type >= G_N_ELEMENTS(decoders) || !decoders[type])
		return damaged(replay, "a record has an unknown type", error);
	if (length > SS_RECORDING_LENGTH_MAX)
		return damaged(replay, "a record is longer than 64 MiB", error);
	g_byte_array_set_size(replay->payload, 0);
	r = read_bytes(replay, length, replay->payload, error);
	if (r < 0)
		return r;
	if (replay->payload->len < length)
		return damaged(replay, "it was cut short", error);
	*ret_type = type;
	return 0;
}

static int next(struct ss_replay *replay, struct ss_replay_item *item, struct ss_error *error)
{
	struct ss_cursor cursor;
	const char *problem;
	uint32_t type = SS_RECORDING_END;
	int r;

	r = read_record(replay, &type, error);
	if (r < 0)
		return r;
	g_clear_pointer(&replay->interface, ss_interface_free);
	item->type = type;
	cursor = ss_cursor(replay->payload->data, replay->payload->len);
	problem = decoders[type](replay, &cursor, item);
	if (!problem && cursor.length)
		problem = "a record is longer than what it holds";
	if (problem)
		return damaged(replay, problem, error);
	return type == SS_RECORDING_END ? 0 : 1;
}

int ss_replay_next(struct ss_replay *replay, struct ss_replay_item *ret_item,
		   struct ss_error *error)
{
	struct ss_replay_item item = {0};
	int r;

	if (replay->ended)
		return replay->result;
	r = next(replay, &item, error);
	if (r == 1) {
		*ret_item = item;
		return 1;
	}
	replay->ended = true;
	replay->result = r;
	return r;
}
