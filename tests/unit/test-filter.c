/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The capture filter in the real kernel against libpcap's interpreter: for every filter and every
 * frame both must say the same, whichever way the program reads the frame, and with the VLAN tag in
 * the bytes as well as in the skb's metadata.
 */
#include <errno.h>
#include <string.h>

#include <glib.h>
#define bpf_insn pcap_bpf_insn
#include <pcap/pcap.h>
#undef bpf_insn

#include "filter-frames.h"
#include "filter/cbpf.h"
#include "seed.h"

#define SEED 20240607

/* --- Filters --- */

static const char *const expressions[] = {
	"",
	"tcp",
	"udp",
	"icmp",
	"icmp6",
	"arp",
	"ip",
	"ip6",
	"sctp",
	"vlan",
	"vlan 100",
	"vlan 4196",
	"vlan and tcp",
	"vlan and vlan",
	"vlan and vlan and tcp port 80",
	"vlan 100 and host 10.0.0.1",
	"not vlan",
	"mpls",
	"pppoes",
	"pppoes and ip",
	"stp",
	"llc",
	"tcp port 80",
	"port 80",
	"port 53",
	"portrange 50-90",
	"udp portrange 4000-5000",
	"tcp src port 80",
	"tcp dst port 443",
	"not port 53",
	"host 10.0.0.1",
	"src host 10.0.0.1",
	"dst net 10.0.0.0/8",
	"net 10.0.0.0/24",
	"ip6 host 2001:db8::1",
	"net 2001:db8::/32",
	"ip6 multicast",
	"ip multicast",
	"ether broadcast",
	"ether multicast",
	"ether host 02:aa:bb:cc:dd:01",
	"ether src 02:aa:bb:cc:dd:02",
	"ether proto 0x88cc",
	"ether proto \\arp",
	"tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
	"tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x47455420",
	"icmp[icmptype] = icmp-echo",
	"icmp6[icmp6type] = 135",
	"ip[6:2] & 0x1fff != 0",
	"ip[0] & 0xf > 5",
	"ip[2:2] - ((ip[0] & 0xf) << 2) > 40",
	"udp[4:2] = 32",
	"udp[8:4] & 0xffff = 0x8180",
	"ip6 proto 44",
	"ip proto 47",
	"proto 47",
	"greater 60",
	"less 60",
	"len > 80",
	"len = 54",
	"ether[len - 1] = 0x0a",
	"ether[12:2] = 0x8100",
	"ether[12:4] = 0x81000064",
	"ether[12:4] = 0x88a8b064",
	"ether[14:2] & 0xfff = 100",
	"ether[14:4] = 0xb0640800",
	"ether[13] = 0xa8",
	"ether[15] = 0x64",
	"ether[10:4] = 0xdd0288a8",
	"ether[9:4] & 0xff = 0x88",
	"ether[11:4] = 0x0288a8b0",
	"ether[13:4] = 0xa8b06408",
	"ether[15:4] = 0x64080045",
	"ether[16:2] = 0x800",
	"ether[12:1] * 256 + ether[13:1] = 0x800",
	"ether[ether[len - 1] & 0x1f:2] = 0x0800",
	"ether[(ether[20] & 0xf) + 8:4] > 0x80000000",
	"ether[ether[18] & 0xf + 6:2] > 10",
	"ether[(ether[19] & 0xf) + 9] > 100",
	"ip[8] / ip[1] > 1",
	"ether[14] % ether[15] = 0",
	"ether[0:4] << ether[20] > 1000",
	"ether[6:4] >> ether[23] = 0",
	"ether[0:4] * ether[4:4] > 0x7fffffff",
	"ether[0:4] - ether[6:4] = 0",
	"ether[0] ^ ether[6] = 0",
	"ether[0x40000000] = 1",
	"host 10.0.0.1 and (port 80 or port 53)",
	"tcp and not (host 192.168.0.1 or port 443)",
	"ether[5000] = 0 or tcp",
	"ip or ether[5000] = 0",
	"geneve",
	"geneve 0x2a and ip",
	"geneve and tcp port 80",
};

