/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Walks only what leads to pods: the usual places of "kubepods" by name, and a shallow search where
 * none of them exists (a kubelet inside a container, an unusual --cgroup-root). The version 2 tree
 * names the pods' cgroups for eBPF; processes are looked for there and, for older runtimes on a
 * hybrid node, in one version 1 tree. Everything here is world-readable. Where the cgroup file
 * system is somebody else's view, /proc/PID/cgroup of every process says the same.
 */
#include "cgroupfs.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "k8s/cgroup.h"
#include "k8s/read.h"

#define SEARCH_DEPTH 3    /* below the root, where "kubepods" has no usual place */
#define NESTED_DEPTH 3    /* cgroups a container made for itself */
#define PODS_MAX     4096 /* a kubelet allows 110 by default, 500 at most in practice */
#define PIDS_MAX     1024 /* per container: enough to find the oldest, bounded for a fork bomb */

static const char *const usual_places[] = {
	"/kubepods",
	"/kubepods.slice",
	"/kubelet/kubepods",
	"/kubelet.slice/kubelet-kubepods.slice",
	/* where "<slice>:<runtime>:<id>" ends up, next to an empty kubepods.slice */
	"/system.slice/containerd.service",
};

struct walk {
	struct ss_cgroupfs *cgroupfs;
	GHashTable *known;
	const char *root;
	bool unified;
	bool found;
};

static void container_free(gpointer data)
{
	struct ss_cgroup_container *container = data;

	g_free(container->id);
	g_free(container->path);
	g_clear_pointer(&container->pids, g_array_unref);
	g_free(container);
}

static void pod_free(gpointer data)
{
	struct ss_cgroup_pod *pod = data;

	g_free(pod->path);
	g_ptr_array_unref(pod->containers);
	g_free(pod);
}

static struct ss_cgroup_pod *get_pod(struct ss_cgroupfs *cgroupfs, const char *uid)
{
	struct ss_cgroup_pod *pod = g_hash_table_lookup(cgroupfs->pods, uid);

	if (pod || g_hash_table_size(cgroupfs->pods) >= PODS_MAX)
		return pod;
	pod = g_new0(struct ss_cgroup_pod, 1);
	pod->containers = g_ptr_array_new_with_free_func(container_free);
	g_hash_table_insert(cgroupfs->pods, g_strdup(uid), pod);
	return pod;
}

static struct ss_cgroup_container *get_container(struct ss_cgroup_pod *pod,
						 const struct ss_cgroup_identity *identity)
{
	struct ss_cgroup_container *container;

	for (guint i = 0; i < pod->containers->len; i++) {
		container = pod->containers->pdata[i];
		if (!strcmp(container->id, identity->container_id))
			return container;
	}
	container = g_new0(struct ss_cgroup_container, 1);
	container->id = g_strdup(identity->container_id);
	container->runtime = identity->runtime;
	g_ptr_array_add(pod->containers, container);
	return container;
}

static bool is_directory(const struct dirent *entry)
{
	return entry->d_type == DT_DIR && entry->d_name[0] != '.';
}

static void watch_directory(struct walk *walk, const char *path)
{
	g_ptr_array_add(walk->cgroupfs->directories, g_strconcat(walk->root, path, NULL));
}

/* The children of a pod's cgroup are its containers. */
static void read_pod(struct walk *walk, const char *path, const char *uid, uint64_t inode)
{
	g_autofree char *directory = g_strconcat(walk->root, path, NULL);
	struct ss_cgroup_pod *pod = get_pod(walk->cgroupfs, uid);
	struct dirent *entry;
	DIR *dir;

	if (!pod)
		return;
	if (walk->unified && !pod->path) {
		pod->path = g_strdup(directory);
		pod->id = inode;
	}
	watch_directory(walk, path);
	if (walk->known && g_hash_table_contains(walk->known, uid))
		return;
	dir = opendir(directory);
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		g_autofree char *child = NULL;
		struct ss_cgroup_identity identity;
		struct ss_cgroup_container *container;

		if (!is_directory(entry))
			continue;
		child = g_strconcat(path, "/", entry->d_name, NULL);
		if (ss_cgroup_parse(child, &identity) < 0 || !identity.container_id[0])
			continue;
		container = get_container(pod, &identity);
		if (!container->path)
			container->path = g_strconcat(walk->root, child, NULL);
	}
	closedir(dir);
}

