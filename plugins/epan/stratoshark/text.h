/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text that a file or a process gave us, made fit to be shown.
 */
#ifndef SS_PLUGIN_TEXT_H
#define SS_PLUGIN_TEXT_H

#include "compat.h"

/*
 * Valid UTF-8 without control characters, which would be commands to the terminal that tshark
 * writes to; newline and tab stay, Wireshark escapes them. What can't stay becomes U+FFFD. The text
 * ends at length, and before it there is no NUL.
 */
const char *ss_text(wmem_allocator_t *scope, const void *bytes, size_t length);

#endif
