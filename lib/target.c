/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From "this pod" to programs on hooks: design section 4.
 *
 *	netns	inside the pod's namespace: both directions of every device, arrivals on lo
 *	veth	the host's end of the pod's cables, directions swapped, and the pod's cgroup for lo
 *	cgroup	the pod's sockets: hostNetwork pods, whose devices are the host's
 *
 * Frames on lo are stored once: at ingress in netns mode; in cgroup modes at egress, and at ingress
 * what no socket of the pod sent.
 */
#include "target.h"

#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "attach/device.h"
#include "attach/hook.h"
#include "attach/netns.h"
#include "format/metadata.h"
#include "format/pcapng.h"
#include "log.h"
#include "privilege.h"

/* What hangs where on a device. */
struct hook_plan {
	enum ss_program program;
	enum ss_direction direction;
	bool ingress;
	uint32_t flags;
};

/* One program on one hook. */
struct point {
	struct hook_plan plan;
	struct ss_slot config;
	uint32_t slot;
	int program_fd; /* the source's */
	struct ss_hook *hook;
};

/* A device and its points. */
struct device {
	int index; /* ifindex where it lives; 0 for cgroups, which are no device */
	char *name;
	uint32_t interface_id;
	uint16_t link_type;
	struct ss_interface_counters base; /* what an earlier interface of it counted */
	GArray *points;			   /* struct point */
};

struct ss_target {
	struct ss_target_context *context;
	char *name, *how;
	struct ss_pod *pod; /* our copy of who it is; NULL: devices of the host */
	char *device_name;  /* of the host; NULL: any */
	enum ss_attach_mode mode;
	GPtrArray *devices; /* struct device * */
	int monitor;
};

static void device_count(const struct ss_target *target, struct device *device,
			 uint64_t drops[SS_DROP_CAUSES])
{
	struct ss_interface_counters *sum =
		ss_stream_counters(target->context->stream, device->interface_id);
	const struct ss_interface_counters *base = &device->base;

	*sum = (struct ss_interface_counters){-base->seen, -base->accepted, -base->dropped,
					      -base->bytes};
	for (guint i = 0; i < device->points->len; i++) {
		struct point *point = &g_array_index(device->points, struct point, i);
		struct ss_slot_counters counters = {0};

		ss_bpf_source_counters(target->context->source, point->slot, &counters);
		sum->seen += counters.seen;
		sum->accepted += counters.accepted;
		sum->bytes += counters.bytes;
		sum->dropped += counters.drops[SS_DROP_RING_FULL] + counters.drops[SS_DROP_BUSY];
		for (int cause = 0; cause < SS_DROP_CAUSES; cause++)
			drops[cause] += counters.drops[cause];
	}
}

static void device_free(struct ss_target *target, struct device *device)
{
	/* Detach all first: what is counted after is final. */
	for (guint i = 0; i < device->points->len; i++)
		ss_hook_free(g_array_index(device->points, struct point, i).hook);
	device_count(target, device, target->context->retired_drops);
	for (guint i = 0; i < device->points->len; i++)
		ss_bpf_source_slot_free(target->context->source,
					g_array_index(device->points, struct point, i).slot);
	g_array_unref(device->points);
	g_free(device->name);
	g_free(device);
}

static uint8_t *put_tlv(uint8_t *to, uint8_t type, const void *value, uint8_t length)
{
	*to++ = type;
	*to++ = length;
	memcpy(to, value, length);
	return to + length;
}

