/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scans of nodes made of files: drivers, runtimes, hybrids, restarts, missing rights. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "k8s-tree.h"

#define POD_A "cgroup/kubepods/besteffort/pod" UID_A
#define TRIE  "|-- 10.244.0.7\n   /32 host LOCAL\n"

static GPtrArray *scan(struct tree *tree)
{
	struct ss_node *node = ss_node_new(&tree->paths);
	struct ss_error error = {};
	GPtrArray *pods = NULL;

	g_assert_cmpint(ss_node_scan(node, &pods, &error), ==, 0);
	g_assert_cmpstr(error.message, ==, "");
	ss_node_free(node);
	return pods;
}

/* pause 100 in ID_1, web 200 in ID_2 */
static void make_pod_a(struct tree *tree)
{
	tree_file(tree, "cgroup/cgroup.controllers", "");
	tree_log(tree, "production", "api", UID_A, "web", ID_2, 0);
	tree_file(tree, POD_A "/cgroup.procs", "");
	tree_file(tree, POD_A "/" ID_1 "/cgroup.procs", "100\n");
	tree_file(tree, POD_A "/" ID_2 "/cgroup.procs", "200\n201\n");
	tree_process(tree, "100", "pause", 'S', 500, 2000);
	tree_file(tree, "proc/100/net/fib_trie", TRIE);
	tree_process(tree, "200", "nginx", 'S', 600, 2000);
	tree_process(tree, "201", "nginx", 'S', 601, 2000);
}

static void test_sandbox(struct tree *tree)
{
	g_autofree char *directory = g_build_filename(tree->root, POD_A, NULL);
	g_autoptr(GPtrArray) pods = NULL;
	const struct ss_container *container;
	const struct ss_pod *pod;
	struct stat status;

	make_pod_a(tree);
	tree_file(tree, "run/containerd/containerd.sock", "");
	pods = scan(tree);
	g_assert_cmpuint(pods->len, ==, 1);
	pod = pods->pdata[0];
	g_assert_cmpstr(pod->namespace, ==, "production");
	g_assert_cmpstr(pod->name, ==, "api");
	g_assert_cmpstr(pod->uid, ==, UID_A);
	g_assert_cmpstr(pod->runtime, ==, "containerd");
	g_assert_cmpint(pod->pid, ==, 100);
	g_assert_cmpuint(pod->pid_start, ==, 500);
	g_assert_false(pod->host_network);
	g_assert_cmpuint(pod->netns_inode, ==, 2000);
	g_assert_cmpstr(pod->cgroup_path, ==, directory);
	g_assert_cmpint(stat(directory, &status), ==, 0);
	g_assert_cmpuint(pod->cgroup_id, ==, status.st_ino);
	g_assert_cmpuint(pod->addresses->len, ==, 1);
	g_assert_cmpstr(pod->addresses->pdata[0], ==, "10.244.0.7");
	g_assert_cmpuint(pod->containers->len, ==, 1);
	container = pod->containers->pdata[0];
	g_assert_cmpstr(container->name, ==, "web");
	g_assert_cmpstr(container->id, ==, ID_2);
}

static void test_parent_tells_the_runtime(struct tree *tree)
{
	static const char *const parents[][2] = {
		{"conmon\n", "cri-o"},
		{"containerd-shim\n", "containerd"},
		{"systemd\n", "containerd"},
	};

	make_pod_a(tree);
	tree_file(tree, "run/containerd/containerd.sock", "");
	for (size_t i = 0; i < G_N_ELEMENTS(parents); i++) {
		g_autoptr(GPtrArray) pods = NULL;

		tree_file(tree, "proc/1/comm", parents[i][0]);
		pods = scan(tree);
		g_assert_cmpstr(((struct ss_pod *)pods->pdata[0])->runtime, ==, parents[i][1]);
	}
}

static void test_only_names(struct tree *tree)
{
	struct ss_node *node = ss_node_new(&tree->paths);
	g_autoptr(GPtrArray) pods = NULL;
	const struct ss_pod *pod;

	make_pod_a(tree);
	ss_node_only_names(node);
	g_assert_cmpint(ss_node_scan(node, &pods, NULL), ==, 0);
	g_assert_cmpuint(pods->len, ==, 1);
	pod = pods->pdata[0];
	g_assert_cmpstr(pod->name, ==, "api");
	g_assert_cmpint(pod->pid, ==, 0);
	g_assert_cmpuint(pod->containers->len, ==, 1);
	g_assert_false(ss_node_is_settling(node));
	ss_node_free(node);
}

