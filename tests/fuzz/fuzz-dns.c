/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames on their way through the stage that keeps failing DNS exchanges (stage.h), of interfaces 0
 * (a pod, Ethernet), 1 (the pod, raw) and 2 (the host).
 */
#include "failures.h"
#include "stage.h"

static void event(const struct ss_event *event, void *user_data)
{
	(void)user_data;
	g_assert_true(g_utf8_validate(event->details, -1, NULL));
	g_assert_nonnull(event->message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct ss_failures_options options = {
		.timeout_ns = 1000000000u,
		.searches_are_fine = size & 1,
		.event = event,
		.left_out = left_out,
	};
	g_autofree char *summary = NULL;
	struct ss_failures *failures;
	struct ss_stage stage;

	if (size < 1)
		return 0;
	failures = ss_failures_new(&options);
	stage = ss_failures_stage(failures);
	add_places(&stage);
	offer_portions(&stage, data, size, false);
	summary = ss_failures_summary(failures);
	ss_failures_free(failures);
	return 0;
}
