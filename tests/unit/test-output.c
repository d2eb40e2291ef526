/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "output/output.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blocks.h"
#include "output/blocks.h"

static void count(uint32_t interface_id, struct ss_interface_counters *ret, void *user_data)
{
	(void)user_data;
	*ret = (struct ss_interface_counters){interface_id + 10, 5, 1, 500, 0, 0, 0};
}

static struct ss_output *output_new(const struct ss_output_options *options)
{
	struct ss_error error = {0};
	struct ss_output *output;

	if (ss_output_new(options, count, NULL, &output, &error) < 0)
		g_error("%s", error.message);
	return output;
}

static struct ss_output *output_to(const char *path)
{
	return output_new(&(struct ss_output_options){.path = path, .live_fd = -1});
}

static int add_interface(struct ss_output *output, uint16_t link_type)
{
	struct ss_interface *interface = ss_interface_new("stratoshark-pod:a/b", link_type);
	uint32_t id;
	int r = ss_output_interface(output, interface, &id, NULL);

	ss_interface_free(interface);
	return r < 0 ? r : (int)id;
}

/* number frames of so many bytes, all different. */
static GByteArray *frames_new(unsigned number, uint32_t length)
{
	GByteArray *frames = g_byte_array_new();

	for (unsigned i = 0; i < number; i++)
		put_frame(frames, 0, 1700000000000000000 + i, length, (uint8_t)i);
	return frames;
}

/* Offers everything until it is taken, as a session does with a file. */
static int write_frames(struct ss_output *output, const GByteArray *frames, struct ss_error *error)
{
	size_t offset = 0, taken;

	while (offset < frames->len) {
		struct iovec slice = {frames->data + offset, frames->len - offset};
		int r = ss_output_frames(output, &slice, 1, &taken, error);

		offset += taken;
		if (r < 0)
			return r;
		g_assert_cmpuint(taken, >, 0);
	}
	return 0;
}

/* A pipe whose reading end never waits. */
static void pipe_new(int fds[2])
{
	g_assert_cmpint(pipe2(fds, O_CLOEXEC), ==, 0);
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
}

static void drain(int fd, GByteArray *bytes)
{
	uint8_t buffer[65536];
	ssize_t n;

	while ((n = read(fd, buffer, sizeof(buffer))) > 0)
		g_byte_array_append(bytes, buffer, (guint)n);
}

static unsigned count_type(const GByteArray *bytes, uint32_t type)
{
	return count_blocks(bytes->data, bytes->len, type);
}

static void test_file(void)
{
	autoscratch folder = scratch_new();
	g_autofree char *path = g_build_filename(folder, "a.pcapng", NULL), *capinfos = NULL;
	g_autoptr(GByteArray) frames = frames_new(100, 61), bytes = NULL;
	struct ss_output *output = output_to(path);
	struct stat status;

	g_assert_cmpint(add_interface(output, SS_LINKTYPE_ETHERNET), ==, 0);
	g_assert_cmpint(ss_output_name(output, "10.1.2.3", "b.a", NULL), ==, 0);
	g_assert_cmpint(write_frames(output, frames, NULL), ==, 0);
	g_assert_cmpint(add_interface(output, SS_LINKTYPE_UPPER_PDU), ==, 1);
	g_assert_cmpint(ss_output_event(output, 1, 1700000000000001000, "i", "{}", NULL), ==, 0);
	g_assert_cmpint(ss_output_fd(output), ==, -1);
	g_assert_false(ss_output_blocked(output));
	g_assert_cmpuint(ss_output_files(output), ==, 1);
	g_assert_cmpint(ss_output_close(output, NULL), ==, 0);

	bytes = file_bytes(path);
	g_assert_cmpuint(count_type(bytes, SS_PCAPNG_SHB), ==, 1);
	g_assert_cmpuint(count_type(bytes, SS_PCAPNG_IDB), ==, 2);
	g_assert_cmpuint(count_type(bytes, SS_PCAPNG_NRB), ==, 1);
	g_assert_cmpuint(count_type(bytes, SS_PCAPNG_EPB), ==, 101);
	g_assert_cmpuint(count_type(bytes, SS_PCAPNG_ISB), ==, 2);
	g_assert_cmpint(stat(path, &status), ==, 0);
	g_assert_cmpuint(status.st_mode & 0777, ==, 0600);
	capinfos = tool_output((const char *[]){"capinfos", path, NULL});
	if (capinfos)
		g_assert_nonnull(strstr(capinfos, "Number of packets:   101"));
}

