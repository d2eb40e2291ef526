/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The wiring of TLS. Records come from the kernel on the loop, before or after the frames that they
 * belong to; frames come through the gate, of which the keys are a stage.
 *
 * Owns secrets for moments: lines wait in `pending` until the next frames are written. All of it is
 * wiped, and the process leaves no core dump while it may hold any.
 */
#include "decrypt.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include <glib.h>

#include "clock.h"
#include "describe.h"
#include "format/pcapng.h"
#include "judge.h"
#include "log.h"
#include "output/block.h"
#include "privilege.h"
#include "report.h"
#include "secret_text.h"
#include "source/tls.h"
#include "tls/discover.h"
#include "tls/keys.h"
#include "tls/plaintext.h"
#include "tls/proof.h"
#include "turns.h"
#include "twin.h"

#define NSEC_PER_MSEC 1000000ull
#define TICK_NS       (20 * NSEC_PER_MSEC)
#define WINDOW_NS     (40 * NSEC_PER_MSEC)  /* plaintext arrives at most this late */
#define JUDGED_NS     (200 * NSEC_PER_MSEC) /* ... where tshark has to judge it */
#define UNDECIDED_MAX (16u << 20)           /* bytes of frames that wait for that */
#define QUEUED_MAX    (64u << 20)           /* bytes of frames that wait for a slow reader */

struct pod {
	uint64_t cgroup_id;
	uint32_t interface_id; /* of its plaintext; UINT32_MAX until the first */
	bool has_keys;         /* a library that gives keys is attached in one of its processes */
	struct ss_pod *facts;
};

/* A file's probes: what was found by pattern can be let go by itself. */
struct probes {
	uint32_t number;
	struct ss_tls_attachment *certain, *patterns[SS_TLS_PROOF_PARTS];
};

/* Plaintext as one reader gets it: masked or not. */
struct view {
	struct ss_decrypt *decrypt;
	enum ss_output_sinks sinks;
	struct ss_tls_plaintext *plaintext;
	/* With a display filter: */
	GByteArray *window; /* blocks that wait for the judge, who takes them from the front */
	struct ss_judge *judge;
	struct ss_turns *turns;
};

/* A frame waiting in the gate. */
struct made {
	struct ss_decrypt *decrypt;
	enum ss_output_sinks sinks;
	uint32_t interface_id;
	uint64_t length;
	GByteArray *block;
};

struct ss_decrypt {
	struct ss_decrypt_context context;
	struct ss_tls_source *source;
	struct ss_tls_discover *discover;
	struct ss_tls_proofs *proofs;
	GHashTable *probes;       /* struct probes *, by number of the file */
	struct ss_tls_keys *keys; /* NULL: not asked for */
	struct ss_report *report;
	struct ss_twin *twin; /* NULL: no plaintext */
	struct ss_tls_redact *redact;
	struct view views[2];
	unsigned view_count;
	struct ss_timer *tick, *look, *second;
	GHashTable *pods;       /* struct pod *, by cgroup id */
	GHashTable *interfaces; /* interface id + 1 → struct pod *; pods stay until the end */
	GPtrArray *gone;        /* struct pod *, which interfaces may still name */
	GString *pending;       /* key log lines not in the stream yet */
	size_t queued;          /* bytes of frames in the gate */
	uint64_t undecided;     /* of judges that are gone */
	uint64_t written;       /* frames that left it for the primary reader */
	int keylog_fd;
	bool started;
	bool said_blind; /* that a process can't be looked into */
};

static void pod_free(void *pointer)
{
	struct pod *pod = pointer;

	ss_pod_free(pod->facts);
	g_free(pod);
}

static void made_free(void *pointer)
{
	struct made *made = pointer;

	made->decrypt->queued -= made->block->len;
	explicit_bzero(made->block->data, made->block->len);
	g_byte_array_unref(made->block);
	g_free(made);
}

/* Libraries. */

static const unsigned parts[SS_TLS_PROOF_PARTS] = {
	[SS_TLS_PROOF_KEYS] = SS_TLS_PART_KEYS,
	[SS_TLS_PROOF_PLAINTEXT] = SS_TLS_PART_PLAINTEXT,
};

/* The points of one part, or (0) those that are certain. */
static int attach_part(struct ss_decrypt *decrypt, const char *path, uint32_t number,
		       const struct ss_tls_library *library, unsigned part,
		       struct ss_tls_attachment **ret_attachment, struct ss_error *error)
{
	g_autoptr(GArray) points = g_array_new(FALSE, FALSE, sizeof(struct ss_tls_point));

