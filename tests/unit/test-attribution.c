/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whose a frame is: the real programs, run by the kernel on frames of ours (BPF_PROG_TEST_RUN) in a
 * network namespace with sockets whose owners we say. Each frame goes through the ordinary program,
 * through the one for filters on processes, and through what short frames get.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <bpf/bpf.h>
#include <glib.h>

#include "format/metadata.h"
#include "format/owner.h"
#include "format/pcapng.h"
#include "source/bpf.h"

#define PORT        9000
#define OTHER_PORT  40000
#define CLOSED_WAIT 5000 /* ms */

/* A frame for TEST_RUN. */
struct frame {
	uint8_t bytes[256];
	size_t length;
};

/* The three ways to find an owner. */
static const struct way {
	const char *name;
	uint32_t snap_len;
	bool early;
} ways[] = {
	{"ordinary", SS_SNAPLEN_MAX, false},
	{"early", SS_SNAPLEN_MAX, true},
	{"short", SS_SNAPLEN_MIN, false},
};

struct world {
	struct ss_bpf_source *source;
	int program;
	struct ss_bpf_source_owner_maps maps;
};

static bool set_up(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	ss_autofd int fd = -1;

	if (unshare(CLONE_NEWNET) == 0) {
		fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		g_assert_cmpint(ioctl(fd, SIOCSIFFLAGS, &request), ==, 0);
		return true;
	}
	if (g_getenv("CI"))
		g_error("CI must run this as root");
	return false;
}

static void world_init(struct world *world, const struct way *way, uint32_t flags)
{
	const struct ss_bpf_source_options options = {
		.snap_len = way->snap_len,
		.ring_size = SS_RING_SIZE_MIN,
		.metadata = true,
		.owners = true,
		.filter_owners = way->early,
	};
	const struct ss_slot slot = {.flags = flags, .netns_id = -1};
	struct ss_error error = {0};
	uint32_t number;

	if (ss_bpf_source_new(&options, &world->source, &error) < 0 ||
	    ss_bpf_source_slot_new(world->source, SS_PROGRAM_TC_ETHERNET, &slot, &number,
				   &world->program, &error) < 0)
		g_error("%s", error.message);
	world->maps = ss_bpf_source_owner_maps(world->source);
}

static void world_deinit(struct world *world)
{
	ss_bpf_source_free(world->source);
}

static uint64_t netns_of(int socket)
{
	uint64_t cookie = 0;
	socklen_t length = sizeof(cookie);

	g_assert_cmpint(getsockopt(socket, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &length), ==, 0);
	return cookie;
}

/* A process, and what begins when it gets the socket. */
static void own(const struct world *world, int socket, uint64_t process)
{
	const struct ss_owner owner = {process, SS_METADATA_CONTAINER, netns_of(socket), 0};
	uint32_t place = (uint32_t)owner.netns % SS_OWNER_GENERATIONS;
	uint64_t generation;

	g_assert_cmpint(bpf_map_update_elem(world->maps.owners, &socket, &owner, BPF_ANY), ==, 0);
	g_assert_cmpint(bpf_map_lookup_elem(world->maps.generations, &place, &generation), ==, 0);
	generation++;
	g_assert_cmpint(bpf_map_update_elem(world->maps.generations, &place, &generation, BPF_ANY),
			==, 0);
}

/* What the block says of the process; the frame is in it. */
static uint64_t process_of(const struct world *world, const struct frame *frame)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame->bytes,
		    .data_size_in = (uint32_t)frame->length, .repeat = 1);
	struct iovec slices[2];
	const uint8_t *block;
	uint32_t stored;
	uint64_t process;

	g_assert_cmpint(bpf_prog_test_run_opts(world->program, &options), ==, 0);
	g_assert_cmpuint(ss_bpf_source_peek(world->source, slices), ==, 1);
	block = slices[0].iov_base;
	memcpy(&stored, block + 20, sizeof(stored));
	g_assert_cmpuint(stored, <=, frame->length);
	g_assert_true(!memcmp(block + SS_EPB_HEADER_SIZE, frame->bytes, stored));
	memcpy(&process,
	       block + SS_EPB_HEADER_SIZE + ((stored + 3) & ~3u) + SS_SLOT_PROCESS_WORD * 4,
	       sizeof(process));
	ss_bpf_source_consume(world->source, slices[0].iov_len);
	return process;
}

