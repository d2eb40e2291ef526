/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Joins three views by pod uid and container id: the log directories say which pods there are and
 * what their containers are called, the cgroups which processes they have, /proc where those live.
 *
 * The process that stands for a pod is its sandbox's (pause): the container that has no log. It
 * lives as long as the pod's network namespace does; without one (CRI-O drops it) the oldest
 * process is taken. A runtime puts a new process into the cgroup first and into its namespaces some
 * milliseconds later: until then it looks like one of the host's, and is not believed.
 */
#include "node.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "k8s/cgroupfs.h"
#include "k8s/logs.h"
#include "k8s/netns.h"
#include "k8s/process.h"
#include "k8s/read.h"
#include "k8s/recall.h"

#define SETTLE_MS 200   /* how long a process in the host's network namespace may be on its way */
#define RECALL_MS 10000 /* a younger process' addresses may still come */
#define STAGE_MS  1000  /* how long one with the name of a runtime's stage is taken for it */

struct ss_node {
	char *pod_logs, *container_logs, *proc, *cgroup, *run;
	GPtrArray *directories;
	bool settling;
	bool only_names;
	bool recalls;
	struct ss_recall *recall; /* NULL: not yet, or none */
};

/* One scan's view of the system. */
struct scan {
	struct ss_node *node;
	GHashTable *known;
	struct ss_cgroupfs *cgroupfs;
	struct ss_process_netns self, init; /* where runtimes' processes come from */
	struct ss_netns_table *netns_table; /* made when first needed */
	uint64_t now_ticks, ticks_per_second;
	struct {
		bool known, docker, crio, containerd;
	} runtimes; /* that are installed */
};

struct ss_node *ss_node_new(const struct ss_node_paths *paths)
{
	static const struct ss_node_paths none;
	struct ss_node *node = g_new0(struct ss_node, 1);

	if (!paths)
		paths = &none;
	node->pod_logs = g_strdup(paths->pod_logs ?: "/var/log/pods");
	node->container_logs = g_strdup(paths->container_logs ?: "/var/log/containers");
	node->proc = g_strdup(paths->proc ?: "/proc");
	node->cgroup = g_strdup(paths->cgroup ?: "/sys/fs/cgroup");
	node->run = g_strdup(paths->run ?: "/run");
	node->directories = g_ptr_array_new_with_free_func(g_free);
	return node;
}

void ss_node_free(struct ss_node *node)
{
	if (!node)
		return;
	g_free(node->pod_logs);
	g_free(node->container_logs);
	g_free(node->proc);
	g_free(node->cgroup);
	g_free(node->run);
	g_ptr_array_unref(node->directories);
	ss_recall_close(node->recall);
	g_free(node);
}

void ss_node_only_names(struct ss_node *node)
{
	node->only_names = true;
}

void ss_node_recall(struct ss_node *node)
{
	node->recalls = true;
}

bool ss_node_is_settling(const struct ss_node *node)
{
	return node->settling;
}

const GPtrArray *ss_node_directories(const struct ss_node *node)
{
	return node->directories;
}

const char *ss_node_proc(const struct ss_node *node)
{
	return node->proc;
}

static bool run_has(const struct ss_node *node, const char *socket)
{
	g_autofree char *path = g_strconcat(node->run, "/", socket, NULL);

	return access(path, F_OK) == 0;
}

static void look_for_runtimes(struct scan *scan)
{
	const struct ss_node *node = scan->node;

	scan->runtimes.known = true;
	scan->runtimes.docker = run_has(node, "cri-dockerd.sock");
	scan->runtimes.crio = run_has(node, "crio/crio.sock");
	scan->runtimes.containerd = run_has(node, "containerd/containerd.sock") ||
				    run_has(node, "k3s/containerd/containerd.sock");
}

/* The cgroupfs driver's paths do not name the runtime: the sandbox's parent does, and else what is
 * installed, if it is one. */
