/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who has what mapped: pods have processes, processes have mappings, mappings belong to files.
 *
 * A mapping is a device and inode number of /proc/PID/maps; while a process has it, that pair
 * cannot become another file, so the next process with the same pair costs no look at the disk. A
 * file is what was read and attached. Several mappings can lead to one: image layers are shared by
 * pods, each of which sees them through an overlay with a device number of its own, and a uprobe
 * sits in the inode below them all. Files stay known when nobody uses them (they are read once per
 * capture), but are detached then.
 *
 * Files are handed on as /proc/self/fd/N, so that what is attached to is what was read, whatever
 * the pod does with its paths meanwhile.
 */
#include "tls/discover.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "privilege.h"
#include "tls/elf.h"
#include "tls/maps.h"
#include "tls/roots.h"

#define RESCAN_MS      1000
#define QUIET_SCANS    4    /* a process that stays as it is, is looked at every this many scans */
#define QUIET_AFTER    10   /* scans without a change */
#define FORCED_SCANS   16   /* its maps are read again even if its size did not change */
#define FALLBACK_SCANS 5    /* all of /proc is searched for a pod without a cgroup directory */
#define LINGER_MS      5000 /* attached without users: a container that crashes comes back */
#define TURN_MS        50   /* of work, then others have their turn */

#define CGROUP_DEPTH  8
#define CGROUPS_MAX   1024              /* per pod */
#define PROCESSES_MAX 32768             /* of all pods */
#define MAPS_MAX      (8 * 1024 * 1024) /* bytes of a process' maps */
#define MAPS_EASY     (128 * 1024)      /* bytes of maps that may be read in every scan */
#define FILES_MAX     8192
#define LOOKS_MAX     512                /* processes at a time that began a program */
#define HINTED_MAX    (16 * 1024 * 1024) /* bytes of a library that is read at once */
#define UNREAD_MAX    128                /* open files */
#define UNNAMED_MAX   (64 * 1024 * 1024) /* bytes of a library whose name says nothing */
#define ROOTS_MAX     64                 /* of a pod */

/* After an exec, libraries are mapped one by one, and some are loaded later. */
static const int64_t look_delays_ms[] = {0, 5, 25, 100, 400};

/* Parts of names that make a library worth reading whatever its size. */
static const char *const hints[] = {
	"ssl",  "crypto", "tls",  "nettle", "hogweed", "nss",  "jvm", "boring", "conscrypt",
	"grpc", "netty",  "quic", "curl",   "node",    "jsse", "s2n", "bear",
};

struct identity {
	uint64_t inode, size;
	int64_t modified_ns;
	uint8_t build_id[20]; /* zeros: none */
};

struct file {
	struct ss_tls_use use; /* first: what callers borrow */
	struct identity identity;
	struct ss_tls_library library;
	char *path, *error;
	void *attachment;
	bool tried;        /* to attach */
	unsigned users;    /* mappings */
	int64_t unused_ms; /* since when there are none */
};

struct mapping_key {
	uint64_t device, inode;
};

struct mapping {
	struct mapping_key key;
	struct file *file; /* NULL: could not be read, or need not be */
	unsigned users;    /* processes */
};

/* A file that takes its time is read when all processes have been looked at. */
struct unread {
	struct mapping_key mapping;
	char *path;
	bool program;
	int fd;
};

struct pod {
	char *uid, *cgroup_path;
	uint64_t cgroup_id;
	bool found;       /* its processes, by way of the cgroup directory */
	GArray *roots;    /* struct ss_tls_root: of its containers, looked into */
	GPtrArray *files; /* struct file *: libraries that lie there */
};

struct process {
	struct ss_tls_process public; /* uses are made when asked for */
	struct pod *pod;
	GPtrArray *mappings; /* struct mapping *, one of each */
	uint64_t start, size;
	unsigned quiet, waited; /* scans */
	unsigned rest;          /* scans that it is left alone: its maps are long */
	bool seen;              /* in the current scan */
	char *error;
};

struct look {
	pid_t pid;
	unsigned step; /* index of look_delays_ms */
	int64_t begin_ms;
};

