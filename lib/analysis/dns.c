/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads a message without trusting it: compression pointers are followed only backwards, so that
 * they come to an end, and nothing is read behind what was captured.
 */
#include "analysis/dns.h"

#include <glib.h>

#define FLAG_ANSWER    0x8000u
#define FLAG_TRUNCATED 0x0200u
#define OPCODE(flags)  ((flags) >> 11 & 15)
#define RCODE(flags)   ((flags)&15)

#define LABEL_POINTER 0xc0u /* both upper bits of a label's length */
#define NAME_BYTES    255u  /* of a name, RFC 1035 section 2.3.4 */

#define TYPE_OPT 41

/* Appends one byte of a label as dig writes it. */
static void put_byte(char **to, uint8_t byte)
{
	if (byte == '.' || byte == '\\' || byte == '"' || byte == ';' || byte == '@' ||
	    byte == '$' || byte == '(' || byte == ')') {
		*(*to)++ = '\\';
		*(*to)++ = (char)byte;
	} else if (byte > 0x20 && byte < 0x7f) {
		*(*to)++ = (char)byte;
	} else {
		*(*to)++ = '\\';
		*(*to)++ = (char)('0' + byte / 100);
		*(*to)++ = (char)('0' + byte / 10 % 10);
		*(*to)++ = (char)('0' + byte % 10);
	}
}

/* Skips a name where it stands; what a pointer points to does not matter. */
static int skip_name(struct ss_cursor *cursor)
{
	uint8_t length;

	for (;;) {
		if (ss_cursor_u8(cursor, &length) < 0)
			return -EBADMSG;
		if (length == 0)
			return 0;
		if ((length & LABEL_POINTER) == LABEL_POINTER)
			return ss_cursor_skip(cursor, 1);
		if (length & LABEL_POINTER || ss_cursor_skip(cursor, length) < 0)
			return -EBADMSG;
	}
}

/* The name at the cursor, which points into message, as text. */
static int read_name(struct ss_cursor message, struct ss_cursor cursor, char text[SS_DNS_NAME_MAX])
{
	size_t lowest = message.length - cursor.length, bytes = 1;
	char *to = text;
	uint8_t length, low;

	for (;;) {
		const uint8_t *label;

		if (ss_cursor_u8(&cursor, &length) < 0)
			return -EBADMSG;
		if (length == 0)
			break;
		if ((length & LABEL_POINTER) == LABEL_POINTER) {
			size_t target;

			if (ss_cursor_u8(&cursor, &low) < 0)
				return -EBADMSG;
			target = (size_t)(length & ~LABEL_POINTER) << 8 | low;
			if (target >= lowest)
				return -EBADMSG;
			lowest = target;
			cursor = ss_cursor(message.data + target, message.length - target);
			continue;
		}
		bytes += length + 1u;
		if (length & LABEL_POINTER || bytes > NAME_BYTES ||
		    ss_cursor_bytes(&cursor, length, &label) < 0)
			return -EBADMSG;
		if (to != text)
			*to++ = '.';
		for (uint8_t i = 0; i < length; i++)
			put_byte(&to, label[i]);
	}
	if (to == text)
		*to++ = '.';
	*to = '\0';
	return 0;
}

static void read_question(struct ss_cursor message, struct ss_cursor *cursor,
			  struct ss_dns_message *ret_message)
{
	struct ss_cursor start = *cursor;

	if (skip_name(cursor) < 0 || ss_cursor_be16(cursor, &ret_message->type) < 0 ||
	    ss_cursor_be16(cursor, &ret_message->class) < 0)
		return;
	ret_message->has_question = read_name(message, start, ret_message->name) == 0;
}

/* Adds the upper bits of the rcode, which the OPT record has in its TTL (RFC 6891 section 6.1.3).
 * Each record has at least 11 bytes, so what is captured bounds the loop. */
