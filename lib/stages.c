/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which stages there are depends on the options. Their order: whether a frame's pod is meant, which
 * gives it its interface; who is who, because it only looks; what changes frames (mesh); what
 * chooses (containers, failures, requests) and marks (context); what waits for more (TLS); tshark's
 * judgement of what is left, and what belongs to that (queries, partners); at last whose the frames
 * are that will be written.
 */
#include "stages.h"

#include <errno.h>
#include <string.h>

#include <glib.h>

#include "clock.h"
#include "containers.h"
#include "context.h"
#include "decrypt.h"
#include "failures.h"
#include "gate.h"
#include "judge.h"
#include "log.h"
#include "mesh.h"
#include "naming.h"
#include "output/block.h"
#include "owners.h"
#include "partners.h"
#include "privilege.h"
#include "queries.h"
#include "redirects.h"
#include "requests.h"

struct ss_stages {
	struct ss_stages_context context;
	struct ss_gate *gate;             /* NULL: frames go straight from the ring to the stream */
	struct ss_early *early;           /* NULL: names and namespaces tell which pods are meant */
	struct ss_naming *naming;         /* NULL: only devices are captured */
	struct ss_mesh *mesh;             /* NULL: frames are not touched */
	struct ss_containers *containers; /* NULL: of all containers */
	struct ss_failures *failures;     /* NULL: frames are not chosen */
	struct ss_requests *requests;     /* NULL: the filter is not about responses */
	struct ss_queries *queries;       /* NULL: tshark does not choose from DNS exchanges */
	struct ss_partners *partners;     /* NULL: tshark does not choose from HTTP exchanges */
	struct ss_redirects *redirects;   /* NULL: the kernel has asked the filter about all */
	struct ss_context *marks;         /* NULL: there are no frames of context */
	GHashTable *pod_numbers;          /* for these: uid → number */
	struct ss_decrypt *decrypt;       /* NULL: TLS is not asked for, or not permitted */
	struct ss_judge *judge;           /* NULL: the kernel decides all of the filter */
	struct ss_judge *redirect_judge;  /* NULL: that one decides redirected ones, too */
	struct ss_owners *owners;         /* NULL: frames do not say whose they are */
};

static void fail(int status, void *user_data)
{
	struct ss_stages *stages = user_data;

	stages->context.failed(status, stages->context.user_data);
}

/* An event that waits in the gate for the frames before it. */
struct queued_event {
	uint64_t time_ns;
	char *info, *json;
};

static void queued_event_free(void *pointer)
{
	struct queued_event *event = pointer;

	g_free(event->info);
	g_free(event->json);
	g_free(event);
}

static int write_queued_event(void *item, void *user_data)
{
	const struct queued_event *event = item;
	struct ss_stages *stages = user_data;

	return ss_stream_event_json(stages->context.stream, event->time_ns, event->info,
				    event->json, stages->context.error);
}

static void queue_event(struct ss_stages *stages, uint64_t time_ns, const struct ss_event *event)
{
	struct queued_event *queued = g_new0(struct queued_event, 1);

	queued->time_ns = ss_gate_stamp(stages->gate, time_ns);
	queued->info = g_strdup(event->message);
	queued->json = ss_event_json(queued->time_ns, event);
	ss_gate_queue(stages->gate, queued->time_ns, queued, write_queued_event, queued_event_free,
		      stages);
}

static void write_event(const struct ss_event *event, void *user_data)
{
	struct ss_stages *stages = user_data;
	uint64_t time_ns = ss_bpf_source_barrier(stages->context.source);
	int r;

	if (!event->quiet)
		ss_log(SS_LOG_NOTE, "%s", event->message);
	if (stages->gate) { /* frames before it may be held */
		queue_event(stages, time_ns, event);
		ss_pump_retry(stages->context.pump);
		return;
	}
	ss_pump_run(stages->context.pump);
	r = ss_stream_event(stages->context.stream, time_ns, event, stages->context.error);
	if (r < 0)
		fail(r, stages);
}

