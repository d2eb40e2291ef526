/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A node made of files, for tests: /var/log, /proc, cgroups and /run below one temporary folder. */
#ifndef K8S_TREE_H
#define K8S_TREE_H

#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>
#include <glib/gstdio.h>

#include "k8s/node.h"

#define UID_A "0f3a1c52-7d0e-4b7e-9c1a-2f6b8e4d5a10"
#define UID_B "1f3a1c52-7d0e-4b7e-9c1a-2f6b8e4d5a10"
#define UID_C "8a3c1f0e5b7d42969e0f1a2b3c4d5e6f"
#define ID_1  "1111111111111111111111111111111111111111111111111111111111111111"
#define ID_2  "2222222222222222222222222222222222222222222222222222222222222222"
#define ID_3  "3333333333333333333333333333333333333333333333333333333333333333"

struct tree {
	char *root, *pod_logs, *container_logs, *proc, *cgroup, *run;
	struct ss_node_paths paths;
};

static inline char *tree_directory(struct tree *tree, const char *path)
{
	char *full = g_build_filename(tree->root, path, NULL);

	g_assert_cmpint(g_mkdir_with_parents(full, 0755), ==, 0);
	return full;
}

static inline void tree_file(struct tree *tree, const char *path, const char *text)
{
	g_autofree char *full = g_build_filename(tree->root, path, NULL);
	g_autofree char *directory = g_path_get_dirname(full);

	g_assert_cmpint(g_mkdir_with_parents(directory, 0755), ==, 0);
	g_assert_true(g_file_set_contents(full, text, -1, NULL));
}

static inline void tree_link(struct tree *tree, const char *path, const char *target)
{
	g_autofree char *full = g_build_filename(tree->root, path, NULL);
	g_autofree char *directory = g_path_get_dirname(full);

	g_assert_cmpint(g_mkdir_with_parents(directory, 0755), ==, 0);
	g_assert_cmpint(symlink(target, full), ==, 0);
}

/* "pid" may be "self". netns 0: may not be read, as for an ordinary user. */
static inline void tree_process(struct tree *tree, const char *pid, const char *comm, char state,
				unsigned start, unsigned netns)
{
	g_autofree char *stat_path = g_strdup_printf("proc/%s/stat", pid);
	g_autofree char *stat_text =
		g_strdup_printf("%s (%s) %c 1 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 %u 1 2\n",
				pid, comm, state, start);

	tree_file(tree, stat_path, stat_text);
	if (netns) {
		g_autofree char *link = g_strdup_printf("proc/%s/ns/net", pid);
		g_autofree char *target = g_strdup_printf("net:[%u]", netns);

		tree_link(tree, link, target);
	}
}

static inline void tree_init(struct tree *tree)
{
	tree->root = g_dir_make_tmp("k8s-XXXXXX", NULL);
	g_assert_nonnull(tree->root);
	tree->pod_logs = tree_directory(tree, "pods");
	tree->container_logs = tree_directory(tree, "containers");
	tree->proc = tree_directory(tree, "proc");
	tree->cgroup = tree_directory(tree, "cgroup");
	tree->run = tree_directory(tree, "run");
	tree->paths = (struct ss_node_paths){tree->pod_logs, tree->container_logs, tree->proc,
					     tree->cgroup, tree->run};
	tree_process(tree, "self", "me", 'S', 1, 1000);
	tree_file(tree, "proc/self/net/dev", "");
}

static inline int tree_remove_one(const char *path, const struct stat *status, int kind,
				  struct FTW *place)
{
	(void)status;
	(void)kind;
	(void)place;
	return remove(path);
}

static inline void tree_remove(struct tree *tree, const char *path)
{
	g_autofree char *full = g_build_filename(tree->root, path, NULL);

	g_assert_cmpint(nftw(full, tree_remove_one, 16, FTW_DEPTH | FTW_PHYS), ==, 0);
}

static inline void tree_deinit(struct tree *tree)
{
	tree_remove(tree, "");
	g_free(tree->root);
	g_free(tree->pod_logs);
	g_free(tree->container_logs);
	g_free(tree->proc);
	g_free(tree->cgroup);
	g_free(tree->run);
}

/* A test that has a tree of its own. */
struct tree_test {
	const char *name;
	void (*run)(struct tree *tree);
};

static inline void tree_run_test(gconstpointer data)
{
	const struct tree_test *test = data;
	struct tree tree;

	tree_init(&tree);
	test->run(&tree);
	tree_deinit(&tree);
}

static inline void tree_add_tests(const struct tree_test *tests, size_t count)
{
	for (size_t i = 0; i < count; i++)
		g_test_add_data_func(tests[i].name, &tests[i], tree_run_test);
}

/* A container's log: the link that gives its id a name. */
static inline void tree_log(struct tree *tree, const char *namespace, const char *pod,
			    const char *uid, const char *container, const char *id,
			    unsigned attempt)
{
	g_autofree char *folder =
		g_strdup_printf("pods/%s_%s_%s/%s", namespace, pod, uid, container);
	g_autofree char *link =
		g_strdup_printf("containers/%s_%s_%s-%s.log", pod, namespace, container, id);
	g_autofree char *target = g_strdup_printf("/var/log/pods/%s_%s_%s/%s/%u.log", namespace,
						  pod, uid, container, attempt);

	g_free(tree_directory(tree, folder));
	tree_link(tree, link, target);
}

#endif
