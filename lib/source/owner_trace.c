/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Some kernels refuse fentry programs, older ones do not have the tracepoints: the best way that
 * loads is taken. The iterator is an object of its own, so that it does not depend on them.
 */
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
	struct owner_trace *users, *seeds; /* NULL: refused */
	GPtrArray *links;                  /* struct bpf_link * */
};

/* Sections of the programs that see who uses a socket, best first. */
static const char *const ways[] = {"fentry/", "tp_btf/"};

static void destroy_link(gpointer link)
{
	bpf_link__destroy(link);
}

/* With the programs whose sections begin like this; NULL: refused. */
static struct owner_trace *load(const struct ss_owner_maps *maps, const char *prefix)
{
	struct owner_trace *skeleton = owner_trace__open();
	struct bpf_program *program;
	int r;

	if (!skeleton)
		return NULL;
	bpf_object__for_each_program(program, skeleton->obj) bpf_program__set_autoload(
		program, g_str_has_prefix(bpf_program__section_name(program), prefix));
	r = bpf_map__reuse_fd(skeleton->maps.owners, maps->owners);
	if (r == 0)
		r = bpf_map__reuse_fd(skeleton->maps.containers, maps->containers);
	if (r == 0)
		r = bpf_map__reuse_fd(skeleton->maps.told, maps->told);
	if (r == 0)
		r = bpf_map__reuse_fd(skeleton->maps.records, maps->records);
	if (r == 0)
		r = owner_trace__load(skeleton);
	if (r < 0) {
		owner_trace__destroy(skeleton);
		return NULL;
	}
	return skeleton;
}

static int attach(struct ss_owner_trace *trace, struct owner_trace *skeleton)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, skeleton->obj)
	{
		struct bpf_link *link;

		if (!bpf_program__autoload(program))
			continue;
		link = bpf_program__attach(program);
		if (!link)
			return -errno;
		g_ptr_array_add(trace->links, link);
	}
	return 0;
}

static void see_users(struct ss_owner_trace *trace, const struct ss_owner_maps *maps)
{
	for (size_t i = 0; i < G_N_ELEMENTS(ways) && !trace->users; i++) {
		struct owner_trace *skeleton = load(maps, ways[i]);

		if (skeleton && attach(trace, skeleton) == 0) {
			ss_log(SS_LOG_DEBUG, "users of sockets are seen by %s", ways[i]);
			trace->users = skeleton;
			return;
		}
		g_ptr_array_set_size(trace->links, 0);
		owner_trace__destroy(skeleton);
	}
	ss_log(SS_LOG_DEBUG, "users of sockets are seen only when they accept or connect");
}

struct ss_owner_trace *ss_owner_trace_new(const struct ss_owner_maps *maps)
{
	struct ss_owner_trace *trace = g_new0(struct ss_owner_trace, 1);

	trace->links = g_ptr_array_new_with_free_func(destroy_link);
	see_users(trace, maps);
	trace->seeds = load(maps, "iter/");
	if (!trace->seeds)
		ss_log(SS_LOG_NOTE, "this kernel does not tell whose the sockets are that are "
				    "older than the capture");
	return trace;
}

void ss_owner_trace_free(struct ss_owner_trace *trace)
{
	if (!trace)
		return;
	g_ptr_array_unref(trace->links);
	owner_trace__destroy(trace->users);
	owner_trace__destroy(trace->seeds);
	g_free(trace);
}

void ss_owner_trace_seed(struct ss_owner_trace *trace, int cgroup_fd)
{
	ss_autofd int iterator = -1;
	struct bpf_link *link;
	struct stat status;
	char buffer[64];
	ssize_t length;

	if (!trace->seeds || fstat(cgroup_fd, &status) < 0)
		return;
	trace->seeds->bss->seed_root = status.st_ino;
	link = bpf_program__attach_iter(trace->seeds->progs.seed, NULL);
	if (!link)
		return;
	iterator = bpf_iter_create(bpf_link__fd(link));
	do /* it writes nothing: one call is enough, unless there are very many files */
		length = read(iterator, buffer, sizeof(buffer));
	while (length > 0 || (length < 0 && errno == EAGAIN));
	bpf_link__destroy(link);
}
