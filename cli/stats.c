/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "stats": what tshark's statistics say about a capture, with our plugin's names in it. tshark runs
 * as a child, without any capability, and reads the file twice: so a description that stands behind
 * a frame counts for it as well.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "commands.h"

static const struct {
	unsigned statistic; /* SS_STATISTIC_* */
	const char *tap;
	bool plugin; /* ours */
} rows[] = {
	{SS_STATISTIC_HIERARCHY, "io,phs", false},
	{SS_STATISTIC_FLOWS, "stratoshark,flows", true},
	{SS_STATISTIC_PODS, "stratoshark,tree", true},
	{SS_STATISTIC_CONVERSATIONS, "conv,stratoshark", true},
};

static void drop(gpointer data)
{
	(void)data;
	ss_privilege_drop_for_exec();
}

/* Its standard output is ours, or *ret_output; what it complains about is *ret_errors. */
static int run_tshark(GPtrArray *argv, char **ret_output, char **ret_errors, int *ret_status,
		      struct ss_error *error)
{
	g_autoptr(GError) reason = NULL;

	g_ptr_array_add(argv, NULL);
	if (g_spawn_sync(NULL, (char **)argv->pdata, NULL, G_SPAWN_SEARCH_PATH, drop, NULL,
			 ret_output, ret_errors, ret_status, &reason))
		return 0;
	if (g_error_matches(reason, G_SPAWN_ERROR, G_SPAWN_ERROR_NOENT))
		return ss_fail(error, -ENOENT,
			       "statistics are made by tshark, which is not installed: sudo "
			       "apt-get install tshark");
	return ss_fail(error, -EIO, "cannot run tshark: %s", reason->message);
}

static GPtrArray *command(const char *first, ...)
{
	GPtrArray *argv = g_ptr_array_new();
	va_list words;

	va_start(words, first);
	for (const char *word = first; word; word = va_arg(words, const char *))
		g_ptr_array_add(argv, (gpointer)(uintptr_t)word);
	va_end(words);
	return argv;
}

/* tshark names what it knows; a statistic of a plugin that is not there is a usage error to it. */
static int check_plugin(struct ss_error *error)
{
	g_autoptr(GPtrArray) argv = command("tshark", "-G", "plugins", NULL);
	g_autofree char *output = NULL, *errors = NULL;
	int status, r = run_tshark(argv, &output, &errors, &status, error);

	if (r < 0)
		return r;
	if (strstr(output, "stratoshark.so"))
		return 0;
	return ss_fail(error, -ENOENT,
		       "this statistic is made by the StratoShark plugin, which tshark does not "
		       "load: install it (cmake --install) for the version of Wireshark that you "
		       "have; 'tshark -G plugins' lists what it loads%s",
		       geteuid() == 0 ? ", for root only what is installed for all" : "");
}

/* The line that says what is wrong, without the program's name. */
static const char *complaint(char *errors)
{
	char *line = NULL, *rest = NULL;

	for (char *one = strtok_r(errors, "\n", &rest); one; one = strtok_r(NULL, "\n", &rest)) {
		if (!strstr(one, "Running as user \"root\""))
			line = one;
	}
	if (line && g_str_has_prefix(line, "tshark: "))
		line += strlen("tshark: ");
	return line;
}

static int make(const struct ss_options *options, const char *path, struct ss_error *error)
{
	g_autoptr(GPtrArray) argv =
		command("tshark", "-2", "-q", "-N", "n", "-o",
			"nameres.use_external_name_resolver:FALSE", "-r", path, NULL);
	g_autofree char *errors = NULL;
	const char *reason;
	int status, r;

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		if (!(options->statistics & rows[i].statistic))
			continue;
		g_ptr_array_add(argv, (gpointer)(uintptr_t) "-z");
		g_ptr_array_add(argv, (gpointer)(uintptr_t)rows[i].tap);
	}
	fflush(stdout);
	r = run_tshark(argv, NULL, &errors, &status, error);
	if (r < 0)
		return r;
	reason = complaint(errors);
	if (!WIFEXITED(status))
		return ss_fail(error, -EIO, "tshark ended by signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status) != 0 || reason)
		return ss_fail(error, -EBADMSG, "'%s' can't be read to its end: %s", path,
			       reason ? reason : "tshark does not say why");
	return 0;
}

int command_stats(struct ss_options *options, struct ss_error *error)
{
	g_autofree char *path = NULL;
	bool plugin = false;
	int fd, r;

	if (options->arguments->len != 1)
		return ss_fail(error, -EINVAL,
			       "stats takes one capture file: '" PROGRAM_NAME
			       " stats api.pcapng --flows'");
	/* What begins with "-" would be an option of tshark. */
	path = g_canonicalize_filename(options->arguments->pdata[0], NULL);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return ss_fail(error, errno == ENOENT ? -ENOENT : -EACCES, "cannot read '%s': %s",
			       path, g_strerror(errno));
	close(fd);
	if (!options->statistics)
		options->statistics = SS_STATISTIC_FLOWS | SS_STATISTIC_PODS;
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
		plugin |= rows[i].plugin && options->statistics & rows[i].statistic;
	r = plugin ? check_plugin(error) : 0;
	return r < 0 ? r : make(options, path, error);
}
