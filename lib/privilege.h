/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Capabilities: held only while something is attached. Between, the effective set is empty; the
 * permitted set keeps what following pods needs, or nothing when nothing is followed.
 */
#ifndef SS_PRIVILEGE_H
#define SS_PRIVILEGE_H

#include <stdbool.h>

/* Keeps of the permitted set only what a capture can use. Call it first. */
void ss_privilege_init(void);
/* Makes effective what is permitted, and takes it back. Nest freely. */
void ss_privilege_raise(void);
void ss_privilege_lower(void);
/* Gives everything up for good. */
void ss_privilege_drop(void);
/* Is the CAP_* number permitted? */
bool ss_privilege_has(int capability);
/* After fork, before exec: the child gets no capability, even as root. */
void ss_privilege_drop_for_exec(void);

#endif
