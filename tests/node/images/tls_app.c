/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HTTPS server and client on the interface that OpenSSL and BoringSSL share, for a test image.
 *
 *	tls_app serve PORT                with /tls/server.pem and .key, a process for each client
 *	tls_app get ADDRESS PORT PATH...  one connection; POST when PATH is /post/N
 *
 * The same paths as tls_app.py. SSLKEYLOGFILE is obeyed.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/sha.h>
#include <openssl/ssl.h>

#define MESSAGE_MAX (32u << 20) /* head and body */

/* What was read of a connection, and not taken yet. */
struct reader {
	SSL *ssl;
	char *bytes;
	size_t length;
};

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void keylog(const SSL *ssl, const char *line)
{
	int fd = open(getenv("SSLKEYLOGFILE"), O_WRONLY | O_CREAT | O_APPEND, 0600);
	char text[512];
	int length = snprintf(text, sizeof(text), "%s\n", line);

	(void)ssl;
	if (fd < 0 || write(fd, text, (size_t)length) != length)
		fail("SSLKEYLOGFILE");
	close(fd);
}

static void fill_body(char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		size_t at = i % 65536;

		bytes[i] = (char)(at * 31 + (at >> 8) * 17 + size);
	}
}

static void hex_digest(const void *bytes, size_t size, char text[65])
{
	uint8_t digest[32];

	SHA256(bytes, size, digest);
	for (int i = 0; i < 32; i++)
		sprintf(text + 2 * i, "%02x", digest[i]);
}

/* In one call, however large. */
static int send_message(SSL *ssl, const char *head, const char *body, size_t size)
{
	size_t length = strlen(head) + size;
	char *message = malloc(length);
	int done;

	memcpy(message, head, strlen(head));
	memcpy(message + strlen(head), body, size);
	done = SSL_write(ssl, message, (int)length);
	free(message);
	return done == (int)length ? 0 : -1;
}

static size_t content_length(const char *head)
{
	const char *found = strcasestr(head, "content-length:");

	return found ? strtoul(found + 15, NULL, 10) : 0;
}

/* Reads head (ends in '\0') and body of one message; both belong to the reader. */
static int read_message(struct reader *reader, char **ret_head, char **ret_body, size_t *ret_size)
{
	for (;;) {
		char *end = memmem(reader->bytes, reader->length, "\r\n\r\n", 4);
		int got;

		if (end) {
			*end = '\0';
			*ret_head = reader->bytes;
			*ret_body = end + 4;
			*ret_size = content_length(reader->bytes);
			if (*ret_size <= reader->length - (size_t)(*ret_body - reader->bytes))
				return 0;
			*end = '\r';
		}
		got = SSL_read(reader->ssl, reader->bytes + reader->length,
			       (int)(MESSAGE_MAX - reader->length));
		if (got <= 0)
			return -1;
		reader->length += (size_t)got;
	}
}

static void take_message(struct reader *reader, const char *body, size_t size)
{
	size_t taken = (size_t)(body - reader->bytes) + size;

	memmove(reader->bytes, reader->bytes + taken, reader->length - taken);
	reader->length -= taken;
}

static int answer(SSL *ssl, const char *path, const char *posted, size_t posted_size)
{
	size_t size = strncmp(path, "/bytes/", 7) ? 512 : strtoul(path + 7, NULL, 10);
	char *body = malloc(size + 65), head[256];
	int r;

	if (!strncmp(path, "/bytes/", 7)) {
		fill_body(body, size);
	} else if (!strncmp(path, "/post/", 6)) {
		hex_digest(posted, posted_size, body);
		size = 64;
	} else if (!strcmp(path, "/api/payment")) {
		size = (size_t)sprintf(body, "{\"status\": \"accepted\"}\n");
	} else {
		size = (size_t)snprintf(body, size, "answer to %s\n", path);
	}
	snprintf(head, sizeof(head),
		 "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n",
		 size);
	r = send_message(ssl, head, body, size);
	free(body);
	return r;
}

static void serve_one(SSL *ssl)
{
	struct reader reader = {ssl, malloc(MESSAGE_MAX), 0};
	char *head, *body, path[256];
	size_t size;

	if (SSL_accept(ssl) != 1)
		return;
	while (read_message(&reader, &head, &body, &size) == 0) {
		if (sscanf(head, "%*s %255s", path) != 1 || answer(ssl, path, body, size) < 0)
			break;
		take_message(&reader, body, size);
	}
	SSL_shutdown(ssl);
	SSL_free(ssl);
}

static void serve(SSL_CTX *context, uint16_t port)
{
	int listener = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};

	if (SSL_CTX_use_certificate_chain_file(context, "/tls/server.pem") != 1 ||
	    SSL_CTX_use_PrivateKey_file(context, "/tls/server.key", SSL_FILETYPE_PEM) != 1) {
		fprintf(stderr, "/tls/server.pem and /tls/server.key can't be used\n");
		exit(1);
	}
	signal(SIGCHLD, SIG_IGN);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(listener, 128) < 0)
		fail("listen");
	for (;;) {
		int client = accept(listener, NULL, NULL);

		if (client < 0)
			continue;
		if (fork() == 0) {
			SSL *ssl = SSL_new(context);

			SSL_set_fd(ssl, client);
			serve_one(ssl);
			exit(0);
		}
		close(client);
	}
}

static void get(SSL_CTX *context, const char *host, uint16_t port, char **paths)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct reader reader = {SSL_new(context), malloc(MESSAGE_MAX), 0};
	int connection = socket(AF_INET, SOCK_STREAM, 0);

	inet_pton(AF_INET, host, &address.sin_addr);
	if (connect(connection, (struct sockaddr *)&address, sizeof(address)) < 0)
		fail("connect");
	SSL_set_fd(reader.ssl, connection);
	if (SSL_connect(reader.ssl) != 1) {
		fprintf(stderr, "the TLS handshake failed\n");
		exit(1);
	}
	for (; *paths; paths++) {
		size_t size = strncmp(*paths, "/post/", 6) ? 0 : strtoul(*paths + 6, NULL, 10);
		char head[512], text[65], *posted = malloc(size + 1), *answered, *body;

		fill_body(posted, size);
		snprintf(head, sizeof(head),
			 "%s %s HTTP/1.1\r\nHost: server.test\r\nContent-Length: %zu\r\n\r\n",
			 size ? "POST" : "GET", *paths, size);
		if (send_message(reader.ssl, head, posted, size) < 0 ||
		    read_message(&reader, &answered, &body, &size) < 0) {
			fprintf(stderr, "the connection ended early\n");
			exit(1);
		}
		hex_digest(body, size, text);
		printf("%s %s\n", text, *paths);
		take_message(&reader, body, size);
		free(posted);
	}
	SSL_shutdown(reader.ssl);
	SSL_free(reader.ssl);
}

int main(int argc, char **argv)
{
	SSL_CTX *context = SSL_CTX_new(TLS_method());

	signal(SIGPIPE, SIG_IGN);
	if (getenv("SSLKEYLOGFILE"))
		SSL_CTX_set_keylog_callback(context, keylog);
	if (argc > 2 && !strcmp(argv[1], "serve")) {
		serve(context, (uint16_t)atoi(argv[2]));
	} else if (argc > 4 && !strcmp(argv[1], "get")) {
		get(context, argv[2], (uint16_t)atoi(argv[3]), argv + 4);
	} else {
		fprintf(stderr, "usage: tls_app serve PORT | get ADDRESS PORT PATH...\n");
		return 2;
	}
	return 0;
}
