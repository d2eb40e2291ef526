/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the runtime is asked, encoded; answer.h decodes what it says. Each is one call, whose reply
 * comes, once, from the loop (grpc.h).
 */
#ifndef SS_CRI_REQUEST_H
#define SS_CRI_REQUEST_H

#include <glib.h>

#include "cri/grpc.h"

void ss_request_version(struct ss_grpc *grpc, ss_grpc_reply reply, void *user_data);
/* Of the pod with this uid, in this sandbox. NULL: all. */
void ss_request_sandboxes(struct ss_grpc *grpc, const char *uid, ss_grpc_reply reply,
			  void *user_data);
void ss_request_containers(struct ss_grpc *grpc, const char *sandbox_id, ss_grpc_reply reply,
			   void *user_data);
/* Of a sandbox; of a container. destroy: of user_data, when the call is over. */
void ss_request_addresses(struct ss_grpc *grpc, const char *sandbox_id, ss_grpc_reply reply,
			  void *user_data, GDestroyNotify destroy);
void ss_request_image(struct ss_grpc *grpc, const char *container_id, ss_grpc_reply reply,
		      void *user_data, GDestroyNotify destroy);

#endif