static void pod_seen(enum ss_pod_change change, const struct ss_pod *pod, void *user_data)
{
	struct ss_stages *stages = user_data;

	if (stages->naming)
		ss_naming_pod(stages->naming,
			      change == SS_POD_REMOVED ? SS_OBJECT_GONE : SS_OBJECT_SET, pod,
			      false);
}

static void peer_changed(enum ss_object_change change, const struct ss_pod *pod, void *user_data)
{
	struct ss_stages *stages = user_data;

	if (stages->naming)
		ss_naming_pod(stages->naming, change, pod, false);
}

static void service_changed(enum ss_object_change change, const struct ss_service *service,
			    void *user_data)
{
	struct ss_stages *stages = user_data;

	if (stages->naming)
		ss_naming_service(stages->naming, change, service);
}

static void node_changed(enum ss_object_change change, const struct ss_cluster_node *node,
			 void *user_data)
{
	struct ss_stages *stages = user_data;

	if (stages->naming)
		ss_naming_node(stages->naming, change, node);
}

static void pod_changed(enum ss_pod_change change, const struct ss_pod *pod, void *user_data)
{
	struct ss_stages *stages = user_data;

	if (stages->naming && change != SS_POD_REMOVED)
		ss_naming_pod(stages->naming, SS_OBJECT_SET, pod, true);
	if (stages->owners)
		ss_owners_pod(stages->owners, change, pod);
	if (stages->containers)
		ss_containers_pod(stages->containers, change, pod);
	if (stages->decrypt)
		ss_decrypt_pod(stages->decrypt, change, pod);
}

/* The same for all interfaces of a pod; a device of the host is by itself. */
static uint32_t owner_number(struct ss_stages *stages, uint32_t id, const struct ss_pod *pod)
{
	gpointer number;

	if (!pod)
		return id;
	number = g_hash_table_lookup(stages->pod_numbers, pod->uid);
	if (!number) {
		number = GUINT_TO_POINTER(UINT32_MAX - g_hash_table_size(stages->pod_numbers));
		g_hash_table_insert(stages->pod_numbers, g_strdup(pod->uid), number);
	}
	return GPOINTER_TO_UINT(number);
}

void ss_stages_interface(struct ss_stages *stages, uint32_t id, uint16_t link_type,
			 const struct ss_pod *pod, const char *device)
{
	if (stages->naming)
		ss_naming_interface(stages->naming, id, link_type);
	if (stages->requests)
		ss_requests_interface(stages->requests, id, link_type,
				      owner_number(stages, id, pod));
	if (stages->queries)
		ss_queries_interface(stages->queries, id, link_type, owner_number(stages, id, pod));
	if (stages->partners && (!stages->marks || (pod && strcmp(device, "lo") == 0)))
		ss_partners_interface(stages->partners, id, link_type,
				      owner_number(stages, id, pod));
	if (stages->containers && pod && strcmp(device, "lo") == 0)
		ss_containers_loopback(stages->containers, id, link_type, pod);
	if (stages->redirects && pod && strcmp(device, "lo") == 0)
		ss_redirects_interface(stages->redirects, id, link_type);
	if (stages->marks)
		ss_context_interface(stages->marks, id, link_type, owner_number(stages, id, pod));
	if (stages->failures)
		ss_failures_interface(stages->failures, id, link_type, pod);
	if (stages->mesh && pod)
		ss_mesh_interface(stages->mesh, id, pod->uid, strcmp(device, "lo") == 0, link_type);
	if (stages->decrypt && pod)
		ss_decrypt_interface(stages->decrypt, id, link_type, pod);
}

static void retry(void *user_data)
{
	struct ss_stages *stages = user_data;

	ss_pump_retry(stages->context.pump);
}

static size_t admit_mesh(void *blocks, size_t length, uint64_t now_ns, uint64_t *ret_again_ns,
			 void *user_data)
{
	struct ss_stages *stages = user_data;

	return ss_mesh_admit(stages->mesh, blocks, length, now_ns, ret_again_ns);
}

static void release_mesh(void *user_data)
{
	struct ss_stages *stages = user_data;

	ss_mesh_release(stages->mesh);
}

