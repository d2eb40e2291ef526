/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Attaches the TLS programs to functions of files and reads their ring. Owns the skeleton
 * (programs, maps) and every attachment. All functions with the same program share a link per file;
 * the program knows from its cookie where it is.
 *
 * Surprising: BIO_write() is probed on demand, see want_fingerprints(). It is called for every
 * record written, and a probe there would cost as much as those of SSL_write() together.
 */
#include "tls.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <glib.h>

#include "log.h"
#include "privilege.h"
#include "source/libbpf.h"
#include "source/tls_programs.h"
#include "source/uprobe.h"
#include "tls.skel.h"

#define RECORDS_AT_ONCE 65536 /* then the caller's loop gets its turn */

/* So long does it take at most until a process that begins, or a library, has shown that it needs
 * fingerprints. */
#define FINGERPRINTS_US (10 * G_USEC_PER_SEC)

struct ss_tls_source {
	struct tls *skeleton;
	struct ss_tls_source_options options;
	GPtrArray *attachments;     /* struct ss_tls_attachment */
	bool multi;                 /* how uprobes are attached */
	bool fingerprints;          /* BIO_write() is probed now */
	bool fingerprints_wanted;   /* by a record of this dispatch */
	gint64 fingerprints_end_us; /* monotonic: no longer than that, unless one matched */
	GPtrArray *links;           /* struct bpf_link: programs that are not on files */
	struct ring_buffer *ring;
	unsigned taken; /* records, in this dispatch */
	struct ss_tls_counters *per_cpu;
	int cpus;
};

struct ss_tls_attachment {
	GArray *fds; /* int: what holds its probes */
	/* Of BIO_write() if it is in the file. */
	GArray *fingerprint_fds;
	GArray *fingerprint_points; /* struct ss_tls_point */
	int file_fd;                /* to come back to the file; -1 without such points */
	uint32_t library;
};

/* A program that begins; plaintext whose socket is not known. */
static bool may_need_fingerprints(const struct ss_tls_record *record)
{
	const void *whole = record;
	const struct ss_tls_data *data = whole;

	return record->type == SS_TLS_RECORD_EXEC ||
	       (record->type == SS_TLS_RECORD_DATA && data->socket.state == SS_TLS_SOCKET_UNKNOWN);
}

static int take_record(void *context, void *data, size_t size)
{
	struct ss_tls_source *source = context;
	const struct ss_tls_record *record = data;

	if (size >= sizeof(*record) && record->size >= sizeof(*record) && record->size <= size) {
		source->fingerprints_wanted |= may_need_fingerprints(record);
		source->options.record(record, source->options.user_data);
	}
	return ++source->taken < RECORDS_AT_ONCE ? 0 : -EAGAIN;
}

static void destroy_link(gpointer link)
{
	bpf_link__destroy(link);
}

static struct ss_tls_attachment *attachment_new(uint32_t library)
{
	struct ss_tls_attachment *attachment = g_new0(struct ss_tls_attachment, 1);

	attachment->fds = g_array_new(FALSE, FALSE, sizeof(int));
	attachment->fingerprint_fds = g_array_new(FALSE, FALSE, sizeof(int));
	attachment->fingerprint_points = g_array_new(FALSE, FALSE, sizeof(struct ss_tls_point));
	attachment->file_fd = -1;
	attachment->library = library;
	return attachment;
}

/* Its probes were released, or stay until the process ends. */
static void free_attachment(gpointer data)
{
	struct ss_tls_attachment *attachment = data;

	g_array_free(attachment->fds, TRUE);
	g_array_free(attachment->fingerprint_fds, TRUE);
	g_array_free(attachment->fingerprint_points, TRUE);
	if (attachment->file_fd >= 0)
		close(attachment->file_fd);
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
	r = ss_tls_programs_load(options, source->multi, &source->skeleton, source->links, error);
	if (r == 0) {
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
		g_array_append_vals(fds, attachment->fingerprint_fds->data,
				    attachment->fingerprint_fds->len);
	}
	ss_uprobe_release((const int *)(void *)fds->data, fds->len);
}

