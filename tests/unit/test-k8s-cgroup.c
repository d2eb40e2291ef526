/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which pod a cgroup path names: every driver, runtime and point of view seen in the wild. */
#include <errno.h>
#include <string.h>

#include <glib.h>

#include "k8s/cgroup.h"
#include "k8s/read.h"

#define UID         "0f3a1c52-7d0e-4b7e-9c1a-2f6b8e4d5a10"
#define UID_ESCAPED "0f3a1c52_7d0e_4b7e_9c1a_2f6b8e4d5a10"
#define STATIC_UID  "8a3c1f0e5b7d42969e0f1a2b3c4d5e6f"
#define ID          "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define OTHER_ID    "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static const struct {
	const char *path, *uid, *id, *runtime; /* uid NULL: no pod */
} paths[] = {
	/* cgroupfs driver */
	{"/kubepods/besteffort/pod" UID "/" ID, UID, ID, NULL},
	{"/kubepods/burstable/pod" UID "/" ID, UID, ID, NULL},
	{"/kubepods/pod" UID "/" ID, UID, ID, NULL},
	{"/kubepods/pod" UID, UID, "", NULL},
	{"/kubepods/pod" UID "/", UID, "", NULL},
	{"/kubepods/burstable/pod" STATIC_UID "/" ID, STATIC_UID, ID, NULL},
	{"/kubepods/burstable/pod" UID "/crio-" ID, UID, ID, "cri-o"},
	{"/kubepods/burstable/pod" UID "/" ID "/init.scope", UID, ID, NULL},
	{"/kubepods/burstable/pod" UID "/something", UID, "", NULL},
	/* systemd driver */
	{"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID_ESCAPED
	 ".slice/cri-containerd-" ID ".scope",
	 UID, ID, "containerd"},
	{"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" UID_ESCAPED
	 ".slice/crio-" ID ".scope/container",
	 UID, ID, "cri-o"},
	{"/kubepods.slice/kubepods-pod" UID_ESCAPED ".slice/docker-" ID ".scope", UID, ID,
	 "docker"},
	{"/kubepods.slice/kubepods-pod" STATIC_UID ".slice", STATIC_UID, "", NULL},
	{"/kubepods.slice/kubepods-pod" UID_ESCAPED ".slice/crio-conmon-" ID ".scope", NULL, "",
	 NULL},
	/* containerd told cgroupfs under a systemd kubelet */
	{"/system.slice/containerd.service/kubepods-burstable-pod" UID_ESCAPED
	 ".slice:cri-containerd:" ID,
	 UID, ID, "containerd"},
	/* a prefix: --cgroup-root, kind, a container around the kubelet */
	{"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/"
	 "kubelet-kubepods-besteffort-pod" UID_ESCAPED ".slice/cri-containerd-" ID ".scope",
	 UID, ID, "containerd"},
	{"/docker/" OTHER_ID "/kubelet/kubepods/besteffort/pod" UID "/" ID, UID, ID, NULL},
	{"/system.slice/docker-" OTHER_ID ".scope/kubepods/pod" UID "/" ID, UID, ID, NULL},
	/* pods in a pod: the outer one */
	{"/kubepods/pod" UID "/" ID "/kubepods/pod" STATIC_UID "/" OTHER_ID, UID, ID, NULL},
	/* another cgroup namespace's point of view */
	{"/../../pod" UID "/" ID, UID, ID, NULL},
	{"/../../../burstable/pod" UID "/" ID, UID, ID, NULL},
	{"/../../kubepods-besteffort-pod" UID_ESCAPED ".slice/cri-containerd-" ID ".scope", UID, ID,
	 "containerd"},
	{"/../../podman/" ID, NULL, "", NULL},
	/* no pods */
	{"/", NULL, "", NULL},
	{"/system.slice/ssh.service", NULL, "", NULL},
	{"/kubepods", NULL, "", NULL},
	{"/kubepods/besteffort", NULL, "", NULL},
	{"/kubepods/pod", NULL, "", NULL},
	{"/kubepods/pod../" ID, NULL, "", NULL},
	{"/kubepods/other/pod" UID "/" ID, NULL, "", NULL},
	{"/user.slice/pod" UID "/" ID, NULL, "", NULL},
	{"/my-notkubepods-pod" UID_ESCAPED ".slice", NULL, "", NULL},
	{"/kubepods/pod" ID ID "/" ID, NULL, "", NULL},
};

