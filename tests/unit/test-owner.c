/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whose a socket is when processes share it: the real programs on a cgroup of ours, with processes
 * that get sockets from each other and use them in turn. After each use the kernel is asked whose
 * the socket is, and who sent is read from the frame that lo shows.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <glib.h>
#include <glib/gstdio.h>

#include "format/metadata.h"
#include "format/owner.h"
#include "format/pcapng.h"
#include "privilege.h"
#include "source/bpf.h"
#include "source/owner.h"

#define PORT        9000
#define LO          1  /* its index in every network namespace */
#define TCX_INGRESS 46 /* BPF_TCX_INGRESS: Linux 6.6 */
#define CONTAINER   0x1122334455667788ull
#define ACTORS      3
#define ROUNDS      200

/* A process that does as it is told: orders are bytes, with a socket where it is to get one. */
struct actor {
	pid_t pid;
	int end;
};

/* Where frames are seen. */
enum place {
	LEAVING,  /* by a program of the cgroup */
	ARRIVING, /* at the device */
	RECEIVED, /* by a program of the receiver's cgroup */
};

struct world {
	char *cgroup;
	struct actor actors[ACTORS];
	struct ss_bpf_source *source;
	struct ss_owner_source *owners;
	struct ss_bpf_source_owner_maps maps;
	enum place place;
	int link; /* of the program that sees frames; -1: this kernel has no such place */
};

static const struct sockaddr_in here = {.sin_family = AF_INET};

static struct sockaddr_in address_of(uint16_t port)
{
	struct sockaddr_in address = here;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address.sin_port = htons(port);
	return address;
}

static void pass(int end, char byte, int socket)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec part = {&byte, 1};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	if (socket >= 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &socket, sizeof(socket));
	}
	if (sendmsg(end, &message, MSG_NOSIGNAL) != 1)
		g_error("cannot pass: %s", g_strerror(errno));
}

/* Returns the byte, -1 at the end. ret_socket: left alone if none came. */
static int take(int end, int *ret_socket)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	char byte;
	struct iovec part = {&byte, 1};
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof(control.bytes)};

	if (recvmsg(end, &message, MSG_CMSG_CLOEXEC) != 1)
		return -1;
	if (message.msg_controllen >= sizeof(control.header))
		memcpy(ret_socket, CMSG_DATA(&control.header), sizeof(*ret_socket));
	return byte;
}

/* A socket at PORT that may send to itself. */
static int make_datagrams(void)
{
	struct sockaddr_in address = address_of(PORT);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		g_error("cannot bind: %s", g_strerror(errno));
	return fd;
}

/* A connection's end; the other one stays open. */
static int make_connection(void)
{
	struct sockaddr_in address = address_of(PORT);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	static char text[4096];
	int server;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(listener, 1) < 0 ||
	    connect(client, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    (server = accept(listener, NULL, NULL)) < 0 || write(client, text, sizeof(text)) < 0)
		g_error("cannot connect: %s", g_strerror(errno));
	close(listener);
	return server;
}

static bool read_now(int socket)
{
	char byte;

	return recv(socket, &byte, 1, MSG_DONTWAIT) == 1;
}

static bool wait_by_poll(int socket)
{
	struct pollfd wanted = {.fd = socket, .events = POLLIN};

	return poll(&wanted, 1, -1) == 1;
}

static bool wait_by_select(int socket)
{
	fd_set wanted;

	FD_ZERO(&wanted);
	FD_SET(socket, &wanted);
	return select(socket + 1, &wanted, NULL, NULL, NULL) == 1 && read_now(socket);
}

static bool wait_by_epoll(int socket, uint32_t how)
{
	struct epoll_event event = {.events = EPOLLIN | how};
	int fd = epoll_create1(EPOLL_CLOEXEC);
	bool done = epoll_ctl(fd, EPOLL_CTL_ADD, socket, &event) == 0 &&
		    epoll_wait(fd, &event, 1, -1) == 1 && read_now(socket);

	close(fd);
	return done;
}