static void test_two_slices(void)
{
	autoscratch folder = scratch_new();
	g_autofree char *path = g_build_filename(folder, "a.pcapng", NULL);
	g_autoptr(GByteArray) first = frames_new(3, 10), second = frames_new(4, 20), bytes = NULL;
	struct iovec slices[2] = {{first->data, first->len}, {second->data, second->len}};
	struct ss_output *output = output_to(path);
	size_t taken;

	add_interface(output, SS_LINKTYPE_ETHERNET);
	g_assert_cmpint(ss_output_frames(output, slices, 2, &taken, NULL), ==, 0);
	g_assert_cmpuint(taken, ==, first->len + second->len);
	ss_output_close(output, NULL);
	bytes = file_bytes(path);
	g_assert_cmpuint(count_type(bytes, SS_PCAPNG_EPB), ==, 7);
}

static void test_missing_folder(void)
{
	const struct ss_output_options options = {.path = "/nonexistent/a.pcapng", .live_fd = -1};
	struct ss_output *output = NULL;
	struct ss_error error = {0};

	g_assert_cmpint(ss_output_new(&options, count, NULL, &output, &error), <, 0);
	g_assert_nonnull(strstr(error.message, "'/nonexistent/a.pcapng'"));
	g_assert_null(output);
}

static int compare_paths(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The files of a folder, in the order of their names. */
static GPtrArray *list(const char *folder)
{
	GPtrArray *paths = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
	const char *name;

	while ((name = g_dir_read_name(dir)))
		g_ptr_array_add(paths, g_build_filename(folder, name, NULL));
	g_ptr_array_sort(paths, compare_paths);
	return paths;
}

/* Every file of a ring is a capture of its own. Returns the frames of all together. */
static unsigned check_ring(const GPtrArray *paths, size_t limit)
{
	unsigned frames = 0;

	for (guint i = 0; i < paths->len; i++) {
		g_autoptr(GByteArray) bytes = file_bytes(paths->pdata[i]);
		g_autofree char *capinfos = NULL;

		g_assert_cmpuint(count_type(bytes, SS_PCAPNG_SHB), ==, 1);
		g_assert_cmpuint(count_type(bytes, SS_PCAPNG_IDB), ==, 1);
		g_assert_cmpuint(count_type(bytes, SS_PCAPNG_NRB), ==, 1);
		g_assert_cmpuint(count_type(bytes, SS_PCAPNG_ISB), ==, 1);
		g_assert_cmpuint(count_type(bytes, SS_PCAPNG_EPB), >, 0);
		g_assert_cmpuint(bytes->len, <=, limit);
		frames += count_type(bytes, SS_PCAPNG_EPB);
		capinfos = tool_output((const char *[]){"capinfos", paths->pdata[i], NULL});
	}
	return frames;
}

static void test_ring_by_size(void)
{
	autoscratch folder = scratch_new();
	g_autofree char *path = g_build_filename(folder, "a.b.pcapng", NULL);
	struct ss_output *output = output_new(
		&(struct ss_output_options){.path = path, .live_fd = -1, .ring_bytes = 8192});
	g_autoptr(GByteArray) frames = frames_new(100, 300);
	g_autofree char *prefix = g_build_filename(folder, "a.b_00001_", NULL);
	g_autoptr(GPtrArray) paths = NULL;

	add_interface(output, SS_LINKTYPE_ETHERNET);
	ss_output_name(output, "10.1.2.3", "b.a", NULL);
	g_assert_cmpint(write_frames(output, frames, NULL), ==, 0);
	g_assert_cmpuint(ss_output_files(output), >=, 4);
	ss_output_close(output, NULL);
	paths = list(folder);
	/* The statistics come on top of the size. */
	g_assert_cmpuint(check_ring(paths, 8192 + 200), ==, 100);
	g_assert_true(g_str_has_prefix(paths->pdata[0], prefix));
	g_assert_true(g_str_has_suffix(paths->pdata[0], ".pcapng"));
}

static void live_secrets(GString *lines, void *user_data)
{
	(void)user_data;
	g_string_append(lines, "CLIENT_RANDOM 00 11\n");
}

/* The keys of living connections stand in every file before its frames. */
static void test_ring_has_secrets(void)
{
	autoscratch folder = scratch_new();
	g_autofree char *path = g_build_filename(folder, "a.pcapng", NULL);
	struct ss_output *output = output_new(
		&(struct ss_output_options){.path = path, .live_fd = -1, .ring_bytes = 8192});
	g_autoptr(GByteArray) frames = frames_new(100, 300);
	g_autoptr(GPtrArray) paths = NULL;

	ss_output_set_live_secrets(output, live_secrets, NULL);
	add_interface(output, SS_LINKTYPE_ETHERNET);
	ss_output_secrets(output, "CLIENT_RANDOM 00 11\n", NULL);
	g_assert_cmpint(write_frames(output, frames, NULL), ==, 0);
	ss_output_close(output, NULL);
	paths = list(folder);
	g_assert_cmpuint(paths->len, >=, 4);
	for (guint i = 0; i < paths->len; i++) {
		g_autoptr(GByteArray) bytes = file_bytes(paths->pdata[i]);
		struct ss_cursor stream = ss_cursor(bytes->data, bytes->len);
		unsigned secrets = 0;
		uint32_t type;

		while ((type = block_take(&stream).type) != SS_PCAPNG_EPB)
			secrets += type == SS_PCAPNG_DSB;
		g_assert_cmpuint(secrets, ==, 1);
	}
}

static void begin_file(GByteArray *blocks, uint64_t time_ns, void *user_data)
{
	(void)user_data;
	ss_block_event(blocks, 0, time_ns, "begins", "{}");
}

/* The next files begin with what the callback writes, at the time of their first frame. */
static void test_ring_begins(void)
{
	autoscratch folder = scratch_new();
	g_autofree char *path = g_build_filename(folder, "a.pcapng", NULL);
	struct ss_output *output = output_new(
		&(struct ss_output_options){.path = path, .live_fd = -1, .ring_bytes = 8192});
	g_autoptr(GByteArray) frames = frames_new(100, 300);
	g_autoptr(GPtrArray) paths = NULL;

	ss_output_set_new_file(output, begin_file, NULL);
	add_interface(output, SS_LINKTYPE_ETHERNET);
	g_assert_cmpint(write_frames(output, frames, NULL), ==, 0);
	ss_output_close(output, NULL);
	paths = list(folder);
	g_assert_cmpuint(paths->len, >=, 4);
	for (guint i = 1; i < paths->len; i++) {
		g_autoptr(GByteArray) bytes = file_bytes(paths->pdata[i]);
		size_t at = 0;
		uint64_t one = 1;
		const uint8_t *event;

		while (ss_block_type(bytes->data + at) != SS_PCAPNG_EPB)
			at += ss_block_walk(bytes->data + at, bytes->len - at, SIZE_MAX, &one);
		event = bytes->data + at;
		at += ss_block_walk(event, bytes->len - at, SIZE_MAX, &one);
		g_assert_nonnull(memmem(event, (size_t)(bytes->data + at - event), "begins", 6));
		g_assert_cmpuint(ss_block_time(event, (size_t)(bytes->data + at - event)), ==,
				 ss_block_time(bytes->data + at, bytes->len - at));
	}
}

static void test_ring_by_time(void)
{
	autoscratch folder = scratch_new();
	g_autofree char *path = g_build_filename(folder, "a", NULL);
	struct ss_output *output =
		output_new(&(struct ss_output_options){.path = path, .live_fd = -1, .ring_ns = 1});
	g_autoptr(GByteArray) frames = frames_new(5, 300);
	g_autoptr(GPtrArray) paths = NULL;

	add_interface(output, SS_LINKTYPE_ETHERNET);
	ss_output_name(output, "10.1.2.3", "b.a", NULL);
	g_assert_cmpint(write_frames(output, frames, NULL), ==, 0);
	g_assert_cmpuint(ss_output_files(output), >, 1);
	ss_output_close(output, NULL);
	paths = list(folder);
	g_assert_cmpuint(check_ring(paths, SIZE_MAX), ==, 5);
}

static void test_ring_of_files(void)
{
	autoscratch folder = scratch_new();
	g_autofree char *path = g_build_filename(folder, "a.pcapng", NULL);
	struct ss_output *output = output_new(&(struct ss_output_options){
		.path = path, .live_fd = -1, .ring_bytes = 8192, .ring_files = 2});
	g_autoptr(GByteArray) frames = frames_new(100, 300);
	g_autofree char *last = NULL;
	g_autoptr(GPtrArray) paths = NULL;

	add_interface(output, SS_LINKTYPE_ETHERNET);
	ss_output_name(output, "10.1.2.3", "b.a", NULL);
	g_assert_cmpint(write_frames(output, frames, NULL), ==, 0);
	last = g_strdup_printf("a_%05u_", ss_output_files(output));
	ss_output_close(output, NULL);
	paths = list(folder);
	g_assert_cmpuint(paths->len, ==, 2);
	g_assert_nonnull(strstr(paths->pdata[1], last));
	check_ring(paths, 8192 + 200);
}

/* A block that is larger than a file gets a file, not an endless loop. */
static void test_ring_smaller_than_block(void)
{
	autoscratch folder = scratch_new();
	g_autofree char *path = g_build_filename(folder, "a.pcapng", NULL);
	struct ss_output *output = output_new(
		&(struct ss_output_options){.path = path, .live_fd = -1, .ring_bytes = 4096});
	g_autoptr(GByteArray) frames = frames_new(3, 65000);

	add_interface(output, SS_LINKTYPE_ETHERNET);
	g_assert_cmpint(write_frames(output, frames, NULL), ==, 0);
	g_assert_cmpuint(ss_output_files(output), ==, 3);
	ss_output_close(output, NULL);
}

/* Through a pipe that is full again and again: the same bytes as into a file. */
static void pipe_of(uint32_t length, size_t step)
{
	g_autoptr(GByteArray) frames = frames_new((3u << 20) / length, length);
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	size_t offset = 0, taken, header;
	unsigned blocked = 0;
	struct ss_output *output;
	int fds[2];

	pipe_new(fds);
	output = output_new(&(struct ss_output_options){.live_fd = fds[1]});
	g_assert_cmpint(ss_output_fd(output), ==, fds[1]);
	add_interface(output, SS_LINKTYPE_ETHERNET);
	header = ss_output_bytes(output);
	while (offset < frames->len) {
		struct iovec slice = {frames->data + offset, MIN(step, frames->len - offset)};

		g_assert_cmpint(ss_output_frames(output, &slice, 1, &taken, NULL), ==, 0);
		offset += taken;
		if (taken == slice.iov_len)
			continue;
		g_assert_true(ss_output_blocked(output)); /* or who would wake us? */
		blocked++;
		drain(fds[0], bytes);
		g_assert_cmpint(ss_output_flush(output, NULL), ==, 0);
		g_assert_false(ss_output_blocked(output));
	}
	g_assert_cmpuint(blocked, >, 1);
	drain(fds[0], bytes);
	g_assert_cmpuint(ss_output_bytes(output), ==, header + frames->len);
	g_assert_cmpint(ss_output_close(output, NULL), ==, 0);
	drain(fds[0], bytes);
	close(fds[0]);
	g_assert_cmpuint(bytes->len, >, header + frames->len);
	assert_bytes(bytes->data + header, frames->len, frames->data, frames->len);
	g_assert_cmpuint(count_type(bytes, SS_PCAPNG_ISB), ==, 1);
}

static void test_pipe_full_inside_block(void)
{
	pipe_of(1500, SIZE_MAX);
}

/* Writes up to PIPE_BUF are all or nothing. */
static void test_pipe_full_between_blocks(void)
{
	pipe_of(1500, 1544);
}

static void test_pipe_full_at_own_blocks(void)
{
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	struct ss_output *output;
	unsigned events = 0;
	int fds[2];

	pipe_new(fds);
	output = output_new(&(struct ss_output_options){.live_fd = fds[1]});
	add_interface(output, SS_LINKTYPE_UPPER_PDU);
	while (!ss_output_blocked(output)) {
		g_assert_cmpint(ss_output_event(output, 0, events++, "i", "{}", NULL), ==, 0);
		g_assert_cmpuint(events, <, 1u << 20);
	}
	add_interface(output, SS_LINKTYPE_ETHERNET);
	drain(fds[0], bytes);
	ss_output_flush(output, NULL);
	g_assert_cmpint(ss_output_close(output, NULL), ==, 0);
	drain(fds[0], bytes);
	close(fds[0]);
	g_assert_cmpuint(count_type(bytes, SS_PCAPNG_EPB), ==, events);
	g_assert_cmpuint(count_type(bytes, SS_PCAPNG_ISB), ==, 2);
}

static void test_reader_goes_away(void)
{
	g_autoptr(GByteArray) frames = frames_new(10, 60);
	struct iovec slice = {frames->data, frames->len};
	struct ss_error error = {0};
	struct ss_output *output;
	size_t taken;
	int fds[2];

	pipe_new(fds);
	output = output_new(&(struct ss_output_options){.live_fd = fds[1]});
	add_interface(output, SS_LINKTYPE_ETHERNET);
	close(fds[0]);
	g_assert_cmpint(ss_output_frames(output, &slice, 1, &taken, &error), ==, -EPIPE);
	g_assert_cmpuint(taken, ==, 0);
	g_assert_cmpstr(error.message, ==, ""); /* an ordinary end */
	g_assert_cmpint(ss_output_frames(output, &slice, 1, &taken, &error), ==, -EPIPE);
	g_assert_cmpint(ss_output_close(output, &error), ==, 0);
	g_assert_cmpstr(error.message, ==, "");
}

static void test_reader_goes_away_while_blocked(void)
{
	g_autoptr(GByteArray) frames = frames_new(3000, 1500);
	struct iovec slice = {frames->data, frames->len};
	struct ss_output *output;
	size_t taken;
	int fds[2];

	pipe_new(fds);
	output = output_new(&(struct ss_output_options){.live_fd = fds[1]});
	add_interface(output, SS_LINKTYPE_ETHERNET);
	g_assert_cmpint(ss_output_frames(output, &slice, 1, &taken, NULL), ==, 0);
	g_assert_true(ss_output_blocked(output));
	close(fds[0]);
	g_assert_cmpint(ss_output_flush(output, NULL), ==, -EPIPE);
	g_assert_false(ss_output_blocked(output)); /* nothing to wait for any more */
	g_assert_cmpint(ss_output_close(output, NULL), ==, 0);
}

static void test_no_space(void)
{
	const struct ss_output_options options = {.path = "/dev/full", .live_fd = -1};
	struct ss_error error = {0};
	struct ss_output *output;

	g_assert_cmpint(ss_output_new(&options, count, NULL, &output, &error), ==, -ENOSPC);
	g_assert_nonnull(strstr(error.message, "no space left"));
}

static void set_file_size_limit(size_t bytes)
{
	struct rlimit limit;

	g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &limit), ==, 0);
	limit.rlim_cur = bytes ? bytes : limit.rlim_max;
	g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
}

