/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as the file of a library: refused, or points within it. */
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include <glib.h>

#include "error.h"
#include "tls/elf.h"
#include "tls/library.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ss_autofd int fd = memfd_create("elf", MFD_CLOEXEC);
	struct ss_error error = {0};
	struct ss_tls_library library;
	int r;

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		return 0;
	r = ss_tls_library_read(fd, "/lib/libssl.so", &library, &error);
	g_assert_cmpint(r < 0, ==, error.message[0] != '\0');
	if (r < 0)
		return 0;
	for (guint i = 0; i < library.points->len; i++) {
		const struct ss_tls_point *point =
			&g_array_index(library.points, struct ss_tls_point, i);

		g_assert_cmpuint(point->offset, <, size);
		g_assert_cmpuint(point->function, <, SS_TLS_FUNCTIONS);
	}
	g_assert_true(library.points->len || (!library.keys && !library.plaintext));
	ss_tls_library_deinit(&library);
	return 0;
}
