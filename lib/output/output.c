/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The writer. Two kinds of sinks with one stream: the primary (file, ring of files or pipe), which
 * sets the pace, and an optional live viewer, which never does: what it can't take is skipped.
 *
 * A sink holds at most one backlog: bytes of whole blocks that were begun or are ours, to be
 * written before anything else. The header (section, interfaces, names) is kept, because each file
 * of a ring begins with it.
 */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

#include <glib.h>

#include "blocks.h"
#include "clock.h"
#include "log.h"
#include "secret_text.h"

#define PIPE_SIZE        (1 << 20) /* what an ordinary user may ask for, /proc/sys/fs/pipe-max-size */
#define LIVE_BACKLOG_MAX (8u << 20)
#define FINISH_US        (5 * G_USEC_PER_SEC) /* how long a reader may take for the end */

struct sink {
	int fd;
	bool pipe;
	bool restore_blocking; /* stdout was blocking when we came */
	bool full; /* the pipe took nothing more; the backlog may be empty all the same */
	GByteArray *backlog;
};

struct ss_output {
	struct ss_output_options options;
	char *path;
	ss_output_counters counters;
	void *user_data;
	ss_output_live_secrets live_secrets;
	void *live_secrets_data;
	ss_output_new_file new_file;
	void *new_file_data;
	struct sink primary, live;
	GByteArray *header; /* SHB, IDBs, NRBs so far */
	GPtrArray *ring;    /* char *: paths of the ring's files, oldest first */
	uint32_t interfaces;
	unsigned files;
	uint64_t file_bytes, total_bytes, live_skipped;
	uint64_t begin_bytes;   /* of this file, before its first frame */
	uint64_t file_start_ns; /* UTC */
	int failed;             /* negative errno: nothing more is written */
};

static bool rotates(const struct ss_output *output)
{
	return output->options.ring_bytes || output->options.ring_ns;
}

static void sink_init(struct sink *sink, int fd)
{
	struct stat status;

	sink->fd = fd;
	sink->full = false;
	sink->backlog = g_byte_array_new();
	sink->pipe = fd >= 0 && fstat(fd, &status) == 0 &&
		     (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode));
	if (sink->pipe) {
		int flags = fcntl(fd, F_GETFL);

		fcntl(fd, F_SETPIPE_SZ, PIPE_SIZE); /* a wish */
		sink->restore_blocking = !(flags & O_NONBLOCK);
		fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	}
}

static void sink_deinit(struct sink *sink)
{
	if (sink->fd >= 0 && sink->pipe && sink->restore_blocking)
		fcntl(sink->fd, F_SETFL, fcntl(sink->fd, F_GETFL) & ~O_NONBLOCK);
	if (sink->fd > STDERR_FILENO)
		close(sink->fd);
	sink->fd = -1;
	if (sink->backlog && sink->backlog->len)
		explicit_bzero(sink->backlog->data, sink->backlog->len);
	if (sink->backlog)
		g_byte_array_unref(sink->backlog);
	sink->backlog = NULL;
}

/* "capture.pcapng" -> "capture_00001_20261123131500.pcapng", as dumpcap names its rings. */
static char *ring_path(const struct ss_output *output)
{
	const char *base = strrchr(output->path, '/');
	const char *dot = strrchr(base ? base : output->path, '.');
	g_autoptr(GDateTime) now = g_date_time_new_now_local();
	g_autofree char *stamp = g_date_time_format(now, "%Y%m%d%H%M%S");
	g_autofree char *stem =
		dot ? g_strndup(output->path, (gsize)(dot - output->path)) : g_strdup(output->path);

	return g_strdup_printf("%s_%05u_%s%s", stem, output->files + 1, stamp, dot ? dot : "");
}

static int write_error(const struct ss_output *output, int code, struct ss_error *error)
{
	if (code == -EPIPE)
		return code;
	if (code == -ENOSPC || code == -EDQUOT)
		return ss_fail(error, code,
			       "no space left for '%s': the capture ends here, what was "
			       "written before is kept and readable",
			       output->path);
	return ss_fail(error, -EIO, "cannot write '%s': %s", output->path, g_strerror(-code));
}

