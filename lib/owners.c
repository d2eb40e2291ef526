/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of processes. A record of the kernel part has pid, start, name and cgroup; /proc adds
 * the executable as long as the process lives, the cgroup's path (or, when the process is gone, the
 * pods' cgroup directories) names pod and container.
 *
 * Processes of pods that are not captured are kept as well, but not described: the pod may be
 * captured later, and its sockets are named by then.
 */
#include "owners.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

#include "format/metadata.h"
#include "json.h"
#include "k8s/cgroup.h"
#include "k8s/process.h"
#include "k8s/read.h"
#include "log.h"
#include "output/blocks.h"
#include "privilege.h"
#include "source/owner.h"

#define PROC          "/proc"
#define PROCESSES_MAX SS_OWNER_PROCESSES_MAX
#define PLACES_MAX    SS_OWNER_CONTAINERS_MAX
#define WANTED_MAX    1024
#define RECENT_NS     10000000000ull
#define CGROUP_DEPTH  3 /* cgroups that a container made for itself */
#define POD_DEPTH     2 /* from the cgroup of all pods to theirs: "burstable" is between */

/* Where a cgroup belongs. */
struct place {
	uint64_t cgroup_id;
	struct ss_cgroup_identity identity; /* pod_uid empty: not a pod's */
};

struct process {
	uint64_t key; /* value of SS_METADATA_PROCESS */
	uint32_t pid, start;
	uint64_t cgroup_id;
	char comm[SS_COMM_SIZE + 1];
	char *executable; /* NULL: could not be read */
	bool described;
	char *container; /* its name then; NULL: not known */
	bool named;      /* by a frame */
	bool introduced; /* as it is now */
	uint64_t named_ns;
};

struct ss_owners {
	struct ss_owners_context context;
	struct ss_owner_source *source;
	GHashTable *roots;     /* char *: cgroups with programs on them */
	GHashTable *pods;      /* uid → struct ss_pod *, the captured ones */
	GHashTable *places;    /* &cgroup_id → struct place * */
	GHashTable *processes; /* &key → struct process * */
	GQueue order;          /* of processes, oldest first */
	GHashTable *wanted;    /* keys that frames named before the kernel part told of them */
	uint64_t last;         /* the key that a frame named last */
};

static void process_free(gpointer data)
{
	struct process *process = data;

	g_free(process->executable);
	g_free(process->container);
	g_free(process);
}

/* Pods and containers. */

static const struct place *add_place(struct ss_owners *owners, uint64_t cgroup_id,
				     const struct ss_cgroup_identity *identity)
{
	struct place *place = g_new0(struct place, 1);
	uint64_t tlv = GUINT64_TO_LE(ss_block_container_tlv(identity->container_id));

	if (g_hash_table_size(owners->places) >= PLACES_MAX)
		g_hash_table_remove_all(owners->places); /* found again when needed */
	place->cgroup_id = cgroup_id;
	place->identity = *identity;
	g_hash_table_replace(owners->places, &place->cgroup_id, place);
	if (tlv)
		ss_owner_source_set_container(owners->source, cgroup_id, tlv);
	return place;
}

/* The containers below a directory of a pod, or of all pods, and what they have below. */
static void read_cgroups(struct ss_owners *owners, const char *path, unsigned depth)
{
	DIR *directory = opendir(path);
	struct dirent *entry;

	while (directory && (entry = readdir(directory))) {
		g_autofree char *child = NULL;
		struct ss_cgroup_identity identity;
		const struct place *known;
		struct stat status;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		child = g_strconcat(path, "/", entry->d_name, NULL);
		if (stat(child, &status) < 0)
			continue;
		if (ss_cgroup_parse(child, &identity) == 0) {
			known = g_hash_table_lookup(owners->places, &(uint64_t){status.st_ino});
			if (!known ||
			    strcmp(known->identity.container_id, identity.container_id) != 0)
				add_place(owners, status.st_ino, &identity);
		}
		if (depth)
			read_cgroups(owners, child, depth - 1);
	}
	if (directory)
		closedir(directory);
}

static void read_all_cgroups(struct ss_owners *owners)
{
	GHashTableIter iter;
	gpointer value;

	g_hash_table_iter_init(&iter, owners->pods);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		const struct ss_pod *pod = value;

		if (pod->cgroup_path)
			read_cgroups(owners, pod->cgroup_path, CGROUP_DEPTH);
	}
}

/* Is it still the process that has this pid? */
static bool is_alive(const struct process *process)
{
	struct ss_process_stat stat;

	return ss_process_read_stat(PROC, (pid_t)process->pid, &stat) == 0 &&
	       process->start == (uint32_t)stat.start;
}

