/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of exchanges. All have the same timeout, so the queue of open ones is in the order of
 * their deadlines. A decided one is kept for a while behind its deadline: late and repeated answers
 * get its verdict. What could surprise: the ends alone do not name an exchange; clients use an id
 * again for another question (A and AAAA from one socket), so those of a key are chained.
 */
#include "analysis/exchange.h"

#include <netinet/in.h>
#include <string.h>

#include "hash.h"

#define EXCHANGES_MAX 65536
#define SAME_KEY_MAX  64             /* of these: to look for one is to walk them */
#define SEARCH_NS     1000000000ull  /* a resolver tries the next name of its list before */
#define SEARCHES      1024           /* lists of these, by what the name begins with */
#define LATE_NS       30000000000ull /* an exchange is remembered so long after its deadline */

/* Compared as bytes. */
struct key {
	struct ss_endpoint client, server;
	uint32_t place;
	uint16_t id;
	uint8_t protocol;
	uint8_t connects; /* not a query: the connection itself */
};

struct exchange {
	struct key key;
	struct exchange *next; /* of the same key, older */
	GList link;            /* in open or late */
	bool is_late;
	bool decided;
	bool is_tried;       /* NXDOMAIN, which may be a step through a search list: in trials */
	GList trial, search; /* likewise; in searches */
	uint64_t trial_ns, latency_ns;    /* when that is over; of the answer */
	bool is_searched;                 /* that is what it was */
	enum ss_exchange_failure failure; /* told of; the last */
	uint16_t rcode;                   /* likewise */
	uint64_t asked_ns, deadline_ns;
	unsigned asked;
	char *name; /* NULL: no question */
	uint16_t type, class;
	GPtrArray *frames; /* that wait; borrowed */
};

struct ss_exchanges {
	struct ss_exchanges_options options;
	GHashTable *table;         /* struct key → struct exchange, the newest */
	GQueue open, late;         /* by deadline */
	GQueue trials;             /* by trial_ns */
	GQueue searches[SEARCHES]; /* the same ones, see searches_of() */
	struct ss_exchange_counts counts;
};

static guint hash_key(gconstpointer pointer)
{
	return ss_hash_words(pointer, sizeof(struct key));
}

static gboolean same_key(gconstpointer a, gconstpointer b)
{
	return memcmp(a, b, sizeof(struct key)) == 0;
}

struct ss_exchanges *ss_exchanges_new(const struct ss_exchanges_options *options)
{
	struct ss_exchanges *exchanges = g_new0(struct ss_exchanges, 1);

	exchanges->options = *options;
	exchanges->table = g_hash_table_new(hash_key, same_key);
	g_queue_init(&exchanges->open);
	g_queue_init(&exchanges->late);
	g_queue_init(&exchanges->trials);
	for (unsigned i = 0; i < SEARCHES; i++)
		g_queue_init(&exchanges->searches[i]);
	return exchanges;
}

/* The exchange's frames get their verdict. */
static void settle_frames(struct exchange *exchange, bool wanted)
{
	for (guint i = 0; exchange->frames && i < exchange->frames->len; i++) {
		struct ss_exchange_frame *frame = exchange->frames->pdata[i];

		frame->waits--;
		frame->wanted |= wanted;
	}
	g_clear_pointer(&exchange->frames, g_ptr_array_unref);
}

static void unlink_key(struct ss_exchanges *exchanges, struct exchange *exchange)
{
	struct exchange *first = g_hash_table_lookup(exchanges->table, &exchange->key);

	if (first == exchange) {
		g_hash_table_remove(exchanges->table, &exchange->key);
		if (exchange->next)
			g_hash_table_insert(exchanges->table, &exchange->next->key, exchange->next);
		return;
	}
	while (first->next != exchange)
		first = first->next;
	first->next = exchange->next;
}

/* Those of a client for names that begin with the same label, and a few others. */
static GQueue *searches_of(struct ss_exchanges *exchanges, const struct ss_endpoint *client,
			   const char *name)
{
	guint hash = ss_hash_words(client->address, sizeof(client->address));

	for (; *name && *name != '.'; name++)
		hash = hash * 33 + (guchar)g_ascii_tolower(*name);
	return &exchanges->searches[hash % SEARCHES];
}

