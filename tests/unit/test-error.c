/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <glib.h>

#include "log.h"

static void test_sentence(void)
{
	struct ss_error error = {0};

	g_assert_cmpint(ss_fail(&error, -ENOENT, "cannot open '%s'", "x"), ==, -ENOENT);
	g_assert_cmpstr(error.message, ==, "cannot open 'x'");
}

static void test_first_wins(void)
{
	struct ss_error error = {0};

	ss_fail(&error, -ENOENT, "the cause");
	g_assert_cmpint(ss_fail(&error, -EIO, "its consequence"), ==, -EIO);
	g_assert_cmpstr(error.message, ==, "the cause");
}

static void test_null(void)
{
	g_assert_cmpint(ss_fail(NULL, -EINVAL, "nobody listens"), ==, -EINVAL);
}

static void test_long_sentence_is_cut(void)
{
	struct ss_error error = {0};
	g_autofree char *text = g_strnfill(5000, 'x');

	ss_fail(&error, -EINVAL, "%s", text);
	g_assert_cmpuint(strlen(error.message), ==, sizeof(error.message) - 1);
}

static void test_descriptor_closes_itself(void)
{
	int copy;

	{
		ss_autofd int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

		g_assert_cmpint(fd, >=, 0);
		copy = fd;
	}
	g_assert_cmpint(fcntl(copy, F_GETFD), ==, -1);
	g_assert_cmpint(errno, ==, EBADF);
}

static void test_descriptor_handed_over(void)
{
	int copy;

	{
		ss_autofd int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

		copy = g_steal_fd(&fd);
	}
	g_assert_cmpint(fcntl(copy, F_GETFD), !=, -1);
	close(copy);
}

static void remember(enum ss_log_level level, const char *message, void *user_data)
{
	g_string_append_printf(user_data, "%d:%s\n", (int)level, message);
}

static void test_log(void)
{
	g_autoptr(GString) text = g_string_new(NULL);

	ss_log(SS_LOG_WARNING, "before anybody listens");
	ss_log_set_callback(remember, text);
	ss_log(SS_LOG_WARNING, "%d pods", 3);
	ss_log(SS_LOG_DEBUG, "detail");
	ss_log_set_callback(NULL, NULL);
	ss_log(SS_LOG_NOTE, "afterwards");
	g_assert_cmpstr(text->str, ==, "0:3 pods\n2:detail\n");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/error/sentence", test_sentence);
	g_test_add_func("/error/first-sentence-wins", test_first_wins);
	g_test_add_func("/error/nobody-listens", test_null);
	g_test_add_func("/error/long-sentence-is-cut", test_long_sentence_is_cut);
	g_test_add_func("/error/descriptor-closes-itself", test_descriptor_closes_itself);
	g_test_add_func("/error/descriptor-handed-over", test_descriptor_handed_over);
	g_test_add_func("/log/callback", test_log);
	return g_test_run();
}