struct ss_tls_discover {
	char *proc, *cgroup_root;
	struct ss_tls_discover_callbacks callbacks;
	GHashTable *pods;      /* uid → struct pod * */
	GHashTable *processes; /* pid → struct process * */
	GHashTable *mappings;  /* struct mapping_key → struct mapping * */
	GHashTable *files;     /* struct identity → struct file * */
	GHashTable *numbers;   /* number → struct file * */
	GArray *looks;         /* struct look */
	GQueue *scan;          /* pids that the current scan has yet to look at */
	GQueue *unread;        /* struct unread *, programs first */
	uint32_t last_number;
	unsigned tried; /* files */
	unsigned scans;
	int64_t scan_ms; /* when the next one is due */
	int64_t (*clock)(void *user_data);
	void *clock_data;
};

static int64_t now_ms(const struct ss_tls_discover *discover)
{
	if (discover->clock)
		return discover->clock(discover->clock_data);
	return g_get_monotonic_time() / 1000;
}

/* Keys of the tables. */

static guint hash_bytes(const void *data, size_t length)
{
	const uint8_t *bytes = data;
	guint hash = 5381;

	for (size_t i = 0; i < length; i++)
		hash = hash * 33 + bytes[i];
	return hash;
}

static guint hash_mapping(gconstpointer key)
{
	return hash_bytes(key, sizeof(struct mapping_key));
}

static gboolean equal_mapping(gconstpointer a, gconstpointer b)
{
	return !memcmp(a, b, sizeof(struct mapping_key));
}

static guint hash_identity(gconstpointer key)
{
	return hash_bytes(key, offsetof(struct identity, build_id));
}

static gboolean equal_identity(gconstpointer a, gconstpointer b)
{
	const struct identity *left = a, *right = b;

	return left->inode == right->inode && left->size == right->size &&
	       left->modified_ns == right->modified_ns &&
	       !memcmp(left->build_id, right->build_id, sizeof(left->build_id));
}

/* Files. */

static void file_detach(struct ss_tls_discover *discover, struct file *file)
{
	if (file->use.attached) {
		ss_log(SS_LOG_DEBUG, "TLS: %s is used no more", file->path);
		if (file->attachment)
			discover->callbacks.detach(file->attachment, discover->callbacks.user_data);
	}
	file->attachment = NULL;
	file->use.attached = false;
	discover->tried -= file->tried;
	file->tried = false;
}

static void file_free(gpointer data)
{
	struct file *file = data;

	ss_tls_library_deinit(&file->library);
	g_free(file->path);
	g_free(file->error);
	g_free(file);
}

static void set_error(struct file *file, const char *message)
{
	g_free(file->error);
	file->error = g_strdup(message);
	file->use.error = file->error;
}

static void file_attach(struct ss_tls_discover *discover, struct file *file, int fd)
{
	struct ss_error error = {};
	char path[64];
	int r;

	if (file->tried || file->library.points->len == 0)
		return;
	file->tried = true;
	discover->tried++;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = discover->callbacks.attach(path, file->use.number, &file->library, &file->attachment,
				       discover->callbacks.user_data, &error);
	if (r >= 0) {
		g_clear_pointer(&file->error, g_free);
		file->use.error = NULL;
		file->use.attached = true;
		ss_log(SS_LOG_DEBUG, "TLS: %s: %s", file->path, file->library.detail);
		return;
	}
	file->attachment = NULL;
	if (!error.message[0])
		ss_fail(&error, r, "cannot attach to '%s': %s", file->path, g_strerror(-r));
	if (g_strcmp0(file->error, error.message) != 0)
		ss_log(SS_LOG_WARNING, "%s", error.message);
	set_error(file, error.message);
}

static bool is_hinted(const char *path)
{
	g_autofree char *name = g_path_get_basename(path);
	g_autofree char *lower = g_ascii_strdown(name, -1);

	for (size_t i = 0; i < G_N_ELEMENTS(hints); i++)
		if (strstr(lower, hints[i]))
			return true;
	return false;
}

/* Forgets files that nobody uses when there are too many: somebody makes them on purpose. */
static void limit_files(struct ss_tls_discover *discover)
{
	GHashTableIter iter;
	gpointer value;

	if (g_hash_table_size(discover->files) < FILES_MAX)
		return;
	g_hash_table_iter_init(&iter, discover->files);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct file *file = value;

		if (file->users)
			continue;
		file_detach(discover, file);
		g_hash_table_remove(discover->numbers, GUINT_TO_POINTER(file->use.number));
		g_hash_table_iter_remove(&iter);
	}
}

