/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One direction of a connection is a channel. Segments are taken in order; what comes again is
 * looked at alone, and behind a gap, or in a connection older than the capture, a message is
 * expected to begin with the segment: what does not look like one is passed over.
 */
#include "analysis/channel.h"

#include <string.h>

#include "connections.h"

#define CHANNELS_MAX 4096
#define PREFIX       2u
#define KEPT         4096u /* bytes of a message: beyond there is no question and rarely EDNS */
#define EXPIRE_NS    500000000ull
#define IDLE_NS      60000000000ull /* without a segment: the connection has ended, or may as well */

struct channel {
	struct ss_connection connection;
	bool in_order;     /* "next" is known, and a message begins or goes on there */
	uint32_t next;     /* sequence number */
	uint32_t length;   /* of the current message so far, its prefix included */
	bool torn;         /* bytes of it were not captured: no more are kept */
	GByteArray *kept;  /* its first bytes */
	GPtrArray *frames; /* that carry it: borrowed, they wait */
	uint64_t deadline_ns, used_ns;
};

struct ss_channels {
	uint64_t timeout_ns, expired_ns;
	ss_channels_message message;
	void *user_data;
	struct ss_connections *table; /* struct channel */
};

static void init_channel(struct channel *channel)
{
	channel->kept = g_byte_array_new();
	channel->frames = g_ptr_array_new();
}

static void deinit_channel(struct channel *channel)
{
	g_byte_array_unref(channel->kept);
	g_ptr_array_unref(channel->frames);
}

/* The current message is over: whole, or given up. */
static void end_message(struct channel *channel, bool wanted)
{
	for (guint i = 0; i < channel->frames->len; i++) {
		struct ss_exchange_frame *frame = channel->frames->pdata[i];

		frame->waits--;
		frame->wanted |= wanted;
	}
	g_ptr_array_set_size(channel->frames, 0);
	g_byte_array_set_size(channel->kept, 0);
	channel->length = 0;
	channel->torn = false;
}

static void forget(void *connection, void *user_data)
{
	(void)user_data;
	end_message(connection, true);
	deinit_channel(connection);
}

struct ss_channels *ss_channels_new(uint64_t timeout_ns, ss_channels_message message,
				    void *user_data)
{
	struct ss_channels *channels = g_new0(struct ss_channels, 1);

	channels->timeout_ns = timeout_ns;
	channels->message = message;
	channels->user_data = user_data;
	channels->table = ss_connections_new(CHANNELS_MAX, forget, channels);
	return channels;
}

void ss_channels_free(struct ss_channels *channels)
{
	if (!channels)
		return;
	ss_connections_free(channels->table);
	g_free(channels);
}

static struct channel *find(struct ss_channels *channels, const struct ss_connection_key *key)
{
	struct channel *channel = ss_connections_find(channels->table, key);

	if (!channel) {
		channel = ss_connections_add(channels->table, key, sizeof(*channel));
		init_channel(channel);
	}
	return channel;
}

static void carry(struct channel *channel, struct ss_exchange_frame *frame, uint64_t deadline_ns)
{
	GPtrArray *frames = channel->frames;

	if (frames->len == 0)
		channel->deadline_ns = deadline_ns;
	if (frames->len && frames->pdata[frames->len - 1] == frame)
		return;
	g_ptr_array_add(frames, frame);
	frame->waits++;
}

/* Of the current message, prefix included; 0: not known yet. */
static uint32_t total_length(const struct channel *channel)
{
	const uint8_t *kept = channel->kept->data;

	return channel->length < PREFIX ? 0 : PREFIX + ((uint32_t)kept[0] << 8 | kept[1]);
}

/* Takes so many bytes of the wire, of which data has what was captured. */
static void take(struct channel *channel, struct ss_cursor *data, uint32_t length)
{
	size_t captured = MIN(data->length, length);
	size_t room = KEPT - channel->kept->len;

	if (!channel->torn && captured)
		g_byte_array_append(channel->kept, data->data, (guint)MIN(captured, room));
	channel->torn |= captured < length;
	channel->length += length;
	ss_cursor_skip(data, captured);
}

/* Could what there is of the current message be one? */
static bool is_plausible(const struct channel *channel)
{
	struct ss_cursor bytes = ss_cursor(channel->kept->data, channel->kept->len);
	struct ss_dns_message message;
	uint32_t total = total_length(channel);

	if (total && total < PREFIX + SS_DNS_HEADER_SIZE)
		return false;
	if (bytes.length < PREFIX + SS_DNS_HEADER_SIZE)
		return true;
	ss_cursor_skip(&bytes, PREFIX);
	return ss_dns_read(bytes, &message) == 0;
}

