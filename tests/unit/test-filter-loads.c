/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every filter that is accepted loads, as a part of the real programs and with no more than
 * CAP_BPF and CAP_NET_ADMIN: filters at random, each in one kind of program. What is too big for
 * the verifier is made coarser, as the sieve does it. And as root, where the programs do more
 * (CAP_PERFMON) and leave less of the stack.
 */
#include <errno.h>
#include <sys/capability.h>

#include "filter-random.h"
#include "filter/filter.h"
#include "filter/linear.h"
#include "format/pcapng.h"
#include "privilege.h"
#include "seed.h"
#include "source/bpf.h"

#define SEED     20261126 /* one of these is too big */
#define FILTERS  120
#define FAMILIES 6
/* Bigger ones are called, as by the sieve. */
#define RISKY_INSNS 1500

/* False: the two are not there. */
static bool limit_capabilities(void)
{
	const cap_value_t values[] = {CAP_BPF, CAP_NET_ADMIN};
	cap_t limited = cap_init();
	bool done;

	cap_set_flag(limited, CAP_PERMITTED, G_N_ELEMENTS(values), values, CAP_SET);
	cap_set_flag(limited, CAP_EFFECTIVE, G_N_ELEMENTS(values), values, CAP_SET);
	done = cap_set_proc(limited) == 0;
	cap_free(limited);
	return done;
}

/* What is spliced. */
struct work {
	struct ss_filter *filter;
	const struct ss_bpf_source *source;
	bool only_calls;
	enum ss_filter_access access;
};

static int splice(enum ss_program program, const struct bpf_insn *insns, size_t count,
		  struct bpf_insn **ret_insns, size_t *ret_count, void *user_data,
		  struct ss_error *error)
{
	const struct work *work = user_data;
	bool ethernet = program == SS_PROGRAM_TC_ETHERNET;
	const struct ss_emit_options options = {
		.link_type = ethernet ? SS_LINKTYPE_ETHERNET : SS_LINKTYPE_RAW,
		.access = ethernet ? work->access : SS_FILTER_LOAD_BYTES,
		.slots_fd = ss_bpf_source_slots_fd(work->source),
		.snap_len = SS_SNAPLEN_MAX,
		.owners = ss_filter_asks_owner(work->filter),
		.told_fd = ss_bpf_source_told_fd(work->source),
		.only_calls = work->only_calls,
	};
	g_autofree struct bpf_insn *body = NULL;
	size_t body_count;
	int r = ss_filter_emit(work->filter, &options, &body, &body_count, error);

	return r < 0 ? r
		     : ss_filter_splice(insns, count, body, body_count, body_count > RISKY_INSNS,
					ret_insns, ret_count, error);
}

static void load(const char *text, enum ss_program program, bool whole, bool only_calls,
		 enum ss_filter_access access, gint64 *longest_us)
{
	gint64 start_us = g_get_monotonic_time();
	const struct ss_slot slot = {.flags = program == SS_PROGRAM_TC_ETHERNET ? 0 : SS_SLOT_L3};
	struct ss_bpf_source *source = NULL;
	struct ss_error error = {0};
	struct work work = {.only_calls = only_calls || !ss_linear_is_allowed(), .access = access};
	uint32_t number;
	int fd, r;

	if (ss_filter_new(text, &work.filter, &error) < 0)
		g_error("'%s': %s", text, error.message);
	ss_filter_leave_owners(work.filter); /* as without CAP_PERFMON */
	if (whole)
		ss_filter_complete(work.filter, true);

	const struct ss_bpf_source_options options = {
		.snap_len = SS_SNAPLEN_MAX,
		.ring_size = SS_RING_SIZE_MIN,
		.metadata = true,
		.owners = true,
		.filter_owners = ss_filter_asks_owner(work.filter),
		.splice = splice,
		.user_data = &work,
	};