static int read_identity(int fd, struct identity *ret_identity)
{
	struct identity identity = {};
	uint8_t build_id[SS_ELF_BUILD_ID_MAX];
	struct ss_elf *elf;
	struct stat status;

	if (fstat(fd, &status) < 0)
		return -errno;
	identity.inode = status.st_ino;
	identity.size = (uint64_t)status.st_size;
	identity.modified_ns = (int64_t)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec;
	if (ss_elf_new(fd, &elf) == 0) {
		size_t length = ss_elf_build_id(elf, build_id);

		memcpy(identity.build_id, build_id, MIN(length, sizeof(identity.build_id)));
		ss_elf_free(elf);
	}
	*ret_identity = identity;
	return 0;
}

static struct file *file_new(struct ss_tls_discover *discover, int fd, const char *path,
			     const struct identity *identity, bool program)
{
	struct file *file = g_new0(struct file, 1);
	int r = -ENOENT;

	file->identity = *identity;
	file->path = g_strdup(path);
	if (program || identity->size <= UNNAMED_MAX || is_hinted(path))
		r = ss_tls_library_read(fd, path, &file->library, NULL);
	if (r < 0) /* no ELF file, or too large to be worth it: nothing there */
		file->library.points = g_array_new(FALSE, FALSE, sizeof(struct ss_tls_point));
	file->use.library = &file->library;
	file->use.path = file->path;
	file->use.number = ++discover->last_number;
	g_hash_table_insert(discover->files, &file->identity, file);
	g_hash_table_insert(discover->numbers, GUINT_TO_POINTER(file->use.number), file);
	return file;
}

/* Mappings. */

static void file_unref(const struct ss_tls_discover *discover, struct file *file)
{
	if (--file->users == 0)
		file->unused_ms = now_ms(discover);
}

static void mapping_unref(struct ss_tls_discover *discover, struct mapping *mapping)
{
	if (--mapping->users)
		return;
	if (mapping->file)
		file_unref(discover, mapping->file);
	g_hash_table_remove(discover->mappings, &mapping->key);
}

static struct file *get_file(struct ss_tls_discover *discover, int fd,
			     const struct identity *identity, const char *path, bool program)
{
	struct file *file = g_hash_table_lookup(discover->files, identity);

	if (!file) {
		limit_files(discover);
		if (g_hash_table_size(discover->files) >= FILES_MAX)
			return NULL;
		file = file_new(discover, fd, path, identity, program);
	}
	file->users++;
	file_attach(discover, file, fd);
	return file;
}

static void unread_free(gpointer data)
{
	struct unread *unread = data;

	close(unread->fd);
	g_free(unread->path);
	g_free(unread);
}

static void add_unread(struct ss_tls_discover *discover, const struct mapping_key *key,
		       const char *path, bool program, int *fd)
{
	struct unread *unread = g_new0(struct unread, 1);

	unread->mapping = *key;
	unread->path = g_strdup(path);
	unread->program = program;
	unread->fd = g_steal_fd(fd);
	if (program)
		g_queue_push_head(discover->unread, unread);
	else
		g_queue_push_tail(discover->unread, unread);
}

/* Reads it now if that is worth it, otherwise later. */
static struct mapping *mapping_new(struct ss_tls_discover *discover, const struct mapping_key *key,
				   const char *path, bool program, int *fd)
{
	struct mapping *mapping = g_new0(struct mapping, 1);
	struct identity identity;

	mapping->key = *key;
	g_hash_table_insert(discover->mappings, &mapping->key, mapping);
	if (read_identity(*fd, &identity) < 0)
		return mapping;
	if (g_hash_table_contains(discover->files, &identity) ||
	    (is_hinted(path) && identity.size <= HINTED_MAX) ||
	    g_queue_get_length(discover->unread) >= UNREAD_MAX)
		mapping->file = get_file(discover, *fd, &identity, path, program);
	else
		add_unread(discover, key, path, program, fd);
	return mapping;
}

static void read_unread(struct ss_tls_discover *discover)
{
	struct unread *unread = g_queue_pop_head(discover->unread);
	struct mapping *mapping = g_hash_table_lookup(discover->mappings, &unread->mapping);
	struct identity identity;

	if (mapping && !mapping->file && read_identity(unread->fd, &identity) == 0)
		mapping->file =
			get_file(discover, unread->fd, &identity, unread->path, unread->program);
	unread_free(unread);
}

/* The end of a sentence that says what was refused. */
static const char *who_may(int r)
{
	return r == -EACCES || r == -EPERM ? "; this needs root, or cap_sys_ptrace" : "";
}

