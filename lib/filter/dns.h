/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside lib/filter: the family of DNS messages. */
#ifndef SS_FILTER_DNS_H
#define SS_FILTER_DNS_H

#include "field.h"

extern const struct ss_family ss_family_dns;

#endif
