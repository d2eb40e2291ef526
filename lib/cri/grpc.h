/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unary gRPC calls over HTTP/2 on a unix socket, on the loop. The peer is not trusted: what it may
 * send, and how long it may take, is bounded.
 */
#ifndef SS_CRI_GRPC_H
#define SS_CRI_GRPC_H

#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "loop.h"

#define SS_GRPC_MESSAGE_MAX (16u << 20) /* bytes; what a kubelet takes of a runtime */

/* Statuses that a reply names apart from errors of the connection. */
#define SS_GRPC_NOT_FOUND     5
#define SS_GRPC_UNIMPLEMENTED 12

struct ss_grpc;

struct ss_grpc_result {
	int error;  /* 0; a negative errno: no answer (-ETIMEDOUT, -ECONNRESET, -EPROTO ...) */
	int status; /* of gRPC, 0: OK */
	const uint8_t *message; /* of a call that went well; borrowed for the call */
	size_t length;
	const char *words; /* printable; what went wrong, in the peer's words or ours */
};

typedef void (*ss_grpc_reply)(const struct ss_grpc_result *result, void *user_data);

/* Connected, or a negative errno of connect(2). */
int ss_grpc_connect(struct ss_loop *loop, const char *path, struct ss_grpc **ret);
/* The same on a connected, non-blocking socket, which it takes over. */
struct ss_grpc *ss_grpc_new(struct ss_loop *loop, int fd);
/* Calls that wait are dropped: destroy is called, reply is not. Never from a reply. */
void ss_grpc_free(struct ss_grpc *grpc);

/* method: "/package.Service/Method". Replies exactly once, never before it returns; then calls
 * destroy (may be NULL). After a failure of the connection every call fails. */
void ss_grpc_call(struct ss_grpc *grpc, const char *method, const uint8_t *message, size_t length,
		  unsigned timeout_ms, ss_grpc_reply reply, void *user_data,
		  GDestroyNotify destroy);

/* 0, or the negative errno that ended the connection. */
int ss_grpc_status(const struct ss_grpc *grpc);

#endif
