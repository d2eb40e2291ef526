/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the library wants people to know: it calls the front end's function, never prints. */
#ifndef SS_LOG_H
#define SS_LOG_H

enum ss_log_level {
	SS_LOG_WARNING, /* something they should act on; one sentence */
	SS_LOG_NOTE,    /* something they should know: "pod production/api started" */
	SS_LOG_DEBUG,   /* for --verbose */
};

typedef void (*ss_log_callback)(enum ss_log_level level, const char *message, void *user_data);

/* NULL silences. Set it before any other call of the library. */
void ss_log_set_callback(ss_log_callback callback, void *user_data);

void ss_log(enum ss_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
