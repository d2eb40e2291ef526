/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The stream: one table of interfaces, and each thing that enters written to output and recorder.
 */
#include "stream.h"

#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "format/metadata.h"
#include "format/pcapng.h"
#include "json.h"
#include "output/block.h"

struct entry {
	struct ss_interface *interface;
	struct ss_interface_counters counters;
};

struct ss_stream {
	struct ss_output *output;
	struct ss_recorder *recorder;
	GPtrArray *entries; /* struct entry * */
	uint32_t events;    /* interface of event records, UINT32_MAX until the first */
	void (*refresh)(void *user_data);
	void *user_data;
	void (*secrets_copy)(const char *lines, void *user_data);
	void *copy_data;
};

static void entry_free(void *pointer)
{
	struct entry *entry = pointer;

	ss_interface_free(entry->interface);
	g_free(entry);
}

struct ss_stream *ss_stream_new(struct ss_output *output, struct ss_recorder *recorder)
{
	struct ss_stream *stream = g_new0(struct ss_stream, 1);

	stream->output = output;
	stream->recorder = recorder;
	stream->entries = g_ptr_array_new_with_free_func(entry_free);
	stream->events = UINT32_MAX;
	return stream;
}

int ss_stream_close(struct ss_stream *stream, struct ss_error *error)
{
	int r, recorded = 0;

	if (!stream)
		return 0;
	ss_stream_record_counters(stream);
	r = ss_output_close(stream->output, error);
	if (stream->recorder)
		recorded = ss_recorder_close(stream->recorder, error);
	g_ptr_array_unref(stream->entries);
	g_free(stream);
	return r < 0 ? r : recorded;
}

int ss_stream_interface(struct ss_stream *stream, struct ss_interface *interface, uint32_t *ret_id,
			struct ss_error *error)
{
	struct entry *entry = g_new0(struct entry, 1);
	uint32_t id;
	int r;

	entry->interface = interface;
	g_ptr_array_add(stream->entries, entry);
	r = ss_output_interface(stream->output, interface, &id, error);
	if (r < 0)
		return r;
	if (stream->recorder)
		ss_recorder_interface(stream->recorder, id, interface);
	*ret_id = id;
	return 0;
}

int ss_stream_name(struct ss_stream *stream, const char *address, const char *name,
		   struct ss_error *error)
{
	if (stream->recorder)
		ss_recorder_name(stream->recorder, address, name);
	return ss_output_name(stream->output, address, name, error);
}

int ss_stream_name_once(struct ss_stream *stream, const char *address, const char *name,
			struct ss_error *error)
{
	if (stream->recorder)
		ss_recorder_name(stream->recorder, address, name);
	return ss_output_name_once(stream->output, address, name, error);
}

char *ss_event_json(uint64_t time_ns, const struct ss_event *event)
{
	GString *json = g_string_new("{\"schema\":1");
	g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc((gint64)(time_ns / 1000000000u));
	g_autofree char *seconds = g_date_time_format(time, "%Y-%m-%dT%H:%M:%S");
	g_autofree char *stamp =
		g_strdup_printf("%s.%09uZ", seconds, (unsigned)(time_ns % 1000000000u));
	char host[256] = "";

	gethostname(host, sizeof(host) - 1);
	ss_json_text(json, "time", stamp);
	ss_json_text(json, "event", event->event);
	ss_json_text(json, "namespace", event->namespace);
	ss_json_text(json, "pod", event->pod);
	ss_json_text(json, "uid", event->uid);
	ss_json_text(json, "node", event->node ? event->node : host);
	ss_json_text(json, "interface", event->interface);
	ss_json_text(json, "message", event->message);
	if (event->details && *event->details)
		g_string_append_printf(json, ",%s", event->details);
	g_string_append_c(json, '}');
	return g_string_free(json, FALSE);
}

int ss_stream_event(struct ss_stream *stream, uint64_t time_ns, const struct ss_event *event,
		    struct ss_error *error)
{
	g_autofree char *json = ss_event_json(time_ns, event);

	return ss_stream_event_json(stream, time_ns, event->message, json, error);
}

int ss_stream_expect_events(struct ss_stream *stream, struct ss_error *error)
{
	struct ss_interface *interface;

	if (stream->events != UINT32_MAX)
		return 0;
	interface = ss_interface_new(SS_INTERFACE_EVENTS, SS_LINKTYPE_UPPER_PDU);
	/* Which node says so, when files are merged. */
	ss_interface_describe(interface, SS_INTERFACE_KEY_NODE, g_get_host_name());
	return ss_stream_interface(stream, interface, &stream->events, error);
}

void ss_stream_events_are_on(struct ss_stream *stream, uint32_t interface_id)
{
	stream->events = interface_id;
}

uint32_t ss_stream_events(const struct ss_stream *stream)
{
	return stream->events;
}