static void test_no_sandbox_takes_the_oldest(struct tree *tree)
{
	g_autoptr(GPtrArray) pods = NULL;

	make_pod_a(tree);
	tree_remove(tree, POD_A "/" ID_1);
	pods = scan(tree);
	g_assert_cmpint(((struct ss_pod *)pods->pdata[0])->pid, ==, 200);
}

static void test_ended_processes_do_not_count(struct tree *tree)
{
	g_autoptr(GPtrArray) pods = NULL;
	const struct ss_pod *pod;

	make_pod_a(tree);
	tree_process(tree, "100", "pause", 'Z', 500, 0);
	tree_remove(tree, "proc/200");
	tree_process(tree, "201", "nginx", 'X', 601, 0);
	pods = scan(tree);
	pod = pods->pdata[0];
	g_assert_cmpint(pod->pid, ==, 0);
	g_assert_cmpuint(pod->pid_start, ==, 0);
	g_assert_cmpuint(pod->addresses->len, ==, 0);
	g_assert_cmpuint(pod->containers->len, ==, 1);
}

static void test_systemd_driver(struct tree *tree)
{
#define SLICE                                                                                      \
	"cgroup/kubepods.slice/kubepods-burstable.slice/"                                          \
	"kubepods-burstable-pod0f3a1c52_7d0e_4b7e_9c1a_2f6b8e4d5a10.slice"
	g_autoptr(GPtrArray) pods = NULL;
	const struct ss_pod *pod;

	tree_file(tree, "cgroup/cgroup.controllers", "");
	tree_log(tree, "production", "api", UID_A, "web", ID_2, 0);
	tree_file(tree, SLICE "/crio-conmon-" ID_2 ".scope/cgroup.procs", "50\n");
	tree_file(tree, SLICE "/crio-" ID_2 ".scope/cgroup.procs", "");
	tree_file(tree, SLICE "/crio-" ID_2 ".scope/container/cgroup.procs", "200\n");
	tree_process(tree, "50", "conmon", 'S', 100, 1000);
	tree_process(tree, "200", "nginx", 'S', 600, 2000);
	pods = scan(tree);
	pod = pods->pdata[0];
	g_assert_cmpint(pod->pid, ==, 200);
	g_assert_cmpstr(pod->runtime, ==, "cri-o");
	g_assert_true(g_str_has_suffix(pod->cgroup_path, "2f6b8e4d5a10.slice"));
}

static void test_hybrid(struct tree *tree)
{
	g_autoptr(GPtrArray) pods = NULL;
	const struct ss_pod *pod;

	make_pod_a(tree);
	tree_remove(tree, "cgroup/cgroup.controllers");
	tree_file(tree, "cgroup/unified/kubepods/besteffort/pod" UID_A "/cgroup.procs", "");
	tree_file(tree, "cgroup/pids/kubepods/besteffort/pod" UID_A "/" ID_1 "/cgroup.procs",
		  "100\n");
	pods = scan(tree);
	pod = pods->pdata[0];
	g_assert_cmpint(pod->pid, ==, 100);
	g_assert_true(
		g_str_has_suffix(pod->cgroup_path, "cgroup/unified/kubepods/besteffort/pod" UID_A));
}

static void test_processes_when_there_is_no_tree(struct tree *tree)
{
	g_autoptr(GPtrArray) pods = NULL;
	const struct ss_pod *pod;

	make_pod_a(tree);
	tree_remove(tree, "cgroup");
	tree_file(tree, "proc/100/cgroup", "0::/../../pod" UID_A "/" ID_1 "\n");
	tree_file(tree, "proc/200/cgroup", "0::/../../pod" UID_A "/" ID_2 "\n");
	tree_file(tree, "proc/self/cgroup", "0::/\n");
	pods = scan(tree);
	pod = pods->pdata[0];
	g_assert_cmpint(pod->pid, ==, 100);
	g_assert_null(pod->cgroup_path);
}

static void test_host_network(struct tree *tree)
{
	g_autoptr(GPtrArray) pods = NULL;
	const struct ss_pod *pod;

	make_pod_a(tree);
	tree_remove(tree, "proc/100");
	tree_process(tree, "100", "pause", 'S', 500, 1000);
	tree_file(tree, "proc/100/net/fib_trie", TRIE);
	pods = scan(tree);
	pod = pods->pdata[0];
	g_assert_true(pod->host_network);
	g_assert_cmpuint(pod->netns_inode, ==, 1000);
	g_assert_cmpuint(pod->addresses->len, ==, 0);
}

