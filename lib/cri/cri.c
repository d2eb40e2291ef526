/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The conversation with the runtime. Pods that want an answer are gathered until the loop's next
 * turn and asked about together: one list of sandboxes (of one pod, if it is one), then the
 * containers, addresses and images of those that were found. Labels are told as soon as the first
 * list is there: selections wait for them. Who lists all pods once has both lists asked for before
 * it looks at the node: the runtime makes them meanwhile.
 *
 * A pod's first process is seen before the runtime lists its sandbox, and its containers start
 * right after, so a pod that is not found is asked for again until it is, every few milliseconds. A
 * runtime that does not answer is left alone for a while, and nobody waits for it meanwhile but
 * pods that just begin, for some seconds: it may be starting anew.
 */
#include "cri.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "cri/answer.h"
#include "cri/facts.h"
#include "cri/grpc.h"
#include "cri/request.h"
#include "cri/sockets.h"
#include "log.h"

#define YOUNG_S        10
#define NSEC_PER_SEC   1000000000ull
#define NSEC_PER_MSEC  1000000ull
#define RETRY_FIRST_NS (4 * NSEC_PER_MSEC) /* doubled each time up to ... */
#define RETRY_MOST_NS  (16 * NSEC_PER_MSEC)
#define RETRIES        600                   /* ten seconds */
#define BACKOFF_NS     (100 * NSEC_PER_MSEC) /* of the connection: doubled up to ... */
#define BACKOFF_MAX_NS (5000 * NSEC_PER_MSEC)
#define FAILURES_MAX   4 /* so often young pods wait for a runtime that is being restarted */
#define PODS_MAX       8192
#define IMAGES_MAX     64 /* containers of a pod whose image is asked for */

struct cri {
	struct ss_provider provider;
	struct ss_loop *loop;
	struct ss_provider_callbacks callbacks;
	struct ss_timer *timer;
	bool woken;         /* the next turn has been asked for */
	GPtrArray *sockets; /* char *: those to try */
	guint socket;       /* the one in use */
	struct ss_grpc *grpc;
	bool broken;       /* close it at the next turn: a reply of it is being read */
	bool down;         /* the last attempt failed: nobody waits */
	unsigned failures; /* in a row */
	uint64_t retry_ns; /* CLOCK_MONOTONIC: not before */
	bool listing_sandboxes, listing_containers;
	bool expecting;             /* both lists were asked for before anybody's pods */
	GPtrArray *held_containers; /* ... and this one came first */
	GHashTable *pods;           /* uid → struct ss_cri_facts * */
	char *version;              /* "containerd 1.6.20"; NULL: not told */
	char *trouble;              /* why nothing can be told; NULL: nothing wrong */
	char *state;
};

/* A call about one pod. */
struct question {
	struct cri *cri;
	char *uid, *container_id;
};

static void question_free(gpointer data)
{
	struct question *question = data;

	g_free(question->uid);
	g_free(question->container_id);
	g_free(question);
}

static void facts_destroy(gpointer facts)
{
	ss_cri_facts_free(facts);
}

static void wake(struct cri *cri)
{
	if (!cri->woken)
		ss_timer_once(cri->timer, 1);
	cri->woken = true;
}

static bool is_patient(const struct cri *cri, const struct ss_cri_facts *facts)
{
	return facts->young && cri->failures < FAILURES_MAX;
}

static bool is_asking(const struct cri *cri, const struct ss_cri_facts *facts)
{
	if (facts->given_up || (cri->down && !is_patient(cri, facts)))
		return false;
	return facts->wants_sandbox || facts->wants_containers || facts->in_sandboxes ||
	       facts->in_containers || facts->pending;
}

/* uids: char *. Told when no table is being walked. */
static void tell_changed(struct cri *cri, const GPtrArray *uids)
{
	for (guint i = 0; i < uids->len; i++)
		if (cri->callbacks.changed)
			cri->callbacks.changed(uids->pdata[i], cri->callbacks.user_data);
}

