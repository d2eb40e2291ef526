/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames go through a gate, as those of a capture do, with a window of the recording in place of
 * the ring. Time passes between them in steps, as the pump's ticks do, where something waits.
 */
#include "screen.h"

#include <string.h>

#include <glib.h>

#include "context.h"
#include "failures.h"
#include "filter/filter.h"
#include "format/metadata.h"
#include "format/pcapng.h"
#include "gate.h"
#include "k8s/pod.h"
#include "output/block.h"
#include "survey.h"

#define STEP_NS    20000000ull
#define WINDOW_MAX (16u << 20) /* bytes that may wait: half of a capture's ring */

struct place {
	uint16_t link_type;
	uint64_t left_out, unmatched, unmatched_bytes;
};

/* An event that waits for the frames before it. */
struct waiting_event {
	uint32_t id; /* UINT32_MAX: of our own */
	uint64_t time_ns;
	char *info, *json;
};

/* Of DNS. */
struct exchange {
	GArray *queries; /* numbers of the frames */
	bool asked;      /* one is selected */
	bool answered;
};

struct ss_screen {
	struct ss_stream *stream;
	ss_screen_write write;
	void *user_data;
	struct ss_error *error;
	struct ss_filter *filter, *dns_filter;
	struct ss_failures *failures; /* NULL: exchanges are not chosen */
	struct ss_gate *gate;
	GByteArray *window;           /* blocks that nobody has taken yet */
	GArray *places;               /* struct place, by interface id */
	GByteArray *wanted, *context; /* bits, by number of the frame; NULL: tshark was not asked */
	GHashTable *segments; /* for context: number of a request → GArray of its frames' numbers */
	/* Of DNS: flow and id → struct exchange. */
	GHashTable *exchanges;
	uint64_t read, number; /* frames and events so far: those of the recording; those decided */
	GQueue events;         /* numbers that are events */
	uint64_t now_ns;
	int status;
};

/* --- What tshark says --- */

static void set_bit(GByteArray *bits, uint64_t number)
{
	guint before = bits->len;

	if (number >= (uint64_t)G_MAXUINT * 8)
		return;
	if (number / 8 >= before) {
		g_byte_array_set_size(bits, (guint)MAX(number / 8 + 1, 2ull * before));
		memset(bits->data + before, 0, bits->len - before);
	}
	bits->data[number / 8] |= (guint8)(1 << number % 8);
}

static bool has_bit(const GByteArray *bits, uint64_t number)
{
	return number / 8 < bits->len && bits->data[number / 8] >> number % 8 & 1;
}

static void take_match(uint64_t number, char *const *columns, void *user_data)
{
	struct ss_screen *screen = user_data;

	(void)columns;
	set_bit(screen->wanted, number);
}

/* The frames of a message: that which completes it, and those that tshark lists. */
static GArray *frames_of(uint64_t number, const char *list)
{
	GArray *frames = g_array_new(FALSE, FALSE, sizeof(uint64_t));
	g_auto(GStrv) others = g_strsplit(list, ",", -1);

	g_array_append_val(frames, number);
	for (char **other = others; *other; other++) {
		number = g_ascii_strtoull(*other, NULL, 10);
		g_array_append_val(frames, number);
	}
	return frames;
}

static void want(struct ss_screen *screen, const GArray *frames, bool as_context)
{
	for (guint i = 0; frames && i < frames->len; i++)
		set_bit(as_context ? screen->context : screen->wanted,
			g_array_index(frames, uint64_t, i));
}

/* First lines decide: all that is of the half in question is wanted. The message has the numbers of
 * the request that it answers (0: it is one), and of its segments. */
static void take_decided(struct ss_screen *screen, uint64_t number, gpointer request,
			 const GArray *frames)
{
	bool of_responses = ss_filter_half(screen->filter) == SS_HALF_RESPONSE;

	if (!request && !of_responses && has_bit(screen->wanted, number)) {
		want(screen, frames, false);
	} else if (request && of_responses && has_bit(screen->wanted, number)) {
		want(screen, frames, false);
		want(screen, g_hash_table_lookup(screen->segments, request), true);
	} else if (request && !of_responses && has_bit(screen->wanted, GPOINTER_TO_SIZE(request))) {
		want(screen, frames, true);
	}
}

/* tshark chooses from both halves. */
static void take_paired(struct ss_screen *screen, uint64_t number, gpointer request,
			const GArray *frames)
{
	bool selected = has_bit(screen->wanted, number) ||
			(request && has_bit(screen->wanted, GPOINTER_TO_SIZE(request)));

	if (!selected)
		return;
	want(screen, frames, true);
	want(screen, request ? g_hash_table_lookup(screen->segments, request) : NULL, true);
}

