/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tls/looks.h"

#define LOOKS_MAX 512 /* processes at a time */

static const int64_t delays_ms[] = {0, 5, 25, 100, 400};

struct look {
	pid_t pid;
	unsigned step; /* index of delays_ms */
	int64_t begin_ms;
};

GArray *ss_tls_looks_new(void)
{
	return g_array_new(FALSE, FALSE, sizeof(struct look));
}

static int64_t due_ms(const struct look *look)
{
	return look->begin_ms + delays_ms[look->step];
}

void ss_tls_looks_add(GArray *looks, pid_t pid, int64_t now_ms)
{
	struct look look = {pid, 0, now_ms};

	for (guint i = 0; i < looks->len; i++) {
		struct look *other = &g_array_index(looks, struct look, i);

		if (other->pid == pid) { /* it began another program */
			*other = look;
			return;
		}
	}
	if (looks->len < LOOKS_MAX) /* otherwise the next scan finds it */
		g_array_append_val(looks, look);
}

int64_t ss_tls_looks_due_ms(const GArray *looks)
{
	int64_t due = INT64_MAX;

	for (guint i = 0; i < looks->len; i++)
		due = MIN(due, due_ms(&g_array_index(looks, struct look, i)));
	return due;
}

pid_t ss_tls_looks_take(GArray *looks, int64_t now_ms)
{
	struct look *look = &g_array_index(looks, struct look, 0);
	pid_t pid;

	for (guint i = 1; due_ms(look) > now_ms; i++)
		look = &g_array_index(looks, struct look, i);
	pid = look->pid;
	while (look->step < G_N_ELEMENTS(delays_ms) && due_ms(look) <= now_ms)
		look->step++;
	if (look->step == G_N_ELEMENTS(delays_ms))
		g_array_remove_index_fast(looks,
					  (guint)(look - (struct look *)(void *)looks->data));
	return pid;
}
