/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The load of the bench and its bookkeeping, apart from any capture tool:
 *
 * "send": UDP frames of FRAME bytes, RATE per second; 0 is a flood, as fast as it goes.
 * "send-to": the same, from a socket that is not connected.
 * "receive": counts datagrams until SIGTERM.
 * "count": frames of PORT in a pcap or pcapng file, and how many of them are no duplicates.
 *
 * Pacing sleeps until the next millisecond and sends what is due by then. It must not spin: a
 * sender that burns its CPU anyway would hide what a capture costs inside send().
 * Every datagram begins with its sequence number, so that count can tell frames from duplicates.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ETHERNET    14
#define HEADERS     (ETHERNET + 20 + 8) /* Ethernet, IPv4, UDP */
#define FRAME_MIN   (HEADERS + 8)       /* room for the sequence number */
#define FRAME_MAX   1514
#define BATCH       64
#define TICK_NS     1000000
#define SECOND_NS   1000000000ull
#define FRAMES_MOST (1u << 30) /* sequence numbers count can keep apart */

static volatile sig_atomic_t stopped;

static void stop(int signal_number)
{
	(void)signal_number;
	stopped = 1;
}

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static _Noreturn void die_usage(const char *sentence)
{
	fprintf(stderr, "load: %s\n", sentence);
	exit(2);
}

static uint64_t number(const char *text, uint64_t least, uint64_t most)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || end == text || *end || value < least || value > most) {
		fprintf(stderr, "load: '%s' is not a number from %" PRIu64 " to %" PRIu64 "\n",
			text, least, most);
		exit(2);
	}
	return value;
}

static struct sockaddr_in endpoint(const char *address, const char *port)
{
	struct sockaddr_in in = {.sin_family = AF_INET};

