/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a mesh's proxy does with connections that iptables redirects to it: asks the kernel where
 * they were to go, and carries their bytes there over TLS. `openssl s_client` speaks it, one
 * process a connection.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT             15001
#define SO_ORIGINAL_DST4 80 /* of IPPROTO_IP and IPPROTO_IPV6: linux/netfilter_ipv4.h, _ipv6/ */

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

/* "10.0.0.1:80" or "[fd00::1]:80". */
static void original_destination(int fd, char *text, size_t size)
{
	char address[INET6_ADDRSTRLEN];
	struct sockaddr_in6 six;
	struct sockaddr_in four;
	socklen_t length = sizeof(four);

	if (getsockopt(fd, IPPROTO_IP, SO_ORIGINAL_DST4, &four, &length) == 0) {
		inet_ntop(AF_INET, &four.sin_addr, address, sizeof(address));
		snprintf(text, size, "%s:%d", address, ntohs(four.sin_port));
		return;
	}
	length = sizeof(six);
	if (getsockopt(fd, IPPROTO_IPV6, SO_ORIGINAL_DST4, &six, &length) < 0)
		fail("SO_ORIGINAL_DST");
	inet_ntop(AF_INET6, &six.sin6_addr, address, sizeof(address));
	snprintf(text, size, "[%s]:%d", address, ntohs(six.sin6_port));
}

static void serve(int fd)
{
	char destination[INET6_ADDRSTRLEN + 10];

	original_destination(fd, destination, sizeof(destination));
	dup2(fd, STDIN_FILENO);
	dup2(fd, STDOUT_FILENO);
	close(fd);
	execl("/usr/bin/openssl", "openssl", "s_client", "-quiet", "-connect", destination,
	      (char *)NULL);
	fail("openssl");
}

int main(void)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(PORT)};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	signal(SIGCHLD, SIG_IGN);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 || listen(fd, 64) < 0)
		fail("listen");
	for (;;) {
		int connection = accept(fd, NULL, NULL);

		if (connection < 0)
			continue;
		if (fork() == 0)
			serve(connection);
		close(connection);
	}
}
