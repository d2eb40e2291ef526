/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What processes have mapped. An image is a device and inode number of /proc/PID/maps; while a
 * process has it, that pair cannot become another file, so the next process with the same pair
 * costs no look at the disk. Several can lead to one file (file.h).
 */
#ifndef SS_TLS_IMAGE_H
#define SS_TLS_IMAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <glib.h>

#include "tls/file.h"
#include "tls/maps.h"

struct ss_tls_image {
	uint64_t device, inode;
	struct ss_tls_file *file; /* NULL: could not be read, need not be, or not yet */
	unsigned users;           /* processes */
};

struct ss_tls_images {
	const char *proc;
	struct ss_tls_files *files;
	GHashTable *table; /* struct ss_tls_image * */
	GQueue unread;     /* what takes its time is read when there is time; programs first */
};

/* Borrows both. proc: where that file system is. */
void ss_tls_images_init(struct ss_tls_images *images, const char *proc, struct ss_tls_files *files);
/* Nobody may use one any more. */
void ss_tls_images_deinit(struct ss_tls_images *images);

/* One user more. NULL: it can't be opened, which *error tells if nothing else did and it matters.
 * g_free(). */
struct ss_tls_image *ss_tls_images_get(struct ss_tls_images *images, pid_t pid,
				       const struct ss_tls_mapping *place, char **error);
/* One user less of each; frees the array. */
void ss_tls_images_put_all(struct ss_tls_images *images, GPtrArray *all);

static inline bool ss_tls_images_have_unread(const struct ss_tls_images *images)
{
	return images->unread.length > 0;
}

void ss_tls_images_read_next(struct ss_tls_images *images);

/* The end of a sentence that says what was refused with this negative errno. */
const char *ss_tls_who_may(int r);

#endif