	if (library->refuted & part)
		return 0;
	for (guint i = 0; i < library->points->len; i++) {
		const struct ss_tls_point *point =
			&g_array_index(library->points, struct ss_tls_point, i);

		if (ss_tls_point_part(point) == part)
			g_array_append_vals(points, point, 1);
	}
	if (!points->len)
		return 0;
	return ss_tls_source_attach(decrypt->source, path, number,
				    (const struct ss_tls_point *)(const void *)points->data,
				    points->len, ret_attachment, error);
}

static void release_probes(struct ss_decrypt *decrypt, struct probes *probes)
{
	ss_tls_source_detach(decrypt->source, probes->certain);
	for (unsigned i = 0; i < SS_TLS_PROOF_PARTS; i++)
		ss_tls_source_detach(decrypt->source, probes->patterns[i]);
	g_hash_table_remove(decrypt->probes, GUINT_TO_POINTER(probes->number));
	g_free(probes);
}

static int attach(const char *path, uint32_t number, const struct ss_tls_library *library,
		  void **ret_attachment, void *user_data, struct ss_error *error)
{
	struct ss_decrypt *decrypt = user_data;
	struct probes *probes = g_new0(struct probes, 1);
	int r;

	probes->number = number;
	g_hash_table_insert(decrypt->probes, GUINT_TO_POINTER(number), probes);
	ss_privilege_raise();
	r = attach_part(decrypt, path, number, library, 0, &probes->certain, error);
	for (unsigned i = 0; r == 0 && i < SS_TLS_PROOF_PARTS; i++)
		r = attach_part(decrypt, path, number, library, parts[i], &probes->patterns[i],
				error);
	if (r < 0)
		release_probes(decrypt, probes);
	else
		*ret_attachment = probes;
	ss_privilege_lower();
	if (r == 0 && decrypt->started) /* before, they are told together */
		ss_log(SS_LOG_NOTE, "TLS: %s",
		       library->detail ? library->detail : ss_tls_library_kind_name(library->kind));
	return r;
}

static void detach(void *attachment, void *user_data)
{
	struct ss_decrypt *decrypt = user_data;

	ss_privilege_raise();
	release_probes(decrypt, attachment);
	ss_privilege_lower();
}

static const char *file_name(const struct ss_tls_use *use)
{
	return use->library->detail ? use->library->detail
				    : ss_tls_library_kind_name(use->library->kind);
}

/* What was found by pattern proved itself, or is something else. */
static void judged(uint32_t number, enum ss_tls_proof_part part, enum ss_tls_proof_state state,
		   void *user_data)
{
	struct ss_decrypt *decrypt = user_data;
	const char *what = part == SS_TLS_PROOF_KEYS ? "keys" : "plaintext";
	const struct ss_tls_use *use = ss_tls_discover_use(decrypt->discover, number);
	struct probes *probes = g_hash_table_lookup(decrypt->probes, GUINT_TO_POINTER(number));
	bool proved = state == SS_TLS_PROOF_GIVEN;

	ss_tls_discover_judge(decrypt->discover, number, parts[part], proved);
	if (use && proved)
		ss_log(SS_LOG_NOTE, "TLS: %s: %s found by pattern, and proved by the traffic",
		       file_name(use), what);
	else if (use)
		ss_log(SS_LOG_WARNING,
		       "TLS: %s: what looked like a source of %s is none, and is let go",
		       file_name(use), what);
	if (proved || !probes)
		return;
	ss_privilege_raise();
	ss_tls_source_detach(decrypt->source, probes->patterns[part]);
	ss_privilege_lower();
	probes->patterns[part] = NULL;
}

static bool is_unproven(const struct ss_decrypt *decrypt, uint32_t number, unsigned part)
{
	const struct ss_tls_use *use = ss_tls_discover_use(decrypt->discover, number);

	return use && use->library->unproven & part;
}

static void secret_fits(uint32_t number, void *user_data)
{
	struct ss_decrypt *decrypt = user_data;

	if (is_unproven(decrypt, number, SS_TLS_PART_KEYS))
		ss_tls_proofs_fits(decrypt->proofs, number);
}

static struct pod *pod_of_uid(const struct ss_decrypt *decrypt, const char *uid)
{
	GHashTableIter iter;
	void *pod;

	g_hash_table_iter_init(&iter, decrypt->pods);
	while (g_hash_table_iter_next(&iter, NULL, &pod))
		if (strcmp(((struct pod *)pod)->facts->uid, uid) == 0)
			return pod;
	return NULL;
}

