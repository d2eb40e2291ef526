/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Children are forked and executed here, with pipes and without capabilities. A filter is checked
 * by letting tshark read a capture without packets with it.
 */
#include "tshark.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>

#include <glib.h>

#include "format/pcapng.h"
#include "output/block.h"
#include "privilege.h"

#define SUGGESTIONS_MAX 3
#define ANSWER_MAX      65536 /* of what it says about a filter */

/* In the child. errors: where it complains, -1: nowhere if it would only complain about root. */
static void become_tshark(const char *const *arguments, int in, int out, int errors)
{
	g_autoptr(GPtrArray) argv = g_ptr_array_new();
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	g_ptr_array_add(argv, (gpointer)(uintptr_t) "tshark");
	for (; *arguments; arguments++)
		g_ptr_array_add(argv, (gpointer)(uintptr_t)*arguments);
	g_ptr_array_add(argv, NULL);
	dup2(in, STDIN_FILENO);
	if (out >= 0)
		dup2(out, STDOUT_FILENO);
	/* "Running as user root": with no capability it is not. */
	if (errors >= 0)
		dup2(errors, STDERR_FILENO);
	else if (null >= 0 && (geteuid() == 0 || out >= 0))
		dup2(null, STDERR_FILENO);
	signal(SIGINT, SIG_IGN); /* Ctrl-C ends the capture; tshark ends when it has read all */
	signal(SIGPIPE, SIG_DFL);
	ss_privilege_drop_for_exec();
	execvp("tshark", (char *const *)argv->pdata);
	_exit(127);
}

static int find(const char *purpose, struct ss_error *error)
{
	g_autofree char *program = g_find_program_in_path("tshark");

	if (program)
		return 0;
	return ss_fail(error, -ENOENT,
		       "%s through tshark, which is not installed: sudo apt-get install tshark",
		       purpose);
}

static int make_pipe(int *ret_reader, int *ret_writer, struct ss_error *error)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return ss_fail(error, -errno, "cannot make a pipe: %s", g_strerror(errno));
	*ret_reader = ends[0];
	*ret_writer = ends[1];
	return 0;
}

int ss_tshark_start(const char *const *arguments, bool piped, const char *purpose,
		    struct ss_tshark *ret, struct ss_error *error)
{
	ss_autofd int in_reader = -1, in_writer = -1, out_reader = -1, out_writer = -1;
	pid_t pid;
	int r = find(purpose, error);

	if (r == 0)
		r = make_pipe(&in_reader, &in_writer, error);
	if (r == 0 && piped)
		r = make_pipe(&out_reader, &out_writer, error);
	if (r < 0)
		return r;
	pid = fork();
	if (pid < 0)
		return ss_fail(error, -errno, "cannot start tshark: %s", g_strerror(errno));
	if (pid == 0)
		become_tshark(arguments, in_reader, out_writer, -1);
	*ret = (struct ss_tshark){
		.pid = pid,
		.to = g_steal_fd(&in_writer),
		.from = g_steal_fd(&out_reader),
	};
	return 0;
}

