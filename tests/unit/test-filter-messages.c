/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests on application messages in the real kernel against tshark, over conversations in which
 * messages are cut at every byte, go on for many segments, end with the connection, come twice:
 * the kernel never rejects a frame that tshark selects, and what it accepts in excess is bounded.
 */
#include "filter-talks.h"

#include "filter/message.h"

static void exchange(struct talk *talk, const char *request, size_t request_cut,
		     const char *response, size_t response_cut)
{
	cut(talk, false, request, request_cut);
	cut(talk, true, response, response_cut);
}

static char *response_of(unsigned code, size_t length)
{
	g_autofree char *body = g_strnfill(length, 'b');

	return g_strdup_printf("HTTP/1.1 %u Reason\r\nContent-Type: text/plain\r\n"
			       "Content-Length: %zu\r\n\r\n%s",
			       code, length, body);
}

#define MAGIC "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0"

/* Tunnels, and what connections are upgraded to. */
static void add_switches(GPtrArray *frames, uint16_t port)
{
	static const char *const answers[] = {
		"HTTP/1.1 200 Established\r\n\r\n",
		"HTTP/1.1 407 Who?\r\nContent-Length: 2\r\n\r\nno",
	};
	g_autofree char *failure = response_of(500, 3000), *fine = response_of(200, 30);
	struct talk talk;

	for (size_t i = 0; i < G_N_ELEMENTS(answers); i++) {
		talk = begin(frames, port);
		exchange(&talk, "CONNECT a.test:8080 HTTP/1.1\r\nHost: a\r\n\r\n", 9999, answers[i],
			 i ? 20 : 9999);
		exchange(&talk, "GET /inside HTTP/1.1\r\nHost: a.test\r\n\r\n", 9999, failure,
			 1400);
		exchange(&talk, "GET /again HTTP/1.1\r\nHost: a.test\r\n\r\n", 9999, fine, 9999);
		say(&talk, false, 0x18, "\x16\x03\x01", 3);
		say(&talk, true, 0x18, "\x15\x03\x01", 3);
		end(&talk);
	}
	talk = begin(frames, port);
	exchange(&talk, "GET /chat HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
		 9999,
		 "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
		 9999);
	say(&talk, false, 0x18, "\x81\x82\0\0\0\0hi", 8);
	say(&talk, true, 0x18, "\x81\2hi", 4);
	end(&talk);
	talk = begin(frames, port);
	exchange(&talk,
		 "GET /two HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
		 "HTTP2-Settings: AAMAAABk\r\n\r\n",
		 9999, "HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
		 9999);
	say(&talk, false, 0x18, MAGIC, sizeof(MAGIC) - 1);
	say(&talk, true, 0x18, "\0\0\0\4\0\0\0\0\0", 9);
	end(&talk);
	talk = begin(frames, port);
	say(&talk, false, 0x18, MAGIC, sizeof(MAGIC) - 1);
	say(&talk, true, 0x18, "\0\0\0\4\0\0\0\0\0", 9);
	end(&talk);
}

