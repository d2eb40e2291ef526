/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames on their way through the stage that keeps requests without wanted answers (stage.h), of
 * interfaces 0 (a pod, Ethernet), 1 (the pod, raw) and 2 (the host).
 */
#include "requests.h"
#include "stage.h"

static size_t admit(void *blocks, size_t length, uint64_t now_ns, uint64_t *ret_again_ns,
		    void *requests)
{
	return ss_requests_admit(requests, blocks, length, now_ns, ret_again_ns);
}

static void release(void *requests)
{
	ss_requests_release(requests);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct ss_requests_callbacks callbacks = {left_out, late, NULL, NULL};
	struct ss_pump_gate stage = {.admit = admit, .release = release};

	if (size < 1)
		return 0;
	stage.user_data = ss_requests_new(&callbacks);
	ss_requests_interface(stage.user_data, 0, SS_LINKTYPE_ETHERNET, 1);
	ss_requests_interface(stage.user_data, 1, SS_LINKTYPE_RAW, 1);
	ss_requests_interface(stage.user_data, 2, SS_LINKTYPE_ETHERNET, 2);
	offer_portions(&stage, data, size);
	ss_requests_free(stage.user_data);
	return 0;
}
