/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bits by the number of a frame; tshark is asked which ones it selects, then for the messages of
 * HTTP and DNS, so that what belongs together is chosen together.
 */
#include "choice.h"

#include <string.h>

#include <glib.h>

#include "survey.h"

/* Of DNS. */
struct exchange {
	GArray *queries; /* numbers of the frames */
	bool asked;      /* one is selected */
	bool answered;
};

struct ss_choice {
	const struct ss_filter *filter;
	GByteArray *wanted, *context; /* bits */
	GHashTable *segments;  /* of HTTP: number of a request → GArray of its frames' numbers */
	GHashTable *exchanges; /* of DNS: flow and id → struct exchange */
};

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
	struct ss_choice *choice = user_data;

	(void)columns;
	set_bit(choice->wanted, number);
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

static void want(struct ss_choice *choice, const GArray *frames, bool as_context)
{
	for (guint i = 0; frames && i < frames->len; i++)
		set_bit(as_context ? choice->context : choice->wanted,
			g_array_index(frames, uint64_t, i));
}

/* First lines decide: all that is of the half in question is wanted. The message has the numbers of
 * the request that it answers (0: it is one), and of its segments. */
static void take_decided(struct ss_choice *choice, uint64_t number, gpointer request,
			 const GArray *frames)
{
	bool of_responses = ss_filter_half(choice->filter) == SS_HALF_RESPONSE;

	if (!request && !of_responses && has_bit(choice->wanted, number)) {
		want(choice, frames, false);
	} else if (request && of_responses && has_bit(choice->wanted, number)) {
		want(choice, frames, false);
		want(choice, g_hash_table_lookup(choice->segments, request), true);
	} else if (request && !of_responses && has_bit(choice->wanted, GPOINTER_TO_SIZE(request))) {
		want(choice, frames, true);
	}
}

/* tshark chooses from both halves. */
static void take_paired(struct ss_choice *choice, uint64_t number, gpointer request,
			const GArray *frames)
{
	bool selected = has_bit(choice->wanted, number) ||
			(request && has_bit(choice->wanted, GPOINTER_TO_SIZE(request)));

	if (!selected)
		return;
	want(choice, frames, true);
	want(choice, request ? g_hash_table_lookup(choice->segments, request) : NULL, true);
}

static void take_message(uint64_t number, char *const *columns, void *user_data)
{
	struct ss_choice *choice = user_data;
	gpointer request = GSIZE_TO_POINTER(g_ascii_strtoull(columns[1], NULL, 10));
	GArray *frames = frames_of(number, columns[2]);

	if (ss_filter_is_paired(choice->filter, SS_PROTOCOL_HTTP))
		take_paired(choice, number, request, frames);
	else
		take_decided(choice, number, request, frames);
	if (request) {
		g_hash_table_remove(choice->segments, request);
		g_array_unref(frames);
	} else {
		g_hash_table_replace(choice->segments, GSIZE_TO_POINTER(number), frames);
	}
}

static void exchange_free(void *pointer)
{
	struct exchange *exchange = pointer;

	g_array_unref(exchange->queries);
	g_free(exchange);
}

static void take_query(struct ss_choice *choice, const char *key, uint64_t number)
{
	struct exchange *exchange = g_hash_table_lookup(choice->exchanges, key);
	bool selected = has_bit(choice->wanted, number);

	/* The id may have been that of another query. */
	if (exchange && (exchange->answered || (exchange->asked && !selected))) {
		g_hash_table_remove(choice->exchanges, key);
		exchange = NULL;
	}
	if (!exchange) {
		exchange = g_new0(struct exchange, 1);
		exchange->queries = g_array_new(FALSE, FALSE, sizeof(uint64_t));
		g_hash_table_insert(choice->exchanges, g_strdup(key), exchange);
	}
	exchange->asked |= selected;
	g_array_append_val(exchange->queries, number);
}

/* Several may answer a selected query. */
static void take_answer(struct ss_choice *choice, const char *key, uint64_t number)
{
	struct exchange *exchange = g_hash_table_lookup(choice->exchanges, key);

	if (!exchange)
		return;
	if (has_bit(choice->wanted, number))
		want(choice, exchange->queries, true);
	exchange->answered = true;
	if (exchange->asked)
		set_bit(choice->context, number);
	else
		g_hash_table_remove(choice->exchanges, key);
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

static int ask_for_dns(struct ss_choice *choice, const char *recording, struct ss_error *error)
{
	static const char *const exchange[] = {"udp.stream", "tcp.stream", "dns.id",
					       "dns.flags.response", NULL};
	int r;

	choice->exchanges = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, exchange_free);
	r = ss_survey_run(recording, "dns && !icmp && !icmpv6", exchange, take_dns_frame, choice,
			  error);
	g_clear_pointer(&choice->exchanges, g_hash_table_unref);
	return r;
}

static int ask_for_http(struct ss_choice *choice, const char *recording, struct ss_error *error)
{
	static const char *const exchange[] = {"http.request_in", "tcp.segment", NULL};
	int r;

	choice->segments = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)g_array_unref);
	r = ss_survey_run(recording, "http", exchange, take_message, choice, error);
	g_clear_pointer(&choice->segments, g_hash_table_unref);
	return r;
}

int ss_choice_new(const struct ss_filter *filter, const char *recording,
		  struct ss_choice **ret_choice, struct ss_error *error)
{
	static const char *const nothing[] = {NULL};
	struct ss_choice *choice = g_new0(struct ss_choice, 1);
	bool dns = ss_filter_is_paired(filter, SS_PROTOCOL_DNS);
	bool http = ss_filter_is_paired(filter, SS_PROTOCOL_HTTP);
	int r;

	choice->filter = filter;
	choice->wanted = g_byte_array_new();
	choice->context = g_byte_array_new();
	r = ss_survey_run(recording, ss_filter_display_text(filter), nothing, take_match, choice,
			  error);
	if (r == 0 && dns)
		r = ask_for_dns(choice, recording, error);
	if (r == 0 && (http || (ss_filter_is_whole(filter) && !dns)))
		r = ask_for_http(choice, recording, error);
	if (r < 0)
		ss_choice_free(choice);
	else
		*ret_choice = choice;
	return r;
}

void ss_choice_free(struct ss_choice *choice)
{
	if (!choice)
		return;
	g_byte_array_unref(choice->wanted);
	g_byte_array_unref(choice->context);
	g_free(choice);
}

bool ss_choice_is_wanted(const struct ss_choice *choice, uint64_t number)
{
	return has_bit(choice->wanted, number);
}

bool ss_choice_is_context(const struct ss_choice *choice, uint64_t number)
{
	return has_bit(choice->context, number);
}