/* By its inode number among those of captured pods; else as /proc calls the process' cgroup. */
static const struct place *find_place(struct ss_owners *owners, const struct process *process)
{
	const struct place *place = g_hash_table_lookup(owners->places, &process->cgroup_id);
	g_autofree char *path = g_strdup_printf(PROC "/%" PRIu32 "/cgroup", process->pid);
	struct ss_cgroup_identity identity = {0};
	char text[4096];
	ssize_t length;

	if (place)
		return place;
	read_all_cgroups(owners);
	place = g_hash_table_lookup(owners->places, &process->cgroup_id);
	if (place)
		return place;
	length = ss_read_text(path, text, sizeof(text));
	if (length <= 0 || !is_alive(process)) /* the pid may be another's by now */
		return NULL;
	if (ss_cgroup_parse_proc(text, (size_t)length, &identity) < 0)
		identity = (struct ss_cgroup_identity){0};
	return add_place(owners, process->cgroup_id, &identity);
}

static const struct ss_pod *pod_of(struct ss_owners *owners, const struct place *place)
{
	return place ? g_hash_table_lookup(owners->pods, place->identity.pod_uid) : NULL;
}

/* NULL: not known. */
static const char *container_name(const struct ss_pod *pod, const struct place *place)
{
	const char *id = place->identity.container_id;

	for (guint i = 0; *id && i < pod->containers->len; i++) {
		const struct ss_container *container = pod->containers->pdata[i];

		if (container->id && strcmp(container->id, id) == 0)
			return container->name;
	}
	return NULL;
}

/* Descriptions. */

static void tell(const struct process *process, const struct place *place, const struct ss_pod *pod,
		 uint64_t time_ns, ss_owners_event event, void *user_data)
{
	const char *id = place->identity.container_id;
	g_autoptr(GString) details = g_string_new("\"pid\":");
	g_autofree char *message = g_strdup_printf(
		"process %" PRIu32 " (%s) of pod %s/%s", process->pid,
		*process->comm ? process->comm : "ended", pod->namespace, pod->name);

	g_string_append_printf(details, "%" PRIu32, process->pid);
	ss_json_number(details, "start", process->start);
	ss_json_text(details, "comm", *process->comm ? process->comm : NULL);
	ss_json_text(details, "executable", process->executable);
	ss_json_text(details, "container", container_name(pod, place));
	ss_json_text(details, "container_id", *id ? id : NULL);
	event(time_ns,
	      &(struct ss_event){.event = "process",
				 .namespace = pod->namespace,
				 .pod = pod->name,
				 .uid = pod->uid,
				 .message = message,
				 .details = details->str,
				 .quiet = true},
	      user_data);
}

static void describe(struct ss_owners *owners, struct process *process, uint64_t time_ns)
{
	const struct place *place = find_place(owners, process);
	const struct ss_pod *pod = pod_of(owners, place);

	if (!pod)
		return;
	tell(process, place, pod, time_ns, owners->context.event, owners->context.user_data);
	process->described = true;
	g_free(process->container);
	process->container = g_strdup(container_name(pod, place));
}

/* What /proc adds; nothing if the process is gone. */
static void read_process(struct process *process)
{
	g_autofree char *path = g_strdup_printf(PROC "/%" PRIu32 "/exe", process->pid);
	struct ss_process_stat stat;
	char executable[4096];
	ssize_t length;

	ss_privilege_raise(); /* other users' processes: cap_sys_ptrace */
	length = readlink(path, executable, sizeof(executable) - 1);
	ss_privilege_lower();
	if (ss_process_read_stat(PROC, (pid_t)process->pid, &stat) < 0 ||
	    (process->start && process->start != (uint32_t)stat.start))
		return;
	process->start = (uint32_t)stat.start;
	if (!process->comm[0])
		g_strlcpy(process->comm, stat.comm, sizeof(process->comm));
	if (length > 0)
		process->executable = g_strndup(executable, (gsize)length);
}

static bool is_same(const struct process *a, const struct process *b)
{
	return a->start == b->start && a->cgroup_id == b->cgroup_id &&
	       strcmp(a->comm, b->comm) == 0 && g_strcmp0(a->executable, b->executable) == 0;
}

static struct process *get_process(struct ss_owners *owners, uint64_t key)
{
	struct process *process = g_hash_table_lookup(owners->processes, &key);

	if (process)
		return process;
	if (owners->order.length >= PROCESSES_MAX) {
		struct process *oldest = g_queue_pop_head(&owners->order);

		g_hash_table_remove(owners->processes, &oldest->key);
	}
	process = g_new0(struct process, 1);
	process->key = key;
	g_hash_table_insert(owners->processes, &process->key, process);
	g_queue_push_tail(&owners->order, process);
	return process;
}

