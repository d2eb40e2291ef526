/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a kubeconfig, and as what an exec plugin answers. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <glib.h>

#include "kube/config.h"
#include "kube/plugin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct ss_kube_credential credential;
	struct ss_kube_config *config;
	struct ss_error error = {0};

	/* files it names are not there */
	if (ss_kube_config_parse(text, size, "/proc/self/fdinfo/none", NULL, &config, &error) ==
	    0) {
		g_assert_true(g_str_has_prefix(config->server, "http"));
		g_assert_false(g_str_has_suffix(config->server, "/"));
		g_assert_true(!config->exec || config->exec->command);
		ss_kube_config_free(config);
	} else {
		g_assert_cmpstr(error.message, !=, "");
	}
	error = (struct ss_error){0};
	if (ss_kube_plugin_parse(text, size, "client.authentication.k8s.io/v1", &credential,
				 &error) == 0) {
		g_assert_true(credential.token || (credential.certificate && credential.key));
		ss_kube_credential_clear(&credential);
	}
	return 0;
}
