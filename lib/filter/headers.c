/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fields of headers: a number at a place that the walk has copied to the stack, or two of them
 * where one name means both sides (ip.addr). Names, types and meanings are those of Wireshark
 * 4.0.17; tests/unit/test-filter-tshark.c compares.
 */
#include "headers.h"

#include <linux/if_ether.h>
#include <linux/in.h>
#include <string.h>

#include "emit.h"
#include "format/pcapng.h"

#define CTX       BPF_REG_6
#define TAGS      BPF_REG_7
#define TRANSPORT BPF_REG_8
#define END       BPF_REG_9

/* Where the number is; in ss_field.data, with its form. */
enum where {
	LINK,
	NETWORK,
	ABOVE, /* transport */
	ELSEWHERE,
};

/* offset, bytes: of the number that holds the field. shift: bits below it. other: what has this
 * place in the answers; pair: is a second occurrence. */
#define PLACE(where, offset, bytes, shift, other, pair)                                            \
	((unsigned)(where) | (offset) << 2 | (bytes) << 8 | (shift) << 13 | (other) << 18 |        \
	 (unsigned)(pair) << 24)
#define WHERE(data)  ((enum where)((data)&3))
#define OFFSET(data) ((data) >> 2 & 0x3f)
#define BYTES(data)  ((data) >> 8 & 0x1f)
#define SHIFT(data)  ((data) >> 13 & 0x1f)
#define OTHER(data)  ((data) >> 18 & 0x3f)
#define PAIR(data)   ((data) >> 24 & 1)

/* ELSEWHERE: what it is instead of the offset. */
enum special {
	PRESENCE,
	FRAME_LENGTH,
	ETHERNET_TYPE,
	CAPTURED_LENGTH,
	VLAN_PRESENCE,
	VLAN_TAG,
	TCP_LENGTH,
	IGMP_PRESENCE,
};

#define PROTOCOL(name, layers, is_optional, needed, what)                                          \
	{                                                                                          \
		name, SS_FIELD_PROTOCOL, SS_CONTEXT_FRAME, layers, needed, 0, SS_FLOW_SAME,        \
			is_optional, PLACE(ELSEWHERE, what, 0, 0, 0, 0), NULL                      \
	}
#define SPECIAL(name, layers, width, flow, is_optional, needed, what, shift)                       \
	{                                                                                          \
		name, SS_FIELD_NUMBER, SS_CONTEXT_FRAME, layers, needed, width, flow, is_optional, \
			PLACE(ELSEWHERE, what, 0, shift, 0, 0), NULL                               \
	}
/* What depends on the frames before it: for tshark. */
#define COUNTED(field_name)                                                                        \
	{                                                                                          \
		.name = field_name, .type = SS_FIELD_NUMBER, .context = SS_CONTEXT_ALL,            \
		.layers = SS_LAYER_FRAME, .bits = 64, .flow = SS_FLOW_VARIES                       \
	}
#define NAMED(layer, needed, width, place, field_name, value_names)                                \
	{                                                                                          \
		.name = field_name, .type = SS_FIELD_NUMBER, .layers = layer, .needs = needed,     \
		.bits = width, .data = place, .names = value_names                                 \
	}
/* width bits of a number of so many bytes, above shift others. */
#define NUMBER(name, layer, where, offset, bytes, shift, width)                                    \
	{                                                                                          \
		name, SS_FIELD_NUMBER, SS_CONTEXT_FRAME, layer, where == LINK ? SS_NEED_LINK : 0,  \
			width, SS_FLOW_VARIES, false, PLACE(where, offset, bytes, shift, 0, 0),    \
			NULL                                                                       \
	}
#define BIT(name, layer, where, offset, bytes, shift)                                              \
	{                                                                                          \
		name, SS_FIELD_BOOL, SS_CONTEXT_FRAME, layer, 0, 1, SS_FLOW_VARIES, false,         \
			PLACE(where, offset, bytes, shift, 0, 0), NULL                             \
	}
/* One of two, or both: of any type. */
#define SIDE(name, type, layer, where, offset, bytes, other)                                       \
	{                                                                                          \
		name, type, SS_CONTEXT_FRAME, layer, where == LINK ? SS_NEED_LINK : 0, bytes * 8,  \
			SS_FLOW_REVERSED, false, PLACE(where, offset, bytes, 0, other, 0), NULL    \
	}
