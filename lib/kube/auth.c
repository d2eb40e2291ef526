/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A token file is read again when ten seconds went by: whoever rotates it leaves the old token
 * valid for longer than that. A plugin's credentials are fetched again shortly before they expire,
 * and when they were refused.
 */
#include "kube/auth.h"

#include <errno.h>
#include <string.h>

#include "kube/plugin.h"
#include "kube/text.h"

#define TOKEN_MAX      (64u << 10)
#define REREAD_US      (10 * G_USEC_PER_SEC)
#define EXPIRY_SLACK_S 10

struct ss_kube_auth {
	struct ss_loop *loop;
	const struct ss_kube_config *config;
	void (*ready)(void *user_data);
	void *user_data;
	unsigned generation;
	char *file_token;
	gint64 read_us; /* when file or plugin was asked; 0: ask */
	struct ss_kube_plugin *exec;
	struct ss_kube_credential credential; /* of the plugin */
	bool has_credential;
	int error_code;
	struct ss_error error; /* of the plugin's last run, until it was told */
};

struct ss_kube_auth *ss_kube_auth_new(struct ss_loop *loop, const struct ss_kube_config *config,
				      void (*ready)(void *user_data), void *user_data)
{
	struct ss_kube_auth *auth = g_new0(struct ss_kube_auth, 1);

	auth->loop = loop;
	auth->config = config;
	auth->ready = ready;
	auth->user_data = user_data;
	return auth;
}

void ss_kube_auth_free(struct ss_kube_auth *auth)
{
	if (!auth)
		return;
	ss_kube_plugin_free(auth->exec);
	ss_kube_credential_clear(&auth->credential);
	ss_kube_free_secret(auth->file_token);
	g_free(auth);
}

static void on_plugin(int r, struct ss_kube_credential *credential, const struct ss_error *error,
		      void *user_data)
{
	struct ss_kube_auth *auth = user_data;

	ss_kube_credential_clear(&auth->credential);
	auth->has_credential = r == 0;
	auth->error_code = r;
	auth->error = *error;
	auth->credential = *credential;
	*credential = (struct ss_kube_credential){0};
	auth->generation++;
	auth->read_us = g_get_monotonic_time(); /* what is expired already is tried all the same */
	ss_kube_plugin_free(g_steal_pointer(&auth->exec));
	auth->ready(auth->user_data);
}

static int get_from_plugin(struct ss_kube_auth *auth, struct ss_kube_credentials *ret,
			   struct ss_error *error)
{
	int64_t now_s = g_get_real_time() / G_USEC_PER_SEC;
	int r;

	if (auth->exec)
		return -EAGAIN;
	if (auth->error_code < 0) {
		r = ss_fail(error, auth->error_code, "%s", auth->error.message);
		auth->error_code = 0;
		return r;
	}
	if (auth->has_credential && (auth->credential.expires_s == 0 ||
				     auth->credential.expires_s > now_s + EXPIRY_SLACK_S ||
				     g_get_monotonic_time() - auth->read_us < REREAD_US)) {
		ret->token = auth->credential.token;
		if (auth->credential.certificate) {
			ret->certificate = auth->credential.certificate;
			ret->key = auth->credential.key;
		}
		return 0;
	}
	r = ss_kube_plugin_start(auth->loop, auth->config, on_plugin, auth, &auth->exec, error);
	return r < 0 ? r : -EAGAIN;
}

static int get_from_file(struct ss_kube_auth *auth, struct ss_kube_credentials *ret,
			 struct ss_error *error)
{
	gint64 now_us = g_get_monotonic_time();
	const char *path = auth->config->token_file;
	char *token = NULL;
	int r;

	if (!auth->read_us || now_us - auth->read_us > REREAD_US) {
		r = ss_kube_read_file(path, TOKEN_MAX, &token, NULL);
		if (r < 0 && !auth->file_token)
			return ss_fail(error, r, "cannot read the token '%s': %s", path,
				       g_strerror(-r));
		if (r == 0) {
			g_strstrip(token);
			if (g_strcmp0(token, auth->file_token))
				auth->generation++;
			ss_kube_free_secret(auth->file_token);
			auth->file_token = token;
		}
		auth->read_us = now_us;
	}
	ret->token = auth->file_token;
	return 0;
}

/* What kubectl prefers: a plugin only without a token; the file before the token. */
int ss_kube_auth_get(struct ss_kube_auth *auth, struct ss_kube_credentials *ret,
		     struct ss_error *error)
{
	const struct ss_kube_config *config = auth->config;
	struct ss_kube_credentials credentials = {
		.token = config->token,
		.username = config->username,
		.password = config->password,
		.certificate = config->certificate,
		.key = config->key,
	};
	int r = 0;

	if (config->token_file)
		r = get_from_file(auth, &credentials, error);
	else if (config->exec && !config->token)
		r = get_from_plugin(auth, &credentials, error);
	if (r < 0)
		return r;
	credentials.generation = auth->generation;
	*ret = credentials;
	return 0;
}

void ss_kube_auth_refused(struct ss_kube_auth *auth, unsigned generation)
{
	if (generation != auth->generation)
		return;
	auth->read_us = 0;
	auth->has_credential = false;
}
