/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Enhanced Packet Blocks that did not come from the kernel just now. */
#ifndef SS_SOURCE_EPB_H
#define SS_SOURCE_EPB_H

#include <stdint.h>

#include "cursor.h"

/* Moves over the block at the front, of one of so many interfaces, as format/recording.md wants it.
 * Returns NULL, or what is wrong with it as a phrase; then the cursor is anywhere. */
const char *ss_epb_check(struct ss_cursor *cursor, uint32_t interfaces);

#endif
