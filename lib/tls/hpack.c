/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Walks a header block byte by byte. A value is held until it is whole, then judged: by its name it
 * is secret from its start, or from behind its scheme; or the text scanner finds a secret in it,
 * for example in the query of :path. Plain values are masked byte by byte. In a Huffman-coded one,
 * what comes before the secret stays and the rest, to the end of the string, becomes asterisks:
 * their code has eight bits, so that they fit any number of bits, and fewer than eight ones are
 * valid padding.
 *
 * The dynamic table is known here as one bit an entry: was its name secret? Indexes count from the
 * newest entry, so evictions need not be followed. A masked value is not longer than the true one
 * (an encoder that made it longer by Huffman coding apart), so a reader evicts none that is still
 * referred to. An index of an entry that we did not see is taken for secret.
 */
#include "tls/hpack.h"

#include <string.h>

#include "tls/huffman.h"
#include "tls/text.h"

#define ENTRIES      4096u /* of the dynamic table, whose names are remembered */
#define STATIC_COUNT 61u
#define NAME_SIZE    64u   /* longer names are not secret */
#define VALUE_MAX    8192u /* octets that are held; what follows them is as secret as they were */
#define INTEGER_MAX  (1u << 24)

/* RFC 7541 A: entry 1 and following. */
static const char *const static_names[STATIC_COUNT] = {
	":authority",
	":method",
	":method",
	":path",
	":path",
	":scheme",
	":scheme",
	":status",
	":status",
	":status",
	":status",
	":status",
	":status",
	":status",
	"accept-charset",
	"accept-encoding",
	"accept-language",
	"accept-ranges",
	"accept",
	"access-control-allow-origin",
	"age",
	"allow",
	"authorization",
	"cache-control",
	"content-disposition",
	"content-encoding",
	"content-language",
	"content-length",
	"content-location",
	"content-range",
	"content-type",
	"cookie",
	"date",
	"etag",
	"expect",
	"expires",
	"from",
	"host",
	"if-match",
	"if-modified-since",
	"if-none-match",
	"if-range",
	"if-unmodified-since",
	"last-modified",
	"link",
	"location",
	"max-forwards",
	"proxy-authenticate",
	"proxy-authorization",
	"range",
	"referer",
	"refresh",
	"retry-after",
	"server",
	"set-cookie",
	"strict-transport-security",
	"transfer-encoding",
	"user-agent",
	"vary",
	"via",
	"www-authenticate",
};

enum state {
	FIELD,       /* a representation begins */
	INDEX,       /* more of an index, of which a name follows or not */
	NAME_LENGTH, /* the length of a string begins */
	NAME_LENGTH_MORE,
	NAME,
	VALUE_LENGTH,
	VALUE_LENGTH_MORE,
	VALUE,
	BROKEN, /* until the block ends */
};

struct ss_hpack {
	const struct ss_tls_rules *rules;
	struct ss_text *text; /* scans values */
	uint64_t released;
	enum state state;
	bool literal, is_indexing; /* of the representation */
	bool is_secret;            /* by its name */
	uint32_t number, shift;    /* the integer that is read */
	bool huffman;              /* the string is coded */
	uint32_t length, done;     /* octets of the string */
	struct ss_huffman decoder;
	char name[NAME_SIZE];
	uint32_t name_length;
	GByteArray *octets; /* of the value, the first VALUE_MAX */
	GArray *positions;  /* uint64_t, of those */
	bool judged;        /* the value was longer; then from says what is masked */
	int64_t from;       /* first bit that is masked; -1: none */
	uint32_t entries;   /* how many were put into the dynamic table */
	uint8_t secrets[ENTRIES / 8];
};

static void remember(struct ss_hpack *hpack)
{
	uint32_t slot = hpack->entries++ % ENTRIES;

	if (hpack->is_secret)
		hpack->secrets[slot / 8] |= (uint8_t)(1 << slot % 8);
	else
		hpack->secrets[slot / 8] &= (uint8_t) ~(1 << slot % 8);
}

static bool is_secret_index(const struct ss_hpack *hpack, uint32_t index)
{
	uint32_t back, slot;

	if (index == 0)
		return false;
	if (index <= STATIC_COUNT) {
		const char *name = static_names[index - 1];

		return ss_tls_rules_is_header(hpack->rules, name, strlen(name));
	}
	back = index - STATIC_COUNT;
	if (back > ENTRIES || back > hpack->entries)
		return true;
	slot = (hpack->entries - back) % ENTRIES;
	return hpack->secrets[slot / 8] >> slot % 8 & 1;
}

