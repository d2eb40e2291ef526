/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What one list leaves for the next: the file, whose it must be, and when it is believed. */
#include <string.h>

#include "k8s-tree.h"
#include "k8s/recall.h"

#define POD_A    "cgroup/kubepods/besteffort/pod" UID_A
#define TRIE     "|-- 10.244.0.7\n   /32 host LOCAL\n"
#define NEW_TRIE "|-- 10.244.0.8\n   /32 host LOCAL\n"
#define FILE_OF  "run/stratoshark/pods"
#define SCOPE    "1 boot"

static struct ss_pod *make_pod(void)
{
	struct ss_pod *pod = ss_pod_new();

	pod->uid = g_strdup(UID_A);
	pod->pid = 100;
	pod->pid_start = 500;
	pod->cgroup_id = 7;
	pod->netns_inode = 2000;
	pod->runtime = g_strdup("containerd");
	g_ptr_array_add(pod->addresses, g_strdup("10.244.0.7"));
	g_ptr_array_add(pod->addresses, g_strdup("fd00::7"));
	return pod;
}

/* For who is not root. */
static void use_run_of(const struct tree *tree)
{
	g_setenv("XDG_RUNTIME_DIR", tree->run, TRUE);
}

static struct ss_recall *open_recall(struct tree *tree, const char *scope)
{
	use_run_of(tree);
	return ss_recall_open(tree->run, scope);
}

static void leave(struct tree *tree)
{
	struct ss_recall *recall = open_recall(tree, SCOPE);
	struct ss_pod *pod = make_pod();

	ss_recall_note(recall, pod);
	ss_pod_free(pod);
	ss_recall_close(recall);
}

static bool is_left(struct tree *tree, const char *scope)
{
	struct ss_recall *recall = open_recall(tree, scope);
	bool found = ss_recall_find(recall, UID_A) != NULL;

	ss_recall_close(recall);
	return found;
}

static void test_left_for_the_next(struct tree *tree)
{
	g_autofree char *path = g_build_filename(tree->root, FILE_OF, NULL);
	const struct ss_recalled *recalled;
	struct ss_recall *recall;
	struct stat status;

	leave(tree);
	g_assert_cmpint(stat(path, &status), ==, 0);
	g_assert_cmpuint(status.st_mode & 0777, ==, 0600);
	recall = open_recall(tree, SCOPE);
	recalled = ss_recall_find(recall, UID_A);
	g_assert_nonnull(recalled);
	g_assert_cmpint(recalled->pid, ==, 100);
	g_assert_cmpuint(recalled->pid_start, ==, 500);
	g_assert_cmpuint(recalled->cgroup_id, ==, 7);
	g_assert_cmpuint(recalled->netns_inode, ==, 2000);
	g_assert_false(recalled->host_network);
	g_assert_cmpstr(recalled->runtime, ==, "containerd");
	g_assert_cmpuint(recalled->addresses->len, ==, 2);
	g_assert_cmpstr(recalled->addresses->pdata[1], ==, "fd00::7");
	g_assert_null(ss_recall_find(recall, UID_B));
	ss_recall_close(recall);
	g_assert_false(is_left(tree, "1 later"));
}

static void test_only_ones_own_is_believed(struct tree *tree)
{
	g_autofree char *path = g_build_filename(tree->root, FILE_OF, NULL);
	g_autofree char *folder = g_build_filename(tree->root, "run/stratoshark", NULL);
	g_autofree char *other = g_build_filename(tree->root, "other", NULL);

	leave(tree);
	g_assert_true(is_left(tree, SCOPE));
	g_assert_cmpint(chmod(path, 0644), ==, 0);
	g_assert_false(is_left(tree, SCOPE));
	g_assert_cmpint(chmod(path, 0600), ==, 0);
	g_assert_cmpint(chmod(folder, 0777), ==, 0);
	g_assert_false(is_left(tree, SCOPE));
	leave(tree); /* nothing is written there either, and nothing breaks */
	g_assert_cmpint(chmod(folder, 0700), ==, 0);
	g_assert_true(is_left(tree, SCOPE));
	g_assert_cmpint(rename(path, other), ==, 0);
	g_assert_cmpint(symlink(other, path), ==, 0);
	g_assert_false(is_left(tree, SCOPE));
	leave(tree); /* the link is replaced, not followed */
	g_assert_true(is_left(tree, SCOPE));
}

