/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The address of a map's only value. The frame programs (SS_ADDRESSES) have it without a look-up:
 * user space turns the instruction that loads the map into one that loads the address
 * (lib/source/bpf.c). Loaded anew each time, because it costs less than a register. Others look it
 * up, and have to tell the verifier that it is not NULL.
 */
#ifndef SS_BPF_MAP_VALUE_H
#define SS_BPF_MAP_VALUE_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h> /* needs the types of linux/bpf.h */

#ifdef SS_ADDRESSES
#define MAP_VALUE(map)                                                                             \
	({                                                                                         \
		void *value_;                                                                      \
		asm volatile("%0 = %1 ll" : "=r"(value_) : "i"(&(map)));                           \
		value_;                                                                            \
	})
#else
#define MAP_VALUE(map)                                                                             \
	({                                                                                         \
		__u32 key_ = 0;                                                                    \
		bpf_map_lookup_elem(&(map), &key_);                                                \
	})
#endif

#endif
