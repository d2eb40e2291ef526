/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /proc/PID/{stat,net/fib_trie,net/if_inet6} are readable for everybody, /proc/PID/ns/net only for
 * the process' owner or with cap_sys_ptrace. Files below /proc/PID/net have an inode number of
 * their own in every network namespace, which tells "same" from "different" without that right.
 */
#include "process.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "k8s/read.h"

#define ADDRESSES_MAX 128          /* per pod and family; a pod may give itself thousands */
#define TRIE_MAX      (256 * 1024) /* a text of more than 2000 addresses */

/* Digits up to the end or the first other character; 0 where there are none. */
static uint64_t parse_number(const char *text, const char *end)
{
	uint64_t number = 0;

	for (; text < end && g_ascii_isdigit(*text); text++) {
		if (number > (UINT64_MAX - 9) / 10)
			return 0;
		number = number * 10 + (uint64_t)(*text - '0');
	}
	return number;
}

int ss_process_parse_stat(const char *text, size_t length, struct ss_process_stat *ret)
{
	const char *open = memchr(text, '(', length), *close, *p, *end = text + length;
	size_t comm_length;
	uint64_t start, parent = 0;

	/* the name may hold anything, parentheses and blanks included: the last ')' ends it */
	close = memrchr(text, ')', length);
	if (!open || !close || close < open || end - close < 4)
		return -EBADMSG;
	p = close + 2; /* field 3 */
	ret->state = *p;
	for (unsigned field = 3; field < 22; field++) {
		p = memchr(p, ' ', (size_t)(end - p));
		if (!p)
			return -EBADMSG;
		p++;
		if (field == 3)
			parent = parse_number(p, end);
	}
	start = parse_number(p, end);
	if (start == 0 && (p == end || *p != '0'))
		return -EBADMSG;
	comm_length = MIN((size_t)(close - open - 1), sizeof(ret->comm) - 1);
	memcpy(ret->comm, open + 1, comm_length);
	ret->comm[comm_length] = '\0';
	ret->parent = parent <= INT_MAX ? (pid_t)parent : 0;
	ret->start = start;
	return 0;
}

int ss_process_open(const char *proc, pid_t pid)
{
	char path[PATH_MAX];
	int process;

	if (pid)
		snprintf(path, sizeof(path), "%s/%d", proc, (int)pid);
	else
		snprintf(path, sizeof(path), "%s/self", proc);
	process = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return process < 0 ? -errno : process;
}

int ss_process_read_stat_at(int process, struct ss_process_stat *ret)
{
	char text[1024];
	ssize_t length = ss_read_text_at(process, "stat", text, sizeof(text));

	return length < 0 ? (int)length : ss_process_parse_stat(text, (size_t)length, ret);
}

int ss_process_read_stat(const char *proc, pid_t pid, struct ss_process_stat *ret)
{
	ss_autofd int process = ss_process_open(proc, pid);

	return process < 0 ? process : ss_process_read_stat_at(process, ret);
}

void ss_process_read_comm(const char *proc, pid_t pid, char *comm, size_t size)
{
	char path[PATH_MAX];
	ssize_t length;

	snprintf(path, sizeof(path), "%s/%d/comm", proc, (int)pid);
	length = ss_read_text(path, comm, size);
	if (length > 0 && comm[length - 1] == '\n')
		length--;
	comm[MAX(length, 0)] = '\0';
}

int ss_process_read_netns(int process, bool both, struct ss_process_netns *ret)
{
	struct ss_process_netns netns = {};
	struct stat status;
	char link[64];
	ssize_t length;

	length = readlinkat(process, "ns/net", link, sizeof(link) - 1);
	if (length > 0) {
		link[length] = '\0';
		if (sscanf(link, "net:[%" SCNu32 "]", &netns.inode) != 1)
			netns.inode = 0;
	}
	if (both || !netns.inode) {
		if (fstatat(process, "net/dev", &status, 0) == 0)
			netns.proc_inode = status.st_ino;
		else if (!netns.inode)
			return -errno;
	}
	*ret = netns;
	return 0;
}