	in.sin_port = htons((uint16_t)number(port, 1, UINT16_MAX));
	if (inet_pton(AF_INET, address, &in.sin_addr) != 1)
		die_usage("the address must be IPv4, like 10.201.0.2");
	return in;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

static void sleep_until(uint64_t time_ns)
{
	struct timespec until = {.tv_sec = (time_t)(time_ns / SECOND_NS),
				 .tv_nsec = (long)(time_ns % SECOND_NS)};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

struct sender {
	int fd;
	struct sockaddr_in *to; /* NULL: it is connected */
	size_t length;          /* of a payload */
};

/* Sends count frames from sequence on, one system call each BATCH. */
static void send_paced(const struct sender *sender, uint64_t sequence, uint64_t count)
{
	static unsigned char payload[BATCH][FRAME_MAX];
	struct mmsghdr messages[BATCH];
	struct iovec parts[BATCH];

	while (count) {
		unsigned batch = count < BATCH ? (unsigned)count : BATCH;
		int sent;

		memset(messages, 0, sizeof(messages));
		for (unsigned i = 0; i < batch; i++) {
			uint64_t stamp = sequence + i;

			memcpy(payload[i], &stamp, sizeof(stamp));
			parts[i] = (struct iovec){payload[i], sender->length};
			messages[i].msg_hdr.msg_iov = &parts[i];
			messages[i].msg_hdr.msg_iovlen = 1;
			messages[i].msg_hdr.msg_name = sender->to;
			messages[i].msg_hdr.msg_namelen = sender->to ? sizeof(*sender->to) : 0;
		}
		sent = sendmmsg(sender->fd, messages, batch, 0);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			die("cannot send");
		sequence += (unsigned)sent;
		count -= (unsigned)sent;
	}
}

static uint64_t pace(const struct sender *sender, uint64_t rate, uint64_t duration_ns,
		     uint64_t start_ns)
{
	uint64_t sent = 0, total = (uint64_t)((__uint128_t)rate * duration_ns / SECOND_NS);

	for (uint64_t tick = 1; sent < total && !stopped; tick++) {
		uint64_t passed, due;

		sleep_until(start_ns + tick * TICK_NS);
		passed = now_ns() - start_ns;
		if (passed > 2 * duration_ns)
			break; /* hopelessly behind: the rate we report says so */
		due = (uint64_t)((__uint128_t)rate * passed / SECOND_NS);
		if (due > total)
			due = total;
		send_paced(sender, sent, due - sent);
		sent = due;
	}
	return sent;
}

/* One system call for each frame, as programs do; the clock is read once in BATCH frames. */
static uint64_t flood(const struct sender *sender, uint64_t duration_ns, uint64_t start_ns)
{
	unsigned char payload[FRAME_MAX] = {0};
	uint64_t sent = 0;

	while (!stopped && (sent % BATCH || now_ns() - start_ns < duration_ns)) {
		memcpy(payload, &sent, sizeof(sent));
		if (sendto(sender->fd, payload, sender->length, 0, (struct sockaddr *)sender->to,
			   sender->to ? sizeof(*sender->to) : 0) < 0) {
			if (errno == EINTR)
				continue;
			die("cannot send");
		}
		sent++;
	}
	return sent;
}

static int send_frames(char **arguments, bool connected)
{
	struct sockaddr_in to = endpoint(arguments[0], arguments[1]);
	size_t length = number(arguments[2], FRAME_MIN, FRAME_MAX) - HEADERS;
	uint64_t rate = number(arguments[3], 0, 10000000);
	uint64_t duration_ns = (uint64_t)(strtod(arguments[4], NULL) * SECOND_NS);
	uint64_t start_ns, sent, elapsed_ns;
	struct sender sender = {
		.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0),
		.to = connected ? NULL : &to,
		.length = length,
	};

	if (duration_ns < TICK_NS || duration_ns > 600 * SECOND_NS)
		die_usage("the seconds must be from 0.001 to 600");
	if (sender.fd < 0 ||
	    (connected && connect(sender.fd, (struct sockaddr *)&to, sizeof(to)) < 0))
		die("cannot make a UDP socket");
	prctl(PR_SET_TIMERSLACK, 1);
	start_ns = now_ns();
	sent = rate ? pace(&sender, rate, duration_ns, start_ns)
		    : flood(&sender, duration_ns, start_ns);
	elapsed_ns = now_ns() - start_ns;
	printf("{\"sent\": %" PRIu64 ", \"seconds\": %.6f}\n", sent,
	       (double)elapsed_ns / SECOND_NS);
	return 0;
}

static int command_send(char **arguments)
{
	return send_frames(arguments, true);
}

static int command_send_to(char **arguments)
{
	return send_frames(arguments, false);
}

static int command_receive(char **arguments)
{
	static unsigned char payload[BATCH][16]; /* the rest is cut off: only the count matters */
	struct sockaddr_in at = endpoint(arguments[0], arguments[1]);
	struct mmsghdr messages[BATCH] = {0};
	struct iovec parts[BATCH];
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), room = 8 << 20;
	struct sigaction action = {.sa_handler = stop}; /* no SA_RESTART: ends recvmmsg */
	struct timeval patience = {.tv_usec = 100000};  /* a signal just before recvmmsg is seen */
	uint64_t received = 0;

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		die("cannot bind the UDP port");
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	sigaction(SIGTERM, &action, NULL);
	for (unsigned i = 0; i < BATCH; i++) {
		parts[i] = (struct iovec){payload[i], sizeof(payload[i])};
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	puts("ready");
	fflush(stdout);
	while (!stopped) {
		int got = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);

		if (got > 0)
			received += (unsigned)got;
		else if (errno != EINTR && errno != EAGAIN)
			die("cannot receive");
	}
	printf("{\"received\": %" PRIu64 "}\n", received);
	return 0;
}

/* A capture file in memory, and what was found in it. */
struct tally {
	uint16_t port;
	uint64_t frames, matching, distinct;
	unsigned char *seen; /* a bit for each sequence number */
};

