/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two cgroup drivers of the kubelet write the same hierarchy differently:
 *
 *	cgroupfs  [prefix]/kubepods[/besteffort|/burstable]/pod<uid>[/<container>]
 *	systemd	  [prefix]/[x-]kubepods[-besteffort|-burstable]-pod<uid>.slice[/<container>]
 *
 * where systemd wants '_' for '-' in the uid. A runtime that was told cgroupfs under a systemd
 * kubelet writes "<slice>:<runtime>:<id>" as one component. Seen from another cgroup namespace the
 * common part is missing: "/../../pod<uid>". Of pods within a pod, the path names the outermost:
 * that is whom this node knows.
 */
#include "cgroup.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include <glib.h>

struct span {
	const char *start;
	size_t length;
};

/* Names of container cgroups. Helpers come first: "crio-" would match them too. */
static const struct {
	const char *prefix, *runtime;
	bool helper; /* runs in the host's namespaces, must never stand for the pod */
} runtimes[] = {
	/* clang-format off */
	{"crio-conmon-", NULL, true},
	{"libpod-conmon-", NULL, true},
	{"cri-containerd-", "containerd", false},
	{"crio-", "cri-o", false},
	{"docker-", "docker", false},
	{"libpod-", "podman", false},
	/* clang-format on */
};

static bool starts_with(struct span text, const char *prefix)
{
	return text.length >= strlen(prefix) && !memcmp(text.start, prefix, strlen(prefix));
}

static bool ends_with(struct span text, const char *suffix)
{
	size_t length = strlen(suffix);

	return text.length >= length && !memcmp(text.start + text.length - length, suffix, length);
}

static bool equals(struct span text, const char *other)
{
	return text.length == strlen(other) && starts_with(text, other);
}

static bool skip(struct span *text, const char *prefix)
{
	if (!starts_with(*text, prefix))
		return false;
	text->start += strlen(prefix);
	text->length -= strlen(prefix);
	return true;
}

static bool next_component(const char **path, struct span *ret)
{
	*path += strspn(*path, "/");
	ret->start = *path;
	ret->length = strcspn(*path, "/");
	*path += ret->length;
	return ret->length > 0;
}

/* systemd writes '_' where the uid has '-', because '-' separates the levels of a slice. */
static bool take_uid(struct span text, bool escaped, char *ret)
{
	char uid[SS_UID_MAX + 1];

	if (text.length > SS_UID_MAX)
		return false;
	memcpy(uid, text.start, text.length);
	uid[text.length] = '\0';
	if (escaped)
		g_strdelimit(uid, "_", '-');
	if (!ss_podname_is_uid(uid, text.length))
		return false;
	memcpy(ret, uid, sizeof(uid));
	return true;
}

/* Below "kubepods" everything named pod<uid> is a pod; where that parent cannot be seen, only what
 * cannot be anything else ("podman" is no pod). */
static bool is_certain_uid(struct span text)
{
	unsigned digits = 0;

	if (text.length != 36 && text.length != 32)
		return false;
	for (size_t i = 0; i < text.length; i++)
		digits += g_ascii_isxdigit(text.start[i]);
	return digits == 32;
}

/* "kubelet-kubepods-burstable-pod<uid>.slice", perhaps followed by ":cri-containerd:<id>" */
static bool parse_slice(struct span name, struct ss_cgroup_identity *ret,
			struct span *ret_container)
{
	const char *colon = memchr(name.start, ':', name.length);
	struct span container = {NULL, 0}, rest;
	const char *found;

	if (colon) {
		container.start = colon + 1;
		container.length = (size_t)(name.start + name.length - container.start);
		name.length = (size_t)(colon - name.start);
	}
	if (!ends_with(name, ".slice"))
		return false;
	name.length -= strlen(".slice");
	found = memmem(name.start, name.length, "kubepods-", strlen("kubepods-"));
	if (!found || (found > name.start && found[-1] != '-'))
		return false;
	rest.start = found;
	rest.length = (size_t)(name.start + name.length - found);
	skip(&rest, "kubepods-");
	if (!skip(&rest, "besteffort-"))
		skip(&rest, "burstable-");
	if (!skip(&rest, "pod") || !take_uid(rest, true, ret->pod_uid))
		return false;
	*ret_container = container;
	return true;
}

