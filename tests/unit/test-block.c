/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <arpa/inet.h>

#include "blocks.h"
#include "format/metadata.h"
#include "output/blocks.h"

/* The one block that bytes are. */
static struct ss_cursor only_block(const GByteArray *bytes, uint32_t type)
{
	struct ss_cursor stream = ss_cursor(bytes->data, bytes->len);
	struct block block = block_take(&stream);

	g_assert_cmpuint(stream.length, ==, 0);
	g_assert_cmpuint(block.type, ==, type);
	return block.body;
}

static struct ss_cursor option_of(struct ss_cursor options, uint16_t wanted)
{
	struct ss_cursor value = {0};
	uint16_t code;

	while (block_option(&options, &code, &value)) {
		if (code == wanted)
			return value;
	}
	g_error("no option %u", wanted);
}

static uint64_t number_of(struct ss_cursor options, uint16_t wanted)
{
	struct ss_cursor value = option_of(options, wanted);
	uint64_t number = 0;

	g_assert_cmpuint(value.length, ==, 8);
	g_assert_cmpint(ss_cursor_u64(&value, &number), ==, 0);
	return number;
}

static void test_section(void)
{
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	g_autofree char *application = NULL;
	struct ss_cursor body;

	ss_block_section(bytes);
	body = only_block(bytes, SS_PCAPNG_SHB);
	g_assert_cmpuint(block_u32(&body), ==, SS_PCAPNG_BYTE_ORDER_MAGIC);
	g_assert_cmpuint(block_u16(&body), ==, 1);
	g_assert_cmpuint(block_u16(&body), ==, 0);
	g_assert_cmpuint(block_u32(&body), ==, UINT32_MAX);
	g_assert_cmpuint(block_u32(&body), ==, UINT32_MAX);
	application = block_option_text(body, SS_SHB_USERAPPL);
	g_assert_cmpstr(application, ==, "StratoShark " SS_VERSION);
}

static void test_interface(void)
{
	struct ss_interface *interface = ss_interface_new("stratoshark-pod:a/b", SS_LINKTYPE_RAW);
	g_autofree char *name = NULL, *description = NULL;
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	struct ss_cursor body, value = {0};

	ss_interface_describe(interface, SS_INTERFACE_KEY_POD, "b");
	interface->snap_len = 96;
	interface->filter = g_strdup("port 80");
	interface->has_mac = true;
	memcpy(interface->mac, "\1\2\3\4\5\6", 6);
	ss_block_interface(bytes, interface);
	ss_interface_free(interface);

	body = only_block(bytes, SS_PCAPNG_IDB);
	g_assert_cmpuint(block_u16(&body), ==, SS_LINKTYPE_RAW);
	g_assert_cmpuint(block_u16(&body), ==, 0);
	g_assert_cmpuint(block_u32(&body), ==, 96);
	name = block_option_text(body, SS_IF_NAME);
	g_assert_cmpstr(name, ==, "stratoshark-pod:a/b");
	description = block_option_text(body, SS_IF_DESCRIPTION);
	g_assert_cmpstr(description, ==, "pod=b");
	value = option_of(body, SS_IF_FILTER);
	assert_bytes(value.data, value.length, "\0port 80", 8);
	value = option_of(body, SS_IF_MACADDR);
	assert_bytes(value.data, value.length, "\1\2\3\4\5\6", 6);
	value = option_of(body, SS_IF_TSRESOL);
	assert_bytes(value.data, value.length, "\x9", 1);
}

/* What is not known is not said. */
static void test_bare_interface(void)
{
	struct ss_interface *interface = ss_interface_new("x", SS_LINKTYPE_ETHERNET);
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	struct ss_cursor body, value = {0};
	uint16_t code;

	interface->filter = g_strdup("");
	ss_block_interface(bytes, interface);
	ss_interface_free(interface);
	body = only_block(bytes, SS_PCAPNG_IDB);
	ss_cursor_skip(&body, 8);
	while (block_option(&body, &code, &value)) {
		g_assert_cmpuint(code, !=, SS_IF_DESCRIPTION);
		g_assert_cmpuint(code, !=, SS_IF_FILTER);
		g_assert_cmpuint(code, !=, SS_IF_MACADDR);
	}
}

