/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames on their way through the mesh gate, offered in portions as the pump does. The first byte
 * says how many bytes come at once and whether twins are left out; the rest are blocks of
 * interfaces 0 (lo, Ethernet), 1 (eth0) and 2 (lo of another pod, raw). Lengths of blocks never
 * change.
 */
#include <string.h>

#include <glib.h>

#include "format/pcapng.h"
#include "mesh.h"
#include "output/block.h"

#define STEP_NS 7000000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void left_out(uint32_t interface_id, void *user_data)
{
	g_assert(interface_id == 1);
	++*(unsigned *)user_data;
}

static size_t whole_blocks(const uint8_t *data, size_t size, size_t most)
{
	uint64_t all = UINT64_MAX;

	return ss_block_walk(data, size, most, &all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autofree uint8_t *blocks = NULL;
	size_t length, offered = 0, portion, from = 0;
	uint64_t now_ns = 0, again_ns;
	unsigned count = 0;
	struct ss_mesh *mesh;

	if (size < 1)
		return 0;
	length = whole_blocks(data + 1, size - 1, SIZE_MAX);
	blocks = g_memdup2(data + 1, length);
	portion = (data[0] & 0x7fu) * 16 + 16;
	mesh = ss_mesh_new(data[0] & 0x80 ? left_out : NULL, &count);
	ss_mesh_interface(mesh, 0, "a", true, SS_LINKTYPE_ETHERNET);
	ss_mesh_interface(mesh, 1, "a", false, SS_LINKTYPE_ETHERNET);
	ss_mesh_interface(mesh, 2, "b", true, SS_LINKTYPE_RAW);
	while (from < length) {
		size_t come = whole_blocks(blocks + offered, length - offered, portion);
		size_t admitted;

		if (!come) /* one block above the portion, or the end: nothing new comes */
			come = length - offered;
		offered += come;
		again_ns = 0;
		admitted = ss_mesh_admit(mesh, blocks + from, offered - from, now_ns, &again_ns);
		g_assert(admitted <= offered - from);
		g_assert(admitted == offered - from || again_ns);
		g_assert(whole_blocks(blocks + from, admitted, SIZE_MAX) == admitted);
		from += admitted;
		now_ns += STEP_NS;
		if (offered == length && from < length) {
			ss_mesh_release(mesh);
			g_assert(ss_mesh_admit(mesh, blocks + from, length - from, now_ns,
					       &again_ns) == length - from);
			break;
		}
	}
	ss_mesh_free(mesh);
	g_assert(whole_blocks(blocks, length, SIZE_MAX) == length);
	return 0;
}