static void left_out(uint32_t interface_id, void *user_data)
{
	struct ss_stages *stages = user_data;

	ss_stream_counters(stages->context.stream, interface_id)->left_out++;
}

/* TLS beside the frames: without the capability for it, the frames alone. */
static int open_decrypt(struct ss_stages *stages)
{
	const struct ss_options *options = stages->context.options;
	const struct ss_decrypt_context context = {
		.options = options,
		.loop = stages->context.loop,
		.stream = stages->context.stream,
		.source = stages->context.source,
		.gate = stages->gate,
		.filter = ss_sieve_filter(stages->context.sieve),
		.node = stages->context.node,
		.event = write_event,
		.failed = fail,
		.retry = retry,
		.user_data = stages,
		.error = stages->context.error,
	};
	struct ss_error error = {0};
	int r = ss_decrypt_new(&context, &stages->decrypt, &error);

	if (r == -EPERM && !options->no_packets) {
		ss_log(SS_LOG_WARNING, "%s; the capture goes on without", error.message);
		return 0;
	}
	return r < 0 ? ss_fail(stages->context.error, r, "%s", error.message) : 0;
}

static void open_mesh(struct ss_stages *stages)
{
	bool plain = stages->context.options->mesh == SS_MESH_PLAIN;
	const struct ss_pump_gate stage = {
		.admit = admit_mesh,
		.release = release_mesh,
		.leaves_out = plain,
		.user_data = stages,
	};

	stages->mesh = ss_mesh_new(plain ? left_out : NULL, stages);
	ss_gate_add_stage(stages->gate, &stage);
}

static size_t admit_containers(void *blocks, size_t length, uint64_t now_ns, uint64_t *ret_again_ns,
			       void *user_data)
{
	struct ss_stages *stages = user_data;

	(void)now_ns;
	(void)ret_again_ns;
	ss_containers_admit(stages->containers, blocks, length);
	return length;
}

static void open_containers(struct ss_stages *stages)
{
	const struct ss_options *options = stages->context.options;
	const struct ss_pump_gate stage = {
		.admit = admit_containers,
		.leaves_out = true,
		.user_data = stages,
	};

	if (options->no_processes) {
		ss_log(SS_LOG_NOTE,
		       "with --no-processes nobody knows which container frames are of: those of "
		       "all containers of the pods are captured");
		return;
	}
	stages->containers = ss_containers_new(options->containers, left_out, stages);
	ss_gate_add_stage(stages->gate, &stage);
}

static size_t admit_owners(void *blocks, size_t length, uint64_t now_ns, uint64_t *ret_again_ns,
			   void *user_data)
{
	struct ss_stages *stages = user_data;

	(void)now_ns;
	(void)ret_again_ns;
	ss_owners_admit(stages->owners, blocks, length);
	return length;
}

static void queue_process(uint64_t time_ns, const struct ss_event *event, void *user_data)
{
	queue_event(user_data, time_ns, event);
}

/* Whose a frame is; without, where the kernel does not tell. Its stage holds nothing, and is the
 * last: it describes whom the frames that are left name. */
static void open_owners(struct ss_stages *stages)
{
	const struct ss_owners_context context = {
		.loop = stages->context.loop,
		.source = stages->context.source,
		.event = queue_process,
		.user_data = stages,
	};
	const struct ss_pump_gate stage = {.admit = admit_owners, .user_data = stages};
	struct ss_error error = {0};
	int r;

	ss_privilege_raise();
	r = ss_owners_new(&context, &stages->owners, &error);
	ss_privilege_lower();
	if (r < 0)
		ss_log(SS_LOG_NOTE, "frames do not say which process they are of: %s",
		       error.message);
	else
		ss_gate_add_stage(stages->gate, &stage);
}

static size_t admit_failures(void *blocks, size_t length, uint64_t now_ns, uint64_t *ret_again_ns,
			     void *user_data)
{
	struct ss_stages *stages = user_data;

	return ss_failures_admit(stages->failures, blocks, length, now_ns, ret_again_ns);
}

