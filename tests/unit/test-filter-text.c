/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the capture filter says about texts: accepted, refused, and why. */
#include <errno.h>
#include <string.h>

#include <glib.h>

#include "filter/expression.h"
#include "filter/filter.h"
#include "filter/pattern.h"
#include "filter/summary.h"
#include "filter/token.h"
#include "format/pcapng.h"

static const struct ss_emit_options raw = {
	SS_LINKTYPE_RAW, SS_FILTER_LOAD_BYTES, -1, 65535, false, -1, false};
static const struct ss_emit_options events = {
	SS_LINKTYPE_UPPER_PDU, SS_FILTER_LD_ABS, -1, 65535, false, -1, false};

static void assert_refused(const char *text, const char *sentence)
{
	struct ss_filter *filter = NULL;
	struct ss_error error = {0};

	g_assert_cmpint(ss_filter_new(text, &filter, &error), <, 0);
	g_assert_null(filter);
	g_assert_cmpstr(error.message, ==, sentence);
}

static void assert_refused_because(const char *text, const char *part)
{
	struct ss_filter *filter = NULL;
	struct ss_error error = {0};

	g_assert_cmpint(ss_filter_new(text, &filter, &error), <, 0);
	if (!strstr(error.message, part))
		g_error("'%s' not in: %s", part, error.message);
	g_assert_null(strchr(error.message, '\033'));
}

static void test_caret(void)
{
	assert_refused("tcp prot 80", "cannot parse capture filter 'tcp prot 80': syntax error\n"
				      "  tcp prot 80\n"
				      "      ^");
	assert_refused("tcp port 80 and (udp port 53",
		       "cannot parse capture filter 'tcp port 80 and (udp port 53': syntax error\n"
		       "  tcp port 80 and (udp port 53\n"
		       "                              ^");
	assert_refused("tcp)", "cannot parse capture filter 'tcp)': syntax error\n"
			       "  tcp)\n"
			       "     ^");
	assert_refused("ip[0:3 = 4", "cannot parse capture filter 'ip[0:3 = 4': syntax error\n"
				     "  ip[0:3 = 4\n"
				     "         ^");
}

static void test_caret_under_quoted_word(void)
{
	assert_refused("tcp and ip proto nosuch",
		       "cannot parse capture filter 'tcp and ip proto nosuch': unknown ip proto "
		       "'nosuch'\n"
		       "  tcp and ip proto nosuch\n"
		       "                   ^");
}

/* What is understood and does not exist, of which libpcap does not quote a word. */
static void test_caret_without_a_quoted_word(void)
{
	static const struct {
		const char *text, *message, *blanks;
	} wrong[] = {
		{"type mgt", "802.11 link-layer types supported only on 802.11", "     "},
		{"tcp and type mgt or udp", "802.11 link-layer types supported only on 802.11",
		 "             "},
		{"tcp or dir tods", "frame direction supported only with 802.11 headers",
		 "           "},
		{"ifname eth0", "ifname supported only on PF linktype", "       "},
		{"ether host 10.0.0.1", "illegal link layer address", "           "},
		{"host 1:2:3:4:5:6 and tcp", "ethernet address used in non-ether expression",
		 "     "},
		{"tcp and ip[0:3]=1", "data size must be 1, 2, or 4", "           "},
		{"tcp and (ip[1]/0 = 1)", "division by zero", "               "},
		{"wlan host", "syntax error", "         "},
		{"ether net 10.0.0.0/8", "link-layer modifier applied to net", "          "},
	};

	for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
		g_autofree char *sentence = g_strdup_printf(
			"cannot parse capture filter '%s': %s\n  %s\n  %s^", wrong[i].text,
			wrong[i].message, wrong[i].text, wrong[i].blanks);

		assert_refused(wrong[i].text, sentence);
	}
}

static void test_broadcast_of_ip(void)
{
	assert_refused_because("ip broadcast", "say 'ether broadcast', or the address: dst host");
}