static void take_message(uint64_t number, char *const *columns, void *user_data)
{
	struct ss_screen *screen = user_data;
	gpointer request = GSIZE_TO_POINTER(g_ascii_strtoull(columns[1], NULL, 10));
	GArray *frames = frames_of(number, columns[2]);

	if (ss_filter_is_paired(screen->filter, SS_PROTOCOL_HTTP))
		take_paired(screen, number, request, frames);
	else
		take_decided(screen, number, request, frames);
	if (request) {
		g_hash_table_remove(screen->segments, request);
		g_array_unref(frames);
	} else {
		g_hash_table_replace(screen->segments, GSIZE_TO_POINTER(number), frames);
	}
}

static void exchange_free(void *pointer)
{
	struct exchange *exchange = pointer;

	g_array_unref(exchange->queries);
	g_free(exchange);
}

static void take_query(struct ss_screen *screen, const char *key, uint64_t number)
{
	struct exchange *exchange = g_hash_table_lookup(screen->exchanges, key);
	bool selected = has_bit(screen->wanted, number);

	/* The id may have been that of another query. */
	if (exchange && (exchange->answered || (exchange->asked && !selected))) {
		g_hash_table_remove(screen->exchanges, key);
		exchange = NULL;
	}
	if (!exchange) {
		exchange = g_new0(struct exchange, 1);
		exchange->queries = g_array_new(FALSE, FALSE, sizeof(uint64_t));
		g_hash_table_insert(screen->exchanges, g_strdup(key), exchange);
	}
	exchange->asked |= selected;
	g_array_append_val(exchange->queries, number);
}

/* Several may answer a selected query. */
static void take_answer(struct ss_screen *screen, const char *key, uint64_t number)
{
	struct exchange *exchange = g_hash_table_lookup(screen->exchanges, key);

	if (!exchange)
		return;
	if (has_bit(screen->wanted, number))
		want(screen, exchange->queries, true);
	exchange->answered = true;
	if (exchange->asked)
		set_bit(screen->context, number);
	else
		g_hash_table_remove(screen->exchanges, key);
}

/* The messages of a frame. */
static void take_dns_frame(uint64_t number, char *const *columns, void *user_data)
{
	g_autofree char *flow = NULL;
	g_auto(GStrv) ids = NULL, answers = NULL;

	for (int i = 0; i < 5; i++)
		if (!columns[i])
			return;
	flow = g_strdup_printf("%s/%s", columns[1], columns[2]);
	ids = g_strsplit(columns[3], ",", -1);
	answers = g_strsplit(columns[4], ",", -1);
	for (guint i = 0; ids[i] && answers[i]; i++) {
		g_autofree char *key = g_strdup_printf("%s %s", flow, ids[i]);

		if (answers[i][0] == '1' || answers[i][0] == 'T')
			take_answer(user_data, key, number);
		else
			take_query(user_data, key, number);
	}
}

static int ask_for_dns(struct ss_screen *screen, const char *recording, struct ss_error *error)
{
	static const char *const exchange[] = {"udp.stream", "tcp.stream", "dns.id",
					       "dns.flags.response", NULL};
	int r;

	screen->exchanges = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, exchange_free);
	r = ss_survey_run(recording, "dns && !icmp && !icmpv6", exchange, take_dns_frame, screen,
			  error);
	g_clear_pointer(&screen->exchanges, g_hash_table_unref);
	return r;
}

static int ask_for_http(struct ss_screen *screen, const char *recording, struct ss_error *error)
{
	static const char *const exchange[] = {"http.request_in", "tcp.segment", NULL};
	int r;

	screen->segments = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)g_array_unref);
	r = ss_survey_run(recording, "http", exchange, take_message, screen, error);
	g_clear_pointer(&screen->segments, g_hash_table_unref);
	return r;
}

static int ask_tshark(struct ss_screen *screen, const char *recording, struct ss_error *error)
{
	static const char *const nothing[] = {NULL};
	const struct ss_filter *filter = screen->filter;
	bool dns = ss_filter_is_paired(filter, SS_PROTOCOL_DNS);
	bool http = ss_filter_is_paired(filter, SS_PROTOCOL_HTTP);
	int r;

	screen->wanted = g_byte_array_new();
	screen->context = g_byte_array_new();
	r = ss_survey_run(recording, ss_filter_display_text(filter), nothing, take_match, screen,
			  error);
	if (r == 0 && dns)
		r = ask_for_dns(screen, recording, error);
	if (r == 0 && (http || (ss_filter_is_whole(filter) && !dns)))
		r = ask_for_http(screen, recording, error);
	return r;
}

