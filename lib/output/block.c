/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pcapng blocks, little-endian, into a GByteArray: begin, put, end (which knows the length). */
#include "block.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/utsname.h>

#include "cursor.h"
#include "format/metadata.h"
#include "format/pcapng.h"
#include "format/ring.h"

#define OPTION_MAX       65532u
#define EVENT_LENGTH_MAX (SS_PCAPNG_BLOCK_MAX - SS_EPB_HEADER_SIZE - SS_EPB_TRAILER_SIZE)
#define NAME_LENGTH_MAX  253u /* a DNS name in text form */

static void put_u16(GByteArray *bytes, uint16_t value)
{
	value = GUINT16_TO_LE(value);
	g_byte_array_append(bytes, (const guint8 *)&value, sizeof(value));
}

static void put_u32(GByteArray *bytes, uint32_t value)
{
	value = GUINT32_TO_LE(value);
	g_byte_array_append(bytes, (const guint8 *)&value, sizeof(value));
}

static void put_padding(GByteArray *bytes)
{
	static const guint8 zeros[4];

	g_byte_array_append(bytes, zeros, -bytes->len & 3);
}

static void put_option(GByteArray *bytes, uint16_t code, const void *value, size_t length)
{
	length = MIN(length, OPTION_MAX);
	put_u16(bytes, code);
	put_u16(bytes, (uint16_t)length);
	g_byte_array_append(bytes, value, (guint)length);
	put_padding(bytes);
}

static void put_text(GByteArray *bytes, uint16_t code, const char *text)
{
	if (text && *text)
		put_option(bytes, code, text, strlen(text));
}

static void put_u64_option(GByteArray *bytes, uint16_t code, uint64_t value)
{
	value = GUINT64_TO_LE(value);
	put_option(bytes, code, &value, sizeof(value));
}

/* pcapng writes times in options and headers as two words, the high one first. */
static void put_time_option(GByteArray *bytes, uint16_t code, uint64_t time_ns)
{
	put_u16(bytes, code);
	put_u16(bytes, 8);
	put_u32(bytes, (uint32_t)(time_ns >> 32));
	put_u32(bytes, (uint32_t)time_ns);
}

static guint begin(GByteArray *bytes, uint32_t type)
{
	guint start = bytes->len;

	put_u32(bytes, type);
	put_u32(bytes, 0);
	return start;
}

static void end(GByteArray *bytes, guint start)
{
	uint32_t length = bytes->len - start + 4, little = GUINT32_TO_LE(length);

	memcpy(bytes->data + start + 4, &little, sizeof(little));
	put_u32(bytes, length);
}

static char *operating_system(void)
{
	struct utsname name;

	if (uname(&name) < 0)
		return g_strdup("Linux");
	return g_strdup_printf("%s %s", name.sysname, name.release);
}

void ss_block_section(GByteArray *bytes)
{
	g_autofree char *os = operating_system();
	guint start = begin(bytes, SS_PCAPNG_SHB);
	struct utsname name;

	put_u32(bytes, SS_PCAPNG_BYTE_ORDER_MAGIC);
	put_u16(bytes, 1); /* version 1.0 */
	put_u16(bytes, 0);
	put_u32(bytes, UINT32_MAX); /* section length: unknown */
	put_u32(bytes, UINT32_MAX);
	if (uname(&name) == 0)
		put_text(bytes, SS_SHB_HARDWARE, name.machine);
	put_text(bytes, SS_SHB_OS, os);
	put_text(bytes, SS_SHB_USERAPPL, "StratoShark " SS_VERSION);
	put_u32(bytes, SS_OPT_END);
	end(bytes, start);
}