static bool send_from_another(void)
{
	struct sockaddr_in to = address_of(PORT);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool done = sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)) == 1;

	close(fd);
	return done;
}

/* Without waiting for it. */
static bool watch(int socket)
{
	struct epoll_event event = {.events = EPOLLIN};

	return epoll_ctl(epoll_create1(EPOLL_CLOEXEC), EPOLL_CTL_ADD, socket, &event) == 0;
}

static bool obey(int order, int *socket)
{
	struct sockaddr_in to = address_of(PORT), from;
	socklen_t length = sizeof(from);
	char byte = 'x';

	switch (order) {
	case 'd':
		*socket = make_datagrams();
		return true;
	case 't':
		*socket = make_connection();
		return true;
	case 'g': /* get: it came with the order */
		return true;
	case 's':
		return sendto(*socket, &byte, 1, 0, (struct sockaddr *)&to, sizeof(to)) == 1;
	case 'x':
		return send_from_another();
	case 'o': /* connected to itself: what it sends then */
		return connect(*socket, (struct sockaddr *)&to, sizeof(to)) == 0;
	case 'S':
		return send(*socket, &byte, 1, 0) == 1;
	case 'r':
		return recvfrom(*socket, &byte, 1, 0, (struct sockaddr *)&from, &length) == 1;
	case 'R': /* as read() does it */
		return recv(*socket, &byte, 1, 0) == 1;
	case 'p':
		return wait_by_poll(*socket) && read_now(*socket);
	case 'P': /* leaves it to others */
		return wait_by_poll(*socket);
	case 'l':
		return wait_by_select(*socket);
	case 'e':
		return wait_by_epoll(*socket, 0);
	case 'E':
		return wait_by_epoll(*socket, EPOLLET);
	case 'w':
		return watch(*socket);
	case 'c':
		return close(*socket) == 0;
	}
	return false;
}

static _Noreturn void act(int end, const char *cgroup)
{
	g_autofree char *path = g_strconcat(cgroup, "/cgroup.procs", NULL);
	int fd = open(path, O_WRONLY | O_CLOEXEC), held = -1, order;
	bool done = write(fd, "0", 1) == 1;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(fd);
	pass(end, done ? 'y' : 'n', -1);
	while ((order = take(end, &held)) >= 0) {
		done = obey(order, &held);
		pass(end, done ? 'y' : 'n', order == 'd' || order == 't' ? held : -1);
	}
	_exit(0);
}

static void actor_init(struct actor *actor, const char *cgroup)
{
	int ends[2], none = -1;

	g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), ==, 0);
	actor->pid = fork();
	if (actor->pid == 0) {
		close(ends[0]);
		act(ends[1], cgroup);
	}
	close(ends[1]);
	actor->end = ends[0];
	g_assert_cmpint(take(actor->end, &none), ==, 'y');
}

/* Returns the socket it made, or -1. */
static int order(const struct actor *actor, char what, int socket)
{
	int made = -1;

	pass(actor->end, what, socket);
	g_assert_cmpint(take(actor->end, &made), ==, 'y');
	return made;
}

static char *make_cgroup(void)
{
	const char *root = g_file_test("/sys/fs/cgroup/unified/cgroup.procs", G_FILE_TEST_EXISTS)
				   ? "/sys/fs/cgroup/unified"
				   : "/sys/fs/cgroup";
	char *path = g_strdup_printf("%s/ss-test-owner-%d", root, getpid());

	if (g_mkdir(path, 0755) < 0)
		g_error("cannot make '%s': %s", path, g_strerror(errno));
	return path;
}

static void name_cgroup(const struct world *world, const char *cgroup, uint64_t container)
{
	struct stat status;

	g_assert_cmpint(stat(cgroup, &status), ==, 0);
	ss_owner_source_set_container(world->owners, status.st_ino, container);
}

