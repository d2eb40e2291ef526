/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Atomic operations on 64-bit words, fully ordered. As bytes, because clang knows them only
 * together with 32-bit registers, which we avoid (cmake/BpfObject.cmake):
 * r2 = xchg_64(r1 + 0, r2), r0 = cmpxchg_64(r1 + 0, r0, r2) and r2 = atomic_fetch_add(r1 + 0, r2).
 * Each returns what was there.
 */
#ifndef SS_BPF_ATOMIC_H
#define SS_BPF_ATOMIC_H

#include <linux/types.h>

/* operation: as a byte of the instruction. */
#define ATOMIC_FETCH(pointer, value, operation)                                                    \
	({                                                                                         \
		__u64 *to_ = (__u64 *)(pointer);                                                   \
		__u64 new_ = (value);                                                              \
		register __u64 *place_ asm("r1") = to_;                                            \
		register __u64 fetched_ asm("r2") = new_;                                          \
		asm volatile(".byte 0xdb, 0x21, 0, 0, " operation ", 0, 0, 0"                      \
			     : "+r"(fetched_)                                                      \
			     : "r"(place_)                                                         \
			     : "memory");                                                          \
		fetched_;                                                                          \
	})
#define atomic_exchange(pointer, value)  ATOMIC_FETCH(pointer, value, "0xe1")
#define atomic_fetch_add(pointer, value) ATOMIC_FETCH(pointer, value, "0x01")
#define atomic_compare_exchange(pointer, old, new)                                                 \
	({                                                                                         \
		__u64 *to_ = (__u64 *)(pointer);                                                   \
		__u64 old_ = (old), new_ = (new);                                                  \
		register __u64 *place_ asm("r1") = to_;                                            \
		register __u64 value_ asm("r2") = new_;                                            \
		register __u64 found_ asm("r0") = old_;                                            \
		asm volatile(".byte 0xdb, 0x21, 0, 0, 0xf1, 0, 0, 0"                               \
			     : "+r"(found_)                                                        \
			     : "r"(place_), "r"(value_)                                            \
			     : "memory");                                                          \
		found_;                                                                            \
	})

#endif
