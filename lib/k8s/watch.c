/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One epoll descriptor holds an inotify descriptor (log directories, pods' cgroups; in cgroup v2
 * also "cgroup.events", which changes when the first process enters) and a pidfd per living pod,
 * which tells its end at once. Events only say "look now": every look is a scan, which skips the
 * pods whose pidfd proves that nothing needs to be read again. Between events: every 20 ms while a
 * pod is about to start, for a bounded time, else once a second for what no event announced.
 */
#include "watch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "k8s/process.h"

#define TRANSITION_MS       20
#define TRANSITION_LIMIT_MS 10000 /* a pod with an older log directory waits for something slow */
#define EVENT_LIMIT_MS      1000  /* after a cgroup came, its process follows in milliseconds */
#define SWEEP_MS            1000
#define SETTLED_MS          2000  /* younger pods are read in full: addresses may come late */
#define FULL_SWEEP_MS       30000 /* and once in a while everybody is */
#define DIRECTORIES_MAX     16384 /* inotify watches */

struct entry {
	struct ss_pod *pod;
	int pidfd; /* -1: the kernel has none, so the process is looked up at every scan */
	int64_t added_ms;
};

struct ss_pod_watch {
	struct ss_node *node;
	ss_pod_callback callback;
	void *user_data;
	int epoll, inotify;
	GHashTable *entries;     /* uid → struct entry *, living pods */
	GHashTable *idle;        /* set of uids: pods without process at the last scan */
	GHashTable *directories; /* path → inotify descriptor */
	bool scanned;
	int64_t last_scan_ms, last_full_ms, hurry_until_ms;
};

static int64_t now_ms(void)
{
	return g_get_monotonic_time() / 1000;
}

static void entry_free(gpointer data)
{
	struct entry *entry = data;

	ss_closep(&entry->pidfd);
	ss_pod_free(entry->pod);
	g_free(entry);
}

struct ss_pod_watch *ss_pod_watch_new(struct ss_node *node, ss_pod_callback callback,
				      void *user_data)
{
	struct ss_pod_watch *watch = g_new0(struct ss_pod_watch, 1);
	struct epoll_event event = {.events = EPOLLIN};

	watch->node = node;
	watch->callback = callback;
	watch->user_data = user_data;
	watch->entries = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, entry_free);
	watch->idle = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	watch->directories = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	watch->epoll = epoll_create1(EPOLL_CLOEXEC);
	watch->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (watch->epoll >= 0 && watch->inotify >= 0)
		epoll_ctl(watch->epoll, EPOLL_CTL_ADD, watch->inotify, &event);
	return watch;
}

void ss_pod_watch_free(struct ss_pod_watch *watch)
{
	if (!watch)
		return;
	g_hash_table_unref(watch->entries);
	g_hash_table_unref(watch->idle);
	g_hash_table_unref(watch->directories);
	ss_closep(&watch->inotify);
	ss_closep(&watch->epoll);
	g_free(watch);
}

int ss_pod_watch_fd(const struct ss_pod_watch *watch)
{
	return watch->epoll;
}

static bool in_transition(const struct ss_pod_watch *watch, int64_t now)
{
	return ss_node_is_settling(watch->node) ||
	       (now < watch->hurry_until_ms && g_hash_table_size(watch->idle) > 0);
}

static int64_t next_scan_ms(const struct ss_pod_watch *watch, int64_t now)
{
	if (!watch->scanned)
		return now;
	if (in_transition(watch, now))
		return watch->last_scan_ms + TRANSITION_MS;
	return watch->last_scan_ms + SWEEP_MS;
}

int ss_pod_watch_next_ms(const struct ss_pod_watch *watch)
{
	int64_t now = now_ms();

	return (int)CLAMP(next_scan_ms(watch, now) - now, 0, SWEEP_MS);
}

static void hurry(struct ss_pod_watch *watch, int64_t until_ms)
{
	watch->hurry_until_ms = MAX(watch->hurry_until_ms, until_ms);
}

static gboolean has_descriptor(gpointer path, gpointer descriptor, gpointer wanted)
{
	(void)path;
	return descriptor == wanted;
}