static void test_caret_in_long_text(void)
{
	g_autoptr(GString) text = g_string_new("tcp");

	for (int i = 0; i < 100; i++)
		g_string_append_printf(text, " or port %d", i);
	g_string_append(text, " prot 80");
	for (int i = 0; i < 100; i++)
		g_string_append_printf(text, " or port %d", i);
	assert_refused_because(
		text->str,
		"or por...': syntax error\n"
		"  rt 95 or port 96 or port 97 or port 98 or port 99 prot 80 or port 0 or port 1 or "
		"port 2 or port 3 or\n"
		"                                                    ^");
}

static void test_language(void)
{
	static const struct {
		const char *text;
		enum ss_filter_language language;
		const char *display; /* as Wireshark writes it */
	} rows[] = {
		{"", SS_FILTER_NONE, NULL},
		{"tcp port 80", SS_FILTER_PCAP, NULL},
		{"tcp", SS_FILTER_PCAP, NULL},
		{"not icmp and (ip or arp)", SS_FILTER_PCAP, NULL},
		{"port http", SS_FILTER_PCAP, NULL},
		{"ip[0] == 69", SS_FILTER_PCAP, NULL},
		{"not dst net 10.0.0.0/8 and not dst net 172.16.0.0/12", SS_FILTER_PCAP, NULL},
		{"tcp.port == 80", SS_FILTER_DISPLAY, "tcp.port == 80"},
		{"tcp.port==80&&udp", SS_FILTER_DISPLAY, "tcp.port == 80 && udp"},
		{"http", SS_FILTER_DISPLAY, "http"},
		{"tcp and dns", SS_FILTER_DISPLAY, "tcp && dns"},
		{"https", SS_FILTER_DISPLAY, "tcp.port == 443 || udp.port == 443"},
		{"https and ip.src == 10.0.0.1", SS_FILTER_DISPLAY,
		 "(tcp.port == 443 || udp.port == 443) && ip.src == 10.0.0.1"},
		{"ipv6", SS_FILTER_DISPLAY, "ipv6"},
		{"gre", SS_FILTER_DISPLAY, "gre"},
		{"udp and vxlan", SS_FILTER_DISPLAY, "udp && vxlan"},
		{"_ws.malformed", SS_FILTER_DISPLAY, "_ws.malformed"},
		{"http.request.method == GET", SS_FILTER_DISPLAY, "http.request.method == \"GET\""},
		{"http.request.uri contains /api?a=1&b=2", SS_FILTER_DISPLAY,
		 "http.request.uri contains \"/api?a=1&b=2\""},
		{"frame contains 47.45:54", SS_FILTER_DISPLAY, "frame contains 47.45:54"},
		{"tcp.port in {80 443, 8000..8100}", SS_FILTER_DISPLAY,
		 "tcp.port in {80, 443, 8000..8100}"},
		{"udp.port not in {53}", SS_FILTER_DISPLAY, "!(udp.port in {53})"},
		{"not tcp.port eq 80 and udp.port ne 53 or arp.opcode gt 1", SS_FILTER_DISPLAY,
		 "(!(tcp.port == 80) && udp.port != 53) || arp.opcode > 1"},
		{"tcp.flags.syn == true", SS_FILTER_DISPLAY, "tcp.flags.syn == 1"},
		{"tcp.flags & 0x02", SS_FILTER_DISPLAY, "tcp.flags & 0x02"},
		{"any ip.addr != 10.0.0.0/8", SS_FILTER_DISPLAY, "any ip.addr != 10.0.0.0/8"},
		{"eth.src[0:3] == 00:00:83", SS_FILTER_DISPLAY, "eth.src[0:3] == 00:00:83"},
		{"len(http.host) > 3 || tcp.port >= 4 * {tcp.srcport + 3}", SS_FILTER_DISPLAY,
		 "len(http.host) > 3 || tcp.port >= 4 * {tcp.srcport + 3}"},
		{"gtp.teid", SS_FILTER_DISPLAY, "gtp.teid"},
		{"not gtp.teid and igmp", SS_FILTER_DISPLAY, "!(gtp.teid) && igmp"},
		{"(((tcp.port==1)))", SS_FILTER_DISPLAY, "tcp.port == 1"},
	};

	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct ss_error error = {0};
		struct ss_filter *filter = NULL;

		if (ss_filter_new(rows[i].text, &filter, &error) < 0)
			g_error("'%s': %s", rows[i].text, error.message);
		g_assert_cmpint(ss_filter_language(filter), ==, rows[i].language);
		g_assert_cmpstr(ss_filter_display_text(filter), ==, rows[i].display);
		ss_filter_free(filter);
	}
}

