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

static size_t admit(void *blocks, size_t length, uint64_t now_ns, uint64_t *ret_again_ns,
		    void *failures)
{
	return ss_failures_admit(failures, blocks, length, now_ns, ret_again_ns);
}

static void release(void *failures)
{
	ss_failures_release(failures);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct ss_failures_options options = {
		.timeout_ns = 1000000000u, .event = event, .left_out = left_out};
	struct ss_pump_gate stage = {.admit = admit, .release = release};
	g_autofree char *summary = NULL;
	struct ss_pod *pod;

	if (size < 1)
		return 0;
	stage.user_data = ss_failures_new(&options);
	pod = ss_pod_new();
	pod->uid = g_strdup("a");
	ss_failures_interface(stage.user_data, 0, SS_LINKTYPE_ETHERNET, pod);
	ss_failures_interface(stage.user_data, 1, SS_LINKTYPE_RAW, pod);
	ss_failures_interface(stage.user_data, 2, SS_LINKTYPE_ETHERNET, NULL);
	ss_pod_free(pod);
	offer_portions(&stage, data, size);
	summary = ss_failures_summary(stage.user_data);
	ss_failures_free(stage.user_data);
	return 0;
}