#define BOTH(name, type, layer, where, offset, bytes, other)                                       \
	{                                                                                          \
		name, type, SS_CONTEXT_FRAME, layer, where == LINK ? SS_NEED_LINK : 0, bytes * 8,  \
			SS_FLOW_SAME, false, PLACE(where, offset, bytes, 0, other, 1), NULL        \
	}
#define SIDES(prefix, source, destination, both, type, layer, where, offset, bytes, other)         \
	SIDE(prefix source, type, layer, where, offset, bytes, other),                             \
		SIDE(prefix destination, type, layer, where, other, bytes, offset),                \
		BOTH(prefix both, type, layer, where, offset, bytes, other)

static const struct ss_value_name ip_protocols[] = {
	{"icmp", 1}, {"igmp", 2},    {"tcp", 6},   {"udp", 17},   {"gre", 47},
	{"esp", 50}, {"icmpv6", 58}, {"ospf", 89}, {"sctp", 132}, {NULL, 0},
};

static const struct ss_value_name ethernet_types[] = {
	{"ipv4", ETH_P_IP},
	{"arp", ETH_P_ARP},
	{"ipv6", ETH_P_IPV6},
	{NULL, 0},
};

static const struct ss_field fields[] = {
	PROTOCOL("frame", SS_LAYER_FRAME, false, 0, PRESENCE),
	SPECIAL("frame.len", SS_LAYER_FRAME, 32, SS_FLOW_VARIES, false, 0, FRAME_LENGTH, 0),
	SPECIAL("frame.cap_len", SS_LAYER_FRAME, 32, SS_FLOW_VARIES, false, 0, CAPTURED_LENGTH, 0),

	COUNTED("frame.number"),
	COUNTED("frame.time_delta"),
	COUNTED("frame.time_delta_displayed"),
	COUNTED("frame.time_relative"),
	COUNTED("tcp.stream"),
	COUNTED("udp.stream"),

	PROTOCOL("eth", SS_LAYER_ETHERNET, false, 0, PRESENCE),
	SIDES("eth.", "src", "dst", "addr", SS_FIELD_ETHER, SS_LAYER_ETHERNET, LINK, 6, 6, 0),
	NAMED(SS_LAYER_ETHERNET, SS_NEED_LINK | SS_NEED_TAGS, 16,
	      PLACE(ELSEWHERE, ETHERNET_TYPE, 0, 0, 0, 0), "eth.type", ethernet_types),
	PROTOCOL("vlan", SS_LAYER_ETHERNET, true, SS_NEED_TAGS, VLAN_PRESENCE),
	SPECIAL("vlan.id", SS_LAYER_ETHERNET, 12, SS_FLOW_SAME, true, SS_NEED_TAGS, VLAN_TAG, 0),
	SPECIAL("vlan.dei", SS_LAYER_ETHERNET, 1, SS_FLOW_VARIES, true, SS_NEED_TAGS, VLAN_TAG, 12),
	SPECIAL("vlan.priority", SS_LAYER_ETHERNET, 3, SS_FLOW_VARIES, true, SS_NEED_TAGS, VLAN_TAG,
		13),

	PROTOCOL("ip", SS_LAYER_IPV4, false, 0, PRESENCE),
	NUMBER("ip.version", SS_LAYER_IPV4 | SS_LAYER_IPV6, NETWORK, 0, 1, 4, 4),
	NUMBER("ip.dsfield", SS_LAYER_IPV4, NETWORK, 1, 1, 0, 8),
	NUMBER("ip.dsfield.dscp", SS_LAYER_IPV4, NETWORK, 1, 1, 2, 6),
	NUMBER("ip.dsfield.ecn", SS_LAYER_IPV4, NETWORK, 1, 1, 0, 2),
	NUMBER("ip.len", SS_LAYER_IPV4, NETWORK, 2, 2, 0, 16),
	NUMBER("ip.id", SS_LAYER_IPV4, NETWORK, 4, 2, 0, 16),
	NUMBER("ip.flags", SS_LAYER_IPV4, NETWORK, 6, 1, 5, 3),
	BIT("ip.flags.rb", SS_LAYER_IPV4, NETWORK, 6, 1, 7),
	BIT("ip.flags.df", SS_LAYER_IPV4, NETWORK, 6, 1, 6),
	BIT("ip.flags.mf", SS_LAYER_IPV4, NETWORK, 6, 1, 5),
	NUMBER("ip.frag_offset", SS_LAYER_IPV4, NETWORK, 6, 2, 0, 13),
	NUMBER("ip.ttl", SS_LAYER_IPV4, NETWORK, 8, 1, 0, 8),
	NAMED(SS_LAYER_IPV4, 0, 8, PLACE(NETWORK, 9, 1, 0, 0, 0), "ip.proto", ip_protocols),
	NUMBER("ip.checksum", SS_LAYER_IPV4, NETWORK, 10, 2, 0, 16),
	SIDES("ip.", "src", "dst", "addr", SS_FIELD_IPV4, SS_LAYER_IPV4, NETWORK, 12, 4, 16),

	PROTOCOL("ipv6", SS_LAYER_IPV6, false, 0, PRESENCE),
	NUMBER("ipv6.version", SS_LAYER_IPV6, NETWORK, 0, 1, 4, 4),
	NUMBER("ipv6.tclass", SS_LAYER_IPV6, NETWORK, 0, 2, 4, 8),
	NUMBER("ipv6.flow", SS_LAYER_IPV6, NETWORK, 0, 4, 0, 20),
	NUMBER("ipv6.plen", SS_LAYER_IPV6, NETWORK, 4, 2, 0, 16),
	NAMED(SS_LAYER_IPV6, 0, 8, PLACE(NETWORK, 6, 1, 0, 0, 0), "ipv6.nxt", ip_protocols),
	NUMBER("ipv6.hlim", SS_LAYER_IPV6, NETWORK, 7, 1, 0, 8),
	SIDES("ipv6.", "src", "dst", "addr", SS_FIELD_IPV6, SS_LAYER_IPV6, NETWORK, 8, 16, 24),

	PROTOCOL("arp", SS_LAYER_ARP, false, 0, PRESENCE),
	NUMBER("arp.hw.type", SS_LAYER_ARP, NETWORK, 0, 2, 0, 16),
	NUMBER("arp.proto.type", SS_LAYER_ARP, NETWORK, 2, 2, 0, 16),
	NUMBER("arp.hw.size", SS_LAYER_ARP, NETWORK, 4, 1, 0, 8),
	NUMBER("arp.proto.size", SS_LAYER_ARP, NETWORK, 5, 1, 0, 8),
	NUMBER("arp.opcode", SS_LAYER_ARP, NETWORK, 6, 2, 0, 16),
	SIDE("arp.src.hw_mac", SS_FIELD_ETHER, SS_LAYER_ARP, NETWORK, 8, 6, 18),
	SIDE("arp.src.proto_ipv4", SS_FIELD_IPV4, SS_LAYER_ARP, NETWORK, 14, 4, 24),
	SIDE("arp.dst.hw_mac", SS_FIELD_ETHER, SS_LAYER_ARP, NETWORK, 18, 6, 8),
	SIDE("arp.dst.proto_ipv4", SS_FIELD_IPV4, SS_LAYER_ARP, NETWORK, 24, 4, 14),

	PROTOCOL("tcp", SS_LAYER_TCP, false, 0, PRESENCE),
	SIDES("tcp.", "srcport", "dstport", "port", SS_FIELD_NUMBER, SS_LAYER_TCP, ABOVE, 0, 2, 2),
	NUMBER("tcp.seq_raw", SS_LAYER_TCP, ABOVE, 4, 4, 0, 32),
	NUMBER("tcp.ack_raw", SS_LAYER_TCP, ABOVE, 8, 4, 0, 32),
	NUMBER("tcp.flags", SS_LAYER_TCP, ABOVE, 12, 2, 0, 12),
	BIT("tcp.flags.ae", SS_LAYER_TCP, ABOVE, 12, 2, 8),
	BIT("tcp.flags.cwr", SS_LAYER_TCP, ABOVE, 12, 2, 7),
	BIT("tcp.flags.ece", SS_LAYER_TCP, ABOVE, 12, 2, 6),
	BIT("tcp.flags.urg", SS_LAYER_TCP, ABOVE, 12, 2, 5),
	BIT("tcp.flags.ack", SS_LAYER_TCP, ABOVE, 12, 2, 4),
	BIT("tcp.flags.push", SS_LAYER_TCP, ABOVE, 12, 2, 3),
	BIT("tcp.flags.reset", SS_LAYER_TCP, ABOVE, 12, 2, 2),
	BIT("tcp.flags.syn", SS_LAYER_TCP, ABOVE, 12, 2, 1),
	BIT("tcp.flags.fin", SS_LAYER_TCP, ABOVE, 12, 2, 0),
	NUMBER("tcp.window_size_value", SS_LAYER_TCP, ABOVE, 14, 2, 0, 16),
	NUMBER("tcp.checksum", SS_LAYER_TCP, ABOVE, 16, 2, 0, 16),
	NUMBER("tcp.urgent_pointer", SS_LAYER_TCP, ABOVE, 18, 2, 0, 16),
	SPECIAL("tcp.len", SS_LAYER_TCP, 32, SS_FLOW_VARIES, false, 0, TCP_LENGTH, 0),

	PROTOCOL("udp", SS_LAYER_UDP, false, 0, PRESENCE),
	SIDES("udp.", "srcport", "dstport", "port", SS_FIELD_NUMBER, SS_LAYER_UDP, ABOVE, 0, 2, 2),
	NUMBER("udp.length", SS_LAYER_UDP, ABOVE, 4, 2, 0, 16),
	NUMBER("udp.checksum", SS_LAYER_UDP, ABOVE, 6, 2, 0, 16),

	PROTOCOL("icmp", SS_LAYER_ICMP, false, 0, PRESENCE),
	NUMBER("icmp.type", SS_LAYER_ICMP, ABOVE, 0, 1, 0, 8),
	NUMBER("icmp.code", SS_LAYER_ICMP, ABOVE, 1, 1, 0, 8),
	NUMBER("icmp.checksum", SS_LAYER_ICMP, ABOVE, 2, 2, 0, 16),
	PROTOCOL("icmpv6", SS_LAYER_ICMPV6, false, 0, PRESENCE),
	NUMBER("icmpv6.type", SS_LAYER_ICMPV6, ABOVE, 0, 1, 0, 8),
	NUMBER("icmpv6.code", SS_LAYER_ICMPV6, ABOVE, 1, 1, 0, 8),
	NUMBER("icmpv6.checksum", SS_LAYER_ICMPV6, ABOVE, 2, 2, 0, 16),
	PROTOCOL("igmp", SS_LAYER_IPV4, true, 0, IGMP_PRESENCE),
};

