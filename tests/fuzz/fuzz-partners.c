/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames on their way through the stage that pairs HTTP messages (stage.h), of interfaces 0 (a pod,
 * Ethernet), 1 (the pod, raw) and 2 (the host). Those that are left out and have the mark of context
 * may be taken back.
 */
#include "partners.h"
#include "stage.h"

static void late(uint32_t interface_id, uint64_t time_ns, GByteArray *block, void *user_data)
{
	(void)user_data;
	(void)time_ns;
	g_assert_cmpuint(interface_id, <, INTERFACES);
	g_assert_cmpuint(whole_blocks(block->data, block->len, SIZE_MAX), ==, block->len);
	g_byte_array_unref(block);
}

static void taken_back(uint32_t interface_id, uint32_t length, void *user_data)
{
	(void)user_data;
	(void)length;
	g_assert_cmpuint(interface_id, <, INTERFACES);
}

static size_t admit(void *self, void *blocks, size_t length, uint64_t now_ns,
		    uint64_t *ret_again_ns)
{
	return ss_partners_admit(self, blocks, length, now_ns, ret_again_ns);
}

static void release(void *self)
{
	ss_partners_release(self);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct ss_partners_callbacks callbacks = {left_out, late, taken_back, NULL};
	struct stage stage = {NULL, admit, release};

	if (size < 1)
		return 0;
	stage.self = ss_partners_new(&callbacks);
	ss_partners_interface(stage.self, 0, SS_LINKTYPE_ETHERNET, 1);
	ss_partners_interface(stage.self, 1, SS_LINKTYPE_RAW, 1);
	ss_partners_interface(stage.self, 2, SS_LINKTYPE_ETHERNET, 2);
	offer(&stage, data, size);
	ss_partners_free(stage.self);
	return 0;
}
