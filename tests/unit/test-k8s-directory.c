/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When a pod is told, and with what: folders are files, the process is real, the provider is here.
 */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "k8s-tree.h"
#include "k8s/directory.h"

#define WAIT_NS 20000000000ull /* for what comes at once unless something is broken */

/* Knows what the test tells it to. */
struct oracle {
	struct ss_provider provider;
	struct ss_provider_callbacks callbacks;
	bool asking;
	struct ss_loop *loop;         /* ends when it is asked; or NULL */
	const char *label, *workload; /* NULL: not known */
	GString *forgotten;
};

struct fixture {
	struct tree tree;
	struct ss_loop *loop;
	struct ss_directory *directory;
	struct oracle oracle;
	GString *seen; /* "added:api:label " */
	const char *awaited;
	pid_t child;
};

static bool complete(struct ss_provider *provider, struct ss_pod *pod)
{
	const struct oracle *oracle = (struct oracle *)(void *)provider;

	if (oracle->loop)
		ss_loop_quit(oracle->loop);
	if (oracle->label) {
		ss_labels_set(pod->labels, "app", oracle->label);
		pod->sources[SS_FACT_LABELS] = SS_SOURCE_CRI;
	}
	if (oracle->workload) {
		pod->workload_kind = g_strdup(oracle->workload);
		pod->workload_name = g_strdup("api");
		pod->sources[SS_FACT_WORKLOAD] = SS_SOURCE_CRI;
	}
	return !oracle->asking;
}

static void forget(struct ss_provider *provider, const char *uid)
{
	g_string_append(((struct oracle *)(void *)provider)->forgotten, uid);
}

static const char *state(struct ss_provider *provider)
{
	return provider->name;
}

static void nothing(struct ss_provider *provider)
{
	(void)provider;
}

static bool works(struct ss_provider *provider)
{
	return provider != NULL;
}

static void note(enum ss_pod_change change, const struct ss_pod *pod, void *user_data)
{
	static const char *const names[] = {"added", "changed", "removed"};
	struct fixture *fixture = user_data;

	g_string_append_printf(fixture->seen, "%s:%s:%s ", names[change], pod->name,
			       ss_labels_get(pod->labels, "app") ?: "-");
	if (fixture->awaited && strstr(fixture->seen->str, fixture->awaited))
		ss_loop_quit(fixture->loop);
}

static void setup(struct fixture *fixture, struct ss_directory_options needs)
{
	const struct ss_directory_callbacks callbacks = {.pod = note, .user_data = fixture};

	*fixture = (struct fixture){.seen = g_string_new(NULL)};
	tree_init(&fixture->tree);
	tree_file(&fixture->tree, "cgroup/cgroup.controllers", "");
	g_free(tree_directory(&fixture->tree, "cgroup/kubepods/besteffort"));
	fixture->child = fork();
	if (fixture->child == 0) {
		pause();
		_exit(0);
	}
	fixture->loop = ss_loop_new();
	needs.paths = &fixture->tree.paths;
	fixture->directory = ss_directory_new(fixture->loop, &needs, &callbacks);
	fixture->oracle.provider =
		(struct ss_provider){"oracle", complete, forget, state, nothing, works, NULL};
	fixture->oracle.callbacks = ss_directory_provider_callbacks(fixture->directory);
	fixture->oracle.forgotten = g_string_new(NULL);
	fixture->oracle.asking = true;
	ss_directory_add(fixture->directory, &fixture->oracle.provider);
}

static void end_process(struct fixture *fixture)
{
	g_autofree char *folder = g_strdup_printf("proc/%d", (int)fixture->child);

	if (!fixture->child)
		return;
	tree_remove(&fixture->tree, folder);
	kill(fixture->child, SIGKILL);
	waitpid(fixture->child, NULL, 0);
	fixture->child = 0;
}

static void teardown(struct fixture *fixture)
{
	ss_directory_free(fixture->directory);
	ss_loop_free(fixture->loop);
	g_string_free(fixture->seen, TRUE);
	g_string_free(fixture->oracle.forgotten, TRUE);
	end_process(fixture);
	tree_deinit(&fixture->tree);
}

static void start_pod(struct fixture *fixture)
{
	g_autofree char *pid = g_strdup_printf("%d", (int)fixture->child);
	g_autofree char *line = g_strconcat(pid, "\n", NULL);

	g_free(tree_directory(&fixture->tree, "pods/production_api_" UID_A));
	tree_process(&fixture->tree, pid, "pause", 'S', 500, 2000);
	tree_file(&fixture->tree, "cgroup/kubepods/besteffort/pod" UID_A "/" ID_1 "/cgroup.procs",
		  line);
}

static void start(struct fixture *fixture)
{
	struct ss_error error = {0};

	g_assert_cmpint(ss_directory_start(fixture->directory, 1, &error), ==, 0);
	g_assert_cmpstr(error.message, ==, "");
}

/* The oracle knows more. */
static void tell(struct fixture *fixture)
{
	fixture->oracle.callbacks.changed(UID_A, fixture->oracle.callbacks.user_data);
}

