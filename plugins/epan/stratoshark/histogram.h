/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A distribution of times in bounded memory: quantiles are within 0.4 % of the true ones.
 */
#ifndef SS_PLUGIN_HISTOGRAM_H
#define SS_PLUGIN_HISTOGRAM_H

#include <stdint.h>

#define SS_HISTOGRAM_STEPS   128 /* in each octave */
#define SS_HISTOGRAM_OCTAVES 58

struct ss_histogram {
	uint64_t count, min_ns, max_ns;
	struct {
		uint64_t count;
		uint32_t *steps; /* NULL as long as the octave is empty */
	} octaves[SS_HISTOGRAM_OCTAVES];
};

/* All zeros is an empty one. */
void ss_histogram_deinit(struct ss_histogram *histogram);

void ss_histogram_add(struct ss_histogram *histogram, uint64_t time_ns);

/* Takes back one that was added. */
void ss_histogram_remove(struct ss_histogram *histogram, uint64_t time_ns);

/* The smallest time that at least this share (0.5: the median) does not exceed; 0 when empty. */
uint64_t ss_histogram_quantile(const struct ss_histogram *histogram, double share);

#endif