/* Learns which pods can give keys, and when to look again. */
static void after_look(struct ss_decrypt *decrypt)
{
	int next_ms = ss_tls_discover_next_ms(decrypt->discover);
	GHashTableIter iter;
	void *value;

	g_hash_table_iter_init(&iter, decrypt->pods);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct pod *pod = value;

		pod->has_keys = ss_tls_discover_has_keys(decrypt->discover, pod->facts->uid);
	}
	ss_timer_once(decrypt->look,
		      next_ms < 0 ? 0 : (uint64_t)(unsigned)MAX(next_ms, 1) * NSEC_PER_MSEC);
}

/* At processes that are due. */
static void look(struct ss_decrypt *decrypt)
{
	ss_tls_discover_run(decrypt->discover);
	after_look(decrypt);
}

static void look_again(uint32_t events, void *user_data)
{
	(void)events;
	look(user_data);
}

/* Keys. */

static struct pod *pod_of_interface(const struct ss_decrypt *decrypt, uint32_t id)
{
	return g_hash_table_lookup(decrypt->interfaces, GUINT_TO_POINTER(id + 1));
}

static bool expects(uint32_t interface_id, void *user_data)
{
	const struct pod *pod = pod_of_interface(user_data, interface_id);

	return pod && pod->has_keys;
}

static void key_line(const char *line, void *user_data)
{
	struct ss_decrypt *decrypt = user_data;

	ss_secret_text_add(decrypt->pending, line);
	if (decrypt->keylog_fd >= 0) {
		g_autoptr(GString) whole = g_string_new(NULL);

		ss_secret_text_add(whole, line);
		if (write(decrypt->keylog_fd, whole->str, whole->len) != (ssize_t)whole->len) {
			ss_log(SS_LOG_WARNING, "cannot write '%s' any more: %s",
			       decrypt->context.options->keylog_file, g_strerror(errno));
			close(decrypt->keylog_fd);
			decrypt->keylog_fd = -1;
		}
		ss_secret_text_wipe(whole);
	}
}

static void flow_changed(const struct ss_tls_flow *flow, void *user_data)
{
	struct ss_decrypt *decrypt = user_data;

	ss_report_flow(decrypt->report, flow);
}

/* Lines that are known go before the frames that are admitted next. */
static void write_pending(struct ss_decrypt *decrypt)
{
	int r;

	if (!decrypt->pending->len)
		return;
	r = ss_stream_secrets(decrypt->context.stream, decrypt->pending->str,
			      decrypt->context.error);
	ss_secret_text_wipe(decrypt->pending);
	if (r < 0)
		decrypt->context.failed(r, decrypt->context.user_data);
}

static size_t admit(void *blocks, size_t length, uint64_t now_ns, uint64_t *ret_again_ns,
		    void *user_data)
{
	struct ss_decrypt *decrypt = user_data;
	size_t admitted = ss_tls_keys_admit(decrypt->keys, blocks, length, now_ns, ret_again_ns);

	if (admitted)
		write_pending(decrypt);
	return admitted;
}

static void release(void *user_data)
{
	struct ss_decrypt *decrypt = user_data;

	ss_tls_keys_release(decrypt->keys);
}

static void live_line(const char *line, void *user_data)
{
	ss_secret_text_add(user_data, line);
}

static void live_secrets(GString *lines, void *user_data)
{
	struct ss_decrypt *decrypt = user_data;

	ss_tls_keys_live_lines(decrypt->keys, live_line, lines);
}

/* Plaintext. */

static int write_made(void *item, void *user_data)
{
	struct made *made = item;
	struct ss_decrypt *decrypt = user_data;
	int r = ss_stream_made(decrypt->context.stream, made->interface_id, made->block,
			       made->length, made->sinks, decrypt->context.error);

	decrypt->written += made->sinks & SS_OUTPUT_PRIMARY ? 1 : 0;
	/* Where there are no packets, --count means these. */
	if (r == 0 && decrypt->context.options->no_packets &&
	    decrypt->written == decrypt->context.options->count)
		decrypt->context.failed(0, decrypt->context.user_data);
	return r;
}

/* A reader that takes nothing for so long misses frames, and is told. */
static bool is_too_slow(struct ss_decrypt *decrypt, const struct view *view, uint32_t interface_id,
			const struct ss_tls_frame *frame)
{
	struct ss_interface_counters *counters =
		ss_stream_counters(decrypt->context.stream, interface_id);

	if (decrypt->queued + frame->length < QUEUED_MAX)
		return false;
	if (view->sinks & SS_OUTPUT_PRIMARY) {
		counters->seen++;
		counters->accepted++;
		counters->dropped++;
		counters->bytes += frame->length;
	}
	return true;
}

static int add_interface(struct ss_decrypt *decrypt, struct pod *pod)
{
	struct ss_interface *interface =
		ss_describe_plaintext_interface(pod->facts, decrypt->context.node);

	return ss_stream_interface(decrypt->context.stream, interface, &pod->interface_id,
				   decrypt->context.error);
}

