/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Offsets of members by name, those of members without a name included, in the kernel's BTF. */
#include "kernel.h"

#include <linux/capability.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "privilege.h"

#define DEPTH 8 /* of structures in structures */

/* Adds the offset of a member of that type, and says what the member's type is. */
static bool find_member(const struct btf *btf, int type_id, const char *name, unsigned depth,
			uint32_t *offset, int *ret_type_id)
{
	int resolved = btf__resolve_type(btf, (uint32_t)type_id);
	const struct btf_type *type =
		resolved < 0 ? NULL : btf__type_by_id(btf, (uint32_t)resolved);
	const struct btf_member *member = type && btf_is_composite(type) ? btf_members(type) : NULL;

	for (uint32_t i = 0; member && i < btf_vlen(type); i++, member++) {
		const char *its = btf__name_by_offset(btf, member->name_off);
		uint32_t inner = *offset + btf_member_bit_offset(type, i) / 8;

		if (its && strcmp(its, name) == 0) {
			*offset = inner;
			*ret_type_id = (int)member->type;
			return true;
		}
		if (its && !*its && depth &&
		    find_member(btf, (int)member->type, name, depth - 1, &inner, ret_type_id)) {
			*offset = inner;
			return true;
		}
	}
	return false;
}

static bool find_offset(const struct btf *btf, const char *structure, const char *const path[2],
			uint32_t *ret_offset)
{
	int type_id = btf__find_by_name_kind(btf, structure, BTF_KIND_STRUCT);
	uint32_t offset = 0;

	if (type_id < 0)
		return false;
	for (size_t i = 0; i < 2 && path[i]; i++)
		if (!find_member(btf, type_id, path[i], DEPTH, &offset, &type_id))
			return false;
	*ret_offset = offset;
	return true;
}

static bool read_offsets(const struct btf *btf, struct ss_kernel_layout *layout)
{
	const struct {
		const char *structure, *path[2];
		uint32_t *offset;
	} members[] = {
		{"sock", {"sk_lock", "owned"}, &layout->sock_owned},
		{"task_struct", {"tgid"}, &layout->task_tgid},
		{"task_struct", {"group_leader"}, &layout->task_leader},
		{"task_struct", {"start_boottime"}, &layout->task_start},
		{"task_struct", {"comm"}, &layout->task_comm},
		{"task_struct", {"cgroups"}, &layout->task_cgroups},
		{"css_set", {"dfl_cgrp"}, &layout->cgroups_default},
		{"cgroup", {"kn"}, &layout->cgroup_node},
		{"kernfs_node", {"id"}, &layout->node_id},
		{"sock", {"sk_socket"}, &layout->sock_socket},
		{"socket", {"file"}, &layout->socket_file},
		{"task_struct", {"files"}, &layout->task_files},
		{"files_struct", {"fdt"}, &layout->files_table},
		{"fdtable", {"fd"}, &layout->table_files},
		{"fdtable", {"max_fds"}, &layout->table_size},
		{"sock", {"sk_wq"}, &layout->sock_queue},
		{"wait_queue_head", {"head"}, &layout->queue_list},
		{"wait_queue_entry", {"private"}, &layout->wait_private},
		{"wait_queue_entry", {"entry"}, &layout->wait_entry},
		{"eppoll_entry", {"base"}, &layout->epoll_item},
		{"eppoll_entry", {"wait"}, &layout->epoll_wait},
		{"eppoll_entry", {"whead"}, &layout->epoll_queue},
		{"epitem", {"ep"}, &layout->item_epoll},
		{"eventpoll", {"wq", "head"}, &layout->epoll_waiting},
		{"poll_table_entry", {"wait"}, &layout->poll_wait},
		{"poll_table_entry", {"wait_address"}, &layout->poll_queue},
		{"poll_wqueues", {"polling_task"}, &layout->polling_task},
	};

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		if (!find_offset(btf, members[i].structure, members[i].path, members[i].offset))
			return false;
	return true;
}

bool ss_kernel_layout_read(struct ss_kernel_layout *ret_layout)
{
	struct ss_kernel_layout layout = {0};
	struct btf *btf;
	bool known;

	if (!ss_privilege_has(CAP_PERFMON) && !ss_privilege_has(CAP_SYS_ADMIN))
		return false;
	btf = btf__load_vmlinux_btf();
	known = btf && read_offsets(btf, &layout);
	layout.tells_reads = btf && btf__find_by_name_kind(btf, "btf_trace_sock_recv_length",
							   BTF_KIND_TYPEDEF) > 0;
	btf__free(btf);
	if (!known)
		return false;
	layout.can_ask_pid = libbpf_probe_bpf_helper(BPF_PROG_TYPE_SCHED_CLS,
						     BPF_FUNC_get_current_pid_tgid, NULL) == 1;
	*ret_layout = layout;
	return true;
}
