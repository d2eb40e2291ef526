/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a recording into the stream, as fast as the output takes it: no loop, no privilege. */
#include "playback.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include <glib.h>

#include "output/block.h"
#include "source/replay.h"

struct playback {
	struct ss_stream *stream;
	struct ss_error *error;
	uint64_t limit, frames;
};

static int replay_frames(struct playback *playback, struct iovec frames)
{
	struct ss_output *output = ss_stream_output(playback->stream);

	if (playback->limit) {
		uint64_t blocks = playback->limit - playback->frames;

		frames.iov_len = ss_block_walk(frames.iov_base, frames.iov_len, SIZE_MAX, &blocks);
		playback->frames += blocks;
	}
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
	return 0;
}

static int replay_item(struct playback *playback, const struct ss_replay_item *item)
{
	struct ss_interface *interface;
	uint32_t id;

	switch (item->type) {
	case SS_RECORDING_INTERFACE:
		interface = ss_interface_new(item->interface->name, item->interface->link_type);
		interface->snap_len = item->interface->snap_len;
		interface->has_mac = item->interface->has_mac;
		memcpy(interface->mac, item->interface->mac, sizeof(interface->mac));
		g_free(interface->description);
		interface->description = g_strdup(item->interface->description);
		interface->filter = g_strdup(item->interface->filter);
		return ss_stream_interface(playback->stream, interface, &id, playback->error);
	case SS_RECORDING_NAME:
		return ss_stream_name(playback->stream, item->address, item->name, playback->error);
	case SS_RECORDING_EVENT:
		return ss_stream_record(playback->stream, item->id, item->time_ns, item->info,
					item->json, playback->error);
	case SS_RECORDING_SECRETS:
		return ss_stream_secrets(playback->stream, item->lines, playback->error);
	case SS_RECORDING_COUNTERS:
		*ss_stream_counters(playback->stream, item->id) = item->counters;
		return 0;
	case SS_RECORDING_FRAMES:
		return replay_frames(playback, item->frames);
	case SS_RECORDING_END:
		break;
	}
	return 0;
}

int ss_playback_run(const char *path, struct ss_stream *stream, uint64_t limit,
		    uint64_t *ret_frames, struct ss_error *error)
{
	struct playback state = {.stream = stream, .error = error, .limit = limit};
	struct playback *playback = &state;
	struct ss_replay_item item;
	struct ss_replay *replay;
	int r;

	r = ss_replay_new(path, &replay, error);
	if (r < 0)
		return r;
	while ((r = ss_replay_next(replay, &item, playback->error)) > 0) {
		r = replay_item(playback, &item);
		if (r < 0)
			break;
		/* What follows the last frame that is wanted are only counters. */
		if (playback->limit && playback->frames >= playback->limit &&
		    item.type == SS_RECORDING_FRAMES)
			break;
	}
	ss_replay_free(replay);
	*ret_frames = state.frames;
	return r == -EPIPE ? 0 : r;
}
