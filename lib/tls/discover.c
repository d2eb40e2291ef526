/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When to look at whom: pods (pod.h) have processes (watched.h), these have images mapped
 * (image.h), which belong to files (file.h). All of it is work in turns: what began a program
 * first (looks.h), then the scan of all, then files that take their time.
 */
#include "tls/discover.h"

#include "privilege.h"
#include "tls/file.h"
#include "tls/image.h"
#include "tls/looks.h"
#include "tls/pod.h"
#include "tls/watched.h"

#define RESCAN_MS      1000
#define FALLBACK_SCANS 5     /* all of /proc is searched for a pod without a cgroup directory */
#define TURN_MS        50    /* of work, then others have their turn */
#define PROCESSES_MAX  32768 /* of all pods */

struct ss_tls_discover {
	char *proc, *cgroup_root;
	struct ss_tls_clock clock;
	struct ss_tls_files files;
	struct ss_tls_images images;
	GHashTable *pods;      /* uid → struct ss_tls_pod * */
	GHashTable *processes; /* pid → struct ss_tls_watched * */
	GArray *looks;
	GQueue *scan; /* pids that the current scan has yet to look at */
	unsigned scans;
	int64_t scan_ms; /* when the next one is due */
};

static int64_t now_ms(const struct ss_tls_discover *discover)
{
	return ss_tls_clock_ms(&discover->clock);
}

static void pod_free(gpointer pod)
{
	ss_tls_pod_free(pod);
}

struct ss_tls_discover *ss_tls_discover_new(const char *proc, const char *cgroup_root,
					    const struct ss_tls_discover_callbacks *callbacks)
{
	struct ss_tls_discover *discover = g_new0(struct ss_tls_discover, 1);

	discover->proc = g_strdup(proc ? proc : "/proc");
	discover->cgroup_root = g_strdup(cgroup_root ? cgroup_root : "/sys/fs/cgroup");
	ss_tls_files_init(&discover->files, callbacks, &discover->clock);
	ss_tls_images_init(&discover->images, discover->proc, &discover->files);
	discover->pods = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, pod_free);
	discover->processes = g_hash_table_new(NULL, NULL);
	discover->looks = ss_tls_looks_new();
	discover->scan = g_queue_new();
	return discover;
}

void ss_tls_discover_set_clock(struct ss_tls_discover *discover, int64_t (*clock)(void *user_data),
			       void *user_data)
{
	discover->clock = (struct ss_tls_clock){clock, user_data};
	discover->scan_ms = 0;
}

/* Processes. */

static struct ss_tls_watched *find_process(const struct ss_tls_discover *discover, pid_t pid)
{
	return g_hash_table_lookup(discover->processes, GINT_TO_POINTER(pid));
}

static struct ss_tls_watched *add_process(struct ss_tls_discover *discover, struct ss_tls_pod *pod,
					  pid_t pid)
{
	struct ss_tls_watched *process;

	if (g_hash_table_size(discover->processes) >= PROCESSES_MAX)
		return NULL;
	process = ss_tls_watched_new(pod, pid);
	g_hash_table_insert(discover->processes, GINT_TO_POINTER(pid), process);
	return process;
}

static void remove_process(struct ss_tls_discover *discover, struct ss_tls_watched *process)
{
	g_hash_table_remove(discover->processes, GINT_TO_POINTER(process->public.pid));
	ss_tls_watched_free(process, &discover->images);
}

/* pod NULL: of all pods. */
static void remove_processes(struct ss_tls_discover *discover, const struct ss_tls_pod *pod)
{
	g_autoptr(GList) processes = g_hash_table_get_values(discover->processes);

	for (GList *item = processes; item; item = item->next) {
		struct ss_tls_watched *process = item->data;

		if (!pod || process->pod == pod)
			remove_process(discover, process);
	}
}

static void saw_process(struct ss_tls_pod *pod, pid_t pid, void *user_data)
{
	struct ss_tls_discover *discover = user_data;
	struct ss_tls_watched *process = find_process(discover, pid);

	if (process && process->pod != pod) {
		remove_process(discover, process);
		process = NULL;
	}
	if (!process)
		process = add_process(discover, pod, pid);
	if (process)
		process->seen = true;
}

