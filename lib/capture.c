/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The wiring of a live capture. The order matters: source and pump first, then hooks, so that the
 * first frame finds a reader; at the end hooks first, then the rest of the ring, then the counters.
 */
#include "capture.h"

#include <errno.h>
#include <string.h>

#include <glib.h>

#include "decrypt.h"
#include "failures.h"
#include "filter/chain.h"
#include "filter/filter.h"
#include "filter/identity.h"
#include "filter/object.h"
#include "follow.h"
#include "format/pcapng.h"
#include "gate.h"
#include "judge.h"
#include "log.h"
#include "mesh.h"
#include "naming.h"
#include "owners.h"
#include "privilege.h"
#include "pump.h"
#include "requests.h"
#include "source/libbpf.h"

#define DRAIN_SECONDS 3 /* for a slow reader, after the end */

struct ss_capture {
	const struct ss_options *options;
	struct ss_filter *filter;
	struct ss_filter *dns_filter;    /* what --dns-failure-only looks at, or everything */
	struct ss_filter_object *object; /* --bpf-program, or NULL */
	struct ss_bpf_source *source;
	struct ss_target_context context;
	struct ss_follow *follow;
	struct ss_mesh *mesh;   /* NULL: frames are not touched */
	struct ss_judge *judge; /* NULL: the kernel decides all of the filter */
	struct ss_pump *pump;
	struct ss_naming *naming;     /* NULL: only devices are captured */
	struct ss_owners *owners;     /* NULL: frames do not say whose they are */
	struct ss_failures *failures; /* NULL: frames are not chosen */
	struct ss_requests *requests; /* NULL: the filter is not about responses */
	GHashTable *pod_numbers;      /* for it: uid → number */
	struct ss_gate *gate;         /* NULL: frames go straight from the ring to the stream */
	struct ss_decrypt *decrypt;   /* NULL: TLS is not asked for, or not permitted */
	struct ss_stream *stream;
	ss_capture_ended ended;
	void *user_data;
	struct ss_error *error;
};

#define BODIES_MAX 3

/* What a frame has to pass, one after the other. */
struct bodies {
	struct ss_filter_body list[BODIES_MAX];
	size_t count;
};

static void bodies_deinit(struct bodies *bodies)
{
	for (size_t i = 0; i < bodies->count; i++)
		g_free(bodies->list[i].insns);
}

static int add_filter(struct bodies *bodies, const struct ss_capture *capture,
		      const struct ss_filter *filter, enum ss_program program,
		      struct ss_error *error)
{
	bool ethernet = program == SS_PROGRAM_TC_ETHERNET;
	bool tc = ethernet || program == SS_PROGRAM_TC_RAW;
	const struct ss_emit_options options = {
		.link_type = ethernet ? SS_LINKTYPE_ETHERNET : SS_LINKTYPE_RAW,
		.access = tc ? SS_FILTER_LD_ABS : SS_FILTER_LOAD_BYTES,
		.slots_fd = ss_bpf_source_slots_fd(capture->source),
		.snap_len = capture->options->snap_len,
	};
	struct ss_filter_body *body = &bodies->list[bodies->count];
	int r;

	if (ss_filter_is_empty(filter))
		return 0;
	r = ss_filter_emit(filter, &options, &body->insns, &body->count, error);
	if (r == 0)
		bodies->count++;
	return r;
}

static void add_object(struct bodies *bodies, const struct ss_filter_object *object)
{
	struct ss_filter_body *body = &bodies->list[bodies->count++];

	ss_filter_object_body(object, &body->insns, &body->count);
}

static int splice_bodies(const struct bodies *bodies, const struct bpf_insn *insns, size_t count,
			 struct bpf_insn **ret_insns, size_t *ret_count, struct ss_error *error)
{
	g_autofree struct bpf_insn *chain = NULL;
	size_t chain_count;
	int r;