/* Into the gate; takes the block. What has left already it can't precede. */
static void queue_made(GByteArray *block, bool is_context, void *user_data)
{
	struct view *view = user_data;
	struct ss_decrypt *decrypt = view->decrypt;
	struct made *made = g_new0(struct made, 1);
	uint64_t time_ns =
		ss_gate_stamp(decrypt->context.gate, ss_block_time(block->data, block->len));

	ss_block_set_time(block->data, time_ns);
	ss_block_set_context(block->data, block->len, is_context);
	made->decrypt = decrypt;
	made->sinks = view->sinks;
	made->interface_id = ss_block_word(block->data + 8);
	made->length = ss_block_word(block->data + 24);
	made->block = block;
	decrypt->queued += block->len;
	ss_gate_queue(decrypt->context.gate, time_ns, made, write_made, made_free, decrypt);
}

/* Those about which the judge has decided go on. */
static void pass_window(struct view *view)
{
	uint8_t *bytes = view->window->data;
	uint64_t again_ns, one = 1;
	size_t length, size;

	if (!view->window->len)
		return;
	if (view->window->len > UNDECIDED_MAX)
		ss_judge_release(view->judge);
	length = ss_judge_admit(view->judge, bytes, view->window->len, &again_ns);
	for (size_t at = 0; (size = ss_block_walk(bytes + at, length - at, SIZE_MAX, &one));
	     at += size) {
		bool matches = ss_block_type(bytes + at) != SS_BLOCK_LEFT_OUT;
		GByteArray *block = g_byte_array_new();

		g_byte_array_append(block, bytes + at, (guint)size);
		ss_block_set_type(block->data, SS_PCAPNG_EPB);
		ss_turns_take(view->turns, block, matches);
	}
	explicit_bzero(bytes, length);
	g_byte_array_remove_range(view->window, 0, (guint)length);
}

/* A frame has to match the filter; takes the block. */
static void filter_made(struct view *view, GByteArray *block, const struct ss_tls_frame *frame)
{
	struct ss_decrypt *decrypt = view->decrypt;

	if (view->judge) {
		g_byte_array_append(view->window, block->data, block->len);
	} else if (ss_filter_matches(decrypt->context.filter, SS_LINKTYPE_RAW, frame->data,
				     frame->length, frame->length)) {
		queue_made(block, false, view);
		return;
	} else if (view->sinks & SS_OUTPUT_PRIMARY) {
		ss_stream_counters(decrypt->context.stream, ss_block_word(block->data + 8))->seen++;
	}
	explicit_bzero(block->data, block->len);
	g_byte_array_unref(block);
}

static void plaintext_frame(const struct ss_tls_frame *frame, void *user_data)
{
	struct view *view = user_data;
	struct ss_decrypt *decrypt = view->decrypt;
	struct pod *pod = g_hash_table_lookup(decrypt->pods, &frame->cgroup_id);
	g_autoptr(GByteArray) metadata = NULL;
	GByteArray *block;
	int r = 0;

	if (!pod)
		return;
	if (pod->interface_id == UINT32_MAX)
		r = add_interface(decrypt, pod);
	if (r < 0) {
		decrypt->context.failed(r, decrypt->context.user_data);
		return;
	}
	if (is_too_slow(decrypt, view, pod->interface_id, frame))
		return;
	metadata = ss_describe_process(frame->out, frame->pid, frame->comm);
	block = g_byte_array_new();
	ss_block_frame(block, &(struct ss_block_frame){
				      .interface_id = pod->interface_id,
				      .length = frame->length,
				      .time_ns = ss_bpf_source_utc(decrypt->context.source,
								   frame->time_ns),
				      .data = frame->data,
				      .flags = frame->out ? SS_EPB_FLAG_OUT : SS_EPB_FLAG_IN,
				      .comment = frame->comment,
				      .metadata = metadata->data,
				      .metadata_length = metadata->len,
			      });
	filter_made(view, block, frame);
}

static bool shown(const struct ss_tls_socket *socket, void *user_data)
{
	const struct view *view = user_data;

	return view->decrypt->keys && ss_report_is_keyed(view->decrypt->report, socket);
}

static void decided(void *user_data)
{
	struct view *view = user_data;

	pass_window(view);
	view->decrypt->context.retry(view->decrypt->context.user_data);
}

