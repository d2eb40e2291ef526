/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tc filters of a device's clsact qdisc: whose they are. */
#ifndef SS_ATTACH_FILTERS_H
#define SS_ATTACH_FILTERS_H

#include <stdbool.h>

#define SS_FILTERS_PRIORITY     1 /* of our filters: the head of the chain */
#define SS_FILTERS_PRIORITY_OWN 2 /* in a qdisc that one of us made */

struct ss_filters {
	unsigned total; /* of both directions, everybody's */
	bool own_qdisc; /* one is ours and says that the qdisc is, too */
};

/* In the network namespace where the thread is. Returns 0 or a negative errno. */
int ss_filters_list(int ifindex, struct ss_filters *ret_filters);

#endif
