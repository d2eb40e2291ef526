/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "probes.h"

#include <glib.h>

#include "log.h"
#include "privilege.h"
#include "tls/proof.h"

#define NSEC_PER_MSEC 1000000ull

/* A file's: what was found by pattern can be let go by itself. */
struct attached {
	uint32_t number;
	struct ss_tls_attachment *certain, *patterns[SS_TLS_PROOF_PARTS];
};

struct ss_probes {
	struct ss_tls_source *source;
	struct ss_tls_discover *discover;
	struct ss_tls_proofs *proofs;
	GHashTable *attached; /* struct attached *, by number of the file */
	struct ss_timer *look;
	bool started;
	struct ss_probes_callbacks callbacks;
};

static const unsigned parts[SS_TLS_PROOF_PARTS] = {
	[SS_TLS_PROOF_KEYS] = SS_TLS_PART_KEYS,
	[SS_TLS_PROOF_PLAINTEXT] = SS_TLS_PART_PLAINTEXT,
};

/* The points of one part, or (0) those that are certain. */
static int attach_part(struct ss_probes *probes, const char *path, uint32_t number,
		       const struct ss_tls_library *library, unsigned part,
		       struct ss_tls_attachment **ret_attachment, struct ss_error *error)
{
	g_autoptr(GArray) points = g_array_new(FALSE, FALSE, sizeof(struct ss_tls_point));

	if (library->refuted & part)
		return 0;
	for (guint i = 0; i < library->points->len; i++) {
		const struct ss_tls_point *point =
			&g_array_index(library->points, struct ss_tls_point, i);

		if (ss_tls_point_part(point) == part)
			g_array_append_vals(points, point, 1);
	}
	if (!points->len)
		return 0;
	return ss_tls_source_attach(probes->source, path, number,
				    (const struct ss_tls_point *)(const void *)points->data,
				    points->len, ret_attachment, error);
}

static void release(struct ss_probes *probes, struct attached *attached)
{
	ss_tls_source_detach(probes->source, attached->certain);
	for (unsigned i = 0; i < SS_TLS_PROOF_PARTS; i++)
		ss_tls_source_detach(probes->source, attached->patterns[i]);
	g_hash_table_remove(probes->attached, GUINT_TO_POINTER(attached->number));
	g_free(attached);
}

static const char *name_of(const struct ss_tls_library *library)
{
	return library->detail ? library->detail : ss_tls_library_kind_name(library->kind);
}

static int attach(const char *path, uint32_t number, const struct ss_tls_library *library,
		  void **ret_attachment, void *user_data, struct ss_error *error)
{
	struct ss_probes *probes = user_data;
	struct attached *attached = g_new0(struct attached, 1);
	int r;

	attached->number = number;
	g_hash_table_insert(probes->attached, GUINT_TO_POINTER(number), attached);
	ss_privilege_raise();
	r = attach_part(probes, path, number, library, 0, &attached->certain, error);
	for (unsigned i = 0; r == 0 && i < SS_TLS_PROOF_PARTS; i++)
		r = attach_part(probes, path, number, library, parts[i], &attached->patterns[i],
				error);
	if (r < 0)
		release(probes, attached);
	else
		*ret_attachment = attached;
	ss_privilege_lower();
	if (r == 0 && probes->started)
		ss_log(SS_LOG_NOTE, "TLS: %s", name_of(library));
	return r;
}

static void detach(void *attachment, void *user_data)
{
	ss_privilege_raise();
	release(user_data, attachment);
	ss_privilege_lower();
}

