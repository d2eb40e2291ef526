/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every frame gets a record when it is offered first, and leaves when nothing is waited for in
 * front of it, so that order is kept. What could surprise: time stands still while frames wait and
 * nobody looks at the ring (a full pipe), or queries would time out whose answers are there.
 */
#include "failures.h"

#include <netinet/in.h>
#include <string.h>

#include <glib.h>

#include "analysis/channel.h"
#include "analysis/exchange.h"
#include "json.h"
#include "output/blocks.h"
#include "transport.h"

#define STALL_NS      200000000ull /* ticks are never that far apart while frames wait */
#define TICK_NS       20000000ull
#define FRAGMENTS_MAX 64

/* Who sees exchanges: a pod, or a device of the host. */
struct owner {
	char *namespace, *pod, *uid; /* NULL: the host's */
};

struct frame {
	struct ss_exchange_frame verdict;
	uint64_t position; /* counted in bytes since the first frame */
	uint16_t link_type;
	bool is_fragment, is_later;
};

/* The verdict about a datagram's first fragment is also that of the others. */
struct fragment {
	struct ss_endpoint source, destination; /* without ports */
	uint32_t id;
	bool wanted;
};

struct ss_failures {
	struct ss_failures_options options;
	struct ss_exchanges *exchanges;
	struct ss_channels *channels;
	GArray *places;    /* owner: a number of owners */
	GPtrArray *owners; /* struct owner */
	GQueue frames;     /* struct frame, in order */
	struct fragment fragments[FRAGMENTS_MAX];
	unsigned fragment_next;
	uint64_t admitted; /* bytes so far: positions count from there */
	size_t inspected;  /* bytes behind it that were looked at */
	uint64_t last_ns, stalled_ns;
	GPtrArray *one; /* room for a list of one frame */
};

static void owner_free(void *pointer)
{
	struct owner *owner = pointer;

	g_free(owner->namespace);
	g_free(owner->pod);
	g_free(owner->uid);
	g_free(owner);
}

/* What an event says. */

static const char *failure_name(const struct ss_exchange_report *report,
				char buffer[SS_DNS_SHORT_MAX])
{
	static const char *const names[SS_EXCHANGE_FAILURES] = {
		[SS_EXCHANGE_TRUNCATED] = "truncated",
		[SS_EXCHANGE_SLOW] = "slow",
		[SS_EXCHANGE_TIMEOUT] = "timeout",
		[SS_EXCHANGE_REFUSED] = "connection refused",
		[SS_EXCHANGE_UNREACHABLE] = "unreachable",
	};

	if (report->failure == SS_EXCHANGE_RCODE)
		return ss_dns_rcode_name(report->rcode, buffer);
	return names[report->failure];
}

static char *message_of(const struct ss_exchange_report *report, const char *failure,
			const char *type, const char *server)
{
	GString *text = g_string_new("DNS ");

	g_string_append_printf(text, "%s: %s%s%s, server %s (%s)", failure,
			       report->name ? report->name : "", report->name ? " " : "",
			       report->name ? type : "no question", server,
			       report->protocol == IPPROTO_TCP ? "TCP" : "UDP");
	if (report->timed)
		g_string_append_printf(text, ", after %.1f ms", (double)report->latency_ns / 1e6);
	if (report->asked > 1)
		g_string_append_printf(text, ", asked %u times", report->asked);
	return g_string_free(text, FALSE);
}

