/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as the file that a list leaves for the next: what comes out is what may go in. */
#include <arpa/inet.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <glib.h>

#include "k8s/podname.h"
#include "k8s/recall.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autofree char *text = g_strndup((const char *)data, size);
	g_autoptr(GHashTable) pods = ss_recall_parse(text, "1 boot");
	struct ss_recalled *recalled;
	GHashTableIter iter;
	char *uid;

	g_hash_table_iter_init(&iter, pods);
	while (g_hash_table_iter_next(&iter, (gpointer *)&uid, (gpointer *)&recalled)) {
		g_assert_true(ss_podname_is_uid(uid, strlen(uid)));
		g_assert_cmpint(recalled->pid, >, 0);
		for (guint i = 0; i < recalled->addresses->len; i++) {
			const char *address = recalled->addresses->pdata[i];
			uint8_t binary[sizeof(struct in6_addr)];

			g_assert_true(inet_pton(AF_INET, address, binary) == 1 ||
				      inet_pton(AF_INET6, address, binary) == 1);
		}
	}
	return 0;
}
