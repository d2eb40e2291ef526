/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What TLS a file holds: files made here by their symbols, and this machine's own OpenSSL. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <glib.h>

#include "elf-file.h"
#include "error.h"
#include "tls/library.h"

static void read_file(struct elf_file *file, const char *name, struct ss_tls_library *ret_library)
{
	struct ss_error error = {};
	ss_autofd int fd = -1;

	elf_file_init(file);
	fd = elf_file_open(file);
	g_assert_cmpint(ss_tls_library_read(fd, name, ret_library, &error), ==, 0);
	g_assert_cmpstr(error.message, ==, "");
	elf_file_deinit(file);
}

static const struct ss_tls_point *find_point(const struct ss_tls_library *library,
					     enum ss_tls_function function)
{
	for (guint i = 0; i < library->points->len; i++) {
		const struct ss_tls_point *point =
			&g_array_index(library->points, struct ss_tls_point, i);

		if (point->function == function)
			return point;
	}
	return NULL;
}

static void test_libssl(void)
{
	static const char *const functions[] = {"SSL_read",         "SSL_peek",      "SSL_write_ex",
						"SSL_do_handshake", "SSL_write_ex2", NULL};
	struct elf_file file = {.functions = functions, .soname = "libssl.so.3", .gnu_hash = true};
	struct ss_tls_library library;
	const struct ss_tls_point *point;

	read_file(&file, "/usr/lib/libssl.so.3", &library);
	g_assert_cmpint(library.kind, ==, SS_TLS_LIBRARY_OPENSSL);
	g_assert_cmpstr(library.detail, ==, "OpenSSL (libssl.so.3)");
	g_assert_true(library.plaintext && !library.unproven && !library.keys);
	g_assert_cmpuint(library.points->len, ==, 4); /* a peek would show bytes twice */
	point = find_point(&library, SS_TLS_SSL_READ);
	g_assert_cmpuint(point->offset, ==, file.text);
	point = &g_array_index(library.points, struct ss_tls_point, 3);
	g_assert_cmpuint(point->function, ==, SS_TLS_SSL_WRITE_EX);
	g_assert_cmpuint(point->flags, ==, SS_TLS_POINT_WRITE_EX2);
	ss_tls_library_deinit(&library);
}

/* Some distributions' 1.1.1 has an EVP_KDF_derive, of another signature. */
static void test_libcrypto(void)
{
	static const char *const old[] = {"EVP_PKEY_derive", "EVP_PKEY_CTX_ctrl", "EVP_KDF_derive",
					  "BIO_write", NULL};
	static const char *const new[] = {"EVP_PKEY_derive", "EVP_PKEY_CTX_ctrl", "EVP_KDF_derive",
					  "EVP_KDF_fetch", NULL};
	static const char old_version[] = "x\0OpenSSL 1.1.1k  FIPS 25 Mar 2021";
	static const char new_version[] = "OpenSSL 3.0 \0OpenSSL 3.5.7 9 Jun 2026";
	struct elf_file file = {
		.functions = old, .data = old_version, .data_length = sizeof(old_version)};
	struct ss_tls_library library;

	read_file(&file, "libcrypto.so.1.1", &library);
	g_assert_cmpstr(library.detail, ==, "OpenSSL 1.1.1k");
	g_assert_true(library.keys && !library.plaintext);
	g_assert_nonnull(find_point(&library, SS_TLS_EVP_PKEY_DERIVE));
	g_assert_nonnull(find_point(&library, SS_TLS_EVP_PKEY_CTX_CTRL));
	g_assert_nonnull(find_point(&library, SS_TLS_BIO_WRITE));
	g_assert_null(find_point(&library, SS_TLS_EVP_KDF_DERIVE));
	ss_tls_library_deinit(&library);

	file.functions = new;
	file.data = new_version;
	file.data_length = sizeof(new_version);
	read_file(&file, "libcrypto.so.3", &library);
	g_assert_cmpstr(library.detail, ==, "OpenSSL 3.5.7");
	g_assert_cmpuint(library.points->len, ==, 1);
	g_assert_nonnull(find_point(&library, SS_TLS_EVP_KDF_DERIVE));
	ss_tls_library_deinit(&library);
}