/* Takes a reference. NULL, and a sentence where it matters: it cannot be opened. */
static struct mapping *mapping_get(struct ss_tls_discover *discover, struct process *process,
				   const struct ss_tls_mapping *place)
{
	const struct mapping_key key = {place->device, place->inode};
	struct mapping *mapping = g_hash_table_lookup(discover->mappings, &key);
	pid_t pid = process->public.pid;
	bool program = false;

	if (!mapping) {
		ss_autofd int fd = ss_tls_maps_open(discover->proc, pid, place, &program);

		/* -ENOENT and the like: the process is gone, or changes right now */
		if (fd < 0 && (fd == -EACCES || fd == -EPERM || fd == -EOPNOTSUPP) &&
		    !process->error && is_hinted(place->path))
			process->error = g_strdup_printf(
				"'%s' of process %d cannot be opened: %s%s", place->path, (int)pid,
				fd == -EOPNOTSUPP ? "it is on a FUSE file system" : g_strerror(-fd),
				who_may(fd));
		if (fd < 0)
			return NULL;
		mapping = mapping_new(discover, &key, place->path, program, &fd);
	}
	mapping->users++;
	return mapping;
}

/* Files of /proc have no size; they may be refused at open() or at the first read(). */
static int read_proc(const struct ss_tls_discover *discover, pid_t pid, const char *name,
		     size_t limit, char **ret_text)
{
	g_autofree char *path = g_strdup_printf("%s/%d/%s", discover->proc, (int)pid, name);
	ss_autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
	g_autoptr(GString) text = g_string_sized_new(4096);
	char buffer[4096];
	ssize_t n = 0;

	if (fd < 0)
		return -errno;
	while (text->len < limit && (n = read(fd, buffer, sizeof(buffer))) > 0)
		g_string_append_len(text, buffer, n);
	if (n < 0)
		return -errno;
	*ret_text = g_string_free(g_steal_pointer(&text), FALSE);
	return 0;
}

/* Processes. */

static void release_mappings(struct ss_tls_discover *discover, GPtrArray *mappings)
{
	for (guint i = 0; i < mappings->len; i++)
		mapping_unref(discover, mappings->pdata[i]);
	g_ptr_array_unref(mappings);
}

static void remove_process(struct ss_tls_discover *discover, struct process *process)
{
	g_hash_table_steal(discover->processes, GINT_TO_POINTER(process->public.pid));
	release_mappings(discover, process->mappings);
	g_free(process->error);
	g_free(process);
}

/* Name, start and virtual size of /proc/PID/stat: fields 2, 22 and 23. */
static int read_stat(const struct ss_tls_discover *discover, struct process *process,
		     bool *ret_changed)
{
	g_autofree char *text = NULL;
	unsigned long long start, size;
	const char *open, *close;
	int r = read_proc(discover, process->public.pid, "stat", 4096, &text);

	if (r < 0)
		return r;
	open = strchr(text, '(');
	close = strrchr(text, ')');
	if (!open || !close || close < open ||
	    sscanf(close + 1,
		   " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
		   "%llu %llu",
		   &start, &size) != 2)
		return -EBADMSG;
	g_strlcpy(process->public.comm, open + 1,
		  MIN((size_t)(close - open), sizeof(process->public.comm)));
	if (process->start && start != process->start) /* the number is another one's now */
		return -ESRCH;
	*ret_changed = !process->start || size != process->size;
	process->start = start;
	process->size = size;
	return 0;
}

static void set_maps_error(struct process *process, int r)
{
	g_free(process->error);
	process->error = g_strdup_printf("the memory map of process %d (%s) cannot be read: %s%s",
					 (int)process->public.pid, process->public.comm,
					 g_strerror(-r), who_may(r));
}

/* Libraries with a telling name come first: the process is running meanwhile. */
static void take_mappings(struct ss_tls_discover *discover, struct process *process,
			  const GArray *places, bool hinted, GPtrArray *mappings)
{
	for (guint i = 0; i < places->len; i++) {
		const struct ss_tls_mapping *place =
			&g_array_index(places, struct ss_tls_mapping, i);
		struct mapping *mapping;

		if (is_hinted(place->path) != hinted)
			continue;
		mapping = mapping_get(discover, process, place);
		if (mapping)
			g_ptr_array_add(mappings, mapping);
	}
}