static void begin_frame(struct frame *frame, uint16_t type)
{
	const uint16_t big = htons(type);

	memset(frame, 0, sizeof(*frame));
	frame->bytes[0] = frame->bytes[6] = 2; /* locally administered */
	memcpy(frame->bytes + 12, &big, sizeof(big));
	frame->length = ETHER_HDR_LEN;
}

static void add_transport(struct frame *frame, uint16_t from, uint16_t to)
{
	const uint16_t ports[] = {htons(from), htons(to)};

	memcpy(frame->bytes + frame->length, ports, sizeof(ports));
	frame->length += 20; /* as TCP's header */
}

/* Between two ports of 127.0.0.1; options: bytes of them. */
static void make_ipv4(struct frame *frame, int protocol, uint16_t from, uint16_t to, size_t options)
{
	const uint8_t address[] = {127, 0, 0, 1};
	uint8_t *ip;

	begin_frame(frame, ETHERTYPE_IP);
	ip = frame->bytes + frame->length;
	ip[0] = (uint8_t)(0x45 + options / 4);
	ip[3] = (uint8_t)(40 + options);
	ip[8] = 64;
	ip[9] = (uint8_t)protocol;
	memcpy(ip + 12, address, sizeof(address));
	memcpy(ip + 16, address, sizeof(address));
	memset(ip + 20, 1, options); /* no operation */
	frame->length += 20 + options;
	add_transport(frame, from, to);
}

static void make_ipv6(struct frame *frame, int protocol, uint16_t from, uint16_t to)
{
	uint8_t *ip;

	begin_frame(frame, ETHERTYPE_IPV6);
	ip = frame->bytes + frame->length;
	ip[0] = 0x60;
	ip[5] = 20;
	ip[6] = (uint8_t)protocol;
	ip[7] = 64;
	ip[23] = ip[39] = 1; /* ::1 */
	frame->length += 40;
	add_transport(frame, from, to);
}

static void make(struct frame *frame, int family, int protocol, uint16_t from, uint16_t to)
{
	if (family == AF_INET6)
		make_ipv6(frame, protocol, from, to);
	else
		make_ipv4(frame, protocol, from, to, 0);
}

static void loopback_address(int family, uint16_t port, struct sockaddr_storage *ret_address,
			     socklen_t *ret_length)
{
	memset(ret_address, 0, sizeof(*ret_address));
	if (family == AF_INET6) {
		struct sockaddr_in6 *address = (struct sockaddr_in6 *)ret_address;

		address->sin6_addr = in6addr_loopback;
		address->sin6_port = htons(port);
		*ret_length = sizeof(*address);
	} else {
		struct sockaddr_in *address = (struct sockaddr_in *)ret_address;

		address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		address->sin_port = htons(port);
		*ret_length = sizeof(*address);
	}
	ret_address->ss_family = (sa_family_t)family;
}

static int bound(int family, int type, uint16_t port)
{
	struct sockaddr_storage address;
	socklen_t length;
	int fd = socket(family, type | SOCK_CLOEXEC, 0), on = 1;

	loopback_address(family, port, &address, &length);
	g_assert_cmpint(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), ==, 0);
	g_assert_cmpint(bind(fd, (struct sockaddr *)&address, length), ==, 0);
	return fd;
}

/* A listener at PORT, and a connection from OTHER_PORT. */
struct connection {
	int listener, client, server;
};

static void connection_init(struct connection *connection, int family)
{
	struct sockaddr_storage address;
	socklen_t length;

	connection->listener = bound(family, SOCK_STREAM, PORT);
	g_assert_cmpint(listen(connection->listener, 1), ==, 0);
	connection->client = bound(family, SOCK_STREAM, OTHER_PORT);
	loopback_address(family, PORT, &address, &length);
	g_assert_cmpint(connect(connection->client, (struct sockaddr *)&address, length), ==, 0);
	connection->server = accept(connection->listener, NULL, NULL);
	g_assert_cmpint(connection->server, >=, 0);
}

static const int families[] = {AF_INET, AF_INET6};