static int open_file(struct ss_output *output, struct ss_error *error)
{
	g_autofree char *path = rotates(output) ? ring_path(output) : g_strdup(output->path);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		return ss_fail(error, -EIO, "cannot create '%s': %s", path, g_strerror(errno));
	output->primary.fd = fd;
	output->files++;
	output->file_bytes = 0;
	output->file_start_ns = ss_clock_ns(CLOCK_REALTIME);
	if (!rotates(output))
		return 0;
	g_ptr_array_add(output->ring, g_steal_pointer(&path));
	if (output->options.ring_files && output->ring->len > output->options.ring_files) {
		unlink(output->ring->pdata[0]);
		g_ptr_array_remove_index(output->ring, 0);
	}
	return 0;
}

/*
 * Nothing more is written. Forgets the last partial bytes, those of a block that did not fit, so
 * that a file ends with a whole one. Counted from its end: "-w - >> file" had content before us.
 */
static void end_here(struct ss_output *output, int code, size_t partial)
{
	struct sink *sink = &output->primary;
	off_t position;

	output->failed = code;
	sink->full = false;
	g_byte_array_set_size(sink->backlog, 0);
	if (sink->pipe || !partial)
		return;
	position = lseek(sink->fd, 0, SEEK_CUR);
	if (position < 0 || ftruncate(sink->fd, position - (off_t)partial) < 0)
		ss_log(SS_LOG_WARNING, "cannot cut '%s' after its last block: %s", output->path,
		       g_strerror(errno));
}

/* Writes the backlog. 0: it is empty now, 1: the pipe is full, or an error. */
static int sink_flush(struct sink *sink)
{
	GByteArray *backlog = sink->backlog;
	guint done = 0;
	int r = 0;

	while (done < backlog->len) {
		ssize_t n = write(sink->fd, backlog->data + done, backlog->len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			r = errno == EAGAIN ? 1 : -errno;
			break;
		}
		done += (guint)n;
	}
	if (done) {
		g_byte_array_remove_range(backlog, 0, done);
		explicit_bzero(backlog->data + backlog->len, done); /* secrets may be among it */
	}
	sink->full = r == 1;
	return r;
}

static void live_close(struct ss_output *output)
{
	sink_deinit(&output->live);
}

/* Whole blocks to the live viewer, as much as fits, all if others build on them. Its end is its own
 * affair. */
static void live_write(struct ss_output *output, const void *data, size_t length, bool needed)
{
	struct sink *live = &output->live;
	ssize_t n = 0;
	int r;

	if (live->fd < 0)
		return;
	r = sink_flush(live);
	if (r == 0) {
		n = write(live->fd, data, length);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			n = 0;
		else if (n < 0)
			r = -errno;
	}
	if (r < 0) {
		live_close(output);
		return;
	}
	if ((size_t)n == length)
		return;
	if (needed || live->backlog->len + length - (size_t)n <= LIVE_BACKLOG_MAX) {
		g_byte_array_append(live->backlog, (const guint8 *)data + n,
				    (guint)(length - (size_t)n));
		return;
	}
	/* Too slow. Finish the block that is begun, skip the others. */
	uint64_t blocks = UINT64_MAX, rest = UINT64_MAX;
	size_t whole = n ? ss_block_walk(data, length, (size_t)n, &blocks) : 0;

	if (n && whole < (size_t)n) {
		uint64_t one = 1;

		whole += ss_block_walk((const char *)data + whole, length - whole, SIZE_MAX, &one);
		g_byte_array_append(live->backlog, (const guint8 *)data + n,
				    (guint)(whole - (size_t)n));
	}
	ss_block_walk((const char *)data + whole, length - whole, SIZE_MAX, &rest);
	output->live_skipped += rest;
}

/* Our own blocks: always taken, a full pipe keeps them in the backlog. A slow viewer misses those
 * that later blocks do not need. */
static int put_to(struct ss_output *output, const GByteArray *bytes, bool needed,
		  enum ss_output_sinks sinks, struct ss_error *error)
{
	int r;