static void failed(const struct ss_exchange_report *report, void *user_data)
{
	struct ss_failures *failures = user_data;
	const struct owner *owner = failures->owners->pdata[report->place];
	char type_buffer[SS_DNS_SHORT_MAX], rcode_buffer[SS_DNS_SHORT_MAX];
	char failure_buffer[SS_DNS_SHORT_MAX];
	const char *failure = failure_name(report, failure_buffer);
	const char *type = ss_dns_type_name(report->type, type_buffer);
	g_autofree char *client = ss_endpoint_text(&report->client);
	g_autofree char *server = ss_endpoint_text(&report->server);
	g_autofree char *message = message_of(report, failure, type, server);
	g_autoptr(GString) details = g_string_new("{");

	ss_json_text(details, "dns_failure", failure);
	ss_json_text(details, "dns_name", report->name);
	ss_json_text(details, "dns_type", report->name ? type : NULL);
	ss_json_text(details, "dns_server", server);
	ss_json_text(details, "dns_client", client);
	ss_json_text(details, "dns_transport", report->protocol == IPPROTO_TCP ? "tcp" : "udp");
	if (report->answered && report->failure != SS_EXCHANGE_REFUSED)
		ss_json_text(details, "dns_rcode", ss_dns_rcode_name(report->rcode, rcode_buffer));
	if (report->timed)
		ss_json_number(details, "dns_latency_ns", report->latency_ns);
	if (report->asked)
		ss_json_number(details, "dns_queries", report->asked);
	failures->options.event(&(struct ss_event){.event = "dns-failure",
						   .namespace = owner->namespace,
						   .pod = owner->pod,
						   .uid = owner->uid,
						   .message = message,
						   .details = details->str + 1,
						   .quiet = true},
				failures->options.user_data);
}

/* Life. */

static void tcp_message(const struct ss_exchange_flow *flow, struct ss_cursor bytes,
			uint64_t time_ns, GPtrArray *frames, void *user_data)
{
	struct ss_failures *failures = user_data;
	struct ss_dns_message message;

	if (ss_dns_read(bytes, &message) == 0)
		ss_exchanges_message(failures->exchanges, flow, &message, time_ns,
				     failures->last_ns - failures->stalled_ns, frames);
}

struct ss_failures *ss_failures_new(const struct ss_failures_options *options)
{
	struct ss_failures *failures = g_new0(struct ss_failures, 1);
	const struct ss_exchanges_options exchanges = {
		.timeout_ns = options->timeout_ns,
		.nxdomain_is_fine = options->nxdomain_is_fine,
		.searches_are_fine = options->searches_are_fine,
		.failed = failed,
		.user_data = failures,
	};

	failures->options = *options;
	failures->exchanges = ss_exchanges_new(&exchanges);
	failures->channels = ss_channels_new(options->timeout_ns, tcp_message, failures);
	failures->places = ss_places_new();
	failures->owners = g_ptr_array_new_with_free_func(owner_free);
	failures->one = g_ptr_array_new();
	g_queue_init(&failures->frames);
	return failures;
}

void ss_failures_free(struct ss_failures *failures)
{
	if (!failures)
		return;
	ss_channels_free(failures->channels);
	ss_exchanges_free(failures->exchanges);
	g_queue_clear_full(&failures->frames, g_free);
	g_array_unref(failures->places);
	g_ptr_array_unref(failures->owners);
	g_ptr_array_unref(failures->one);
	g_free(failures);
}

static uint32_t owner_number(struct ss_failures *failures, const struct ss_pod *pod)
{
	struct owner *owner;

	for (guint i = 0; pod && i < failures->owners->len; i++) {
		owner = failures->owners->pdata[i];
		if (g_strcmp0(owner->uid, pod->uid) == 0)
			return i;
	}
	owner = g_new0(struct owner, 1);
	if (pod)
		*owner = (struct owner){g_strdup(pod->namespace), g_strdup(pod->name),
					g_strdup(pod->uid)};
	g_ptr_array_add(failures->owners, owner);
	return failures->owners->len - 1;
}

static void add_interface(const struct ss_place *place, void *user_data)
{
	struct ss_failures *failures = user_data;
	struct ss_place numbered = *place;

	numbered.owner = owner_number(failures, place->pod);
	ss_places_set(failures->places, &numbered);
}

/* Frames. */

static struct ss_exchange_flow flow_of(const struct ss_transport *transport, uint32_t place)
{
	return (struct ss_exchange_flow){transport->source, transport->destination, place,
					 transport->protocol};
}

static void inspect_error(struct ss_failures *failures, const struct ss_transport *transport,
			  const struct ss_exchange_flow *flow, struct frame *frame)
{
	struct ss_cursor quoted = transport->payload;
	uint16_t id;

	if (transport->protocol == IPPROTO_TCP)
		ss_exchanges_unreachable(failures->exchanges, flow, -1, transport->time_ns,
					 &frame->verdict);
	else if (ss_cursor_be16(&quoted, &id) == 0)
		ss_exchanges_unreachable(failures->exchanges, flow, id, transport->time_ns,
					 &frame->verdict);
}

