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
#define RECORDS_AT_ONCE     65536 /* then the caller's loop gets its turn */

enum { KEYS = 1, PLAINTEXT = 2 };

static const struct {
	unsigned what; /* KEYS, PLAINTEXT: loaded for either */
	const char *enter, *leave;
} functions[SS_TLS_FUNCTIONS] = {
	[SS_TLS_EVP_KDF_DERIVE] = {KEYS, "evp_kdf_enter", "evp_kdf_leave"},
};

struct ss_tls_source {
	struct tls *skeleton;
	struct ss_tls_source_options options;
	bool multi; /* how uprobes are attached */
	struct ring_buffer *ring;
	unsigned taken; /* records, in this dispatch */
	struct ss_tls_counters *per_cpu;
	int cpus;
};

struct ss_tls_attachment {
	GPtrArray *uprobes; /* struct ss_uprobe */
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

static int load(struct ss_tls_source *source)
{
	struct tls *skeleton = tls__open();
	uint32_t ring_size = choose_ring_size(&source->options);
	struct bpf_program *program;

	if (!skeleton)
		return -errno;
	source->skeleton = skeleton;
	skeleton->rodata->ring_size = ring_size;
	bpf_map__set_max_entries(skeleton->maps.ring, ring_size);
	bpf_object__for_each_program(program, skeleton->obj)
	{
		if (bpf_program__type(program) != BPF_PROG_TYPE_KPROBE)
			continue;
		bpf_program__set_autoload(program,
					  is_used(&source->options, bpf_program__name(program)));
		ss_uprobe_prepare(program, source->multi);
	}
	return tls__load(skeleton);
}

static int load_error(int r, struct ss_error *error)
{
	if (r == -EPERM || r == -EACCES)
		return ss_fail(error, -EPERM,
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

int ss_tls_source_new(const struct ss_tls_source_options *options,
		      struct ss_tls_source **ret_source, struct ss_error *error)
{
	struct ss_tls_source *source = g_new0(struct ss_tls_source, 1);
	int r;

	ss_libbpf_init();
	source->options = *options;
	source->cpus = MAX(libbpf_num_possible_cpus(), 1);
	source->per_cpu = g_new0(struct ss_tls_counters, (gsize)source->cpus);
	source->multi = !options->perf_events && ss_uprobe_multi_works();
	r = load(source);
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

void ss_tls_source_free(struct ss_tls_source *source)
{
	if (!source)
		return;
	ring_buffer__free(source->ring);
	tls__destroy(source->skeleton);
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
	struct ss_uprobe *uprobe;
	int r;

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
	r = ss_uprobe_attach(bpf_object__find_program_by_name(source->skeleton->obj, name),
			     source->multi, at_return, path,
			     (const struct ss_uprobe_place *)(void *)places->data, places->len,
			     &uprobe, error);
	if (r < 0)
		return r;
	g_ptr_array_add(attachment->uprobes, uprobe);
	return 0;
}

static void detach_uprobe(gpointer uprobe)
{
	ss_uprobe_detach(uprobe);
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

	attachment->uprobes = g_ptr_array_new_with_free_func(detach_uprobe);
	r = attach_all(source, attachment, path, library, points, count, error);
	if (r < 0 || !attachment->uprobes->len) {
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
	(void)source;
	if (!attachment)
		return;
	g_ptr_array_free(attachment->uprobes, TRUE);
	g_free(attachment);
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
