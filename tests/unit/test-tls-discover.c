/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pods' processes in a /proc made of files: what is attached, once, and let go. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include <glib.h>

#include "elf-file.h"
#include "k8s-tree.h"
#include "tls/discover.h"

#define POD_CGROUP "cgroup/kubepods.slice/pod-a"

static const char *const ssl_functions[] = {"SSL_read", "SSL_write", "SSL_do_handshake", NULL};
static const char *const crypto_functions[] = {"EVP_PKEY_derive", "EVP_KDF_derive", "EVP_KDF_fetch",
					       NULL};
static const char *const other_functions[] = {"main", NULL};

struct fixture {
	struct tree tree;
	struct ss_tls_discover *discover;
	int64_t now_ms;
	unsigned attached, detached;
	uint32_t last_number;
	uint64_t last_inode;
	int fail;
};

static int64_t clock_now(void *user_data)
{
	return ((struct fixture *)user_data)->now_ms;
}

static int attach(const char *path, uint32_t number, const struct ss_tls_library *library,
		  void **ret_attachment, void *user_data, struct ss_error *error)
{
	struct fixture *fixture = user_data;
	struct stat status;

	g_assert_cmpint(stat(path, &status), ==, 0);
	g_assert_cmpuint(library->points->len, >, 0);
	if (fixture->fail)
		return ss_fail(error, fixture->fail, "no such luck");
	fixture->last_inode = status.st_ino;
	fixture->last_number = number;
	fixture->attached++;
	*ret_attachment = g_new0(char, 1);
	return 0;
}

static void detach(void *attachment, void *user_data)
{
	g_free(attachment);
	((struct fixture *)user_data)->detached++;
}

static void setup(struct fixture *fixture)
{
	struct ss_tls_discover_callbacks callbacks = {attach, detach, fixture};

	*fixture = (struct fixture){.now_ms = 1000};
	tree_init(&fixture->tree);
	fixture->discover =
		ss_tls_discover_new(fixture->tree.proc, fixture->tree.cgroup, &callbacks);
	ss_tls_discover_set_clock(fixture->discover, clock_now, fixture);
	tree_file(&fixture->tree, POD_CGROUP "/cgroup.procs", "");
}

static void teardown(struct fixture *fixture)
{
	ss_tls_discover_free(fixture->discover);
	tree_deinit(&fixture->tree);
	g_assert_cmpuint(fixture->attached, ==, fixture->detached);
}

static void write_library(struct fixture *fixture, const char *path, const char *const *functions,
			  const char *build_id)
{
	struct elf_file file = {.functions = functions, .build_id = build_id};
	g_autofree char *full = g_build_filename(fixture->tree.root, path, NULL);

	elf_file_init(&file);
	tree_file(&fixture->tree, path, "");
	g_assert_true(g_file_set_contents(full, (const char *)file.bytes->data,
					  (gssize)file.bytes->len, NULL));
	elf_file_deinit(&file);
}

static uint64_t inode_of(struct fixture *fixture, const char *path)
{
	g_autofree char *full = g_build_filename(fixture->tree.root, path, NULL);
	struct stat status;

	g_assert_cmpint(stat(full, &status), ==, 0);
	return status.st_ino;
}

static void write_stat(struct fixture *fixture, int pid, unsigned start, unsigned size)
{
	g_autofree char *path = g_strdup_printf("proc/%d/stat", pid);
	g_autofree char *text =
		g_strdup_printf("%d (ng) inx) S 1 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 %u "
				"%u 2\n",
				pid, start, size);

	tree_file(&fixture->tree, path, text);
}

static void rename_file(struct fixture *fixture, const char *from, const char *to)
{
	g_autofree char *old = g_build_filename(fixture->tree.root, from, NULL);
	g_autofree char *new = g_build_filename(fixture->tree.root, to, NULL);

	g_assert_cmpint(rename(old, new), ==, 0);
}

