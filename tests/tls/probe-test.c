/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Attaches the TLS source as told and prints every record as a line of JSON, for test_probes.py.
 * A line {"ready": ...} comes first; when stdin ends, counters come last.
 *
 *   probe-test [--keys] [--plaintext] [--ring BYTES] [--budget BYTES] [--no-return-probes]
 *              [--perf-events] --cgroup DIRECTORY... --file PATH FUNCTION:OFFSET[:FLAGS]...
 *
 * FUNCTION is the number in enum ss_tls_function. Files are numbered from 1 in the order given.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <arpa/inet.h>
#include <glib.h>

#include "log.h"
#include "privilege.h"
#include "source/tls.h"

static void hex(const char *name, const uint8_t *bytes, size_t length)
{
	printf(", \"%s\": \"", name);
	for (size_t i = 0; i < length; i++)
		printf("%02x", bytes[i]);
	putchar('"');
}

static void print_kdf(const struct ss_tls_kdf *kdf)
{
	printf(", \"kind\": %u", kdf->kind);
	hex("key", kdf->key, kdf->key_length);
	hex("salt", kdf->salt, kdf->salt_length);
	hex("label", kdf->label, kdf->label_length);
	hex("context", kdf->context, kdf->context_length);
	hex("out", kdf->out, kdf->out_length);
}

static void print_labelled(const struct ss_tls_labelled *labelled)
{
	printf(", \"connection\": %" G_GUINT64_FORMAT, (guint64)labelled->connection);
	hex("label", labelled->label, labelled->label_length);
	hex("random", labelled->random, labelled->random_length);
	hex("secret", labelled->secret, labelled->secret_length);
}

static void print_address(const char *name, const uint8_t address[16], uint16_t port)
{
	char text[INET6_ADDRSTRLEN] = "";

	inet_ntop(AF_INET6, address, text, sizeof(text));
	printf(", \"%s\": [\"%s\", %u]", name, text, port);
}

static void print_data(const struct ss_tls_data *data)
{
	printf(", \"connection\": %" G_GUINT64_FORMAT ", \"position\": %" G_GUINT64_FORMAT
	       ", \"lost\": %u, \"write\": %u, \"state\": %u, \"netns\": %u",
	       (guint64)data->connection, (guint64)data->position, data->lost, data->write,
	       data->socket.state, data->socket.netns);
	print_address("local", data->socket.local, data->socket.local_port);
	print_address("remote", data->socket.remote, data->socket.remote_port);
	hex("data", data->data, data->length);
}

static void print_close(const struct ss_tls_close *close)
{
	printf(", \"connection\": %" G_GUINT64_FORMAT ", \"freed\": %u", (guint64)close->connection,
	       close->freed);
}

static void print_record(const struct ss_tls_record *record, void *user_data)
{
	static const char *const names[] = {"?",     "kdf",  "labelled", "data",
					    "close", "exec", "exit"};
	const void *whole = record;
	char comm[17] = "";

	(void)user_data;
	memcpy(comm, record->comm, sizeof(record->comm));
	printf("{\"type\": \"%s\", \"size\": %u, \"time\": %" G_GUINT64_FORMAT
	       ", \"cgroup\": %" G_GUINT64_FORMAT
	       ", \"pid\": %u, \"tid\": %u, \"library\": %u, \"comm\": \"%s\"",
	       names[record->type < G_N_ELEMENTS(names) ? record->type : 0], record->size,
	       (guint64)record->time_ns, (guint64)record->cgroup_id, record->pid, record->tid,
	       record->library, comm);
	switch (record->type) {
	case SS_TLS_RECORD_KDF:
		print_kdf(whole);
		break;
	case SS_TLS_RECORD_LABELLED:
		print_labelled(whole);
		break;
	case SS_TLS_RECORD_DATA:
		print_data(whole);
		break;
	case SS_TLS_RECORD_CLOSE:
		print_close(whole);
		break;
	}
	puts("}");
}

