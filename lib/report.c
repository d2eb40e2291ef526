/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Of several reasons the most hopeful one is given: a library that waits for its proof comes before
 * one that can't be read, and that before one that could not be looked at.
 */
#include "report.h"

#include <string.h>

#include <glib.h>

#include "clock.h"
#include "endpoint.h"
#include "json.h"

struct ss_report {
	struct ss_tls_discover *discover;
	struct ss_tls_coverage *coverage;
	struct ss_report_callbacks callbacks;
};

/* Why the TLS of one pod stays dark. */
struct explanation {
	const struct ss_pod *pod;
	enum ss_tls_coverage_state state;
	bool probed; /* a library of the pod gives keys */
	char *reason;
};

static const char *library_name(const struct ss_tls_library *library)
{
	return library->detail ? library->detail : ss_tls_library_kind_name(library->kind);
}

static void set_reason(struct explanation *explanation, enum ss_tls_coverage_state state,
		       const struct ss_tls_process *process, const char *what, const char *why)
{
	if (explanation->reason && explanation->state <= state)
		return;
	g_free(explanation->reason);
	explanation->state = state;
	explanation->reason =
		g_strdup_printf("pid %d (%s): %s: %s", (int)process->pid, process->comm, what, why);
}

static void explain_process(const struct ss_tls_process *process, void *user_data)
{
	struct explanation *explanation = user_data;

	if (!explanation->pod || strcmp(explanation->pod->uid, process->pod_uid) != 0)
		return;
	if (process->error)
		set_reason(explanation, SS_TLS_COVERAGE_UNKNOWN, process, "not looked into",
			   process->error);
	for (guint i = 0; i < process->uses->len; i++) {
		const struct ss_tls_use *use = process->uses->pdata[i];
		const struct ss_tls_library *library = use->library;
		const char *reason = ss_tls_library_reason(library);
		const char *what = library_name(library);

		if (use->error)
			set_reason(explanation, SS_TLS_COVERAGE_UNKNOWN, process, what, use->error);
		else if (reason)
			set_reason(explanation, SS_TLS_COVERAGE_UNSUPPORTED, process, what, reason);
		else if (library->refuted)
			set_reason(explanation, SS_TLS_COVERAGE_UNSUPPORTED, process, what,
				   "what was found by pattern proved to be something else");
		else if (library->unproven)
			set_reason(explanation, SS_TLS_COVERAGE_UNVERIFIED, process, what,
				   "found by pattern, and nothing that was seen of it proved it");
		else if (!library->keys && !library->plaintext)
			set_reason(explanation, SS_TLS_COVERAGE_UNSUPPORTED, process, what,
				   "its functions were not found in the program");
		else if (use->attached && library->keys)
			explanation->probed = true;
	}
}

static void explain(const struct ss_tls_flow *flow, enum ss_tls_coverage_state *ret_state,
		    char **ret_reason, void *user_data)
{
	struct ss_report *report = user_data;
	struct explanation explanation = {
		.pod = report->callbacks.pod(flow->interface_id, report->callbacks.user_data),
		.state = SS_TLS_COVERAGE_UNKNOWN,
	};

	ss_tls_discover_processes(report->discover, explain_process, &explanation);
	if (!explanation.reason && explanation.probed)
		explanation.reason = g_strdup("the pod's TLS libraries are probed, but no secret "
					      "of this connection came");
	if (!explanation.reason)
		explanation.reason = g_strdup("no TLS library was found in the pod's processes; an "
					      "application's own key log (SSLKEYLOGFILE) can be "
					      "given to Wireshark");
	*ret_state = explanation.state;
	*ret_reason = explanation.reason;
}

/* What can be read needs no record. */
static void told(const struct ss_tls_coverage_entry *entry, void *user_data)
{
	struct ss_report *report = user_data;
	const struct ss_tls_flow *flow = entry->flow;
	const struct ss_pod *pod =
		report->callbacks.pod(flow->interface_id, report->callbacks.user_data);
	const char *state = ss_tls_coverage_state_name(entry->state);
	g_autofree char *client = ss_endpoint_text(&flow->client);
	g_autofree char *server = ss_endpoint_text(&flow->server);
	g_autoptr(GString) details = g_string_new("{");
	g_autofree char *message = NULL;

	if (!entry->reason)
		return;
	message = g_strdup_printf("TLS %s → %s%s%s: %s: %s", client, server,
				  flow->server_name[0] ? " " : "", flow->server_name, state,
				  entry->reason);
	ss_json_text(details, "tls_state", state);
	ss_json_text(details, "tls_reason", entry->reason);
	ss_json_text(details, "client", client);
	ss_json_text(details, "server", server);
	ss_json_text(details, "server_name", flow->server_name[0] ? flow->server_name : NULL);
	ss_json_text(details, "alpn", flow->alpn[0] ? flow->alpn : NULL);
	report->callbacks.event(&(struct ss_event){.event = "tls-connection",
						   .namespace = pod ? pod->namespace : NULL,
						   .pod = pod ? pod->name : NULL,
						   .uid = pod ? pod->uid : NULL,
						   .message = message,
						   .details = details->str + 1,
						   .quiet = true},
				report->callbacks.user_data);
}