/* tshark says which frames match a display filter. */
static int add_judge(struct view *view, struct ss_error *error)
{
	const struct ss_filter *filter = view->decrypt->context.filter;
	const struct ss_judge_context judge = {
		.loop = view->decrypt->context.loop,
		.stream = view->decrypt->context.stream,
		.filter = ss_filter_display_text(filter),
		.all = true,
		.uncounted = true,
		.retry = decided,
		.user_data = view,
	};
	bool exchanges = ss_filter_is_about(filter, SS_PROTOCOL_HTTP) &&
			 !view->decrypt->context.options->no_context;

	if (ss_filter_language(filter) != SS_FILTER_DISPLAY)
		return 0;
	view->window = g_byte_array_new();
	view->turns = ss_turns_new(exchanges, queue_made, view);
	return ss_judge_new(&judge, &view->judge, error);
}

static int add_view(struct ss_decrypt *decrypt, enum ss_output_sinks sinks, bool masked,
		    struct ss_error *error)
{
	struct view *view = &decrypt->views[decrypt->view_count++];
	const struct ss_tls_plaintext_callbacks callbacks = {plaintext_frame, shown, view};

	view->decrypt = decrypt;
	view->sinks = sinks;
	view->plaintext = ss_tls_plaintext_new(masked ? decrypt->redact : NULL, &callbacks);
	ss_tls_plaintext_limit_gaps(view->plaintext, decrypt->context.options->call_bytes);
	return add_judge(view, error);
}

static int add_views(struct ss_decrypt *decrypt, struct ss_error *error)
{
	const struct ss_options *options = decrypt->context.options;
	bool all = options->redact == SS_REDACT_ALL;
	bool live = options->live && options->redact == SS_REDACT_LIVE;

	if (live && options->output) {
		int r = add_view(decrypt, SS_OUTPUT_PRIMARY, false, error);

		return r < 0 ? r : add_view(decrypt, SS_OUTPUT_VIEWER, true, error);
	}
	return add_view(decrypt, SS_OUTPUT_ALL, all || live, error);
}

/* Encrypted packets of what is shown as plaintext. */

static bool is_shown_as_plaintext(const struct ss_tls_address *one,
				  const struct ss_tls_address *other, void *user_data)
{
	const struct ss_decrypt *decrypt = user_data;

	return ss_report_is_plaintext(decrypt->report, one, other);
}

static void left_out(uint32_t interface_id, void *user_data)
{
	struct ss_decrypt *decrypt = user_data;

	ss_stream_counters(decrypt->context.stream, interface_id)->left_out++;
}

static uint64_t utc_ns(void *user_data)
{
	struct ss_decrypt *decrypt = user_data;

	return ss_bpf_source_utc(decrypt->context.source, ss_clock_ns(CLOCK_BOOTTIME));
}

static size_t admit_twin(void *blocks, size_t length, uint64_t now_ns, uint64_t *ret_again_ns,
			 void *user_data)
{
	struct ss_decrypt *decrypt = user_data;

	return ss_twin_admit(decrypt->twin, blocks, length, now_ns, ret_again_ns);
}

static void release_twin(void *user_data)
{
	struct ss_decrypt *decrypt = user_data;

	ss_twin_release(decrypt->twin);
}

static void add_twin(struct ss_decrypt *decrypt)
{
	const struct ss_twin_callbacks callbacks = {is_shown_as_plaintext, left_out, utc_ns,
						    decrypt};
	const struct ss_pump_gate stage = {
		.admit = admit_twin,
		.release = release_twin,
		.leaves_out = true,
		.user_data = decrypt,
	};

	decrypt->twin = ss_twin_new(WINDOW_NS, &callbacks);
	ss_gate_add_stage(decrypt->context.gate, &stage);
}

/* Records. */

static void believe_data(const struct ss_tls_data *data, void *user_data)
{
	struct ss_decrypt *decrypt = user_data;

	if (data->socket.state == SS_TLS_SOCKET_INET)
		ss_report_plaintext(decrypt->report, &data->socket);
	for (unsigned i = 0; i < decrypt->view_count; i++)
		ss_tls_plaintext_record(decrypt->views[i].plaintext, &data->head);
}

static void record(const struct ss_tls_record *record, void *user_data)
{
	struct ss_decrypt *decrypt = user_data;

	switch (record->type) {
	case SS_TLS_RECORD_LABELLED:
		if (is_unproven(decrypt, record->library, SS_TLS_PART_KEYS))
			ss_tls_proofs_labelled(decrypt->proofs,
					       (const struct ss_tls_labelled *)record);
		/* fallthrough */
	case SS_TLS_RECORD_KDF:
		if (decrypt->keys)
			ss_tls_keys_record(decrypt->keys, record);
		break;
	case SS_TLS_RECORD_EXEC:
		ss_tls_discover_exec(decrypt->discover, (pid_t)record->pid);
		break;
	case SS_TLS_RECORD_DATA:
		if (ss_tls_proofs_data(decrypt->proofs, (const struct ss_tls_data *)record))
			believe_data((const struct ss_tls_data *)record, decrypt);
		return;
	}
	for (unsigned i = 0; i < decrypt->view_count; i++)
		ss_tls_plaintext_record(decrypt->views[i].plaintext, record);
}