static void take_record(const struct ss_owner_record *record, void *user_data)
{
	struct ss_owners *owners = user_data;
	struct process *process = get_process(owners, record->process);
	struct process now = *process;

	now.pid = (uint32_t)record->process;
	now.start = (uint32_t)(record->process >> 32);
	now.cgroup_id = record->cgroup_id;
	now.executable = NULL;
	now.introduced = false;
	memcpy(now.comm, record->comm, SS_COMM_SIZE);
	read_process(&now);
	if (!now.executable && now.start == process->start && !strcmp(now.comm, process->comm))
		now.executable = g_strdup(process->executable); /* it has ended since */
	now.named |= g_hash_table_remove(owners->wanted, &process->key);
	if (is_same(&now, process)) {
		g_free(now.executable);
		return;
	}
	g_free(process->executable);
	*process = now;
	find_place(owners,
		   process); /* as long as it lives; names its container to the kernel part */
	if (process->named)
		describe(owners, process,
			 ss_bpf_source_utc(owners->context.source, record->time_ns));
}

/* Those of the pod that were not described without it, or whose container has another name now. */
static void describe_pod(struct ss_owners *owners, const struct ss_pod *pod)
{
	uint64_t now_ns = ss_bpf_source_barrier(owners->context.source);

	for (GList *link = owners->order.head; link; link = link->next) {
		struct process *process = link->data;
		const struct place *place =
			g_hash_table_lookup(owners->places, &process->cgroup_id);

		if (process->named && place && strcmp(place->identity.pod_uid, pod->uid) == 0 &&
		    (!process->described ||
		     g_strcmp0(process->container, container_name(pod, place)) != 0))
			describe(owners, process, now_ns);
	}
}

/* It has frames yet to come, or had some a moment ago. */
static bool is_recent(const struct process *process, uint64_t time_ns)
{
	return is_alive(process) || process->named_ns + RECENT_NS > time_ns;
}

void ss_owners_repeat(struct ss_owners *owners, uint64_t time_ns, ss_owners_event event,
		      void *user_data)
{
	for (GList *link = owners->order.head; link; link = link->next) {
		const struct process *process = link->data;
		const struct place *place =
			g_hash_table_lookup(owners->places, &process->cgroup_id);
		const struct ss_pod *pod = pod_of(owners, place);

		if (process->named && pod && is_recent(process, time_ns))
			tell(process, place, pod, time_ns, event, user_data);
	}
}

static void name_process(struct ss_owners *owners, uint64_t key, uint64_t time_ns)
{
	struct process *process = g_hash_table_lookup(owners->processes, &key);

	if (process) {
		process->named_ns = time_ns;
		if (!process->named)
			describe(owners, process, time_ns);
		process->named = true;
	} else if (g_hash_table_size(owners->wanted) < WANTED_MAX) {
		g_hash_table_add(owners->wanted, g_memdup2(&key, sizeof(key)));
	}
}

/* The place was looked for when the process was told. */
static void name_container(struct ss_owners *owners, void *block, size_t size, uint64_t key)
{
	const struct process *process;
	const struct place *place;
	uint64_t container;

	if (ss_block_container(block, size, &container))
		return;
	process = g_hash_table_lookup(owners->processes, &key);
	place = process ? g_hash_table_lookup(owners->places, &process->cgroup_id) : NULL;
	container = place ? ss_block_container_tlv(place->identity.container_id) : 0;
	if (container)
		ss_block_set_container(block, size, container);
}

static void look(void *blocks, size_t length, void *user_data)
{
	struct ss_owners *owners = user_data;
	uint64_t key;

	ss_owner_source_dispatch(owners->source);
	for (struct ss_blocks walk = ss_blocks(blocks, length, 0); ss_blocks_next(&walk);) {
		uint8_t *block = (uint8_t *)blocks + walk.at;

		if (!ss_block_process(block, walk.size, &key))
			continue;
		name_container(owners, block, walk.size, key);
		if (key == owners->last)
			continue;
		owners->last = key;
		name_process(owners, key, ss_block_time(block, walk.size));
	}
}

static void look_for_containers(void *blocks, size_t length, void *user_data)
{
	struct ss_owners *owners = user_data;
	uint64_t key;

	ss_owner_source_dispatch(owners->source);
	for (struct ss_blocks walk = ss_blocks(blocks, length, 0); ss_blocks_next(&walk);) {
		uint8_t *block = (uint8_t *)blocks + walk.at;

		if (ss_block_process(block, walk.size, &key))
			name_container(owners, block, walk.size, key);
	}
}