static void test_host_network_without_rights(struct tree *tree)
{
	g_autofree char *own = g_build_filename(tree->root, "proc/self/net/dev", NULL);
	g_autofree char *same = g_build_filename(tree->root, "proc/100/net/dev", NULL);
	g_autoptr(GPtrArray) pods = NULL, others = NULL;
	const struct ss_pod *pod;

	make_pod_a(tree);
	tree_remove(tree, "proc/100/ns");
	tree_file(tree, "proc/100/net/dev", "");
	pods = scan(tree);
	pod = pods->pdata[0];
	g_assert_cmpint(pod->pid, ==, 100);
	g_assert_false(pod->host_network);
	g_assert_cmpuint(pod->netns_inode, ==, 0);
	g_assert_cmpint(unlink(same), ==, 0);
	g_assert_cmpint(link(own, same), ==, 0);
	others = scan(tree);
	pod = others->pdata[0];
	g_assert_true(pod->host_network);
}

/* A process of the runtime is in the cgroup before it is in the pod's namespaces. */
static void test_young_process_in_the_host_is_not_believed(struct tree *tree)
{
	struct ss_node *node = ss_node_new(&tree->paths);
	g_autoptr(GPtrArray) pods = NULL;
	struct timespec now;
	unsigned ticks;

	clock_gettime(CLOCK_BOOTTIME, &now);
	ticks = (unsigned)(now.tv_sec * sysconf(_SC_CLK_TCK)) + 1000;
	make_pod_a(tree);
	tree_remove(tree, "proc/100");
	tree_process(tree, "100", "runc", 'S', ticks, 1000);
	g_assert_cmpint(ss_node_scan(node, &pods, NULL), ==, 0);
	g_assert_cmpint(((struct ss_pod *)pods->pdata[0])->pid, ==, 0);
	g_assert_true(ss_node_is_settling(node));
	ss_node_free(node);
}

static void test_stage_of_runtime_is_passed_over_while_young(struct tree *tree)
{
	g_autoptr(GPtrArray) pods = NULL, later = NULL;
	struct timespec now;
	unsigned ticks;

	clock_gettime(CLOCK_BOOTTIME, &now);
	ticks = (unsigned)(now.tv_sec * sysconf(_SC_CLK_TCK)) + 1000;
	make_pod_a(tree);
	tree_process(tree, "100", "runc:[1:CHILD]", 'S', ticks, 0);
	pods = scan(tree);
	g_assert_cmpint(((struct ss_pod *)pods->pdata[0])->pid, ==, 200);
	/* anybody may use that name */
	tree_process(tree, "100", "runc:[1:CHILD]", 'S', 1, 0);
	later = scan(tree);
	g_assert_cmpint(((struct ss_pod *)later->pdata[0])->pid, ==, 100);
}

static void test_restarted_pod_the_living_wins(struct tree *tree)
{
	g_autoptr(GPtrArray) pods = NULL;

	make_pod_a(tree);
	g_free(tree_directory(tree, "pods/production_api_" UID_B));
	pods = scan(tree);
	g_assert_cmpuint(pods->len, ==, 1);
	g_assert_cmpstr(((struct ss_pod *)pods->pdata[0])->uid, ==, UID_A);
}

static void test_restarted_pod_the_newest_wins(struct tree *tree)
{
	g_autofree char *old = tree_directory(tree, "pods/production_api_" UID_A);
	g_autofree char *new = tree_directory(tree, "pods/production_api_" UID_B);
	struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	g_autoptr(GPtrArray) pods = NULL;

	g_assert_cmpint(utimensat(AT_FDCWD, old, times, 0), ==, 0);
	times[0].tv_sec = times[1].tv_sec = 2000;
	g_assert_cmpint(utimensat(AT_FDCWD, new, times, 0), ==, 0);
	pods = scan(tree);
	g_assert_cmpuint(pods->len, ==, 1);
	g_assert_cmpstr(((struct ss_pod *)pods->pdata[0])->uid, ==, UID_B);
}