static const char *guess_runtime(struct scan *scan, pid_t parent)
{
	char comm[16] = "";
	bool docker;

	if (!scan->runtimes.known)
		look_for_runtimes(scan);
	docker = scan->runtimes.docker;
	if (parent)
		ss_process_read_comm(scan->node->proc, parent, comm, sizeof(comm));
	if (!strcmp(comm, "conmon") || !strcmp(comm, "conmonrs"))
		return "cri-o";
	if (g_str_has_prefix(comm, "containerd-shim"))
		return docker ? "docker" : "containerd";
	if (scan->runtimes.crio)
		return docker || scan->runtimes.containerd ? NULL : "cri-o";
	if (docker)
		return "docker"; /* brings a containerd of its own */
	return scan->runtimes.containerd ? "containerd" : NULL;
}

/* The kubelet may have cut an id in a link's name. */
static bool same_id(const char *id, const char *whole)
{
	return id && !strncmp(whole, id, strlen(id));
}

static const struct ss_log_container *find_log(const struct ss_log_pod *logs, const char *id)
{
	for (guint i = 0; i < logs->containers->len; i++) {
		const struct ss_log_container *log = logs->containers->pdata[i];

		if (same_id(log->id, id))
			return log;
	}
	return NULL;
}

static const char *find_live_id(const struct ss_cgroup_pod *cgroup,
				const struct ss_log_container *log)
{
	for (guint i = 0; cgroup && i < cgroup->containers->len; i++) {
		const struct ss_cgroup_container *container = cgroup->containers->pdata[i];

		if (same_id(log->id, container->id))
			return container->id;
	}
	return NULL;
}

/* Of a container that was restarted: the one that runs, then the latest. */
static bool is_better_log(const struct ss_log_container *a, const struct ss_log_container *b,
			  const struct ss_cgroup_pod *cgroup)
{
	bool a_lives = find_live_id(cgroup, a) != NULL, b_lives = find_live_id(cgroup, b) != NULL;

	if (a_lives != b_lives)
		return a_lives;
	if (a->attempt != b->attempt)
		return a->attempt > b->attempt;
	return a->time_ns > b->time_ns;
}

static gint compare_containers(gconstpointer a, gconstpointer b)
{
	const struct ss_container *const *left = a, *const *right = b;

	return g_strcmp0((*left)->name, (*right)->name);
}

static void join_containers(struct ss_pod *pod, const struct ss_log_pod *logs,
			    const struct ss_cgroup_pod *cgroup)
{
	g_ptr_array_set_size(pod->containers, 0);
	for (guint i = 0; i < logs->containers->len; i++) {
		const struct ss_log_container *log = logs->containers->pdata[i];
		bool best = true;
		const char *id;

		for (guint j = 0; best && j < logs->containers->len; j++) {
			const struct ss_log_container *other = logs->containers->pdata[j];

			if (j != i && !strcmp(other->name, log->name) &&
			    (is_better_log(other, log, cgroup) ||
			     (j < i && !is_better_log(log, other, cgroup))))
				best = false;
		}
		if (!best)
			continue;
		id = find_live_id(cgroup, log);
		if (!id && log->id && strlen(log->id) == SS_CONTAINER_ID_LEN)
			id = log->id;
		g_ptr_array_add(pod->containers, ss_container_new(log->name, id));
	}
	g_ptr_array_sort(pod->containers, compare_containers);
}

static bool is_alive(const struct ss_process_stat *status)
{
	return status->state != 'Z' && status->state != 'X' && status->state != 'x';
}

static bool is_younger_than(const struct scan *scan, uint64_t start, unsigned limit_ms)
{
	return scan->now_ticks < start + scan->ticks_per_second * limit_ms / 1000;
}

/* runc's first two stages leave again, and the first is still in the host's namespaces. Any process
 * may call itself so: only young ones are believed. */
static bool is_runtime_stage(const struct scan *scan, const struct ss_process_stat *status)
{
	return (g_str_has_prefix(status->comm, "runc:[0") ||
		g_str_has_prefix(status->comm, "runc:[1")) &&
	       is_younger_than(scan, status->start, STAGE_MS);
}

