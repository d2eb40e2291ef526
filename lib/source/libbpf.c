/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libbpf reports every trouble at length; what people need to know is said by who called it. */
#include "libbpf.h"

#include <bpf/libbpf.h>
#include <glib.h>

#include "log.h"

G_GNUC_PRINTF(2, 0)
static int forward(enum libbpf_print_level level, const char *format, va_list arguments)
{
	g_autofree char *text = NULL;

	if (level == LIBBPF_DEBUG)
		return 0;
	text = g_strdup_vprintf(format, arguments);
	ss_log(SS_LOG_DEBUG, "%s", g_strchomp(text));
	return 0;
}

void ss_libbpf_init(void)
{
	libbpf_set_print(forward);
}
