/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "tls": what the processes of pods have for TLS, and what can be read of it. Attaches nothing. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "text.h"

/* One line of the report: a library of a process, whatever number of files it is. */
struct row {
	char *pod, *library, *note;
	pid_t pid;
	char comm[16];
	bool keys, plaintext;
};

struct report {
	const GPtrArray *pods;
	GPtrArray *rows; /* struct row * */
};

static void row_free(void *pointer)
{
	struct row *row = pointer;

	g_free(row->pod);
	g_free(row->library);
	g_free(row->note);
	g_free(row);
}

static int attach_nothing(const char *path, uint32_t number, const struct ss_tls_library *library,
			  void **ret_attachment, void *user_data, struct ss_error *error)
{
	(void)path;
	(void)number;
	(void)library;
	(void)user_data;
	(void)error;
	*ret_attachment = NULL;
	return 0;
}

static void detach_nothing(void *attachment, void *user_data)
{
	(void)attachment;
	(void)user_data;
}

static char *pod_name(const GPtrArray *pods, const char *uid)
{
	for (guint i = 0; i < pods->len; i++) {
		const struct ss_pod *pod = pods->pdata[i];

		if (strcmp(pod->uid, uid) == 0)
			return g_strdup_printf("%s/%s", pod->namespace, pod->name);
	}
	return g_strdup("?");
}

static const char *note_of(const struct ss_tls_use *use)
{
	const char *reason = ss_tls_library_reason(use->library);

	if (use->error)
		return use->error;
	if (reason)
		return reason;
	if (use->library->unproven && !use->library->plaintext &&
	    use->library->kind == SS_TLS_LIBRARY_BORINGSSL)
		return "found by pattern: believed once a captured connection proves it; its reads "
		       "and writes were not found, so no plaintext";
	if (use->library->unproven)
		return "found by pattern: believed once a captured connection proves it";
	return use->library->points->len ? "" : "its functions were not found";
}

static struct row *row_new(const struct report *report, const struct ss_tls_process *process)
{
	struct row *row = g_new0(struct row, 1);

	row->pod = pod_name(report->pods, process->pod_uid);
	row->pid = process->pid;
	g_strlcpy(row->comm, process->comm, sizeof(row->comm));
	g_ptr_array_add(report->rows, row);
	return row;
}

/* Libraries come in several files: libssl and libcrypto, GnuTLS and Nettle. One of them tells the
 * version, and stands for all; with two versions in a process nobody knows which belong together.
 */
static const struct ss_tls_library *whole_of(const struct ss_tls_process *process,
					     const struct ss_tls_library *part)
{
	const struct ss_tls_library *whole = part;

	for (guint i = 0; i < process->uses->len; i++) {
		const struct ss_tls_use *use = process->uses->pdata[i];

		if (part->versioned || use->library->kind != part->kind || !use->library->versioned)
			continue;
		if (whole != part)
			return part;
		whole = use->library;
	}
	return whole;
}

/* What the files give together; a note of any. */
static void add_library(const struct report *report, const struct ss_tls_process *process,
			const struct ss_tls_library *whole)
{
	struct row *row = row_new(report, process);
	const char *kind = ss_tls_library_kind_name(whole->kind);

	row->library = g_strdup(whole->detail ? whole->detail : kind);
	for (guint i = 0; i < process->uses->len; i++) {
		const struct ss_tls_use *use = process->uses->pdata[i];

		if (whole_of(process, use->library) != whole)
			continue;
		row->keys |= use->library->keys && !use->error;
		row->plaintext |= use->library->plaintext && !use->error;
		if (!row->note || !*row->note) {
			g_free(row->note);
			row->note = g_strdup(note_of(use));
		}
	}
}