struct ss_report *ss_report_new(struct ss_tls_discover *discover,
				const struct ss_report_callbacks *callbacks)
{
	struct ss_report *report = g_new0(struct ss_report, 1);
	const struct ss_tls_coverage_callbacks coverage = {explain, told, report};

	report->discover = discover;
	report->callbacks = *callbacks;
	report->coverage = ss_tls_coverage_new(&coverage);
	return report;
}

void ss_report_free(struct ss_report *report)
{
	if (!report)
		return;
	ss_tls_coverage_free(report->coverage);
	g_free(report);
}

void ss_report_flow(struct ss_report *report, const struct ss_tls_flow *flow)
{
	ss_tls_coverage_flow(report->coverage, flow, ss_clock_ns(CLOCK_MONOTONIC));
}

void ss_report_plaintext(struct ss_report *report, const struct ss_tls_socket *socket)
{
	ss_tls_coverage_plaintext(report->coverage, socket, ss_clock_ns(CLOCK_MONOTONIC));
}

bool ss_report_is_keyed(const struct ss_report *report, const struct ss_tls_socket *socket)
{
	return ss_tls_coverage_is_keyed(report->coverage, socket);
}

bool ss_report_is_plaintext(const struct ss_report *report, const struct ss_endpoint *one,
			    const struct ss_endpoint *other)
{
	return ss_tls_coverage_is_plaintext(report->coverage, one, other);
}

void ss_report_tick(struct ss_report *report)
{
	ss_tls_coverage_run(report->coverage, ss_clock_ns(CLOCK_MONOTONIC));
}

void ss_report_finish(struct ss_report *report)
{
	ss_tls_coverage_run(report->coverage, UINT64_MAX);
}

struct names {
	GTree *tree;                          /* sorted, once each */
	bool versioned[SS_TLS_LIBRARY_KINDS]; /* a file of this kind tells its version */
};

static void note_versions(const struct ss_tls_process *process, void *user_data)
{
	struct names *names = user_data;

	for (guint i = 0; i < process->uses->len; i++) {
		const struct ss_tls_use *use = process->uses->pdata[i];

		names->versioned[use->library->kind] |= use->library->versioned;
	}
}

/* libssl.so.3 says nothing beside the libcrypto.so.3 that tells the version of both. */
static void add_name(const struct ss_tls_process *process, void *user_data)
{
	struct names *names = user_data;

	for (guint i = 0; i < process->uses->len; i++) {
		const struct ss_tls_use *use = process->uses->pdata[i];

		if (names->versioned[use->library->kind] && !use->library->versioned)
			continue;
		g_tree_insert(names->tree,
			      g_strdup_printf("%s%s", library_name(use->library),
					      use->attached ? "" : " (not readable)"),
			      NULL);
	}
}

static gint compare_names(gconstpointer a, gconstpointer b, gpointer user_data)
{
	(void)user_data;
	return strcmp(a, b);
}

static gboolean append_name(gpointer name, gpointer value, gpointer user_data)
{
	GString *text = user_data;

	(void)value;
	g_string_append_printf(text, "%s%s", text->len ? ", " : "", (const char *)name);
	return FALSE;
}

char *ss_report_libraries(const struct ss_report *report)
{
	struct names names = {.tree = g_tree_new_full(compare_names, NULL, g_free, NULL)};
	GString *text = g_string_new(NULL);

	ss_tls_discover_processes(report->discover, note_versions, &names);
	ss_tls_discover_processes(report->discover, add_name, &names);
	g_tree_foreach(names.tree, append_name, text);
	g_tree_unref(names.tree);
	return g_string_free(text, FALSE);
}

static void note_error(const struct ss_tls_process *process, void *user_data)
{
	const char **error = user_data;

	if (!*error)
		*error = process->error;
}

const char *ss_report_blind(const struct ss_report *report)
{
	const char *error = NULL;

	ss_tls_discover_processes(report->discover, note_error, &error);
	return error;
}

char *ss_report_summary(const struct ss_report *report)
{
	uint64_t counts[SS_TLS_COVERAGE_STATES], total = 0;
	g_autoptr(GString) text = g_string_new(NULL);

	ss_tls_coverage_count(report->coverage, counts);
	for (enum ss_tls_coverage_state state = 0; state < SS_TLS_COVERAGE_STATES; state++) {
		total += counts[state];
		if (counts[state])
			g_string_append_printf(text, "%s%" G_GUINT64_FORMAT " %s",
					       text->len ? ", " : "", (guint64)counts[state],
					       ss_tls_coverage_state_name(state));
	}
	if (!total)
		return NULL;
	return g_strdup_printf("TLS: %" G_GUINT64_FORMAT " connection%s: %s", (guint64)total,
			       total == 1 ? "" : "s", text->str);
}
