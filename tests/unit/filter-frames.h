/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames, and filters that run on them in the real kernel: whichever way the program reads the
 * frame, and with the VLAN tag in the bytes as well as in the skb's metadata.
 */
#ifndef TEST_FILTER_FRAMES_H
#define TEST_FILTER_FRAMES_H

#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <glib.h>

#include "filter/filter.h"
#include "format/pcapng.h"
#include "insn.h"

#define ETHERNET_SIZE 14

/* A frame, and the program that runs on it, seen by one of these ways. */
enum hook {
	HOOK_TC,        /* sched_cls, LD_ABS */
	HOOK_TC_TAGGED, /* the same, tag in metadata, filter in a subprogram */
	HOOK_TC_BYTES,  /* tagged again, but bpf_skb_load_bytes() */
	HOOK_CGROUP,    /* cgroup_skb, bpf_skb_load_bytes(), from the IP header */
	HOOKS
};

static const char *const hook_names[HOOKS] = {"tc", "tc-tagged", "tc-bytes", "cgroup"};

#ifndef TAG_PROTOCOL
#define TAG_PROTOCOL 0x88a8
#endif
#define TAG_CONTROL  0xb064 /* priority 5, drop eligible, vlan 100 */
#define NOT_PREPARED 77     /* returned when the main function cannot prepare the frame */
#define OTHER_TYPE   0x88b5 /* an Ethernet type no kernel looks into */

/* --- Frames --- */

static void put(GByteArray *frame, const char *hex)
{
	guint8 byte = 0;
	guint digits = 0;

	for (; *hex; hex++) {
		if (!g_ascii_isxdigit(*hex))
			continue;
		byte = (guint8)(byte << 4 | g_ascii_xdigit_value(*hex));
		if (++digits % 2 == 0)
			g_byte_array_append(frame, &byte, 1);
	}
}

/* Link, network and transport parts that are put together in every combination that exists. */
#define ADDRESSES "02aabbccdd01 02aabbccdd02"
static const char *const links[] = {
	ADDRESSES,
	ADDRESSES "8100 0064",
	ADDRESSES "88a8 2065 8100 0064",
	ADDRESSES "8100 0001 8100 0002 8100 0003",
	"ffffffffffff 02aabbccdd02",
};
static const char *const networks[] = {
	/* IPv4: plain, with options, first and later fragment, protocol is the next byte */
	"0800 4500 0054 1234 4000 40%s 0000 0a000001 0a000002",
	"0800 4800 0060 1234 0000 40%s 0000 0a010203 c0a80001 94040000 01010101 00000000",
	"0800 4500 0054 1234 2000 40%s 0000 0a000001 08080808",
	"0800 4500 0054 1234 00b9 40%s 0000 0a000001 08080808",
	/* IPv6: plain, hop-by-hop options, fragment */
	"86dd 6000 0000 0040 %s 40 20010db8000000000000000000000001 "
	"20010db8000000000000000000000002",
	"86dd 6000 0000 0048 00 40 20010db8000000000000000000000001 "
	"ff020000000000000000000000000001 %s 00 050200000000",
	"86dd 6000 0000 0048 2c 40 fe800000000000000000000000000001 "
	"20010db8000000000000000000000002 %s 00 0001 12345678",
};
static const char *const transports[][2] = {
	{"06", "0050 d431 00000001 00000002 5018 7210 0000 0000 474554202f20485454502f312e310d0a"},
	{"06", "d431 01bb 00000001 00000000 a002 7210 0000 0000 020405b40402080a0000000100000000"
	       "01030307"},
	{"11", "0035 c000 0020 0000 12348180000100010000000003777777"},
	{"11", "12b5 12b5 0040 0000 0800000000002a00 02aabbccdd0302aabbccdd040800"},
	{"01", "0800 1234 0001 0001 6162636465666768"},
	{"3a", "8700 1234 00000000 20010db8000000000000000000000002"},
	{"2f", "0000 0800 45000028000040004006000001010101020202020050c3500000"},
	{"84", "0b59 0b59 00000000 00000000 00030010"},
};
static const char *const others[] = {
	ADDRESSES "0806 0001 0800 06 04 0001 02aabbccdd02 0a000001 000000000000 0a000002",
	"ffffffffffff 02aabbccdd02 8100 0064 0806 0001 0800 06 04 0001 02aabbccdd02 0a000001",
	ADDRESSES "8847 00064140 45000028000040004006000001010101020202020050c350",
	ADDRESSES "8864 1100 0001 0020 0021 45000028000040004006000001010101020202020050c350",
	"0180c2000000 02aabbccdd02 0026 424203 0000 00 00 00 8000",
	ADDRESSES "88cc 0207 04",
	ADDRESSES "0800",
	ADDRESSES "86dd",
	ADDRESSES "8100",
};