static void tell_one(struct cri *cri, const char *uid)
{
	if (cri->callbacks.changed)
		cri->callbacks.changed(uid, cri->callbacks.user_data);
}

/* The calls under way will not be answered: what they were about is to be asked again. Appends the
 * uids of those who waited. */
static void drop_calls(struct cri *cri, GPtrArray *uids)
{
	struct ss_cri_facts *facts;
	GHashTableIter iter;

	g_hash_table_iter_init(&iter, cri->pods);
	while (g_hash_table_iter_next(&iter, NULL, (gpointer *)&facts)) {
		if (is_asking(cri, facts))
			g_ptr_array_add(uids, g_strdup(facts->uid));
		facts->wants_sandbox |= facts->in_sandboxes || facts->pending;
		facts->wants_containers |= facts->in_containers;
		facts->in_sandboxes = facts->in_containers = false;
		facts->pending = 0;
		facts->given_up = !is_patient(cri, facts);
	}
	cri->listing_sandboxes = cri->listing_containers = cri->expecting = false;
	g_clear_pointer(&cri->held_containers, g_ptr_array_unref);
}

static void say_trouble(struct cri *cri, const char *why)
{
	g_free(cri->trouble);
	cri->trouble = g_strdup_printf("%s: %s", (char *)cri->sockets->pdata[cri->socket], why);
	cri->failures++;
	/* several sockets: one of them may be another program's */
	ss_log(cri->failures == cri->sockets->len ? SS_LOG_NOTE : SS_LOG_DEBUG,
	       "the container runtime does not answer (%s): labels and images of new pods stay "
	       "unknown until it does",
	       cri->trouble);
}

/* Nobody gets an answer now, and nobody waits until it is there again. */
static void give_up(struct cri *cri, const char *why)
{
	g_autoptr(GPtrArray) uids = g_ptr_array_new_with_free_func(g_free);

	drop_calls(cri, uids);
	cri->down = true;
	cri->retry_ns = ss_clock_ns(CLOCK_MONOTONIC) +
			MIN(BACKOFF_NS << MIN(cri->failures, 10), BACKOFF_MAX_NS);
	say_trouble(cri, why);
	cri->socket = (cri->socket + 1) % cri->sockets->len;
	tell_changed(cri, uids);
}

/* From a reply: its connection can't be freed yet. */
static void hang_up(struct cri *cri, const struct ss_grpc_result *result)
{
	if (cri->broken)
		return;
	cri->broken = true;
	give_up(cri, result->words);
	wake(cri);
}

static struct question *question_new(struct cri *cri, const char *uid, const char *container_id)
{
	struct question *question = g_new0(struct question, 1);

	question->cri = cri;
	question->uid = g_strdup(uid);
	question->container_id = g_strdup(container_id);
	return question;
}

/* The facts a call was about, with one call less under way; NULL: forgotten meanwhile. */
static struct ss_cri_facts *answered(const struct question *question)
{
	struct ss_cri_facts *facts = g_hash_table_lookup(question->cri->pods, question->uid);

	if (facts && facts->pending)
		facts->pending--;
	return facts;
}

static void version_told(const struct ss_grpc_result *result, void *user_data)
{
	struct cri *cri = user_data;
	char *version = NULL;

	if (!result->error && !result->status)
		version = ss_answer_version(result->message, result->length);
	if (!version)
		return; /* the lists say what is wrong */
	g_free(cri->version);
	cri->version = version;
}

static void addresses_told(const struct ss_grpc_result *result, void *user_data)
{
	const struct question *question = user_data;
	struct ss_cri_facts *facts = answered(question);

	if (!facts)
		return;
	if (!result->error && !result->status) {
		g_clear_pointer(&facts->addresses, g_ptr_array_unref);
		facts->addresses = ss_answer_addresses(result->message, result->length);
	}
	tell_one(question->cri, question->uid);
}