	if (sinks & SS_OUTPUT_VIEWER)
		live_write(output, bytes->data, bytes->len, needed);
	if (output->primary.fd < 0 || output->failed || !(sinks & SS_OUTPUT_PRIMARY))
		return 0;
	g_byte_array_append(output->primary.backlog, bytes->data, bytes->len);
	r = sink_flush(&output->primary);
	if (r < 0) {
		/* A file had no backlog before: what of it is written is of these blocks. */
		end_here(output, r, bytes->len - MIN(output->primary.backlog->len, bytes->len));
		return write_error(output, r, error);
	}
	output->file_bytes += bytes->len;
	output->total_bytes += bytes->len;
	return 0;
}

static int put(struct ss_output *output, const GByteArray *bytes, bool needed,
	       struct ss_error *error)
{
	return put_to(output, bytes, needed, SS_OUTPUT_ALL, error);
}

static int put_statistics(struct ss_output *output, struct ss_error *error)
{
	g_autoptr(GByteArray) bytes = g_byte_array_new();

	for (uint32_t id = 0; id < output->interfaces; id++) {
		struct ss_interface_counters counters = {0};

		output->counters(id, &counters, output->user_data);
		ss_block_statistics(bytes, id, output->file_start_ns, ss_clock_ns(CLOCK_REALTIME),
				    &counters);
	}
	return put(output, bytes, false, error);
}

int ss_output_new(const struct ss_output_options *options, ss_output_counters counters,
		  void *user_data, struct ss_output **ret_output, struct ss_error *error)
{
	struct ss_output *output = g_new0(struct ss_output, 1);
	int r = 0;

	output->options = *options;
	output->path = g_strdup(options->path ? options->path : "the live view");
	output->counters = counters;
	output->user_data = user_data;
	output->header = g_byte_array_new();
	output->ring = g_ptr_array_new_with_free_func(g_free);
	output->file_start_ns = ss_clock_ns(CLOCK_REALTIME);
	sink_init(&output->primary, -1);
	sink_init(&output->live, options->path ? options->live_fd : -1);
	if (!options->path && !options->discard) {
		/* Only a viewer: it sets the pace. */
		sink_deinit(&output->primary);
		sink_init(&output->primary, options->live_fd);
	} else if (options->path && strcmp(options->path, "-") == 0) {
		sink_deinit(&output->primary);
		sink_init(&output->primary, STDOUT_FILENO);
	} else if (options->path) {
		r = open_file(output, error);
		if (r == 0) { /* a named pipe is a pipe */
			int fd = output->primary.fd;

			output->primary.fd = -1;
			sink_deinit(&output->primary);
			sink_init(&output->primary, fd);
		}
	}
	if (r == 0) {
		ss_block_section(output->header);
		r = put(output, output->header, true, error);
	}
	if (r < 0) {
		ss_output_close(output, NULL);
		return r;
	}
	*ret_output = output;
	return 0;
}

/* The last blocks may wait for a slow reader, but not for ever. */
static int sink_finish(struct sink *sink)
{
	gint64 deadline = g_get_monotonic_time() + FINISH_US, now;
	int r = 0;

	if (sink->fd < 0)
		return 0;
	while ((r = sink_flush(sink)) == 1 && (now = g_get_monotonic_time()) < deadline) {
		struct pollfd ready = {.fd = sink->fd, .events = POLLOUT};

		poll(&ready, 1, (int)((deadline - now) / 1000) + 1);
	}
	return r;
}

static int flush_finally(struct ss_output *output, struct ss_error *error)
{
	int r = output->failed ? 0 : sink_finish(&output->primary);

	sink_finish(&output->live);
	if (r == 1)
		ss_log(SS_LOG_WARNING,
		       "the reader of '%s' does not take the last %u bytes; they are "
		       "lost",
		       output->path, output->primary.backlog->len);
	return r < 0 ? write_error(output, r, error) : 0;
}

int ss_output_close(struct ss_output *output, struct ss_error *error)
{
	int r = 0;

	if (!output)
		return 0;
	if (output->interfaces)
		r = put_statistics(output, error);
	if (r == 0)
		r = flush_finally(output, error);
	sink_deinit(&output->primary);
	sink_deinit(&output->live);
	g_byte_array_unref(output->header);
	g_ptr_array_unref(output->ring);
	g_free(output->path);
	g_free(output);
	return r;
}

/* Into this file, and into the header of the next ones. */
static int put_header(struct ss_output *output, const GByteArray *bytes, struct ss_error *error)
{
	g_byte_array_append(output->header, bytes->data, bytes->len);
	return put(output, bytes, true, error);
}

