/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prints what the TLS stage finds in files: for tests/tls, and for looking at a file by hand. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "error.h"
#include "tls/library.h"

static const char *const names[SS_TLS_FUNCTIONS] = {
	[SS_TLS_EVP_KDF_DERIVE] = "evp-kdf-derive",
	[SS_TLS_EVP_PKEY_CTX_CTRL] = "evp-pkey-ctx-ctrl",
	[SS_TLS_EVP_PKEY_DERIVE] = "evp-pkey-derive",
	[SS_TLS_NETTLE_HKDF_EXPAND] = "nettle-hkdf-expand",
	[SS_TLS_GO_KEYLOG] = "go-keylog",
	[SS_TLS_BORING_LOG_SECRET] = "boring-log-secret",
	[SS_TLS_HKDF_EXPAND] = "hkdf-expand",
	[SS_TLS_RING_FILL_OKM] = "ring-fill-okm",
	[SS_TLS_SSL_READ] = "ssl-read",
	[SS_TLS_SSL_READ_EX] = "ssl-read-ex",
	[SS_TLS_SSL_WRITE] = "ssl-write",
	[SS_TLS_SSL_WRITE_EX] = "ssl-write-ex",
	[SS_TLS_SSL_READ_EARLY_DATA] = "ssl-read-early-data",
	[SS_TLS_SSL_WRITE_EARLY_DATA] = "ssl-write-early-data",
	[SS_TLS_SSL_HANDSHAKE] = "ssl-handshake",
	[SS_TLS_SSL_FREE] = "ssl-free",
	[SS_TLS_SSL_SHUTDOWN] = "ssl-shutdown",
	[SS_TLS_BIO_WRITE] = "bio-write",
	[SS_TLS_GNUTLS_SEND] = "gnutls-send",
	[SS_TLS_GNUTLS_RECV] = "gnutls-recv",
	[SS_TLS_GNUTLS_DEINIT] = "gnutls-deinit",
	[SS_TLS_GO_READ] = "go-read",
	[SS_TLS_GO_READ_RET] = "go-read-ret",
	[SS_TLS_GO_WRITE] = "go-write",
	[SS_TLS_GO_WRITE_RET] = "go-write-ret",
	[SS_TLS_GO_CLOSE] = "go-close",
};

static int print_file(const char *path)
{
	ss_autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
	gint64 begin = g_get_monotonic_time();
	struct ss_tls_library library;
	struct ss_error error = {};

	if (ss_tls_library_read(fd, path, &library, &error) < 0) {
		fprintf(stderr, "%s\n", error.message);
		return 1;
	}
	printf("%s: %s, %s%s%s%s, %.1f ms\n", path, ss_tls_library_kind_name(library.kind),
	       library.detail ? library.detail : "no detail", library.keys ? ", keys" : "",
	       library.plaintext ? ", plaintext" : "", library.unproven ? ", unproven" : "",
	       (double)(g_get_monotonic_time() - begin) / 1000);
	for (guint i = 0; i < library.points->len; i++) {
		const struct ss_tls_point *point =
			&g_array_index(library.points, struct ss_tls_point, i);

		const char *name = names[point->function];

		printf("\t%s 0x%" PRIx32 " 0x%" PRIx64 "\n", name ? name : "?", point->flags,
		       (uint64_t)point->offset);
	}
	ss_tls_library_deinit(&library);
	return 0;
}

int main(int argc, char **argv)
{
	int status = argc < 2;

	for (int i = 1; i < argc; i++)
		status |= print_file(argv[i]);
	return status;
}
