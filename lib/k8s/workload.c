/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Labels are well known (kubernetes.io, "Well-Known Labels, Annotations and Taints"; apps/v1
 * controllers): "pod-template-hash" is the Deployment's alone, its pods are called
 * <deployment>-<hash>-<5 characters>; a DaemonSet's have "pod-template-generation" and are called
 * <daemon set>-<5 characters>; a StatefulSet's say their own name and are called <set>-<ordinal>.
 */
#include "workload.h"

#include <errno.h>
#include <string.h>

#include "k8s/podname.h"

#define RANDOM_LENGTH 5  /* what generateName appends */
#define BASE_MAX      58 /* and what it leaves of the name before */

/* kubectl's names, and the API group, which it writes behind them: "deployment.apps". */
static const struct {
	const char *kind, *group, *names[4];
} kinds[] = {
	{"Deployment", "apps", {"deploy", "deployment", "deployments"}},
	{"StatefulSet", "apps", {"sts", "statefulset", "statefulsets"}},
	{"DaemonSet", "apps", {"ds", "daemonset", "daemonsets"}},
	{"ReplicaSet", "apps", {"rs", "replicaset", "replicasets"}},
	{"ReplicationController", "", {"rc", "replicationcontroller", "replicationcontrollers"}},
	{"Job", "batch", {"job", "jobs"}},
	{"CronJob", "batch", {"cj", "cronjob", "cronjobs"}},
	{"Pod", "", {"po", "pod", "pods"}},
};

const char *ss_workload_kind(const char *text)
{
	g_auto(GStrv) parts = g_strsplit(text, ".", 2);
	const char *name = parts[0] ?: "", *group = parts[0] ? parts[1] : NULL;

	for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
		for (size_t j = 0; j < G_N_ELEMENTS(kinds[i].names) && kinds[i].names[j]; j++)
			if (g_ascii_strcasecmp(kinds[i].names[j], name) == 0 &&
			    (!group || (*group && !strcmp(kinds[i].group, group))))
				return kinds[i].kind;
	return NULL;
}

int ss_workload_name_parse(const char *text, struct ss_workload_name **ret, struct ss_error *error)
{
	g_auto(GStrv) parts = g_strsplit(text, "/", 4);
	guint count = g_strv_length(parts);
	const char *kind = NULL, *name = NULL;

	if (count == 2 || count == 3) {
		kind = ss_workload_kind(parts[count - 2]);
		name = parts[count - 1];
	}
	if (!name || !ss_podname_is_subdomain(name, strlen(name)) ||
	    (count == 3 && !ss_podname_is_label(parts[0], strlen(parts[0]))))
		return ss_fail(
			error, -EINVAL,
			"'%.300s' is no workload: write KIND/NAME or NAMESPACE/KIND/NAME, as "
			"deploy/api",
			text);
	if (!kind)
		return ss_fail(
			error, -EINVAL,
			"'%.80s' is no kind of workload: deploy, sts, ds, rs, rc, job, cj and "
			"pod are, and their long names (deployment, ...)",
			parts[count - 2]);
	*ret = g_new0(struct ss_workload_name, 1);
	(*ret)->namespace = count == 3 ? g_strdup(parts[0]) : NULL;
	(*ret)->kind = kind;
	(*ret)->name = g_strdup(name);
	return 0;
}

void ss_workload_name_free(struct ss_workload_name *name)
{
	if (!name)
		return;
	g_free(name->namespace);
	g_free(name->name);
	g_free(name);
}

/* The name without "-SUFFIX", or NULL. */
static char *without(const char *name, size_t length, const char *suffix)
{
	size_t cut = strlen(suffix) + 1;

	if (length <= cut || name[length - cut] != '-' ||
	    memcmp(name + length - cut + 1, suffix, cut - 1))
		return NULL;
	return g_strndup(name, length - cut);
}

/* The length of the generateName before the random end, without its dash; 0: none, or it was cut.
 */
static size_t base_length(const char *name)
{
	size_t length = strlen(name);

	if (length <= RANDOM_LENGTH + 1 || name[length - RANDOM_LENGTH - 1] != '-' ||
	    length - RANDOM_LENGTH >= BASE_MAX)
		return 0;
	return length - RANDOM_LENGTH - 1;
}

static char *deployment_name(const char *pod, const GPtrArray *labels)
{
	const char *hash = ss_labels_get(labels, "pod-template-hash");

	return hash && *hash ? without(pod, base_length(pod), hash) : NULL;
}

static char *daemon_set_name(const char *pod, const GPtrArray *labels)
{
	size_t length = base_length(pod);

	if (!length || !ss_labels_get(labels, "pod-template-generation") ||
	    !ss_labels_get(labels, "controller-revision-hash"))
		return NULL;
	return g_strndup(pod, length);
}

static char *stateful_set_name(const char *pod, const GPtrArray *labels)
{
	const char *own = ss_labels_get(labels, "statefulset.kubernetes.io/pod-name");
	const char *dash = strrchr(pod, '-');

	if (!own || strcmp(own, pod) || !dash || dash == pod || !dash[1] ||
	    strspn(dash + 1, "0123456789") != strlen(dash + 1))
		return NULL;
	return g_strndup(pod, (gsize)(dash - pod));
}

static char *job_name(const char *pod, const GPtrArray *labels)
{
	const char *name = ss_labels_get(labels, "batch.kubernetes.io/job-name");

	(void)pod;
	if (!name)
		name = ss_labels_get(labels, "job-name");
	return name && *name ? g_strdup(name) : NULL;
}

bool ss_workload_from_labels(const char *pod_name, const GPtrArray *labels, char **ret_kind,
			     char **ret_name)
{
	static const struct {
		const char *kind;
		char *(*name)(const char *pod, const GPtrArray *labels);
	} rules[] = {
		{"Deployment", deployment_name},
		{"StatefulSet", stateful_set_name},
		{"DaemonSet", daemon_set_name},
		{"Job", job_name},
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rules); i++) {
		char *name = rules[i].name(pod_name, labels);

		if (!name)
			continue;
		g_free(*ret_kind);
		g_free(*ret_name);
		*ret_kind = g_strdup(rules[i].kind);
		*ret_name = name;
		return true;
	}
	return false;
}

/* <deployment>-<hash>, of a pod that is called so with 5 characters more. */
static bool has_replica_set(const struct ss_pod *pod, const char *name)
{
	size_t length = base_length(pod->name);
	g_autofree char *deployment = deployment_name(pod->name, pod->labels);

	return deployment && strlen(name) == length && memcmp(pod->name, name, length) == 0;
}

bool ss_workload_has_pod(const struct ss_workload_name *workload, const struct ss_pod *pod)
{
	g_autofree char *job = NULL;

	if (workload->namespace && strcmp(workload->namespace, pod->namespace))
		return false;
	if (!strcmp(workload->kind, "Pod"))
		return !strcmp(workload->name, pod->name);
	if (!g_strcmp0(workload->kind, pod->workload_kind) &&
	    !g_strcmp0(workload->name, pod->workload_name))
		return true;
	if (!strcmp(workload->kind, "ReplicaSet"))
		return has_replica_set(pod, workload->name);
	job = job_name(pod->name, pod->labels);
	return job && !strcmp(workload->kind, "Job") && !strcmp(workload->name, job);
}
