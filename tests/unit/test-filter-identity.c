/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests on pods, decided for a slot: what our plugin would say of the frames. */
#include <string.h>

#include <glib.h>

#include "filter/filter.h"
#include "filter/identity.h"
#include "format/metadata.h"
#include "format/ring.h"

static const struct ss_identity api = {
	.name = "stratoshark-pod:production/api/lo",
	.description = "pod=api; namespace=production; container=web,side%3Bcar; device=lo; "
		       "node=n1; uid=u-1; hook=netns",
	.direction = SS_DIRECTION_LOCAL,
	.present = true,
};
static const struct ss_identity one = {
	.name = "stratoshark-pod:staging/one",
	.description = "pod=one; namespace=staging; container=web; device=eth0",
	.direction = SS_DIRECTION_IN,
	.present = true,
};
/* A device of the host alone: our plugin shows nothing. */
static const struct ss_identity host = {
	.name = "eth0",
	.description = "device=eth0; node=n1; hook=device",
	.direction = SS_DIRECTION_OUT,
};

static uint32_t verdicts(const char *text, const struct ss_identity *identity)
{
	struct ss_filter *filter = NULL;
	struct ss_error error = {0};
	uint32_t bits;

	if (ss_filter_new(text, &filter, &error) < 0)
		g_error("'%s': %s", text, error.message);
	/* Of several containers the frame's process says which one it is. */
	g_assert_cmpint(ss_filter_rest(filter), ==,
			strstr(text, "stratoshark.container") ? SS_REST_ALL : SS_REST_NOTHING);
	bits = ss_filter_verdicts(filter, identity);
	g_assert_cmpuint(bits & ((1u << SS_SLOT_VERDICTS_SHIFT) - 1), ==, 0);
	ss_filter_free(filter);
	return bits >> SS_SLOT_VERDICTS_SHIFT;
}

static void test_fields(void)
{
	static const struct {
		const char *text;
		bool api, one, host;
	} rows[] = {
		{"stratoshark.pod == \"api\"", true, false, false},
		{"stratoshark.pod == api", true, false, false},
		{"stratoshark.pod != api", false, true, false},
		{"stratoshark.pod contains \"ap\"", true, false, false},
		{"stratoshark.pod in {one, two}", false, true, false},
		{"stratoshark.pod", true, true, false},
		{"stratoshark", true, true, false},
		{"stratoshark.namespace == production", true, false, false},
		{"stratoshark.pod_containers == \"side;car\"", true, false, false},
		{"stratoshark.pod_containers === web", false, true, false},
		{"stratoshark.container == web", true, true, false},
		{"stratoshark.container == other", false, false, false},
		{"stratoshark.container != web", true, false, false},
		{"stratoshark.device == eth0", false, true, false},
		{"stratoshark.node == n1", true, false, false},
		{"stratoshark.interface contains /api", true, false, false},
		{"frame.interface_name == eth0", false, false, true},
		{"stratoshark.direction == in", false, true, false},
		{"stratoshark.direction == \"local\"", true, false, false},
		{"stratoshark.direction in {1..2}", false, true, false},
		{"stratoshark.direction >= 3", true, false, false},
		{"frame.p2p_dir", false, true, true},
		{"frame.p2p_dir == 0", false, false, true},
		{"frame.p2p_dir == 1", false, true, false},
		{"frame.p2p_dir != 0", false, true, false},
		{"!(frame.p2p_dir == 0)", false, false, true}, /* the bit is of the test */
	};

	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_test_message("%s", rows[i].text);
		g_assert_cmpuint(verdicts(rows[i].text, &api), ==, rows[i].api);
		g_assert_cmpuint(verdicts(rows[i].text, &one), ==, rows[i].one);
		g_assert_cmpuint(verdicts(rows[i].text, &host), ==, rows[i].host);
	}
}

/* Each test has a bit of its own, other tests have none. */
static void test_several(void)
{
	static const char text[] = "frame.len > 60 and (stratoshark.pod == one or "
				   "!(stratoshark.namespace == production)) and "
				   "stratoshark.direction == local";

	g_assert_cmpuint(verdicts(text, &api), ==, 0x6);
	g_assert_cmpuint(verdicts(text, &one), ==, 0x1);
	g_assert_cmpuint(verdicts(text, &host), ==, 0);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/filter-identity/fields", test_fields);
	g_test_add_func("/filter-identity/several", test_several);
	return g_test_run();
}
