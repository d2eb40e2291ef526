/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Classic BPF to eBPF, instruction by instruction, with the meaning libpcap's interpreter gives it:
 * unsigned 32-bit arithmetic; A, X and M[] start at 0; a load past the end, and a division by a
 * zero X, reject the frame; a shift by 32 or more gives 0.
 *
 * VLAN. On Ethernet hooks the outer tag is not in the frame's bytes but in the skb's metadata; the
 * writer puts it back at byte 12. The filter has to judge the frame with the tag. So a filter that
 * looks at byte 12 or behind is translated twice: the untagged body, and a tagged body, chosen once
 * at the start, which reads bytes 12..15 from metadata and everything behind 4 bytes earlier.
 *
 * Loads. Calls are what a filter costs. So the untagged body reads what is near in the frame's
 * linear bytes by itself, and calls only for what is not there: behind the end, or in a fragment of
 * the skb. Without CAP_PERFMON the verifier allows such reads at offsets that are known while it
 * loads the program. That of a transport header is, as soon as IPv4's header is seen to have no
 * options.
 *
 * What is not in the bytes. "inbound" and "outbound" ask for the packet type, of which they know
 * PACKET_OUTGOING: that is what the slot (format/ring.h) says the pod sends. "ifindex" asks for the
 * device of the hook. All other negative offsets are past the end, as for the interpreter.
 *
 * What could surprise: LD_ABS and LD_IND take the skb from R6, destroy R1..R5 and return 0 from the
 * function themselves when the offset is past the end. They give meanings of their own to negative
 * offsets, hence OFFSET_MAX. The verifier refuses unreachable instructions, so those are skipped.
 */
#include "cbpf.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <stdbool.h>

#include <glib.h>

#include "format/pcapng.h"
#include "format/ring.h"
#include "insn.h"

/* Registers of the body. R0..R5 hold nothing across an instruction of classic BPF. */
enum {
	VALUE = BPF_REG_0, /* what was loaded */
	TEMP = BPF_REG_1,
	CTX = BPF_REG_6, /* LD_ABS demands it */
	A = BPF_REG_7,
	X = BPF_REG_8,
	SCRATCH = BPF_REG_9, /* survives a load */
	DATA = BPF_REG_9,    /* in a body that does without the former: the linear bytes */
	FRAME = BPF_REG_10,
};

#define LOAD_SLOT   (-8) /* where bpf_skb_load_bytes() writes */
#define MEM_SLOT(k) ((int16_t)(-8 - 4 * ((int)(k) + 1)))

/* No frame reaches this far, and X + k of two of them still is a positive int. */
#define OFFSET_MAX 0x3fffffffu

/* Bytes of a frame that are worth a look whether they are linear. The verifier knows 65535. */
#define NEAR_MAX 256u

#define IPV4_SIZE 20u /* without options */

#define TAG_START 12u /* bytes 12..15 of a tagged frame: protocol, then tag control information */
#define TAG_SIZE  4u
#define TAG_END   (TAG_START + TAG_SIZE)

#define REJECT      G_MAXSIZE /* a jump target */
#define RETURN_SIZE 2         /* instructions of emit_return() */

struct fixup {
	size_t insn;   /* the jump */
	size_t target; /* index of a classic instruction, or REJECT */
};

struct emitter {
	const struct ss_cbpf_insn *program;
	size_t count;
	bool *reachable;
	enum ss_filter_access access;
	int slots_fd;
	bool near;       /* reads linear bytes ... */
	bool tagged;     /* ... unless this body is for frames with a tag in metadata */
	GArray *insns;   /* struct bpf_insn */
	GArray *fixups;  /* struct fixup of this body */
	GArray *rejects; /* size_t: jumps to the common reject at the end */
};

static void emit(struct emitter *emitter, struct bpf_insn insn)
{
	g_array_append_val(emitter->insns, insn);
}

/* Jumps inside the translation of one classic instruction: emit, then land at the destination. */
static size_t emit_jump(struct emitter *emitter, struct bpf_insn insn)
{
	emit(emitter, insn);
	return emitter->insns->len - 1;
}

