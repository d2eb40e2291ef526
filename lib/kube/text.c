/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small helpers of the other files here. */
#include "kube/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <glib.h>

#include "error.h"

char *ss_kube_printable(const char *text, size_t max)
{
	g_autofree char *valid = g_utf8_make_valid(text, (gssize)strnlen(text, max * 4));
	GString *result = g_string_new(NULL);
	size_t count = 0;

	for (char *p = valid; *p && count < max; p = g_utf8_next_char(p), count++) {
		gunichar c = g_utf8_get_char(p);

		g_string_append_unichar(result, g_unichar_isprint(c) ? c : '?');
	}
	return g_string_free(result, FALSE);
}

int ss_kube_read_file(const char *path, size_t max, char **ret, size_t *ret_length)
{
	ss_autofd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	GString *text;
	ssize_t count;

	if (fd < 0)
		return -errno;
	text = g_string_new(NULL);
	for (;;) {
		char buffer[4096];

		count = read(fd, buffer, sizeof(buffer));
		if (count <= 0)
			break;
		g_string_append_len(text, buffer, count);
		explicit_bzero(buffer, sizeof(buffer));
		if (text->len > max) {
			errno = EFBIG;
			count = -1;
			break;
		}
	}
	if (count < 0) {
		int code = -errno;

		explicit_bzero(text->str, text->len);
		g_string_free(text, TRUE);
		return code;
	}
	if (ret_length)
		*ret_length = text->len;
	*ret = g_string_free(text, FALSE);
	return 0;
}

void ss_kube_free_secret(char *secret)
{
	if (secret)
		explicit_bzero(secret, strlen(secret));
	g_free(secret);
}
