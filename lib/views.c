/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "views.h"

#include <string.h>

#include <glib.h>

#include "describe.h"
#include "format/pcapng.h"
#include "judge.h"
#include "output/blocks.h"
#include "tls/plaintext.h"
#include "turns.h"

#define NSEC_PER_MSEC 1000000ull
#define JUDGED_NS     (200 * NSEC_PER_MSEC) /* for plaintext that tshark has to judge */
#define UNDECIDED_MAX (16u << 20)           /* bytes of frames that wait for that */
#define QUEUED_MAX    (64u << 20)           /* bytes of frames that wait for a slow reader */

struct view {
	struct ss_views *views;
	enum ss_output_sinks sinks;
	struct ss_tls_plaintext *plaintext;
	/* With a display filter: */
	GByteArray *window; /* blocks that wait for the judge, who takes them from the front */
	struct ss_judge *judge;
	struct ss_turns *turns;
};

struct ss_views {
	struct ss_views_context context;
	struct view views[2];
	unsigned count;
	size_t queued;      /* bytes of frames in the gate */
	uint64_t written;   /* frames that left it for the primary reader */
	uint64_t undecided; /* of judges that are gone */
	uint64_t given_up;  /* of turns that are gone */
};

/* A frame waiting in the gate. */
struct made {
	struct ss_views *views;
	enum ss_output_sinks sinks;
	uint32_t interface_id;
	uint64_t length;
	GByteArray *block;
};

static void made_free(void *pointer)
{
	struct made *made = pointer;

	made->views->queued -= made->block->len;
	explicit_bzero(made->block->data, made->block->len);
	g_byte_array_unref(made->block);
	g_free(made);
}

static int write_made(void *item, void *user_data)
{
	struct made *made = item;
	struct ss_views *views = user_data;
	int r = ss_stream_made(views->context.stream, made->interface_id, made->block, made->length,
			       made->sinks, views->context.error);

	views->written += made->sinks & SS_OUTPUT_PRIMARY ? 1 : 0;
	/* Where there are no packets, --count means these. */
	if (r == 0 && views->context.options->no_packets &&
	    views->written == views->context.options->count)
		views->context.failed(0, views->context.user_data);
	return r;
}

/* Into the gate; takes the block. What has left already it can't precede. */
static void queue_made(GByteArray *block, bool is_context, void *user_data)
{
	struct view *view = user_data;
	struct ss_views *views = view->views;
	struct made *made = g_new0(struct made, 1);
	uint64_t time_ns =
		ss_gate_stamp(views->context.gate, ss_block_time(block->data, block->len));

	ss_block_set_time(block->data, time_ns);
	ss_block_set_context(block->data, block->len, is_context);
	made->views = views;
	made->sinks = view->sinks;
	made->interface_id = ss_block_word(block->data + 8);
	made->length = ss_block_word(block->data + 24);
	made->block = block;
	views->queued += block->len;
	ss_gate_queue(views->context.gate, time_ns, made, write_made, made_free, views);
}

/* Those about which the judge has decided go on. */
static void pass_window(struct view *view)
{
	const struct ss_stage judge = ss_judge_stage(view->judge);
	uint8_t *bytes = view->window->data;
	uint64_t again_ns;
	size_t length;

	if (!view->window->len)
		return;
	if (view->window->len > UNDECIDED_MAX)
		ss_stage_release(&judge);
	length = ss_stage_admit(&judge, bytes, view->window->len, 0, &again_ns);
	for (struct ss_blocks walk = ss_blocks(bytes, length, 0); ss_blocks_next(&walk);) {
		bool matches = ss_block_type(bytes + walk.at) != SS_BLOCK_LEFT_OUT;
		GByteArray *block = g_byte_array_new();

		g_byte_array_append(block, bytes + walk.at, (guint)walk.size);
		ss_block_set_type(block->data, SS_PCAPNG_EPB);
		ss_turns_take(view->turns, block, matches);
	}
	explicit_bzero(bytes, length);
	g_byte_array_remove_range(view->window, 0, (guint)length);
}

