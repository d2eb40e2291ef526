/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What could surprise: libpcap resolves names ("host db.example") while it compiles, and asks the
 * name server for anything it takes for a name, mistakes included. Hence the short time-outs.
 */
#include "classic.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <resolv.h>
#include <string.h>

#include <glib.h>
/* linux/bpf.h has another struct bpf_insn, which filter.h names. */
#define bpf_insn pcap_bpf_insn
#include <pcap/pcap.h>
#undef bpf_insn

#include "cbpf.h"
#include "explain.h"
#include "format/pcapng.h"
#include "unroll.h"

#define LENGTH_MAX 262144 /* of a frame; libpcap returns it for "accept", we only test for 0 */

/* Bytes of text. The time of libpcap's optimiser grows with the cube of the length: 1 s for 200
 * hosts, minutes for 1000. Longer expressions go without it. */
#define OPTIMISED_MAX 4096

/* Try parts of an expression to find a mistake only if the whole takes less. */
#define QUICK_US (50 * G_TIME_SPAN_MILLISECOND)

#define PARSE_PREFIX "can't parse filter expression: "

struct code {
	struct ss_cbpf_insn *insns;
	/* The same for libpcap's interpreter, of frames that come and of those that go. */
	struct pcap_bpf_insn *incoming, *outgoing;
	size_t count;
	bool unrolled;
};

struct ss_classic {
	char *text;
	struct code ethernet, raw;
	char *raw_complaint; /* why the expression does not exist for RAW; or NULL */
};

/* The interpreter has nothing but the bytes of a frame: it is told the rest as a constant. */
static struct pcap_bpf_insn *for_interpreter(const struct code *code, uint32_t packet_type)
{
	struct pcap_bpf_insn *program = g_new0(struct pcap_bpf_insn, code->count);

	for (size_t i = 0; i < code->count; i++) {
		const struct ss_cbpf_insn *insn = &code->insns[i];

		program[i].code = insn->code;
		program[i].jt = insn->jump_true;
		program[i].jf = insn->jump_false;
		program[i].k = insn->k;
		if (ss_cbpf_is_load_of(insn, SS_CBPF_PACKET_TYPE)) {
			program[i].code = BPF_LD | BPF_IMM;
			program[i].k = packet_type;
		}
	}
	return program;
}

static void copy_code(const struct bpf_program *program, struct code *ret)
{
	ret->count = program->bf_len;
	ret->insns = g_new(struct ss_cbpf_insn, ret->count);
	for (size_t i = 0; i < ret->count; i++) {
		ret->insns[i].code = program->bf_insns[i].code;
		ret->insns[i].jump_true = program->bf_insns[i].jt;
		ret->insns[i].jump_false = program->bf_insns[i].jf;
		ret->insns[i].k = program->bf_insns[i].k;
	}
	ret->unrolled = ss_cbpf_has_loop(ret->insns, ret->count);
	if (ret->unrolled) {
		struct ss_cbpf_insn *unrolled = ss_cbpf_unroll(ret->insns, ret->count, &ret->count);

		g_free(ret->insns);
		ret->insns = unrolled;
	}
	ret->incoming = for_interpreter(ret, PACKET_HOST);
	ret->outgoing = for_interpreter(ret, PACKET_OUTGOING);
}

static void clear_code(struct code *code)
{
	g_free(code->insns);
	g_free(code->incoming);
	g_free(code->outgoing);
}

/* NULL and *ret, or libpcap's complaint. */
static char *compile(const char *text, int dlt, struct code *ret)
{
	pcap_t *pcap = pcap_open_dead(dlt, LENGTH_MAX);
	struct bpf_program program;
	char *complaint = NULL;

	if (!pcap)
		return g_strdup("out of memory");
	if (pcap_compile(pcap, &program, text, strlen(text) <= OPTIMISED_MAX,
			 PCAP_NETMASK_UNKNOWN) < 0) {
		const char *message = pcap_geterr(pcap);

		if (g_str_has_prefix(message, PARSE_PREFIX))
			message += strlen(PARSE_PREFIX);
		complaint = g_strdup(message);
	} else {
		if (ret)
			copy_code(&program, ret);
		pcap_freecode(&program);
	}
	pcap_close(pcap);
	return complaint;
}

static char *probe(const char *text)
{
	return compile(text, DLT_EN10MB, NULL);
}

/*
 * The resolver of this thread waits 5 s twice for each server and search domain; while it compiles
 * a filter, 1 s once.
 */
