/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file holds a line with its scope and one per pod:
 *
 *	uid pid start cgroup netns host(0|1) read runtime addresses
 *
 * separated by blanks, "-" for none. It lies in /run/stratoshark (root) or
 * $XDG_RUNTIME_DIR/stratoshark, which only its user may enter, and is exchanged as a whole, so two
 * lists at a time do not disturb each other. Files and directories of anybody else are not looked
 * at.
 */
#include "recall.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "error.h"
#include "k8s/podname.h"

#define NAME          "pods"
#define FIELDS        9
#define FILE_MAX      (4u << 20)
#define PODS_MAX      4096
#define ADDRESSES_MAX 256 /* of a pod */
#define VALID_S       30  /* as long as a watch believes what it read */

struct ss_recall {
	char *directory, *scope;
	GHashTable *pods; /* uid → struct ss_recalled * */
	bool noted;
};

static void recalled_free(gpointer data)
{
	struct ss_recalled *recalled = data;

	g_ptr_array_unref(recalled->addresses);
	g_free(recalled);
}

static uint64_t now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec;
}

/* The runtime's name as a constant; NULL: none that is known. */
static const char *known_runtime(const char *name)
{
	static const char *const runtimes[] = {"containerd", "cri-o", "docker"};

	for (size_t i = 0; name && i < G_N_ELEMENTS(runtimes); i++)
		if (!strcmp(runtimes[i], name))
			return runtimes[i];
	return NULL;
}

static bool parse_addresses(char *text, GPtrArray *addresses)
{
	char *address;

	if (!strcmp(text, "-"))
		return true;
	while ((address = strsep(&text, ","))) {
		uint8_t binary[16];

		if (addresses->len >= ADDRESSES_MAX || (inet_pton(AF_INET, address, binary) != 1 &&
							inet_pton(AF_INET6, address, binary) != 1))
			return false;
		g_ptr_array_add(addresses, g_strdup(address));
	}
	return true;
}

/* Fields 1 to 6. */
static bool parse_numbers(char *const *fields, struct ss_recalled *ret)
{
	static const guint64 limits[] = {INT_MAX, UINT64_MAX, UINT64_MAX, UINT32_MAX, 1, INT64_MAX};
	guint64 values[G_N_ELEMENTS(limits)];

	for (size_t i = 0; i < G_N_ELEMENTS(limits); i++)
		if (!g_ascii_string_to_unsigned(fields[i], 10, 0, limits[i], &values[i], NULL))
			return false;
	ret->pid = (pid_t)values[0];
	ret->pid_start = values[1];
	ret->cgroup_id = values[2];
	ret->netns_inode = (uint32_t)values[3];
	ret->host_network = values[4];
	ret->read_s = values[5];
	return ret->pid > 0;
}

static void parse_line(char *line, GHashTable *pods)
{
	struct ss_recalled parsed = {}, *recalled;
	char *fields[FIELDS];

	for (size_t i = 0; i < FIELDS; i++) {
		fields[i] = strsep(&line, " ");
		if (!fields[i])
			return;
	}
	if (line || !ss_podname_is_uid(fields[0], strlen(fields[0])) ||
	    !parse_numbers(fields + 1, &parsed))
		return;
	parsed.runtime = known_runtime(fields[7]);
	parsed.addresses = g_ptr_array_new_with_free_func(g_free);
	recalled = g_memdup2(&parsed, sizeof(parsed));
	if (parse_addresses(fields[8], parsed.addresses) && g_hash_table_size(pods) < PODS_MAX)
		g_hash_table_replace(pods, g_strdup(fields[0]), recalled);
	else
		recalled_free(recalled);
}

GHashTable *ss_recall_parse(char *text, const char *scope)
{
	GHashTable *pods = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, recalled_free);
	char *line = strsep(&text, "\n");

	if (!line || strcmp(line, scope))
		return pods;
	/* what follows the last newline was cut */
	while ((line = strsep(&text, "\n")) && text)
		parse_line(line, pods);
	return pods;
}

/* Is it this user's alone? */
static bool is_own(int fd, mode_t kind)
{
	struct stat status;

	return fstat(fd, &status) == 0 && (status.st_mode & S_IFMT) == kind &&
	       status.st_uid == geteuid() && !(status.st_mode & (S_IRWXG | S_IRWXO));
}

/* A descriptor, or negative. */
static int open_directory(const char *path)
{
	ss_autofd int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd >= 0 && is_own(fd, S_IFDIR) ? g_steal_fd(&fd) : -1;
}

