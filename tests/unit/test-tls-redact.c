/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tls/redact.h"

#include <errno.h>
#include <string.h>

#include <glib.h>
#include <glib/gstdio.h>

static struct ss_tls_redact *redact_new(const char *rules)
{
	g_autofree char *path = NULL;
	struct ss_tls_redact *redact = NULL;
	struct ss_error error = {0};
	int fd, r;

	if (rules) {
		fd = g_file_open_tmp("stratoshark-rules-XXXXXX", &path, NULL);
		g_assert_cmpint(fd, >=, 0);
		close(fd);
		g_assert_true(g_file_set_contents(path, rules, -1, NULL));
	}
	r = ss_tls_redact_new(path, &redact, &error);
	if (path)
		g_unlink(path);
	g_assert_cmpstr(error.message, ==, "");
	g_assert_cmpint(r, ==, 0);
	return redact;
}

/* The stream in pieces: a first one, then those of step bytes. */
static char *run(struct ss_tls_redact *redact, const char *input, size_t length, size_t first,
		 size_t step)
{
	struct ss_tls_redact_stream *stream = ss_tls_redact_stream_new(redact);
	char *output = g_memdup2(input, length + 1);
	size_t offered = MIN(first, length), final = 0;

	for (;;) {
		bool end = offered == length;

		final += ss_tls_redact_run(stream, (uint8_t *)output + final, offered - final, end);
		if (end)
			break;
		offered = MIN(offered + step, length);
	}
	g_assert_cmpuint(final, ==, length);
	ss_tls_redact_stream_free(stream);
	return output;
}

static void assert_same(const char *output, const char *expected, size_t length)
{
	if (!memcmp(output, expected, length))
		return;
	g_test_message("got      %.*s", (int)length, output);
	g_test_message("expected %.*s", (int)length, expected);
	g_test_fail();
}

/* However it is cut. */
static void assert_run(const char *rules, const char *input, const char *expected, size_t length)
{
	struct ss_tls_redact *redact = redact_new(rules);

	for (size_t first = 0; first <= length; first++) {
		g_autofree char *output = run(redact, input, length, first, length);

		assert_same(output, expected, length);
	}
	for (size_t step = 1; step < 8; step++) {
		g_autofree char *output = run(redact, input, length, step, step);

		assert_same(output, expected, length);
	}
	ss_tls_redact_free(redact);
}

struct pair {
	const char *input, *expected;
};

static void assert_pairs(const char *rules, const struct pair *pairs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		g_assert_cmpuint(strlen(pairs[i].input), ==, strlen(pairs[i].expected));
		assert_run(rules, pairs[i].input, pairs[i].expected, strlen(pairs[i].input));
	}
}

#define STARS16 "****************"

static void test_cards(void)
{
	static const struct pair pairs[] = {
		{"4111111111111111", STARS16},
		{"pay 4111 1111 1111 1111 now", "pay **** **** **** **** now"},
		{"pay 4111-1111-1111-1111.", "pay ****-****-****-****."},
		{"3782 822463 10005", "**** ****** *****"},
		{"(378282246310005)", "(***************)"},
		{"on 2024-01-02 4111111111111111", "on 2024-01-02 ****************"},
		{"2024 4111 1111 1111 1111 2025", "2024 **** **** **** **** 2025"},
		{"n=5555555555554444&x=1", "n=****************&x=1"},
		{"n=4111+1111+1111+1111&x=1", "n=****+****+****+****&x=1"},
		{"n=4111%201111%201111%201111&", "n=****%20****%20****%20****&"},
		{"a\\n4111111111111111\\n", "a\\n****************\\n"},
		{"{\"n\": 4111111111111111}", "{\"n\": \"**************\"}"},
		{"{\"n\":\"4111111111111111\"}", "{\"n\":\"" STARS16 "\"}"},
		{"4222222222222", "*************"},
		{"6304000000000000000,", "*******************,"},
	};

	assert_pairs(NULL, pairs, G_N_ELEMENTS(pairs));
}

