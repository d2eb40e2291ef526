/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Processes that own sockets, as user space is told of them. Maps of the frame programs' object and
 * of the owner programs', one each in the kernel (lib/source/owner.c). */
#ifndef SS_BPF_PROCESSES_H
#define SS_BPF_PROCESSES_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h> /* needs the types of linux/bpf.h */

#include "bpf/owners.h"
#include "format/owner.h"

#define NS_PER_TICK 10000000ull /* of /proc/PID/stat: USER_HZ is 100 on x86-64 and arm64 */

/* cgroup id → the TLV of its container. User space fills it. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SS_OWNER_CONTAINERS_MAX);
	__type(key, __u64);
	__type(value, __u64);
} containers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, SS_OWNER_RING_SIZE);
} records SEC(".maps");

/* Unless it was told in this state. */
static __always_inline void tell(const struct ss_owner_record *record, __u64 state)
{
	const struct ss_owner_told *known = bpf_map_lookup_elem(&told, &record->process);
	const __u64 *words = (const __u64 *)record->comm;
	struct ss_owner_told now;

	if (known && known->state == state)
		return;
	now.state = state;
	((__u64 *)now.comm)[0] = words[0];
	((__u64 *)now.comm)[1] = words[1];
	/* Told again at its next socket, if there is no room. */
	if (bpf_ringbuf_output(&records, (void *)record, sizeof(*record), 0) == 0)
		bpf_map_update_elem(&told, &record->process, &now, BPF_ANY);
}

static __always_inline __u64 state_of_name(const struct ss_owner_record *record)
{
	const __u64 *words = (const __u64 *)record->comm;

	return words[0] ^ words[1] << 1;
}

/* Look-ups in the socket's namespace may have another result from now on. */
static __always_inline void start_generation(const struct ss_owner *owner)
{
	__u64 *generation = generation_of(owner->netns);

	if (generation)
		__sync_fetch_and_add(generation, 1);
}

/* Word by word: readers on other CPUs see the old process or the new one. */
static __always_inline void replace_owner(struct ss_owner *owner, __u64 process, __u64 container)
{
	*(volatile __u64 *)&owner->process = process;
	*(volatile __u64 *)&owner->container = container;
	start_generation(owner);
}

#endif
