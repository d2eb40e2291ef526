/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Display filters in the real kernel against Wireshark (sharkd, the same dissectors as tshark's):
 * the kernel never rejects a frame that Wireshark selects, and what it accepts in excess is only
 * what the filter says it leaves to tshark.
 */
#define TAG_PROTOCOL 0x8100
#include "filter-frames.h"
#include "filter-random.h"
#include "seed.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "filter/expression.h"
#include "filter/plain.h"

#define SEED           20261125
#define RANDOM_FILTERS 150
#define MUTANTS        12
#define PCAP_MAGIC     0xa1b2c3d4u

/* --- Frames --- */

static guint16 get16(const GByteArray *frame, guint at)
{
	return (guint16)(frame->data[at] << 8 | frame->data[at + 1]);
}

static void put16(GByteArray *frame, guint at, guint value)
{
	frame->data[at] = (guint8)(value >> 8);
	frame->data[at + 1] = (guint8)value;
}

/* Lengths that fit, so that Wireshark does not stop at them. */
static void mend(GByteArray *frame)
{
	guint at = 12;

	while (at + 6 < frame->len && (get16(frame, at) == 0x8100 || get16(frame, at) == 0x88a8))
		at += 4;
	if (at + 2 + 20 < frame->len && get16(frame, at) == 0x0800)
		put16(frame, at + 2 + 2, frame->len - at - 2);
	if (at + 2 + 40 < frame->len && get16(frame, at) == 0x86dd)
		put16(frame, at + 2 + 4, frame->len - at - 2 - 40);
}

/* What goes wrong, is rare, or holds other packets. */
static const char *const more[] = {
	/* an ICMP error about TCP port 80, by IPv4 and IPv6 */
	ADDRESSES "0800 45000038 1234 0000 4001 0000 0a000009 0a000001 0303 0000 00000000"
		  "45000028 0000 4000 4006 0000 0a000001 0a000002 d431 0050 00000001",
	ADDRESSES "86dd 60000000 0038 3a 40 20010db8000000000000000000000009"
		  "20010db8000000000000000000000001 0104 0000 00000000"
		  "60000000 0014 06 40 20010db8000000000000000000000001"
		  "20010db8000000000000000000000002 d431 0050 00000001",
	/* VXLAN, GRE, IP in IP */
	ADDRESSES "0800 4500005a 0000 0000 4011 0000 0a000009 0a000008 1234 12b5 0046 0000"
		  "0800000000002a00 02aabbccdd03 02aabbccdd04 0800"
		  "45000028 0000 4000 4006 0000 0a000001 0a000002 d431 0050 00000001 00000000"
		  "5002 7210 0000 0000",
	ADDRESSES "0800 45000040 0000 0000 402f 0000 0a000009 0a000008 00000800"
		  "45000028 0000 4000 4006 0000 0a000001 0a000002 d431 0050 00000001 00000000"
		  "5002 7210 0000 0000",
	ADDRESSES "0800 4500003c 0000 0000 4004 0000 0a000009 0a000008"
		  "45000028 0000 4000 4006 0000 0a000001 0a000002 d431 0050 00000001 00000000"
		  "5002 7210 0000 0000",
	/* a datagram in two fragments: only the second has ports for Wireshark */
	ADDRESSES "0800 45000024 7777 2000 4011 0000 0a000001 0a000002 0035 c000 0018 0000"
		  "0102030405060708",
	ADDRESSES "0800 4500001c 7777 0002 4011 0000 0a000001 0a000002 0102030405060708",
	/* options: router alert, and a source route, which changes the destination */
	ADDRESSES "0800 46c00020 0000 4000 0102 0000 0a000001 e0000016 94040000 2200f9fd 00000000",
	ADDRESSES "0800 47000030 0000 4000 4006 0000 0a000001 0a000002 8307040a000007 00"
		  "d431 0050 00000001 00000000 5002 7210 0000 0000",
	/* ports in what is only padding: the IP packet ends before */
	ADDRESSES "0800 45000014 0000 4000 4006 0000 0a000001 0a000002 d431 0050 00000001 00000000"
		  "5002 7210 0000 0000",
	/* a TCP header too short, a version that is not the type's */
	ADDRESSES "0800 45000028 0000 4000 4006 0000 0a000001 0a000002 d431 0050 00000001 00000000"
		  "1002 7210 0000 0000",
	ADDRESSES "0800 60000028 0000 4000 4006 0000 0a000001 0a000002 d431 0050 00000001 00000000",
	/* IPv6: hop-by-hop options, destination options with a home address, a routing header */
	ADDRESSES "86dd 60000000 001c 00 40 20010db8000000000000000000000001"
		  "20010db8000000000000000000000002 06 00 050200000000"
		  "d431 0050 00000001 00000000 5002 7210 0000 0000",
	ADDRESSES
	"86dd 60000000 002c 3c 40 20010db8000000000000000000000001"
	"20010db8000000000000000000000002 06 02 01020000 c910"
	"20010db80000000000000000000000ff d431 0050 00000001 00000000 5002 7210 0000 0000",
	/* answers of ARP, an echo, a neighbour's solicitation, a length in place of the type */
	ADDRESSES "0806 0001 0800 06 04 0002 02aabbccdd02 0a000001 02aabbccdd01 0a000002",
	ADDRESSES "0800 4500001c 0000 0000 4001 0000 0a000001 0a000002 0800 1234 0001 0001",
	ADDRESSES
	"0020 aaaa03 000000 0800 4500001c 0000 0000 4001 0000 0a000001 0a000002 0800 1234",
	/* HTTP and DNS above SCTP */
	ADDRESSES "0800 45000048 0000 0000 4084 0000 0a000001 0a000002 1388 0050 00000001 00000000"
		  "0003 0027 00000001 0000 0000 00000000"
		  "474554202f20485454502f312e310d0a486f73743a20610d0a0d0a 00",
	ADDRESSES "0800 45000048 0000 0000 4084 0000 0a000001 0a000002 1388 0035 00000001 00000000"
		  "0003 002a 00000001 0000 0000 00000000"
		  "1234 0100 0001 0000 0000 0000 03777777 0474657374 00 0001 0001 0000",
	/* a reverse request */
	"ffffffffffff 02aabbccdd02 8035 0001 0800 06 04 0003 02aabbccdd02 0a000001"
	"000000000000 0a000002",
	/* every flag of TCP */
	ADDRESSES "0800 45ff0029 0000 8000 ff06 0000 0a000001 0a000002 0050 0050 ffffffff 00000000"
		  "5fff 0000 ffff ffff 00",
};

/* Of frames that are understood, some with other bytes here and there. */
static void add_mutants(GPtrArray *frames, GRand *rand)
{
	for (guint i = frames->len; i > 0; i--) {
		gsize size;
		const guint8 *data = g_bytes_get_data(frames->pdata[i - 1], &size);

		if (!ss_frame_is_plain(data, size, size, SS_LINKTYPE_ETHERNET))
			continue;
		for (guint mutant = 0; mutant < MUTANTS; mutant++) {
			guint8 *bytes = g_memdup2(data, size);

			for (guint changes = mutant % 3 + 1; changes > 0; changes--)
				bytes[g_rand_int_range(rand, 0, (gint32)MIN(size, 80))] ^=
					(guint8)(1 << g_rand_int_range(rand, 0, 8));
			g_ptr_array_add(frames, g_bytes_new_take(bytes, size));
		}
	}
}

static GPtrArray *all_frames(void)
{
	g_autoptr(GRand) rand = seeded_rand(SEED);
	g_autoptr(GPtrArray) made = make_frames(rand);
	GPtrArray *frames = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);

	for (guint i = 0; i < made->len; i++) {
		gsize size;
		const guint8 *data = g_bytes_get_data(made->pdata[i], &size);
		GByteArray *frame = g_byte_array_append(g_byte_array_new(), data, (guint)size);

		if (size <= ETHERNET_SIZE) { /* nothing above it: no such test run */
			g_byte_array_unref(frame);
			continue;
		}
		if (i % 4)
			mend(frame);
		add_frame(frames, frame);
	}
	for (guint i = 0; i < G_N_ELEMENTS(more); i++) {
		GByteArray *frame = g_byte_array_new();

		put(frame, more[i]);
		add_frame(frames, frame);
	}
	add_mutants(frames, rand);
	return frames;
}

