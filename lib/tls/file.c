/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files are handed on as /proc/self/fd/N, so that what is attached to is what was read, whatever
 * the pod does with its paths meanwhile.
 */
#include "tls/file.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "hash.h"
#include "log.h"
#include "tls/elf.h"

#define LINGER_MS   5000 /* attached without users */
#define FILES_MAX   8192
#define UNNAMED_MAX (64 * 1024 * 1024) /* bytes of a library whose name says nothing */

static const char *const hints[] = {
	"ssl",  "crypto", "tls",  "nettle", "hogweed", "nss",  "jvm", "boring", "conscrypt",
	"grpc", "netty",  "quic", "curl",   "node",    "jsse", "s2n", "bear",
};

int64_t ss_tls_clock_ms(const struct ss_tls_clock *clock)
{
	return clock->now_ms ? clock->now_ms(clock->user_data) : g_get_monotonic_time() / 1000;
}

bool ss_tls_file_is_hinted(const char *path)
{
	g_autofree char *name = g_path_get_basename(path);
	g_autofree char *lower = g_ascii_strdown(name, -1);

	for (size_t i = 0; i < G_N_ELEMENTS(hints); i++)
		if (strstr(lower, hints[i]))
			return true;
	return false;
}

bool ss_tls_file_gives_keys(const struct ss_tls_file *file)
{
	return file && file->use.attached && file->library.keys;
}

/* What names a file. */

static guint hash_identity(gconstpointer key)
{
	return ss_hash_words(key, offsetof(struct ss_tls_identity, build_id));
}

static gboolean equal_identity(gconstpointer a, gconstpointer b)
{
	const struct ss_tls_identity *left = a, *right = b;

	return left->inode == right->inode && left->size == right->size &&
	       left->modified_ns == right->modified_ns &&
	       !memcmp(left->build_id, right->build_id, sizeof(left->build_id));
}

int ss_tls_identity_read(int fd, struct ss_tls_identity *ret_identity)
{
	struct ss_tls_identity identity = {};
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

/* Attached and let go. */

static void detach(struct ss_tls_files *files, struct ss_tls_file *file)
{
	if (file->use.attached) {
		ss_log(SS_LOG_DEBUG, "TLS: %s is used no more", file->path);
		if (file->attachment)
			files->callbacks.detach(file->attachment, files->callbacks.user_data);
	}
	file->attachment = NULL;
	file->use.attached = false;
	files->tried -= file->tried;
	file->tried = false;
}

static void set_error(struct ss_tls_file *file, const char *message)
{
	g_free(file->error);
	file->error = g_strdup(message);
	file->use.error = file->error;
}

static void attach(struct ss_tls_files *files, struct ss_tls_file *file, int fd)
{
	struct ss_error error = {};
	char path[64];
	int r;

	if (file->tried || file->library.points->len == 0)
		return;
	file->tried = true;
	files->tried++;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = files->callbacks.attach(path, file->use.number, &file->library, &file->attachment,
				    files->callbacks.user_data, &error);
	if (r >= 0) {
		set_error(file, NULL);
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

void ss_tls_files_sweep(struct ss_tls_files *files)
{
	int64_t now_ms = ss_tls_clock_ms(files->clock);
	GHashTableIter iter;
	gpointer value;

	g_hash_table_iter_init(&iter, files->by_identity);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct ss_tls_file *file = value;

		if (file->tried && file->users == 0 && now_ms - file->unused_ms >= LINGER_MS)
			detach(files, file);
	}
}

/* The table. */

static void file_free(gpointer data)
{
	struct ss_tls_file *file = data;

	ss_tls_library_deinit(&file->library);
	g_free(file->path);
	g_free(file->error);
	g_free(file);
}

void ss_tls_files_init(struct ss_tls_files *files,
		       const struct ss_tls_discover_callbacks *callbacks,
		       const struct ss_tls_clock *clock)
{
	*files = (struct ss_tls_files){
		.callbacks = *callbacks,
		.clock = clock,
		.by_identity =
			g_hash_table_new_full(hash_identity, equal_identity, NULL, file_free),
		.by_number = g_hash_table_new(NULL, NULL),
	};
}

void ss_tls_files_deinit(struct ss_tls_files *files)
{
	GHashTableIter iter;
	gpointer value;

	g_hash_table_iter_init(&iter, files->by_identity);
	while (g_hash_table_iter_next(&iter, NULL, &value))
		detach(files, value);
	g_hash_table_unref(files->by_number);
	g_hash_table_unref(files->by_identity);
}

/* Forgets files that nobody uses when there are too many: somebody makes them on purpose. */
static void limit_files(struct ss_tls_files *files)
{
	GHashTableIter iter;
	gpointer value;

	if (g_hash_table_size(files->by_identity) < FILES_MAX)
		return;
	g_hash_table_iter_init(&iter, files->by_identity);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct ss_tls_file *file = value;

		if (file->users)
			continue;
		detach(files, file);
		g_hash_table_remove(files->by_number, GUINT_TO_POINTER(file->use.number));
		g_hash_table_iter_remove(&iter);
	}
}

static struct ss_tls_file *add_file(struct ss_tls_files *files, int fd, const char *path,
				    const struct ss_tls_identity *identity, bool program)
{
	struct ss_tls_file *file = g_new0(struct ss_tls_file, 1);
	int r = -ENOENT;

	file->identity = *identity;
	file->path = g_strdup(path);
	if (program || identity->size <= UNNAMED_MAX || ss_tls_file_is_hinted(path))
		r = ss_tls_library_read(fd, path, &file->library, NULL);
	if (r < 0) /* no ELF file, or too large to be worth it: nothing there */
		file->library.points = g_array_new(FALSE, FALSE, sizeof(struct ss_tls_point));
	file->use.library = &file->library;
	file->use.path = file->path;
	file->use.number = ++files->last_number;
	g_hash_table_insert(files->by_identity, &file->identity, file);
	g_hash_table_insert(files->by_number, GUINT_TO_POINTER(file->use.number), file);
	return file;
}

struct ss_tls_file *ss_tls_files_get(struct ss_tls_files *files, int fd,
				     const struct ss_tls_identity *identity, const char *path,
				     bool program)
{
	struct ss_tls_file *file = g_hash_table_lookup(files->by_identity, identity);

	if (!file) {
		limit_files(files);
		if (g_hash_table_size(files->by_identity) >= FILES_MAX)
			return NULL;
		file = add_file(files, fd, path, identity, program);
	}
	file->users++;
	attach(files, file, fd);
	return file;
}

void ss_tls_files_put(struct ss_tls_files *files, struct ss_tls_file *file)
{
	if (--file->users == 0)
		file->unused_ms = ss_tls_clock_ms(files->clock);
}

bool ss_tls_files_know(const struct ss_tls_files *files, const struct ss_tls_identity *identity)
{
	return g_hash_table_contains(files->by_identity, identity);
}

struct ss_tls_file *ss_tls_files_find(const struct ss_tls_files *files, uint32_t number)
{
	return g_hash_table_lookup(files->by_number, GUINT_TO_POINTER(number));
}
