/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any text through the capture filter: refused with a sentence, or emitted for every kind of
 * program with every jump inside. Second, the same bytes as classic BPF, which libpcap would never
 * write. The kernel is not asked: tests/unit/test-filter.c does.
 */
#include <stdint.h>
#include <string.h>

#include <glib.h>
#include <netdb.h>

#ifdef SS_WITH_BPF

#include "filter/cbpf.h"
#include "filter/pattern.h"
#include "filter/token.h"
#include "format/pcapng.h"
#include "insn.h"

#define LONGEST 1024 /* bytes: libpcap's time grows faster than its input */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const unsigned link_types[] = {SS_LINKTYPE_ETHERNET, SS_LINKTYPE_RAW};
static const enum ss_filter_access accesses[] = {SS_FILTER_LD_ABS, SS_FILTER_LOAD_BYTES};

/* libpcap asks for every word that may be a host: not over the network, not while fuzzing. */
__attribute__((visibility("default"))) int getaddrinfo(const char *node G_GNUC_UNUSED,
						       const char *service G_GNUC_UNUSED,
						       const struct addrinfo *hints G_GNUC_UNUSED,
						       struct addrinfo **result G_GNUC_UNUSED)
{
	return EAI_NONAME;
}

static void check_body(struct bpf_insn *insns, size_t count)
{
	g_assert(count >= 2 && count <= SS_FILTER_BODY_MAX);
	g_assert(insns[count - 1].code == (BPF_JMP | BPF_EXIT));
	for (size_t i = 0; i < count; i++) {
		unsigned class = BPF_CLASS(insns[i].code), op = BPF_OP(insns[i].code);

		if ((class != BPF_JMP && class != BPF_JMP32) || op == BPF_CALL || op == BPF_EXIT)
			continue;
		g_assert(insns[i].off >= 0 && i + 1 + (size_t)insns[i].off < count);
	}
	g_free(insns);
}

static void emit(const struct ss_filter *filter, unsigned link_type, enum ss_filter_access access,
		 bool only_calls)
{
	const struct ss_emit_options options = {link_type, access, 3, 65535, false, -1, only_calls};
	struct bpf_insn *insns;
	size_t count;

	if (ss_filter_emit(filter, &options, &insns, &count, NULL) == 0)
		check_body(insns, count);
}

/* Where a regular expression is wrong, which is shown only if tshark refuses it, too. */
static void find_wrong_pattern(const char *text)
{
	struct ss_expression *expression;
	size_t column;

	if (ss_expression_parse(text, &expression, NULL) < 0)
		return;
	column = ss_pattern_find_wrong(expression, text);
	g_assert(column == SS_TOKEN_NOWHERE || (column > 0 && column <= strlen(text)));
	ss_expression_free(expression);
}

static void emit_text(const uint8_t *data, size_t size)
{
	g_autofree char *text = g_strndup((const char *)data, MIN(size, LONGEST));
	struct ss_error error = {0};
	struct ss_filter *filter;

	find_wrong_pattern(text);
	if (ss_filter_new(text, &filter, &error) < 0) {
		g_assert(error.message[0]);
		return;
	}
	for (size_t i = 0; i < G_N_ELEMENTS(link_types); i++)
		for (size_t j = 0; j < G_N_ELEMENTS(accesses) * 2; j++)
			emit(filter, link_types[i], accesses[j / 2], j % 2);
	ss_filter_free(filter);
}

static void emit_classic(const uint8_t *data, size_t size)
{
	size_t classic_count = size / 8, count;
	g_autofree struct ss_cbpf_insn *classic = g_new0(struct ss_cbpf_insn, classic_count);
	struct bpf_insn *insns;

	for (size_t i = 0; i < classic_count; i++) {
		memcpy(&classic[i].code, data + 8 * i, 2);
		classic[i].jump_true = data[8 * i + 2];
		classic[i].jump_false = data[8 * i + 3];
		memcpy(&classic[i].k, data + 8 * i + 4, 4);
	}
	for (size_t i = 0; i < G_N_ELEMENTS(link_types); i++)
		for (size_t j = 0; j < G_N_ELEMENTS(accesses); j++) {
			const struct ss_emit_options options = {
				.link_type = link_types[i], .access = accesses[j], .slots_fd = 3};

			if (ss_cbpf_translate(classic, classic_count, &options, &insns, &count,
					      NULL) == 0)
				check_body(insns, count);
		}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	emit_text(data, size);
	emit_classic(data, size);
	return 0;
}

#else /* the capture filter is not built: nothing to fuzz */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data G_GNUC_UNUSED, size_t size G_GNUC_UNUSED)
{
	return 0;
}

#endif