static void release_failures(void *user_data)
{
	struct ss_stages *stages = user_data;

	ss_failures_release(stages->failures);
}

/* The gate is just being asked: the event waits there. */
static void add_event(const struct ss_event *event, void *user_data)
{
	struct ss_stages *stages = user_data;

	queue_event(stages, ss_bpf_source_barrier(stages->context.source), event);
}

static void open_failures(struct ss_stages *stages)
{
	const struct ss_failures_options options = {
		.timeout_ns = stages->context.options->dns_timeout_ns,
		.nxdomain_is_fine = stages->context.options->nxdomain == SS_NXDOMAIN_NO,
		.searches_are_fine = stages->context.options->nxdomain == SS_NXDOMAIN_SEARCH,
		.event = add_event,
		.left_out = left_out,
		.user_data = stages,
	};
	const struct ss_pump_gate stage = {
		.admit = admit_failures,
		.release = release_failures,
		.leaves_out = true,
		.user_data = stages,
	};

	stages->failures = ss_failures_new(&options);
	ss_gate_add_stage(stages->gate, &stage);
}

static size_t admit_requests(void *blocks, size_t length, uint64_t now_ns, uint64_t *ret_again_ns,
			     void *user_data)
{
	struct ss_stages *stages = user_data;

	return ss_requests_admit(stages->requests, blocks, length, now_ns, ret_again_ns);
}

static void release_requests(void *user_data)
{
	struct ss_stages *stages = user_data;

	ss_requests_release(stages->requests);
}

/* A frame that was counted as left out. */
struct late_frame {
	uint32_t interface_id;
	GByteArray *block;
};

static void late_frame_free(void *pointer)
{
	struct late_frame *late = pointer;

	g_byte_array_unref(late->block);
	g_free(late);
}

static int write_late_frame(void *item, void *user_data)
{
	const struct late_frame *late = item;
	struct ss_stages *stages = user_data;

	ss_stream_counters(stages->context.stream, late->interface_id)->left_out--;
	return ss_stream_late(stages->context.stream, late->block, stages->context.error);
}

static void add_late_frame(uint32_t interface_id, uint64_t time_ns, GByteArray *block,
			   void *user_data)
{
	struct late_frame *late = g_new0(struct late_frame, 1);

	*late = (struct late_frame){interface_id, block};
	ss_block_set_context(block->data, block->len, true);
	ss_gate_queue(((struct ss_stages *)user_data)->gate, time_ns, late, write_late_frame,
		      late_frame_free, user_data);
}

/* Was the kernel not asked about this frame? */
static bool is_open(const void *block, size_t size, void *user_data)
{
	const struct ss_stages *stages = user_data;

	return stages->redirects && ss_redirects_is_open(stages->redirects, block, size);
}

static void open_requests(struct ss_stages *stages)
{
	const struct ss_requests_callbacks callbacks = {left_out, add_late_frame, stages, is_open};
	const struct ss_pump_gate stage = {
		.admit = admit_requests,
		.release = release_requests,
		.leaves_out = true,
		.user_data = stages,
	};

	stages->requests = ss_requests_new(&callbacks);
	ss_gate_add_stage(stages->gate, &stage);
}

static void taken_back(uint32_t interface_id, uint32_t length, void *user_data)
{
	struct ss_stages *stages = user_data;
	struct ss_interface_counters *counters =
		ss_stream_counters(stages->context.stream, interface_id);

	counters->unmatched--;
	counters->unmatched_bytes -= length;
}

static size_t admit_queries(void *blocks, size_t length, uint64_t now_ns, uint64_t *ret_again_ns,
			    void *user_data)
{
	struct ss_stages *stages = user_data;

	return ss_queries_admit(stages->queries, blocks, length, now_ns, ret_again_ns);
}

static void release_queries(void *user_data)
{
	struct ss_stages *stages = user_data;

	ss_queries_release(stages->queries);
}

