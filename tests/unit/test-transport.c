/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Segments out of frames of all shapes, and nothing out of hostile ones. */
#include "transport.h"

#include "tls-frames.h"

static const struct segment plain = {
	.source = 0x0a000001,
	.destination = 0x0a000002,
	.source_port = 40000,
	.destination_port = 443,
	.sequence = 0xfffffff0,
	.acknowledgement = 77,
	.flags = SS_SEGMENT_ACK,
};

/* So many bytes at its end were not captured. */
static bool read_cut(const GByteArray *frame, unsigned cut, uint16_t link_type,
		     struct ss_transport *packet)
{
	static GByteArray *block; /* payloads point into it */

	g_clear_pointer(&block, g_byte_array_unref);
	block = g_byte_array_new();
	put_block(block, 0, 1000, all_of(frame), cut);
	return ss_transport_read_tcp(all_of(block), link_type, packet);
}

static bool read_frame(const GByteArray *frame, uint16_t link_type, struct ss_transport *packet)
{
	return read_cut(frame, 0, link_type, packet);
}

static void assert_plain(const struct ss_transport *packet, const char *payload)
{
	static const uint8_t mapped[16] = {[10] = 0xff, 0xff, 10, 0, 0, 1};

	assert_bytes(packet->source.address, 16, mapped, 16);
	g_assert_cmpuint(packet->source.port, ==, 40000);
	g_assert_cmpuint(packet->destination.port, ==, 443);
	g_assert_cmpuint(packet->destination.address[15], ==, 2);
	g_assert_cmpuint(packet->sequence, ==, 0xfffffff0);
	g_assert_cmpuint(packet->acknowledgement, ==, 77);
	g_assert_cmpuint(packet->flags, ==, SS_SEGMENT_ACK);
	g_assert_cmpuint(packet->length, ==, strlen(payload));
	assert_bytes(packet->payload.data, packet->payload.length, payload, strlen(payload));
}

static void test_ipv4(void)
{
	struct segment segment = plain;
	g_autoptr(GByteArray) frame = NULL;
	struct ss_transport packet;

	segment.payload = ss_cursor("hello", 5);
	frame = segment_frame(&segment);
	put32(frame, 0); /* padding of short Ethernet frames */
	g_assert_true(read_frame(frame, SS_LINKTYPE_ETHERNET, &packet));
	assert_plain(&packet, "hello");
	g_byte_array_remove_range(frame, 0, 14);
	g_assert_true(read_frame(frame, SS_LINKTYPE_RAW, &packet));
	assert_plain(&packet, "hello");
	g_assert_false(read_frame(frame, 228, &packet));
}

static void test_options(void)
{
	struct segment segment = plain;
	g_autoptr(GByteArray) frame = NULL;
	g_autoptr(GByteArray) longer = g_byte_array_new();
	struct ss_transport packet;

	segment.payload = ss_cursor("hello", 5);
	frame = segment_frame(&segment);
	/* 4 bytes of IP options, 8 of TCP's. */
	g_byte_array_append(longer, frame->data, 34);
	put32(longer, 0x01010101);
	g_byte_array_append(longer, frame->data + 34, 20);
	put32(longer, 0x01010101);
	put32(longer, 0x01010101);
	g_byte_array_append(longer, frame->data + 54, 5);
	longer->data[14] = 0x46;
	longer->data[17] = 20 + 4 + 20 + 8 + 5;
	longer->data[38 + 12] = 7 << 4;
	g_assert_true(read_frame(longer, SS_LINKTYPE_ETHERNET, &packet));
	assert_plain(&packet, "hello");
}

static void test_vlan(void)
{
	struct segment segment = plain;
	g_autoptr(GByteArray) frame = NULL;
	struct ss_transport packet;

	segment.payload = ss_cursor("hello", 5);
	segment.vlan = true;
	frame = segment_frame(&segment);
	g_assert_true(read_frame(frame, SS_LINKTYPE_ETHERNET, &packet));
	assert_plain(&packet, "hello");
}

static void test_ipv6(void)
{
	struct segment segment = plain;
	g_autoptr(GByteArray) frame = NULL;
	g_autoptr(GByteArray) longer = g_byte_array_new();
	struct ss_transport packet;
	const guint8 fragment[8] = {6}, hop[8] = {44}, options[16] = {0, 1};

	segment.payload = ss_cursor("hello", 5);
	segment.ipv6 = true;
	frame = segment_frame(&segment);
	g_assert_true(read_frame(frame, SS_LINKTYPE_ETHERNET, &packet));
	g_assert_cmpuint(packet.source.address[0], ==, 0xfd);
	g_assert_cmpuint(packet.length, ==, 5);

	/* Destination options, hop-by-hop options, a first fragment. */
	g_byte_array_append(longer, frame->data, 54);
	g_byte_array_append(longer, options, 16);
	g_byte_array_append(longer, hop, 8);
	g_byte_array_append(longer, fragment, 8);
	g_byte_array_append(longer, frame->data + 54, frame->len - 54);
	longer->data[14 + 5] = (guint8)(longer->len - 54);
	longer->data[14 + 6] = 60;
	g_assert_true(read_frame(longer, SS_LINKTYPE_ETHERNET, &packet));
	assert_bytes(packet.payload.data, packet.payload.length, "hello", 5);
	longer->data[54 + 24 + 3] = 8; /* a later fragment */
	g_assert_false(read_frame(longer, SS_LINKTYPE_ETHERNET, &packet));
}