static bool parse_hex(const char *text, uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int high = g_ascii_xdigit_value(text[2 * i]);
		int low = high < 0 ? -1 : g_ascii_xdigit_value(text[2 * i + 1]);

		if (low < 0)
			return false;
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

/* The constant options of every block of this slot. Option 2989 has room for 18 bytes of TLVs. */
static void fill_options(struct ss_slot *slot, const struct ss_pod *pod,
			 enum ss_direction direction)
{
	uint8_t value[24] = {0}, *to = value, byte = (uint8_t)direction;
	uint32_t pen = GUINT32_TO_LE(SS_METADATA_PEN);
	uint8_t id[SS_CONTAINER_ID_SIZE];

	slot->options[0] = 4u << 16 | SS_EPB_FLAGS;
	slot->options[1] = direction == SS_DIRECTION_IN	   ? SS_EPB_FLAG_IN
			   : direction == SS_DIRECTION_OUT ? SS_EPB_FLAG_OUT
							   : 0;
	slot->options[2] = (uint32_t)sizeof(value) << 16 | SS_OPT_CUSTOM_BIN;
	memcpy(to, &pen, sizeof(pen));
	to += sizeof(pen);
	*to++ = SS_METADATA_MAGIC0;
	*to++ = SS_METADATA_MAGIC1;
	to = put_tlv(to, SS_METADATA_DIRECTION, &byte, 1);
	if (pod && pod->netns_inode) {
		uint32_t inode = GUINT32_TO_LE(pod->netns_inode);

		to = put_tlv(to, SS_METADATA_NETNS, &inode, sizeof(inode));
	}
	if (pod && pod->containers->len == 1) {
		const struct ss_container *container = pod->containers->pdata[0];

		if (container->id && parse_hex(container->id, id, sizeof(id)))
			put_tlv(to, SS_METADATA_CONTAINER, id, sizeof(id));
	}
	memcpy(&slot->options[3], value, sizeof(value));
}

static char *container_names(const struct ss_pod *pod)
{
	GString *names = g_string_new(NULL);

	for (guint i = 0; i < pod->containers->len; i++) {
		const struct ss_container *container = pod->containers->pdata[i];

		if (container->name)
			g_string_append_printf(names, "%s%s", names->len ? "," : "",
					       container->name);
	}
	return g_string_free(names, FALSE);
}

/* Adds an interface to the stream for a device; the first one of a pod has the bare name. */
static int add_interface(struct ss_target *target, const char *name, bool first,
			 uint16_t link_type, const struct ss_device *hardware, uint32_t *ret_id,
			 struct ss_error *error)
{
	struct ss_target_context *context = target->context;
	const struct ss_pod *pod = target->pod;
	g_autofree char *interface_name = NULL;
	struct ss_interface *interface;

	if (pod)
		interface_name = ss_interface_pod_name(pod->namespace, pod->name,
						       first ? NULL : name);
	interface = ss_interface_new(pod ? interface_name : name, link_type);
	interface->snap_len = context->snap_len;
	interface->filter = g_strdup(context->filter);
	/* In veth mode the hardware is the host's end, whose address is not the pod's. */
	if (hardware && hardware->has_mac && target->mode != SS_ATTACH_VETH) {
		interface->has_mac = true;
		memcpy(interface->mac, hardware->mac, sizeof(interface->mac));
	}
	if (pod) {
		g_autofree char *containers = container_names(pod);

		ss_interface_describe(interface, SS_INTERFACE_KEY_POD, pod->name);
		ss_interface_describe(interface, SS_INTERFACE_KEY_NAMESPACE, pod->namespace);
		ss_interface_describe(interface, SS_INTERFACE_KEY_CONTAINER, containers);
	}
	ss_interface_describe(interface, SS_INTERFACE_KEY_DEVICE, name);
	ss_interface_describe(interface, SS_INTERFACE_KEY_NODE, context->node);
	if (pod) {
		ss_interface_describe(interface, SS_INTERFACE_KEY_RUNTIME, pod->runtime);
		ss_interface_describe(interface, SS_INTERFACE_KEY_UID, pod->uid);
	}
	ss_interface_describe(interface, SS_INTERFACE_KEY_HOOK, target->how);
	return ss_stream_interface(context->stream, interface, ret_id, error);
}

static int add_device(struct ss_target *target, int index, const char *name, uint16_t link_type,
		      const struct ss_device *hardware, struct device **ret_device,
		      struct ss_error *error)
{
	struct device *device;
	uint32_t id;
	int r;

	r = add_interface(target, name, target->devices->len == 0, link_type, hardware, &id, error);
	if (r < 0)
		return r;
	device = g_new0(struct device, 1);
	device->index = index;
	device->name = g_strdup(name);
	device->interface_id = id;
	device->link_type = link_type;
	device->points = g_array_new(FALSE, TRUE, sizeof(struct point));
	g_ptr_array_add(target->devices, device);
	*ret_device = device;
	return 0;
}

/* Loads or takes a program for the point; its hook comes later. */
static int add_point(struct ss_target *target, struct device *device, const struct hook_plan *plan,
		     struct ss_error *error)
{
	struct point point = {.plan = *plan};
	int r;

	point.config.interface_id = device->interface_id;
	point.config.flags = plan->flags;
	fill_options(&point.config, target->pod, plan->direction);
	if (target->pod)
		point.config.cgroup_id = target->pod->cgroup_id;
	r = ss_bpf_source_slot_new(target->context->source, plan->program, &point.config,
				   &point.slot, &point.program_fd, error);
	if (r == 0)
		g_array_append_val(device->points, point);
	return r;
}

static int hook_point(struct ss_target *target, struct device *device, struct point *point,
		      struct ss_error *error)
{
	const struct hook_plan *plan = &point->plan;

	if (plan->program == SS_PROGRAM_CGROUP_EGRESS || plan->program == SS_PROGRAM_CGROUP_INGRESS)
		return ss_hook_new_cgroup(point->program_fd, target->pod->cgroup_path,
					  plan->ingress, &point->hook, error);
	return ss_hook_new_device(point->program_fd, device->index, plan->ingress, &point->hook,
				  error);
}

/* All programs first, then all hooks, so that both directions begin within microseconds. */
static int add_points(struct ss_target *target, struct device *device,
		      const struct hook_plan *plans, size_t count, struct ss_error *error)
{
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++)
		r = add_point(target, device, &plans[i], error);
	for (guint i = 0; i < device->points->len && r == 0; i++)
		r = hook_point(target, device, &g_array_index(device->points, struct point, i),
			       error);
	return r;
}