static void open_queries(struct ss_stages *stages)
{
	const struct ss_queries_callbacks callbacks = {left_out, add_late_frame, taken_back,
						       stages};
	const struct ss_pump_gate stage = {
		.admit = admit_queries,
		.release = release_queries,
		.leaves_out = true,
		.user_data = stages,
	};

	stages->queries = ss_queries_new(&callbacks);
	ss_gate_add_stage(stages->gate, &stage);
}

static size_t admit_partners(void *blocks, size_t length, uint64_t now_ns, uint64_t *ret_again_ns,
			     void *user_data)
{
	struct ss_stages *stages = user_data;

	return ss_partners_admit(stages->partners, blocks, length, now_ns, ret_again_ns);
}

static void release_partners(void *user_data)
{
	struct ss_stages *stages = user_data;

	ss_partners_release(stages->partners);
}

static void open_partners(struct ss_stages *stages)
{
	const struct ss_partners_callbacks callbacks = {left_out, add_late_frame, taken_back,
							stages};
	const struct ss_pump_gate stage = {
		.admit = admit_partners,
		.release = release_partners,
		.leaves_out = true,
		.user_data = stages,
	};

	stages->partners = ss_partners_new(&callbacks);
	ss_gate_add_stage(stages->gate, &stage);
}

static size_t admit_redirects(void *blocks, size_t length, uint64_t now_ns, uint64_t *ret_again_ns,
			      void *user_data)
{
	struct ss_stages *stages = user_data;

	(void)now_ns;
	(void)ret_again_ns;
	ss_redirects_filter(stages->redirects, blocks, length);
	return length;
}

static void open_redirects(struct ss_stages *stages)
{
	const struct ss_pump_gate stage = {
		.admit = admit_redirects,
		.leaves_out = true,
		.user_data = stages,
	};

	stages->redirects =
		ss_redirects_new(ss_sieve_filter(stages->context.sieve), stages->context.stream);
	ss_gate_add_stage(stages->gate, &stage);
}

static size_t admit_context(void *blocks, size_t length, uint64_t now_ns, uint64_t *ret_again_ns,
			    void *user_data)
{
	struct ss_stages *stages = user_data;

	(void)now_ns;
	(void)ret_again_ns;
	ss_context_mark(stages->marks, blocks, length);
	return length;
}

static void open_context(struct ss_stages *stages)
{
	const struct ss_pump_gate stage = {.admit = admit_context, .user_data = stages};

	stages->marks = ss_context_new(ss_filter_half(ss_sieve_filter(stages->context.sieve)) ==
				       SS_HALF_RESPONSE);
	ss_gate_add_stage(stages->gate, &stage);
}

static void tell_judge(uint64_t time_ns, const struct ss_event *event, void *user_data)
{
	struct ss_stages *stages = user_data;

	ss_judge_event(stages->judge, time_ns, event);
}

static void introduce(const void *block, size_t size, bool anew, void *user_data)
{
	struct ss_stages *stages = user_data;

	if (stages->owners)
		ss_owners_introduce(stages->owners, block, size, anew, tell_judge, stages);
}

static size_t admit_judge(void *blocks, size_t length, uint64_t now_ns, uint64_t *ret_again_ns,
			  void *user_data)
{
	struct ss_stages *stages = user_data;

	(void)now_ns;
	return ss_judge_admit(stages->judge, blocks, length, ret_again_ns);
}

static void release_judge(void *user_data)
{
	struct ss_stages *stages = user_data;

	ss_judge_release(stages->judge);
}

static size_t admit_redirect_judge(void *blocks, size_t length, uint64_t now_ns,
				   uint64_t *ret_again_ns, void *user_data)
{
	struct ss_stages *stages = user_data;

	(void)now_ns;
	return ss_judge_admit(stages->redirect_judge, blocks, length, ret_again_ns);
}

static void release_redirect_judge(void *user_data)
{
	struct ss_stages *stages = user_data;

	ss_judge_release(stages->redirect_judge);
}

static void copy_secrets(const char *lines, void *user_data)
{
	struct ss_stages *stages = user_data;

	ss_judge_secrets(stages->judge, lines);
}