static void add_frame(GPtrArray *frames, GByteArray *frame)
{
	if (frame->len < ETHERNET_SIZE) /* the test run demands a whole Ethernet header */
		g_byte_array_unref(frame);
	else
		g_ptr_array_add(frames, g_byte_array_free_to_bytes(frame));
}

static void add_truncated(GPtrArray *frames, const GByteArray *whole, guint length)
{
	GByteArray *frame = g_byte_array_new();

	g_byte_array_append(frame, whole->data, MIN(length, whole->len));
	add_frame(frames, frame);
}

static GPtrArray *make_frames(GRand *rand)
{
	GPtrArray *frames = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);

	for (guint link = 0; link < G_N_ELEMENTS(links); link++) {
		for (guint n = 0; n < G_N_ELEMENTS(networks); n++) {
			for (guint t = 0; t < G_N_ELEMENTS(transports); t++) {
				GByteArray *frame = g_byte_array_new();
				char **parts = g_strsplit(networks[n], "%s", 2);

				put(frame, links[link]);
				put(frame, parts[0]);
				put(frame, transports[t][0]);
				put(frame, parts[1]);
				put(frame, transports[t][1]);
				add_truncated(frames, frame,
					      (guint)g_rand_int_range(rand, ETHERNET_SIZE,
								      (gint32)frame->len));
				add_frame(frames, frame);
				g_strfreev(parts);
			}
		}
	}
	for (guint i = 0; i < G_N_ELEMENTS(others); i++) {
		GByteArray *frame = g_byte_array_new();

		put(frame, others[i]);
		add_frame(frames, frame);
	}
	return frames;
}

/* What ends up in the file: the tag of the metadata is back in its place. */
static GBytes *as_stored(GBytes *frame, enum hook hook)
{
	const guint8 tag[] = {TAG_PROTOCOL >> 8, TAG_PROTOCOL & 0xff, TAG_CONTROL >> 8,
			      TAG_CONTROL & 0xff};
	const guint8 *data;
	GByteArray *stored;
	gsize size;

	if (hook == HOOK_TC)
		return g_bytes_ref(frame);
	if (hook == HOOK_CGROUP)
		return g_bytes_new_from_bytes(frame, ETHERNET_SIZE,
					      g_bytes_get_size(frame) - ETHERNET_SIZE);
	data = g_bytes_get_data(frame, &size);
	stored = g_byte_array_new();
	g_byte_array_append(stored, data, 12);
	g_byte_array_append(stored, tag, sizeof(tag));
	g_byte_array_append(stored, data + 12, (guint)size - 12);
	return g_byte_array_free_to_bytes(stored);
}

/* --- Programs --- */

static int load(enum bpf_prog_type type, const struct bpf_insn *insns, size_t count,
		struct bpf_prog_load_opts *options)
{
	g_autofree char *log = g_malloc0(1 << 20);
	int fd;

	fd = bpf_prog_load(type, "filter", "GPL", insns, count, options);
	if (fd >= 0 || errno == EPERM)
		return fd >= 0 ? fd : -EPERM;
	options->log_level = 1;
	options->log_buf = log;
	options->log_size = 1 << 20;
	fd = bpf_prog_load(type, "filter", "GPL", insns, count, options);
	if (fd < 0)
		g_test_message("the verifier: %s",
			       log + (strlen(log) > 2000 ? strlen(log) - 2000 : 0));
	return fd;
}

/* The types of main and filter, both int (struct __sk_buff *): LD_ABS in a subprogram needs them.
 */
static struct btf *make_btf(__s32 ret_functions[2])
{
	struct btf *btf = btf__new_empty();
	int number = btf__add_int(btf, "int", 4, BTF_INT_SIGNED);
	int context = btf__add_struct(btf, "__sk_buff", 0);
	int pointer = btf__add_ptr(btf, context);
	int prototype = btf__add_func_proto(btf, number);

	btf__add_func_param(btf, "skb", pointer);
	ret_functions[0] = btf__add_func(btf, "main", BTF_FUNC_GLOBAL, prototype);
	ret_functions[1] = btf__add_func(btf, "filter", BTF_FUNC_STATIC, prototype);
	g_assert_cmpint(btf__load_into_kernel(btf), ==, 0);
	return btf;
}

/*
 * A main function that calls the body. It first puts the type of the frame in its place, from
 * cb[0]: newer kernels refuse a test run on an IP frame without a whole IP header. Then it pushes
 * the tag into the metadata.
 */
