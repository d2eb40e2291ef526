/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Classic BPF to eBPF, instruction by instruction, with the meaning libpcap's interpreter gives it:
 * unsigned 32-bit arithmetic; A, X and M[] start at 0; a load past the end (cbpf_load.c), and a
 * division by a zero X, reject the frame; a shift by 32 or more gives 0.
 *
 * A filter that looks at byte 12 of Ethernet frames or behind is translated twice: the untagged
 * body, and a tagged body, chosen once at the start.
 *
 * What is not in the bytes. "inbound" and "outbound" ask for the packet type, of which they know
 * PACKET_OUTGOING: that is what the slot (format/ring.h) says the pod sends. "ifindex" asks for the
 * device of the hook. All other negative offsets are past the end, as for the interpreter.
 *
 * What could surprise: the verifier refuses unreachable instructions, so those are skipped.
 */
#include "cbpf.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <stdbool.h>

#include <glib.h>

#include "cbpf_load.h"
#include "format/pcapng.h"
#include "format/ring.h"

#define RETURN_SIZE 2 /* instructions of emit_return() */

struct fixup {
	size_t insn;   /* the jump */
	size_t target; /* index of a classic instruction */
};

static void emit_jump_to(struct ss_cbpf_emitter *emitter, struct bpf_insn insn, size_t target)
{
	struct fixup fixup = {.insn = emitter->insns->len, .target = target};

	ss_cbpf_emit(emitter, insn);
	g_array_append_val(emitter->fixups, fixup);
}

static void emit_return(struct ss_cbpf_emitter *emitter, bool accept)
{
	ss_cbpf_emit(emitter, SS_ALUW_IMM(BPF_MOV, BPF_REG_0, accept));
	ss_cbpf_emit(emitter, SS_EXIT());
}

static void emit_length(struct ss_cbpf_emitter *emitter, unsigned dst)
{
	ss_cbpf_emit(emitter, SS_LDX(BPF_W, dst, CTX, offsetof(struct __sk_buff, len)));
	if (emitter->tagged)
		ss_cbpf_emit(emitter, SS_ADD_IMM(dst, TAG_SIZE));
}

/* A = the packet type, as far as "inbound" and "outbound" ask for it. */
static void emit_packet_type(struct ss_cbpf_emitter *emitter)
{
	G_STATIC_ASSERT(PACKET_OUTGOING == SS_EPB_FLAG_OUT << 1);
	if (emitter->slots_fd < 0) { /* nobody says whose frames these are */
		ss_cbpf_emit(emitter, SS_ALUW_IMM(BPF_MOV, A, PACKET_HOST));
		return;
	}
	ss_cbpf_emit(emitter, ss_insn(BPF_LD | BPF_IMM | BPF_DW, TEMP, BPF_PSEUDO_MAP_FD, 0,
				      (uint32_t)emitter->slots_fd));
	ss_cbpf_emit(emitter, ss_insn(0, 0, 0, 0, 0));
	ss_cbpf_emit(emitter, SS_LDX(BPF_W, A, TEMP, offsetof(struct ss_slot, options[1])));
	ss_cbpf_emit(emitter, SS_ALUW_IMM(BPF_AND, A, SS_EPB_FLAG_OUT));
	ss_cbpf_emit(emitter, SS_ALUW_IMM(BPF_LSH, A, 1));
}

static void emit_shift(struct ss_cbpf_emitter *emitter, const struct ss_cbpf_insn *insn,
		       unsigned op)
{
	size_t small, done;

	if (BPF_SRC(insn->code) == BPF_K) {
		if (insn->k < 32)
			ss_cbpf_emit(emitter, SS_ALUW_IMM(op, A, insn->k));
		else
			ss_cbpf_emit(emitter, SS_ALUW_IMM(BPF_MOV, A, 0));
		return;
	}
	small = ss_cbpf_jump(emitter, SS_JUMPW_IMM(BPF_JLT, X, 32, 0));
	ss_cbpf_emit(emitter, SS_ALUW_IMM(BPF_MOV, A, 0));
	done = ss_cbpf_jump(emitter, SS_JUMP(0));
	ss_cbpf_land(emitter, small);
	ss_cbpf_emit(emitter, SS_ALUW(op, A, X));
	ss_cbpf_land(emitter, done);
}