static void land(struct emitter *emitter, size_t jump)
{
	size_t distance = emitter->insns->len - jump - 1;

	/* Does not fit only in a body that is refused for its size. */
	g_array_index(emitter->insns, struct bpf_insn, jump).off = (int16_t)distance;
}

static void emit_jump_to(struct emitter *emitter, struct bpf_insn insn, size_t target)
{
	struct fixup fixup = {.insn = emitter->insns->len, .target = target};

	emit(emitter, insn);
	if (target == REJECT)
		g_array_append_val(emitter->rejects, fixup.insn);
	else
		g_array_append_val(emitter->fixups, fixup);
}

static void emit_return(struct emitter *emitter, bool accept)
{
	emit(emitter, SS_ALUW_IMM(BPF_MOV, BPF_REG_0, accept));
	emit(emitter, SS_EXIT());
}

static unsigned load_bytes(unsigned size)
{
	return size == BPF_W ? 4 : size == BPF_H ? 2 : 1;
}

/* VALUE = the big-endian number at offset of the skb's bytes; base: a register to add, or -1. */
static void emit_skb_load(struct emitter *emitter, unsigned size, int base, uint32_t offset)
{
	if (emitter->access == SS_FILTER_LD_ABS) {
		emit(emitter,
		     base < 0 ? SS_LD_ABS(size, offset) : SS_LD_IND(size, (unsigned)base, offset));
		return;
	}
	emit(emitter, SS_MOV(BPF_REG_1, CTX));
	if (base < 0) {
		emit(emitter, SS_ALUW_IMM(BPF_MOV, BPF_REG_2, offset));
	} else {
		emit(emitter, SS_MOV(BPF_REG_2, (unsigned)base));
		emit(emitter, SS_ADD_IMM(BPF_REG_2, offset));
	}
	emit(emitter, SS_MOV(BPF_REG_3, FRAME));
	emit(emitter, SS_ADD_IMM(BPF_REG_3, (uint32_t)LOAD_SLOT));
	emit(emitter, SS_ALUW_IMM(BPF_MOV, BPF_REG_4, load_bytes(size)));
	emit(emitter, SS_CALL(BPF_FUNC_skb_load_bytes));
	emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JNE, VALUE, 0, 0), REJECT);
	emit(emitter, SS_LDX(size, VALUE, FRAME, LOAD_SLOT));
	if (size != BPF_B)
		emit(emitter, SS_TO_BE(VALUE, load_bytes(size) * 8));
}

/* Whether [0, end) may be read without a call. */
static bool is_near(const struct emitter *emitter, uint32_t end)
{
	return emitter->near && !emitter->tagged && end <= NEAR_MAX;
}

/* A jump taken if [0, end) is linear. The verifier, which follows other paths first, then finds
 * nothing new on this one: there it knows more about DATA, not less. */
static size_t emit_if_linear(struct emitter *emitter, uint32_t end)
{
	emit(emitter, SS_MOV(BPF_REG_1, DATA));
	emit(emitter, SS_ADD_IMM(BPF_REG_1, end));
	emit(emitter, SS_LDX(BPF_W, BPF_REG_2, CTX, offsetof(struct __sk_buff, data_end)));
	return emit_jump(emitter, ss_insn(BPF_JMP | BPF_JLE | BPF_X, BPF_REG_1, BPF_REG_2, 0, 0));
}

static void emit_linear_load(struct emitter *emitter, unsigned size, uint32_t offset)
{
	emit(emitter, SS_LDX(size, VALUE, DATA, (int16_t)offset));
	if (size != BPF_B)
		emit(emitter, SS_TO_BE(VALUE, load_bytes(size) * 8));
}

/* VALUE = the number at offset, known now, of the skb's bytes. */
static void emit_known_load(struct emitter *emitter, unsigned size, uint32_t offset)
{
	uint32_t end = offset + load_bytes(size);
	size_t linear, done;

	if (!is_near(emitter, end)) {
		emit_skb_load(emitter, size, -1, offset);
		return;
	}
	linear = emit_if_linear(emitter, end);
	emit_skb_load(emitter, size, -1, offset);
	done = emit_jump(emitter, SS_JUMP(0));
	land(emitter, linear);
	emit_linear_load(emitter, size, offset);
	land(emitter, done);
}

