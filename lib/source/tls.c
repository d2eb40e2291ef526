/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loads the TLS programs that the options ask for, attaches them to functions of files, and reads
 * their ring. Owns the skeleton (programs, maps) and every attachment.
 *
 * What a function needs is a row of functions[]: a program at its entry, one at its return. All
 * functions with the same program share a link per file; the program knows from its cookie where
 * it is.
 */
#include "tls.h"

#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <glib.h>

#include "log.h"
#include "source/libbpf.h"
#include "source/uprobe.h"
#include "tls.skel.h"

#define RING_SIZE_KEYS      (4u << 20) /* thousands of handshakes between two looks */
#define RING_SIZE_PLAINTEXT (32u << 20)
#define RING_SIZE_MIN       (64u << 10)
#define RING_SIZE_MAX       (1u << 30)
#define CALL_BUDGET_MAX     (256u << 20)
#define RECORDS_AT_ONCE     65536 /* then the caller's loop gets its turn */

enum { KEYS = 1, PLAINTEXT = 2 };

static const struct {
	unsigned what; /* KEYS, PLAINTEXT: loaded for either */
	const char *enter, *leave;
} functions[SS_TLS_FUNCTIONS] = {
	[SS_TLS_EVP_KDF_DERIVE] = {KEYS, "evp_kdf_enter", "evp_kdf_leave"},
	[SS_TLS_EVP_PKEY_CTX_CTRL] = {KEYS, "evp_pkey_ctrl_enter", NULL},
	[SS_TLS_EVP_PKEY_DERIVE] = {KEYS, "evp_pkey_derive_enter", "evp_pkey_derive_leave"},
	[SS_TLS_NETTLE_HKDF_EXPAND] = {KEYS, "nettle_expand_enter", "nettle_expand_leave"},
	[SS_TLS_GO_KEYLOG] = {KEYS, "go_keylog_enter", NULL},
	[SS_TLS_BORING_LOG_SECRET] = {KEYS, "boring_secret_enter", NULL},
	[SS_TLS_SSL_READ] = {PLAINTEXT, "call_enter", "call_leave"},
	[SS_TLS_SSL_READ_EX] = {PLAINTEXT, "call_enter", "call_leave"},
	[SS_TLS_SSL_WRITE] = {PLAINTEXT, "call_enter", "call_leave"},
	[SS_TLS_SSL_WRITE_EX] = {PLAINTEXT, "call_enter", "call_leave"},
	[SS_TLS_SSL_WRITE_EX2] = {PLAINTEXT, "call_enter", "call_leave"},
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

struct ss_tls_source {
	struct tls *skeleton;
	struct ss_tls_source_options options;
	GPtrArray *attachments; /* struct ss_tls_attachment */
	bool multi;             /* how uprobes are attached */
	GPtrArray *links;       /* struct bpf_link: programs that are not on files */
	struct ring_buffer *ring;
	unsigned taken; /* records, in this dispatch */
	struct ss_tls_counters *per_cpu;
	int cpus;
};

struct ss_tls_attachment {
	GArray *fds; /* int: what holds its probes */
};

/* Is this function of use with these options? */
static bool is_wanted(const struct ss_tls_source_options *options, uint32_t function)
{
	unsigned what = (options->keys ? KEYS : 0u) | (options->plaintext ? PLAINTEXT : 0u);

	return function < SS_TLS_FUNCTIONS && functions[function].enter &&
	       functions[function].what & what &&
	       !(options->no_return_probes && functions[function].leave);
}

static bool is_used(const struct ss_tls_source_options *options, const char *program)
{
	for (uint32_t i = 0; i < SS_TLS_FUNCTIONS; i++)
		if (is_wanted(options, i) && (!g_strcmp0(functions[i].enter, program) ||
					      !g_strcmp0(functions[i].leave, program)))
			return true;
	return false;
}

static uint32_t choose_ring_size(const struct ss_tls_source_options *options)
{
	uint32_t size = RING_SIZE_MIN, wanted = options->ring_size;

	if (!wanted)
		wanted = options->plaintext ? RING_SIZE_PLAINTEXT : RING_SIZE_KEYS;
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
		{skeleton->maps.nettle_calls, options->keys},
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

static int load(struct ss_tls_source *source, size_t way)
{
	const struct ss_tls_source_options *options = &source->options;
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
			ss_uprobe_prepare(program, source->multi);
	}
	r = tls__load(skeleton);
	if (r < 0) {
		tls__destroy(skeleton);
		return r;
	}
	source->skeleton = skeleton;
	return 0;
}

static int attach_to_kernel(struct ss_tls_source *source, size_t way)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, source->skeleton->obj)
	{
		struct bpf_link *link;

		if (!is_of_kernel(program, way))
			continue;
		link = bpf_program__attach(program);
		if (!link)
			return -errno;
		g_ptr_array_add(source->links, link);
	}
	return 0;
}