/* No check digit, no issuer, or a part of something else. */
static void test_no_cards(void)
{
	static const char *const texts[] = {
		"4111111111111112",
		"1234567890123452",
		"41111111111111111111",
		"id=4111111111111111a",
		"id=a4111111111111111",
		"0.4111111111111111",
		"4111  1111  1111  1111",
		"4111 1111-1111 1111",
		"41 11 11 11 11 11 11 11",
		"1700000000000 1700000000001",
		"411111111111",
	};

	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
		assert_run(NULL, texts[i], texts[i], strlen(texts[i]));
}

static void test_headers(void)
{
	static const struct pair pairs[] = {
		{"GET / HTTP/1.1\r\nAuthorization: Bearer abc.def-ghi\r\nHost: a\r\n\r\n",
		 "GET / HTTP/1.1\r\nAuthorization: Bearer ***********\r\nHost: a\r\n\r\n"},
		{"GET / HTTP/1.1\r\nauthorization:Basic dXNlcjpwYXNz\r\n\r\n",
		 "GET / HTTP/1.1\r\nauthorization:Basic ************\r\n\r\n"},
		{"GET / HTTP/1.1\r\nAuthorization: abcdef\r\nA: b\r\n\r\n",
		 "GET / HTTP/1.1\r\nAuthorization: ******\r\nA: b\r\n\r\n"},
		{"GET / HTTP/1.1\r\nAuthorization: hunter2 x\r\nA: b\r\n\r\n",
		 "GET / HTTP/1.1\r\nAuthorization: ******* *\r\nA: b\r\n\r\n"},
		{"GET / HTTP/1.1\r\nCookie: a=b; c=d\r\nAccept: x\r\n\r\n",
		 "GET / HTTP/1.1\r\nCookie: ********\r\nAccept: x\r\n\r\n"},
		{"HTTP/1.1 200 OK\r\nSET-COOKIE: sid=1; Path=/\r\nX: y\r\n\r\n",
		 "HTTP/1.1 200 OK\r\nSET-COOKIE: *************\r\nX: y\r\n\r\n"},
		{"GET / HTTP/1.1\nX-Api-Key: k\nX-Auth-Token: t\nX-Api: k\n\n",
		 "GET / HTTP/1.1\nX-Api-Key: *\nX-Auth-Token: *\nX-Api: k\n\n"},
		{"GET / HTTP/1.1\r\nCookie: a\r\n b\r\nHost: c\r\n\r\n",
		 "GET / HTTP/1.1\r\nCookie: *\r\n**\r\nHost: c\r\n\r\n"},
		{"GET / HTTP/1.1\r\nCookie:\r\nHost: c\r\n\r\n",
		 "GET / HTTP/1.1\r\nCookie:\r\nHost: c\r\n\r\n"},
	};

	assert_pairs(NULL, pairs, G_N_ELEMENTS(pairs));
}

static void test_forms(void)
{
	static const struct pair pairs[] = {
		{"user=bob&password=hunter2&x=1", "user=bob&password=*******&x=1"},
		{"GET /a?access_token=abc&b=c HTTP/1.1\r\n",
		 "GET /a?access_token=***&b=c HTTP/1.1\r\n"},
		{"GET /a?Client-Secret=abc HTTP/1.1\r\n", "GET /a?Client-Secret=*** HTTP/1.1\r\n"},
		{"user[password]=x&user%5Bpin%5D=12&", "user[password]=*&user%5Bpin%5D=**&"},
		{"db_password=x y", "db_password=* y"},
		{"mypasswords=x&tokenizer=y", "mypasswords=x&tokenizer=y"},
		{"cvv=123", "cvv=***"},
		{"password=&user=x", "password=&user=x"},
	};

	assert_pairs(NULL, pairs, G_N_ELEMENTS(pairs));
}

