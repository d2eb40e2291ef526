/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From "this pod" to programs on hooks: design section 4.
 *
 *	netns	inside the pod's namespace: both directions of every device, arrivals on lo
 *	veth	the host's end of the pod's cables, directions swapped, and the pod's cgroup for lo
 *	cgroup	the pod's sockets: hostNetwork pods, whose devices are the host's
 *
 * Frames on lo are stored once: at egress, where they have the sender's socket with them; in cgroup
 * modes also at ingress what no socket of the pod sent.
 */
#include "target.h"

#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "attach/device.h"
#include "attach/netns.h"
#include "describe.h"
#include "format/metadata.h"
#include "format/pcapng.h"
#include "log.h"
#include "privilege.h"

struct ss_target {
	struct ss_target_context *context;
	char *name, *how;
	struct ss_pod *pod; /* our copy of who it is; NULL: devices of the host */
	char *device_name;  /* of the host; NULL: any */
	enum ss_attach_mode mode;
	GPtrArray *taps; /* struct ss_tap * */
	int monitor;
	bool early; /* nobody has decided whether it is meant */
};

static struct ss_tap_identity identity_of(const struct ss_target *target, bool first)
{
	return (struct ss_tap_identity){target->pod, target->how, first, target->early};
}

/* A tap on a device here, or on the pod's cgroup (index 0), with its programs. */
static int add_tap(struct ss_target *target, int index, const char *name, uint16_t link_type,
		   const uint8_t *mac, const struct ss_tap_point *points, size_t count,
		   struct ss_error *error)
{
	struct ss_tap_identity identity = identity_of(target, target->taps->len == 0);
	struct ss_tap *tap;
	int r;

	r = ss_tap_new(target->context, &identity, index, name, link_type, mac, &tap, error);
	if (r < 0)
		return r;
	g_ptr_array_add(target->taps, tap);
	return ss_tap_hook(tap, &identity, points, count, error);
}

static bool has_tap(const struct ss_target *target, int index)
{
	for (guint i = 0; i < target->taps->len; i++)
		if (ss_tap_index(target->taps->pdata[i]) == index)
			return true;
	return false;
}

/* A device of the namespace where we are; swapped: it is the far end of the pod's. */
static int hook_device(struct ss_target *target, const struct ss_device *found, const char *name,
		       bool swapped, struct ss_error *error)
{
	bool ethernet = ss_device_is_ethernet(found);
	enum ss_program program = ethernet ? SS_PROGRAM_TC_ETHERNET : SS_PROGRAM_TC_RAW;
	uint32_t flags = ethernet ? 0 : SS_SLOT_L3;
	/* At the far end sockets are found by address: what leaves its namespace loses its socket.
	 */
	const struct ss_tap_point inside[] = {
		{program, SS_DIRECTION_IN, true, flags | SS_SLOT_BY_RECEIVER, -1},
		{program, SS_DIRECTION_OUT, false, flags | SS_SLOT_BY_SOCKET, -1},
	};
	const struct ss_tap_point outside[] = {
		{program, SS_DIRECTION_OUT, true, flags | SS_SLOT_BY_SENDER, found->peer_netns},
		{program, SS_DIRECTION_IN, false, flags | SS_SLOT_BY_RECEIVER, found->peer_netns},
	};
	const struct ss_tap_point loopback = {program, SS_DIRECTION_LOCAL, false,
					      flags | SS_SLOT_BY_SOCKET, -1};
	uint16_t link_type = ethernet ? SS_LINKTYPE_ETHERNET : SS_LINKTYPE_RAW;
	/* The far end's address is not the pod's. */
	const uint8_t *mac = found->has_mac && !swapped ? found->mac : NULL;

	if (strcmp(name, "lo") == 0)
		return add_tap(target, found->index, name, link_type, mac, &loopback, 1, error);
	return add_tap(target, found->index, name, link_type, mac, swapped ? outside : inside, 2,
		       error);
}