/* VALUE = the number at X + offset, where X most often is the size of an IPv4 header. */
static void emit_header_load(struct emitter *emitter, unsigned size, uint32_t offset)
{
	uint32_t end = offset + IPV4_SIZE + load_bytes(size);
	bool near = is_near(emitter, end);
	size_t other = 0, linear = 0, done = 0;

	if (near) {
		other = emit_jump(emitter, SS_JUMPW_IMM(BPF_JNE, X, IPV4_SIZE, 0));
		linear = emit_if_linear(emitter, end);
		land(emitter, other);
	}
	emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JGT, X, OFFSET_MAX, 0), REJECT);
	emit_skb_load(emitter, size, X, offset);
	if (near) {
		done = emit_jump(emitter, SS_JUMP(0));
		land(emitter, linear);
		emit_linear_load(emitter, size, offset + IPV4_SIZE);
		land(emitter, done);
	}
}

/* VALUE = the tag as the 32-bit number at byte 12 of the stored frame. */
static void emit_tag(struct emitter *emitter)
{
	emit(emitter, SS_LDX(BPF_W, VALUE, CTX, offsetof(struct __sk_buff, vlan_proto)));
	emit(emitter, SS_TO_BE(VALUE, 16)); /* a __be16 in a __u32 */
	emit(emitter, SS_ALUW_IMM(BPF_LSH, VALUE, 16));
	emit(emitter, SS_LDX(BPF_W, TEMP, CTX, offsetof(struct __sk_buff, vlan_tci)));
	emit(emitter, SS_ALUW(BPF_OR, VALUE, TEMP));
}

/* dst = dst << bits | VALUE */
static void emit_append(struct emitter *emitter, unsigned dst, unsigned bits)
{
	emit(emitter, SS_ALUW_IMM(BPF_LSH, dst, bits));
	emit(emitter, SS_ALUW(BPF_OR, dst, VALUE));
}

/* The part [from, to) of the tag bytes, as a number in VALUE. */
static void emit_tag_part(struct emitter *emitter, unsigned from, unsigned to)
{
	unsigned bytes = to - from;

	emit_tag(emitter);
	if (to < TAG_END)
		emit(emitter, SS_ALUW_IMM(BPF_RSH, VALUE, 8 * (TAG_END - to)));
	if (from > TAG_START)
		emit(emitter, SS_ALUW_IMM(BPF_AND, VALUE, (1u << 8 * bytes) - 1));
}

/* Tagged frame, constant offset, touching the tag: bytes before it, of it, and behind it. */
static void emit_load_across_tag(struct emitter *emitter, uint32_t offset, uint32_t end)
{
	uint32_t from = MAX(offset, TAG_START), to = MIN(end, TAG_END);

	if (from == offset && to == end) {
		emit_tag_part(emitter, from, to);
		return;
	}
	emit(emitter, SS_ALUW_IMM(BPF_MOV, SCRATCH, 0));
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
	emit(emitter, SS_ALUW(BPF_MOV, VALUE, SCRATCH));
}

/* VALUE = frame[k], k known now. */
static void emit_load(struct emitter *emitter, unsigned size, uint32_t k)
{
	uint32_t offset = MIN(k, OFFSET_MAX), end = offset + load_bytes(size);

	if (!emitter->tagged || end <= TAG_START)
		emit_known_load(emitter, size, offset);
	else if (offset >= TAG_END)
		emit_known_load(emitter, size, offset - TAG_SIZE);
	else
		emit_load_across_tag(emitter, offset, end);
}

