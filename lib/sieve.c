/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The filters of a capture, chained, for each kind of program. */
#include "sieve.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>

#include "failures.h"
#include "filter/chain.h"
#include "filter/emit.h"
#include "filter/identity.h"
#include "filter/linear.h"
#include "filter/object.h"
#include "filter/redirect.h"
#include "format/pcapng.h"
#include "log.h"
#include "privilege.h"
#include "source/libbpf.h"

struct ss_sieve {
	const struct ss_options *options;
	struct ss_filter *filter;
	struct ss_filter *dns_filter;    /* what --dns-failure-only looks at, or everything */
	struct ss_filter_object *object; /* --bpf-program, or NULL */
	bool reads_kernel;               /* CAP_PERFMON is there */
	bool only_calls;                 /* see struct ss_emit_options */
	int slots_fd, told_fd;
};

#define BODIES_MAX 3
/* Smaller filters are known to load everywhere; to try costs as much time as to load. */
#define RISKY_INSNS 1500

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

/* Nothing leads to a body's beginning. */
static void prepend(struct bpf_insn **insns, size_t *count, struct bpf_insn first)
{
	*insns = g_renew(struct bpf_insn, *insns, *count + 1);
	memmove(&(*insns)[1], *insns, *count * sizeof(**insns));
	(*insns)[0] = first;
	(*count)++;
}

/* Programs leave the process of a frame in R2, for the first body alone. */
static int add_filter(struct bodies *bodies, const struct ss_sieve *sieve,
		      const struct ss_filter *filter, enum ss_program program, bool called,
		      struct ss_error *error)
{
	bool ethernet = program == SS_PROGRAM_TC_ETHERNET;
	bool tc = ethernet || program == SS_PROGRAM_TC_RAW;
	const struct ss_emit_options options = {
		.link_type = ethernet ? SS_LINKTYPE_ETHERNET : SS_LINKTYPE_RAW,
		.access = tc && called ? SS_FILTER_LD_ABS : SS_FILTER_LOAD_BYTES,
		.slots_fd = sieve->slots_fd,
		.snap_len = sieve->options->snap_len,
		.owners = bodies->count == 0 && ss_sieve_asks_owner(sieve),
		.told_fd = sieve->told_fd,
		.only_calls = sieve->only_calls,
	};
	struct ss_filter_body *body = &bodies->list[bodies->count];
	int r;

	if (ss_filter_is_empty(filter))
		return 0;
	r = ss_filter_emit(filter, &options, &body->insns, &body->count, error);
	if (r < 0)
		return r;
	bodies->count++;
	if (filter == sieve->filter && ss_sieve_leaves_redirects(sieve)) {
		g_autofree struct bpf_insn *strict = body->insns;

		/* What is put in front takes no care of R2. */
		if (options.owners)
			prepend(&strict, &body->count,
				SS_LDX(BPF_DW, BPF_REG_2, BPF_REG_10, SS_STACK_OWNER));
		body->insns = ss_redirect_accept(&options, strict, body->count, &body->count);
		if (options.owners)
			prepend(&body->insns, &body->count,
				SS_STX(BPF_DW, BPF_REG_10, BPF_REG_2, SS_STACK_OWNER));
	}
	return 0;
}

static void add_object(struct bodies *bodies, const struct ss_filter_object *object)
{
	struct ss_filter_body *body = &bodies->list[bodies->count++];

	ss_filter_object_body(object, &body->insns, &body->count);
}

static int splice_bodies(const struct bodies *bodies, bool called, const struct bpf_insn *insns,
			 size_t count, struct bpf_insn **ret_insns, size_t *ret_count,
			 struct ss_error *error)
{
	g_autofree struct bpf_insn *chain = NULL;
	size_t chain_count;
	int r;

	if (!bodies->count)
		return ss_filter_splice(insns, count, NULL, 0, called, ret_insns, ret_count, error);
	r = ss_filter_chain(bodies->list, bodies->count, &chain, &chain_count, error);
	if (r < 0)
		return r;
	return ss_filter_splice(insns, count, chain, chain_count, called, ret_insns, ret_count,
				error);
}

/* Without CAP_PERFMON the verifier follows speculative paths as well, up to its limit. */
static bool is_risky(const struct ss_sieve *sieve)
{
	const struct ss_emit_options options = {
		.link_type = SS_LINKTYPE_ETHERNET,
		.access = SS_FILTER_LD_ABS,
		.slots_fd = -1,
		.snap_len = sieve->options->snap_len,
	};
	g_autofree struct bpf_insn *body = NULL;
	size_t count = 0;

	return !sieve->reads_kernel && !sieve->object &&
	       ss_filter_emit(sieve->filter, &options, &body, &count, NULL) == 0 &&
	       count > RISKY_INSNS;
}

/* Is the filter a function? In the place of its call it is faster; for the verifier of Linux 6.1 a
 * big one is sometimes more there. Where most of its loads are calls, one more matters less. */
