/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * First what the kernel's word about first lines is enough for (requests), and the marks of what is
 * there for another frame (context); then tshark's judgement, and what belongs to what that selects
 * (queries, partners).
 */
#include "sifting.h"

#include <glib.h>

#include "context.h"
#include "judge.h"
#include "output/block.h"
#include "partners.h"
#include "queries.h"
#include "requests.h"

struct ss_sifting {
	struct ss_sifting_context context;
	const struct ss_filter *filter;
	struct ss_requests *requests;    /* NULL: the filter is not about responses */
	struct ss_context *marks;        /* NULL: there are no frames of context */
	struct ss_judge *judge;          /* NULL: the kernel decides all of the filter */
	struct ss_judge *redirect_judge; /* NULL: that one decides redirected ones, too */
	struct ss_queries *queries;      /* NULL: tshark does not choose from DNS exchanges */
	struct ss_partners *partners;    /* NULL: tshark does not choose from HTTP exchanges */
};

static void add_stage(struct ss_sifting *sifting, struct ss_stage stage)
{
	ss_gate_add_stage(sifting->context.gate, &stage);
}

static void retry(void *user_data)
{
	const struct ss_sifting *sifting = user_data;

	sifting->context.retry(sifting->context.user_data);
}

/* Was the kernel not asked about this frame? */
static bool is_open(const void *block, size_t size, void *user_data)
{
	const struct ss_sifting *sifting = user_data;

	return sifting->context.redirects &&
	       ss_redirects_is_open(sifting->context.redirects, block, size);
}

/* --- Frames that are held --- */

static void left_out(uint32_t interface_id, void *user_data)
{
	const struct ss_sifting *sifting = user_data;

	ss_stream_counters(sifting->context.stream, interface_id)->left_out++;
}

static void taken_back(uint32_t interface_id, uint32_t length, void *user_data)
{
	const struct ss_sifting *sifting = user_data;
	struct ss_interface_counters *counters =
		ss_stream_counters(sifting->context.stream, interface_id);

	counters->unmatched--;
	counters->unmatched_bytes -= length;
}

static int write_late(void *item, void *user_data)
{
	const GByteArray *block = item;
	const struct ss_sifting *sifting = user_data;

	ss_stream_counters(sifting->context.stream, ss_block_word(block->data + 8))->left_out--;
	return ss_stream_late(sifting->context.stream, block, sifting->context.error);
}

/* It was counted as left out. */
static void late(uint32_t interface_id, uint64_t time_ns, GByteArray *block, void *user_data)
{
	const struct ss_sifting *sifting = user_data;

	(void)interface_id;
	ss_block_set_context(block->data, block->len, true);
	ss_gate_queue(sifting->context.gate, time_ns, block, write_late,
		      (GDestroyNotify)g_byte_array_unref, user_data);
}

static bool wants(unsigned code, void *user_data)
{
	const struct ss_sifting *sifting = user_data;

	return ss_filter_wants_code(sifting->filter, code);
}

/* --- Judges --- */

static void introduce(const void *block, size_t size, bool anew, void *user_data)
{
	struct ss_sifting *sifting = user_data;

	sifting->context.introduce(sifting->judge, block, size, anew, sifting->context.user_data);
}

static void copy_secrets(const char *lines, void *user_data)
{
	struct ss_sifting *sifting = user_data;

	ss_judge_secrets(sifting->judge, lines);
}

/* It looks at frames as they are written. */
static int open_judge(struct ss_sifting *sifting)
{
	const struct ss_judge_context context = {
		.loop = sifting->context.loop,
		.stream = sifting->context.stream,
		.filter = ss_filter_wanted_text(sifting->filter),
		.all = ss_filter_rest(sifting->filter) == SS_REST_ALL,
		.fields = sifting->marks ? ss_filter_half_fields(sifting->filter) : NULL,
		.is_open = sifting->marks ? NULL : is_open,
		.introduce = introduce,
		.retry = retry,
		.user_data = sifting,
	};
	int r = ss_judge_new(&context, &sifting->judge, sifting->context.error);

	if (r < 0)
		return r;
	ss_stream_copy_secrets(sifting->context.stream, copy_secrets, sifting);
	add_stage(sifting, ss_judge_stage(sifting->judge));
	return 0;
}

/* Where first lines decide a filter, and only the kernel looks at them, tshark decides about
 * connections that the kernel was not asked about: exchanges are paired behind it. */
