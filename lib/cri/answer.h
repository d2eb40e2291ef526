/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The runtime's answers, decoded: bytes of a peer that is not trusted. Text that is not UTF-8 or
 * has control characters, names and ids that are none, are left out.
 */
#ifndef SS_CRI_ANSWER_H
#define SS_CRI_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#define SS_ANSWER_ITEMS_MAX 16384 /* sandboxes or containers of one list */

struct ss_answer_sandbox {
	char *id, *uid;
	bool ready;
	int64_t created_ns;
	GPtrArray *labels, *annotations; /* struct ss_label *; without the kubelet's own labels */
};

struct ss_answer_container {
	char *id, *sandbox_id, *name;
	char *image; /* NULL: only its digest is known */
	bool living; /* created or running */
};

void ss_answer_container_free(struct ss_answer_container *container);

/* NULL: not such a message. Else owned by the caller. */
char *ss_answer_version(const uint8_t *bytes, size_t length);         /* "containerd 1.6.20" */
GPtrArray *ss_answer_sandboxes(const uint8_t *bytes, size_t length);  /* ss_answer_sandbox * */
GPtrArray *ss_answer_containers(const uint8_t *bytes, size_t length); /* ss_answer_container * */
GPtrArray *ss_answer_addresses(const uint8_t *bytes, size_t length);  /* char *, of a sandbox */
char *ss_answer_image(const uint8_t *bytes, size_t length);           /* of a container */

#endif