static void wipe_value(struct ss_hpack *hpack)
{
	if (hpack->octets->len)
		explicit_bzero(hpack->octets->data, hpack->octets->len);
	g_byte_array_set_size(hpack->octets, 0);
	g_array_set_size(hpack->positions, 0);
}

/* The octet at this place of a string that is asterisks from a bit on: see the top of the file. */
static uint8_t masked_octet(const struct ss_hpack *hpack, uint32_t place, uint8_t octet)
{
	int64_t bit = (int64_t)place * 8;
	uint8_t result = 0;

	if (!hpack->huffman)
		return bit >= hpack->from ? SS_MASK_BYTE : octet;
	for (unsigned i = 0; i < 8; i++) {
		int64_t in = bit + i - hpack->from; /* the masked part */
		int64_t whole = ((int64_t)hpack->length * 8 - hpack->from) / 8 * 8;
		unsigned one = octet >> (7 - i) & 1;

		if (in >= whole)
			one = 1;
		else if (in >= 0)
			one = SS_HUFFMAN_ASTERISK >> (7u - (unsigned)(in % 8)) & 1;
		result = (uint8_t)((unsigned)result << 1 | one);
	}
	return result;
}

static void mask_octets(const struct ss_hpack *hpack, struct ss_mask *mask)
{
	if (hpack->from < 0)
		return;
	for (uint32_t i = (uint32_t)(hpack->from / 8); i < hpack->octets->len; i++)
		ss_mask_put(mask, g_array_index(hpack->positions, uint64_t, i),
			    masked_octet(hpack, i, hpack->octets->data[i]));
}

/* The value as text; bits[i] is where its byte i begins. Stops at what is not valid. */
static GByteArray *decode(const struct ss_hpack *hpack, GArray *bits)
{
	GByteArray *text = g_byte_array_new();
	struct ss_huffman decoder = {0};
	uint32_t begin = 0;

	for (uint32_t bit = 0; bit < hpack->octets->len * 8; bit++) {
		int symbol =
			ss_huffman_bit(&decoder, hpack->octets->data[bit / 8] >> (7 - bit % 8) & 1);
		uint8_t byte = (uint8_t)symbol;

		if (symbol == SS_HUFFMAN_INVALID)
			break;
		if (symbol == SS_HUFFMAN_MORE)
			continue;
		g_byte_array_append(text, &byte, 1);
		g_array_append_val(bits, begin);
		begin = bit + 1;
	}
	return text;
}

/* How much of a secret value is its scheme and the space behind. */
static size_t scheme_length(const uint8_t *text, size_t length)
{
	const uint8_t *space = memchr(text, ' ', MIN(length, SS_TLS_SCHEME_MAX));

	if (!space || !ss_tls_rules_is_scheme(text, (size_t)(space - text)))
		return 0;
	return (size_t)(space - text) + 1;
}

/* Runs the scanner over a copy; returns the first byte that it masks, or length. */
static size_t scan(struct ss_hpack *hpack, struct ss_mask *mask, size_t length)
{
	g_autofree uint8_t *before = g_memdup2(mask->data, length);
	size_t first = 0;

	for (size_t i = 0; i < length; i++)
		ss_text_byte(hpack->text, mask, i, before[i]);
	ss_text_settle(hpack->text, mask, length);
	ss_text_free(hpack->text); /* the next value is another text */
	hpack->text = ss_text_new(hpack->rules);
	while (first < length && before[first] == mask->data[first])
		first++;
	explicit_bzero(before, length);
	return first;
}

/* A coded value: from where on is it secret? */
static void judge_coded(struct ss_hpack *hpack)
{
	g_autoptr(GArray) bits = g_array_new(FALSE, FALSE, sizeof(uint32_t));
	g_autoptr(GByteArray) text = decode(hpack, bits);
	struct ss_mask copy = {.data = text->data, .end = text->len};
	size_t first;

	if (!text->len) { /* no string at all: nobody can read it */
		hpack->from = hpack->is_secret ? 0 : -1;
		return;
	}
	if (hpack->is_secret)
		first = scheme_length(text->data, text->len);
	else
		first = scan(hpack, &copy, text->len);
	if (first < text->len)
		hpack->from = g_array_index(bits, uint32_t, first);
	explicit_bzero(text->data, text->len);
}

