/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a function needs is a row of functions[]: a program at its entry, one at its return. Which
 * socket a thread uses can be seen in several ways; the best that the kernel grants is taken, and
 * plaintext without addresses is better than none.
 */
#include "tls_programs.h"

#include <errno.h>

#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "log.h"
#include "source/uprobe.h"
#include "tls.skel.h"

#define RING_SIZE_KEYS      (4u << 20) /* thousands of handshakes between two looks */
#define RING_SIZE_PLAINTEXT (32u << 20)
#define RING_SIZE_MIN       (64u << 10)
#define RING_SIZE_MAX       (1u << 30)
#define CALL_BUDGET_MAX     (256u << 20)

enum { KEYS = 1, PLAINTEXT = 2 };

static const struct {
	unsigned what; /* KEYS, PLAINTEXT: loaded for either */
	const char *enter, *leave;
} functions[SS_TLS_FUNCTIONS] = {
	[SS_TLS_EVP_KDF_DERIVE] = {KEYS, "evp_kdf_enter", "evp_kdf_leave"},
	[SS_TLS_EVP_PKEY_CTX_CTRL] = {KEYS, "evp_pkey_ctrl_enter", NULL},
	[SS_TLS_EVP_PKEY_DERIVE] = {KEYS, "evp_pkey_derive_enter", "evp_pkey_derive_leave"},
	[SS_TLS_NETTLE_HKDF_EXPAND] = {KEYS, "nettle_expand_enter", "nettle_expand_leave"},
	[SS_TLS_HKDF_EXPAND] = {KEYS, "hkdf_expand_enter", "hkdf_expand_leave"},
	[SS_TLS_RING_FILL_OKM] = {KEYS, "ring_expand_enter", "ring_expand_leave"},
	[SS_TLS_GO_KEYLOG] = {KEYS, "go_keylog_enter", NULL},
	[SS_TLS_BORING_LOG_SECRET] = {KEYS, "boring_secret_enter", NULL},
	[SS_TLS_SSL_READ] = {PLAINTEXT, "call_enter", "call_leave"},
	[SS_TLS_SSL_READ_EX] = {PLAINTEXT, "call_enter", "call_leave"},
	[SS_TLS_SSL_WRITE] = {PLAINTEXT, "call_enter", "call_leave"},
	[SS_TLS_SSL_WRITE_EX] = {PLAINTEXT, "call_enter", "call_leave"},
	[SS_TLS_SSL_READ_EARLY_DATA] = {PLAINTEXT, "call_enter", "call_leave"},
	[SS_TLS_SSL_WRITE_EARLY_DATA] = {PLAINTEXT, "call_enter", "call_leave"},
	[SS_TLS_SSL_HANDSHAKE] = {PLAINTEXT, "call_enter", "call_leave"},
	[SS_TLS_SSL_FREE] = {PLAINTEXT, "close_enter", NULL},
	[SS_TLS_SSL_SHUTDOWN] = {PLAINTEXT, "close_enter", NULL},
	[SS_TLS_BIO_WRITE] = {PLAINTEXT, "bio_write_enter", NULL},
	[SS_TLS_GNUTLS_SEND] = {PLAINTEXT, "call_enter", "call_leave"},
	[SS_TLS_GNUTLS_RECV] = {PLAINTEXT, "call_enter", "call_leave"},
	[SS_TLS_GNUTLS_DEINIT] = {PLAINTEXT, "close_enter", NULL},
	[SS_TLS_GO_READ] = {PLAINTEXT, "go_enter", NULL},
	[SS_TLS_GO_READ_RET] = {PLAINTEXT, "go_leave", NULL},
	[SS_TLS_GO_WRITE] = {PLAINTEXT, "go_enter", NULL},
	[SS_TLS_GO_WRITE_RET] = {PLAINTEXT, "go_leave", NULL},
	[SS_TLS_GO_CLOSE] = {PLAINTEXT, "go_close_enter", NULL},
};

/* Ways to see which socket a thread uses, best first. The last is to do without. */
static const struct {
	const char *name, *programs[2];
	const char *type; /* in the kernel's BTF, without which it cannot be */
} socket_ways[] = {
	{"tracepoints", {"socket_sent", "socket_received"}, "btf_trace_sock_send_length"},
	{"fentry", {"fentry_send", "fentry_receive"}, NULL},
	{"kprobes", {"kprobe_send", "kprobe_receive"}, NULL},
	{"nothing", {NULL, NULL}, NULL},
};

const char *ss_tls_programs_name(uint32_t function, bool at_return)
{
	return at_return ? functions[function].leave : functions[function].enter;
}

bool ss_tls_programs_want(const struct ss_tls_source_options *options, uint32_t function)
{
	unsigned what = (options->keys ? KEYS : 0u) | (options->plaintext ? PLAINTEXT : 0u);

	return function < SS_TLS_FUNCTIONS && functions[function].enter &&
	       functions[function].what & what &&
	       !(options->no_return_probes && functions[function].leave);
}

static bool is_used(const struct ss_tls_source_options *options, const char *program)
{
	for (uint32_t i = 0; i < SS_TLS_FUNCTIONS; i++)
		if (ss_tls_programs_want(options, i) && (!g_strcmp0(functions[i].enter, program) ||
							 !g_strcmp0(functions[i].leave, program)))
			return true;
	return false;
}

