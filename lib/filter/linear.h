/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Does the kernel let programs read a frame's linear bytes without a call? */
#ifndef SS_FILTER_LINEAR_H
#define SS_FILTER_LINEAR_H

#include <stdbool.h>

/* Whether its verifier allows the comparison of a packet's pointer with its end that takes. Needs
 * CAP_BPF and CAP_NET_ADMIN. */
bool ss_linear_is_allowed(void);

#endif