/* A program with OpenSSL inside, found by its full symbol table. */
static void test_static(void)
{
	static const char *const functions[] = {
		"EVP_KDF_derive",   "EVP_KDF_fetch", "EVP_PKEY_derive", "SSL_read",
		"SSL_do_handshake", "SSL_write",     "ssl_log_secret",  NULL};
	struct elf_file file = {.functions = functions, .full = true};
	struct ss_tls_library library;

	read_file(&file, "/usr/local/bin/node", &library);
	g_assert_cmpint(library.kind, ==, SS_TLS_LIBRARY_OPENSSL);
	g_assert_cmpstr(library.detail, ==, "OpenSSL (node)");
	g_assert_true(library.keys && library.plaintext);
	g_assert_null(find_point(&library, SS_TLS_BORING_LOG_SECRET));
	ss_tls_library_deinit(&library);
}

static void test_boringssl(void)
{
	static const char *const functions[] = {
		"_ZN4bssl14ssl_log_secretEPK6ssl_stPKcNS_4SpanIKhEE",
		"SSL_read",
		"SSL_do_handshake",
		"SSL_write",
		"SSL_CTX_set_grease_enabled",
		"EVP_PKEY_derive",
		"BIO_write",
		NULL};
	static const char version[] = "OpenSSL 1.1.1 (compatible; BoringSSL)";
	struct elf_file file = {.functions = functions,
				.full = true,
				.data = version,
				.data_length = sizeof(version)};
	struct ss_tls_library library;

	read_file(&file, "envoy", &library);
	g_assert_cmpint(library.kind, ==, SS_TLS_LIBRARY_BORINGSSL);
	g_assert_cmpstr(library.detail, ==, "BoringSSL");
	g_assert_true(library.keys && library.plaintext && !library.unproven);
	g_assert_cmpuint(library.points->len, ==, 4);
	ss_tls_library_deinit(&library);
}

static void test_kinds(void)
{
	static const struct {
		const char *functions[4];
		enum ss_tls_library_kind kind;
		const char *detail;
		bool keys, plaintext;
	} cases[] = {
		{{"gnutls_record_send", "gnutls_record_recv", "gnutls_deinit"},
		 SS_TLS_LIBRARY_GNUTLS,
		 "GnuTLS (libx.so)",
		 false,
		 true},
		{{"nettle_hkdf_expand"}, SS_TLS_LIBRARY_GNUTLS, "Nettle (libx.so)", true, false},
		{{"JNI_CreateJavaVM"}, SS_TLS_LIBRARY_JAVA, "Java (libx.so)", false, false},
		{{"SSL_ImportFD", "SSL_GetChannelInfo"},
		 SS_TLS_LIBRARY_NSS,
		 "libx.so (NSS)",
		 false,
		 false},
		{{"mbedtls_ssl_read"}, SS_TLS_LIBRARY_OTHER, "Mbed TLS", false, false},
		{{"wolfSSL_read"}, SS_TLS_LIBRARY_OTHER, "wolfSSL", false, false},
		/* a library that wraps GnuTLS in OpenSSL's names: its calls arrive in GnuTLS */
		{{"SSL_read", "SSL_write"}, SS_TLS_LIBRARY_NONE, NULL, false, false},
		/* BoringSSL's libcrypto alone */
		{{"EVP_PKEY_derive", "BIO_write"}, SS_TLS_LIBRARY_NONE, NULL, false, false},
		{{"main", "printf"}, SS_TLS_LIBRARY_NONE, NULL, false, false},
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct elf_file file = {.functions = cases[i].functions};
		struct ss_tls_library library;

		read_file(&file, "/lib/libx.so", &library);
		g_assert_cmpint(library.kind, ==, cases[i].kind);
		g_assert_cmpstr(library.detail, ==, cases[i].detail);
		g_assert_cmpint(library.keys, ==, cases[i].keys);
		g_assert_cmpint(library.plaintext, ==, cases[i].plaintext);
		ss_tls_library_deinit(&library);
	}
}