static void inspect_datagram(struct ss_failures *failures, const struct ss_transport *transport,
			     const struct ss_exchange_flow *flow, uint64_t now_ns,
			     struct frame *frame)
{
	struct ss_dns_message message;

	if (ss_dns_read(transport->payload, &message) < 0)
		return;
	g_ptr_array_set_size(failures->one, 0);
	g_ptr_array_add(failures->one, &frame->verdict);
	ss_exchanges_message(failures->exchanges, flow, &message, transport->time_ns, now_ns,
			     failures->one);
}

static void inspect_frame(struct ss_failures *failures, struct ss_cursor block,
			  const struct ss_place *place, uint64_t now_ns, struct frame *frame)
{
	struct ss_transport transport;
	struct ss_exchange_flow flow;

	if (!ss_transport_read(block, place->link_type, &transport))
		return;
	frame->is_fragment = transport.is_fragment && !transport.is_error;
	frame->is_later = frame->is_fragment && transport.is_later;
	if (transport.is_later ||
	    (transport.source.port != SS_DNS_PORT && transport.destination.port != SS_DNS_PORT))
		return;
	flow = flow_of(&transport, place->owner);
	if (transport.is_error) {
		inspect_error(failures, &transport, &flow, frame);
	} else if (transport.protocol == IPPROTO_UDP) {
		inspect_datagram(failures, &transport, &flow, now_ns, frame);
	} else {
		ss_exchanges_segment(failures->exchanges, &flow, transport.flags, transport.time_ns,
				     now_ns, &frame->verdict);
		ss_channels_segment(failures->channels, &flow, &transport, now_ns, &frame->verdict);
	}
}

static void inspect(struct ss_failures *failures, const uint8_t *blocks, size_t length,
		    uint64_t now_ns)
{
	struct ss_blocks walk = ss_blocks(blocks, length, failures->inspected);

	while (ss_blocks_next(&walk)) {
		const uint8_t *block = blocks + walk.at;
		const struct ss_place *place =
			ss_places_get(failures->places, ss_block_word(block + 8));
		struct frame *frame;

		if (!place || ss_block_type(block) == SS_BLOCK_LEFT_OUT)
			continue;
		frame = g_new0(struct frame, 1);
		frame->position = failures->admitted + walk.at;
		frame->link_type = place->link_type;
		inspect_frame(failures, ss_cursor(block, walk.size), place, now_ns, frame);
		g_queue_push_tail(&failures->frames, frame);
	}
	failures->inspected = length;
}

static bool is_of(const struct fragment *fragment, const struct ss_transport *transport)
{
	return fragment->id == transport->fragment_id &&
	       memcmp(fragment->source.address, transport->source.address, 16) == 0 &&
	       memcmp(fragment->destination.address, transport->destination.address, 16) == 0;
}

/* The first fragment leaves its verdict, the others take it. */
static bool fragment_verdict(struct ss_failures *failures, const struct frame *frame,
			     struct ss_cursor block)
{
	bool wanted = frame->verdict.wanted;
	struct ss_transport transport;

	if (!ss_transport_read(block, frame->link_type, &transport))
		return wanted;
	for (unsigned i = 0; frame->is_later && i < FRAGMENTS_MAX; i++) {
		unsigned newest = (failures->fragment_next - 1 - i) % FRAGMENTS_MAX;

		if (is_of(&failures->fragments[newest], &transport))
			return failures->fragments[newest].wanted;
	}
	if (!frame->is_later)
		failures->fragments[failures->fragment_next++ % FRAGMENTS_MAX] = (struct fragment){
			transport.source, transport.destination, transport.fragment_id, wanted};
	return wanted;
}

static void leave_out(const struct ss_failures *failures, uint8_t *block)
{
	failures->options.left_out(ss_block_word(block + 8), failures->options.user_data);
	ss_block_set_type(block, SS_BLOCK_LEFT_OUT);
}