void ss_block_interface(GByteArray *bytes, const struct ss_interface *interface)
{
	g_autofree char *os = operating_system();
	guint start = begin(bytes, SS_PCAPNG_IDB);
	const guint8 nanoseconds = 9;

	put_u16(bytes, interface->link_type);
	put_u16(bytes, 0);
	put_u32(bytes, interface->snap_len);
	put_text(bytes, SS_IF_NAME, interface->name);
	put_text(bytes, SS_IF_DESCRIPTION, interface->description);
	if (interface->has_mac)
		put_option(bytes, SS_IF_MACADDR, interface->mac, sizeof(interface->mac));
	put_option(bytes, SS_IF_TSRESOL, &nanoseconds, 1);
	if (interface->filter && *interface->filter) {
		g_autofree char *value = g_strdup_printf("%c%s", 1, interface->filter);

		value[0] = 0; /* the text that follows is in pcap-filter syntax */
		put_option(bytes, SS_IF_FILTER, value, strlen(interface->filter) + 1);
	}
	put_text(bytes, SS_IF_OS, os);
	put_u32(bytes, SS_OPT_END);
	end(bytes, start);
}

void ss_block_name(GByteArray *bytes, const char *address, const char *name)
{
	size_t name_length = MIN(strlen(name), NAME_LENGTH_MAX);
	uint8_t binary[16];
	uint16_t type, length;
	guint start;

	if (!name_length)
		return;

	if (inet_pton(AF_INET, address, binary) == 1) {
		type = SS_NRB_IPV4;
		length = 4;
	} else if (inet_pton(AF_INET6, address, binary) == 1) {
		type = SS_NRB_IPV6;
		length = 16;
	} else {
		return;
	}
	start = begin(bytes, SS_PCAPNG_NRB);
	put_u16(bytes, type);
	put_u16(bytes, (uint16_t)(length + name_length + 1));
	g_byte_array_append(bytes, binary, length);
	g_byte_array_append(bytes, (const guint8 *)name, (guint)name_length);
	g_byte_array_append(bytes, (const guint8 *)"", 1);
	put_padding(bytes);
	put_u32(bytes, SS_NRB_END);
	end(bytes, start);
}

static void put_tag(GByteArray *bytes, uint16_t tag, const char *text)
{
	size_t length = MIN(strlen(text), OPTION_MAX);
	uint16_t head[2] = {g_htons(tag), g_htons((uint16_t)((length + 3) & ~3u))};
	guint from;

	g_byte_array_append(bytes, (const guint8 *)head, sizeof(head));
	from = bytes->len;
	g_byte_array_append(bytes, (const guint8 *)text, (guint)length);
	while ((bytes->len - from) & 3) /* the tag's length counts its padding */
		g_byte_array_append(bytes, (const guint8 *)"", 1);
}

void ss_block_event(GByteArray *bytes, uint32_t interface_id, uint64_t time_ns, const char *info,
		    const char *json)
{
	g_autoptr(GByteArray) payload = g_byte_array_new();
	guint start;

	put_tag(payload, SS_PDU_TAG_DISSECTOR_NAME, "json");
	put_tag(payload, SS_PDU_TAG_COL_PROT_TEXT, SS_PDU_PROTOCOL);
	put_tag(payload, SS_PDU_TAG_COL_INFO_TEXT, info);
	put_u32(payload, SS_PDU_TAG_END);
	g_byte_array_append(payload, (const guint8 *)json,
			    (guint)MIN(strlen(json), EVENT_LENGTH_MAX - payload->len));

	start = begin(bytes, SS_PCAPNG_EPB);
	put_u32(bytes, interface_id);
	put_u32(bytes, (uint32_t)(time_ns >> 32));
	put_u32(bytes, (uint32_t)time_ns);
	put_u32(bytes, payload->len);
	put_u32(bytes, payload->len);
	g_byte_array_append(bytes, payload->data, payload->len);
	put_padding(bytes);
	end(bytes, start);
}