static void compile_both(struct ss_classic *classic, char **ret_complaint)
{
	int retrans, retry;
	bool tuned = res_init() == 0;

	retrans = _res.retrans;
	retry = _res.retry;
	if (tuned) {
		_res.retrans = 1;
		_res.retry = 1;
	}
	*ret_complaint = compile(classic->text, DLT_EN10MB, &classic->ethernet);
	if (!*ret_complaint)
		classic->raw_complaint = compile(classic->text, DLT_RAW, &classic->raw);
	if (tuned) {
		_res.retrans = retrans;
		_res.retry = retry;
	}
}

/* "arp" is a fair filter, which a hook without ARP never satisfies: not a mistake for RAW. */
static void allow_never_true(struct ss_classic *classic)
{
	static const struct ss_cbpf_insn reject = {.code = BPF_RET | BPF_K, .k = 0};

	if (!classic->raw_complaint || !g_str_equal(classic->raw_complaint, SS_NEVER_TRUE))
		return;
	g_clear_pointer(&classic->raw_complaint, g_free);
	classic->raw.insns = g_memdup2(&reject, sizeof(reject));
	classic->raw.count = 1;
	classic->raw.incoming = for_interpreter(&classic->raw, PACKET_HOST);
	classic->raw.outgoing = for_interpreter(&classic->raw, PACKET_OUTGOING);
}

static int fail_to_parse(const char *text, const char *complaint, bool probing,
			 struct ss_error *error)
{
	g_autofree char *sentence = ss_filter_explain(text, complaint, probing, probe);

	return ss_fail(error, -EINVAL, "%s", sentence);
}

int ss_classic_new(const char *text, struct ss_classic **ret, struct ss_error *error)
{
	struct ss_classic *classic = g_new0(struct ss_classic, 1);
	gint64 start_us = g_get_monotonic_time();
	g_autofree char *complaint = NULL;

	classic->text = g_strdup(text);
	compile_both(classic, &complaint);
	if (complaint) {
		ss_classic_free(classic);
		return fail_to_parse(text, complaint, g_get_monotonic_time() - start_us < QUICK_US,
				     error);
	}
	allow_never_true(classic);
	*ret = classic;
	return 0;
}

void ss_classic_free(struct ss_classic *classic)
{
	if (!classic)
		return;
	clear_code(&classic->ethernet);
	clear_code(&classic->raw);
	g_free(classic->raw_complaint);
	g_free(classic->text);
	g_free(classic);
}

static const struct code *code_of(const struct ss_classic *classic, unsigned link_type)
{
	return link_type == SS_LINKTYPE_RAW ? &classic->raw : &classic->ethernet;
}

int ss_classic_emit(const struct ss_classic *classic, const struct ss_emit_options *options,
		    struct bpf_insn **ret_insns, size_t *ret_count, struct ss_error *error)
{
	static const struct ss_cbpf_insn accept = {.code = BPF_RET | BPF_K, .k = LENGTH_MAX};
	struct ss_emit_options all = *options;
	const struct code *code;

	if (!classic)
		return ss_cbpf_translate(&accept, 1, options, ret_insns, ret_count, error);
	if (options->link_type == SS_LINKTYPE_RAW && classic->raw_complaint)
		return ss_fail(error, -EOPNOTSUPP,
			       "the capture filter '%.200s' does not work where frames begin with "
			       "the IP header (%s); filter by IP addresses and ports instead",
			       classic->text, classic->raw_complaint);
	code = code_of(classic, options->link_type);
	/* Each look is one more path to verify, and there are enough of them. */
	all.only_calls |= code->unrolled;
	return ss_cbpf_translate(code->insns, code->count, &all, ret_insns, ret_count, error);
}

bool ss_classic_loads(const struct ss_classic *classic, uint32_t offset)
{
	const struct code *const codes[] = {&classic->ethernet, &classic->raw};

	for (size_t i = 0; i < G_N_ELEMENTS(codes); i++)
		for (size_t j = 0; j < codes[i]->count; j++)
			if (ss_cbpf_is_load_of(&codes[i]->insns[j], offset))
				return true;
	return false;
}

bool ss_classic_is_unrolled(const struct ss_classic *classic)
{
	return classic->ethernet.unrolled || classic->raw.unrolled;
}

bool ss_classic_matches(const struct ss_classic *classic, unsigned link_type, const uint8_t *frame,
			uint32_t captured, uint32_t length, bool outgoing)
{
	const struct code *code = code_of(classic, link_type);
	const struct pcap_bpf_insn *program = outgoing ? code->outgoing : code->incoming;

	/* What does not exist for these frames ("ether host ...") none of them satisfies. */
	return program && bpf_filter(program, frame, length, captured);
}