/* Cuts messages out of the bytes, which begin where the channel stands. */
static void read_messages(struct ss_channels *channels, struct channel *channel,
			  const struct ss_exchange_flow *flow, struct ss_cursor data,
			  uint32_t length, uint64_t time_ns, uint64_t now_ns,
			  struct ss_exchange_frame *frame)
{
	while (length) {
		uint32_t total = total_length(channel);
		uint32_t step = total ? MIN(length, total - channel->length) : 1;

		carry(channel, frame, now_ns + channels->timeout_ns);
		take(channel, &data, step);
		length -= step;
		if ((channel->length <= PREFIX && channel->torn) || !is_plausible(channel)) {
			end_message(channel, false);
			channel->in_order = false;
			return;
		}
		if (channel->length < PREFIX || channel->length < total_length(channel))
			continue;
		channels->message(
			flow, ss_cursor(channel->kept->data + PREFIX, channel->kept->len - PREFIX),
			time_ns, channel->frames, channels->user_data);
		end_message(channel, false);
	}
}

/* A segment that came before: its whole messages once more. */
static void read_again(struct ss_channels *channels, const struct ss_exchange_flow *flow,
		       const struct ss_transport *segment, uint64_t now_ns,
		       struct ss_exchange_frame *frame)
{
	struct channel channel = {0};

	init_channel(&channel);
	read_messages(channels, &channel, flow, segment->payload, segment->length, segment->time_ns,
		      now_ns, frame);
	end_message(&channel, false);
	deinit_channel(&channel);
}

void ss_channels_segment(struct ss_channels *channels, const struct ss_exchange_flow *flow,
			 const struct ss_transport *segment, uint64_t now_ns,
			 struct ss_exchange_frame *frame)
{
	const struct ss_connection_key key = {flow->source, flow->destination, flow->place, 0};
	struct ss_cursor data = segment->payload;
	uint32_t length = segment->length, known;
	struct channel *channel;

	if (!length && !(segment->flags & SS_SEGMENT_SYN))
		return;
	channel = find(channels, &key);
	channel->used_ns = now_ns;
	if (segment->flags & SS_SEGMENT_SYN || !channel->in_order ||
	    (int32_t)(segment->sequence - channel->next) > 0) {
		end_message(channel, true);
		channel->in_order = true;
		channel->next = segment->sequence;
	}
	known = channel->next - segment->sequence;
	if (known && known >= length) {
		read_again(channels, flow, segment, now_ns, frame);
		return;
	}
	channel->next = segment->sequence + length;
	ss_cursor_skip(&data, MIN(known, data.length));
	read_messages(channels, channel, flow, data, length - known, segment->time_ns, now_ns,
		      frame);
}

/* What is known of them is of no use any more. The least recently used one is the first. */
static void forget_idle(struct ss_channels *channels, uint64_t now_ns)
{
	const GQueue *used = ss_connections_used(channels->table);

	while (used->head) {
		struct channel *channel = used->head->data;

		if (channel->frames->len || channel->used_ns + IDLE_NS > now_ns)
			break;
		ss_connections_forget(channels->table, channel);
	}
}

void ss_channels_expire(struct ss_channels *channels, uint64_t now_ns)
{
	if (now_ns - channels->expired_ns < EXPIRE_NS)
		return;
	channels->expired_ns = now_ns;
	for (GList *link = ss_connections_used(channels->table)->head; link; link = link->next) {
		struct channel *channel = link->data;

		if (channel->frames->len && channel->deadline_ns <= now_ns) {
			end_message(channel, true);
			channel->in_order = false;
		}
	}
	forget_idle(channels, now_ns);
}

void ss_channels_release(struct ss_channels *channels)
{
	for (GList *link = ss_connections_used(channels->table)->head; link; link = link->next) {
		struct channel *channel = link->data;

		/* The message goes on; only who carried it until now is forgotten. */
		for (guint i = 0; i < channel->frames->len; i++) {
			struct ss_exchange_frame *frame = channel->frames->pdata[i];

			frame->waits--;
			frame->wanted = true;
		}
		g_ptr_array_set_size(channel->frames, 0);
	}
}