/* What is on the full disk ends with a whole block. */
static void test_file_cut_after_last_block(void)
{
	autoscratch folder = scratch_new();
	g_autofree char *path = g_build_filename(folder, "a.pcapng", NULL);
	g_autoptr(GByteArray) frames = frames_new(100, 1000), bytes = NULL;
	struct ss_output *output = output_to(path);
	struct ss_error error = {0};
	unsigned packets;

	add_interface(output, SS_LINKTYPE_ETHERNET);
	set_file_size_limit(50000);
	g_assert_cmpint(write_frames(output, frames, &error), <, 0);
	set_file_size_limit(0);
	g_assert_nonnull(strstr(error.message, path));
	g_assert_cmpint(ss_output_close(output, NULL), ==, 0); /* nothing after the end */
	bytes = file_bytes(path);
	packets = count_type(bytes, SS_PCAPNG_EPB);
	g_assert_cmpuint(packets, >=, 45);
	g_assert_cmpuint(packets, <, 50);
	g_assert_cmpuint(count_type(bytes, SS_PCAPNG_ISB), ==, 0);
}

/* "stratoshark -w - >> file": what was in the file before is not ours to cut. */
static void test_appended_file_keeps_what_it_had(void)
{
	autoscratch folder = scratch_new();
	g_autofree char *path = g_build_filename(folder, "a.pcapng", NULL);
	g_autoptr(GByteArray) frames = frames_new(100, 1000), bytes = NULL;
	g_autofree char *before = g_strnfill(20000, 'x');
	struct ss_output *output;
	int old_stdout, fd, r;

	g_assert_true(g_file_set_contents(path, before, -1, NULL));
	fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	fflush(stdout);
	old_stdout = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	dup2(fd, STDOUT_FILENO);
	close(fd);
	output = output_to("-");
	add_interface(output, SS_LINKTYPE_ETHERNET);
	set_file_size_limit(50000);
	r = write_frames(output, frames, NULL);
	set_file_size_limit(0);
	ss_output_close(output, NULL);
	dup2(old_stdout, STDOUT_FILENO);
	close(old_stdout);
	g_assert_cmpint(r, <, 0);
	bytes = file_bytes(path);
	g_assert_cmpuint(bytes->len, >, 45000);
	assert_bytes(bytes->data, 20000, before, 20000);
	count_blocks(bytes->data + 20000, bytes->len - 20000, SS_PCAPNG_EPB);
}