static char *write_pcap(GPtrArray *frames, enum hook hook)
{
	char *path = NULL;
	int fd = g_file_open_tmp("ss-filter-XXXXXX.pcap", &path, NULL);
	FILE *file = fdopen(fd, "wb");
	const guint32 header[] = {PCAP_MAGIC, 2 | 4 << 16, 0, 0, 262144, link_type_of(hook)};

	fwrite(header, sizeof(header), 1, file);
	for (guint i = 0; i < frames->len; i++) {
		g_autoptr(GBytes) stored = as_stored(frames->pdata[i], hook);
		gsize size;
		const guint8 *data = g_bytes_get_data(stored, &size);
		const guint32 record[] = {i, 0, (guint32)size, (guint32)size};

		fwrite(record, sizeof(record), 1, file);
		fwrite(data, size, 1, file);
	}
	g_assert_cmpint(fclose(file), ==, 0);
	return path;
}

/* --- Wireshark --- */

struct wireshark {
	GPid pid;
	FILE *to, *from;
	char *path;
};

static char *ask(struct wireshark *wireshark, const char *method, const char *name,
		 const char *value)
{
	g_autofree char *escaped = g_strescape(value, NULL);
	size_t size = 0;
	char *line = NULL;

	fprintf(wireshark->to,
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":{\"%s\":\"%s\"}}\n",
		method, name, escaped);
	fflush(wireshark->to);
	if (getline(&line, &size, wireshark->from) < 0)
		g_error("sharkd ended at %s %s", method, value);
	return line;
}