/* Behind "not (geneve)" libpcap's interpreter reads words of M[] that nothing wrote: no judge. */
#define NESTABLE (G_N_ELEMENTS(expressions) - 3)

/* Numbers and sizes at random, nested as deep as depth says. */
static void append_value(GString *text, GRand *rand, int depth)
{
	static const char *const protocols[] = {"ether", "ip", "ip6", "tcp", "udp", "ether"};
	static const char *const operators[] = {"+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>"};
	static const int sizes[] = {1, 2, 4};
	gint32 kind = g_rand_int_range(rand, 0, depth > 0 ? 6 : 2);

	if (kind == 0) {
		g_string_append_printf(text, "%u",
				       g_rand_int_range(rand, 0, 4)
					       ? (unsigned)g_rand_int_range(rand, 1, 64)
					       : g_rand_int(rand) & 0xffff);
	} else if (kind == 1) {
		g_string_append_printf(text, "ether[%d:%d]", g_rand_int_range(rand, 0, 40),
				       sizes[g_rand_int_range(rand, 0, 3)]);
	} else if (kind == 2) {
		g_string_append(text, "len");
	} else if (kind == 3) {
		g_string_append_printf(text, "%s[", protocols[g_rand_int_range(rand, 0, 6)]);
		append_value(text, rand, depth - 1);
		g_string_append_printf(text, ":%d]", sizes[g_rand_int_range(rand, 0, 3)]);
	} else {
		g_string_append_c(text, '(');
		append_value(text, rand, depth - 1);
		g_string_append_printf(text, " %s ", operators[g_rand_int_range(rand, 0, 10)]);
		append_value(text, rand, depth - 1);
		g_string_append_c(text, ')');
	}
}

static char *make_expression(GRand *rand)
{
	static const char *const relations[] = {"=", "!=", ">", "<", ">=", "<="};
	GString *text = g_string_new(NULL);

	for (gint32 terms = g_rand_int_range(rand, 1, 4); terms > 0; terms--) {
		if (g_rand_boolean(rand)) {
			const char *expression = expressions[g_rand_int_range(rand, 1, NESTABLE)];

			g_string_append_printf(text, "%s(%s)", g_rand_boolean(rand) ? "" : "not ",
					       expression);
		} else {
			append_value(text, rand, 3);
			g_string_append_printf(text, " %s ",
					       relations[g_rand_int_range(rand, 0, 6)]);
			append_value(text, rand, 2);
		}
		if (terms > 1)
			g_string_append(text, g_rand_boolean(rand) ? " and " : " or ");
	}
	return g_string_free(text, FALSE);
}

/* False: libpcap does not compile it for this link type. */
static bool compile(const char *text, enum hook hook, struct bpf_program *ret)
{
	pcap_t *pcap = pcap_open_dead(hook == HOOK_CGROUP ? DLT_RAW : DLT_EN10MB, 262144);
	bool compiled =
		pcap_compile(pcap, ret, text, strlen(text) < 4096, PCAP_NETMASK_UNKNOWN) == 0;

	pcap_close(pcap);
	return compiled;
}

static bool expected(const struct bpf_program *program, GBytes *stored)
{
	struct pcap_pkthdr header = {0};
	gsize size;
	const guint8 *data = g_bytes_get_data(stored, &size);

	header.caplen = header.len = (bpf_u_int32)size;
	return pcap_offline_filter(program, &header, data) != 0;
}

/* Every frame, or some of them; returns how many were compared. */
static guint compare(const char *what, enum hook hook, const struct bpf_program *program,
		     const struct bpf_insn *body, size_t count, GPtrArray *frames, guint step)
{
	ss_autofd int fd = load_for(hook, body, count);
	guint compared = 0;

	if (fd < 0)
		g_error("%s: '%s' does not load: %s", hook_names[hook], what, g_strerror(-fd));
	for (guint i = 0; i < frames->len; i += step) {
		GBytes *frame = g_ptr_array_index(frames, i);
		g_autoptr(GBytes) stored = as_stored(frame, hook);
		__u32 wanted;

		if (g_bytes_get_size(stored) == 0) /* no such test run */
			continue;
		wanted = expected(program, stored);
		if (run(fd, frame) != wanted)
			g_error("%s: '%s', frame %u: libpcap says %u, the kernel %u",
				hook_names[hook], what, i, wanted, run(fd, frame));
		compared++;
	}
	return compared;
}