static void leave_trials(struct ss_exchanges *exchanges, struct exchange *exchange)
{
	exchange->is_tried = false;
	g_queue_unlink(&exchanges->trials, &exchange->trial);
	g_queue_unlink(searches_of(exchanges, &exchange->key.client, exchange->name),
		       &exchange->search);
}

/* Undecided: its frames are wanted, for want of a verdict. */
static void forget(struct ss_exchanges *exchanges, struct exchange *exchange)
{
	if (exchange->frames) {
		exchanges->counts.unjudged++;
		settle_frames(exchange, true);
	}
	if (exchange->is_tried)
		leave_trials(exchanges, exchange);
	unlink_key(exchanges, exchange);
	g_queue_unlink(exchange->is_late ? &exchanges->late : &exchanges->open, &exchange->link);
	g_free(exchange->name);
	g_free(exchange);
}

void ss_exchanges_free(struct ss_exchanges *exchanges)
{
	if (!exchanges)
		return;
	ss_exchanges_release(exchanges);
	while (exchanges->open.head)
		forget(exchanges, exchanges->open.head->data);
	while (exchanges->late.head)
		forget(exchanges, exchanges->late.head->data);
	g_hash_table_unref(exchanges->table);
	g_free(exchanges);
}

/* Somebody uses an id again and again: the oldest one with it gives way. */
static void make_room(struct ss_exchanges *exchanges, const struct key *key)
{
	struct exchange *oldest = g_hash_table_lookup(exchanges->table, key);
	unsigned count = oldest ? 1 : 0;

	for (; oldest && oldest->next; oldest = oldest->next)
		count++;
	if (count >= SAME_KEY_MAX)
		forget(exchanges, oldest);
	if (exchanges->open.length + exchanges->late.length >= EXCHANGES_MAX)
		forget(exchanges,
		       (exchanges->late.head ? exchanges->late.head : exchanges->open.head)->data);
}

static struct exchange *add(struct ss_exchanges *exchanges, const struct key *key, uint64_t time_ns,
			    uint64_t now_ns)
{
	struct exchange *exchange = g_new0(struct exchange, 1);

	make_room(exchanges, key);
	exchange->key = *key;
	exchange->link.data = exchange;
	exchange->asked_ns = time_ns;
	exchange->deadline_ns = now_ns + exchanges->options.timeout_ns;
	exchange->next = g_hash_table_lookup(exchanges->table, key);
	g_hash_table_replace(exchanges->table, &exchange->key, exchange);
	g_queue_push_tail_link(&exchanges->open, &exchange->link);
	return exchange;
}

static void count_failure(struct ss_exchanges *exchanges, enum ss_exchange_failure failure,
			  uint16_t rcode)
{
	exchanges->counts.failed[failure]++;
	if (failure == SS_EXCHANGE_RCODE && rcode == SS_DNS_NXDOMAIN)
		exchanges->counts.nxdomain++;
}

/* Another verdict takes the place of the one there is. */
static void uncount(struct ss_exchanges *exchanges, const struct exchange *exchange)
{
	if (!exchange->decided)
		return;
	if (exchange->failure == SS_EXCHANGE_FINE)
		exchanges->counts.fine--;
	else
		exchanges->counts.failed[exchange->failure]--;
	if (exchange->failure == SS_EXCHANGE_RCODE && exchange->rcode == SS_DNS_NXDOMAIN)
		exchanges->counts.nxdomain--;
}

static struct ss_exchange_report describe(const struct exchange *exchange,
					  enum ss_exchange_failure failure)
{
	return (struct ss_exchange_report){
		.place = exchange->key.place,
		.protocol = exchange->key.protocol,
		.client = exchange->key.client,
		.server = exchange->key.server,
		.failure = failure,
		.name = exchange->name,
		.type = exchange->type,
		.asked = exchange->asked,
	};
}

/* The verdict about an exchange, or another one: it counts once, as the failure it was at last. */
static void decide(struct ss_exchanges *exchanges, struct exchange *exchange,
		   const struct ss_exchange_report *report)
{
	bool failed = report->failure != SS_EXCHANGE_FINE;

	if (failed && (!exchange->decided || exchange->failure != report->failure)) {
		uncount(exchanges, exchange);
		exchange->failure = report->failure;
		exchange->rcode = report->rcode;
		count_failure(exchanges, report->failure, report->rcode);
		exchanges->options.failed(report, exchanges->options.user_data);
	}
	exchanges->counts.fine += !failed && !exchange->decided;
	exchange->decided = true;
	settle_frames(exchange, failed);
}

