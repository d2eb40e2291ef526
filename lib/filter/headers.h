/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside lib/filter: the family of what stands in link, network and transport headers. */
#ifndef SS_FILTER_HEADERS_H
#define SS_FILTER_HEADERS_H

#include "field.h"

extern const struct ss_family ss_family_headers;

#endif
