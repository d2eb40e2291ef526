/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which stages there are depends on the options. Their order: whether a frame's pod is meant, which
 * gives it its interface; who is who, because it only looks; what changes frames (mesh); what
 * chooses (containers, failures, sifting); what waits for more (TLS); tshark's judgement of what is
 * left, and what belongs to that (sifting); at last whose the frames are that will be written.
 */
#include "stages.h"

#include <errno.h>
#include <string.h>

#include <glib.h>

#include "clock.h"
#include "containers.h"
#include "decrypt.h"
#include "early.h"
#include "failures.h"
#include "gate.h"
#include "judge.h"
#include "log.h"
#include "mesh.h"
#include "naming.h"
#include "notice.h"
#include "owners.h"
#include "privilege.h"
#include "redirects.h"
#include "sifting.h"

struct ss_stages {
	struct ss_stages_context context;
	struct ss_gate *gate;             /* NULL: frames go straight from the ring to the stream */
	struct ss_notices notices;        /* with a gate */
	GHashTable *pod_numbers;          /* likewise: uid → number, from 1 */
	struct ss_early *early;           /* NULL: names and namespaces tell which pods are meant */
	struct ss_naming *naming;         /* NULL: only devices are captured */
	struct ss_mesh *mesh;             /* NULL: frames are not touched */
	struct ss_containers *containers; /* NULL: of all containers */
	struct ss_redirects *redirects;   /* NULL: the kernel has asked the filter about all */
	struct ss_failures *failures;     /* NULL: frames are not chosen */
	struct ss_sifting *sifting;       /* NULL: there is no gate */
	struct ss_decrypt *decrypt;       /* NULL: TLS is not asked for, or not permitted */
	struct ss_owners *owners;         /* NULL: frames do not say whose they are */
};

static void fail(int status, void *user_data)
{
	struct ss_stages *stages = user_data;

	stages->context.failed(status, stages->context.user_data);
}

static void retry(void *user_data)
{
	struct ss_stages *stages = user_data;

	ss_pump_retry(stages->context.pump);
}

static void left_out(uint32_t interface_id, void *user_data)
{
	struct ss_stages *stages = user_data;

	ss_stream_counters(stages->context.stream, interface_id)->left_out++;
}

static void add_stage(struct ss_stages *stages, struct ss_stage stage)
{
	ss_gate_add_stage(stages->gate, &stage);
}

/* --- What is told --- */