void ss_tls_source_free(struct ss_tls_source *source)
{
	if (!source)
		return;
	detach_all(source);
	ring_buffer__free(source->ring);
	g_ptr_array_free(source->links, TRUE);
	tls__destroy(source->skeleton);
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
static int attach_program(struct ss_tls_source *source, GArray *fds, const char *name,
			  bool at_return, const char *path, uint32_t library,
			  const struct ss_tls_point *points, size_t count, struct ss_error *error)
{
	g_autoptr(GArray) places = g_array_new(FALSE, FALSE, sizeof(struct ss_uprobe_place));

	for (size_t i = 0; i < count; i++) {
		uint32_t function = points[i].function;
		struct ss_uprobe_place place = {
			.offset = points[i].offset,
			.cookie = SS_TLS_COOKIE(library, function, points[i].flags),
		};

		if (!ss_tls_programs_want(&source->options, function) ||
		    g_strcmp0(ss_tls_programs_name(function, at_return), name))
			continue;
		g_array_append_val(places, place);
	}
	if (!places->len)
		return 0;
	return ss_uprobe_attach(bpf_object__find_program_by_name(source->skeleton->obj, name),
				source->multi, at_return, path,
				(const struct ss_uprobe_place *)(void *)places->data, places->len,
				fds, error);
}

/* Returns first: a call whose entry was seen then has its return seen. */
static int attach_points(struct ss_tls_source *source, GArray *fds, const char *path,
			 uint32_t library, const struct ss_tls_point *points, size_t count,
			 struct ss_error *error)
{
	for (int at_return = 1; at_return >= 0; at_return--) {
		struct bpf_program *program;

		bpf_object__for_each_program(program, source->skeleton->obj)
		{
			int r = attach_program(source, fds, bpf_program__name(program), at_return,
					       path, library, points, count, error);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

static void attach_fingerprints(struct ss_tls_source *source, struct ss_tls_attachment *attachment)
{
	const GArray *points = attachment->fingerprint_points;
	g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", attachment->file_fd);
	struct ss_error error = {0};

	if (!points->len || attachment->fingerprint_fds->len)
		return;
	if (attach_points(source, attachment->fingerprint_fds, path, attachment->library,
			  (const struct ss_tls_point *)(void *)points->data, points->len,
			  &error) < 0)
		ss_log(SS_LOG_DEBUG, "%s", error.message);
}

static void detach_fingerprints(struct ss_tls_source *source)
{
	g_autoptr(GArray) fds = g_array_new(FALSE, FALSE, sizeof(int));

	for (guint i = 0; i < source->attachments->len; i++) {
		struct ss_tls_attachment *attachment = source->attachments->pdata[i];

		g_array_append_vals(fds, attachment->fingerprint_fds->data,
				    attachment->fingerprint_fds->len);
		g_array_set_size(attachment->fingerprint_fds, 0);
	}
	ss_uprobe_release((const int *)(void *)fds->data, fds->len);
	source->fingerprints = false;
}

/*
 * For a while BIO_write() is probed: connections may come whose program sends what the library
 * wrote into memory. If one does, it stays so.
 */
static void want_fingerprints(struct ss_tls_source *source)
{
	source->fingerprints_end_us = g_get_monotonic_time() + FINGERPRINTS_US;
	if (source->fingerprints)
		return;
	source->fingerprints = true;
	ss_privilege_raise();
	for (guint i = 0; i < source->attachments->len; i++)
		attach_fingerprints(source, source->attachments->pdata[i]);
	ss_privilege_lower();
}

static void forget_fingerprints(struct ss_tls_source *source)
{
	if (source->fingerprints && g_get_monotonic_time() > source->fingerprints_end_us &&
	    !source->skeleton->bss->fingerprint_matches)
		detach_fingerprints(source);
}

/* BIO_write() apart. */
static void keep_fingerprint_points(struct ss_tls_source *source,
				    struct ss_tls_attachment *attachment, const char *path,
				    const struct ss_tls_point *points, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (points[i].function == SS_TLS_BIO_WRITE &&
		    ss_tls_programs_want(&source->options, SS_TLS_BIO_WRITE))
			g_array_append_val(attachment->fingerprint_points, points[i]);
	if (!attachment->fingerprint_points->len)
		return;
	attachment->file_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (attachment->file_fd < 0)
		g_array_set_size(attachment->fingerprint_points, 0);
	want_fingerprints(source);
	attach_fingerprints(source, attachment);
}

int ss_tls_source_attach(struct ss_tls_source *source, const char *path, uint32_t library,
			 const struct ss_tls_point *points, size_t count,
			 struct ss_tls_attachment **ret_attachment, struct ss_error *error)
{
	struct ss_tls_attachment *attachment = attachment_new(library);
	g_autoptr(GArray) rest = g_array_new(FALSE, FALSE, sizeof(*points));
	int r;

	g_ptr_array_add(source->attachments, attachment);
	for (size_t i = 0; i < count; i++)
		if (points[i].function != SS_TLS_BIO_WRITE)
			g_array_append_val(rest, points[i]);
	r = attach_points(source, attachment->fds, path, library,
			  (const struct ss_tls_point *)(void *)rest->data, rest->len, error);
	if (r == 0)
		keep_fingerprint_points(source, attachment, path, points, count);
	if (r < 0 || (!attachment->fds->len && !attachment->fingerprint_points->len)) {
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
	g_array_append_vals(attachment->fds, attachment->fingerprint_fds->data,
			    attachment->fingerprint_fds->len);
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
	source->fingerprints_wanted = false;
	ring_buffer__consume(source->ring);
	if (source->fingerprints_wanted && source->options.plaintext)
		want_fingerprints(source);
	else
		forget_fingerprints(source);
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