static void test_json(void)
{
	static const struct pair pairs[] = {
		{"{\"amount\": 1000, \"card_number\": \"4111\"}",
		 "{\"amount\": 1000, \"card_number\": \"****\"}"},
		{"{\"user\":{\"Password\" : \"a b\\\"c\\\\\",\"n\":1}}",
		 "{\"user\":{\"Password\" : \"********\",\"n\":1}}"},
		{"{\"accessToken\":\"x\",\"refresh-token\":\"y\"}",
		 "{\"accessToken\":\"*\",\"refresh-token\":\"*\"}"},
		{"{\"pin\": 1234, \"cvv\":1, \"z\":2}", "{\"pin\": \"**\", \"cvv\":0, \"z\":2}"},
		{"{\"pin\":-12.5e3}", "{\"pin\":\"*****\"}"},
		{"{\"secret\":[\"ab\", \"c\",12],\"d\":\"e\"}",
		 "{\"secret\":[\"**\", \"*\",\"\"],\"d\":\"e\"}"},
		{"{\"password\":null,\"a\":\"b\"}", "{\"password\":null,\"a\":\"b\"}"},
		{"{\"pass\\u0077ord\":\"x\"}", "{\"pass\\u0077ord\":\"*\"}"},
		{"{\"a\":\"{\\\"password\\\":\\\"b\\\\\\\"c\\\"}\",\"d\":\"e\"}",
		 "{\"a\":\"{\\\"password\\\":\\\"******\\\"}\",\"d\":\"e\"}"},
		{"{\n  \"password\":\n    \"x\"\n}", "{\n  \"password\":\n    \"*\"\n}"},
		{"{\"kind\":\"password\",\"value\":\"x\"}",
		 "{\"kind\":\"password\",\"value\":\"x\"}"},
		{"a \" b {\"password\":\"x\"}", "a \" b {\"password\":\"*\"}"},
	};

	assert_pairs(NULL, pairs, G_N_ELEMENTS(pairs));
}

static void test_urls(void)
{
	static const struct pair pairs[] = {
		{"https://bob:hunter2@host/x", "https://bob:*******@host/x"},
		{"postgres://u:p:q@db:5432/x", "postgres://u:***@db:5432/x"},
		{"http://host:8080/a@b", "http://host:8080/a@b"},
		{"http://bob@host/", "http://bob@host/"},
	};

	assert_pairs(NULL, pairs, G_N_ELEMENTS(pairs));
}

static void test_multipart(void)
{
	static const char input[] =
		"--x\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nhunter2\r\n"
		"--x\r\nContent-Disposition: form-data; name=\"user\"\r\n\r\nbob\r\n--x--\r\n";
	static const char expected[] =
		"--x\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\n*******\r\n"
		"--x\r\nContent-Disposition: form-data; name=\"user\"\r\n\r\nbob\r\n--x--\r\n";

	assert_run(NULL, input, expected, strlen(input));
}

/* A chunk's header in the middle of a secret stays what it is. */
static void test_chunks(void)
{
	static const char input[] =
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		"10\r\n{\"password\":\"abc\r\n12\r\ndef\",\"n\":411111111111\r\n"
		"8\r\n1111,5:6\r\n0\r\n\r\n";
	static const char expected[] =
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		"10\r\n{\"password\":\"***\r\n12\r\n***\",\"n\":\"***********\r\n"
		"8\r\n***\",5:6\r\n0\r\n\r\n";

	assert_run(NULL, input, expected, strlen(input));
}

