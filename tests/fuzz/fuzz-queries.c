/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames on their way through the stage that pairs DNS messages (stage.h), of interfaces 0 (a pod,
 * Ethernet), 1 (the pod, raw) and 2 (the host).
 */
#include "queries.h"
#include "stage.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct ss_held_callbacks callbacks = {
		.left_out = left_out, .late = late, .taken_back = taken_back};
	struct ss_queries *queries;
	struct ss_stage stage;

	if (size < 1)
		return 0;
	queries = ss_queries_new(&callbacks);
	stage = ss_queries_stage(queries);
	add_places(&stage);
	offer_portions(&stage, data, size, true);
	ss_queries_free(queries);
	return 0;
}