void ss_block_secrets(GByteArray *bytes, const char *lines)
{
	while (*lines) {
		size_t length = strlen(lines);
		guint start;

		if (length > SS_DSB_MAX) { /* after a line's end */
			length = SS_DSB_MAX;
			while (length && lines[length - 1] != '\n')
				length--;
			if (!length)
				return; /* no line of a key log is so long */
		}
		start = begin(bytes, SS_PCAPNG_DSB);
		put_u32(bytes, SS_DSB_TLS_KEYLOG);
		put_u32(bytes, (uint32_t)length);
		g_byte_array_append(bytes, (const guint8 *)lines, (guint)length);
		put_padding(bytes);
		end(bytes, start);
		lines += length;
	}
}

/* Not put_text(): it is cut where readers of UTF-8 can bear it. */
static void put_comment(GByteArray *bytes, const char *comment)
{
	size_t length = strlen(comment);
	const char *end;

	if (length > SS_BLOCK_COMMENT_MAX)
		length = SS_BLOCK_COMMENT_MAX;
	g_utf8_validate_len(comment, length, &end);
	length = comment + length - end < 4 ? (size_t)(end - comment) : length;
	put_option(bytes, SS_OPT_COMMENT, comment, length);
}

static void put_metadata(GByteArray *bytes, const void *metadata, uint32_t length)
{
	static const guint8 magic[2] = {SS_METADATA_MAGIC0, SS_METADATA_MAGIC1};
	uint32_t total = (uint32_t)sizeof(uint32_t) + (uint32_t)sizeof(magic) + length;

	put_u16(bytes, SS_OPT_CUSTOM_BIN);
	put_u16(bytes, (uint16_t)total);
	put_u32(bytes, SS_METADATA_PEN);
	g_byte_array_append(bytes, magic, sizeof(magic));
	g_byte_array_append(bytes, metadata, length);
	put_padding(bytes);
}

void ss_block_frame(GByteArray *bytes, const struct ss_block_frame *frame)
{
	const uint32_t options_max = SS_BLOCK_COMMENT_MAX + SS_BLOCK_METADATA_MAX + 64;
	uint32_t captured = MIN(frame->length, SS_PCAPNG_BLOCK_MAX - SS_EPB_HEADER_SIZE -
						       SS_EPB_TRAILER_SIZE - options_max);
	guint start = begin(bytes, SS_PCAPNG_EPB);
	uint32_t flags = GUINT32_TO_LE(frame->flags);

	put_u32(bytes, frame->interface_id);
	put_u32(bytes, (uint32_t)(frame->time_ns >> 32));
	put_u32(bytes, (uint32_t)frame->time_ns);
	put_u32(bytes, captured);
	put_u32(bytes, frame->length);
	g_byte_array_append(bytes, frame->data, captured);
	put_padding(bytes);
	if (frame->comment && *frame->comment)
		put_comment(bytes, frame->comment);
	if (frame->flags)
		put_option(bytes, SS_EPB_FLAGS, &flags, sizeof(flags));
	if (frame->metadata_length)
		put_metadata(bytes, frame->metadata,
			     MIN(frame->metadata_length, SS_BLOCK_METADATA_MAX));
	put_u32(bytes, SS_OPT_END);
	end(bytes, start);
}

void ss_block_statistics(GByteArray *bytes, uint32_t interface_id, uint64_t start_ns,
			 uint64_t end_ns, const struct ss_interface_counters *counters)
{
	guint start = begin(bytes, SS_PCAPNG_ISB);

	put_u32(bytes, interface_id);
	put_u32(bytes, (uint32_t)(end_ns >> 32));
	put_u32(bytes, (uint32_t)end_ns);
	put_time_option(bytes, SS_ISB_STARTTIME, start_ns);
	put_time_option(bytes, SS_ISB_ENDTIME, end_ns);
	put_u64_option(bytes, SS_ISB_IFRECV, counters->seen);
	put_u64_option(bytes, SS_ISB_IFDROP, 0);
	put_u64_option(bytes, SS_ISB_FILTERACCEPT, ss_interface_matched(counters));
	put_u64_option(bytes, SS_ISB_OSDROP, counters->dropped);
	put_u64_option(bytes, SS_ISB_USRDELIV, ss_interface_delivered(counters));
	put_u32(bytes, SS_OPT_END);
	end(bytes, start);
}