static bool is_called(const struct ss_sieve *sieve)
{
	return sieve->only_calls || is_risky(sieve) || (sieve->object && !sieve->reads_kernel);
}

int ss_sieve_splice(enum ss_program program, const struct bpf_insn *insns, size_t count,
		    struct bpf_insn **ret_insns, size_t *ret_count, void *user_data,
		    struct ss_error *error)
{
	const struct ss_sieve *sieve = user_data;
	bool called = is_called(sieve);
	struct bodies bodies = {0};
	int r;

	r = add_filter(&bodies, sieve, sieve->filter, program, called, error);
	if (r == 0)
		r = add_filter(&bodies, sieve, sieve->dns_filter, program, called, error);
	if (r == 0 && sieve->object)
		add_object(&bodies, sieve->object);
	if (r == 0)
		r = splice_bodies(&bodies, called, insns, count, ret_insns, ret_count, error);
	bodies_deinit(&bodies);
	return r;
}

/* With its keys Wireshark finds HTTP inside TLS, where the kernel can't look. */
static bool tracks_messages(const struct ss_sieve *sieve)
{
	return ss_filter_has_messages(sieve->filter) && !sieve->options->ssl_keylog;
}

/* Is it about HTTP, in any version? */
static bool looks_into_tls(const struct ss_sieve *sieve)
{
	const char *text = ss_filter_display_text(sieve->filter);

	return text && (strstr(text, "http") || strstr(text, "grpc"));
}

static void say_coarse(const char *rest)
{
	ss_log(SS_LOG_NOTE, "the filter is too big for the kernel, which gets a coarser one; %s",
	       rest);
}

static bool may_read_kernel(void)
{
	return ss_privilege_has(CAP_PERFMON) || ss_privilege_has(CAP_SYS_ADMIN);
}

int ss_sieve_new(const struct ss_options *options, struct ss_sieve **ret_sieve,
		 struct ss_error *error)
{
	struct ss_sieve *sieve = g_new0(struct ss_sieve, 1);
	int r;

	sieve->options = options;
	sieve->slots_fd = -1;
	sieve->told_fd = -1;
	r = ss_filter_new(options->filter, &sieve->filter, error);
	/* Without CAP_PERFMON programs that find the owner first are too much for the verifier of
	 * Linux 6.1. */
	if (r == 0 && !may_read_kernel())
		ss_filter_leave_owners(sieve->filter);
	if (r == 0)
		r = ss_filter_check(sieve->filter, error);
	if (r == 0)
		r = ss_filter_new(options->dns_failure_only ? SS_FAILURES_FILTER : NULL,
				  &sieve->dns_filter, error);
	/* Nobody here finds both halves of HTTP inside TLS. */
	if (r == 0 && !options->no_context)
		ss_filter_complete(sieve->filter, !options->ssl_keylog);
	if (r == 0 && options->bpf_program) {
		ss_libbpf_init();
		r = ss_filter_object_open(options->bpf_program, &sieve->object, error);
	}
	if (r < 0) {
		ss_sieve_free(sieve);
		return r;
	}
	if (ss_filter_is_coarse(sieve->filter))
		say_coarse("tshark decides the rest (see --explain-filter)");
	if (ss_filter_wants_both_halves(sieve->filter))
		ss_log(SS_LOG_WARNING, "%s", SS_BOTH_HALVES);
	if (options->ssl_keylog && !options->no_packets && looks_into_tls(sieve))
		ss_log(SS_LOG_WARNING,
		       "the filter keeps single packets of TLS connections, which nobody can "
		       "decrypt without the others: to filter by what TLS carries, use "
		       "--ssl-plaintext in place of --ssl-keylog");
	*ret_sieve = sieve;
	return 0;
}

void ss_sieve_free(struct ss_sieve *sieve)
{
	if (!sieve)
		return;
	ss_filter_free(sieve->filter);
	ss_filter_free(sieve->dns_filter);
	ss_filter_object_free(sieve->object);
	g_free(sieve);
}

/* Makes the filter coarser until the kernel takes it, in the programs that pods get. */
static void fit(struct ss_sieve *sieve, struct ss_bpf_source *source)
{
	static const enum ss_program programs[] = {SS_PROGRAM_TC_ETHERNET,
						   SS_PROGRAM_CGROUP_EGRESS};
	bool coarse = false;

	for (size_t i = 0; i < G_N_ELEMENTS(programs) && is_risky(sieve);) {
		int r = ss_bpf_source_try(source, programs[i]);

		if (r != -E2BIG && r != -ENOMEM)
			i++;
		else if (!sieve->only_calls)
			sieve->only_calls = true; /* shorter, and says the same */
		else if (ss_filter_coarsen(sieve->filter))
			coarse = true;
		else
			break;
	}
	if (coarse)
		say_coarse("tshark decides the rest");
}