static void test_long_texts_are_cut(void)
{
	g_autofree char *text = g_strnfill(200000, 'x');
	struct ss_interface *interface = ss_interface_new(text, SS_LINKTYPE_ETHERNET);
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	g_autofree char *name = NULL;
	struct ss_cursor body;

	ss_interface_describe(interface, "pod", text);
	interface->filter = g_strdup(text);
	ss_block_interface(bytes, interface);
	ss_interface_free(interface);
	body = only_block(bytes, SS_PCAPNG_IDB);
	ss_cursor_skip(&body, 8);
	name = block_option_text(body, SS_IF_NAME);
	g_assert_cmpuint(strlen(name), ==, 65532);
}

static void test_names(void)
{
	static const struct {
		const char *address, *name;
		uint16_t type, length;
	} cases[] = {
		{"10.1.2.3", "api.production", SS_NRB_IPV4, 4},
		{"fd00::3", "db", SS_NRB_IPV6, 16},
		{"::ffff:10.1.2.3", "mapped", SS_NRB_IPV6, 16},
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GByteArray) bytes = g_byte_array_new();
		uint8_t address[16], expected[16];
		struct ss_cursor body, record = {0};
		const char *name = NULL;

		ss_block_name(bytes, cases[i].address, cases[i].name);
		body = only_block(bytes, SS_PCAPNG_NRB);
		g_assert_cmpuint(block_u16(&body), ==, cases[i].type);
		g_assert_cmpint(ss_cursor_part(&body, block_u16(&body), &record), ==, 0);
		g_assert_cmpint(ss_cursor_copy(&record, cases[i].length, address), ==, 0);
		inet_pton(cases[i].length == 4 ? AF_INET : AF_INET6, cases[i].address, expected);
		assert_bytes(address, cases[i].length, expected, cases[i].length);
		g_assert_cmpint(ss_cursor_text(&record, record.length, &name), ==, 0);
		g_assert_cmpstr(name, ==, cases[i].name);
		g_assert_cmpint(ss_cursor_skip(&body, body.length - 4), ==, 0); /* padding */
		g_assert_cmpuint(block_u32(&body), ==, SS_NRB_END);
	}
}

static void test_no_name(void)
{
	g_autoptr(GByteArray) bytes = g_byte_array_new();

	ss_block_name(bytes, "", "x");
	ss_block_name(bytes, "10.1.2", "x");
	ss_block_name(bytes, "example.org", "x");
	ss_block_name(bytes, "10.1.2.3", "");
	g_assert_cmpuint(bytes->len, ==, 0);
}

/* The record's length is 16 bits wide. */
static void test_long_name_is_cut(void)
{
	g_autofree char *text = g_strnfill(200000, 'x');
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	struct ss_cursor body, record = {0};
	const char *name = NULL;

	ss_block_name(bytes, "fd00::3", text);
	body = only_block(bytes, SS_PCAPNG_NRB);
	block_u16(&body);
	g_assert_cmpint(ss_cursor_part(&body, block_u16(&body), &record), ==, 0);
	ss_cursor_skip(&record, 16);
	g_assert_cmpint(ss_cursor_text(&record, record.length, &name), ==, 0);
	ss_cursor_skip(&body, body.length - 4);
	g_assert_cmpuint(block_u32(&body), ==, SS_NRB_END);
}

/* Tags and lengths of UPPER_PDU records are big-endian, values padded. */
static char *take_tag(struct ss_cursor *payload, uint16_t expected)
{
	uint16_t tag = block_u16(payload), length = block_u16(payload);
	struct ss_cursor value = {0};

	g_assert_cmpuint(g_ntohs(tag), ==, expected);
	g_assert_cmpint(ss_cursor_part(payload, g_ntohs(length), &value), ==, 0);
	g_assert_cmpuint(value.length % 4, ==, 0);
	return g_strndup((const char *)value.data, value.length);
}