static bool is_equality(enum ss_test_operator comparison)
{
	return comparison == SS_TEST_EQ || comparison == SS_TEST_NE || comparison == SS_TEST_IN ||
	       comparison == SS_TEST_PRESENT;
}

static bool has_ranges(const struct ss_test *test)
{
	for (guint i = 0; i < test->ranges->len; i++)
		if (!ss_test_range(test, i)->single)
			return true;
	return false;
}

static enum ss_decision decide(const struct ss_test *test, const char **ret_why)
{
	enum ss_field_type type = test->field->type;

	*ret_why = NULL;
	if (test->field->context == SS_CONTEXT_ALL)
		*ret_why = "depends on all frames before, so that every frame is needed";
	else if (test->sliced)
		*ret_why = "slices are compared by tshark only";
	else if (type == SS_FIELD_PROTOCOL && test->comparison != SS_TEST_PRESENT)
		*ret_why = "bytes are searched by tshark only";
	else if (type == SS_FIELD_BOOL && (!is_equality(test->comparison) || has_ranges(test)))
		*ret_why = "an order of true and false";
	else if (type == SS_FIELD_IPV6 && (!is_equality(test->comparison) || has_ranges(test)))
		*ret_why = "an order of IPv6 addresses; a prefix (2001:db8::/32) is faster";
	return *ret_why ? SS_DECISION_NONE : SS_DECISION_EXACT;
}

