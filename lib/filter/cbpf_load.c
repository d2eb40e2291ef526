/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VLAN. On Ethernet hooks the outer tag is not in the frame's bytes but in the skb's metadata; the
 * writer puts it back at byte 12. The filter has to judge the frame with the tag. So the tagged
 * body reads bytes 12..15 from metadata and everything behind 4 bytes earlier.
 *
 * Calls are what a filter costs. So the untagged body reads what is near in the frame's linear
 * bytes by itself, and calls only for what is not there: behind the end, or in a fragment of the
 * skb. Without CAP_PERFMON the verifier allows such reads at offsets that are known while it loads
 * the program. That of a transport header is, as soon as IPv4's header is seen to have no options.
 *
 * What could surprise: LD_ABS and LD_IND take the skb from R6, destroy R1..R5 and return 0 from the
 * function themselves when the offset is past the end. They give meanings of their own to negative
 * offsets, hence OFFSET_MAX.
 */
#include "cbpf_load.h"

#include <stddef.h>

/* Bytes of a frame that are worth a look whether they are linear. The verifier knows 65535. */
#define NEAR_MAX 256u

#define IPV4_SIZE 20u /* without options */

unsigned ss_cbpf_load_bytes(unsigned size)
{
	return size == BPF_W ? 4 : size == BPF_H ? 2 : 1;
}

/* VALUE = the big-endian number at offset of the skb's bytes; base: a register to add, or -1. */
static void emit_skb_load(struct ss_cbpf_emitter *emitter, unsigned size, int base, uint32_t offset)
{
	if (emitter->access == SS_FILTER_LD_ABS) {
		ss_cbpf_emit(emitter, base < 0 ? SS_LD_ABS(size, offset)
					       : SS_LD_IND(size, (unsigned)base, offset));
		return;
	}
	ss_cbpf_emit(emitter, SS_MOV(BPF_REG_1, CTX));
	if (base < 0) {
		ss_cbpf_emit(emitter, SS_ALUW_IMM(BPF_MOV, BPF_REG_2, offset));
	} else {
		ss_cbpf_emit(emitter, SS_MOV(BPF_REG_2, (unsigned)base));
		ss_cbpf_emit(emitter, SS_ADD_IMM(BPF_REG_2, offset));
	}
	ss_cbpf_emit(emitter, SS_MOV(BPF_REG_3, FRAME));
	ss_cbpf_emit(emitter, SS_ADD_IMM(BPF_REG_3, (uint32_t)LOAD_SLOT));
	ss_cbpf_emit(emitter, SS_ALUW_IMM(BPF_MOV, BPF_REG_4, ss_cbpf_load_bytes(size)));
	ss_cbpf_emit(emitter, SS_CALL(BPF_FUNC_skb_load_bytes));
	ss_cbpf_reject_if(emitter, SS_JUMPW_IMM(BPF_JNE, VALUE, 0, 0));
	ss_cbpf_emit(emitter, SS_LDX(size, VALUE, FRAME, LOAD_SLOT));
	if (size != BPF_B)
		ss_cbpf_emit(emitter, SS_TO_BE(VALUE, ss_cbpf_load_bytes(size) * 8));
}

/* Whether [0, end) may be read without a call. */
static bool is_near(const struct ss_cbpf_emitter *emitter, uint32_t end)
{
	return emitter->near && !emitter->tagged && end <= NEAR_MAX;
}

/* A jump taken if [0, end) is linear. The verifier, which follows other paths first, then finds
 * nothing new on this one: there it knows more about DATA, not less. */
static size_t emit_if_linear(struct ss_cbpf_emitter *emitter, uint32_t end)
{
	ss_cbpf_emit(emitter, SS_MOV(BPF_REG_1, DATA));
	ss_cbpf_emit(emitter, SS_ADD_IMM(BPF_REG_1, end));
	ss_cbpf_emit(emitter, SS_LDX(BPF_W, BPF_REG_2, CTX, offsetof(struct __sk_buff, data_end)));
	return ss_cbpf_jump(emitter,
			    ss_insn(BPF_JMP | BPF_JLE | BPF_X, BPF_REG_1, BPF_REG_2, 0, 0));
}

static void emit_linear_load(struct ss_cbpf_emitter *emitter, unsigned size, uint32_t offset)
{
	ss_cbpf_emit(emitter, SS_LDX(size, VALUE, DATA, (int16_t)offset));
	if (size != BPF_B)
		ss_cbpf_emit(emitter, SS_TO_BE(VALUE, ss_cbpf_load_bytes(size) * 8));
}