/* A plain value: its bytes are masked one by one. */
static void judge_plain(struct ss_hpack *hpack, struct ss_mask *mask)
{
	g_autoptr(GByteArray) text = g_byte_array_new();
	struct ss_mask copy;

	if (hpack->is_secret) {
		hpack->from = (int64_t)scheme_length(hpack->octets->data, hpack->octets->len) * 8;
		return;
	}
	g_byte_array_append(text, hpack->octets->data, hpack->octets->len);
	copy = (struct ss_mask){.data = text->data, .end = text->len};
	scan(hpack, &copy, text->len);
	for (guint i = 0; i < text->len; i++) {
		if (text->data[i] != hpack->octets->data[i])
			ss_mask_put(mask, g_array_index(hpack->positions, uint64_t, i),
				    text->data[i]);
	}
	explicit_bzero(text->data, text->len);
}

/* What there is of the value decides. */
static void judge(struct ss_hpack *hpack, struct ss_mask *mask)
{
	hpack->from = -1;
	if (!hpack->octets->len)
		return;
	if (hpack->huffman)
		judge_coded(hpack);
	else
		judge_plain(hpack, mask);
	mask_octets(hpack, mask);
}

static void take_value(struct ss_hpack *hpack, struct ss_mask *mask, uint64_t position,
		       uint8_t byte)
{
	uint32_t place = hpack->done++;

	if (hpack->judged) {
		if (hpack->from >= 0)
			ss_mask_put(mask, position, masked_octet(hpack, place, byte));
	} else {
		g_byte_array_append(hpack->octets, &byte, 1);
		g_array_append_val(hpack->positions, position);
		if (hpack->octets->len == VALUE_MAX || hpack->done == hpack->length) {
			judge(hpack, mask);
			hpack->judged = true;
			wipe_value(hpack);
		}
	}
	if (hpack->done < hpack->length)
		return;
	if (hpack->is_indexing)
		remember(hpack);
	hpack->state = FIELD;
}

static void begin_value(struct ss_hpack *hpack)
{
	hpack->done = 0;
	hpack->judged = false;
	hpack->decoder = (struct ss_huffman){0};
	hpack->state = VALUE;
	if (hpack->length)
		return;
	if (hpack->is_indexing)
		remember(hpack);
	hpack->state = FIELD;
}

static void end_name(struct ss_hpack *hpack)
{
	/* No field is without a name: this is a hole that was filled with zeros. */
	if (!hpack->length)
		hpack->entries = 0;
	hpack->is_secret = ss_tls_rules_is_header(hpack->rules, hpack->name, hpack->name_length);
	hpack->state = VALUE_LENGTH;
}

static void begin_name(struct ss_hpack *hpack)
{
	hpack->done = 0;
	hpack->name_length = 0;
	hpack->decoder = (struct ss_huffman){0};
	hpack->state = NAME;
	if (!hpack->length)
		end_name(hpack);
}

/* The length of a name or a value is known. */
static void begin_text(struct ss_hpack *hpack)
{
	hpack->length = hpack->number;
	if (hpack->state == NAME_LENGTH_MORE)
		begin_name(hpack);
	else
		begin_value(hpack);
}

static void name_add(struct ss_hpack *hpack, int symbol)
{
	if (hpack->name_length < NAME_SIZE)
		hpack->name[hpack->name_length] = (char)symbol;
	hpack->name_length++; /* beyond its size it matches nothing */
}

static void take_name(struct ss_hpack *hpack, uint8_t byte)
{
	if (!hpack->huffman)
		name_add(hpack, byte);
	for (int i = 7; hpack->huffman && i >= 0; i--) {
		int symbol = ss_huffman_bit(&hpack->decoder, byte >> i & 1);

		if (symbol >= 0)
			name_add(hpack, symbol);
	}
	if (++hpack->done == hpack->length)
		end_name(hpack);
}

/* The index is known. */
static void end_index(struct ss_hpack *hpack)
{
	hpack->state = FIELD;
	if (!hpack->literal)
		return;
	hpack->is_secret = is_secret_index(hpack, hpack->number);
	hpack->state = hpack->number ? VALUE_LENGTH : NAME_LENGTH;
}

