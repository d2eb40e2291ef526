/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as /proc/PID/cgroup and as a path: what comes out obeys the names' rules. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <glib.h>

#include "k8s/cgroup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct ss_cgroup_identity *identity)
{
	size_t length = strlen(identity->container_id);

	g_assert_true(ss_podname_is_uid(identity->pod_uid, strlen(identity->pod_uid)));
	g_assert_true(length == 0 || ss_podname_is_container_id(identity->container_id, length));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autofree char *text = g_strndup((const char *)data, size);
	struct ss_cgroup_identity identity;

	if (ss_cgroup_parse_proc((const char *)data, size, &identity) == 0)
		check(&identity);
	if (ss_cgroup_parse(text, &identity) == 0)
		check(&identity);
	return 0;
}
