/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests on TLS records and handshakes in the real kernel against tshark: those of real libraries,
 * and ClientHellos that are cut at every byte, with names that are nearly right.
 */
#include "filter-talks.h"

static const char *const tls_filters[] = {
	"tls",
	"tls.handshake.type == 1",
	"tls.handshake.type == 2",
	"tls.handshake.type == 11",
	"tls.handshake.type in {1, 2}",
	"tls.handshake.extensions_server_name == \"localhost\"",
	"tls.handshake.extensions_server_name contains \"local\"",
	"tls.handshake.extensions_server_name == \"other\"",
	"tls.handshake.extensions_server_name == \"localhos\"",
	"tls.handshake.extensions_server_name in {\"a.test\", \"localhost\"}",
	"tls.handshake.extensions_server_name contains \"api.example\"",
	"tls.handshake.extensions_server_name != \"localhost\"",
	"tls.handshake.extensions_server_name matches \"^LOCAL\"",
	"tls.handshake.extensions_alpn_str == \"h2\"",
	"tls.record.content_type == 23",
	"tls.handshake",
};

/* Handshakes of real libraries; and each once more in segments of 100 bytes. */
static void add_tls(GPtrArray *frames, const char *name)
{
	g_autofree char *path = g_build_filename(TEST_SOURCE_DIR, "pcaps", "tls", name, NULL);
	g_autoptr(GByteArray) file = file_bytes(path);
	struct talk talks[2];
	size_t at = 24;

	talks[0] = begin(frames, 443);
	talks[1] = begin(frames, 9443);
	while (at + 16 <= file->len) {
		struct ss_cursor header = ss_cursor(file->data + at + 8, 4);
		const uint8_t *frame = file->data + at + 16, *tcp;
		uint32_t size = 0, header_size;
		bool server;

		ss_cursor_u32(&header, &size);
		at += 16 + size;
		if (size < 54 || frame[12] != 8 || frame[13] || frame[23] != 6)
			continue;
		tcp = frame + 14 + (frame[14] & 15) * 4;
		header_size = (tcp[12] >> 4) * 4u;
		server = tcp[0] << 8 | tcp[1] ? (tcp[0] << 8 | tcp[1]) < (tcp[2] << 8 | tcp[3])
					      : false;
		tcp += header_size;
		size -= (uint32_t)(tcp - frame);
		if (!size)
			continue;
		say(&talks[0], server, 0x18, tcp, size);
		for (uint32_t done = 0; done < size; done += 100)
			say(&talks[1], server, 0x18, tcp + done, MIN(size - done, 100));
	}
	end(&talks[0]);
	end(&talks[1]);
}

/* A ClientHello for a name (NULL: none), behind so many other extensions. */
static GByteArray *client_hello(const char *name, size_t length, unsigned before)
{
	static const uint8_t rest[] = {0, 4, 0x13, 1, 0x13, 2, 1, 0}; /* suites, compression */
	g_autoptr(GByteArray) extensions = g_byte_array_new(), body = g_byte_array_new();
	GByteArray *record = g_byte_array_new();

	for (unsigned i = 0; i < before; i++) { /* of a type that means nothing */
		dns_put(extensions, 0x1a1a, 2);
		dns_put(extensions, i, 2);
		for (unsigned j = 0; j < i; j++)
			dns_put(extensions, 0, 1);
	}
	if (name) {
		dns_put(extensions, 0, 2);
		dns_put(extensions, (unsigned)length + 5, 2);
		dns_put(extensions, (unsigned)length + 3, 2);
		dns_put(extensions, 0, 1);
		dns_put(extensions, (unsigned)length, 2);
		g_byte_array_append(extensions, (const guint8 *)name, (guint)length);
	}
	dns_put(extensions, 0x0017, 2); /* and one behind */
	dns_put(extensions, 0, 2);
	dns_put(body, 0x0303, 2);
	for (unsigned i = 0; i < 32; i++)
		dns_put(body, i * 7, 1);
	dns_put(body, 8, 1);
	for (unsigned i = 0; i < 8; i++)
		dns_put(body, i, 1);
	g_byte_array_append(body, rest, sizeof(rest));
	dns_put(body, extensions->len, 2);
	g_byte_array_append(body, extensions->data, extensions->len);
	dns_put(record, 22, 1);
	dns_put(record, 0x0301, 2);
	dns_put(record, body->len + 4, 2);
	dns_put(record, 1, 1);
	dns_put(record, 0, 1);
	dns_put(record, body->len, 2);
	g_byte_array_append(record, body->data, body->len);
	return record;
}

/* In two segments; nothing behind at: in one. */
static void say_cut(GPtrArray *frames, const GByteArray *bytes, size_t at)
{
	struct talk talk = begin(frames, 443);

	say(&talk, false, 0x18, bytes->data, MIN(at, bytes->len));
	if (at < bytes->len)
		say(&talk, false, 0x18, bytes->data + at, bytes->len - at);
	end(&talk);
}

