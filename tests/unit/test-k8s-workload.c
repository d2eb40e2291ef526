/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owners: how they are written, and what a pod's labels say of them. */
#include <errno.h>
#include <string.h>

#include <glib.h>

#include "k8s/workload.h"

static struct ss_pod *make_pod(const char *name, const char *labels)
{
	g_auto(GStrv) pairs = g_strsplit(labels, ",", -1);
	struct ss_pod *pod = ss_pod_new();

	pod->namespace = g_strdup("production");
	pod->name = g_strdup(name);
	for (char **pair = pairs; *pair && **pair; pair++) {
		char *equals = strchr(*pair, '=');

		*equals = '\0';
		ss_labels_set(pod->labels, *pair, equals + 1);
	}
	ss_workload_from_labels(pod->name, pod->labels, &pod->workload_kind, &pod->workload_name);
	return pod;
}

#define DEPLOYED "pod-template-hash=5d78c9869d"
#define DAEMON   "controller-revision-hash=6f4,pod-template-generation=1"
#define LONG     "a-name-of-forty-characters-is-not-so-long" /* 41 */

static const struct {
	const char *pod, *labels;
	const char *owner; /* NULL: not known */
} owners[] = {
	{"api-5d78c9869d-abcde", DEPLOYED ",app=api", "Deployment/api"},
	{"api-v2-5d78c9869d-abcde", DEPLOYED, "Deployment/api-v2"},
	{"api-5d78c9869d-abcde", "", NULL},
	{"api-0000000000-abcde", DEPLOYED, NULL},
	{"api", DEPLOYED, NULL},
	{"-5d78c9869d-abcde", DEPLOYED, NULL},
	{LONG "-5d78c98abcde", DEPLOYED, NULL}, /* cut */
	{"agent-abcde", DAEMON, "DaemonSet/agent"},
	{"agent-abcde", "controller-revision-hash=6f4", NULL},
	{"db-0", "statefulset.kubernetes.io/pod-name=db-0,controller-revision-hash=db-6f4",
	 "StatefulSet/db"},
	{"db-10", "statefulset.kubernetes.io/pod-name=db-10", "StatefulSet/db"},
	{"db-x", "statefulset.kubernetes.io/pod-name=db-x", NULL},
	{"db-0", "statefulset.kubernetes.io/pod-name=db-1", NULL},
	{"backup-28-xyzab", "batch.kubernetes.io/job-name=backup-28", "Job/backup-28"},
	{"backup-28-xyzab", "job-name=backup-28", "Job/backup-28"},
	{"static-node1", "component=etcd", NULL},
};

static void test_owner(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(owners); i++) {
		struct ss_pod *pod = make_pod(owners[i].pod, owners[i].labels);
		g_autofree char *owner = NULL;

		if (pod->workload_kind)
			owner = g_strconcat(pod->workload_kind, "/", pod->workload_name, NULL);
		g_assert_cmpstr(owner, ==, owners[i].owner);
		ss_pod_free(pod);
	}
}

static const struct {
	const char *workload, *pod, *labels;
	bool has;
} members[] = {
	{"deploy/api", "api-5d78c9869d-abcde", DEPLOYED, true},
	{"deployment/api", "api-5d78c9869d-abcde", DEPLOYED, true},
	{"Deployments/api", "api-5d78c9869d-abcde", DEPLOYED, true},
	{"deployment.apps/api", "api-5d78c9869d-abcde", DEPLOYED, true},
	{"deployments.apps/api", "api-5d78c9869d-abcde", DEPLOYED, true},
	{"production/deploy/api", "api-5d78c9869d-abcde", DEPLOYED, true},
	{"staging/deploy/api", "api-5d78c9869d-abcde", DEPLOYED, false},
	{"deploy/web", "api-5d78c9869d-abcde", DEPLOYED, false},
	{"sts/api", "api-5d78c9869d-abcde", DEPLOYED, false},
	{"rs/api-5d78c9869d", "api-5d78c9869d-abcde", DEPLOYED, true},
	{"rs/api", "api-5d78c9869d-abcde", DEPLOYED, false},
	{"ds/agent", "agent-abcde", DAEMON, true},
	{"sts/db", "db-0", "statefulset.kubernetes.io/pod-name=db-0", true},
	{"job/backup-28", "backup-28-xyzab", "job-name=backup-28", true},
	{"cj/backup", "backup-28-xyzab", "job-name=backup-28", false},
	{"job.batch/backup-28", "backup-28-xyzab", "job-name=backup-28", true},
	{"pod/db-0", "db-0", "", true},
	{"po/db-1", "db-0", "", false},
};

static void test_members(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(members); i++) {
		struct ss_pod *pod = make_pod(members[i].pod, members[i].labels);
		struct ss_workload_name *workload;

		g_assert_cmpint(ss_workload_name_parse(members[i].workload, &workload, NULL), ==,
				0);
		if (ss_workload_has_pod(workload, pod) != members[i].has)
			g_error("%s, %s", members[i].workload, members[i].pod);
		ss_workload_name_free(workload);
		ss_pod_free(pod);
	}
}

/* What the API server knows better: the Job's CronJob. */
static void test_top_owner(void)
{
	struct ss_pod *pod = make_pod("backup-28-xyzab", "job-name=backup-28");
	static const char *const names[] = {"cj/backup", "job/backup-28"};

	g_free(pod->workload_kind);
	g_free(pod->workload_name);
	pod->workload_kind = g_strdup("CronJob");
	pod->workload_name = g_strdup("backup");
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		struct ss_workload_name *workload;

		g_assert_cmpint(ss_workload_name_parse(names[i], &workload, NULL), ==, 0);
		g_assert_true(ss_workload_has_pod(workload, pod));
		ss_workload_name_free(workload);
	}
	ss_pod_free(pod);
}

static void test_wrong(void)
{
	static const char *const wrong[] = {"",
					    "api",
					    "deploy/",
					    "/api",
					    "deploy/API",
					    "boat/api",
					    "deploy.batch/api",
					    "deploy./api",
					    "pod./api",
					    ".apps/api",
					    "a/b/deploy/api",
					    "deploy/a/b",
					    "UPPER/deploy/api",
					    "deploy//api"};

	for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
		struct ss_workload_name *workload = NULL;
		struct ss_error error = {0};

		if (ss_workload_name_parse(wrong[i], &workload, &error) != -EINVAL)
			g_error("'%s' is taken", wrong[i]);
		g_assert_null(workload);
		g_assert_nonnull(strstr(error.message, "workload"));
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/k8s-workload/owner", test_owner);
	g_test_add_func("/k8s-workload/members", test_members);
	g_test_add_func("/k8s-workload/top-owner", test_top_owner);
	g_test_add_func("/k8s-workload/wrong", test_wrong);
	return g_test_run();
}