/* Scans. */

static void list_processes(struct ss_tls_discover *discover)
{
	bool missing = false, fallback = discover->scans % FALLBACK_SCANS == 0;
	GHashTableIter iter;
	gpointer value;

	g_hash_table_iter_init(&iter, discover->processes);
	while (g_hash_table_iter_next(&iter, NULL, &value))
		((struct ss_tls_watched *)value)->seen = false;
	g_hash_table_iter_init(&iter, discover->pods);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct ss_tls_pod *pod = value;

		ss_tls_pod_list(pod, saw_process, discover);
		missing = missing || !pod->found;
	}
	if (missing && fallback)
		ss_tls_pods_list(discover->pods, discover->proc, discover->cgroup_root, saw_process,
				 discover);
}

/* What the list does not show is gone, or (between two fallbacks) shows that by itself. */
static void begin_scan(struct ss_tls_discover *discover)
{
	g_autoptr(GList) processes = NULL;

	list_processes(discover);
	processes = g_hash_table_get_values(discover->processes);
	for (GList *item = processes; item; item = item->next) {
		struct ss_tls_watched *process = item->data;

		if (!process->seen && process->pod->found)
			remove_process(discover, process);
		else
			g_queue_push_tail(discover->scan, GINT_TO_POINTER(process->public.pid));
	}
	discover->scans++;
}

static void scan_next(struct ss_tls_discover *discover)
{
	pid_t pid = GPOINTER_TO_INT(g_queue_pop_head(discover->scan));
	struct ss_tls_watched *process = find_process(discover, pid);

	if (process && ss_tls_watched_scan(process, &discover->images) < 0)
		remove_process(discover, process);
}

/* Looks after an exec. */

void ss_tls_discover_exec(struct ss_tls_discover *discover, pid_t pid)
{
	ss_tls_looks_add(discover->looks, pid, now_ms(discover));
}

static void look_once(struct ss_tls_discover *discover, pid_t pid)
{
	struct ss_tls_watched *process = find_process(discover, pid);

	if (!process) {
		struct ss_tls_pod *pod = ss_tls_pods_find(discover->pods, discover->proc,
							  discover->cgroup_root, pid);

		process = pod ? add_process(discover, pod, pid) : NULL;
	}
	if (process && ss_tls_watched_look(process, &discover->images, true) < 0)
		remove_process(discover, process);
}

/* Those that are due; false: no time left. */
static bool run_looks(struct ss_tls_discover *discover, int64_t end_ms)
{
	for (;;) {
		int64_t now = now_ms(discover);

		if (ss_tls_looks_due_ms(discover->looks) > now)
			return true;
		if (now > end_ms)
			return false;
		look_once(discover, ss_tls_looks_take(discover->looks, now));
	}
}

/* All in turn. */

int ss_tls_discover_next_ms(const struct ss_tls_discover *discover)
{
	int64_t due = MIN(discover->scan_ms, ss_tls_looks_due_ms(discover->looks));

	if (g_hash_table_size(discover->pods) == 0 && discover->files.tried == 0)
		return -1;
	if (!g_queue_is_empty(discover->scan) || ss_tls_images_have_unread(&discover->images))
		return 0;
	return (int)CLAMP(due - now_ms(discover), 0, RESCAN_MS);
}

void ss_tls_discover_run(struct ss_tls_discover *discover)
{
	int64_t begin = now_ms(discover), end = begin + TURN_MS;

	if (ss_tls_discover_next_ms(discover) != 0)
		return;
	ss_privilege_raise();
	if (run_looks(discover, end)) {
		if (begin >= discover->scan_ms && g_queue_is_empty(discover->scan)) {
			begin_scan(discover);
			discover->scan_ms = begin + RESCAN_MS;
		}
		while (!g_queue_is_empty(discover->scan) && now_ms(discover) <= end)
			scan_next(discover);
		while (ss_tls_images_have_unread(&discover->images) &&
		       g_queue_is_empty(discover->scan) && now_ms(discover) <= end)
			ss_tls_images_read_next(&discover->images);
		ss_tls_files_sweep(&discover->files);
	}
	ss_privilege_lower();
}

