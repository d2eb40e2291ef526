/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcx links where the kernel has them (6.6), clsact filters below; cgroup links.
 *
 * clsact in another network namespace needs a way back there to detach, and neither filter nor
 * qdisc vanishes with a process. Both are solved by the guard: a child forked in the namespace at
 * attach time, which waits for the end of a pipe whose other end is ours alone, then detaches.
 * It holds no more than that and dies with us, SIGKILL included.
 *
 * Several captures may share a qdisc that one of them made: whoever finds no filter left takes it
 * along. The filters' priority remembers whether it is ours to take.
 */
#include "hook.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <glib.h>

#include "filters.h"

/* linux/bpf.h of Linux 6.6; libbpf 1.1 passes them through. */
#define TCX_INGRESS 46
#define TCX_EGRESS  47
#define TCX_BEFORE  (1u << 3) /* BPF_F_BEFORE without a relative: the head of the chain */

struct ss_hook {
	int fd;      /* link, or our end of the guard's pipe */
	pid_t guard; /* clsact: 0 else */
};

static struct ss_hook *hook_new(int fd, pid_t guard)
{
	struct ss_hook *hook = g_new0(struct ss_hook, 1);

	hook->fd = fd;
	hook->guard = guard;
	return hook;
}

/* The guard: never returns. Keeps only its end of the pipe. */
static void guard_run(int pipe_fd, struct bpf_tc_hook *hook, struct bpf_tc_opts *opts)
{
	struct ss_filters left;
	char byte;

	setsid(); /* a Ctrl-C of the terminal is not for us */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	prctl(PR_SET_NAME, "ss-guard");
	if (pipe_fd > 3)
		close_range(3, (unsigned)pipe_fd - 1, 0);
	close_range((unsigned)pipe_fd + 1, ~0u, 0);
	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	close(STDERR_FILENO);
	while (read(pipe_fd, &byte, 1) < 0 && errno == EINTR)
		;
	bpf_tc_detach(hook, opts);
	if (opts->priority == SS_FILTERS_PRIORITY_OWN &&
	    ss_filters_list(hook->ifindex, &left) == 0 && left.total == 0) {
		hook->attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
		bpf_tc_hook_destroy(hook);
	}
	_exit(EXIT_SUCCESS);
}

static int clsact_attach(int program_fd, int ifindex, bool ingress, struct ss_hook **ret_hook,
			 struct ss_error *error)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex,
		    .attach_point = ingress ? BPF_TC_INGRESS : BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = program_fd, .priority = SS_FILTERS_PRIORITY);
	ss_autofd int parent_end = -1, child_end = -1;
	struct ss_filters filters = {0};
	int ends[2], r;
	pid_t guard;

	r = bpf_tc_hook_create(&hook);
	if (r < 0 && r != -EEXIST)
		return ss_fail(error, r, "cannot create the clsact qdisc: %s", g_strerror(-r));
	if (r == 0 || (ss_filters_list(ifindex, &filters) == 0 && filters.own_qdisc))
		opts.priority = SS_FILTERS_PRIORITY_OWN;
	r = bpf_tc_attach(&hook, &opts);
	if (r < 0)
		return ss_fail(error, r, "cannot attach a clsact filter: %s", g_strerror(-r));
	opts.prog_fd = 0;
	opts.prog_id = 0;
	opts.flags = 0;
	if (pipe2(ends, O_CLOEXEC) < 0) {
		r = -errno;
		bpf_tc_detach(&hook, &opts);
		return ss_fail(error, r, "cannot make a pipe: %s", g_strerror(-r));
	}
	child_end = ends[0];
	parent_end = ends[1];
	guard = fork();
	if (guard < 0) {
		r = -errno;
		bpf_tc_detach(&hook, &opts);
		return ss_fail(error, r, "cannot start a process: %s", g_strerror(-r));
	}
	if (guard == 0)
		guard_run(child_end, &hook, &opts);
	*ret_hook = hook_new(g_steal_fd(&parent_end), guard);
	return 0;
}

int ss_hook_new_device(int program_fd, int ifindex, bool ingress, struct ss_hook **ret_hook,
		       struct ss_error *error)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = TCX_BEFORE);
	int fd = -EINVAL;

	/* For tests, and for a node where tcx misbehaves. */
	if (!g_getenv("STRATOCAP_NO_TCX"))
		fd = bpf_link_create(program_fd, ifindex, ingress ? TCX_INGRESS : TCX_EGRESS,
				     &opts);
	if (fd >= 0) {
		*ret_hook = hook_new(fd, 0);
		return 0;
	}
	if (fd == -EINVAL || fd == -EOPNOTSUPP || fd == -ENOTSUP)
		return clsact_attach(program_fd, ifindex, ingress, ret_hook, error);
	return ss_fail(error, fd, "cannot attach to device %d: %s", ifindex, g_strerror(-fd));
}

int ss_hook_new_cgroup(int program_fd, const char *path, bool ingress, struct ss_hook **ret_hook,
		       struct ss_error *error)
{
	ss_autofd int cgroup = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd;

	if (cgroup < 0)
		return ss_fail(error, -errno, "cannot open cgroup '%s': %s", path,
			       g_strerror(errno));
	fd = bpf_link_create(program_fd, cgroup,
			     ingress ? BPF_CGROUP_INET_INGRESS : BPF_CGROUP_INET_EGRESS, NULL);
	if (fd < 0)
		return ss_fail(error, fd, "cannot attach to cgroup '%s': %s", path,
			       g_strerror(-fd));
	*ret_hook = hook_new(fd, 0);
	return 0;
}

void ss_hook_free(struct ss_hook *hook)
{
	if (!hook)
		return;
	close(hook->fd);
	if (hook->guard)
		while (waitpid(hook->guard, NULL, 0) < 0 && errno == EINTR)
			;
	g_free(hook);
}