/* A process whose root is images/IMAGE; each call maps more. */
static void map(struct fixture *fixture, int pid, const char *image, const char *path,
		unsigned device)
{
	g_autofree char *maps = g_strdup_printf("proc/%d/maps", pid);
	g_autofree char *full = g_build_filename(fixture->tree.root, maps, NULL);
	g_autofree char *file = g_strdup_printf("images/%s%s", image, path);
	g_autofree char *root = g_strdup_printf("proc/%d/root", pid);
	g_autofree char *target = g_strdup_printf("../../images/%s", image);
	g_autofree char *old = NULL, *text = NULL;

	g_file_get_contents(full, &old, NULL, NULL);
	if (!old) {
		tree_link(&fixture->tree, root, target);
		write_stat(fixture, pid, 7, 1000);
	}
	text = g_strdup_printf("%s7f0000000000-7f0000001000 r--p 00000000 00:%02x %" PRIu64 "  %s\n"
			       "7f0000001000-7f0000002000 r-xp 00001000 00:%02x %" PRIu64 "  %s\n"
			       "7ffd0000-7ffd1000 r-xp 00000000 00:00 0      [vdso]\n",
			       old ? old : "", device, inode_of(fixture, file), path, device,
			       inode_of(fixture, file), path);
	tree_file(&fixture->tree, maps, text);
}

static void write_procs(struct fixture *fixture, const char *text)
{
	tree_file(&fixture->tree, POD_CGROUP "/container/cgroup.procs", text);
}

static void add_pod(struct fixture *fixture)
{
	g_autofree char *path = g_build_filename(fixture->tree.root, POD_CGROUP, NULL);

	ss_tls_discover_add_pod(fixture->discover, UID_A, path);
}

/* Time passes, and whatever is due is done. */
static void run_for(struct fixture *fixture, int64_t ms)
{
	int64_t end = fixture->now_ms + ms;
	int next;

	while ((next = ss_tls_discover_next_ms(fixture->discover)) >= 0 &&
	       fixture->now_ms + next <= end) {
		fixture->now_ms += next;
		ss_tls_discover_run(fixture->discover);
	}
	fixture->now_ms = end;
}

struct seen {
	unsigned processes, uses;
	char error[256], use_error[256], detail[64];
	bool attached;
};

static void see(const struct ss_tls_process *process, void *user_data)
{
	struct seen *seen = user_data;

	g_assert_cmpstr(process->pod_uid, ==, UID_A);
	seen->processes++;
	seen->uses += process->uses->len;
	g_strlcpy(seen->error, process->error ? process->error : "", sizeof(seen->error));
	for (guint i = 0; i < process->uses->len; i++) {
		const struct ss_tls_use *use = process->uses->pdata[i];

		g_strlcpy(seen->use_error, use->error ? use->error : "", sizeof(seen->use_error));
		g_strlcpy(seen->detail, use->library->detail, sizeof(seen->detail));
		seen->attached = use->attached;
	}
}

static struct seen look(struct fixture *fixture)
{
	struct seen seen = {0};

	ss_tls_discover_processes(fixture->discover, see, &seen);
	return seen;
}

static void test_attaches(void)
{
	struct fixture fixture;
	struct seen seen;

	setup(&fixture);
	write_library(&fixture, "images/a/usr/lib/libssl.so.3", ssl_functions, "id");
	write_library(&fixture, "images/a/usr/lib/libcrypto.so.3", crypto_functions, "id");
	write_library(&fixture, "images/a/usr/lib/libc.so.6", other_functions, "id");
	map(&fixture, 10, "a", "/usr/lib/libssl.so.3", 1);
	map(&fixture, 10, "a", "/usr/lib/libcrypto.so.3", 1);
	map(&fixture, 10, "a", "/usr/lib/libc.so.6", 1);
	write_procs(&fixture, "10\n0\n");
	g_assert_cmpint(ss_tls_discover_next_ms(fixture.discover), ==, -1);
	add_pod(&fixture);
	run_for(&fixture, 0);
	g_assert_cmpuint(fixture.attached, ==, 2);
	seen = look(&fixture);
	g_assert_cmpuint(seen.processes, ==, 1);
	g_assert_cmpuint(seen.uses, ==, 2);
	g_assert_cmpstr(seen.error, ==, "");
	g_assert_true(seen.attached);
	g_assert_nonnull(ss_tls_discover_use(fixture.discover, fixture.last_number));
	g_assert_null(ss_tls_discover_use(fixture.discover, 12345));
	run_for(&fixture, 20000);
	g_assert_cmpuint(fixture.attached, ==, 2);
	ss_tls_discover_remove_pod(fixture.discover, UID_A);
	run_for(&fixture, 10000);
	g_assert_cmpuint(fixture.detached, ==, 2);
	g_assert_cmpint(ss_tls_discover_next_ms(fixture.discover), ==, -1);
	teardown(&fixture);
}