int ss_sieve_load(struct ss_sieve *sieve, struct ss_bpf_source *source, struct ss_error *error)
{
	int r = 0;

	sieve->slots_fd = ss_bpf_source_slots_fd(source);
	sieve->reads_kernel = may_read_kernel();
	sieve->only_calls = !sieve->reads_kernel && !ss_linear_is_allowed();
	if (sieve->reads_kernel) /* else no names are told (source/owner.c) */
		sieve->told_fd = ss_bpf_source_told_fd(source);
	if (sieve->object)
		r = ss_filter_object_load(sieve->object, error);
	if (r == 0 && tracks_messages(sieve))
		r = ss_filter_track(sieve->filter, error);
	if (r == 0)
		fit(sieve, source);
	return r;
}

bool ss_sieve_asks_owner(const struct ss_sieve *sieve)
{
	return ss_options_want_owners(sieve->options) && ss_filter_asks_owner(sieve->filter);
}

const struct ss_filter *ss_sieve_filter(const struct ss_sieve *sieve)
{
	return sieve->filter;
}

bool ss_sieve_is_ethernet_only(const struct ss_sieve *sieve)
{
	const struct ss_emit_options options = {
		.link_type = SS_LINKTYPE_RAW,
		.access = SS_FILTER_LOAD_BYTES,
		.slots_fd = -1,
	};
	g_autofree struct bpf_insn *body = NULL;
	size_t count;

	return ss_filter_emit(sieve->filter, &options, &body, &count, NULL) == -EOPNOTSUPP;
}

uint32_t ss_sieve_verdicts(const struct ss_sieve *sieve, const struct ss_interface *interface,
			   enum ss_direction direction)
{
	const struct ss_options *options = sieve->options;
	const struct ss_identity identity = {
		.name = interface->name,
		.description = interface->description,
		.direction = direction,
		.present = ss_sieve_needs_metadata(sieve) && !options->no_packets,
	};
	g_autofree char *device = ss_interface_value(interface, SS_INTERFACE_KEY_DEVICE);
	bool open = ss_sieve_leaves_redirects(sieve) && g_strcmp0(device, "lo") == 0;

	return ss_filter_verdicts(sieve->filter, &identity) | (open ? SS_SLOT_REDIRECTED : 0);
}

bool ss_sieve_adds_requests(const struct ss_sieve *sieve)
{
	return ss_filter_adds_requests(sieve->filter) && !sieve->options->no_packets;
}

bool ss_sieve_adds_dns(const struct ss_sieve *sieve)
{
	return ss_sieve_adds_context(sieve) && ss_filter_is_paired(sieve->filter, SS_PROTOCOL_DNS);
}

bool ss_sieve_adds_partners(const struct ss_sieve *sieve)
{
	return ss_sieve_adds_context(sieve) && ss_filter_is_paired(sieve->filter, SS_PROTOCOL_HTTP);
}

bool ss_sieve_marks_context(const struct ss_sieve *sieve)
{
	return ss_sieve_adds_context(sieve) && !ss_sieve_adds_dns(sieve) &&
	       !ss_sieve_adds_partners(sieve);
}

bool ss_sieve_adds_context(const struct ss_sieve *sieve)
{
	return ss_filter_is_whole(sieve->filter) && !sieve->options->no_packets;
}

bool ss_sieve_needs_metadata(const struct ss_sieve *sieve)
{
	return ss_options_name_pods(sieve->options) || ss_sieve_adds_context(sieve);
}

bool ss_sieve_leaves_redirects(const struct ss_sieve *sieve)
{
	const struct ss_options *options = sieve->options;

	/* Messages are followed by the addresses that frames have: of an exchange either half may
	 * be missed. */
	return options->mesh != SS_MESH_OFF && ss_options_name_pods(options) &&
	       !options->no_packets &&
	       (ss_filter_has_headers(sieve->filter) || ss_sieve_adds_context(sieve));
}

bool ss_sieve_judges_redirects(const struct ss_sieve *sieve)
{
	return ss_sieve_marks_context(sieve) && ss_sieve_leaves_redirects(sieve);
}

const char *ss_sieve_display_filter(const struct ss_sieve *sieve)
{
	const struct ss_options *options = sieve->options;
	bool only_shown = options->live && !options->output && !options->count;

	return only_shown && !ss_sieve_adds_dns(sieve) && !ss_sieve_adds_partners(sieve) &&
			       !ss_sieve_judges_redirects(sieve) &&
			       ss_filter_rest(sieve->filter) != SS_REST_NOTHING
		       ? ss_filter_wanted_text(sieve->filter)
		       : NULL;
}

bool ss_sieve_needs_judge(const struct ss_sieve *sieve)
{
	return ss_filter_rest(sieve->filter) != SS_REST_NOTHING && !sieve->options->no_packets &&
	       !ss_sieve_display_filter(sieve);
}