/* The process that is to stand for a pod. */
struct candidate {
	int process; /* its directory */
	pid_t pid, parent;
	uint64_t start;
	const char *runtime; /* NULL where the cgroup's name does not say */
};

static void consider(struct scan *scan, pid_t pid, const char *runtime, struct candidate *best)
{
	ss_autofd int process = ss_process_open(scan->node->proc, pid);
	struct ss_process_stat status;

	if (process < 0 || ss_process_read_stat_at(process, &status) < 0 || !is_alive(&status))
		return;
	if (is_runtime_stage(scan, &status)) {
		scan->node->settling = true;
		return;
	}
	if (!best->pid || status.start < best->start ||
	    (status.start == best->start && pid < best->pid)) {
		ss_closep(&best->process);
		*best = (struct candidate){g_steal_fd(&process), pid, status.parent, status.start,
					   runtime};
	}
}

/* The oldest living process of the pod's unnamed containers (sandbox) or of its named ones. */
static bool find_oldest(struct scan *scan, const struct ss_cgroup_pod *cgroup,
			const struct ss_log_pod *logs, bool sandbox, struct candidate *ret)
{
	struct candidate best = {.process = -1};

	for (guint i = 0; i < cgroup->containers->len; i++) {
		struct ss_cgroup_container *container = cgroup->containers->pdata[i];
		const GArray *pids;

		if ((find_log(logs, container->id) == NULL) != sandbox)
			continue;
		pids = ss_cgroup_container_pids(container);
		for (guint j = 0; j < pids->len; j++)
			consider(scan, g_array_index(pids, pid_t, j), container->runtime, &best);
	}
	*ret = best;
	return best.pid != 0;
}

static uint32_t find_netns_inode(struct scan *scan, pid_t pid, const struct ss_process_netns *netns)
{
	if (netns->inode)
		return netns->inode;
	if (!scan->netns_table) {
		g_autofree char *directory = g_strconcat(scan->node->run, "/netns", NULL);

		scan->netns_table = ss_netns_table_new(directory);
	}
	return ss_netns_table_lookup(scan->netns_table, pid);
}

/* Everything /proc tells about the process. False: it ended meanwhile, or is not where it will be.
 */
static bool read_process(struct scan *scan, struct ss_pod *pod, const struct candidate *found)
{
	/* one kind of inode is enough where it is known of all */
	bool both = !scan->self.inode || !scan->init.inode;
	struct ss_process_netns netns;
	struct ss_process_stat status;

	if (ss_process_read_netns(found->process, both, &netns) < 0)
		return false;
	pod->host_network = ss_process_same_netns(&netns, &scan->self);
	if ((pod->host_network || ss_process_same_netns(&netns, &scan->init)) &&
	    is_younger_than(scan, found->start, SETTLE_MS)) {
		scan->node->settling = true;
		return false;
	}
	g_ptr_array_set_size(pod->addresses, 0);
	if (pod->host_network) {
		pod->netns_inode = scan->self.inode;
		return true;
	}
	pod->netns_inode = find_netns_inode(scan, found->pid, &netns);
	/* its namespace can be read as long as it lives, or the kernel is without IPv6 */
	return ss_process_read_addresses(found->process, pod->addresses) ||
	       (ss_process_read_stat_at(found->process, &status) == 0 && is_alive(&status));
}

static void forget_process(struct ss_pod *pod)
{
	pod->pid = 0;
	pod->pid_start = 0;
	pod->host_network = false;
	pod->netns_inode = 0;
	g_ptr_array_set_size(pod->addresses, 0);
}