static void test_paths(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
		struct ss_cgroup_identity identity = {};
		int r = ss_cgroup_parse(paths[i].path, &identity);

		g_test_message("%s", paths[i].path);
		g_assert_cmpint(r, ==, paths[i].uid ? 0 : -ENOENT);
		g_assert_cmpstr(identity.pod_uid, ==, paths[i].uid ?: "");
		g_assert_cmpstr(identity.container_id, ==, paths[i].id);
		g_assert_cmpstr(identity.runtime, ==, paths[i].runtime);
	}
}

static void test_not_a_path(void)
{
	g_autofree char *endless = g_strnfill(100000, '/');
	struct ss_cgroup_identity identity;

	g_assert_cmpint(ss_cgroup_parse("", &identity), ==, -EINVAL);
	g_assert_cmpint(ss_cgroup_parse("kubepods/pod" UID, &identity), ==, -EINVAL);
	g_assert_cmpint(ss_cgroup_parse(endless, &identity), ==, -EINVAL);
}

static void assert_proc(const char *text, const char *uid, const char *id)
{
	struct ss_cgroup_identity identity = {};

	g_assert_cmpint(ss_cgroup_parse_proc(text, strlen(text), &identity), ==, uid ? 0 : -ENOENT);
	g_assert_cmpstr(identity.pod_uid, ==, uid ?: "");
	g_assert_cmpstr(identity.container_id, ==, id);
}

static void test_proc_version_2(void)
{
	assert_proc("0::/kubepods/pod" UID "/" ID "\n", UID, ID);
	assert_proc("0::/kubepods/pod" UID "/" ID, UID, ID);
	assert_proc("0::/kubepods/pod" UID "/" ID " (deleted)\n", UID, ID);
	assert_proc("0::/\n", NULL, "");
}

static void test_proc_hybrid_takes_the_line_that_says_most(void)
{
	assert_proc("9:name=systemd:/\n4:memory:/kubepods/pod" STATIC_UID "/" OTHER_ID "\n"
		    "0::/kubepods/pod" UID "/" ID "\n",
		    UID, ID);
	assert_proc("9:name=systemd:/\n4:memory:/kubepods/pod" UID "/" ID "\n0::/\n", UID, ID);
	assert_proc("4:pids:/kubepods/pod" UID "/" ID "\n0::/kubepods/pod" UID "\n", UID, ID);
}

static void test_proc_hostile(void)
{
	static const char zero[] = "0::/kubepods/pod" UID "\0/" ID "\n";
	struct ss_cgroup_identity identity;
	g_autofree char *huge = g_strnfill(20000, 'x');
	g_autofree char *line = g_strconcat("0::/", huge, "/kubepods/pod" UID "\n", NULL);

	assert_proc("", NULL, "");
	assert_proc("\n\n:\n::\n0:\n0::\n", NULL, "");
	assert_proc(line, NULL, "");
	g_assert_cmpint(ss_cgroup_parse_proc(zero, sizeof(zero) - 1, &identity), ==, -ENOENT);
}

static void test_proc_real(void)
{
	char text[8192];
	struct ss_cgroup_identity identity;
	ssize_t length = ss_read_text("/proc/self/cgroup", text, sizeof(text));

	g_assert_cmpint(length, >, 0);
	ss_cgroup_parse_proc(text, (size_t)length, &identity);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/cgroup/paths", test_paths);
	g_test_add_func("/cgroup/not-a-path", test_not_a_path);
	g_test_add_func("/cgroup/proc-version-2", test_proc_version_2);
	g_test_add_func("/cgroup/proc-hybrid-takes-the-line-that-says-most",
			test_proc_hybrid_takes_the_line_that_says_most);
	g_test_add_func("/cgroup/proc-hostile", test_proc_hostile);
	g_test_add_func("/cgroup/proc-real", test_proc_real);
	return g_test_run();
}
