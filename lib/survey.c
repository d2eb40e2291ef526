/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Both pipes are served by one poll(2), so that neither side waits for the other. */
#include "survey.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib.h>

#include "output/block.h"
#include "source/replay.h"
#include "tshark.h"

#define PORTION (1u << 20) /* bytes that wait for tshark before more is read */

struct survey {
	struct ss_replay *replay;
	struct ss_tshark tshark;
	GByteArray *input; /* for tshark */
	GString *line;     /* of its answer: one that is not complete */
	bool read_all, ended;
	ss_survey_row row;
	void *user_data;
};

static void take_item(struct survey *survey, const struct ss_replay_item *item)
{
	switch (item->type) {
	case SS_RECORDING_INTERFACE:
		ss_block_interface(survey->input, item->interface);
		break;
	case SS_RECORDING_NAME:
		ss_block_name(survey->input, item->address, item->name);
		break;
	case SS_RECORDING_FRAMES:
		g_byte_array_append(survey->input, item->frames.iov_base,
				    (guint)item->frames.iov_len);
		break;
	case SS_RECORDING_EVENT:
		ss_block_event(survey->input, item->id, item->time_ns, item->info, item->json);
		break;
	case SS_RECORDING_SECRETS:
		ss_block_secrets(survey->input, item->lines);
		break;
	case SS_RECORDING_COUNTERS:
	case SS_RECORDING_END:
		break;
	}
}

static void close_input(struct survey *survey)
{
	if (survey->tshark.to >= 0)
		close(g_steal_fd(&survey->tshark.to));
	g_byte_array_set_size(survey->input, 0);
}

/* Reads on; at the end of the recording, or where it is damaged, tshark has all. */
static void fill(struct survey *survey)
{
	struct ss_replay_item item;

	while (!survey->read_all && survey->input->len < PORTION) {
		if (ss_replay_next(survey->replay, &item, NULL) > 0)
			take_item(survey, &item);
		else
			survey->read_all = true;
	}
	if (!survey->input->len)
		close_input(survey);
}

static void feed(struct survey *survey)
{
	ssize_t length = write(survey->tshark.to, survey->input->data, survey->input->len);

	if (length > 0)
		g_byte_array_remove_range(survey->input, 0, (guint)length);
	else if (length < 0 && errno != EAGAIN && errno != EINTR)
		close_input(survey); /* it has ended: its status says why */
}

static void take_line(struct survey *survey)
{
	g_auto(GStrv) columns = g_strsplit(survey->line->str, "\t", -1);

	if (columns[0])
		survey->row(g_ascii_strtoull(columns[0], NULL, 10), columns, survey->user_data);
	g_string_truncate(survey->line, 0);
}

static void hear(struct survey *survey)
{
	char buffer[16384];
	ssize_t length = read(survey->tshark.from, buffer, sizeof(buffer));

	for (ssize_t i = 0; i < length; i++) {
		if (buffer[i] == '\n')
			take_line(survey);
		else
			g_string_append_c(survey->line, buffer[i]);
	}
	survey->ended = length == 0 || (length < 0 && errno != EAGAIN && errno != EINTR);
}

static void converse(struct survey *survey)
{
	while (!survey->ended) {
		struct pollfd ready[2];

		if (survey->tshark.to >= 0)
			fill(survey);
		ready[0] = (struct pollfd){.fd = survey->tshark.from, .events = POLLIN};
		ready[1] = (struct pollfd){.fd = survey->tshark.to, .events = POLLOUT};
		if (poll(ready, G_N_ELEMENTS(ready), -1) < 0)
			continue;
		if (ready[1].revents)
			feed(survey);
		if (ready[0].revents)
			hear(survey);
	}
}

static int start(struct survey *survey, const char *filter, const char *const *fields,
		 struct ss_error *error)
{
	g_autoptr(GPtrArray) arguments = g_ptr_array_new();
	static const char *const words[] = {"-r", "-", "-n", "-T", "fields", "-e", "frame.number"};
	int r;

	for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
		g_ptr_array_add(arguments, (gpointer)(uintptr_t)words[i]);
	for (; *fields; fields++) {
		g_ptr_array_add(arguments, (gpointer)(uintptr_t) "-e");
		g_ptr_array_add(arguments, (gpointer)(uintptr_t)*fields);
	}
	g_ptr_array_add(arguments, (gpointer)(uintptr_t) "-Y");
	g_ptr_array_add(arguments, (gpointer)(uintptr_t)filter);
	g_ptr_array_add(arguments, NULL);
	r = ss_tshark_start((const char *const *)arguments->pdata, true, "this filter is decided",
			    &survey->tshark, error);
	if (r < 0)
		return r;
	fcntl(survey->tshark.to, F_SETFL, O_NONBLOCK);
	fcntl(survey->tshark.from, F_SETFL, O_NONBLOCK);
	ss_block_section(survey->input);
	return 0;
}

static int finish(struct survey *survey, struct ss_error *error)
{
	int status = 0;

	close_input(survey);
	close(survey->tshark.from);
	while (waitpid(survey->tshark.pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return ss_fail(error, -ECHILD,
		       "tshark, which decides the filter, failed: try without --filter");
}

static int open_recording(const char *path, struct ss_replay **ret_replay, struct ss_error *error)
{
	struct stat status;

	if (stat(path, &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode))
		return ss_fail(error, -EINVAL,
			       "a recording is read twice for a display filter, and '%s' is no "
			       "file: store it in one",
			       path);
	return ss_replay_new(path, ret_replay, error);
}

int ss_survey_run(const char *recording, const char *filter, const char *const *fields,
		  ss_survey_row row, void *user_data, struct ss_error *error)
{
	struct survey survey = {.row = row, .user_data = user_data};
	int r = open_recording(recording, &survey.replay, error);

	if (r < 0)
		return r;
	survey.input = g_byte_array_new();
	survey.line = g_string_new(NULL);
	r = start(&survey, filter, fields, error);
	if (r == 0) {
		converse(&survey);
		r = finish(&survey, error);
	}
	ss_replay_free(survey.replay);
	g_byte_array_unref(survey.input);
	g_string_free(survey.line, TRUE);
	return r;
}