bool ss_process_same_netns(const struct ss_process_netns *a, const struct ss_process_netns *b)
{
	if (a->inode && b->inode)
		return a->inode == b->inode;
	return a->proc_inode && a->proc_inode == b->proc_inode;
}

static bool next_line(const char **text, const char *end, const char **ret_line, size_t *ret_length)
{
	const char *newline;

	if (*text >= end)
		return false;
	newline = memchr(*text, '\n', (size_t)(end - *text));
	*ret_line = *text;
	*ret_length = (size_t)((newline ? newline : end) - *text);
	*text = newline ? newline + 1 : end;
	return true;
}

static void add_address(GPtrArray *addresses, const char *address, guint first)
{
	if (addresses->len - first >= ADDRESSES_MAX)
		return;
	for (guint i = first; i < addresses->len; i++)
		if (!strcmp(addresses->pdata[i], address))
			return;
	g_ptr_array_add(addresses, g_strdup(address));
}

/*
 *	|-- 10.244.0.7
 *	   /32 host LOCAL
 *
 * The same entry comes in the Main and the Local table when those are one.
 */
void ss_process_parse_fib_trie(const char *text, size_t length, GPtrArray *addresses)
{
	const char *end = text + length, *line;
	char candidate[INET_ADDRSTRLEN] = "";
	guint first = addresses->len;
	size_t line_length;

	while (next_line(&text, end, &line, &line_length)) {
		const char *leaf = memmem(line, line_length, "|-- ", 4);
		struct in_addr address;

		if (leaf) {
			size_t n = (size_t)(line + line_length - (leaf + 4));

			candidate[0] = '\0';
			if (n < sizeof(candidate)) {
				memcpy(candidate, leaf + 4, n);
				candidate[n] = '\0';
			}
		} else if (candidate[0] && memmem(line, line_length, "/32 host LOCAL", 14) &&
			   inet_pton(AF_INET, candidate, &address) == 1 &&
			   (ntohl(address.s_addr) >> 24) != IN_LOOPBACKNET) {
			add_address(addresses, candidate, first);
		}
	}
}

/* "fd00000000000000000000000000000002 04 40 00 82     eth0": address, index, prefix, scope, flags
 */
void ss_process_parse_if_inet6(const char *text, size_t length, GPtrArray *addresses)
{
	const char *end = text + length, *line;
	guint first = addresses->len;
	size_t line_length;

	while (next_line(&text, end, &line, &line_length)) {
		char copy[128], hex[33], device[16], name[INET6_ADDRSTRLEN];
		unsigned index, prefix, scope, flags;
		struct in6_addr address;

		if (line_length >= sizeof(copy))
			continue;
		memcpy(copy, line, line_length);
		copy[line_length] = '\0';
		if (sscanf(copy, "%32[0-9a-f] %8x %8x %8x %8x %15s", hex, &index, &prefix, &scope,
			   &flags, device) != 6 ||
		    strlen(hex) != 32)
			continue;
		for (size_t i = 0; i < sizeof(address); i++)
			address.s6_addr[i] = (uint8_t)(g_ascii_xdigit_value(hex[2 * i]) << 4 |
						       g_ascii_xdigit_value(hex[2 * i + 1]));
		if (!strcmp(device, "lo") || IN6_IS_ADDR_LOOPBACK(&address) ||
		    IN6_IS_ADDR_LINKLOCAL(&address))
			continue;
		if (inet_ntop(AF_INET6, &address, name, sizeof(name)))
			add_address(addresses, name, first);
	}
}

bool ss_process_read_addresses(int process, GPtrArray *addresses)
{
	g_autofree char *text = g_malloc(TRIE_MAX);
	ssize_t trie, inet6;

	trie = ss_read_text_at(process, "net/fib_trie", text, TRIE_MAX);
	if (trie > 0)
		ss_process_parse_fib_trie(text, (size_t)trie, addresses);
	inet6 = ss_read_text_at(process, "net/if_inet6", text, TRIE_MAX);
	if (inet6 > 0)
		ss_process_parse_if_inet6(text, (size_t)inet6, addresses);
	return trie >= 0 && inet6 >= 0;
}