static void name_container(const struct world *world)
{
	name_cgroup(world, world->cgroup, CONTAINER);
}

static void move(const struct actor *actor, const char *cgroup)
{
	g_autofree char *path = g_strconcat(cgroup, "/cgroup.procs", NULL);
	g_autofree char *pid = g_strdup_printf("%d", actor->pid);
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	g_assert_cmpint(write(fd, pid, strlen(pid)), ==, (ssize_t)strlen(pid));
	close(fd);
}

static void ignore_process(const struct ss_owner_record *record, void *user_data)
{
	(void)record;
	(void)user_data;
}

/* Returns a link, -1: the kernel has no such place. */
static int attach_place(const struct world *world)
{
	static const struct {
		enum ss_program program;
		uint32_t flags;
		int type;
	} places[] = {
		[LEAVING] = {SS_PROGRAM_CGROUP_EGRESS, SS_SLOT_L3 | SS_SLOT_BY_SOCKET,
			     BPF_CGROUP_INET_EGRESS},
		[ARRIVING] = {SS_PROGRAM_TC_ETHERNET, SS_SLOT_BY_RECEIVER, TCX_INGRESS},
		[RECEIVED] = {SS_PROGRAM_CGROUP_INGRESS, SS_SLOT_L3 | SS_SLOT_BY_SOCKET,
			      BPF_CGROUP_INET_INGRESS},
	};
	const struct ss_slot slot = {.flags = places[world->place].flags, .netns_id = -1};
	ss_autofd int cgroup = open(world->cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct ss_error error = {0};
	uint32_t number;
	int program;

	if (ss_bpf_source_slot_new(world->source, places[world->place].program, &slot, &number,
				   &program, &error) < 0)
		g_error("%s", error.message);
	return bpf_link_create(program, world->place == ARRIVING ? LO : cgroup,
			       (enum bpf_attach_type)places[world->place].type, NULL);
}

static bool world_init(struct world *world)
{
	const struct ss_bpf_source_options options = {
		.snap_len = SS_SNAPLEN_MAX,
		.ring_size = SS_RING_SIZE_MIN,
		.metadata = true,
		.owners = true,
	};
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	struct ss_error error = {0};
	int fd;

	ss_privilege_raise(); /* for all the test */
	if (unshare(CLONE_NEWNET) < 0) {
		if (g_getenv("CI"))
			g_error("CI must run this as root");
		g_test_skip("needs root");
		return false;
	}
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	g_assert_cmpint(ioctl(fd, SIOCSIFFLAGS, &request), ==, 0);
	close(fd);
	world->cgroup = make_cgroup();
	for (int i = 0; i < ACTORS; i++)
		actor_init(&world->actors[i], world->cgroup);
	if (ss_bpf_source_new(&options, &world->source, &error) < 0 ||
	    ss_owner_source_new(world->source, ignore_process, NULL, &world->owners, &error) < 0 ||
	    ss_owner_source_attach(world->owners, world->cgroup, &error) < 0)
		g_error("%s", error.message);
	world->maps = ss_bpf_source_owner_maps(world->source);
	world->link = attach_place(world);
	return true;
}

static void world_deinit(struct world *world)
{
	for (int i = 0; i < ACTORS; i++) {
		kill(world->actors[i].pid, SIGKILL); /* the others have its end, too */
		close(world->actors[i].end);
		waitpid(world->actors[i].pid, NULL, 0);
	}
	if (world->link >= 0)
		close(world->link);
	ss_owner_source_free(world->owners);
	ss_bpf_source_free(world->source);
	while (g_rmdir(world->cgroup) < 0 && errno == EBUSY)
		g_usleep(1000);
	g_free(world->cgroup);
	ss_privilege_lower();
}

static void in_place(enum place place, void (*check)(const struct world *world))
{
	struct world world = {.place = place};

	if (!world_init(&world))
		return;
	check(&world);
	world_deinit(&world);
}

static void in_world(void (*check)(const struct world *world))
{
	in_place(LEAVING, check);
}

/* Who the kernel says owns it. */
static void expect_in(const struct world *world, int socket, const struct actor *actor,
		      uint64_t container)
{
	struct ss_owner owner;

	g_assert_cmpint(bpf_map_lookup_elem(world->maps.owners, &socket, &owner), ==, 0);
	g_assert_cmpint((pid_t)(uint32_t)owner.process, ==, actor->pid);
	g_assert_cmpuint(owner.container, ==, container);
}

static void expect(const struct world *world, int socket, const struct actor *actor)
{
	expect_in(world, socket, actor, CONTAINER);
}

/* All frames since the last time are of the actor, count of them. */
static void expect_frames(const struct world *world, const struct actor *actor, unsigned count)
{
	struct iovec slices[2];
	unsigned seen = 0;

	while (ss_bpf_source_peek(world->source, slices)) {
		const uint8_t *block = slices[0].iov_base;
		uint32_t size, stored, pid;

		memcpy(&size, block + 4, sizeof(size));
		memcpy(&stored, block + 20, sizeof(stored));
		memcpy(&pid,
		       block + SS_EPB_HEADER_SIZE + ((stored + 3) & ~3u) + SS_SLOT_PROCESS_WORD * 4,
		       sizeof(pid));
		g_assert_cmpint((pid_t)pid, ==, actor->pid);
		ss_bpf_source_consume(world->source, size);
		seen++;
	}
	g_assert_cmpuint(seen, ==, count);
}

/* Sends from the socket to itself, and receives that: times in a row. */
static void use(const struct world *world, const struct actor *actor, int socket, int times)
{
	for (int i = 0; i < times; i++) {
		order(actor, 's', -1);
		expect(world, socket, actor);
	}
	expect_frames(world, actor, (unsigned)times);
	for (int i = 0; i < times; i++) {
		order(actor, 'r', -1);
		expect(world, socket, actor);
	}
}

static void check_passed(const struct world *world)
{
	const struct actor *actors = world->actors;
	int socket;

	name_container(world);
	socket = order(&actors[0], 'd', -1);
	expect(world, socket, &actors[0]);
	order(&actors[1], 'g', socket);
	for (int i = 0; i < ROUNDS; i++)
		use(world, &actors[i % 2], socket, 1 + i % 3);
	close(socket);
}

static void test_passed(void)
{
	in_world(check_passed);
}

/* Only one kind of use in each turn: senders do not receive, receivers do not send. */
static void check_divided(const struct world *world)
{
	const char *reads = ss_bpf_source_tells_reads(world->source) ? "rR" : "rr";
	const struct actor *actors = world->actors;
	int socket;

	name_container(world);
	socket = order(&actors[0], 'd', -1);
	order(&actors[1], 'g', socket);
	order(&actors[2], 'g', socket);
	for (int i = 0; i < ROUNDS; i++) {
		for (int k = 0; k < 2; k++)
			order(&actors[i % 3], 's', -1);
		expect(world, socket, &actors[i % 3]);
		expect_frames(world, &actors[i % 3], 2);
		for (int k = 1; k < 3; k++) {
			order(&actors[(i + k) % 3], reads[i / 3 % 2], -1);
			expect(world, socket, &actors[(i + k) % 3]);
		}
	}
	close(socket);
}

static void test_divided(void)
{
	in_world(check_divided);
}

/* Between containers, as those of one pod do that share a socket's directory. */
static void check_containers(const struct world *world)
{
	const struct actor *actors = world->actors;
	g_autofree char *other = g_strconcat(world->cgroup, "/other", NULL);
	int socket;

	name_container(world);
	g_assert_cmpint(g_mkdir(other, 0755), ==, 0);
	name_cgroup(world, other, CONTAINER + 1);
	move(&actors[1], other);
	socket = order(&actors[0], 'd', -1);
	order(&actors[1], 'g', socket);
	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned sender = i % 2, receiver = i / 2 % 2;

		order(&actors[sender], 's', -1);
		expect_frames(world, &actors[sender], 1);
		expect_in(world, socket, &actors[sender], CONTAINER + sender);
		order(&actors[receiver], 'r', -1);
		expect_in(world, socket, &actors[receiver], CONTAINER + receiver);
	}
	close(socket);
	move(&actors[1], world->cgroup);
	while (g_rmdir(other) < 0 && errno == EBUSY)
		g_usleep(1000);
}