static int load_called(const struct bpf_insn *body, size_t count, bool tagged)
{
	const struct bpf_insn main_function[] = {
		SS_MOV(BPF_REG_6, BPF_REG_1),
		SS_LDX(BPF_W, BPF_REG_0, BPF_REG_1, offsetof(struct __sk_buff, cb)),
		SS_STX(BPF_H, BPF_REG_10, BPF_REG_0, -8),
		SS_ALUW_IMM(BPF_MOV, BPF_REG_2, ETHERNET_SIZE - 2),
		SS_MOV(BPF_REG_3, BPF_REG_10),
		SS_ADD_IMM(BPF_REG_3, (uint32_t)-8),
		SS_ALUW_IMM(BPF_MOV, BPF_REG_4, 2),
		SS_ALUW_IMM(BPF_MOV, BPF_REG_5, 0),
		SS_CALL(BPF_FUNC_skb_store_bytes),
		SS_JUMPW_IMM(BPF_JNE, BPF_REG_0, 0, 5),
		SS_MOV(BPF_REG_1, BPF_REG_6),
		SS_ALUW_IMM(BPF_MOV, BPF_REG_2, GUINT16_TO_BE(TAG_PROTOCOL)),
		SS_ALUW_IMM(BPF_MOV, BPF_REG_3, TAG_CONTROL),
		tagged ? SS_CALL(BPF_FUNC_skb_vlan_push) : SS_ALUW_IMM(BPF_MOV, BPF_REG_0, 0),
		SS_JUMPW_IMM(BPF_JEQ, BPF_REG_0, 0, 2),
		SS_ALUW_IMM(BPF_MOV, BPF_REG_0, NOT_PREPARED),
		SS_EXIT(),
		SS_MOV(BPF_REG_1, BPF_REG_6),
		SS_CALL_SUB(1),
		SS_EXIT(),
	};
	g_autoptr(GArray) insns = g_array_new(FALSE, FALSE, sizeof(struct bpf_insn));
	LIBBPF_OPTS(bpf_prog_load_opts, options);
	struct bpf_func_info functions[2] = {0};
	__s32 ids[2];
	struct btf *btf = make_btf(ids);
	int fd;

	g_array_append_vals(insns, main_function, G_N_ELEMENTS(main_function));
	g_array_append_vals(insns, body, (guint)count);
	functions[0].type_id = (__u32)ids[0];
	functions[1].type_id = (__u32)ids[1];
	functions[1].insn_off = G_N_ELEMENTS(main_function);
	options.prog_btf_fd = (__u32)btf__fd(btf);
	options.func_info = functions;
	options.func_info_cnt = G_N_ELEMENTS(functions);
	options.func_info_rec_size = sizeof(functions[0]);
	fd = load(BPF_PROG_TYPE_SCHED_CLS, (const void *)insns->data, insns->len, &options);
	btf__free(btf);
	return fd;
}

static int load_for(enum hook hook, const struct bpf_insn *body, size_t count)
{
	LIBBPF_OPTS(bpf_prog_load_opts, options);

	if (hook == HOOK_CGROUP)
		return load(BPF_PROG_TYPE_CGROUP_SKB, body, count, &options);
	return load_called(body, count, hook != HOOK_TC);
}

static unsigned link_type_of(enum hook hook)
{
	return hook == HOOK_CGROUP ? SS_LINKTYPE_RAW : SS_LINKTYPE_ETHERNET;
}

static enum ss_filter_access access_of(enum hook hook)
{
	return hook == HOOK_CGROUP || hook == HOOK_TC_BYTES ? SS_FILTER_LOAD_BYTES
							    : SS_FILTER_LD_ABS;
}

static __u32 run(int fd, GBytes *frame)
{
	gsize size;
	const guint8 *data = g_bytes_get_data(frame, &size);
	g_autofree guint8 *bytes = g_memdup2(data, size);
	LIBBPF_OPTS(bpf_test_run_opts, options);
	struct __sk_buff context = {0};
	guint16 type;

	memcpy(&type, bytes + ETHERNET_SIZE - 2, sizeof(type));
	context.cb[0] = type;
	type = GUINT16_TO_BE(OTHER_TYPE);
	memcpy(bytes + ETHERNET_SIZE - 2, &type, sizeof(type));
	options.data_in = bytes;
	options.data_size_in = (__u32)size;
	options.ctx_in = &context;
	options.ctx_size_in = sizeof(context);
	g_assert_cmpint(bpf_prog_test_run_opts(fd, &options), ==, 0);
	return options.retval;
}

static bool may_load(void)
{
	const struct bpf_insn accept[] = {SS_ALUW_IMM(BPF_MOV, BPF_REG_0, 1), SS_EXIT()};
	ss_autofd int fd = load_for(HOOK_CGROUP, accept, G_N_ELEMENTS(accept));

	if (fd >= 0)
		return true;
	if (g_getenv("CI"))
		g_error("cannot load BPF programs (error %d): CI must run this as root", -fd);
	g_test_skip("needs root, or CAP_BPF and CAP_NET_ADMIN");
	return false;
}

#endif