static void image_told(const struct ss_grpc_result *result, void *user_data)
{
	const struct question *question = user_data;
	struct ss_cri_facts *facts = answered(question);

	if (!facts)
		return;
	for (guint i = 0;
	     facts->containers && i < facts->containers->len && !result->error && !result->status;
	     i++) {
		struct ss_answer_container *container = facts->containers->pdata[i];

		if (strcmp(container->id, question->container_id) == 0 && !container->image)
			container->image = ss_answer_image(result->message, result->length);
	}
	tell_one(question->cri, question->uid);
}

static void ask_addresses(struct cri *cri, struct ss_cri_facts *facts)
{
	facts->pending++;
	ss_request_addresses(cri->grpc, facts->sandbox_id, addresses_told,
			     question_new(cri, facts->uid, NULL), question_free);
}

static void ask_images(struct cri *cri, struct ss_cri_facts *facts)
{
	unsigned asked = 0;

	for (guint i = 0; i < facts->containers->len && asked < IMAGES_MAX; i++) {
		const struct ss_answer_container *container = facts->containers->pdata[i];

		if (container->image || !container->living)
			continue;
		facts->pending++;
		asked++;
		ss_request_image(cri->grpc, container->id, image_told,
				 question_new(cri, facts->uid, container->id), question_free);
	}
}

/* uid → struct ss_answer_sandbox *: of several, the ready one, then the newest. */
static GHashTable *index_sandboxes(const GPtrArray *sandboxes)
{
	GHashTable *index = g_hash_table_new(g_str_hash, g_str_equal);

	for (guint i = 0; i < sandboxes->len; i++) {
		struct ss_answer_sandbox *sandbox = sandboxes->pdata[i];
		const struct ss_answer_sandbox *other = g_hash_table_lookup(index, sandbox->uid);

		if (!other || sandbox->ready > other->ready ||
		    (sandbox->ready == other->ready && sandbox->created_ns > other->created_ns))
			g_hash_table_replace(index, sandbox->uid, sandbox);
	}
	return index;
}

/* Has the question an answer now, or none for good? */
static bool found_sandbox(struct cri *cri, struct ss_cri_facts *facts,
			  struct ss_answer_sandbox *sandbox)
{
	if (sandbox && (sandbox->ready || !facts->young || facts->tries >= RETRIES)) {
		ss_cri_facts_set_sandbox(facts, sandbox);
		facts->wants_sandbox = false;
		facts->wants_containers = !facts->in_containers;
		facts->given_up = false;
		/* a call for each pod is most of what a list of many costs */
		if (!facts->has_addresses || facts->young)
			ask_addresses(cri, facts);
		return true;
	}
	if (!facts->young || facts->tries >= RETRIES) {
		facts->wants_sandbox = false;
		return true;
	}
	facts->retry_ns = ss_clock_ns(CLOCK_MONOTONIC) +
			  MIN(RETRY_FIRST_NS << MIN(facts->tries, 8), RETRY_MOST_NS);
	facts->tries++;
	facts->wants_sandbox = true;
	return false;
}

static bool went_well(struct cri *cri, const struct ss_grpc_result *result, const void *answer)
{
	if (answer) {
		cri->down = false;
		cri->failures = 0;
		g_clear_pointer(&cri->trouble, g_free);
		return true;
	}
	if (result->error || result->status)
		hang_up(cri, result);
	else
		hang_up(cri, &(struct ss_grpc_result){.words = "its answer makes no sense"});
	return false;
}