static void test_containers(void)
{
	in_world(check_containers);
}

/* What a connected socket sends only its frames tell. */
static void check_connected(const struct world *world)
{
	const struct actor *actors = world->actors;
	int socket;

	name_container(world);
	socket = order(&actors[0], 'd', -1);
	order(&actors[0], 'o', -1);
	order(&actors[1], 'g', socket);
	order(&actors[2], 'g', socket);
	for (int i = 0; i < ROUNDS; i++) {
		for (int k = 0; k < 3; k++)
			order(&actors[i % 2], 'S', -1);
		expect(world, socket, &actors[i % 2]);
		expect_frames(world, &actors[i % 2], 3);
		for (int k = 0; k < 3; k++) {
			order(&actors[2], 'r', -1);
			expect(world, socket, &actors[2]);
		}
	}
	close(socket);
}

static void test_connected(void)
{
	in_world(check_connected);
}

/* The memory of a socket is likely to be that of the next one. */
static void check_new(const struct world *world)
{
	const struct actor *actors = world->actors;
	int socket;

	name_container(world);
	for (int i = 0; i < ROUNDS; i++) {
		const struct actor *first = &actors[i % 2], *second = &actors[(i + 1) % 2];

		socket = order(first, 'd', -1);
		expect(world, socket, first);
		use(world, first, socket, 2);
		close(socket);
		order(first, 'c', -1);
		socket = order(second, 'd', -1);
		expect(world, socket, second);
		order(first, 'g', socket);
		use(world, i % 4 < 2 ? first : second, socket, 2);
		use(world, i % 4 < 2 ? second : first, socket, 1);
		close(socket);
		order(first, 'c', -1);
		order(second, 'c', -1);
	}
}