/* How an answer without regard to its time went. */
static enum ss_exchange_failure judge(const struct ss_exchanges *exchanges,
				      const struct ss_dns_message *answer)
{
	if (answer->rcode == SS_DNS_NXDOMAIN && exchanges->options.nxdomain_is_fine)
		return SS_EXCHANGE_FINE;
	if (answer->rcode != SS_DNS_NOERROR)
		return SS_EXCHANGE_RCODE;
	return answer->is_truncated ? SS_EXCHANGE_TRUNCATED : SS_EXCHANGE_FINE;
}

static void want(GPtrArray *frames)
{
	for (guint i = 0; i < frames->len; i++)
		((struct ss_exchange_frame *)frames->pdata[i])->wanted = true;
}

static bool is_about(const struct exchange *exchange, const struct ss_dns_message *message)
{
	/* An answer to what was not understood may come without the question. */
	if (!message->has_question || !exchange->name)
		return message->is_answer || message->has_question == !!exchange->name;
	return exchange->type == message->type && exchange->class == message->class &&
	       g_ascii_strcasecmp(exchange->name, message->name) == 0;
}

static struct key key_of(const struct ss_exchange_flow *flow, bool back, uint16_t id)
{
	return (struct key){
		.client = back ? flow->destination : flow->source,
		.server = back ? flow->source : flow->destination,
		.place = flow->place,
		.id = id,
		.protocol = flow->protocol,
	};
}

static struct exchange *find(const struct ss_exchanges *exchanges, const struct key *key,
			     const struct ss_dns_message *message)
{
	struct exchange *exchange = g_hash_table_lookup(exchanges->table, key);

	while (exchange && message && !is_about(exchange, message))
		exchange = exchange->next;
	return exchange;
}

static void wait_for(struct exchange *exchange, struct ss_exchange_frame *frame)
{
	if (!exchange->frames)
		exchange->frames = g_ptr_array_new();
	g_ptr_array_add(exchange->frames, frame);
	frame->waits++;
}

/* --- Search lists --- */

/* A resolver with "search a.b b" asks for x.a.b, x.b, x: is the found name another one of these?
 * The names begin alike, and what follows in the found one ends the missing one, too. */
static bool is_of_search(const char *missing, const char *found)
{
	size_t same = 0, rest;

	for (size_t i = 0; missing[i] && g_ascii_tolower(missing[i]) == g_ascii_tolower(found[i]);
	     i++)
		if (missing[i + 1] == '.' && (found[i + 1] == '.' || !found[i + 1]))
			same = i + 1;
	if (!same || strlen(missing) <= strlen(found))
		return false;
	rest = strlen(found) - same;
	return g_ascii_strcasecmp(missing + strlen(missing) - rest, found + same) == 0;
}

static void end_trial(struct ss_exchanges *exchanges, struct exchange *exchange, bool is_fine)
{
	struct ss_exchange_report report =
		describe(exchange, is_fine ? SS_EXCHANGE_FINE : SS_EXCHANGE_RCODE);

	report.answered = report.timed = true;
	report.rcode = SS_DNS_NXDOMAIN;
	report.latency_ns = exchange->latency_ns;
	leave_trials(exchanges, exchange);
	exchange->is_searched = is_fine;
	exchanges->counts.searched += is_fine;
	decide(exchanges, exchange, &report);
}

static void begin_trial(struct ss_exchanges *exchanges, struct exchange *exchange,
			uint64_t latency_ns, uint64_t now_ns, GPtrArray *frames)
{
	for (guint i = 0; i < frames->len; i++)
		wait_for(exchange, frames->pdata[i]);
	if (exchange->is_tried)
		return; /* the answer once more */
	exchange->is_tried = true;
	exchange->trial.data = exchange->search.data = exchange;
	exchange->trial_ns = now_ns + SEARCH_NS;
	exchange->latency_ns = latency_ns;
	g_queue_push_tail_link(&exchanges->trials, &exchange->trial);
	g_queue_push_tail_link(searches_of(exchanges, &exchange->key.client, exchange->name),
			       &exchange->search);
}

