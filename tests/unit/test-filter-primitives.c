/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pcap-filter(7), primitive by primitive: what libpcap compiles for Ethernet we take, and say of
 * every frame what pcap_offline_filter() says, in the kernel and of stored frames; what it refuses
 * we refuse. What depends on more than the bytes of a frame comes last.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <glib.h>
#define bpf_insn pcap_bpf_insn
#include <pcap/pcap.h>
#undef bpf_insn

#include "filter-frames.h"
#include "format/ring.h"
#include "seed.h"

#define SEED 20261126

/* One of each, as the manual has them. Of those marked some frame is found, and another not. */
static const struct {
	const char *text;
	enum { REFUSED, TAKEN, FINDS } verdict;
} primitives[] = {
	{"dst host 10.0.0.2", FINDS},
	{"src host 10.0.0.1", FINDS},
	{"host 10.0.0.1", FINDS},
	{"host 2001:db8::1", FINDS},
	{"ip host 10.0.0.1", FINDS},
	{"arp host 10.0.0.1", FINDS},
	{"rarp host 10.0.0.1", FINDS},
	{"ip6 host 2001:db8::2", FINDS},
	{"ether proto \\ip and host 10.0.0.1", FINDS},
	{"ether dst 02:aa:bb:cc:dd:01", FINDS},
	{"ether dst 02.aa.bb.cc.dd.01", FINDS},
	{"ether dst 02-aa-bb-cc-dd-01", FINDS},
	{"ether dst 02aa.bbcc.dd01", FINDS},
	{"ether dst 02aabbccdd01", FINDS},
	{"ether src 02:aa:bb:cc:dd:02", TAKEN},
	{"ether host 02:aa:bb:cc:dd:02", TAKEN},
	{"fddi host ff:ff:ff:ff:ff:ff", FINDS},
	{"tr src 02:aa:bb:cc:dd:02", TAKEN},
	{"wlan host 02:aa:bb:cc:dd:01", FINDS},
	{"gateway localhost", REFUSED},
	{"gateway 10.0.0.1", REFUSED},
	{"dst net 10.0.0.0/24", FINDS},
	{"src net 10.1", FINDS},
	{"net 192.168.0", FINDS},
	{"net 10", FINDS},
	{"net 10.0.0.0 mask 255.255.255.0", FINDS},
	{"src net 10.1.0.0 mask 255.255.0.0", FINDS},
	{"net 2001:db8::/32", FINDS},
	{"dst net ff02::/16", FINDS},
	{"src or dst host 10.0.0.1", FINDS},
	{"src and dst net 10.0.0.0/8", FINDS},
	{"dst port 443", FINDS},
	{"src port 80", FINDS},
	{"port 53", FINDS},
	{"port domain", FINDS},
	{"port http", FINDS},
	{"tcp dst port 443", FINDS},
	{"udp port 53", FINDS},
	{"sctp port 2905", FINDS},
	{"dst portrange 400-500", FINDS},
	{"src portrange 1-100", FINDS},
	{"portrange 4000-5000", FINDS},
	{"tcp src portrange 79-81", FINDS},
	{"tcp dst port ftp or ftp-data or https", FINDS},
	{"ether port 80", REFUSED},
	{"less 60", FINDS},
	{"greater 80", FINDS},
	{"len <= 60", FINDS},
	{"ip proto 17", FINDS},
	{"ip proto \\tcp", FINDS},
	{"ip proto \\icmp", FINDS},
	{"ip proto ospf", TAKEN},
	{"icmp", FINDS},
	{"ip6 proto 58", FINDS},
	{"ip6 proto 44", FINDS},
	{"icmp6", FINDS},
	{"proto 47", FINDS},
	{"proto \\sctp", FINDS},
	{"ah", FINDS},
	{"esp", FINDS},
	{"pim", TAKEN},
	{"sctp", FINDS},
	{"tcp", FINDS},
	{"udp", FINDS},
	{"igmp", TAKEN},
	{"igrp", TAKEN},
	{"vrrp", TAKEN},
	{"carp", TAKEN},
	{"ip6 protochain 6", FINDS},
	{"ip6 protochain 17", FINDS},
	{"ip6 protochain 58", FINDS},
	{"ip6 protochain 44", FINDS},
	{"ip protochain 6", FINDS},
	{"ip protochain \\udp", FINDS},
	{"protochain 6", FINDS},
	{"protochain 17 and not udp", FINDS},
	{"not protochain 6 and port 53", FINDS},
	{"protochain 6 and protochain 51", FINDS},
	{"vlan 100 and protochain 17", FINDS},
	{"not (protochain 6 or protochain 17 or protochain 51 or protochain 58)", FINDS},
	{"broadcast", FINDS},
	{"ether broadcast", FINDS},
	{"ip broadcast", REFUSED},
	{"multicast", FINDS},
	{"ether multicast", FINDS},
	{"ip multicast", FINDS},
	{"ip6 multicast", FINDS},
	{"ether proto 0x88cc", FINDS},
	{"ether proto \\arp", FINDS},
	{"ether proto loopback", FINDS},
	{"ether proto \\stp", FINDS},
	{"ip", FINDS},
	{"ip6", FINDS},
	{"arp", FINDS},
	{"rarp", FINDS},
	{"atalk", FINDS},
	{"aarp", FINDS},
	{"decnet", FINDS},
	{"iso", FINDS},
	{"stp", FINDS},
	{"ipx", FINDS},
	{"netbeui", FINDS},
	{"lat", FINDS},
	{"moprc", FINDS},
	{"mopdl", FINDS},
	{"sca", FINDS},
	{"decnet src 10.15", FINDS},
	{"decnet dst 10.15", FINDS},
	{"decnet host 10.15", FINDS},
	{"llc", FINDS},
	{"llc i", FINDS},
	{"llc s", FINDS},
	{"llc u", FINDS},
	{"llc rr", FINDS},
	{"llc rnr", TAKEN},
	{"llc rej", TAKEN},
	{"llc ui", FINDS},
	{"llc ua", TAKEN},
	{"llc disc", TAKEN},
	{"llc sabme", TAKEN},
	{"llc test", TAKEN},
	{"llc xid", FINDS},
	{"llc frmr", TAKEN},
	{"llc nosuch", REFUSED},
	{"ifname eth0", REFUSED},
	{"on eth0", REFUSED},
	{"rnr 1", REFUSED},
	{"rulenum 1", REFUSED},
	{"reason match", REFUSED},
	{"rset a", REFUSED},
	{"ruleset a", REFUSED},
	{"srnr 1", REFUSED},
	{"subrulenum 1", REFUSED},
	{"action pass", REFUSED},
	{"wlan ra 02:aa:bb:cc:dd:01", REFUSED},
	{"wlan ta 02:aa:bb:cc:dd:01", REFUSED},
	{"wlan addr1 02:aa:bb:cc:dd:01", REFUSED},
	{"wlan addr2 02:aa:bb:cc:dd:01", REFUSED},
	{"wlan addr3 02:aa:bb:cc:dd:01", REFUSED},
	{"wlan addr4 02:aa:bb:cc:dd:01", REFUSED},
	{"type mgt", REFUSED},
	{"type mgt subtype beacon", REFUSED},
	{"subtype beacon", REFUSED},
	{"dir tods", REFUSED},
	{"vlan", FINDS},
	{"vlan 100", FINDS},
	{"vlan 100 && vlan 200", FINDS},
	{"vlan && vlan 100 && ip", FINDS},
	{"mpls", FINDS},
	{"mpls 100", FINDS},
	{"mpls 100 && mpls 1024", FINDS},
	{"mpls && mpls 1024 && host 192.9.200.1", FINDS},
	{"pppoed", FINDS},
	{"pppoes", FINDS},
	{"pppoes 1", FINDS},
	{"pppoes 1 && ip", FINDS},
	{"geneve", FINDS},
	{"geneve 11", FINDS},
	{"geneve 11 && ip", FINDS},
	{"iso proto 0x83", FINDS},
	{"iso proto \\isis", FINDS},
	{"clnp", TAKEN},
	{"esis", TAKEN},
	{"isis", FINDS},
	{"l1", FINDS},
	{"l2", FINDS},
	{"iih", FINDS},
	{"lsp", FINDS},
	{"snp", FINDS},
	{"csnp", FINDS},
	{"psnp", FINDS},
	{"vpi 1", REFUSED},
	{"vci 1", REFUSED},
	{"lane", REFUSED},
	{"oamf4sc", REFUSED},
	{"oamf4ec", REFUSED},
	{"oamf4", REFUSED},
	{"oam", REFUSED},
	{"metac", REFUSED},
	{"bcc", REFUSED},
	{"sc", REFUSED},
	{"ilmic", REFUSED},
	{"connectmsg", REFUSED},
	{"metaconnect", REFUSED},
	{"ether[0] & 1 != 0", FINDS},
	{"link[12:2] = 0x800", FINDS},
	{"fddi[12:2] == 0x800", FINDS},
	{"tr[0] > 1", FINDS},
	{"wlan[0] >= 3", FINDS},
	{"ppp[0] <= 2", FINDS},
	{"slip[0] < 3", FINDS},
	{"radio[0] = 0", REFUSED},
	{"ip[0] & 0xf != 5", FINDS},
	{"ip[6:2] & 0x1fff = 0", FINDS},
	{"ip6[6] = 44", FINDS},
	{"arp[6:2] = 1", FINDS},
	{"rarp[6:2] = 3", FINDS},
	{"decnet[0] = 0x81", TAKEN},
	{"atalk[0] = 1", FINDS},
	{"lat[0] = 1", FINDS},
	{"moprc[0] = 1", FINDS},
	{"mopdl[0] = 1", FINDS},
	{"sca[0] = 1", FINDS},
	{"icmp[icmptype] = icmp-echo", FINDS},
	{"icmp[icmpcode] != 1", FINDS},
	{"icmp6[icmp6type] = icmp6-neighborsolicit", FINDS},
	{"icmp6[icmp6code] = 0", FINDS},
	{"tcp[tcpflags] & (tcp-syn|tcp-fin) != 0", FINDS},
	{"tcp[tcpflags] & (tcp-ece|tcp-cwr|tcp-urg|tcp-rst) == 0", FINDS},
	{"tcp[0:2] = 80", FINDS},
	{"udp[0:2] + 1 = 54", FINDS},
	{"sctp[0:2] = 2905", FINDS},
	{"igmp[0] = 1", TAKEN},
	{"igrp[0] = 1", TAKEN},
	{"pim[0] = 1", TAKEN},
	{"vrrp[0] = 1", TAKEN},
	{"carp[0] = 1", TAKEN},
	{"ip[2:2] / 2 * 2 != ip[2:2] - 1", FINDS},
	{"ip[8] % 3 = 1", FINDS},
	{"ip[8] ^ 0x40 = 0", FINDS},
	{"ip[8] | 1 = 0x41", FINDS},
	{"1 << (ip[0] & 0xf) > 32", FINDS},
	{"ip[12:4] >> 8 = 0x0a0000", FINDS},
	{"tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)", FINDS},
	{"ether[0] & 1 = 0 and ip[16] >= 224", TAKEN},
	{"ether[-4] = 1", TAKEN},
	{"ip[-2:2] = 0x800", FINDS},
	{"ether[0xfffff020:4] = 1 or tcp", TAKEN},
	{"not host 10.0.0.2 and 192.168.0.1", FINDS},
	{"!(tcp || udp) && ip", FINDS},
};