static void test_new(void)
{
	in_world(check_new);
}

static void check_read_in_turn(const struct world *world)
{
	const struct actor *actors = world->actors;
	int socket;

	name_container(world);
	socket = order(&actors[0], 't', -1);
	order(&actors[1], 'g', socket);
	for (int i = 0; i < ROUNDS; i++) {
		for (int k = 0; k < 1 + i % 3; k++) {
			order(&actors[i % 2], 'R', -1);
			expect(world, socket, &actors[i % 2]);
		}
	}
	close(socket);
}

static void test_read_in_turn(void)
{
	in_world(check_read_in_turn);
}

/* Blocked in a system call of its order, rather than between orders. */
static bool is_waiting(const struct actor *actor)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/syscall", actor->pid);
	g_autofree char *text = NULL;
	long number;

	if (!g_file_get_contents(path, &text, NULL, NULL) || !g_ascii_isdigit(*text))
		return false;
	number = strtol(text, NULL, 10);
	return number != SYS_recvmsg && number != SYS_sendmsg;
}

static void receive(const struct actor *actor, char how)
{
	int none = -1;

	pass(actor->end, how, -1);
	while (!is_waiting(actor))
		sched_yield();
	g_assert_true(send_from_another());
	g_assert_cmpint(take(actor->end, &none), ==, 'y');
}

static bool can_wait(const struct world *world)
{
	if (world->link >= 0 && g_file_test("/proc/self/syscall", G_FILE_TEST_EXISTS))
		return true;
	g_test_skip("needs Linux 6.6, with /proc/PID/syscall");
	return false;
}