/* The viewer does not read: the file has everything, the viewer whole blocks, and the rest is
 * counted. What a later block needs (an interface) reaches it none the less. */
static void test_slow_viewer(void)
{
	autoscratch folder = scratch_new();
	g_autofree char *path = g_build_filename(folder, "a.pcapng", NULL);
	g_autoptr(GByteArray) frames = frames_new(1000, 1500), event = g_byte_array_new();
	g_autoptr(GByteArray) live = g_byte_array_new(), bytes = NULL;
	struct ss_output *output;
	uint64_t skipped;
	int fds[2];

	pipe_new(fds);
	output = output_new(&(struct ss_output_options){.path = path, .live_fd = fds[1]});
	add_interface(output, SS_LINKTYPE_ETHERNET);
	for (unsigned i = 0; i < 10; i++)
		g_assert_cmpint(write_frames(output, frames, NULL), ==, 0);
	g_assert_false(ss_output_blocked(output)); /* it never sets the pace */
	g_assert_cmpuint(ss_output_live_skipped(output), >, 0);
	g_assert_cmpint(add_interface(output, SS_LINKTYPE_ETHERNET), ==, 1);
	put_frame(event, 1, 1, 60, 'z');
	for (unsigned i = 0; i < 200; i++) { /* it reads again */
		drain(fds[0], live);
		ss_output_flush(output, NULL);
	}
	g_assert_cmpint(write_frames(output, event, NULL), ==, 0);
	skipped = ss_output_live_skipped(output);
	g_assert_cmpint(ss_output_close(output, NULL), ==, 0);
	drain(fds[0], live);
	close(fds[0]);

	bytes = file_bytes(path);
	g_assert_cmpuint(count_type(bytes, SS_PCAPNG_EPB), ==, 10001);
	g_assert_cmpuint(count_type(live, SS_PCAPNG_IDB), ==, 2);
	g_assert_cmpuint(count_type(live, SS_PCAPNG_EPB) + skipped, ==, 10001);
}