/* What pods don't send, for the more exotic ones. */
static const char *const exotic[] = {
	"ffffffffffff 02aabbccdd02 8035 0001 0800 06 04 0003 02aabbccdd02 0a000001 "
	"000000000000 0a000002",
	ADDRESSES "809b 01020304 05060708 090a0b0c",
	ADDRESSES "80f3 0001 809b 06 04 0001",
	ADDRESSES "6003 0e00 02 0f28 0b28 01020304 05060708",
	ADDRESSES "6003 1200 81 02 0f28 0f28 01020304 05060708",
	ADDRESSES "6004 0102030405060708",
	ADDRESSES "6002 0102030405060708",
	ADDRESSES "6001 0102030405060708",
	ADDRESSES "6007 0102030405060708",
	ADDRESSES "9000 0000 0100",
	ADDRESSES "8137 ffff 0022 00 11 00000000",
	ADDRESSES "0010 f0f0 03 0102030405",
	ADDRESSES "0010 e0e0 03 ffff002200110000",
	ADDRESSES "0010 aaaa 03 080007 809b 010203",
	ADDRESSES "0010 aaaa 03 000000 8137 010203",
	ADDRESSES "0010 4242 0100 01020304", /* S, receiver ready */
	ADDRESSES "0010 4242 0000 01020304", /* I */
	ADDRESSES "0010 4242 af 01020304",   /* exchange of identification */
	ADDRESSES "0020 fefe 03 83 1b 01 00 0f 01 00 00 0102030405", /* IS-IS: hello, level 1 */
	ADDRESSES "0020 fefe 03 83 1b 01 00 10 01 00 00 0102030405",
	ADDRESSES "0020 fefe 03 83 1b 01 00 12 01 00 00 0102030405", /* link state */
	ADDRESSES "0020 fefe 03 83 1b 01 00 18 01 00 00 0102030405", /* complete sequence */
	ADDRESSES "0020 fefe 03 83 1b 01 00 1b 01 00 00 0102030405", /* partial sequence */
	ADDRESSES "8847 00064040 00400140 45000028 0000 4000 40 06 0000 c009c801 02020202 0050c350",
	ADDRESSES "8863 1109 0000 0004 01010000",
	"01005e000001 02aabbccdd02 0800 4500 0020 1234 4000 01 11 0000 0a000001 e0000001 "
	"0035 c000 000c 0000 01020304",
	ADDRESSES
	"0800 4500 0020 1234 4000 40 32 0000 0a000001 0a000002 00000001 00000002 00000003",
	/* Geneve, of Ethernet */
	ADDRESSES
	"0800 4500 0060 1234 4000 40 11 0000 0a000001 0a000002 c000 17c1 004c 0000 "
	"0000 6558 00000b00 02aabbccdd05 02aabbccdd06 0800 4500 0020 1234 4000 40 11 0000 "
	"0a020001 0a020002 0035 c000 000c 0000 01020304",
	/* Authentication headers: TCP, UDP behind one of IPv4 */
	ADDRESSES "0800 4500 0040 1234 4000 40 33 0000 0a000001 0a000002 06 00 0000 00000001 "
		  "0050 d431 00000001 00000002 5018 7210 0000 0000",
	/* Chains of IPv6: hop-by-hop, destination options, fragment, then TCP, UDP or nothing */
	ADDRESSES "86dd 60000000 0040 00 40 20010db8000000000000000000000001 "
		  "20010db8000000000000000000000002 3c 00 050200000000 2c 00 010400000000 "
		  "06 00 0000 12345678 0050 d431 00000001 00000002 5018 7210 0000 0000",
	ADDRESSES "86dd 60000000 0040 3c 40 20010db8000000000000000000000001 "
		  "20010db8000000000000000000000002 2b 01 0104000000000000000000000000 "
		  "11 00 0000000000000 0035 c000 000c 0000 01020304",
	ADDRESSES "86dd 60000000 0040 3c 40 20010db8000000000000000000000001 "
		  "20010db8000000000000000000000002 3b 01 0104000000000000000000000000 01020304",
	ADDRESSES "8100 0064 86dd 60000000 0040 3c 40 20010db8000000000000000000000001 "
		  "20010db8000000000000000000000002 11 01 0104000000000000000000000000 "
		  "0035 c000 000c 0000 01020304",
	ADDRESSES "8100 0064 8100 00c8 0800 4500 0014 1234 4000 40 06 0000 0a000001 0a000002",
};

