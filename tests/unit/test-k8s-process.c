/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The texts of /proc, well-formed, real and hostile. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib.h>

#include "error.h"
#include "k8s/process.h"

static void test_stat(void)
{
	static const char text[] = "42 (a) b (c) S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 "
				   "123456789 1 2 3\n";
	struct ss_process_stat status;

	g_assert_cmpint(ss_process_parse_stat(text, strlen(text), &status), ==, 0);
	g_assert_cmpstr(status.comm, ==, "a) b (c");
	g_assert_cmpint(status.state, ==, 'S');
	g_assert_cmpuint(status.start, ==, 123456789);
}

static void test_stat_broken(void)
{
	static const char *const texts[] = {
		"",
		"42",
		"42 (",
		"42 (a)",
		"42 (a) ",
		"42 (a) S",
		"42 )a( S 1 2 3 4 5 6 7 8 9",
		"42 (a) S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 ",
		"42 (a) S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 x",
		"42 (a) S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 99999999999999999999999",
	};
	struct ss_process_stat status;

	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
		g_assert_cmpint(ss_process_parse_stat(texts[i], strlen(texts[i]), &status), ==,
				-EBADMSG);
}

static void test_stat_real(void)
{
	struct ss_process_stat status, again;

	g_assert_cmpint(ss_process_read_stat("/proc", getpid(), &status), ==, 0);
	g_assert_cmpuint(status.start, >, 0);
	g_assert_cmpint(ss_process_read_stat("/proc", 0, &again), ==, 0);
	g_assert_cmpuint(status.start, ==, again.start);
	g_assert_cmpint(ss_process_read_stat("/proc", 0x7fffffff, &status), ==, -ENOENT);
}

static void test_netns_real(void)
{
	ss_autofd int own = ss_process_open("/proc", 0), same = ss_process_open("/proc", getpid());
	struct ss_process_netns self, other;

	g_assert_cmpint(ss_process_read_netns(own, true, &self), ==, 0);
	g_assert_cmpint(ss_process_read_netns(same, true, &other), ==, 0);
	g_assert_cmpuint(self.inode, !=, 0);
	g_assert_cmpuint(self.proc_inode, !=, 0);
	g_assert_true(ss_process_same_netns(&self, &other));
	/* without the right to read the namespace itself */
	other.inode = 0;
	g_assert_true(ss_process_same_netns(&self, &other));
	other.proc_inode++;
	g_assert_false(ss_process_same_netns(&self, &other));
	self = other = (struct ss_process_netns){};
	g_assert_false(ss_process_same_netns(&self, &other));
}

/* What its directory shows ends with the process, not with the one that waits for it. */
static void test_netns_of_an_ended_process(void)
{
	ss_autofd int process = -1;
	struct ss_process_netns netns;
	pid_t child = fork();

	if (child == 0) {
		pause();
		_exit(0);
	}
	process = ss_process_open("/proc", child);
	g_assert_cmpint(process, >=, 0);
	g_assert_cmpint(ss_process_read_netns(process, false, &netns), ==, 0);
	g_assert_cmpuint(netns.inode, !=, 0);
	kill(child, SIGKILL);
	g_assert_cmpint(waitid(P_PID, (id_t)child, NULL, WEXITED | WNOWAIT), ==, 0);
	g_assert_cmpint(ss_process_read_netns(process, false, &netns), <, 0);
	g_assert_cmpint(waitpid(child, NULL, 0), ==, child);
	g_assert_cmpint(ss_process_read_netns(process, true, &netns), <, 0);
}

static void test_addresses(void)
{
	static const char trie[] = "Main:\n"
				   "  +-- 0.0.0.0/0 3 0 5\n"
				   "     |-- 0.0.0.0\n"
				   "        /0 universe UNICAST\n"
				   "     +-- 10.244.0.0/24 2 0 2\n"
				   "        |-- 10.244.0.0\n"
				   "           /24 link UNICAST\n"
				   "        |-- 10.244.0.7\n"
				   "           /32 host LOCAL\n"
				   "        |-- 10.244.0.255\n"
				   "           /32 link BROADCAST\n"
				   "     |-- 127.0.0.1\n"
				   "        /32 host LOCAL\n"
				   "Local:\n"
				   "        |-- 10.244.0.7\n"
				   "           /32 host LOCAL\n";
	static const char inet6[] = "fd000000000000000000000000000002 04 40 00 82     eth0\n"
				    "fe8000000000000000fc00fffe000001 04 40 20 80     eth0\n"
				    "00000000000000000000000000000001 01 80 10 80       lo\n"
				    "fd000000000000000000000000000002 05 40 00 82     eth1\n";
	g_autoptr(GPtrArray) addresses = g_ptr_array_new_with_free_func(g_free);

	ss_process_parse_fib_trie(trie, strlen(trie), addresses);
	ss_process_parse_if_inet6(inet6, strlen(inet6), addresses);
	g_assert_cmpuint(addresses->len, ==, 2);
	g_assert_cmpstr(addresses->pdata[0], ==, "10.244.0.7");
	g_assert_cmpstr(addresses->pdata[1], ==, "fd00::2");
}

static void test_addresses_hostile(void)
{
	static const char *const texts[] = {
		"|-- ",
		"|-- 999.1.1.1\n/32 host LOCAL\n",
		"/32 host LOCAL\n",
		"|-- 10.0.0.1.2.3.4.5.6.7.8\n/32 host LOCAL\n",
		"|-- 10.0.0.1\n|-- x\n/32 host LOCAL",
		"fd00 04 40 00 82 eth0\n",
		"zz000000000000000000000000000002 04 40 00 82 eth0\n",
		"fd000000000000000000000000000002",
		"\n\n\n",
	};
	g_autoptr(GPtrArray) addresses = g_ptr_array_new_with_free_func(g_free);

	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		ss_process_parse_fib_trie(texts[i], strlen(texts[i]), addresses);
		ss_process_parse_if_inet6(texts[i], strlen(texts[i]), addresses);
	}
	g_assert_cmpuint(addresses->len, ==, 0);
}

static void test_addresses_are_bounded(void)
{
	g_autoptr(GPtrArray) addresses = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GString) text = g_string_new(NULL);

	for (unsigned i = 0; i < 5000; i++)
		g_string_append_printf(text, "|-- 10.1.%u.%u\n/32 host LOCAL\n", i / 256, i % 256);
	ss_process_parse_fib_trie(text->str, text->len, addresses);
	g_assert_cmpuint(addresses->len, >=, 16);
	g_assert_cmpuint(addresses->len, <=, 1024);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/process/stat", test_stat);
	g_test_add_func("/process/stat-broken", test_stat_broken);
	g_test_add_func("/process/stat-real", test_stat_real);
	g_test_add_func("/process/netns-real", test_netns_real);
	g_test_add_func("/process/netns-of-an-ended-process", test_netns_of_an_ended_process);
	g_test_add_func("/process/addresses", test_addresses);
	g_test_add_func("/process/addresses-hostile", test_addresses_hostile);
	g_test_add_func("/process/addresses-are-bounded", test_addresses_are_bounded);
	return g_test_run();
}