int ss_stream_event_json(struct ss_stream *stream, uint64_t time_ns, const char *info,
			 const char *json, struct ss_error *error)
{
	int r = ss_stream_expect_events(stream, error);

	return r < 0 ? r : ss_stream_record(stream, stream->events, time_ns, info, json, error);
}

void ss_stream_put_event(struct ss_stream *stream, GByteArray *blocks, uint64_t time_ns,
			 const struct ss_event *event)
{
	g_autofree char *json = ss_event_json(time_ns, event);
	struct ss_interface_counters *counters;

	if (stream->events == UINT32_MAX)
		return;
	counters = ss_stream_counters(stream, stream->events);
	counters->seen++;
	counters->accepted++;
	ss_block_event(blocks, stream->events, time_ns, event->message, json);
}

int ss_stream_record(struct ss_stream *stream, uint32_t interface_id, uint64_t time_ns,
		     const char *info, const char *json, struct ss_error *error)
{
	struct ss_interface_counters *counters = ss_stream_counters(stream, interface_id);

	if (stream->recorder)
		ss_recorder_event(stream->recorder, interface_id, time_ns, info, json);
	counters->seen++;
	counters->accepted++;
	return ss_output_event(stream->output, interface_id, time_ns, info, json, error);
}

int ss_stream_secrets(struct ss_stream *stream, const char *lines, struct ss_error *error)
{
	ss_recorder_secrets(stream->recorder, lines);
	if (stream->secrets_copy)
		stream->secrets_copy(lines, stream->copy_data);
	return ss_output_secrets(stream->output, lines, error);
}

int ss_stream_made(struct ss_stream *stream, uint32_t interface_id, const GByteArray *block,
		   uint64_t length, enum ss_output_sinks sinks, struct ss_error *error)
{
	struct ss_interface_counters *counters = ss_stream_counters(stream, interface_id);
	struct iovec slice = {block->data, block->len};

	if (sinks & SS_OUTPUT_PRIMARY) {
		ss_recorder_frames(stream->recorder, &slice, 1, block->len);
		counters->seen++;
		counters->accepted++;
		counters->bytes += length;
	}
	return ss_output_blocks(stream->output, block, sinks, error);
}

int ss_stream_late(struct ss_stream *stream, const GByteArray *block, struct ss_error *error)
{
	struct iovec slice = {block->data, block->len};

	ss_recorder_frames(stream->recorder, &slice, 1, block->len);
	return ss_output_blocks(stream->output, block, SS_OUTPUT_ALL, error);
}

int ss_stream_frames(struct ss_stream *stream, const struct iovec *slices, unsigned count,
		     size_t *ret_taken, struct ss_error *error)
{
	int r = ss_output_frames(stream->output, slices, count, ret_taken, error);

	if (stream->recorder && *ret_taken)
		ss_recorder_frames(stream->recorder, slices, count, *ret_taken);
	return r;
}

uint32_t ss_stream_interfaces(const struct ss_stream *stream)
{
	return stream->entries->len;
}

static struct entry *entry_of(const struct ss_stream *stream, uint32_t id)
{
	return stream->entries->pdata[id];
}

const struct ss_interface *ss_stream_interface_at(const struct ss_stream *stream, uint32_t id)
{
	return entry_of(stream, id)->interface;
}

struct ss_interface_counters *ss_stream_counters(struct ss_stream *stream, uint32_t id)
{
	return &entry_of(stream, id)->counters;
}

struct ss_output *ss_stream_output(struct ss_stream *stream)
{
	return stream->output;
}

void ss_stream_record_counters(struct ss_stream *stream)
{
	if (stream->refresh)
		stream->refresh(stream->user_data);
	for (uint32_t id = 0; id < stream->entries->len; id++) {
		struct ss_interface_counters counters = *ss_stream_counters(stream, id);

		/* The recording has what was written: to it, the others never came. */
		counters.accepted = ss_interface_matched(&counters);
		counters.bytes -= MIN(counters.unmatched_bytes, counters.bytes);
		counters.accepted -= MIN(counters.left_out, counters.accepted);
		ss_recorder_counters(stream->recorder, id, &counters);
	}
}

void ss_stream_set_refresh(struct ss_stream *stream, void (*refresh)(void *user_data),
			   void *user_data)
{
	stream->refresh = refresh;
	stream->user_data = user_data;
}

void ss_stream_copy_secrets(struct ss_stream *stream,
			    void (*copy)(const char *lines, void *user_data), void *user_data)
{
	stream->secrets_copy = copy;
	stream->copy_data = user_data;
}

void ss_stream_output_counters(uint32_t id, struct ss_interface_counters *ret, void *user_data)
{
	struct ss_stream *stream = *(struct ss_stream **)user_data;

	if (!stream)
		return;
	if (id == 0 && stream->refresh)
		stream->refresh(stream->user_data);
	if (id < stream->entries->len)
		*ret = entry_of(stream, id)->counters;
}
