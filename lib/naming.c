/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the roster tells from within the gate's stage is queued before the frame that needs it; what
 * it tells in between, now. Nothing is written at once: of a pod that comes, the interfaces are to
 * be in the file before its first record, because editcap, mergecap and reordercap want to know all
 * link types of a file by then.
 */
#include "naming.h"

#include <glib.h>

#include "notice.h"
#include "output/block.h"

/* Records at the beginning of a file of a ring: at most this part of it, or these bytes. */
#define NEW_FILE_SHARE 8
#define NEW_FILE_MAX   (64u << 20)

struct ss_naming {
	struct ss_naming_context context;
	struct ss_roster *roster;
	struct ss_timer *told;
	struct ss_notices notices;
};

struct queued_name {
	char *address, *name;
};

static void queued_name_free(void *pointer)
{
	struct queued_name *name = pointer;

	g_free(name->address);
	g_free(name->name);
	g_free(name);
}

static int write_name(void *item, void *user_data)
{
	const struct queued_name *name = item;
	const struct ss_naming_context *context = user_data;

	return ss_stream_name_once(context->stream, name->address, name->name, context->error);
}

/* Before the frame of time_ns; 0: before all that come from now on. */
static uint64_t stamp(const struct ss_naming *naming, uint64_t time_ns)
{
	return ss_gate_stamp(naming->context.gate,
			     time_ns ? time_ns - 1 : ss_bpf_source_barrier(naming->context.source));
}

static void queue_record(uint64_t time_ns, const struct ss_event *event, void *user_data)
{
	struct ss_naming *naming = user_data;

	ss_notices_add(&naming->notices, stamp(naming, time_ns), event);
}

static void queue_name(uint64_t time_ns, const char *address, const char *name, void *user_data)
{
	struct ss_naming *naming = user_data;
	struct queued_name *queued = g_new0(struct queued_name, 1);

	queued->address = g_strdup(address);
	queued->name = g_strdup(name);
	ss_gate_queue(naming->context.gate, stamp(naming, time_ns), queued, write_name,
		      queued_name_free, &naming->context);
}

/* A file of a ring begins. */
struct new_file {
	struct ss_stream *stream;
	GByteArray *blocks;
	uint64_t time_ns; /* of its first frame */
};

static void put_record(uint64_t time_ns, const struct ss_event *event, void *user_data)
{
	const struct new_file *file = user_data;

	(void)time_ns;
	ss_stream_put_event(file->stream, file->blocks, file->time_ns, event);
}

static void put_name(uint64_t time_ns, const char *address, const char *name, void *user_data)
{
	const struct new_file *file = user_data;

	(void)time_ns;
	ss_block_name(file->blocks, address, name);
}

void ss_naming_new_file(struct ss_naming *naming, GByteArray *blocks, uint64_t time_ns)
{
	struct new_file file = {naming->context.stream, blocks, time_ns};
	const struct ss_roster_writer writer = {put_record, put_name, &file};
	uint64_t size = naming->context.ring_bytes;

	ss_roster_new_file(naming->roster, &writer, size ? size / NEW_FILE_SHARE : NEW_FILE_MAX);
}

static void look(void *blocks, size_t length, void *user_data)
{
	ss_roster_see(((struct ss_naming *)user_data)->roster, blocks, length);
}

static void add_interface(const struct ss_place *place, void *user_data)
{
	const struct ss_naming *naming = user_data;

	ss_roster_interface(naming->roster, place->interface_id, place->link_type);
}

static void write_told(uint32_t events, void *user_data)
{
	struct ss_naming *naming = user_data;

	(void)events;
	naming->context.retry(naming->context.user_data);
}

int ss_naming_new(const struct ss_naming_context *context, struct ss_naming **ret_naming)
{
	struct ss_naming *naming = g_new0(struct ss_naming, 1);
	const struct ss_roster_writer writer = {queue_record, queue_name, naming};
	const struct ss_stage stage = {
		.look = look, .interface = add_interface, .user_data = naming};

	naming->context = *context;
	naming->notices = (struct ss_notices){context->gate, context->stream, context->error};
	naming->roster = ss_roster_new(&writer, context->node);
	naming->told = ss_timer_new(context->loop, write_told, naming);
	ss_gate_add_stage(context->gate, &stage);
	*ret_naming = naming;
	return ss_stream_expect_events(context->stream, context->error);
}

void ss_naming_free(struct ss_naming *naming)
{
	if (!naming)
		return;
	ss_timer_free(naming->told);
	ss_roster_free(naming->roster);
	g_free(naming);
}

static void told(struct ss_naming *naming)
{
	ss_timer_once(naming->told, 1);
}

void ss_naming_pod(struct ss_naming *naming, enum ss_object_change change, const struct ss_pod *pod,
		   bool captured)
{
	ss_roster_pod(naming->roster, change, pod, captured);
	told(naming);
}

void ss_naming_service(struct ss_naming *naming, enum ss_object_change change,
		       const struct ss_service *service)
{
	ss_roster_service(naming->roster, change, service);
	told(naming);
}

void ss_naming_node(struct ss_naming *naming, enum ss_object_change change,
		    const struct ss_cluster_node *node)
{
	ss_roster_node(naming->roster, change, node);
	told(naming);
}

char *ss_naming_summary(const struct ss_naming *naming)
{
	uint64_t left_out = ss_roster_left_out(naming->roster);

	if (!left_out)
		return NULL;
	return g_strdup_printf("names: of more than %u pods, services and nodes; %" G_GUINT64_FORMAT
			       " times one was told for which there was no room",
			       SS_ROSTER_OBJECTS_MAX, (guint64)left_out);
}