static guint compare_expression(const char *text, enum hook hook, GPtrArray *frames, guint step)
{
	struct ss_filter *filter = NULL;
	struct ss_error error = {0};
	struct bpf_program program;
	guint compared = 0;
	size_t count = 0;

	if (!compile(text, hook, &program))
		return 0;
	/* Refused is what exists for RAW only. */
	if (ss_filter_new(text, &filter, &error) < 0) {
		g_test_message("%s", error.message);
		g_assert_true(hook == HOOK_CGROUP);
	} else {
		struct ss_emit_options options = {
			link_type_of(hook), access_of(hook), -1, 65535, false, -1, false};

		for (int i = 0; i < 2; i++) { /* on kernels that allow linear reads, and others */
			g_autofree struct bpf_insn *body = NULL;

			options.only_calls = i;
			g_assert_cmpint(ss_filter_emit(filter, &options, &body, &count, &error), ==,
					0);
			compared += compare(text, hook, &program, body, count, frames, step);
		}
	}
	ss_filter_free(filter);
	pcap_freecode(&program);
	return compared;
}

static void test_expressions(gconstpointer data)
{
	enum hook hook = GPOINTER_TO_UINT(data);
	g_autoptr(GRand) rand = seeded_rand(SEED);
	g_autoptr(GPtrArray) frames = make_frames(rand);
	guint compared = 0;

	if (!may_load())
		return;
	for (guint i = 0; i < G_N_ELEMENTS(expressions); i++)
		compared += compare_expression(expressions[i], hook, frames, 2);
	g_test_message("%u pairs of filter and frame", compared);
	g_assert_cmpuint(compared, >, 30000);
}

static void test_random_expressions(gconstpointer data)
{
	enum hook hook = GPOINTER_TO_UINT(data);
	g_autoptr(GRand) rand = seeded_rand(SEED + hook);
	g_autoptr(GPtrArray) frames = make_frames(rand);
	guint compared = 0;

	if (!may_load())
		return;
	for (guint i = 0; i < 300; i++) {
		g_autofree char *text = make_expression(rand);

		compared += compare_expression(text, hook, frames, 23);
	}
	g_test_message("%u pairs of filter and frame", compared);
	g_assert_cmpuint(compared, >, 2000);
}

/* --- Classic BPF that libpcap's compiler never writes --- */

static struct pcap_bpf_insn classic(unsigned code, unsigned jt, unsigned jf, guint32 k)
{
	struct pcap_bpf_insn insn = {(u_short)code, (u_char)jt, (u_char)jf, k};

	return insn;
}

static guint32 random_offset(GRand *rand)
{
	switch (g_rand_int_range(rand, 0, 12)) {
	case 0:
		return (guint32)g_rand_int_range(rand, 0, 150);
	case 1:
		return 0x7ffffffe + (guint32)g_rand_int_range(rand, 0, 4);
	case 2:
		return 0xffe00000u + (guint32)g_rand_int_range(rand, 0, 64); /* special there */
	default:
		return (guint32)g_rand_int_range(rand, 0, 24);
	}
}

/* One instruction that is not a jump. Words 0..3 of M[] are written at the start. */
static struct pcap_bpf_insn random_insn(GRand *rand)
{
	static const unsigned alu[] = {BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_MOD,
				       BPF_AND, BPF_OR,  BPF_XOR, BPF_LSH, BPF_RSH};
	static const unsigned sizes[] = {BPF_B, BPF_H, BPF_W};
	unsigned op = alu[g_rand_int_range(rand, 0, G_N_ELEMENTS(alu))];
	unsigned size = sizes[g_rand_int_range(rand, 0, 3)];
	guint32 number = g_rand_int(rand) >> g_rand_int_range(rand, 0, 32);
	guint32 word = (guint32)g_rand_int_range(rand, 0, 4);