int ss_output_interface(struct ss_output *output, const struct ss_interface *interface,
			uint32_t *ret_id, struct ss_error *error)
{
	g_autoptr(GByteArray) bytes = g_byte_array_new();

	ss_block_interface(bytes, interface);
	*ret_id = output->interfaces++;
	return put_header(output, bytes, error);
}

int ss_output_name(struct ss_output *output, const char *address, const char *name,
		   struct ss_error *error)
{
	g_autoptr(GByteArray) bytes = g_byte_array_new();

	ss_block_name(bytes, address, name);
	return put_header(output, bytes, error);
}

int ss_output_name_once(struct ss_output *output, const char *address, const char *name,
			struct ss_error *error)
{
	g_autoptr(GByteArray) bytes = g_byte_array_new();

	ss_block_name(bytes, address, name);
	return put(output, bytes, true, error);
}

int ss_output_event(struct ss_output *output, uint32_t interface_id, uint64_t time_ns,
		    const char *info, const char *json, struct ss_error *error)
{
	g_autoptr(GByteArray) bytes = g_byte_array_new();

	ss_block_event(bytes, interface_id, time_ns, info, json);
	return put(output, bytes, false, error);
}

int ss_output_blocks(struct ss_output *output, const GByteArray *blocks, enum ss_output_sinks sinks,
		     struct ss_error *error)
{
	if (output->options.discard) {
		output->total_bytes += blocks->len;
		return 0;
	}
	return put_to(output, blocks, false, sinks, error);
}

int ss_output_secrets(struct ss_output *output, const char *lines, struct ss_error *error)
{
	/* Large enough at once: what grows leaves copies behind. */
	g_autoptr(GByteArray) bytes = g_byte_array_sized_new((guint)(2 * strlen(lines) + 64));
	int r;

	if (!*lines)
		return 0;
	ss_block_secrets(bytes, lines);
	r = put(output, bytes, true, error);
	explicit_bzero(bytes->data, bytes->len);
	return r;
}

void ss_output_set_live_secrets(struct ss_output *output, ss_output_live_secrets secrets,
				void *user_data)
{
	output->live_secrets = secrets;
	output->live_secrets_data = user_data;
}

static int put_live_secrets(struct ss_output *output, struct ss_error *error)
{
	g_autoptr(GString) lines = NULL;
	int r;

	if (!output->live_secrets)
		return 0;
	lines = g_string_new(NULL);
	output->live_secrets(lines, output->live_secrets_data);
	r = ss_output_secrets(output, lines->str, error);
	ss_secret_text_wipe(lines);
	return r;
}

void ss_output_set_new_file(struct ss_output *output, ss_output_new_file new_file, void *user_data)
{
	output->new_file = new_file;
	output->new_file_data = user_data;
}

static int put_new_file(struct ss_output *output, const struct iovec *next, struct ss_error *error)
{
	g_autoptr(GByteArray) blocks = g_byte_array_new();

	if (!output->new_file)
		return 0;
	output->new_file(blocks, ss_block_time(next->iov_base, next->iov_len),
			 output->new_file_data);
	return put(output, blocks, true, error);
}

static int next_file(struct ss_output *output, const struct iovec *next, struct ss_error *error)
{
	struct sink live = output->live;
	int r;

	output->live.fd = -1; /* the viewer's stream goes on without a second header */
	r = put_statistics(output, error);
	if (r == 0) {
		close(output->primary.fd);
		output->primary.fd = -1;
		r = open_file(output, error);
	}
	if (r == 0)
		r = put(output, output->header, true, error);
	if (r == 0)
		r = put_live_secrets(output, error);
	if (r == 0)
		r = put_new_file(output, next, error);
	output->begin_bytes = output->file_bytes;
	output->live = live;
	return r;
}

