/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "doctor": what works here, what does not, and the one command that would change it. Each check is
 * a row; it tries the real thing where that has no effect on others.
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "commands.h"

#define PROVIDER_WAIT_MS 2000
#define LOOK_MS          20

enum verdict { GOOD, LESS, BAD }; /* LESS: works, with the limit that is named */

struct finding {
	enum verdict verdict;
	char text[512];
};

static void say(struct finding *finding, enum verdict verdict, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void say(struct finding *finding, enum verdict verdict, const char *format, ...)
{
	va_list arguments;

	finding->verdict = verdict;
	va_start(arguments, format);
	vsnprintf(finding->text, sizeof(finding->text), format, arguments);
	va_end(arguments);
}

static void check_kernel(struct finding *finding)
{
	unsigned major = 0, minor = 0;
	struct utsname name;

	uname(&name);
	sscanf(name.release, "%u.%u", &major, &minor);
	if (major < 5 || (major == 5 && minor < 15))
		say(finding, BAD, "Linux %s is too old: capturing needs 5.15", name.release);
	else if (major < 6 || (major == 6 && minor < 6))
		say(finding, LESS, "Linux %s: hooks by clsact (6.6 and newer have tcx)",
		    name.release);
	else
		say(finding, GOOD, "Linux %s: hooks by tcx", name.release);
}

static void check_build(struct finding *finding)
{
#ifdef SS_WITH_BPF
	say(finding, GOOD, "built with the capture part");
#else
	say(finding, BAD,
	    "built without the capture part: only --replay works; build with "
	    "-DWITH_BPF=ON");
#endif
}

static void check_capabilities(struct finding *finding)
{
	bool bpf = ss_privilege_has(CAP_BPF), net = ss_privilege_has(CAP_NET_ADMIN);

	if (!bpf || !net)
		say(finding, BAD,
		    "%s%s%s missing: sudo setcap cap_bpf,cap_net_admin+ep \"$(command "
		    "-v " PROGRAM_NAME ")\", or run as root",
		    bpf ? "" : "cap_bpf", !bpf && !net ? " and " : "", net ? "" : "cap_net_admin");
	else if (!ss_privilege_has(CAP_SYS_ADMIN))
		say(finding, LESS,
		    "cap_bpf, cap_net_admin: pods are captured at the host's end of "
		    "their cable (--attach veth), their loopback by cgroup");
	else
		say(finding, GOOD,
		    "cap_bpf, cap_net_admin, cap_sys_admin: pods are captured inside "
		    "their network namespace");
}

static void check_tls(struct finding *finding)
{
	bool perfmon = ss_privilege_has(CAP_PERFMON), ptrace = ss_privilege_has(CAP_SYS_PTRACE);

	if (!ss_privilege_has(CAP_SYS_ADMIN) && !perfmon)
		say(finding, LESS,
		    "--ssl-keylog and --ssl-plaintext need cap_perfmon, and cap_sys_ptrace for "
		    "other users' processes: sudo setcap "
		    "cap_bpf,cap_net_admin,cap_perfmon,cap_sys_ptrace+ep \"$(command -v " PROGRAM_NAME
		    ")\"");
	else if (!ptrace)
		say(finding, LESS,
		    "TLS of your own processes can be read; cap_sys_ptrace is missing for those "
		    "of other users");
	else
		say(finding, GOOD, "TLS keys and plaintext of pods can be read");
}

static void check_cgroup(struct finding *finding)
{
	g_autofree char *mounts = NULL;

	if (g_file_get_contents("/proc/self/mounts", &mounts, NULL, NULL) &&
	    strstr(mounts, " cgroup2 "))
		say(finding, GOOD, "cgroup v2 is mounted");
	else
		say(finding, LESS,
		    "no cgroup v2: hostNetwork pods, and loopback without root, can't "
		    "be captured");
}

static void check_pods(struct finding *finding)
{
	struct ss_node *node = ss_node_new(NULL);
	g_autoptr(GPtrArray) pods = NULL;
	struct ss_error error = {0};
	unsigned running = 0;

	if (ss_node_scan(node, &pods, &error) < 0) {
		say(finding, LESS, "%s", error.message);
	} else {
		for (guint i = 0; i < pods->len; i++)
			running += ((const struct ss_pod *)pods->pdata[i])->pid != 0;
		if (running)
			say(finding, GOOD, "%u pods run here", running);
		else
			say(finding, LESS,
			    "no pods here: is this a Kubernetes node? --interface "
			    "works all the same");
	}
	ss_node_free(node);
}

struct asking {
	struct ss_loop *loop;
	struct ss_directory *directory;
	unsigned looks;
};

static void look_whether_it_works(uint32_t events, void *user_data)
{
	const GPtrArray *providers;
	struct asking *asking = user_data;
	struct ss_provider *provider;

	(void)events;
	providers = ss_directory_providers(asking->directory);
	provider = providers->pdata[0];
	if (provider->works(provider) || ++asking->looks * LOOK_MS > PROVIDER_WAIT_MS)
		ss_loop_quit(asking->loop);
}

typedef int (*add_provider)(struct ss_loop *loop, const struct ss_options *options, bool peers,
			    struct ss_directory *directory, struct ss_error *error);

static void check_provider(add_provider add, const char *without, struct finding *finding)
{
	const struct ss_directory_options needs = {.once = true};
	const struct ss_directory_callbacks callbacks = {0};
	struct asking asking = {.loop = ss_loop_new()};
	struct ss_error error = {0};
	struct ss_provider *provider;
	struct ss_options options;
	struct ss_timer *timer;

	ss_options_init(&options);
	asking.directory = ss_directory_new(asking.loop, &needs, &callbacks);
	if (add(asking.loop, &options, false, asking.directory, &error) < 0) {
		say(finding, LESS, "%s: %s", without, error.message);
	} else {
		provider = ss_directory_providers(asking.directory)->pdata[0];
		timer = ss_timer_new(asking.loop, look_whether_it_works, &asking);
		ss_timer_every(timer, LOOK_MS * 1000000);
		ss_directory_prepare(asking.directory, 0, &error); /* it asks about the pods */
		ss_loop_run(asking.loop);
		ss_timer_free(timer);
		if (provider->works(provider))
			say(finding, GOOD, "%s", provider->state(provider));
		else
			say(finding, LESS, "%s: %s", without, provider->state(provider));
	}
	ss_directory_free(asking.directory);
	ss_loop_free(asking.loop);
	ss_options_deinit(&options);
}

static void check_runtime(struct finding *finding)
{
	check_provider(ss_providers_add_cri, "labels and images stay unknown", finding);
}

static void check_api_server(struct finding *finding)
{
	check_provider(ss_providers_add_kube, "services and other nodes' pods stay unnamed",
		       finding);
}

/* What a command says on standard output, or NULL. Its warnings (running as root) are not ours. */
static char *output_of(const char *command)
{
	g_autofree char *warnings = NULL;
	g_autofree char *output = NULL;

	if (!g_spawn_command_line_sync(command, &output, &warnings, NULL, NULL))
		return NULL;
	return g_steal_pointer(&output);
}

static void check_tshark(struct finding *finding)
{
	g_autofree char *path = g_find_program_in_path("tshark");
	g_autofree char *version = NULL;

	if (!path) {
		say(finding, LESS,
		    "tshark is not installed: --live needs it (sudo apt-get install "
		    "tshark)");
		return;
	}
	version = output_of("tshark --version");
	if (version && strchr(version, '\n'))
		*strchr(version, '\n') = '\0';
	say(finding, GOOD, "%s", version ? version : path);
}

/* Asks tshark with our names; as it is installed, so it answers. */
static void check_wireshark_parts(struct finding *finding, const char *command, const char *word,
				  const char *what)
{
	g_autofree char *output = output_of(command);

	if (!output) {
		say(finding, LESS, "%s: not checked, there is no tshark", what);
		return;
	}
	if (strstr(output, word))
		say(finding, GOOD, "%s is where Wireshark finds it", what);
	else
		say(finding, LESS,
		    "%s is not where Wireshark looks (tshark -G folders): run 'cmake "
		    "--install' again",
		    what);
}

static void check_plugin(struct finding *finding)
{
	check_wireshark_parts(finding, "tshark -G plugins", "stratoshark.so", "the plugin");
}

static void check_extcap(struct finding *finding)
{
	check_wireshark_parts(finding, "tshark -G plugins", "extcap/stratoshark", "the extcap");
	if (finding->verdict != GOOD)
		check_wireshark_parts(finding, "tshark -D", "stratoshark-", "the extcap");
}

static const struct {
	const char *name;
	void (*run)(struct finding *finding);
} checks[] = {
	{"build", check_build},
	{"kernel", check_kernel},
	{"capabilities", check_capabilities},
	{"tls", check_tls},
	{"cgroup", check_cgroup},
	{"pods", check_pods},
	{"runtime", check_runtime},
	{"api server", check_api_server},
	{"tshark", check_tshark},
	{"plugin", check_plugin},
	{"extcap", check_extcap},
};

int command_doctor(const struct ss_options *options, struct ss_error *error)
{
	static const char *const marks[] = {"ok  ", "note", "FAIL"};
	bool bad = false;

	(void)options;
	for (size_t i = 0; i < G_N_ELEMENTS(checks); i++) {
		struct finding finding = {0};

		checks[i].run(&finding);
		printf("%s  %-12s  %s\n", marks[finding.verdict], checks[i].name, finding.text);
		bad |= finding.verdict == BAD;
	}
	return bad ? ss_fail(error, -ENOTSUP,
			     "capturing does not work here yet: see the lines "
			     "marked FAIL")
		   : 0;
}