uint32_t ss_block_type(const void *block)
{
	return ss_block_word(block);
}

uint64_t ss_block_time(const void *data, size_t length)
{
	uint32_t words[5];

	if (length < sizeof(words))
		return 0;
	memcpy(words, data, sizeof(words));
	if (GUINT32_FROM_LE(words[0]) != SS_PCAPNG_EPB)
		return 0;
	return (uint64_t)GUINT32_FROM_LE(words[3]) << 32 | GUINT32_FROM_LE(words[4]);
}

void ss_block_set_type(void *block, uint32_t type)
{
	type = GUINT32_TO_LE(type);
	memcpy(block, &type, sizeof(type));
}

void ss_block_set_interface(void *block, uint32_t interface_id)
{
	interface_id = GUINT32_TO_LE(interface_id);
	memcpy((uint8_t *)block + 8, &interface_id, sizeof(interface_id));
}

void ss_block_set_time(void *block, uint64_t time_ns)
{
	const uint32_t words[2] = {GUINT32_TO_LE((uint32_t)(time_ns >> 32)),
				   GUINT32_TO_LE((uint32_t)time_ns)};

	memcpy((uint8_t *)block + 12, words, sizeof(words));
}

/* The options of a packet block; of a malformed one, none. */
static struct ss_cursor options_of(const uint8_t *block, size_t length)
{
	size_t at = SS_EPB_HEADER_SIZE;

	if (length < SS_EPB_HEADER_SIZE + SS_EPB_TRAILER_SIZE)
		return ss_cursor(block, 0);
	at += ((size_t)ss_block_word(block + 20) + 3) & ~(size_t)3;
	length -= SS_EPB_TRAILER_SIZE;
	return ss_cursor(block + MIN(at, length), length - MIN(at, length));
}

uint32_t ss_block_flags(const void *block, size_t length)
{
	struct ss_cursor options = options_of(block, length);
	uint16_t code, size;

	while (ss_cursor_u16(&options, &code) == 0 && ss_cursor_u16(&options, &size) == 0 &&
	       code != SS_OPT_END) {
		struct ss_cursor value;
		uint32_t flags;

		if (ss_cursor_part(&options, size, &value) < 0 ||
		    ss_cursor_skip(&options, -(size_t)size & 3) < 0)
			break;
		if (code == SS_EPB_FLAGS && ss_cursor_u32(&value, &flags) == 0)
			return flags;
	}
	return 0;
}

/* Our TLVs in it. */
static bool find_metadata(struct ss_cursor options, struct ss_cursor *ret_tlvs)
{
	uint16_t code, length;

	while (ss_cursor_u16(&options, &code) == 0 && ss_cursor_u16(&options, &length) == 0 &&
	       code != SS_OPT_END) {
		struct ss_cursor value;
		uint8_t magic[2];
		uint32_t pen;

		if (ss_cursor_part(&options, length, &value) < 0 ||
		    ss_cursor_skip(&options, -(size_t)length & 3) < 0)
			return false;
		if (code == SS_OPT_CUSTOM_BIN && ss_cursor_u32(&value, &pen) == 0 &&
		    pen == SS_METADATA_PEN && ss_cursor_copy(&value, sizeof(magic), magic) == 0 &&
		    magic[0] == SS_METADATA_MAGIC0 && magic[1] == SS_METADATA_MAGIC1) {
			*ret_tlvs = value;
			return true;
		}
	}
	return false;
}

/* The type of the TLV that has the mark; NULL: there is none. */
static const uint8_t *find_context(const uint8_t *block, size_t length)
{
	struct ss_cursor tlvs;
	uint8_t type, size;

	if (!find_metadata(options_of(block, length), &tlvs))
		return NULL;
	while (ss_cursor_u8(&tlvs, &type) == 0) {
		uint8_t plain = type & (uint8_t)~SS_METADATA_CONTEXT;

		if (type == SS_METADATA_PAD)
			continue;
		if (plain == SS_METADATA_DIRECTION || plain == SS_METADATA_REDIRECT)
			return tlvs.data - 1;
		if (ss_cursor_u8(&tlvs, &size) < 0 || ss_cursor_skip(&tlvs, size) < 0)
			break;
	}
	return NULL;
}