/* What has a telling name is attached before other files are read at all. */
static void test_telling_names_first(void)
{
	struct fixture fixture;

	setup(&fixture);
	write_library(&fixture, "images/a/app", ssl_functions, "app");
	write_library(&fixture, "images/a/libssl.so.3", ssl_functions, "ssl");
	map(&fixture, 10, "a", "/app", 1);
	map(&fixture, 11, "a", "/libssl.so.3", 1);
	write_procs(&fixture, "10\n11\n");
	add_pod(&fixture);
	run_for(&fixture, 0);
	g_assert_cmpuint(fixture.attached, ==, 2);
	g_assert_cmpuint(fixture.last_inode, ==, inode_of(&fixture, "images/a/app"));
	teardown(&fixture);
}

/* Two overlays of one layer: another device number, the same inode below. */
static void test_shared_layer(void)
{
	struct fixture fixture;

	setup(&fixture);
	write_library(&fixture, "images/a/libssl.so.3", ssl_functions, "id");
	map(&fixture, 10, "a", "/libssl.so.3", 1);
	map(&fixture, 11, "a", "/libssl.so.3", 2);
	write_procs(&fixture, "10\n11\n");
	add_pod(&fixture);
	run_for(&fixture, 0);
	g_assert_cmpuint(fixture.attached, ==, 1);
	g_assert_cmpuint(look(&fixture).uses, ==, 2);
	teardown(&fixture);
}

/* A container that crashes and comes back within seconds keeps its probes, one that stays away does
 * not; back after that, the file is attached again under the same number. */
static void test_lingers(void)
{
	struct fixture fixture;
	uint32_t number;

	setup(&fixture);
	write_library(&fixture, "images/a/libssl.so.3", ssl_functions, "id");
	map(&fixture, 10, "a", "/libssl.so.3", 1);
	write_procs(&fixture, "10\n");
	add_pod(&fixture);
	run_for(&fixture, 0);
	number = fixture.last_number;
	write_procs(&fixture, "");
	tree_remove(&fixture.tree, "proc/10");
	run_for(&fixture, 3000);
	g_assert_cmpuint(look(&fixture).processes, ==, 0);
	map(&fixture, 11, "a", "/libssl.so.3", 1);
	write_procs(&fixture, "11\n");
	run_for(&fixture, 3000);
	g_assert_cmpuint(fixture.detached, ==, 0);
	write_procs(&fixture, "");
	tree_remove(&fixture.tree, "proc/11");
	run_for(&fixture, 10000);
	g_assert_cmpuint(fixture.detached, ==, 1);
	g_assert_false(ss_tls_discover_use(fixture.discover, number)->attached);
	map(&fixture, 12, "a", "/libssl.so.3", 1);
	write_procs(&fixture, "12\n");
	run_for(&fixture, 2000);
	g_assert_cmpuint(fixture.attached, ==, 2);
	g_assert_cmpuint(fixture.last_number, ==, number);
	teardown(&fixture);
}

/* dlopen() after a while: the process has grown. */
static void test_loaded_later(void)
{
	struct fixture fixture;

	setup(&fixture);
	write_library(&fixture, "images/a/python", other_functions, "id");
	write_library(&fixture, "images/a/libssl.so.3", ssl_functions, "id");
	map(&fixture, 10, "a", "/python", 1);
	write_procs(&fixture, "10\n");
	add_pod(&fixture);
	run_for(&fixture, 3000);
	g_assert_cmpuint(fixture.attached, ==, 0);
	map(&fixture, 10, "a", "/libssl.so.3", 1);
	write_stat(&fixture, 10, 7, 2000);
	run_for(&fixture, 1000);
	g_assert_cmpuint(fixture.attached, ==, 1);
	teardown(&fixture);
}