static int16_t base_of(const struct ss_emitter *emitter, enum where where)
{
	bool ipv4 = ss_emit_layers(emitter) & SS_LAYER_IPV4;

	return where == LINK      ? SS_STACK_LINK
	       : where != NETWORK ? SS_STACK_TRANSPORT
	       : ipv4             ? SS_STACK_IPV4
				  : SS_STACK_NETWORK;
}

/* R1 = the big-endian number of up to 8 bytes of a header, in parts that are aligned on the stack.
 * R0 is lost. */
static void load(struct ss_emitter *emitter, int16_t from, unsigned bytes)
{
	bool first = true;

	while (bytes) {
		unsigned part = bytes >= 4 && from % 4 == 0   ? 4
				: bytes >= 2 && from % 2 == 0 ? 2
							      : 1;

		ss_emit_header_number(emitter, first ? BPF_REG_1 : BPF_REG_0, from, part);
		if (!first) {
			ss_emit(emitter,
				ss_insn(BPF_ALU64 | BPF_LSH | BPF_K, BPF_REG_1, 0, 0, 8 * part));
			ss_emit(emitter,
				ss_insn(BPF_ALU64 | BPF_OR | BPF_X, BPF_REG_1, BPF_REG_0, 0, 0));
		}
		first = false;
		from = (int16_t)(from + (int)part);
		bytes -= part;
	}
}