static void decided(void *user_data)
{
	struct view *view = user_data;

	pass_window(view);
	view->views->context.retry(view->views->context.user_data);
}

/* A frame has to match the filter; takes the block. */
static void filter_made(struct view *view, GByteArray *block, const struct ss_tls_frame *frame)
{
	const struct ss_views_context *context = &view->views->context;

	if (view->judge) {
		g_byte_array_append(view->window, block->data, block->len);
	} else if (ss_filter_matches(context->filter, SS_LINKTYPE_RAW, frame->data, frame->length,
				     frame->length, frame->out)) {
		queue_made(block, false, view);
		return;
	} else if (view->sinks & SS_OUTPUT_PRIMARY) {
		ss_stream_counters(context->stream, ss_block_word(block->data + 8))->seen++;
	}
	explicit_bzero(block->data, block->len);
	g_byte_array_unref(block);
}

/* A reader that takes nothing for so long misses frames, and is told. */
static bool is_too_slow(const struct view *view, uint32_t interface_id,
			const struct ss_tls_frame *frame)
{
	struct ss_interface_counters *counters =
		ss_stream_counters(view->views->context.stream, interface_id);

	if (view->views->queued + frame->length < QUEUED_MAX)
		return false;
	if (view->sinks & SS_OUTPUT_PRIMARY) {
		counters->seen++;
		counters->accepted++;
		counters->dropped++;
		counters->bytes += frame->length;
	}
	return true;
}

/* Which interface is that of the pod's plaintext; false: none, nothing is written. */
static bool find_interface(const struct ss_views_context *context, uint64_t cgroup_id,
			   uint32_t *ret_id)
{
	struct ss_tenant *tenant = ss_tenants_of_cgroup(context->tenants, cgroup_id);
	int r = 0;

	if (!tenant)
		return false;
	if (tenant->interface_id == SS_TENANT_NO_INTERFACE)
		r = ss_stream_interface(
			context->stream,
			ss_describe_plaintext_interface(tenant->facts, context->node),
			&tenant->interface_id, context->error);
	if (r < 0) {
		context->failed(r, context->user_data);
		return false;
	}
	*ret_id = tenant->interface_id;
	return true;
}

static void plaintext_frame(const struct ss_tls_frame *frame, void *user_data)
{
	struct view *view = user_data;
	const struct ss_views_context *context = &view->views->context;
	g_autoptr(GByteArray) metadata = NULL;
	uint32_t interface_id;
	GByteArray *block;

	if (!find_interface(context, frame->cgroup_id, &interface_id) ||
	    is_too_slow(view, interface_id, frame))
		return;
	metadata = ss_describe_process(frame->out, frame->pid, frame->comm);
	block = g_byte_array_new();
	ss_block_frame(block, &(struct ss_block_frame){
				      .interface_id = interface_id,
				      .length = frame->length,
				      .time_ns = ss_bpf_source_utc(context->source, frame->time_ns),
				      .data = frame->data,
				      .flags = frame->out ? SS_EPB_FLAG_OUT : SS_EPB_FLAG_IN,
				      .comment = frame->comment,
				      .metadata = metadata->data,
				      .metadata_length = metadata->len,
			      });
	filter_made(view, block, frame);
}

/* By its own packets and keys. */
static bool is_shown(const struct ss_tls_socket *socket, void *user_data)
{
	const struct ss_views_context *context = &((const struct view *)user_data)->views->context;

	return context->options->ssl_keylog && ss_report_is_keyed(context->report, socket);
}

