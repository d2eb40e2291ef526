/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conversation [--redact] [--rules FILE] OUTPUT: makes a pcapng of a conversation, as the TLS stage
 * would of its records. Standard input has a line for each thing that happens; time goes on by a
 * millisecond a line:
 *	pid P				whose records the next ones are; connections are by pid and
 *name socket NAME inet ADDRESS PORT ADDRESS PORT	local, remote, from now on socket NAME
 *none|unknown shown NAME			is to be seen in its own packets out|in NAME FILE
 *the process writes or reads what the file holds lose out|in NAME BYTES		without us
 *	cut out|in NAME BYTES		likewise, told of in the record before: it has no data
 *	wait MS				flushes
 *	back MS				time goes back
 *	close|shutdown NAME
 *	exit
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "format/metadata.h"
#include "format/pcapng.h"
#include "output/block.h"
#include "tls/plaintext.h"

#define MS UINT64_C(1000000)

struct talk {
	uint64_t id, position[2];
	struct ss_tls_socket socket;
	bool shown;
};

struct script {
	struct ss_tls_plaintext *plaintext;
	GHashTable *talks; /* struct talk * by "pid name" */
	GByteArray *blocks;
	uint64_t now_ns;
	uint32_t pid;
};

static void on_frame(const struct ss_tls_frame *frame, void *user_data)
{
	struct script *script = user_data;
	const uint8_t metadata[] = {SS_METADATA_DIRECTION, 1,
				    frame->out ? SS_DIRECTION_OUT : SS_DIRECTION_IN};

	ss_block_frame(script->blocks,
		       &(struct ss_block_frame){
			       .interface_id = 0,
			       .time_ns = frame->time_ns,
			       .data = frame->data,
			       .length = frame->length,
			       .flags = frame->out ? SS_EPB_FLAG_OUT : SS_EPB_FLAG_IN,
			       .comment = frame->comment,
			       .metadata = metadata,
			       .metadata_length = sizeof(metadata),
		       });
}

static bool is_shown(const struct ss_tls_socket *socket, void *user_data)
{
	struct script *script = user_data;
	GHashTableIter iter;
	gpointer value;

	g_hash_table_iter_init(&iter, script->talks);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		const struct talk *talk = value;

		if (talk->shown && talk->socket.local_port == socket->local_port &&
		    talk->socket.remote_port == socket->remote_port)
			return true;
	}
	return false;
}

static struct talk *talk_of(struct script *script, const char *name)
{
	g_autofree char *key = g_strdup_printf("%u %s", script->pid, name);
	struct talk *talk = g_hash_table_lookup(script->talks, key);

	if (!talk) {
		talk = g_new0(struct talk, 1);
		talk->id = 0x7f0000000000 + 0x100 * g_hash_table_size(script->talks);
		g_hash_table_insert(script->talks, g_steal_pointer(&key), talk);
	}
	return talk;
}

static void put_address(const char *text, uint8_t *ret_address)
{
	memset(ret_address, 0, 16);
	if (inet_pton(AF_INET, text, ret_address + 12) == 1)
		ret_address[10] = ret_address[11] = 0xff;
	else if (inet_pton(AF_INET6, text, ret_address) != 1)
		g_error("no address: %s", text);
}

static void set_socket(struct ss_tls_socket *socket, char **words)
{
	if (!strcmp(words[0], "inet")) {
		socket->state = SS_TLS_SOCKET_INET;
		put_address(words[1], socket->local);
		socket->local_port = (uint16_t)atoi(words[2]);
		put_address(words[3], socket->remote);
		socket->remote_port = (uint16_t)atoi(words[4]);
		if (words[5])
			socket->netns = (uint32_t)atoi(words[6]);
	} else {
		socket->state =
			!strcmp(words[0], "none") ? SS_TLS_SOCKET_NONE : SS_TLS_SOCKET_UNKNOWN;
	}
}

static void fill_head(const struct script *script, struct ss_tls_record *head,
		      enum ss_tls_record_type type, size_t size)
{
	head->type = type;
	head->size = (uint32_t)size;
	head->time_ns = script->now_ns;
	head->pid = head->tid = script->pid;
	strcpy(head->comm, "conversation");
}

static void say(struct script *script, struct talk *talk, bool out, const char *data, size_t length,
		size_t lost)
{
	struct ss_tls_data *record = g_malloc0(sizeof(*record) + SS_TLS_DATA_MAX);

	do {
		size_t part = MIN(length, SS_TLS_DATA_MAX);

		fill_head(script, &record->head, SS_TLS_RECORD_DATA, sizeof(*record) + part);
		record->connection = talk->id;
		record->position = talk->position[out];
		record->socket = talk->socket;
		record->length = (uint32_t)part;
		record->lost = (uint32_t)(part == length ? lost : 0);
		record->write = out;
		memcpy(record->data, data, part);
		ss_tls_plaintext_record(script->plaintext, &record->head);
		talk->position[out] += part + record->lost;
		data += part;
		length -= part;
	} while (length);
	g_free(record);
}