/* "<slice>:<runtime>:<id>": a container's cgroup that names its pod itself and has no pod above. */
static void read_lone_container(struct walk *walk, const char *path,
				const struct ss_cgroup_identity *identity)
{
	struct ss_cgroup_pod *pod = get_pod(walk->cgroupfs, identity->pod_uid);
	struct ss_cgroup_container *container;

	if (!pod)
		return;
	container = get_container(pod, identity);
	if (!container->path)
		container->path = g_strconcat(walk->root, path, NULL);
}

/* depth: how many levels that do not look like pods' may still be entered. */
static void walk_directory(struct walk *walk, const char *path, unsigned depth)
{
	g_autofree char *directory = g_strconcat(walk->root, path, NULL);
	bool below_kubepods = strstr(path, "kubepods") != NULL;
	DIR *dir = opendir(directory);
	struct dirent *entry;

	if (!dir)
		return;
	if (below_kubepods) {
		watch_directory(walk, path);
		walk->found = true;
	}
	while ((entry = readdir(dir))) {
		g_autofree char *child = NULL;
		struct ss_cgroup_identity identity;

		if (!is_directory(entry))
			continue;
		child = g_strconcat(path, "/", entry->d_name, NULL);
		if (ss_cgroup_parse(child, &identity) == 0) {
			walk->found = true;
			if (identity.container_id[0])
				read_lone_container(walk, child, &identity);
			else
				read_pod(walk, child, identity.pod_uid, entry->d_ino);
		} else if (below_kubepods ? g_str_has_suffix(child, "besteffort") ||
						    g_str_has_suffix(child, "besteffort.slice") ||
						    g_str_has_suffix(child, "burstable") ||
						    g_str_has_suffix(child, "burstable.slice")
					  : depth > 0) {
			walk_directory(walk, child, depth - !below_kubepods);
		}
	}
	closedir(dir);
}

/* Did the tree show pods? */
static bool walk_tree(struct ss_cgroupfs *cgroupfs, const char *root, bool unified,
		      GHashTable *known)
{
	struct walk walk = {cgroupfs, known, root, unified, false};

	for (size_t i = 0; i < G_N_ELEMENTS(usual_places); i++)
		walk_directory(&walk, usual_places[i], 0);
	if (!walk.found) {
		watch_directory(&walk, "");
		walk_directory(&walk, "", SEARCH_DEPTH);
	}
	cgroupfs->found |= walk.found;
	return walk.found;
}

static bool any_pod_without_container(struct ss_cgroupfs *cgroupfs, GHashTable *known)
{
	struct ss_cgroup_pod *pod;
	GHashTableIter iter;
	char *uid;

	g_hash_table_iter_init(&iter, cgroupfs->pods);
	while (g_hash_table_iter_next(&iter, (gpointer *)&uid, (gpointer *)&pod))
		if (pod->containers->len == 0 && !(known && g_hash_table_contains(known, uid)))
			return true;
	return false;
}

