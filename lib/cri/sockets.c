/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A name that was given need not exist: its runtime may come. */
#include "cri/sockets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const usual_sockets[] = {
	"/run/containerd/containerd.sock",
	"/run/crio/crio.sock",
	"/run/k3s/containerd/containerd.sock",
	"/run/k0s/containerd.sock",
	"/var/snap/microk8s/common/run/containerd.sock",
	"/run/cri-dockerd.sock",
};

/* "unix:///run/x.sock", as the kubelet's option has it, or a path. NULL: neither. */
static char *socket_path(const char *text)
{
	if (g_str_has_prefix(text, "unix://"))
		text += strlen("unix://");
	return *text == '/' ? g_strdup(text) : NULL;
}

int ss_cri_sockets_find(const char *wanted, GPtrArray *sockets, struct ss_error *error)
{
	const char *variable = getenv("CONTAINER_RUNTIME_ENDPOINT");
	char *path;

	if (!wanted && variable && *variable)
		wanted = variable;
	if (wanted) {
		path = socket_path(wanted);
		if (!path)
			return ss_fail(error, -EINVAL,
				       "'%.200s' is no socket of a container runtime: write a path "
				       "such as %s",
				       wanted, usual_sockets[0]);
		g_ptr_array_add(sockets, path);
		return 0;
	}
	for (size_t i = 0; i < G_N_ELEMENTS(usual_sockets); i++)
		if (access(usual_sockets[i], F_OK) == 0)
			g_ptr_array_add(sockets, g_strdup(usual_sockets[i]));
	if (!sockets->len)
		return ss_fail(error, -ENOENT,
			       "no container runtime here: %s and the other usual sockets do not "
			       "exist (CONTAINER_RUNTIME_ENDPOINT may name another)",
			       usual_sockets[0]);
	return 0;
}