static void add_http(GPtrArray *frames)
{
	static const char *const requests[] = {
		"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
		"GET /api/v1/users?id=1 HTTP/1.1\r\nHost: a.test\r\nUser-Agent: curl/8\r\n\r\n",
		"POST /api/orders HTTP/1.1\r\nHost: b.test\r\nContent-Length: 5\r\n\r\nhello",
		"DELETE /very/long/path/that/goes/on/and/on/and/on/and/on/and/on/and/on/and/on/and/"
		"on/and/on/and/on/and/on/and/on/until/it/ends/in/api HTTP/1.1\r\nHost: c\r\n\r\n",
		"M-SEARCH * HTTP/1.1\r\nHost: a.test\r\n\r\n",
	};
	static const unsigned codes[] = {200, 404, 500, 503, 301};
	g_autofree char *large = response_of(500, 9000), *fine = response_of(200, 9000);
	struct talk talk;

	for (size_t i = 0; i < G_N_ELEMENTS(requests); i++) { /* cut at every byte of the head */
		g_autofree char *response = response_of(codes[i], 20);

		for (size_t at = 1; at < 40; at++) {
			talk = begin(frames, 8080);
			exchange(&talk, requests[i], at, response, at);
			end(&talk);
		}
	}
	talk = begin(frames, 31234); /* one connection, all in turn, on a port nobody knows */
	for (size_t i = 0; i < 25; i++) {
		g_autofree char *response = response_of(codes[i / 5], i * 7);

		exchange(&talk, requests[i % 5], 9999, response, 9999);
	}
	end(&talk);
	talk = begin(frames, 80); /* large ones, of which the middle says nothing */
	for (size_t i = 0; i < 4; i++) {
		const char *all = i % 2 ? large : fine;

		text(&talk, false, requests[i]);
		for (size_t at = 0; at < strlen(all); at += 1400)
			say(&talk, true, 0x10, all + at, MIN(strlen(all) - at, 1400));
	}
	end(&talk);
	talk = begin(frames, 80); /* until the connection ends */
	text(&talk, false, "GET /old HTTP/1.0\r\n\r\n");
	text(&talk, true, "HTTP/1.0 502 Bad\r\nContent-Type: text/html\r\n\r\n");
	text(&talk, true, "some of the body");
	end(&talk);
	talk = begin(frames, 80); /* not the answer yet */
	text(&talk, false, requests[2]);
	text(&talk, true, "HTTP/1.1 100 Continue\r\n\r\n");
	text(&talk, true, "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");
	text(&talk, false, requests[2]);
	text(&talk, true,
	     "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");
	end(&talk);
	talk = begin(frames, 80); /* chunks, each a segment */
	text(&talk, false, requests[1]);
	text(&talk, true, "HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n");
	text(&talk, true, "5\r\nhello\r\n");
	text(&talk, true, "0\r\n\r\n");
	text(&talk, false, requests[0]);
	text(&talk, true, "HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\n\r\n");
	text(&talk, true, "5\r\nhello\r\n");
	text(&talk, true, "0\r\n\r\n");
	end(&talk);
	for (uint16_t port = 8080; port <= 8081; port++) /* other protocols inside */
		add_switches(frames, port);
	talk = begin(frames, 8081); /* HTTP only for one side */
	text(&talk, false, requests[0]);
	say(&talk, true, 0x18, "\x15\x03\x01\0\2\2\x46", 7);
	end(&talk);
	talk = begin(frames, 8080); /* not even that, at a port of HTTP */
	say(&talk, false, 0x18, "\x16\x03\x01", 3);
	say(&talk, true, 0x18, "\x15\x03\x01", 3);
	end(&talk);
	talk = begin(frames, 9000); /* not HTTP */
	text(&talk, false, "EHLO there\r\n");
	say(&talk, true, 0x18, "\x16\x03\x01\x02\x00\x01", 6);
	end(&talk);
}

