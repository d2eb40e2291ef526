/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The child reads nothing, writes its answer into a pipe and has 30 seconds. Its stderr is thrown
 * away: it may hold secrets, and who runs the plugin by hand sees it. It ends with us.
 */
#include "kube/plugin.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "kube/text.h"
#include "privilege.h"

#define ANSWER_MAX (1u << 20)
#define PATIENCE_S 30
#define GROUP      "client.authentication.k8s.io/"

struct ss_kube_plugin {
	struct ss_loop *loop;
	const struct ss_kube_config *config;
	ss_kube_plugin_callback callback;
	void *user_data;
	pid_t pid; /* 0: reaped */
	int pidfd, pipe;
	struct ss_timer *timer;
	GString *answer;
	bool too_long;
};

void ss_kube_credential_clear(struct ss_kube_credential *credential)
{
	ss_kube_free_secret(credential->token);
	g_free(credential->certificate);
	ss_kube_free_secret(credential->key);
	*credential = (struct ss_kube_credential){0};
}

static char *member_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text && *text ? g_strdup(text) : NULL;
}

static int64_t read_time(const char *text)
{
	g_autoptr(GTimeZone) utc = g_time_zone_new_utc();
	g_autoptr(GDateTime) time = text ? g_date_time_new_from_iso8601(text, utc) : NULL;

	return time ? g_date_time_to_unix(time) : 0;
}

int ss_kube_plugin_parse(const char *text, size_t length, const char *api_version,
			 struct ss_kube_credential *ret, struct ss_error *error)
{
	json_t *root = json_loadb(text, length, 0, NULL);
	const json_t *status = json_object_get(root, "status");
	const char *version = json_string_value(json_object_get(root, "apiVersion"));
	struct ss_kube_credential credential = {0};
	int r = 0;

	if (g_strcmp0(json_string_value(json_object_get(root, "kind")), "ExecCredential")) {
		r = ss_fail(error, -EBADMSG, "its answer is no ExecCredential");
	} else if (g_strcmp0(version, api_version)) {
		r = ss_fail(error, -EBADMSG, "its answer is of another version than '%s'",
			    api_version);
	} else {
		credential.token = member_text(status, "token");
		credential.certificate = member_text(status, "clientCertificateData");
		credential.key = member_text(status, "clientKeyData");
		credential.expires_s = read_time(
			json_string_value(json_object_get(status, "expirationTimestamp")));
		if (!credential.token && !(credential.certificate && credential.key))
			r = ss_fail(error, -EBADMSG,
				    "its answer has neither a token nor a certificate and key");
	}
	json_decref(root);
	if (r < 0)
		ss_kube_credential_clear(&credential);
	else
		*ret = credential;
	return r;
}

/* KUBERNETES_EXEC_INFO: what the plugin may want to know. */
static char *make_info(const struct ss_kube_config *config)
{
	json_t *spec = json_pack("{s:b}", "interactive", 0);
	json_t *root = json_pack("{s:s, s:s, s:o}", "apiVersion", config->exec->api_version, "kind",
				 "ExecCredential", "spec", spec);
	char *info, *copy;

	if (config->exec->cluster_info) {
		json_t *cluster = json_pack("{s:s, s:b}", "server", config->server,
					    "insecure-skip-tls-verify", config->insecure);
		g_autofree char *ca = NULL;

		if (config->ca)
			ca = g_base64_encode((const guchar *)config->ca, strlen(config->ca));
		if (ca)
			json_object_set_new(cluster, "certificate-authority-data", json_string(ca));
		if (config->tls_server_name)
			json_object_set_new(cluster, "tls-server-name",
					    json_string(config->tls_server_name));
		if (config->proxy_url)
			json_object_set_new(cluster, "proxy-url", json_string(config->proxy_url));
		json_object_set_new(spec, "cluster", cluster);
	}
	info = root ? json_dumps(root, JSON_COMPACT) : NULL;
	copy = g_strdup(info ? info : "{}");
	free(info);
	json_decref(root);
	return copy;
}