static GPtrArray *all_frames(GRand *rand)
{
	GPtrArray *frames = make_frames(rand);

	for (guint i = 0; i < G_N_ELEMENTS(exotic); i++) {
		GByteArray *frame = g_byte_array_new();

		put(frame, exotic[i]);
		add_frame(frames, frame);
	}
	return frames;
}

static bool compile(const char *text, int link_type, struct bpf_program *ret)
{
	pcap_t *pcap = pcap_open_dead(link_type, 262144);
	bool compiled = pcap_compile(pcap, ret, text, 1, PCAP_NETMASK_UNKNOWN) == 0;

	pcap_close(pcap);
	return compiled;
}

static bool offline(const struct bpf_program *program, GBytes *frame)
{
	struct pcap_pkthdr header = {0};
	gsize size;
	const guint8 *data = g_bytes_get_data(frame, &size);

	header.caplen = header.len = (bpf_u_int32)size;
	return pcap_offline_filter(program, &header, data) != 0;
}

static bool matches(const struct ss_filter *filter, enum hook hook, GBytes *frame)
{
	gsize size;
	const guint8 *data = g_bytes_get_data(frame, &size);

	return ss_filter_matches(filter, link_type_of(hook), data, (uint32_t)size, (uint32_t)size,
				 false);
}

