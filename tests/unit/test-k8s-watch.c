/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pods that come, change and go: the log and cgroup folders are files, the processes are real. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "k8s-tree.h"
#include "k8s/watch.h"

#define WAIT_MS 10000 /* for an event that comes at once unless something is broken */

struct fixture {
	struct tree tree;
	struct ss_node *node;
	struct ss_pod_watch *watch;
	GString *seen; /* "added:api:100 " */
	pid_t child;
};

static void note(enum ss_pod_change change, const struct ss_pod *pod, void *user_data)
{
	static const char *const names[] = {"added", "changed", "removed"};
	struct fixture *fixture = user_data;

	g_string_append_printf(fixture->seen, "%s:%s ", names[change], pod->name);
}

static void setup(struct fixture *fixture)
{
	tree_init(&fixture->tree);
	tree_file(&fixture->tree, "cgroup/cgroup.controllers", "");
	g_free(tree_directory(&fixture->tree, "cgroup/kubepods/besteffort"));
	fixture->node = ss_node_new(&fixture->tree.paths);
	fixture->seen = g_string_new(NULL);
	fixture->watch = ss_pod_watch_new(fixture->node, note, fixture);
	fixture->child = fork();
	if (fixture->child == 0) {
		pause();
		_exit(0);
	}
}

static void teardown(struct fixture *fixture)
{
	ss_pod_watch_free(fixture->watch);
	ss_node_free(fixture->node);
	g_string_free(fixture->seen, TRUE);
	if (fixture->child) {
		kill(fixture->child, SIGKILL);
		waitpid(fixture->child, NULL, 0);
	}
	tree_deinit(&fixture->tree);
}

static void dispatch(struct fixture *fixture)
{
	struct ss_error error = {};

	g_assert_cmpint(ss_pod_watch_dispatch(fixture->watch, &error), ==, 0);
	g_assert_cmpstr(error.message, ==, "");
}

static void wait_for_event(struct fixture *fixture)
{
	struct pollfd poll_fd = {.fd = ss_pod_watch_fd(fixture->watch), .events = POLLIN};

	g_assert_cmpint(poll(&poll_fd, 1, WAIT_MS), ==, 1);
	dispatch(fixture);
}

/* As an event loop does it, until the text was seen. */
static void loop_until(struct fixture *fixture, const char *seen)
{
	gint64 end = g_get_monotonic_time() + WAIT_MS * 1000;

	while (strcmp(fixture->seen->str, seen) && g_get_monotonic_time() < end) {
		struct pollfd poll_fd = {.fd = ss_pod_watch_fd(fixture->watch), .events = POLLIN};

		g_assert_cmpint(poll(&poll_fd, 1, ss_pod_watch_next_ms(fixture->watch)), >=, 0);
		dispatch(fixture);
	}
	g_assert_cmpstr(fixture->seen->str, ==, seen);
}

static void start_process(struct fixture *fixture)
{
	g_autofree char *pid = g_strdup_printf("%d", (int)fixture->child);
	g_autofree char *line = g_strconcat(pid, "\n", NULL);

	tree_process(&fixture->tree, pid, "pause", 'S', 500, 2000);
	tree_file(&fixture->tree, "cgroup/kubepods/besteffort/pod" UID_A "/" ID_1 "/cgroup.procs",
		  line);
}

static void end_process(struct fixture *fixture)
{
	g_autofree char *folder = g_strdup_printf("proc/%d", (int)fixture->child);

	tree_remove(&fixture->tree, folder);
	kill(fixture->child, SIGKILL);
	waitpid(fixture->child, NULL, 0);
	fixture->child = 0;
}

static void make_log(struct fixture *fixture)
{
	g_free(tree_directory(&fixture->tree, "pods/production_api_" UID_A));
}

