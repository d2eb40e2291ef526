/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Interface, slots and hooks of one device, from the first program to the last count. */
#include "tap.h"

#include <string.h>

#include <glib.h>

#include "attach/hook.h"
#include "describe.h"

/* One program on one hook. */
struct point {
	struct ss_tap_point plan;
	struct ss_slot config;
	uint32_t slot;
	int program_fd; /* the source's */
	struct ss_hook *hook;
};

struct ss_tap {
	struct ss_target_context *context;
	int index;
	char *name;
	uint32_t interface_id; /* of an early one: its number (early.h) */
	uint16_t link_type;
	bool has_mac, early;
	uint8_t mac[6];
	uint64_t lost;                     /* frames that could not wait until it was settled */
	struct ss_interface_counters base; /* what its earlier interfaces counted */
	GArray *points;                    /* struct point */
};

static struct ss_interface *describe(const struct ss_tap *tap,
				     const struct ss_tap_identity *identity)
{
	const struct ss_target_context *context = tap->context;
	struct ss_interface *interface;

	if (identity->pod)
		interface =
			ss_describe_pod_interface(identity->pod, tap->name, identity->first,
						  context->node, identity->hook, tap->link_type);
	else
		interface = ss_describe_host_interface(tap->name, context->node, identity->hook,
						       tap->link_type);
	interface->snap_len = context->snap_len;
	interface->filter = g_strdup(context->filter);
	interface->has_mac = tap->has_mac;
	memcpy(interface->mac, tap->mac, sizeof(interface->mac));
	return interface;
}

static int add_interface(struct ss_tap *tap, const struct ss_tap_identity *identity,
			 struct ss_error *error)
{
	struct ss_target_context *context = tap->context;
	struct ss_interface *interface = describe(tap, identity);
	int r;

	r = ss_stream_interface(context->stream, interface, &tap->interface_id, error);
	if (r == 0 && context->interface_added)
		context->interface_added(tap->interface_id, tap->link_type, identity->pod,
					 tap->name, context->user_data);
	return r;
}

int ss_tap_new(struct ss_target_context *context, const struct ss_tap_identity *identity, int index,
	       const char *name, uint16_t link_type, const uint8_t *mac, struct ss_tap **ret_tap,
	       struct ss_error *error)
{
	struct ss_tap *tap = g_new0(struct ss_tap, 1);
	int r = 0;

	tap->context = context;
	tap->index = index;
	tap->name = g_strdup(name);
	tap->link_type = link_type;
	tap->points = g_array_new(FALSE, TRUE, sizeof(struct point));
	tap->has_mac = mac != NULL;
	if (mac)
		memcpy(tap->mac, mac, sizeof(tap->mac));
	tap->early = identity->early;
	if (tap->early)
		tap->interface_id = ss_early_add(context->early);
	else
		r = add_interface(tap, identity, error);
	if (r < 0) {
		g_array_unref(tap->points);
		g_free(tap->name);
		g_free(tap);
		return r;
	}
	*ret_tap = tap;
	return 0;
}

void ss_tap_free(struct ss_tap *tap)
{
	/* Detach all first: what is counted after is final. */
	for (guint i = 0; i < tap->points->len; i++)
		ss_hook_free(g_array_index(tap->points, struct point, i).hook);
	ss_tap_count(tap, tap->context->retired_drops);
	if (tap->early)
		ss_early_forget(tap->context->early, tap->interface_id);
	for (guint i = 0; i < tap->points->len; i++)
		ss_bpf_source_slot_free(tap->context->source,
					g_array_index(tap->points, struct point, i).slot);
	g_array_unref(tap->points);
	g_free(tap->name);
	g_free(tap);
}

/* Of the tap's present interface, which is described here for what the filter says to it. */
static void configure(const struct ss_tap *tap, struct point *point,
		      const struct ss_interface *interface, const struct ss_pod *pod)
{
	const struct ss_target_context *context = tap->context;
	const struct ss_tap_point *plan = &point->plan;

	point->config.interface_id = tap->interface_id;
	point->config.flags =
		plan->flags | context->verdicts(interface, plan->direction, context->user_data);
	ss_describe_slot(&point->config, pod, plan->direction);
}

/* Loads or takes a program for the point; its hook comes later. */
static int add_point(struct ss_tap *tap, const struct ss_interface *interface,
		     const struct ss_pod *pod, const struct ss_tap_point *plan,
		     struct ss_error *error)
{
	struct point point = {.plan = *plan};
	int r;