/* Its mappings now. New ones are taken before old ones are let go: most are the same. */
static int read_maps(struct ss_tls_discover *discover, struct process *process)
{
	GPtrArray *mappings, *old = process->mappings;
	g_autoptr(GArray) places = NULL;
	g_autofree char *text = NULL;
	int r = read_proc(discover, process->public.pid, "maps", MAPS_MAX, &text);

	if (r == -ENOENT || r == -ESRCH)
		return r;
	if (r < 0) {
		set_maps_error(process, r);
		return 0;
	}
	process->rest = (unsigned)(strlen(text) / MAPS_EASY);
	g_clear_pointer(&process->error, g_free);
	places = ss_tls_maps_parse(text);
	mappings = g_ptr_array_new();
	take_mappings(discover, process, places, true, mappings);
	take_mappings(discover, process, places, false, mappings);
	process->mappings = mappings;
	release_mappings(discover, old);
	return 0;
}

/* Libraries that lie where the process can load them. */

struct root_search {
	struct ss_tls_discover *discover;
	struct pod *pod;
};

static void add_library(int fd, const char *path, void *user_data)
{
	struct root_search *search = user_data;
	struct identity identity;
	struct file *file;

	if (read_identity(fd, &identity) < 0)
		return;
	file = get_file(search->discover, fd, &identity, path, false);
	if (file)
		g_ptr_array_add(search->pod->files, file);
}

static void look_into_root(struct ss_tls_discover *discover, const struct process *process)
{
	struct root_search search = {discover, process->pod};
	GArray *roots = process->pod->roots;
	struct ss_tls_root root;

	if (roots->len >= ROOTS_MAX ||
	    ss_tls_root_get(discover->proc, process->public.pid, &root) < 0)
		return;
	for (guint i = 0; i < roots->len; i++)
		if (memcmp(&g_array_index(roots, struct ss_tls_root, i), &root, sizeof(root)) == 0)
			return;
	g_array_append_val(roots, root);
	ss_tls_root_libraries(discover->proc, process->public.pid, add_library, &search);
}

/* force: its maps may have changed although its size is the same. */
static void look_at(struct ss_tls_discover *discover, struct process *process, bool force)
{
	bool first = !process->start, changed;

	if (read_stat(discover, process, &changed) < 0) {
		remove_process(discover, process);
		return;
	}
	if (first)
		look_into_root(discover, process);
	if (!changed && !force) {
		process->quiet++;
		return;
	}
	if (changed)
		process->quiet = 0;
	if (read_maps(discover, process) < 0)
		remove_process(discover, process);
}

static struct process *add_process(struct ss_tls_discover *discover, struct pod *pod, pid_t pid)
{
	struct process *process;

	if (g_hash_table_size(discover->processes) >= PROCESSES_MAX)
		return NULL;
	process = g_new0(struct process, 1);
	process->public.pid = pid;
	process->public.pod_uid = pod->uid;
	process->pod = pod;
	process->mappings = g_ptr_array_new();
	g_hash_table_insert(discover->processes, GINT_TO_POINTER(pid), process);
	return process;
}

/* Pods and their cgroups. */

static void pod_free(gpointer data)
{
	struct pod *pod = data;

	g_array_unref(pod->roots);
	g_ptr_array_unref(pod->files);
	g_free(pod->uid);
	g_free(pod->cgroup_path);
	g_free(pod);
}

static void saw_process(struct ss_tls_discover *discover, struct pod *pod, pid_t pid)
{
	struct process *process = g_hash_table_lookup(discover->processes, GINT_TO_POINTER(pid));

	if (process && process->pod != pod) {
		remove_process(discover, process);
		process = NULL;
	}
	if (!process)
		process = add_process(discover, pod, pid);
	if (process)
		process->seen = true;
}

static void read_cgroup(struct ss_tls_discover *discover, struct pod *pod, const char *directory,
			unsigned depth, unsigned *budget)
{
	g_autofree char *procs = g_strconcat(directory, "/cgroup.procs", NULL), *text = NULL;
	struct dirent *entry;
	char *end;
	DIR *dir;

	if (*budget == 0)
		return;
	--*budget;
	if (g_file_get_contents(procs, &text, NULL, NULL)) {
		for (const char *p = text;; p = end) {
			long pid = strtol(p, &end, 10);

			if (end == p)
				break;
			if (pid > 0 && pid <= INT_MAX) { /* 0: of another pid namespace */
				pod->found = true;
				saw_process(discover, pod, (pid_t)pid);
			}
		}
	}
	dir = depth ? opendir(directory) : NULL;
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		g_autofree char *child = NULL;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		child = g_strconcat(directory, "/", entry->d_name, NULL);
		read_cgroup(discover, pod, child, depth - 1, budget);
	}
	closedir(dir);
}

