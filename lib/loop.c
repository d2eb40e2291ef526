/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * epoll and timerfd. Events are taken one at a time, so that a callback may remove any descriptor
 * without a stale event for it being in hand.
 */
#include "loop.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <glib.h>

#define NSEC_PER_SEC 1000000000ull

struct watch {
	ss_loop_callback callback;
	void *user_data;
};

struct ss_loop {
	int fd;
	bool quit;
	GHashTable *watches; /* GINT_TO_POINTER(fd) -> struct watch */
};

struct ss_timer {
	struct ss_loop *loop;
	int fd;
	ss_loop_callback callback;
	void *user_data;
};

struct ss_loop *ss_loop_new(void)
{
	struct ss_loop *loop = g_new0(struct ss_loop, 1);

	loop->fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->fd < 0)
		g_error("epoll_create1: %s", g_strerror(errno));
	loop->watches = g_hash_table_new_full(NULL, NULL, NULL, g_free);
	return loop;
}

void ss_loop_free(struct ss_loop *loop)
{
	if (!loop)
		return;
	close(loop->fd);
	g_hash_table_unref(loop->watches);
	g_free(loop);
}

int ss_loop_add(struct ss_loop *loop, int fd, uint32_t events, ss_loop_callback callback,
		void *user_data)
{
	struct epoll_event event = {.events = events, .data.fd = fd};
	struct watch *watch;

	if (epoll_ctl(loop->fd, EPOLL_CTL_ADD, fd, &event) < 0 &&
	    (errno != EEXIST || epoll_ctl(loop->fd, EPOLL_CTL_MOD, fd, &event) < 0))
		return -errno;
	watch = g_new0(struct watch, 1);
	watch->callback = callback;
	watch->user_data = user_data;
	g_hash_table_replace(loop->watches, GINT_TO_POINTER(fd), watch);
	return 0;
}

void ss_loop_remove(struct ss_loop *loop, int fd)
{
	if (g_hash_table_remove(loop->watches, GINT_TO_POINTER(fd)))
		epoll_ctl(loop->fd, EPOLL_CTL_DEL, fd, NULL);
}

static void timer_expired(uint32_t events, void *user_data)
{
	struct ss_timer *timer = user_data;
	uint64_t expirations;

	(void)events;
	if (read(timer->fd, &expirations, sizeof(expirations)) == sizeof(expirations))
		timer->callback(EPOLLIN, timer->user_data);
}

struct ss_timer *ss_timer_new(struct ss_loop *loop, ss_loop_callback callback, void *user_data)
{
	struct ss_timer *timer = g_new0(struct ss_timer, 1);

	timer->loop = loop;
	timer->callback = callback;
	timer->user_data = user_data;
	timer->fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (timer->fd < 0)
		g_error("timerfd_create: %s", g_strerror(errno));
	ss_loop_add(loop, timer->fd, EPOLLIN, timer_expired, timer);
	return timer;
}

void ss_timer_free(struct ss_timer *timer)
{
	if (!timer)
		return;
	ss_loop_remove(timer->loop, timer->fd);
	close(timer->fd);
	g_free(timer);
}

static void set(struct ss_timer *timer, uint64_t value_ns, uint64_t period_ns)
{
	struct itimerspec spec = {
		.it_value = {(time_t)(value_ns / NSEC_PER_SEC), (long)(value_ns % NSEC_PER_SEC)},
		.it_interval = {(time_t)(period_ns / NSEC_PER_SEC),
				(long)(period_ns % NSEC_PER_SEC)},
	};

	timerfd_settime(timer->fd, 0, &spec, NULL);
}

void ss_timer_once(struct ss_timer *timer, uint64_t delay_ns)
{
	set(timer, delay_ns, 0);
}

void ss_timer_every(struct ss_timer *timer, uint64_t period_ns)
{
	set(timer, period_ns, period_ns);
}

void ss_loop_run(struct ss_loop *loop)
{
	loop->quit = false;
	while (!loop->quit) {
		struct epoll_event event;
		struct watch *found, watch;

		if (epoll_wait(loop->fd, &event, 1, -1) != 1)
			continue;
		found = g_hash_table_lookup(loop->watches, GINT_TO_POINTER(event.data.fd));
		if (!found)
			continue;
		watch = *found; /* the callback may remove it */
		watch.callback(event.events, watch.user_data);
	}
}

void ss_loop_quit(struct ss_loop *loop)
{
	loop->quit = true;
}
