/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one event loop: descriptors, timers, and an end. Single-threaded. */
#ifndef SS_LOOP_H
#define SS_LOOP_H

#include <stdint.h>

struct ss_loop;
struct ss_timer;

/* events: EPOLLIN, EPOLLOUT, EPOLLERR ... as they happened. */
typedef void (*ss_loop_callback)(uint32_t events, void *user_data);

struct ss_loop *ss_loop_new(void);
/* Descriptors stay their owner's; timers must be freed before. */
void ss_loop_free(struct ss_loop *loop);

/* One callback per descriptor; adding again changes events and callback. EPOLLERR and EPOLLHUP are
 * always reported. Returns a negative errno (-EPERM for a regular file). */
int ss_loop_add(struct ss_loop *loop, int fd, uint32_t events, ss_loop_callback callback,
		void *user_data);
/* Before the descriptor is closed. */
void ss_loop_remove(struct ss_loop *loop, int fd);

/* Calls back once, or every period. Off until set. */
struct ss_timer *ss_timer_new(struct ss_loop *loop, ss_loop_callback callback, void *user_data);
void ss_timer_free(struct ss_timer *timer);
void ss_timer_once(struct ss_timer *timer, uint64_t delay_ns);   /* 0: off */
void ss_timer_every(struct ss_timer *timer, uint64_t period_ns); /* 0: off */

/* Until ss_loop_quit(). */
void ss_loop_run(struct ss_loop *loop);
void ss_loop_quit(struct ss_loop *loop);

#endif