/* Everything is allocated before the fork. */
static G_GNUC_NORETURN void run(const char *program, char **argv, char **environment, int out)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(null, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	syscall(SYS_close_range, 3u, ~0u, 4u /* CLOSE_RANGE_CLOEXEC */);
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	ss_privilege_drop_for_exec();
	execve(program, argv, environment);
	_exit(127);
}

static char **make_environment(const struct ss_kube_config *config)
{
	g_autofree char *info = make_info(config);
	char **environment = g_get_environ();

	environment = g_environ_setenv(environment, "KUBERNETES_EXEC_INFO", info, TRUE);
	for (guint i = 0; i < config->exec->environment->len; i++) {
		const char *pair = config->exec->environment->pdata[i];
		g_autofree char *name = g_strndup(pair, strcspn(pair, "="));

		environment =
			g_environ_setenv(environment, name, pair + strcspn(pair, "=") + 1, TRUE);
	}
	return environment;
}

static void stop(struct ss_kube_plugin *exec)
{
	siginfo_t info;

	if (exec->pid) {
		kill(-exec->pid, SIGKILL);
		kill(exec->pid, SIGKILL);
		while (waitid(P_PID, (id_t)exec->pid, &info, WEXITED) < 0 && errno == EINTR)
			;
	}
	exec->pid = 0;
}

void ss_kube_plugin_free(struct ss_kube_plugin *exec)
{
	if (!exec)
		return;
	stop(exec);
	ss_timer_free(exec->timer);
	if (exec->pipe >= 0) {
		ss_loop_remove(exec->loop, exec->pipe);
		close(exec->pipe);
	}
	if (exec->pidfd >= 0) {
		ss_loop_remove(exec->loop, exec->pidfd);
		close(exec->pidfd);
	}
	explicit_bzero(exec->answer->str, exec->answer->len);
	g_string_free(exec->answer, TRUE);
	g_free(exec);
}

/* What is there now; more may come while the pipe has a writer. */
static void read_answer(struct ss_kube_plugin *exec)
{
	char buffer[4096];
	ssize_t count;

	while (exec->pipe >= 0 && (count = read(exec->pipe, buffer, sizeof(buffer))) != 0) {
		if (count < 0)
			return;
		if (exec->answer->len + (size_t)count > ANSWER_MAX)
			exec->too_long = true;
		else
			g_string_append_len(exec->answer, buffer, count);
		explicit_bzero(buffer, sizeof(buffer));
	}
	if (exec->pipe >= 0) {
		ss_loop_remove(exec->loop, exec->pipe);
		close(exec->pipe);
		exec->pipe = -1;
	}
}

static void on_pipe(uint32_t events, void *user_data)
{
	(void)events;
	read_answer(user_data);
}

static void finish(struct ss_kube_plugin *exec, int r, const char *reason)
{
	struct ss_kube_credential credential = {0};
	g_autofree char *command = ss_kube_printable(exec->config->exec->command, 200);
	struct ss_error inner = {0}, error = {0};

	if (r == 0) {
		r = ss_kube_plugin_parse(exec->answer->str, exec->answer->len,
					 exec->config->exec->api_version, &credential, &inner);
		reason = inner.message;
	}
	if (r < 0)
		ss_fail(&error, r, "the kubeconfig's exec plugin '%s' gave no credentials: %s",
			command, reason);
	exec->callback(r, &credential, &error, exec->user_data);
	ss_kube_credential_clear(&credential);
}