	if (!bodies->count)
		return ss_filter_splice(insns, count, NULL, 0, ret_insns, ret_count, error);
	r = ss_filter_chain(bodies->list, bodies->count, &chain, &chain_count, error);
	if (r < 0)
		return r;
	return ss_filter_splice(insns, count, chain, chain_count, ret_insns, ret_count, error);
}

static int splice(enum ss_program program, const struct bpf_insn *insns, size_t count,
		  struct bpf_insn **ret_insns, size_t *ret_count, void *user_data,
		  struct ss_error *error)
{
	struct ss_capture *capture = user_data;
	struct bodies bodies = {0};
	int r;

	r = add_filter(&bodies, capture, capture->dns_filter, program, error);
	if (r == 0)
		r = add_filter(&bodies, capture, capture->filter, program, error);
	if (r == 0 && capture->object)
		add_object(&bodies, capture->object);
	if (r == 0)
		r = splice_bodies(&bodies, insns, count, ret_insns, ret_count, error);
	bodies_deinit(&bodies);
	return r;
}

static bool is_ethernet_only(const struct ss_filter *filter)
{
	const struct ss_emit_options options = {
		.link_type = SS_LINKTYPE_RAW,
		.access = SS_FILTER_LOAD_BYTES,
		.slots_fd = -1,
	};
	g_autofree struct bpf_insn *body = NULL;
	size_t count;

	return ss_filter_emit(filter, &options, &body, &count, NULL) == -EOPNOTSUPP;
}

static void end(int status, void *user_data)
{
	struct ss_capture *capture = user_data;

	capture->ended(status, capture->user_data);
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
	struct ss_capture *capture = user_data;

	return ss_stream_event_json(capture->stream, event->time_ns, event->info, event->json,
				    capture->error);
}

static void queue_event(struct ss_capture *capture, uint64_t time_ns, const struct ss_event *event)
{
	struct queued_event *queued = g_new0(struct queued_event, 1);

	queued->time_ns = ss_gate_stamp(capture->gate, time_ns);
	queued->info = g_strdup(event->message);
	queued->json = ss_event_json(queued->time_ns, event);
	ss_gate_queue(capture->gate, queued->time_ns, queued, write_queued_event, queued_event_free,
		      capture);
}

static void write_event(const struct ss_event *event, void *user_data)
{
	struct ss_capture *capture = user_data;
	uint64_t time_ns = ss_bpf_source_barrier(capture->source);
	int r;

	if (!event->quiet)
		ss_log(SS_LOG_NOTE, "%s", event->message);
	if (capture->gate) { /* frames before it may be held */
		queue_event(capture, time_ns, event);
		ss_pump_retry(capture->pump);
		return;
	}
	ss_pump_run(capture->pump);
	r = ss_stream_event(capture->stream, time_ns, event, capture->error);
	if (r < 0)
		end(r, capture);
}

static void pod_seen(enum ss_pod_change change, const struct ss_pod *pod, void *user_data)
{
	struct ss_capture *capture = user_data;

	if (capture->naming)
		ss_naming_pod(capture->naming,
			      change == SS_POD_REMOVED ? SS_OBJECT_GONE : SS_OBJECT_SET, pod,
			      false);
}

static void peer_changed(enum ss_object_change change, const struct ss_pod *pod, void *user_data)
{
	struct ss_capture *capture = user_data;

	if (capture->naming)
		ss_naming_pod(capture->naming, change, pod, false);
}

static void service_changed(enum ss_object_change change, const struct ss_service *service,
			    void *user_data)
{
	struct ss_capture *capture = user_data;

	if (capture->naming)
		ss_naming_service(capture->naming, change, service);
}

static void node_changed(enum ss_object_change change, const struct ss_cluster_node *node,
			 void *user_data)
{
	struct ss_capture *capture = user_data;

	if (capture->naming)
		ss_naming_node(capture->naming, change, node);
}

static void pod_changed(enum ss_pod_change change, const struct ss_pod *pod, void *user_data)
{
	struct ss_capture *capture = user_data;

	if (capture->naming && change != SS_POD_REMOVED)
		ss_naming_pod(capture->naming, SS_OBJECT_SET, pod, true);
	if (capture->owners)
		ss_owners_pod(capture->owners, change, pod);
	if (capture->decrypt)
		ss_decrypt_pod(capture->decrypt, change, pod);
}