static void test_viewer_goes_away(void)
{
	autoscratch folder = scratch_new();
	g_autofree char *path = g_build_filename(folder, "a.pcapng", NULL);
	g_autoptr(GByteArray) frames = frames_new(10, 60), bytes = NULL;
	struct ss_output *output;
	int fds[2];

	pipe_new(fds);
	output = output_new(&(struct ss_output_options){.path = path, .live_fd = fds[1]});
	g_assert_cmpint(ss_output_live_fd(output), ==, fds[1]);
	add_interface(output, SS_LINKTYPE_ETHERNET);
	close(fds[0]);
	g_assert_cmpint(write_frames(output, frames, NULL), ==, 0);
	g_assert_cmpint(ss_output_live_fd(output), ==, -1);
	g_assert_cmpint(ss_output_close(output, NULL), ==, 0);
	bytes = file_bytes(path);
	g_assert_cmpuint(count_type(bytes, SS_PCAPNG_EPB), ==, 10);
}

/* The viewer's stream is one, however many files there are. */
static void test_viewer_beside_ring(void)
{
	autoscratch folder = scratch_new();
	g_autofree char *path = g_build_filename(folder, "a.pcapng", NULL);
	g_autoptr(GByteArray) frames = frames_new(100, 300), live = g_byte_array_new();
	struct ss_output *output;
	int fds[2];

	pipe_new(fds);
	output = output_new(
		&(struct ss_output_options){.path = path, .live_fd = fds[1], .ring_bytes = 8192});
	add_interface(output, SS_LINKTYPE_ETHERNET);
	g_assert_cmpint(write_frames(output, frames, NULL), ==, 0);
	g_assert_cmpuint(ss_output_files(output), >, 1);
	ss_output_close(output, NULL);
	drain(fds[0], live);
	close(fds[0]);
	g_assert_cmpuint(count_type(live, SS_PCAPNG_SHB), ==, 1);
	g_assert_cmpuint(count_type(live, SS_PCAPNG_EPB), ==, 100);
	g_assert_cmpuint(count_type(live, SS_PCAPNG_ISB), ==, 1);
}

