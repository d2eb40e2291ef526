/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames on their way through the stage that keeps failing DNS exchanges, offered in portions as
 * the pump does. The first byte says how many bytes come at once; the rest are blocks of interfaces
 * 0 (a pod, Ethernet), 1 (the pod, raw) and 2 (the host). Lengths of blocks never change, and after
 * a release everything leaves.
 */
#include <string.h>

#include <glib.h>

#include "failures.h"
#include "format/pcapng.h"
#include "output/block.h"

#define STEP_NS 70000000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void event(const struct ss_event *event, void *user_data)
{
	(void)user_data;
	g_assert_true(g_utf8_validate(event->details, -1, NULL));
	g_assert_nonnull(event->message);
}

static void left_out(uint32_t interface_id, void *user_data)
{
	(void)user_data;
	g_assert_cmpuint(interface_id, <, 3);
}

static size_t whole_blocks(const uint8_t *data, size_t size, size_t most)
{
	uint64_t all = UINT64_MAX;

	return ss_block_walk(data, size, most, &all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct ss_failures_options options = {
		.timeout_ns = 1000000000u, .event = event, .left_out = left_out};
	g_autofree uint8_t *blocks = NULL;
	g_autofree char *summary = NULL;
	size_t length, offered = 0, portion, from = 0;
	struct ss_failures *failures;
	uint64_t now_ns = 1, again_ns;
	struct ss_pod *pod;

	if (size < 1)
		return 0;
	length = whole_blocks(data + 1, size - 1, SIZE_MAX);
	blocks = g_memdup2(data + 1, length);
	portion = (data[0] & 0x7fu) * 16 + 16;
	failures = ss_failures_new(&options);
	pod = ss_pod_new();
	pod->uid = g_strdup("a");
	ss_failures_interface(failures, 0, SS_LINKTYPE_ETHERNET, pod);
	ss_failures_interface(failures, 1, SS_LINKTYPE_RAW, pod);
	ss_failures_interface(failures, 2, SS_LINKTYPE_ETHERNET, NULL);
	ss_pod_free(pod);
	while (from < length) {
		size_t come = whole_blocks(blocks + offered, length - offered, portion);
		size_t admitted;

		if (!come) /* one block above the portion, or the end: nothing new comes */
			come = length - offered;
		offered += come;
		again_ns = 0;
		admitted = ss_failures_admit(failures, blocks + from, offered - from, now_ns,
					     &again_ns);
		g_assert(admitted <= offered - from);
		g_assert(admitted == offered - from || again_ns);
		g_assert(whole_blocks(blocks + from, admitted, SIZE_MAX) == admitted);
		from += admitted;
		now_ns += STEP_NS;
		if (offered == length && from < length && data[0] & 0x80) {
			ss_failures_release(failures);
			g_assert(ss_failures_admit(failures, blocks + from, length - from, now_ns,
						   &again_ns) == length - from);
			break;
		}
	}
	summary = ss_failures_summary(failures);
	ss_failures_free(failures);
	g_assert(whole_blocks(blocks, length, SIZE_MAX) == length);
	return 0;
}
