/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loads the iterator and the tracepoint with the maps of the owner programs. */
#include "owner_trace.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <glib.h>

#include "error.h"
#include "log.h"
#include "owner_trace.skel.h"
#include "source/libbpf.h"

struct ss_owner_trace {
	struct owner_trace *skeleton;
	struct bpf_link *readers;
};

static int share_maps(struct owner_trace *skeleton, const struct ss_owner_maps *maps)
{
	const struct {
		struct bpf_map *map;
		int fd;
	} shared[] = {
		{skeleton->maps.owners, maps->owners},
		{skeleton->maps.generations, maps->generations},
		{skeleton->maps.containers, maps->containers},
		{skeleton->maps.told, maps->told},
		{skeleton->maps.records, maps->records},
	};
	int r = 0;

	for (size_t i = 0; i < G_N_ELEMENTS(shared) && r == 0; i++)
		r = bpf_map__reuse_fd(shared[i].map, shared[i].fd);
	bpf_map__set_autocreate(skeleton->maps.closed, false); /* not used here */
	return r;
}

struct ss_owner_trace *ss_owner_trace_new(const struct ss_owner_maps *maps)
{
	struct ss_owner_trace *trace = g_new0(struct ss_owner_trace, 1);
	int r;

	trace->skeleton = owner_trace__open();
	r = trace->skeleton ? share_maps(trace->skeleton, maps) : -errno;
	if (r == 0)
		r = owner_trace__load(trace->skeleton);
	if (r == 0) {
		trace->readers = bpf_program__attach(trace->skeleton->progs.received);
		r = trace->readers ? 0 : -errno;
	}
	if (r < 0) {
		ss_log(SS_LOG_NOTE,
		       "this kernel does not say whose sockets are that are older than the "
		       "capture, or passed on: %s",
		       g_strerror(-r));
		ss_owner_trace_free(trace);
		return NULL;
	}
	return trace;
}

void ss_owner_trace_free(struct ss_owner_trace *trace)
{
	if (!trace)
		return;
	bpf_link__destroy(trace->readers);
	owner_trace__destroy(trace->skeleton);
	g_free(trace);
}

void ss_owner_trace_seed(struct ss_owner_trace *trace, int cgroup_fd)
{
	ss_autofd int iterator = -1;
	struct bpf_link *link;
	struct stat status;
	char buffer[64];
	ssize_t length;

	if (fstat(cgroup_fd, &status) < 0)
		return;
	trace->skeleton->bss->seed_root = status.st_ino;
	link = bpf_program__attach_iter(trace->skeleton->progs.seed, NULL);
	if (!link)
		return;
	iterator = bpf_iter_create(bpf_link__fd(link));
	do /* it writes nothing: one call is enough, unless there are very many files */
		length = read(iterator, buffer, sizeof(buffer));
	while (length > 0 || (length < 0 && errno == EAGAIN));
	bpf_link__destroy(link);
}
