/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tls/watched.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tls/maps.h"
#include "tls/proc.h"
#include "tls/roots.h"

#define QUIET_SCANS  4    /* one that stays as it is, is looked at every this many scans */
#define QUIET_AFTER  10   /* scans without a change */
#define FORCED_SCANS 16   /* its maps are read again even if its size did not change */
#define STAT_MAX     4096 /* bytes */
#define MAPS_MAX     (8 * 1024 * 1024) /* bytes */
#define MAPS_EASY    (128 * 1024)      /* bytes of maps that may be read in every scan */
#define ROOTS_MAX    64                /* of a pod */

struct ss_tls_watched *ss_tls_watched_new(struct ss_tls_pod *pod, pid_t pid)
{
	struct ss_tls_watched *watched = g_new0(struct ss_tls_watched, 1);

	watched->public.pid = pid;
	watched->public.pod_uid = pod->uid;
	watched->pod = pod;
	watched->images = g_ptr_array_new();
	return watched;
}

void ss_tls_watched_free(struct ss_tls_watched *watched, struct ss_tls_images *images)
{
	ss_tls_images_put_all(images, watched->images);
	g_free(watched->error);
	g_free(watched);
}

/* Name, start and virtual size of /proc/PID/stat: fields 2, 22 and 23. */
static int read_stat(struct ss_tls_watched *watched, const char *proc, bool *ret_changed)
{
	g_autofree char *text = NULL;
	unsigned long long start, size;
	const char *open, *close;
	int r = ss_tls_proc_read(proc, watched->public.pid, "stat", STAT_MAX, &text);

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
	g_strlcpy(watched->public.comm, open + 1,
		  MIN((size_t)(close - open), sizeof(watched->public.comm)));
	if (watched->start && start != watched->start) /* the number is another one's now */
		return -ESRCH;
	*ret_changed = !watched->start || size != watched->size;
	watched->start = start;
	watched->size = size;
	return 0;
}

static void set_maps_error(struct ss_tls_watched *watched, int r)
{
	g_free(watched->error);
	watched->error = g_strdup_printf("the memory map of process %d (%s) cannot be read: %s%s",
					 (int)watched->public.pid, watched->public.comm,
					 g_strerror(-r), ss_tls_who_may(r));
}

/* Libraries with a telling name come first: the process is running meanwhile. */
static void take_images(struct ss_tls_watched *watched, struct ss_tls_images *images,
			const GArray *places, bool hinted, GPtrArray *taken)
{
	for (guint i = 0; i < places->len; i++) {
		const struct ss_tls_mapping *place =
			&g_array_index(places, struct ss_tls_mapping, i);
		struct ss_tls_image *image;

		if (ss_tls_file_is_hinted(place->path) != hinted)
			continue;
		image = ss_tls_images_get(images, watched->public.pid, place, &watched->error);
		if (image)
			g_ptr_array_add(taken, image);
	}
}

/* Its mappings now. New ones are taken before old ones are let go: most are the same. */
static int read_maps(struct ss_tls_watched *watched, struct ss_tls_images *images)
{
	GPtrArray *taken, *old = watched->images;
	g_autoptr(GArray) places = NULL;
	g_autofree char *text = NULL;
	int r = ss_tls_proc_read(images->proc, watched->public.pid, "maps", MAPS_MAX, &text);

	if (r == -ENOENT || r == -ESRCH)
		return r;
	if (r < 0) {
		set_maps_error(watched, r);
		return 0;
	}
	watched->rest = (unsigned)(strlen(text) / MAPS_EASY);
	g_clear_pointer(&watched->error, g_free);
	places = ss_tls_maps_parse(text);
	taken = g_ptr_array_new();
	take_images(watched, images, places, true, taken);
	take_images(watched, images, places, false, taken);
	watched->images = taken;
	ss_tls_images_put_all(images, old);
	return 0;
}

/* Libraries that lie where the process can load them. */

struct root_search {
	struct ss_tls_files *files;
	struct ss_tls_pod *pod;
};

static void add_library(int fd, const char *path, void *user_data)
{
	struct root_search *search = user_data;
	struct ss_tls_identity identity;
	struct ss_tls_file *file;

	if (ss_tls_identity_read(fd, &identity) < 0)
		return;
	file = ss_tls_files_get(search->files, fd, &identity, path, false);
	if (file)
		g_ptr_array_add(search->pod->files, file);
}

static void look_into_root(const struct ss_tls_watched *watched, struct ss_tls_images *images)
{
	struct root_search search = {images->files, watched->pod};
	GArray *roots = watched->pod->roots;
	struct ss_tls_root root;

	if (roots->len >= ROOTS_MAX ||
	    ss_tls_root_get(images->proc, watched->public.pid, &root) < 0)
		return;
	for (guint i = 0; i < roots->len; i++)
		if (memcmp(&g_array_index(roots, struct ss_tls_root, i), &root, sizeof(root)) == 0)
			return;
	g_array_append_val(roots, root);
	ss_tls_root_libraries(images->proc, watched->public.pid, add_library, &search);
}

int ss_tls_watched_look(struct ss_tls_watched *watched, struct ss_tls_images *images, bool force)
{
	bool first = !watched->start, changed;
	int r = read_stat(watched, images->proc, &changed);

	if (r < 0)
		return r;
	if (first)
		look_into_root(watched, images);
	if (!changed && !force) {
		watched->quiet++;
		return 0;
	}
	if (changed)
		watched->quiet = 0;
	return read_maps(watched, images);
}

int ss_tls_watched_scan(struct ss_tls_watched *watched, struct ss_tls_images *images)
{
	watched->waited++;
	if (watched->rest) {
		watched->rest--;
		return 0;
	}
	if (watched->quiet >= QUIET_AFTER && watched->waited % QUIET_SCANS)
		return 0;
	return ss_tls_watched_look(watched, images,
				   watched->waited % FORCED_SCANS == 0 || watched->error);
}

static const struct ss_tls_file *file_of(const struct ss_tls_watched *watched, guint i)
{
	return ((const struct ss_tls_image *)watched->images->pdata[i])->file;
}

bool ss_tls_watched_has_keys(const struct ss_tls_watched *watched)
{
	for (guint i = 0; i < watched->images->len; i++)
		if (ss_tls_file_gives_keys(file_of(watched, i)))
			return true;
	return false;
}

GPtrArray *ss_tls_watched_uses(const struct ss_tls_watched *watched)
{
	GPtrArray *uses = g_ptr_array_new();

	for (guint i = 0; i < watched->images->len; i++) {
		const struct ss_tls_file *file = file_of(watched, i);

		if (file && file->library.kind != SS_TLS_LIBRARY_NONE &&
		    !g_ptr_array_find(uses, &file->use, NULL))
			g_ptr_array_add(uses, (gpointer)(uintptr_t)&file->use);
	}
	return uses;
}