/* What the kernel has to say; a program that began is looked at once, however many began. */
static void hear(struct ss_decrypt *decrypt)
{
	ss_tls_source_dispatch(decrypt->source);
	if (decrypt->started && ss_tls_discover_next_ms(decrypt->discover) == 0)
		look(decrypt);
}

static void records_ready(uint32_t events, void *user_data)
{
	struct ss_decrypt *decrypt = user_data;

	(void)events;
	hear(decrypt);
	decrypt->context.retry(decrypt->context.user_data);
}

/* Plaintext that has waited long enough goes on, also where no frame comes to push it. */
static void tick(uint32_t events, void *user_data)
{
	struct ss_decrypt *decrypt = user_data;
	uint64_t boot_ns = ss_clock_ns(CLOCK_BOOTTIME);

	(void)events;
	hear(decrypt);
	for (unsigned i = 0; i < decrypt->view_count; i++) {
		ss_tls_plaintext_flush(decrypt->views[i].plaintext, boot_ns);
		if (decrypt->views[i].judge)
			pass_window(&decrypt->views[i]);
	}
	decrypt->context.retry(decrypt->context.user_data);
}

/* The account. */

static const struct ss_pod *pod_facts(uint32_t interface_id, void *user_data)
{
	const struct pod *pod = pod_of_interface(user_data, interface_id);

	return pod ? pod->facts : NULL;
}

static void report_event(const struct ss_event *event, void *user_data)
{
	struct ss_decrypt *decrypt = user_data;

	decrypt->context.event(event, decrypt->context.user_data);
}

/* Once, of the first process that can't be looked into. */
static void say_blind(struct ss_decrypt *decrypt)
{
	const char *why = decrypt->said_blind ? NULL : ss_report_blind(decrypt->report);

	if (!why)
		return;
	ss_log(SS_LOG_WARNING, "TLS of some processes stays encrypted: %s", why);
	decrypt->said_blind = true;
}

static void each_second(uint32_t events, void *user_data)
{
	struct ss_decrypt *decrypt = user_data;

	(void)events;
	say_blind(decrypt);
	if (decrypt->keys)
		ss_tls_keys_expire(decrypt->keys, ss_clock_ns(CLOCK_MONOTONIC));
	ss_report_tick(decrypt->report);
}

/* Life. */

static int open_keylog(struct ss_decrypt *decrypt, struct ss_error *error)
{
	const char *path = decrypt->context.options->keylog_file;

	if (!path)
		return 0;
	decrypt->keylog_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (decrypt->keylog_fd < 0 || fchmod(decrypt->keylog_fd, 0600) < 0)
		return ss_fail(error, -EIO, "cannot create '%s': %s", path, g_strerror(errno));
	return 0;
}

static int open_source(struct ss_decrypt *decrypt, struct ss_error *error)
{
	const struct ss_options *options = decrypt->context.options;
	const struct ss_tls_source_options source = {
		.keys = options->ssl_keylog,
		.plaintext = options->ssl_plaintext,
		.call_budget = options->call_bytes,
		.no_return_probes = options->no_uretprobe,
		.record = record,
		.user_data = decrypt,
	};
	int r;

	ss_privilege_raise();
	r = ss_tls_source_new(&source, &decrypt->source, error);
	ss_privilege_lower();
	return r;
}

static int build(struct ss_decrypt *decrypt, struct ss_error *error)
{
	const struct ss_options *options = decrypt->context.options;
	const struct ss_tls_discover_callbacks libraries = {attach, detach, decrypt};
	const struct ss_tls_proofs_callbacks proofs = {judged, believe_data, decrypt};
	const struct ss_report_callbacks account = {pod_facts, report_event, decrypt};
	const struct ss_tls_keys_callbacks keys = {key_line, flow_changed, expects, secret_fits,
						   decrypt};
	const struct ss_pump_gate stage = {
		.admit = admit, .release = release, .user_data = decrypt};

	decrypt->discover = ss_tls_discover_new(NULL, NULL, &libraries);
	decrypt->proofs = ss_tls_proofs_new(&proofs);
	decrypt->report = ss_report_new(decrypt->discover, &account);
	decrypt->tick = ss_timer_new(decrypt->context.loop, tick, decrypt);
	decrypt->look = ss_timer_new(decrypt->context.loop, look_again, decrypt);
	decrypt->second = ss_timer_new(decrypt->context.loop, each_second, decrypt);
	if (options->ssl_keylog) {
		decrypt->keys = ss_tls_keys_new(0, &keys);
		ss_gate_add_stage(decrypt->context.gate, &stage);
		ss_output_set_live_secrets(ss_stream_output(decrypt->context.stream), live_secrets,
					   decrypt);
	}
	if (options->ssl_plaintext) {
		add_twin(decrypt);
		return add_views(decrypt, error);
	}
	return 0;
}