/* The same for all interfaces of a pod; a device of the host is by itself. */
static uint32_t owner_number(struct ss_capture *capture, uint32_t id, const struct ss_pod *pod)
{
	gpointer number;

	if (!pod)
		return id;
	number = g_hash_table_lookup(capture->pod_numbers, pod->uid);
	if (!number) {
		number = GUINT_TO_POINTER(UINT32_MAX - g_hash_table_size(capture->pod_numbers));
		g_hash_table_insert(capture->pod_numbers, g_strdup(pod->uid), number);
	}
	return GPOINTER_TO_UINT(number);
}

static bool has_pods(const struct ss_options *options)
{
	return ss_options_name_pods(options) && !options->no_packets;
}

static uint32_t verdicts(const struct ss_interface *interface, enum ss_direction direction,
			 void *user_data)
{
	struct ss_capture *capture = user_data;
	const struct ss_options *options = capture->options;
	const struct ss_identity identity = {
		.name = interface->name,
		.description = interface->description,
		.direction = direction,
		.present = has_pods(options),
	};

	return ss_filter_verdicts(capture->filter, &identity);
}

static void interface_added(uint32_t id, uint16_t link_type, const struct ss_pod *pod,
			    const char *device, void *user_data)
{
	struct ss_capture *capture = user_data;

	if (capture->naming)
		ss_naming_interface(capture->naming, id, link_type);
	if (capture->requests)
		ss_requests_interface(capture->requests, id, link_type,
				      owner_number(capture, id, pod));
	if (capture->failures)
		ss_failures_interface(capture->failures, id, link_type, pod);
	if (capture->mesh && pod)
		ss_mesh_interface(capture->mesh, id, pod->uid, strcmp(device, "lo") == 0,
				  link_type);
	if (capture->decrypt && pod)
		ss_decrypt_interface(capture->decrypt, id, link_type, pod);
}

static void retry(void *user_data)
{
	struct ss_capture *capture = user_data;

	ss_pump_retry(capture->pump);
}

/* With its keys Wireshark finds HTTP inside TLS, where the kernel can't look. */
static bool tracks_messages(const struct ss_capture *capture)
{
	return ss_filter_has_messages(capture->filter) && !capture->options->ssl_keylog;
}

int ss_capture_new(const struct ss_options *options, struct ss_capture **ret_capture,
		   struct ss_error *error)
{
	struct ss_capture *capture;
	int r;

	if (!ss_options_name_pods(options) && !options->interfaces->len)
		return ss_fail(
			error, -EINVAL,
			"say what to capture: --pod NAME, --namespace NS, --selector LABELS or "
			"--interface DEVICE ('" PROGRAM_NAME " pods' lists the pods of this node)");
	capture = g_new0(struct ss_capture, 1);
	capture->options = options;
	r = ss_filter_new(options->filter, &capture->filter, error);
	if (r == 0)
		r = ss_filter_check(capture->filter, error);
	if (r == 0)
		r = ss_filter_new(options->dns_failure_only ? SS_FAILURES_FILTER : NULL,
				  &capture->dns_filter, error);
	if (r == 0 && tracks_messages(capture) && !options->no_context)
		ss_filter_complete(capture->filter);
	if (r == 0 && options->bpf_program) {
		ss_libbpf_init();
		r = ss_filter_object_open(options->bpf_program, &capture->object, error);
	}
	if (r < 0) {
		ss_capture_free(capture);
		return r;
	}
	if (ss_filter_is_coarse(capture->filter))
		ss_log(SS_LOG_NOTE, "the filter is too big for the kernel, which gets a coarser "
				    "one; tshark decides the rest (see --explain-filter)");
	*ret_capture = capture;
	return 0;
}