/* Every device here that is up and not hooked yet; lo last, so that eth0 gets the bare name. */
static int hook_new_devices(struct ss_target *target, struct ss_error *error)
{
	g_autoptr(GArray) found = NULL;
	int r = ss_device_list(&found, error);

	if (r < 0)
		return r;
	for (guint i = target->taps->len; i > 0; i--) {
		struct ss_tap *tap = target->taps->pdata[i - 1];
		bool there = false;

		for (guint j = 0; j < found->len && !there; j++)
			there = g_array_index(found, struct ss_device, j).index ==
				ss_tap_index(tap);
		if (!there) {
			g_ptr_array_remove_index(target->taps, i - 1);
			ss_tap_free(tap);
		}
	}
	for (int loopback = 0; loopback < 2; loopback++) {
		for (guint i = 0; i < found->len; i++) {
			struct ss_device *device = &g_array_index(found, struct ss_device, i);

			if ((strcmp(device->name, "lo") == 0) != loopback || !device->up ||
			    has_tap(target, device->index))
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
	const struct ss_tap_point points[] = {
		{SS_PROGRAM_CGROUP_EGRESS, SS_DIRECTION_LOCAL, false,
		 SS_SLOT_L3 | SS_SLOT_ONLY_LO | SS_SLOT_BY_SOCKET, -1},
		/* The socket here is the receiver's; the sender is not the pod's, or nobody. */
		{SS_PROGRAM_CGROUP_INGRESS, SS_DIRECTION_LOCAL, true, SS_SLOT_L3 | SS_SLOT_ONLY_LO,
		 -1},
	};

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
	return add_tap(target, 0, "lo", SS_LINKTYPE_RAW, NULL, points, G_N_ELEMENTS(points), error);
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
	const struct ss_tap_point points[] = {
		{SS_PROGRAM_CGROUP_EGRESS, SS_DIRECTION_OUT, false, SS_SLOT_L3 | SS_SLOT_BY_SOCKET,
		 -1},
		{SS_PROGRAM_CGROUP_INGRESS, SS_DIRECTION_IN, true, SS_SLOT_L3 | SS_SLOT_BY_SOCKET,
		 -1},
	};

	if (!target->pod->cgroup_path)
		return ss_fail(error, -ENOENT,
			       "pod %s has no cgroup v2 directory to hook: mount cgroup2 on this "
			       "host, or use --attach netns",
			       target->name);
	return add_tap(target, 0, target->pod->host_network ? "host" : "sockets", SS_LINKTYPE_RAW,
		       NULL, points, G_N_ELEMENTS(points), error);
}

static enum ss_attach_mode device_mode(const struct ss_target_context *context)
{
	if (context->mode != SS_ATTACH_AUTO)
		return context->mode;
	return ss_privilege_has(CAP_SYS_ADMIN) && ss_privilege_has(CAP_SYS_PTRACE) ? SS_ATTACH_NETNS
										   : SS_ATTACH_VETH;
}

static enum ss_attach_mode choose_mode(struct ss_target_context *context, const struct ss_pod *pod)
{
	if (pod->host_network) /* its devices are the host's: only its sockets are its own */
		return SS_ATTACH_CGROUP;
	return device_mode(context);
}

int ss_target_prepare(struct ss_target_context *context, unsigned pods)
{
	/* Of a pod with one cable: by mode, kind of program, how many. */
	static const unsigned needs[][SS_PROGRAMS] = {
		[SS_ATTACH_NETNS] = {[SS_PROGRAM_TC_ETHERNET] = 3},
		[SS_ATTACH_VETH] = {[SS_PROGRAM_TC_ETHERNET] = 2,
				    [SS_PROGRAM_CGROUP_EGRESS] = 1,
				    [SS_PROGRAM_CGROUP_INGRESS] = 1},
		[SS_ATTACH_CGROUP] =
			{[SS_PROGRAM_CGROUP_EGRESS] = 1, [SS_PROGRAM_CGROUP_INGRESS] = 1},
	};
	const unsigned *need = needs[device_mode(context)];
	int r = 0;

	if (context->no_packets)
		return 0;
	ss_privilege_raise();
	for (int program = 0; program < SS_PROGRAMS && r == 0; program++)
		r = ss_bpf_source_reserve(context->source, (enum ss_program)program,
					  need[program] * pods);
	ss_privilege_lower();
	return r;
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
	target->taps = g_ptr_array_new();
	target->monitor = -1;
	return target;
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

static int attach(struct ss_target *target, struct ss_error *error)
{
	int r;

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
	return r;
}

int ss_target_new_pod(struct ss_target_context *context, const struct ss_pod *pod, bool early,
		      struct ss_target **ret_target, struct ss_error *error)
{
	struct ss_target *target =
		target_new(context, g_strdup_printf("%s/%s", pod->namespace, pod->name));
	int r = 0;

	target->pod = ss_pod_copy(pod);
	target->early = early;
	target->mode = choose_mode(context, pod);
	target->how = g_strdup(context->no_packets ? "its TLS libraries" : mode_name(target->mode));
	if (!context->no_packets)
		r = attach(target, error);
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
	if (r == 0 && target->taps->len == 0)
		r = ss_fail(
			error, -ENODEV,
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
	for (guint i = 0; i < target->taps->len; i++)
		ss_tap_free(target->taps->pdata[i]);
	ss_privilege_lower();
	g_ptr_array_unref(target->taps);
	if (target->monitor >= 0)
		close(target->monitor);
	ss_pod_free(target->pod);
	g_free(target->device_name);
	g_free(target->name);
	g_free(target->how);
	g_free(target);
}

int ss_target_settle(struct ss_target *target, const struct ss_pod *pod, struct ss_error *error)
{
	int r = 0;

	ss_pod_free(target->pod);
	target->pod = ss_pod_copy(pod);
	target->early = false;
	ss_privilege_raise();
	for (guint i = 0; i < target->taps->len && r == 0; i++) {
		struct ss_tap_identity identity = identity_of(target, i == 0);

		r = ss_tap_settle(target->taps->pdata[i], &identity, error);
	}
	ss_privilege_lower();
	return r;
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
	return r < 0 ? r : target->taps->len > 0;
}

int ss_target_update(struct ss_target *target, const struct ss_pod *pod, struct ss_error *error)
{
	struct ss_pod *old = target->pod;
	g_autofree char *before = ss_describe_containers(old);
	g_autofree char *after = ss_describe_containers(pod);
	int r = 0;

	target->pod = ss_pod_copy(pod);
	ss_privilege_raise();
	for (guint i = 0; i < target->taps->len && r == 0 && strcmp(before, after) != 0; i++) {
		struct ss_tap_identity identity = identity_of(target, i == 0);

		r = ss_tap_describe(target->taps->pdata[i], &identity, error);
	}
	ss_privilege_lower();
	ss_pod_free(old);
	return r;
}

int ss_target_fd(const struct ss_target *target)
{
	return target->monitor;
}

void ss_target_count(struct ss_target *target, uint64_t drops[SS_DROP_CAUSES])
{
	for (guint i = 0; i < target->taps->len; i++)
		ss_tap_count(target->taps->pdata[i], drops);
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