static int emit_alu(struct ss_cbpf_emitter *emitter, const struct ss_cbpf_insn *insn)
{
	unsigned op = BPF_OP(insn->code);
	bool by_x = BPF_SRC(insn->code) == BPF_X;

	switch (op) {
	case BPF_LSH:
	case BPF_RSH:
		emit_shift(emitter, insn, op);
		return 0;
	case BPF_NEG:
		ss_cbpf_emit(emitter, SS_ALUW_IMM(BPF_NEG, A, 0));
		return 0;
	case BPF_DIV:
	case BPF_MOD:
		if (by_x)
			ss_cbpf_reject_if(emitter, SS_JUMPW_IMM(BPF_JEQ, X, 0, 0));
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
	/* So libpcap ends a loop, before it asks once more what led there. */
	if (op == BPF_ADD && !by_x && insn->k == 0) {
		ss_cbpf_hide(emitter, A);
		return 0;
	}
	ss_cbpf_emit(emitter, by_x ? SS_ALUW(op, A, X) : SS_ALUW_IMM(op, A, insn->k));
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

static int emit_conditional(struct ss_cbpf_emitter *emitter, size_t index)
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

static int emit_load_into_a(struct ss_cbpf_emitter *emitter, const struct ss_cbpf_insn *insn)
{
	unsigned size = BPF_SIZE(insn->code);

	if (size != BPF_W && size != BPF_H && size != BPF_B)
		return -EINVAL;
	switch (BPF_MODE(insn->code)) {
	case BPF_IMM:
		ss_cbpf_emit(emitter, SS_ALUW_IMM(BPF_MOV, A, insn->k));
		return 0;
	case BPF_MEM:
		ss_cbpf_emit(emitter, SS_LDX(BPF_W, A, FRAME, MEM_SLOT(insn->k)));
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
			ss_cbpf_emit(emitter,
				     SS_LDX(BPF_W, A, CTX, offsetof(struct __sk_buff, ifindex)));
			return 0;
		}
		ss_cbpf_load(emitter, size, insn->k);
		break;
	case BPF_IND:
		ss_cbpf_load_indirect(emitter, size, insn->k);
		break;
	default:
		return -EINVAL;
	}
	ss_cbpf_emit(emitter, SS_ALUW(BPF_MOV, A, VALUE));
	return 0;
}

static int emit_load_into_x(struct ss_cbpf_emitter *emitter, const struct ss_cbpf_insn *insn)
{
	switch (BPF_MODE(insn->code)) {
	case BPF_IMM:
		ss_cbpf_emit(emitter, SS_ALUW_IMM(BPF_MOV, X, insn->k));
		return 0;
	case BPF_MEM:
		ss_cbpf_emit(emitter, SS_LDX(BPF_W, X, FRAME, MEM_SLOT(insn->k)));
		return 0;
	case BPF_LEN:
		emit_length(emitter, X);
		return 0;
	case BPF_MSH: /* the length of an IPv4 header */
		ss_cbpf_load(emitter, BPF_B, insn->k);
		ss_cbpf_emit(emitter, SS_ALUW_IMM(BPF_AND, VALUE, 0xf));
		ss_cbpf_emit(emitter, SS_ALUW_IMM(BPF_LSH, VALUE, 2));
		ss_cbpf_emit(emitter, SS_ALUW(BPF_MOV, X, VALUE));
		return 0;
	default:
		return -EINVAL;
	}
}

static int emit_misc(struct ss_cbpf_emitter *emitter, const struct ss_cbpf_insn *insn)
{
	switch (BPF_MISCOP(insn->code)) {
	case BPF_TAX:
		ss_cbpf_emit(emitter, SS_ALUW(BPF_MOV, X, A));
		return 0;
	case BPF_TXA:
		ss_cbpf_emit(emitter, SS_ALUW(BPF_MOV, A, X));
		return 0;
	default:
		return -EINVAL;
	}
}

static int emit_classic(struct ss_cbpf_emitter *emitter, size_t index)
{
	const struct ss_cbpf_insn *insn = &emitter->program[index];
	size_t reject;

	switch (BPF_CLASS(insn->code)) {
	case BPF_LD:
		return emit_load_into_a(emitter, insn);
	case BPF_LDX:
		return emit_load_into_x(emitter, insn);
	case BPF_ST:
		ss_cbpf_emit(emitter, SS_STX(BPF_W, FRAME, A, MEM_SLOT(insn->k)));
		return 0;
	case BPF_STX:
		ss_cbpf_emit(emitter, SS_STX(BPF_W, FRAME, X, MEM_SLOT(insn->k)));
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
		reject = ss_cbpf_jump(emitter, SS_JUMPW_IMM(BPF_JEQ, A, 0, 0));
		emit_return(emitter, true);
		ss_cbpf_land(emitter, reject);
		emit_return(emitter, false);
		return 0;
	default:
		return emit_misc(emitter, insn);
	}
}

static void resolve(struct ss_cbpf_emitter *emitter, const size_t *starts)
{
	for (guint i = 0; i < emitter->fixups->len; i++) {
		const struct fixup *fixup = &g_array_index(emitter->fixups, struct fixup, i);
		size_t distance = starts[fixup->target] - fixup->insn - 1;

		g_array_index(emitter->insns, struct bpf_insn, fixup->insn).off = (int16_t)distance;
	}
	g_array_set_size(emitter->fixups, 0);
}

static int emit_body(struct ss_cbpf_emitter *emitter, bool tagged, struct ss_error *error)
{
	g_autofree size_t *starts = g_new0(size_t, emitter->count);
	int r;

	emitter->tagged = tagged;
	if (emitter->near && !tagged)
		ss_cbpf_emit(emitter, SS_LDX(BPF_W, DATA, CTX, offsetof(struct __sk_buff, data)));
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
	       MIN(insn->k, OFFSET_MAX) + ss_cbpf_load_bytes(BPF_SIZE(insn->code)) > TAG_START;
}

/* unroll.c has left none. */
static bool is_loop(const struct ss_cbpf_insn *insn)
{
	return insn->code == (BPF_JMP | BPF_JA) && insn->k > INT32_MAX;
}

/* Where insn may go on to, marked reachable; false: outside the program. */
static bool mark_successors(struct ss_cbpf_emitter *emitter, size_t index)
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
static int check(struct ss_cbpf_emitter *emitter, struct ss_error *error)
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

static void emit_prologue(struct ss_cbpf_emitter *emitter)
{
	uint32_t used = 0;

	ss_cbpf_emit(emitter, SS_MOV(CTX, BPF_REG_1));
	ss_cbpf_emit(emitter, SS_ALUW_IMM(BPF_MOV, A, 0));
	ss_cbpf_emit(emitter, SS_ALUW_IMM(BPF_MOV, X, 0));
	for (size_t i = 0; i < emitter->count; i++)
		if (emitter->reachable[i] && uses_memory(&emitter->program[i]))
			used |= 1u << emitter->program[i].k;
	for (unsigned k = 0; k < BPF_MEMWORDS; k++)
		if (used & 1u << k)
			ss_cbpf_emit(emitter, SS_ST_IMM(BPF_W, FRAME, MEM_SLOT(k), 0));
}

static int emit_bodies(struct ss_cbpf_emitter *emitter, bool ethernet, struct ss_error *error)
{
	bool two_bodies = false;
	size_t to_tagged;
	int r;

	for (size_t i = 0; ethernet && i < emitter->count; i++)
		two_bodies |= emitter->reachable[i] && sees_tag(&emitter->program[i]);
	emit_prologue(emitter);
	if (!two_bodies)
		return emit_body(emitter, false, error);
	ss_cbpf_emit(emitter, SS_LDX(BPF_W, VALUE, CTX, offsetof(struct __sk_buff, vlan_present)));
	to_tagged = ss_cbpf_jump(emitter, SS_JUMPW_IMM(BPF_JNE, VALUE, 0, 0));
	r = emit_body(emitter, false, error);
	if (r < 0)
		return r;
	ss_cbpf_land(emitter, to_tagged);
	return emit_body(emitter, true, error);
}

static void emit_reject(struct ss_cbpf_emitter *emitter)
{
	for (guint i = 0; i < emitter->rejects->len; i++)
		ss_cbpf_land(emitter, g_array_index(emitter->rejects, size_t, i));
	if (emitter->rejects->len > 0)
		emit_return(emitter, false);
}

static int translate(struct ss_cbpf_emitter *emitter, bool ethernet, struct ss_error *error)
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
	struct ss_cbpf_emitter emitter = {
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