struct ss_stage ss_owners_container_stage(struct ss_owners *owners)
{
	return (struct ss_stage){.look = look_for_containers, .user_data = owners};
}

struct ss_stage ss_owners_stage(struct ss_owners *owners)
{
	return (struct ss_stage){.look = look, .user_data = owners};
}

void ss_owners_introduce(struct ss_owners *owners, const void *block, size_t size, bool anew,
			 ss_owners_event event, void *user_data)
{
	const struct place *place;
	struct process *process;
	const struct ss_pod *pod;
	uint64_t key;

	for (GList *link = anew ? owners->order.head : NULL; link; link = link->next)
		((struct process *)link->data)->introduced = false;
	ss_owner_source_dispatch(owners->source);
	if (!ss_block_process(block, size, &key))
		return;
	process = g_hash_table_lookup(owners->processes, &key);
	if (!process || process->introduced)
		return;
	process->introduced = true;
	place = find_place(owners, process);
	pod = pod_of(owners, place);
	if (pod)
		tell(process, place, pod, ss_block_time(block, size), event, user_data);
}

/* Programs. */

/* The cgroup that holds all pods, so that the sockets of those that come are seen from the first;
 * the pod's own where that has an unusual name. */
static char *root_of(const char *cgroup_path)
{
	g_auto(GStrv) parts = g_strsplit(cgroup_path, "/", -1);
	GString *root = g_string_new(NULL);

	for (guint i = 0; parts[i]; i++) {
		if (i)
			g_string_append_c(root, '/');
		g_string_append(root, parts[i]);
		if (strcmp(parts[i], "kubepods") == 0 ||
		    g_str_has_suffix(parts[i], "kubepods.slice"))
			break;
	}
	return g_string_free(root, FALSE);
}

static void attach(struct ss_owners *owners, const struct ss_pod *pod)
{
	g_autofree char *root = pod->cgroup_path ? root_of(pod->cgroup_path) : NULL;
	struct ss_error error = {0};
	int r;

	if (!root || g_hash_table_contains(owners->roots, root))
		return;
	/* First: the sockets there are named at once, those of pods that are not told yet, too. */
	read_cgroups(owners, root, POD_DEPTH + CGROUP_DEPTH);
	ss_privilege_raise();
	r = ss_owner_source_attach(owners->source, root, &error);
	ss_privilege_lower();
	if (r < 0)
		ss_log(SS_LOG_NOTE, "frames do not say which process they are of: %s",
		       error.message);
	g_hash_table_add(owners->roots, g_steal_pointer(&root));
}

void ss_owners_pod(struct ss_owners *owners, enum ss_pod_change change, const struct ss_pod *pod)
{
	if (change == SS_POD_REMOVED) {
		ss_owner_source_dispatch(owners->source); /* what it did at last */
		g_hash_table_remove(owners->pods, pod->uid);
		return;
	}
	g_hash_table_replace(owners->pods, g_strdup(pod->uid), ss_pod_copy(pod));
	if (pod->cgroup_path)
		read_cgroups(owners, pod->cgroup_path, CGROUP_DEPTH);
	attach(owners, pod);
	describe_pod(owners, pod);
}

static void ready(uint32_t events, void *user_data)
{
	struct ss_owners *owners = user_data;

	(void)events;
	ss_owner_source_dispatch(owners->source);
}

int ss_owners_new(const struct ss_owners_context *context, struct ss_owners **ret_owners,
		  struct ss_error *error)
{
	struct ss_owners *owners = g_new0(struct ss_owners, 1);
	int r;

	owners->context = *context;
	owners->roots = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	owners->pods =
		g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)ss_pod_free);
	owners->places = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
	owners->processes = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, process_free);
	owners->wanted = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
	r = ss_owner_source_new(context->source, take_record, owners, &owners->source, error);
	if (r < 0) {
		ss_owners_free(owners);
		return r;
	}
	ss_loop_add(context->loop, ss_owner_source_fd(owners->source), EPOLLIN, ready, owners);
	*ret_owners = owners;
	return 0;
}

void ss_owners_free(struct ss_owners *owners)
{
	if (!owners)
		return;
	if (owners->source)
		ss_loop_remove(owners->context.loop, ss_owner_source_fd(owners->source));
	ss_owner_source_free(owners->source);
	g_queue_clear(&owners->order);
	g_hash_table_unref(owners->wanted);
	g_hash_table_unref(owners->processes);
	g_hash_table_unref(owners->places);
	g_hash_table_unref(owners->pods);
	g_hash_table_unref(owners->roots);
	g_free(owners);
}