/* Is it known from before, and lives? */
static bool recall_process(struct scan *scan, struct ss_pod *pod)
{
	const struct ss_recalled *recalled = NULL;
	struct ss_process_stat status;

	if (scan->node->recall)
		recalled = ss_recall_find(scan->node->recall, pod->uid);
	if (!recalled || recalled->cgroup_id != pod->cgroup_id ||
	    ss_process_read_stat(scan->node->proc, recalled->pid, &status) < 0 ||
	    status.start != recalled->pid_start || !is_alive(&status))
		return false;
	pod->pid = recalled->pid;
	pod->pid_start = recalled->pid_start;
	pod->host_network = recalled->host_network;
	pod->netns_inode = recalled->netns_inode;
	g_free(pod->runtime);
	pod->runtime = g_strdup(recalled->runtime);
	g_ptr_array_set_size(pod->addresses, 0);
	for (guint i = 0; i < recalled->addresses->len; i++)
		g_ptr_array_add(pod->addresses, g_strdup(recalled->addresses->pdata[i]));
	return true;
}

static void find_process(struct scan *scan, struct ss_pod *pod, const struct ss_cgroup_pod *cgroup,
			 const struct ss_log_pod *logs)
{
	struct candidate found;

	if (recall_process(scan, pod))
		return;
	if (!find_oldest(scan, cgroup, logs, true, &found) &&
	    !find_oldest(scan, cgroup, logs, false, &found))
		return;
	if (read_process(scan, pod, &found)) {
		pod->pid = found.pid;
		pod->pid_start = found.start;
		g_free(pod->runtime);
		pod->runtime = g_strdup(found.runtime ?: guess_runtime(scan, found.parent));
		if (scan->node->recall && !is_younger_than(scan, found.start, RECALL_MS))
			ss_recall_note(scan->node->recall, pod);
	} else {
		/* not ready, or just ended: the pod's others are no better, or found next time */
		forget_process(pod);
		scan->node->settling = true;
	}
	ss_closep(&found.process);
}

static void mark_sources(struct ss_pod *pod)
{
	pod->sources[SS_FACT_NAME] = SS_SOURCE_NODE;
	pod->sources[SS_FACT_PROCESS] = pod->pid ? SS_SOURCE_NODE : SS_SOURCE_NONE;
	pod->sources[SS_FACT_CONTAINERS] = pod->containers->len ? SS_SOURCE_NODE : SS_SOURCE_NONE;
	pod->sources[SS_FACT_ADDRESSES] = pod->addresses->len ? SS_SOURCE_NODE : SS_SOURCE_NONE;
}

static struct ss_pod *make_pod(struct scan *scan, const struct ss_log_pod *logs)
{
	const struct ss_pod *known = NULL;
	struct ss_cgroup_pod *cgroup = NULL;
	struct ss_pod *pod;

	if (scan->known)
		known = g_hash_table_lookup(scan->known, logs->name.uid);
	if (scan->cgroupfs)
		cgroup = g_hash_table_lookup(scan->cgroupfs->pods, logs->name.uid);
	if (known) {
		pod = ss_pod_copy(known);
	} else {
		pod = ss_pod_new();
		pod->namespace = g_strdup(logs->name.namespace);
		pod->name = g_strdup(logs->name.pod);
		pod->uid = g_strdup(logs->name.uid);
	}
	pod->log_time_ns = logs->time_ns;
	if (cgroup && cgroup->path) {
		g_free(pod->cgroup_path);
		pod->cgroup_path = g_strdup(cgroup->path);
		pod->cgroup_id = cgroup->id;
	}
	if (cgroup && !known)
		find_process(scan, pod, cgroup, logs);
	join_containers(pod, logs, cgroup);
	mark_sources(pod);
	return pod;
}

/* Namespace, name; then the one to keep first. */
static gint compare_pods(gconstpointer a, gconstpointer b)
{
	const struct ss_pod *left = *(const struct ss_pod *const *)a;
	const struct ss_pod *right = *(const struct ss_pod *const *)b;
	int order = strcmp(left->namespace, right->namespace) ?: strcmp(left->name, right->name);

	if (order)
		return order;
	if (!left->pid != !right->pid)
		return left->pid ? -1 : 1;
	if (left->log_time_ns != right->log_time_ns)
		return left->log_time_ns > right->log_time_ns ? -1 : 1;
	return strcmp(left->uid, right->uid);
}