static void test_rules(void)
{
	static const char rules[] = "# ours\n\nheader X-Ours\n  field badge_no\n"
				    "pattern SSN-\\d+\npattern employee (\\w+)\nno-cards\n";
	static const struct pair pairs[] = {
		{"GET / HTTP/1.1\r\nx-ours: abc\r\n\r\n", "GET / HTTP/1.1\r\nx-ours: ***\r\n\r\n"},
		{"badgeNo=12&a=b", "badgeNo=**&a=b"},
		{"see SSN-123 and SSN-4.", "see ******* and *****."},
		{"the employee bob\nis", "the employee ***\nis"},
		{"4111111111111111", "4111111111111111"},
	};

	assert_pairs(rules, pairs, G_N_ELEMENTS(pairs));
}

/* Masked whole rather than matched for seconds. */
static void test_expensive_pattern(void)
{
	g_autofree char *line = g_strnfill(3000, 'a');
	struct ss_tls_redact *redact = redact_new("pattern ^(a+)+$\npattern (x+x+)+y\n");
	gint64 start = g_get_monotonic_time();
	g_autofree char *output = NULL;

	line[2999] = 'b';
	output = run(redact, line, 3000, 3000, 1);
	g_assert_cmpint(g_get_monotonic_time() - start, <, 2 * G_USEC_PER_SEC);
	g_assert_cmpint(output[0], ==, '*');
	ss_tls_redact_free(redact);
}

static void test_bad_rules(void)
{
	static const struct {
		const char *rules, *sentence;
	} cases[] = {
		{"header A\nfoo bar\n", "line 2: a rule begins with"},
		{"\n\npattern (\n", "line 3: \"pattern\" needs a regular expression"},
		{"header\n", "line 1: \"header\" needs the name"},
		{"field a b\n", "line 1: \"field\" needs the name"},
		{"no-cards please\n", "line 1: \"no-cards\" stands alone"},
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *path = NULL;
		struct ss_tls_redact *redact = NULL;
		struct ss_error error = {0};
		int fd = g_file_open_tmp("stratoshark-rules-XXXXXX", &path, NULL);

		close(fd);
		g_assert_true(g_file_set_contents(path, cases[i].rules, -1, NULL));
		g_assert_cmpint(ss_tls_redact_new(path, &redact, &error), ==, -EINVAL);
		g_assert_null(redact);
		g_assert_nonnull(strstr(error.message, cases[i].sentence));
		g_assert_nonnull(strstr(error.message, path));
		g_unlink(path);
	}
}

static void test_missing_rules(void)
{
	struct ss_tls_redact *redact = NULL;
	struct ss_error error = {0};

	g_assert_cmpint(ss_tls_redact_new("/nonexistent/rules", &redact, &error), <, 0);
	g_assert_nonnull(strstr(error.message, "/nonexistent/rules"));
}

static void put_frame(GByteArray *bytes, uint8_t type, uint8_t flags, uint32_t stream,
		      const void *payload, size_t length)
{
	const uint8_t header[9] = {0, (uint8_t)(length >> 8), (uint8_t)length, type, flags, 0,
				   0, (uint8_t)(stream >> 8), (uint8_t)stream};

	g_byte_array_append(bytes, header, sizeof(header));
	g_byte_array_append(bytes, payload, (guint)length);
}

static void put_literal(GByteArray *block, uint8_t form, const char *name, const char *value)
{
	const uint8_t name_length = (uint8_t)strlen(name), value_length = (uint8_t)strlen(value);

	g_byte_array_append(block, &form, 1);
	if (*name) {
		g_byte_array_append(block, &name_length, 1);
		g_byte_array_append(block, (const guint8 *)name, name_length);
	}
	g_byte_array_append(block, &value_length, 1);
	g_byte_array_append(block, (const guint8 *)value, value_length);
}

