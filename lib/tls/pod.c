/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tls/pod.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "tls/proc.h"
#include "tls/roots.h"

#define CGROUP_DEPTH 8
#define CGROUPS_MAX  1024 /* per pod */
#define OWN_WORD_MAX (64 * 1024)

struct ss_tls_pod *ss_tls_pod_new(const char *uid)
{
	struct ss_tls_pod *pod = g_new0(struct ss_tls_pod, 1);

	pod->uid = g_strdup(uid);
	pod->roots = g_array_new(FALSE, FALSE, sizeof(struct ss_tls_root));
	pod->files = g_ptr_array_new();
	return pod;
}

void ss_tls_pod_free(struct ss_tls_pod *pod)
{
	g_array_unref(pod->roots);
	g_ptr_array_unref(pod->files);
	g_free(pod->uid);
	g_free(pod->cgroup_path);
	g_free(pod);
}

/* By cgroups. */

struct listing {
	struct ss_tls_pod *pod;
	ss_tls_pod_saw saw;
	void *user_data;
	unsigned budget; /* cgroups */
};

static void read_processes(struct listing *listing, const char *directory)
{
	g_autofree char *procs = g_strconcat(directory, "/cgroup.procs", NULL), *text = NULL;
	char *end;

	if (!g_file_get_contents(procs, &text, NULL, NULL))
		return;
	for (const char *p = text;; p = end) {
		long pid = strtol(p, &end, 10);

		if (end == p)
			break;
		if (pid > 0 && pid <= INT_MAX) { /* 0: of another pid namespace */
			listing->pod->found = true;
			listing->saw(listing->pod, (pid_t)pid, listing->user_data);
		}
	}
}

static void read_cgroup(struct listing *listing, const char *directory, unsigned depth)
{
	struct dirent *entry;
	DIR *dir;

	if (listing->budget == 0)
		return;
	listing->budget--;
	read_processes(listing, directory);
	dir = depth ? opendir(directory) : NULL;
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		g_autofree char *child = NULL;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		child = g_strconcat(directory, "/", entry->d_name, NULL);
		read_cgroup(listing, child, depth - 1);
	}
	closedir(dir);
}

void ss_tls_pod_list(struct ss_tls_pod *pod, ss_tls_pod_saw saw, void *user_data)
{
	struct listing listing = {pod, saw, user_data, CGROUPS_MAX};

	pod->found = false;
	if (pod->cgroup_path)
		read_cgroup(&listing, pod->cgroup_path, CGROUP_DEPTH);
}

/* By the word of processes. */

/* systemd writes '_' for '-' in the uid. */
static bool names_uid(const char *text, const char *uid)
{
	g_autofree char *escaped = g_strdelimit(g_strdup(uid), "-", '_');

	return strstr(text, uid) || strstr(text, escaped);
}

/* Is a path of /proc/PID/cgroup that of the pod, or below it? */
static bool is_in_directory(const char *text, const char *cgroup_root, const char *directory)
{
	const char *found = g_str_has_prefix(text, "0::") ? text : strstr(text, "\n0::");
	g_autofree char *path = NULL, *prefix = NULL, *line = NULL;

	if (!found || !directory)
		return false;
	found = strchr(found, '/');
	if (!found)
		return false;
	line = g_strndup(found, strcspn(found, "\n"));
	path = g_strconcat(cgroup_root, line, "/", NULL);
	prefix = g_strconcat(directory, g_str_has_suffix(directory, "/") ? "" : "/", NULL);
	return g_str_has_prefix(path, prefix);
}

struct ss_tls_pod *ss_tls_pods_find(GHashTable *pods, const char *proc, const char *cgroup_root,
				    pid_t pid)
{
	g_autofree char *text = NULL;
	GHashTableIter iter;
	gpointer value;

	if (ss_tls_proc_read(proc, pid, "cgroup", OWN_WORD_MAX, &text) < 0)
		return NULL;
	g_hash_table_iter_init(&iter, pods);
	while (g_hash_table_iter_next(&iter, NULL, &value))
		if (is_in_directory(text, cgroup_root, ((struct ss_tls_pod *)value)->cgroup_path))
			return value;
	g_hash_table_iter_init(&iter, pods);
	while (g_hash_table_iter_next(&iter, NULL, &value))
		if (names_uid(text, ((struct ss_tls_pod *)value)->uid))
			return value;
	return NULL;
}

void ss_tls_pods_list(GHashTable *pods, const char *proc, const char *cgroup_root,
		      ss_tls_pod_saw saw, void *user_data)
{
	DIR *dir = opendir(proc);
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		long pid = strtol(entry->d_name, NULL, 10);
		struct ss_tls_pod *pod;

		if (pid <= 0 || pid > INT_MAX)
			continue;
		pod = ss_tls_pods_find(pods, proc, cgroup_root, (pid_t)pid);
		if (pod && !pod->found)
			saw(pod, (pid_t)pid, user_data);
	}
	closedir(dir);
}
