/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The owner programs without CAP_PERFMON: they do not read tasks. */
#define SS_OWNER_BLIND
#include "bpf/owner.bpf.c"