/* An upgrade puts another file in the place of the mapped one, which must not be taken for it. */
static void test_replaced(void)
{
	struct fixture fixture;
	uint64_t inode;

	setup(&fixture);
	write_library(&fixture, "images/a/libssl.so.3", ssl_functions, "old");
	inode = inode_of(&fixture, "images/a/libssl.so.3");
	map(&fixture, 10, "a", "/libssl.so.3", 1);
	tree_file(&fixture.tree, "images/old/x", "");
	rename_file(&fixture, "images/a/libssl.so.3", "images/old/libssl.so.3");
	write_library(&fixture, "images/a/libssl.so.3", other_functions, "new");
	tree_link(&fixture.tree, "proc/10/map_files/7f0000001000-7f0000002000",
		  "../../../images/old/libssl.so.3");
	write_procs(&fixture, "10\n");
	add_pod(&fixture);
	run_for(&fixture, 0);
	g_assert_cmpuint(fixture.attached, ==, 1);
	g_assert_cmpuint(fixture.last_inode, ==, inode);
	teardown(&fixture);
}

static void test_exec(void)
{
	struct fixture fixture;

	setup(&fixture);
	add_pod(&fixture);
	run_for(&fixture, 10);
	write_library(&fixture, "images/a/curl", other_functions, "id");
	write_library(&fixture, "images/a/libssl.so.3", ssl_functions, "id");
	map(&fixture, 10, "a", "/curl", 1);
	tree_file(&fixture.tree, "proc/10/cgroup", "0::/kubepods.slice/pod-a/container\n");
	ss_tls_discover_exec(fixture.discover, 10);
	g_assert_cmpint(ss_tls_discover_next_ms(fixture.discover), ==, 0);
	run_for(&fixture, 0);
	g_assert_cmpuint(look(&fixture).processes, ==, 1);
	g_assert_cmpint(ss_tls_discover_next_ms(fixture.discover), ==, 5);
	run_for(&fixture, 5);
	g_assert_cmpuint(fixture.attached, ==, 0);
	map(&fixture, 10, "a", "/libssl.so.3", 1);
	run_for(&fixture, 19);
	g_assert_cmpuint(fixture.attached, ==, 0);
	run_for(&fixture, 1);
	g_assert_cmpuint(fixture.attached, ==, 1);
	/* of nobody's pod */
	map(&fixture, 20, "a", "/curl", 1);
	tree_file(&fixture.tree, "proc/20/cgroup", "0::/kubepods.slice/pod-ab/container\n");
	ss_tls_discover_exec(fixture.discover, 20);
	ss_tls_discover_exec(fixture.discover, 30); /* gone already */
	run_for(&fixture, 100);
	g_assert_cmpuint(look(&fixture).processes, ==, 1);
	teardown(&fixture);
}

/* Without a cgroup directory, /proc/PID/cgroup tells whose a process is. */
static void test_no_cgroup(void)
{
	struct fixture fixture;

	setup(&fixture);
	write_library(&fixture, "images/a/libssl.so.3", ssl_functions, "id");
	map(&fixture, 10, "a", "/libssl.so.3", 1);
	map(&fixture, 11, "a", "/libssl.so.3", 1);
	tree_file(&fixture.tree, "proc/10/cgroup",
		  "4:memory:/kubepods.slice/kubepods-pod0f3a1c52_7d0e_4b7e_9c1a_2f6b8e4d5a10.slice/"
		  "x\n");
	tree_file(&fixture.tree, "proc/11/cgroup", "4:memory:/kubepods/pod" UID_B "/x\n");
	ss_tls_discover_add_pod(fixture.discover, UID_A, NULL);
	run_for(&fixture, 0);
	g_assert_cmpuint(look(&fixture).processes, ==, 1);
	g_assert_cmpuint(fixture.attached, ==, 1);
	tree_remove(&fixture.tree, "proc/10");
	run_for(&fixture, 1000);
	g_assert_cmpuint(look(&fixture).processes, ==, 0);
	teardown(&fixture);
}

