/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An interface, as the stages that its frames pass want to know it (stage.h), and a table of those.
 */
#ifndef SS_PLACE_H
#define SS_PLACE_H

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "k8s/pod.h"

struct ss_place {
	uint32_t interface_id;
	uint32_t owner;     /* who sees connections there: the same for all interfaces of a pod */
	uint16_t link_type; /* SS_LINKTYPE_* */
	bool is_lo;         /* a pod's loopback device */
	bool is_known;      /* set in tables */
	const struct ss_pod *pod; /* NULL: a device of the host. Not in tables */
};

/* struct ss_place, by interface id. */
static inline GArray *ss_places_new(void)
{
	return g_array_new(FALSE, TRUE, sizeof(struct ss_place));
}

static inline void ss_places_set(GArray *places, const struct ss_place *place)
{
	struct ss_place *kept;

	if (places->len <= place->interface_id)
		g_array_set_size(places, place->interface_id + 1);
	kept = &g_array_index(places, struct ss_place, place->interface_id);
	*kept = *place;
	kept->is_known = true;
	kept->pod = NULL;
}

/* NULL: not known. */
static inline const struct ss_place *ss_places_get(const GArray *places, uint32_t interface_id)
{
	const struct ss_place *place;

	if (interface_id >= places->len)
		return NULL;
	place = &g_array_index(places, struct ss_place, interface_id);
	return place->is_known ? place : NULL;
}

#endif