/* R1 = R1's bits above shift, width of them. */
static void cut_bits(struct ss_emitter *emitter, unsigned shift, unsigned width, unsigned all)
{
	if (shift)
		ss_emit(emitter, SS_ALUW_IMM(BPF_RSH, BPF_REG_1, shift));
	if (shift + width < all)
		ss_emit(emitter, SS_ALUW_IMM(BPF_AND, BPF_REG_1, (1u << width) - 1));
}

/* Half of an IPv6 address, as the CPU reads it. */
static void put_half(const uint8_t *bytes, unsigned prefix, uint64_t *ret_value, uint64_t *ret_mask)
{
	uint64_t mask = prefix == 0 ? 0 : prefix >= 64 ? UINT64_MAX : UINT64_MAX << (64 - prefix);

	memcpy(ret_value, bytes, sizeof(*ret_value));
	*ret_mask = GUINT64_TO_BE(mask);
	*ret_value &= *ret_mask;
}

/* dst = constant */
static void load_wide(struct ss_emitter *emitter, unsigned dst, uint64_t value)
{
	ss_emit(emitter, ss_insn(BPF_LD | BPF_IMM | BPF_DW, dst, 0, 0, (uint32_t)value));
	ss_emit(emitter, ss_insn(0, 0, 0, 0, (uint32_t)(value >> 32)));
}

/* R0 = whether the IPv6 address is in one of the test's networks (NE: is not). */
static void compare_ipv6(struct ss_emitter *emitter, const struct ss_test *test, int16_t from)
{
	bool negated = test->comparison == SS_TEST_NE;
	g_autoptr(GArray) hits = g_array_new(FALSE, FALSE, sizeof(size_t));
	size_t hit, done;

	for (guint i = 0; i < test->ranges->len; i++) {
		const struct ss_value *value = &ss_test_range(test, i)->from;
		size_t misses[2];
		unsigned count = 0;

		for (unsigned half = 0; half < 2; half++) {
			unsigned before = half * 64;
			uint64_t expected, mask;

			put_half(value->bytes + 8 * half,
				 value->prefix > before ? value->prefix - before : 0, &expected,
				 &mask);
			if (!mask)
				continue;
			ss_emit_header(emitter, BPF_DW, BPF_REG_1, (int16_t)(from + 8 * (int)half));
			if (mask != UINT64_MAX) {
				load_wide(emitter, BPF_REG_2, mask);
				ss_emit(emitter, ss_insn(BPF_ALU64 | BPF_AND | BPF_X, BPF_REG_1,
							 BPF_REG_2, 0, 0));
			}
			load_wide(emitter, BPF_REG_2, expected);
			misses[count++] =
				ss_emit_jump(emitter, ss_insn(BPF_JMP | BPF_JNE | BPF_X, BPF_REG_1,
							      BPF_REG_2, 0, 0));
		}
		hit = ss_emit_jump(emitter, SS_JUMP(0));
		g_array_append_val(hits, hit);
		for (unsigned j = 0; j < count; j++)
			ss_emit_land(emitter, misses[j]);
		if (!count)
			break; /* a prefix of 0: all; what follows is unreachable */
	}
	if (ss_test_range(test, hits->len - 1)->from.prefix) {
		ss_emit(emitter, SS_ALUW_IMM(BPF_MOV, BPF_REG_0, negated));
		done = ss_emit_jump(emitter, SS_JUMP(0));
		for (guint i = 0; i < hits->len; i++)
			ss_emit_land(emitter, g_array_index(hits, size_t, i));
		ss_emit(emitter, SS_ALUW_IMM(BPF_MOV, BPF_REG_0, !negated));
		ss_emit_land(emitter, done);
		return;
	}
	for (guint i = 0; i < hits->len; i++)
		ss_emit_land(emitter, g_array_index(hits, size_t, i));
	ss_emit(emitter, SS_ALUW_IMM(BPF_MOV, BPF_REG_0, !negated));
}

