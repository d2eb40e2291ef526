/* SPDX-License-Identifier: GPL-2.0-or-later */
/* DNS messages as they are, as they should not be, and cut. */
#include "analysis/dns.h"

#include "dns-frames.h"

static struct ss_cursor all_of(const GByteArray *bytes)
{
	return ss_cursor(bytes->data, bytes->len);
}

static void test_query(void)
{
	g_autoptr(GByteArray) bytes =
		dns_message(&(struct dns){.id = 0x1234, .name = "Api.example.COM", .type = 28});
	struct ss_dns_message message;
	char buffer[SS_DNS_SHORT_MAX];

	g_assert_cmpint(ss_dns_read(all_of(bytes), &message), ==, 0);
	g_assert_cmpuint(message.id, ==, 0x1234);
	g_assert_false(message.is_answer);
	g_assert_true(message.has_question);
	g_assert_cmpstr(message.name, ==, "Api.example.COM");
	g_assert_cmpstr(ss_dns_type_name(message.type, buffer), ==, "AAAA");
}

static void test_answer(void)
{
	g_autoptr(GByteArray) bytes = dns_message(&(struct dns){
		.answer = true, .truncated = true, .rcode = 3, .name = ".", .type = 65400});
	struct ss_dns_message message;
	char buffer[SS_DNS_SHORT_MAX];

	g_assert_cmpint(ss_dns_read(all_of(bytes), &message), ==, 0);
	g_assert_true(message.is_answer);
	g_assert_true(message.is_truncated);
	g_assert_cmpstr(message.name, ==, ".");
	g_assert_cmpstr(ss_dns_rcode_name(message.rcode, buffer), ==, "NXDOMAIN");
	g_assert_cmpstr(ss_dns_type_name(message.type, buffer), ==, "TYPE65400");
}

/* The upper bits of the rcode are in the OPT record, behind records of other types. */
static void test_extended_rcode(void)
{
	g_autoptr(GByteArray) bytes =
		dns_message(&(struct dns){.answer = true, .rcode = 16, .name = "a.b", .type = 1});
	struct ss_dns_message message;
	char buffer[SS_DNS_SHORT_MAX];

	g_assert_cmpint(ss_dns_read(all_of(bytes), &message), ==, 0);
	g_assert_cmpstr(ss_dns_rcode_name(message.rcode, buffer), ==, "BADVERS");
	/* Cut within the record: what is known is told. */
	g_assert_cmpint(ss_dns_read(ss_cursor(bytes->data, bytes->len - 8), &message), ==, 0);
	g_assert_cmpuint(message.rcode, ==, 0);
	g_assert_cmpstr(message.name, ==, "a.b");
}

static void test_odd_names(void)
{
	static const struct {
		const char *bytes;
		size_t length;
		const char *name; /* NULL: not read */
	} rows[] = {
		{"\003a.b\001\x07\000", 7, "a\\.b.\\007"},
		{"\001a\300\014", 4, NULL},     /* points to itself: for ever */
		{"\300\014", 2, NULL},          /* likewise */
		{"\300\020\001b\000", 5, NULL}, /* forwards */
		{"\100abc", 4, NULL},           /* a kind of label that does not exist */
		{"\077short", 6, NULL},
		{"\001a\000", 3, "a"},
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(GByteArray) bytes = dns_message(&(struct dns){.id = 1});
		struct ss_dns_message message;

		bytes->data[5] = 1; /* a question */
		g_byte_array_append(bytes, (const guint8 *)rows[i].bytes, (guint)rows[i].length);
		dns_put(bytes, 1u << 16 | 1, 4);
		g_assert_cmpint(ss_dns_read(all_of(bytes), &message), ==, 0);
		g_assert_cmpint(message.has_question, ==, rows[i].name != NULL);
		if (rows[i].name)
			g_assert_cmpstr(message.name, ==, rows[i].name);
	}
}

static void test_long_name(void)
{
	for (int labels = 126; labels <= 128; labels++) {
		g_autoptr(GByteArray) bytes = dns_message(&(struct dns){.id = 1});
		struct ss_dns_message message;

		bytes->data[5] = 1;
		for (int i = 0; i < labels; i++)
			dns_put(bytes, 0x0107, 2);
		dns_put(bytes, 0, 1);
		dns_put(bytes, 1u << 16 | 1, 4);
		g_assert_cmpint(ss_dns_read(all_of(bytes), &message), ==, 0);
		g_assert_cmpint(message.has_question, ==, labels * 2 + 1 <= 255);
	}
}

static void test_cut(void)
{
	g_autoptr(GByteArray) bytes = dns_message(
		&(struct dns){.answer = true, .rcode = 23, .name = "a.bc.d", .type = 1});
	struct ss_dns_message message;

	for (guint length = 0; length < bytes->len; length++) {
		g_autofree uint8_t *copy = g_memdup2(bytes->data, length ? length : 1);
		int r = ss_dns_read(ss_cursor(copy, length), &message);

		g_assert_cmpint(r, ==, length < SS_DNS_HEADER_SIZE ? -EBADMSG : 0);
	}
}

static void test_other_opcode(void)
{
	g_autoptr(GByteArray) bytes = dns_message(&(struct dns){.name = "a", .type = 6});
	struct ss_dns_message message;

	bytes->data[2] |= 5 << 3; /* update */
	g_assert_cmpint(ss_dns_read(all_of(bytes), &message), ==, -EBADMSG);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/dns/query", test_query);
	g_test_add_func("/dns/answer", test_answer);
	g_test_add_func("/dns/extended-rcode", test_extended_rcode);
	g_test_add_func("/dns/odd-names", test_odd_names);
	g_test_add_func("/dns/long-name", test_long_name);
	g_test_add_func("/dns/cut", test_cut);
	g_test_add_func("/dns/other-opcode", test_other_opcode);
	return g_test_run();
}
