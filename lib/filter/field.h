/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fields of display filters that the kernel part knows, in families. A family is a table of
 * fields and the code that tests them in the kernel; adding one adds a file of its own and a row to
 * the list in field.c.
 */
#ifndef SS_FILTER_FIELD_H
#define SS_FILTER_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ss_emitter;
struct ss_test;

enum ss_field_type {
	SS_FIELD_PROTOCOL, /* as the bytes from its header on, where compared */
	SS_FIELD_NUMBER,   /* unsigned, of bits */
	SS_FIELD_BOOL,
	SS_FIELD_IPV4,
	SS_FIELD_IPV6,
	SS_FIELD_ETHER,
	SS_FIELD_STRING,
	SS_FIELD_BYTES,
};

/* On what else than the bytes of its frame the value depends, for tshark. */
enum ss_field_context {
	SS_CONTEXT_FRAME, /* nothing (the fragments of its IP packet apart) */
	SS_CONTEXT_FLOW,  /* other frames of the connection */
	SS_CONTEXT_ALL,   /* all frames before it, whatever they are: frame.number */
};

/*
 * Two bounds of a test, so that negation stays sound: a frame that the filter accepts is never
 * rejected by the kernel. NOT of a test that may hold is computed from "surely holds".
 */
enum ss_bound {
	SS_BOUND_MAY,  /* 0 only if the test surely does not hold */
	SS_BOUND_MUST, /* 1 only if it surely holds */
};

/* How well a family decides a test in the kernel. */
enum ss_decision {
	SS_DECISION_NONE,  /* not at all: MAY is 1 and MUST is 0 */
	SS_DECISION_BOUND, /* MAY rejects some; tshark decides the rest */
	SS_DECISION_EXACT, /* of plain frames (emit.h) MAY and MUST are the same, and right */
};

/*
 * What a plain frame consists of. For each combination that exists a body of its own is emitted, so
 * that a test on a layer which is not there costs nothing.
 */
enum ss_layer {
	SS_LAYER_FRAME = 0x1, /* always, in frames that are not plain as well */
	SS_LAYER_ETHERNET = 0x2,
	SS_LAYER_IPV4 = 0x4,
	SS_LAYER_IPV6 = 0x8,
	SS_LAYER_ARP = 0x10,
	SS_LAYER_TCP = 0x20,
	SS_LAYER_UDP = 0x40,
	SS_LAYER_ICMP = 0x80,
	SS_LAYER_ICMPV6 = 0x100,
	SS_LAYER_OTHER = 0x200, /* another transport of a kind that carries no packets: IGMP */
};

/* What the walk finds only if a test needs it: see emit.h. */
enum ss_need {
	SS_NEED_LINK = 1,  /* the Ethernet header */
	SS_NEED_TAGS = 2,  /* VLAN tags */
	SS_NEED_OWNER = 4, /* the process: before the walk, and of frames that are not plain, too */
};

/*
 * What the value is in the other frames of the connection. tshark decides tests that depend on
 * those (SS_CONTEXT_FLOW) only if the kernel keeps none of them back: then it decides a test by
 * what any frame of the connection may have.
 */
enum ss_field_flow {
	SS_FLOW_SAME,     /* the same, both ways: tcp.port, a pod */
	SS_FLOW_REVERSED, /* in answers that of the opposite field: ip.src */
	SS_FLOW_VARIES,   /* another: tcp.flags */
	SS_FLOW_MESSAGE,  /* of a message (message.h): what MAY accepts is all that tshark needs */
};

/* Case does not matter. */
struct ss_value_name {
	const char *name;
	uint64_t number;
};

struct ss_field {
	const char *name; /* "tcp.port" */
	enum ss_field_type type;
	enum ss_field_context context;
	unsigned layers; /* of enum ss_layer: it is absent where none of them is */
	unsigned needs;  /* of enum ss_need */
	unsigned bits;   /* NUMBER: its width */
	enum ss_field_flow flow;
	bool optional;                     /* may be absent although its layer is there */
	unsigned data;                     /* the family's own */
	const struct ss_value_name *names; /* of numbers, ends with NULL; may be NULL */
};

struct ss_family {
	const char *name; /* for --explain-filter: "TCP" */
	const struct ss_field *fields;
	size_t count;
	/* What emit will make of the test; and a word why not better, for people, or NULL. */
	enum ss_decision (*decide)(const struct ss_test *test, const char **ret_why);
	/*
	 * Emits code that leaves 1 or 0 in R0: the bound asked for, of a plain frame that has one
	 * of the field's layers. See emit.h for what is where. Not called for what decide() calls
	 * NONE, nor for MUST of BOUND unless has_must.
	 */
	void (*emit)(struct ss_emitter *emitter, const struct ss_test *test, enum ss_bound bound);
	bool has_must; /* BOUND tests: emit knows SS_BOUND_MUST */
};

/* NULL-terminated. */
extern const struct ss_family *const ss_families[];

/* NULL: unknown. ret_family may be NULL. */
const struct ss_field *ss_field_find(const char *name, const struct ss_family **ret_family);

#endif
