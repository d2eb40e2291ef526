/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where HTTP messages begin and end, however they are cut into segments. */
#include "analysis/http.h"

#include <glib.h>

struct fixture {
	struct ss_http_side side;
	uint32_t sequence;
	GString *told; /* a letter per event, "|" between segments */
	bool answers_head, answers_connect;
};

static void told(enum ss_http_event event, void *user_data)
{
	static const char letters[] = {
		[SS_HTTP_MORE] = 'm', [SS_HTTP_REQUEST] = 'q', [SS_HTTP_RESPONSE] = 'a',
		[SS_HTTP_END] = 'e',  [SS_HTTP_NONE] = 'n',
	};
	struct fixture *fixture = user_data;

	g_string_append_c(fixture->told, letters[event]);
	if (event == SS_HTTP_RESPONSE) {
		fixture->side.answers_head = fixture->answers_head;
		fixture->side.answers_connect = fixture->answers_connect;
	}
}

static void set_up(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	fixture->told = g_string_new(NULL);
	fixture->sequence = UINT32_MAX - 20; /* it wraps */
}

static void tear_down(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	g_string_free(fixture->told, TRUE);
}

static void take_at(struct fixture *fixture, uint32_t sequence, const char *text, size_t captured)
{
	size_t length = strlen(text);

	ss_http_side_take(&fixture->side, sequence, ss_cursor(text, MIN(captured, length)),
			  (uint32_t)length, told, fixture);
	g_string_append_c(fixture->told, '|');
}

static void take(struct fixture *fixture, const char *text)
{
	take_at(fixture, fixture->sequence, text, SIZE_MAX);
	fixture->sequence += (uint32_t)strlen(text);
}

static void assert_told(struct fixture *fixture, const char *events)
{
	g_assert_cmpstr(fixture->told->str, ==, events);
	g_string_truncate(fixture->told, 0);
}

#define GET "GET /x HTTP/1.1\r\nHost: a\r\n\r\n"

static void test_requests(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	take(fixture, GET);
	take(fixture, GET GET);
	take(fixture, "POST / HTTP/1.0\r\ncontent-LENGTH: 5\r\n\r\nab");
	take(fixture, "GET" GET);
	assert_told(fixture, "qe|qeqe|q|meqe|");
	take(fixture, "HEAD / HTTP/1.1\r\n\r\n");
	assert_told(fixture, "qe|");
	g_assert_true(fixture->side.is_head);
}

static void test_responses(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	take(fixture,
	     "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab");
	take(fixture, "HTTP/1.1 204 No\r\n\r\nHTTP/1.0 304 Not\r\nContent-Length: 9\r\n\r\n");
	take(fixture, "HTTP/1.1 404 No\r\n\r\nHTTP/1.1 200 OK\r\n\r\n");
	take(fixture, GET);
	assert_told(fixture, "aeae|aeae|a|m|");
	ss_http_side_end(&fixture->side, told, fixture);
	assert_told(fixture, "e");
}

static void test_chunks(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	take(fixture, "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n1");
	take(fixture, "0;x=y\r\n0123456789");
	take(fixture, "abcdef\r");
	take(fixture, "\n3\r\nHTT\r\n0\r\nTrailer: x\r\n");
	take(fixture, "\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	assert_told(fixture, "a|m|m|m|meae|");
}

/* A byte per segment, and the head's lines longer than what is kept of them. */
static void test_bytes(struct fixture *fixture, gconstpointer data)
{
	g_autofree char *filler = g_strnfill(2000, 'x');
	g_autofree char *text = g_strdup_printf("POST /%s HTTP/1.1\r\nCookie: %s\r\n"
						"Content-Length: 3\r\n\r\nabc",
						filler, filler);
	size_t length = strlen(text);

	(void)data;
	for (size_t i = 0; i < length; i++) {
		char byte[2] = {text[i]};

		take(fixture, byte);
		assert_told(fixture, i == 0 ? "q|" : i == length - 1 ? "me|" : "m|");
	}
	take(fixture, GET);
	assert_told(fixture, "qe|");
}

static void test_what_is_none(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	take(fixture, "\x16\x03\x01");
	take(fixture, "GET it while it is hot\r\n");
	take(fixture, "PRI * HTTP/2.0\r\n\r\n");
	take(fixture, "HTTP/2 200\r\n");
	assert_told(fixture, "||||");
	take(fixture, "GET ");
	take(fixture, "it\r\n");
	assert_told(fixture, "q|mn|");
	take(fixture, GET);
	assert_told(fixture, "qe|");
}

static void test_answers_to_head_and_connect(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	fixture->answers_head = true;
	take(fixture, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
	assert_told(fixture, "ae|");
	fixture->answers_head = false;
	fixture->answers_connect = true;
	take(fixture, "HTTP/1.1 200 OK\r\n\r\n");
	assert_told(fixture, "ae|");
	g_assert_true(ss_http_side_is_switch(&fixture->side));
	ss_http_side_stop(&fixture->side);
	take(fixture, GET);
	assert_told(fixture, "|");
}

static void test_once_more_and_gaps(struct fixture *fixture, gconstpointer data)
{
	const uint32_t first = fixture->sequence;

	(void)data;
	take(fixture, GET);
	take_at(fixture, first, GET, SIZE_MAX);
	take_at(fixture, first, GET GET, SIZE_MAX); /* the second is new */
	assert_told(fixture, "qe||qe|");
	fixture->sequence = fixture->side.next;
	/* A body of which a part is not there: neither captured, nor in a frame. */
	take(fixture, "POST / HTTP/1.1\r\nContent-Length: 30\r\n\r\n");
	take_at(fixture, fixture->sequence, "0123456789", 4);
	take_at(fixture, fixture->sequence + 20, "0123456789", SIZE_MAX);
	assert_told(fixture, "q|m|me|");
	fixture->sequence += 30;
	/* A head of which a part is not there. */
	take(fixture, "GET / HTTP/1.1\r\nHost");
	fixture->sequence += 7;
	take(fixture, "Content-Length: 5\r\n\r\n");
	take(fixture, GET);
	assert_told(fixture, "q|e|qe|");
	/* Another connection with the same ports. */
	take_at(fixture, fixture->sequence - 1000000000u, GET, SIZE_MAX);
	assert_told(fixture, "qe|");
}

#define ADD(name, test) g_test_add("/http/" name, struct fixture, NULL, set_up, test, tear_down)

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("requests", test_requests);
	ADD("responses", test_responses);
	ADD("chunks", test_chunks);
	ADD("bytes", test_bytes);
	ADD("what-is-none", test_what_is_none);
	ADD("answers-to-head-and-connect", test_answers_to_head_and_connect);
	ADD("once-more-and-gaps", test_once_more_and_gaps);
	return g_test_run();
}