static void complain(enum ss_log_level level, const char *message, void *user_data)
{
	(void)level;
	(void)user_data;
	fprintf(stderr, "%s\n", message);
}

static int fail(const struct ss_error *error)
{
	fprintf(stderr, "%s\n", error->message);
	return 1;
}

/* Consumes the FUNCTION:OFFSET[:FLAGS] arguments. */
static int attach(struct ss_tls_source *source, char **arguments[], uint32_t number,
		  struct ss_error *error)
{
	g_autoptr(GArray) points = g_array_new(FALSE, FALSE, sizeof(struct ss_tls_point));
	struct ss_tls_attachment *attachment = NULL;
	const char *path = *(*arguments)++;

	while (**arguments && g_ascii_isdigit(***arguments)) {
		g_auto(GStrv) parts = g_strsplit(*(*arguments)++, ":", 3);
		struct ss_tls_point point = {
			.function = (uint32_t)strtoul(parts[0], NULL, 0),
			.offset = strtoull(parts[1], NULL, 0),
			.flags = parts[2] ? (uint32_t)strtoul(parts[2], NULL, 0) : 0,
		};

		g_array_append_val(points, point);
	}
	return ss_tls_source_attach(source, path, number, (const void *)points->data, points->len,
				    &attachment, error);
}

static int select_cgroup(struct ss_tls_source *source, const char *path, struct ss_error *error)
{
	struct stat status;

	if (stat(path, &status) < 0)
		return ss_fail(error, -errno, "cannot read '%s'", path);
	return ss_tls_source_add_cgroup(source, status.st_ino, error);
}

static void follow(struct ss_tls_source *source)
{
	struct pollfd polls[] = {
		{.fd = STDIN_FILENO, .events = POLLIN},
		{.fd = ss_tls_source_fd(source), .events = POLLIN},
	};

	do {
		polls[0].revents = 0;
		poll(polls, G_N_ELEMENTS(polls), 5);
		ss_tls_source_dispatch(source);
		fflush(stdout);
	} while (!polls[0].revents);
}

int main(int argc, char **argv)
{
	struct ss_tls_source_options options = {.record = print_record};
	struct ss_tls_source *source = NULL;
	struct ss_tls_counters counters;
	struct ss_error error = {0};
	uint32_t files = 0;

	(void)argc;
	ss_log_set_callback(complain, NULL);
	for (argv++; *argv && strcmp(*argv, "--cgroup"); argv++) {
		options.keys |= !strcmp(*argv, "--keys");
		options.plaintext |= !strcmp(*argv, "--plaintext");
		options.no_return_probes |= !strcmp(*argv, "--no-return-probes");
		options.perf_events |= !strcmp(*argv, "--perf-events");
		if (!strcmp(*argv, "--ring"))
			options.ring_size = (uint32_t)strtoul(*++argv, NULL, 0);
		else if (!strcmp(*argv, "--budget"))
			options.call_budget = (uint32_t)strtoul(*++argv, NULL, 0);
	}
	ss_privilege_init();
	ss_privilege_raise();
	if (ss_tls_source_new(&options, &source, &error) < 0)
		return fail(&error);
	while (*argv) {
		bool file = !strcmp(*argv++, "--file");
		int r = file ? attach(source, &argv, ++files, &error)
			     : select_cgroup(source, *argv++, &error);

		if (r < 0) {
			ss_tls_source_free(source);
			return fail(&error);
		}
	}
	ss_privilege_lower();
	printf("{\"ready\": %u}\n", files);
	fflush(stdout);
	follow(source);
	ss_tls_source_count(source, &counters);
	printf("{\"records\": %" G_GUINT64_FORMAT ", \"ring_full\": %" G_GUINT64_FORMAT
	       ", \"lost_bytes\": %" G_GUINT64_FORMAT ", \"unreadable\": %" G_GUINT64_FORMAT "}\n",
	       (guint64)counters.records, (guint64)counters.ring_full, (guint64)counters.lost_bytes,
	       (guint64)counters.unreadable);
	fflush(stdout);
	ss_tls_source_free(source);
	return 0;
}
