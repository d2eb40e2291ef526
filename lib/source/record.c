/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The recording's writer: a stdio stream and the first error that it had. After an error nothing
 * more is written, so that the file ends where the disk was full, not with a hole.
 */
#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <glib.h>

#include "cursor.h"
#include "format/recording.h"

#define BUFFER_SIZE (256u << 10)

struct ss_recorder {
	FILE *file;
	char *path;
	GByteArray *payload; /* of the record being built; kept for its memory */
	int failed;          /* negative errno */
};

static void put_bytes(GByteArray *bytes, const void *data, size_t length)
{
	g_byte_array_append(bytes, data, (guint)length);
}

static void put_u32(GByteArray *bytes, uint32_t value)
{
	value = GUINT32_TO_LE(value);
	put_bytes(bytes, &value, sizeof(value));
}

static void put_u64(GByteArray *bytes, uint64_t value)
{
	value = GUINT64_TO_LE(value);
	put_bytes(bytes, &value, sizeof(value));
}

static void put_text(GByteArray *bytes, const char *text)
{
	size_t length = text ? MIN(strlen(text) + 1, SS_RECORDING_LENGTH_MAX) : 0;

	put_u32(bytes, (uint32_t)length);
	if (!length)
		return;
	put_bytes(bytes, text, length - 1);
	put_bytes(bytes, "", 1);
}

static void write_bytes(struct ss_recorder *recorder, const void *data, size_t length)
{
	if (recorder->failed || !length)
		return;
	errno = 0;
	if (fwrite(data, 1, length, recorder->file) != length)
		recorder->failed = errno ? -errno : -EIO;
}

static void write_record(struct ss_recorder *recorder, enum ss_recording_type type,
			 const void *payload, size_t length)
{
	uint32_t head[2] = {GUINT32_TO_LE((uint32_t)type), GUINT32_TO_LE((uint32_t)length)};

	if (length > SS_RECORDING_LENGTH_MAX && !recorder->failed)
		recorder->failed = -EMSGSIZE;
	write_bytes(recorder, head, sizeof(head));
	write_bytes(recorder, payload, length);
}

static GByteArray *begin(struct ss_recorder *recorder)
{
	return g_byte_array_set_size(recorder->payload, 0);
}

static void end(struct ss_recorder *recorder, enum ss_recording_type type)
{
	write_record(recorder, type, recorder->payload->data, recorder->payload->len);
}

int ss_recorder_new(const char *path, struct ss_recorder **ret_recorder, struct ss_error *error)
{
	const uint32_t version[2] = {GUINT32_TO_LE(SS_RECORDING_VERSION), 0};
	ss_autofd int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct ss_recorder *recorder;
	FILE *file;

	file = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (!file)
		return ss_fail(error, -errno, "cannot create the recording '%s': %s", path,
			       g_strerror(errno));
	g_steal_fd(&fd);
	setvbuf(file, NULL, _IOFBF, BUFFER_SIZE);
	recorder = g_new0(struct ss_recorder, 1);
	recorder->file = file;
	recorder->path = g_strdup(path);
	recorder->payload = g_byte_array_new();
	write_bytes(recorder, SS_RECORDING_MAGIC, SS_RECORDING_MAGIC_SIZE);
	write_bytes(recorder, version, sizeof(version));
	*ret_recorder = recorder;
	return 0;
}

int ss_recorder_close(struct ss_recorder *recorder, struct ss_error *error)
{
	int r;

	if (!recorder)
		return 0;
	write_record(recorder, SS_RECORDING_END, NULL, 0);
	if (fclose(recorder->file) != 0 && !recorder->failed)
		recorder->failed = -errno;
	r = recorder->failed;
	if (r < 0)
		ss_fail(error, r,
			"cannot write the recording '%s': %s; what it holds up to there "
			"can be replayed",
			recorder->path, g_strerror(-r));
	g_byte_array_unref(recorder->payload);
	g_free(recorder->path);
	g_free(recorder);
	return r;
}