void ss_tls_discover_run_all(struct ss_tls_discover *discover)
{
	do
		ss_tls_discover_run(discover);
	while (ss_tls_discover_next_ms(discover) == 0);
}

/* Pods. */

void ss_tls_discover_add_pod(struct ss_tls_discover *discover, const char *uid,
			     const char *cgroup_path)
{
	struct ss_tls_pod *pod = g_hash_table_lookup(discover->pods, uid);

	if (!pod) {
		pod = ss_tls_pod_new(uid);
		g_hash_table_insert(discover->pods, pod->uid, pod);
	}
	g_free(pod->cgroup_path);
	pod->cgroup_path = g_strdup(cgroup_path);
	discover->scan_ms = now_ms(discover);
	discover->scans = 0; /* the next scan looks everywhere */
}

void ss_tls_discover_remove_pod(struct ss_tls_discover *discover, const char *uid)
{
	struct ss_tls_pod *pod = g_hash_table_lookup(discover->pods, uid);

	if (!pod)
		return;
	remove_processes(discover, pod);
	for (guint i = 0; i < pod->files->len; i++)
		ss_tls_files_put(&discover->files, pod->files->pdata[i]);
	g_hash_table_remove(discover->pods, uid);
}

bool ss_tls_discover_has_keys(const struct ss_tls_discover *discover, const char *uid)
{
	const struct ss_tls_pod *pod = g_hash_table_lookup(discover->pods, uid);
	GHashTableIter iter;
	gpointer value;

	for (guint i = 0; pod && i < pod->files->len; i++)
		if (ss_tls_file_gives_keys(pod->files->pdata[i]))
			return true;
	g_hash_table_iter_init(&iter, discover->processes);
	while (pod && g_hash_table_iter_next(&iter, NULL, &value)) {
		const struct ss_tls_watched *process = value;

		if (process->pod == pod && ss_tls_watched_has_keys(process))
			return true;
	}
	return false;
}

void ss_tls_discover_free(struct ss_tls_discover *discover)
{
	if (!discover)
		return;
	remove_processes(discover, NULL);
	ss_tls_images_deinit(&discover->images);
	ss_tls_files_deinit(&discover->files);
	g_queue_free(discover->scan);
	g_array_unref(discover->looks);
	g_hash_table_unref(discover->processes);
	g_hash_table_unref(discover->pods);
	g_free(discover->cgroup_root);
	g_free(discover->proc);
	g_free(discover);
}

/* Files, for others. */

void ss_tls_discover_judge(struct ss_tls_discover *discover, uint32_t number, unsigned part,
			   bool proved)
{
	struct ss_tls_file *file = ss_tls_files_find(&discover->files, number);

	if (!file)
		return;
	file->library.unproven &= ~part;
	if (proved)
		return;
	file->library.refuted |= part;
	if (part & SS_TLS_PART_KEYS)
		file->library.keys = false;
	if (part & SS_TLS_PART_PLAINTEXT)
		file->library.plaintext = false;
}

void ss_tls_discover_processes(struct ss_tls_discover *discover,
			       void (*each)(const struct ss_tls_process *process, void *user_data),
			       void *user_data)
{
	GHashTableIter iter;
	gpointer value;

	g_hash_table_iter_init(&iter, discover->processes);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct ss_tls_process process = ((struct ss_tls_watched *)value)->public;
		g_autoptr(GPtrArray) uses = ss_tls_watched_uses(value);

		process.uses = uses;
		process.error = ((struct ss_tls_watched *)value)->error;
		each(&process, user_data);
	}
}

const struct ss_tls_use *ss_tls_discover_use(const struct ss_tls_discover *discover,
					     uint32_t number)
{
	const struct ss_tls_file *file = ss_tls_files_find(&discover->files, number);

	return file ? &file->use : NULL;
}