static const char *const http_filters[] = {
	"http",
	"http.request",
	"http.response",
	"http.response.code >= 500",
	"http.response.code == 404",
	"http.response.code == 101",
	"http.response.code < 200",
	"http.request.method == \"CONNECT\"",
	"http.upgrade",
	"http.request.uri contains \"inside\"",
	"http.response.code in {200, 301}",
	"http.response.code != 200",
	"not http.response.code == 200",
	"http.request.method == \"POST\"",
	"http.request.method in {\"DELETE\", \"M-SEARCH\"}",
	"http.request.uri == \"/\"",
	"http.request.uri contains \"/api/\"",
	"http.request.uri contains \"ends/in/api\"",
	"http.request.uri contains \"/api/\" && http.host",
	"http.request.uri contains \"users\" && http.request.method == \"GET\"",
	"http.request.uri matches \"^/API/v1\"",
	"http.request.uri matches \"users\"",
	"http.request.uri.path == \"/api/v1/users\"",
	"http.request.uri.query contains \"id\"",
	"http.host == \"b.test\"",
	"http.content_type contains \"html\"",
	"http.response.code >= 500 && ip.src == 10.0.0.3",
	"http.response.code >= 500 && tcp.port == 31234",
	"http.response.code == 502 || http.request.method == \"DELETE\"",
	"http.response.code >= 500 || tcp.flags.fin == 1",
	"http.user_agent contains \"curl\" && !ipv6",
	"http.request.uri contains \"a\"",
	"http.request.uri == \"/very/long/path/that/goes/on/and/on/and/on/and/on/and/on/and/on/and/on/"
	"and/on/and/on/and/on/and/on/and/on/and/on/until/it/ends/in/api\"",
	"http.request.uri matches \"^/api/v1/users.*id\" || http.request.uri matches \"a|b\"",
	"http.request.uri matches \"^/AP?I\"",
	"http.request.method contains \"E\" && http.request.method != \"GET\"",
	"http.request.method[0:1] == \"D\"",
	"http.response.code >= 400 && http.response.code < 500 || http.response.code == 502 ||"
	" http.request.method == \"PUT\" || http.request.uri == \"/\"",
};

static void test_http(void)
{
	static const enum hook hooks[] = {HOOK_TC, HOOK_CGROUP};
	g_autoptr(GPtrArray) frames = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);

	if (!may_load())
		return;
	add_http(frames);
	compare(frames, http_filters, G_N_ELEMENTS(http_filters), hooks, G_N_ELEMENTS(hooks));
}

static void add_dns(GPtrArray *frames)
{
	static const char *const names[] = {
		"api.example.test", "www.example.test", "a.b.c.d.e.f", "x",
		"a-label-that-is-rather-long.and-another-one-of-that-kind.and-a-third-one-that-is-"
		"even-longer.and-one-more-to-get-beyond.example.test"};
	static const uint16_t ports[] = {53, 5353, 5355, 5300};
	static const uint16_t types[] = {1, 28, 16, 255};

	for (unsigned i = 0; i < 160; i++) {
		const struct dns dns = {
			.id = (uint16_t)(i * 77),
			.answer = i & 1,
			.truncated = i % 7 == 0,
			.rcode = (uint16_t)(i & 1 ? i / 2 % 6 : 0),
			.name = names[i % 5],
			.type = types[i / 5 % 4],
		};
		g_autoptr(GByteArray) message = dns_message(&dns);
		struct packet packet = {CLIENT, SERVER, 40000, ports[i / 8 % 4]};

		if (dns.answer)
			packet = (struct packet){SERVER, CLIENT, ports[i / 8 % 4], 40000};
		if (i % 3 == 0)
			packet.from = packet.to = "fd00::2";
		packet.payload = message->data;
		packet.length = message->len;
		add_packet(frames, &packet);
		if (i % 9 == 0) { /* by TCP, in two segments */
			struct talk talk = begin(frames, 53);
			g_autoptr(GByteArray) stream = g_byte_array_new();

			dns_put(stream, message->len, 2);
			g_byte_array_append(stream, message->data, message->len);
			say(&talk, dns.answer, 0x18, stream->data, i % 20 + 1);
			say(&talk, dns.answer, 0x18, stream->data + i % 20 + 1,
			    stream->len - i % 20 - 1);
			end(&talk);
		}
	}
}