static void test_event(void)
{
	g_autofree char *dissector = NULL, *protocol = NULL, *info = NULL, *end = NULL;
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	struct ss_cursor body, payload = {0};
	uint32_t captured;

	ss_block_event(bytes, 3, 0x1122334455667788, "pod b started", "{\"schema\":1}");
	body = only_block(bytes, SS_PCAPNG_EPB);
	g_assert_cmpuint(block_u32(&body), ==, 3);
	g_assert_cmpuint(block_time(&body), ==, 0x1122334455667788);
	captured = block_u32(&body);
	g_assert_cmpuint(block_u32(&body), ==, captured);
	g_assert_cmpint(ss_cursor_part(&body, captured, &payload), ==, 0);
	dissector = take_tag(&payload, SS_PDU_TAG_DISSECTOR_NAME);
	g_assert_cmpstr(dissector, ==, "json");
	protocol = take_tag(&payload, SS_PDU_TAG_COL_PROT_TEXT);
	g_assert_cmpstr(protocol, ==, SS_PDU_PROTOCOL);
	info = take_tag(&payload, SS_PDU_TAG_COL_INFO_TEXT);
	g_assert_cmpstr(info, ==, "pod b started");
	end = take_tag(&payload, SS_PDU_TAG_END);
	g_assert_cmpstr(end, ==, "");
	assert_bytes(payload.data, payload.length, "{\"schema\":1}", 12);
}

/* Readers refuse the whole file for a block above SS_PCAPNG_BLOCK_MAX. */
static void test_long_event_is_cut(void)
{
	g_autofree char *text = g_strnfill(1000000, 'x');
	g_autoptr(GByteArray) bytes = g_byte_array_new();

	ss_block_event(bytes, 0, 0, text, text);
	only_block(bytes, SS_PCAPNG_EPB);
	g_assert_cmpuint(bytes->len, <=, SS_PCAPNG_BLOCK_MAX);
}

static void test_frame(void)
{
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	g_autofree char *comment = NULL;
	struct ss_cursor body, value = {0}, data = {0};

	ss_block_frame(bytes, &(struct ss_block_frame){
				      .interface_id = 2,
				      .time_ns = 0x1122334455667788,
				      .data = "packet",
				      .length = 6,
				      .flags = SS_EPB_FLAG_OUT,
				      .comment = "a gap",
				      .metadata = "\1\1\2",
				      .metadata_length = 3,
			      });
	body = only_block(bytes, SS_PCAPNG_EPB);
	g_assert_cmpuint(block_u32(&body), ==, 2);
	g_assert_cmpuint(block_time(&body), ==, 0x1122334455667788);
	g_assert_cmpuint(block_u32(&body), ==, 6);
	g_assert_cmpuint(block_u32(&body), ==, 6);
	g_assert_cmpint(ss_cursor_part(&body, 8, &data), ==, 0);
	assert_bytes(data.data, 6, "packet", 6);
	comment = block_option_text(body, SS_OPT_COMMENT);
	g_assert_cmpstr(comment, ==, "a gap");
	value = option_of(body, SS_EPB_FLAGS);
	g_assert_cmpuint(block_u32(&value), ==, SS_EPB_FLAG_OUT);
	value = option_of(body, SS_OPT_CUSTOM_BIN);
	g_assert_cmpuint(block_u32(&value), ==, SS_METADATA_PEN);
	assert_bytes(value.data, value.length, "ST\1\1\2", 5);
}

static void assert_metadata(const GByteArray *block, const char *tlvs, size_t length)
{
	struct ss_cursor body = only_block(block, SS_PCAPNG_EPB), value;

	g_assert_cmpint(ss_cursor_skip(&body, 20 + 8), ==, 0);
	value = option_of(body, SS_OPT_CUSTOM_BIN);
	g_assert_cmpint(ss_cursor_skip(&value, 6), ==, 0);
	assert_bytes(value.data, value.length, tlvs, length);
}

