/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Capability sets by libcap. As root the file access of root is kept: it wrote the paths. */
#include "privilege.h"

#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <glib.h>

#include "log.h"

/* cap_sys_admin and cap_sys_ptrace: to enter pods' network namespaces, where granted. */
static const cap_value_t useful[] = {CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON, CAP_SYS_ADMIN,
				     CAP_SYS_PTRACE};
/* root creates ring files in other users' folders while everything else is lowered */
static const cap_value_t root_files[] = {CAP_DAC_OVERRIDE};

static unsigned depth;

bool ss_privilege_has(int capability)
{
	cap_t caps = cap_get_proc();
	cap_flag_value_t value = CAP_CLEAR;

	if (!caps)
		return false;
	cap_get_flag(caps, (cap_value_t)capability, CAP_PERMITTED, &value);
	cap_free(caps);
	return value == CAP_SET;
}

static void set(bool permitted, bool effective)
{
	cap_t caps = cap_init();

	for (size_t i = 0; i < G_N_ELEMENTS(useful) && permitted; i++) {
		if (!ss_privilege_has(useful[i]))
			continue;
		cap_set_flag(caps, CAP_PERMITTED, 1, &useful[i], CAP_SET);
		if (effective)
			cap_set_flag(caps, CAP_EFFECTIVE, 1, &useful[i], CAP_SET);
	}
	if (geteuid() == 0 && ss_privilege_has(CAP_DAC_OVERRIDE)) {
		cap_set_flag(caps, CAP_PERMITTED, 1, root_files, CAP_SET);
		cap_set_flag(caps, CAP_EFFECTIVE, 1, root_files, CAP_SET);
	}
	if (cap_set_proc(caps) < 0)
		ss_log(SS_LOG_WARNING, "cannot set the capabilities of the process");
	cap_free(caps);
}

void ss_privilege_init(void)
{
	depth = 0;
	set(true, false);
}

void ss_privilege_raise(void)
{
	if (depth++ == 0)
		set(true, true);
}

void ss_privilege_lower(void)
{
	if (--depth == 0)
		set(true, false);
}

void ss_privilege_drop(void)
{
	set(false, false);
}

void ss_privilege_drop_for_exec(void)
{
	cap_t none = cap_init();

	prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED, 0, 0, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	cap_set_proc(none);
	cap_free(none);
}