static void read_edns(struct ss_cursor cursor, unsigned records, struct ss_dns_message *message)
{
	for (unsigned i = 0; i < records; i++) {
		uint16_t type, length;
		uint32_t ttl;

		if (skip_name(&cursor) < 0 || ss_cursor_be16(&cursor, &type) < 0 ||
		    ss_cursor_skip(&cursor, 2) < 0 || ss_cursor_be32(&cursor, &ttl) < 0 ||
		    ss_cursor_be16(&cursor, &length) < 0)
			return;
		if (type == TYPE_OPT) {
			message->rcode |= (uint16_t)(ttl >> 24 << 4);
			return;
		}
		if (ss_cursor_skip(&cursor, length) < 0)
			return;
	}
}

int ss_dns_read(struct ss_cursor bytes, struct ss_dns_message *ret_message)
{
	struct ss_dns_message message = {0};
	struct ss_cursor cursor = bytes;
	uint16_t flags, counts[4];

	if (ss_cursor_be16(&cursor, &message.id) < 0 || ss_cursor_be16(&cursor, &flags) < 0)
		return -EBADMSG;
	for (size_t i = 0; i < G_N_ELEMENTS(counts); i++)
		if (ss_cursor_be16(&cursor, &counts[i]) < 0)
			return -EBADMSG;
	if (OPCODE(flags) != 0)
		return -EBADMSG;
	message.is_answer = flags & FLAG_ANSWER;
	message.is_truncated = flags & FLAG_TRUNCATED;
	message.rcode = message.is_answer ? RCODE(flags) : 0;
	if (counts[0])
		read_question(bytes, &cursor, &message);
	if (message.is_answer && message.has_question == !!counts[0] && counts[0] <= 1)
		read_edns(cursor, (unsigned)counts[1] + counts[2] + counts[3], &message);
	*ret_message = message;
	return 0;
}

struct name {
	uint16_t number;
	const char *name;
};

/* IANA "Domain Name System (DNS) Parameters": what is asked for in practice. */
static const struct name types[] = {
	{1, "A"},       {2, "NS"},     {5, "CNAME"}, {6, "SOA"},    {12, "PTR"},   {13, "HINFO"},
	{15, "MX"},     {16, "TXT"},   {28, "AAAA"}, {29, "LOC"},   {33, "SRV"},   {35, "NAPTR"},
	{39, "DNAME"},  {41, "OPT"},   {43, "DS"},   {44, "SSHFP"}, {46, "RRSIG"}, {47, "NSEC"},
	{48, "DNSKEY"}, {50, "NSEC3"}, {52, "TLSA"}, {64, "SVCB"},  {65, "HTTPS"}, {99, "SPF"},
	{251, "IXFR"},  {252, "AXFR"}, {255, "ANY"}, {256, "URI"},  {257, "CAA"},
};

static const struct name rcodes[] = {
	{0, "NOERROR"},  {1, "FORMERR"},    {2, "SERVFAIL"}, {3, "NXDOMAIN"},  {4, "NOTIMP"},
	{5, "REFUSED"},  {6, "YXDOMAIN"},   {7, "YXRRSET"},  {8, "NXRRSET"},   {9, "NOTAUTH"},
	{10, "NOTZONE"}, {11, "DSOTYPENI"}, {16, "BADVERS"}, {17, "BADKEY"},   {18, "BADTIME"},
	{19, "BADMODE"}, {20, "BADNAME"},   {21, "BADALG"},  {22, "BADTRUNC"}, {23, "BADCOOKIE"},
};

static const char *find_name(const struct name *names, size_t count, uint16_t number,
			     const char *prefix, char buffer[SS_DNS_SHORT_MAX])
{
	for (size_t i = 0; i < count; i++)
		if (names[i].number == number)
			return names[i].name;
	g_snprintf(buffer, SS_DNS_SHORT_MAX, "%s%u", prefix, number);
	return buffer;
}

const char *ss_dns_type_name(uint16_t type, char buffer[SS_DNS_SHORT_MAX])
{
	return find_name(types, G_N_ELEMENTS(types), type, "TYPE", buffer);
}

const char *ss_dns_rcode_name(uint16_t rcode, char buffer[SS_DNS_SHORT_MAX])
{
	return find_name(rcodes, G_N_ELEMENTS(rcodes), rcode, "RCODE", buffer);
}