/* Returns how many frames libpcap accepts. */
static guint compare(const char *text, const struct ss_filter *filter, enum hook hook,
		     GPtrArray *frames, guint *ret_compared)
{
	const struct ss_emit_options options = {
		.link_type = link_type_of(hook), .access = access_of(hook), .slots_fd = -1};
	g_autofree struct bpf_insn *body = NULL;
	struct ss_error error = {0};
	struct bpf_program program;
	size_t count;
	guint accepted = 0;

	if (!compile(text, hook == HOOK_CGROUP ? DLT_RAW : DLT_EN10MB, &program))
		return 0;
	g_assert_cmpint(ss_filter_emit(filter, &options, &body, &count, &error), ==, 0);
	ss_autofd int fd = load_for(hook, body, count);

	if (fd < 0)
		g_error("%s: '%s' does not load: %s", hook_names[hook], text, g_strerror(-fd));
	for (guint i = 0; i < frames->len; i++) {
		GBytes *frame = g_ptr_array_index(frames, i);
		g_autoptr(GBytes) stored = as_stored(frame, hook);
		bool wanted;

		if (g_bytes_get_size(stored) == 0) /* no such test run */
			continue;
		wanted = offline(&program, stored);
		accepted += wanted;
		(*ret_compared)++;
		if (run(fd, frame) != wanted || matches(filter, hook, stored) != wanted)
			g_error("%s: '%s', frame %u: libpcap says %d, the kernel %u, user space %d",
				hook_names[hook], text, i, wanted, run(fd, frame),
				matches(filter, hook, stored));
	}
	pcap_freecode(&program);
	return accepted;
}

