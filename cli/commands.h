/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One function a command: 0 or a negative errno with a sentence. */
#ifndef SS_CLI_COMMANDS_H
#define SS_CLI_COMMANDS_H

#include "stratoshark.h"

int command_capture(struct ss_options *options, struct ss_error *error);
int command_pods(const struct ss_options *options, struct ss_error *error);
int command_doctor(const struct ss_options *options, struct ss_error *error);
int command_tls(const struct ss_options *options, struct ss_error *error);
int command_stats(struct ss_options *options, struct ss_error *error);
int command_filter(const struct ss_options *options, struct ss_error *error);
int command_generate(const struct ss_options *options, struct ss_error *error);

/* The pods of this node, and those of them that were asked for: all when nothing was. */
int command_select_pods(const struct ss_options *options, GPtrArray **ret_pods,
			GPtrArray **ret_chosen, struct ss_error *error);

#endif