static char *many_addresses(guint count)
{
	GString *text = g_string_new("tcp.port == 80 and ipv6.addr in {::1");

	for (guint i = 0; i < count; i++)
		g_string_append_printf(text, ",2001:db8::%x", i);
	g_string_append_c(text, '}');
	return g_string_free(text, FALSE);
}

/* The kernel gets what fits; tshark decides the rest. */
static void test_too_big(void)
{
	static const struct {
		guint addresses;
		bool coarse;
	} rows[] = {{10, false}, {100, false}, {1000, true}};

	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *text = many_addresses(rows[i].addresses), *summary = NULL;
		struct ss_filter *filter = NULL;

		g_assert_cmpint(ss_filter_new(text, &filter, NULL), ==, 0);
		g_assert_cmpint(ss_filter_is_coarse(filter), ==, rows[i].coarse);
		g_assert_cmpint(ss_filter_rest(filter), ==,
				rows[i].coarse ? SS_REST_ALL : SS_REST_UNPLAIN);
		summary = ss_filter_summary(filter);
		if (rows[i].coarse) {
			g_assert_nonnull(strstr(summary, "(tcp.port == 80 && ipv6) ("));
			g_assert_nonnull(strstr(summary, "too big for the kernel"));
		}
		ss_filter_free(filter);
	}
}

static void test_wrong_display_filter(void)
{
	static const struct {
		const char *text, *message;
		int column;
	} rows[] = {
		{"tcp.port == 70000", "70000 is too big for tcp.port, which is at most 65535", 12},
		{"tcp.port = 80", "'=' is written '==' in display filters", 9},
		{"tcp.port ==", "something is missing at the end", 11},
		{"(tcp.port == 80", "no ')' for this", 0},
		{"tcp.port == 80)", "no '(' for this", 14},
		{"tcp.port == 80 udp", "'and' or 'or' is expected here", 15},
		{"tcp.port in {80", "no '}' for this", 12},
		{"tcp.port in 80", "'{' is expected: in {80, 443, 8000..8100}", 12},
		{"tcp.port == \"80\"", "tcp.port is not compared with strings", 12},
		{"ip.addr == 2001:db8::1", "an IPv6 address is compared with ipv6.addr", 11},
		{"ipv6.src == 10.0.0.1", "an IPv4 address is compared with ip.src", 12},
		{"http.host == \"a", "a string that does not end", 13},
		{"len(ip.addr == 1.2.3.4", "no ')' for this", 0},
		{"ip.addr == 10.0.0.1 and and udp", "'and', 'or' or a comparison is expected here",
		 28},
		{"tcp port 80 and ip.addr == 10.0.0.1",
		 "'tcp port' is pcap-filter syntax, which is not mixed with display filter syntax: "
		 "say it as tcp.port == 80, ip.addr == 10.0.0.1",
		 4},
		{"host 10.0.0.1 and tcp.port == 80",
		 "'host 10.0.0.1' is pcap-filter syntax, which is not mixed with display filter "
		 "syntax: say it as tcp.port == 80, ip.addr == 10.0.0.1",
		 5},
		{"http.request.uri contains '/api'",
		 "strings are written in plain double quotes, \", not in '", 26},
	};

	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *sentence = g_strdup_printf(
			"cannot parse display filter '%s': %s\n  %s\n  %*s", rows[i].text,
			rows[i].message, rows[i].text, rows[i].column + 1, "^");

		assert_refused(rows[i].text, sentence);
	}
}