static void test_primitives(gconstpointer data)
{
	enum hook hook = GPOINTER_TO_UINT(data);
	g_autoptr(GRand) rand = seeded_rand(SEED);
	g_autoptr(GPtrArray) frames = all_frames(rand);
	guint compared = 0;

	if (!may_load())
		return;
	for (guint i = 0; i < G_N_ELEMENTS(primitives); i++) {
		const char *text = primitives[i].text;
		struct bpf_program program;
		struct ss_filter *filter = NULL;
		struct ss_error error = {0};
		bool taken = compile(text, DLT_EN10MB, &program);
		int r = ss_filter_new(text, &filter, &error);
		guint accepted;

		/* A word alone may be a protocol of Wireshark, which is asked later. */
		if (taken != (r == 0 && ss_filter_language(filter) == SS_FILTER_PCAP))
			g_error("'%s' is %s by libpcap, and by us: %s", text,
				taken ? "taken" : "refused", r ? error.message : "taken");
		if (taken != (primitives[i].verdict != REFUSED))
			g_test_message("another libpcap: '%s'", text);
		if (!taken) {
			ss_filter_free(filter);
			continue;
		}
		pcap_freecode(&program);
		accepted = compare(text, filter, hook, frames, &compared);
		if (hook == HOOK_TC && primitives[i].verdict == FINDS &&
		    (accepted == 0 || accepted == frames->len))
			g_error("'%s' finds %u of %u frames", text, accepted, frames->len);
		ss_filter_free(filter);
	}
	g_test_message("%u pairs of primitive and frame", compared);
	g_assert_cmpuint(compared, >, 20000);
}