/* --- Stages --- */

static struct place *place_of(const struct ss_screen *screen, const uint8_t *block)
{
	return &g_array_index(screen->places, struct place, ss_block_word(block + 8));
}

static bool matches(const struct ss_screen *screen, const struct ss_filter *filter,
		    const uint8_t *block)
{
	return ss_filter_matches(filter, place_of(screen, block)->link_type,
				 block + SS_EPB_HEADER_SIZE, ss_block_word(block + 20),
				 ss_block_word(block + 24),
				 ss_block_flags(block, ss_block_word(block + 4)) & SS_EPB_FLAG_OUT);
}

static void set_left_out(uint8_t *block)
{
	uint32_t type = GUINT32_TO_LE(SS_BLOCK_LEFT_OUT);

	memcpy(block, &type, sizeof(type));
}

static void left_out(uint32_t interface_id, void *user_data)
{
	struct ss_screen *screen = user_data;

	g_array_index(screen->places, struct place, interface_id).left_out++;
}

/* What the kernel would not let through for --dns-failure-only. */
static size_t admit_dns(void *blocks, size_t length, uint64_t now_ns, uint64_t *ret_again_ns,
			void *user_data)
{
	const struct ss_screen *screen = user_data;
	uint8_t *bytes = blocks;
	uint64_t one = 1;
	size_t size;

	(void)now_ns;
	(void)ret_again_ns;
	for (size_t at = 0; (size = ss_block_walk(bytes + at, length - at, SIZE_MAX, &one));
	     at += size) {
		struct place *place = place_of(screen, bytes + at);

		if (matches(screen, screen->dns_filter, bytes + at))
			continue;
		place->unmatched++;
		place->unmatched_bytes += ss_block_word(bytes + at + 24);
		set_left_out(bytes + at);
	}
	return length;
}

static size_t admit_failures(void *blocks, size_t length, uint64_t now_ns, uint64_t *ret_again_ns,
			     void *user_data)
{
	struct ss_screen *screen = user_data;

	return ss_failures_admit(screen->failures, blocks, length, now_ns, ret_again_ns);
}

static void release_failures(void *user_data)
{
	struct ss_screen *screen = user_data;

	ss_failures_release(screen->failures);
}

/* Its number, as tshark counted. */
static uint64_t next_number(struct ss_screen *screen)
{
	screen->number++;
	while (screen->number == (uint64_t)GPOINTER_TO_SIZE(g_queue_peek_head(&screen->events))) {
		g_queue_pop_head(&screen->events);
		screen->number++;
	}
	return screen->number;
}

static void pick(struct ss_screen *screen, uint8_t *block, size_t size)
{
	struct place *place = place_of(screen, block);
	uint64_t number = next_number(screen);
	bool wanted, context = false;

	if (ss_block_type(block) == SS_BLOCK_LEFT_OUT)
		return;
	if (screen->wanted) {
		wanted = has_bit(screen->wanted, number);
		context = !wanted && has_bit(screen->context, number);
	} else {
		wanted = matches(screen, screen->filter, block);
	}
	if (wanted || context) {
		ss_block_set_context(block, size, context);
		return;
	}
	place->unmatched++;
	place->unmatched_bytes += ss_block_word(block + 24);
	set_left_out(block);
}

static size_t admit_filter(void *blocks, size_t length, uint64_t now_ns, uint64_t *ret_again_ns,
			   void *user_data)
{
	uint8_t *bytes = blocks;
	uint64_t one = 1;
	size_t size;

	(void)now_ns;
	(void)ret_again_ns;
	for (size_t at = 0; (size = ss_block_walk(bytes + at, length - at, SIZE_MAX, &one));
	     at += size)
		pick(user_data, bytes + at, size);
	return length;
}

/* --- Events --- */

static void waiting_event_free(void *pointer)
{
	struct waiting_event *event = pointer;

	g_free(event->info);
	g_free(event->json);
	g_free(event);
}

static int write_event(void *item, void *user_data)
{
	const struct waiting_event *event = item;
	struct ss_screen *screen = user_data;

	if (event->id == UINT32_MAX)
		return ss_stream_event_json(screen->stream, event->time_ns, event->info,
					    event->json, screen->error);
	return ss_stream_record(screen->stream, event->id, event->time_ns, event->info, event->json,
				screen->error);
}