static void on_exit_of_child(uint32_t events, void *user_data)
{
	struct ss_kube_plugin *exec = user_data;
	g_autofree char *reason = NULL;
	siginfo_t info = {0};
	int r = 0;

	(void)events;
	if (waitid(P_PID, (id_t)exec->pid, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
		return;
	exec->pid = 0;
	ss_loop_remove(exec->loop, exec->pidfd);
	ss_timer_once(exec->timer, 0);
	read_answer(exec);
	if (info.si_code != CLD_EXITED || info.si_status != 0) {
		r = -EPROTO;
		reason = info.si_code == CLD_EXITED
				 ? g_strdup_printf("it exited with status %d; run it by hand to "
						   "see why",
						   info.si_status)
				 : g_strdup_printf("signal %d ended it", info.si_status);
	} else if (exec->too_long) {
		r = -EFBIG;
		reason = g_strdup("its answer is larger than 1 MiB");
	}
	finish(exec, r, reason);
}

static void on_timeout(uint32_t events, void *user_data)
{
	struct ss_kube_plugin *exec = user_data;

	(void)events;
	ss_loop_remove(exec->loop, exec->pidfd);
	stop(exec);
	finish(exec, -ETIMEDOUT, "it did not end within 30 seconds");
}

static int check(const struct ss_kube_exec *exec, struct ss_error *error)
{
	if (g_strcmp0(exec->api_version, GROUP "v1") &&
	    g_strcmp0(exec->api_version, GROUP "v1beta1"))
		return ss_fail(
			error, -EOPNOTSUPP,
			"the kubeconfig's exec plugin '%s' has an apiVersion that is neither " GROUP
			"v1 nor " GROUP "v1beta1: update it",
			exec->command);
	if (exec->needs_terminal)
		return ss_fail(error, -EOPNOTSUPP,
			       "the kubeconfig's exec plugin '%s' wants to talk to a terminal "
			       "(interactiveMode: Always), which it can't here",
			       exec->command);
	return 0;
}

int ss_kube_plugin_start(struct ss_loop *loop, const struct ss_kube_config *config,
			 ss_kube_plugin_callback callback, void *user_data,
			 struct ss_kube_plugin **ret, struct ss_error *error)
{
	g_autofree char *program = g_find_program_in_path(config->exec->command);
	g_autoptr(GPtrArray) argv = g_ptr_array_new();
	ss_autofd int reader = -1, writer = -1;
	g_auto(GStrv) environment = NULL;
	struct ss_kube_plugin *exec;
	int ends[2], pidfd, r = check(config->exec, error);
	pid_t pid;

	if (r < 0)
		return r;
	if (!program)
		return ss_fail(error, -ENOENT, "the kubeconfig's exec plugin '%s' is not installed",
			       config->exec->command);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return ss_fail(error, -errno, "cannot make a pipe: %s", g_strerror(errno));
	reader = ends[0];
	writer = ends[1];
	fcntl(reader, F_SETFL, O_NONBLOCK);
	environment = make_environment(config);
	g_ptr_array_add(argv, config->exec->command);
	for (guint i = 0; i < config->exec->arguments->len; i++)
		g_ptr_array_add(argv, config->exec->arguments->pdata[i]);
	g_ptr_array_add(argv, NULL);
	pid = fork();
	if (pid < 0)
		return ss_fail(error, -errno, "cannot start '%s': %s", program, g_strerror(errno));
	if (pid == 0)
		run(program, (char **)argv->pdata, environment, writer);
	setpgid(pid, pid);
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0u);

	exec = g_new0(struct ss_kube_plugin, 1);
	*exec = (struct ss_kube_plugin){.loop = loop,
					.config = config,
					.callback = callback,
					.user_data = user_data,
					.pid = pid,
					.pidfd = pidfd,
					.pipe = g_steal_fd(&reader),
					.answer = g_string_new(NULL)};
	exec->timer = ss_timer_new(loop, on_timeout, exec);
	ss_timer_once(exec->timer, PATIENCE_S * 1000000000ull);
	ss_loop_add(loop, exec->pipe, EPOLLIN, on_pipe, exec);
	if (pidfd >= 0)
		ss_loop_add(loop, pidfd, EPOLLIN, on_exit_of_child, exec);
	*ret = exec;
	return 0;
}
