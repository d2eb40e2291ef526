/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libbpf of Debian 12 and its kernel headers are older than uprobe_multi, so its link is made with
 * the system call itself. The way is chosen before programs are loaded, because it is part of what
 * the kernel verifies them for.
 *
 * Surprising: who closes a probe's last descriptor waits until no CPU can be inside of it, 25 ms
 * for a link and 100 ms for a perf event. So that is left to a process of its own, which ends then.
 */
#include "uprobe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "insn.h"

#define ATTACH_UPROBE_MULTI 48  /* BPF_TRACE_UPROBE_MULTI of enum bpf_attach_type */
#define UPROBE_MULTI_RETURN 0x1 /* BPF_F_UPROBE_MULTI_RETURN */
#define PLACES_MAX          (1u << 20)

#define PMU "/sys/bus/event_source/devices/uprobe/"

/* The part of union bpf_attr that BPF_LINK_CREATE reads for this attach type. */
struct link_create {
	uint32_t program_fd;
	uint32_t target_fd;
	uint32_t attach_type;
	uint32_t flags;
	uint64_t path;
	uint64_t offsets;
	uint64_t ref_ctr_offsets;
	uint64_t cookies;
	uint32_t count;
	uint32_t uprobe_flags;
	uint32_t pid;
	uint32_t padding;
};

static uint64_t address(const void *pointer)
{
	return (uint64_t)(uintptr_t)pointer;
}

/* Returns a descriptor or a negative errno. */
static int create_link(int program_fd, const char *path, const uint64_t *offsets,
		       const uint64_t *cookies, size_t count, bool at_return)
{
	struct link_create attr = {
		.program_fd = (uint32_t)program_fd,
		.attach_type = ATTACH_UPROBE_MULTI,
		.path = address(path),
		.offsets = address(offsets),
		.cookies = address(cookies),
		.count = (uint32_t)count,
		.uprobe_flags = at_return ? UPROBE_MULTI_RETURN : 0,
	};
	long fd = syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));

	return fd < 0 ? -errno : (int)fd;
}

bool ss_uprobe_multi_works(void)
{
	const struct bpf_insn empty[] = {SS_ALUW_IMM(BPF_MOV, BPF_REG_0, 0), SS_EXIT()};
	LIBBPF_OPTS(bpf_prog_load_opts, opts,
		    .expected_attach_type = (enum bpf_attach_type)ATTACH_UPROBE_MULTI);
	ss_autofd int fd = bpf_prog_load(BPF_PROG_TYPE_KPROBE, "ss_multi", "GPL", empty,
					 G_N_ELEMENTS(empty), &opts);
	uint64_t offset = 0;
	int link_fd;

	if (fd < 0)
		return false;
	/* A directory cannot be probed: who says so knew what was asked for. */
	link_fd = create_link(fd, "/", &offset, &offset, 1, false);
	if (link_fd >= 0)
		close(link_fd);
	return link_fd == -EBADF;
}

void ss_uprobe_prepare(struct bpf_program *program, bool multi)
{
	bpf_program__set_expected_attach_type(
		program, multi ? (enum bpf_attach_type)ATTACH_UPROBE_MULTI : 0);
}

static int attach_multi(int program_fd, bool at_return, const char *path,
			const struct ss_uprobe_place *places, size_t count, GArray *fds)
{
	g_autofree uint64_t *offsets = g_new(uint64_t, count);
	g_autofree uint64_t *cookies = g_new(uint64_t, count);
	int fd;

	for (size_t i = 0; i < count; i++) {
		offsets[i] = places[i].offset;
		cookies[i] = places[i].cookie;
	}
	fd = create_link(program_fd, path, offsets, cookies, count, at_return);
	if (fd < 0)
		return fd;
	g_array_append_val(fds, fd);
	return 0;
}

/* What the kernel says of its perf events on uprobes: "7", "config:0". */
static int read_pmu(const char *name, unsigned *ret_value)
{
	g_autofree char *text = NULL;
	const char *colon;

	if (!g_file_get_contents(name, &text, NULL, NULL))
		return -ENOENT;
	colon = strchr(text, ':');
	*ret_value = (unsigned)strtoul(colon ? colon + 1 : text, NULL, 10);
	return 0;
}

