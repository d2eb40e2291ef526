/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tls/image.h"

#include <errno.h>
#include <unistd.h>

#include "error.h"
#include "hash.h"

#define HINTED_MAX (16 * 1024 * 1024) /* bytes of a library that is read at once */
#define UNREAD_MAX 128                /* open files */

struct unread {
	uint64_t device, inode;
	char *path;
	bool program;
	int fd;
};

/* Keys are images, of which only device and inode count. */

static guint hash_image(gconstpointer key)
{
	return ss_hash_words(key, offsetof(struct ss_tls_image, file));
}

static gboolean equal_image(gconstpointer a, gconstpointer b)
{
	const struct ss_tls_image *one = a, *other = b;

	return one->device == other->device && one->inode == other->inode;
}

void ss_tls_images_init(struct ss_tls_images *images, const char *proc, struct ss_tls_files *files)
{
	*images = (struct ss_tls_images){
		.proc = proc,
		.files = files,
		.table = g_hash_table_new_full(hash_image, equal_image, g_free, NULL),
	};
	g_queue_init(&images->unread);
}

static void unread_free(gpointer data)
{
	struct unread *unread = data;

	close(unread->fd);
	g_free(unread->path);
	g_free(unread);
}

void ss_tls_images_deinit(struct ss_tls_images *images)
{
	g_queue_clear_full(&images->unread, unread_free);
	g_hash_table_unref(images->table);
}

static struct ss_tls_image *find(const struct ss_tls_images *images, uint64_t device,
				 uint64_t inode)
{
	const struct ss_tls_image key = {.device = device, .inode = inode};

	return g_hash_table_lookup(images->table, &key);
}

static void add_unread(struct ss_tls_images *images, const struct ss_tls_image *image,
		       const char *path, bool program, int *fd)
{
	struct unread *unread = g_new0(struct unread, 1);

	unread->device = image->device;
	unread->inode = image->inode;
	unread->path = g_strdup(path);
	unread->program = program;
	unread->fd = g_steal_fd(fd);
	if (program)
		g_queue_push_head(&images->unread, unread);
	else
		g_queue_push_tail(&images->unread, unread);
}

void ss_tls_images_read_next(struct ss_tls_images *images)
{
	struct unread *unread = g_queue_pop_head(&images->unread);
	struct ss_tls_image *image = find(images, unread->device, unread->inode);
	struct ss_tls_identity identity;

	if (image && !image->file && ss_tls_identity_read(unread->fd, &identity) == 0)
		image->file = ss_tls_files_get(images->files, unread->fd, &identity, unread->path,
					       unread->program);
	unread_free(unread);
}

/* Reads it now if that is worth it, otherwise later. */
static struct ss_tls_image *add_image(struct ss_tls_images *images,
				      const struct ss_tls_mapping *place, bool program, int *fd)
{
	struct ss_tls_image *image = g_new0(struct ss_tls_image, 1);
	struct ss_tls_identity identity;

	image->device = place->device;
	image->inode = place->inode;
	g_hash_table_add(images->table, image);
	if (ss_tls_identity_read(*fd, &identity) < 0)
		return image;
	if (ss_tls_files_know(images->files, &identity) ||
	    (ss_tls_file_is_hinted(place->path) && identity.size <= HINTED_MAX) ||
	    images->unread.length >= UNREAD_MAX)
		image->file = ss_tls_files_get(images->files, *fd, &identity, place->path, program);
	else
		add_unread(images, image, place->path, program, fd);
	return image;
}

const char *ss_tls_who_may(int r)
{
	return r == -EACCES || r == -EPERM ? "; this needs root, or cap_sys_ptrace" : "";
}

struct ss_tls_image *ss_tls_images_get(struct ss_tls_images *images, pid_t pid,
				       const struct ss_tls_mapping *place, char **error)
{
	struct ss_tls_image *image = find(images, place->device, place->inode);
	bool program = false;

	if (!image) {
		ss_autofd int fd = ss_tls_maps_open(images->proc, pid, place, &program);

		/* -ENOENT and the like: the process is gone, or changes right now */
		if (fd < 0 && (fd == -EACCES || fd == -EPERM || fd == -EOPNOTSUPP) && !*error &&
		    ss_tls_file_is_hinted(place->path))
			*error = g_strdup_printf(
				"'%s' of process %d cannot be opened: %s%s", place->path, (int)pid,
				fd == -EOPNOTSUPP ? "it is on a FUSE file system" : g_strerror(-fd),
				ss_tls_who_may(fd));
		if (fd < 0)
			return NULL;
		image = add_image(images, place, program, &fd);
	}
	image->users++;
	return image;
}

void ss_tls_images_put_all(struct ss_tls_images *images, GPtrArray *all)
{
	for (guint i = 0; i < all->len; i++) {
		struct ss_tls_image *image = all->pdata[i];

		if (--image->users)
			continue;
		if (image->file)
			ss_tls_files_put(images->files, image->file);
		g_hash_table_remove(images->table, image);
	}
	g_ptr_array_unref(all);
}