static void waited_in_vain(uint32_t events, void *user_data)
{
	struct fixture *fixture = user_data;

	(void)events;
	g_error("waited for '%s', saw '%s'", fixture->awaited, fixture->seen->str);
}

static void wait_for(struct fixture *fixture, const char *text)
{
	struct ss_timer *timer = ss_timer_new(fixture->loop, waited_in_vain, fixture);

	fixture->awaited = text;
	ss_timer_once(timer, WAIT_NS);
	if (!strstr(fixture->seen->str, text))
		ss_loop_run(fixture->loop);
	fixture->awaited = NULL;
	ss_timer_free(timer);
}

static void test_told_at_once(void)
{
	struct fixture fixture;

	setup(&fixture, (struct ss_directory_options){0});
	start_pod(&fixture);
	start(&fixture);
	g_assert_cmpstr(fixture.seen->str, ==, "added:api:- ");
	fixture.oracle.label = "api";
	tell(&fixture);
	g_assert_cmpstr(fixture.seen->str, ==, "added:api:- changed:api:api ");
	tell(&fixture); /* nothing new */
	g_assert_cmpstr(fixture.seen->str, ==, "added:api:- changed:api:api ");
	teardown(&fixture);
}

static void test_told_with_labels(void)
{
	struct fixture fixture;

	setup(&fixture, (struct ss_directory_options){.needs_labels = true});
	start(&fixture);
	start_pod(&fixture);
	fixture.oracle.loop = fixture.loop;
	ss_loop_run(fixture.loop); /* until it is asked */
	fixture.oracle.loop = NULL;
	fixture.oracle.label = "api";
	g_assert_cmpstr(fixture.seen->str, ==, "");
	tell(&fixture);
	g_assert_cmpstr(fixture.seen->str, ==, "added:api:api ");
	teardown(&fixture);
}

static void test_told_when_nobody_knows(void)
{
	struct fixture fixture;

	setup(&fixture, (struct ss_directory_options){.needs_labels = true});
	start_pod(&fixture);
	start(&fixture); /* patience ends first */
	g_assert_cmpstr(fixture.seen->str, ==, "");
	fixture.oracle.asking = false;
	tell(&fixture);
	g_assert_cmpstr(fixture.seen->str, ==, "added:api:- ");
	teardown(&fixture);
}

static void test_a_job_may_have_an_owner(void)
{
	struct fixture fixture;

	setup(&fixture, (struct ss_directory_options){.needs_workload = true});
	start_pod(&fixture);
	fixture.oracle.workload = "Job";
	start(&fixture);
	g_assert_cmpstr(fixture.seen->str, ==, "");
	fixture.oracle.workload = "CronJob";
	tell(&fixture);
	g_assert_cmpstr(fixture.seen->str, ==, "added:api:- ");
	teardown(&fixture);
}

static void test_gone_pods_are_forgotten(void)
{
	struct fixture fixture;

	setup(&fixture, (struct ss_directory_options){0});
	start_pod(&fixture);
	start(&fixture);
	end_process(&fixture);
	wait_for(&fixture, "removed:api:- ");
	g_assert_cmpstr(fixture.oracle.forgotten->str, ==, UID_A);
	tell(&fixture); /* about a stranger now */
	g_assert_cmpstr(fixture.seen->str, ==, "added:api:- removed:api:- ");
	teardown(&fixture);
}

static void test_a_list(void)
{
	g_autoptr(GPtrArray) pods = NULL;
	const struct ss_pod *pod;
	struct fixture fixture;

	setup(&fixture, (struct ss_directory_options){.needs_all = true, .once = true});
	start_pod(&fixture);
	g_free(tree_directory(&fixture.tree, "pods/production_ended_" UID_B));
	fixture.oracle.label = "known";
	fixture.oracle.asking = false;
	g_assert_cmpint(ss_directory_prepare(fixture.directory, 1000, NULL), ==, 0);
	g_assert_cmpint(ss_directory_pods(fixture.directory, &pods, NULL), ==, 0);
	g_assert_cmpuint(pods->len, ==, 2);
	pod = pods->pdata[1];
	g_assert_cmpstr(pod->name, ==, "ended");
	g_assert_cmpint(pod->pid, ==, 0);
	g_assert_cmpstr(ss_labels_get(pod->labels, "app"), ==, "known");
	g_assert_cmpstr(fixture.seen->str, ==, "");
	teardown(&fixture);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_unsetenv("XDG_RUNTIME_DIR"); /* nothing is left there */
	g_test_add_func("/k8s-directory/told-at-once", test_told_at_once);
	g_test_add_func("/k8s-directory/told-with-labels", test_told_with_labels);
	g_test_add_func("/k8s-directory/told-when-nobody-knows", test_told_when_nobody_knows);
	g_test_add_func("/k8s-directory/a-job-may-have-an-owner", test_a_job_may_have_an_owner);
	g_test_add_func("/k8s-directory/gone-pods-are-forgotten", test_gone_pods_are_forgotten);
	g_test_add_func("/k8s-directory/a-list", test_a_list);
	return g_test_run();
}