/* VALUE = the number at offset, known now, of the skb's bytes. */
static void emit_known_load(struct ss_cbpf_emitter *emitter, unsigned size, uint32_t offset)
{
	uint32_t end = offset + ss_cbpf_load_bytes(size);
	size_t linear, done;

	if (!is_near(emitter, end)) {
		emit_skb_load(emitter, size, -1, offset);
		return;
	}
	linear = emit_if_linear(emitter, end);
	emit_skb_load(emitter, size, -1, offset);
	done = ss_cbpf_jump(emitter, SS_JUMP(0));
	ss_cbpf_land(emitter, linear);
	emit_linear_load(emitter, size, offset);
	ss_cbpf_land(emitter, done);
}

/* VALUE = the number at X + offset, where X most often is the size of an IPv4 header. */
static void emit_header_load(struct ss_cbpf_emitter *emitter, unsigned size, uint32_t offset)
{
	uint32_t end = offset + IPV4_SIZE + ss_cbpf_load_bytes(size);
	bool near = is_near(emitter, end);
	size_t other = 0, linear = 0, done = 0;

	if (near) {
		other = ss_cbpf_jump(emitter, SS_JUMPW_IMM(BPF_JNE, X, IPV4_SIZE, 0));
		linear = emit_if_linear(emitter, end);
		ss_cbpf_land(emitter, other);
	}
	ss_cbpf_hide(emitter, X);
	ss_cbpf_reject_if(emitter, SS_JUMPW_IMM(BPF_JGT, X, OFFSET_MAX, 0));
	emit_skb_load(emitter, size, X, offset);
	if (near) {
		done = ss_cbpf_jump(emitter, SS_JUMP(0));
		ss_cbpf_land(emitter, linear);
		emit_linear_load(emitter, size, offset + IPV4_SIZE);
		ss_cbpf_land(emitter, done);
	}
}

/* VALUE = the tag as the 32-bit number at byte 12 of the stored frame. */
static void emit_tag(struct ss_cbpf_emitter *emitter)
{
	ss_cbpf_emit(emitter, SS_LDX(BPF_W, VALUE, CTX, offsetof(struct __sk_buff, vlan_proto)));
	ss_cbpf_emit(emitter, SS_TO_BE(VALUE, 16)); /* a __be16 in a __u32 */
	ss_cbpf_emit(emitter, SS_ALUW_IMM(BPF_LSH, VALUE, 16));
	ss_cbpf_emit(emitter, SS_LDX(BPF_W, TEMP, CTX, offsetof(struct __sk_buff, vlan_tci)));
	ss_cbpf_emit(emitter, SS_ALUW(BPF_OR, VALUE, TEMP));
}

/* dst = dst << bits | VALUE */
static void emit_append(struct ss_cbpf_emitter *emitter, unsigned dst, unsigned bits)
{
	ss_cbpf_emit(emitter, SS_ALUW_IMM(BPF_LSH, dst, bits));
	ss_cbpf_emit(emitter, SS_ALUW(BPF_OR, dst, VALUE));
}

/* The part [from, to) of the tag bytes, as a number in VALUE. */
static void emit_tag_part(struct ss_cbpf_emitter *emitter, unsigned from, unsigned to)
{
	unsigned bytes = to - from;

	emit_tag(emitter);
	if (to < TAG_END)
		ss_cbpf_emit(emitter, SS_ALUW_IMM(BPF_RSH, VALUE, 8 * (TAG_END - to)));
	if (from > TAG_START)
		ss_cbpf_emit(emitter, SS_ALUW_IMM(BPF_AND, VALUE, (1u << 8 * bytes) - 1));
}

/* Tagged frame, constant offset, touching the tag: bytes before it, of it, and behind it. */
static void emit_load_across_tag(struct ss_cbpf_emitter *emitter, uint32_t offset, uint32_t end)
{
	uint32_t from = MAX(offset, TAG_START), to = MIN(end, TAG_END);

	if (from == offset && to == end) {
		emit_tag_part(emitter, from, to);
		return;
	}
	ss_cbpf_emit(emitter, SS_ALUW_IMM(BPF_MOV, SCRATCH, 0));
	for (; offset < from; offset++) {
		emit_skb_load(emitter, BPF_B, -1, offset);
		emit_append(emitter, SCRATCH, 8);
	}
	emit_tag_part(emitter, from, to);
	emit_append(emitter, SCRATCH, 8 * (to - from));
	for (offset = to; offset < end; offset++) {
		emit_skb_load(emitter, BPF_B, -1, offset - TAG_SIZE);
		emit_append(emitter, SCRATCH, 8);
	}
	ss_cbpf_emit(emitter, SS_ALUW(BPF_MOV, VALUE, SCRATCH));
}