int ss_decrypt_new(const struct ss_decrypt_context *context, struct ss_decrypt **ret_decrypt,
		   struct ss_error *error)
{
	struct ss_decrypt *decrypt = g_new0(struct ss_decrypt, 1);
	int r = 0;

	decrypt->context = *context;
	decrypt->keylog_fd = -1;
	decrypt->probes = g_hash_table_new(NULL, NULL);
	decrypt->pods = g_hash_table_new(g_int64_hash, g_int64_equal);
	decrypt->interfaces = g_hash_table_new(NULL, NULL);
	decrypt->gone = g_ptr_array_new_with_free_func(pod_free);
	decrypt->pending = g_string_new(NULL);
	prctl(PR_SET_DUMPABLE, 0);
	if (context->options->ssl_plaintext)
		r = ss_tls_redact_new(context->options->redact_rules, &decrypt->redact, error);
	if (r == 0)
		r = open_keylog(decrypt, error);
	if (r == 0)
		r = open_source(decrypt, error);
	if (r == 0)
		r = build(decrypt, error);
	if (r < 0) {
		ss_decrypt_free(decrypt);
		return r;
	}
	if (decrypt->view_count)
		ss_gate_set_window(context->gate, decrypt->views[0].judge ? JUDGED_NS : WINDOW_NS,
				   utc_ns, decrypt);
	*ret_decrypt = decrypt;
	return 0;
}

/* Ends their streams, which makes frames. */
static void free_views(struct ss_decrypt *decrypt)
{
	for (unsigned i = 0; i < decrypt->view_count; i++) {
		struct view *view = &decrypt->views[i];

		g_clear_pointer(&view->plaintext, ss_tls_plaintext_free);
		if (!view->judge)
			continue;
		ss_judge_finish(view->judge);
		ss_judge_release(view->judge);
		pass_window(view);
		decrypt->undecided += ss_judge_undecided(view->judge);
		g_clear_pointer(&view->judge, ss_judge_free);
	}
	for (unsigned i = 0; i < decrypt->view_count; i++) {
		ss_turns_free(decrypt->views[i].turns);
		g_clear_pointer(&decrypt->views[i].window, g_byte_array_unref);
	}
	decrypt->view_count = 0;
}

void ss_decrypt_free(struct ss_decrypt *decrypt)
{
	GHashTableIter iter;
	void *pod;

	if (!decrypt)
		return;
	free_views(decrypt);
	if (decrypt->started)
		ss_loop_remove(decrypt->context.loop, ss_tls_source_fd(decrypt->source));
	ss_timer_free(decrypt->tick);
	ss_timer_free(decrypt->look);
	ss_timer_free(decrypt->second);
	if (decrypt->keys) {
		ss_output_set_live_secrets(ss_stream_output(decrypt->context.stream), NULL, NULL);
		ss_tls_keys_free(decrypt->keys);
	}
	ss_twin_free(decrypt->twin);
	ss_report_free(decrypt->report);
	if (decrypt->discover)
		ss_tls_discover_free(decrypt->discover);
	g_hash_table_unref(decrypt->probes);
	ss_tls_proofs_free(decrypt->proofs);
	ss_tls_source_free(decrypt->source);
	ss_tls_redact_free(decrypt->redact);
	g_hash_table_iter_init(&iter, decrypt->pods);
	while (g_hash_table_iter_next(&iter, NULL, &pod))
		pod_free(pod);
	g_hash_table_unref(decrypt->pods);
	g_hash_table_unref(decrypt->interfaces);
	g_ptr_array_unref(decrypt->gone);
	if (decrypt->keylog_fd >= 0)
		close(decrypt->keylog_fd);
	ss_secret_text_wipe(decrypt->pending);
	g_string_free(decrypt->pending, TRUE);
	g_free(decrypt);
}

