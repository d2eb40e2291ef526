/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The iterator and the tracepoint of the owner programs. */
#include "owner_trace.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "error.h"
#include "owner.skel.h"

struct bpf_link *ss_owner_trace_attach(struct owner *skeleton)
{
	return bpf_program__attach(skeleton->progs.received);
}

struct bpf_link *ss_owner_trace_attach_datagrams(struct owner *skeleton)
{
	const struct bpf_program *program = skeleton->progs.received_datagram;

	return bpf_program__autoload(program) ? bpf_program__attach(program) : NULL;
}

void ss_owner_trace_seed(struct owner *skeleton, int cgroup_fd)
{
	ss_autofd int iterator = -1;
	struct bpf_link *link;
	struct stat status;
	char buffer[64];
	ssize_t length;

	if (fstat(cgroup_fd, &status) < 0)
		return;
	skeleton->bss->seed_root = status.st_ino;
	link = bpf_program__attach_iter(skeleton->progs.seed, NULL);
	if (!link)
		return;
	iterator = bpf_iter_create(bpf_link__fd(link));
	do /* it writes nothing: one call is enough, unless there are very many files */
		length = read(iterator, buffer, sizeof(buffer));
	while (length > 0 || (length < 0 && errno == EAGAIN));
	bpf_link__destroy(link);
}
