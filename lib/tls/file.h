/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files that may have TLS inside. A file is what was read and attached, whatever paths lead to it:
 * image layers are shared by pods, each of which sees them through an overlay with a device number
 * of its own, and a uprobe sits in the inode below them all. It stays known when nobody uses it (it
 * is read once per capture), but is detached then.
 */
#ifndef SS_TLS_FILE_H
#define SS_TLS_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "tls/discover.h"
#include "tls/library.h"

/* Milliseconds. */
struct ss_tls_clock {
	int64_t (*now_ms)(void *user_data); /* NULL: the monotonic one */
	void *user_data;
};

int64_t ss_tls_clock_ms(const struct ss_tls_clock *clock);

struct ss_tls_identity {
	uint64_t inode, size;
	int64_t modified_ns;
	uint8_t build_id[20]; /* zeros: none */
};

/* 0 or a negative errno. */
int ss_tls_identity_read(int fd, struct ss_tls_identity *ret_identity);

struct ss_tls_file {
	struct ss_tls_use use; /* first: what callers borrow */
	struct ss_tls_identity identity;
	struct ss_tls_library library;
	char *path, *error;
	void *attachment;
	bool tried; /* to attach */
	unsigned users;
	int64_t unused_ms; /* since when there are none */
};

struct ss_tls_files {
	struct ss_tls_discover_callbacks callbacks;
	const struct ss_tls_clock *clock;
	GHashTable *by_identity, *by_number; /* struct ss_tls_file * */
	uint32_t last_number;
	unsigned tried;
};

/* Borrows clock. */
void ss_tls_files_init(struct ss_tls_files *files,
		       const struct ss_tls_discover_callbacks *callbacks,
		       const struct ss_tls_clock *clock);
/* Detaches all. */
void ss_tls_files_deinit(struct ss_tls_files *files);

/* One user more: reads and attaches the file if that has not been done; program: not a library.
 * path: as the process sees it. NULL: there are too many. */
struct ss_tls_file *ss_tls_files_get(struct ss_tls_files *files, int fd,
				     const struct ss_tls_identity *identity, const char *path,
				     bool program);
/* One user less. */
void ss_tls_files_put(struct ss_tls_files *files, struct ss_tls_file *file);
bool ss_tls_files_know(const struct ss_tls_files *files, const struct ss_tls_identity *identity);
/* NULL: no file has this number. */
struct ss_tls_file *ss_tls_files_find(const struct ss_tls_files *files, uint32_t number);
/* Detaches what nobody has used for a while: a container that crashes comes back. */
void ss_tls_files_sweep(struct ss_tls_files *files);

/* NULL is none. */
bool ss_tls_file_gives_keys(const struct ss_tls_file *file);
/* Does the name make a library worth to be read at once, and whatever its size? */
bool ss_tls_file_is_hinted(const char *path);

#endif
