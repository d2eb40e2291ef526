/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Directories of glibc and musl distributions, and below them the ones of an architecture
 * (x86_64-linux-gnu). Links are followed inside the root: /lib is one to usr/lib nearly everywhere,
 * and libssl.so.3 may be one to a longer name.
 */
#include "tls/roots.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <glib.h>

#include "error.h"

#define FUSE_FILESYSTEM 0x65735546
#define ENTRIES_MAX     65536 /* of a directory, read */
#define LIBRARIES_MAX   256   /* of a root */

static const char *const directories[] = {
	"usr/lib", "usr/lib64", "lib", "lib64", "usr/local/lib", "usr/local/lib64",
};

static const char *const names[] = {
	"libssl.so", "libcrypto.so", "libgnutls.so", "libnettle.so", "libhogweed.so",
};

struct search {
	int root;
	void (*each)(int fd, const char *path, void *user_data);
	void *user_data;
	GHashTable *seen; /* inode numbers: the same directory by two ways */
	unsigned found;
};

static int open_root(const char *proc, pid_t pid)
{
	g_autofree char *path = g_strdup_printf("%s/%d/root", proc, (int)pid);
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int ss_tls_root_get(const char *proc, pid_t pid, struct ss_tls_root *ret_root)
{
	ss_autofd int fd = open_root(proc, pid);
	struct stat status;

	if (fd < 0)
		return fd;
	if (fstat(fd, &status) < 0)
		return -errno;
	*ret_root = (struct ss_tls_root){status.st_dev, status.st_ino};
	return 0;
}

static int reopen(int fd, int flags)
{
	struct statfs filesystem;
	char path[64];
	int opened;

	if (fstatfs(fd, &filesystem) < 0)
		return -errno;
	if ((uint32_t)filesystem.f_type == FUSE_FILESYSTEM)
		return -EOPNOTSUPP;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	opened = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | flags);
	return opened < 0 ? -errno : opened;
}

int ss_tls_reopen(int fd)
{
	return reopen(fd, 0);
}

static int find(const struct search *search, const char *path)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC,
			       .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
	long fd = syscall(SYS_openat2, search->root, path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

/* Found for the first time? */
static bool is_new(const struct search *search, int fd, mode_t type)
{
	struct stat status;
	gint64 inode;

	if (fstat(fd, &status) < 0 || (status.st_mode & S_IFMT) != type)
		return false;
	inode = (gint64)status.st_ino;
	if (g_hash_table_contains(search->seen, &inode))
		return false;
	g_hash_table_add(search->seen, g_memdup2(&inode, sizeof(inode)));
	return true;
}

static void try_library(struct search *search, const char *path)
{
	ss_autofd int found = find(search, path);
	ss_autofd int fd = -1;

	if (found < 0 || search->found >= LIBRARIES_MAX || !is_new(search, found, S_IFREG))
		return;
	fd = reopen(found, 0);
	if (fd < 0)
		return;
	search->found++;
	search->each(fd, path, search->user_data);
}

static bool is_library(const char *name)
{
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
		if (g_str_has_prefix(name, names[i]))
			return true;
	return false;
}

static void read_directory(struct search *search, const char *path, bool deeper)
{
	ss_autofd int found = find(search, path);
	unsigned entries = 0;
	struct dirent *entry;
	DIR *directory;
	int fd;

	if (found < 0 || !is_new(search, found, S_IFDIR))
		return;
	fd = reopen(found, O_DIRECTORY);
	directory = fd < 0 ? NULL : fdopendir(fd);
	if (!directory) {
		ss_closep(&fd);
		return;
	}
	while ((entry = readdir(directory)) && entries++ < ENTRIES_MAX) {
		g_autofree char *child = g_strconcat(path, "/", entry->d_name, NULL);

		if (is_library(entry->d_name))
			try_library(search, child);
		else if (deeper && strstr(entry->d_name, "-linux-"))
			read_directory(search, child, false);
	}
	closedir(directory);
}

void ss_tls_root_libraries(const char *proc, pid_t pid,
			   void (*each)(int fd, const char *path, void *user_data), void *user_data)
{
	g_autoptr(GHashTable) seen =
		g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
	ss_autofd int root = open_root(proc, pid);
	struct search search = {root, each, user_data, seen, 0};

	for (size_t i = 0; root >= 0 && i < G_N_ELEMENTS(directories); i++)
		read_directory(&search, directories[i], true);
}