void ss_capture_free(struct ss_capture *capture)
{
	if (!capture)
		return;
	ss_follow_free(capture->follow);
	ss_pump_free(capture->pump);
	ss_mesh_free(capture->mesh);
	if (capture->naming)
		ss_output_set_new_file(ss_stream_output(capture->stream), NULL, NULL);
	ss_owners_free(capture->owners);
	ss_failures_free(capture->failures);
	ss_requests_free(capture->requests);
	g_clear_pointer(&capture->pod_numbers, g_hash_table_unref);
	ss_judge_free(capture->judge);
	ss_gate_free(capture->gate);
	ss_naming_free(capture->naming);
	ss_decrypt_free(capture->decrypt);
	ss_bpf_source_free(capture->source);
	ss_filter_free(capture->filter);
	ss_filter_free(capture->dns_filter);
	ss_filter_object_free(capture->object);
	g_free(capture);
}

/* Frames of pods are captured. */
static int open_source(struct ss_capture *capture)
{
	const struct ss_options *options = capture->options;
	const struct ss_bpf_source_options source = {
		.snap_len = options->snap_len,
		.ring_size = options->no_packets ? SS_RING_SIZE_MIN : options->buffer_bytes,
		.metadata = ss_options_name_pods(options),
		.owners = has_pods(options) && !options->no_processes,
		.splice = splice,
		.guest = options->bpf_program,
		.user_data = capture,
	};
	int r;

	ss_privilege_raise();
	r = ss_bpf_source_new(&source, &capture->source, capture->error);
	if (r == 0 && capture->object)
		r = ss_filter_object_load(capture->object, capture->error);
	if (r == 0 && tracks_messages(capture))
		r = ss_filter_track(capture->filter, capture->error);
	ss_privilege_lower();
	return r;
}

static size_t admit_mesh(void *blocks, size_t length, uint64_t now_ns, uint64_t *ret_again_ns,
			 void *user_data)
{
	struct ss_capture *capture = user_data;

	return ss_mesh_admit(capture->mesh, blocks, length, now_ns, ret_again_ns);
}

static void release_mesh(void *user_data)
{
	struct ss_capture *capture = user_data;

	ss_mesh_release(capture->mesh);
}

static void left_out(uint32_t interface_id, void *user_data)
{
	struct ss_capture *capture = user_data;

	ss_stream_counters(capture->stream, interface_id)->left_out++;
}

/* TLS beside the frames: without the capability for it, the frames alone. */
static int open_decrypt(struct ss_capture *capture, struct ss_loop *loop)
{
	const struct ss_options *options = capture->options;
	const struct ss_decrypt_context context = {
		.options = options,
		.loop = loop,
		.stream = capture->stream,
		.source = capture->source,
		.gate = capture->gate,
		.node = capture->context.node,
		.event = write_event,
		.failed = end,
		.retry = retry,
		.user_data = capture,
		.error = capture->error,
	};
	struct ss_error error = {0};
	int r = ss_decrypt_new(&context, &capture->decrypt, &error);

	if (r == -EPERM && !options->no_packets) {
		ss_log(SS_LOG_WARNING, "%s; the capture goes on without", error.message);
		return 0;
	}
	return r < 0 ? ss_fail(capture->error, r, "%s", error.message) : 0;
}

static void open_mesh(struct ss_capture *capture)
{
	bool plain = capture->options->mesh == SS_MESH_PLAIN;
	const struct ss_pump_gate stage = {
		.admit = admit_mesh,
		.release = release_mesh,
		.leaves_out = plain,
		.user_data = capture,
	};

	capture->mesh = ss_mesh_new(plain ? left_out : NULL, capture);
	ss_gate_add_stage(capture->gate, &stage);
}

/* Who is who: before the frames that need to know it. */
static int open_naming(struct ss_capture *capture, struct ss_loop *loop)
{
	const struct ss_naming_context context = {
		.loop = loop,
		.source = capture->source,
		.stream = capture->stream,
		.gate = capture->gate,
		.node = capture->context.node,
		.ring_bytes = capture->options->ring_bytes,
		.retry = retry,
		.user_data = capture,
		.error = capture->error,
	};

	return ss_naming_new(&context, &capture->naming);
}

