/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kubernetes names and the file names made of them. No name may contain '_', which therefore
 * separates unambiguously; a pod's name may contain dots and dashes.
 */
#include "podname.h"

#include <errno.h>
#include <string.h>

#include <glib.h>

#define FILE_NAME_MAX 255 /* the kubelet cuts link names to this, ".log" included */
#define LINK_SUFFIX   ".log"

static bool is_lower_alnum(char c)
{
	return g_ascii_islower(c) || g_ascii_isdigit(c);
}

bool ss_podname_is_label(const char *text, size_t length)
{
	if (length < 1 || length > SS_LABEL_MAX)
		return false;
	if (!is_lower_alnum(text[0]) || !is_lower_alnum(text[length - 1]))
		return false;
	for (size_t i = 0; i < length; i++)
		if (!is_lower_alnum(text[i]) && text[i] != '-')
			return false;
	return true;
}

/* Labels joined by dots. A single label may be as long as the whole: only the total is limited. */
bool ss_podname_is_subdomain(const char *text, size_t length)
{
	if (length < 1 || length > SS_SUBDOMAIN_MAX)
		return false;
	for (size_t i = 0; i < length; i++) {
		bool edge = i == 0 || i == length - 1 || text[i - 1] == '.' || text[i + 1] == '.';

		if (!is_lower_alnum(text[i]) && (edge || text[i] != '-') &&
		    (text[i] != '.' || i == 0 || i == length - 1 || text[i - 1] == '.'))
			return false;
	}
	return true;
}

/* A UUID, a static pod's 32 hex digits, or what a static pod's manifest says. */
bool ss_podname_is_uid(const char *text, size_t length)
{
	if (length < 1 || length > SS_UID_MAX)
		return false;
	for (size_t i = 0; i < length; i++)
		if (!g_ascii_isalnum(text[i]) && text[i] != '-')
			return false;
	return true;
}

static bool is_hex(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (!g_ascii_isdigit(text[i]) && !(text[i] >= 'a' && text[i] <= 'f'))
			return false;
	return true;
}

bool ss_podname_is_container_id(const char *text, size_t length)
{
	return length == SS_CONTAINER_ID_LEN && is_hex(text, length);
}

const char *ss_podname_bare(const char *name)
{
	const char *slash = strchr(name, '/');

	return slash ? slash + 1 : name;
}

/* The callers' checks have proven that length fits. */
static void copy(char *destination, const char *text, size_t length)
{
	memcpy(destination, text, length);
	destination[length] = '\0';
}

int ss_podname_parse_directory(const char *name, struct ss_podname_directory *ret)
{
	const char *pod, *uid;
	size_t namespace_length, pod_length, uid_length;

	pod = strchr(name, '_');
	if (!pod)
		return -EINVAL;
	namespace_length = (size_t)(pod++ - name);
	uid = strchr(pod, '_');
	if (!uid)
		return -EINVAL;
	pod_length = (size_t)(uid++ - pod);
	uid_length = strlen(uid);

	if (!ss_podname_is_label(name, namespace_length) ||
	    !ss_podname_is_subdomain(pod, pod_length) || !ss_podname_is_uid(uid, uid_length))
		return -EINVAL;
	copy(ret->namespace, name, namespace_length);
	copy(ret->pod, pod, pod_length);
	copy(ret->uid, uid, uid_length);
	return 0;
}

int ss_podname_parse_link(const char *name, struct ss_podname_link *ret)
{
	size_t length = strlen(name), pod_length, namespace_length, container_length, id_length;
	const char *namespace, *container, *id, *end;

	if (length > FILE_NAME_MAX || !g_str_has_suffix(name, LINK_SUFFIX))
		return -EINVAL;
	end = name + length - strlen(LINK_SUFFIX);
	namespace = strchr(name, '_');
	if (!namespace)
		return -EINVAL;
	pod_length = (size_t)(namespace ++-name);
	container = strchr(namespace, '_');
	if (!container)
		return -EINVAL;
	namespace_length = (size_t)(container++ - namespace);
	id = memrchr(container, '-', (size_t)(end - container));
	if (!id)
		return -EINVAL;
	container_length = (size_t)(id++ - container);
	id_length = (size_t)(end - id);

	if (!ss_podname_is_subdomain(name, pod_length) ||
	    !ss_podname_is_label(namespace, namespace_length) ||
	    !ss_podname_is_label(container, container_length))
		return -EINVAL;
	if (id_length < 1 || id_length > SS_CONTAINER_ID_LEN || !is_hex(id, id_length))
		return -EINVAL;
	if (id_length < SS_CONTAINER_ID_LEN && length != FILE_NAME_MAX)
		return -EINVAL;
	copy(ret->pod, name, pod_length);
	copy(ret->namespace, namespace, namespace_length);
	copy(ret->container, container, container_length);
	copy(ret->id, id, id_length);
	return 0;
}

int ss_podname_parse_target(const char *path, struct ss_podname_directory *ret,
			    unsigned *ret_attempt)
{
	char directory[FILE_NAME_MAX + 1];
	const char *end, *start, *number;
	unsigned attempt = 0;

	number = strrchr(path, '/');
	if (!number || number == path)
		return -EINVAL;
	end = memrchr(path, '/', (size_t)(number - path));
	if (!end || end == path)
		return -EINVAL;
	start = memrchr(path, '/', (size_t)(end - path));
	start = start ? start + 1 : path;
	if ((size_t)(end - start) >= sizeof(directory))
		return -EINVAL;
	copy(directory, start, (size_t)(end - start));

	for (number++; g_ascii_isdigit(*number) && attempt < 1000000; number++)
		attempt = attempt * 10 + (unsigned)(*number - '0');
	if (strcmp(number, LINK_SUFFIX))
		return -EINVAL;
	if (ss_podname_parse_directory(directory, ret) < 0)
		return -EINVAL;
	*ret_attempt = attempt;
	return 0;
}