static void say_file(struct script *script, struct talk *talk, bool out, const char *path)
{
	g_autofree char *contents = NULL;
	gsize length;

	if (!g_file_get_contents(path, &contents, &length, NULL))
		g_error("cannot read '%s'", path);
	say(script, talk, out, contents, length, 0);
}

static void end_talk(struct script *script, struct talk *talk, bool freed)
{
	struct ss_tls_close close = {.connection = talk->id, .freed = freed};

	fill_head(script, &close.head, SS_TLS_RECORD_CLOSE, sizeof(close));
	ss_tls_plaintext_record(script->plaintext, &close.head);
	if (freed)
		talk->position[0] = talk->position[1] = 0;
}

static void run_line(struct script *script, char **words)
{
	const char *verb = words[0];

	script->now_ns += MS;
	if (!strcmp(verb, "pid")) {
		script->pid = (uint32_t)atoi(words[1]);
	} else if (!strcmp(verb, "socket")) {
		set_socket(&talk_of(script, words[1])->socket, words + 2);
	} else if (!strcmp(verb, "shown")) {
		talk_of(script, words[1])->shown = true;
	} else if (!strcmp(verb, "out") || !strcmp(verb, "in")) {
		say_file(script, talk_of(script, words[1]), *verb == 'o', words[2]);
	} else if (!strcmp(verb, "lose")) {
		talk_of(script, words[2])->position[*words[1] == 'o'] += (uint64_t)atoll(words[3]);
	} else if (!strcmp(verb, "cut")) {
		say(script, talk_of(script, words[2]), *words[1] == 'o', "", 0,
		    (size_t)atoll(words[3]));
	} else if (!strcmp(verb, "wait")) {
		script->now_ns += (uint64_t)atoi(words[1]) * MS;
		ss_tls_plaintext_flush(script->plaintext, script->now_ns);
	} else if (!strcmp(verb, "back")) {
		script->now_ns -= (uint64_t)atoi(words[1]) * MS;
	} else if (!strcmp(verb, "close") || !strcmp(verb, "shutdown")) {
		end_talk(script, talk_of(script, words[1]), *verb == 'c');
	} else if (!strcmp(verb, "exit")) {
		struct ss_tls_record record = {0};

		fill_head(script, &record, SS_TLS_RECORD_EXIT, sizeof(record));
		ss_tls_plaintext_record(script->plaintext, &record);
	} else {
		g_error("what is '%s'?", verb);
	}
}

static void run(struct script *script)
{
	struct ss_interface *interface = ss_interface_new("stratoshark-tls", SS_LINKTYPE_RAW);
	char line[4096];

	ss_block_section(script->blocks);
	ss_block_interface(script->blocks, interface);
	ss_interface_free(interface);
	while (fgets(line, sizeof(line), stdin)) {
		g_auto(GStrv) words = g_strsplit(g_strstrip(line), " ", -1);

		if (words[0])
			run_line(script, words);
	}
	ss_tls_plaintext_flush(script->plaintext, UINT64_MAX);
	ss_tls_plaintext_free(script->plaintext);
}

int main(int argc, char **argv)
{
	const struct ss_tls_plaintext_callbacks *callbacks;
	g_autoptr(GOptionContext) context = g_option_context_new("OUTPUT");
	g_autofree char *rules = NULL;
	gboolean redacted = FALSE;
	const GOptionEntry options[] = {
		{"redact", 0, 0, G_OPTION_ARG_NONE, &redacted, "mask secrets", NULL},
		{"rules", 0, 0, G_OPTION_ARG_FILENAME, &rules, "rules beside the built-in", "FILE"},
		{0},
	};
	struct script script = {.now_ns = UINT64_C(1700000000) * 1000 * MS, .pid = 4711};
	struct ss_tls_redact *redact = NULL;
	struct ss_error error = {0};
	bool saved;

	g_option_context_add_main_entries(context, options, NULL);
	if (!g_option_context_parse(context, &argc, &argv, NULL) || argc != 2) {
		fprintf(stderr, "usage: conversation [--redact] [--rules FILE] OUTPUT\n");
		return EXIT_FAILURE;
	}
	if ((redacted || rules) && ss_tls_redact_new(rules, &redact, &error) < 0) {
		fprintf(stderr, "%s\n", error.message);
		return EXIT_FAILURE;
	}
	callbacks = &(struct ss_tls_plaintext_callbacks){on_frame, is_shown, &script};
	script.talks = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	script.blocks = g_byte_array_new();
	script.plaintext = ss_tls_plaintext_new(redact, callbacks);
	run(&script);
	saved = g_file_set_contents(argv[1], (const char *)script.blocks->data, script.blocks->len,
				    NULL);
	g_byte_array_unref(script.blocks);
	g_hash_table_unref(script.talks);
	ss_tls_redact_free(redact);
	return saved ? EXIT_SUCCESS : EXIT_FAILURE;
}
