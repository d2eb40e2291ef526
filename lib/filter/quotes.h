/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside lib/filter: quotes that no filter has. */
#ifndef SS_FILTER_QUOTES_H
#define SS_FILTER_QUOTES_H

#include "error.h"

/* -EINVAL: text has some: those of word processors, or 'text'. */
int ss_quotes_check(const char *text, struct ss_error *error);

#endif
