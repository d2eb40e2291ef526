/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fields of the process that a frame is of (bpf/attribution.h). */
#ifndef SS_FILTER_PROCESS_H
#define SS_FILTER_PROCESS_H

#include "field.h"

extern const struct ss_family ss_family_process;

#endif