/* The client has found a name: what it tried before was no failure. */
static void found(struct ss_exchanges *exchanges, const struct key *key,
		  const struct ss_dns_message *answer)
{
	GQueue *searches = searches_of(exchanges, &key->client, answer->name);
	GList *next;

	for (GList *link = searches->head; link; link = next) {
		struct exchange *exchange = link->data;

		next = link->next;
		if (exchange->key.place == key->place && exchange->type == answer->type &&
		    memcmp(exchange->key.client.address, key->client.address, 16) == 0 &&
		    is_of_search(exchange->name, answer->name))
			end_trial(exchanges, exchange, true);
	}
}

/* A query that is not answered yet is repeated; one after the verdict begins another exchange. */
static void take_query(struct ss_exchanges *exchanges, const struct ss_exchange_flow *flow,
		       const struct ss_dns_message *query, uint64_t time_ns, uint64_t now_ns,
		       GPtrArray *frames)
{
	struct key key = key_of(flow, false, query->id);
	struct exchange *exchange = find(exchanges, &key, query);

	if (!exchange || exchange->decided) {
		exchange = add(exchanges, &key, time_ns, now_ns);
		exchange->type = query->type;
		exchange->class = query->class;
		exchange->name = query->has_question ? g_strdup(query->name) : NULL;
	}
	exchange->asked++;
	for (guint i = 0; i < frames->len; i++)
		wait_for(exchange, frames->pdata[i]);
}

/* Its query was before the capture, or went another way. */
static void take_stray(struct ss_exchanges *exchanges, const struct key *key,
		       const struct ss_dns_message *answer, GPtrArray *frames)
{
	const struct ss_exchange_report report = {
		.place = key->place,
		.protocol = key->protocol,
		.client = key->client,
		.server = key->server,
		.failure = judge(exchanges, answer),
		.name = answer->has_question ? answer->name : NULL,
		.type = answer->type,
		.answered = true,
		.rcode = answer->rcode,
	};

	if (report.failure == SS_EXCHANGE_FINE) {
		exchanges->counts.fine++;
		return;
	}
	count_failure(exchanges, report.failure, report.rcode);
	want(frames);
	exchanges->options.failed(&report, exchanges->options.user_data);
}

static void take_answer(struct ss_exchanges *exchanges, const struct ss_exchange_flow *flow,
			const struct ss_dns_message *answer, uint64_t time_ns, uint64_t now_ns,
			GPtrArray *frames)
{
	struct key key = key_of(flow, true, answer->id);
	struct exchange *exchange = find(exchanges, &key, answer);
	struct ss_exchange_report report;

	if (answer->rcode == SS_DNS_NOERROR && answer->has_question)
		found(exchanges, &key, answer);
	if (!exchange) {
		take_stray(exchanges, &key, answer, frames);
		return;
	}
	report = describe(exchange, judge(exchanges, answer));
	report.answered = report.timed = true;
	report.rcode = answer->rcode;
	report.latency_ns = time_ns > exchange->asked_ns ? time_ns - exchange->asked_ns : 0;
	if (report.failure == SS_EXCHANGE_FINE &&
	    (report.latency_ns > exchanges->options.timeout_ns ||
	     exchange->failure == SS_EXCHANGE_TIMEOUT || exchange->failure == SS_EXCHANGE_SLOW))
		report.failure = SS_EXCHANGE_SLOW;
	if (exchange->is_searched && report.rcode == SS_DNS_NXDOMAIN)
		report.failure = SS_EXCHANGE_FINE; /* the answer once more */
	if (exchanges->options.searches_are_fine && !exchange->decided && exchange->name &&
	    report.failure == SS_EXCHANGE_RCODE && report.rcode == SS_DNS_NXDOMAIN) {
		begin_trial(exchanges, exchange, report.latency_ns, now_ns, frames);
		return;
	}
	if (report.failure != SS_EXCHANGE_FINE)
		want(frames);
	decide(exchanges, exchange, &report);
}

void ss_exchanges_message(struct ss_exchanges *exchanges, const struct ss_exchange_flow *flow,
			  const struct ss_dns_message *message, uint64_t time_ns, uint64_t now_ns,
			  GPtrArray *frames)
{
	if (message->is_answer)
		take_answer(exchanges, flow, message, time_ns, now_ns, frames);
	else
		take_query(exchanges, flow, message, time_ns, now_ns, frames);
}