/* Tagged frame, offset in SCRATCH, near the tag: one byte after the other into A, then VALUE. */
static void emit_load_around_tag(struct emitter *emitter, unsigned bytes)
{
	emit(emitter, SS_ALUW_IMM(BPF_MOV, A, 0));
	for (unsigned i = 0; i < bytes; i++) {
		size_t before, behind, done;

		before = emit_jump(emitter, SS_JUMPW_IMM(BPF_JLT, SCRATCH, TAG_START - i, 0));
		behind = emit_jump(emitter, SS_JUMPW_IMM(BPF_JGE, SCRATCH, TAG_END - i, 0));
		emit_tag(emitter);
		emit(emitter, SS_ALUW_IMM(BPF_MOV, TEMP, TAG_END - 1 - i));
		emit(emitter, SS_ALUW(BPF_SUB, TEMP, SCRATCH));
		emit(emitter, SS_ALUW_IMM(BPF_LSH, TEMP, 3));
		emit(emitter, SS_ALUW(BPF_RSH, VALUE, TEMP));
		emit(emitter, SS_ALUW_IMM(BPF_AND, VALUE, 0xff));
		done = emit_jump(emitter, SS_JUMP(0));
		land(emitter, behind);
		/* Negative for the first bytes, but then SCRATCH is at least 16 - i. */
		emit_skb_load(emitter, BPF_B, SCRATCH, i - TAG_SIZE);
		behind = emit_jump(emitter, SS_JUMP(0));
		land(emitter, before);
		emit_skb_load(emitter, BPF_B, SCRATCH, i);
		land(emitter, behind);
		land(emitter, done);
		emit_append(emitter, A, 8);
	}
	emit(emitter, SS_ALUW(BPF_MOV, VALUE, A));
}

/* VALUE = frame[X + k]. The old A is lost, which is fine: only A is ever loaded this way. */
static void emit_load_indirect(struct emitter *emitter, unsigned size, uint32_t k)
{
	uint32_t offset = MIN(k, OFFSET_MAX);
	unsigned bytes = load_bytes(size);
	size_t around, done;

	if (!emitter->tagged || offset >= TAG_END) {
		emit_header_load(emitter, size, emitter->tagged ? offset - TAG_SIZE : offset);
		return;
	}
	emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JGT, X, OFFSET_MAX, 0), REJECT);
	emit(emitter, SS_MOV(SCRATCH, X));
	emit(emitter, SS_ADD_IMM(SCRATCH, offset));
	around = emit_jump(emitter, SS_JUMPW_IMM(BPF_JLT, SCRATCH, TAG_END, 0));
	emit_skb_load(emitter, size, SCRATCH, (uint32_t) - (int32_t)TAG_SIZE);
	done = emit_jump(emitter, SS_JUMP(0));
	land(emitter, around);
	emit_load_around_tag(emitter, bytes);
	land(emitter, done);
}

static void emit_length(struct emitter *emitter, unsigned dst)
{
	emit(emitter, SS_LDX(BPF_W, dst, CTX, offsetof(struct __sk_buff, len)));
	if (emitter->tagged)
		emit(emitter, SS_ADD_IMM(dst, TAG_SIZE));
}

/* A = the packet type, as far as "inbound" and "outbound" ask for it. */
static void emit_packet_type(struct emitter *emitter)
{
	G_STATIC_ASSERT(PACKET_OUTGOING == SS_EPB_FLAG_OUT << 1);
	if (emitter->slots_fd < 0) { /* nobody says whose frames these are */
		emit(emitter, SS_ALUW_IMM(BPF_MOV, A, PACKET_HOST));
		return;
	}
	emit(emitter, ss_insn(BPF_LD | BPF_IMM | BPF_DW, TEMP, BPF_PSEUDO_MAP_FD, 0,
			      (uint32_t)emitter->slots_fd));
	emit(emitter, ss_insn(0, 0, 0, 0, 0));
	emit(emitter, SS_LDX(BPF_W, A, TEMP, offsetof(struct ss_slot, options[1])));
	emit(emitter, SS_ALUW_IMM(BPF_AND, A, SS_EPB_FLAG_OUT));
	emit(emitter, SS_ALUW_IMM(BPF_LSH, A, 1));
}