/* Everybody's who waits for the list. */
static void share_containers(struct cri *cri, GPtrArray *containers, bool expected)
{
	g_autoptr(GPtrArray) uids = g_ptr_array_new_with_free_func(g_free);
	struct ss_cri_facts *facts;
	GHashTableIter iter;

	cri->listing_containers = false;
	g_hash_table_iter_init(&iter, cri->pods);
	while (g_hash_table_iter_next(&iter, NULL, (gpointer *)&facts)) {
		if (!facts->in_containers)
			continue;
		facts->in_containers = false;
		if (facts->sandbox_id) {
			ss_cri_facts_set_containers(facts, containers);
			/* the list may be older than what the node shows */
			facts->wants_containers |= expected && ss_cri_facts_lack_one(facts);
			ask_images(cri, facts);
		}
		g_ptr_array_add(uids, g_strdup(facts->uid));
	}
	wake(cri);
	tell_changed(cri, uids);
}

static void containers_listed(const struct ss_grpc_result *result, void *user_data)
{
	g_autoptr(GPtrArray) containers = NULL;
	struct cri *cri = user_data;

	if (!result->error && !result->status)
		containers = ss_answer_containers(result->message, result->length);
	if (cri->broken || !went_well(cri, result, containers))
		return;
	if (cri->expecting && cri->listing_sandboxes) {
		cri->held_containers = g_steal_pointer(&containers);
		return;
	}
	share_containers(cri, containers, cri->expecting);
	cri->expecting = false;
}

static void sandboxes_listed(const struct ss_grpc_result *result, void *user_data)
{
	g_autoptr(GPtrArray) uids = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GPtrArray) sandboxes = NULL;
	g_autoptr(GHashTable) index = NULL;
	struct cri *cri = user_data;
	struct ss_cri_facts *facts;
	GHashTableIter iter;

	if (!result->error && !result->status)
		sandboxes = ss_answer_sandboxes(result->message, result->length);
	if (cri->broken || !went_well(cri, result, sandboxes))
		return;
	cri->listing_sandboxes = false;
	index = index_sandboxes(sandboxes);
	g_hash_table_iter_init(&iter, cri->pods);
	while (g_hash_table_iter_next(&iter, NULL, (gpointer *)&facts)) {
		if (!facts->in_sandboxes)
			continue;
		facts->in_sandboxes = false;
		/* whose containers are under way is told with them */
		if (found_sandbox(cri, facts, g_hash_table_lookup(index, facts->uid)) &&
		    !facts->in_containers)
			g_ptr_array_add(uids, g_strdup(facts->uid));
	}
	wake(cri);
	tell_changed(cri, uids);
	if (cri->held_containers) {
		g_autoptr(GPtrArray) containers = g_steal_pointer(&cri->held_containers);

		cri->expecting = false;
		share_containers(cri, containers, true);
	}
}

static void list_sandboxes(struct cri *cri, const char *uid)
{
	cri->listing_sandboxes = true;
	ss_request_sandboxes(cri->grpc, uid, sandboxes_listed, cri);
}

static void list_containers(struct cri *cri, const char *sandbox_id)
{
	cri->listing_containers = true;
	ss_request_containers(cri->grpc, sandbox_id, containers_listed, cri);
}

/* Of one pod, or of all: more than one pod is rarer than the work that many calls make. */
static void ask_sandboxes(struct cri *cri, uint64_t now_ns)
{
	struct ss_cri_facts *facts;
	const char *uid = NULL;
	unsigned count = 0;
	GHashTableIter iter;

	g_hash_table_iter_init(&iter, cri->pods);
	while (g_hash_table_iter_next(&iter, NULL, (gpointer *)&facts)) {
		if (!facts->wants_sandbox || facts->retry_ns > now_ns)
			continue;
		facts->wants_sandbox = false;
		facts->in_sandboxes = true;
		uid = facts->uid;
		count++;
	}
	if (count)
		list_sandboxes(cri, count == 1 ? uid : NULL);
}

static void ask_containers(struct cri *cri)
{
	struct ss_cri_facts *facts;
	const char *sandbox_id = NULL;
	unsigned count = 0;
	GHashTableIter iter;

	g_hash_table_iter_init(&iter, cri->pods);
	while (g_hash_table_iter_next(&iter, NULL, (gpointer *)&facts)) {
		if (!facts->wants_containers || !facts->sandbox_id)
			continue;
		facts->wants_containers = false;
		facts->in_containers = true;
		sandbox_id = facts->sandbox_id;
		count++;
	}
	if (count)
		list_containers(cri, count == 1 ? sandbox_id : NULL);
}