/* What was found by pattern proved itself, or is something else. */
static void judged(uint32_t number, enum ss_tls_proof_part part, enum ss_tls_proof_state state,
		   void *user_data)
{
	struct ss_probes *probes = user_data;
	const char *what = part == SS_TLS_PROOF_KEYS ? "keys" : "plaintext";
	const struct ss_tls_use *use = ss_tls_discover_use(probes->discover, number);
	struct attached *attached = g_hash_table_lookup(probes->attached, GUINT_TO_POINTER(number));
	bool proved = state == SS_TLS_PROOF_GIVEN;

	ss_tls_discover_judge(probes->discover, number, parts[part], proved);
	if (use && proved)
		ss_log(SS_LOG_NOTE, "TLS: %s: %s found by pattern, and proved by the traffic",
		       name_of(use->library), what);
	else if (use)
		ss_log(SS_LOG_WARNING,
		       "TLS: %s: what looked like a source of %s is none, and is let go",
		       name_of(use->library), what);
	if (proved || !attached)
		return;
	ss_privilege_raise();
	ss_tls_source_detach(probes->source, attached->patterns[part]);
	ss_privilege_lower();
	attached->patterns[part] = NULL;
}

static void believe(const struct ss_tls_data *data, void *user_data)
{
	struct ss_probes *probes = user_data;

	probes->callbacks.believed(data, probes->callbacks.user_data);
}

/* Do its keys have to prove themselves yet? */
static bool is_unproven(const struct ss_probes *probes, uint32_t number)
{
	const struct ss_tls_use *use = ss_tls_discover_use(probes->discover, number);

	return use && use->library->unproven & SS_TLS_PART_KEYS;
}

void ss_probes_labelled(struct ss_probes *probes, const struct ss_tls_labelled *labelled)
{
	if (is_unproven(probes, labelled->head.library))
		ss_tls_proofs_labelled(probes->proofs, labelled);
}

void ss_probes_fits(struct ss_probes *probes, uint32_t number)
{
	if (is_unproven(probes, number))
		ss_tls_proofs_fits(probes->proofs, number);
}

bool ss_probes_data(struct ss_probes *probes, const struct ss_tls_data *data)
{
	return ss_tls_proofs_data(probes->proofs, data);
}

struct ss_tls_discover *ss_probes_discover(const struct ss_probes *probes)
{
	return probes->discover;
}

static void after_look(struct ss_probes *probes)
{
	int next_ms = ss_tls_discover_next_ms(probes->discover);

	probes->callbacks.looked(probes->callbacks.user_data);
	ss_timer_once(probes->look,
		      next_ms < 0 ? 0 : (uint64_t)(unsigned)MAX(next_ms, 1) * NSEC_PER_MSEC);
}

static void look(uint32_t events, void *user_data)
{
	struct ss_probes *probes = user_data;

	(void)events;
	ss_tls_discover_run(probes->discover);
	after_look(probes);
}

void ss_probes_look(struct ss_probes *probes)
{
	if (ss_tls_discover_next_ms(probes->discover) == 0)
		look(0, probes);
}

void ss_probes_add_pod(struct ss_probes *probes, const struct ss_pod *pod)
{
	ss_tls_discover_add_pod(probes->discover, pod->uid, pod->cgroup_path);
	ss_tls_discover_run_all(probes->discover);
	after_look(probes);
}

void ss_probes_stop(struct ss_probes *probes)
{
	ss_timer_once(probes->look, 0);
}

void ss_probes_start(struct ss_probes *probes)
{
	probes->started = true;
}

struct ss_probes *ss_probes_new(struct ss_tls_source *source, struct ss_loop *loop,
				const struct ss_probes_callbacks *callbacks)
{
	struct ss_probes *probes = g_new0(struct ss_probes, 1);
	const struct ss_tls_discover_callbacks libraries = {attach, detach, probes};
	const struct ss_tls_proofs_callbacks proofs = {judged, believe, probes};

	probes->source = source;
	probes->callbacks = *callbacks;
	probes->look = ss_timer_new(loop, look, probes);
	probes->attached = g_hash_table_new(NULL, NULL);
	probes->discover = ss_tls_discover_new(NULL, NULL, &libraries);
	probes->proofs = ss_tls_proofs_new(&proofs);
	return probes;
}

void ss_probes_free(struct ss_probes *probes)
{
	if (!probes)
		return;
	ss_timer_free(probes->look);
	ss_tls_discover_free(probes->discover);
	ss_tls_proofs_free(probes->proofs);
	g_hash_table_unref(probes->attached);
	g_free(probes);
}
