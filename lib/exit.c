/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Errno codes to exit statuses, in one place. */
#include "stratoshark.h"

#include <errno.h>

enum ss_exit ss_exit_status(int code)
{
	switch (code) {
	case 0:
		return SS_EXIT_OK;
	case -EINVAL:
		return SS_EXIT_USAGE;
	case -EPERM:
	case -EACCES:
		return SS_EXIT_PERMISSION;
	case -ENOENT:
	case -ENOTUNIQ:
	case -ENODEV:
		return SS_EXIT_NOT_FOUND;
	case -EIO:
	case -ENOSPC:
	case -EDQUOT:
	case -EFBIG:
		return SS_EXIT_OUTPUT;
	case -EBADMSG:
		return SS_EXIT_DAMAGED;
	}
	return SS_EXIT_FAILED;
}