/* systemd writes '_' for '-' in the uid. */
static bool names_uid(const char *text, const char *uid)
{
	g_autofree char *escaped = g_strdelimit(g_strdup(uid), "-", '_');

	return strstr(text, uid) || strstr(text, escaped);
}

/* Is a path of /proc/PID/cgroup that of the pod, or below it? */
static bool is_in_directory(const struct ss_tls_discover *discover, const char *text,
			    const char *directory)
{
	const char *found = g_str_has_prefix(text, "0::") ? text : strstr(text, "\n0::");
	g_autofree char *path = NULL, *prefix = NULL, *line = NULL;

	if (!found || !directory)
		return false;
	found = strchr(found, '/');
	if (!found)
		return false;
	line = g_strndup(found, strcspn(found, "\n"));
	path = g_strconcat(discover->cgroup_root, line, "/", NULL);
	prefix = g_strconcat(directory, g_str_has_suffix(directory, "/") ? "" : "/", NULL);
	return g_str_has_prefix(path, prefix);
}

static struct pod *find_pod(struct ss_tls_discover *discover, pid_t pid)
{
	g_autofree char *text = NULL;
	GHashTableIter iter;
	gpointer value;

	if (read_proc(discover, pid, "cgroup", 64 * 1024, &text) < 0)
		return NULL;
	g_hash_table_iter_init(&iter, discover->pods);
	while (g_hash_table_iter_next(&iter, NULL, &value))
		if (is_in_directory(discover, text, ((struct pod *)value)->cgroup_path))
			return value;
	g_hash_table_iter_init(&iter, discover->pods);
	while (g_hash_table_iter_next(&iter, NULL, &value))
		if (names_uid(text, ((struct pod *)value)->uid))
			return value;
	return NULL;
}

/* Where the cgroup file system is not to be had: everybody's own word. */
static void read_all_processes(struct ss_tls_discover *discover)
{
	DIR *dir = opendir(discover->proc);
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		long pid = strtol(entry->d_name, NULL, 10);
		struct pod *pod;

		if (pid <= 0 || pid > INT_MAX)
			continue;
		pod = find_pod(discover, (pid_t)pid);
		if (pod && !pod->found)
			saw_process(discover, pod, (pid_t)pid);
	}
	closedir(dir);
}

static void list_processes(struct ss_tls_discover *discover)
{
	bool missing = false, fallback = discover->scans % FALLBACK_SCANS == 0;
	GHashTableIter iter;
	gpointer value;

	g_hash_table_iter_init(&iter, discover->processes);
	while (g_hash_table_iter_next(&iter, NULL, &value))
		((struct process *)value)->seen = false;
	g_hash_table_iter_init(&iter, discover->pods);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct pod *pod = value;
		unsigned budget = CGROUPS_MAX;

		pod->found = false;
		if (pod->cgroup_path)
			read_cgroup(discover, pod, pod->cgroup_path, CGROUP_DEPTH, &budget);
		missing = missing || !pod->found;
	}
	if (missing && fallback)
		read_all_processes(discover);
}

/* What the list does not show is gone, or (between two fallbacks) shows that by itself. */
static void begin_scan(struct ss_tls_discover *discover)
{
	g_autoptr(GList) processes = NULL;

	list_processes(discover);
	processes = g_hash_table_get_values(discover->processes);
	for (GList *item = processes; item; item = item->next) {
		struct process *process = item->data;

		if (!process->seen && process->pod->found)
			remove_process(discover, process);
		else
			g_queue_push_tail(discover->scan, GINT_TO_POINTER(process->public.pid));
	}
	discover->scans++;
}

static void scan_one(struct ss_tls_discover *discover, pid_t pid)
{
	struct process *process = g_hash_table_lookup(discover->processes, GINT_TO_POINTER(pid));
	bool force;

	if (!process)
		return;
	process->waited++;
	if (process->rest) {
		process->rest--;
		return;
	}
	if (process->quiet >= QUIET_AFTER && process->waited % QUIET_SCANS)
		return;
	force = process->waited % FORCED_SCANS == 0 || process->error;
	look_at(discover, process, force);
}

static void detach_unused(struct ss_tls_discover *discover)
{
	int64_t now = now_ms(discover);
	GHashTableIter iter;
	gpointer value;

	g_hash_table_iter_init(&iter, discover->files);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct file *file = value;

		if (file->tried && file->users == 0 && now - file->unused_ms >= LINGER_MS)
			file_detach(discover, file);
	}
}