/* R0 = whether the occurrence at the offset satisfies the test. */
static void test_place(struct ss_emitter *emitter, const struct ss_test *test, unsigned offset)
{
	const struct ss_field *field = test->field;
	unsigned data = field->data;
	int16_t from = (int16_t)(base_of(emitter, WHERE(data)) + (int)offset);

	if (field->type == SS_FIELD_IPV6) {
		compare_ipv6(emitter, test, from);
		return;
	}
	load(emitter, from, BYTES(data));
	cut_bits(emitter, SHIFT(data), field->bits, 8 * BYTES(data));
	ss_emit_compare(emitter, test);
}

static void emit_place(struct ss_emitter *emitter, const struct ss_test *test)
{
	unsigned data = test->field->data;
	bool swapped = ss_emit_reversed(emitter) && !PAIR(data);
	size_t decided;

	test_place(emitter, test, swapped ? OTHER(data) : OFFSET(data));
	if (!PAIR(data))
		return;
	decided =
		ss_emit_jump(emitter, SS_JUMPW_IMM(test->all ? BPF_JEQ : BPF_JNE, BPF_REG_0, 0, 0));
	test_place(emitter, test, OTHER(data));
	ss_emit_land(emitter, decided);
}

/* R1 = length of the frame with a tag that is in the metadata. */
static void load_frame_length(struct ss_emitter *emitter)
{
	ss_emit(emitter, SS_LDX(BPF_W, BPF_REG_1, CTX, offsetof(struct __sk_buff, len)));
	if (ss_emit_options(emitter)->link_type != SS_LINKTYPE_ETHERNET)
		return;
	ss_emit(emitter, SS_LDX(BPF_W, BPF_REG_0, CTX, offsetof(struct __sk_buff, vlan_present)));
	ss_emit(emitter, SS_ALUW_IMM(BPF_LSH, BPF_REG_0, 2));
	ss_emit(emitter, SS_ALUW(BPF_ADD, BPF_REG_1, BPF_REG_0));
}

static void load_captured_length(struct ss_emitter *emitter)
{
	uint32_t snap_len = ss_emit_options(emitter)->snap_len;
	size_t less;

	load_frame_length(emitter);
	less = ss_emit_jump(emitter, SS_JUMPW_IMM(BPF_JLE, BPF_REG_1, snap_len, 0));
	ss_emit(emitter, SS_ALUW_IMM(BPF_MOV, BPF_REG_1, snap_len));
	ss_emit_land(emitter, less);
}

/* R1 = the type that the Ethernet header has with all tags. */
static void load_ethernet_type(struct ss_emitter *emitter)
{
	size_t tagged, done;

	tagged = ss_emit_jump(emitter, SS_JUMPW_IMM(BPF_JNE, TAGS, 0, 0));
	ss_emit_number(emitter, BPF_REG_1, SS_STACK_LINK + 2 * ETH_ALEN, 2);
	done = ss_emit_jump(emitter, SS_JUMP(0));
	ss_emit_land(emitter, tagged);
	ss_emit(emitter, SS_ALUW_IMM(BPF_MOV, BPF_REG_1, ETH_P_8021Q));
	ss_emit_land(emitter, done);
}

