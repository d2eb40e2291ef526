/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside lib/filter: the family of DNS messages. */
#ifndef SS_FILTER_DNS_H
#define SS_FILTER_DNS_H

#include <stdbool.h>

#include "field.h"

extern const struct ss_family ss_family_dns;

/* Can the test only hold for answers (queries)? */
bool ss_dns_is_of_response(const struct ss_test *test);
bool ss_dns_is_of_request(const struct ss_test *test);
/* ... only for what has records: answers, but for queries of mDNS and updates? */
bool ss_dns_is_of_records(const struct ss_test *test);

#endif