static void test_first_dispatch_adds_what_lives(struct fixture *fixture)
{
	make_log(fixture);
	start_process(fixture);
	g_assert_cmpint(ss_pod_watch_next_ms(fixture->watch), ==, 0);
	dispatch(fixture);
	g_assert_cmpstr(fixture->seen->str, ==, "added:api ");
	dispatch(fixture);
	g_assert_cmpstr(fixture->seen->str, ==, "added:api ");
}

static void test_pod_without_process_is_awaited(struct fixture *fixture)
{
	dispatch(fixture);
	g_assert_cmpint(ss_pod_watch_next_ms(fixture->watch), >, 500);
	make_log(fixture);
	wait_for_event(fixture);
	g_assert_cmpstr(fixture->seen->str, ==, "");
	g_assert_cmpint(ss_pod_watch_next_ms(fixture->watch), <=, 20);
	start_process(fixture);
	loop_until(fixture, "added:api ");
	g_assert_cmpint(ss_pod_watch_next_ms(fixture->watch), >, 20);
}

static void test_ended_long_ago_is_not_awaited(struct fixture *fixture)
{
	g_autofree char *folder = tree_directory(&fixture->tree, "pods/production_api_" UID_A);
	struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};

	g_assert_cmpint(utimensat(AT_FDCWD, folder, times, 0), ==, 0);
	dispatch(fixture);
	g_assert_cmpint(ss_pod_watch_next_ms(fixture->watch), >, 500);
}

static void test_end_of_the_process_is_an_event(struct fixture *fixture)
{
	make_log(fixture);
	start_process(fixture);
	dispatch(fixture);
	end_process(fixture);
	wait_for_event(fixture);
	g_assert_cmpstr(fixture->seen->str, ==, "added:api removed:api ");
}

static void test_descriptor_is_silent_after_the_end(struct fixture *fixture)
{
	struct pollfd poll_fd = {.events = POLLIN};

	make_log(fixture);
	start_process(fixture);
	dispatch(fixture);
	end_process(fixture);
	wait_for_event(fixture);
	dispatch(fixture);
	poll_fd.fd = ss_pod_watch_fd(fixture->watch);
	g_assert_cmpint(poll(&poll_fd, 1, 0), ==, 0);
}

static void test_new_container_changes_the_pod(struct fixture *fixture)
{
	make_log(fixture);
	start_process(fixture);
	dispatch(fixture);
	tree_link(&fixture->tree, "containers/api_production_web-" ID_2 ".log",
		  "/var/log/pods/production_api_" UID_A "/web/0.log");
	wait_for_event(fixture);
	g_assert_cmpstr(fixture->seen->str, ==, "added:api changed:api ");
}

static void test_deleted_log_removes_the_pod(struct fixture *fixture)
{
	make_log(fixture);
	start_process(fixture);
	dispatch(fixture);
	tree_remove(&fixture->tree, "pods/production_api_" UID_A);
	wait_for_event(fixture);
	g_assert_cmpstr(fixture->seen->str, ==, "added:api removed:api ");
}

static void run_with_watch(gconstpointer data)
{
	void (*const *run)(struct fixture * fixture) = data;
	struct fixture fixture = {};

	setup(&fixture);
	(*run)(&fixture);
	teardown(&fixture);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(struct fixture *fixture);
	} tests[] = {
		{"/watch/first-dispatch-adds-what-lives", test_first_dispatch_adds_what_lives},
		{"/watch/pod-without-process-is-awaited", test_pod_without_process_is_awaited},
		{"/watch/ended-long-ago-is-not-awaited", test_ended_long_ago_is_not_awaited},
		{"/watch/end-of-the-process-is-an-event", test_end_of_the_process_is_an_event},
		{"/watch/descriptor-is-silent-after-the-end",
		 test_descriptor_is_silent_after_the_end},
		{"/watch/new-container-changes-the-pod", test_new_container_changes_the_pod},
		{"/watch/deleted-log-removes-the-pod", test_deleted_log_removes_the_pod},
	};

	g_test_init(&argc, &argv, NULL);
	for (size_t i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add_data_func(tests[i].name, &tests[i].run, run_with_watch);
	return g_test_run();
}
