/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The wiring of TLS. Records come from the kernel on the loop, before or after the frames that they
 * belong to; frames come through the gate, of which the keys are a stage.
 *
 * The process leaves no core dump while it may hold secrets.
 */
#include "decrypt.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/prctl.h>

#include <glib.h>

#include "clock.h"
#include "log.h"
#include "privilege.h"
#include "probes.h"
#include "report.h"
#include "secrets.h"
#include "source/tls.h"
#include "tenants.h"
#include "tls/keys.h"
#include "twin.h"
#include "views.h"

#define NSEC_PER_MSEC 1000000ull
#define TICK_NS       (20 * NSEC_PER_MSEC)

struct ss_decrypt {
	struct ss_decrypt_context context;
	struct ss_tls_source *source;
	struct ss_probes *probes;
	struct ss_tenants *tenants;
	struct ss_tls_keys *keys; /* NULL: not asked for */
	struct ss_secrets *secrets;
	struct ss_report *report;
	struct ss_twin *twin;   /* NULL: no plaintext */
	struct ss_views *views; /* likewise */
	struct ss_tls_redact *redact;
	struct ss_timer *tick, *second;
	bool started;
	bool said_blind; /* that a process can't be looked into */
};

static void failed(int status, void *user_data)
{
	const struct ss_decrypt *decrypt = user_data;

	decrypt->context.failed(status, decrypt->context.user_data);
}

static void retry(void *user_data)
{
	const struct ss_decrypt *decrypt = user_data;

	decrypt->context.retry(decrypt->context.user_data);
}

/* Keys. */

static void ask_for_keys(struct ss_tenant *tenant, void *user_data)
{
	struct ss_decrypt *decrypt = user_data;

	tenant->has_keys =
		ss_tls_discover_has_keys(ss_probes_discover(decrypt->probes), tenant->facts->uid);
}

/* Which pods can give keys may have changed. */
static void looked(void *user_data)
{
	struct ss_decrypt *decrypt = user_data;

	ss_tenants_each(decrypt->tenants, ask_for_keys, decrypt);
}

static bool expects(uint32_t interface_id, void *user_data)
{
	const struct ss_decrypt *decrypt = user_data;
	const struct ss_tenant *tenant = ss_tenants_of_interface(decrypt->tenants, interface_id);

	return tenant && tenant->has_keys;
}

static void key_line(const char *line, void *user_data)
{
	struct ss_decrypt *decrypt = user_data;

	ss_secrets_add(decrypt->secrets, line);
}

static void flow_changed(const struct ss_tls_flow *flow, void *user_data)
{
	struct ss_decrypt *decrypt = user_data;

	ss_report_flow(decrypt->report, flow);
}

static void secret_fits(uint32_t number, void *user_data)
{
	struct ss_decrypt *decrypt = user_data;

	ss_probes_fits(decrypt->probes, number);
}

static void add_keys(struct ss_decrypt *decrypt)
{
	const struct ss_tls_keys_callbacks callbacks = {key_line, flow_changed, expects,
							secret_fits, decrypt};
	struct ss_stage stage;

	decrypt->keys = ss_tls_keys_new(0, &callbacks);
	stage = ss_secrets_stage(decrypt->secrets, decrypt->keys);
	ss_gate_add_stage(decrypt->context.gate, &stage);
}

/* Plaintext. */

static int add_views(struct ss_decrypt *decrypt, struct ss_error *error)
{
	const struct ss_views_context context = {
		.options = decrypt->context.options,
		.loop = decrypt->context.loop,
		.stream = decrypt->context.stream,
		.source = decrypt->context.source,
		.gate = decrypt->context.gate,
		.filter = decrypt->context.filter,
		.redact = decrypt->redact,
		.node = decrypt->context.node,
		.tenants = decrypt->tenants,
		.report = decrypt->report,
		.failed = failed,
		.retry = retry,
		.user_data = decrypt,
		.error = decrypt->context.error,
	};

	return ss_views_new(&context, &decrypt->views, error);
}

/* Encrypted packets of what is shown as plaintext. */

static bool is_shown_as_plaintext(const struct ss_endpoint *one, const struct ss_endpoint *other,
				  void *user_data)
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

static void add_twin(struct ss_decrypt *decrypt)
{
	const struct ss_twin_callbacks callbacks = {is_shown_as_plaintext, left_out, utc_ns,
						    decrypt};
	struct ss_stage stage;

	decrypt->twin = ss_twin_new(SS_VIEWS_LATE_NS, &callbacks);
	stage = ss_twin_stage(decrypt->twin);
	ss_gate_add_stage(decrypt->context.gate, &stage);
}