static struct key connection_of(const struct ss_exchange_flow *flow, bool back)
{
	struct key key = key_of(flow, back, 0);

	key.connects = true;
	return key;
}

void ss_exchanges_segment(struct ss_exchanges *exchanges, const struct ss_exchange_flow *flow,
			  uint8_t flags, uint64_t time_ns, uint64_t now_ns,
			  struct ss_exchange_frame *frame)
{
	bool begins = (flags & (SS_SEGMENT_SYN | SS_SEGMENT_ACK)) == SS_SEGMENT_SYN;
	struct key key = connection_of(flow, !begins);
	struct exchange *exchange;
	struct ss_exchange_report report;

	if (!(flags & (SS_SEGMENT_SYN | SS_SEGMENT_RST)))
		return;
	exchange = find(exchanges, &key, NULL);
	if (begins) {
		if (!exchange || exchange->decided)
			exchange = add(exchanges, &key, time_ns, now_ns);
		exchange->asked++;
		wait_for(exchange, frame);
		return;
	}
	if (!exchange || exchange->decided)
		return;
	report =
		describe(exchange, flags & SS_SEGMENT_RST ? SS_EXCHANGE_REFUSED : SS_EXCHANGE_FINE);
	report.timed = report.answered = true;
	report.latency_ns = time_ns > exchange->asked_ns ? time_ns - exchange->asked_ns : 0;
	frame->wanted |= report.failure != SS_EXCHANGE_FINE;
	decide(exchanges, exchange, &report);
	if (report.failure == SS_EXCHANGE_FINE)
		exchanges->counts.fine--; /* it is no exchange of its own */
}

void ss_exchanges_unreachable(struct ss_exchanges *exchanges, const struct ss_exchange_flow *flow,
			      int id, uint64_t time_ns, struct ss_exchange_frame *frame)
{
	struct key key = id < 0 ? connection_of(flow, false) : key_of(flow, false, (uint16_t)id);
	struct exchange *exchange = find(exchanges, &key, NULL);
	struct ss_exchange_report report;

	while (exchange && exchange->decided)
		exchange = exchange->next;
	if (!exchange)
		return;
	report = describe(exchange, SS_EXCHANGE_UNREACHABLE);
	report.timed = true;
	report.latency_ns = time_ns > exchange->asked_ns ? time_ns - exchange->asked_ns : 0;
	frame->wanted = true;
	decide(exchanges, exchange, &report);
}

void ss_exchanges_expire(struct ss_exchanges *exchanges, uint64_t now_ns)
{
	struct exchange *exchange;

	while (exchanges->trials.head) {
		exchange = exchanges->trials.head->data;
		if (exchange->trial_ns > now_ns)
			break;
		end_trial(exchanges, exchange, false);
	}
	while (exchanges->open.head) {
		exchange = exchanges->open.head->data;
		if (exchange->deadline_ns > now_ns)
			break;
		if (exchange->is_tried)
			end_trial(exchanges, exchange, false);
		if (!exchange->decided) {
			struct ss_exchange_report report = describe(exchange, SS_EXCHANGE_TIMEOUT);

			decide(exchanges, exchange, &report);
		}
		g_queue_unlink(&exchanges->open, &exchange->link);
		g_queue_push_tail_link(&exchanges->late, &exchange->link);
		exchange->is_late = true;
	}
	while (exchanges->late.head) {
		exchange = exchanges->late.head->data;
		if (exchange->deadline_ns + LATE_NS > now_ns)
			break;
		forget(exchanges, exchange);
	}
}

void ss_exchanges_release(struct ss_exchanges *exchanges)
{
	while (exchanges->trials.head)
		end_trial(exchanges, exchanges->trials.head->data, false);
	for (GList *link = exchanges->open.head; link; link = link->next) {
		struct exchange *exchange = link->data;

		exchanges->counts.unjudged += !!exchange->frames;
		settle_frames(exchange, true);
	}
}

void ss_exchanges_count(const struct ss_exchanges *exchanges, struct ss_exchange_counts *ret)
{
	*ret = exchanges->counts;
}