/* --- What is not in the bytes --- */

/* The slot's address in place of its map, as the loader puts it. */
static void load_slot(struct bpf_insn *insns, size_t count, int fd)
{
	for (size_t i = 0; i + 1 < count; i++)
		if (ss_insn_is_wide(&insns[i]) && insns[i].src_reg == BPF_PSEUDO_MAP_FD &&
		    insns[i].imm == fd)
			insns[i].src_reg = BPF_PSEUDO_MAP_VALUE;
}

static void test_direction(gconstpointer data)
{
	static const struct {
		const char *text;
		bool of_none, of_in, of_out, of_bytes;
	} rows[] = {
		{"inbound", true, true, false, false},
		{"outbound", false, false, true, false},
		{"not inbound", false, false, true, false},
		{"outbound and tcp", false, false, true, true},
		{"udp or inbound", true, true, false, false},
		{"inbound or outbound", true, true, true, false},
		{"vlan or outbound", false, false, true, true},
		{"ether[0xfffff004:1] = 4", false, false, true, false},
	};
	static const uint32_t directions[] = {0, SS_EPB_FLAG_IN, SS_EPB_FLAG_OUT};
	const char *const bytes = ADDRESSES "0800 4500 0028 1234 4000 40 06 0000 0a000001 0a000002 "
					    "0050 d431 00000001 00000002 5010 7210 0000 0000";
	enum hook hook = GPOINTER_TO_UINT(data);
	g_autoptr(GByteArray) array = g_byte_array_new();
	g_autoptr(GBytes) frame = NULL, stored = NULL;
	LIBBPF_OPTS(bpf_map_create_opts, map_options);

	if (!may_load())
		return;
	put(array, bytes);
	frame = g_bytes_new(array->data, array->len);
	stored = as_stored(frame, hook);
	ss_autofd int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "slots", 4, sizeof(struct ss_slot),
					   1, &map_options);
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		const bool wanted[] = {rows[i].of_none, rows[i].of_in, rows[i].of_out};
		const struct ss_emit_options options = {.link_type = link_type_of(hook),
							.access = access_of(hook),
							.slots_fd = map};
		g_autofree struct bpf_insn *body = NULL;
		struct ss_filter *filter = NULL;
		struct ss_error error = {0};
		size_t count;

		if (rows[i].of_bytes && hook != HOOK_TC) /* a tag makes it another */
			continue;
		g_assert_cmpint(ss_filter_new(rows[i].text, &filter, &error), ==, 0);
		g_assert_true(ss_filter_asks_direction(filter) ||
			      !strcmp(rows[i].text, "inbound or outbound"));
		g_assert_cmpint(ss_filter_emit(filter, &options, &body, &count, &error), ==, 0);
		load_slot(body, count, map);
		ss_autofd int fd = load_for(hook, body, count);

		g_assert_cmpint(fd, >=, 0);
		for (guint j = 0; j < G_N_ELEMENTS(directions); j++) {
			struct ss_slot slot = {.options = {4u << 16 | SS_EPB_FLAGS, directions[j]}};
			gsize size;
			const guint8 *at = g_bytes_get_data(stored, &size);
			__u32 zero = 0;

			g_assert_cmpint(bpf_map_update_elem(map, &zero, &slot, BPF_ANY), ==, 0);
			if (run(fd, frame) != wanted[j] ||
			    ss_filter_matches(filter, link_type_of(hook), at, (uint32_t)size,
					      (uint32_t)size,
					      directions[j] & SS_EPB_FLAG_OUT) != wanted[j])
				g_error("%s: '%s' of direction %u", hook_names[hook], rows[i].text,
					directions[j]);
		}
		ss_filter_free(filter);
	}
}

