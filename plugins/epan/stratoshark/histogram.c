/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Octaves of nanoseconds, each in equal steps. The first octave has all times below
 * 2 * SS_HISTOGRAM_STEPS, exactly.
 */
#include "histogram.h"

#include <math.h>
#include <string.h>

#include <glib.h>

static unsigned octave_of(uint64_t time_ns)
{
	unsigned octave = 0;

	while (time_ns >= 2 * SS_HISTOGRAM_STEPS) {
		time_ns >>= 1;
		octave++;
	}
	return octave;
}

void ss_histogram_deinit(struct ss_histogram *histogram)
{
	for (unsigned i = 0; i < SS_HISTOGRAM_OCTAVES; i++)
		g_free(histogram->octaves[i].steps);
	memset(histogram, 0, sizeof(*histogram));
}

void ss_histogram_add(struct ss_histogram *histogram, uint64_t time_ns)
{
	unsigned octave = octave_of(time_ns);

	if (!histogram->octaves[octave].steps)
		histogram->octaves[octave].steps = g_new0(uint32_t, 2 * SS_HISTOGRAM_STEPS);
	histogram->octaves[octave].steps[time_ns >> octave]++;
	histogram->octaves[octave].count++;
	if (histogram->count == 0 || time_ns < histogram->min_ns)
		histogram->min_ns = time_ns;
	if (time_ns > histogram->max_ns)
		histogram->max_ns = time_ns;
	histogram->count++;
}

/* Least and greatest stay: they only make quantiles of few samples exact. */
void ss_histogram_remove(struct ss_histogram *histogram, uint64_t time_ns)
{
	unsigned octave = octave_of(time_ns);

	histogram->octaves[octave].steps[time_ns >> octave]--;
	histogram->octaves[octave].count--;
	histogram->count--;
}

/* The time of the rank-th sample, from 1; the middle of its step. */
static uint64_t at_rank(const struct ss_histogram *histogram, uint64_t rank)
{
	unsigned octave = 0, step = 0;

	while (rank > histogram->octaves[octave].count)
		rank -= histogram->octaves[octave++].count;
	while (rank > histogram->octaves[octave].steps[step])
		rank -= histogram->octaves[octave].steps[step++];
	return ((uint64_t)step << octave) + ((1ull << octave) >> 1);
}

uint64_t ss_histogram_quantile(const struct ss_histogram *histogram, double share)
{
	uint64_t rank = (uint64_t)ceil(share * (double)histogram->count);

	if (histogram->count == 0)
		return 0;
	return CLAMP(at_rank(histogram, MAX(rank, 1)), histogram->min_ns, histogram->max_ns);
}