	point.config.netns_id = plan->netns_id;
	if (pod)
		point.config.cgroup_id = pod->cgroup_id;
	configure(tap, &point, interface, pod);
	r = ss_bpf_source_slot_new(tap->context->source, plan->program, &point.config, &point.slot,
				   &point.program_fd, error);
	if (r == 0)
		g_array_append_val(tap->points, point);
	return r;
}

static int hook_point(const struct ss_tap *tap, const struct ss_pod *pod, struct point *point,
		      struct ss_error *error)
{
	const struct ss_tap_point *plan = &point->plan;

	if (plan->program == SS_PROGRAM_CGROUP_EGRESS || plan->program == SS_PROGRAM_CGROUP_INGRESS)
		return ss_hook_new_cgroup(point->program_fd, pod->cgroup_path, plan->ingress,
					  &point->hook, error);
	return ss_hook_new_device(point->program_fd, tap->index, plan->ingress, &point->hook,
				  error);
}

int ss_tap_hook(struct ss_tap *tap, const struct ss_tap_identity *identity,
		const struct ss_tap_point *points, size_t count, struct ss_error *error)
{
	struct ss_interface *interface = describe(tap, identity);
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++)
		r = add_point(tap, interface, identity->pod, &points[i], error);
	ss_interface_free(interface);
	for (guint i = 0; i < tap->points->len && r == 0; i++)
		r = hook_point(tap, identity->pod, &g_array_index(tap->points, struct point, i),
			       error);
	return r;
}

/* The programs write frames of the tap's present interface. */
static void point_to_interface(struct ss_tap *tap, const struct ss_tap_identity *identity)
{
	struct ss_interface *interface = describe(tap, identity);

	for (guint i = 0; i < tap->points->len; i++) {
		struct point *point = &g_array_index(tap->points, struct point, i);

		configure(tap, point, interface, identity->pod);
		ss_bpf_source_slot_update(tap->context->source, point->slot, &point->config);
	}
	ss_interface_free(interface);
}

int ss_tap_settle(struct ss_tap *tap, const struct ss_tap_identity *identity,
		  struct ss_error *error)
{
	uint32_t number = tap->interface_id;
	int r = add_interface(tap, identity, error);

	if (r < 0)
		return r;
	tap->early = false;
	point_to_interface(tap, identity);
	tap->lost = ss_early_settle(tap->context->early, number, tap->interface_id);
	return 0;
}

int ss_tap_describe(struct ss_tap *tap, const struct ss_tap_identity *identity,
		    struct ss_error *error)
{
	uint64_t ignored[SS_DROP_CAUSES] = {0};
	struct ss_interface_counters counters;
	int r;

	ss_tap_count(tap, ignored);
	counters = *ss_stream_counters(tap->context->stream, tap->interface_id);
	r = add_interface(tap, identity, error);
	if (r < 0)
		return r;
	tap->base.seen += counters.seen;
	tap->base.accepted += counters.accepted;
	tap->base.dropped += counters.dropped;
	tap->base.bytes += counters.bytes;
	point_to_interface(tap, identity);
	return 0;
}

void ss_tap_count(struct ss_tap *tap, uint64_t drops[SS_DROP_CAUSES])
{
	const struct ss_interface_counters *base = &tap->base;
	struct ss_interface_counters *sum;

	if (tap->early)
		return; /* nobody's yet */
	sum = ss_stream_counters(tap->context->stream, tap->interface_id);
	sum->seen = -base->seen;
	sum->accepted = -base->accepted;
	sum->dropped = tap->lost - base->dropped;
	sum->bytes = -base->bytes;
	for (guint i = 0; i < tap->points->len; i++) {
		struct point *point = &g_array_index(tap->points, struct point, i);
		struct ss_slot_counters counters = {0};

		ss_bpf_source_counters(tap->context->source, point->slot, &counters);
		sum->seen += counters.seen;
		sum->accepted += counters.accepted;
		sum->bytes += counters.bytes;
		sum->dropped += counters.drops[SS_DROP_RING_FULL] + counters.drops[SS_DROP_BUSY];
		for (int cause = 0; cause < SS_DROP_CAUSES; cause++)
			drops[cause] += counters.drops[cause];
	}
}

int ss_tap_index(const struct ss_tap *tap)
{
	return tap->index;
}
