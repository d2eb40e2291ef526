/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The API server's provider alone, for tests: what it tells becomes JSON lines on stdout; commands
 * come as lines on stdin, and their end is the end.
 *
 *	complete NAMESPACE NAME UID     forget UID     state
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "json.h"
#include "kube/kube.h"
#include "log.h"
#include "loop.h"

#define LAG_PERIOD_NS 5000000ull

struct dump {
	struct ss_loop *loop;
	struct ss_provider *provider;
	GHashTable *asked; /* uid → struct ss_pod * */
	GString *input;
	struct ss_timer *timer;
	gint64 turned_us, lag_us; /* the longest time the loop did not turn */
	gint64 worked_us,
		busy_us; /* the same in time of the processor, that of others not counted */
};

static void put(GString *json)
{
	g_string_append(json, "}\n");
	fwrite(json->str, 1, json->len, stdout);
	fflush(stdout);
	g_string_free(json, TRUE);
}

static GString *begin(const char *event)
{
	GString *json = g_string_new("{");

	ss_json_text(json, "event", event);
	return json;
}

static void put_list(GString *json, const char *key, const GPtrArray *strings)
{
	GString *list = g_string_new(NULL);

	for (guint i = 0; i < strings->len; i++)
		g_string_append_printf(list, "%s%s", i ? " " : "", (char *)strings->pdata[i]);
	ss_json_text(json, key, list->str);
	g_string_free(list, TRUE);
}

static void put_labels(GString *json, const char *key, const GPtrArray *labels)
{
	GString *list = g_string_new(NULL);

	for (guint i = 0; i < labels->len; i++) {
		const struct ss_label *label = labels->pdata[i];

		g_string_append_printf(list, "%s%s=%s", i ? "," : "", label->key, label->value);
	}
	ss_json_text(json, key, list->str);
	g_string_free(list, TRUE);
}

static void put_pod(GString *json, const struct ss_pod *pod)
{
	g_autofree char *workload =
		pod->workload_kind
			? g_strdup_printf("%s/%s", pod->workload_kind, pod->workload_name)
			: NULL;
	GString *containers = g_string_new(NULL);

	ss_json_text(json, "uid", pod->uid);
	ss_json_text(json, "namespace", pod->namespace);
	ss_json_text(json, "name", pod->name);
	ss_json_text(json, "node", pod->node_name);
	ss_json_text(json, "workload", workload);
	ss_json_bool(json, "workload_known", pod->sources[SS_FACT_WORKLOAD] == SS_SOURCE_KUBE);
	ss_json_bool(json, "labels_known", pod->sources[SS_FACT_LABELS] == SS_SOURCE_KUBE);
	ss_json_bool(json, "host_network", pod->host_network);
	put_list(json, "addresses", pod->addresses);
	put_labels(json, "labels", pod->labels);
	put_labels(json, "annotations", pod->annotations);
	for (guint i = 0; i < pod->containers->len; i++) {
		const struct ss_container *container = pod->containers->pdata[i];

		g_string_append_printf(containers, "%s%s=%s", i ? "," : "",
				       container->name ? container->name : "",
				       container->image ? container->image : "");
	}
	ss_json_text(json, "containers", containers->str);
	g_string_free(containers, TRUE);
}

static const char *change_name(enum ss_object_change change)
{
	return change == SS_OBJECT_SET ? "set" : "gone";
}

static void complete(struct dump *dump, const char *uid)
{
	struct ss_pod *pod = g_hash_table_lookup(dump->asked, uid);
	GString *json;
	bool done;

	if (!pod)
		return;
	json = begin("complete");
	done = dump->provider->complete(dump->provider, pod);
	ss_json_bool(json, "done", done);
	put_pod(json, pod);
	put(json);
}

static void on_changed(const char *uid, void *user_data)
{
	g_autofree char *copy = g_strdup(uid);

	complete(user_data, copy);
}

static void on_peer(enum ss_object_change change, const struct ss_pod *pod, void *user_data)
{
	GString *json = begin("peer");

	(void)user_data;
	ss_json_text(json, "change", change_name(change));
	put_pod(json, pod);
	put(json);
}

static void on_service(enum ss_object_change change, const struct ss_service *service,
		       void *user_data)
{
	GString *json = begin("service"), *ports = g_string_new(NULL);
	GString *endpoints = g_string_new(NULL);

	(void)user_data;
	ss_json_text(json, "change", change_name(change));
	ss_json_text(json, "namespace", service->namespace);
	ss_json_text(json, "name", service->name);
	ss_json_text(json, "type", service->type);
	put_list(json, "addresses", service->addresses);
	for (guint i = 0; i < service->ports->len; i++) {
		const struct ss_service_port *port = service->ports->pdata[i];

		g_string_append_printf(ports, "%s%s:%u/%u:%u", i ? " " : "",
				       port->name ? port->name : "", port->port, port->protocol,
				       port->node_port);
	}
	for (guint i = 0; i < service->endpoints->len; i++) {
		const struct ss_service_endpoint *endpoint = service->endpoints->pdata[i];

		g_string_append_printf(endpoints, "%s%s", i ? " " : "", endpoint->address);
		for (guint j = 0; j < endpoint->ports->len; j++)
			g_string_append_printf(endpoints, ":%u",
					       g_array_index(endpoint->ports, uint16_t, j));
		if (endpoint->pod)
			g_string_append_printf(endpoints, "=%s", endpoint->pod);
	}
	ss_json_text(json, "ports", ports->str);
	ss_json_text(json, "endpoints", endpoints->str);
	g_string_free(ports, TRUE);
	g_string_free(endpoints, TRUE);
	put(json);
}