/* It looks at frames as they are written. */
static int open_judge(struct ss_stages *stages)
{
	const struct ss_judge_context context = {
		.loop = stages->context.loop,
		.stream = stages->context.stream,
		.filter = ss_filter_wanted_text(ss_sieve_filter(stages->context.sieve)),
		.all = ss_filter_rest(ss_sieve_filter(stages->context.sieve)) == SS_REST_ALL,
		.fields = ss_sieve_marks_context(stages->context.sieve)
				  ? ss_filter_half_fields(ss_sieve_filter(stages->context.sieve))
				  : NULL,
		.is_open = stages->marks ? NULL : is_open,
		.introduce = introduce,
		.retry = retry,
		.user_data = stages,
	};
	const struct ss_pump_gate stage = {
		.admit = admit_judge,
		.release = release_judge,
		.leaves_out = true,
		.user_data = stages,
	};
	int r = ss_judge_new(&context, &stages->judge, stages->context.error);

	if (r < 0)
		return r;
	ss_stream_copy_secrets(stages->context.stream, copy_secrets, stages);
	ss_gate_add_stage(stages->gate, &stage);
	return 0;
}

/* Where first lines decide a filter, and only the kernel looks at them, tshark decides about
 * connections that the kernel was not asked about: exchanges are paired behind it. */
static int open_redirect_judge(struct ss_stages *stages)
{
	const struct ss_judge_context context = {
		.loop = stages->context.loop,
		.stream = stages->context.stream,
		.filter = ss_filter_display_text(ss_sieve_filter(stages->context.sieve)),
		.is_open = is_open,
		.only_open = true,
		.retry = retry,
		.user_data = stages,
	};
	const struct ss_pump_gate stage = {
		.admit = admit_redirect_judge,
		.release = release_redirect_judge,
		.leaves_out = true,
		.user_data = stages,
	};
	int r = ss_judge_new(&context, &stages->redirect_judge, stages->context.error);

	if (r < 0)
		return r;
	ss_gate_add_stage(stages->gate, &stage);
	return 0;
}

/* A file of a ring begins. */
struct new_file {
	struct ss_stream *stream;
	GByteArray *blocks;
};

static void put_process(uint64_t time_ns, const struct ss_event *event, void *user_data)
{
	const struct new_file *file = user_data;

	ss_stream_put_event(file->stream, file->blocks, time_ns, event);
}

static void begin_file(GByteArray *blocks, uint64_t time_ns, void *user_data)
{
	struct ss_stages *stages = user_data;
	struct new_file file = {stages->context.stream, blocks};

	ss_naming_new_file(stages->naming, blocks, time_ns);
	if (stages->owners)
		ss_owners_repeat(stages->owners, time_ns, put_process, &file);
}

/* Who is who: before the frames that need to know it. */
static int open_naming(struct ss_stages *stages)
{
	const struct ss_naming_context context = {
		.loop = stages->context.loop,
		.source = stages->context.source,
		.stream = stages->context.stream,
		.gate = stages->gate,
		.node = stages->context.node,
		.ring_bytes = stages->context.options->ring_bytes,
		.retry = retry,
		.user_data = stages,
		.error = stages->context.error,
	};
	int r = ss_naming_new(&context, &stages->naming);

	if (r == 0)
		ss_output_set_new_file(ss_stream_output(stages->context.stream), begin_file,
				       stages);
	return r;
}

static uint64_t utc_now(void *user_data)
{
	const struct ss_stages *stages = user_data;

	return ss_bpf_source_utc(stages->context.source, ss_clock_ns(CLOCK_BOOTTIME));
}

static size_t admit_early(void *blocks, size_t length, uint64_t now_ns, uint64_t *ret_again_ns,
			  void *user_data)
{
	struct ss_stages *stages = user_data;

	(void)now_ns;
	return ss_early_admit(stages->early, blocks, length, ret_again_ns);
}

static void release_early(void *user_data)
{
	struct ss_stages *stages = user_data;

	ss_early_release(stages->early);
}