static void keep_one_per_name(GPtrArray *pods)
{
	g_ptr_array_sort(pods, compare_pods);
	for (guint i = 1; i < pods->len;) {
		const struct ss_pod *kept = pods->pdata[i - 1], *next = pods->pdata[i];

		if (!strcmp(kept->namespace, next->namespace) && !strcmp(kept->name, next->name))
			g_ptr_array_remove_index(pods, i);
		else
			i++;
	}
}

static void pod_destroy(gpointer pod)
{
	ss_pod_free(pod);
}

static void read_own_netns(const struct ss_node *node, pid_t pid, struct ss_process_netns *ret)
{
	ss_autofd int process = ss_process_open(node->proc, pid);

	if (process >= 0)
		ss_process_read_netns(process, true, ret);
}

/* Pids and inodes are this boot's, and seen from here with the rights of now. */
static void open_recall(struct ss_node *node, const struct scan *scan)
{
	g_autofree char *boot = g_strconcat(node->proc, "/sys/kernel/random/boot_id", NULL);
	g_autofree char *space = g_strconcat(node->proc, "/self/ns/pid", NULL);
	g_autofree char *scope = NULL;
	char id[64] = "", pids[64] = "";

	if (ss_read_text(boot, id, sizeof(id)) > 0)
		g_strchomp(id);
	if (readlink(space, pids, sizeof(pids) - 1) < 0)
		pids[0] = '\0';
	scope = g_strdup_printf("1 %s %s %" PRIu32 " %" PRIu64 " %" PRIu32, id, pids,
				scan->self.inode, scan->self.proc_inode, scan->init.inode);
	node->recall = ss_recall_open(node->run, scope);
	node->recalls = false;
}

static uint64_t ticks_since_boot(uint64_t ticks_per_second)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * ticks_per_second +
	       (uint64_t)now.tv_nsec * ticks_per_second / 1000000000;
}

static void collect_directories(struct ss_node *node, const struct ss_cgroupfs *cgroupfs)
{
	g_ptr_array_set_size(node->directories, 0);
	g_ptr_array_add(node->directories, g_strdup(node->pod_logs));
	g_ptr_array_add(node->directories, g_strdup(node->container_logs));
	for (guint i = 0; i < cgroupfs->directories->len; i++)
		g_ptr_array_add(node->directories, g_strdup(cgroupfs->directories->pdata[i]));
}

int ss_node_scan_known(struct ss_node *node, GHashTable *known, GPtrArray **ret_pods,
		       struct ss_error *error)
{
	g_autoptr(GPtrArray) pods = g_ptr_array_new_with_free_func(pod_destroy);
	struct scan scan = {.node = node, .known = known};
	g_autoptr(GPtrArray) logs = NULL;
	int r;

	r = ss_logs_read(node->pod_logs, node->container_logs, &logs, error);
	if (r < 0)
		return r;
	node->settling = false;
	scan.ticks_per_second = (uint64_t)sysconf(_SC_CLK_TCK);
	scan.now_ticks = ticks_since_boot(scan.ticks_per_second);
	read_own_netns(node, 0, &scan.self);
	read_own_netns(node, 1, &scan.init);
	if (node->recalls && !node->only_names)
		open_recall(node, &scan);
	/* without pods, do not ask every process whether it belongs to one */
	if (!node->only_names)
		scan.cgroupfs = ss_cgroupfs_new(node->cgroup, logs->len ? node->proc : NULL, known);
	for (guint i = 0; i < logs->len; i++)
		g_ptr_array_add(pods, make_pod(&scan, logs->pdata[i]));
	if (scan.cgroupfs)
		collect_directories(node, scan.cgroupfs);
	ss_cgroupfs_free(scan.cgroupfs);
	ss_netns_table_free(scan.netns_table);

	keep_one_per_name(pods);
	*ret_pods = g_steal_pointer(&pods);
	return 0;
}

int ss_node_scan(struct ss_node *node, GPtrArray **ret_pods, struct ss_error *error)
{
	return ss_node_scan_known(node, NULL, ret_pods, error);
}