/* The test runs a frame of the device that the context names: lo, which is 1. */
static void test_device(void)
{
	static const char *const texts[] = {"ifindex 1", "not ifindex 1", "ifindex 2 or udp"};
	g_autoptr(GByteArray) array = g_byte_array_new();
	g_autoptr(GBytes) frame = NULL;

	if (!may_load())
		return;
	put(array, ADDRESSES "0800 4500 0014 1234 4000 40 06 0000 0a000001 0a000002");
	frame = g_bytes_new(array->data, array->len);
	for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
		const struct ss_emit_options options = {.link_type = SS_LINKTYPE_ETHERNET,
							.slots_fd = -1};
		g_autofree struct bpf_insn *body = NULL;
		struct ss_filter *filter = NULL;
		struct ss_error error = {0};
		size_t count;

		g_assert_cmpint(ss_filter_new(texts[i], &filter, &error), ==, 0);
		g_assert_true(ss_filter_asks_device(filter));
		g_assert_cmpint(ss_filter_emit(filter, &options, &body, &count, &error), ==, 0);
		ss_autofd int fd = load_for(HOOK_TC, body, count);

		g_assert_cmpint(fd, >=, 0);
		g_assert_cmpuint(run(fd, frame), ==, i == 0);
		ss_filter_free(filter);
	}
}

/* An authentication header that leads to itself: libpcap's own program never ends. */
static void test_endless_chain(void)
{
	g_autoptr(GByteArray) frame = g_byte_array_new();
	struct ss_filter *filter = NULL;
	struct ss_error error = {0};

	put(frame,
	    ADDRESSES "86dd 60000000 0018 33 40 20010db8000000000000000000000001 "
		      "20010db8000000000000000000000002 33 08 0000 00000000 0000000000000000");
	g_assert_cmpint(ss_filter_new("ip6 protochain 6", &filter, &error), ==, 0);
	g_assert_false(ss_filter_matches(filter, SS_LINKTYPE_ETHERNET, frame->data, frame->len,
					 frame->len, false));
	ss_filter_free(filter);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	libbpf_set_print(NULL);
	for (guint hook = 0; hook < HOOKS; hook++) {
		g_autofree char *bytes =
			g_strdup_printf("/filter-primitives/%s/of-bytes", hook_names[hook]);
		g_autofree char *direction =
			g_strdup_printf("/filter-primitives/%s/direction", hook_names[hook]);

		g_test_add_data_func(bytes, GUINT_TO_POINTER(hook), test_primitives);
		g_test_add_data_func(direction, GUINT_TO_POINTER(hook), test_direction);
	}
	g_test_add_func("/filter-primitives/device", test_device);
	g_test_add_func("/filter-primitives/endless-chain", test_endless_chain);
	return g_test_run();
}