static void test_attach_fails(void)
{
	struct fixture fixture;
	struct seen seen;

	setup(&fixture);
	fixture.fail = -EPERM;
	write_library(&fixture, "images/a/libssl.so.3", ssl_functions, "id");
	map(&fixture, 10, "a", "/libssl.so.3", 1);
	write_procs(&fixture, "10\n");
	add_pod(&fixture);
	run_for(&fixture, 0);
	seen = look(&fixture);
	g_assert_cmpstr(seen.use_error, ==, "no such luck");
	g_assert_false(seen.attached);
	teardown(&fixture);
}

/* Links within a pod lead nowhere, and files that are not the mapped ones are not taken. */
static void test_hostile(void)
{
	struct fixture fixture;
	g_autofree char *target = NULL, *text = NULL;

	setup(&fixture);
	write_library(&fixture, "outside/libssl.so.3", ssl_functions, "id");
	write_library(&fixture, "images/a/libcrypto.so.3", crypto_functions, "id");
	target = g_build_filename(fixture.tree.root, "outside/libssl.so.3", NULL);
	tree_link(&fixture.tree, "images/a/libssl.so.3", target);
	map(&fixture, 10, "a", "/libssl.so.3", 1);
	text = g_strdup_printf("7f00-7f10 r-xp 0 00:01 77 /libcrypto.so.3\n"
			       "7f10-7f20 r-xp 0 00:01 78 /../../outside/libssl.so.3\n"
			       "7f10-7f20 r-xp 0 00:01 79 /dir\\012ectory/%s (deleted)\n"
			       "x\n7f20-7f30 r-xp\n\n",
			       "a");
	tree_file(&fixture.tree, "proc/11/maps", text);
	tree_link(&fixture.tree, "proc/11/root", "../../images/a");
	write_stat(&fixture, 11, 8, 1);
	tree_file(&fixture.tree, "proc/12/stat", "12 (");
	write_procs(&fixture, "10\n11\n12\n13\n99999999999999999999\nx");
	add_pod(&fixture);
	run_for(&fixture, 2000);
	g_assert_cmpuint(fixture.attached, ==, 0);
	g_assert_cmpuint(look(&fixture).processes, ==, 2);
	teardown(&fixture);
}

/* The real thing: this program's own child. */
static void test_real(void)
{
	struct fixture fixture;
	struct ss_tls_discover_callbacks callbacks = {attach, detach, &fixture};
	g_autofree char *procs = NULL;
	pid_t pid = fork();

	if (pid == 0) {
		pause();
		_exit(0);
	}
	setup(&fixture);
	ss_tls_discover_free(fixture.discover);
	fixture.discover = ss_tls_discover_new("/proc", fixture.tree.cgroup, &callbacks);
	procs = g_strdup_printf("%d\n", (int)pid);
	write_procs(&fixture, procs);
	add_pod(&fixture);
	ss_tls_discover_run(fixture.discover);
	g_assert_cmpuint(look(&fixture).processes, ==, 1);
	g_assert_cmpstr(look(&fixture).error, ==, "");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	teardown(&fixture);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/tls-discover/attaches", test_attaches);
	g_test_add_func("/tls-discover/telling-names-first", test_telling_names_first);
	g_test_add_func("/tls-discover/shared-layer", test_shared_layer);
	g_test_add_func("/tls-discover/lingers", test_lingers);
	g_test_add_func("/tls-discover/loaded-later", test_loaded_later);
	g_test_add_func("/tls-discover/replaced", test_replaced);
	g_test_add_func("/tls-discover/exec", test_exec);
	g_test_add_func("/tls-discover/no-cgroup", test_no_cgroup);
	g_test_add_func("/tls-discover/attach-fails", test_attach_fails);
	g_test_add_func("/tls-discover/hostile", test_hostile);
	g_test_add_func("/tls-discover/real", test_real);
	return g_test_run();
}