static void test_lines_without_sense(void)
{
	static const char *const lines[] = {
		UID_A " 100 500 7 2000 0 9 containerd",           /* too short */
		UID_A " 100 500 7 2000 0 9 containerd - -",       /* too long */
		UID_A " 0 500 7 2000 0 9 containerd -",           /* nobody's pid */
		UID_A " -1 500 7 2000 0 9 containerd -",          /* nor this */
		UID_A " 100 500 7 5000000000 0 9 containerd -",   /* inodes have 32 bits */
		UID_A " 100 500 7 2000 2 9 containerd -",         /* yes or no */
		UID_A " 100 500 7 2000 0 9 containerd \033[2J",   /* no address */
		UID_A " 100 500 7 2000 0 9 containerd 10.0.0.1,", /* nor this */
		"../" UID_A " 100 500 7 2000 0 9 containerd -",   /* no uid */
		UID_A "  100 500 7 2000 0 9 containerd 10.0.0.1", /* two blanks */
	};
	static const char good[] = SCOPE "\n" UID_A " 100 500 7 2000 1 9 other 10.0.0.1\n";

	for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
		g_autofree char *text = g_strconcat(SCOPE "\n", lines[i], "\n", NULL);
		g_autoptr(GHashTable) pods = ss_recall_parse(text, SCOPE);

		g_assert_cmpuint(g_hash_table_size(pods), ==, 0);
	}
	/* wherever it is cut, all of it or nothing */
	for (size_t length = 0; length < sizeof(good); length++) {
		g_autofree char *text = g_strndup(good, length);
		g_autoptr(GHashTable) pods = ss_recall_parse(text, SCOPE);
		const struct ss_recalled *recalled = g_hash_table_lookup(pods, UID_A);

		g_assert_cmpint(recalled != NULL, ==, length == sizeof(good) - 1);
		if (!recalled)
			continue;
		g_assert_true(recalled->host_network);
		g_assert_null(recalled->runtime);
	}
}

static void test_old_ones_are_read_again(struct tree *tree)
{
	g_autofree char *folder = tree_directory(tree, "run/stratoshark");
	g_autofree char *path = g_build_filename(tree->root, FILE_OF, NULL);

	/* one second after boot; and in a time that did not come yet */
	for (unsigned i = 0; i < 2; i++) {
		tree_file(tree, FILE_OF,
			  i ? SCOPE "\n" UID_A " 100 500 7 2000 0 9000000000 containerd -\n"
			    : SCOPE "\n" UID_A " 100 500 7 2000 0 1 containerd -\n");
		g_assert_cmpint(chmod(folder, 0700), ==, 0);
		g_assert_cmpint(chmod(path, 0600), ==, 0);
		if (g_get_monotonic_time() > 60 * G_USEC_PER_SEC)
			g_assert_false(is_left(tree, SCOPE));
	}
}

/* The first pod of a new look at the node. */
static struct ss_pod *look(struct tree *tree, bool recall)
{
	struct ss_node *node = ss_node_new(&tree->paths);
	g_autoptr(GPtrArray) pods = NULL;
	struct ss_pod *pod;

	use_run_of(tree);
	if (recall)
		ss_node_recall(node);
	g_assert_cmpint(ss_node_scan(node, &pods, NULL), ==, 0);
	g_assert_cmpuint(pods->len, ==, 1);
	pod = ss_pod_copy(pods->pdata[0]);
	ss_node_free(node);
	return pod;
}

static void assert_seen(struct tree *tree, bool recall, pid_t pid, const char *address)
{
	struct ss_pod *pod = look(tree, recall);

	g_assert_cmpint(pod->pid, ==, pid);
	g_assert_cmpuint(pod->addresses->len, ==, 1);
	g_assert_cmpstr(pod->addresses->pdata[0], ==, address);
	g_assert_cmpuint(pod->sources[SS_FACT_ADDRESSES], ==, SS_SOURCE_NODE);
	ss_pod_free(pod);
}

static void test_a_living_process_is_not_read_again(struct tree *tree)
{
	struct ss_pod *cold, *warm, *ended;

	tree_file(tree, "cgroup/cgroup.controllers", "");
	tree_log(tree, "production", "api", UID_A, "web", ID_2, 0);
	tree_file(tree, POD_A "/" ID_1 "/cgroup.procs", "100\n");
	tree_process(tree, "100", "pause", 'S', 500, 2000);
	tree_file(tree, "proc/100/net/fib_trie", TRIE);
	cold = look(tree, true);
	warm = look(tree, true);
	g_assert_true(ss_pod_equal(cold, warm));
	ss_pod_free(cold);
	ss_pod_free(warm);
	tree_file(tree, "proc/100/net/fib_trie", NEW_TRIE);
	assert_seen(tree, false, 100, "10.244.0.8");
	assert_seen(tree, true, 100, "10.244.0.7");
	/* the same pid, but another process */
	tree_process(tree, "100", "pause", 'S', 501, 0);
	assert_seen(tree, true, 100, "10.244.0.8");
	/* a new sandbox, whose process is another */
	tree_file(tree, POD_A "/" ID_1 "/cgroup.procs", "101\n");
	tree_process(tree, "100", "pause", 'Z', 501, 0);
	tree_process(tree, "101", "pause", 'S', 600, 2001);
	tree_file(tree, "proc/101/net/fib_trie", TRIE);
	assert_seen(tree, true, 101, "10.244.0.7");
	tree_remove(tree, "proc/101");
	ended = look(tree, true);
	g_assert_cmpint(ended->pid, ==, 0);
	ss_pod_free(ended);
}

int main(int argc, char **argv)
{
	static const struct tree_test tests[] = {
		{"/recall/left-for-the-next", test_left_for_the_next},
		{"/recall/only-ones-own-is-believed", test_only_ones_own_is_believed},
		{"/recall/old-ones-are-read-again", test_old_ones_are_read_again},
		{"/recall/a-living-process-is-not-read-again",
		 test_a_living_process_is_not_read_again},
	};

	g_test_init(&argc, &argv, NULL);
	tree_add_tests(tests, G_N_ELEMENTS(tests));
	g_test_add_func("/recall/lines-without-sense", test_lines_without_sense);
	return g_test_run();
}