static int open_connection(struct cri *cri)
{
	int r = -ENOENT;

	for (guint i = 0; i < cri->sockets->len && r < 0; i++) {
		guint position = (cri->socket + i) % cri->sockets->len;

		r = ss_grpc_connect(cri->loop, cri->sockets->pdata[position], &cri->grpc);
		if (r == 0)
			cri->socket = position;
	}
	if (r < 0)
		return r;
	ss_request_version(cri->grpc, version_told, cri);
	return 0;
}

static void close_connection(struct cri *cri)
{
	g_autoptr(GPtrArray) uids = g_ptr_array_new_with_free_func(g_free);

	drop_calls(cri, uids);
	ss_grpc_free(cri->grpc);
	cri->grpc = NULL;
	cri->broken = false;
	tell_changed(cri, uids);
}

/* When somebody wants to be asked about; 0: nobody. */
static uint64_t next_ns(struct cri *cri)
{
	struct ss_cri_facts *facts;
	uint64_t next = UINT64_MAX;
	GHashTableIter iter;

	g_hash_table_iter_init(&iter, cri->pods);
	while (g_hash_table_iter_next(&iter, NULL, (gpointer *)&facts)) {
		if (facts->wants_sandbox && !cri->listing_sandboxes)
			next = MIN(next, MAX(facts->retry_ns, 1));
		if (facts->wants_containers && facts->sandbox_id && !cri->listing_containers)
			next = 1;
	}
	return next == UINT64_MAX ? 0 : MAX(next, cri->retry_ns);
}

/* The restart of a runtime closes the connection while nothing is asked: begin anew at once. */
static bool have_connection(struct cri *cri)
{
	int r;

	if (cri->grpc && ss_grpc_status(cri->grpc) < 0)
		close_connection(cri);
	if (cri->grpc)
		return true;
	r = open_connection(cri);
	if (r < 0)
		give_up(cri, g_strerror(-r));
	return r == 0;
}

static void converse(uint32_t events, void *user_data)
{
	struct cri *cri = user_data;
	uint64_t now_ns = ss_clock_ns(CLOCK_MONOTONIC), next;

	(void)events;
	cri->woken = false;
	if (cri->broken)
		close_connection(cri);
	next = next_ns(cri);
	if (next && next <= now_ns && have_connection(cri)) {
		if (!cri->listing_sandboxes)
			ask_sandboxes(cri, now_ns);
		if (!cri->listing_containers)
			ask_containers(cri);
	}
	next = next_ns(cri);
	if (next)
		ss_timer_once(cri->timer, next > now_ns ? next - now_ns : 1);
}

static void expect(struct ss_provider *provider)
{
	struct cri *cri = (struct cri *)provider;

	if (!cri->grpc || ss_grpc_status(cri->grpc) < 0)
		return; /* asked about each pod, it says what is wrong */
	cri->expecting = true;
	list_sandboxes(cri, NULL);
	list_containers(cri, NULL);
}

static bool is_young(const struct ss_pod *pod)
{
	uint64_t ticks_per_second = (uint64_t)sysconf(_SC_CLK_TCK);
	uint64_t now_ticks = ss_clock_ns(CLOCK_BOOTTIME) / (NSEC_PER_SEC / ticks_per_second);

	return pod->pid && now_ticks < pod->pid_start + YOUNG_S * ticks_per_second;
}

