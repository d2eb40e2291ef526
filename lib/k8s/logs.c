/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /var/log/pods/<ns>_<pod>_<uid>/ exists from a pod's creation until its deletion.
 * /var/log/containers/<pod>_<ns>_<container>-<id>.log is the only place that gives container ids
 * names; it points into the pod's directory, which tells a restarted pod from its predecessor.
 * Where only the links may be read, they name the pods as well.
 */
#include "logs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PODS_MAX       4096
#define CONTAINERS_MAX 256 /* per pod, dead ones included */
#define YOUNG_NS       60000000000ll

static void container_free(gpointer data)
{
	struct ss_log_container *container = data;

	g_free(container->name);
	g_free(container->id);
	g_free(container);
}

static void pod_free(gpointer data)
{
	struct ss_log_pod *pod = data;

	g_ptr_array_unref(pod->containers);
	g_free(pod);
}

static int64_t change_time(const struct stat *status)
{
	return (int64_t)status->st_mtim.tv_sec * 1000000000 + status->st_mtim.tv_nsec;
}

static struct ss_log_pod *add_pod(GPtrArray *pods, GHashTable *by_uid,
				  const struct ss_podname_directory *name, int64_t time_ns)
{
	struct ss_log_pod *pod = g_hash_table_lookup(by_uid, name->uid);

	/* a second directory with this uid is nothing the kubelet makes */
	if (pod || pods->len >= PODS_MAX)
		return pod;
	pod = g_new0(struct ss_log_pod, 1);
	pod->name = *name;
	pod->time_ns = time_ns;
	pod->containers = g_ptr_array_new_with_free_func(container_free);
	g_ptr_array_add(pods, pod);
	g_hash_table_insert(by_uid, pod->name.uid, pod);
	return pod;
}

static void add_container(struct ss_log_pod *pod, const char *name, const char *id,
			  unsigned attempt, int64_t time_ns)
{
	struct ss_log_container *container;

	if (pod->containers->len >= CONTAINERS_MAX)
		return;
	container = g_new0(struct ss_log_container, 1);
	container->name = g_strdup(name);
	container->id = g_strdup(id);
	container->attempt = attempt;
	container->time_ns = time_ns;
	g_ptr_array_add(pod->containers, container);
}

static void read_pods(DIR *dir, GPtrArray *pods, GHashTable *by_uid)
{
	struct ss_podname_directory name;
	struct dirent *entry;
	struct stat status;

	while ((entry = readdir(dir))) {
		if (ss_podname_parse_directory(entry->d_name, &name) < 0)
			continue;
		if (fstatat(dirfd(dir), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISDIR(status.st_mode))
			continue;
		add_pod(pods, by_uid, &name, change_time(&status));
	}
}

/* Newest pod of that name: for links whose target does not tell (other log drivers). */
static struct ss_log_pod *find_by_name(const GPtrArray *pods, const struct ss_podname_link *link)
{
	struct ss_log_pod *newest = NULL;

	for (guint i = 0; i < pods->len; i++) {
		struct ss_log_pod *pod = pods->pdata[i];

		if (!strcmp(pod->name.pod, link->pod) &&
		    !strcmp(pod->name.namespace, link->namespace) &&
		    (!newest || pod->time_ns > newest->time_ns))
			newest = pod;
	}
	return newest;
}

/* links_name_pods: the pods' own directory could not be read. */
static void read_links(DIR *dir, bool links_name_pods, GPtrArray *pods, GHashTable *by_uid)
{
	struct dirent *entry;

	while ((entry = readdir(dir))) {
		struct ss_podname_directory name;
		struct ss_podname_link link;
		struct ss_log_pod *pod;
		char target[PATH_MAX];
		unsigned attempt = 0;
		struct stat status;
		ssize_t length;

		if (ss_podname_parse_link(entry->d_name, &link) < 0 ||
		    fstatat(dirfd(dir), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		length = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		if (length > 0)
			target[length] = '\0';
		if (length > 0 && ss_podname_parse_target(target, &name, &attempt) == 0) {
			if (strcmp(name.namespace, link.namespace) || strcmp(name.pod, link.pod))
				continue;
			pod = g_hash_table_lookup(by_uid, name.uid);
			if (!pod && links_name_pods)
				pod = add_pod(pods, by_uid, &name, change_time(&status));
		} else {
			pod = find_by_name(pods, &link);
		}
		if (pod)
			add_container(pod, link.container, link.id, attempt, change_time(&status));
	}
}

/* A container's folder is there before the container, its link only when it runs. A new folder
 * changes the time of the pod's directory, or it is there since long ago, with its link. */
static bool may_lack_links(const struct ss_log_pod *pod)
{
	int64_t age_ns = g_get_real_time() * 1000 - pod->time_ns;

	return pod->containers->len == 0 || (age_ns > -YOUNG_NS && age_ns < YOUNG_NS);
}

/* The pod's directory has one folder per container. */
static void read_folders(const char *directory, struct ss_log_pod *pod)
{
	g_autofree char *path = g_strdup_printf("%s/%s_%s_%s", directory, pod->name.namespace,
						pod->name.pod, pod->name.uid);
	DIR *dir = opendir(path);
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (entry->d_type == DT_DIR &&
		    ss_podname_is_label(entry->d_name, strlen(entry->d_name)))
			add_container(pod, entry->d_name, NULL, 0, 0);
	closedir(dir);
}

int ss_logs_read(const char *pods, const char *containers, GPtrArray **ret, struct ss_error *error)
{
	g_autoptr(GPtrArray) result = g_ptr_array_new_with_free_func(pod_free);
	g_autoptr(GHashTable) by_uid = g_hash_table_new(g_str_hash, g_str_equal);
	int pods_errno, links_errno;
	DIR *dir, *links;

	dir = opendir(pods);
	pods_errno = dir ? 0 : errno;
	links = opendir(containers);
	links_errno = links ? 0 : errno;
	if (dir) {
		read_pods(dir, result, by_uid);
		closedir(dir);
	}
	if (links) {
		read_links(links, pods_errno == EACCES, result, by_uid);
		closedir(links);
	}
	if (pods_errno && pods_errno != ENOENT && links_errno)
		return ss_fail(
			error, -pods_errno,
			"cannot read '%s', which names this node's pods: %s; run as root, or "
			"let this user read it (setfacl -m u:USER:rx %s)",
			pods, g_strerror(pods_errno), pods);
	for (guint i = 0; i < result->len; i++) {
		struct ss_log_pod *pod = result->pdata[i];

		if (may_lack_links(pod))
			read_folders(pods, pod);
	}
	*ret = g_steal_pointer(&result);
	return 0;
}
