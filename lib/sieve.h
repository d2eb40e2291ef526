/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What of the traffic is wanted: --filter, --dns-failure-only and --bpf-program together. */
#ifndef SS_SIEVE_H
#define SS_SIEVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "filter/filter.h"
#include "format/metadata.h"
#include "interface.h"
#include "options.h"
#include "source/bpf.h"

struct ss_sieve;

/* Checks what needs no privilege. Borrows options. */
int ss_sieve_new(const struct ss_options *options, struct ss_sieve **ret_sieve,
		 struct ss_error *error);
void ss_sieve_free(struct ss_sieve *sieve);

/* Brings its maps into the kernel, before the first splice. Needs the privilege to load programs
 * (raised by the caller). The source is borrowed. */
int ss_sieve_load(struct ss_sieve *sieve, struct ss_bpf_source *source, struct ss_error *error);
/* Does it ask for the process of a frame (ss_bpf_source_options.filter_owners)? */
bool ss_sieve_asks_owner(const struct ss_sieve *sieve);
/* ss_bpf_source_splice; user_data is the sieve. */
int ss_sieve_splice(enum ss_program program, const struct bpf_insn *insns, size_t count,
		    struct bpf_insn **ret_insns, size_t *ret_count, void *user_data,
		    struct ss_error *error);

/* That of --filter; borrowed. */
const struct ss_filter *ss_sieve_filter(const struct ss_sieve *sieve);
/* Can it be decided with a link layer only? */
bool ss_sieve_is_ethernet_only(const struct ss_sieve *sieve);
/* Which of its tests hold for all frames of an interface and direction: for the slot. */
uint32_t ss_sieve_verdicts(const struct ss_sieve *sieve, const struct ss_interface *interface,
			   enum ss_direction direction);
/* Are frames accepted only because another one is, of DNS, and chosen behind a judge? */
bool ss_sieve_adds_dns(const struct ss_sieve *sieve);
/* ... of HTTP, likewise? */
bool ss_sieve_adds_partners(const struct ss_sieve *sieve);
/* ... of HTTP, by their first lines, without a judge? */
bool ss_sieve_marks_context(const struct ss_sieve *sieve);
/* Does the kernel let requests of HTTP through for the sake of their responses? */
bool ss_sieve_adds_requests(const struct ss_sieve *sieve);
/* Are frames accepted only because another one is, of either half of exchanges? */
bool ss_sieve_adds_context(const struct ss_sieve *sieve);
/* Does the kernel accept what may be redirected on lo, so that the filter is about what is shown?
 */
bool ss_sieve_leaves_redirects(const struct ss_sieve *sieve);
/* ... and is somebody to decide about them who does not decide all else? */
bool ss_sieve_judges_redirects(const struct ss_sieve *sieve);
/* Do the blocks of frames have option 2989? */
bool ss_sieve_needs_metadata(const struct ss_sieve *sieve);
/* What of the filter is left to the tshark that shows the packets, because nothing else gets them;
 * NULL: nothing. */
const char *ss_sieve_display_filter(const struct ss_sieve *sieve);
/* Is something of the filter left to a tshark of our own? */
bool ss_sieve_needs_judge(const struct ss_sieve *sieve);

#endif