/* Runs a check in a world of each way for each family. */
static void everywhere(uint32_t flags, void (*check)(const struct world *world, int family))
{
	if (!set_up()) {
		g_test_skip("needs root");
		return;
	}
	for (size_t i = 0; i < G_N_ELEMENTS(ways); i++) {
		for (size_t k = 0; k < G_N_ELEMENTS(families); k++) {
			struct world world;

			g_test_message("%s, IPv%d", ways[i].name, families[k] == AF_INET ? 4 : 6);
			world_init(&world, &ways[i], flags);
			check(&world, families[k]);
			world_deinit(&world);
		}
	}
}

static void expect(const struct world *world, int family, int protocol, uint16_t from, uint16_t to,
		   uint64_t process)
{
	struct frame frame;

	make(&frame, family, protocol, from, to);
	/* The first learns the namespace, the second is remembered for the third. */
	for (int i = 0; i < 3; i++)
		g_assert_cmpuint(process_of(world, &frame), ==, process);
}

static void check_datagrams_in(const struct world *world, int family)
{
	ss_autofd int fd = bound(family, SOCK_DGRAM, PORT);

	own(world, fd, 11);
	expect(world, family, IPPROTO_UDP, OTHER_PORT, PORT, 11);
	expect(world, family, IPPROTO_UDP, PORT, OTHER_PORT, 0);
	expect(world, family, IPPROTO_TCP, OTHER_PORT, PORT, 0);
	expect(world, family, IPPROTO_ICMP, OTHER_PORT, PORT, 0);
}

static void test_datagrams_in(void)
{
	everywhere(SS_SLOT_BY_RECEIVER, check_datagrams_in);
}

static void check_datagrams_out(const struct world *world, int family)
{
	ss_autofd int fd = bound(family, SOCK_DGRAM, PORT);

	own(world, fd, 12);
	expect(world, family, IPPROTO_UDP, PORT, OTHER_PORT, 12);
	expect(world, family, IPPROTO_UDP, OTHER_PORT, PORT, 0);
}

static void test_datagrams_out(void)
{
	everywhere(SS_SLOT_BY_SENDER, check_datagrams_out);
}

static void check_connection_in(const struct world *world, int family)
{
	struct connection connection;

	connection_init(&connection, family);
	own(world, connection.listener, 21);
	own(world, connection.client, 22);
	own(world, connection.server, 23);
	expect(world, family, IPPROTO_TCP, OTHER_PORT, PORT, 23);
	expect(world, family, IPPROTO_TCP, PORT, OTHER_PORT, 22);
	expect(world, family, IPPROTO_TCP, OTHER_PORT + 1, PORT, 21); /* a new one */
	close(connection.client);
	close(connection.server);
	close(connection.listener);
}

static void test_connection_in(void)
{
	everywhere(SS_SLOT_BY_RECEIVER, check_connection_in);
}

static void check_connection_out(const struct world *world, int family)
{
	struct connection connection;

	connection_init(&connection, family);
	own(world, connection.listener, 21);
	own(world, connection.client, 22);
	own(world, connection.server, 23);
	expect(world, family, IPPROTO_TCP, OTHER_PORT, PORT, 22);
	expect(world, family, IPPROTO_TCP, PORT, OTHER_PORT, 23);
	expect(world, family, IPPROTO_TCP, PORT, OTHER_PORT + 1, 0); /* listeners don't send */
	close(connection.client);
	close(connection.server);
	close(connection.listener);
}

static void test_connection_out(void)
{
	everywhere(SS_SLOT_BY_SENDER, check_connection_out);
}

/* As the owner programs would, when the connection goes. */
static void remember(const struct world *world, int family, int socket, uint64_t process)
{
	const uint64_t address = family == AF_INET6
					 ? htobe64(1)
					 : htobe32(0xffff) | (uint64_t)htonl(INADDR_LOOPBACK) << 32;
	const struct ss_owner owner = {process, SS_METADATA_CONTAINER, netns_of(socket), 0};
	const struct ss_flow flow = {
		.netns = owner.netns,
		.remote = {0, address},
		.local = {0, address},
		.ports = htons(PORT) | (uint64_t)htons(OTHER_PORT) << 16,
	};

	g_assert_cmpint(bpf_map_update_elem(world->maps.closed, &flow, &owner, BPF_ANY), ==, 0);
}