static void add_process(struct ss_cgroupfs *cgroupfs, const char *proc, const char *name)
{
	struct ss_cgroup_container *container;
	struct ss_cgroup_identity identity;
	struct ss_cgroup_pod *pod;
	char path[PATH_MAX], text[8192];
	ssize_t length;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/%s/cgroup", proc, name);
	length = ss_read_text(path, text, sizeof(text));
	if (length <= 0 || ss_cgroup_parse_proc(text, (size_t)length, &identity) < 0 ||
	    !identity.container_id[0])
		return;
	pod = get_pod(cgroupfs, identity.pod_uid);
	if (!pod)
		return;
	container = get_container(pod, &identity);
	if (!container->pids)
		container->pids = g_array_new(FALSE, FALSE, sizeof(pid_t));
	pid = (pid_t)strtol(name, NULL, 10);
	if (pid > 0 && container->pids->len < PIDS_MAX)
		g_array_append_val(container->pids, pid);
}

static void walk_processes(struct ss_cgroupfs *cgroupfs, const char *proc)
{
	DIR *dir = opendir(proc);
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (g_ascii_isdigit(entry->d_name[0]))
			add_process(cgroupfs, proc, entry->d_name);
	closedir(dir);
}

struct ss_cgroupfs *ss_cgroupfs_new(const char *root, const char *proc, GHashTable *known)
{
	static const char *const version1[] = {"/pids", "/systemd", "/memory", "/cpu,cpuacct"};
	struct ss_cgroupfs *cgroupfs = g_new0(struct ss_cgroupfs, 1);
	g_autofree char *pure = g_strconcat(root, "/cgroup.controllers", NULL);
	g_autofree char *unified = g_strconcat(root, "/unified", NULL);

	cgroupfs->pods = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, pod_free);
	cgroupfs->directories = g_ptr_array_new_with_free_func(g_free);
	if (access(pure, F_OK) == 0) {
		walk_tree(cgroupfs, root, true, known);
	} else {
		bool complete = walk_tree(cgroupfs, unified, true, known) &&
				!any_pod_without_container(cgroupfs, known);

		for (size_t i = 0; !complete && i < G_N_ELEMENTS(version1); i++) {
			g_autofree char *tree = g_strconcat(root, version1[i], NULL);

			complete = walk_tree(cgroupfs, tree, false, known);
		}
	}
	if (!cgroupfs->found && proc)
		walk_processes(cgroupfs, proc);
	return cgroupfs;
}

void ss_cgroupfs_free(struct ss_cgroupfs *cgroupfs)
{
	if (!cgroupfs)
		return;
	g_hash_table_unref(cgroupfs->pods);
	g_ptr_array_unref(cgroupfs->directories);
	g_free(cgroupfs);
}

static void append_pids(const char *text, GArray *pids)
{
	while (*text && pids->len < PIDS_MAX) {
		char *end;
		long value = strtol(text, &end, 10);
		pid_t pid = (pid_t)value;

		/* a number without its end was cut by the buffer: it would be somebody else's */
		if (end == text || *end != '\n')
			return;
		/* 0: a process outside of our pid namespace */
		if (value > 0 && value <= INT_MAX)
			g_array_append_val(pids, pid);
		text = end;
	}
}

static void read_pids(const char *directory, unsigned depth, GArray *pids)
{
	g_autofree char *path = g_strconcat(directory, "/cgroup.procs", NULL);
	char text[PIDS_MAX * 8];
	struct dirent *entry;
	DIR *dir;

	if (ss_read_text(path, text, sizeof(text)) > 0)
		append_pids(text, pids);
	if (pids->len > 0 || depth == 0)
		return;
	/* a container that runs systemd, or crun's inner cgroup: processes are further down */
	dir = opendir(directory);
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		g_autofree char *child = NULL;

		if (!is_directory(entry))
			continue;
		child = g_strconcat(directory, "/", entry->d_name, NULL);
		read_pids(child, depth - 1, pids);
	}
	closedir(dir);
}

const GArray *ss_cgroup_container_pids(struct ss_cgroup_container *container)
{
	if (!container->pids) {
		container->pids = g_array_new(FALSE, FALSE, sizeof(pid_t));
		if (container->path)
			read_pids(container->path, NESTED_DEPTH, container->pids);
	}
	return container->pids;
}