static struct device *find_device(struct ss_target *target, int index, guint *ret_position)
{
	for (guint i = 0; i < target->devices->len; i++) {
		struct device *device = target->devices->pdata[i];

		if (device->index == index && index) {
			if (ret_position)
				*ret_position = i;
			return device;
		}
	}
	return NULL;
}

/* A device of the namespace where we are; swapped: it is the far end of the pod's. */
static int hook_device(struct ss_target *target, const struct ss_device *found, const char *name,
		       bool swapped, struct ss_error *error)
{
	bool ethernet = ss_device_is_ethernet(found);
	enum ss_program program = ethernet ? SS_PROGRAM_TC_ETHERNET : SS_PROGRAM_TC_RAW;
	uint32_t flags = ethernet ? 0 : SS_SLOT_L3;
	const struct hook_plan both[] = {
		{program, swapped ? SS_DIRECTION_OUT : SS_DIRECTION_IN, true, flags},
		{program, swapped ? SS_DIRECTION_IN : SS_DIRECTION_OUT, false, flags},
	};
	const struct hook_plan loopback = {program, SS_DIRECTION_LOCAL, true, flags};
	bool is_loopback = strcmp(name, "lo") == 0;
	struct device *device;
	int r;

	r = add_device(target, found->index, name,
		       ethernet ? SS_LINKTYPE_ETHERNET : SS_LINKTYPE_RAW, found, &device, error);
	if (r < 0)
		return r;
	if (is_loopback)
		return add_points(target, device, &loopback, 1, error);
	return add_points(target, device, both, G_N_ELEMENTS(both), error);
}