/* Where the direction is told, or the redirect; it can be taken back; all else stays. */
static void test_context_is_marked(void)
{
	static const struct {
		const char *before, *marked;
		uint32_t length;
	} cases[] = {
		{"\0\3\2\1\1\1\1\2\0\0", "\0\3\2\1\1\201\1\2\0\0", 10},
		{"\5\2\1\1\1\1\1", "\205\2\1\1\1\1\1", 7},
		{"\3\2\1\1\0\0", "\3\2\1\1\0\0", 6}, /* nowhere to say it */
		{"\3\7\1\1\1", "\3\7\1\1\1", 5},     /* malformed */
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GByteArray) bytes = g_byte_array_new();

		ss_block_frame(bytes, &(struct ss_block_frame){
					      .data = "packet",
					      .length = 6,
					      .comment = "a gap",
					      .metadata = cases[i].before,
					      .metadata_length = cases[i].length,
				      });
		ss_block_set_context(bytes->data, bytes->len, true);
		assert_metadata(bytes, cases[i].marked, cases[i].length);
		ss_block_set_context(bytes->data, bytes->len, true);
		assert_metadata(bytes, cases[i].marked, cases[i].length);
		ss_block_set_context(bytes->data, bytes->len, false);
		assert_metadata(bytes, cases[i].before, cases[i].length);
	}
}

/* Whatever is said about it, a frame stays below what readers accept; a comment stays UTF-8. */
static void test_long_frame_is_cut(void)
{
	g_autofree char *text = g_strnfill(300000, 'x');
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	g_autofree char *comment = NULL;
	struct ss_cursor body;

	memcpy(text + SS_BLOCK_COMMENT_MAX - 1, "\303\244", 2);
	ss_block_frame(bytes, &(struct ss_block_frame){
				      .data = text,
				      .length = 300000,
				      .comment = text,
				      .metadata = text,
				      .metadata_length = 300000,
			      });
	g_assert_cmpuint(bytes->len, <=, SS_PCAPNG_BLOCK_MAX);
	body = only_block(bytes, SS_PCAPNG_EPB);
	ss_cursor_skip(&body, 12);
	ss_cursor_skip(&body, (block_u32(&body) + 3) / 4 * 4 + 4);
	comment = block_option_text(body, SS_OPT_COMMENT);
	g_assert_cmpuint(strlen(comment), ==, SS_BLOCK_COMMENT_MAX - 1);
	g_assert_true(g_utf8_validate(comment, -1, NULL));
}

static void test_statistics(void)
{
	const struct ss_interface_counters counters = {100, 90, 20, 5000, 0, 0, 0};
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	struct ss_cursor body, value = {0};

	ss_block_statistics(bytes, 2, 0x100000002, 0x300000004, &counters);
	body = only_block(bytes, SS_PCAPNG_ISB);
	g_assert_cmpuint(block_u32(&body), ==, 2);
	g_assert_cmpuint(block_time(&body), ==, 0x300000004);
	value = option_of(body, SS_ISB_STARTTIME);
	g_assert_cmpuint(block_time(&value), ==, 0x100000002);
	value = option_of(body, SS_ISB_ENDTIME);
	g_assert_cmpuint(block_time(&value), ==, 0x300000004);
	g_assert_cmpuint(number_of(body, SS_ISB_IFRECV), ==, 100);
	g_assert_cmpuint(number_of(body, SS_ISB_FILTERACCEPT), ==, 90);
	g_assert_cmpuint(number_of(body, SS_ISB_OSDROP), ==, 20);
	g_assert_cmpuint(number_of(body, SS_ISB_USRDELIV), ==, 70);
}

/* Per-CPU counters are not read all at one moment. */
static void test_statistics_never_negative(void)
{
	const struct ss_interface_counters counters = {10, 5, 6, 0, 0, 0, 0};
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	struct ss_cursor body;

	ss_block_statistics(bytes, 0, 0, 0, &counters);
	body = only_block(bytes, SS_PCAPNG_ISB);
	ss_cursor_skip(&body, 12);
	g_assert_cmpuint(number_of(body, SS_ISB_USRDELIV), ==, 0);
}

static void assert_walk(const GByteArray *bytes, size_t max_bytes, uint64_t max_blocks,
			size_t expected, uint64_t expected_blocks)
{
	uint64_t blocks = max_blocks;

	g_assert_cmpuint(ss_block_walk(bytes->data, bytes->len, max_bytes, &blocks), ==, expected);
	g_assert_cmpuint(blocks, ==, expected_blocks);
}