/* Did anything happen? Reads all there is. */
static bool drain_inotify(struct ss_pod_watch *watch)
{
	_Alignas(struct inotify_event) char buffer[16384];
	bool happened = false;
	ssize_t length;

	if (watch->inotify < 0)
		return false;
	while ((length = read(watch->inotify, buffer, sizeof(buffer))) > 0) {
		struct inotify_event event;

		happened = true;
		for (ssize_t offset = 0; offset + (ssize_t)sizeof(event) <= length;
		     offset += (ssize_t)(sizeof(event) + event.len)) {
			memcpy(&event, buffer + offset, sizeof(event));
			/* the directory is gone; one of the same name may come */
			if (event.mask & IN_IGNORED)
				g_hash_table_foreach_remove(watch->directories, has_descriptor,
							    GINT_TO_POINTER(event.wd));
		}
	}
	if (happened)
		hurry(watch, now_ms() + EVENT_LIMIT_MS);
	return happened;
}

static void add_directory(struct ss_pod_watch *watch, const char *path, uint32_t mask)
{
	int descriptor;

	if (g_hash_table_contains(watch->directories, path) ||
	    g_hash_table_size(watch->directories) >= DIRECTORIES_MAX)
		return;
	descriptor = inotify_add_watch(watch->inotify, path, mask);
	if (descriptor >= 0)
		g_hash_table_insert(watch->directories, g_strdup(path),
				    GINT_TO_POINTER(descriptor));
}

/* Did it add one? What happened in it before is not announced, so it needs another look. */
static bool watch_directories(struct ss_pod_watch *watch)
{
	const GPtrArray *directories = ss_node_directories(watch->node);
	guint before = g_hash_table_size(watch->directories);

	if (watch->inotify < 0)
		return false;
	for (guint i = 0; i < directories->len; i++) {
		const char *path = directories->pdata[i];
		g_autofree char *events = g_strconcat(path, "/cgroup.events", NULL);

		if (g_hash_table_contains(watch->directories, path))
			continue;
		add_directory(watch, path,
			      IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM | IN_ONLYDIR);
		add_directory(watch, events, IN_MODIFY);
	}
	return g_hash_table_size(watch->directories) > before;
}

static bool has_ended(int pidfd)
{
	struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};

	return poll(&poll_fd, 1, 0) != 0;
}

/* The pods a scan need not read: uid → pod. Sets *ret_ended when the process of one has ended. */
static GHashTable *find_known(struct ss_pod_watch *watch, bool full, int64_t now, bool *ret_ended)
{
	GHashTable *known = g_hash_table_new(g_str_hash, g_str_equal);
	GHashTableIter iter;
	struct entry *entry;

	*ret_ended = false;
	g_hash_table_iter_init(&iter, watch->entries);
	while (g_hash_table_iter_next(&iter, NULL, (gpointer *)&entry)) {
		if (entry->pidfd >= 0 && has_ended(entry->pidfd)) {
			/* closed, so that it does not keep the epoll descriptor readable */
			ss_closep(&entry->pidfd);
			entry->pidfd = -1;
			*ret_ended = true;
		} else if (entry->pidfd >= 0 && !full && now - entry->added_ms >= SETTLED_MS) {
			g_hash_table_insert(known, entry->pod->uid, entry->pod);
		}
	}
	return known;
}

