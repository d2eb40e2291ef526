/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * web: a small HTTP/1.1 server, the only file of a distroless test image.
 *
 * One thread, one epoll loop, keep-alive and pipelining. It answers
 *   /            a line of text             /bytes/N      N bytes, up to 1 GiB
 *   /api/users   a line of JSON             /status/CODE  an empty answer with that status
 * and 404 to everything else. Usage: web [PORT], 8080 when not given.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD_MAX  8192         /* longest request head we read */
#define BYTES_MAX (1ULL << 30) /* longest /bytes answer */
#define USERS     "[{\"id\":1,\"name\":\"ada\"},{\"id\":2,\"name\":\"grace\"}]\n"

struct client {
	int fd;
	bool close;                    /* after what is queued has left */
	size_t in_length;              /* unread request bytes in `in` */
	unsigned long long skip;       /* request body bytes still to throw away */
	size_t out_offset, out_length; /* queued answer head (and short body) in `out` */
	unsigned long long fill;       /* bytes of filler that follow `out` */
	char in[HEAD_MAX];
	char out[1024];
};

static char filler[65536];

static const char *reason(unsigned int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 204:
		return "No Content";
	case 400:
		return "Bad Request";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 431:
		return "Request Header Fields Too Large";
	case 500:
		return "Internal Server Error";
	case 503:
		return "Service Unavailable";
	default:
		return "Status";
	}
}

static void answer(struct client *c, unsigned int status, const char *type, const char *body,
		   unsigned long long fill, bool head_only)
{
	/* 1xx, 204 and 304 never have a body, nor a length. */
	bool bare = status < 200 || status == 204 || status == 304;
	char length[48] = "";
	int n;

	if (!bare)
		snprintf(length, sizeof(length), "Content-Length: %llu\r\n",
			 body ? (unsigned long long)strlen(body) : fill);
	n = snprintf(c->out, sizeof(c->out),
		     "HTTP/1.1 %u %s\r\nServer: web\r\nContent-Type: %s\r\n%s%s\r\n%s", status,
		     reason(status), type, length, c->close ? "Connection: close\r\n" : "",
		     body && !bare && !head_only ? body : "");
	c->out_offset = 0;
	c->out_length = (size_t)n;
	c->fill = bare || head_only ? 0 : fill;
}

/* The number that is all of `text`; false when it is anything else or larger than `max`. */
static bool parse_number(const char *text, unsigned long long max, unsigned long long *ret_number)
{
	unsigned long long number = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		number = number * 10 + (unsigned long long)(*text - '0');
		if (number > max)
			return false;
	}
	*ret_number = number;
	return true;
}

static void route(struct client *c, const char *path, bool head_only)
{
	unsigned long long number;

	if (!strcmp(path, "/"))
		answer(c, 200, "text/plain", "hello from web\n", 0, head_only);
	else if (!strcmp(path, "/api/users"))
		answer(c, 200, "application/json", USERS, 0, head_only);
	else if (!strncmp(path, "/bytes/", 7) && parse_number(path + 7, BYTES_MAX, &number))
		answer(c, 200, "application/octet-stream", NULL, number, head_only);
	else if (!strncmp(path, "/status/", 8) && parse_number(path + 8, 599, &number) &&
		 number >= 200)
		answer(c, (unsigned int)number, "text/plain", "", 0, head_only);
	else
		answer(c, 404, "text/plain", "not found\n", 0, head_only);
}

static void refuse(struct client *c, unsigned int status)
{
	c->close = true;
	c->in_length = 0;
	answer(c, status, "text/plain", "", 0, false);
}

/* One request head, zero-terminated, without its last empty line. */
static void handle(struct client *c, char *head)
{
	char *line = head, *next = strstr(head, "\r\n"), *method = head, *path, *version, *query;

	if (next)
		*next = '\0';
	path = strchr(method, ' ');
	version = path ? strchr(path + 1, ' ') : NULL;
	if (!version || strncmp(version + 1, "HTTP/1.", 7))
		return refuse(c, 400);
	*path++ = '\0';
	*version++ = '\0';
	c->close = !strcmp(version, "HTTP/1.0");
	while (next) {
		line = next + 2;
		next = strstr(line, "\r\n");
		if (next)
			*next = '\0';
		if (!strncasecmp(line, "Content-Length:", 15)) {
			line += 15 + strspn(line + 15, " \t");
			if (!parse_number(line, BYTES_MAX, &c->skip))
				return refuse(c, 400);
		} else if (!strncasecmp(line, "Transfer-Encoding:", 18)) {
			return refuse(c, 400);
		} else if (!strncasecmp(line, "Connection:", 11) && strcasestr(line, "close")) {
			c->close = true;
		}
	}
	query = strchr(path, '?');
	if (query)
		*query = '\0';
	route(c, path, !strcmp(method, "HEAD"));
}