static void write_event(const struct ss_event *event, void *user_data)
{
	struct ss_stages *stages = user_data;
	uint64_t time_ns = ss_bpf_source_barrier(stages->context.source);
	int r;

	if (!event->quiet)
		ss_log(SS_LOG_NOTE, "%s", event->message);
	if (stages->gate) { /* frames before it may be held */
		ss_notices_add(&stages->notices, time_ns, event);
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

/* Pods from 1 up, devices of the host, each by itself, from the other end. */
static uint32_t owner_number(struct ss_stages *stages, uint32_t id, const struct ss_pod *pod)
{
	gpointer number;

	if (!pod)
		return UINT32_MAX - id;
	number = g_hash_table_lookup(stages->pod_numbers, pod->uid);
	if (!number) {
		number = GUINT_TO_POINTER(g_hash_table_size(stages->pod_numbers) + 1);
		g_hash_table_insert(stages->pod_numbers, g_strdup(pod->uid), number);
	}
	return GPOINTER_TO_UINT(number);
}

void ss_stages_interface(struct ss_stages *stages, uint32_t id, uint16_t link_type,
			 const struct ss_pod *pod, const char *device)
{
	struct ss_place place = {
		.interface_id = id,
		.link_type = link_type,
		.is_lo = pod && strcmp(device, "lo") == 0,
		.pod = pod,
	};

	if (!stages->gate)
		return;
	place.owner = owner_number(stages, id, pod);
	ss_gate_interface(stages->gate, &place);
	if (stages->decrypt && pod)
		ss_decrypt_interface(stages->decrypt, id, pod);
}

/* --- Stages --- */

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

static void open_mesh(struct ss_stages *stages)
{
	bool plain = stages->context.options->mesh == SS_MESH_PLAIN;

	stages->mesh = ss_mesh_new(plain ? left_out : NULL, stages);
	add_stage(stages, ss_mesh_stage(stages->mesh));
}

static void open_containers(struct ss_stages *stages)
{
	const struct ss_options *options = stages->context.options;

	if (options->no_processes) {
		ss_log(SS_LOG_NOTE,
		       "with --no-processes nobody knows which container frames are of: those of "
		       "all containers of the pods are captured");
		return;
	}
	stages->containers = ss_containers_new(options->containers, left_out, stages);
	add_stage(stages, ss_containers_stage(stages->containers));
}

static void open_redirects(struct ss_stages *stages)
{
	stages->redirects =
		ss_redirects_new(ss_sieve_filter(stages->context.sieve), stages->context.stream);
	add_stage(stages, ss_redirects_stage(stages->redirects));
}

/* The gate is just being asked: the event waits there. */
static void add_event(const struct ss_event *event, void *user_data)
{
	struct ss_stages *stages = user_data;

	ss_notices_add(&stages->notices, ss_bpf_source_barrier(stages->context.source), event);
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

	stages->failures = ss_failures_new(&options);
	add_stage(stages, ss_failures_stage(stages->failures));
}

static void tell_judge(uint64_t time_ns, const struct ss_event *event, void *judge)
{
	ss_judge_event(judge, time_ns, event);
}

static void introduce(struct ss_judge *judge, const void *block, size_t size, bool anew,
		      void *user_data)
{
	struct ss_stages *stages = user_data;

	if (stages->owners)
		ss_owners_introduce(stages->owners, block, size, anew, tell_judge, judge);
}

static void open_sifting(struct ss_stages *stages)
{
	const struct ss_sifting_context context = {
		.loop = stages->context.loop,
		.stream = stages->context.stream,
		.gate = stages->gate,
		.sieve = stages->context.sieve,
		.redirects = stages->redirects,
		.introduce = introduce,
		.retry = retry,
		.user_data = stages,
		.error = stages->context.error,
	};

	stages->sifting = ss_sifting_new(&context);
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

static void queue_process(uint64_t time_ns, const struct ss_event *event, void *user_data)
{
	struct ss_stages *stages = user_data;

	ss_notices_add(&stages->notices, time_ns, event);
}

/* Whose a frame is; without, where the kernel does not tell. Its stages hold nothing. */
static void open_owners(struct ss_stages *stages)
{
	bool asked = stages->context.options->containers->len > 0 ||
		     ss_sieve_needs_judge(stages->context.sieve);
	const struct ss_owners_context context = {
		.loop = stages->context.loop,
		.source = stages->context.source,
		.event = queue_process,
		.user_data = stages,
	};
	struct ss_error error = {0};
	int r;

	ss_privilege_raise();
	r = ss_owners_new(&context, &stages->owners, &error);
	ss_privilege_lower();
	if (r < 0)
		ss_log(SS_LOG_NOTE, "frames do not say which process they are of: %s",
		       error.message);
	else if (asked)
		add_stage(stages, ss_owners_container_stage(stages->owners));
}

/* --- Life --- */

static uint64_t utc_now(void *user_data)
{
	const struct ss_stages *stages = user_data;

	return ss_bpf_source_utc(stages->context.source, ss_clock_ns(CLOCK_BOOTTIME));
}

static void open_early(struct ss_stages *stages)
{
	stages->early = ss_early_new(utc_now, stages);
	add_stage(stages, ss_early_stage(stages->early));
}

static int open_gate(struct ss_stages *stages)
{
	const struct ss_options *options = stages->context.options;
	const struct ss_sieve *sieve = stages->context.sieve;
	bool pods = ss_options_name_pods(options), pod_frames = pods && !options->no_packets;
	bool tls = options->ssl_keylog || options->ssl_plaintext;
	struct ss_stage gate;
	int r = 0;

	if (!pods && !tls && !ss_sieve_needs_judge(sieve) && !options->dns_failure_only &&
	    !ss_sieve_adds_context(sieve))
		return 0;
	stages->gate = ss_gate_new(fail, stages);
	stages->notices =
		(struct ss_notices){stages->gate, stages->context.stream, stages->context.error};
	stages->pod_numbers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	if (pod_frames && (options->selectors->len || options->workloads->len))
		open_early(stages);
	if (pods)
		r = open_naming(stages);
	if (r < 0)
		return r;
	if (options->mesh != SS_MESH_OFF && pod_frames)
		open_mesh(stages);
	if (ss_options_want_owners(options))
		open_owners(stages);
	if (options->containers->len > 0 && pod_frames)
		open_containers(stages);
	if (ss_sieve_leaves_redirects(sieve))
		open_redirects(stages);
	if (options->dns_failure_only)
		open_failures(stages);
	open_sifting(stages);
	if (tls)
		r = open_decrypt(stages);
	if (r == 0)
		r = ss_sifting_judge(stages->sifting);
	if (r < 0)
		return r;
	if (stages->owners) /* describes whom the frames that are left name */
		add_stage(stages, ss_owners_stage(stages->owners));
	gate = ss_gate_stage(stages->gate);
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
	ss_sifting_free(stages->sifting);
	ss_redirects_free(stages->redirects);
	g_clear_pointer(&stages->pod_numbers, g_hash_table_unref);
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
	if (stages->sifting)
		ss_sifting_finish(stages->sifting);
}

void ss_stages_flush(struct ss_stages *stages)
{
	if (stages->gate)
		ss_gate_flush(stages->gate, UINT64_MAX);
}

uint64_t ss_stages_undecided(const struct ss_stages *stages)
{
	return (stages->sifting ? ss_sifting_undecided(stages->sifting) : 0) +
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

char *ss_stages_exchange_summary(const struct ss_stages *stages)
{
	g_autoptr(GPtrArray) parts = g_ptr_array_new_with_free_func(g_free);
	char *part;

	if (stages->failures && (part = ss_failures_summary(stages->failures)))
		g_ptr_array_add(parts, part);
	else if (!stages->failures && stages->sifting &&
		 (part = ss_sifting_summary(stages->sifting)))
		g_ptr_array_add(parts, part);
	if (stages->naming && (part = ss_naming_summary(stages->naming)))
		g_ptr_array_add(parts, part);
	g_ptr_array_add(parts, NULL);
	return parts->len > 1 ? g_strjoinv("; ", (char **)parts->pdata) : NULL;
}