/* A connection with a header block in two frames, padded and with a priority. */
static GByteArray *http2(const struct pair *fields, const uint8_t *forms, size_t count,
			 bool expected, const char *body)
{
	static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
	g_autoptr(GByteArray) block = g_byte_array_new(), first = g_byte_array_new();
	GByteArray *bytes = g_byte_array_new();

	for (size_t i = 0; i < count; i++) {
		const char *text = expected ? fields[i].expected : fields[i].input;
		g_auto(GStrv) words = g_strsplit(text, "=", 2);

		put_literal(block, forms[i], words[0], words[1]);
	}
	g_byte_array_append(bytes, (const guint8 *)preface, 24);
	put_frame(bytes, 4, 0, 0, NULL, 0);
	g_byte_array_append(first, (const guint8 *)"\3\0\0\0\0\20", 6);
	g_byte_array_append(first, block->data, block->len / 2);
	g_byte_array_append(first, (const guint8 *)"\0\0\0", 3);
	put_frame(bytes, 1, 0x28, 1, first->data, first->len);
	put_frame(bytes, 9, 4, 1, block->data + block->len / 2, block->len - block->len / 2);
	put_frame(bytes, 0, 0, 1, body, 10);
	put_frame(bytes, 8, 0, 0, "\0\0\1\0", 4);
	put_frame(bytes, 0, 1, 1, body + 10, strlen(body) - 10);
	return bytes;
}

static void test_http2_headers(void)
{
	static const struct pair fields[] = {
		{"authorization=Bearer abcdef", "authorization=Bearer ******"},
		{"x-thing=hello", "x-thing=hello"},
		{"cookie=a", "cookie=*"},
		{"=from the static table", "=*********************"},
		{"=by the dynamic one", "=******************"},
		{"x-thing=likewise", "x-thing=likewise"},
		{":path=/x?token=abc&b", ":path=/x?token=***&b"},
		{"x-api-key=k", "x-api-key=*"},
		{"n=card 4111111111111111", "n=card ****************"},
	};
	/* 0x40: into the table, whose newest entry is 62; 0x10: never; 23: authorization. */
	static const uint8_t forms[] = {0x40, 0x40, 0x40, 0x40 | 23, 0x40 | 62,
					0x00, 0x00, 0x00, 0x10};
	g_autoptr(GByteArray) input = NULL, expected = NULL;

	input = http2(fields, forms, G_N_ELEMENTS(fields), false, "card 41111111 11111111");
	expected = http2(fields, forms, G_N_ELEMENTS(fields), true, "card ******** ********");
	assert_run(NULL, (const char *)input->data, (const char *)expected->data, input->len);
}

/* RFC 7541 C.6.1, with a Huffman-coded set-cookie at its end. */
static void test_http2_huffman(void)
{
	static const uint8_t cookie[] = {0x77, 0x86, 0x94, 0xe7, 0x82, 0x1d, 0xd7, 0xf2};
	static const uint8_t stars[] = {0x77, 0x86, 0xf9, 0xf9, 0xf9, 0xf9, 0xf9, 0xf9};
	g_autoptr(GByteArray) input = g_byte_array_new(), expected = g_byte_array_new();

	put_frame(input, 1, 4, 1, cookie, sizeof(cookie));
	put_frame(expected, 1, 4, 1, stars, sizeof(cookie));
	assert_run(NULL, (const char *)input->data, (const char *)expected->data, input->len);
}

/* Secrets of one stream are no matter of another. */
static void test_http2_streams(void)
{
	g_autoptr(GByteArray) input = g_byte_array_new(), expected = g_byte_array_new();

	put_frame(input, 0, 0, 1, "{\"password\":\"ab", 15);
	put_frame(input, 0, 0, 3, "{\"x\":\"y\"}", 9);
	put_frame(input, 0, 1, 1, "c\",\"d\":\"e\"}", 11);
	put_frame(expected, 0, 0, 1, "{\"password\":\"**", 15);
	put_frame(expected, 0, 0, 3, "{\"x\":\"y\"}", 9);
	put_frame(expected, 0, 1, 1, "*\",\"d\":\"e\"}", 11);
	assert_run(NULL, (const char *)input->data, (const char *)expected->data, input->len);
}