/* Who only uses the functions has no TLS itself. */
static void test_imports(void)
{
	static const char *const functions[] = {"SSL_read", "SSL_do_handshake", NULL};
	struct elf_file file = {.functions = functions, .undefined = true};
	struct ss_tls_library library;

	read_file(&file, "nginx", &library);
	g_assert_cmpint(library.kind, ==, SS_TLS_LIBRARY_NONE);
	g_assert_cmpuint(library.points->len, ==, 0);
	ss_tls_library_deinit(&library);
}

static void test_no_elf(void)
{
	ss_autofd int fd = elf_file_open_bytes("#!/bin/sh\n", 10);
	struct ss_tls_library library = {.kind = SS_TLS_LIBRARY_KINDS};
	struct ss_error error = {};

	g_assert_cmpint(ss_tls_library_read(fd, "/bin/x", &library, &error), ==, -EBADMSG);
	g_assert_cmpstr(error.message, ==, "'/bin/x' is not an ELF file for x86-64 or arm64");
	g_assert_cmpint(library.kind, ==, SS_TLS_LIBRARY_KINDS);
}

static void test_words(void)
{
	for (unsigned kind = 0; kind < SS_TLS_LIBRARY_KINDS; kind++) {
		struct ss_tls_point point = {0};
		struct ss_tls_library library = {
			.kind = kind,
			.points = g_array_new(FALSE, FALSE, sizeof(point)),
		};

		g_assert_nonnull(ss_tls_library_kind_name(kind));
		g_assert_cmpint(ss_tls_library_reason(&library) != NULL, ==,
				kind >= SS_TLS_LIBRARY_RUSTLS);
		g_array_append_val(library.points, point);
		g_assert_null(ss_tls_library_reason(&library));
		ss_tls_library_deinit(&library);
	}
}

static bool read_real(const char *const *paths, struct ss_tls_library *ret_library)
{
	for (; *paths; paths++) {
		ss_autofd int fd = open(*paths, O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			continue;
		g_assert_cmpint(ss_tls_library_read(fd, *paths, ret_library, NULL), ==, 0);
		return true;
	}
	return false;
}

static void test_real(void)
{
	static const char *const ssl[] = {"/usr/lib/x86_64-linux-gnu/libssl.so.3",
					  "/usr/lib/aarch64-linux-gnu/libssl.so.3",
					  "/usr/lib64/libssl.so.3", "/usr/lib/libssl.so.3", NULL};
	static const char *const crypto[] = {"/usr/lib/x86_64-linux-gnu/libcrypto.so.3",
					     "/usr/lib/aarch64-linux-gnu/libcrypto.so.3",
					     "/usr/lib64/libcrypto.so.3", "/usr/lib/libcrypto.so.3",
					     NULL};
	struct ss_tls_library library;

	if (!read_real(ssl, &library)) {
		g_assert_null(g_getenv("CI"));
		g_test_skip("OpenSSL 3 is not installed");
		return;
	}
	g_assert_cmpint(library.kind, ==, SS_TLS_LIBRARY_OPENSSL);
	g_assert_true(library.plaintext);
	for (unsigned function = SS_TLS_SSL_READ; function <= SS_TLS_SSL_SHUTDOWN; function++)
		g_assert_nonnull(find_point(&library, function));
	ss_tls_library_deinit(&library);
	g_assert_true(read_real(crypto, &library));
	g_assert_true(g_str_has_prefix(library.detail, "OpenSSL 3."));
	g_assert_true(library.keys);
	g_assert_nonnull(find_point(&library, SS_TLS_EVP_KDF_DERIVE));
	g_assert_nonnull(find_point(&library, SS_TLS_BIO_WRITE));
	ss_tls_library_deinit(&library);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/tls-library/libssl", test_libssl);
	g_test_add_func("/tls-library/libcrypto", test_libcrypto);
	g_test_add_func("/tls-library/static", test_static);
	g_test_add_func("/tls-library/boringssl", test_boringssl);
	g_test_add_func("/tls-library/kinds", test_kinds);
	g_test_add_func("/tls-library/imports", test_imports);
	g_test_add_func("/tls-library/no-elf", test_no_elf);
	g_test_add_func("/tls-library/words", test_words);
	g_test_add_func("/tls-library/real", test_real);
	return g_test_run();
}
