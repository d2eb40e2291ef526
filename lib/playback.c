/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a recording into the stream, as fast as the output takes it: no loop, no privilege. */
#include "playback.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include <glib.h>

#include "format/metadata.h"
#include "output/blocks.h"
#include "screen.h"
#include "source/replay.h"

#define ENOUGH 1 /* as many frames as --count asks for are in the stream */

struct playback {
	struct ss_stream *stream;
	struct ss_error *error;
	struct ss_screen *screen; /* NULL: all is wanted */
	GArray *ids;              /* uint32_t, in the stream, by id in the recording */
	uint64_t limit, frames;
};

/* Of a recording without events the screen's are on an interface that is none of its own. */
static void rename_interfaces(const struct playback *playback, struct iovec frames)
{
	uint8_t *bytes = frames.iov_base;

	for (struct ss_blocks walk = ss_blocks(bytes, frames.iov_len, 0); ss_blocks_next(&walk);) {
		uint32_t id = ss_block_word(bytes + walk.at + 8);
		uint32_t to = GUINT32_TO_LE(g_array_index(playback->ids, uint32_t, id));

		memcpy(bytes + walk.at + 8, &to, sizeof(to));
	}
}

static int write_frames(struct iovec frames, void *user_data)
{
	struct playback *playback = user_data;
	struct ss_output *output = ss_stream_output(playback->stream);

	if (playback->limit) {
		uint64_t blocks = playback->limit - playback->frames;

		frames.iov_len = ss_block_walk(frames.iov_base, frames.iov_len, SIZE_MAX, &blocks);
		playback->frames += blocks;
	}
	rename_interfaces(playback, frames);
	while (frames.iov_len) {
		size_t taken;
		int r;

		if (ss_output_blocked(output)) {
			struct pollfd ready = {.fd = ss_output_fd(output), .events = POLLOUT};

			poll(&ready, 1, -1);
			r = ss_output_flush(output, playback->error);
			if (r < 0)
				return r;
			continue;
		}
		r = ss_stream_frames(playback->stream, &frames, 1, &taken, playback->error);
		if (r < 0)
			return r;
		frames.iov_base = (char *)frames.iov_base + taken;
		frames.iov_len -= taken;
	}
	return playback->limit && playback->frames >= playback->limit ? ENOUGH : 0;
}

static int replay_interface(struct playback *playback, const struct ss_replay_item *item)
{
	struct ss_interface *interface =
		ss_interface_new(item->interface->name, item->interface->link_type);
	uint32_t id;
	int r;

	interface->snap_len = item->interface->snap_len;
	interface->has_mac = item->interface->has_mac;
	memcpy(interface->mac, item->interface->mac, sizeof(interface->mac));
	g_free(interface->description);
	interface->description = g_strdup(item->interface->description);
	interface->filter = g_strdup(item->interface->filter);
	if (playback->screen)
		ss_screen_interface(playback->screen, item->id, interface);
	r = ss_stream_interface(playback->stream, interface, &id, playback->error);
	if (r == 0)
		g_array_append_val(playback->ids, id);
	if (r == 0 && strcmp(item->interface->name, SS_INTERFACE_EVENTS) == 0)
		ss_stream_events_are_on(playback->stream, id);
	return r;
}

static void replay_counters(struct playback *playback, const struct ss_replay_item *item)
{
	struct ss_interface_counters counters = item->counters;
	uint32_t id = g_array_index(playback->ids, uint32_t, item->id);

	if (playback->screen)
		ss_screen_count(playback->screen, item->id, &counters);
	*ss_stream_counters(playback->stream, id) = counters;
}

static int replay_item(struct playback *playback, const struct ss_replay_item *item)
{
	switch (item->type) {
	case SS_RECORDING_INTERFACE:
		return replay_interface(playback, item);
	case SS_RECORDING_NAME:
		return ss_stream_name(playback->stream, item->address, item->name, playback->error);
	case SS_RECORDING_EVENT:
		if (playback->screen)
			return ss_screen_event(playback->screen,
					       g_array_index(playback->ids, uint32_t, item->id),
					       item->time_ns, item->info, item->json);
		return ss_stream_record(playback->stream, item->id, item->time_ns, item->info,
					item->json, playback->error);
	case SS_RECORDING_SECRETS:
		return ss_stream_secrets(playback->stream, item->lines, playback->error);
	case SS_RECORDING_COUNTERS:
		replay_counters(playback, item);
		return 0;
	case SS_RECORDING_FRAMES:
		return playback->screen ? ss_screen_frames(playback->screen, item->frames)
					: write_frames(item->frames, playback);
	case SS_RECORDING_END:
		break;
	}
	return 0;
}

static int replay_all(struct playback *playback, const char *path)
{
	struct ss_replay_item item;
	struct ss_replay *replay;
	int r, finished = 0;

	r = ss_replay_new(path, &replay, playback->error);
	if (r < 0)
		return r;
	while ((r = ss_replay_next(replay, &item, playback->error)) > 0) {
		r = replay_item(playback, &item);
		if (r != 0)
			break;
	}
	ss_replay_free(replay);
	/* What came before a damage is decided, too. */
	if (playback->screen && (r == 0 || r == -EBADMSG))
		finished = ss_screen_finish(playback->screen);
	return r < 0 ? r : finished;
}

int ss_playback_run(const struct ss_options *options, struct ss_stream *stream,
		    struct ss_playback_result *ret_result, struct ss_error *error)
{
	struct playback playback = {
		.stream = stream,
		.error = error,
		.limit = options->count,
	};
	int r;

	*ret_result = (struct ss_playback_result){0};
	playback.ids = g_array_new(FALSE, FALSE, sizeof(uint32_t));
	r = ss_screen_new(options, stream, write_frames, &playback, &playback.screen, error);
	if (r == 0)
		r = replay_all(&playback, options->replay);
	ret_result->frames = playback.frames;
	if (playback.screen)
		ret_result->exchanges = ss_screen_summary(playback.screen);
	ss_screen_free(playback.screen);
	g_array_unref(playback.ids);
	return r == -EPIPE || r == ENOUGH ? 0 : r;
}