	switch (g_rand_int_range(rand, 0, 13)) {
	case 0:
	case 1:
		return classic(BPF_LD | BPF_ABS | size, 0, 0, random_offset(rand));
	case 2:
	case 3:
		return classic(BPF_LD | BPF_IND | size, 0, 0, random_offset(rand));
	case 4:
		return classic(BPF_LDX | BPF_MSH | BPF_B, 0, 0, random_offset(rand));
	case 5:
		return classic((word & 1 ? BPF_LDX : BPF_LD) | BPF_W | BPF_LEN, 0, 0, 0);
	case 6:
		return classic((word & 1 ? BPF_LDX : BPF_LD) | BPF_MEM, 0, 0, word);
	case 7:
		return classic(word & 1 ? BPF_STX : BPF_ST, 0, 0, word);
	case 8:
		return classic(BPF_MISC | (word & 1 ? BPF_TAX : BPF_TXA), 0, 0, 0);
	case 9:
		return classic(BPF_LDX | BPF_IMM, 0, 0, number & 0x1f);
	case 10:
		return classic(BPF_ALU | BPF_NEG, 0, 0, 0);
	case 11:
		return classic(BPF_ALU | BPF_X | op, 0, 0, 0);
	default:
		if (op == BPF_LSH || op == BPF_RSH) /* the interpreter does not define the others */
			number &= 0x1f;
		return classic(BPF_ALU | BPF_K | op, 0, 0, MAX(number, 1));
	}
}

static void make_classic(GRand *rand, GArray *insns)
{
	static const unsigned jumps[] = {BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET};
	guint length = (guint)g_rand_int_range(rand, 6, 40);
	struct pcap_bpf_insn insn;

	for (guint word = 0; word < 4; word++) {
		insn = classic(BPF_ST, 0, 0, word);
		g_array_append_val(insns, insn);
	}
	while (insns->len < length) {
		gint32 left = (gint32)(length - insns->len); /* up to the first return */

		insn = random_insn(rand);
		if (g_rand_int_range(rand, 0, 4) == 0)
			insn = classic(BPF_JMP | jumps[g_rand_int_range(rand, 0, 4)] |
					       (g_rand_boolean(rand) ? BPF_X : BPF_K),
				       (unsigned)g_rand_int_range(rand, 0, left),
				       (unsigned)g_rand_int_range(rand, 0, left),
				       g_rand_int(rand) >> g_rand_int_range(rand, 0, 32));
		else if (g_rand_int_range(rand, 0, 40) == 0)
			insn = classic(BPF_JMP | BPF_JA, 0, 0,
				       (guint32)g_rand_int_range(rand, 0, left));
		g_array_append_val(insns, insn);
	}
	insn = classic(BPF_RET | BPF_A, 0, 0, 0);
	g_array_append_val(insns, insn);
}

static int translate(const struct bpf_program *program, enum hook hook, struct bpf_insn **ret,
		     size_t *ret_count, struct ss_error *error)
{
	g_autofree struct ss_cbpf_insn *insns = g_new0(struct ss_cbpf_insn, program->bf_len);

	for (u_int i = 0; i < program->bf_len; i++) {
		insns[i].code = program->bf_insns[i].code;
		insns[i].jump_true = program->bf_insns[i].jt;
		insns[i].jump_false = program->bf_insns[i].jf;
		insns[i].k = program->bf_insns[i].k;
	}
	const struct ss_emit_options options = {
		.link_type = link_type_of(hook), .access = access_of(hook), .slots_fd = -1};

	return ss_cbpf_translate(insns, program->bf_len, &options, ret, ret_count, error);
}

