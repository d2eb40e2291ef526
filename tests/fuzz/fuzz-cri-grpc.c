/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as what a runtime sends on the socket: every call is answered once, and it ends. */
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <glib.h>

#include "cri/grpc.h"

#define CALLS 2

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned replies;

static void replied(const struct ss_grpc_result *result, void *user_data)
{
	g_assert_true(result->error <= 0 && result->words);
	if (result->message)
		g_assert_cmpuint(result->length, <=, SS_GRPC_MESSAGE_MAX);
	if (++replies == CALLS)
		ss_loop_quit(user_data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ss_loop *loop = ss_loop_new();
	struct ss_grpc *grpc;
	int ends[2];

	g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends),
			==, 0);
	replies = 0;
	grpc = ss_grpc_new(loop, ends[0]);
	for (int i = 0; i < CALLS; i++)
		ss_grpc_call(grpc, "/runtime.v1.RuntimeService/Version", data, MIN(size, 16), 60000,
			     replied, loop, NULL);
	if (send(ends[1], data, size, MSG_NOSIGNAL) >= 0)
		shutdown(ends[1], SHUT_WR);
	else
		shutdown(ends[1], SHUT_RDWR);
	ss_loop_run(loop);
	ss_grpc_free(grpc);
	close(ends[1]);
	ss_loop_free(loop);
	return 0;
}
