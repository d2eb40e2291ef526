/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tls/sniff.h"

#include <string.h>

#include <glib.h>

#define HTTP1       SS_TLS_PROTOCOL_HTTP1
#define HTTP2       SS_TLS_PROTOCOL_HTTP2
#define NEITHER     SS_TLS_PROTOCOL_UNKNOWN
#define CLIENT      SS_TLS_SPEAKER_CLIENT
#define SERVER      SS_TLS_SPEAKER_SERVER
#define NOBODY      SS_TLS_SPEAKER_UNKNOWN
#define BYTES(text) (text), sizeof(text) - 1

static void test_beginnings(void)
{
	static const struct {
		const char *bytes;
		size_t length;
		enum ss_tls_protocol protocol;
		enum ss_tls_speaker speaker;
		bool undecided;
	} cases[] = {
		{BYTES("GET / HTTP/1.1\r\n"), HTTP1, CLIENT, false},
		{BYTES("HTTP/1.1 200 OK\r\n"), HTTP1, SERVER, false},
		{BYTES("GETTING STARTED"), NEITHER, NOBODY, false},
		{BYTES("HTTP/2 is different"), NEITHER, NOBODY, false},
		{BYTES("220 smtp ready"), NEITHER, SERVER, false},
		{BYTES("P"), NEITHER, NOBODY, true},
		{BYTES("PO"), NEITHER, NOBODY, true},
		{BYTES("PRI * HTTP/2.0\r\n"), NEITHER, NOBODY, true},
		{BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), HTTP2, CLIENT, false},
		{BYTES(""), NEITHER, NOBODY, true},
		{BYTES("\0\0\0\4\0\0\0\0\0"), HTTP2, NOBODY, false},
		{BYTES("\0\0\1\1\4\0\0\0\1\x82"), HTTP2, CLIENT, false},
		{BYTES("\0\0\1\1\4\0\0\0\1\x88"), HTTP2, SERVER, false},
		{BYTES("\0\0\2\1\4\0\0\0\1\x3f\x88"), HTTP2, NOBODY, false},
		{BYTES("\0\0\7\1\x2c\0\0\0\1\0\0\0\0\0\1\x84"), HTTP2, CLIENT, false},
		{BYTES("\0\0\1\1\4\0\0\0\0\x82"), NEITHER, NOBODY, false}, /* on stream 0 */
		{BYTES("\0\0\1\1\4"), NEITHER, NOBODY, true},
		{BYTES("\0\0\0\0\0\0\0\0\0\0\0"), NEITHER, NOBODY, false},
		{BYTES("\x16\3\1\0\5hello world"), NEITHER, NOBODY, false},
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct ss_tls_sniff sniff =
			ss_tls_sniff((const uint8_t *)cases[i].bytes, cases[i].length);

		g_test_message("case %zu", i);
		g_assert_cmpint(sniff.protocol, ==, cases[i].protocol);
		g_assert_cmpint(sniff.speaker, ==, cases[i].speaker);
		g_assert_cmpint(sniff.undecided, ==, cases[i].undecided);
	}
}

static void test_host(void)
{
	static const struct {
		const char *request, *host;
	} cases[] = {
		{"GET / HTTP/1.1\r\nA: b\r\nHOST: api.example:8443\r\n\r\n", "api.example"},
		{"GET / HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n", NULL},
		{"GET / HTTP/1.1\r\nHost: [fd00::1]:80\r\n\r\n", NULL},
		{"GET / HTTP/1.1\r\nHost: \r\n\r\n", NULL},
		{"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", NULL},
		{"GET / HTTP/1.1\r\nHost: api.exam", NULL}, /* the rest is to come */
		{"POST / HTTP/1.1\r\nA: b\r\n\r\nHost: body\r\n", NULL},
		{"", NULL},
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *host = ss_tls_sniff_host((const uint8_t *)cases[i].request,
							  strlen(cases[i].request));

		g_assert_cmpstr(host, ==, cases[i].host);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/tls/sniff/beginnings", test_beginnings);
	g_test_add_func("/tls/sniff/host", test_host);
	return g_test_run();
}
