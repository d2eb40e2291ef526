/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "pods": what is known of the node's pods, once or as it changes. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "pod_table.h"

#define PROVIDERS_WAIT_MS 2000 /* then what is known by then is listed */

/* The node's pods and who else knows of them, for the time of a command. */
struct listing {
	const struct ss_options *options;
	struct ss_loop *loop;
	struct ss_directory *directory;
	struct ss_selection selection;
	struct ss_error missing; /* providers, and why */
	int missing_status;
	/* --watch */
	struct pod_table table;
	GHashTable *shown; /* uid → what its row was, NULL without a table */
};

static void listing_close(struct listing *listing)
{
	ss_directory_free(listing->directory);
	ss_loop_free(listing->loop);
	ss_selection_deinit(&listing->selection);
	g_clear_pointer(&listing->shown, g_hash_table_unref);
}

/* names: nothing else is wanted of the pods. */
static int listing_open(struct listing *listing, const struct ss_options *options, bool names,
			const struct ss_directory_callbacks *callbacks, struct ss_error *error)
{
	struct ss_directory_options needs = {.needs_all = true, .once = !options->watch};
	int r;

	*listing = (struct listing){.options = options};
	r = ss_selection_from_options(&listing->selection, options, error);
	if (r < 0)
		return r;
	/* for completion: at once, from what the node shows, if that is enough */
	needs.names = names && !ss_selection_needs_labels(&listing->selection) &&
		      !ss_selection_needs_workload(&listing->selection);
	listing->loop = ss_loop_new();
	listing->directory = ss_directory_new(listing->loop, &needs, callbacks);
	if (!needs.names)
		listing->missing_status = ss_providers_open(listing->loop, options, false,
							    listing->directory, &listing->missing);
	return 0;
}

/* All pods, with what the providers know after a moment. */
static int listing_pods(struct listing *listing, GPtrArray **ret_pods, struct ss_error *error)
{
	int r = ss_directory_prepare(listing->directory, PROVIDERS_WAIT_MS, error);

	if (r == 0)
		r = ss_directory_pods(listing->directory, ret_pods, error);
	if (r == 0)
		r = ss_providers_check_node(listing->options->node, *ret_pods, error);
	if (r == 0 && (*ret_pods)->len)
		ss_providers_tell_silent(listing->directory);
	return r;
}

static int listing_choose(struct listing *listing, const GPtrArray *pods, GPtrArray **ret_chosen,
			  struct ss_error *error)
{
	int r = ss_providers_check(listing->directory, &listing->selection, pods,
				   listing->missing_status, &listing->missing, error);

	if (r == 0)
		r = ss_selection_resolve(&listing->selection, pods, ret_chosen, error);
	return r;
}

static int list_pods(const struct ss_options *options, bool names, GPtrArray **ret_pods,
		     GPtrArray **ret_chosen, struct ss_error *error)
{
	const struct ss_directory_callbacks callbacks = {0};
	g_autoptr(GPtrArray) pods = NULL;
	struct listing listing;
	int r = listing_open(&listing, options, names, &callbacks, error);

	if (r == 0)
		r = listing_pods(&listing, &pods, error);
	if (r == 0 && ss_options_name_pods(options))
		r = listing_choose(&listing, pods, ret_chosen, error);
	else if (r == 0)
		*ret_chosen = g_ptr_array_ref(pods);
	if (r == 0)
		*ret_pods = g_steal_pointer(&pods);
	listing_close(&listing);
	return r;
}

int command_select_pods(const struct ss_options *options, GPtrArray **ret_pods,
			GPtrArray **ret_chosen, struct ss_error *error)
{
	return list_pods(options, false, ret_pods, ret_chosen, error);
}

static void print_table(const GPtrArray *pods, bool wide)
{
	struct pod_table table = {.wide = wide};

	for (guint i = 0; i < pods->len; i++)
		pod_table_fit(&table, pods->pdata[i]);
	pod_table_print_head(&table);
	for (guint i = 0; i < pods->len; i++)
		pod_table_print(&table, NULL, pods->pdata[i]);
}

static void print_json(const GPtrArray *pods)
{
	putchar('[');
	for (guint i = 0; i < pods->len; i++) {
		g_autoptr(GString) json = g_string_new("{");

		ss_pod_json(json, pods->pdata[i]);
		printf("%s\n  %s}", i ? "," : "", json->str);
	}
	printf("\n]\n");
}

