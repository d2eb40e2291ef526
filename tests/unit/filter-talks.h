/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For tests of filters on conversations: TCP connections being written, and what the kernel's part
 * of a display filter accepts of them beside what tshark selects.
 */
#ifndef FILTER_TALKS_H
#define FILTER_TALKS_H

#pragma GCC diagnostic ignored "-Wunused-function"
#define TAG_PROTOCOL 0x8100
#include "filter-frames.h"

#include "dns-frames.h"

#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define CLIENT "10.0.0.2"
#define SERVER "10.0.0.3"

/* One connection that is being written. */
struct talk {
	GPtrArray *frames; /* GBytes */
	bool six;
	uint16_t port, server_port;
	uint32_t sequence[2]; /* of the client, of the server */
};

static void add_packet(GPtrArray *frames, const struct packet *packet)
{
	GByteArray *frame = g_byte_array_new();

	dns_put_packet(frame, packet);
	g_ptr_array_add(frames, g_byte_array_free_to_bytes(frame));
}

static void say(struct talk *talk, bool server, uint8_t flags, const void *bytes, size_t length)
{
	struct packet packet = {
		.from = talk->six ? (server ? "fd00::3" : "fd00::2")
			: server  ? SERVER
				  : CLIENT,
		.to = talk->six ? (server ? "fd00::2" : "fd00::3")
		      : server  ? CLIENT
				: SERVER,
		.from_port = server ? talk->server_port : talk->port,
		.to_port = server ? talk->port : talk->server_port,
		.sequence = talk->sequence[server],
		.acknowledgement = talk->sequence[!server],
		.flags = flags,
		.payload = bytes,
		.length = length,
	};

	add_packet(talk->frames, &packet);
	talk->sequence[server] += (uint32_t)length + !!(flags & 3);
}

static void text(struct talk *talk, bool server, const char *words)
{
	say(talk, server, 0x18, words, strlen(words));
}

/* In two segments. */
static void cut(struct talk *talk, bool server, const char *words, size_t at)
{
	say(talk, server, 0x18, words, MIN(at, strlen(words)));
	if (at < strlen(words))
		say(talk, server, 0x18, words + at, strlen(words) - at);
}

static struct talk begin(GPtrArray *frames, uint16_t server_port)
{
	static uint16_t port = 40000;
	struct talk talk = {frames, port % 3 == 0, port, server_port, {100, 900}};

	port++;
	say(&talk, false, 0x02, NULL, 0);
	say(&talk, true, 0x12, NULL, 0);
	say(&talk, false, 0x10, NULL, 0);
	return talk;
}

static void end(struct talk *talk)
{
	say(talk, true, 0x11, NULL, 0);
	say(talk, false, 0x11, NULL, 0);
}

static void put_le(GByteArray *bytes, uint32_t value)
{
	value = GUINT32_TO_LE(value);
	g_byte_array_append(bytes, (const guint8 *)&value, sizeof(value));
}

static void write_pcap(const char *path, GPtrArray *frames)
{
	g_autoptr(GByteArray) file = g_byte_array_new();

	put_le(file, 0xa1b2c3d4u);
	put_le(file, 4u << 16 | 2);
	put_le(file, 0);
	put_le(file, 0);
	put_le(file, 262144);
	put_le(file, 1);
	for (guint i = 0; i < frames->len; i++) {
		gsize size;
		const guint8 *data = g_bytes_get_data(frames->pdata[i], &size);

		put_le(file, i);
		put_le(file, 0);
		put_le(file, (uint32_t)size);
		put_le(file, (uint32_t)size);
		g_byte_array_append(file, data, (guint)size);
	}
	g_assert_true(g_file_set_contents(path, (const char *)file->data, (gssize)file->len, NULL));
}

/* Which frames tshark selects; NULL: there is none. */
static bool *select_frames(const char *path, const char *display, guint count)
{
	const char *const arguments[] = {
		"tshark", "-n",    "-r", path,     "-o", "tcp.try_heuristic_first:TRUE",
		"-Y",     display, "-T", "fields", "-e", "frame.number",
		NULL};
	g_autofree char *output = NULL;
	g_auto(GStrv) lines = NULL;
	bool *selected;
	int status;

	if (!g_spawn_sync(NULL, (char **)(uintptr_t)arguments, NULL,
			  G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, &output,
			  NULL, &status, NULL))
		return NULL;
	g_assert_true(g_spawn_check_wait_status(status, NULL));
	selected = g_new0(bool, count + 1);
	lines = g_strsplit(output, "\n", -1);
	for (char **line = lines; *line; line++)
		if (**line)
			selected[g_ascii_strtoull(*line, NULL, 10)] = true;
	return selected;
}