/* Looks after an exec. */

static void look_once(struct ss_tls_discover *discover, pid_t pid)
{
	struct process *process = g_hash_table_lookup(discover->processes, GINT_TO_POINTER(pid));

	if (!process) {
		struct pod *pod = find_pod(discover, pid);

		process = pod ? add_process(discover, pod, pid) : NULL;
	}
	if (process)
		look_at(discover, process, true);
}

static int64_t look_due(const struct look *look)
{
	return look->begin_ms + look_delays_ms[look->step];
}

/* Those that are due; false: no time left. */
static bool run_looks(struct ss_tls_discover *discover, int64_t end_ms)
{
	for (guint i = 0; i < discover->looks->len;) {
		struct look *look = &g_array_index(discover->looks, struct look, i);
		int64_t now = now_ms(discover);

		if (now > end_ms)
			return false;
		if (look_due(look) > now) {
			i++;
			continue;
		}
		look_once(discover, look->pid);
		/* the look took time: what was due meanwhile has been done by it */
		while (look->step < G_N_ELEMENTS(look_delays_ms) && look_due(look) <= now)
			look->step++;
		if (look->step == G_N_ELEMENTS(look_delays_ms))
			g_array_remove_index_fast(discover->looks, i);
		else
			i++;
	}
	return true;
}

void ss_tls_discover_exec(struct ss_tls_discover *discover, pid_t pid)
{
	struct look look = {pid, 0, now_ms(discover)};

	for (guint i = 0; i < discover->looks->len; i++) {
		struct look *other = &g_array_index(discover->looks, struct look, i);

		if (other->pid == pid) { /* it began another program */
			*other = look;
			return;
		}
	}
	if (discover->looks->len < LOOKS_MAX) /* otherwise the next scan finds it */
		g_array_append_val(discover->looks, look);
}

int ss_tls_discover_next_ms(const struct ss_tls_discover *discover)
{
	int64_t due = discover->scan_ms, now = now_ms(discover);

	if (g_hash_table_size(discover->pods) == 0 && discover->tried == 0)
		return -1;
	if (!g_queue_is_empty(discover->scan) || !g_queue_is_empty(discover->unread))
		return 0;
	for (guint i = 0; i < discover->looks->len; i++)
		due = MIN(due, look_due(&g_array_index(discover->looks, struct look, i)));
	return (int)CLAMP(due - now, 0, RESCAN_MS);
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
			scan_one(discover, GPOINTER_TO_INT(g_queue_pop_head(discover->scan)));
		while (!g_queue_is_empty(discover->unread) && g_queue_is_empty(discover->scan) &&
		       now_ms(discover) <= end)
			read_unread(discover);
		detach_unused(discover);
	}
	ss_privilege_lower();
}

void ss_tls_discover_run_all(struct ss_tls_discover *discover)
{
	do
		ss_tls_discover_run(discover);
	while (ss_tls_discover_next_ms(discover) == 0);
}

void ss_tls_discover_add_pod(struct ss_tls_discover *discover, const char *uid,
			     const char *cgroup_path, uint64_t cgroup_id)
{
	struct pod *pod = g_hash_table_lookup(discover->pods, uid);

	if (!pod) {
		pod = g_new0(struct pod, 1);
		pod->uid = g_strdup(uid);
		pod->roots = g_array_new(FALSE, FALSE, sizeof(struct ss_tls_root));
		pod->files = g_ptr_array_new();
		g_hash_table_insert(discover->pods, pod->uid, pod);
	}
	g_free(pod->cgroup_path);
	pod->cgroup_path = g_strdup(cgroup_path);
	pod->cgroup_id = cgroup_id;
	discover->scan_ms = now_ms(discover);
	discover->scans = 0; /* the next scan looks everywhere */
}

void ss_tls_discover_remove_pod(struct ss_tls_discover *discover, const char *uid)
{
	struct pod *pod = g_hash_table_lookup(discover->pods, uid);
	g_autoptr(GList) processes = g_hash_table_get_values(discover->processes);

	if (!pod)
		return;
	for (GList *item = processes; item; item = item->next) {
		struct process *process = item->data;

		if (process->pod == pod)
			remove_process(discover, process);
	}
	for (guint i = 0; i < pod->files->len; i++)
		file_unref(discover, pod->files->pdata[i]);
	g_hash_table_remove(discover->pods, uid);
}

static bool gives_keys(const struct file *file)
{
	return file && file->use.attached && file->library.keys;
}