/* Records. */

static void pass_record(struct ss_decrypt *decrypt, const struct ss_tls_record *record)
{
	if (decrypt->views)
		ss_views_record(decrypt->views, record);
}

static void believe_data(const struct ss_tls_data *data, void *user_data)
{
	struct ss_decrypt *decrypt = user_data;

	if (data->socket.state == SS_TLS_SOCKET_INET)
		ss_report_plaintext(decrypt->report, &data->socket);
	pass_record(decrypt, &data->head);
}

static void record(const struct ss_tls_record *record, void *user_data)
{
	struct ss_decrypt *decrypt = user_data;

	switch (record->type) {
	case SS_TLS_RECORD_LABELLED:
		ss_probes_labelled(decrypt->probes, (const struct ss_tls_labelled *)record);
		G_GNUC_FALLTHROUGH;
	case SS_TLS_RECORD_KDF:
		if (decrypt->keys)
			ss_tls_keys_record(decrypt->keys, record);
		break;
	case SS_TLS_RECORD_EXEC:
		ss_tls_discover_exec(ss_probes_discover(decrypt->probes), (pid_t)record->pid);
		break;
	case SS_TLS_RECORD_DATA:
		if (ss_probes_data(decrypt->probes, (const struct ss_tls_data *)record))
			believe_data((const struct ss_tls_data *)record, decrypt);
		return;
	}
	pass_record(decrypt, record);
}

/* What the kernel has to say; a program that began is looked at once, however many began. */
static void hear(struct ss_decrypt *decrypt)
{
	ss_tls_source_dispatch(decrypt->source);
	if (decrypt->started)
		ss_probes_look(decrypt->probes);
}

static void records_ready(uint32_t events, void *user_data)
{
	struct ss_decrypt *decrypt = user_data;

	(void)events;
	hear(decrypt);
	retry(decrypt);
}

/* Plaintext that has waited long enough goes on, also where no frame comes to push it. */
static void tick(uint32_t events, void *user_data)
{
	struct ss_decrypt *decrypt = user_data;
	uint64_t boot_ns = ss_clock_ns(CLOCK_BOOTTIME);

	(void)events;
	hear(decrypt);
	if (decrypt->views)
		ss_views_flush(decrypt->views, boot_ns);
	retry(decrypt);
}

/* The account. */

static const struct ss_pod *pod_facts(uint32_t interface_id, void *user_data)
{
	const struct ss_decrypt *decrypt = user_data;
	const struct ss_tenant *tenant = ss_tenants_of_interface(decrypt->tenants, interface_id);

	return tenant ? tenant->facts : NULL;
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
	const struct ss_decrypt_context *context = &decrypt->context;
	const struct ss_probes_callbacks found = {believe_data, looked, decrypt};
	const struct ss_report_callbacks account = {pod_facts, report_event, decrypt};
	const struct ss_secrets_context secrets = {context->options->keylog_file, context->stream,
						   failed, decrypt, context->error};
	int r = 0;

	if (context->options->ssl_plaintext)
		r = ss_tls_redact_new(context->options->redact_rules, &decrypt->redact, error);
	if (r == 0)
		r = ss_secrets_new(&secrets, &decrypt->secrets, error);
	if (r == 0)
		r = open_source(decrypt, error);
	if (r < 0)
		return r;
	decrypt->probes = ss_probes_new(decrypt->source, context->loop, &found);
	decrypt->report = ss_report_new(ss_probes_discover(decrypt->probes), &account);
	decrypt->tick = ss_timer_new(context->loop, tick, decrypt);
	decrypt->second = ss_timer_new(context->loop, each_second, decrypt);
	if (context->options->ssl_keylog)
		add_keys(decrypt);
	if (!context->options->ssl_plaintext)
		return 0;
	add_twin(decrypt);
	r = add_views(decrypt, error);
	if (r == 0)
		ss_gate_set_window(context->gate, ss_views_window_ns(decrypt->views), utc_ns,
				   decrypt);
	return r;
}

int ss_decrypt_new(const struct ss_decrypt_context *context, struct ss_decrypt **ret_decrypt,
		   struct ss_error *error)
{
	struct ss_decrypt *decrypt = g_new0(struct ss_decrypt, 1);
	int r;

	decrypt->context = *context;
	decrypt->tenants = ss_tenants_new();
	prctl(PR_SET_DUMPABLE, 0);
	r = build(decrypt, error);
	if (r < 0) {
		ss_decrypt_free(decrypt);
		return r;
	}
	*ret_decrypt = decrypt;
	return 0;
}