void ss_block_set_context(void *block, size_t length, bool is_context)
{
	uint8_t *bytes = block;
	const uint8_t *type = find_context(bytes, length);
	uint8_t plain;

	if (!type)
		return;
	plain = *type & (uint8_t)~SS_METADATA_CONTEXT;
	bytes[type - bytes] = is_context ? plain | SS_METADATA_CONTEXT : plain;
}

bool ss_block_is_context(const void *block, size_t length)
{
	const uint8_t *type = find_context(block, length);

	return type && *type & SS_METADATA_CONTEXT;
}

/* Where in the block the kernel's options begin; 0: there are none that name a process. */
static size_t kernel_options(const void *block, size_t length)
{
	const uint8_t *bytes = block;
	uint32_t captured, first;
	size_t at;

	if (length < SS_EPB_HEADER_SIZE || ss_block_word(bytes) != SS_PCAPNG_EPB)
		return 0;
	captured = ss_block_word(bytes + 20);
	at = SS_EPB_HEADER_SIZE + (((size_t)captured + 3) & ~(size_t)3);
	if (length < at + 4 * SS_SLOT_OPTION_WORDS)
		return 0;
	first = SS_METADATA_MAGIC0 | SS_METADATA_MAGIC1 << 8 | SS_METADATA_PROCESS << 16 |
		SS_PROCESS_SIZE << 24;
	bytes += at;
	if ((ss_block_word(bytes + 8) & 0xffff) != SS_OPT_CUSTOM_BIN ||
	    ss_block_word(bytes + 12) != SS_METADATA_PEN ||
	    ss_block_word(bytes + 4 * (SS_SLOT_PROCESS_WORD - 1)) != first)
		return 0;
	return at;
}

bool ss_block_process(const void *block, size_t length, uint64_t *ret_process)
{
	size_t at = kernel_options(block, length);
	const uint8_t *bytes = (const uint8_t *)block + at + 4 * SS_SLOT_PROCESS_WORD;

	if (!at)
		return false;
	*ret_process = ss_block_word(bytes) | (uint64_t)ss_block_word(bytes + 4) << 32;
	return *ret_process != 0;
}

bool ss_block_container(const void *block, size_t length, uint64_t *ret_container)
{
	size_t at = kernel_options(block, length);
	const uint8_t *bytes = (const uint8_t *)block + at + 4 * SS_SLOT_CONTAINER_WORD;

	if (!at)
		return false;
	*ret_container = ss_block_word(bytes) | (uint64_t)ss_block_word(bytes + 4) << 32;
	return (*ret_container & 0xffff) ==
	       (SS_METADATA_CONTAINER | (uint64_t)SS_CONTAINER_ID_SIZE << 8);
}

void ss_block_set_container(void *block, size_t length, uint64_t container)
{
	size_t at = kernel_options(block, length);
	uint64_t value = GUINT64_TO_LE(container);

	if (at)
		memcpy((uint8_t *)block + at + 4 * SS_SLOT_CONTAINER_WORD, &value, sizeof(value));
}

uint64_t ss_block_container_tlv(const char *id)
{
	uint64_t value = SS_METADATA_CONTAINER | (uint64_t)SS_CONTAINER_ID_SIZE << 8;

	for (unsigned i = 0; i < SS_CONTAINER_ID_SIZE; i++) {
		int high = g_ascii_xdigit_value(id[2 * i]);
		int low = high < 0 ? -1 : g_ascii_xdigit_value(id[2 * i + 1]);

		if (low < 0)
			return 0;
		value |= (uint64_t)(high << 4 | low) << (16 + 8 * i);
	}
	return value;
}