static size_t admit_owners(void *blocks, size_t length, uint64_t now_ns, uint64_t *ret_again_ns,
			   void *user_data)
{
	struct ss_capture *capture = user_data;

	(void)now_ns;
	(void)ret_again_ns;
	ss_owners_admit(capture->owners, blocks, length);
	return length;
}

static void queue_process(uint64_t time_ns, const struct ss_event *event, void *user_data)
{
	queue_event(user_data, time_ns, event);
}

/* Whose a frame is; without, where the kernel does not tell. Its stage holds nothing, and is the
 * last: it describes whom the frames that are left name. */
static void open_owners(struct ss_capture *capture, struct ss_loop *loop)
{
	const struct ss_owners_context context = {
		.loop = loop,
		.source = capture->source,
		.event = queue_process,
		.user_data = capture,
	};
	const struct ss_pump_gate stage = {.admit = admit_owners, .user_data = capture};
	struct ss_error error = {0};
	int r;

	ss_privilege_raise();
	r = ss_owners_new(&context, &capture->owners, &error);
	ss_privilege_lower();
	if (r < 0)
		ss_log(SS_LOG_NOTE, "frames do not say which process they are of: %s",
		       error.message);
	if (r < 0)
		return;
	ss_gate_add_stage(capture->gate, &stage);
}

static size_t admit_failures(void *blocks, size_t length, uint64_t now_ns, uint64_t *ret_again_ns,
			     void *user_data)
{
	struct ss_capture *capture = user_data;

	return ss_failures_admit(capture->failures, blocks, length, now_ns, ret_again_ns);
}

static void release_failures(void *user_data)
{
	struct ss_capture *capture = user_data;

	ss_failures_release(capture->failures);
}

/* The gate is just being asked: the event waits there. */
static void add_event(const struct ss_event *event, void *user_data)
{
	struct ss_capture *capture = user_data;

	queue_event(capture, ss_bpf_source_barrier(capture->source), event);
}

static void open_failures(struct ss_capture *capture)
{
	const struct ss_failures_options options = {
		.timeout_ns = capture->options->dns_timeout_ns,
		.nxdomain_is_fine = capture->options->nxdomain == SS_NXDOMAIN_NO,
		.event = add_event,
		.left_out = left_out,
		.user_data = capture,
	};
	const struct ss_pump_gate stage = {
		.admit = admit_failures,
		.release = release_failures,
		.leaves_out = true,
		.user_data = capture,
	};

	capture->failures = ss_failures_new(&options);
	ss_gate_add_stage(capture->gate, &stage);
}

static size_t admit_requests(void *blocks, size_t length, uint64_t now_ns, uint64_t *ret_again_ns,
			     void *user_data)
{
	struct ss_capture *capture = user_data;

	return ss_requests_admit(capture->requests, blocks, length, now_ns, ret_again_ns);
}

static void release_requests(void *user_data)
{
	struct ss_capture *capture = user_data;

	ss_requests_release(capture->requests);
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
	struct ss_capture *capture = user_data;

	ss_stream_counters(capture->stream, late->interface_id)->left_out--;
	return ss_stream_late(capture->stream, late->block, capture->error);
}

static void add_late_frame(uint32_t interface_id, uint64_t time_ns, GByteArray *block,
			   void *user_data)
{
	struct late_frame *late = g_new0(struct late_frame, 1);

	*late = (struct late_frame){interface_id, block};
	ss_gate_queue(((struct ss_capture *)user_data)->gate, time_ns, late, write_late_frame,
		      late_frame_free, user_data);
}

static void open_requests(struct ss_capture *capture)
{
	const struct ss_requests_callbacks callbacks = {left_out, add_late_frame, capture};
	const struct ss_pump_gate stage = {
		.admit = admit_requests,
		.release = release_requests,
		.leaves_out = true,
		.user_data = capture,
	};

	capture->pod_numbers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	capture->requests = ss_requests_new(&callbacks);
	ss_gate_add_stage(capture->gate, &stage);
}