static void test_fragment(void)
{
	struct segment segment = plain;
	g_autoptr(GByteArray) frame = NULL;
	struct ss_transport packet;

	segment.payload = ss_cursor("hello", 5);
	frame = segment_frame(&segment);
	frame->data[14 + 6] = 0x20; /* more fragments: the first one */
	g_assert_true(read_frame(frame, SS_LINKTYPE_ETHERNET, &packet));
	frame->data[14 + 7] = 1;
	g_assert_false(read_frame(frame, SS_LINKTYPE_ETHERNET, &packet));
}

static void test_big(void)
{
	struct segment segment = plain;
	g_autoptr(GByteArray) frame = NULL;
	struct ss_transport packet;

	segment.payload = ss_cursor("hello", 5);
	frame = segment_frame(&segment);
	frame->data[14 + 2] = frame->data[14 + 3] = 0; /* longer than the field can say */
	g_assert_true(read_frame(frame, SS_LINKTYPE_ETHERNET, &packet));
	assert_plain(&packet, "hello");
}

static void test_syn(void)
{
	struct segment segment = plain;
	g_autoptr(GByteArray) frame = NULL;
	struct ss_transport packet;

	segment.flags = SS_SEGMENT_SYN;
	frame = segment_frame(&segment);
	g_assert_true(read_frame(frame, SS_LINKTYPE_ETHERNET, &packet));
	g_assert_cmpuint(packet.sequence, ==, 0xfffffff1);
	g_assert_cmpuint(packet.length, ==, 0);
}

static void test_cut(void)
{
	struct segment segment = plain;
	g_autoptr(GByteArray) frame = NULL;
	struct ss_transport packet;

	segment.payload = ss_cursor("hello", 5);
	for (unsigned shape = 0; shape < 4; shape++) {
		segment.ipv6 = shape & 1;
		segment.vlan = shape & 2;
		g_clear_pointer(&frame, g_byte_array_unref);
		frame = segment_frame(&segment);
		for (uint32_t length = 0; length <= frame->len; length++) {
			bool is = read_cut(frame, frame->len - length, SS_LINKTYPE_ETHERNET, &packet);

			/* without what follows the flags, and the payload */
			g_assert_true(is == (length >= frame->len - 5 - 6));
			if (is) {
				g_assert_cmpuint(packet.length, ==, 5);
				g_assert_cmpuint(packet.payload.length, ==,
						 5 - MIN(frame->len - length, 5));
			}
		}
	}
}

static void test_block(void)
{
	g_autoptr(GByteArray) blocks = g_byte_array_new();
	struct segment segment = plain;
	struct ss_transport packet;

	segment.payload = ss_cursor("hello", 5);
	segment.cut = 3;
	segment.interface_id = 9;
	put_segment(blocks, &segment);
	g_assert_true(ss_transport_read(all_of(blocks), SS_LINKTYPE_ETHERNET, &packet));
	g_assert_cmpuint(packet.interface_id, ==, 9);
	g_assert_cmpuint(packet.time_ns, ==, 1000);
	g_assert_cmpuint(packet.length, ==, 5);
	g_assert_cmpuint(packet.payload.length, ==, 2);
	blocks->data[20] = 0xff; /* captured more than there is */
	g_assert_false(ss_transport_read(all_of(blocks), SS_LINKTYPE_ETHERNET, &packet));
	blocks->data[0] = SS_PCAPNG_ISB;
	g_assert_false(ss_transport_read(all_of(blocks), SS_LINKTYPE_ETHERNET, &packet));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/transport/ipv4", test_ipv4);
	g_test_add_func("/transport/options", test_options);
	g_test_add_func("/transport/vlan", test_vlan);
	g_test_add_func("/transport/ipv6", test_ipv6);
	g_test_add_func("/transport/fragment", test_fragment);
	g_test_add_func("/transport/length-zero", test_big);
	g_test_add_func("/transport/syn", test_syn);
	g_test_add_func("/transport/cut", test_cut);
	g_test_add_func("/transport/block", test_block);
	return g_test_run();
}