/* Where a regular expression is wrong tshark does not say: its escapes are counted as they stand.
 */
static void test_caret_in_regular_expression(void)
{
	static const struct {
		const char *text;
		int column; /* -1: nothing is wrong */
	} rows[] = {
		{"http.host matches \"a(\"", 21},
		{"http.host matches \"a\\\\d(\"", 24},
		{"http.host matches r\"a\\d(\" and tcp", 24},
		{"tcp && http.host matches \"\\x61\\141\\\"[b\"", 38},
		{"lower(http.host) matches \"\\t(\" or udp", 29},
		{"http.host ~ a(", 14},
		{"http.host matches \"(a)\" or !(http.host matches \"[\")", 49},
		{"http.host matches \"\\x28a\\x29\" or http.host contains \"a(\"", -1},
	};

	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct ss_expression *expression;
		size_t column = rows[i].column < 0 ? SS_TOKEN_NOWHERE : (size_t)rows[i].column;

		g_assert_cmpint(ss_expression_parse(rows[i].text, &expression, NULL), ==, 0);
		g_assert_cmpuint(ss_pattern_find_wrong(expression, rows[i].text), ==, column);
		ss_expression_free(expression);
	}
}

static void test_regular_expression_that_tshark_refuses(void)
{
	g_autofree char *program = g_find_program_in_path("tshark");
	struct ss_filter *filter = NULL;
	struct ss_error error = {0};

	if (!program) {
		g_test_skip("needs tshark");
		return;
	}
	g_assert_cmpint(ss_filter_new("http.host matches \"a\\\\d(\"", &filter, NULL), ==, 0);
	g_assert_cmpint(ss_filter_check(filter, &error), ==, -EINVAL);
	g_assert_nonnull(strstr(error.message, "^")); /* ours, or a newer tshark's */
	g_assert_nonnull(strstr(error.message, "parenthesis"));
	ss_filter_free(filter);
}

/* Those of word processors, which are no part of what is meant. */
static void test_wrong_quotes(void)
{
	struct ss_filter *filter = NULL;

	assert_refused_because("http.request.method == \u201cGET\u201d", "not in \u201c");
	assert_refused_because("\u2018tcp port 80\u2019", "not in \u2018");
	g_assert_cmpint(ss_filter_new("http.host contains \"\u201ca' 'b\"", &filter, NULL), ==, 0);
	ss_filter_free(filter);
	g_assert_cmpint(ss_filter_new("tcp.payload contains 'a'", &filter, NULL), ==, 0);
	ss_filter_free(filter);
}

/* What libpcap says alone would leave people with a riddle. */
static void test_hints(void)
{
	assert_refused_because("port 99999", "\n  port 99999\n       ^");
	assert_refused_because("net 10.0.0.1/8", "\n  net 10.0.0.1/8\n      ^");
	assert_refused_because("udp port 53 and dns", "'dns' is not mixed with pcap-filter syntax");
	assert_refused_because("TCP port 80", "names are written in lower case");
	assert_refused_because("HTTP", "names are written in lower case");
}

static void test_hostile_text(void)
{
	g_autofree char *huge = g_strnfill(SS_FILTER_TEXT_MAX + 1, '(');

	assert_refused_because(huge, "at most 16384");
	huge[SS_FILTER_TEXT_MAX] = '\0';
	assert_refused_because(huge, "cannot parse capture filter");
	assert_refused_because("tcp \033[31m prot", "cannot parse capture filter 'tcp  [31m prot'");
	assert_refused_because("\xff\xfe prot", "cannot parse capture filter");
	assert_refused_because("%s%n%s%n", "cannot parse capture filter '%s%n%s%n'");
}