static int take_container(struct span name, struct ss_cgroup_identity *ret)
{
	const char *runtime = NULL;

	if (ends_with(name, ".scope"))
		name.length -= strlen(".scope");
	for (size_t i = 0; i < G_N_ELEMENTS(runtimes); i++) {
		if (!skip(&name, runtimes[i].prefix))
			continue;
		if (runtimes[i].helper)
			return -ENOENT;
		runtime = runtimes[i].runtime;
		break;
	}
	if (!ss_podname_is_container_id(name.start, name.length))
		return 0;
	memcpy(ret->container_id, name.start, name.length);
	ret->runtime = runtime;
	return 0;
}

/* "cri-containerd:<id>": the same names with a colon. */
static int take_colon_container(struct span name, struct ss_cgroup_identity *ret)
{
	char text[128];
	struct span dashed = {text, name.length};

	if (name.length >= sizeof(text))
		return 0;
	memcpy(text, name.start, name.length);
	text[name.length] = '\0';
	g_strdelimit(text, ":", '-');
	return take_container(dashed, ret);
}

int ss_cgroup_parse(const char *path, struct ss_cgroup_identity *ret)
{
	struct ss_cgroup_identity identity = {};
	struct span name, container = {NULL, 0};
	bool below_kubepods = false, below_unseen = false, found = false;
	int r = 0;

	if (path[0] != '/' || strnlen(path, PATH_MAX) == PATH_MAX)
		return -EINVAL;
	while (!found && next_component(&path, &name)) {
		struct span uid = name;

		if (parse_slice(name, &identity, &container))
			found = true;
		else if ((below_kubepods || below_unseen) && skip(&uid, "pod") &&
			 (below_kubepods || is_certain_uid(uid)))
			found = take_uid(uid, false, identity.pod_uid);
		else if (equals(name, "kubepods"))
			below_kubepods = true;
		else if (equals(name, ".."))
			below_unseen = true;
		else if (!equals(name, "besteffort") && !equals(name, "burstable"))
			below_kubepods = below_unseen = false;
	}
	if (!found)
		return -ENOENT;
	if (container.start)
		r = take_colon_container(container, &identity);
	else if (next_component(&path, &name))
		r = take_container(name, &identity);
	if (r < 0)
		return r;
	*ret = identity;
	return 0;
}

/* "0::/path" or "4:memory:/path"; false: not such a line, or one longer than a path may be. */
static bool split_line(struct span line, char *path, bool *ret_unified)
{
	const char *end = line.start + line.length;
	const char *controllers = memchr(line.start, ':', line.length), *value;
	struct span name;

	if (!controllers)
		return false;
	controllers++;
	value = memchr(controllers, ':', (size_t)(end - controllers));
	if (!value)
		return false;
	name.start = value + 1;
	name.length = (size_t)(end - name.start);
	/* the kernel's mark for a cgroup removed under a dying process */
	if (ends_with(name, " (deleted)"))
		name.length -= strlen(" (deleted)");
	if (name.length >= PATH_MAX || memchr(name.start, '\0', name.length))
		return false;
	memcpy(path, name.start, name.length);
	path[name.length] = '\0';
	*ret_unified = line.start[0] == '0' && value == controllers;
	return true;
}

int ss_cgroup_parse_proc(const char *text, size_t length, struct ss_cgroup_identity *ret)
{
	const char *end = text + length;
	struct ss_cgroup_identity identity;
	int best = 0;

	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		struct span line = {text, (size_t)((newline ? newline : end) - text)};
		char path[PATH_MAX];
		bool unified;
		int score;

		text = newline ? newline + 1 : end;
		if (!split_line(line, path, &unified) || ss_cgroup_parse(path, &identity) < 0)
			continue;
		score = (identity.container_id[0] ? 3 : 1) + unified;
		if (score > best) {
			best = score;
			*ret = identity;
		}
		if (best == 4)
			break;
	}
	return best ? 0 : -ENOENT;
}