static void emit_shift(struct emitter *emitter, const struct ss_cbpf_insn *insn, unsigned op)
{
	size_t small, done;

	if (BPF_SRC(insn->code) == BPF_K) {
		if (insn->k < 32)
			emit(emitter, SS_ALUW_IMM(op, A, insn->k));
		else
			emit(emitter, SS_ALUW_IMM(BPF_MOV, A, 0));
		return;
	}
	small = emit_jump(emitter, SS_JUMPW_IMM(BPF_JLT, X, 32, 0));
	emit(emitter, SS_ALUW_IMM(BPF_MOV, A, 0));
	done = emit_jump(emitter, SS_JUMP(0));
	land(emitter, small);
	emit(emitter, SS_ALUW(op, A, X));
	land(emitter, done);
}

static int emit_alu(struct emitter *emitter, const struct ss_cbpf_insn *insn)
{
	unsigned op = BPF_OP(insn->code);
	bool by_x = BPF_SRC(insn->code) == BPF_X;

	switch (op) {
	case BPF_LSH:
	case BPF_RSH:
		emit_shift(emitter, insn, op);
		return 0;
	case BPF_NEG:
		emit(emitter, SS_ALUW_IMM(BPF_NEG, A, 0));
		return 0;
	case BPF_DIV:
	case BPF_MOD:
		if (by_x)
			emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JEQ, X, 0, 0), REJECT);
		else if (insn->k == 0)
			return -EINVAL;
		break;
	case BPF_ADD:
	case BPF_SUB:
	case BPF_MUL:
	case BPF_AND:
	case BPF_OR:
	case BPF_XOR:
		break;
	default:
		return -EINVAL;
	}
	emit(emitter, by_x ? SS_ALUW(op, A, X) : SS_ALUW_IMM(op, A, insn->k));
	return 0;
}

/* The jump taken when op does not hold; 0: there is none. */
static unsigned opposite(unsigned op)
{
	switch (op) {
	case BPF_JEQ:
		return BPF_JNE;
	case BPF_JGT:
		return BPF_JLE;
	case BPF_JGE:
		return BPF_JLT;
	default:
		return 0;
	}
}

static int emit_conditional(struct emitter *emitter, size_t index)
{
	const struct ss_cbpf_insn *insn = &emitter->program[index];
	size_t next = index + 1;
	size_t if_true = next + insn->jump_true, if_false = next + insn->jump_false;
	unsigned op = BPF_OP(insn->code);
	bool by_x = BPF_SRC(insn->code) == BPF_X;

	if (op == BPF_JA) {
		emit_jump_to(emitter, SS_JUMP(0), next + insn->k);
		return 0;
	}
	if (op != BPF_JEQ && op != BPF_JGT && op != BPF_JGE && op != BPF_JSET)
		return -EINVAL;
	if (if_true == next && opposite(op)) {
		op = opposite(op);
		if_true = if_false;
		if_false = next;
	}
	emit_jump_to(emitter, by_x ? SS_JUMPW(op, A, X, 0) : SS_JUMPW_IMM(op, A, insn->k, 0),
		     if_true);
	if (if_false != next)
		emit_jump_to(emitter, SS_JUMP(0), if_false);
	return 0;
}

static int emit_load_into_a(struct emitter *emitter, const struct ss_cbpf_insn *insn)
{
	unsigned size = BPF_SIZE(insn->code);

	if (size != BPF_W && size != BPF_H && size != BPF_B)
		return -EINVAL;
	switch (BPF_MODE(insn->code)) {
	case BPF_IMM:
		emit(emitter, SS_ALUW_IMM(BPF_MOV, A, insn->k));
		return 0;
	case BPF_MEM:
		emit(emitter, SS_LDX(BPF_W, A, FRAME, MEM_SLOT(insn->k)));
		return 0;
	case BPF_LEN:
		emit_length(emitter, A);
		return 0;
	case BPF_ABS:
		if (insn->k == SS_CBPF_PACKET_TYPE) {
			emit_packet_type(emitter);
			return 0;
		}
		if (insn->k == SS_CBPF_DEVICE) {
			emit(emitter, SS_LDX(BPF_W, A, CTX, offsetof(struct __sk_buff, ifindex)));
			return 0;
		}
		emit_load(emitter, size, insn->k);
		break;
	case BPF_IND:
		emit_load_indirect(emitter, size, insn->k);
		break;
	default:
		return -EINVAL;
	}
	emit(emitter, SS_ALUW(BPF_MOV, A, VALUE));
	return 0;
}

