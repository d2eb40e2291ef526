/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Plain frames (emit.h) in user space. */
#ifndef SS_FILTER_PLAIN_H
#define SS_FILTER_PLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Whether all that Wireshark would show of the headers is what the kernel looked at: then what a
 * filter with SS_REST_UNPLAIN accepted does match. frame: the captured bytes of length.
 */
bool ss_frame_is_plain(const uint8_t *frame, size_t captured, size_t length, unsigned link_type);

#endif
