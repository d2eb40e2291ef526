/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The filter: pcap-filter(7) or a display filter (wireshark-filter(4)) in, eBPF instructions for
 * the frame programs out. language.c says which is which.
 *
 * A pcap-filter judges the frame as it is stored: what it accepts is exactly what
 * "tcpdump -r file EXPRESSION" finds in an unfiltered capture (with whole frames). Of a display
 * filter the kernel decides what it can, and accepts what may match: ss_filter_rest() says what
 * somebody else, tshark, has to look at again.
 *
 * The frame program holds a stub, "int filter(struct __sk_buff *skb)", a static noinline function
 * that the main function calls; before the load the emitted body takes the place of the call, or of
 * the stub:
 *
 *	ss_filter_new("tcp port 80", &filter, error)
 *	ss_filter_emit(filter, &options, &body, &body_count, error)
 *	ss_filter_splice(program, count, body, body_count, false, &spliced, &spliced_count, error)
 */
#ifndef SS_FILTER_H
#define SS_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

struct bpf_insn; /* linux/bpf.h; pcap/bpf.h has another of this name: not included here */
struct ss_filter;
struct ss_expression;

/* How a body reads what it has to call for. */
enum ss_filter_access {
	SS_FILTER_LD_ABS,     /* LD_ABS and LD_IND: fast, for sched_cls; but the body is called */
	SS_FILTER_LOAD_BYTES, /* bpf_skb_load_bytes(): for all, and in the place of the call */
};

/* What a program is emitted for. */
struct ss_emit_options {
	unsigned link_type; /* SS_LINKTYPE_ETHERNET or SS_LINKTYPE_RAW */
	enum ss_filter_access access;
	int slots_fd;      /* the map of struct ss_slot (format/ring.h); -1: there is none */
	uint32_t snap_len; /* bytes of a frame that are stored */
	bool owners;       /* programs say whose a frame is (R2), if the filter asks for it ... */
	int told_fd; /* ... and this map, what was told of them (format/owner.h); -1: no names */
	bool only_calls; /* the verifier refuses a look at where a frame's linear bytes end */
};

enum ss_filter_language {
	SS_FILTER_NONE,
	SS_FILTER_PCAP,
	SS_FILTER_DISPLAY,
};

/* Whose exchanges. */
enum ss_filter_protocol {
	SS_PROTOCOL_HTTP,
	SS_PROTOCOL_DNS,
};

/* Of which half of HTTP exchanges all frames are that a filter selects. */
enum ss_filter_half {
	SS_HALF_NEITHER,
	SS_HALF_REQUEST,
	SS_HALF_RESPONSE,
};