static void open_wireshark(struct wireshark *wireshark, GPtrArray *frames, enum hook hook)
{
	char *argv[] = {(char *)(guintptr) "sharkd", (char *)(guintptr) "-", NULL};
	g_autofree char *answer = NULL;
	int in, out;

	g_assert_true(g_spawn_async_with_pipes(NULL, argv, NULL,
					       G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD |
						       G_SPAWN_STDERR_TO_DEV_NULL,
					       NULL, NULL, &wireshark->pid, &in, &out, NULL, NULL));
	wireshark->to = fdopen(in, "w");
	wireshark->from = fdopen(out, "r");
	wireshark->path = write_pcap(frames, hook);
	answer = ask(wireshark, "load", "file", wireshark->path);
	g_assert_nonnull(strstr(answer, "OK"));
}

static void close_wireshark(struct wireshark *wireshark)
{
	fclose(wireshark->to);
	fclose(wireshark->from);
	kill(wireshark->pid, SIGKILL);
	waitpid(wireshark->pid, NULL, 0);
	unlink(wireshark->path);
	g_free(wireshark->path);
}

/* Which frames it selects. */
static bool *select_frames(struct wireshark *wireshark, const char *filter, guint count)
{
	g_autofree char *answer = ask(wireshark, "frames", "filter", filter);
	bool *selected = g_new0(bool, count);
	const char *at = answer;

	if (strstr(answer, "\"error\""))
		g_error("Wireshark does not accept '%s': %s", filter, answer);
	while ((at = strstr(at, "\"num\":")) != NULL) {
		guint64 number = g_ascii_strtoull(at + 6, NULL, 10);

		g_assert_cmpuint(number, <=, count);
		selected[number - 1] = true;
		at++;
	}
	return selected;
}

/* --- Filters --- */