static void test_restarted_container_the_running_id(struct tree *tree)
{
	g_autoptr(GPtrArray) pods = NULL;
	const struct ss_pod *pod;
	const struct ss_container *container;

	make_pod_a(tree);
	tree_log(tree, "production", "api", UID_A, "web", ID_3, 7);
	tree_log(tree, "production", "api", UID_A, "agent", ID_3, 0);
	tree_remove(tree, "containers/api_production_agent-" ID_3 ".log");
	pods = scan(tree);
	pod = pods->pdata[0];
	g_assert_cmpuint(pod->containers->len, ==, 2);
	container = pod->containers->pdata[1];
	g_assert_cmpstr(container->name, ==, "web");
	g_assert_cmpstr(container->id, ==, ID_2);
}

static void test_folders_name_containers_without_links(struct tree *tree)
{
	g_autoptr(GPtrArray) pods = NULL;
	const struct ss_pod *pod;

	make_pod_a(tree);
	tree_remove(tree, "containers");
	pods = scan(tree);
	pod = pods->pdata[0];
	g_assert_cmpuint(pod->containers->len, ==, 1);
	g_assert_cmpstr(((struct ss_container *)pod->containers->pdata[0])->name, ==, "web");
	g_assert_null(((struct ss_container *)pod->containers->pdata[0])->id);
	g_assert_cmpint(pod->pid, ==, 100);
}

/* The folder is there before the container runs, the link after. */
static void test_a_container_that_is_about_to_start(struct tree *tree)
{
	g_autoptr(GPtrArray) pods = NULL;
	const struct ss_pod *pod;

	make_pod_a(tree);
	g_free(tree_directory(tree, "pods/production_api_" UID_A "/sidecar"));
	pods = scan(tree);
	pod = pods->pdata[0];
	g_assert_cmpuint(pod->containers->len, ==, 2);
	g_assert_cmpstr(((struct ss_container *)pod->containers->pdata[0])->name, ==, "sidecar");
	g_assert_null(((struct ss_container *)pod->containers->pdata[0])->id);
	g_assert_nonnull(((struct ss_container *)pod->containers->pdata[1])->id);
	g_assert_cmpint(pod->pid, ==, 100);
}

static void test_hostile_names_are_no_pods(struct tree *tree)
{
	g_autoptr(GPtrArray) pods = NULL;

	make_pod_a(tree);
	g_free(tree_directory(tree, "pods/..._x_y"));
	g_free(tree_directory(tree, "pods/a_\n_" UID_B));
	tree_file(tree, "pods/ns_file_" UID_B, "not a directory");
	tree_link(tree, "pods/ns_link_" UID_B, "/");
	tree_link(tree, "containers/other_ns_c-" ID_3 ".log",
		  "/var/log/pods/production_api_" UID_A "/c/0.log");
	pods = scan(tree);
	g_assert_cmpuint(pods->len, ==, 1);
	g_assert_cmpuint(((struct ss_pod *)pods->pdata[0])->containers->len, ==, 1);
}

static void test_sorted(struct tree *tree)
{
	g_autoptr(GPtrArray) pods = NULL;

	g_free(tree_directory(tree, "pods/b_a_" UID_A));
	g_free(tree_directory(tree, "pods/a_z_" UID_B));
	g_free(tree_directory(tree, "pods/a_b_" UID_C));
	pods = scan(tree);
	g_assert_cmpuint(pods->len, ==, 3);
	g_assert_cmpstr(((struct ss_pod *)pods->pdata[0])->name, ==, "b");
	g_assert_cmpstr(((struct ss_pod *)pods->pdata[1])->name, ==, "z");
	g_assert_cmpstr(((struct ss_pod *)pods->pdata[2])->name, ==, "a");
}

static void test_no_kubelet(struct tree *tree)
{
	g_autoptr(GPtrArray) pods = NULL;

	tree_remove(tree, "pods");
	tree_remove(tree, "containers");
	pods = scan(tree);
	g_assert_cmpuint(pods->len, ==, 0);
}

static void test_unreadable_logs_say_what_to_do(struct tree *tree)
{
	struct ss_node_paths paths = tree->paths;
	struct ss_error error = {};
	GPtrArray *pods = NULL;
	struct ss_node *node;

	/* a file where a directory should be: root may read everything else */
	tree_file(tree, "file", "");
	paths.pod_logs = g_build_filename(tree->root, "file", NULL);
	paths.container_logs = "/nonexistent";
	node = ss_node_new(&paths);
	g_assert_cmpint(ss_node_scan(node, &pods, &error), ==, -ENOTDIR);
	g_assert_nonnull(strstr(error.message, paths.pod_logs));
	g_assert_nonnull(strstr(error.message, "run as root"));
	g_assert_null(pods);
	ss_node_free(node);
	g_free((gpointer)(uintptr_t)paths.pod_logs);
}

