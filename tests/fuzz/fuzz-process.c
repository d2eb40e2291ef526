/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as /proc/PID/stat, net/fib_trie and net/if_inet6: addresses come out as addresses. */
#include <arpa/inet.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "k8s/process.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autoptr(GPtrArray) addresses = g_ptr_array_new_with_free_func(g_free);
	const char *text = (const char *)data;
	struct ss_process_stat status;

	ss_process_parse_stat(text, size, &status);
	ss_process_parse_fib_trie(text, size, addresses);
	ss_process_parse_if_inet6(text, size, addresses);
	for (guint i = 0; i < addresses->len; i++) {
		uint8_t address[sizeof(struct in6_addr)];

		g_assert_true(inet_pton(AF_INET, addresses->pdata[i], address) == 1 ||
			      inet_pton(AF_INET6, addresses->pdata[i], address) == 1);
	}
	return 0;
}