/* Does the kernel let requests through for the sake of their responses? */
static bool adds_requests(const struct ss_capture *capture)
{
	return ss_filter_adds_requests(capture->filter) && !capture->options->no_packets;
}

static size_t admit_judge(void *blocks, size_t length, uint64_t now_ns, uint64_t *ret_again_ns,
			  void *user_data)
{
	struct ss_capture *capture = user_data;

	(void)now_ns;
	return ss_judge_admit(capture->judge, blocks, length, ret_again_ns);
}

static void release_judge(void *user_data)
{
	struct ss_capture *capture = user_data;

	ss_judge_release(capture->judge);
}

static void copy_secrets(const char *lines, void *user_data)
{
	struct ss_capture *capture = user_data;

	ss_judge_secrets(capture->judge, lines);
}

/* The last stage: it looks at frames as they are written. */
static int open_judge(struct ss_capture *capture, struct ss_loop *loop)
{
	const struct ss_judge_context context = {
		.loop = loop,
		.stream = capture->stream,
		.filter = ss_filter_wanted_text(capture->filter),
		.all = ss_filter_rest(capture->filter) == SS_REST_ALL,
		.retry = retry,
		.user_data = capture,
	};
	const struct ss_pump_gate stage = {
		.admit = admit_judge,
		.release = release_judge,
		.leaves_out = true,
		.user_data = capture,
	};
	int r = ss_judge_new(&context, &capture->judge, capture->error);

	if (r < 0)
		return r;
	ss_stream_copy_secrets(capture->stream, copy_secrets, capture);
	ss_gate_add_stage(capture->gate, &stage);
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
	struct ss_capture *capture = user_data;
	struct new_file file = {capture->stream, blocks};

	ss_naming_new_file(capture->naming, blocks, time_ns);
	if (capture->owners)
		ss_owners_repeat(capture->owners, time_ns, put_process, &file);
}

/* Frames pass a gate on their way to the stream, which changes, holds or chooses some. */
static int open_gate(struct ss_capture *capture, struct ss_loop *loop)
{
	const struct ss_options *options = capture->options;
	bool mesh = options->mesh != SS_MESH_OFF && has_pods(options);
	bool pods = ss_options_name_pods(options);
	bool owners = !options->no_processes && has_pods(options);
	bool tls = options->ssl_keylog || options->ssl_plaintext;
	bool judge = ss_filter_rest(capture->filter) != SS_REST_NOTHING && !options->no_packets &&
		     !ss_capture_display_filter(capture);
	struct ss_pump_gate gate;
	int r = 0;

	if (!pods && !tls && !judge && !options->dns_failure_only && !adds_requests(capture))
		return 0;
	capture->gate = ss_gate_new(end, capture);
	if (pods)
		r = open_naming(capture, loop);
	if (r < 0)
		return r;
	if (pods)
		ss_output_set_new_file(ss_stream_output(capture->stream), begin_file, capture);
	if (mesh)
		open_mesh(capture);
	if (options->dns_failure_only)
		open_failures(capture);
	if (adds_requests(capture))
		open_requests(capture);
	if (tls)
		r = open_decrypt(capture, loop);
	if (r == 0 && judge)
		r = open_judge(capture, loop);
	if (r < 0)
		return r;
	if (owners)
		open_owners(capture, loop);
	gate = ss_gate_pump_gate(capture->gate);
	ss_pump_set_gate(capture->pump, &gate);
	return 0;
}

static void say_started(const struct ss_capture *capture)
{
	g_autofree char *what = ss_follow_summary(capture->follow);

	if (what)
		ss_log(SS_LOG_NOTE, "capturing %s (Ctrl-C ends)", what);
	else
		ss_log(SS_LOG_NOTE, "waiting for a pod (Ctrl-C ends)");
}