static void test_walk(void)
{
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	guint one, two;

	assert_walk(bytes, SIZE_MAX, UINT64_MAX, 0, 0);
	put_frame(bytes, 0, 0, 60, 'a');
	one = bytes->len;
	put_frame(bytes, 0, 0, 1500, 'a');
	two = bytes->len;
	assert_walk(bytes, SIZE_MAX, UINT64_MAX, two, 2);
	assert_walk(bytes, SIZE_MAX, 1, one, 1);
	assert_walk(bytes, SIZE_MAX, 0, 0, 0);
	assert_walk(bytes, two, UINT64_MAX, two, 2);
	assert_walk(bytes, two - 1, UINT64_MAX, one, 1);
	assert_walk(bytes, one, UINT64_MAX, one, 1);
	assert_walk(bytes, one - 1, UINT64_MAX, 0, 0);
	assert_walk(bytes, 0, UINT64_MAX, 0, 0);
	g_byte_array_set_size(bytes, two - 1); /* cut short */
	assert_walk(bytes, SIZE_MAX, UINT64_MAX, one, 1);
}

static void test_walk_stops_at_nonsense(void)
{
	static const uint32_t lengths[] = {0, 4, 8, 11, 13, 0x1000, UINT32_MAX};

	for (size_t i = 0; i < G_N_ELEMENTS(lengths); i++) {
		g_autoptr(GByteArray) bytes = g_byte_array_new();
		guint one;

		put_frame(bytes, 0, 0, 60, 'a');
		one = bytes->len;
		put_word(bytes, SS_PCAPNG_EPB);
		put_word(bytes, lengths[i]);
		put_word(bytes, 0);
		put_word(bytes, 0);
		assert_walk(bytes, SIZE_MAX, UINT64_MAX, one, 1);
	}
}

/* Everything at once, judged by what people open it with. */
static void test_stock_tools(void)
{
	struct ss_interface *pod = ss_interface_new("stratoshark-pod:a/b", SS_LINKTYPE_ETHERNET);
	struct ss_interface *events = ss_interface_new("events", SS_LINKTYPE_UPPER_PDU);
	const struct ss_interface_counters counters = {7, 6, 5, 100, 0, 0, 0};
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	g_autofree char *capinfos = NULL, *tshark = NULL, *long_text = g_strnfill(300000, 'x');
	autoscratch folder = scratch_new();
	g_autofree char *path = g_build_filename(folder, "a.pcapng", NULL);

	pod->filter = g_strdup("tcp port 80");
	pod->has_mac = true;
	ss_block_section(bytes);
	ss_block_interface(bytes, pod);
	ss_block_interface(bytes, events);
	ss_block_name(bytes, "10.1.2.3", "api.production");
	ss_block_name(bytes, "10.1.2.4", long_text);
	put_frame(bytes, 0, 1700000000123456789, 60, 0);
	ss_block_event(bytes, 1, 1700000000123456790, "pod b started", "{\"schema\":1}");
	ss_block_event(bytes, 1, 1700000000123456791, long_text, long_text);
	ss_block_statistics(bytes, 0, 1700000000000000000, 1700000001000000000, &counters);
	g_assert_true(g_file_set_contents(path, (const char *)bytes->data, bytes->len, NULL));
	ss_interface_free(pod);
	ss_interface_free(events);

	capinfos = tool_output((const char *[]){"capinfos", path, NULL});
	if (!capinfos)
		return;
	g_assert_nonnull(strstr(capinfos, "Number of packets:   3"));
	g_assert_nonnull(strstr(capinfos, "Name = stratoshark-pod:a/b"));
	g_assert_nonnull(strstr(capinfos, "Time precision = nanoseconds"));
	g_assert_nonnull(strstr(capinfos, "Number of stat entries = 1"));
	tshark = tool_output((const char *[]){"tshark", "-r", path, "-T", "fields", "-e",
					      "frame.time_epoch", "-e", "frame.interface_name",
					      "-e", "_ws.col.Protocol", "-e", "json.key", NULL});
	if (!tshark)
		return;
	g_assert_nonnull(strstr(tshark, "1700000000.123456789\tstratoshark-pod:a/b"));
	/* "StratoShark/JSON" and the keys in stock; "StratoShark" where our plugin is installed. */
	g_assert_nonnull(strstr(tshark, "1700000000.123456790\tevents\tStratoShark"));
}

