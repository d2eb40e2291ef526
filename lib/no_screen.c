/* SPDX-License-Identifier: GPL-2.0-or-later */
/* screen.h in a build without BPF (-DWITH_BPF=OFF), which has no filters. */
#include "screen.h"

#include <errno.h>

int ss_screen_new(const struct ss_options *options, struct ss_stream *stream, ss_screen_write write,
		  void *user_data, struct ss_screen **ret_screen, struct ss_error *error)
{
	(void)stream;
	(void)write;
	(void)user_data;
	*ret_screen = NULL;
	if (!options->filter && !options->dns_failure_only)
		return 0;
	return ss_fail(error, -ENOTSUP,
		       "this build has no filters: leave out --filter and --dns-failure-only, or "
		       "build with -DWITH_BPF=ON");
}

void ss_screen_free(struct ss_screen *screen)
{
	(void)screen;
}

void ss_screen_interface(struct ss_screen *screen, uint32_t id,
			 const struct ss_interface *interface)
{
	(void)screen;
	(void)id;
	(void)interface;
}

int ss_screen_frames(struct ss_screen *screen, struct iovec frames)
{
	(void)screen;
	(void)frames;
	return -ENOTSUP;
}

int ss_screen_event(struct ss_screen *screen, uint32_t id, uint64_t time_ns, const char *info,
		    const char *json)
{
	(void)screen;
	(void)id;
	(void)time_ns;
	(void)info;
	(void)json;
	return -ENOTSUP;
}

int ss_screen_finish(struct ss_screen *screen)
{
	(void)screen;
	return 0;
}

void ss_screen_count(const struct ss_screen *screen, uint32_t id,
		     struct ss_interface_counters *counters)
{
	(void)screen;
	(void)id;
	(void)counters;
}

char *ss_screen_summary(const struct ss_screen *screen)
{
	(void)screen;
	return NULL;
}
