/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the capture filter says about texts: accepted, refused, and why. */
#include <errno.h>
#include <string.h>

#include <glib.h>

#include "filter/filter.h"
#include "format/pcapng.h"

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

static void test_display_filter(void)
{
#define HINT                                                                                       \
	"; this looks like a Wireshark display filter, but capture filters are written in "        \
	"pcap-filter syntax"
	static const struct {
		const char *text, *hint;
	} rows[] = {
		{"tcp.port == 80", HINT ": tcp port 80"},
		{"ip.addr == 10.0.0.1", HINT ": host 10.0.0.1"},
		{"ip.src==10.0.0.0/8", HINT ": src net 10.0.0.0/8"},
		{"ipv6.addr eq 2001:db8::1", HINT ": host 2001:db8::1"},
		{"!(udp.port == 53) && ip.addr == 10.1.2.3",
		 HINT ": not (udp port 53) and host 10.1.2.3"},
		{"eth.addr == 02:00:00:00:00:01", HINT ": ether host 02:00:00:00:00:01"},
		{"vlan.id == 100 and tcp", HINT ": vlan 100 and tcp"},
		/* and binds tighter there, but not here */
		{"tcp.port == 1 or tcp.port == 2 and ip.addr == 1.1.1.1", HINT " (man"},
		{"http.request.method == \"GET\"", HINT " (man pcap-filter)"},
		{"http.request", HINT " (man pcap-filter)"},
		{"tcp && http.response.code >= 500", HINT " (man pcap-filter)"},
		{"dns.qry.name contains \"example\"", HINT " (man pcap-filter)"},
		{"tcp.port != 80", HINT " (man pcap-filter)"},
		{"tcp.port ==", HINT " (man pcap-filter)"},
		{"tcp.port == eighty", HINT " (man pcap-filter)"},
	};

	for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
		assert_refused_because(rows[i].text, rows[i].hint);
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

static void test_outside_the_frame(void)
{
	assert_refused_because("inbound", "not in the frame's bytes");
	assert_refused_because("ether[-1] == 0", "not in the frame's bytes");
	assert_refused_because("ip6 protochain 6", "'protochain' needs a loop");
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
		g_assert_cmpint(ss_filter_emit(filter, SS_LINKTYPE_RAW, SS_FILTER_LOAD_BYTES,
					       &insns, &count, NULL),
				==, 0);
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
	r = ss_filter_emit(filter, SS_LINKTYPE_RAW, SS_FILTER_LOAD_BYTES, &insns, &count, error);
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
	g_assert_cmpint(ss_filter_emit(filter, SS_LINKTYPE_UPPER_PDU, SS_FILTER_LD_ABS, &insns,
				       &count, NULL),
			==, -EINVAL);
	ss_filter_free(filter);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/filter-text/caret", test_caret);
	g_test_add_func("/filter-text/caret-under-quoted-word", test_caret_under_quoted_word);
	g_test_add_func("/filter-text/caret-in-long-text", test_caret_in_long_text);
	g_test_add_func("/filter-text/display-filter", test_display_filter);
	g_test_add_func("/filter-text/hostile-text", test_hostile_text);
	g_test_add_func("/filter-text/outside-the-frame", test_outside_the_frame);
	g_test_add_func("/filter-text/no-filter", test_no_filter);
	g_test_add_func("/filter-text/not-for-raw", test_not_for_raw);
	g_test_add_func("/filter-text/unknown-link-type", test_unknown_link_type);
	return g_test_run();
}
