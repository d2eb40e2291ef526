/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A DNS message: who is asked what, and how the answer went. RFC 1035 section 4, RFC 6891 (EDNS).
 */
#ifndef SS_ANALYSIS_DNS_H
#define SS_ANALYSIS_DNS_H

#include <stdbool.h>
#include <stdint.h>

#include "cursor.h"

#define SS_DNS_PORT        53
#define SS_DNS_HEADER_SIZE 12
#define SS_DNS_NAME_MAX    1024 /* bytes of a name as text: 255 bytes, each at most "\255", and NUL \
				 */
#define SS_DNS_SHORT_MAX 16     /* bytes of a type or an rcode as text */

enum { SS_DNS_NOERROR = 0, SS_DNS_NXDOMAIN = 3 };

struct ss_dns_message {
	uint16_t id;
	uint16_t rcode; /* with the upper bits that EDNS adds */
	bool is_answer;
	bool is_truncated; /* TC: the rest is to be had by TCP */
	bool has_question; /* then name, type and class are those of the first */
	uint16_t type, class;
	char name[SS_DNS_NAME_MAX]; /* as dig writes it, without the last dot; "." is the root */
};

/*
 * bytes: the message, or as much of it as was captured. -EBADMSG: not even a header, or no query
 * and no answer (notify, update ...).
 */
int ss_dns_read(struct ss_cursor bytes, struct ss_dns_message *ret_message);

/* "AAAA", "TYPE65400"; "NXDOMAIN", "RCODE77". Into buffer, or constant. */
const char *ss_dns_type_name(uint16_t type, char buffer[SS_DNS_SHORT_MAX]);
const char *ss_dns_rcode_name(uint16_t rcode, char buffer[SS_DNS_SHORT_MAX]);

#endif