static void queue_event(struct ss_screen *screen, uint32_t id, uint64_t time_ns, char *info,
			char *json)
{
	struct waiting_event *event = g_new(struct waiting_event, 1);

	*event = (struct waiting_event){id, ss_gate_stamp(screen->gate, time_ns), info, json};
	ss_gate_queue(screen->gate, event->time_ns, event, write_event, waiting_event_free, screen);
}

static void add_failure(const struct ss_event *event, void *user_data)
{
	struct ss_screen *screen = user_data;

	queue_event(screen, UINT32_MAX, screen->now_ns, g_strdup(event->message),
		    ss_event_json(screen->now_ns, event));
}

static void fail(int status, void *user_data)
{
	struct ss_screen *screen = user_data;

	screen->status = screen->status < 0 ? screen->status : status;
}

/* --- Life --- */

static void open_failures(struct ss_screen *screen, const struct ss_options *options)
{
	const struct ss_failures_options failures = {
		.timeout_ns = options->dns_timeout_ns,
		.nxdomain_is_fine = options->nxdomain == SS_NXDOMAIN_NO,
		.searches_are_fine = options->nxdomain == SS_NXDOMAIN_SEARCH,
		.event = add_failure,
		.left_out = left_out,
		.user_data = screen,
	};

	screen->failures = ss_failures_new(&failures);
	ss_gate_add_stage(screen->gate, &(struct ss_pump_gate){.admit = admit_dns,
							       .leaves_out = true,
							       .user_data = screen});
	ss_gate_add_stage(screen->gate, &(struct ss_pump_gate){.admit = admit_failures,
							       .release = release_failures,
							       .leaves_out = true,
							       .user_data = screen});
}

static int open_filters(struct ss_screen *screen, const struct ss_options *options,
			struct ss_error *error)
{
	int r = ss_filter_new(options->filter, &screen->filter, error);

	if (r == 0)
		r = ss_filter_check(screen->filter, error);
	if (r == 0 && ss_filter_asks_device(screen->filter))
		r = ss_fail(error, -EINVAL,
			    "a recording does not say the numbers of devices, so 'ifindex' finds "
			    "nothing in it; filter by name instead: stratoshark.device == eth0");
	if (r == 0)
		r = ss_filter_new(SS_FAILURES_FILTER, &screen->dns_filter, error);
	if (r < 0)
		return r;
	if (!options->no_context)
		ss_filter_complete(screen->filter, true);
	if (ss_filter_language(screen->filter) == SS_FILTER_DISPLAY)
		return ask_tshark(screen, options->replay, error);
	return 0;
}

int ss_screen_new(const struct ss_options *options, struct ss_stream *stream, ss_screen_write write,
		  void *user_data, struct ss_screen **ret_screen, struct ss_error *error)
{
	struct ss_screen *screen = g_new0(struct ss_screen, 1);
	int r;

	screen->stream = stream;
	screen->write = write;
	screen->user_data = user_data;
	screen->error = error;
	screen->gate = ss_gate_new(fail, screen);
	screen->window = g_byte_array_new();
	screen->places = g_array_new(FALSE, TRUE, sizeof(struct place));
	g_queue_init(&screen->events);
	r = open_filters(screen, options, error);
	if (r < 0 || (ss_filter_is_empty(screen->filter) && !options->dns_failure_only)) {
		ss_screen_free(screen);
		screen = NULL;
	}
	if (r < 0)
		return r;
	*ret_screen = screen;
	if (!screen)
		return 0;
	if (options->dns_failure_only)
		open_failures(screen, options);
	ss_gate_add_stage(screen->gate, &(struct ss_pump_gate){.admit = admit_filter,
							       .leaves_out = true,
							       .user_data = screen});
	return 0;
}

void ss_screen_free(struct ss_screen *screen)
{
	if (!screen)
		return;
	ss_gate_free(screen->gate);
	ss_failures_free(screen->failures);
	ss_filter_free(screen->filter);
	ss_filter_free(screen->dns_filter);
	g_byte_array_unref(screen->window);
	g_array_unref(screen->places);
	g_clear_pointer(&screen->wanted, g_byte_array_unref);
	g_clear_pointer(&screen->context, g_byte_array_unref);
	g_queue_clear(&screen->events);
	g_free(screen);
}

