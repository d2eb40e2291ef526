/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prints what the TLS stage finds in files: for tests/tls, and for looking at a file by hand. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "error.h"
#include "tls/library.h"

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
	       library.plaintext ? ", plaintext" : "", library.verified ? "" : ", unverified",
	       (double)(g_get_monotonic_time() - begin) / 1000);
	for (guint i = 0; i < library.points->len; i++) {
		const struct ss_tls_point *point =
			&g_array_index(library.points, struct ss_tls_point, i);

		printf("\t%" PRIu32 " 0x%" PRIx32 " 0x%" PRIx64 "\n", point->function, point->flags,
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