static bool complete(struct ss_provider *provider, struct ss_pod *pod)
{
	struct cri *cri = (struct cri *)provider;
	struct ss_cri_facts *facts = g_hash_table_lookup(cri->pods, pod->uid);

	if (!facts) {
		if (g_hash_table_size(cri->pods) >= PODS_MAX)
			return true;
		facts = ss_cri_facts_new(pod->uid);
		/* in both lists that are under way, or asked about on its own */
		facts->in_sandboxes = cri->expecting && cri->listing_sandboxes;
		facts->in_containers = facts->in_sandboxes;
		facts->wants_sandbox = !facts->in_sandboxes;
		g_hash_table_insert(cri->pods, facts->uid, facts);
		wake(cri);
	}
	facts->young = is_young(pod);
	facts->has_addresses = pod->addresses->len > 0;
	if (ss_cri_facts_note_containers(facts, pod) && !facts->wants_sandbox &&
	    !facts->in_sandboxes) {
		facts->given_up = false;
		facts->wants_containers = facts->sandbox_id != NULL;
		facts->wants_sandbox = !facts->sandbox_id;
		facts->tries = 0;
		wake(cri);
	}
	ss_cri_facts_add(facts, pod);
	if (!pod->runtime && cri->version)
		pod->runtime = g_strndup(cri->version, strcspn(cri->version, " "));
	return !is_asking(cri, facts);
}

static void forget(struct ss_provider *provider, const char *uid)
{
	struct cri *cri = (struct cri *)provider;

	g_hash_table_remove(cri->pods, uid);
}

static const char *state(struct ss_provider *provider)
{
	struct cri *cri = (struct cri *)provider;

	g_free(cri->state);
	if (cri->trouble)
		cri->state = g_strdup(cri->trouble);
	else
		cri->state = g_strdup_printf("%s%s%s", cri->version ?: "no answer yet",
					     cri->version ? " at " : " from ",
					     (char *)cri->sockets->pdata[cri->socket]);
	return cri->state;
}

static bool works(struct ss_provider *provider)
{
	const struct cri *cri = (const struct cri *)provider;

	return cri->version && !cri->trouble;
}

static void provider_free(struct ss_provider *provider)
{
	struct cri *cri = (struct cri *)provider;

	ss_grpc_free(cri->grpc);
	ss_timer_free(cri->timer);
	g_hash_table_unref(cri->pods);
	g_clear_pointer(&cri->held_containers, g_ptr_array_unref);
	g_ptr_array_unref(cri->sockets);
	g_free(cri->version);
	g_free(cri->trouble);
	g_free(cri->state);
	g_free(cri);
}

/* It may come, or come back. */
static int wait_for_runtime(struct cri *cri, int error)
{
	cri->down = true;
	say_trouble(cri, g_strerror(-error));
	return 0;
}

int ss_cri_new(struct ss_loop *loop, const struct ss_cri_options *options,
	       const struct ss_provider_callbacks *callbacks, struct ss_provider **ret,
	       struct ss_error *error)
{
	struct cri *cri = g_new0(struct cri, 1);
	int r;

	cri->provider =
		(struct ss_provider){"cri", complete, forget, state, provider_free, works, expect};
	cri->loop = loop;
	cri->callbacks = *callbacks;
	cri->sockets = g_ptr_array_new_with_free_func(g_free);
	cri->pods = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, facts_destroy);
	cri->timer = ss_timer_new(loop, converse, cri);
	r = ss_cri_sockets_find(options->socket, cri->sockets, error);
	if (r == 0)
		r = open_connection(cri);
	if (r == -EACCES || r == -EPERM)
		ss_fail(error, -EACCES,
			"the container runtime's socket %s may not be opened (it is root's): labels "
			"and images stay unknown without root",
			(char *)cri->sockets->pdata[0]);
	else if (r == -ECONNREFUSED || r == -EAGAIN || (r == -ENOENT && cri->sockets->len))
		r = wait_for_runtime(cri, r);
	if (r < 0) {
		if (cri->sockets->len)
			ss_fail(error, r, "the container runtime's socket %s: %s",
				(char *)cri->sockets->pdata[0], g_strerror(-r));
		provider_free(&cri->provider);
		return r;
	}
	*ret = &cri->provider;
	return 0;
}