static int emit_load_into_x(struct emitter *emitter, const struct ss_cbpf_insn *insn)
{
	switch (BPF_MODE(insn->code)) {
	case BPF_IMM:
		emit(emitter, SS_ALUW_IMM(BPF_MOV, X, insn->k));
		return 0;
	case BPF_MEM:
		emit(emitter, SS_LDX(BPF_W, X, FRAME, MEM_SLOT(insn->k)));
		return 0;
	case BPF_LEN:
		emit_length(emitter, X);
		return 0;
	case BPF_MSH: /* the length of an IPv4 header */
		emit_load(emitter, BPF_B, insn->k);
		emit(emitter, SS_ALUW_IMM(BPF_AND, VALUE, 0xf));
		emit(emitter, SS_ALUW_IMM(BPF_LSH, VALUE, 2));
		emit(emitter, SS_ALUW(BPF_MOV, X, VALUE));
		return 0;
	default:
		return -EINVAL;
	}
}

static int emit_misc(struct emitter *emitter, const struct ss_cbpf_insn *insn)
{
	switch (BPF_MISCOP(insn->code)) {
	case BPF_TAX:
		emit(emitter, SS_ALUW(BPF_MOV, X, A));
		return 0;
	case BPF_TXA:
		emit(emitter, SS_ALUW(BPF_MOV, A, X));
		return 0;
	default:
		return -EINVAL;
	}
}

static int emit_classic(struct emitter *emitter, size_t index)
{
	const struct ss_cbpf_insn *insn = &emitter->program[index];
	size_t reject;

	switch (BPF_CLASS(insn->code)) {
	case BPF_LD:
		return emit_load_into_a(emitter, insn);
	case BPF_LDX:
		return emit_load_into_x(emitter, insn);
	case BPF_ST:
		emit(emitter, SS_STX(BPF_W, FRAME, A, MEM_SLOT(insn->k)));
		return 0;
	case BPF_STX:
		emit(emitter, SS_STX(BPF_W, FRAME, X, MEM_SLOT(insn->k)));
		return 0;
	case BPF_ALU:
		return emit_alu(emitter, insn);
	case BPF_JMP:
		return emit_conditional(emitter, index);
	case BPF_RET:
		if (BPF_RVAL(insn->code) == BPF_K) {
			emit_return(emitter, insn->k != 0);
			return 0;
		}
		if (BPF_RVAL(insn->code) != BPF_A)
			return -EINVAL;
		reject = emit_jump(emitter, SS_JUMPW_IMM(BPF_JEQ, A, 0, 0));
		emit_return(emitter, true);
		land(emitter, reject);
		emit_return(emitter, false);
		return 0;
	default:
		return emit_misc(emitter, insn);
	}
}

static void resolve(struct emitter *emitter, const size_t *starts)
{
	for (guint i = 0; i < emitter->fixups->len; i++) {
		const struct fixup *fixup = &g_array_index(emitter->fixups, struct fixup, i);
		size_t distance = starts[fixup->target] - fixup->insn - 1;

		g_array_index(emitter->insns, struct bpf_insn, fixup->insn).off = (int16_t)distance;
	}
	g_array_set_size(emitter->fixups, 0);
}

static int emit_body(struct emitter *emitter, bool tagged, struct ss_error *error)
{
	g_autofree size_t *starts = g_new0(size_t, emitter->count);
	int r;

	emitter->tagged = tagged;
	if (emitter->near && !tagged)
		emit(emitter, SS_LDX(BPF_W, DATA, CTX, offsetof(struct __sk_buff, data)));
	for (size_t i = 0; i < emitter->count; i++) {
		if (!emitter->reachable[i])
			continue;
		starts[i] = emitter->insns->len;
		r = emit_classic(emitter, i);
		if (r < 0)
			return ss_fail(error, r,
				       "cannot run the capture filter in the kernel: instruction "
				       "%zu of its BPF program (code 0x%04x) is unknown; simplify "
				       "the expression",
				       i, emitter->program[i].code);
		if (emitter->insns->len + RETURN_SIZE > SS_FILTER_BODY_MAX)
			return ss_fail(error, -E2BIG,
				       "the capture filter is too long: it needs more than %d "
				       "instructions; use 'net' instead of many hosts, "
				       "'portrange' instead of many ports",
				       SS_FILTER_BODY_MAX);
	}
	resolve(emitter, starts);
	return 0;
}