/* As multicast DNS asks: several questions at once. */
static void add_questions(GPtrArray *frames)
{
	static const char *const names[] = {"printer.local", "www.example.test", "b.c", "x"};
	g_autoptr(GByteArray) message = NULL;
	struct packet packet = {CLIENT, SERVER, 5353, 5353};

	for (uint16_t i = 0; i < G_N_ELEMENTS(names); i++) {
		const struct dns dns = {.name = names[i], .type = (uint16_t)(12 + i)};
		g_autoptr(GByteArray) one = dns_message(&dns);

		if (!message)
			message = g_byte_array_append(g_byte_array_new(), one->data, one->len);
		else
			g_byte_array_append(message, one->data + 12, one->len - 12);
	}
	message->data[5] = G_N_ELEMENTS(names);
	packet.payload = message->data;
	packet.length = message->len;
	add_packet(frames, &packet);
}

/* A label may have any byte: '~' becomes a zero. */
static void add_zeros(GPtrArray *frames)
{
	static const char *const names[] = {"a~b.api.example.test", "~.example.test", "~~~.x.y",
					    "api.example.test.~", "api.example~test"};

	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		const struct dns dns = {.id = (uint16_t)i, .name = names[i], .type = 28};
		g_autoptr(GByteArray) message = dns_message(&dns);
		struct packet packet = {CLIENT, SERVER, 40000, 53};

		for (guint at = 0; at < message->len; at++)
			if (message->data[at] == '~')
				message->data[at] = 0;
		packet.payload = message->data;
		packet.length = message->len;
		add_packet(frames, &packet);
	}
}

static const char *const dns_filters[] = {
	"dns",
	"dns.flags.response == 1",
	"dns.flags.rcode != 0",
	"dns.flags.rcode == 3 && dns.flags.response == 1",
	"dns.flags.truncated == 1",
	"dns.id == 0x4d",
	"dns.qry.name == \"api.example.test\"",
	"dns.qry.name contains \"example.test\"",
	"dns.qry.name contains \"that\"",
	"dns.qry.name contains \".test\"",
	"dns.qry.name contains \"x.y\"",
	"dns.qry.name == \"x.y\"",
	"dns.qry.name matches \"^WWW\"",
	"dns.qry.type == 28",
	"dns.qry.type in {16, 255}",
	"dns.qry.type == 1 || dns.flags.rcode == 2",
	"not dns.flags.response == 0",
	"dns.qry.name == \"x\" || dns.qry.name contains \".\"",
	"dns.qry.name == \"a-label-that-is-rather-long.and-another-one-of-that-kind.and-a-third-one-"
	"that-is-even-longer.and-one-more-to-get-beyond.example.test\"",
	"dns.qry.type in {1, 28, 5, 15, 16}",
	"dns.qry.type in {1..20}",
	"dns.qry.type == 15",
	"dns.qry.type != 1 && udp",
	"dns.qry.type > 200 && dns.flags.rcode in {1, 3}",
};

static void test_dns(void)
{
	static const enum hook hooks[] = {HOOK_TC, HOOK_CGROUP};
	g_autoptr(GPtrArray) frames = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);

	if (!may_load())
		return;
	add_dns(frames);
	add_zeros(frames);
	add_questions(frames);
	compare(frames, dns_filters, G_N_ELEMENTS(dns_filters), hooks, G_N_ELEMENTS(hooks));
}