/* How much of a slice this file still takes: whole blocks; 0 means that it is complete. */
static size_t room(struct ss_output *output, const struct iovec *slice)
{
	uint64_t blocks = UINT64_MAX;

	if (output->options.ring_ns &&
	    ss_clock_ns(CLOCK_REALTIME) - output->file_start_ns >= output->options.ring_ns)
		return 0;
	if (!output->options.ring_bytes ||
	    output->file_bytes + slice->iov_len <= output->options.ring_bytes)
		return slice->iov_len;
	if (output->file_bytes >= output->options.ring_bytes)
		return 0;
	return ss_block_walk(slice->iov_base, slice->iov_len,
			     output->options.ring_bytes - output->file_bytes, &blocks);
}

/* Writes a slice; *ret_taken are whole blocks, the rest of a begun one is in the backlog. */
static int write_slice(struct ss_output *output, const struct iovec *slice, size_t *ret_taken,
		       struct ss_error *error)
{
	struct sink *sink = &output->primary;
	const char *data = slice->iov_base;
	size_t done = 0;

	*ret_taken = 0;
	while (done < slice->iov_len) {
		ssize_t n = write(sink->fd, data + done, slice->iov_len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN) {
			uint64_t blocks = UINT64_MAX;
			int r = -errno;
			size_t whole = ss_block_walk(data, slice->iov_len, done, &blocks);

			output->file_bytes += whole;
			output->total_bytes += whole;
			*ret_taken = whole;
			end_here(output, r, done - whole);
			return write_error(output, r, error);
		}
		if (n < 0) {
			sink->full = true;
			break;
		}
		done += (size_t)n;
	}
	if (done < slice->iov_len && done) {
		uint64_t blocks = UINT64_MAX, one = 1;
		size_t whole = ss_block_walk(data, slice->iov_len, done, &blocks);

		if (whole < done) {
			whole +=
				ss_block_walk(data + whole, slice->iov_len - whole, SIZE_MAX, &one);
			g_byte_array_append(sink->backlog, (const guint8 *)data + done,
					    (guint)(whole - done));
		}
		done = whole;
	}
	output->file_bytes += done;
	output->total_bytes += done;
	*ret_taken = done;
	return 0;
}

int ss_output_frames(struct ss_output *output, const struct iovec *slices, unsigned count,
		     size_t *ret_taken, struct ss_error *error)
{
	*ret_taken = 0;
	for (unsigned i = 0; i < count; i++) {
		struct iovec slice = slices[i];
		size_t taken;
		int r;

		if (rotates(output)) {
			slice.iov_len = room(output, &slice);
			/* A block that no file can hold gets one of its own. */
			if (slice.iov_len == 0 &&
			    output->file_bytes > MAX(output->header->len, output->begin_bytes)) {
				r = next_file(output, &slices[i], error);
				if (r < 0)
					return r;
				slice.iov_len = room(output, &slices[i]);
			}
			if (slice.iov_len == 0) {
				uint64_t one = 1;

				slice.iov_len = ss_block_walk(slices[i].iov_base, slices[i].iov_len,
							      SIZE_MAX, &one);
			}
		}
		if (output->options.discard) {
			*ret_taken += slice.iov_len;
			output->total_bytes += slice.iov_len;
			continue;
		}
		if (output->failed)
			return output->failed;
		if (ss_output_blocked(output))
			return 0;
		r = write_slice(output, &slice, &taken, error);
		live_write(output, slice.iov_base, taken, false);
		*ret_taken += taken;
		if (r < 0)
			return r;
		if (taken < slices[i].iov_len)
			return 0;
	}
	return 0;
}

bool ss_output_blocked(const struct ss_output *output)
{
	return output->primary.full || output->primary.backlog->len > 0;
}

int ss_output_flush(struct ss_output *output, struct ss_error *error)
{
	int r = sink_flush(&output->primary);

	if (r < 0) {
		end_here(output, r, 0);
		return write_error(output, r, error);
	}
	if (output->live.fd >= 0 && sink_flush(&output->live) < 0)
		live_close(output);
	return 0;
}

int ss_output_fd(const struct ss_output *output)
{
	return output->primary.pipe ? output->primary.fd : -1;
}

int ss_output_live_fd(const struct ss_output *output)
{
	return output->live.fd;
}

uint64_t ss_output_live_skipped(const struct ss_output *output)
{
	return output->live_skipped;
}

uint64_t ss_output_bytes(const struct ss_output *output)
{
	return output->total_bytes;
}

unsigned ss_output_files(const struct ss_output *output)
{
	return output->files;
}