static void load_tcp_length(struct ss_emitter *emitter)
{
	ss_emit(emitter, SS_MOV(BPF_REG_1, END));
	ss_emit(emitter, ss_insn(BPF_ALU64 | BPF_SUB | BPF_X, BPF_REG_1, TRANSPORT, 0, 0));
	ss_emit_header(emitter, BPF_B, BPF_REG_0, SS_STACK_TRANSPORT + 12);
	ss_emit(emitter, SS_ALUW_IMM(BPF_RSH, BPF_REG_0, 4));
	ss_emit(emitter, SS_ALUW_IMM(BPF_LSH, BPF_REG_0, 2));
	ss_emit(emitter, SS_ALUW(BPF_SUB, BPF_REG_1, BPF_REG_0));
}

/* R0 = whether the tag in R1 satisfies the test. */
static void test_tag(struct ss_emitter *emitter, const struct ss_test *test)
{
	cut_bits(emitter, SHIFT(test->field->data), test->field->bits, 32);
	ss_emit_compare(emitter, test);
}

static void emit_tags(struct ss_emitter *emitter, const struct ss_test *test)
{
	size_t none, single, decided;

	ss_emit(emitter, SS_ALUW(BPF_MOV, BPF_REG_0, TAGS));
	none = ss_emit_jump(emitter, SS_JUMPW_IMM(BPF_JEQ, BPF_REG_0, 0, 0));
	if (test->comparison == SS_TEST_PRESENT) {
		ss_emit(emitter, SS_ALUW_IMM(BPF_MOV, BPF_REG_0, 1));
		ss_emit_land(emitter, none);
		return;
	}
	ss_emit(emitter, SS_ALUW(BPF_MOV, BPF_REG_1, TAGS));
	test_tag(emitter, test);
	decided =
		ss_emit_jump(emitter, SS_JUMPW_IMM(test->all ? BPF_JEQ : BPF_JNE, BPF_REG_0, 0, 0));
	ss_emit(emitter, SS_MOV(BPF_REG_1, TAGS));
	ss_emit(emitter, ss_insn(BPF_ALU64 | BPF_RSH | BPF_K, BPF_REG_1, 0, 0, 32));
	single = ss_emit_jump(emitter, SS_JUMPW_IMM(BPF_JEQ, BPF_REG_1, 0, 0));
	test_tag(emitter, test);
	ss_emit_land(emitter, single);
	ss_emit_land(emitter, decided);
	ss_emit_land(emitter, none);
}

static void emit_igmp(struct ss_emitter *emitter)
{
	size_t igmp;

	ss_emit_header(emitter, BPF_B, BPF_REG_1, SS_STACK_IPV4 + 9);
	ss_emit(emitter, SS_ALUW_IMM(BPF_MOV, BPF_REG_0, 1));
	igmp = ss_emit_jump(emitter, SS_JUMPW_IMM(BPF_JEQ, BPF_REG_1, IPPROTO_IGMP, 0));
	ss_emit(emitter, SS_ALUW_IMM(BPF_MOV, BPF_REG_0, 0));
	ss_emit_land(emitter, igmp);
}

static void emit_special(struct ss_emitter *emitter, const struct ss_test *test)
{
	switch ((enum special)OFFSET(test->field->data)) {
	case FRAME_LENGTH:
		load_frame_length(emitter);
		break;
	case ETHERNET_TYPE:
		load_ethernet_type(emitter);
		break;
	case CAPTURED_LENGTH:
		load_captured_length(emitter);
		break;
	case TCP_LENGTH:
		load_tcp_length(emitter);
		break;
	case VLAN_PRESENCE:
	case VLAN_TAG:
		emit_tags(emitter, test);
		return;
	case IGMP_PRESENCE:
		emit_igmp(emitter);
		return;
	case PRESENCE:
		return; /* decided by the layer */
	}
	ss_emit_compare(emitter, test);
}

/* MAY and MUST are the same: all is exact. */
static void emit(struct ss_emitter *emitter, const struct ss_test *test, enum ss_bound bound)
{
	(void)bound;
	if (WHERE(test->field->data) == ELSEWHERE)
		emit_special(emitter, test);
	else
		emit_place(emitter, test);
}

const struct ss_family ss_family_headers = {
	.name = "headers",
	.fields = fields,
	.count = G_N_ELEMENTS(fields),
	.decide = decide,
	.emit = emit,
};