void ss_recorder_interface(struct ss_recorder *recorder, uint32_t id,
			   const struct ss_interface *interface)
{
	uint16_t link_type = GUINT16_TO_LE(interface->link_type);
	const uint8_t has_mac[2] = {interface->has_mac, 0};
	GByteArray *bytes;

	if (!recorder)
		return;
	bytes = begin(recorder);
	put_u32(bytes, id);
	put_u32(bytes, interface->snap_len);
	put_bytes(bytes, &link_type, sizeof(link_type));
	put_bytes(bytes, has_mac, sizeof(has_mac));
	put_bytes(bytes, interface->mac, sizeof(interface->mac));
	put_text(bytes, interface->name);
	put_text(bytes, interface->description);
	put_text(bytes, interface->filter);
	end(recorder, SS_RECORDING_INTERFACE);
}

void ss_recorder_name(struct ss_recorder *recorder, const char *address, const char *name)
{
	GByteArray *bytes;

	if (!recorder)
		return;
	bytes = begin(recorder);
	put_text(bytes, address);
	put_text(bytes, name);
	end(recorder, SS_RECORDING_NAME);
}

/* How many leading bytes are whole blocks and fit into one record; 0 if the first is no block. */
static size_t whole_blocks(const void *data, size_t length)
{
	struct ss_cursor cursor = ss_cursor(data, length);
	size_t done = 0;

	if (length <= SS_RECORDING_FRAMES_MAX)
		return length;
	for (;;) {
		struct ss_cursor block = cursor;
		uint32_t size;

		if (ss_cursor_skip(&block, 4) < 0 || ss_cursor_u32(&block, &size) < 0 || size < 8 ||
		    ss_cursor_skip(&cursor, size) < 0 || done + size > SS_RECORDING_FRAMES_MAX)
			return done;
		done += size;
	}
}

void ss_recorder_frames(struct ss_recorder *recorder, const struct iovec *slices, unsigned count,
			size_t length)
{
	if (!recorder)
		return;
	for (unsigned i = 0; i < count && length; i++) {
		const uint8_t *data = slices[i].iov_base;
		size_t left = MIN(slices[i].iov_len, length);

		length -= left;
		while (left) {
			size_t now = whole_blocks(data, left);

			if (!now && !recorder->failed)
				recorder->failed = -EBADMSG;
			if (recorder->failed)
				return;
			write_record(recorder, SS_RECORDING_FRAMES, data, now);
			data += now;
			left -= now;
		}
	}
}

void ss_recorder_secrets(struct ss_recorder *recorder, const char *lines)
{
	GByteArray *bytes;

	if (!recorder)
		return;
	bytes = begin(recorder);
	put_text(bytes, lines);
	end(recorder, SS_RECORDING_SECRETS);
	explicit_bzero(bytes->data, bytes->len);
}

void ss_recorder_event(struct ss_recorder *recorder, uint32_t interface_id, uint64_t time_ns,
		       const char *info, const char *json)
{
	GByteArray *bytes;

	if (!recorder)
		return;
	bytes = begin(recorder);
	put_u32(bytes, interface_id);
	put_u64(bytes, time_ns);
	put_text(bytes, info);
	put_text(bytes, json);
	end(recorder, SS_RECORDING_EVENT);
}

void ss_recorder_counters(struct ss_recorder *recorder, uint32_t id,
			  const struct ss_interface_counters *counters)
{
	GByteArray *bytes;

	if (!recorder)
		return;
	bytes = begin(recorder);
	put_u32(bytes, id);
	put_u64(bytes, counters->seen);
	put_u64(bytes, counters->accepted);
	put_u64(bytes, counters->dropped);
	put_u64(bytes, counters->bytes);
	end(recorder, SS_RECORDING_COUNTERS);
}
