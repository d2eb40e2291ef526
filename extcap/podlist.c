/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Wireshark asks for the list at every start and waits for the answer, without limit. So it comes
 * from what kubelet leaves in the file system: one readdir(3), no daemon, no API server.
 *
 * kubelet keeps /var/log/pods from ordinary users in newer versions (mode 0750); the names of the
 * links in /var/log/containers, mode 0755, say the same about pods with a running container.
 */
#include "podlist.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define POD_LOGS       "/var/log/pods"
#define CONTAINER_LOGS "/var/log/containers"

/* "<a>_<b>_<anything>": no Kubernetes name contains an underscore. */
static bool split(const char *name, size_t *ret_first, const char **ret_second,
		  size_t *ret_second_length)
{
	const char *first_end = strchr(name, '_');
	const char *second_end = first_end ? strchr(first_end + 1, '_') : NULL;

	if (!second_end || second_end == first_end + 1 || !second_end[1])
		return false;
	*ret_first = (size_t)(first_end - name);
	*ret_second = first_end + 1;
	*ret_second_length = (size_t)(second_end - first_end - 1);
	return true;
}

bool ss_podlist_parse(const char *name, struct ss_row *ret_row)
{
	size_t namespace_length, pod_length;
	const char *pod;

	return split(name, &namespace_length, &pod, &pod_length) &&
	       ss_row_set(ret_row, name, namespace_length, pod, pod_length);
}

/* "<pod>_<namespace>_<container>-<id>.log" */
static bool parse_container_log(const char *name, struct ss_row *ret_row)
{
	size_t pod_length, namespace_length;
	const char *namespace_name;

	return split(name, &pod_length, &namespace_name, &namespace_length) && pod_length &&
	       ss_row_set(ret_row, namespace_name, namespace_length, name, pod_length);
}

static int read_directory(struct ss_rows *rows, const char *path,
			  bool (*parse)(const char *name, struct ss_row *ret_row))
{
	DIR *directory = opendir(path);
	struct dirent *entry;
	struct ss_row row;

	if (!directory)
		return -errno;
	while ((entry = readdir(directory)) != NULL)
		if (parse(entry->d_name, &row))
			ss_rows_add(rows, &row);
	closedir(directory);
	return 0;
}

void ss_podlist_read(struct ss_rows *rows)
{
	const char *elsewhere = getenv("STRATOCAP_POD_LOGS");

	if (elsewhere && *elsewhere)
		read_directory(rows, elsewhere, ss_podlist_parse);
	else if (read_directory(rows, POD_LOGS, ss_podlist_parse) < 0)
		read_directory(rows, CONTAINER_LOGS, parse_container_log);
}

/* The name in "NAME", "-iNAME", "-kiNAME" and "--interface=NAME". */
static const char *argument_value(const char *argument)
{
	const char *before = NULL;

	if (argument[0] != '-')
		return argument;
	before = strchr(argument, argument[1] == '-' ? '=' : 'i');
	return before ? before + 1 : "";
}

void ss_podlist_parse_command_line(struct ss_rows *rows, const char *text, size_t length)
{
	const char *end = text + length;

	while (text < end) {
		const char *next = memchr(text, '\0', (size_t)(end - text));
		struct ss_row row;

		if (!next)
			return; /* cut off: half a name is another name */
		if (ss_row_parse(argument_value(text), &row)) {
			row.asked = true;
			ss_rows_add(rows, &row);
		}
		text = next + 1;
	}
}

void ss_podlist_read_asked(struct ss_rows *rows, pid_t pid)
{
	char path[64], text[32768];
	size_t length = 0;
	ssize_t n = 1;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	while (n > 0 && length < sizeof(text)) {
		n = read(fd, text + length, sizeof(text) - length);
		if (n > 0)
			length += (size_t)n;
	}
	close(fd);
	ss_podlist_parse_command_line(rows, text, length);
}