static int attach_event(int program_fd, uint32_t type, uint64_t config, const char *path,
			const struct ss_uprobe_place *place, GArray *fds)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .perf_event.bpf_cookie = place->cookie);
	struct perf_event_attr attr = {
		.type = type,
		.size = sizeof(attr),
		.config = config,
		.config1 = address(path),
		.config2 = place->offset,
	};
	int event, link;

	/* of all processes, and in spite of the number on all CPUs */
	event = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (event < 0)
		return -errno;
	g_array_append_val(fds, event);
	link = bpf_link_create(program_fd, event, BPF_PERF_EVENT, &opts);
	if (link < 0)
		return -errno;
	g_array_append_val(fds, link);
	return ioctl(event, PERF_EVENT_IOC_ENABLE, 0) < 0 ? -errno : 0;
}

static int attach_events(int program_fd, bool at_return, const char *path,
			 const struct ss_uprobe_place *places, size_t count, GArray *fds)
{
	unsigned type, bit;
	int r = read_pmu(PMU "type", &type);

	if (r == 0)
		r = read_pmu(PMU "format/retprobe", &bit);
	for (size_t i = 0; i < count && r == 0; i++)
		r = attach_event(program_fd, type, at_return ? 1ull << (bit & 63) : 0, path,
				 &places[i], fds);
	return r;
}

int ss_uprobe_attach(const struct bpf_program *program, bool multi, bool at_return,
		     const char *path, const struct ss_uprobe_place *places, size_t count,
		     GArray *fds, struct ss_error *error)
{
	int program_fd = bpf_program__fd(program);
	int r;

	if (count > PLACES_MAX)
		return ss_fail(error, -E2BIG, "too many places to probe in '%s'", path);
	r = multi ? attach_multi(program_fd, at_return, path, places, count, fds)
		  : attach_events(program_fd, at_return, path, places, count, fds);
	if (r == -EPERM || r == -EACCES)
		return ss_fail(error, r, "not permitted to probe '%s': needs %s", path,
			       multi ? "the capability cap_perfmon"
				     : "the capability cap_sys_admin, because this kernel is "
				       "older than uprobe_multi (Linux 6.6)");
	if (r < 0)
		return ss_fail(error, r, "cannot probe '%s': %s", path, g_strerror(-r));
	return 0;
}

static int compare(const void *one, const void *other)
{
	const int *a = one, *b = other;

	return (*a > *b) - (*a < *b);
}

/* All other descriptors: somebody may wait for the end of our output. */
static void close_all_but(int *fds, size_t count)
{
	unsigned next = 0;

	qsort(fds, count, sizeof(*fds), compare);
	for (size_t i = 0; i < count; i++) {
		if ((unsigned)fds[i] > next)
			syscall(SYS_close_range, next, (unsigned)fds[i] - 1, 0);
		next = (unsigned)fds[i] + 1;
	}
	syscall(SYS_close_range, next, ~0u, 0);
}

/* Has the descriptors too until they are closed everywhere else, then ends and so closes them. */
static void outlive(const int *fds, size_t count, int until_fd)
{
	g_autofree int *keep = g_new(int, count + 1);
	char byte;

	memcpy(keep, fds, count * sizeof(*fds));
	keep[count] = until_fd;
	close_all_but(keep, count + 1);
	while (read(until_fd, &byte, 1) < 0 && errno == EINTR)
		;
}

/* Returns the end of a pipe to close after the descriptors, or a negative errno. The grandchild is
 * nobody's to wait for. */
static int fork_closer(const int *fds, size_t count)
{
	ss_autofd int read_fd = -1;
	int ends[2];
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	read_fd = ends[0];
	child = fork();
	if (child == 0) {
		if (fork() == 0)
			outlive(fds, count, read_fd);
		_exit(0);
	}
	while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	return ends[1];
}

void ss_uprobe_release(const int *fds, size_t count)
{
	int pipe_fd = count ? fork_closer(fds, count) : -1;

	for (size_t i = 0; i < count; i++)
		close(fds[i]);
	if (pipe_fd >= 0)
		close(pipe_fd);
}