void ss_decrypt_free(struct ss_decrypt *decrypt)
{
	if (!decrypt)
		return;
	ss_views_free(decrypt->views);
	if (decrypt->started)
		ss_loop_remove(decrypt->context.loop, ss_tls_source_fd(decrypt->source));
	ss_timer_free(decrypt->tick);
	ss_timer_free(decrypt->second);
	ss_secrets_free(decrypt->secrets);
	ss_tls_keys_free(decrypt->keys);
	ss_twin_free(decrypt->twin);
	ss_report_free(decrypt->report);
	ss_probes_free(decrypt->probes);
	ss_tls_source_free(decrypt->source);
	ss_tls_redact_free(decrypt->redact);
	ss_tenants_free(decrypt->tenants);
	g_free(decrypt);
}

static void add_pod(struct ss_decrypt *decrypt, const struct ss_pod *facts)
{
	struct ss_error error = {0};
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
	ss_tenants_add(decrypt->tenants, facts);
	ss_probes_add_pod(decrypt->probes, facts);
}

static void remove_pod(struct ss_decrypt *decrypt, struct ss_tenant *tenant)
{
	/* What it said last is still on its way: heard before it is forgotten. */
	tick(0, decrypt);
	ss_tls_discover_remove_pod(ss_probes_discover(decrypt->probes), tenant->facts->uid);
	ss_privilege_raise();
	ss_tls_source_remove_cgroup(decrypt->source, tenant->cgroup_id);
	ss_privilege_lower();
	ss_tenants_remove(decrypt->tenants, tenant);
}

void ss_decrypt_pod(struct ss_decrypt *decrypt, enum ss_pod_change change,
		    const struct ss_pod *facts)
{
	struct ss_tenant *tenant = ss_tenants_of_uid(decrypt->tenants, facts->uid);

	if (change == SS_POD_REMOVED && tenant) {
		remove_pod(decrypt, tenant);
	} else if (change != SS_POD_REMOVED && !tenant) {
		add_pod(decrypt, facts);
	} else if (tenant) {
		ss_pod_free(tenant->facts);
		tenant->facts = ss_pod_copy(facts);
	}
}

void ss_decrypt_interface(struct ss_decrypt *decrypt, uint32_t id, const struct ss_pod *facts)
{
	struct ss_tenant *tenant = ss_tenants_of_uid(decrypt->tenants, facts->uid);

	if (tenant)
		ss_tenants_set_interface(decrypt->tenants, id, tenant);
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
	ss_probes_start(decrypt->probes);
	if (decrypt->views)
		ss_timer_every(decrypt->tick, TICK_NS);
	ss_timer_every(decrypt->second, 1000 * NSEC_PER_MSEC);
	say_found(decrypt);
}

void ss_decrypt_stop(struct ss_decrypt *decrypt)
{
	ss_timer_every(decrypt->tick, 0);
	ss_probes_stop(decrypt->probes);
	ss_tls_source_dispatch(decrypt->source);
	if (decrypt->views) {
		ss_views_flush(decrypt->views, UINT64_MAX);
		ss_views_end(decrypt->views);
	}
	ss_report_finish(decrypt->report);
}

uint64_t ss_decrypt_frames(const struct ss_decrypt *decrypt)
{
	return decrypt->views ? ss_views_written(decrypt->views) : 0;
}

uint64_t ss_decrypt_undecided(const struct ss_decrypt *decrypt)
{
	return decrypt->views ? ss_views_undecided(decrypt->views) : 0;
}

static void append_count(GString *text, uint64_t count, const char *words)
{
	if (count)
		g_string_append_printf(text, "; %" G_GUINT64_FORMAT " %s", (guint64)count, words);
}

char *ss_decrypt_summary(const struct ss_decrypt *decrypt)
{
	g_autofree char *connections = ss_report_summary(decrypt->report);
	g_autoptr(GString) text = g_string_new(NULL);
	struct ss_tls_counters lost = {0};

	ss_tls_source_count(decrypt->source, &lost);
	append_count(text, lost.ring_full, "records lost between probe and program");
	append_count(text, lost.lost_bytes, "bytes of plaintext lost");
	append_count(text, lost.unreadable, "times a program's memory was not readable");
	if (decrypt->views)
		append_count(text, ss_views_given_up(decrypt->views),
			     "frames of plaintext had no room until it was known whether they "
			     "match");
	if (decrypt->redact)
		append_count(text, ss_tls_redact_count(decrypt->redact), "bytes masked");
	if (!text->len)
		return g_steal_pointer(&connections);
	return g_strconcat(connections ? connections : "TLS", text->str, NULL);
}