static void test_random_programs(gconstpointer data)
{
	enum hook hook = GPOINTER_TO_UINT(data);
	g_autoptr(GRand) rand = seeded_rand(SEED + hook);
	g_autoptr(GPtrArray) frames = make_frames(rand);
	guint compared = 0;

	if (!may_load())
		return;
	for (guint i = 0; i < 400; i++) {
		g_autoptr(GArray) insns = g_array_new(FALSE, FALSE, sizeof(struct pcap_bpf_insn));
		g_autofree struct bpf_insn *body = NULL;
		g_autofree char *name = g_strdup_printf("program %u", i);
		struct ss_error error = {0};
		struct bpf_program program;
		size_t count = 0;

		make_classic(rand, insns);
		program.bf_len = insns->len;
		program.bf_insns = (void *)insns->data;
		g_assert_cmpint(bpf_validate(program.bf_insns, (int)program.bf_len), !=, 0);
		g_assert_cmpint(translate(&program, hook, &body, &count, &error), ==, 0);
		compared += compare(name, hook, &program, body, count, frames, 29);
	}
	g_assert_cmpuint(compared, >, 2000);
}

/* --- What has no counterpart in the interpreter --- */

static const struct ss_emit_options ethernet = {.link_type = SS_LINKTYPE_ETHERNET, .slots_fd = -1};
static const struct ss_emit_options raw = {.link_type = SS_LINKTYPE_RAW, .slots_fd = -1};

static __u32 run_classic(const struct ss_cbpf_insn *insns, size_t insn_count)
{
	const guint8 bytes[64] = {1, 2, 3, 4};
	g_autoptr(GBytes) frame = g_bytes_new_static(bytes, sizeof(bytes));
	g_autofree struct bpf_insn *body = NULL;
	struct ss_error error = {0};
	size_t count = 0;

	g_assert_cmpint(ss_cbpf_translate(insns, insn_count, &ethernet, &body, &count, &error), ==,
			0);
	LIBBPF_OPTS(bpf_prog_load_opts, options);
	ss_autofd int fd = load(BPF_PROG_TYPE_SCHED_CLS, body, count, &options);

	g_assert_cmpint(fd, >=, 0);
	return run(fd, frame);
}

static void test_memory_starts_at_zero(void)
{
	const struct ss_cbpf_insn insns[] = {
		{BPF_LD | BPF_MEM, 0, 0, 15},         {BPF_ALU | BPF_ADD | BPF_X, 0, 0, 0},
		{BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0}, {BPF_RET | BPF_K, 0, 0, 0xffffffff},
		{BPF_RET | BPF_K, 0, 0, 0},
	};

	if (may_load())
		g_assert_cmpuint(run_classic(insns, G_N_ELEMENTS(insns)), ==, 1);
}

static void test_shift_by_constant_above_31(void)
{
	const struct ss_cbpf_insn insns[] = {
		{BPF_LD | BPF_IMM, 0, 0, 0xffffffff},
		{BPF_ALU | BPF_RSH | BPF_K, 0, 0, 33},
		{BPF_RET | BPF_A, 0, 0, 0},
	};

	if (may_load())
		g_assert_cmpuint(run_classic(insns, G_N_ELEMENTS(insns)), ==, 0);
}

static void test_unreachable_code(void)
{
	const struct ss_cbpf_insn insns[] = {
		{BPF_JMP | BPF_JA, 0, 0, 1},
		{0xffff, 0, 0, 0},
		{BPF_RET | BPF_K, 0, 0, 1},
		{BPF_ST, 0, 0, 99},
	};

	if (may_load())
		g_assert_cmpuint(run_classic(insns, G_N_ELEMENTS(insns)), ==, 1);
}

/* Hundreds of addresses, too many for libpcap's optimiser: jumps land, the verifier copes. */
static void test_many_hosts(void)
{
	g_autoptr(GRand) rand = seeded_rand(SEED);
	g_autoptr(GPtrArray) frames = make_frames(rand);
	g_autoptr(GString) text = g_string_new("host 10.0.0.2");

	if (!may_load())
		return;
	for (guint i = 0; i < 250; i++)
		g_string_append_printf(text, " or host 10.%u.%u.%u", i % 7 + 1, i / 256, i % 256);
	for (guint hook = 0; hook < HOOKS; hook++)
		if (hook != HOOK_TC_BYTES) /* too long this way */
			g_assert_cmpuint(compare_expression(text->str, hook, frames, 5), >, 50);
}

