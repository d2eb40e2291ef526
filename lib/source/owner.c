/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loads the owner programs with the frame programs' map of owners, and reads their ring. */
#include "owner.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <glib.h>

#include "log.h"
#include "owner.skel.h"
#include "owner_blind.skel.h"
#include "privilege.h"
#include "source/libbpf.h"
#include "source/owner_trace.h"

struct ss_owner_source {
	struct owner *seeing; /* one of these is loaded */
	struct owner_blind *blind;
	struct bpf_object *object;  /* its */
	struct bpf_link *readers;   /* NULL: not granted */
	struct bpf_link *datagrams; /* NULL: programs of cgroups see who receives them */
	bool sees_senders;          /* the frame programs do */
	struct ring_buffer *ring;
	GArray *links; /* int */
	ss_owner_process process;
	void *user_data;
};

static int take_record(void *context, void *data, size_t size)
{
	struct ss_owner_source *source = context;

	if (size >= sizeof(struct ss_owner_record))
		source->process(data, source->user_data);
	return 0;
}

static int map_fd(const struct ss_owner_source *source, const char *name)
{
	return bpf_object__find_map_fd_by_name(source->object, name);
}

static int open_object(struct ss_owner_source *source, bool seeing)
{
	if (seeing) {
		source->seeing = owner__open();
		source->object = source->seeing ? source->seeing->obj : NULL;
	} else {
		source->blind = owner_blind__open();
		source->object = source->blind ? source->blind->obj : NULL;
	}
	return source->object ? 0 : -errno;
}

static void close_object(struct ss_owner_source *source)
{
	owner__destroy(source->seeing);
	owner_blind__destroy(source->blind);
	source->seeing = NULL;
	source->blind = NULL;
	source->object = NULL;
}

static void choose_traced(struct owner *skeleton, bool tracing, bool tells_reads)
{
	bpf_program__set_autoload(skeleton->progs.received, tracing);
	bpf_program__set_autoload(skeleton->progs.received_datagram, tracing && tells_reads);
	bpf_program__set_autoload(skeleton->progs.seed, tracing);
}

static int load(struct ss_owner_source *source, bool seeing, bool tracing,
		const struct ss_bpf_source *frames)
{
	const struct ss_bpf_source_owner_maps maps = ss_bpf_source_owner_maps(frames);
	const struct {
		const char *name;
		int fd;
	} shared[] = {
		{"owners", maps.owners},
		{"closed", maps.closed},
		{"generations", maps.generations},
		{"containers", maps.containers},
		{"told", maps.told},
		{"records", maps.records},
		{"users", maps.users}, /* of the seeing one */
	};
	int r = open_object(source, seeing);

	for (size_t i = 0; i < G_N_ELEMENTS(shared) && r == 0; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(source->object, shared[i].name);

		r = map ? bpf_map__reuse_fd(map, shared[i].fd) : 0;
	}
	if (r == 0 && seeing)
		choose_traced(source->seeing, tracing, ss_bpf_source_tells_reads(frames));
	if (r == 0)
		r = seeing ? owner__load(source->seeing) : owner_blind__load(source->blind);
	if (r < 0)
		close_object(source);
	return r;
}

/* One object for all, because libbpf reads the kernel's types once for each. What is there without
 * the tracing programs does not depend on them. */
static int load_best(struct ss_owner_source *source, const struct ss_bpf_source *frames)
{
	int r, traced;

	if (!ss_privilege_has(CAP_PERFMON) && !ss_privilege_has(CAP_SYS_ADMIN)) {
		ss_log(SS_LOG_NOTE,
		       "without cap_perfmon, packets of sockets older than the capture, and of those "
		       "passed to other processes, do not say whose they are now");
		return load(source, false, false, frames);
	}
	traced = load(source, true, true, frames);
	r = traced < 0 ? load(source, true, false, frames) : 0;
	if (r < 0)
		return r;
	if (traced == 0)
		source->readers = ss_owner_trace_attach(source->seeing);
	if (source->readers)
		source->datagrams = ss_owner_trace_attach_datagrams(source->seeing);
	else
		ss_log(SS_LOG_NOTE,
		       "this kernel does not say whose sockets are that are older than the "
		       "capture, or passed on: %s",
		       g_strerror(traced < 0 ? -traced : errno));
	return 0;
}