static void unload(struct ss_tls_source *source)
{
	g_ptr_array_set_size(source->links, 0);
	tls__destroy(source->skeleton);
	source->skeleton = NULL;
}

/* With the best way to see sockets that this kernel has; the error is the last way's. */
static int load_best(struct ss_tls_source *source)
{
	int r = 0;

	for (size_t way = 0; way < G_N_ELEMENTS(socket_ways); way++) {
		if (!source->options.plaintext && socket_ways[way].programs[0])
			continue;
		if (socket_ways[way].type && !kernel_has_type(socket_ways[way].type))
			continue;
		r = load(source, way);
		if (r == 0)
			r = attach_to_kernel(source, way);
		if (r == 0) {
			ss_log(SS_LOG_DEBUG, "sockets of TLS are seen by %s",
			       socket_ways[way].name);
			return 0;
		}
		unload(source);
	}
	return r;
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

static int take_record(void *context, void *data, size_t size)
{
	struct ss_tls_source *source = context;
	const struct ss_tls_record *record = data;

	if (size >= sizeof(*record) && record->size >= sizeof(*record) && record->size <= size)
		source->options.record(record, source->options.user_data);
	return ++source->taken < RECORDS_AT_ONCE ? 0 : -EAGAIN;
}

static void destroy_link(gpointer link)
{
	bpf_link__destroy(link);
}

static void free_attachment(gpointer data)
{
	struct ss_tls_attachment *attachment = data;

	g_array_free(attachment->fds, TRUE);
	g_free(attachment);
}

int ss_tls_source_new(const struct ss_tls_source_options *options,
		      struct ss_tls_source **ret_source, struct ss_error *error)
{
	struct ss_tls_source *source = g_new0(struct ss_tls_source, 1);
	int r;

	ss_libbpf_init();
	source->options = *options;
	source->attachments = g_ptr_array_new_with_free_func(free_attachment);
	source->links = g_ptr_array_new_with_free_func(destroy_link);
	source->cpus = MAX(libbpf_num_possible_cpus(), 1);
	source->per_cpu = g_new0(struct ss_tls_counters, (gsize)source->cpus);
	source->multi = !options->perf_events && ss_uprobe_multi_works();
	r = load_best(source);
	if (r < 0) {
		r = load_error(r, error);
	} else {
		source->ring = ring_buffer__new(bpf_map__fd(source->skeleton->maps.ring),
						take_record, source, NULL);
		if (!source->ring)
			r = ss_fail(error, -errno, "cannot map the ring of TLS records: %s",
				    g_strerror(errno));
	}
	if (r < 0) {
		ss_tls_source_free(source);
		return r;
	}
	*ret_source = source;
	return 0;
}

static void detach_all(struct ss_tls_source *source)
{
	g_autoptr(GArray) fds = g_array_new(FALSE, FALSE, sizeof(int));

	for (guint i = 0; i < source->attachments->len; i++) {
		struct ss_tls_attachment *attachment = source->attachments->pdata[i];

		g_array_append_vals(fds, attachment->fds->data, attachment->fds->len);
	}
	ss_uprobe_release((const int *)(void *)fds->data, fds->len);
}

void ss_tls_source_free(struct ss_tls_source *source)
{
	if (!source)
		return;
	detach_all(source);
	ring_buffer__free(source->ring);
	unload(source);
	g_ptr_array_free(source->links, TRUE);
	g_ptr_array_free(source->attachments, TRUE);
	g_free(source->per_cpu);
	g_free(source);
}

int ss_tls_source_add_cgroup(struct ss_tls_source *source, uint64_t cgroup_id,
			     struct ss_error *error)
{
	uint8_t value = 1;

	if (bpf_map_update_elem(bpf_map__fd(source->skeleton->maps.pods), &cgroup_id, &value,
				BPF_ANY) < 0)
		return ss_fail(error, -errno, "cannot select a pod for TLS: %s", g_strerror(errno));
	return 0;
}

void ss_tls_source_remove_cgroup(struct ss_tls_source *source, uint64_t cgroup_id)
{
	bpf_map_delete_elem(bpf_map__fd(source->skeleton->maps.pods), &cgroup_id);
}

/* All points whose entry (or return) is the program's, in one link. */
static int attach_program(struct ss_tls_source *source, struct ss_tls_attachment *attachment,
			  const char *name, bool at_return, const char *path, uint32_t library,
			  const struct ss_tls_point *points, size_t count, struct ss_error *error)
{
	g_autoptr(GArray) places = g_array_new(FALSE, FALSE, sizeof(struct ss_uprobe_place));

	for (size_t i = 0; i < count; i++) {
		uint32_t function = points[i].function;
		struct ss_uprobe_place place = {
			.offset = points[i].offset,
			.cookie = SS_TLS_COOKIE(library, function, points[i].flags),
		};

		if (!is_wanted(&source->options, function) ||
		    g_strcmp0(at_return ? functions[function].leave : functions[function].enter,
			      name))
			continue;
		g_array_append_val(places, place);
	}
	if (!places->len)
		return 0;
	return ss_uprobe_attach(bpf_object__find_program_by_name(source->skeleton->obj, name),
				source->multi, at_return, path,
				(const struct ss_uprobe_place *)(void *)places->data, places->len,
				attachment->fds, error);
}

/* Returns first: a call whose entry was seen then has its return seen. */
static int attach_all(struct ss_tls_source *source, struct ss_tls_attachment *attachment,
		      const char *path, uint32_t library, const struct ss_tls_point *points,
		      size_t count, struct ss_error *error)
{
	for (int at_return = 1; at_return >= 0; at_return--) {
		struct bpf_program *program;

		bpf_object__for_each_program(program, source->skeleton->obj)
		{
			int r = attach_program(source, attachment, bpf_program__name(program),
					       at_return, path, library, points, count, error);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

int ss_tls_source_attach(struct ss_tls_source *source, const char *path, uint32_t library,
			 const struct ss_tls_point *points, size_t count,
			 struct ss_tls_attachment **ret_attachment, struct ss_error *error)
{
	struct ss_tls_attachment *attachment = g_new0(struct ss_tls_attachment, 1);
	int r;

	attachment->fds = g_array_new(FALSE, FALSE, sizeof(int));
	g_ptr_array_add(source->attachments, attachment);
	r = attach_all(source, attachment, path, library, points, count, error);
	if (r < 0 || !attachment->fds->len) {
		ss_tls_source_detach(source, attachment);
		attachment = NULL;
	}
	if (r < 0)
		return r;
	*ret_attachment = attachment;
	return 0;
}

void ss_tls_source_detach(struct ss_tls_source *source, struct ss_tls_attachment *attachment)
{
	if (!attachment)
		return;
	ss_uprobe_release((const int *)(void *)attachment->fds->data, attachment->fds->len);
	g_ptr_array_remove_fast(source->attachments, attachment);
}

int ss_tls_source_fd(const struct ss_tls_source *source)
{
	return ring_buffer__epoll_fd(source->ring);
}

void ss_tls_source_dispatch(struct ss_tls_source *source)
{
	source->taken = 0;
	ring_buffer__consume(source->ring);
}

void ss_tls_source_count(struct ss_tls_source *source, struct ss_tls_counters *ret_counters)
{
	struct ss_tls_counters sum = {0};
	uint32_t zero = 0;

	if (bpf_map_lookup_elem(bpf_map__fd(source->skeleton->maps.counters), &zero,
				source->per_cpu) == 0)
		for (int cpu = 0; cpu < source->cpus; cpu++) {
			sum.records += source->per_cpu[cpu].records;
			sum.ring_full += source->per_cpu[cpu].ring_full;
			sum.lost_bytes += source->per_cpu[cpu].lost_bytes;
			sum.unreadable += source->per_cpu[cpu].unreadable;
		}
	*ret_counters = sum;
}