#define LONG_NAME                                                                                  \
	"a-name-that-is-longer-than-what-is-compared.and-that-goes-on-for-a-while-until."          \
	"it-ends.api.test"

static void add_names(GPtrArray *frames)
{
	static const uint8_t change[] = {20, 3, 3, 0, 1, 1};
	static const struct {
		const char *name;
		size_t length;
	} names[] = {
		{"api.test", 8},
		{"www.api.test", 12},
		{"api.test.evil", 13},
		{"API.test", 8},
		{"api.test\0x", 10},
		{"x\0api.test", 10},
		{"", 0},
		{NULL, 0},
		{LONG_NAME, sizeof(LONG_NAME) - 1},
	};
	g_autoptr(GByteArray) both = g_byte_array_new(), second = g_byte_array_new();

	for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
		for (unsigned before = 0; before < 40; before += 1 + before / 2) {
			g_autoptr(GByteArray) hello =
				client_hello(names[i].name, names[i].length, before);

			say_cut(frames, hello, hello->len);
			for (size_t at = 1; before == 2 && at < hello->len; at += 3)
				say_cut(frames, hello, at);
			if (before == 1)
				g_byte_array_append(both, hello->data, hello->len);
		}
	say_cut(frames, both, both->len); /* several in one segment; one behind another record */
	g_byte_array_append(second, change, sizeof(change));
	g_byte_array_append(second, both->data, both->len);
	say_cut(frames, second, second->len);
}

static const char *const name_filters[] = {
	"tls.handshake.extensions_server_name",
	"tls.handshake.extensions_server_name == \"api.test\"",
	"tls.handshake.extensions_server_name == \"other.test\"",
	"tls.handshake.extensions_server_name != \"api.test\"",
	"not tls.handshake.extensions_server_name == \"api.test\"",
	"tls.handshake.extensions_server_name in {\"API.test\", \"x\", \"www.api.test\"}",
	"tls.handshake.extensions_server_name contains \"test\"",
	"tls.handshake.extensions_server_name contains \"api.test.e\"",
	"tls.handshake.extensions_server_name contains \"nowhere\"",
	"tls.handshake.extensions_server_name matches \"^api\"",
	"tls.handshake.extensions_server_name == \"" LONG_NAME "\"",
	"tls.handshake.extensions_server_name contains \"ends.api\"",
	"tls.handshake.extensions_server_name == \"api.test\" || tcp.flags.fin == 1",
};

static void test_tls_names(void)
{
	static const enum hook hooks[] = {HOOK_TC, HOOK_CGROUP};
	g_autoptr(GPtrArray) frames = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);

	if (!may_load())
		return;
	add_names(frames);
	compare(frames, name_filters, G_N_ELEMENTS(name_filters), hooks, G_N_ELEMENTS(hooks));
}

/* Other servers' handshakes do not leave the kernel. */
static void test_tls_names_excess(void)
{
	static const char *const names[] = {"other.test", "api.test", "www.other.test"};
	static const struct {
		const char *display, *accepted;
	} rows[] = {
		{"tls.handshake.extensions_server_name == \"api.test\"", "000000"
									 "000100"
									 "000000"},
		{"tls.handshake.extensions_server_name contains \"other\"", "000100"
									    "000000"
									    "000100"},
	};
	g_autoptr(GPtrArray) frames = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);

	if (!may_load())
		return;
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autoptr(GByteArray) hello = client_hello(names[i], strlen(names[i]), 3);

		say_cut(frames, hello, hello->len);
	}
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
		assert_accepted(rows[i].display, false, frames, rows[i].accepted);
}

static void test_tls(void)
{
	static const char *const names[] = {"tls12.pcap", "tls13-sha256.pcap", "tls13-retry.pcap"};
	static const enum hook hooks[] = {HOOK_TC, HOOK_CGROUP};
	g_autoptr(GPtrArray) frames = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);

	if (!may_load())
		return;
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
		add_tls(frames, names[i]);
	compare(frames, tls_filters, G_N_ELEMENTS(tls_filters), hooks, G_N_ELEMENTS(hooks));
}

/* The verifier takes them, alone: to be run on other kernels, with CAP_BPF and CAP_NET_ADMIN. */
static void test_loads(void)
{
	if (!may_load())
		return;
	assert_load(tls_filters, G_N_ELEMENTS(tls_filters));
	assert_load(name_filters, G_N_ELEMENTS(name_filters));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/filter-tls/loads", test_loads);
	g_test_add_func("/filter-tls/tls", test_tls);
	g_test_add_func("/filter-tls/names", test_tls_names);
	g_test_add_func("/filter-tls/names-excess", test_tls_names_excess);
	return g_test_run();
}
