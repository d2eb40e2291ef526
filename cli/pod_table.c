/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Columns are rows of a table here. */
#include "pod_table.h"

#include <stdio.h>
#include <string.h>

#include "text.h"

static char *namespace_of(const struct ss_pod *pod)
{
	return g_strdup(pod->namespace);
}

static char *name_of(const struct ss_pod *pod)
{
	return g_strdup(pod->name);
}

static char *state_of(const struct ss_pod *pod)
{
	return g_strdup(pod->pid ? "running" : "ended");
}

static char *node_of(const struct ss_pod *pod)
{
	return g_strdup(pod->node_name);
}

static char *addresses_of(const struct ss_pod *pod)
{
	GString *text = g_string_new(NULL);

	for (guint i = 0; i < pod->addresses->len; i++)
		g_string_append_printf(text, "%s%s", i ? "," : "",
				       (const char *)pod->addresses->pdata[i]);
	if (pod->host_network)
		g_string_append(text, "(host)");
	return g_string_free(text, FALSE);
}

static char *workload_of(const struct ss_pod *pod)
{
	if (!pod->workload_kind || !pod->workload_name)
		return NULL;
	return g_strconcat(pod->workload_kind, "/", pod->workload_name, NULL);
}

static char *containers_of(const struct ss_pod *pod)
{
	GString *text = g_string_new(NULL);

	for (guint i = 0; i < pod->containers->len; i++) {
		const struct ss_container *container = pod->containers->pdata[i];

		if (container->name)
			g_string_append_printf(text, "%s%s", text->len ? "," : "", container->name);
	}
	return g_string_free(text, FALSE);
}

static char *images_of(const struct ss_pod *pod)
{
	GString *text = g_string_new(NULL);

	for (guint i = 0; i < pod->containers->len; i++) {
		const struct ss_container *container = pod->containers->pdata[i];

		if (container->image)
			g_string_append_printf(text, "%s%s", text->len ? "," : "",
					       container->image);
	}
	return g_string_free(text, FALSE);
}

static char *labels_of(const struct ss_pod *pod)
{
	GString *text = g_string_new(NULL);

	for (guint i = 0; i < pod->labels->len; i++) {
		const struct ss_label *label = pod->labels->pdata[i];

		g_string_append_printf(text, "%s%s=%s", i ? "," : "", label->key, label->value);
	}
	return g_string_free(text, FALSE);
}

/* "labels:cri,workload:kube": facts whose source is not the node. */
static char *sources_of(const struct ss_pod *pod)
{
	static const struct {
		enum ss_fact fact;
		const char *name;
	} facts[] = {
		{SS_FACT_LABELS, "labels"},       {SS_FACT_WORKLOAD, "workload"},
		{SS_FACT_IMAGES, "images"},       {SS_FACT_CONTAINERS, "containers"},
		{SS_FACT_ADDRESSES, "addresses"},
	};
	GString *text = g_string_new(NULL);

	for (size_t i = 0; i < G_N_ELEMENTS(facts); i++) {
		enum ss_fact_source source = (enum ss_fact_source)pod->sources[facts[i].fact];

		if (source)
			g_string_append_printf(text, "%s%s:%s", text->len ? "," : "", facts[i].name,
					       ss_fact_source_name(source));
	}
	return g_string_free(text, FALSE);
}

static const struct {
	const char *head;
	char *(*text)(const struct ss_pod *pod); /* NULL or "": unknown */
	bool wide;
} columns[] = {
	{"NAMESPACE", namespace_of, false},   {"POD", name_of, false},
	{"STATE", state_of, false},           {"NODE", node_of, true},
	{"ADDRESS", addresses_of, false},     {"WORKLOAD", workload_of, false},
	{"CONTAINERS", containers_of, false}, {"IMAGES", images_of, true},
	{"LABELS", labels_of, true},          {"SOURCES", sources_of, true},
};
G_STATIC_ASSERT(G_N_ELEMENTS(columns) <= POD_COLUMNS_MAX);

static char *cell(size_t column, const struct ss_pod *pod)
{
	g_autofree char *text = columns[column].text(pod);

	return text && *text ? text_printable(text) : g_strdup("-");
}

void pod_table_fit(struct pod_table *table, const struct ss_pod *pod)
{
	for (size_t i = 0; i < G_N_ELEMENTS(columns); i++) {
		g_autofree char *text = cell(i, pod);

		table->widths[i] = MAX(table->widths[i], (int)g_utf8_strlen(text, -1));
		table->widths[i] = MAX(table->widths[i], (int)strlen(columns[i].head));
	}
}

static void print_cells(const struct pod_table *table, const char *first, const struct ss_pod *pod)
{
	g_autoptr(GString) line = g_string_new(NULL);

	if (table->changes)
		g_string_append_printf(line, "%-7s", first);
	for (size_t i = 0; i < G_N_ELEMENTS(columns); i++) {
		g_autofree char *text = pod ? cell(i, pod) : g_strdup(columns[i].head);

		if (columns[i].wide && !table->wide)
			continue;
		g_string_append(line, line->len ? "  " : "");
		g_string_append(line, text);
		for (int n = (int)g_utf8_strlen(text, -1); n < table->widths[i]; n++)
			g_string_append_c(line, ' ');
	}
	while (line->len && line->str[line->len - 1] == ' ')
		g_string_truncate(line, line->len - 1);
	puts(line->str);
}

char *pod_table_row(const struct pod_table *table, const struct ss_pod *pod)
{
	GString *row = g_string_new(NULL);

	for (size_t i = 0; i < G_N_ELEMENTS(columns); i++) {
		g_autofree char *text = cell(i, pod);

		if (!columns[i].wide || table->wide)
			g_string_append_printf(row, "%s\t", text);
	}
	return g_string_free(row, FALSE);
}

void pod_table_print_head(const struct pod_table *table)
{
	print_cells(table, "CHANGE", NULL);
}

void pod_table_print(const struct pod_table *table, const char *change, const struct ss_pod *pod)
{
	print_cells(table, change, pod);
}