void ss_tshark_wait(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* --- Checks --- */

/* What tshark says with these arguments, reading input; on its standard output or error. */
static char *ask(const char *const *arguments, const GByteArray *input, bool errors, size_t most)
{
	ss_autofd int in_reader = -1, in_writer = -1, out_reader = -1, out_writer = -1;
	ss_autofd int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	GString *answer = g_string_new(NULL);
	char buffer[4096];
	ssize_t length;
	pid_t pid;

	if (make_pipe(&in_reader, &in_writer, NULL) < 0 ||
	    make_pipe(&out_reader, &out_writer, NULL) < 0)
		return g_string_free(answer, FALSE);
	pid = fork();
	if (pid == 0)
		become_tshark(arguments, in_reader, errors ? null : out_writer,
			      errors ? out_writer : null);
	close(g_steal_fd(&out_writer));
	close(g_steal_fd(&in_reader));
	/* Less than a pipe holds; if tshark ended before it, SIGPIPE is ignored or ours. */
	if (pid > 0 && input->len)
		(void)!write(in_writer, input->data, input->len);
	close(g_steal_fd(&in_writer));
	while ((length = read(out_reader, buffer, sizeof(buffer))) > 0 ||
	       (length < 0 && errno == EINTR))
		if (length > 0 && answer->len < most)
			g_string_append_len(answer, buffer, length);
	if (pid > 0)
		ss_tshark_wait(pid);
	return g_string_free(answer, FALSE);
}

/* Of the words that tshark says about the filter: "MESSAGE", without its name and warnings. */
static char *find_complaint(const char *answer)
{
	g_auto(GStrv) lines = g_strsplit(answer, "\n", -1);
	GString *complaint = g_string_new(NULL);

	for (int i = 0; lines[i]; i++) {
		if (!g_str_has_prefix(lines[i], "tshark: ") || strstr(lines[i], "warning") ||
		    strstr(lines[i], "Running as"))
			continue;
		g_string_append(complaint, lines[i] + strlen("tshark: "));
		/* The filter, and what in it. */
		for (int j = i + 1; lines[j] && lines[j][0] == ' '; j++)
			g_string_append_printf(complaint, "\n%s", lines[j]);
		break;
	}
	return g_string_free(complaint, FALSE);
}

/* Edits between two names; more than most is most + 1. */
static unsigned distance(const char *a, const char *b, unsigned most)
{
	size_t length = strlen(b), rows = strlen(a);
	g_autofree unsigned *row = g_new(unsigned, length + 1);

	if (MAX(length, rows) - MIN(length, rows) > most)
		return most + 1;
	for (size_t j = 0; j <= length; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= rows; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= length; j++) {
			unsigned above = row[j];

			row[j] = MIN(MIN(above, row[j - 1]) + 1, diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[length];
}

/* The names of all fields and protocols that Wireshark has, as the keys. */
static GHashTable *all_names(void)
{
	static const char *const arguments[] = {"-G", "fields", NULL};
	g_autoptr(GByteArray) nothing = g_byte_array_new();
	g_autofree char *answer = ask(arguments, nothing, false, SIZE_MAX);
	GHashTable *names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

	for (char *line = answer, *end; (end = strchr(line, '\n')); line = end + 1) {
		g_auto(GStrv) columns = NULL;

		*end = '\0';
		columns = g_strsplit(line, "\t", 4);
		if (g_strv_length(columns) >= 3)
			g_hash_table_add(names, g_strdup(columns[2]));
	}
	return names;
}

/* "; did you mean X or Y?" for those of the names that are unknown. g_free(). */
static char *suggest(const char *const *names)
{
	g_autoptr(GHashTable) known = all_names();
	g_autoptr(GPtrArray) near = g_ptr_array_new();
	GString *text = g_string_new(NULL);

	for (; *names && g_hash_table_size(known); names++) {
		unsigned least = MAX((unsigned)strlen(*names) / 3, 1);
		GHashTableIter iter;
		gpointer name;

		if (g_hash_table_contains(known, *names))
			continue;
		g_ptr_array_set_size(near, 0);
		g_hash_table_iter_init(&iter, known);
		while (g_hash_table_iter_next(&iter, &name, NULL)) {
			unsigned edits = distance(*names, name, least);

			if (edits > least)
				continue;
			if (edits < least)
				g_ptr_array_set_size(near, 0);
			least = edits;
			g_ptr_array_add(near, name);
		}
		for (guint i = 0; i < MIN(near->len, SUGGESTIONS_MAX); i++)
			g_string_append_printf(text, "%s%s",
					       i           ? " or "
					       : text->len ? "; "
							   : "; did you mean ",
					       (const char *)near->pdata[i]);
	}
	if (text->len)
		g_string_append_c(text, '?');
	return g_string_free(text, FALSE);
}

int ss_tshark_check(const char *filter, const char *const *names, struct ss_error *error)
{
	const char *arguments[] = {"-r", "-", "-n", "-Y", filter, NULL};
	struct ss_interface *interface = ss_interface_new("none", SS_LINKTYPE_ETHERNET);
	g_autoptr(GByteArray) capture = g_byte_array_new();
	g_autofree char *answer = NULL, *complaint = NULL, *suggestion = NULL;
	char *rest;
	int r = find("this filter is decided", error);

	ss_block_section(capture);
	ss_block_interface(capture, interface);
	ss_interface_free(interface);
	if (r < 0)
		return r;
	answer = ask(arguments, capture, true, ANSWER_MAX);
	complaint = find_complaint(answer);
	if (!*complaint)
		return 0;
	suggestion = suggest(names);
	rest = strchr(complaint, '\n');
	if (rest)
		*rest++ = '\0';
	if (*suggestion && g_str_has_suffix(complaint, "."))
		complaint[strlen(complaint) - 1] = '\0';
	return ss_fail(error, -EINVAL, "cannot parse display filter '%.200s': %s%s%s%s", filter,
		       complaint, suggestion, rest ? "\n" : "", rest ? rest : "");
}