	if (ss_bpf_source_new(&options, &source, &error) < 0)
		g_error("%s", error.message);
	work.source = source;
	if (ss_filter_track(work.filter, &error) < 0)
		g_error("%s", error.message);
	while ((r = ss_bpf_source_try(source, program)) == -E2BIG || r == -ENOMEM) {
		g_test_message("too big%s: %s", work.only_calls ? "" : " where it is near", text);
		if (work.only_calls)
			g_assert_true(ss_filter_coarsen(work.filter));
		work.only_calls = true;
	}
	if (ss_bpf_source_slot_new(source, program, &slot, &number, &fd, &error) < 0)
		g_error("program %u, '%s': %s", program, text, error.message);
	ss_bpf_source_free(source);
	ss_filter_free(work.filter);
	*longest_us = MAX(*longest_us, g_get_monotonic_time() - start_us);
}

static bool may_load(void)
{
	if (limit_capabilities())
		return true;
	if (g_getenv("CI"))
		g_error("CI must run this as root");
	g_test_skip("needs CAP_BPF and CAP_NET_ADMIN");
	return false;
}

/* What costs the verifier most of each kind, in all programs. */
static void load_chosen(void)
{
	static const char *const filters[] = {
		"port 80 or tcp[tcpflags] & tcp-rst != 0 or ip[52:4] = 0x47455420",
		"host 2001:db8::1 or icmp[icmptype] = 8 or udp[8:4] = ip[16:4]",
		"stratoshark.comm == \"curl\"",
		"stratoshark.comm in {\"a\", \"b\"} || stratoshark.pid in {1..5} && tcp.port == 80 ||"
		" !(stratoshark.comm contains \"x\")",
		"tls.handshake.extensions_server_name contains \"api\" ||"
		" http.request.uri contains \"/api\" || dns.qry.name contains \"api\"",
		"dns.qry.name == \"api.example.test\" && dns.qry.type == 28",
		"dns.count.answers > 2 || dns.flags.rcode == 2",
		"dns.flags.rcode != 0 && ip.src == 10.0.0.1 && dns.qry.type == 28 &&"
		" dns.qry.name == \"api.example.test\"",
	};
	gint64 longest_us = 0;

	for (size_t i = 0; i < G_N_ELEMENTS(filters); i++)
		for (enum ss_program program = 0; program < SS_PROGRAMS * 2; program++)
			load(filters[i], program / 2, i % 2, program % 2, SS_FILTER_LOAD_BYTES,
			     &longest_us);
	g_test_message("the slowest took %.1f s", (double)longest_us / 1e6);
}

static void test_with_all_capabilities(void)
{
	ss_privilege_raise();
	if (ss_privilege_has(CAP_PERFMON))
		load_chosen();
	else
		g_test_skip("needs CAP_PERFMON");
}

static void test_chosen(void)
{
	if (may_load())
		load_chosen();
}

/* Each is sixteen copies of a loop, for IPv4 and IPv6, and is there with and without a tag. */
static void test_many_loops(void)
{
	static const char text[] =
		"protochain 17 or protochain 58 or protochain 6 or protochain 51 or protochain 50 "
		"or protochain 1";
	gint64 longest_us = 0;

	if (!may_load())
		return;
	load(text, SS_PROGRAM_TC_ETHERNET, false, true, SS_FILTER_LD_ABS, &longest_us);
	load(text, SS_PROGRAM_CGROUP_EGRESS, false, true, SS_FILTER_LD_ABS, &longest_us);
	g_test_message("the slowest took %.1f s", (double)longest_us / 1e6);
}

static void test_random(void)
{
	g_autoptr(GRand) rand = seeded_rand(SEED);
	gint64 longest_us = 0;

	if (!may_load())
		return;
	for (guint i = 0; i < FILTERS; i++) {
		g_autoptr(GString) text = g_string_new(NULL);

		random_filter(text, rand, FAMILIES, (int)(i % 5));
		/* A display filter, even if it is no more than "vlan". */
		g_string_append(text, " or frame.len == 0");
		g_test_message("%u: %s", i, text->str);
		load(text->str, i % SS_PROGRAMS, i % 3, i % 5 == 4, SS_FILTER_LOAD_BYTES,
		     &longest_us);
	}
	g_test_message("the slowest took %.1f s", (double)longest_us / 1e6);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/filter-loads/with-all-capabilities", test_with_all_capabilities);
	g_test_add_func("/filter-loads/chosen", test_chosen);
	g_test_add_func("/filter-loads/many-loops", test_many_loops);
	g_test_add_func("/filter-loads/random", test_random);
	return g_test_run();
}
