/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All of this was made by pods. A path is followed below the process' root without any link, and
 * must lead to the inode that is mapped; overlays have other device numbers in maps than in stat(),
 * so inode numbers alone are compared. What is looked at is only a place (O_PATH) until it is known
 * to be a regular file: device files are never opened, and neither is FUSE, which could let us
 * wait.
 */
#include "tls/maps.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "error.h"
#include "tls/roots.h"

#define MAPPINGS_MAX 1024 /* executable ones of a process */

static void mapping_clear(gpointer data)
{
	struct ss_tls_mapping *mapping = data;

	g_free(mapping->path);
	g_free(mapping->range);
}

/* A path has "\012" where it holds a newline; nothing else is escaped. */
static char *unescape(const char *path)
{
	char *copy = g_strdup(path), *out = copy;

	for (const char *in = copy; *in; out++) {
		bool newline = g_str_has_prefix(in, "\\012");

		*out = newline ? '\n' : *in;
		in += newline ? 4 : 1;
	}
	*out = '\0';
	if (g_str_has_suffix(copy, " (deleted)"))
		copy[strlen(copy) - strlen(" (deleted)")] = '\0';
	return copy;
}

/* "7f00-7f10 r-xp 00001000 fe:01 1234      /usr/lib/libssl.so.3": executable ones of files. */
static bool parse_mapping(const char *line, struct ss_tls_mapping *ret_mapping)
{
	unsigned long long start, end, offset, inode;
	unsigned major, minor;
	char flags[5];
	int length = 0;

	if (sscanf(line, "%llx-%llx %4s %llx %x:%x %llu %n", &start, &end, flags, &offset, &major,
		   &minor, &inode, &length) != 7 ||
	    inode == 0 || strlen(flags) != 4 || flags[2] != 'x' || line[length] != '/')
		return false;
	*ret_mapping = (struct ss_tls_mapping){
		.path = unescape(line + length),
		.range = g_strdup_printf("%llx-%llx", start, end),
		.device = (uint64_t)major << 32 | minor,
		.inode = inode,
	};
	return true;
}

static bool is_same(const struct ss_tls_mapping *a, const struct ss_tls_mapping *b)
{
	return a->device == b->device && a->inode == b->inode;
}

GArray *ss_tls_maps_parse(char *text)
{
	GArray *mappings = g_array_new(FALSE, FALSE, sizeof(struct ss_tls_mapping));
	char *next;

	g_array_set_clear_func(mappings, mapping_clear);
	for (char *line = text; line && *line && mappings->len < MAPPINGS_MAX; line = next) {
		struct ss_tls_mapping mapping;
		bool known = false;

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (!parse_mapping(line, &mapping))
			continue;
		for (guint i = mappings->len; i > 0 && !known; i--)
			known = is_same(&g_array_index(mappings, struct ss_tls_mapping, i - 1),
					&mapping);
		if (known)
			mapping_clear(&mapping);
		else
			g_array_append_val(mappings, mapping);
	}
	return mappings;
}

static bool is_mapped_file(int fd, uint64_t inode)
{
	struct stat status;

	return fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_ino == inode;
}

/* O_PATH: nothing happens to a device, no FUSE daemon is asked to open. */
static int find_below_root(const char *proc, pid_t pid, const char *path)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC,
			       .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS |
					  RESOLVE_NO_MAGICLINKS};
	g_autofree char *root = g_strdup_printf("%s/%d/root", proc, (int)pid);
	ss_autofd int directory = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	long fd;

	if (directory < 0)
		return -errno;
	fd = syscall(SYS_openat2, directory, path, &how, sizeof(how));
	return fd < 0 ? -errno : (int)fd;
}

static int find_link(const char *proc, pid_t pid, const char *link)
{
	g_autofree char *path = g_strdup_printf("%s/%d/%s", proc, (int)pid, link);
	int fd = open(path, O_PATH | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* The link tells the path, too: inode numbers repeat on other file systems. */
static bool is_program(const char *proc, pid_t pid, const struct ss_tls_mapping *mapping)
{
	g_autofree char *link = g_strdup_printf("%s/%d/exe", proc, (int)pid);
	char target[PATH_MAX];
	ssize_t length = readlink(link, target, sizeof(target) - 1);

	if (length < 0)
		return false;
	target[length] = '\0';
	return g_str_has_prefix(target, mapping->path); /* " (deleted)" may follow */
}

/* By its path, as the program, or (replaced and deleted files) by the mapping itself. */
static int find_file(const char *proc, pid_t pid, const struct ss_tls_mapping *mapping,
		     bool *ret_program)
{
	g_autofree char *link = g_strconcat("map_files/", mapping->range, NULL);
	int fd = find_link(proc, pid, "exe"), r;

	*ret_program =
		fd >= 0 && is_mapped_file(fd, mapping->inode) && is_program(proc, pid, mapping);
	if (*ret_program)
		return fd;
	ss_closep(&fd);
	fd = find_below_root(proc, pid, mapping->path);
	if (fd >= 0 && is_mapped_file(fd, mapping->inode))
		return fd;
	ss_closep(&fd);
	fd = r = find_link(proc, pid, link);
	if (fd >= 0 && is_mapped_file(fd, mapping->inode))
		return fd;
	ss_closep(&fd);
	return r < 0 ? r : -ESTALE;
}

int ss_tls_maps_open(const char *proc, pid_t pid, const struct ss_tls_mapping *mapping,
		     bool *ret_program)
{
	ss_autofd int fd = find_file(proc, pid, mapping, ret_program);

	return fd < 0 ? fd : ss_tls_reopen(fd);
}