static const char *const filters[] = {
	"frame.len > 60",
	"frame.len <= 60 and not ipv6",
	"frame.cap_len in {10..54, 100}",
	"eth.addr == 02:aa:bb:cc:dd:02",
	"eth.src == 02:aa:bb:cc:dd:01 or eth.dst == ff:ff:ff:ff:ff:ff",
	"eth.addr != 02aabbccdd01",
	"all eth.addr == 02:aa:bb:cc:dd:01",
	"any eth.addr > 02:aa:bb:cc:dd:01",
	"eth.type == 0x0800",
	"eth.type == 0x8100 and vlan",
	"vlan.id == 100",
	"vlan.id != 100",
	"vlan.id !== 100",
	"not vlan.id == 100",
	"vlan.id in {1..3} && vlan.priority == 0",
	"all vlan.id < 3",
	"ip.addr == 10.0.0.1",
	"ip.addr != 10.0.0.1",
	"!(ip.addr == 10.0.0.1)",
	"ip.addr !== 10.0.0.1",
	"ip.addr === 10.0.0.0/8",
	"ip.src == 10.0.0.0/8 and ip.dst != 10.0.0.0/8",
	"ip.dst in {8.8.8.8, 192.168.0.0/16, 10.0.0.3..10.0.0.9}",
	"ip.addr > 10.0.0.1",
	"ip.src == 0.0.0.0/0",
	"ip.proto in {6, 17}",
	"ip.ttl == 64 and ip.id == 0x1234",
	"ip.flags == 2 or ip.flags.df == 1",
	"ip.flags.mf == 1 or ip.frag_offset > 0",
	"ip.dsfield.dscp == 48 or ip.dsfield.ecn == 3",
	"ip.len < 50 or ip.hdr_len == 24",
	"ipv6.addr == 2001:db8::/32",
	"ipv6.dst == 2001:db8::2",
	"ipv6.addr != 2001:db8::1",
	"ipv6.src == fe80::/10 or ipv6.dst in {ff02::1, 2001:db8::/127}",
	"ipv6.nxt == 58 and ipv6.hlim >= 64",
	"ipv6.addr == ::/0",
	"arp",
	"arp.opcode == 2 || arp.src.proto_ipv4 == 10.0.0.1",
	"arp.dst.hw_mac == 02:aa:bb:cc:dd:01",
	"not arp",
	"tcp",
	"not tcp and eth",
	"tcp.port == 80",
	"tcp.port == 80 || udp.port == 53",
	"tcp.dstport in {80, 443, 1000..2000}",
	"not tcp.port == 80",
	"tcp.port != 80",
	"tcp.port === 80",
	"tcp.flags.syn == 1 and tcp.flags.ack == 0",
	"tcp.flags & 0x12",
	"tcp.flags & 0x12 == 2",
	"tcp.flags == 0x002",
	"tcp.flags.reset == 1 or tcp.flags.fin == true",
	"tcp.flags.ae == 1 or tcp.flags.cwr == 1 or tcp.flags.ece == 1 or tcp.flags.urg == 1",
	"tcp.len > 0",
	"tcp.len == 0 and tcp.window_size_value == 29200",
	"tcp.seq_raw == 1 and tcp.ack_raw >= 2",
	"tcp.checksum == 0 or tcp.urgent_pointer > 0",
	"udp",
	"udp.length == 32 or udp.checksum == 0",
	"udp.srcport == 53 and not udp.dstport == 53",
	"icmp.type == 8",
	"icmp and icmp.code == 0",
	"icmpv6.type == 135",
	"not icmpv6",
	"igmp",
	"not (tcp or udp or icmp)",
	"(ip.src == 10.0.0.1 and tcp.dstport == 443) or (ip.dst == 10.0.0.1 and tcp.srcport == 443)",
	/* What the kernel knows nothing of, beside what it does. */
	"tcp.analysis.flags or arp",
	"http.request and ip.src == 10.0.0.1",
	"http and tcp.dstport == 80",
	"dns and not udp.srcport == 53",
	"frame contains \"GET\" and tcp",
	"!(frame contains \"GET\") and tcp",
	"eth.src[0:3] == 02:aa:bb and vlan",
	"ip.src == ip.dst or tcp.srcport == tcp.dstport",
	"frame.number > 100 and tcp",
	/* Fields of Wireshark alone: their protocol. */
	"tcp.analysis.flags",
	"tcp.analysis.flags and ip.src == 10.0.0.1",
	"!tcp.analysis.flags",
	"not tcp.analysis.flags and not udp",
	"tcp.options.mss_val == 1460",
	"tcp.options.mss_val != 1460",
	"!(tcp.options.mss_val == 1460)",
	"tcp.options.mss_val !== 1460 or arp",
	"tcp.checksum.status == 2 and udp.checksum.status == 2",
	"tcp.hdr_len in {20, 40..60}",
	"all tcp.hdr_len >= 20",
	"tcp.hdr_len != tcp.len",
	"tcp.option_kind#1 == 2",
	"tcp.payload contains \"GET\"",
	"tcp.payload[0:3] == \"GET\"",
	"tcp.payload matches \"get\"",
	"tcp.segment",
	"tcp.analysis.acks_frame == 5",
	"tcp.time_relative >= 0 or icmp.resp_in",
	"udp.stream >= 0 and udp.time_delta >= 0",
	"udp.payload[0] == 12",
	"ip.checksum.status == 2 and not tcp",
	"ip.host == \"10.0.0.1\"",
	"ip.opt.type or ip.opt.ra",
	"ip.fragments or ip.reassembled_in",
	"ipv6.host matches \"2001\" and not ipv6.fraghdr",
	"ipv6.hopopts.nxt || ipv6.dstopts || ipv6.routing",
	"icmp.ident == 0x1234",
	"icmp.resptime or icmp.no_resp",
	"icmpv6.nd.ns.target_address == 2001:db8::2",
	"!icmpv6.opt.type",
	"arp.isgratuitous == 1 or arp.proto.size == 4",
	"arp.isgratuitous != 1",
	"eth.lg == 1 and eth.ig == 0",
	"vlan.etype == 0x800 or vlan.len",
	"igmp.version and igmp.type",
	"dns.count.queries == 1 or dns.qry.name.len > 3",
	"dns.time or dns.flags.z == 1",
	"http.request_number == 1",
	"http.chat or http.unknown_header",
	"http2.type == 0 or tls.record.length > 0",
	"http2",
	"mysql or pgsql.type or kafka.len",
	"len(ip) > 0",
};

/* --- Comparison --- */

struct sums {
	guint filters, pairs, plain, selected, excess, plain_excess;
};

