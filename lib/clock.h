/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The time of one of the kernel's clocks, in nanoseconds. */
#ifndef SS_CLOCK_H
#define SS_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

static inline uint64_t ss_clock_ns(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Are wait_ns over since then? At UINT64_MAX any wait is. */
static inline bool ss_clock_is_over(uint64_t since_ns, uint64_t wait_ns, uint64_t now_ns)
{
	return now_ns >= wait_ns && since_ns <= now_ns - wait_ns;
}

#endif
