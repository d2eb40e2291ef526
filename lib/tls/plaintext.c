/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Records find their connection (talk.h), by process and object. One whose object is gone is in the
 * table no more, because another may get its address; it stays among `used` until what records of
 * other CPUs say of it has come.
 */
#include "tls/plaintext.h"

#include <string.h>

#include <glib.h>

#include "clock.h"
#include "tls/ending.h"
#include "tls/talk.h"

#define SWEEP_NS        G_GUINT64_CONSTANT(1000000000) /* how often ended ones are looked for */
#define GAP_FILL_MAX    (1u << 20)                     /* bytes, unless less is asked for */
#define BUFFERED_MAX    (64u << 20)                    /* bytes, over all connections */
#define CONNECTIONS_MAX 4096u

struct ss_tls_plaintext {
	struct ss_tls_talks talks;
	GHashTable *open; /* struct ss_tls_talk *, by pid and id: whose object is there */
	uint64_t swept_ns;
};

static guint talk_hash(gconstpointer key)
{
	const struct ss_tls_talk *talk = key;

	return g_int64_hash(&talk->id) ^ talk->pid;
}

static gboolean talk_equal(gconstpointer a, gconstpointer b)
{
	const struct ss_tls_talk *one = a, *other = b;

	return one->id == other->id && one->pid == other->pid;
}

static struct ss_tls_talk *find(struct ss_tls_plaintext *plaintext, uint32_t pid, uint64_t id)
{
	const struct ss_tls_talk key = {.pid = pid, .id = id};

	return g_hash_table_lookup(plaintext->open, &key);
}

/* Takes it out of the table; false: it was not there any more. */
static bool leave_table(struct ss_tls_plaintext *plaintext, struct ss_tls_talk *talk)
{
	return find(plaintext, talk->pid, talk->id) == talk &&
	       g_hash_table_remove(plaintext->open, talk);
}

static void finish(struct ss_tls_plaintext *plaintext, struct ss_tls_talk *talk, uint64_t time_ns)
{
	leave_table(plaintext, talk);
	ss_tls_talk_finish(talk, time_ns);
}

static void close_talk(struct ss_tls_plaintext *plaintext, struct ss_tls_talk *talk,
		       uint64_t time_ns)
{
	if (leave_table(plaintext, talk))
		ss_tls_talk_close(talk, time_ns);
}

static struct ss_tls_talk *add_talk(struct ss_tls_plaintext *plaintext,
				    const struct ss_tls_data *data)
{
	struct ss_tls_talk *talk = ss_tls_talk_new(&plaintext->talks, data);

	g_hash_table_add(plaintext->open, talk);
	if (plaintext->talks.used.length > CONNECTIONS_MAX)
		finish(plaintext, plaintext->talks.used.head->data, plaintext->talks.latest_ns);
	return talk;
}

static void take_data(struct ss_tls_plaintext *plaintext, const struct ss_tls_data *data)
{
	struct ss_tls_talk *talk;

	if (data->head.size < sizeof(*data) || data->length > data->head.size - sizeof(*data))
		return;
	talk = find(plaintext, data->head.pid, data->connection);
	if (talk && ss_tls_talk_begins_anew(talk, data)) {
		close_talk(plaintext, talk, data->head.time_ns);
		talk = NULL;
	}
	if (!talk)
		talk = add_talk(plaintext, data);
	ss_tls_talk_take(talk, data);
}

static void take_close(struct ss_tls_plaintext *plaintext, const struct ss_tls_close *close)
{
	struct ss_tls_talk *talk;

	if (close->head.size < sizeof(*close))
		return;
	talk = find(plaintext, close->head.pid, close->connection);
	if (talk && close->freed)
		close_talk(plaintext, talk, close->head.time_ns);
	else if (talk)
		ss_tls_talk_shut(talk, close->head.time_ns);
}

static void take_exit(struct ss_tls_plaintext *plaintext, const struct ss_tls_record *record)
{
	for (GList *link = plaintext->talks.used.head, *next; link; link = next) {
		struct ss_tls_talk *talk = link->data;

		next = link->next;
		if (talk->pid == record->pid)
			close_talk(plaintext, talk, record->time_ns);
	}
}

struct ss_tls_plaintext *ss_tls_plaintext_new(struct ss_tls_redact *redact,
					      const struct ss_tls_plaintext_callbacks *callbacks)
{
	struct ss_tls_plaintext *plaintext = g_new0(struct ss_tls_plaintext, 1);

	plaintext->talks.callbacks = *callbacks;
	plaintext->talks.renderer =
		(struct ss_tls_renderer){.redact = redact, .gap_max = GAP_FILL_MAX};
	plaintext->talks.endings = ss_tls_endings_new();
	g_queue_init(&plaintext->talks.used);
	g_queue_init(&plaintext->talks.busy);
	plaintext->open = g_hash_table_new(talk_hash, talk_equal);
	return plaintext;
}

void ss_tls_plaintext_limit_gaps(struct ss_tls_plaintext *plaintext, uint32_t length)
{
	plaintext->talks.renderer.gap_max = MIN(length, GAP_FILL_MAX);
}

void ss_tls_plaintext_free(struct ss_tls_plaintext *plaintext)
{
	if (!plaintext)
		return;
	while (plaintext->talks.used.head)
		finish(plaintext, plaintext->talks.used.head->data, plaintext->talks.latest_ns);
	g_hash_table_unref(plaintext->open);
	g_hash_table_unref(plaintext->talks.endings);
	g_free(plaintext);
}

void ss_tls_plaintext_record(struct ss_tls_plaintext *plaintext, const struct ss_tls_record *record)
{
	struct ss_tls_talks *talks = &plaintext->talks;

	talks->latest_ns = MAX(talks->latest_ns, record->time_ns);
	switch (record->type) {
	case SS_TLS_RECORD_DATA:
		take_data(plaintext, (const struct ss_tls_data *)record);
		break;
	case SS_TLS_RECORD_CLOSE:
		take_close(plaintext, (const struct ss_tls_close *)record);
		break;
	case SS_TLS_RECORD_EXIT:
		take_exit(plaintext, record);
		break;
	default:
		break;
	}
	if (talks->buffered > BUFFERED_MAX) /* nobody flushes */
		ss_tls_plaintext_flush(plaintext, talks->latest_ns + SS_TLS_TALK_WINDOW_NS);
	if (talks->buffered > BUFFERED_MAX)
		ss_tls_plaintext_flush(plaintext, UINT64_MAX);
}

void ss_tls_plaintext_flush(struct ss_tls_plaintext *plaintext, uint64_t now_ns)
{
	struct ss_tls_talks *talks = &plaintext->talks;

	for (GList *link = talks->busy.head, *next; link; link = next) {
		struct ss_tls_talk *talk = link->data;

		next = link->next;
		ss_tls_talk_work(talk, now_ns);
		if (ss_tls_talk_is_over(talk, now_ns)) {
			finish(plaintext, talk, talk->closed_ns ? talk->closed_ns : talk->shut_ns);
		} else if (ss_tls_talk_is_idle(talk)) {
			g_queue_unlink(&talks->busy, &talk->busy);
			talk->is_busy = false;
		}
	}
	if (ss_clock_is_over(plaintext->swept_ns, SWEEP_NS, now_ns)) {
		plaintext->swept_ns = talks->latest_ns;
		ss_tls_endings_sweep(talks->endings, now_ns);
	}
}