/* NULL: there is none. */
static char *read_file(const char *directory)
{
	ss_autofd int parent = open_directory(directory), fd = -1;
	g_autofree char *text = NULL;
	size_t length = 0;
	struct stat status;
	ssize_t n;

	if (parent >= 0)
		fd = openat(parent, NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || !is_own(fd, S_IFREG) || fstat(fd, &status) < 0 || status.st_size > FILE_MAX)
		return NULL;
	text = g_malloc((size_t)status.st_size + 1);
	while (length < (size_t)status.st_size &&
	       (n = read(fd, text + length, (size_t)status.st_size - length)) > 0)
		length += (size_t)n;
	text[length] = '\0';
	return g_steal_pointer(&text);
}

struct ss_recall *ss_recall_open(const char *run, const char *scope)
{
	/* not for a program with more rights than its user, who chose the variable */
	const char *place = geteuid() == 0 ? run : secure_getenv("XDG_RUNTIME_DIR");
	struct ss_recall *recall;
	g_autofree char *text = NULL;

	if (!place || *place != '/')
		return NULL;
	recall = g_new0(struct ss_recall, 1);
	recall->directory = g_strconcat(place, "/stratoshark", NULL);
	recall->scope = g_strdup(scope);
	text = read_file(recall->directory);
	recall->pods = ss_recall_parse(text, scope);
	return recall;
}

static void append_line(GString *text, const char *uid, const struct ss_recalled *recalled)
{
	g_string_append_printf(text, "%s %d %" PRIu64 " %" PRIu64 " %" PRIu32 " %d %" PRIu64 " %s ",
			       uid, (int)recalled->pid, recalled->pid_start, recalled->cgroup_id,
			       recalled->netns_inode, recalled->host_network, recalled->read_s,
			       recalled->runtime ?: "-");
	for (guint i = 0; i < recalled->addresses->len; i++)
		g_string_append_printf(text, "%s%s", i ? "," : "",
				       (char *)recalled->addresses->pdata[i]);
	g_string_append(text, recalled->addresses->len ? "\n" : "-\n");
}

/* Whole or not at all. */
static void write_file(const char *directory, const GString *text)
{
	g_autofree char *name = g_strdup_printf(NAME ".%d", (int)getpid());
	ss_autofd int parent = -1, fd = -1;

	mkdir(directory, 0700);
	parent = open_directory(directory);
	if (parent < 0)
		return;
	/* left by a killed one, whose pid came again */
	unlinkat(parent, name, 0);
	fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	if (write(fd, text->str, text->len) != (ssize_t)text->len ||
	    renameat(parent, name, parent, NAME) < 0)
		unlinkat(parent, name, 0);
}

void ss_recall_close(struct ss_recall *recall)
{
	g_autoptr(GString) text = NULL;
	struct ss_recalled *recalled;
	GHashTableIter iter;
	char *uid;

	if (!recall)
		return;
	text = g_string_new(recall->scope);
	g_string_append_c(text, '\n');
	g_hash_table_iter_init(&iter, recall->pods);
	while (g_hash_table_iter_next(&iter, (gpointer *)&uid, (gpointer *)&recalled))
		if (recalled->kept)
			append_line(text, uid, recalled);
	if (recall->noted)
		write_file(recall->directory, text);
	g_hash_table_unref(recall->pods);
	g_free(recall->directory);
	g_free(recall->scope);
	g_free(recall);
}

const struct ss_recalled *ss_recall_find(struct ss_recall *recall, const char *uid)
{
	struct ss_recalled *recalled = g_hash_table_lookup(recall->pods, uid);
	uint64_t now = now_s();

	if (!recalled || recalled->read_s > now || now - recalled->read_s >= VALID_S)
		return NULL;
	recalled->kept = true;
	return recalled;
}

void ss_recall_note(struct ss_recall *recall, const struct ss_pod *pod)
{
	struct ss_recalled *recalled;

	/* a runtime without a name here is guessed again each time */
	if ((pod->runtime && !known_runtime(pod->runtime)) || pod->addresses->len > ADDRESSES_MAX)
		return;
	recalled = g_new0(struct ss_recalled, 1);
	recalled->pid = pod->pid;
	recalled->pid_start = pod->pid_start;
	recalled->cgroup_id = pod->cgroup_id;
	recalled->read_s = now_s();
	recalled->netns_inode = pod->netns_inode;
	recalled->host_network = pod->host_network;
	recalled->runtime = known_runtime(pod->runtime);
	recalled->addresses = g_ptr_array_new_with_free_func(g_free);
	for (guint i = 0; i < pod->addresses->len; i++)
		g_ptr_array_add(recalled->addresses, g_strdup(pod->addresses->pdata[i]));
	recalled->kept = true;
	g_hash_table_replace(recall->pods, g_strdup(pod->uid), recalled);
	recall->noted = true;
}