/* tshark says which frames match a display filter. */
static int add_judge(struct view *view, struct ss_error *error)
{
	const struct ss_views_context *context = &view->views->context;
	const struct ss_judge_context judge = {
		.loop = context->loop,
		.stream = context->stream,
		.filter = ss_filter_display_text(context->filter),
		.all = true,
		.uncounted = true,
		.retry = decided,
		.user_data = view,
	};
	bool exchanges = ss_filter_is_about(context->filter, SS_PROTOCOL_HTTP) &&
			 !context->options->no_context;

	if (ss_filter_language(context->filter) != SS_FILTER_DISPLAY)
		return 0;
	view->window = g_byte_array_new();
	view->turns = ss_turns_new(exchanges, queue_made, view);
	return ss_judge_new(&judge, &view->judge, error);
}

static int add_view(struct ss_views *views, enum ss_output_sinks sinks, bool masked,
		    struct ss_error *error)
{
	struct view *view = &views->views[views->count++];
	const struct ss_tls_plaintext_callbacks callbacks = {plaintext_frame, is_shown, view};

	view->views = views;
	view->sinks = sinks;
	view->plaintext = ss_tls_plaintext_new(masked ? views->context.redact : NULL, &callbacks);
	ss_tls_plaintext_limit_gaps(view->plaintext, views->context.options->call_bytes);
	return add_judge(view, error);
}

static int add_views(struct ss_views *views, struct ss_error *error)
{
	const struct ss_options *options = views->context.options;
	bool all = options->redact == SS_REDACT_ALL;
	bool live = options->live && options->redact == SS_REDACT_LIVE;

	if (live && options->output) {
		int r = add_view(views, SS_OUTPUT_PRIMARY, false, error);

		return r < 0 ? r : add_view(views, SS_OUTPUT_VIEWER, true, error);
	}
	return add_view(views, SS_OUTPUT_ALL, all || live, error);
}

int ss_views_new(const struct ss_views_context *context, struct ss_views **ret_views,
		 struct ss_error *error)
{
	struct ss_views *views = g_new0(struct ss_views, 1);
	int r;

	views->context = *context;
	r = add_views(views, error);
	if (r < 0) {
		ss_views_free(views);
		return r;
	}
	*ret_views = views;
	return 0;
}

void ss_views_record(struct ss_views *views, const struct ss_tls_record *record)
{
	for (unsigned i = 0; i < views->count; i++)
		ss_tls_plaintext_record(views->views[i].plaintext, record);
}

void ss_views_flush(struct ss_views *views, uint64_t boot_ns)
{
	for (unsigned i = 0; i < views->count; i++) {
		ss_tls_plaintext_flush(views->views[i].plaintext, boot_ns);
		if (views->views[i].judge)
			pass_window(&views->views[i]);
	}
}

/* Ends their streams, which makes frames. */
void ss_views_end(struct ss_views *views)
{
	for (unsigned i = 0; i < views->count; i++) {
		struct view *view = &views->views[i];
		struct ss_stage judge;

		g_clear_pointer(&view->plaintext, ss_tls_plaintext_free);
		if (!view->judge)
			continue;
		ss_judge_finish(view->judge);
		judge = ss_judge_stage(view->judge);
		ss_stage_release(&judge);
		pass_window(view);
		views->undecided += ss_judge_undecided(view->judge);
		g_clear_pointer(&view->judge, ss_judge_free);
	}
	for (unsigned i = 0; i < views->count; i++) {
		if (views->views[i].turns)
			views->given_up += ss_turns_given_up(views->views[i].turns);
		g_clear_pointer(&views->views[i].turns, ss_turns_free);
		g_clear_pointer(&views->views[i].window, g_byte_array_unref);
	}
	views->count = 0;
}

void ss_views_free(struct ss_views *views)
{
	if (!views)
		return;
	ss_views_end(views);
	g_free(views);
}

uint64_t ss_views_window_ns(const struct ss_views *views)
{
	return views->views[0].judge ? JUDGED_NS : SS_VIEWS_LATE_NS;
}

uint64_t ss_views_written(const struct ss_views *views)
{
	return views->written;
}

uint64_t ss_views_undecided(const struct ss_views *views)
{
	return views->undecided;
}

uint64_t ss_views_given_up(const struct ss_views *views)
{
	return views->given_up;
}
