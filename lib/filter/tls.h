/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside lib/filter: the family of TLS handshakes. */
#ifndef SS_FILTER_TLS_H
#define SS_FILTER_TLS_H

#include "field.h"

extern const struct ss_family ss_family_tls;

#endif
