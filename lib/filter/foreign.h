/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside lib/filter: fields that only Wireshark knows, of protocols that the kernel part knows. */
#ifndef SS_FILTER_FOREIGN_H
#define SS_FILTER_FOREIGN_H

#include "expression.h"

extern const struct ss_family ss_family_foreign;

/* Of a test on a name that is in no family: what the kernel knows of it all the same, which is
 * where it can't be. NULL: nothing. It decides no test. */
const struct ss_field *ss_foreign_find(const struct ss_test *test);

#endif
