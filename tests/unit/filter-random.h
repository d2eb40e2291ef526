/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Display filters at random, of the fields that the kernel part knows. */
#ifndef SS_TESTS_FILTER_RANDOM_H
#define SS_TESTS_FILTER_RANDOM_H

#include <glib.h>

#include "filter/field.h"

/* Numbers and addresses that some of the frames have. */
static const char *const numbers[] = {"0",  "1",  "2",   "6",   "8",     "17",    "53",   "64",
				      "80", "84", "100", "443", "0x800", "54321", "65535"};
static const char *const addresses[] = {"10.0.0.1", "10.0.0.2", "10.0.0.0/24", "8.8.8.8",
					"192.168.0.0/16"};
static const char *const long_addresses[] = {"2001:db8::1", "2001:db8::2", "2001:db8::/64",
					     "fe80::/16", "ff02::1"};
static const char *const hardware[] = {"02:aa:bb:cc:dd:01", "02:aa:bb:cc:dd:02",
				       "ff:ff:ff:ff:ff:ff"};
static const char *const truths[] = {"0", "1"};

static const char *const words[] = {"GET",
				    "/api/v1",
				    "api.example.test",
				    "x",
				    "curl",
				    "in",
				    "a-word-that-is-rather-long.and-goes-on.test",
				    "text/html"};

/* Of Wireshark alone. */
static const char *const foreign[] = {
	"tcp.analysis.flags",
	"tcp.options.mss_val == 1460",
	"tcp.hdr_len != 20",
	"udp.time_delta",
	"ip.checksum.status == 2",
	"ip.host matches \"10\"",
	"ipv6.fraghdr",
	"icmp.ident == 0x1234",
	"icmpv6.opt.type !== 1",
	"arp.isgratuitous == 1",
	"eth.lg == 1",
	"vlan.etype in {0x800, 0x86dd}",
	"dns.count.queries == 1",
	"http.request_number",
	"tls.record.length > 0",
	"tcp.segment",
	"tcp.payload contains \"GET\"",
	"igmp.version",
};

#define PICK(rand, table) (table)[g_rand_int_range(rand, 0, G_N_ELEMENTS(table))]

static const char *pick_value(const struct ss_field *field, GRand *rand)
{
	switch (field->type) {
	case SS_FIELD_IPV4:
		return PICK(rand, addresses);
	case SS_FIELD_IPV6:
		return PICK(rand, long_addresses);
	case SS_FIELD_ETHER:
		return PICK(rand, hardware);
	case SS_FIELD_BOOL:
		return PICK(rand, truths);
	default:
		return field->bits < 4    ? PICK(rand, truths)
		       : field->bits < 16 ? numbers[g_rand_int_range(rand, 0, 5)]
					  : PICK(rand, numbers);
	}
}

/* Of so many of the families. */
static void random_test(GString *text, GRand *rand, unsigned families)
{
	static const char *const relations[] = {"==", "!=", "===", "!=="};
	static const char *const orders[] = {">", "<", ">=", "<="};
	static const char *const finds[] = {"==", "!=", "contains", "matches"};
	unsigned place = families > 1 ? (unsigned)g_rand_int_range(rand, 0, (gint32)families) : 0;
	const struct ss_family *family = ss_families[place];
	const struct ss_field *field;
	bool ordered;

	if (g_rand_int_range(rand, 0, 12) == 0) {
		g_string_append(text, PICK(rand, foreign));
		return;
	}
	do
		field = &family->fields[g_rand_int_range(rand, 0, (gint32)family->count)];
	while (field->context == SS_CONTEXT_ALL);
	ordered = field->type == SS_FIELD_NUMBER || field->type == SS_FIELD_IPV4;
	if (field->type == SS_FIELD_PROTOCOL || g_rand_int_range(rand, 0, 8) == 0)
		g_string_append(text, field->name);
	else if (field->names)
		g_string_append_printf(text, "%s %s %s", field->name, PICK(rand, relations),
				       field->names[0].name);
	else if (field->type == SS_FIELD_STRING && g_rand_boolean(rand))
		g_string_append_printf(text, "%s %s \"%s\"", field->name, PICK(rand, finds),
				       PICK(rand, words));
	else if (field->type == SS_FIELD_STRING)
		g_string_append_printf(text, "%s in {\"%s\", \"%s\"}", field->name,
				       PICK(rand, words), PICK(rand, words));
	else if (g_rand_int_range(rand, 0, 4) == 0)
		g_string_append_printf(text, "%s in {%s, %s}", field->name, pick_value(field, rand),
				       pick_value(field, rand));
	else
		g_string_append_printf(text, "%s %s %s", field->name,
				       ordered && g_rand_boolean(rand) ? PICK(rand, orders)
								       : PICK(rand, relations),
				       pick_value(field, rand));
}

static void random_filter(GString *text, GRand *rand, unsigned families, int depth)
{
	switch (depth ? g_rand_int_range(rand, 0, 5) : 0) {
	case 0:
		random_test(text, rand, families);
		break;
	case 1:
		g_string_append(text, "not (");
		random_filter(text, rand, families, depth - 1);
		g_string_append_c(text, ')');
		break;
	default:
		g_string_append_c(text, '(');
		random_filter(text, rand, families, depth - 1);
		g_string_append(text, g_rand_boolean(rand) ? ") and (" : ") or (");
		random_filter(text, rand, families, depth - 1);
		g_string_append_c(text, ')');
	}
}

#endif
