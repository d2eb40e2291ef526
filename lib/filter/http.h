/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside lib/filter: the family of HTTP/1 messages. */
#ifndef SS_FILTER_HTTP_H
#define SS_FILTER_HTTP_H

#include "field.h"

extern const struct ss_family ss_family_http;

/* Can the test only hold for responses (requests)? */
bool ss_http_is_of_response(const struct ss_test *test);
bool ss_http_is_of_request(const struct ss_test *test);

/* Does the first line decide it, as the kernel has it? (But for lines that are not whole in their
 * segment.) */
bool ss_http_is_decided(const struct ss_test *test);
/* May the test hold for a response with this code? */
bool ss_http_wants_code(const struct ss_test *test, unsigned code);

#endif