/* Which of the accepted frames may not match. */
enum ss_filter_rest {
	SS_REST_NOTHING, /* all do */
	SS_REST_UNPLAIN, /* those that ss_frame_is_plain() (plain.h) does not know, but no other */
	SS_REST_ALL,     /* any; and deciding takes all of them, in order */
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
/* Asks the installed tshark about what of a display filter only it knows; then its sentence. */
int ss_filter_check(const struct ss_filter *filter, struct ss_error *error);

/* The text as it was given ("" for NULL). */
const char *ss_filter_text(const struct ss_filter *filter);
/* Whether it accepts everything, because there is no text. */
bool ss_filter_is_empty(const struct ss_filter *filter);

enum ss_filter_language ss_filter_language(const struct ss_filter *filter);
enum ss_filter_rest ss_filter_rest(const struct ss_filter *filter);
/* Whether programs that say whose a frame is should find that out before they ask the filter. */
bool ss_filter_asks_owner(const struct ss_filter *filter);
/* Leaves what needs that to tshark. Before ss_filter_check() and ss_filter_rest(). */
void ss_filter_leave_owners(struct ss_filter *filter);
/* Leaves more to tshark: what is in messages; then all. Returns
 * false if there is nothing more. Before ss_filter_rest(). */
bool ss_filter_coarsen(struct ss_filter *filter);
/* Whether some of it is left to tshark only because it is too big for the kernel. */
bool ss_filter_is_coarse(const struct ss_filter *filter);
enum ss_filter_half ss_filter_half(const struct ss_filter *filter);
/* Whether it has tests on messages, which any message may satisfy until ss_filter_track(). */
bool ss_filter_has_messages(const struct ss_filter *filter);
/* Does it ask for something in requests and for something in responses, both in one frame? */
bool ss_filter_wants_both_halves(const struct ss_filter *filter);
#define SS_BOTH_HALVES                                                                             \
	"the filter selects nothing: it asks for fields of HTTP requests and of responses in one " \
	"packet; with '||' it finds either, and http.response_for.uri is in responses"
/* Does it ask for something in such messages? */
bool ss_filter_is_about(const struct ss_filter *filter, enum ss_filter_protocol protocol);
/* From now on the filter selects whole exchanges, if it is about some: programs accept the other
 * half, too. http: not only those of DNS. Before ss_filter_rest() is asked. */
void ss_filter_complete(struct ss_filter *filter, bool http);
bool ss_filter_is_whole(const struct ss_filter *filter);
/* ... and somebody behind tshark has to pair such messages: of HTTP where first lines do not
 * decide. */
bool ss_filter_is_paired(const struct ss_filter *filter, enum ss_filter_protocol protocol);
/* Fields, NULL-terminated, of which one has a value if a frame that ss_filter_wanted_text() selects
 * is of the other half. SS_HALF_NEITHER: NULL. */
const char *const *ss_filter_half_fields(const struct ss_filter *filter);
/* From now on programs are emitted that decide about messages, with a table that they share. */
int ss_filter_track(struct ss_filter *filter, struct ss_error *error);
/* Messages that its full table forgot while they were under way: of wanted ones frames are missing.
 * Needs the privilege to read maps (raised by the caller). */
uint64_t ss_filter_forgotten(const struct ss_filter *filter);
/* As ss_filter_display_text(), with what ss_filter_complete() adds. */
const char *ss_filter_wanted_text(const struct ss_filter *filter);
/* Are requests of HTTP accepted, all of them, because a response may be wanted? */
bool ss_filter_adds_requests(const struct ss_filter *filter);
/* Then: may it select a response with this code? (The kernel asks that of all but interim ones.) */
bool ss_filter_wants_code(const struct ss_filter *filter, unsigned code);
/* A display filter as Wireshark writes it, for tshark; NULL for others. */
const char *ss_filter_display_text(const struct ss_filter *filter);
/* Its tree (expression.h); NULL for others. */
const struct ss_expression *ss_filter_expression(const struct ss_filter *filter);

/*
 * The body of the stub: R1 = skb on entry, and R2 = process, for those that ask for it; R0 = 1
 * accepts, 0 rejects. Also a whole program, of others. Not every pcap-filter exists for RAW ("ether
 * host ..."). Free *ret_insns with g_free().
 */
int ss_filter_emit(const struct ss_filter *filter, const struct ss_emit_options *options,
		   struct bpf_insn **ret_insns, size_t *ret_count, struct ss_error *error);

/* How many the body has on Ethernet; 0: it can't be emitted. */
size_t ss_filter_count_insns(const struct ss_filter *filter);

/* Whether it may depend on addresses, ports, or other headers of IP and TCP. */
bool ss_filter_has_headers(const struct ss_filter *filter);
/* Of a pcap-filter: whether it asks for what is not in the bytes of frames: their direction
 * ("inbound"), or the device of the hook ("ifindex"), which stored frames do not say. */
bool ss_filter_asks_direction(const struct ss_filter *filter);
bool ss_filter_asks_device(const struct ss_filter *filter);
/* ... and whether it has loops, which end after some turns (unroll.h). */
bool ss_filter_is_unrolled(const struct ss_filter *filter);
/* Whether a stored frame satisfies a pcap-filter, with what libpcap does; a filter of another
 * language, or none, is satisfied. outgoing: its direction, as epb_flags says. */
bool ss_filter_matches(const struct ss_filter *filter, unsigned link_type, const uint8_t *frame,
		       uint32_t captured, uint32_t length, bool outgoing);

/*
 * Puts body in the place of the only call of the stub, which goes (inline.h); where that can't be,
 * or if it is to be called, in the place of the stub. This must be the only subprogram and the last
 * one. program is what libbpf is about to load (relocated: calls hold distances). The result is
 * without calls, or never shorter than program, so that line information for the stub stays inside.
 * Without a body (NULL) the stub goes, its calls accept. Free *ret with g_free().
 */
int ss_filter_splice(const struct bpf_insn *program, size_t count, const struct bpf_insn *body,
		     size_t body_count, bool called, struct bpf_insn **ret, size_t *ret_count,
		     struct ss_error *error);

#endif
