/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What cbpf.c and cbpf_load.c share: the translation that is being written, and loads from frames.
 * What is past the end rejects the frame.
 */
#ifndef SS_FILTER_CBPF_LOAD_H
#define SS_FILTER_CBPF_LOAD_H

#include <glib.h>

#include "cbpf.h"
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

/*
 * Stack: where bpf_skb_load_bytes() writes, and the memory words. In the upper half of eight bytes,
 * because a number in the lower half is a spilled register for the verifier, which kernels before
 * 6.9 let nobody overwrite in part without CAP_PERFMON.
 */
#define LOAD_SLOT   (-8)
#define MEM_SLOT(k) ((int16_t)(-12 - 8 * (int)(k)))

/* No frame reaches this far, and X + k of two of them still is a positive int. */
#define OFFSET_MAX 0x3fffffffu

#define TAG_START 12u /* bytes 12..15 of a tagged frame: protocol, then tag control information */
#define TAG_SIZE  4u
#define TAG_END   (TAG_START + TAG_SIZE)

struct ss_cbpf_emitter {
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

static inline void ss_cbpf_emit(struct ss_cbpf_emitter *emitter, struct bpf_insn insn)
{
	g_array_append_val(emitter->insns, insn);
}

/* Jumps inside the translation of one classic instruction: emit, then land at the destination. */
static inline size_t ss_cbpf_jump(struct ss_cbpf_emitter *emitter, struct bpf_insn insn)
{
	ss_cbpf_emit(emitter, insn);
	return emitter->insns->len - 1;
}

static inline void ss_cbpf_land(struct ss_cbpf_emitter *emitter, size_t jump)
{
	size_t distance = emitter->insns->len - jump - 1;

	/* Does not fit only in a body that is refused for its size. */
	g_array_index(emitter->insns, struct bpf_insn, jump).off = (int16_t)distance;
}

/* At the end of the program, where the frame is rejected. */
static inline void ss_cbpf_reject_if(struct ss_cbpf_emitter *emitter, struct bpf_insn jump)
{
	size_t insn = emitter->insns->len;

	ss_cbpf_emit(emitter, jump);
	g_array_append_val(emitter->rejects, insn);
}

/*
 * The 32-bit register keeps its value, and the verifier forgets what it knew of it: swapped twice.
 * A comparison whose result it knows makes the value count where it compares paths, so that many
 * lead through the copies of a loop; and without CAP_PERFMON it follows the impossible one, too.
 * Bodies with near loads are not copies, and profit from what is known (cbpf_load.c).
 */
static inline void ss_cbpf_hide(struct ss_cbpf_emitter *emitter, unsigned reg)
{
	if (emitter->near)
		return;
	ss_cbpf_emit(emitter, SS_TO_BE(reg, 32));
	ss_cbpf_emit(emitter, SS_TO_BE(reg, 32));
}

/* BPF_B, BPF_H, BPF_W: how many it loads. */
unsigned ss_cbpf_load_bytes(unsigned size);
/* VALUE = frame[k], k known now. */
void ss_cbpf_load(struct ss_cbpf_emitter *emitter, unsigned size, uint32_t k);
/* VALUE = frame[X + k]. The old A is lost, which is fine: only A is ever loaded this way. */
void ss_cbpf_load_indirect(struct ss_cbpf_emitter *emitter, unsigned size, uint32_t k);

#endif