/* Every device here that is up and not hooked yet; lo last, so that eth0 gets the bare name. */
static int hook_new_devices(struct ss_target *target, struct ss_error *error)
{
	g_autoptr(GArray) found = NULL;
	int r = ss_device_list(&found, error);

	if (r < 0)
		return r;
	for (guint i = target->devices->len; i > 0; i--) {
		struct device *device = target->devices->pdata[i - 1];
		bool there = device->index == 0;

		for (guint j = 0; j < found->len && !there; j++)
			there = g_array_index(found, struct ss_device, j).index == device->index;
		if (!there) {
			g_ptr_array_remove_index(target->devices, i - 1);
			device_free(target, device);
		}
	}
	for (int loopback = 0; loopback < 2; loopback++) {
		for (guint i = 0; i < found->len; i++) {
			struct ss_device *device = &g_array_index(found, struct ss_device, i);

			if ((strcmp(device->name, "lo") == 0) != loopback || !device->up ||
			    find_device(target, device->index, NULL))
				continue;
			if (target->device_name && strcmp(target->device_name, device->name) != 0)
				continue;
			r = hook_device(target, device, device->name, false, error);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int attach_netns(struct ss_target *target, struct ss_error *error)
{
	int home, r;

	r = ss_netns_enter(target->pod->pid, &home, error);
	if (r < 0)
		return r;
	if (target->monitor < 0)
		target->monitor = ss_device_monitor_open(NULL);
	r = hook_new_devices(target, error);
	ss_netns_leave(home);
	return r;
}

/* What the pod calls the device that is "index" in its namespace: /proc/PID/net/igmp lists them. */
static char *name_in_pod(pid_t pid, int index)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/net/igmp", (int)pid);
	g_autofree char *text = NULL;
	g_auto(GStrv) lines = NULL;

	if (g_file_get_contents(path, &text, NULL, NULL))
		lines = g_strsplit(text, "\n", -1);
	for (int i = 0; lines && lines[i]; i++) {
		char name[IF_NAMESIZE];
		int number;

		if (sscanf(lines[i], "%d %15s", &number, name) == 2 && number == index)
			return g_strdup(name);
	}
	return g_strdup_printf("if%d", index);
}

static int attach_cgroup_lo(struct ss_target *target, struct ss_error *error)
{
	const struct hook_plan plans[] = {
		{SS_PROGRAM_CGROUP_EGRESS, SS_DIRECTION_LOCAL, false, SS_SLOT_L3 | SS_SLOT_ONLY_LO},
		{SS_PROGRAM_CGROUP_INGRESS, SS_DIRECTION_LOCAL, true, SS_SLOT_L3 | SS_SLOT_ONLY_LO},
	};
	struct device *device;
	int r;

	if (!target->pod->cgroup_path) {
		ss_log(SS_LOG_NOTE, "%s: no cgroup v2 directory, so its loopback is not captured",
		       target->name);
		return 0;
	}
	if (target->context->ethernet_only) {
		ss_log(SS_LOG_NOTE,
		       "%s: the filter is about Ethernet headers, which sockets do not have, so "
		       "its loopback is not captured",
		       target->name);
		return 0;
	}
	r = add_device(target, 0, "lo", SS_LINKTYPE_RAW, NULL, &device, error);
	return r < 0 ? r : add_points(target, device, plans, G_N_ELEMENTS(plans), error);
}

static int attach_veth(struct ss_target *target, struct ss_error *error)
{
	g_autoptr(GArray) peers = NULL;
	int r = ss_device_list_peers(target->pod->pid, &peers, error);

	if (r < 0)
		return r;
	if (peers->len == 0)
		return ss_fail(error, -ENODEV,
			       "pod %s has no cable that ends on this host: run as root for "
			       "--attach netns, or use --attach cgroup",
			       target->name);
	for (guint i = 0; i < peers->len; i++) {
		struct ss_device *peer = &g_array_index(peers, struct ss_device, i);
		g_autofree char *name = name_in_pod(target->pod->pid, peer->peer_index);

		r = hook_device(target, peer, name, true, error);
		if (r < 0)
			return r;
	}
	return attach_cgroup_lo(target, error);
}

static int attach_cgroup(struct ss_target *target, struct ss_error *error)
{
	const struct hook_plan plans[] = {
		{SS_PROGRAM_CGROUP_EGRESS, SS_DIRECTION_OUT, false, SS_SLOT_L3},
		{SS_PROGRAM_CGROUP_INGRESS, SS_DIRECTION_IN, true, SS_SLOT_L3},
	};
	struct device *device;
	int r;

	if (!target->pod->cgroup_path)
		return ss_fail(error, -ENOENT,
			       "pod %s has no cgroup v2 directory to hook: mount cgroup2 on this "
			       "host, or use --attach netns",
			       target->name);
	r = add_device(target, 0, target->pod->host_network ? "host" : "sockets", SS_LINKTYPE_RAW,
		       NULL, &device, error);
	return r < 0 ? r : add_points(target, device, plans, G_N_ELEMENTS(plans), error);
}

static enum ss_attach_mode choose_mode(struct ss_target_context *context,
				       const struct ss_pod *pod)
{
	if (pod->host_network)
		return SS_ATTACH_CGROUP; /* its devices are the host's: only its sockets are its own */
	if (context->mode != SS_ATTACH_AUTO)
		return context->mode;
	return ss_privilege_has(CAP_SYS_ADMIN) ? SS_ATTACH_NETNS : SS_ATTACH_VETH;
}

static const char *mode_name(enum ss_attach_mode mode)
{
	static const char *const names[] = {"auto", "netns", "veth", "cgroup"};

	return names[mode];
}

static struct ss_target *target_new(struct ss_target_context *context, char *name)
{
	struct ss_target *target = g_new0(struct ss_target, 1);

	target->context = context;
	target->name = name;
	target->devices = g_ptr_array_new();
	target->monitor = -1;
	return target;
}

static bool contains(const GPtrArray *texts, const char *text)
{
	return texts && g_ptr_array_find_with_equal_func((GPtrArray *)(uintptr_t)texts, text,
							 g_str_equal, NULL);
}

/* Names the addresses that are not among those already named (may be NULL). */
static int name_addresses(const struct ss_target *target, const GPtrArray *named,
			  struct ss_error *error)
{
	g_autofree char *name =
		g_strdup_printf("%s.%s", target->pod->name, target->pod->namespace);

	for (guint i = 0; i < target->pod->addresses->len; i++) {
		const char *address = target->pod->addresses->pdata[i];
		int r = 0;

		if (!contains(named, address))
			r = ss_stream_name(target->context->stream, address, name, error);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The reason in words, where the kernel said only "not permitted" or "no such". */
static int explain(struct ss_target *target, int r, struct ss_error *error)
{
	if (r == -EPERM && target->mode == SS_ATTACH_NETNS) {
		error->message[0] = '\0';
		return ss_fail(error, -EPERM,
			       "--attach netns needs cap_sys_admin, and cap_sys_ptrace for other "
			       "users' pods: run as root, or leave --attach out for the host's end "
			       "of the pod's cable");
	}
	if (r == -EPERM) {
		error->message[0] = '\0';
		return ss_fail(error, -EPERM,
			       "attaching to pod %s needs cap_net_admin: sudo setcap "
			       "cap_bpf,cap_net_admin+ep \"$(command -v " PROGRAM_NAME ")\"",
			       target->name);
	}
	if (r != -EPIPE && target->pod && kill(target->pod->pid, 0) < 0 && errno == ESRCH) {
		error->message[0] = '\0';
		return ss_fail(error, -ENOENT, "pod %s ended before it could be captured",
			       target->name);
	}
	return r;
}

int ss_target_new_pod(struct ss_target_context *context, const struct ss_pod *pod,
		      struct ss_target **ret_target, struct ss_error *error)
{
	struct ss_target *target =
		target_new(context, g_strdup_printf("%s/%s", pod->namespace, pod->name));
	int r;

	target->pod = ss_pod_copy(pod);
	target->mode = choose_mode(context, pod);
	target->how = g_strdup(mode_name(target->mode));
	ss_privilege_raise();
	switch (target->mode) {
	case SS_ATTACH_NETNS:
		r = attach_netns(target, error);
		break;
	case SS_ATTACH_VETH:
		r = attach_veth(target, error);
		break;
	default:
		r = attach_cgroup(target, error);
		break;
	}
	ss_privilege_lower();
	if (r == 0)
		r = name_addresses(target, NULL, error);
	if (r < 0) {
		r = explain(target, r, error);
		ss_target_free(target);
		return r;
	}
	*ret_target = target;
	return 0;
}

int ss_target_new_device(struct ss_target_context *context, const char *device,
			 struct ss_target **ret_target, struct ss_error *error)
{
	struct ss_target *target = target_new(context, g_strdup(device));
	bool any = strcmp(device, "any") == 0;
	int r;

	target->device_name = any ? NULL : g_strdup(device);
	target->how = g_strdup("device");
	ss_privilege_raise();
	target->monitor = ss_device_monitor_open(NULL);
	r = hook_new_devices(target, error);
	ss_privilege_lower();
	if (r == 0 && target->devices->len == 0)
		r = ss_fail(error, -ENODEV,
			    any ? "no network device of this host is up"
				: "no network device '%s' that is up on this host: see 'ip -br link'",
			    device);
	if (r == -EPERM)
		r = explain(target, r, error);
	if (r < 0) {
		ss_target_free(target);
		return r;
	}
	*ret_target = target;
	return 0;
}

void ss_target_free(struct ss_target *target)
{
	if (!target)
		return;
	ss_privilege_raise();
	for (guint i = 0; i < target->devices->len; i++)
		device_free(target, target->devices->pdata[i]);
	ss_privilege_lower();
	g_ptr_array_unref(target->devices);
	if (target->monitor >= 0)
		close(target->monitor);
	ss_pod_free(target->pod);
	g_free(target->device_name);
	g_free(target->name);
	g_free(target->how);
	g_free(target);
}

int ss_target_refresh(struct ss_target *target, struct ss_error *error)
{
	int r;

	ss_device_monitor_drain(target->monitor);
	ss_privilege_raise();
	if (target->pod)
		r = attach_netns(target, error);
	else
		r = hook_new_devices(target, error);
	ss_privilege_lower();
	return r < 0 ? r : target->devices->len > 0;
}

/* The pod has other containers now: new interfaces say so, its slots point to them. */
static int describe_anew(struct ss_target *target, struct ss_error *error)
{
	uint64_t ignored[SS_DROP_CAUSES] = {0};

	for (guint i = 0; i < target->devices->len; i++) {
		struct device *device = target->devices->pdata[i];
		struct ss_interface_counters *counters;
		uint32_t id;
		int r;

		device_count(target, device, ignored);
		counters = ss_stream_counters(target->context->stream, device->interface_id);
		r = add_interface(target, device->name, i == 0, device->link_type, NULL, &id,
				  error);
		if (r < 0)
			return r;
		device->base.seen += counters->seen;
		device->base.accepted += counters->accepted;
		device->base.dropped += counters->dropped;
		device->base.bytes += counters->bytes;
		device->interface_id = id;
		for (guint j = 0; j < device->points->len; j++) {
			struct point *point = &g_array_index(device->points, struct point, j);

			point->config.interface_id = id;
			fill_options(&point->config, target->pod, point->plan.direction);
			ss_bpf_source_slot_update(target->context->source, point->slot,
						  &point->config);
		}
	}
	return 0;
}

int ss_target_update(struct ss_target *target, const struct ss_pod *pod, struct ss_error *error)
{
	struct ss_pod *old = target->pod;
	g_autofree char *before = container_names(old);
	g_autofree char *after = container_names(pod);
	int r;

	target->pod = ss_pod_copy(pod);
	r = name_addresses(target, old->addresses, error);
	if (r == 0 && strcmp(before, after) != 0) {
		ss_privilege_raise();
		r = describe_anew(target, error);
		ss_privilege_lower();
	}
	ss_pod_free(old);
	return r;
}

int ss_target_fd(const struct ss_target *target)
{
	return target->monitor;
}

void ss_target_count(struct ss_target *target, uint64_t drops[SS_DROP_CAUSES])
{
	for (guint i = 0; i < target->devices->len; i++)
		device_count(target, target->devices->pdata[i], drops);
}

const char *ss_target_name(const struct ss_target *target)
{
	return target->name;
}

const struct ss_pod *ss_target_pod(const struct ss_target *target)
{
	return target->pod;
}

const char *ss_target_how(const struct ss_target *target)
{
	return target->how;
}

uint32_t ss_target_interface(const struct ss_target *target)
{
	return target->devices->len ? ((struct device *)target->devices->pdata[0])->interface_id
				    : 0;
}
