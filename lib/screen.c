/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames go through a gate, as those of a capture do, with a window of the recording in place of
 * the ring. Time passes between them in steps, as the pump's ticks do, where something waits.
 */
#include "screen.h"

#include <glib.h>

#include "choice.h"
#include "failures.h"
#include "filter/filter.h"
#include "format/metadata.h"
#include "format/pcapng.h"
#include "gate.h"
#include "k8s/pod.h"
#include "notice.h"
#include "output/blocks.h"

#define STEP_NS    20000000ull
#define WINDOW_MAX (16u << 20) /* bytes that may wait: half of a capture's ring */

struct place {
	uint16_t link_type;
	uint64_t left_out, unmatched, unmatched_bytes;
};

struct ss_screen {
	ss_screen_write write;
	void *user_data;
	struct ss_filter *filter, *dns_filter;
	struct ss_failures *failures; /* NULL: exchanges are not chosen */
	struct ss_gate *gate;
	struct ss_notices notices;
	GByteArray *window;       /* blocks that nobody has taken yet */
	GArray *places;           /* struct place, by interface id */
	struct ss_choice *choice; /* NULL: tshark was not asked */
	uint64_t read, number; /* frames and events so far: those of the recording; those decided */
	GQueue events;         /* numbers that are events */
	uint64_t now_ns;
	int status;
};

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

static void leave_out(const struct ss_screen *screen, uint8_t *block)
{
	struct place *place = place_of(screen, block);

	place->unmatched++;
	place->unmatched_bytes += ss_block_word(block + 24);
	ss_block_set_type(block, SS_BLOCK_LEFT_OUT);
}

static void left_out(uint32_t interface_id, void *user_data)
{
	struct ss_screen *screen = user_data;

	g_array_index(screen->places, struct place, interface_id).left_out++;
}

/* What the kernel would not let through for --dns-failure-only. */
static void look_for_dns(void *blocks, size_t length, void *user_data)
{
	const struct ss_screen *screen = user_data;

	for (struct ss_blocks walk = ss_blocks(blocks, length, 0); ss_blocks_next(&walk);) {
		uint8_t *block = (uint8_t *)blocks + walk.at;

		if (!matches(screen, screen->dns_filter, block))
			leave_out(screen, block);
	}
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
	uint64_t number = next_number(screen);
	bool wanted, context = false;

	if (ss_block_type(block) == SS_BLOCK_LEFT_OUT)
		return;
	if (screen->choice) {
		wanted = ss_choice_is_wanted(screen->choice, number);
		context = !wanted && ss_choice_is_context(screen->choice, number);
	} else {
		wanted = matches(screen, screen->filter, block);
	}
	if (wanted || context)
		ss_block_set_context(block, size, context);
	else
		leave_out(screen, block);
}

static void look(void *blocks, size_t length, void *user_data)
{
	for (struct ss_blocks walk = ss_blocks(blocks, length, 0); ss_blocks_next(&walk);)
		pick(user_data, (uint8_t *)blocks + walk.at, walk.size);
}

/* --- Events --- */

static void add_failure(const struct ss_event *event, void *user_data)
{
	struct ss_screen *screen = user_data;

	ss_notices_add(&screen->notices, screen->now_ns, event);
}

static void fail(int status, void *user_data)
{
	struct ss_screen *screen = user_data;

	screen->status = screen->status < 0 ? screen->status : status;
}

/* --- Life --- */

static void add_stage(struct ss_screen *screen, struct ss_stage stage)
{
	ss_gate_add_stage(screen->gate, &stage);
}

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
	add_stage(screen,
		  (struct ss_stage){.look = look_for_dns, .leaves_out = true, .user_data = screen});
	add_stage(screen, ss_failures_stage(screen->failures));
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
		return ss_choice_new(screen->filter, options->replay, &screen->choice, error);
	return 0;
}

int ss_screen_new(const struct ss_options *options, struct ss_stream *stream, ss_screen_write write,
		  void *user_data, struct ss_screen **ret_screen, struct ss_error *error)
{
	struct ss_screen *screen = g_new0(struct ss_screen, 1);
	int r;

	screen->write = write;
	screen->user_data = user_data;
	screen->gate = ss_gate_new(fail, screen);
	screen->notices = (struct ss_notices){screen->gate, stream, error};
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
	add_stage(screen, (struct ss_stage){.look = look, .leaves_out = true, .user_data = screen});
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
	ss_choice_free(screen->choice);
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
	if (interface->link_type != SS_LINKTYPE_UPPER_PDU)
		ss_gate_interface(screen->gate,
				  &(struct ss_place){.interface_id = id,
						     .link_type = interface->link_type,
						     .pod = name ? &pod : NULL});
}

/* --- Frames --- */

/* Length of the leading blocks of one kind: to be written or not. */
static size_t alike(const uint8_t *blocks, size_t length, bool *ret_left_out)
{
	struct ss_blocks walk = ss_blocks(blocks, length, 0);

	while (ss_blocks_next(&walk)) {
		bool out = ss_block_type(blocks + walk.at) == SS_BLOCK_LEFT_OUT;

		if (walk.at && out != *ret_left_out)
			break;
		*ret_left_out = out;
	}
	return walk.at;
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
	struct ss_stage gate = ss_gate_stage(screen->gate);

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

	for (struct ss_blocks walk = ss_blocks(bytes, frames.iov_len, 0); ss_blocks_next(&walk);) {
		uint64_t time_ns = ss_block_time(bytes + walk.at, walk.size);

		screen->read++;
		if (screen->failures && time_ns > screen->now_ns + STEP_NS) {
			pass(screen);
			wait_until(screen, time_ns);
		}
		g_byte_array_append(screen->window, bytes + walk.at, (guint)walk.size);
	}
	pass(screen);
	return screen->status;
}

int ss_screen_event(struct ss_screen *screen, uint32_t id, uint64_t time_ns, const char *info,
		    const char *json)
{
	screen->read++;
	g_queue_push_tail(&screen->events, GSIZE_TO_POINTER((gsize)screen->read));
	ss_notices_add_record(&screen->notices, id, time_ns, info, json);
	pass(screen);
	return screen->status;
}

int ss_screen_finish(struct ss_screen *screen)
{
	struct ss_stage gate = ss_gate_stage(screen->gate);

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