/* A probe can't wait for the reader, so one call of the largest kind has to fit. */
static uint32_t choose_ring_size(const struct ss_tls_source_options *options)
{
	uint32_t size = RING_SIZE_MIN, wanted = options->ring_size;
	uint32_t call = MIN(options->call_budget, CALL_BUDGET_MAX);

	if (!wanted)
		wanted = options->plaintext ? MAX(RING_SIZE_PLAINTEXT, call + call / 4)
					    : RING_SIZE_KEYS;
	while (size < wanted && size < RING_SIZE_MAX)
		size *= 2;
	return size;
}

static bool kernel_has_type(const char *name)
{
	struct btf *btf = btf__load_vmlinux_btf();
	bool found = btf && btf__find_by_name_kind(btf, name, BTF_KIND_TYPEDEF) >= 0;

	btf__free(btf);
	return found;
}

static bool is_uprobe(const struct bpf_program *program)
{
	return g_str_has_prefix(bpf_program__section_name(program), "u");
}

/* Is it for something else than functions of files, and wanted? */
static bool is_of_kernel(const struct bpf_program *program, size_t way)
{
	const char *name = bpf_program__name(program);

	return g_str_has_prefix(bpf_program__section_name(program), "raw_tp/") ||
	       !g_strcmp0(name, socket_ways[way].programs[0]) ||
	       !g_strcmp0(name, socket_ways[way].programs[1]);
}

/* Maps of what is not loaded are created all the same: tiny then. */
static void shrink_maps(struct tls *skeleton, const struct ss_tls_source_options *options)
{
	const struct {
		struct bpf_map *map;
		bool used;
	} maps[] = {
		{skeleton->maps.kdf_calls, options->keys},
		{skeleton->maps.expand_calls, options->keys},
		{skeleton->maps.pkeys, options->keys},
		{skeleton->maps.calls, options->plaintext},
		{skeleton->maps.inner_calls, options->plaintext},
		{skeleton->maps.connections, options->plaintext},
		{skeleton->maps.fingerprints, options->plaintext},
		{skeleton->maps.memory_users, options->plaintext},
		{skeleton->maps.go_calls, options->plaintext},
		{skeleton->maps.go_processes, options->plaintext},
	};

	for (size_t i = 0; i < G_N_ELEMENTS(maps); i++)
		if (!maps[i].used)
			bpf_map__set_max_entries(maps[i].map, 1);
}

static int load(const struct ss_tls_source_options *options, bool multi, size_t way,
		struct tls **ret_skeleton)
{
	struct tls *skeleton = tls__open();
	uint32_t ring_size = choose_ring_size(options);
	struct bpf_program *program;
	int r;

	if (!skeleton)
		return -errno;
	skeleton->rodata->ring_size = ring_size;
	skeleton->rodata->have_loop =
		libbpf_probe_bpf_helper(BPF_PROG_TYPE_KPROBE, BPF_FUNC_loop, NULL) == 1;
	if (options->call_budget)
		skeleton->rodata->call_budget =
			CLAMP(options->call_budget, SS_TLS_DATA_MAX, CALL_BUDGET_MAX);
	bpf_map__set_max_entries(skeleton->maps.ring, ring_size);
	shrink_maps(skeleton, options);
	bpf_object__for_each_program(program, skeleton->obj)
	{
		bool uprobe = is_uprobe(program);

		bpf_program__set_autoload(program,
					  uprobe ? is_used(options, bpf_program__name(program))
						 : is_of_kernel(program, way));
		if (uprobe)
			ss_uprobe_prepare(program, multi);
	}
	r = tls__load(skeleton);
	if (r < 0) {
		tls__destroy(skeleton);
		return r;
	}
	*ret_skeleton = skeleton;
	return 0;
}

static int attach_to_kernel(struct tls *skeleton, size_t way, GPtrArray *links)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, skeleton->obj)
	{
		struct bpf_link *link;

		if (!is_of_kernel(program, way))
			continue;
		link = bpf_program__attach(program);
		if (!link)
			return -errno;
		g_ptr_array_add(links, link);
	}
	return 0;
}

static int load_error(int r, struct ss_error *error)
{
	if (r == -EPERM)
		return ss_fail(error, r,
			       "looking into TLS needs the capabilities cap_bpf and cap_perfmon; "
			       "give them to the program once with: sudo setcap "
			       "cap_bpf,cap_net_admin,cap_perfmon,cap_sys_ptrace+ep "
			       "\"$(command -v " PROGRAM_NAME ")\"");
	if (r == -ENOMEM || r == -E2BIG)
		return ss_fail(error, r, "the kernel has no memory for the ring of TLS records");
	return ss_fail(
		error, r,
		"cannot load the TLS programs into the kernel: %s (needs Linux 5.15 or newer "
		"with BTF; details with --verbose)",
		g_strerror(-r));
}

int ss_tls_programs_load(const struct ss_tls_source_options *options, bool multi,
			 struct tls **ret_skeleton, GPtrArray *links, struct ss_error *error)
{
	struct tls *skeleton = NULL;
	int r = 0;

	for (size_t way = 0; way < G_N_ELEMENTS(socket_ways); way++) {
		if (!options->plaintext && socket_ways[way].programs[0])
			continue;
		if (socket_ways[way].type && !kernel_has_type(socket_ways[way].type))
			continue;
		r = load(options, multi, way, &skeleton);
		if (r < 0)
			continue;
		r = attach_to_kernel(skeleton, way, links);
		if (r == 0) {
			ss_log(SS_LOG_DEBUG, "sockets of TLS are seen by %s",
			       socket_ways[way].name);
			*ret_skeleton = skeleton;
			return 0;
		}
		g_ptr_array_set_size(links, 0);
		tls__destroy(skeleton);
	}
	return load_error(r, error); /* the last way's, which needs least */
}
