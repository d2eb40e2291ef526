/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a filter leaves of connections that user space made (tls/plaintext.h): with a frame that
 * matches all that a reader needs to show it, which are the handshakes that begin the connection,
 * the segments of the same side before it, and the other half of the exchange. An exchange is what
 * the client says and what is answered, until the client speaks again.
 */
#ifndef SS_TURNS_H
#define SS_TURNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

struct ss_turns;

/* A frame is wanted; takes the block. is_context: it does not match, nor is it a segment of what
 * does. */
typedef void (*ss_turns_wanted)(GByteArray *block, bool is_context, void *user_data);

/* exchanges: the other half, too. */
struct ss_turns *ss_turns_new(bool exchanges, ss_turns_wanted wanted, void *user_data);
void ss_turns_free(struct ss_turns *turns);

/* The next frame, an Enhanced Packet Block on an interface of LINKTYPE_RAW. Takes the block. */
void ss_turns_take(struct ss_turns *turns, GByteArray *block, bool matches);

/* Frames that did not fit in memory until it was known whether they are wanted. */
uint64_t ss_turns_given_up(const struct ss_turns *turns);

#endif