static void test_real_machine(void)
{
	struct ss_node *node = ss_node_new(NULL);
	struct ss_error error = {};
	GPtrArray *pods = NULL;

	if (ss_node_scan(node, &pods, &error) == 0)
		g_ptr_array_unref(pods);
	ss_node_free(node);
}

/* Every test has a node of its own. */
/* As many as a big node has; says how long a look at them takes. */
static void test_many_pods(struct tree *tree)
{
	const unsigned count = 500;
	g_autoptr(GPtrArray) pods = NULL;
	double seconds;

	tree_file(tree, "cgroup/cgroup.controllers", "");
	for (unsigned i = 0; i < count; i++) {
		g_autofree char *uid = g_strdup_printf("0f3a1c52-7d0e-4b7e-9c1a-%012x", i);
		g_autofree char *name = g_strdup_printf("api-%u", i);
		g_autofree char *sandbox = g_strdup_printf("%064x", i + 1);
		g_autofree char *container = g_strdup_printf("%064x", i + 0x10000);
		g_autofree char *pid = g_strdup_printf("%u", 1000 + i);
		g_autofree char *pid_line = g_strconcat(pid, "\n", NULL);
		g_autofree char *inside = g_strdup_printf(
			"cgroup/kubepods/besteffort/pod%s/%s/cgroup.procs", uid, sandbox);
		g_autofree char *beside = g_strdup_printf(
			"cgroup/kubepods/besteffort/pod%s/%s/cgroup.procs", uid, container);

		tree_log(tree, "production", name, uid, "web", container, 0);
		tree_file(tree, inside, pid_line);
		tree_file(tree, beside, "");
		tree_process(tree, pid, "pause", 'S', 500, 2000 + i);
	}
	pods = scan(tree);
	g_ptr_array_unref(pods);
	g_test_timer_start();
	pods = scan(tree);
	seconds = g_test_timer_elapsed();
	g_assert_cmpuint(pods->len, ==, count);
	for (unsigned i = 0; i < count; i++)
		g_assert_cmpint(((struct ss_pod *)pods->pdata[i])->pid, >=, 1000);
	g_test_minimized_result(seconds, "%u pods in %.1f ms", count, seconds * 1e3);
}

int main(int argc, char **argv)
{
	static const struct tree_test tests[] = {
		{"/node/sandbox", test_sandbox},
		{"/node/parent-tells-the-runtime", test_parent_tells_the_runtime},
		{"/node/only-names", test_only_names},
		{"/node/no-sandbox-takes-the-oldest", test_no_sandbox_takes_the_oldest},
		{"/node/ended-processes-do-not-count", test_ended_processes_do_not_count},
		{"/node/systemd-driver", test_systemd_driver},
		{"/node/hybrid", test_hybrid},
		{"/node/processes-when-there-is-no-tree", test_processes_when_there_is_no_tree},
		{"/node/host-network", test_host_network},
		{"/node/host-network-without-rights", test_host_network_without_rights},
		{"/node/young-process-in-the-host-is-not-believed",
		 test_young_process_in_the_host_is_not_believed},
		{"/node/stage-of-runtime-is-passed-over-while-young",
		 test_stage_of_runtime_is_passed_over_while_young},
		{"/node/restarted-pod-the-living-wins", test_restarted_pod_the_living_wins},
		{"/node/restarted-pod-the-newest-wins", test_restarted_pod_the_newest_wins},
		{"/node/restarted-container-the-running-id",
		 test_restarted_container_the_running_id},
		{"/node/folders-name-containers-without-links",
		 test_folders_name_containers_without_links},
		{"/node/a-container-that-is-about-to-start",
		 test_a_container_that_is_about_to_start},
		{"/node/hostile-names-are-no-pods", test_hostile_names_are_no_pods},
		{"/node/sorted", test_sorted},
		{"/node/many-pods", test_many_pods},
		{"/node/no-kubelet", test_no_kubelet},
		{"/node/unreadable-logs-say-what-to-do", test_unreadable_logs_say_what_to_do},
	};

	g_test_init(&argc, &argv, NULL);
	tree_add_tests(tests, G_N_ELEMENTS(tests));
	g_test_add_func("/node/real-machine", test_real_machine);
	return g_test_run();
}