/* With the other half of exchanges: the kernel accepts at least this. */
static void test_dns_exchanges(void)
{
	static const struct {
		const char *filter, *wanted;
	} filters[] = {
		{"dns.flags.rcode != 0", "dns.flags.rcode != 0 || dns.flags.response == 0"},
		{"dns.flags.rcode == 2 && dns.qry.name contains \"example.test\"",
		 "dns.qry.name contains \"example.test\" &&"
		 " (dns.flags.rcode == 2 || dns.flags.response == 0)"},
		{"dns.flags.response == 0 && dns.qry.type == 28", "dns.qry.type == 28"},
		{"udp.srcport == 53 && dns.flags.rcode != 0",
		 "udp.port == 53 && (dns.flags.rcode != 0 || dns.flags.response == 0)"},
		{"dns.count.answers > 0", "dns.count.answers > 0 || dns.flags.response == 0"},
		{"dns.a == 10.1.2.3", "dns.a == 10.1.2.3 || dns.flags.response == 0"},
	};
	static const enum hook hooks[] = {HOOK_TC, HOOK_CGROUP};
	g_autoptr(GPtrArray) frames = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	g_autofree char *path = NULL;
	autoscratch folder = scratch_new();

	if (!may_load())
		return;
	add_dns(frames);
	add_questions(frames);
	path = g_build_filename(folder, "talk.pcap", NULL);
	write_pcap(path, frames);
	for (size_t i = 0; i < G_N_ELEMENTS(filters) * G_N_ELEMENTS(hooks); i++) {
		const char *filter = filters[i / 2].filter;
		g_autofree bool *selected = select_frames(path, filters[i / 2].wanted, frames->len);
		g_autofree bool *accepted = accept_frames(filter, hooks[i % 2], true, frames);

		if (!selected) {
			g_test_skip("needs tshark");
			return;
		}
		for (guint k = 1; k <= frames->len; k++)
			if (selected[k] && !accepted[k])
				g_error("%s: the kernel rejects frame %u for '%s'",
					hook_names[hooks[i % 2]], k, filter);
	}
}