static int open_redirect_judge(struct ss_sifting *sifting)
{
	const struct ss_judge_context context = {
		.loop = sifting->context.loop,
		.stream = sifting->context.stream,
		.filter = ss_filter_display_text(sifting->filter),
		.is_open = is_open,
		.only_open = true,
		.retry = retry,
		.user_data = sifting,
	};
	int r = ss_judge_new(&context, &sifting->redirect_judge, sifting->context.error);

	if (r == 0)
		add_stage(sifting, ss_judge_stage(sifting->redirect_judge));
	return r;
}

/* --- Life --- */

struct ss_sifting *ss_sifting_new(const struct ss_sifting_context *context)
{
	struct ss_sifting *sifting = g_new0(struct ss_sifting, 1);
	const struct ss_held_callbacks held = {
		.left_out = left_out, .late = late, .skip = is_open, .user_data = sifting};

	sifting->context = *context;
	sifting->filter = ss_sieve_filter(context->sieve);
	if (ss_sieve_adds_requests(context->sieve)) {
		sifting->requests = ss_requests_new(&held, wants);
		add_stage(sifting, ss_requests_stage(sifting->requests));
	}
	if (ss_sieve_marks_context(context->sieve)) {
		sifting->marks =
			ss_context_new(ss_filter_half(sifting->filter) == SS_HALF_RESPONSE);
		add_stage(sifting, ss_context_stage(sifting->marks));
	}
	return sifting;
}

int ss_sifting_judge(struct ss_sifting *sifting)
{
	const struct ss_sieve *sieve = sifting->context.sieve;
	struct ss_held_callbacks held = {
		.left_out = left_out, .late = late, .taken_back = taken_back, .user_data = sifting};
	int r = 0;

	if (ss_sieve_needs_judge(sieve))
		r = open_judge(sifting);
	if (r == 0 && ss_sieve_judges_redirects(sieve))
		r = open_redirect_judge(sifting);
	if (r < 0)
		return r;
	if (ss_sieve_adds_dns(sieve)) {
		sifting->queries = ss_queries_new(&held);
		add_stage(sifting, ss_queries_stage(sifting->queries));
	}
	if (ss_sieve_adds_partners(sieve) || ss_sieve_judges_redirects(sieve)) {
		held.lo_only = sifting->marks;
		sifting->partners = ss_partners_new(&held);
		add_stage(sifting, ss_partners_stage(sifting->partners));
	}
	return 0;
}

void ss_sifting_free(struct ss_sifting *sifting)
{
	if (!sifting)
		return;
	ss_requests_free(sifting->requests);
	ss_context_free(sifting->marks);
	ss_judge_free(sifting->judge);
	ss_judge_free(sifting->redirect_judge);
	ss_queries_free(sifting->queries);
	ss_partners_free(sifting->partners);
	g_free(sifting);
}

void ss_sifting_finish(struct ss_sifting *sifting)
{
	if (sifting->judge)
		ss_judge_finish(sifting->judge);
	if (sifting->redirect_judge)
		ss_judge_finish(sifting->redirect_judge);
}

/* --- The account --- */

uint64_t ss_sifting_undecided(const struct ss_sifting *sifting)
{
	return (sifting->judge ? ss_judge_undecided(sifting->judge) : 0) +
	       (sifting->redirect_judge ? ss_judge_undecided(sifting->redirect_judge) : 0);
}

static void add_account(GString *text, const char *protocol, struct ss_held_counts counts,
			const char *kept, const char *given_up)
{
	if (!counts.given_up && !counts.cut)
		return;
	g_string_append_printf(text, "%s%s: %" G_GUINT64_FORMAT " %s", text->len ? "; " : "",
			       protocol, (guint64)counts.kept, kept);
	if (counts.cut)
		g_string_append_printf(text,
				       "; of %" G_GUINT64_FORMAT
				       " the middle is missing, because it was too long to wait",
				       (guint64)counts.cut);
	if (counts.given_up)
		g_string_append_printf(text, "; %" G_GUINT64_FORMAT " could not be kept %s",
				       (guint64)counts.given_up, given_up);
}

char *ss_sifting_summary(const struct ss_sifting *sifting)
{
	GString *text = g_string_new(NULL);

	if (sifting->queries)
		add_account(text, "DNS", ss_queries_counts(sifting->queries), "exchanges are whole",
			    "in mind until they were answered");
	if (sifting->requests)
		add_account(text, "HTTP", ss_requests_counts(sifting->requests),
			    "requests are with their responses", "until they were answered");
	if (sifting->partners)
		add_account(text, "HTTP", ss_partners_counts(sifting->partners),
			    "exchanges are there for what matches",
			    "until it was known whether they match");
	return g_string_free(text, text->len == 0);
}
