/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a family (field.h) emits its tests with.
 *
 * A program (body.h) begins with the walk, which finds the headers once. Where the walk understands
 *all of a frame the frame is plain: at most two VLAN tags; IPv4, IPv6 or ARP, whole, not
 *fragmented; TCP, UDP, ICMP or another transport that carries no packets of its own. Of all others
 *(tunnels, ICMP errors, fragments, malformed ones) every test may hold, but those of
 *SS_LAYER_FRAME.
 *
 * In a test of a plain frame:
 *	R6	skb. R0 .. R5 are free, and lost at every load and call
 *	R7	the frame, where headers are read from its linear bytes. Elsewhere without
 *		SS_NEED_TAGS, whether the bytes behind 12 bytes of TCP options were copied to
 *		SS_STACK_SCRATCH with the headers (ss_message_head()). With it, VLAN tags:
 *		SS_TAG_PRESENT | tag control information of the outer one; of the inner one the
 *		same in the upper half. Ethernet only
 *	R8	offset of the transport header in the skb; of ARP's header
 *	R9	offset of the end of the IP packet
 * (a test must not change them), and on the stack:
 *	SS_STACK_LINK		with SS_NEED_LINK, the first 14 bytes, without tags that are in the
 *				skb's metadata
 *	SS_STACK_NETWORK	IPv6's first 40 bytes, ARP's 28
 *	SS_STACK_IPV4		IPv4's first 20 bytes
 *	SS_STACK_TRANSPORT	TCP's first 20 bytes, UDP's and ICMP's 8; aligned to 8
 *	SS_STACK_SCRATCH	SS_SCRATCH_SIZE bytes for the test, uninitialised
 *	SS_STACK_OWNER		with SS_NEED_OWNER, the value of SS_METADATA_PROCESS; 0: not known
 * Headers are there only if they were copied: ss_emit_header() knows where they are.
 *
 * Without CAP_PERFMON each store to the stack that is not a helper's costs a barrier, and a read of
 * what may be uninitialised is refused even where no path leads.
 */
#ifndef SS_FILTER_EMIT_H
#define SS_FILTER_EMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "expression.h"
#include "filter.h"
#include "insn.h"

#define SS_TAG_PRESENT 0x10000u
/* The frame programs' own stack leaves no more than 224 bytes. A transport header follows its
 * network header, as in the frame: one copy for both. */
#define SS_STACK_LINK      (-224)
#define SS_STACK_NETWORK   (-208)
#define SS_STACK_IPV4      (-188)
#define SS_STACK_TRANSPORT (-168)
#define SS_STACK_ANSWERS   (-144) /* of tests on messages, a bit each */
#define SS_ANSWERS_MAX     32
#define SS_STACK_SCRATCH   (-136) /* aligned to 8; where the payload is behind usual options */
#define SS_SCRATCH_SIZE    128
#define SS_STACK_OWNER     (-8)

struct ss_emitter;

void ss_emit(struct ss_emitter *emitter, struct bpf_insn insn);
/* Jumps forward inside a test: emit, and land where the next instruction comes. */
size_t ss_emit_jump(struct ss_emitter *emitter, struct bpf_insn insn);
void ss_emit_land(struct ss_emitter *emitter, size_t jump);

/* Copies size bytes of the skb from offset, added to register base (0: none), to the stack.
 * R0 = 0, or not: the frame ends before. */
void ss_emit_copy(struct ss_emitter *emitter, int16_t to, uint32_t size, unsigned base,
		  uint32_t offset);
/* dst = big-endian number of 1, 2 or 4 bytes on the stack. */
void ss_emit_number(struct ss_emitter *emitter, unsigned dst, int16_t from, unsigned bytes);
/* dst = what a header has where its copy on the stack has from, as the CPU reads it; size: BPF_B
 * ... */
void ss_emit_header(struct ss_emitter *emitter, unsigned size, unsigned dst, int16_t from);
/* The same of a big-endian number of 1, 2 or 4 bytes. */
void ss_emit_header_number(struct ss_emitter *emitter, unsigned dst, int16_t from, unsigned bytes);
/* R0 = whether the number in R1, up to 64 bits, satisfies the test. IPv4 and Ethernet addresses are
 * numbers of 32 and 48 bits. R2 is lost. */
void ss_emit_compare(struct ss_emitter *emitter, const struct ss_test *test);
/* dst = 64 bits; the map. */
void ss_emit_wide(struct ss_emitter *emitter, unsigned dst, uint64_t value);
void ss_emit_map(struct ss_emitter *emitter, unsigned dst, int fd);
/* R1 = address of the slot (format/ring.h) whose program this is. */
void ss_emit_slot(struct ss_emitter *emitter);

const struct ss_emit_options *ss_emit_options(const struct ss_emitter *emitter);
/* Of enum ss_layer: what the frames have for which code is emitted now. */
unsigned ss_emit_layers(const struct ss_emitter *emitter);
/* The test is meant for the answer: source is destination (SS_FLOW_REVERSED). */
bool ss_emit_reversed(const struct ss_emitter *emitter);

/* What tests on messages have (message.h). */
struct ss_tracking {
	int fd;       /* the table; -1: all messages may match */
	int count_fd; /* how many messages are under way in it */
	int hint_fd;  /* which are surely not (hint.h) */
	/* A test of HTTP (DNS) on a response (request) also accepts its other half. */
	bool whole, whole_dns;
};

const struct ss_tracking *ss_emit_tracking(const struct ss_emitter *emitter);

#endif