/* What is not wanted does not leave the kernel. */
static void test_http_excess(void)
{
	static const struct {
		const char *display;
		bool whole;
		const char *accepted; /* a letter per frame */
	} rows[] = {
		{"http.response.code >= 500", false, "000000000001110000"},
		{"http.response.code >= 500", true, "000101010011111011"},
		{"http.request.uri contains \"/x\"", false, "000000000010000000"},
		{"http.request.uri contains \"/x\"", true, "000000000011110000"},
	};
	g_autoptr(GPtrArray) frames = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	struct talk talk;

	if (!may_load())
		return;
	talk = begin(frames, 80);
	text(&talk, false, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
	text(&talk, true, "HTTP/1.1 200 Fine\r\nContent-Length: 3\r\n\r\nabc");
	text(&talk, false, "GET /b HTTP/1.1\r\nHost: a\r\n\r\n");
	text(&talk, true, "HTTP/1.1 404 None\r\nContent-Length: 3\r\n\r\nabc");
	text(&talk, false, "GET /c HTTP/1.1\r\nHost: a\r\n\r\n");
	text(&talk, true, "HTTP/1.1 200 Fine\r\nContent-Length: 30\r\n\r\n");
	text(&talk, true, "the body of that response.....");
	text(&talk, false, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
	text(&talk, true, "HTTP/1.1 500 Oops\r\nContent-Length: 60\r\n\r\n");
	text(&talk, true, "the body of that response.....");
	text(&talk, true, "the body of that response.....");
	text(&talk, false, "GET /d HTTP/1.1\r\nHost: a\r\n\r\n");
	text(&talk, true, "HTTP/1.1 200 Fine\r\nContent-Length: 3\r\n\r\nabc");
	end(&talk);
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
		assert_accepted(rows[i].display, rows[i].whole, frames, rows[i].accepted);
}

static GBytes *one_frame(uint32_t number, uint8_t flags, const char *words)
{
	g_autoptr(GPtrArray) frames = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	g_autofree char *address = g_strdup_printf("10.1.%u.%u", number >> 16, number >> 8 & 255);
	struct packet packet = {
		.from = address,
		.to = SERVER,
		.from_port = (uint16_t)(1024 + (number & 255)),
		.to_port = 80,
		.flags = flags,
		.payload = (const uint8_t *)words,
		.length = strlen(words),
	};

	add_packet(frames, &packet);
	return g_bytes_ref(frames->pdata[0]);
}

/* A program with a table of its own. */
static int load_tracking(const char *display, struct ss_filter **ret_filter)
{
	const struct ss_emit_options options = {
		.link_type = SS_LINKTYPE_RAW,
		.slots_fd = -1,
		.snap_len = 262144,
		.told_fd = -1,
		.access = SS_FILTER_LOAD_BYTES,
	};
	g_autofree struct bpf_insn *body = NULL;
	struct ss_error error = {0};
	size_t count;
	int fd;

	g_assert_cmpint(ss_filter_new(display, ret_filter, &error), ==, 0);
	g_assert_cmpint(ss_filter_track(*ret_filter, &error), ==, 0);
	g_assert_cmpint(ss_filter_emit(*ret_filter, &options, &body, &count, &error), ==, 0);
	fd = load_for(HOOK_CGROUP, body, count);
	g_assert_cmpint(fd, >=, 0);
	return fd;
}

/* So many responses are under way that some share their place in the hint: each is followed to its
 * own end. */
static void test_many(void)
{
	static const uint32_t many = 20000;
	struct ss_filter *filter;
	int fd;

	if (!may_load())
		return;
	fd = load_tracking("http.response.code >= 500", &filter);
	for (uint32_t i = 0; i < many; i++) {
		g_autoptr(GBytes) head = one_frame(i, 0x18, "HTTP/1.1 500 Oops\r\n\r\n");

		g_assert_true(run(fd, head));
	}
	for (int ended = 0; ended < 2; ended++) {
		for (uint32_t i = 0; i < many; i++) {
			g_autoptr(GBytes) body = one_frame(i, 0x18, "its body, or what follows");

			g_assert_cmpint(run(fd, body), ==, !ended || i % 2);
		}
		for (uint32_t i = 0; i < many; i += 2) {
			g_autoptr(GBytes) head = one_frame(i, 0x18, "HTTP/1.1 200 Fine\r\n\r\n");

			g_assert_false(run(fd, head));
		}
	}
	for (uint32_t i = 0; i < many; i += 2) { /* once more */
		g_autoptr(GBytes) head = one_frame(i, 0x18, "HTTP/1.1 503 Busy\r\n\r\n");
		g_autoptr(GBytes) body = one_frame(i, 0x18, "its body, or what follows");

		g_assert_true(run(fd, head));
		g_assert_true(run(fd, body));
	}
	close(fd);
	ss_filter_free(filter);
}

/* What the full table forgets is counted, but not what had ended. */
static void test_forgotten(void)
{
	static const uint32_t more = 5000;

	if (!may_load())
		return;
	for (int ended = 0; ended < 2; ended++) {
		struct ss_filter *filter;
		int fd = load_tracking("http.request", &filter);

		for (uint32_t i = 0; i < SS_MESSAGES_MAX + more; i++) {
			g_autoptr(GBytes) request = one_frame(i, 0x18, "GET / HTTP/1.1\r\n\r\n");
			g_autoptr(GBytes) end = one_frame(i, 0x11, "");

			g_assert_true(run(fd, request));
			if (ended)
				g_assert_true(run(fd, end));
		}
		if (ended)
			g_assert_cmpuint(ss_filter_forgotten(filter), ==, 0);
		else
			g_assert_cmpuint(ss_filter_forgotten(filter), >=, more);
		close(fd);
		ss_filter_free(filter);
	}
}

/* The verifier takes them, alone: to be run on other kernels, with CAP_BPF and CAP_NET_ADMIN. */
static void test_loads(void)
{
	if (!may_load())
		return;
	assert_load(http_filters, G_N_ELEMENTS(http_filters));
	assert_load(dns_filters, G_N_ELEMENTS(dns_filters));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/filter-messages/loads", test_loads);
	g_test_add_func("/filter-messages/http", test_http);
	g_test_add_func("/filter-messages/http-excess", test_http_excess);
	g_test_add_func("/filter-messages/many", test_many);
	g_test_add_func("/filter-messages/forgotten", test_forgotten);
	g_test_add_func("/filter-messages/dns", test_dns);
	g_test_add_func("/filter-messages/dns-exchanges", test_dns_exchanges);
	return g_test_run();
}
