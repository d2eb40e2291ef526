/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames made by hand, admitted and taken apart again. */
#include "mesh.h"

#include <arpa/inet.h>

#include "blocks.h"
#include "format/metadata.h"
#include "output/blocks.h"
#include "segment.h"

/* A frame says what it has and leaves out the rest. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define MS 1000000ull

#define LO     0u /* interfaces */
#define ETH    1u
#define LO6RAW 2u
#define HOST   3u

#define SYN SS_SEGMENT_SYN
#define ACK SS_SEGMENT_ACK
#define RST SS_SEGMENT_RST

struct end {
	const char *address;
	uint16_t port;
};

static const struct end client = {"10.77.0.2", 50526}, sidecar = {"127.0.0.1", 15001},
			server = {"10.9.9.9", 80}, other = {"10.9.9.8", 81};
static const struct end client6 = {"fd00::2", 50526}, sidecar6 = {"::1", 15001},
			server6 = {"fd00::9", 80};

struct tcp {
	struct end from, to;
	uint32_t sequence, acknowledgement;
	uint8_t flags;
	const char *payload;
	size_t length; /* of payload; 0: it is a string */
	bool full;     /* a full checksum, else that of the pseudo header */
	bool raw;      /* no Ethernet header */
	bool lost;     /* epb_dropcount */
};

static void put_be(GByteArray *bytes, uint32_t value, unsigned size)
{
	for (unsigned i = size; i-- > 0;) {
		guint8 byte = (guint8)(value >> 8 * i);

		g_byte_array_append(bytes, &byte, 1);
	}
}

