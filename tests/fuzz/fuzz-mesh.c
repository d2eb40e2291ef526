/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames on their way through the mesh gate (stage.h), of interfaces 0 (lo, Ethernet), 1 (eth0) and
 * 2 (lo of another pod, raw). The first byte also says whether twins are left out.
 */
#define STEP_NS 7000000u

#include "mesh.h"
#include "stage.h"

static void twin_left_out(uint32_t interface_id, void *user_data)
{
	(void)user_data;
	g_assert_cmpuint(interface_id, ==, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct ss_pod pod = {0};
	struct ss_mesh *mesh;
	struct ss_stage stage;

	if (size < 1)
		return 0;
	mesh = ss_mesh_new(data[0] & 1 ? twin_left_out : NULL, NULL);
	stage = ss_mesh_stage(mesh);
	add_place(&stage,
		  (struct ss_place){0, 1, SS_LINKTYPE_ETHERNET, .is_lo = true, .pod = &pod});
	add_place(&stage, (struct ss_place){1, 1, SS_LINKTYPE_ETHERNET, .pod = &pod});
	add_place(&stage, (struct ss_place){2, 2, SS_LINKTYPE_RAW, .is_lo = true, .pod = &pod});
	offer_portions(&stage, data, size, false);
	ss_mesh_free(mesh);
	return 0;
}
