/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Error sentences: the first one wins, because it was written closest to the cause. */
#include "error.h"

#include <stdarg.h>
#include <stdio.h>

int ss_fail(struct ss_error *error, int code, const char *format, ...)
{
	va_list arguments;

	if (!error || error->message[0])
		return code;
	va_start(arguments, format);
	vsnprintf(error->message, sizeof(error->message), format, arguments);
	va_end(arguments);
	return code;
}