static void test_never_true(void)
{
	assert_refused_because("tcp and udp", "expression rejects all packets");
}

static void test_no_filter(void)
{
	static const char *const blanks[] = {NULL, "", "  \t\n"};

	for (guint i = 0; i < G_N_ELEMENTS(blanks); i++) {
		struct ss_filter *filter = NULL;
		struct bpf_insn *insns = NULL;
		size_t count = 0;

		g_assert_cmpint(ss_filter_new(blanks[i], &filter, NULL), ==, 0);
		g_assert_cmpstr(ss_filter_text(filter), ==, blanks[i] ? blanks[i] : "");
		g_assert_cmpint(ss_filter_emit(filter, &raw, &insns, &count, NULL), ==, 0);
		g_assert_cmpuint(count, >=, 2);
		g_free(insns);
		ss_filter_free(filter);
	}
	ss_filter_free(NULL);
}

static int emit_raw(const char *text, struct ss_error *error)
{
	struct ss_filter *filter = NULL;
	struct bpf_insn *insns = NULL;
	size_t count = 0;
	int r;

	g_assert_cmpint(ss_filter_new(text, &filter, error), ==, 0);
	g_assert_cmpstr(ss_filter_text(filter), ==, text);
	r = ss_filter_emit(filter, &raw, &insns, &count, error);
	g_free(insns);
	ss_filter_free(filter);
	return r;
}

static void test_not_for_raw(void)
{
	struct ss_error error = {0};

	g_assert_cmpint(emit_raw("ether host 02:00:00:00:00:01", &error), ==, -EOPNOTSUPP);
	g_assert_nonnull(strstr(error.message, "begin with the IP header"));
	g_assert_cmpint(emit_raw("vlan 100", NULL), ==, -EOPNOTSUPP);
	/* True for no frame there, but not a mistake. */
	g_assert_cmpint(emit_raw("arp", NULL), ==, 0);
}

static void test_unknown_link_type(void)
{
	struct ss_filter *filter = NULL;
	struct bpf_insn *insns = NULL;
	size_t count = 0;

	g_assert_cmpint(ss_filter_new("tcp", &filter, NULL), ==, 0);
	g_assert_cmpint(ss_filter_emit(filter, &events, &insns, &count, NULL), ==, -EINVAL);
	ss_filter_free(filter);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/filter-text/caret", test_caret);
	g_test_add_func("/filter-text/caret-under-quoted-word", test_caret_under_quoted_word);
	g_test_add_func("/filter-text/caret-without-a-quoted-word",
			test_caret_without_a_quoted_word);
	g_test_add_func("/filter-text/broadcast-of-ip", test_broadcast_of_ip);
	g_test_add_func("/filter-text/caret-in-long-text", test_caret_in_long_text);
	g_test_add_func("/filter-text/language", test_language);
	g_test_add_func("/filter-text/too-big", test_too_big);
	g_test_add_func("/filter-text/wrong-display-filter", test_wrong_display_filter);
	g_test_add_func("/filter-text/caret-in-regular-expression",
			test_caret_in_regular_expression);
	g_test_add_func("/filter-text/regular-expression-that-tshark-refuses",
			test_regular_expression_that_tshark_refuses);
	g_test_add_func("/filter-text/wrong-quotes", test_wrong_quotes);
	g_test_add_func("/filter-text/hints", test_hints);
	g_test_add_func("/filter-text/hostile-text", test_hostile_text);
	g_test_add_func("/filter-text/never-true", test_never_true);
	g_test_add_func("/filter-text/no-filter", test_no_filter);
	g_test_add_func("/filter-text/not-for-raw", test_not_for_raw);
	g_test_add_func("/filter-text/unknown-link-type", test_unknown_link_type);
	return g_test_run();
}
