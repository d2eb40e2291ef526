/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs a fuzz target over files and folders, where libFuzzer is not linked: the regression test. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <glib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned run(const char *path)
{
	g_autofree char *contents = NULL;
	g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
	unsigned count = 0;
	const char *name;
	gsize length;

	if (dir) {
		while ((name = g_dir_read_name(dir))) {
			g_autofree char *child = g_build_filename(path, name, NULL);

			count += run(child);
		}
		return count;
	}
	if (!g_file_get_contents(path, &contents, &length, NULL))
		g_error("cannot read '%s'", path);
	LLVMFuzzerTestOneInput((const uint8_t *)contents, length);
	return 1;
}

int main(int argc, char **argv)
{
	unsigned count = 0;

	for (int i = 1; i < argc; i++)
		count += run(argv[i]);
	printf("%u inputs\n", count);
	return count ? EXIT_SUCCESS : EXIT_FAILURE;
}