static void add_pod(struct ss_decrypt *decrypt, const struct ss_pod *facts)
{
	struct ss_error error = {0};
	struct pod *pod;
	int r;

	if (!facts->cgroup_id) {
		ss_log(SS_LOG_WARNING,
		       "%s/%s: no cgroup v2 directory, so its processes' TLS can't be told apart "
		       "from others': it stays encrypted",
		       facts->namespace, facts->name);
		return;
	}
	ss_privilege_raise();
	r = ss_tls_source_add_cgroup(decrypt->source, facts->cgroup_id, &error);
	ss_privilege_lower();
	if (r < 0) {
		ss_log(SS_LOG_WARNING, "%s", error.message);
		return;
	}
	pod = g_new0(struct pod, 1);
	pod->cgroup_id = facts->cgroup_id;
	pod->interface_id = UINT32_MAX;
	pod->facts = ss_pod_copy(facts);
	g_hash_table_insert(decrypt->pods, &pod->cgroup_id, pod);
	ss_tls_discover_add_pod(decrypt->discover, facts->uid, facts->cgroup_path);
	ss_tls_discover_run_all(decrypt->discover);
	after_look(decrypt);
}

static void remove_pod(struct ss_decrypt *decrypt, struct pod *pod)
{
	/* What it said last is still on its way: heard before it is forgotten. */
	tick(0, decrypt);
	ss_tls_discover_remove_pod(decrypt->discover, pod->facts->uid);
	ss_privilege_raise();
	ss_tls_source_remove_cgroup(decrypt->source, pod->cgroup_id);
	ss_privilege_lower();
	g_hash_table_remove(decrypt->pods, &pod->cgroup_id);
	pod->has_keys = false;
	g_ptr_array_add(decrypt->gone, pod);
}

void ss_decrypt_pod(struct ss_decrypt *decrypt, enum ss_pod_change change,
		    const struct ss_pod *facts)
{
	struct pod *pod = pod_of_uid(decrypt, facts->uid);

	if (change == SS_POD_REMOVED && pod) {
		remove_pod(decrypt, pod);
	} else if (change != SS_POD_REMOVED && !pod) {
		add_pod(decrypt, facts);
	} else if (pod) {
		ss_pod_free(pod->facts);
		pod->facts = ss_pod_copy(facts);
	}
}

void ss_decrypt_interface(struct ss_decrypt *decrypt, uint32_t id, uint16_t link_type,
			  const struct ss_pod *facts)
{
	struct pod *pod = pod_of_uid(decrypt, facts->uid);

	if (decrypt->keys)
		ss_tls_keys_interface(decrypt->keys, id, link_type);
	if (decrypt->twin)
		ss_twin_interface(decrypt->twin, id, link_type);
	if (pod)
		g_hash_table_insert(decrypt->interfaces, GUINT_TO_POINTER(id + 1), pod);
}

static void say_found(struct ss_decrypt *decrypt)
{
	g_autofree char *libraries = ss_report_libraries(decrypt->report);

	say_blind(decrypt);
	if (*libraries || !decrypt->said_blind)
		ss_log(SS_LOG_NOTE, "TLS: %s",
		       *libraries
			       ? libraries
			       : "no library in the pods' processes yet; new ones are looked at");
	if (decrypt->keys)
		ss_log(SS_LOG_NOTE, "the capture will hold session keys: whoever has it can read "
				    "the traffic");
}

void ss_decrypt_start(struct ss_decrypt *decrypt)
{
	ss_loop_add(decrypt->context.loop, ss_tls_source_fd(decrypt->source), EPOLLIN,
		    records_ready, decrypt);
	decrypt->started = true;
	if (decrypt->view_count)
		ss_timer_every(decrypt->tick, TICK_NS);
	ss_timer_every(decrypt->second, 1000 * NSEC_PER_MSEC);
	say_found(decrypt);
}

void ss_decrypt_stop(struct ss_decrypt *decrypt)
{
	ss_timer_every(decrypt->tick, 0);
	ss_timer_once(decrypt->look, 0);
	ss_tls_source_dispatch(decrypt->source);
	for (unsigned i = 0; i < decrypt->view_count; i++)
		ss_tls_plaintext_flush(decrypt->views[i].plaintext, UINT64_MAX);
	free_views(decrypt);
	ss_report_finish(decrypt->report);
}

uint64_t ss_decrypt_frames(const struct ss_decrypt *decrypt)
{
	return decrypt->written;
}

uint64_t ss_decrypt_undecided(const struct ss_decrypt *decrypt)
{
	return decrypt->undecided;
}

char *ss_decrypt_summary(const struct ss_decrypt *decrypt)
{
	g_autofree char *connections = ss_report_summary(decrypt->report);
	struct ss_tls_counters lost = {0};

	ss_tls_source_count(decrypt->source, &lost);
	if (!lost.ring_full && !lost.lost_bytes)
		return g_steal_pointer(&connections);
	return g_strdup_printf("%s; lost between probe and program: %" G_GUINT64_FORMAT
			       " records, %" G_GUINT64_FORMAT " bytes of plaintext",
			       connections ? connections : "TLS", (guint64)lost.ring_full,
			       (guint64)lost.lost_bytes);
}