/* A datagram is of who waits for it, before anybody has read one. */
static void check_waiting(const struct world *world)
{
	const struct actor *actors = world->actors;
	static const char ways[] = "rRpleE";
	int socket;

	if (!can_wait(world))
		return;
	name_container(world);
	socket = order(&actors[0], 'd', -1);
	order(&actors[1], 'g', socket);
	order(&actors[2], 'g', socket);
	order(&actors[0], 'w', -1);
	for (int i = 0; i < ROUNDS; i++) {
		const struct actor *actor = &actors[(i + i / 6 + 1) % 3];

		receive(actor, ways[i % (int)(sizeof(ways) - 1)]);
		expect_frames(world, actor, 1);
		expect(world, socket, actor);
	}
	close(socket);
}

static void test_waiting(void)
{
	in_place(ARRIVING, check_waiting);
}

static void test_waiting_for_cgroup(void)
{
	in_place(RECEIVED, check_waiting);
}

/* Who waited leaves the datagram to one that read the ones before. */
static void check_left(const struct world *world)
{
	const struct actor *actors = world->actors;
	int socket;

	if (!can_wait(world))
		return;
	name_container(world);
	socket = order(&actors[0], 'd', -1);
	order(&actors[1], 'g', socket);
	for (int i = 0; i < ROUNDS; i++) {
		receive(&actors[0], 'r');
		expect_frames(world, &actors[0], 1);
		receive(&actors[1], 'P');
		expect_frames(world, &actors[1], 1);
		expect(world, socket, &actors[1]);
		order(&actors[0], 'r', -1);
		expect(world, socket, &actors[0]);
	}
	close(socket);
}

static void test_left(void)
{
	in_place(ARRIVING, check_left);
}

/* A frame arrives while its sender runs, not who receives it. */
static void check_running(const struct world *world)
{
	const struct actor *actors = world->actors;
	int socket;

	name_container(world);
	socket = order(&actors[0], 'd', -1);
	for (int i = 0; i < ROUNDS; i++) {
		order(&actors[1], 'x', -1);
		expect(world, socket, &actors[0]);
	}
	for (int i = 0; i < ROUNDS; i++) /* now all have arrived */
		order(&actors[0], 'R', -1);
	expect_frames(world, &actors[0], ROUNDS);
	close(socket);
}

static void test_running(void)
{
	in_place(RECEIVED, check_running);
}

/* Who uses a socket before its container has a name is told with it later. */
static void check_container(const struct world *world)
{
	const struct actor *actor = &world->actors[0];
	struct ss_owner owner;
	int socket = order(actor, 'd', -1);

	for (int i = 0; i < 3; i++) {
		order(actor, 's', -1);
		order(actor, 'r', -1);
		g_assert_cmpint(bpf_map_lookup_elem(world->maps.owners, &socket, &owner), ==, 0);
		g_assert_cmpint((pid_t)(uint32_t)owner.process, ==, actor->pid);
		g_assert_cmpuint(owner.container, ==, 0);
	}
	expect_frames(world, actor, 3);
	name_container(world);
	use(world, actor, socket, 2);
	close(socket);
}

static void test_container(void)
{
	in_world(check_container);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/owner/passed-back-and-forth", test_passed);
	g_test_add_func("/owner/sends-and-receives-are-of-different-processes", test_divided);
	g_test_add_func("/owner/passed-between-containers", test_containers);
	g_test_add_func("/owner/connected-and-passed", test_connected);
	g_test_add_func("/owner/new-socket-after-another", test_new);
	g_test_add_func("/owner/connection-read-in-turn", test_read_in_turn);
	g_test_add_func("/owner/datagram-is-of-who-waits", test_waiting);
	g_test_add_func("/owner/datagram-in-cgroup-is-of-who-waits", test_waiting_for_cgroup);
	g_test_add_func("/owner/datagram-is-left-to-another", test_left);
	g_test_add_func("/owner/arrives-while-another-runs", test_running);
	g_test_add_func("/owner/container-known-later", test_container);
	return g_test_run();
}