static void test_refused_programs(void)
{
	static const struct {
		struct ss_cbpf_insn insn;
		const char *part;
	} refused[] = {
		{{BPF_JMP | BPF_JEQ, 1, 0, 0}, "leads outside"},
		{{BPF_JMP | BPF_JEQ, 0, 200, 0}, "leads outside"},
		{{BPF_JMP | BPF_JA, 0, 0, 0x7fffffff}, "leads outside"},
		{{BPF_JMP | BPF_JA, 0, 0, 0xffffffff}, "jumps back"},
		{{BPF_ST, 0, 0, 16}, "memory word"},
		{{BPF_LD | BPF_MEM, 0, 0, 0x80000000}, "memory word"},
		{{BPF_ALU | BPF_DIV, 0, 0, 0}, "unknown"},
		{{BPF_ALU | 0xf0, 0, 0, 0}, "unknown"},
		{{BPF_MISC | 0x40, 0, 0, 0}, "unknown"},
		{{BPF_LD | BPF_ABS | 0x18, 0, 0, 0}, "unknown"},
	};

	for (guint i = 0; i < G_N_ELEMENTS(refused); i++) {
		const struct ss_cbpf_insn insns[] = {refused[i].insn, {BPF_RET, 0, 0, 1}};
		struct ss_error error = {0};
		struct bpf_insn *body = NULL;
		size_t count = 0;

		g_assert_cmpint(ss_cbpf_translate(insns, 2, &ethernet, &body, &count, &error), <,
				0);
		g_assert_nonnull(strstr(error.message, refused[i].part));
		g_assert_null(body);
	}
}

static void test_endless_program(void)
{
	const struct ss_cbpf_insn insns[] = {{BPF_LD | BPF_IMM, 0, 0, 1}};
	struct ss_error error = {0};
	struct bpf_insn *body = NULL;
	size_t count = 0;

	g_assert_cmpint(ss_cbpf_translate(insns, 1, &raw, &body, &count, &error), ==, -EINVAL);
	g_assert_cmpint(ss_cbpf_translate(NULL, 0, &raw, &body, &count, NULL), ==, -EINVAL);
}

static void test_too_long(void)
{
	g_autofree struct ss_cbpf_insn *insns = g_new0(struct ss_cbpf_insn, 20000);
	struct ss_error error = {0};
	struct bpf_insn *body = NULL;
	size_t count = 0;

	for (guint i = 0; i < 20000; i++)
		insns[i].code = BPF_LD | BPF_B | BPF_ABS;
	insns[19999].code = BPF_RET | BPF_K;
	g_assert_cmpint(ss_cbpf_translate(insns, 20000, &raw, &body, &count, &error), ==, -E2BIG);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	libbpf_set_print(NULL);
	for (guint hook = 0; hook < HOOKS; hook++) {
		g_autofree char *fixed =
			g_strdup_printf("/filter/%s/expressions", hook_names[hook]);
		g_autofree char *random =
			g_strdup_printf("/filter/%s/random-expressions", hook_names[hook]);
		g_autofree char *programs =
			g_strdup_printf("/filter/%s/random-programs", hook_names[hook]);

		g_test_add_data_func(fixed, GUINT_TO_POINTER(hook), test_expressions);
		g_test_add_data_func(random, GUINT_TO_POINTER(hook), test_random_expressions);
		g_test_add_data_func(programs, GUINT_TO_POINTER(hook), test_random_programs);
	}
	g_test_add_func("/filter/memory-starts-at-zero", test_memory_starts_at_zero);
	g_test_add_func("/filter/shift-by-constant-above-31", test_shift_by_constant_above_31);
	g_test_add_func("/filter/unreachable-code", test_unreachable_code);
	g_test_add_func("/filter/many-hosts", test_many_hosts);
	g_test_add_func("/filter/refused-programs", test_refused_programs);
	g_test_add_func("/filter/endless-program", test_endless_program);
	g_test_add_func("/filter/too-long", test_too_long);
	return g_test_run();
}