/* A change that the table's columns do not show is none. */
static void show_row(struct listing *listing, const char *word, enum ss_pod_change change,
		     const struct ss_pod *pod)
{
	char *row = pod_table_row(&listing->table, pod);

	if (change != SS_POD_CHANGED ||
	    g_strcmp0(row, g_hash_table_lookup(listing->shown, pod->uid))) {
		pod_table_fit(&listing->table, pod);
		pod_table_print(&listing->table, word, pod);
	}
	g_hash_table_replace(listing->shown, g_strdup(pod->uid), row);
}

static void show(struct listing *listing, enum ss_pod_change change, const struct ss_pod *pod)
{
	static const char *const words[] = {
		[SS_POD_ADDED] = "added",
		[SS_POD_CHANGED] = "changed",
		[SS_POD_REMOVED] = "removed",
	};

	if (listing->options->format == SS_LIST_JSON) {
		g_autoptr(GString) json = g_string_new("{");

		ss_json_text(json, "change", words[change]);
		ss_pod_json(json, pod);
		printf("%s}\n", json->str);
	} else if (listing->options->format == SS_LIST_NAMES) {
		printf("%s %s/%s\n", words[change], pod->namespace, pod->name);
	} else {
		show_row(listing, words[change], change, pod);
	}
	fflush(stdout);
}

static void show_change(enum ss_pod_change change, const struct ss_pod *pod, void *user_data)
{
	struct listing *listing = user_data;
	bool shown = g_hash_table_contains(listing->shown, pod->uid);
	bool gone = change == SS_POD_REMOVED;
	bool meant = !gone && ss_selection_match(&listing->selection, pod);
	struct ss_pod *last;

	if (!shown && !meant)
		return;
	change = !shown ? SS_POD_ADDED : meant ? SS_POD_CHANGED : SS_POD_REMOVED;
	last = ss_pod_copy(pod);
	if (gone)
		last->pid = 0; /* it was the last process */
	if (change == SS_POD_ADDED)
		g_hash_table_insert(listing->shown, g_strdup(pod->uid), NULL);
	show(listing, change, last);
	if (change == SS_POD_REMOVED)
		g_hash_table_remove(listing->shown, pod->uid);
	ss_pod_free(last);
}

/* Until a signal ends the program, or nobody reads. */
static int watch_pods(const struct ss_options *options, struct ss_error *error)
{
	struct listing listing;
	const struct ss_directory_callbacks callbacks = {.pod = show_change, .user_data = &listing};
	bool table = options->format == SS_LIST_TABLE || options->format == SS_LIST_WIDE;
	g_autoptr(GPtrArray) pods = NULL;
	bool names = options->format == SS_LIST_NAMES;
	int r = listing_open(&listing, options, names, &callbacks, error);

	listing.table = (struct pod_table){.changes = true};
	listing.table.wide = options->format == SS_LIST_WIDE;
	listing.shown = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	if (r == 0)
		r = listing_pods(&listing, &pods, error);
	if (r == 0)
		r = ss_providers_check(listing.directory, &listing.selection, pods,
				       listing.missing_status, &listing.missing, error);
	for (guint i = 0; r == 0 && i < pods->len; i++)
		if (ss_selection_match(&listing.selection, pods->pdata[i]))
			pod_table_fit(&listing.table, pods->pdata[i]);
	if (r == 0 && table)
		pod_table_print_head(&listing.table);
	fflush(stdout);
	if (r == 0)
		r = ss_directory_start(listing.directory, 0, error);
	if (r == 0)
		ss_loop_run(listing.loop);
	listing_close(&listing);
	return r;
}

int command_pods(const struct ss_options *options, struct ss_error *error)
{
	g_autoptr(GPtrArray) pods = NULL;
	g_autoptr(GPtrArray) chosen = NULL;
	int r;

	if (options->watch)
		return watch_pods(options, error);
	r = list_pods(options, options->format == SS_LIST_NAMES, &pods, &chosen, error);
	if (r < 0)
		return r;
	if (options->format == SS_LIST_JSON) {
		print_json(chosen);
	} else if (options->format == SS_LIST_NAMES) {
		for (guint i = 0; i < chosen->len; i++) {
			const struct ss_pod *pod = chosen->pdata[i];

			printf("%s/%s\n", pod->namespace, pod->name);
		}
	} else if (pods->len == 0) {
		fprintf(stderr, PROGRAM_NAME ": no pods: /var/log/pods is empty, so no kubelet has "
					     "started any on this machine\n");
	} else {
		print_table(chosen, options->format == SS_LIST_WIDE);
	}
	return 0;
}