/* Runs all frames, in order. only_calls: as on kernels that allow no linear reads. */
static bool *accept_frames_by(const char *display, enum hook hook, bool whole, bool only_calls,
			      GPtrArray *frames)
{
	const struct ss_emit_options options = {
		link_type_of(hook), access_of(hook), -1, 262144, false, -1, only_calls};
	bool *accepted = g_new0(bool, frames->len + 1);
	g_autofree struct bpf_insn *body = NULL;
	struct ss_filter *filter = NULL;
	struct ss_error error = {0};
	size_t count;
	int fd;

	if (ss_filter_new(display, &filter, &error) < 0)
		g_error("'%s': %s", display, error.message);
	if (whole)
		ss_filter_complete(filter, true);
	g_assert_cmpint(ss_filter_track(filter, &error), ==, 0);
	if (ss_filter_emit(filter, &options, &body, &count, &error) < 0)
		g_error("%s: '%s': %s", hook_names[hook], display, error.message);
	fd = load_for(hook, body, count);
	if (fd < 0)
		g_error("%s: '%s' does not load: %s", hook_names[hook], display, g_strerror(-fd));
	for (guint i = 0; i < frames->len; i++)
		accepted[i + 1] = run(fd, frames->pdata[i]);
	close(fd);
	ss_filter_free(filter);
	return accepted;
}

/* Either way says the same; asked of one of two, for time. */
static bool *accept_frames(const char *display, enum hook hook, bool whole, GPtrArray *frames)
{
	bool *accepted = accept_frames_by(display, hook, whole, false, frames);
	g_autofree bool *called = NULL;

	if (whole != (hook == HOOK_TC))
		return accepted;
	called = accept_frames_by(display, hook, whole, true, frames);
	for (guint i = 1; i <= frames->len; i++)
		if (accepted[i] != called[i])
			g_error("%s: '%s' says of frame %u %u, and by calls %u", hook_names[hook],
				display, i, accepted[i], called[i]);
	return accepted;
}

static void compare(GPtrArray *frames, const char *const *displays, size_t count,
		    const enum hook *hooks, size_t hook_count)
{
	autoscratch folder = scratch_new();
	g_autofree char *path = g_build_filename(folder, "talk.pcap", NULL);

	write_pcap(path, frames);
	for (size_t i = 0; i < count; i++) {
		g_autofree bool *selected = select_frames(path, displays[i], frames->len);

		if (!selected) {
			g_test_skip("needs tshark");
			return;
		}
		for (size_t j = 0; j < hook_count * 2; j++) {
			g_autofree bool *accepted =
				accept_frames(displays[i], hooks[j / 2], j % 2, frames);
			guint wanted = 0, excess = 0;

			for (guint k = 1; k <= frames->len; k++) {
				wanted += selected[k];
				excess += accepted[k] && !selected[k];
				if (selected[k] && !accepted[k])
					g_error("%s: the kernel rejects frame %u, which tshark "
						"selects by '%s'",
						hook_names[hooks[j / 2]], k, displays[i]);
			}
			g_test_message("%s%s: %s: %u of %u selected, %u accepted in excess",
				       hook_names[hooks[j / 2]], j % 2 ? ", whole" : "",
				       displays[i], wanted, frames->len, excess);
		}
	}
}

/* accepted: a digit for each frame. */
static void assert_accepted(const char *display, bool whole, GPtrArray *frames,
			    const char *accepted)
{
	g_autofree bool *found = accept_frames(display, HOOK_TC, whole, frames);
	g_autoptr(GString) digits = g_string_new(NULL);

	for (guint i = 1; i <= frames->len; i++)
		g_string_append_c(digits, found[i] ? '1' : '0');
	g_assert_cmpstr(digits->str, ==, accepted);
}

static void assert_load(const char *const *displays, size_t count)
{
	g_autoptr(GPtrArray) none = g_ptr_array_new();

	for (size_t i = 0; i < count * 2; i++)
		for (enum hook hook = 0; hook < HOOKS; hook++)
			g_free(accept_frames_by(displays[i / 2], hook, i % 2, hook % 2 == i / 2 % 2,
						none));
}

#endif