static void open_early(struct ss_stages *stages)
{
	const struct ss_pump_gate stage = {
		.admit = admit_early,
		.release = release_early,
		.leaves_out = true,
		.user_data = stages,
	};

	stages->early = ss_early_new(utc_now, stages);
	ss_gate_add_stage(stages->gate, &stage);
}

static int open_gate(struct ss_stages *stages)
{
	const struct ss_options *options = stages->context.options;
	const struct ss_sieve *sieve = stages->context.sieve;
	bool pods = ss_options_name_pods(options), pod_frames = pods && !options->no_packets;
	bool tls = options->ssl_keylog || options->ssl_plaintext;
	struct ss_pump_gate gate;
	int r = 0;

	if (!pods && !tls && !ss_sieve_needs_judge(sieve) && !options->dns_failure_only &&
	    !ss_sieve_adds_context(sieve))
		return 0;
	stages->gate = ss_gate_new(fail, stages);
	stages->pod_numbers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	if (pod_frames && (options->selectors->len || options->workloads->len))
		open_early(stages);
	if (pods)
		r = open_naming(stages);
	if (r < 0)
		return r;
	if (options->mesh != SS_MESH_OFF && pod_frames)
		open_mesh(stages);
	if (options->containers->len > 0 && pod_frames)
		open_containers(stages);
	if (ss_sieve_leaves_redirects(sieve))
		open_redirects(stages);
	if (options->dns_failure_only)
		open_failures(stages);
	if (ss_sieve_adds_requests(sieve))
		open_requests(stages);
	if (ss_sieve_marks_context(sieve))
		open_context(stages);
	if (tls)
		r = open_decrypt(stages);
	if (r == 0 && ss_sieve_needs_judge(sieve))
		r = open_judge(stages);
	if (r == 0 && ss_sieve_judges_redirects(sieve))
		r = open_redirect_judge(stages);
	if (r < 0)
		return r;
	if (ss_sieve_adds_dns(sieve))
		open_queries(stages);
	if (ss_sieve_adds_partners(sieve) || ss_sieve_judges_redirects(sieve))
		open_partners(stages);
	if (ss_options_want_owners(options))
		open_owners(stages);
	gate = ss_gate_pump_gate(stages->gate);
	ss_pump_set_gate(stages->context.pump, &gate);
	return 0;
}

int ss_stages_new(const struct ss_stages_context *context, struct ss_stages **ret_stages)
{
	struct ss_stages *stages = g_new0(struct ss_stages, 1);
	int r;

	stages->context = *context;
	r = open_gate(stages);
	if (r < 0) {
		ss_stages_free(stages);
		return r;
	}
	*ret_stages = stages;
	return 0;
}

void ss_stages_free(struct ss_stages *stages)
{
	if (!stages)
		return;
	if (stages->naming)
		ss_output_set_new_file(ss_stream_output(stages->context.stream), NULL, NULL);
	ss_early_free(stages->early);
	ss_mesh_free(stages->mesh);
	ss_owners_free(stages->owners);
	ss_containers_free(stages->containers);
	ss_failures_free(stages->failures);
	ss_requests_free(stages->requests);
	ss_queries_free(stages->queries);
	ss_partners_free(stages->partners);
	ss_context_free(stages->marks);
	ss_redirects_free(stages->redirects);
	g_clear_pointer(&stages->pod_numbers, g_hash_table_unref);
	ss_judge_free(stages->judge);
	ss_judge_free(stages->redirect_judge);
	ss_gate_free(stages->gate);
	ss_naming_free(stages->naming);
	ss_decrypt_free(stages->decrypt);
	g_free(stages);
}

void ss_stages_callbacks(struct ss_stages *stages, struct ss_follow_callbacks *ret_callbacks)
{
	*ret_callbacks = (struct ss_follow_callbacks){
		.event = write_event,
		.failed = fail,
		.decided = retry,
		.pod = pod_changed,
		.seen = pod_seen,
		.peer = peer_changed,
		.service = service_changed,
		.node = node_changed,
		.user_data = stages,
	};
}

struct ss_early *ss_stages_early(const struct ss_stages *stages)
{
	return stages->early;
}