/* A pidfd of exactly the process the pod names, or -1. */
static void open_pidfd(struct ss_pod_watch *watch, struct entry *entry)
{
	struct epoll_event event = {.events = EPOLLIN};
	struct ss_process_stat status;
	ss_autofd int fd = -1;

	ss_closep(&entry->pidfd);
	entry->pidfd = -1;
	fd = (int)syscall(SYS_pidfd_open, entry->pod->pid, 0);
	if (fd < 0 || epoll_ctl(watch->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		return;
	/* the pid may have been given away between the scan and the open */
	if (ss_process_read_stat(ss_node_proc(watch->node), entry->pod->pid, &status) < 0 ||
	    status.start != entry->pod->pid_start)
		return;
	entry->pidfd = g_steal_fd(&fd);
}

static void replace_pod(struct ss_pod_watch *watch, struct entry *entry, const struct ss_pod *pod)
{
	bool same_process = entry->pod->pid == pod->pid && entry->pod->pid_start == pod->pid_start;
	const char *uid;

	/* the table's key is the pod's uid: take it out while the pod is exchanged */
	g_hash_table_steal(watch->entries, entry->pod->uid);
	ss_pod_free(entry->pod);
	entry->pod = ss_pod_copy(pod);
	uid = entry->pod->uid;
	g_hash_table_insert(watch->entries, (gpointer)(uintptr_t)uid, entry);
	if (!same_process)
		open_pidfd(watch, entry);
}

static void add_entry(struct ss_pod_watch *watch, const struct ss_pod *pod, int64_t now)
{
	struct entry *entry = g_new0(struct entry, 1);

	entry->pod = ss_pod_copy(pod);
	entry->pidfd = -1;
	entry->added_ms = now;
	open_pidfd(watch, entry);
	g_hash_table_insert(watch->entries, entry->pod->uid, entry);
	watch->callback(SS_POD_ADDED, entry->pod, watch->user_data);
}

/* Gone first, so that a name that reappears under another uid is never there twice. */
static void remove_missing(struct ss_pod_watch *watch, const GPtrArray *pods)
{
	g_autoptr(GHashTable) living = g_hash_table_new(g_str_hash, g_str_equal);
	GHashTableIter iter;
	struct entry *entry;

	for (guint i = 0; i < pods->len; i++) {
		struct ss_pod *pod = pods->pdata[i];

		if (pod->pid)
			g_hash_table_add(living, pod->uid);
	}
	g_hash_table_iter_init(&iter, watch->entries);
	while (g_hash_table_iter_next(&iter, NULL, (gpointer *)&entry)) {
		if (g_hash_table_contains(living, entry->pod->uid))
			continue;
		g_hash_table_iter_steal(&iter);
		watch->callback(SS_POD_REMOVED, entry->pod, watch->user_data);
		entry_free(entry);
	}
}

/* Pods without process: a new one is about to get one. */
static void note_idle(struct ss_pod_watch *watch, const GPtrArray *pods, int64_t now)
{
	GHashTable *idle = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	int64_t wall_ms = g_get_real_time() / 1000;

	for (guint i = 0; i < pods->len; i++) {
		const struct ss_pod *pod = pods->pdata[i];
		int64_t age_ms = wall_ms - pod->log_time_ns / 1000000;

		if (pod->pid)
			continue;
		/* at the first look: only what is young; the others have ended long ago */
		if (!watch->scanned && age_ms >= 0 && age_ms < TRANSITION_LIMIT_MS)
			hurry(watch, now + TRANSITION_LIMIT_MS - age_ms);
		else if (watch->scanned && !g_hash_table_contains(watch->idle, pod->uid) &&
			 !g_hash_table_contains(watch->entries, pod->uid))
			hurry(watch, now + TRANSITION_LIMIT_MS);
		g_hash_table_add(idle, g_strdup(pod->uid));
	}
	g_hash_table_unref(watch->idle);
	watch->idle = idle;
}

static void apply(struct ss_pod_watch *watch, const GPtrArray *pods, int64_t now)
{
	note_idle(watch, pods, now);
	remove_missing(watch, pods);
	for (guint i = 0; i < pods->len; i++) {
		const struct ss_pod *pod = pods->pdata[i];
		struct entry *entry = g_hash_table_lookup(watch->entries, pod->uid);

		if (!pod->pid)
			continue;
		if (!entry) {
			add_entry(watch, pod, now);
		} else if (!ss_pod_equal(entry->pod, pod)) {
			replace_pod(watch, entry, pod);
			watch->callback(SS_POD_CHANGED, entry->pod, watch->user_data);
		}
	}
}

int ss_pod_watch_dispatch(struct ss_pod_watch *watch, struct ss_error *error)
{
	/* twice: what a new directory held before it was watched was not announced */
	for (unsigned looks = 2; looks-- > 0;) {
		g_autoptr(GHashTable) known = NULL;
		g_autoptr(GPtrArray) pods = NULL;
		bool happened = drain_inotify(watch), ended, full;
		int64_t now = now_ms();
		int r;

		full = !watch->scanned || now - watch->last_full_ms >= FULL_SWEEP_MS;
		known = find_known(watch, full, now, &ended);
		if (looks == 1 && !happened && !ended && now < next_scan_ms(watch, now))
			return 0;
		watch->last_scan_ms = now;
		r = ss_node_scan_known(watch->node, known, &pods, error);
		if (r < 0) {
			watch->scanned = true;
			return r;
		}
		if (full)
			watch->last_full_ms = now;
		apply(watch, pods, now);
		watch->scanned = true;
		if (!watch_directories(watch))
			break;
	}
	return 0;
}