static uint32_t u32(const unsigned char *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

static uint16_t port_of(const unsigned char *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static void tally_frame(struct tally *tally, const unsigned char *frame, size_t length)
{
	const unsigned char *ip = frame + ETHERNET, *transport;
	size_t ip_length;
	uint64_t sequence;

	tally->frames++;
	if (length < HEADERS || port_of(frame + 12) != 0x0800 || ip[0] >> 4 != 4)
		return;
	ip_length = (ip[0] & 15u) * 4u;
	if (length < ETHERNET + ip_length + 8 || (ip[9] != IPPROTO_UDP && ip[9] != IPPROTO_TCP))
		return;
	transport = ip + ip_length;
	if (port_of(transport) != tally->port && port_of(transport + 2) != tally->port)
		return;
	tally->matching++;
	if (ip[9] != IPPROTO_UDP || length < ETHERNET + ip_length + 16) {
		tally->distinct++; /* TCP: the kernel numbers it, we do not */
		return;
	}
	memcpy(&sequence, transport + 8, sizeof(sequence));
	if (sequence >= FRAMES_MOST || tally->seen[sequence / 8] & 1u << sequence % 8)
		return;
	tally->seen[sequence / 8] |= (unsigned char)(1u << sequence % 8);
	tally->distinct++;
}

static bool tally_pcap(struct tally *tally, const unsigned char *bytes, size_t size)
{
	size_t at = 24;

	while (size - at >= 16) {
		uint32_t length = u32(bytes + at + 8);

		at += 16;
		if (length > size - at)
			return false;
		tally_frame(tally, bytes + at, length);
		at += length;
	}
	return at == size;
}

static bool tally_pcapng(struct tally *tally, const unsigned char *bytes, size_t size)
{
	size_t at = 0;

	while (size - at >= 12) {
		uint32_t type = u32(bytes + at), block = u32(bytes + at + 4);

		if (block < 12 || block % 4 || block > size - at ||
		    u32(bytes + at + block - 4) != block)
			return false;
		if (type == 6) {
			uint32_t length = block < 32 ? UINT32_MAX : u32(bytes + at + 20);

			if (length > block - 32)
				return false;
			tally_frame(tally, bytes + at + 28, length);
		}
		at += block;
	}
	return at == size;
}

static int command_count(char **arguments)
{
	struct tally tally = {.port = (uint16_t)number(arguments[1], 1, UINT16_MAX)};
	int fd = open(arguments[0], O_RDONLY | O_CLOEXEC);
	struct stat status;
	unsigned char *bytes;
	size_t size;
	bool whole;

	if (fd < 0 || fstat(fd, &status) < 0)
		die(arguments[0]);
	size = (size_t)status.st_size;
	if (size < 24)
		die_usage("the file is too short for a capture");
	bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	tally.seen = calloc(FRAMES_MOST / 8, 1);
	if (bytes == MAP_FAILED || !tally.seen)
		die("cannot map the file");
	switch (u32(bytes)) {
	case 0x0A0D0D0A:
		whole = tally_pcapng(&tally, bytes, size);
		break;
	case 0xa1b2c3d4:
	case 0xa1b23c4d:
		whole = tally_pcap(&tally, bytes, size);
		break;
	default:
		die_usage("the file is neither pcap nor pcapng of this machine's byte order");
	}
	printf("{\"frames\": %" PRIu64 ", \"matching\": %" PRIu64 ", \"distinct\": %" PRIu64
	       ", \"whole\": %s}\n",
	       tally.frames, tally.matching, tally.distinct, whole ? "true" : "false");
	return 0;
}

static const struct {
	const char *name;
	int arguments;
	int (*run)(char **arguments);
} commands[] = {
	{"send", 5, command_send},
	{"send-to", 5, command_send_to},
	{"receive", 2, command_receive},
	{"count", 2, command_count},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(argv[1], commands[i].name) == 0 && argc - 2 == commands[i].arguments)
			return commands[i].run(argv + 2);
	}
	die_usage(
		"use: load send|send-to ADDRESS PORT FRAME RATE SECONDS | load receive ADDRESS PORT | "
		"load count FILE PORT");
}