static void compare_frame(const char *text, enum hook hook, enum ss_filter_rest rest, guint index,
			  bool plain, bool accepted, bool selected)
{
	if (selected && !accepted)
		g_error("%s: the kernel rejects frame %u, which Wireshark selects by '%s'",
			hook_names[hook], index + 1, text);
	if (!accepted || selected || rest == SS_REST_ALL)
		return;
	if (rest == SS_REST_NOTHING || plain)
		g_error("%s: the kernel accepts frame %u, which Wireshark does not select by '%s'",
			hook_names[hook], index + 1, text);
}

/* A program that looks at linear bytes, or one for kernels that do not allow it. */
static int load_filter(const struct ss_filter *filter, const char *text, enum hook hook,
		       bool only_calls)
{
	const struct ss_emit_options options = {
		link_type_of(hook), access_of(hook), -1, 262144, false, -1, only_calls};
	g_autofree struct bpf_insn *body = NULL;
	struct ss_error error = {0};
	size_t count;
	int fd;

	g_assert_cmpint(ss_filter_emit(filter, &options, &body, &count, &error), ==, 0);
	fd = load_for(hook, body, count);
	if (fd < 0)
		g_error("%s: '%s' does not load: %s", hook_names[hook], text, g_strerror(-fd));
	return fd;
}

static void compare_filter(struct wireshark *wireshark, const char *text, enum hook hook,
			   GPtrArray *frames, struct sums *sums)
{
	g_autofree bool *selected = NULL;
	struct ss_filter *filter = NULL;
	struct ss_error error = {0};
	int fd, called_fd;

	if (ss_filter_new(text, &filter, &error) < 0)
		g_error("'%s': %s", text, error.message);
	if (ss_filter_language(filter) != SS_FILTER_DISPLAY) { /* "not (arp)": test-filter.c */
		ss_filter_free(filter);
		return;
	}
	selected = select_frames(wireshark, ss_filter_display_text(filter), frames->len);
	fd = load_filter(filter, text, hook, false);
	called_fd = load_filter(filter, text, hook, true);
	for (guint i = 0; i < frames->len; i++) {
		g_autoptr(GBytes) stored = as_stored(frames->pdata[i], hook);
		bool accepted = run(fd, frames->pdata[i]), excess = accepted && !selected[i];
		gsize size;
		const guint8 *data = g_bytes_get_data(stored, &size);
		bool plain = ss_frame_is_plain(data, size, size, link_type_of(hook));

		if (run(called_fd, frames->pdata[i]) != accepted)
			g_error("%s: '%s' says of frame %u %u, and by calls something else",
				hook_names[hook], text, i + 1, accepted);
		compare_frame(text, hook, ss_filter_rest(filter), i, plain, accepted, selected[i]);
		sums->pairs++;
		sums->plain += plain;
		sums->selected += selected[i];
		sums->excess += excess;
		sums->plain_excess += excess && plain;
	}
	sums->filters++;
	close(fd);
	close(called_fd);
	ss_filter_free(filter);
}

static void test_filters(gconstpointer data)
{
	enum hook hook = GPOINTER_TO_UINT(data);
	g_autoptr(GRand) rand = seeded_rand(SEED + hook);
	g_autoptr(GPtrArray) frames = all_frames();
	g_autofree char *program = g_find_program_in_path("sharkd");
	struct wireshark wireshark;
	struct sums sums = {0};

	if (!may_load())
		return;
	if (!program) {
		g_test_skip("needs sharkd (wireshark-common)");
		return;
	}
	open_wireshark(&wireshark, frames, hook);
	for (guint i = 0; i < G_N_ELEMENTS(filters); i++)
		compare_filter(&wireshark, filters[i], hook, frames, &sums);
	for (guint i = 0; i < RANDOM_FILTERS; i++) {
		g_autoptr(GString) text = g_string_new(NULL);

		random_filter(text, rand, 1, 3);
		compare_filter(&wireshark, text->str, hook, frames, &sums);
	}
	close_wireshark(&wireshark);
	g_test_message("%u filters on %u frames: %u selected; accepted in excess %.1f %% of all, "
		       "%.1f %% of the plain ones, which are %.1f %%",
		       sums.filters, frames->len, sums.selected, 100.0 * sums.excess / sums.pairs,
		       100.0 * sums.plain_excess / sums.plain, 100.0 * sums.plain / sums.pairs);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	for (guint hook = 0; hook < HOOKS; hook++) {
		g_autofree char *name = g_strdup_printf("/filter-tshark/%s", hook_names[hook]);

		g_test_add_data_func(name, GUINT_TO_POINTER(hook), test_filters);
	}
	return g_test_run();
}
