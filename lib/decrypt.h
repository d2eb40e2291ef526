/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TLS made readable beside a capture: finds the libraries of the captured pods, probes them, puts
 * keys before the frames that need them, plaintext between the frames, and gives an account of what
 * stays dark. Wires the nouns of lib/tls/ to capture, gate and stream.
 */
#ifndef SS_DECRYPT_H
#define SS_DECRYPT_H

#include <stdint.h>

#include "error.h"
#include "filter/filter.h"
#include "gate.h"
#include "k8s/watch.h"
#include "loop.h"
#include "options.h"
#include "source/bpf.h"
#include "stream.h"

struct ss_decrypt;

struct ss_decrypt_context {
	const struct ss_options *options;
	struct ss_loop *loop;
	struct ss_stream *stream;
	struct ss_bpf_source *source; /* for its clock */
	struct ss_gate *gate;
	const struct ss_filter *filter; /* of --filter; plaintext has to match it, too */
	const char *node;               /* host name */
	/* Writes an event between what is before it and after it. */
	void (*event)(const struct ss_event *event, void *user_data);
	void (*failed)(int status, void *user_data);
	/* Frames that were held may go on. */
	void (*retry)(void *user_data);
	void *user_data;
	struct ss_error *error;
};

/*
 * Borrows what the context points to. Returns -EPERM, with a sentence in error, when a capability
 * is missing: the rest of the capture can go on without.
 */
int ss_decrypt_new(const struct ss_decrypt_context *context, struct ss_decrypt **ret_decrypt,
		   struct ss_error *error);
void ss_decrypt_free(struct ss_decrypt *decrypt);

/* Before the pod's frames are captured: attaches to what its processes have. */
void ss_decrypt_pod(struct ss_decrypt *decrypt, enum ss_pod_change change,
		    const struct ss_pod *pod);
/* An interface of the pod is in the stream; before its first frame. */
void ss_decrypt_interface(struct ss_decrypt *decrypt, uint32_t id, const struct ss_pod *pod);
/* From now on by itself, on the loop. Says what was found. */
void ss_decrypt_start(struct ss_decrypt *decrypt);
/* The last records into the gate; the last words about connections. Nothing is probed after it. */
void ss_decrypt_stop(struct ss_decrypt *decrypt);

/* Of plaintext, written so far. */
uint64_t ss_decrypt_frames(const struct ss_decrypt *decrypt);
/* Frames of plaintext that were written without a verdict (judge.h). */
uint64_t ss_decrypt_undecided(const struct ss_decrypt *decrypt);
/* "TLS: 12 connections: 10 decrypted, 2 handshake missed"; NULL: none seen. g_free(). */
char *ss_decrypt_summary(const struct ss_decrypt *decrypt);

#endif
