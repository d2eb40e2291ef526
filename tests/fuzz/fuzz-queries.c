/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames on their way through the stage that keeps one half of DNS exchanges for the other
 * (stage.h), of interfaces 0 (a pod, Ethernet), 1 (the pod, raw) and 2 (the host).
 */
#include "queries.h"
#include "stage.h"

static void late(uint32_t interface_id, uint64_t time_ns, GByteArray *block, void *user_data)
{
	(void)user_data;
	(void)time_ns;
	g_assert_cmpuint(interface_id, <, INTERFACES);
	g_assert_cmpuint(whole_blocks(block->data, block->len, SIZE_MAX), ==, block->len);
	g_byte_array_unref(block);
}

static size_t admit(void *self, void *blocks, size_t length, uint64_t now_ns,
		    uint64_t *ret_again_ns)
{
	return ss_queries_admit(self, blocks, length, now_ns, ret_again_ns);
}

static void release(void *self)
{
	ss_queries_release(self);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct ss_queries_callbacks callbacks = {left_out, late, NULL};
	struct stage stage = {NULL, admit, release};

	if (size < 1)
		return 0;
	stage.self = ss_queries_new(data[0] & 1, &callbacks);
	ss_queries_interface(stage.self, 0, SS_LINKTYPE_ETHERNET, 1);
	ss_queries_interface(stage.self, 1, SS_LINKTYPE_RAW, 1);
	ss_queries_interface(stage.self, 2, SS_LINKTYPE_ETHERNET, 2);
	offer(&stage, data, size);
	ss_queries_free(stage.self);
	return 0;
}