/* RFC 7541 5.1: the first byte of an integer; true if it is all. */
static bool begin_integer(struct ss_hpack *hpack, uint8_t byte, unsigned bits)
{
	uint8_t max = (uint8_t)((1u << bits) - 1);

	hpack->number = byte & max;
	hpack->shift = 0;
	return hpack->number < max;
}

/* A further one; true at the end. */
static bool more_integer(struct ss_hpack *hpack, uint8_t byte)
{
	hpack->number += (uint32_t)(byte & 0x7f) << hpack->shift;
	hpack->shift += 7;
	if (hpack->number > INTEGER_MAX || (byte & 0x80 && hpack->shift > 21)) {
		hpack->state = BROKEN;
		return false;
	}
	return !(byte & 0x80);
}

/* What the first byte of a representation says (RFC 7541 6), by its leading bits. */
static void begin_field(struct ss_hpack *hpack, uint8_t byte)
{
	static const struct {
		uint8_t mask, value, bits;
		bool literal, is_indexing;
	} forms[] = {
		{0x80, 0x80, 7, false, false}, /* indexed */
		{0xc0, 0x40, 6, true, true},   /* literal, into the table */
		{0xe0, 0x20, 5, false, false}, /* the table's size */
		{0xe0, 0x00, 4, true, false},  /* literal, not into the table, or never */
	};

	for (size_t i = 0; i < G_N_ELEMENTS(forms); i++) {
		if ((byte & forms[i].mask) != forms[i].value)
			continue;
		hpack->literal = forms[i].literal;
		hpack->is_indexing = forms[i].is_indexing;
		hpack->state = INDEX;
		if (begin_integer(hpack, byte, forms[i].bits))
			end_index(hpack);
		return;
	}
}

struct ss_hpack *ss_hpack_new(const struct ss_tls_rules *rules)
{
	struct ss_hpack *hpack = g_new0(struct ss_hpack, 1);

	hpack->rules = rules;
	hpack->text = ss_text_new(rules);
	hpack->octets = g_byte_array_new();
	hpack->positions = g_array_new(FALSE, FALSE, sizeof(uint64_t));
	return hpack;
}

void ss_hpack_free(struct ss_hpack *hpack)
{
	if (!hpack)
		return;
	wipe_value(hpack);
	g_byte_array_unref(hpack->octets);
	g_array_unref(hpack->positions);
	ss_text_free(hpack->text);
	g_free(hpack);
}

void ss_hpack_byte(struct ss_hpack *hpack, struct ss_mask *mask, uint64_t position, uint8_t byte)
{
	switch (hpack->state) {
	case FIELD:
		begin_field(hpack, byte);
		break;
	case INDEX:
		if (more_integer(hpack, byte))
			end_index(hpack);
		break;
	case NAME_LENGTH:
	case VALUE_LENGTH:
		hpack->huffman = byte & 0x80;
		hpack->state = hpack->state == NAME_LENGTH ? NAME_LENGTH_MORE : VALUE_LENGTH_MORE;
		if (!begin_integer(hpack, byte, 7))
			break;
		begin_text(hpack);
		break;
	case NAME_LENGTH_MORE:
	case VALUE_LENGTH_MORE:
		if (!more_integer(hpack, byte))
			break;
		begin_text(hpack);
		break;
	case NAME:
		take_name(hpack, byte);
		break;
	case VALUE:
		take_value(hpack, mask, position, byte);
		break;
	case BROKEN:
		break;
	}
}

void ss_hpack_end(struct ss_hpack *hpack, struct ss_mask *mask)
{
	if (hpack->state == VALUE && !hpack->judged)
		judge(hpack, mask);
	wipe_value(hpack);
	hpack->state = FIELD;
}

void ss_hpack_forget(struct ss_hpack *hpack)
{
	hpack->entries = 0;
}

void ss_hpack_settle(struct ss_hpack *hpack, struct ss_mask *mask, uint64_t position)
{
	if (hpack->state == VALUE && !hpack->judged && hpack->octets->len) {
		judge(hpack, mask);
		hpack->judged = true;
		wipe_value(hpack);
	}
	hpack->released = position;
}

uint64_t ss_hpack_hold(const struct ss_hpack *hpack)
{
	return ss_mask_first((const uint64_t *)(const void *)hpack->positions->data,
			     hpack->positions->len, hpack->released);
}