void ss_stages_start(struct ss_stages *stages)
{
	if (stages->decrypt)
		ss_decrypt_start(stages->decrypt);
}

void ss_stages_stop(struct ss_stages *stages)
{
	if (stages->decrypt)
		ss_decrypt_stop(stages->decrypt);
	if (stages->judge)
		ss_judge_finish(stages->judge);
	if (stages->redirect_judge)
		ss_judge_finish(stages->redirect_judge);
}

void ss_stages_flush(struct ss_stages *stages)
{
	if (stages->gate)
		ss_gate_flush(stages->gate, UINT64_MAX);
}

uint64_t ss_stages_undecided(const struct ss_stages *stages)
{
	return (stages->judge ? ss_judge_undecided(stages->judge) : 0) +
	       (stages->redirect_judge ? ss_judge_undecided(stages->redirect_judge) : 0) +
	       (stages->decrypt ? ss_decrypt_undecided(stages->decrypt) : 0);
}

uint64_t ss_stages_late(const struct ss_stages *stages)
{
	return stages->early ? ss_early_lost(stages->early) : 0;
}

uint64_t ss_stages_made(const struct ss_stages *stages)
{
	return stages->decrypt ? ss_decrypt_frames(stages->decrypt) : 0;
}

char *ss_stages_tls_summary(const struct ss_stages *stages)
{
	return stages->decrypt ? ss_decrypt_summary(stages->decrypt) : NULL;
}

static char *requests_summary(const struct ss_stages *stages)
{
	struct ss_requests_counts counts;

	ss_requests_count(stages->requests, &counts);
	if (!counts.given_up)
		return NULL;
	return g_strdup_printf("HTTP: %" G_GUINT64_FORMAT
			       " requests are with their responses; %" G_GUINT64_FORMAT
			       " could not be kept until they were answered",
			       (guint64)counts.kept, (guint64)counts.given_up);
}

static char *queries_summary(const struct ss_stages *stages)
{
	struct ss_queries_counts counts;

	ss_queries_count(stages->queries, &counts);
	if (!counts.given_up)
		return NULL;
	return g_strdup_printf("DNS: %" G_GUINT64_FORMAT " exchanges are whole; %" G_GUINT64_FORMAT
			       " could not be kept in mind until they were answered",
			       (guint64)counts.kept, (guint64)counts.given_up);
}

static char *partners_summary(const struct ss_stages *stages)
{
	struct ss_partners_counts counts;
	GString *text;

	ss_partners_count(stages->partners, &counts);
	if (!counts.given_up && !counts.cut)
		return NULL;
	text = g_string_new(NULL);
	g_string_printf(text, "HTTP: %" G_GUINT64_FORMAT " exchanges are there for what matches",
			(guint64)counts.kept);
	if (counts.cut)
		g_string_append_printf(text,
				       "; of %" G_GUINT64_FORMAT
				       " the middle is missing, because it was too long to wait",
				       (guint64)counts.cut);
	if (counts.given_up)
		g_string_append_printf(text,
				       "; %" G_GUINT64_FORMAT
				       " could not be kept until it was known whether they match",
				       (guint64)counts.given_up);
	return g_string_free(text, FALSE);
}

char *ss_stages_exchange_summary(const struct ss_stages *stages)
{
	g_autoptr(GPtrArray) parts = g_ptr_array_new_with_free_func(g_free);
	char *part;

	if (stages->failures && (part = ss_failures_summary(stages->failures)))
		g_ptr_array_add(parts, part);
	if (stages->queries && (part = queries_summary(stages)))
		g_ptr_array_add(parts, part);
	if (stages->requests && (part = requests_summary(stages)))
		g_ptr_array_add(parts, part);
	if (stages->partners && (part = partners_summary(stages)))
		g_ptr_array_add(parts, part);
	if (stages->naming && (part = ss_naming_summary(stages->naming)))
		g_ptr_array_add(parts, part);
	g_ptr_array_add(parts, NULL);
	return parts->len > 1 ? g_strjoinv("; ", (char **)parts->pdata) : NULL;
}