void ss_cbpf_load(struct ss_cbpf_emitter *emitter, unsigned size, uint32_t k)
{
	uint32_t offset = MIN(k, OFFSET_MAX), end = offset + ss_cbpf_load_bytes(size);

	if (!emitter->tagged || end <= TAG_START)
		emit_known_load(emitter, size, offset);
	else if (offset >= TAG_END)
		emit_known_load(emitter, size, offset - TAG_SIZE);
	else
		emit_load_across_tag(emitter, offset, end);
}

/* Tagged frame, offset in SCRATCH, near the tag: one byte after the other into A, then VALUE. */
static void emit_load_around_tag(struct ss_cbpf_emitter *emitter, unsigned bytes)
{
	ss_cbpf_emit(emitter, SS_ALUW_IMM(BPF_MOV, A, 0));
	for (unsigned i = 0; i < bytes; i++) {
		size_t before, behind, done;

		before = ss_cbpf_jump(emitter, SS_JUMPW_IMM(BPF_JLT, SCRATCH, TAG_START - i, 0));
		behind = ss_cbpf_jump(emitter, SS_JUMPW_IMM(BPF_JGE, SCRATCH, TAG_END - i, 0));
		emit_tag(emitter);
		ss_cbpf_emit(emitter, SS_ALUW_IMM(BPF_MOV, TEMP, TAG_END - 1 - i));
		ss_cbpf_emit(emitter, SS_ALUW(BPF_SUB, TEMP, SCRATCH));
		ss_cbpf_emit(emitter, SS_ALUW_IMM(BPF_LSH, TEMP, 3));
		ss_cbpf_emit(emitter, SS_ALUW(BPF_RSH, VALUE, TEMP));
		ss_cbpf_emit(emitter, SS_ALUW_IMM(BPF_AND, VALUE, 0xff));
		done = ss_cbpf_jump(emitter, SS_JUMP(0));
		ss_cbpf_land(emitter, behind);
		/* Negative for the first bytes, but then SCRATCH is at least 16 - i. */
		emit_skb_load(emitter, BPF_B, SCRATCH, i - TAG_SIZE);
		behind = ss_cbpf_jump(emitter, SS_JUMP(0));
		ss_cbpf_land(emitter, before);
		emit_skb_load(emitter, BPF_B, SCRATCH, i);
		ss_cbpf_land(emitter, behind);
		ss_cbpf_land(emitter, done);
		emit_append(emitter, A, 8);
	}
	ss_cbpf_emit(emitter, SS_ALUW(BPF_MOV, VALUE, A));
}

void ss_cbpf_load_indirect(struct ss_cbpf_emitter *emitter, unsigned size, uint32_t k)
{
	uint32_t offset = MIN(k, OFFSET_MAX);
	unsigned bytes = ss_cbpf_load_bytes(size);
	size_t around, done;

	if (!emitter->tagged || offset >= TAG_END) {
		emit_header_load(emitter, size, emitter->tagged ? offset - TAG_SIZE : offset);
		return;
	}
	ss_cbpf_hide(emitter, X);
	ss_cbpf_reject_if(emitter, SS_JUMPW_IMM(BPF_JGT, X, OFFSET_MAX, 0));
	ss_cbpf_emit(emitter, SS_MOV(SCRATCH, X));
	ss_cbpf_emit(emitter, SS_ADD_IMM(SCRATCH, offset));
	around = ss_cbpf_jump(emitter, SS_JUMPW_IMM(BPF_JLT, SCRATCH, TAG_END, 0));
	emit_skb_load(emitter, size, SCRATCH, (uint32_t) - (int32_t)TAG_SIZE);
	done = ss_cbpf_jump(emitter, SS_JUMP(0));
	ss_cbpf_land(emitter, around);
	emit_load_around_tag(emitter, bytes);
	ss_cbpf_land(emitter, done);
}