/* Finishes the frames at the front that need not wait any more. Returns how much may go on. */
static size_t settle(struct ss_failures *failures, uint8_t *blocks, size_t length)
{
	struct frame *frame;

	while ((frame = g_queue_peek_head(&failures->frames))) {
		size_t offset = (size_t)(frame->position - failures->admitted);
		uint8_t *block = blocks + offset;
		bool wanted = frame->verdict.wanted;

		if (offset > length || length - offset < 12 ||
		    ss_block_word(block + 4) > length - offset)
			return length; /* offered less than before */
		if (frame->verdict.waits)
			return offset;
		if (frame->is_fragment)
			wanted = fragment_verdict(failures, frame,
						  ss_cursor(block, ss_block_word(block + 4)));
		if (!wanted)
			leave_out(failures, block);
		g_free(g_queue_pop_head(&failures->frames));
	}
	return length;
}

static size_t admit(void *blocks, size_t length, uint64_t now_ns, uint64_t *ret_again_ns,
		    void *user_data)
{
	struct ss_failures *failures = user_data;
	size_t admitted;
	uint64_t clock_ns;

	if (failures->frames.length && now_ns - failures->last_ns > STALL_NS)
		failures->stalled_ns += now_ns - failures->last_ns - STALL_NS;
	failures->last_ns = now_ns;
	clock_ns = now_ns - failures->stalled_ns;
	if (failures->inspected < length)
		inspect(failures, blocks, length, clock_ns);
	ss_channels_expire(failures->channels, clock_ns);
	ss_exchanges_expire(failures->exchanges, clock_ns);
	admitted = settle(failures, blocks, length);
	if (admitted < length)
		*ret_again_ns = TICK_NS;
	failures->admitted += admitted;
	failures->inspected -= admitted;
	return admitted;
}

static void release(void *user_data)
{
	const struct ss_failures *failures = user_data;

	ss_channels_release(failures->channels);
	ss_exchanges_release(failures->exchanges);
}

struct ss_stage ss_failures_stage(struct ss_failures *failures)
{
	return (struct ss_stage){
		.admit = admit,
		.release = release,
		.interface = add_interface,
		.leaves_out = true,
		.user_data = failures,
	};
}

/* The sum. */

static void add_count(GString *text, const char *separator, uint64_t count, const char *what)
{
	if (count)
		g_string_append_printf(text, "%s%" G_GUINT64_FORMAT " %s",
				       text->len ? separator : "", (guint64)count, what);
}

char *ss_failures_summary(const struct ss_failures *failures)
{
	static const char *const words[SS_EXCHANGE_FAILURES] = {
		[SS_EXCHANGE_TRUNCATED] = "truncated",     [SS_EXCHANGE_SLOW] = "too slow",
		[SS_EXCHANGE_TIMEOUT] = "without answer",  [SS_EXCHANGE_REFUSED] = "refused",
		[SS_EXCHANGE_UNREACHABLE] = "unreachable",
	};
	g_autoptr(GString) text = g_string_new(NULL);
	struct ss_exchange_counts counts;
	uint64_t bad = 0;

	ss_exchanges_count(failures->exchanges, &counts);
	for (int failure = 0; failure < SS_EXCHANGE_FAILURES; failure++)
		bad += counts.failed[failure];
	if (counts.fine + bad == 0)
		return NULL;
	add_count(text, ", ", counts.nxdomain, "NXDOMAIN");
	add_count(text, ", ", counts.failed[SS_EXCHANGE_RCODE] - counts.nxdomain,
		  "with another error");
	for (int failure = SS_EXCHANGE_TRUNCATED; failure < SS_EXCHANGE_FAILURES; failure++)
		add_count(text, ", ", counts.failed[failure], words[failure]);
	if (counts.searched)
		g_string_append_printf(text,
				       "%s%" G_GUINT64_FORMAT
				       " names were only tried on the way through a search list",
				       text->len ? "; " : "", (guint64)counts.searched);
	if (counts.unjudged)
		g_string_append_printf(text,
				       "%s%" G_GUINT64_FORMAT " not decided yet when they had to "
				       "be written",
				       text->len ? "; " : "", (guint64)counts.unjudged);
	return g_strdup_printf(
		"DNS: %" G_GUINT64_FORMAT " exchanges went well, %" G_GUINT64_FORMAT " failed%s%s",
		(guint64)counts.fine, (guint64)bad, text->len ? ": " : "", text->str);
}
