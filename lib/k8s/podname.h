/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names the kubelet gives to log directories and log links, and the rules every Kubernetes name
 * obeys. Anybody may be able to create files there: what does not obey is refused.
 */
#ifndef SS_K8S_PODNAME_H
#define SS_K8S_PODNAME_H

#include <stdbool.h>
#include <stddef.h>

#define SS_LABEL_MAX        63  /* RFC 1123 label: namespaces, containers */
#define SS_SUBDOMAIN_MAX    253 /* RFC 1123 subdomain: pods */
#define SS_UID_MAX          64
#define SS_CONTAINER_ID_LEN 64

/* /var/log/pods/<namespace>_<pod>_<uid> */
struct ss_podname_directory {
	char namespace[SS_LABEL_MAX + 1];
	char pod[SS_SUBDOMAIN_MAX + 1];
	char uid[SS_UID_MAX + 1];
};

/* /var/log/containers/<pod>_<namespace>_<container>-<id>.log */
struct ss_podname_link {
	char namespace[SS_LABEL_MAX + 1];
	char pod[SS_SUBDOMAIN_MAX + 1];
	char container[SS_LABEL_MAX + 1];
	char id[SS_CONTAINER_ID_LEN + 1]; /* shorter when the kubelet cut the name to 255 bytes */
};

bool ss_podname_is_label(const char *text, size_t length);
bool ss_podname_is_subdomain(const char *text, size_t length);
bool ss_podname_is_uid(const char *text, size_t length);
bool ss_podname_is_container_id(const char *text, size_t length);

/* "api" or "production/api": where the pod's name begins. */
const char *ss_podname_bare(const char *name);

/* One directory entry each. 0, or -EINVAL: not a name the kubelet makes. */
int ss_podname_parse_directory(const char *name, struct ss_podname_directory *ret);
int ss_podname_parse_link(const char *name, struct ss_podname_link *ret);

/* Where a log link points: ".../<namespace>_<pod>_<uid>/<container>/<attempt>.log". */
int ss_podname_parse_target(const char *path, struct ss_podname_directory *ret,
			    unsigned *ret_attempt);

#endif