bool ss_tls_discover_has_keys(const struct ss_tls_discover *discover, const char *uid)
{
	struct pod *pod = g_hash_table_lookup(discover->pods, uid);
	GHashTableIter iter;
	gpointer value;

	for (guint i = 0; pod && i < pod->files->len; i++)
		if (gives_keys(pod->files->pdata[i]))
			return true;
	g_hash_table_iter_init(&iter, discover->processes);
	while (pod && g_hash_table_iter_next(&iter, NULL, &value)) {
		const struct process *process = value;

		for (guint i = 0; process->pod == pod && i < process->mappings->len; i++)
			if (gives_keys(((struct mapping *)process->mappings->pdata[i])->file))
				return true;
	}
	return false;
}

struct ss_tls_discover *ss_tls_discover_new(const char *proc, const char *cgroup_root,
					    const struct ss_tls_discover_callbacks *callbacks)
{
	struct ss_tls_discover *discover = g_new0(struct ss_tls_discover, 1);

	discover->proc = g_strdup(proc ? proc : "/proc");
	discover->cgroup_root = g_strdup(cgroup_root ? cgroup_root : "/sys/fs/cgroup");
	discover->callbacks = *callbacks;
	discover->pods = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, pod_free);
	discover->processes = g_hash_table_new(NULL, NULL);
	discover->mappings = g_hash_table_new_full(hash_mapping, equal_mapping, NULL, g_free);
	discover->files = g_hash_table_new_full(hash_identity, equal_identity, NULL, file_free);
	discover->numbers = g_hash_table_new(NULL, NULL);
	discover->looks = g_array_new(FALSE, FALSE, sizeof(struct look));
	discover->scan = g_queue_new();
	discover->unread = g_queue_new();
	return discover;
}

void ss_tls_discover_free(struct ss_tls_discover *discover)
{
	g_autoptr(GList) processes = NULL;
	GHashTableIter iter;
	gpointer value;

	if (!discover)
		return;
	processes = g_hash_table_get_values(discover->processes);
	for (GList *item = processes; item; item = item->next)
		remove_process(discover, item->data);
	g_hash_table_iter_init(&iter, discover->files);
	while (g_hash_table_iter_next(&iter, NULL, &value))
		file_detach(discover, value);
	g_queue_free_full(discover->unread, unread_free);
	g_queue_free(discover->scan);
	g_array_unref(discover->looks);
	g_hash_table_unref(discover->numbers);
	g_hash_table_unref(discover->files);
	g_hash_table_unref(discover->mappings);
	g_hash_table_unref(discover->processes);
	g_hash_table_unref(discover->pods);
	g_free(discover->cgroup_root);
	g_free(discover->proc);
	g_free(discover);
}

void ss_tls_discover_set_clock(struct ss_tls_discover *discover, int64_t (*clock)(void *user_data),
			       void *user_data)
{
	discover->clock = clock;
	discover->clock_data = user_data;
	discover->scan_ms = 0;
}

void ss_tls_discover_judge(struct ss_tls_discover *discover, uint32_t number, unsigned part,
			   bool proved)
{
	struct file *file = g_hash_table_lookup(discover->numbers, GUINT_TO_POINTER(number));

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

/* For the report. */

static GPtrArray *get_uses(const struct process *process)
{
	GPtrArray *uses = g_ptr_array_new();

	for (guint i = 0; i < process->mappings->len; i++) {
		const struct mapping *mapping = process->mappings->pdata[i];

		if (mapping->file && mapping->file->library.kind != SS_TLS_LIBRARY_NONE &&
		    !g_ptr_array_find(uses, &mapping->file->use, NULL))
			g_ptr_array_add(uses, &mapping->file->use);
	}
	return uses;
}

void ss_tls_discover_processes(struct ss_tls_discover *discover,
			       void (*each)(const struct ss_tls_process *process, void *user_data),
			       void *user_data)
{
	GHashTableIter iter;
	gpointer value;

	g_hash_table_iter_init(&iter, discover->processes);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct ss_tls_process process = ((struct process *)value)->public;
		g_autoptr(GPtrArray) uses = get_uses(value);

		process.uses = uses;
		process.error = ((struct process *)value)->error;
		each(&process, user_data);
	}
}

const struct ss_tls_use *ss_tls_discover_use(const struct ss_tls_discover *discover,
					     uint32_t number)
{
	const struct file *file = g_hash_table_lookup(discover->numbers, GUINT_TO_POINTER(number));

	return file ? &file->use : NULL;
}