static bool is_packet_load(const struct ss_cbpf_insn *insn)
{
	unsigned mode = BPF_MODE(insn->code);

	if (ss_cbpf_is_load_of(insn, SS_CBPF_PACKET_TYPE) ||
	    ss_cbpf_is_load_of(insn, SS_CBPF_DEVICE))
		return false;
	return BPF_CLASS(insn->code) == BPF_LD    ? mode == BPF_ABS || mode == BPF_IND
	       : BPF_CLASS(insn->code) == BPF_LDX ? mode == BPF_MSH
						  : false;
}

static bool uses_memory(const struct ss_cbpf_insn *insn)
{
	switch (BPF_CLASS(insn->code)) {
	case BPF_ST:
	case BPF_STX:
		return true;
	case BPF_LD:
	case BPF_LDX:
		return BPF_MODE(insn->code) == BPF_MEM;
	default:
		return false;
	}
}

/* The same for a frame with and without a tag: looks only at the addresses. */
static bool sees_tag(const struct ss_cbpf_insn *insn)
{
	unsigned mode = BPF_MODE(insn->code);
	unsigned class = BPF_CLASS(insn->code);

	if (class != BPF_LD && class != BPF_LDX)
		return false;
	if (mode == BPF_LEN || mode == BPF_IND)
		return true;
	/* OFFSET_MAX: the sum below must not wrap. */
	return is_packet_load(insn) &&
	       MIN(insn->k, OFFSET_MAX) + load_bytes(BPF_SIZE(insn->code)) > TAG_START;
}

/* unroll.c has left none. */
static bool is_loop(const struct ss_cbpf_insn *insn)
{
	return insn->code == (BPF_JMP | BPF_JA) && insn->k > INT32_MAX;
}

/* Where insn may go on to, marked reachable; false: outside the program. */
static bool mark_successors(struct emitter *emitter, size_t index)
{
	const struct ss_cbpf_insn *insn = &emitter->program[index];
	size_t left = emitter->count - index - 1; /* instructions behind this one */
	uint32_t first = 0, second = 0;

	if (BPF_CLASS(insn->code) == BPF_RET)
		return true;
	if (BPF_CLASS(insn->code) == BPF_JMP) {
		first = BPF_OP(insn->code) == BPF_JA ? insn->k : insn->jump_true;
		second = BPF_OP(insn->code) == BPF_JA ? insn->k : insn->jump_false;
	}
	if (first >= left || second >= left)
		return false;
	emitter->reachable[index + 1 + first] = true;
	emitter->reachable[index + 1 + second] = true;
	return true;
}

/* What the rest relies on. Classic BPF jumps forward only, so that one pass finds all reachable. */
static int check(struct emitter *emitter, struct ss_error *error)
{
	if (emitter->count == 0)
		return ss_fail(error, -EINVAL, "the BPF program of the capture filter is empty");
	emitter->reachable[0] = true;
	for (size_t i = 0; i < emitter->count; i++) {
		const struct ss_cbpf_insn *insn = &emitter->program[i];

		if (!emitter->reachable[i])
			continue;
		if (is_loop(insn))
			return ss_fail(error, -EOPNOTSUPP,
				       "instruction %zu of the capture filter's BPF program "
				       "jumps back; simplify the expression",
				       i);
		if (!mark_successors(emitter, i))
			return ss_fail(error, -EINVAL,
				       "instruction %zu of the capture filter's BPF program "
				       "leads outside it; simplify the expression",
				       i);
		if (uses_memory(insn) && insn->k >= BPF_MEMWORDS)
			return ss_fail(error, -EINVAL,
				       "instruction %zu of the capture filter's BPF program "
				       "uses a memory word that does not exist; simplify the "
				       "expression",
				       i);
	}
	return 0;
}

