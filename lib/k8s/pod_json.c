/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Facts nobody knows are left out, so that "unknown" and "none" can be told apart. */
#include "pod_json.h"

#include <stdbool.h>
#include <string.h>

#include "json.h"

static void put_labels(GString *json, const char *key, const GPtrArray *labels)
{
	g_autoptr(GString) object = g_string_new("{");

	for (guint i = 0; i < labels->len; i++) {
		const struct ss_label *label = labels->pdata[i];
		g_autoptr(GString) name = g_string_new("{");

		/* a label's key is foreign text, too: written as a value, read as a key */
		ss_json_text(name, "", label->key);
		g_string_append_printf(object, "%s%s:", object->len > 1 ? "," : "",
				       name->str + strlen("{\"\":"));
		g_string_truncate(name, 1);
		ss_json_text(name, "", label->value);
		g_string_append(object, name->str + strlen("{\"\":"));
	}
	g_string_append_printf(json, ",\"%s\":%s}", key, object->str);
}

static void put_containers(GString *json, const struct ss_pod *pod)
{
	bool first = true;

	g_string_append(json, ",\"containers\":[");
	for (guint i = 0; i < pod->containers->len; i++) {
		const struct ss_container *container = pod->containers->pdata[i];
		g_autoptr(GString) object = g_string_new("{");

		ss_json_text(object, "name", container->name);
		ss_json_text(object, "id", container->id);
		ss_json_text(object, "image", container->image);
		g_string_append_printf(json, "%s%s}", first ? "" : ",", object->str);
		first = false;
	}
	g_string_append_c(json, ']');
}

static void put_addresses(GString *json, const struct ss_pod *pod)
{
	g_string_append(json, ",\"addresses\":[");
	for (guint i = 0; i < pod->addresses->len; i++)
		g_string_append_printf(json, "%s\"%s\"", i ? "," : "",
				       (const char *)pod->addresses->pdata[i]);
	g_string_append_c(json, ']');
}

static void put_sources(GString *json, const struct ss_pod *pod)
{
	static const char *const names[SS_FACTS] = {
		[SS_FACT_NAME] = "name",
		[SS_FACT_PROCESS] = "process",
		[SS_FACT_CONTAINERS] = "containers",
		[SS_FACT_IMAGES] = "images",
		[SS_FACT_ADDRESSES] = "addresses",
		[SS_FACT_LABELS] = "labels",
		[SS_FACT_ANNOTATIONS] = "annotations",
		[SS_FACT_WORKLOAD] = "workload",
		[SS_FACT_NODE] = "node",
	};
	g_autoptr(GString) object = g_string_new("{");

	for (int fact = 0; fact < SS_FACTS; fact++)
		if (pod->sources[fact])
			ss_json_text(object, names[fact],
				     ss_fact_source_name((enum ss_fact_source)pod->sources[fact]));
	g_string_append_printf(json, ",\"sources\":%s}", object->str);
}

void ss_pod_json(GString *json, const struct ss_pod *pod)
{
	ss_json_text(json, "namespace", pod->namespace);
	ss_json_text(json, "pod", pod->name);
	ss_json_text(json, "uid", pod->uid);
	ss_json_text(json, "node", pod->node_name);
	ss_json_bool(json, "running", pod->pid != 0);
	if (pod->pid) {
		ss_json_number(json, "pid", (uint64_t)pod->pid);
		ss_json_bool(json, "host_network", pod->host_network);
	}
	if (pod->netns_inode)
		ss_json_number(json, "netns", pod->netns_inode);
	ss_json_text(json, "runtime", pod->runtime);
	if (pod->workload_kind && pod->workload_name) {
		g_autofree char *workload =
			g_strconcat(pod->workload_kind, "/", pod->workload_name, NULL);

		ss_json_text(json, "workload", workload);
	}
	put_containers(json, pod);
	put_addresses(json, pod);
	if (pod->sources[SS_FACT_LABELS])
		put_labels(json, "labels", pod->labels);
	if (pod->sources[SS_FACT_ANNOTATIONS])
		put_labels(json, "annotations", pod->annotations);
	put_sources(json, pod);
}
