/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For tests of a stage over a day: a timetable of exchanges that are played to it through a ring
 * that goes round, and what memory that takes. Each tick one exchange begins. STRATOCAP_LONG=1 asks
 * for the whole day.
 */
#ifndef SS_TESTS_SOAK_H
#define SS_TESTS_SOAK_H

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "offered.h"
#include "spare.h"

#define SOAK_TICK_MS 20u
#define SOAK_DAY     (24u * 3600 * 1000 / SOAK_TICK_MS)
#define SOAK_SHORT   (SOAK_DAY / 50)
#define SOAK_WHEEL   512u       /* ticks: no step is planned further ahead */
#define SOAK_RING    (4u << 20) /* bytes: room, far from all of it needed */
#define SOAK_GROWTH  (8u << 20) /* bytes: a few huge pages, which are no growth */

struct soak_step {
	uint32_t number; /* of the exchange */
	unsigned step;
};

struct soak {
	struct offered frames;
	/* Plays one step of an exchange. */
	void (*play)(struct soak *soak, uint32_t number, unsigned step);
	GArray *wheel[SOAK_WHEEL]; /* struct soak_step, by tick */
	uint32_t exchanges, tick;
	bool is_judged; /* frames say whether a judge has selected them */
	uint64_t put, written, late;
	size_t used_before;    /* bytes of the heap */
	size_t resident_early; /* bytes, when a tenth was played ... */
	size_t resident_end;   /* ... and at the end of the day */
};

static inline bool soak_is_long(void)
{
	const char *text = getenv("STRATOCAP_LONG");

	return text && *text;
}

/* A sanitizer keeps what was freed. */
static inline bool soak_can_measure(void)
{
#ifdef SS_SPARE_NOTHING
	return false;
#else
	return true;
#endif
}

static inline size_t soak_resident(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	unsigned long pages = 0;

	g_assert_nonnull(file);
	g_assert_cmpint(fscanf(file, "%*u %lu", &pages), ==, 1);
	fclose(file);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static inline size_t soak_used(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

/* The stage is new. */
static inline void soak_init(struct soak *soak, struct ss_stage stage)
{
	offered_init(&soak->frames, stage);
	g_byte_array_set_size(soak->frames.blocks, SOAK_RING); /* has room from now on */
	g_byte_array_set_size(soak->frames.blocks, 0);
	for (unsigned i = 0; i < SOAK_WHEEL; i++)
		soak->wheel[i] = g_array_sized_new(FALSE, FALSE, sizeof(struct soak_step), 16);
	soak->exchanges = soak_is_long() ? SOAK_DAY : SOAK_SHORT;
	soak->used_before = soak_used();
}

static inline void soak_deinit(struct soak *soak)
{
	offered_deinit(&soak->frames);
	for (unsigned i = 0; i < SOAK_WHEEL; i++)
		g_array_unref(soak->wheel[i]);
}

/* Spreads the numbers over 0 … below - 1, always alike. */
static inline uint32_t soak_spread(uint32_t number, uint32_t below)
{
	return (uint32_t)((uint64_t)(number * 2654435761u) * below >> 32);
}

static inline void soak_plan(struct soak *soak, uint32_t number, unsigned step, unsigned ms)
{
	const struct soak_step planned = {number, step};
	unsigned ticks = MAX(1, ms / SOAK_TICK_MS);

	g_assert_cmpuint(ticks, <, SOAK_WHEEL);
	g_array_append_val(soak->wheel[(soak->tick + ticks) % SOAK_WHEEL], planned);
}

/* selected: a judge would. */
static inline void soak_put(struct soak *soak, struct packet packet, bool selected)
{
	if (soak->is_judged)
		offered_put_judged(&soak->frames, packet, selected ? YES : NO);
	else
		offered_put(&soak->frames, packet);
	soak->put++;
}

static inline void soak_make_room(struct soak *soak)
{
	soak->written += offered_forget_passed(&soak->frames);
	soak->late += soak->frames.late->len;
	g_ptr_array_set_size(soak->frames.late, 0);
}

static inline void soak_tick(struct soak *soak, bool begins)
{
	GArray *steps = soak->wheel[soak->tick % SOAK_WHEEL];

	soak->frames.now_ns += SOAK_TICK_MS * MS;
	if (begins)
		soak->play(soak, soak->tick, 0);
	for (guint i = 0; i < steps->len; i++) {
		const struct soak_step *step = &g_array_index(steps, struct soak_step, i);

		soak->play(soak, step->number, step->step);
	}
	g_array_set_size(steps, 0);
	offered_run(&soak->frames, 0);
	if (soak->frames.from > SOAK_RING / 64)
		soak_make_room(soak);
	soak->tick++;
}

/* The day, and some silence behind it. */
static inline void soak_run(struct soak *soak, unsigned silence_seconds)
{
	uint32_t end = soak->exchanges + silence_seconds * 1000 / SOAK_TICK_MS;
	gint64 begun_us = g_get_monotonic_time();

	while (soak->tick < end) {
		soak_tick(soak, soak->tick < soak->exchanges);
		if (soak->tick == soak->exchanges / 10)
			soak->resident_early = soak_resident();
		if (soak->tick == soak->exchanges)
			soak->resident_end = soak_resident();
	}
	soak_make_room(soak);
	g_assert_cmpuint(soak->frames.blocks->len, ==, 0); /* nothing waits */
	g_test_message("%u exchanges, %" G_GUINT64_FORMAT " frames in %.1f s; resident %zu KiB "
		       "after a tenth, %zu KiB at the end; heap %zu KiB before, %zu KiB after",
		       soak->exchanges, (guint64)soak->put,
		       (double)(g_get_monotonic_time() - begun_us) / 1e6,
		       soak->resident_early / 1024, soak->resident_end / 1024,
		       soak->used_before / 1024, soak_used() / 1024);
}

/* The day took no more than its first tenth, and left no more than so many bytes behind. */
static inline void soak_assert_memory(const struct soak *soak, size_t growth, size_t rest)
{
	if (!soak_can_measure())
		return;
	g_assert_cmpuint(soak->resident_end, <=, soak->resident_early + growth);
	g_assert_cmpuint(soak_used(), <=, soak->used_before + rest);
}

#endif
