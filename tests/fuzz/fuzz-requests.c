/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames on their way through the stage that keeps requests without wanted answers (stage.h), of
 * interfaces 0 (a pod, Ethernet), 1 (the pod, raw) and 2 (the host).
 */
#include "requests.h"
#include "stage.h"

static bool wants(unsigned code, void *user_data)
{
	(void)user_data;
	return code == 103;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct ss_held_callbacks callbacks = {.left_out = left_out, .late = late};
	struct ss_requests *requests;
	struct ss_stage stage;

	if (size < 1)
		return 0;
	requests = ss_requests_new(&callbacks, wants);
	stage = ss_requests_stage(requests);
	add_places(&stage);
	offer_portions(&stage, data, size, false);
	ss_requests_free(requests);
	return 0;
}