static void emit_prologue(struct emitter *emitter)
{
	uint32_t used = 0;

	emit(emitter, SS_MOV(CTX, BPF_REG_1));
	emit(emitter, SS_ALUW_IMM(BPF_MOV, A, 0));
	emit(emitter, SS_ALUW_IMM(BPF_MOV, X, 0));
	for (size_t i = 0; i < emitter->count; i++)
		if (emitter->reachable[i] && uses_memory(&emitter->program[i]))
			used |= 1u << emitter->program[i].k;
	for (unsigned k = 0; k < BPF_MEMWORDS; k++)
		if (used & 1u << k)
			emit(emitter, SS_ST_IMM(BPF_W, FRAME, MEM_SLOT(k), 0));
}

static int emit_bodies(struct emitter *emitter, bool ethernet, struct ss_error *error)
{
	bool two_bodies = false;
	size_t to_tagged;
	int r;

	for (size_t i = 0; ethernet && i < emitter->count; i++)
		two_bodies |= emitter->reachable[i] && sees_tag(&emitter->program[i]);
	emit_prologue(emitter);
	if (!two_bodies)
		return emit_body(emitter, false, error);
	emit(emitter, SS_LDX(BPF_W, VALUE, CTX, offsetof(struct __sk_buff, vlan_present)));
	to_tagged = emit_jump(emitter, SS_JUMPW_IMM(BPF_JNE, VALUE, 0, 0));
	r = emit_body(emitter, false, error);
	if (r < 0)
		return r;
	land(emitter, to_tagged);
	return emit_body(emitter, true, error);
}

static void emit_reject(struct emitter *emitter)
{
	for (guint i = 0; i < emitter->rejects->len; i++)
		land(emitter, g_array_index(emitter->rejects, size_t, i));
	if (emitter->rejects->len > 0)
		emit_return(emitter, false);
}

static int translate(struct emitter *emitter, bool ethernet, struct ss_error *error)
{
	int r;

	g_array_set_size(emitter->insns, 0);
	g_array_set_size(emitter->fixups, 0);
	g_array_set_size(emitter->rejects, 0);
	r = emit_bodies(emitter, ethernet, error);
	if (r < 0)
		return r;
	emit_reject(emitter);
	return 0;
}

int ss_cbpf_translate(const struct ss_cbpf_insn *program, size_t count,
		      const struct ss_emit_options *options, struct bpf_insn **ret_insns,
		      size_t *ret_count, struct ss_error *error)
{
	g_autofree bool *reachable = g_new0(bool, count);
	g_autoptr(GArray) insns = g_array_new(FALSE, FALSE, sizeof(struct bpf_insn));
	g_autoptr(GArray) fixups = g_array_new(FALSE, FALSE, sizeof(struct fixup));
	g_autoptr(GArray) rejects = g_array_new(FALSE, FALSE, sizeof(size_t));
	bool ethernet = options->link_type == SS_LINKTYPE_ETHERNET;
	struct emitter emitter = {
		.program = program,
		.count = count,
		.reachable = reachable,
		.access = options->access,
		.slots_fd = options->slots_fd,
		.insns = insns,
		.fixups = fixups,
		.rejects = rejects,
	};
	int r;

	r = check(&emitter, error);
	if (r < 0)
		return r;
	for (size_t i = 0; i < count && !options->only_calls; i++)
		emitter.near |= reachable[i] && is_packet_load(&program[i]);
	r = translate(&emitter, ethernet, emitter.near ? NULL : error);
	if (r < 0 && emitter.near) {
		emitter.near = false; /* shorter; or this time with a sentence */
		r = translate(&emitter, ethernet, error);
	}
	if (r < 0)
		return r;
	*ret_count = insns->len;
	*ret_insns = (struct bpf_insn *)(void *)g_array_free(g_steal_pointer(&insns), FALSE);
	return 0;
}
