/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libbpf of Debian 12 and its kernel headers are older than uprobe_multi, so the link is made with
 * the system call itself. The way is chosen before programs are loaded, because it is part of what
 * the kernel verifies them for.
 */
#include "uprobe.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <glib.h>

#define ATTACH_UPROBE_MULTI       48  /* BPF_TRACE_UPROBE_MULTI of enum bpf_attach_type */
#define UPROBE_MULTI_RETURN       0x1 /* BPF_F_UPROBE_MULTI_RETURN */
#define UPROBE_MULTI_PLACES_LIMIT (1u << 20)

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

struct ss_uprobe {
	int link_fd; /* uprobe_multi; -1 else */
	size_t count;
	struct bpf_link *links[]; /* perf events */
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
	static const struct bpf_insn empty[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};
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

static int attach_multi(struct ss_uprobe *uprobe, const struct bpf_program *program, bool at_return,
			const char *path, const struct ss_uprobe_place *places, size_t count)
{
	g_autofree uint64_t *offsets = g_new(uint64_t, count);
	g_autofree uint64_t *cookies = g_new(uint64_t, count);

	for (size_t i = 0; i < count; i++) {
		offsets[i] = places[i].offset;
		cookies[i] = places[i].cookie;
	}
	uprobe->link_fd =
		create_link(bpf_program__fd(program), path, offsets, cookies, count, at_return);
	return uprobe->link_fd < 0 ? uprobe->link_fd : 0;
}

static int attach_events(struct ss_uprobe *uprobe, const struct bpf_program *program,
			 bool at_return, const char *path, const struct ss_uprobe_place *places,
			 size_t count)
{
	for (size_t i = 0; i < count; i++) {
		LIBBPF_OPTS(bpf_uprobe_opts, opts, .bpf_cookie = places[i].cookie,
			    .retprobe = at_return);
		struct bpf_link *link =
			bpf_program__attach_uprobe_opts(program, -1, path, places[i].offset, &opts);

		if (!link)
			return -errno;
		uprobe->links[uprobe->count++] = link;
	}
	return 0;
}

int ss_uprobe_attach(const struct bpf_program *program, bool multi, bool at_return,
		     const char *path, const struct ss_uprobe_place *places, size_t count,
		     struct ss_uprobe **ret_uprobe, struct ss_error *error)
{
	struct ss_uprobe *uprobe;
	int r;

	if (count > UPROBE_MULTI_PLACES_LIMIT)
		return ss_fail(error, -E2BIG, "too many places to probe in '%s'", path);
	uprobe = g_malloc0(sizeof(*uprobe) + (multi ? 0 : count) * sizeof(uprobe->links[0]));
	uprobe->link_fd = -1;
	r = multi ? attach_multi(uprobe, program, at_return, path, places, count)
		  : attach_events(uprobe, program, at_return, path, places, count);
	if (r < 0) {
		ss_uprobe_detach(uprobe);
		if (r == -EPERM || r == -EACCES)
			return ss_fail(error, r,
				       "not permitted to probe '%s': needs the capability "
				       "cap_perfmon%s",
				       path, multi ? "" : " or, before Linux 6.6, cap_sys_admin");
		return ss_fail(error, r, "cannot probe '%s': %s", path, g_strerror(-r));
	}
	*ret_uprobe = uprobe;
	return 0;
}

void ss_uprobe_detach(struct ss_uprobe *uprobe)
{
	if (!uprobe)
		return;
	if (uprobe->link_fd >= 0)
		close(uprobe->link_fd);
	for (size_t i = 0; i < uprobe->count; i++)
		bpf_link__destroy(uprobe->links[i]);
	g_free(uprobe);
}