struct reading {
	int fd;
	GByteArray *bytes;
};

static void *read_to_end(void *data)
{
	struct reading *reading = data;

	drain(reading->fd, reading->bytes); /* a blocking pipe: until it is closed */
	return NULL;
}

/* A viewer that catches up late, at the end, still gets a stream without a cut block. */
static void test_viewer_gets_the_end(void)
{
	autoscratch folder = scratch_new();
	g_autofree char *path = g_build_filename(folder, "a.pcapng", NULL);
	g_autoptr(GByteArray) frames = frames_new(1000, 1500), live = g_byte_array_new();
	struct ss_output *output;
	struct reading reading;
	GThread *thread;
	int fds[2];

	g_assert_cmpint(pipe2(fds, O_CLOEXEC), ==, 0);
	output = output_new(&(struct ss_output_options){.path = path, .live_fd = fds[1]});
	add_interface(output, SS_LINKTYPE_ETHERNET);
	g_assert_cmpint(write_frames(output, frames, NULL), ==, 0);
	g_assert_cmpuint(ss_output_live_skipped(output), ==, 0);
	reading = (struct reading){fds[0], live};
	thread = g_thread_new("reader", read_to_end, &reading);
	g_assert_cmpint(ss_output_close(output, NULL), ==, 0);
	g_thread_join(thread);
	close(fds[0]);
	g_assert_cmpuint(count_type(live, SS_PCAPNG_EPB), ==, 1000);
	g_assert_cmpuint(count_type(live, SS_PCAPNG_ISB), ==, 1);
}

