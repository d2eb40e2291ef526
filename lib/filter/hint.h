/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside lib/filter: a small table before the big one of messages under way (message.h), which
 * tells of nearly all keys that they are not in there without a call. It has a place for each key,
 * shared with others: 0 if nobody is there, the key, or SS_HINT_MANY for ever once two met.
 */
#ifndef SS_FILTER_HINT_H
#define SS_FILTER_HINT_H

#include "emitter.h"

/* The table, for ss_tracking; the caller closes it. Negative errno. */
int ss_hint_new(void);

/* R1 = key. Leads to none if it is surely not there. R3, R4 are lost. */
void ss_hint_ask(struct ss_emitter *emitter, ss_label none);
/* The key on the stack is there now, or not any more. R0 .. R3 are lost. */
void ss_hint_add(struct ss_emitter *emitter, int16_t key);
void ss_hint_remove(struct ss_emitter *emitter, int16_t key);

#endif