/* After bytes that are no frame the walk finds one again, and trusts no table. */
static void test_http2_lost(void)
{
	g_autoptr(GByteArray) input = g_byte_array_new(), expected = g_byte_array_new();

	for (int i = 0; i < 2; i++) {
		GByteArray *bytes = i ? expected : input;

		put_frame(bytes, 1, 4, 1, "\x40\1a\1b", 5);
		g_byte_array_set_size(bytes, bytes->len + 100);
		memset(bytes->data + bytes->len - 100, 0, 100);
		put_frame(bytes, 1, 4, 3, i ? "\x7e\3***" : "\x7e\3abc", 5);
		put_frame(bytes, 1, 4, 5, i ? "\x57\3***" : "\x57\3abc", 5);
	}
	assert_run(NULL, (const char *)input->data, (const char *)expected->data, input->len);
}

/* What can't wait goes out; what follows is masked still. */
static void test_end_is_not_the_end(void)
{
	struct ss_tls_redact *redact = redact_new(NULL);
	struct ss_tls_redact_stream *stream = ss_tls_redact_stream_new(redact);
	char first[] = "4111111111", second[] = "111111 \r\nCook", third[] = "ie: abc\r\n";

	g_assert_cmpuint(ss_tls_redact_run(stream, (uint8_t *)first, 10, true), ==, 10);
	g_assert_cmpuint(ss_tls_redact_run(stream, (uint8_t *)second, 13, true), ==, 13);
	g_assert_cmpuint(ss_tls_redact_run(stream, (uint8_t *)third, 9, true), ==, 9);
	g_assert_cmpstr(first, ==, "4111111111");
	g_assert_cmpstr(second, ==, "****** \r\nCook");
	g_assert_cmpstr(third, ==, "ie: ***\r\n");
	g_assert_cmpuint(ss_tls_redact_count(redact), ==, 9);
	ss_tls_redact_stream_free(stream);
	ss_tls_redact_free(redact);
}

static void test_binary_is_left_alone(void)
{
	struct ss_tls_redact *redact = redact_new(NULL);
	const size_t length = 1 << 20;
	g_autofree char *input = g_malloc(length + 1), *output = NULL;
	GRand *random = g_rand_new_with_seed(1);

	for (size_t i = 0; i < length; i++)
		input[i] = (char)g_rand_int(random);
	g_rand_free(random);
	input[0] = 1;
	output = run(redact, input, length, 1000, 1000);
	assert_same(output, input, length);
	g_assert_cmpuint(ss_tls_redact_count(redact), ==, 0);
	ss_tls_redact_free(redact);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/tls/redact/cards", test_cards);
	g_test_add_func("/tls/redact/no-cards", test_no_cards);
	g_test_add_func("/tls/redact/headers", test_headers);
	g_test_add_func("/tls/redact/forms", test_forms);
	g_test_add_func("/tls/redact/json", test_json);
	g_test_add_func("/tls/redact/urls", test_urls);
	g_test_add_func("/tls/redact/multipart", test_multipart);
	g_test_add_func("/tls/redact/chunks", test_chunks);
	g_test_add_func("/tls/redact/rules", test_rules);
	g_test_add_func("/tls/redact/expensive-pattern", test_expensive_pattern);
	g_test_add_func("/tls/redact/bad-rules", test_bad_rules);
	g_test_add_func("/tls/redact/missing-rules", test_missing_rules);
	g_test_add_func("/tls/redact/http2-headers", test_http2_headers);
	g_test_add_func("/tls/redact/http2-huffman", test_http2_huffman);
	g_test_add_func("/tls/redact/http2-streams", test_http2_streams);
	g_test_add_func("/tls/redact/http2-lost", test_http2_lost);
	g_test_add_func("/tls/redact/end-is-not-the-end", test_end_is_not_the_end);
	g_test_add_func("/tls/redact/binary-is-left-alone", test_binary_is_left_alone);
	return g_test_run();
}