static void test_discard(void)
{
	struct ss_output *output =
		output_new(&(struct ss_output_options){.live_fd = -1, .discard = true});
	g_autoptr(GByteArray) frames = frames_new(10, 60);

	add_interface(output, SS_LINKTYPE_ETHERNET);
	g_assert_cmpint(write_frames(output, frames, NULL), ==, 0);
	g_assert_cmpuint(ss_output_bytes(output), ==, frames->len);
	g_assert_cmpint(ss_output_close(output, NULL), ==, 0);
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/output/file", test_file);
	g_test_add_func("/output/two-slices", test_two_slices);
	g_test_add_func("/output/missing-folder", test_missing_folder);
	g_test_add_func("/output/ring-by-size", test_ring_by_size);
	g_test_add_func("/output/ring-has-secrets", test_ring_has_secrets);
	g_test_add_func("/output/ring-begins", test_ring_begins);
	g_test_add_func("/output/ring-by-time", test_ring_by_time);
	g_test_add_func("/output/ring-of-files", test_ring_of_files);
	g_test_add_func("/output/ring-smaller-than-block", test_ring_smaller_than_block);
	g_test_add_func("/output/pipe-full-inside-block", test_pipe_full_inside_block);
	g_test_add_func("/output/pipe-full-between-blocks", test_pipe_full_between_blocks);
	g_test_add_func("/output/pipe-full-at-own-blocks", test_pipe_full_at_own_blocks);
	g_test_add_func("/output/reader-goes-away", test_reader_goes_away);
	g_test_add_func("/output/reader-goes-away-while-blocked",
			test_reader_goes_away_while_blocked);
	g_test_add_func("/output/no-space", test_no_space);
	g_test_add_func("/output/file-cut-after-last-block", test_file_cut_after_last_block);
	g_test_add_func("/output/appended-file-keeps-what-it-had",
			test_appended_file_keeps_what_it_had);
	g_test_add_func("/output/slow-viewer", test_slow_viewer);
	g_test_add_func("/output/viewer-goes-away", test_viewer_goes_away);
	g_test_add_func("/output/viewer-beside-ring", test_viewer_beside_ring);
	g_test_add_func("/output/viewer-gets-the-end", test_viewer_gets_the_end);
	g_test_add_func("/output/discard", test_discard);
	return g_test_run();
}
