/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The capture filter: pcap-filter(7) text in, eBPF instructions for the frame programs out.
 *
 * The filter judges the frame as it is stored: what it accepts is exactly what
 * "tcpdump -r file EXPRESSION" finds in an unfiltered capture (with whole frames).
 *
 * The frame program holds a stub, "int filter(struct __sk_buff *skb)", a static noinline function
 * that the main function calls; before the load it is replaced by the emitted body:
 *
 *	ss_filter_new("tcp port 80", &filter, error)
 *	ss_filter_emit(filter, SS_LINKTYPE_ETHERNET, SS_FILTER_LD_ABS, &body, &body_count, error)
 *	ss_filter_splice(program, count, body, body_count, &spliced, &spliced_count, error)
 */
#ifndef SS_FILTER_H
#define SS_FILTER_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"

struct bpf_insn; /* linux/bpf.h; pcap/bpf.h has another of this name: not included here */
struct ss_filter;

/* How the program type reads frames. */
enum ss_filter_access {
	SS_FILTER_LD_ABS,     /* sched_cls: LD_ABS and LD_IND, the fast way */
	SS_FILTER_LOAD_BYTES, /* cgroup_skb has no LD_ABS: bpf_skb_load_bytes() */
};

#define SS_FILTER_TEXT_MAX 16384 /* bytes of an expression: libpcap is slow with long ones */
#define SS_FILTER_BODY_MAX 32000 /* instructions: every jump fits in 16 bits */

/*
 * NULL, "" and blanks: no filter, everything is accepted. Compiles at once, for both link types, so
 * that a mistake shows before anything is attached. Names are resolved here and only here; a dead
 * name server delays it by some seconds, not by minutes.
 */
int ss_filter_new(const char *expression, struct ss_filter **ret, struct ss_error *error);
void ss_filter_free(struct ss_filter *filter);

/* The text as it was given ("" for NULL). */
const char *ss_filter_text(const struct ss_filter *filter);
/* Whether it accepts everything, because there is no text. */
bool ss_filter_is_empty(const struct ss_filter *filter);

/*
 * The body of the stub: R1 = skb on entry, R0 = 1 accepts, 0 rejects. Also a whole program.
 * link_type: SS_LINKTYPE_ETHERNET or SS_LINKTYPE_RAW; not every expression exists for RAW ("ether
 * host ..."). Free *ret_insns with g_free().
 */
int ss_filter_emit(const struct ss_filter *filter, unsigned link_type, enum ss_filter_access access,
		   struct bpf_insn **ret_insns, size_t *ret_count, struct ss_error *error);

/*
 * Puts body in the place of the stub, which must be the only subprogram and the last one. program
 * is what libbpf is about to load (relocated: calls hold distances). The result is never shorter
 * than program, so that the line information libbpf has for the stub stays inside. Without a body
 * (NULL) it is: the stub goes, its calls accept. Free *ret with g_free().
 */
int ss_filter_splice(const struct bpf_insn *program, size_t count, const struct bpf_insn *body,
		     size_t body_count, struct bpf_insn **ret, size_t *ret_count,
		     struct ss_error *error);

#endif