static uint32_t sum_of(const uint8_t *bytes, size_t length)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < length; i++)
		sum += (uint32_t)bytes[i] << (i % 2 ? 0 : 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static uint32_t pseudo_sum(const uint8_t *addresses, size_t size, size_t tcp_length)
{
	uint32_t sum = sum_of(addresses, size) + 6 + (uint32_t)tcp_length;

	return (sum & 0xffff) + (sum >> 16);
}

static void set_be16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put_packet(GByteArray *bytes, const struct tcp *tcp)
{
	bool six = strchr(tcp->from.address, ':');
	size_t length = tcp->payload ? tcp->length ? tcp->length : strlen(tcp->payload) : 0;
	size_t size = six ? 32 : 8;
	uint8_t addresses[32];
	guint ip, at;

	g_assert_cmpint(inet_pton(six ? AF_INET6 : AF_INET, tcp->from.address, addresses), ==, 1);
	inet_pton(six ? AF_INET6 : AF_INET, tcp->to.address, addresses + size / 2);
	if (!tcp->raw) {
		put_be(bytes, 0, 4);
		put_be(bytes, 0, 4);
		put_be(bytes, 0, 4);
		put_be(bytes, six ? 0x86dd : 0x0800, 2);
	}
	ip = bytes->len;
	if (six) {
		put_be(bytes, 0x60000000, 4);
		put_be(bytes, (uint32_t)(20 + length), 2);
		put_be(bytes, 0x0640, 2);
	} else {
		put_be(bytes, 0x45000000 | (uint32_t)(40 + length), 4);
		put_be(bytes, 0x12344000, 4);
		put_be(bytes, 0x40060000, 4);
	}
	g_byte_array_append(bytes, addresses, (guint)size);
	if (!six)
		set_be16(bytes->data + ip + 10, ~sum_of(bytes->data + ip, 20));
	at = bytes->len;
	put_be(bytes, tcp->from.port, 2);
	put_be(bytes, tcp->to.port, 2);
	put_be(bytes, tcp->sequence, 4);
	put_be(bytes, tcp->acknowledgement, 4);
	put_be(bytes, 0x50000000u | (uint32_t)tcp->flags << 16 | 512, 4);
	put_be(bytes, 0, 4);
	if (length)
		g_byte_array_append(bytes, (const guint8 *)tcp->payload, (guint)length);
	if (tcp->full)
		set_be16(bytes->data + at + 16,
			 ~sum_of(
				 (const uint8_t[]){
					 (uint8_t)(sum_of(bytes->data + at, 20 + length) >> 8),
					 (uint8_t)sum_of(bytes->data + at, 20 + length),
					 (uint8_t)(pseudo_sum(addresses, size, 20 + length) >> 8),
					 (uint8_t)pseudo_sum(addresses, size, 20 + length)},
				 4));
	else
		set_be16(bytes->data + at + 16, pseudo_sum(addresses, size, 20 + length));
}

/* A whole block as the kernel writes it, option 2989 included. */
static void put_tcp(GByteArray *blocks, uint32_t interface_id, const struct tcp *tcp)
{
	static const uint8_t option[28] = {0xd9, 0x7e, 0, 0, 'S', 'T', 10, 8, 9, 8, 7, 0, 6, 5,
					   4,    0,    1, 1, 3,   0,   3,  6, 1, 2, 3, 4, 5, 6};
	g_autoptr(GByteArray) packet = g_byte_array_new();
	guint start = blocks->len, length;
	uint32_t size;

	put_packet(packet, tcp);
	length = packet->len;
	g_byte_array_set_size(packet, (length + 3) & ~3u);
	memset(packet->data + length, 0, packet->len - length);
	size = 28 + packet->len + 8 + 32 + (tcp->lost ? 12 : 0) + 4 + 4;
	put_word(blocks, SS_PCAPNG_EPB);
	put_word(blocks, size);
	put_word(blocks, interface_id);
	put_word(blocks, 0);
	put_word(blocks, start);
	put_word(blocks, length);
	put_word(blocks, length);
	g_byte_array_append(blocks, packet->data, packet->len);
	put_word(blocks, 4u << 16 | SS_EPB_FLAGS);
	put_word(blocks, 0);
	put_word(blocks, 28u << 16 | SS_OPT_CUSTOM_BIN);
	g_byte_array_append(blocks, option, sizeof(option));
	if (tcp->lost) {
		put_word(blocks, 8u << 16 | SS_EPB_DROPCOUNT);
		put_word(blocks, 5);
		put_word(blocks, 0);
	}
	put_word(blocks, SS_OPT_END);
	put_word(blocks, size);
	g_assert_cmpuint(blocks->len - start, ==, size);
}

#define PUT(blocks, interface_id, ...) put_tcp(blocks, interface_id, &(struct tcp){__VA_ARGS__})

static void count_left_out(uint32_t interface_id, void *user_data)
{
	g_assert_cmpuint(interface_id, ==, ETH);
	++*(unsigned *)user_data;
}

static void add_interface(struct ss_mesh *mesh, uint32_t id, uint32_t owner, bool is_lo,
			  uint16_t link_type)
{
	const struct ss_stage stage = ss_mesh_stage(mesh);
	const struct ss_pod pod = {0};
	const struct ss_place place = {id, owner, link_type, is_lo, false, &pod};

	ss_stage_interface(&stage, &place);
}

static size_t admit(struct ss_mesh *mesh, void *blocks, size_t length, uint64_t now_ns,
		    uint64_t *ret_again_ns)
{
	const struct ss_stage stage = ss_mesh_stage(mesh);

	return ss_stage_admit(&stage, blocks, length, now_ns, ret_again_ns);
}

static void release(struct ss_mesh *mesh)
{
	const struct ss_stage stage = ss_mesh_stage(mesh);

	ss_stage_release(&stage);
}

static struct ss_mesh *mesh_new(unsigned *left_out)
{
	struct ss_mesh *mesh = ss_mesh_new(left_out ? count_left_out : NULL, left_out);

	add_interface(mesh, LO, 1, true, SS_LINKTYPE_ETHERNET);
	add_interface(mesh, ETH, 1, false, SS_LINKTYPE_ETHERNET);
	add_interface(mesh, LO6RAW, 2, true, SS_LINKTYPE_RAW);
	return mesh;
}
#define automesh __attribute__((cleanup(mesh_free))) struct ss_mesh *
static void mesh_free(struct ss_mesh **mesh)
{
	ss_mesh_free(*mesh);
}

/* The block at this place of the order. */
static uint8_t *block_at(GByteArray *blocks, uint64_t number)
{
	return blocks->data + ss_block_walk(blocks->data, blocks->len, SIZE_MAX, &number);
}

static struct ss_segment segment_at(GByteArray *blocks, unsigned number)
{
	struct ss_segment segment = {0};
	uint8_t *block = block_at(blocks, number);
	uint64_t one = 1;
	size_t size = ss_block_walk(block, blocks->len, SIZE_MAX, &one);
	bool raw = block[28] == 0x60 || block[28] == 0x45;

	g_assert_true(ss_segment_find(block, size, raw ? SS_LINKTYPE_RAW : SS_LINKTYPE_ETHERNET,
				      &segment));
	return segment;
}

static void assert_end(const struct ss_endpoint *endpoint, struct end expected)
{
	char text[INET6_ADDRSTRLEN];
	const char *prefix = "::ffff:", *address = text;

	inet_ntop(AF_INET6, endpoint->address, text, sizeof(text));
	if (g_str_has_prefix(text, prefix))
		address += strlen(prefix);
	g_assert_cmpstr(address, ==, expected.address);
	g_assert_cmpuint(endpoint->port, ==, expected.port);
}

static void assert_to(GByteArray *blocks, unsigned number, struct end expected)
{
	struct ss_segment segment = segment_at(blocks, number);

	assert_end(&segment.destination, expected);
}

/* The port that option 2989 names; 0: none. */
static unsigned redirect_at(GByteArray *blocks, unsigned number)
{
	struct ss_segment segment = segment_at(blocks, number);
	const uint8_t *tlv = segment.options + 12 + 6, *end = segment.options + 12 + 28;

	while (tlv < end) {
		if (tlv[0] == SS_METADATA_REDIRECT)
			return tlv[2] | (unsigned)tlv[3] << 8;
		tlv += tlv[0] == SS_METADATA_PAD ? 1 : 2 + tlv[1];
		g_assert_true(tlv <= end);
	}
	return 0;
}

/* Checksums as of a packet made with these addresses from the start. */
static void assert_same_packet(GByteArray *blocks, unsigned number, const struct tcp *expected)
{
	g_autoptr(GByteArray) packet = g_byte_array_new();
	uint8_t *block = block_at(blocks, number);
	uint32_t length;

	put_packet(packet, expected);
	memcpy(&length, block + 20, 4);
	assert_bytes(block + 28, length, packet->data, packet->len);
}

#define ASSERT_SAME(blocks, number, ...)                                                           \
	assert_same_packet(blocks, number, &(struct tcp){__VA_ARGS__})

static void assert_all(struct ss_mesh *mesh, GByteArray *blocks)
{
	uint64_t again = 0;

	g_assert_cmpuint(admit(mesh, blocks->data, blocks->len, MS, &again), ==, blocks->len);
	g_assert_cmpuint(again, ==, 0);
}

static void put_handshake(GByteArray *blocks, uint32_t isn)
{
	PUT(blocks, LO, client, sidecar, isn, 0, SYN);
	PUT(blocks, LO, server, client, 900, isn + 1, SYN | ACK);
	PUT(blocks, LO, client, sidecar, isn + 1, 901, ACK);
}

static void test_handshake(void)
{
	g_autoptr(GByteArray) blocks = g_byte_array_new();
	automesh mesh = mesh_new(NULL);

	put_handshake(blocks, 100);
	PUT(blocks, LO, client, sidecar, 101, 901, ACK, "GET / HTTP/1.1\r\n\r\n");
	PUT(blocks, LO, server, client, 901, 119, ACK, "HTTP/1.1 204\r\n\r\n");
	assert_all(mesh, blocks);
	ASSERT_SAME(blocks, 0, client, server, 100, 0, SYN);
	ASSERT_SAME(blocks, 1, server, client, 900, 101, SYN | ACK);
	ASSERT_SAME(blocks, 2, client, server, 101, 901, ACK);
	ASSERT_SAME(blocks, 3, client, server, 101, 901, ACK, "GET / HTTP/1.1\r\n\r\n");
	ASSERT_SAME(blocks, 4, server, client, 901, 119, ACK, "HTTP/1.1 204\r\n\r\n");
	for (unsigned i = 0; i < 5; i++)
		g_assert_cmpuint(redirect_at(blocks, i), ==, 15001);
}

static void test_full_checksum(void)
{
	g_autoptr(GByteArray) blocks = g_byte_array_new();
	automesh mesh = mesh_new(NULL);

	PUT(blocks, LO, client, sidecar, 100, 0, SYN, .full = true);
	PUT(blocks, LO, server, client, 900, 101, SYN | ACK, .full = true);
	PUT(blocks, LO, client, sidecar, 101, 901, ACK, "odd", .full = true);
	assert_all(mesh, blocks);
	ASSERT_SAME(blocks, 0, client, server, 100, 0, SYN, .full = true);
	ASSERT_SAME(blocks, 2, client, server, 101, 901, ACK, "odd", .full = true);
}

static void test_ipv6_raw(void)
{
	g_autoptr(GByteArray) blocks = g_byte_array_new();
	automesh mesh = mesh_new(NULL);

	PUT(blocks, LO6RAW, client6, sidecar6, 100, 0, SYN, .raw = true);
	PUT(blocks, LO6RAW, server6, client6, 900, 101, SYN | ACK, .raw = true);
	PUT(blocks, LO6RAW, client6, sidecar6, 101, 901, ACK, "x", .raw = true, .full = true);
	assert_all(mesh, blocks);
	ASSERT_SAME(blocks, 0, client6, server6, 100, 0, SYN, .raw = true);
	ASSERT_SAME(blocks, 2, client6, server6, 101, 901, ACK, "x", .raw = true, .full = true);
}

/* The redirect takes the direction's place and the padding's; process and container stay. */
static void test_option(void)
{
	static const uint8_t expected[22] = {10, 8,    9,    8, 7, 0, 6, 5, 4, 0, 5,
					     2,  0x99, 0x3a, 3, 6, 1, 2, 3, 4, 5, 6};
	g_autoptr(GByteArray) blocks = g_byte_array_new();
	automesh mesh = mesh_new(NULL);
	struct ss_segment segment;

	PUT(blocks, LO, client, sidecar, 100, 0, SYN);
	PUT(blocks, LO, server, client, 900, 101, SYN | ACK);
	assert_all(mesh, blocks);
	segment = segment_at(blocks, 0);
	assert_bytes(segment.options + 18, 22, expected, 22);
}

/* The answer is not there yet: the SYN waits, and everything behind it. */
static void test_waits(void)
{
	g_autoptr(GByteArray) blocks = g_byte_array_new();
	automesh mesh = mesh_new(NULL);
	uint64_t again = 0;
	size_t front;

	PUT(blocks, ETH, server, client, 1, 1, ACK);
	front = blocks->len;
	PUT(blocks, LO, client, sidecar, 100, 0, SYN);
	PUT(blocks, ETH, server, client, 2, 1, ACK);
	g_assert_cmpuint(admit(mesh, blocks->data, blocks->len, 5 * MS, &again), ==, front);
	g_assert_cmpuint(again, ==, 50 * MS);
	g_byte_array_remove_range(blocks, 0, (guint)front);
	g_assert_cmpuint(admit(mesh, blocks->data, blocks->len, 25 * MS, &again), ==, 0);
	g_assert_cmpuint(again, ==, 30 * MS);
	PUT(blocks, LO, server, client, 900, 101, SYN | ACK);
	assert_all(mesh, blocks);
	ASSERT_SAME(blocks, 0, client, server, 100, 0, SYN);
}

static void test_waits_no_longer(void)
{
	g_autoptr(GByteArray) blocks = g_byte_array_new();
	automesh mesh = mesh_new(NULL);
	uint64_t again = 0;

	PUT(blocks, LO, client, sidecar, 100, 0, SYN);
	g_assert_cmpuint(admit(mesh, blocks->data, blocks->len, 0, &again), ==, 0);
	g_assert_cmpuint(admit(mesh, blocks->data, blocks->len, 50 * MS, &again), ==, blocks->len);
	assert_to(blocks, 0, sidecar);
	g_byte_array_set_size(blocks, 0);
	PUT(blocks, LO, client, sidecar, 100, 0, SYN); /* again: does not wait again */
	PUT(blocks, LO, server, client, 900, 101, SYN | ACK);
	PUT(blocks, LO, client, sidecar, 101, 901, ACK);
	assert_all(mesh, blocks);
	assert_to(blocks, 0, sidecar);
	assert_to(blocks, 2, server);
}

static void test_release(void)
{
	g_autoptr(GByteArray) blocks = g_byte_array_new();
	automesh mesh = mesh_new(NULL);
	uint64_t again = 0;

	PUT(blocks, LO, client, sidecar, 100, 0, SYN);
	g_assert_cmpuint(admit(mesh, blocks->data, blocks->len, 0, &again), ==, 0);
	release(mesh);
	g_assert_cmpuint(admit(mesh, blocks->data, blocks->len, 0, &again), ==, blocks->len);
}

/* Nothing waits and nothing changes. */
static void test_ordinary(void)
{
	g_autoptr(GByteArray) blocks = g_byte_array_new(), before = g_byte_array_new();
	automesh mesh = mesh_new(NULL);

	PUT(blocks, LO, client, server, 100, 0, SYN);
	PUT(blocks, LO, server, client, 900, 101, SYN | ACK);
	PUT(blocks, LO, client, other, 100, 0, SYN);
	PUT(blocks, LO, other, client, 0, 101, RST | ACK);
	PUT(blocks, LO, sidecar, server, 7, 8, ACK, "old", .raw = false);
	PUT(blocks, LO, server, sidecar, 8, 10, ACK);
	put_frame(blocks, LO, 1, 60, 0x45);
	put_frame(blocks, LO, 1, 3, 0x45);
	put_frame(blocks, HOST, 1, 60, 0x45);
	PUT(blocks, ETH, client, sidecar, 100, 0, SYN);
	PUT(blocks, ETH, server, client, 900, 101, SYN | ACK);
	g_byte_array_append(before, blocks->data, blocks->len);
	assert_all(mesh, blocks);
	assert_bytes(blocks->data, blocks->len, before->data, before->len);
}

/* Refused by what it was redirected to. */
static void test_refused(void)
{
	g_autoptr(GByteArray) blocks = g_byte_array_new();
	automesh mesh = mesh_new(NULL);

	PUT(blocks, LO, client, sidecar, 100, 0, SYN);
	PUT(blocks, LO, server, client, 0, 101, RST | ACK);
	assert_all(mesh, blocks);
	assert_to(blocks, 0, server);
}

/* The capture began after the connection. */
static void test_old_connection(void)
{
	g_autoptr(GByteArray) blocks = g_byte_array_new();
	automesh mesh = mesh_new(NULL);

	PUT(blocks, LO, client, sidecar, 5000, 7000, ACK, "GET");
	PUT(blocks, LO, other, client, 7000, 900000, ACK); /* numbers do not fit */
	PUT(blocks, LO, server, client, 7000, 5003, ACK, "HTTP");
	PUT(blocks, LO, client, sidecar, 5003, 7004, ACK);
	release(mesh);
	g_assert_cmpuint(admit(mesh, blocks->data, blocks->len, 0, &(uint64_t){0}), <,
			 blocks->len); /* the one that does not fit waits */
	assert_to(blocks, 0, server);
	assert_to(blocks, 3, server);
	assert_to(blocks, 1, client);
	g_assert_cmpuint(redirect_at(blocks, 1), ==, 0);
}

static void test_old_connection_reply_first(void)
{
	g_autoptr(GByteArray) blocks = g_byte_array_new();
	automesh mesh = mesh_new(NULL);

	PUT(blocks, LO, server, client, 7000, 5003, ACK, "HTTP");
	PUT(blocks, LO, client, sidecar, 5003, 7004, ACK);
	assert_all(mesh, blocks);
	assert_to(blocks, 1, server);
	g_assert_cmpuint(redirect_at(blocks, 0), ==, 15001);
}

static void test_ports_used_again(void)
{
	g_autoptr(GByteArray) blocks = g_byte_array_new();
	automesh mesh = mesh_new(NULL);

	put_handshake(blocks, 100);
	PUT(blocks, LO, client, sidecar, 5000, 0, SYN);
	PUT(blocks, LO, client, sidecar, 5000, 0, SYN); /* retransmitted */
	PUT(blocks, LO, other, client, 600, 5001, SYN | ACK);
	PUT(blocks, LO, client, sidecar, 5001, 601, ACK);
	assert_all(mesh, blocks);
	assert_to(blocks, 2, server);
	assert_to(blocks, 3, other);
	assert_to(blocks, 4, other);
	assert_to(blocks, 6, other);
}

/* The same addresses in two pods are different connections. */
static void test_pods_apart(void)
{
	g_autoptr(GByteArray) blocks = g_byte_array_new();
	automesh mesh = mesh_new(NULL);
	uint64_t again = 0;

	add_interface(mesh, HOST, 3, true, SS_LINKTYPE_ETHERNET);
	PUT(blocks, LO, client, sidecar, 100, 0, SYN);
	PUT(blocks, HOST, server, client, 900, 101, SYN | ACK);
	g_assert_cmpuint(admit(mesh, blocks->data, blocks->len, 0, &again), ==, 0);
	assert_to(blocks, 0, sidecar);
}

static void test_many(void)
{
	g_autoptr(GByteArray) blocks = g_byte_array_new();
	automesh mesh = mesh_new(NULL);

	for (unsigned i = 0; i < 40000; i++) {
		char address[16];
		struct end from = {address, (uint16_t)(1024 + i % 60000)};

		g_snprintf(address, sizeof(address), "10.77.%u.2", i / 60000);
		g_byte_array_set_size(blocks, 0);
		PUT(blocks, LO, from, sidecar, i * 7, 0, SYN);
		PUT(blocks, LO, server, from, i, i * 7 + 1, SYN | ACK);
		assert_all(mesh, blocks);
		assert_to(blocks, 0, server);
	}
}

/* Unanswered, more than the tables hold: the oldest are forgotten though they wait. */
static void test_flood(void)
{
	g_autoptr(GByteArray) blocks = g_byte_array_new();
	automesh mesh = mesh_new(NULL);
	uint64_t again = 0;

	for (unsigned i = 0; i < 20000; i++)
		PUT(blocks, LO, {"10.77.0.2", (uint16_t)(1024 + i)}, sidecar, i, 0, SYN);
	g_assert_cmpuint(admit(mesh, blocks->data, blocks->len, 0, &again), <, blocks->len);
}

static void test_hostile_lengths(void)
{
	automesh mesh = mesh_new(NULL);
	uint64_t again;

	for (unsigned cut = 0; cut < 256; cut++) {
		for (unsigned value = 0; value < 256; value += 15) {
			g_autoptr(GByteArray) blocks = g_byte_array_new();

			PUT(blocks, LO, client, sidecar, cut, 0, SYN);
			if (cut < blocks->len)
				blocks->data[cut] = (uint8_t)value;
			PUT(blocks, LO, server, client, 1, cut + 1, SYN | ACK);
			admit(mesh, blocks->data, blocks->len, 0, &again);
			release(mesh);
			/* What was not admitted must be offered again. */
			ss_mesh_free(mesh);
			mesh = mesh_new(NULL);
		}
	}
}

#define HELLO "\x16\x03\x01\x00\x30\x01\x00\x00\x2c\x03\x03 hello"

static uint32_t type_at(GByteArray *blocks, unsigned number)
{
	return ss_block_type(block_at(blocks, number));
}

static void test_twin_is_left_out(void)
{
	static const struct end from = {"10.77.0.2", 40000};
	g_autoptr(GByteArray) blocks = g_byte_array_new();
	unsigned left_out = 0;
	automesh mesh = mesh_new(&left_out);

	put_handshake(blocks, 100);                                      /* 0-2 */
	PUT(blocks, LO, client, sidecar, 101, 901, ACK, "GET / HTTP/1"); /* 3 */
	PUT(blocks, ETH, from, server, 10, 0, SYN);
	PUT(blocks, ETH, server, from, 20, 11, SYN | ACK);
	PUT(blocks, ETH, from, server, 11, 21, ACK, HELLO, sizeof(HELLO)); /* 6 */
	PUT(blocks, ETH, server, from, 21, 80, ACK, "secret");
	PUT(blocks, ETH, server, from, 27, 80, ACK, "secret", .lost = true);
	PUT(blocks, ETH, from, other, 11, 21, ACK, HELLO, sizeof(HELLO)); /* 9: another target */
	PUT(blocks, ETH, from, server, 99, 0, SYN);                       /* 10: the ports again */
	PUT(blocks, ETH, from, server, 100, 21, ACK, "GET / HTTP/1");
	assert_all(mesh, blocks);
	for (unsigned i = 0; i < 12; i++)
		g_assert_cmpuint(type_at(blocks, i), ==,
				 i == 6 || i == 7 ? SS_BLOCK_LEFT_OUT : SS_PCAPNG_EPB);
	g_assert_cmpuint(left_out, ==, 2);
}

/* The application's own TLS on lo may be all that there is: nothing is left out. */
static void test_tls_on_lo_has_no_twin(void)
{
	static const struct end from = {"10.77.0.2", 40000};
	g_autoptr(GByteArray) blocks = g_byte_array_new();
	unsigned left_out = 0;
	automesh mesh = mesh_new(&left_out);

	put_handshake(blocks, 100);
	PUT(blocks, LO, client, sidecar, 101, 901, ACK, HELLO, sizeof(HELLO));
	PUT(blocks, ETH, from, server, 11, 21, ACK, HELLO, sizeof(HELLO));
	assert_all(mesh, blocks);
	g_assert_cmpuint(left_out, ==, 0);
}

static void test_twin_by_port_and_alpn(void)
{
	static const char alpn[] = HELLO "istio-http/1.1";
	g_autoptr(GByteArray) blocks = g_byte_array_new();
	unsigned left_out = 0;
	automesh mesh = mesh_new(&left_out);

	/* Nothing on lo yet: no twins. */
	PUT(blocks, ETH, other, {"10.77.0.2", 8080}, 1, 1, ACK, alpn, sizeof(alpn));
	PUT(blocks, ETH, client, {"10.9.9.7", 15008}, 1, 1, ACK, HELLO, sizeof(HELLO));
	put_handshake(blocks, 100);
	PUT(blocks, LO, client, sidecar, 101, 901, ACK, "GET / HTTP/1");
	PUT(blocks, ETH, client, {"10.9.9.9", 15008}, 1, 1, ACK, HELLO, sizeof(HELLO));
	PUT(blocks, ETH, server, {"10.77.0.2", 8080}, 1, 1, ACK, alpn, sizeof(alpn));
	PUT(blocks, ETH, client, {"10.9.9.8", 15008}, 1, 1, ACK, "no TLS");
	assert_all(mesh, blocks);
	for (unsigned i = 0; i < 9; i++)
		g_assert_cmpuint(type_at(blocks, i), ==,
				 i == 6 || i == 7 ? SS_BLOCK_LEFT_OUT : SS_PCAPNG_EPB);
	g_assert_cmpuint(left_out, ==, 2);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/mesh/handshake", test_handshake);
	g_test_add_func("/mesh/full-checksum", test_full_checksum);
	g_test_add_func("/mesh/ipv6-raw", test_ipv6_raw);
	g_test_add_func("/mesh/option", test_option);
	g_test_add_func("/mesh/waits", test_waits);
	g_test_add_func("/mesh/waits-no-longer", test_waits_no_longer);
	g_test_add_func("/mesh/release", test_release);
	g_test_add_func("/mesh/ordinary", test_ordinary);
	g_test_add_func("/mesh/refused", test_refused);
	g_test_add_func("/mesh/old-connection", test_old_connection);
	g_test_add_func("/mesh/old-connection-reply-first", test_old_connection_reply_first);
	g_test_add_func("/mesh/ports-used-again", test_ports_used_again);
	g_test_add_func("/mesh/pods-apart", test_pods_apart);
	g_test_add_func("/mesh/many", test_many);
	g_test_add_func("/mesh/flood", test_flood);
	g_test_add_func("/mesh/hostile-lengths", test_hostile_lengths);
	g_test_add_func("/mesh/twin-is-left-out", test_twin_is_left_out);
	g_test_add_func("/mesh/tls-on-lo-has-no-twin", test_tls_on_lo_has_no_twin);
	g_test_add_func("/mesh/twin-by-port-and-alpn", test_twin_by_port_and_alpn);
	return g_test_run();
}
