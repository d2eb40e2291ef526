/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lib/tls/proof.c: what proves a library that was found by pattern, and what refutes it. */
#include "tls/proof.h"

#include <string.h>

#include <glib.h>

struct verdicts {
	unsigned count;
	enum ss_tls_proof_part part;
	enum ss_tls_proof_state state;
	GString *text; /* what waited and was called back */
};

static void changed(uint32_t library, enum ss_tls_proof_part part, enum ss_tls_proof_state state,
		    void *user_data)
{
	struct verdicts *verdicts = user_data;

	g_assert_cmpuint(library, ==, 5);
	verdicts->count++;
	verdicts->part = part;
	verdicts->state = state;
}

static void released(const struct ss_tls_data *data, void *user_data)
{
	struct verdicts *verdicts = user_data;

	g_string_append_len(verdicts->text, (const char *)data->data, data->length);
}

static struct ss_tls_proofs *proofs_new(struct verdicts *verdicts)
{
	const struct ss_tls_proofs_callbacks callbacks = {changed, released, verdicts};

	verdicts->text = g_string_new(NULL);
	return ss_tls_proofs_new(&callbacks);
}

static void proofs_free(struct ss_tls_proofs *proofs, struct verdicts *verdicts)
{
	ss_tls_proofs_free(proofs);
	g_string_free(verdicts->text, TRUE);
}

static bool give_data(struct ss_tls_proofs *proofs, const char *text, uint32_t moved)
{
	g_autofree struct ss_tls_data *data = g_malloc0(sizeof(*data) + strlen(text));

	data->head.library = 5;
	data->length = (uint32_t)strlen(text);
	data->moved = moved;
	data->pattern = 1;
	memcpy(data->data, text, strlen(text));
	return ss_tls_proofs_data(proofs, data);
}

static void give_secret(struct ss_tls_proofs *proofs, const char *label, uint8_t length)
{
	struct ss_tls_labelled labelled = {.head.library = 5, .secret_length = length};

	labelled.label_length = (uint8_t)strlen(label);
	memcpy(labelled.label, label, strlen(label));
	ss_tls_proofs_labelled(proofs, &labelled);
}

static void test_plaintext_fits(void)
{
	struct verdicts verdicts = {0};
	struct ss_tls_proofs *proofs = proofs_new(&verdicts);

	/* nothing seen on the socket, or only the end of a record: it says nothing */
	g_assert_false(give_data(proofs, "What ", 0));
	for (unsigned i = 0; i < 100; i++)
		g_assert_false(give_data(proofs, i ? "" : "waited", 3));
	g_assert_cmpuint(verdicts.count, ==, 0);
	g_assert_cmpstr(verdicts.text->str, ==, "");
	g_assert_true(give_data(proofs, "GET / HTTP/1.1", 14 + 22));
	g_assert_cmpstr(verdicts.text->str, ==, "What waited");
	g_assert_true(give_data(proofs, "GET / HTTP/1.1", 0));
	g_assert_cmpuint(verdicts.count, ==, 1);
	g_assert_cmpint(verdicts.state, ==, SS_TLS_PROOF_GIVEN);
	g_assert_cmpint(verdicts.part, ==, SS_TLS_PROOF_PLAINTEXT);
	proofs_free(proofs, &verdicts);
}

/* A function below TLS: as many bytes as the socket moves, or records. */
static void refute_plaintext(const char *text, uint32_t more)
{
	struct verdicts verdicts = {0};
	struct ss_tls_proofs *proofs = proofs_new(&verdicts);

	for (unsigned i = 0; i < 100; i++)
		g_assert_false(give_data(proofs, text, (uint32_t)strlen(text) + more));
	g_assert_cmpuint(verdicts.count, ==, 1);
	g_assert_cmpint(verdicts.state, ==, SS_TLS_PROOF_REFUTED);
	g_assert_cmpstr(verdicts.text->str, ==, "");
	proofs_free(proofs, &verdicts);
}

static void test_plaintext_is_none(void)
{
	refute_plaintext("some bytes of a socket", 0);
	refute_plaintext("\x17\x03\x03\x01\x02 encrypted", 30);
}

/* As much as there is room for. */
static void test_too_much_waits(void)
{
	struct verdicts verdicts = {0};
	struct ss_tls_proofs *proofs = proofs_new(&verdicts);
	g_autofree char *large = g_strnfill(16000, 'x');

	for (unsigned i = 0; i < 200; i++)
		g_assert_false(give_data(proofs, large, 0));
	g_assert_true(give_data(proofs, large, 16022));
	g_assert_cmpuint(verdicts.text->len, >=, 16000);
	g_assert_cmpuint(verdicts.text->len, <=, 1 << 20);
	proofs_free(proofs, &verdicts);
}

static void test_secrets(void)
{
	struct verdicts verdicts = {0};
	struct ss_tls_proofs *proofs = proofs_new(&verdicts);

	for (unsigned i = 0; i < 100; i++) {
		give_secret(proofs, "what is this", 32);
		give_secret(proofs, "CLIENT_TRAFFIC_SECRET_0", 48);
	}
	g_assert_cmpuint(verdicts.count, ==, 0);
	ss_tls_proofs_fits(proofs, 5);
	ss_tls_proofs_fits(proofs, 5);
	g_assert_cmpuint(verdicts.count, ==, 1);
	g_assert_cmpint(verdicts.state, ==, SS_TLS_PROOF_GIVEN);
	for (unsigned i = 0; i < 100; i++)
		give_secret(proofs, "", 0);
	g_assert_cmpuint(verdicts.count, ==, 1);
	proofs_free(proofs, &verdicts);
}

static void test_no_secrets(void)
{
	struct verdicts verdicts = {0};
	struct ss_tls_proofs *proofs = proofs_new(&verdicts);

	for (unsigned i = 0; i < 100; i++)
		give_secret(proofs, "CLIENT_TRAFFIC_SECRET_0", 12);
	g_assert_cmpuint(verdicts.count, ==, 1);
	g_assert_cmpint(verdicts.state, ==, SS_TLS_PROOF_REFUTED);
	g_assert_cmpint(verdicts.part, ==, SS_TLS_PROOF_KEYS);
	proofs_free(proofs, &verdicts);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/tls-proof/plaintext-fits", test_plaintext_fits);
	g_test_add_func("/tls-proof/plaintext-is-none", test_plaintext_is_none);
	g_test_add_func("/tls-proof/too-much-waits", test_too_much_waits);
	g_test_add_func("/tls-proof/secrets", test_secrets);
	g_test_add_func("/tls-proof/no-secrets", test_no_secrets);
	return g_test_run();
}