void ss_screen_interface(struct ss_screen *screen, uint32_t id,
			 const struct ss_interface *interface)
{
	g_autofree char *name = ss_interface_value(interface, SS_INTERFACE_KEY_POD);
	g_autofree char *namespace = ss_interface_value(interface, SS_INTERFACE_KEY_NAMESPACE);
	g_autofree char *uid = ss_interface_value(interface, SS_INTERFACE_KEY_UID);
	const struct ss_pod pod = {.name = name, .namespace = namespace, .uid = uid};

	if (id >= screen->places->len)
		g_array_set_size(screen->places, id + 1);
	g_array_index(screen->places, struct place, id).link_type = interface->link_type;
	if (screen->failures && interface->link_type != SS_LINKTYPE_UPPER_PDU)
		ss_failures_interface(screen->failures, id, interface->link_type,
				      name ? &pod : NULL);
}

/* --- Frames --- */

/* Length of the leading blocks of one kind: to be written or not. */
static size_t alike(const uint8_t *blocks, size_t length, bool *ret_left_out)
{
	uint64_t one = 1;
	size_t at = 0, size;

	while ((size = ss_block_walk(blocks + at, length - at, SIZE_MAX, &one))) {
		bool out = ss_block_type(blocks + at) == SS_BLOCK_LEFT_OUT;

		if (at && out != *ret_left_out)
			break;
		*ret_left_out = out;
		at += size;
	}
	return at;
}

static void write_admitted(struct ss_screen *screen, size_t admitted)
{
	size_t at = 0;

	while (at < admitted && screen->status == 0) {
		bool out = false;
		size_t length = alike(screen->window->data + at, admitted - at, &out);

		if (!out)
			fail(screen->write((struct iovec){screen->window->data + at, length},
					   screen->user_data),
			     screen);
		at += length;
	}
	g_byte_array_remove_range(screen->window, 0, (guint)admitted);
}

/* What the gate lets through at this time. */
static void pass(struct ss_screen *screen)
{
	struct ss_pump_gate gate = ss_gate_pump_gate(screen->gate);

	while (screen->window->len && screen->status == 0) {
		uint64_t again_ns = 0;
		size_t admitted = gate.admit(screen->window->data, screen->window->len,
					     screen->now_ns, &again_ns, gate.user_data);

		if (!admitted && screen->window->len > WINDOW_MAX) {
			gate.release(gate.user_data);
			admitted = gate.admit(screen->window->data, screen->window->len,
					      screen->now_ns, &again_ns, gate.user_data);
		}
		if (!admitted)
			break;
		write_admitted(screen, admitted);
	}
	if (!screen->window->len)
		gate.drained(gate.user_data);
}

/* Lets time pass, in steps as long as something waits. */
static void wait_until(struct ss_screen *screen, uint64_t time_ns)
{
	while (screen->window->len && time_ns > screen->now_ns + STEP_NS && screen->status == 0) {
		screen->now_ns += STEP_NS;
		pass(screen);
	}
	screen->now_ns = MAX(screen->now_ns, time_ns);
}

int ss_screen_frames(struct ss_screen *screen, struct iovec frames)
{
	const uint8_t *bytes = frames.iov_base;
	uint64_t one = 1;
	size_t size;

	for (size_t at = 0; (size = ss_block_walk(bytes + at, frames.iov_len - at, SIZE_MAX, &one));
	     at += size) {
		screen->read++;
		if (screen->failures &&
		    ss_block_time(bytes + at, size) > screen->now_ns + STEP_NS) {
			pass(screen);
			wait_until(screen, ss_block_time(bytes + at, size));
		}
		g_byte_array_append(screen->window, bytes + at, (guint)size);
	}
	pass(screen);
	return screen->status;
}

int ss_screen_event(struct ss_screen *screen, uint32_t id, uint64_t time_ns, const char *info,
		    const char *json)
{
	screen->read++;
	g_queue_push_tail(&screen->events, GSIZE_TO_POINTER((gsize)screen->read));
	queue_event(screen, id, time_ns, g_strdup(info), g_strdup(json));
	pass(screen);
	return screen->status;
}

int ss_screen_finish(struct ss_screen *screen)
{
	struct ss_pump_gate gate = ss_gate_pump_gate(screen->gate);

	while (screen->window->len && screen->status == 0) {
		gate.release(gate.user_data);
		pass(screen);
	}
	if (screen->status == 0)
		ss_gate_flush(screen->gate, UINT64_MAX);
	return screen->status;
}

void ss_screen_count(const struct ss_screen *screen, uint32_t id,
		     struct ss_interface_counters *counters)
{
	const struct place *place = &g_array_index(screen->places, struct place, id);

	counters->left_out += place->left_out;
	counters->unmatched += place->unmatched;
	counters->unmatched_bytes += place->unmatched_bytes;
}

char *ss_screen_summary(const struct ss_screen *screen)
{
	return screen->failures ? ss_failures_summary(screen->failures) : NULL;
}