static void add_process(const struct ss_tls_process *process, void *user_data)
{
	const struct report *report = user_data;
	struct row *row;

	for (guint i = 0; i < process->uses->len; i++) {
		const struct ss_tls_use *use = process->uses->pdata[i];

		if (whole_of(process, use->library) == use->library)
			add_library(report, process, use->library);
	}
	if (process->uses->len)
		return;
	row = row_new(report, process);
	row->library = g_strdup(process->error ? "?" : "none");
	row->note = g_strdup(process->error ? process->error : "");
}

static gint compare_rows(gconstpointer a, gconstpointer b)
{
	const struct row *one = *(const struct row *const *)a,
			 *other = *(const struct row *const *)b;
	int order = strcmp(one->pod, other->pod);

	if (order)
		return order;
	if (one->pid != other->pid)
		return one->pid < other->pid ? -1 : 1;
	return strcmp(one->library, other->library);
}

static void print_table(const GPtrArray *rows)
{
	int pod = 3, library = 7;

	for (guint i = 0; i < rows->len; i++) {
		const struct row *row = rows->pdata[i];

		pod = MAX(pod, (int)strlen(row->pod));
		library = MAX(library, (int)strlen(row->library));
	}
	printf("%-*s  %7s  %-15s  %-*s  %-4s  %-9s  %s\n", pod, "POD", "PID", "COMM", library,
	       "LIBRARY", "KEYS", "PLAINTEXT", "NOTE");
	for (guint i = 0; i < rows->len; i++) {
		const struct row *row = rows->pdata[i];

		g_autofree char *line = g_strdup_printf(
			"%-*s  %7d  %-15s  %-*s  %-4s  %-9s  %s", pod, row->pod, (int)row->pid,
			row->comm, library, row->library, row->keys ? "yes" : "no",
			row->plaintext ? "yes" : "no", row->note);
		/* comm and library are the pod's words */
		g_autofree char *text = text_printable(line);

		puts(text);
	}
}

/* comm and library are the pod's words: escaped. */
static void print_json(const GPtrArray *rows)
{
	putchar('[');
	for (guint i = 0; i < rows->len; i++) {
		const struct row *row = rows->pdata[i];
		g_autoptr(GString) json = g_string_new("{");

		ss_json_text(json, "pod", row->pod);
		ss_json_number(json, "pid", (uint64_t)row->pid);
		ss_json_text(json, "comm", row->comm);
		ss_json_text(json, "library", row->library);
		ss_json_bool(json, "keys", row->keys);
		ss_json_bool(json, "plaintext", row->plaintext);
		ss_json_text(json, "note", *row->note ? row->note : NULL);
		printf("%s\n  %s}", i ? "," : "", json->str);
	}
	printf("\n]\n");
}

static void look(struct report *report)
{
	const struct ss_tls_discover_callbacks callbacks = {attach_nothing, detach_nothing, NULL};
	struct ss_tls_discover *discover = ss_tls_discover_new(NULL, NULL, &callbacks);

	for (guint i = 0; i < report->pods->len; i++) {
		const struct ss_pod *pod = report->pods->pdata[i];

		if (pod->pid)
			ss_tls_discover_add_pod(discover, pod->uid, pod->cgroup_path);
	}
	ss_tls_discover_run_all(discover);
	ss_tls_discover_processes(discover, add_process, report);
	ss_tls_discover_free(discover);
}

int command_tls(const struct ss_options *options, struct ss_error *error)
{
	g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func(row_free);
	struct report report = {.rows = rows};
	g_autoptr(GPtrArray) pods = NULL;
	g_autoptr(GPtrArray) chosen = NULL;
	int r;

	r = command_select_pods(options, &pods, &chosen, error);
	if (r < 0)
		return r;
	report.pods = chosen;
	look(&report);
	g_ptr_array_sort(rows, compare_rows);
	if (options->format == SS_LIST_JSON)
		print_json(rows);
	else if (rows->len)
		print_table(rows);
	else
		fprintf(stderr, PROGRAM_NAME ": no process of these pods runs\n");
	return 0;
}