int ss_owner_source_new(const struct ss_bpf_source *frames, ss_owner_process process,
			void *user_data, struct ss_owner_source **ret_source,
			struct ss_error *error)
{
	struct ss_owner_source *source = g_new0(struct ss_owner_source, 1);
	int r;

	ss_libbpf_init();
	source->sees_senders = ss_bpf_source_sees_senders(frames);
	source->process = process;
	source->user_data = user_data;
	source->links = g_array_new(FALSE, FALSE, sizeof(int));
	r = load_best(source, frames);
	source->ring = r < 0 ? NULL
			     : ring_buffer__new(ss_bpf_source_owner_maps(frames).records,
						take_record, source, NULL);
	if (r == 0 && !source->ring)
		r = -errno;
	if (r < 0) {
		ss_owner_source_free(source);
		return ss_fail(error, r,
			       "the kernel does not tell which processes sockets belong to: %s",
			       g_strerror(-r));
	}
	*ret_source = source;
	return 0;
}

void ss_owner_source_free(struct ss_owner_source *source)
{
	if (!source)
		return;
	for (guint i = 0; i < source->links->len; i++)
		close(g_array_index(source->links, int, i));
	g_array_unref(source->links);
	bpf_link__destroy(source->readers);
	bpf_link__destroy(source->datagrams);
	ring_buffer__free(source->ring);
	close_object(source);
	g_free(source);
}

/* On cgroups; not what others see. */
static bool is_attached(const struct ss_owner_source *source, const struct bpf_program *program)
{
	switch (bpf_program__expected_attach_type(program)) {
	case BPF_CGROUP_UDP4_RECVMSG:
	case BPF_CGROUP_UDP6_RECVMSG:
		return !source->datagrams;
	case BPF_CGROUP_UDP4_SENDMSG:
	case BPF_CGROUP_UDP6_SENDMSG:
		return !source->sees_senders;
	default:
		return bpf_program__type(program) != BPF_PROG_TYPE_TRACING;
	}
}

static int attach_all(struct ss_owner_source *source, int cgroup)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, source->object)
	{
		int link;

		if (!is_attached(source, program))
			continue;
		link = bpf_link_create(bpf_program__fd(program), cgroup,
				       bpf_program__expected_attach_type(program), NULL);

		if (link < 0)
			return -errno;
		g_array_append_val(source->links, link);
	}
	return 0;
}

int ss_owner_source_attach(struct ss_owner_source *source, const char *cgroup_path,
			   struct ss_error *error)
{
	ss_autofd int cgroup = open(cgroup_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = cgroup < 0 ? -errno : attach_all(source, cgroup);

	if (r < 0)
		return ss_fail(error, r, "cannot see who owns the sockets below '%s': %s",
			       cgroup_path, g_strerror(-r));
	if (source->readers)
		ss_owner_trace_seed(source->seeing, cgroup);
	return 0;
}

void ss_owner_source_set_container(struct ss_owner_source *source, uint64_t cgroup_id,
				   uint64_t container)
{
	ss_privilege_raise(); /* before Linux 5.19, maps are not for everybody */
	bpf_map_update_elem(map_fd(source, "containers"), &cgroup_id, &container, BPF_ANY);
	ss_privilege_lower();
}

int ss_owner_source_fd(const struct ss_owner_source *source)
{
	return ring_buffer__epoll_fd(source->ring);
}

void ss_owner_source_dispatch(struct ss_owner_source *source)
{
	ring_buffer__consume(source->ring);
}