static void check_time_wait(const struct world *world, int family)
{
	gint64 end_us = g_get_monotonic_time() + CLOSED_WAIT * 1000;
	struct connection connection;
	struct frame frame;

	connection_init(&connection, family);
	own(world, connection.client, 22);
	expect(world, family, IPPROTO_TCP, PORT, OTHER_PORT, 22);
	remember(world, family, connection.client, 24);
	close(connection.client); /* the first to close waits */
	close(connection.server);
	close(connection.listener);
	make(&frame, family, IPPROTO_TCP, PORT, OTHER_PORT);
	while (process_of(world, &frame) != 24)
		g_assert_cmpint(g_get_monotonic_time(), <, end_us);
	expect(world, family, IPPROTO_TCP, PORT, OTHER_PORT, 24);
}

static void test_time_wait(void)
{
	everywhere(SS_SLOT_BY_RECEIVER, check_time_wait);
}

/* Of frames that leave without a socket, only what is left of a connection sends some. */
static void check_egress(const struct world *world, int family)
{
	struct connection connection;

	connection_init(&connection, family);
	own(world, connection.client, 22);
	own(world, connection.server, 23);
	expect(world, family, IPPROTO_TCP, OTHER_PORT, PORT, 0);
	expect(world, family, IPPROTO_TCP, PORT, OTHER_PORT, 0);
	close(connection.client);
	close(connection.server);
	close(connection.listener);
}

static void test_egress(void)
{
	everywhere(SS_SLOT_BY_SOCKET | SS_SLOT_BY_SENDER, check_egress);
}

static void check_change(const struct world *world, int family)
{
	ss_autofd int first = bound(family, SOCK_DGRAM, PORT);
	ss_autofd int second = bound(family, SOCK_DGRAM, OTHER_PORT);

	own(world, first, 31);
	own(world, second, 32);
	for (uint64_t i = 0; i < 100; i++) {
		own(world, first, 100 + i);
		expect(world, family, IPPROTO_UDP, OTHER_PORT, PORT, 100 + i);
		expect(world, family, IPPROTO_UDP, PORT, OTHER_PORT, 32);
	}
}

/* What was remembered is void at once. */
static void test_change(void)
{
	everywhere(SS_SLOT_BY_RECEIVER, check_change);
}

static void check_odd(const struct world *world, int family)
{
	ss_autofd int fd = bound(family, SOCK_DGRAM, PORT);
	struct frame frame;
	size_t ports;

	own(world, fd, 41);
	make(&frame, family, IPPROTO_UDP, OTHER_PORT, PORT);
	ports = frame.length - 20;
	/* Cut short; the whole one, which may be remembered, was there before. */
	for (size_t length = ports; length < ports + 4; length++) {
		frame.length = ports + 20;
		g_assert_cmpuint(process_of(world, &frame), ==, 41);
		frame.length = length;
		g_assert_cmpuint(process_of(world, &frame), ==, 0);
	}
	frame.length = ports + 4;
	g_assert_cmpuint(process_of(world, &frame), ==, 41);
	if (family == AF_INET6)
		return;
	for (size_t options = 4; options <= 40; options += 4) {
		make_ipv4(&frame, IPPROTO_UDP, OTHER_PORT, PORT, options);
		g_assert_cmpuint(process_of(world, &frame), ==, 41);
	}
	frame.length = ETHER_HDR_LEN + 60 + 3;
	g_assert_cmpuint(process_of(world, &frame), ==, 0);
	make(&frame, family, IPPROTO_UDP, OTHER_PORT, PORT);
	frame.bytes[ETHER_HDR_LEN + 6] = 0x20; /* more fragments */
	g_assert_cmpuint(process_of(world, &frame), ==, 0);
	frame.bytes[ETHER_HDR_LEN + 6] = 0x40; /* do not fragment */
	g_assert_cmpuint(process_of(world, &frame), ==, 41);
}

static void test_odd(void)
{
	everywhere(SS_SLOT_BY_RECEIVER, check_odd);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/attribution/datagrams-in", test_datagrams_in);
	g_test_add_func("/attribution/datagrams-out", test_datagrams_out);
	g_test_add_func("/attribution/connection-in", test_connection_in);
	g_test_add_func("/attribution/connection-out", test_connection_out);
	g_test_add_func("/attribution/time-wait", test_time_wait);
	g_test_add_func("/attribution/egress-without-socket", test_egress);
	g_test_add_func("/attribution/change-is-seen-at-once", test_change);
	g_test_add_func("/attribution/odd-frames", test_odd);
	return g_test_run();
}