/* Take the next request off the input, if it is whole. True when it queued an answer. */
static bool next_request(struct client *c)
{
	char head[HEAD_MAX + 1];
	size_t drop = c->in_length < c->skip ? c->in_length : (size_t)c->skip;
	char *end;

	c->skip -= drop;
	c->in_length -= drop;
	memmove(c->in, c->in + drop, c->in_length);
	end = memmem(c->in, c->in_length, "\r\n\r\n", 4);
	if (!end) {
		if (c->in_length < sizeof(c->in))
			return false;
		refuse(c, 431);
		return true;
	}
	memcpy(head, c->in, (size_t)(end - c->in));
	head[end - c->in] = '\0';
	end += 4;
	c->in_length -= (size_t)(end - c->in);
	memmove(c->in, end, c->in_length);
	handle(c, head);
	return true;
}

/* Write what is queued. 1 when all has left, 0 when the socket is full, -1 when it is gone. */
static int flush(struct client *c)
{
	while (c->out_offset < c->out_length || c->fill) {
		bool head = c->out_offset < c->out_length;
		const char *data = head ? c->out + c->out_offset : filler;
		size_t length = head ? c->out_length - c->out_offset : sizeof(filler);
		ssize_t n;

		if (!head && length > c->fill)
			length = (size_t)c->fill;
		n = send(c->fd, data, length, MSG_NOSIGNAL | (head && c->fill ? MSG_MORE : 0));
		if (n < 0)
			return errno == EAGAIN ? 0 : -1; /* no handler returns: no EINTR */
		if (head)
			c->out_offset += (size_t)n;
		else
			c->fill -= (unsigned long long)n;
	}
	return 1;
}

/* Everything that can be done now without waiting. False when the connection is over. */
static bool serve(struct client *c)
{
	for (;;) {
		int r = flush(c);
		ssize_t n;

		if (r <= 0)
			return r == 0;
		if (c->close)
			return false;
		if (next_request(c))
			continue;
		n = recv(c->fd, c->in + c->in_length, sizeof(c->in) - c->in_length, 0);
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n <= 0)
			return false;
		c->in_length += (size_t)n;
	}
}

static int listen_on(unsigned short port)
{
	struct sockaddr_in6 any6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in any4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	int one = 1, zero = 0, fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
	bool v6 = fd >= 0;

	if (!v6)
		fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (v6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	if (bind(fd, v6 ? (struct sockaddr *)&any6 : (struct sockaddr *)&any4,
		 v6 ? sizeof(any6) : sizeof(any4)) < 0 ||
	    listen(fd, 1024) < 0) {
		fprintf(stderr, "web: cannot listen on port %u: %s\n", port, strerror(errno));
		exit(1);
	}
	return fd;
}

static void accept_client(int epoll_fd, int listen_fd)
{
	int one = 1, fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct client *c = fd >= 0 ? calloc(1, sizeof(*c)) : NULL;
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};

	if (!c || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
		free(c);
		if (fd >= 0)
			close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->fd = fd;
}

static void end(int signal_number)
{
	(void)signal_number;
	_exit(0);
}

int main(int argc, char **argv)
{
	struct epoll_event event = {.events = EPOLLIN}, events[64];
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC), listen_fd;
	unsigned long long port = 8080;

	if (argc > 2 || (argc == 2 && !parse_number(argv[1], 65535, &port))) {
		fprintf(stderr, "usage: web [PORT]\n");
		return 2;
	}
	signal(SIGTERM, end);
	signal(SIGINT, end);
	memset(filler, 'x', sizeof(filler));
	listen_fd = listen_on((unsigned short)port);
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listen_fd, &event);
	for (;;) {
		int i, count = epoll_wait(epoll_fd, events, 64, -1);

		for (i = 0; i < count; i++) {
			struct client *c = events[i].data.ptr;

			if (!c) {
				accept_client(epoll_fd, listen_fd);
			} else if (!serve(c)) {
				close(c->fd);
				free(c);
			}
		}
	}
}