int ss_capture_start(struct ss_capture *capture, struct ss_loop *loop, struct ss_stream *stream,
		     ss_capture_ended ended, void *user_data, struct ss_error *error)
{
	const struct ss_options *options = capture->options;
	const struct ss_follow_callbacks callbacks = {
		.event = write_event,
		.failed = end,
		.pod = pod_changed,
		.seen = pod_seen,
		.peer = peer_changed,
		.service = service_changed,
		.node = node_changed,
		.user_data = capture,
	};
	int r;

	capture->stream = stream;
	capture->ended = ended;
	capture->user_data = user_data;
	capture->error = error;
	r = open_source(capture);
	if (r < 0)
		return r;
	capture->context = (struct ss_target_context){
		.source = capture->source,
		.stream = stream,
		.filter = ss_filter_text(capture->filter),
		.ethernet_only = is_ethernet_only(capture->filter),
		.node = g_get_host_name(),
		.snap_len = options->snap_len,
		.mode = options->attach,
		.no_packets = options->no_packets,
		.verdicts = verdicts,
		.interface_added = interface_added,
		.user_data = capture,
	};
	capture->pump =
		ss_pump_new(loop, capture->source, stream, options->count, end, capture, error);
	r = open_gate(capture, loop);
	if (r < 0)
		return r;
	capture->follow = ss_follow_new(loop, options, &capture->context, &callbacks, error);
	r = ss_follow_start(capture->follow);
	if (r < 0)
		return r;
	if (!ss_follow_is_watching(capture->follow))
		ss_privilege_drop(); /* nothing will be attached any more */
	if (capture->decrypt)
		ss_decrypt_start(capture->decrypt);
	say_started(capture);
	ss_pump_start(capture->pump);
	return 0;
}

void ss_capture_stop(struct ss_capture *capture)
{
	if (capture->follow)
		ss_follow_stop(capture->follow);
	if (capture->decrypt)
		ss_decrypt_stop(capture->decrypt);
	if (capture->judge)
		ss_judge_finish(capture->judge);
	if (capture->pump)
		ss_pump_drain(capture->pump, DRAIN_SECONDS);
	if (capture->gate)
		ss_gate_flush(capture->gate, UINT64_MAX);
}

void ss_capture_tick(struct ss_capture *capture)
{
	if (capture->source)
		ss_bpf_source_set_clock(capture->source);
}

void ss_capture_count(struct ss_capture *capture, uint64_t drops[SS_DROP_CAUSES])
{
	if (capture->follow)
		ss_follow_count(capture->follow, drops);
}

const char *ss_capture_display_filter(const struct ss_capture *capture)
{
	const struct ss_options *options = capture->options;
	bool only_shown = options->live && !options->output && !options->count;

	return only_shown && ss_filter_rest(capture->filter) != SS_REST_NOTHING
		       ? ss_filter_wanted_text(capture->filter)
		       : NULL;
}

uint64_t ss_capture_undecided(const struct ss_capture *capture)
{
	return capture->judge ? ss_judge_undecided(capture->judge) : 0;
}

char *ss_capture_tls_summary(const struct ss_capture *capture)
{
	return capture->decrypt ? ss_decrypt_summary(capture->decrypt) : NULL;
}

static char *requests_summary(const struct ss_capture *capture)
{
	struct ss_requests_counts counts;

	ss_requests_count(capture->requests, &counts);
	if (!counts.given_up)
		return NULL;
	return g_strdup_printf("HTTP: %" G_GUINT64_FORMAT
			       " requests are with their responses; %" G_GUINT64_FORMAT
			       " could not be kept until they were answered",
			       (guint64)counts.kept, (guint64)counts.given_up);
}

char *ss_capture_exchange_summary(const struct ss_capture *capture)
{
	if (capture->failures)
		return ss_failures_summary(capture->failures);
	return capture->requests ? requests_summary(capture) : NULL;
}

uint64_t ss_capture_frames(const struct ss_capture *capture)
{
	uint64_t made = capture->decrypt ? ss_decrypt_frames(capture->decrypt) : 0;

	return made + (capture->pump ? ss_pump_frames(capture->pump) : 0);
}