/* As the kernel writes it: flags, then option 2989 with the process. */
static void put_named(GByteArray *bytes, uint32_t pid, uint32_t start)
{
	static const uint8_t head[] = {1,    2,    3,  0, 2,    0,    4, 0, 0,   0,   0,  0,
				       0xad, 0x0b, 28, 0, 0xd9, 0x7e, 0, 0, 'S', 'T', 10, 8};
	static const uint8_t tail[] = {1, 1, 3, 0, 3, 6, 1, 2, 3, 4, 5, 6, 0, 0, 0, 0};
	const uint32_t size = 28 + sizeof(head) + 8 + sizeof(tail) + 4;
	const uint32_t words[] = {SS_PCAPNG_EPB, size, 0, 0x17, 0x42, 3, 3};
	const uint32_t process[] = {pid, start};

	g_byte_array_append(bytes, (const guint8 *)words, sizeof(words));
	g_byte_array_append(bytes, head, sizeof(head));
	g_byte_array_append(bytes, (const guint8 *)process, sizeof(process));
	g_byte_array_append(bytes, tail, sizeof(tail));
	g_byte_array_append(bytes, (const guint8 *)&size, 4);
}

static void test_process(void)
{
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	uint64_t process = 0;

	put_named(bytes, 4711, 100);
	g_assert_true(ss_block_process(bytes->data, bytes->len, &process));
	g_assert_cmphex(process, ==, 4711 | 100ull << 32);
	g_assert_cmphex(ss_block_time(bytes->data, bytes->len), ==, 0x1700000042);
	bytes->data[50]++; /* another TLV */
	g_assert_false(ss_block_process(bytes->data, bytes->len, &process));
	g_byte_array_set_size(bytes, 0);
	put_named(bytes, 0, 0);
	g_assert_false(ss_block_process(bytes->data, bytes->len, &process));
}

/* Whatever a block claims, nothing is read behind it. */
static void test_process_of_cut_block(void)
{
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	uint64_t process;

	put_named(bytes, 4711, 100);
	for (guint length = 0; length < 28 + 40; length++) {
		g_autofree uint8_t *part = g_memdup2(bytes->data, length);

		g_assert_false(ss_block_process(part, length, &process));
	}
	memset(bytes->data + 20, 0xff, 4);
	g_assert_false(ss_block_process(bytes->data, bytes->len, &process));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/block/section", test_section);
	g_test_add_func("/block/interface", test_interface);
	g_test_add_func("/block/bare-interface", test_bare_interface);
	g_test_add_func("/block/long-texts-are-cut", test_long_texts_are_cut);
	g_test_add_func("/block/names", test_names);
	g_test_add_func("/block/no-name", test_no_name);
	g_test_add_func("/block/long-name-is-cut", test_long_name_is_cut);
	g_test_add_func("/block/event", test_event);
	g_test_add_func("/block/long-event-is-cut", test_long_event_is_cut);
	g_test_add_func("/block/frame", test_frame);
	g_test_add_func("/block/context-is-marked", test_context_is_marked);
	g_test_add_func("/block/long-frame-is-cut", test_long_frame_is_cut);
	g_test_add_func("/block/statistics", test_statistics);
	g_test_add_func("/block/statistics-never-negative", test_statistics_never_negative);
	g_test_add_func("/block/walk", test_walk);
	g_test_add_func("/block/walk-stops-at-nonsense", test_walk_stops_at_nonsense);
	g_test_add_func("/block/process", test_process);
	g_test_add_func("/block/process-of-cut-block", test_process_of_cut_block);
	g_test_add_func("/block/stock-tools", test_stock_tools);
	return g_test_run();
}
