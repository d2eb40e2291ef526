/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one way from the library to a person that is not an error: a callback of the front end. */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>

static ss_log_callback log_callback;
static void *log_user_data;

void ss_log_set_callback(ss_log_callback callback, void *user_data)
{
	log_callback = callback;
	log_user_data = user_data;
}

void ss_log(enum ss_log_level level, const char *format, ...)
{
	char message[1024];
	va_list arguments;

	if (!log_callback)
		return;
	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	log_callback(level, message, log_user_data);
}