static void on_node(enum ss_object_change change, const struct ss_cluster_node *node,
		    void *user_data)
{
	GString *json = begin("node");

	(void)user_data;
	ss_json_text(json, "change", change_name(change));
	ss_json_text(json, "name", node->name);
	put_list(json, "addresses", node->addresses);
	put(json);
}

static void on_log(enum ss_log_level level, const char *message, void *user_data)
{
	GString *json = begin("log");

	(void)user_data;
	ss_json_text(json, "level",
		     level == SS_LOG_WARNING ? "warning"
		     : level == SS_LOG_NOTE  ? "note"
					     : "debug");
	ss_json_text(json, "message", message);
	put(json);
}

static uint64_t read_rss_kib(void)
{
	g_autofree char *text = NULL;
	const char *line;

	if (!g_file_get_contents("/proc/self/status", &text, NULL, NULL))
		return 0;
	line = strstr(text, "VmRSS:");
	return line ? g_ascii_strtoull(line + strlen("VmRSS:"), NULL, 10) : 0;
}

static void put_state(struct dump *dump)
{
	GString *json = begin("state");

	ss_json_text(json, "state", dump->provider->state(dump->provider));
	ss_json_number(json, "rss_kib", read_rss_kib());
	ss_json_number(json, "lag_ms", (uint64_t)dump->lag_us / 1000);
	ss_json_number(json, "busy_ms", (uint64_t)dump->busy_us / 1000);
	put(json);
}

static void run_command(struct dump *dump, const char *line)
{
	g_auto(GStrv) words = g_strsplit(line, " ", -1);
	guint count = g_strv_length(words);
	struct ss_pod *pod;

	if (count == 4 && !strcmp(words[0], "complete")) {
		pod = ss_pod_new();
		pod->namespace = g_strdup(words[1]);
		pod->name = g_strdup(words[2]);
		pod->uid = g_strdup(words[3]);
		g_hash_table_replace(dump->asked, pod->uid, pod);
		complete(dump, words[3]);
	} else if (count == 2 && !strcmp(words[0], "forget")) {
		dump->provider->forget(dump->provider, words[1]);
		g_hash_table_remove(dump->asked, words[1]);
	} else if (count == 1 && !strcmp(words[0], "state")) {
		put_state(dump);
	} else {
		fprintf(stderr, "kube-dump: what is '%s'?\n", line);
	}
}

static void on_input(uint32_t events, void *user_data)
{
	struct dump *dump = user_data;
	char buffer[4096], *end;
	ssize_t count = read(STDIN_FILENO, buffer, sizeof(buffer));

	(void)events;
	if (count <= 0) {
		if (count == 0 || errno != EAGAIN)
			ss_loop_quit(dump->loop);
		return;
	}
	g_string_append_len(dump->input, buffer, count);
	while ((end = strchr(dump->input->str, '\n'))) {
		*end = '\0';
		run_command(dump, dump->input->str);
		g_string_erase(dump->input, 0, end + 1 - dump->input->str);
	}
}

static gint64 read_processor_us(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return time.tv_sec * G_USEC_PER_SEC + time.tv_nsec / 1000;
}

static void on_timer(uint32_t events, void *user_data)
{
	struct dump *dump = user_data;
	gint64 now_us = g_get_monotonic_time(), work_us = read_processor_us();

	(void)events;
	if (dump->turned_us) {
		dump->lag_us = MAX(dump->lag_us, now_us - dump->turned_us);
		dump->busy_us = MAX(dump->busy_us, work_us - dump->worked_us);
	}
	dump->turned_us = now_us;
	dump->worked_us = work_us;
}

static void pod_destroy(gpointer pod)
{
	ss_pod_free(pod);
}

int main(int argc, char **argv)
{
	g_autoptr(GPtrArray) namespaces = g_ptr_array_new();
	struct dump dump = {.input = g_string_new(NULL)};
	struct ss_kube_options options = {.namespaces = namespaces};
	const struct ss_provider_callbacks callbacks = {on_changed, on_peer, on_service, on_node,
							&dump};
	struct ss_error error = {0};
	int option, r;

	while ((option = getopt(argc, argv, "k:c:n:N:ps:w:")) != -1) {
		switch (option) {
		case 'k':
			options.kubeconfig = optarg;
			break;
		case 'c':
			options.context = optarg;
			break;
		case 'n':
			options.node_name = optarg;
			break;
		case 'N':
			g_ptr_array_add(namespaces, optarg);
			break;
		case 'p':
			options.no_peers = true;
			break;
		case 's':
			options.silence_s = (unsigned)atoi(optarg);
			break;
		case 'w':
			options.watch_s = (unsigned)atoi(optarg);
			break;
		default:
			return 2;
		}
	}
	signal(SIGPIPE, SIG_IGN);
	ss_log_set_callback(on_log, NULL);
	dump.asked = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, pod_destroy);
	dump.loop = ss_loop_new();
	r = ss_kube_new(dump.loop, &options, &callbacks, &dump.provider, &error);
	if (r < 0) {
		fprintf(stderr, "%s\n", error.message);
	} else {
		dump.timer = ss_timer_new(dump.loop, on_timer, &dump);
		ss_timer_every(dump.timer, LAG_PERIOD_NS);
		ss_loop_add(dump.loop, STDIN_FILENO, EPOLLIN, on_input, &dump);
		ss_loop_run(dump.loop);
		dump.provider->free(dump.provider);
		ss_timer_free(dump.timer);
	}
	ss_loop_free(dump.loop);
	g_hash_table_unref(dump.asked);
	g_string_free(dump.input, TRUE);
	return r == -ENODATA ? 3 : r < 0 ? 1 : 0;
}
