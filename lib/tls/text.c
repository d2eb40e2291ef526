/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Five scanners see every byte: of lines (headers), of quoted names (JSON), of names before '='
 * (forms and queries), of URLs (user:password@) and of digits (card.c). Each keeps the little it
 * needs, so it makes no difference how the stream is cut. Once inside a secret they mask as bytes
 * come; they hold back only where what follows decides: the first word of an Authorization, a
 * password before its '@', the last digit of a JSON number.
 *
 * What may surprise: chunk headers of HTTP/1 can stand in the middle of a secret. Once a header
 * said "chunked", what looks like one is hidden from the scanners and never masked.
 */
#include "tls/text.h"

#include <string.h>

#include "tls/card.h"

#define NAME_MAX_LENGTH   64u
#define SECRET_LINE_MAX   65536u   /* bytes that a header's value may have */
#define SECRET_STRING_MAX 1048576u /* likewise a JSON string's */
#define SECRET_VALUE_MAX  8192u    /* a form field's */
#define USERINFO_MAX      128u
#define ESCAPES_MAX       7u    /* backslashes before a quote: JSON in JSON in JSON */
#define PATTERN_LINE_MAX  4096u /* what patterns see at once */
#define CHUNK_SIZE_MAX    8u    /* hexadecimal digits */

struct name {
	char bytes[NAME_MAX_LENGTH];
	uint8_t length;
	bool too_long;
};

enum line_state {
	LINE_NAME,
	LINE_SPACE,  /* between the colon and a secret value */
	LINE_SCHEME, /* in its first word */
	LINE_SECRET,
	LINE_FOLD,  /* after a secret line: a space would continue it */
	LINE_VALUE, /* of a header that we read ourselves */
	LINE_OTHER,
};

struct line {
	enum line_state state;
	struct name name, value;
	bool part_is_secret; /* of a multipart body: its header said so */
	uint64_t at[SS_TLS_SCHEME_MAX];
	uint32_t length; /* of the secret so far */
	bool has_bytes;
};

enum quoted_state {
	QUOTED_NAME, /* between quotes, or outside: both may become a name */
	QUOTED_AFTER_NAME,
	QUOTED_BEFORE_VALUE,
	QUOTED_STRING,
	QUOTED_NUMBER,
};

struct quoted {
	enum quoted_state state;
	struct name name;
	bool is_open; /* name began with a quote */
	bool in_array;
	uint8_t level;                 /* backslashes before the quotes of the name */
	uint32_t escapes;              /* backslashes just before here */
	uint64_t pending[ESCAPES_MAX]; /* of them, those that may belong to the closing quote */
	uint8_t pending_count;
	uint64_t first, last; /* of a number */
	uint32_t length;
};

struct form {
	bool in_value;
	struct name name;
	uint32_t length;
};

enum url_state { URL_OUTSIDE, URL_USER, URL_PASSWORD };

struct url {
	enum url_state state;
	uint8_t slashes; /* how much of "://" */
	uint32_t length;
	uint64_t at[USERINFO_MAX];
};

struct pattern_line {
	uint64_t at[PATTERN_LINE_MAX];
	char bytes[PATTERN_LINE_MAX];
	uint32_t length;
};

struct ss_text {
	const struct ss_tls_rules *rules;
	uint64_t released;
	struct line line;
	struct quoted quoted;
	struct form form;
	struct url url;
	struct ss_card card;
	struct pattern_line *pattern; /* NULL without patterns */
	bool chunked;
	uint8_t boundary[CHUNK_SIZE_MAX + 4]; /* "\r\n1a2b\r\n" as far as it came */
	uint64_t boundary_at[CHUNK_SIZE_MAX + 4];
	uint8_t boundary_length;
};

/* What a byte is: looked up for each, many times. */
enum class {
	TOKEN = 1 << 0, /* of a header's name, RFC 9110 5.6.2 */
	SPACE = 1 << 1,
	LINE_END = 1 << 2,
	NUMBER = 1 << 3, /* of JSON */
	FORM_NAME = 1 << 4,
	FORM_VALUE_END = 1 << 5,
	AUTHORITY_END = 1 << 6, /* of a URL */
};

static uint8_t classes[256];

static void classes_init(void)
{
	static const struct {
		const char *bytes;
		uint8_t class;
	} rows[] = {
		{"!#$%&'*+-.^_`|~", TOKEN},
		{" \t", SPACE},
		{"\r\n", LINE_END},
		{"0123456789+-.eE", NUMBER},
		{"_-.[]%$", FORM_NAME},
		{"&;\"'<>\\\x7f", FORM_VALUE_END},
		{"/?#\"'<>\\,\x7f", AUTHORITY_END},
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		for (const char *byte = rows[i].bytes; *byte; byte++)
			classes[(uint8_t)*byte] |= rows[i].class;
	}
	for (unsigned byte = 0; byte < G_N_ELEMENTS(classes); byte++) {
		if (byte < 0x80 && g_ascii_isalnum((gchar)byte))
			classes[byte] |= TOKEN | FORM_NAME;
		if (byte <= ' ')
			classes[byte] |= FORM_VALUE_END | AUTHORITY_END;
		if (byte >= 0x80)
			classes[byte] |= AUTHORITY_END;
	}
}

static inline bool is(uint8_t byte, enum class class)
{
	return classes[byte] & class;
}

static void name_clear(struct name *name)
{
	name->length = 0;
	name->too_long = false;
}

static void name_add(struct name *name, uint8_t byte)
{
	if (name->length < sizeof(name->bytes))
		name->bytes[name->length++] = (char)byte;
	else
		name->too_long = true;
}

static bool name_is(const struct name *name, const char *text)
{
	return name->length == strlen(text) && !name->too_long &&
	       !g_ascii_strncasecmp(name->bytes, text, name->length);
}

static bool name_is_field(const struct ss_text *text, const struct name *name)
{
	return name->length && !name->too_long &&
	       ss_tls_rules_is_field(text->rules, name->bytes, name->length);
}

/* "form-data; name=\"password\"" */
static bool disposes_secret(const struct ss_text *text, const struct name *value)
{
	g_autofree char *line = g_strndup(value->bytes, value->length);
	char *name = strstr(line, "name=\"");

	if (name)
		name += strlen("name=\"");
	return name && strchr(name, '"') &&
	       ss_tls_rules_is_field(text->rules, name, strcspn(name, "\""));
}

/* The end of a header that we read ourselves. */
static void line_understand(struct ss_text *text)
{
	struct line *line = &text->line;

	if (name_is(&line->name, "content-disposition"))
		line->part_is_secret = disposes_secret(text, &line->value);
	else if (g_strstr_len(line->value.bytes, line->value.length, "chunked"))
		text->chunked = true;
}

static void line_begin(struct line *line)
{
	line->state = LINE_NAME;
	line->has_bytes = false;
	name_clear(&line->name);
	name_clear(&line->value);
}

static void line_end(struct ss_text *text, uint8_t byte)
{
	struct line *line = &text->line;

	if (line->state == LINE_VALUE)
		line_understand(text);
	if (byte == '\r') {
		if (line->state == LINE_SCHEME || line->state == LINE_SPACE)
			line->state = LINE_SECRET; /* which ends here */
		else if (line->state == LINE_VALUE)
			line->state = LINE_OTHER;
		return;
	}
	if (line->state == LINE_SECRET) {
		line->state = LINE_FOLD;
	} else if (line->part_is_secret && !line->has_bytes) { /* the body of the part */
		line->state = LINE_SECRET;
		line->part_is_secret = false;
	} else {
		line_begin(line);
	}
	line->length = 0;
}

static void line_colon(struct ss_text *text)
{
	struct line *line = &text->line;

	line->state = LINE_OTHER;
	if (line->name.too_long)
		return;
	if (ss_tls_rules_is_header(text->rules, line->name.bytes, line->name.length))
		line->state = LINE_SPACE;
	else if (name_is(&line->name, "transfer-encoding") ||
		 name_is(&line->name, "content-disposition"))
		line->state = LINE_VALUE;
}

/* In the first word of a secret value: only a scheme is shown. */
static void line_scheme(struct line *line, struct ss_mask *mask, uint64_t position, uint8_t byte)
{
	if (byte == ' ') {
		if (!ss_tls_rules_is_scheme(line->value.bytes, line->value.length))
			ss_mask_all(mask, line->at, line->length);
		line->state = LINE_SECRET;
	} else if (is(byte, LINE_END) || line->length == SS_TLS_SCHEME_MAX || !is(byte, TOKEN)) {
		ss_mask_all(mask, line->at, line->length);
		line->state = LINE_SECRET;
		if (!is(byte, LINE_END))
			ss_mask_put(mask, position, SS_MASK_BYTE);
	} else {
		line->at[line->length++] = position;
		name_add(&line->value, byte);
	}
}

static void line_byte(struct ss_text *text, struct ss_mask *mask, uint64_t position, uint8_t byte)
{
	struct line *line = &text->line;

	if (line->state == LINE_FOLD) {
		line_begin(line);
		if (is(byte, SPACE))
			line->state = LINE_SECRET;
	}
	if (line->state == LINE_SCHEME) {
		line_scheme(line, mask, position, byte);
		if (!is(byte, LINE_END))
			return;
	}
	if (is(byte, LINE_END)) {
		line_end(text, byte);
		return;
	}
	line->has_bytes = true;
	switch (line->state) {
	case LINE_NAME:
		if (byte == ':' && line->name.length)
			line_colon(text);
		else if (is(byte, TOKEN))
			name_add(&line->name, byte);
		else
			line->state = LINE_OTHER;
		break;
	case LINE_SPACE:
		if (is(byte, SPACE))
			break;
		line->state = LINE_SCHEME;
		line->length = 0;
		line_scheme(line, mask, position, byte);
		break;
	case LINE_SECRET:
		ss_mask_put(mask, position, SS_MASK_BYTE);
		if (++line->length >= SECRET_LINE_MAX)
			line->state = LINE_OTHER;
		break;
	case LINE_VALUE:
		name_add(&line->value, byte);
		break;
	default:
		break;
	}
}

static void line_settle(struct line *line, struct ss_mask *mask)
{
	if (line->state != LINE_SCHEME)
		return;
	ss_mask_all(mask, line->at, line->length);
	line->state = LINE_SECRET;
}

/* Waits for a name: a quote just was, or nothing is known. */
static void quoted_restart(struct quoted *quoted, bool is_open, uint32_t level)
{
	quoted->state = QUOTED_NAME;
	quoted->is_open = is_open && level <= ESCAPES_MAX;
	quoted->level = (uint8_t)MIN(level, ESCAPES_MAX);
	quoted->in_array = false;
	name_clear(&quoted->name);
}

static void quoted_value_ends(struct quoted *quoted)
{
	if (quoted->in_array)
		quoted->state = QUOTED_BEFORE_VALUE;
	else
		quoted_restart(quoted, false, 0);
	quoted->pending_count = 0;
}

static void quoted_quote(struct ss_text *text)
{
	struct quoted *quoted = &text->quoted;

	/* The name ends with the backslashes of its closing quote. */
	if (quoted->is_open && quoted->escapes == quoted->level && !quoted->name.too_long &&
	    quoted->name.length >= quoted->level) {
		quoted->name.length = (uint8_t)(quoted->name.length - quoted->level);
		if (name_is_field(text, &quoted->name)) {
			quoted->state = QUOTED_AFTER_NAME;
			return;
		}
	}
	quoted_restart(quoted, true, quoted->escapes);
}

/* Does a quote behind so many backslashes close a string whose own quotes have level ones? */
static bool quoted_closes(uint32_t escapes, uint32_t level)
{
	return escapes < level || (escapes - level) % (2 * (level + 1)) == 0;
}

static void quoted_string(struct quoted *quoted, struct ss_mask *mask, uint64_t position,
			  uint8_t byte)
{
	if (is(byte, LINE_END) || ++quoted->length > SECRET_STRING_MAX) {
		quoted_value_ends(quoted);
		return;
	}
	if (byte == '"' && quoted_closes(quoted->escapes, quoted->level)) {
		quoted_value_ends(quoted);
		return;
	}
	if (byte == '\\' && quoted->level) {
		if (quoted->pending_count == quoted->level) {
			ss_mask_put(mask, quoted->pending[0], SS_MASK_BYTE);
			memmove(quoted->pending, quoted->pending + 1,
				--quoted->pending_count * sizeof(*quoted->pending));
		}
		quoted->pending[quoted->pending_count++] = position;
		return;
	}
	ss_mask_all(mask, quoted->pending, quoted->pending_count);
	quoted->pending_count = 0;
	ss_mask_put(mask, position, SS_MASK_BYTE);
}

/* A number becomes a string of the same length: asterisks alone would be no JSON. */
static void quoted_number_ends(struct quoted *quoted, struct ss_mask *mask)
{
	uint8_t quote = quoted->level ? SS_MASK_BYTE : '"';

	ss_mask_put(mask, quoted->last, quoted->first == quoted->last ? '0' : quote);
	quoted_value_ends(quoted);
}

static void quoted_number(struct quoted *quoted, struct ss_mask *mask, uint64_t position)
{
	if (quoted->state != QUOTED_NUMBER) {
		quoted->state = QUOTED_NUMBER;
		quoted->first = position;
	} else if (quoted->first == quoted->last) {
		ss_mask_put(mask, quoted->first, quoted->level ? SS_MASK_BYTE : '"');
	} else {
		ss_mask_put(mask, quoted->last, SS_MASK_BYTE);
	}
	quoted->last = position;
}

static void quoted_before_value(struct ss_text *text, struct ss_mask *mask, uint64_t position,
				uint8_t byte)
{
	struct quoted *quoted = &text->quoted;

	if (is(byte, SPACE) || is(byte, LINE_END) || byte == '\\' ||
	    (byte == ',' && quoted->in_array))
		return;
	if (byte == '"' && quoted->escapes == quoted->level) {
		quoted->state = QUOTED_STRING;
		quoted->length = 0;
		quoted->pending_count = 0;
	} else if (byte == '"') {
		quoted_restart(quoted, true, quoted->escapes);
	} else if (g_ascii_isdigit(byte) || byte == '-') {
		quoted_number(quoted, mask, position);
	} else if (byte == '[' && !quoted->in_array) {
		quoted->in_array = true;
	} else {
		quoted_restart(quoted, false, 0);
	}
}

static void quoted_byte(struct ss_text *text, struct ss_mask *mask, uint64_t position, uint8_t byte)
{
	struct quoted *quoted = &text->quoted;

	if (quoted->state == QUOTED_NUMBER && !is(byte, NUMBER))
		quoted_number_ends(quoted, mask);
	switch (quoted->state) {
	case QUOTED_NAME:
		if (byte == '"')
			quoted_quote(text);
		else
			name_add(&quoted->name, byte);
		break;
	case QUOTED_AFTER_NAME:
		if (byte == ':')
			quoted->state = QUOTED_BEFORE_VALUE;
		else if (byte == '"')
			quoted_restart(quoted, true, quoted->escapes);
		else if (!is(byte, SPACE) && !is(byte, LINE_END))
			quoted_restart(quoted, false, 0);
		break;
	case QUOTED_BEFORE_VALUE:
		quoted_before_value(text, mask, position, byte);
		break;
	case QUOTED_STRING:
		quoted_string(quoted, mask, position, byte);
		break;
	case QUOTED_NUMBER:
		quoted_number(quoted, mask, position);
		break;
	}
	quoted->escapes = byte == '\\' ? quoted->escapes + 1 : 0;
}

static uint64_t quoted_hold(const struct quoted *quoted, uint64_t released)
{
	if (quoted->state == QUOTED_NUMBER)
		return quoted->last >= released ? quoted->last : SS_MASK_NONE;
	if (quoted->state == QUOTED_STRING)
		return ss_mask_first(quoted->pending, quoted->pending_count, released);
	return SS_MASK_NONE;
}

/* A number that is handed out unfinished loses its last digit's quote, not its secrecy. */
static void quoted_settle(struct quoted *quoted, struct ss_mask *mask)
{
	if (quoted->state == QUOTED_NUMBER)
		ss_mask_put(mask, quoted->last,
			    quoted->first == quoted->last ? '0'
			    : quoted->level               ? SS_MASK_BYTE
							  : '"');
}

static void form_byte(struct ss_text *text, struct ss_mask *mask, uint64_t position, uint8_t byte)
{
	struct form *form = &text->form;

	if (form->in_value) {
		if (!is(byte, FORM_VALUE_END) && ++form->length < SECRET_VALUE_MAX) {
			ss_mask_put(mask, position, SS_MASK_BYTE);
			return;
		}
		form->in_value = false;
	}
	if (is(byte, FORM_NAME)) {
		name_add(&form->name, byte);
		return;
	}
	if (byte == '=' && name_is_field(text, &form->name)) {
		form->in_value = true;
		form->length = 0;
	}
	name_clear(&form->name);
}

static void url_byte(struct ss_text *text, struct ss_mask *mask, uint64_t position, uint8_t byte)
{
	static const char begin[] = "://";
	struct url *url = &text->url;

	if (url->state == URL_PASSWORD) {
		if (byte == '@') {
			ss_mask_all(mask, url->at, url->length);
			url->state = URL_OUTSIDE;
		} else if (is(byte, AUTHORITY_END) || url->length == USERINFO_MAX) {
			url->state = URL_OUTSIDE;
		} else {
			url->at[url->length++] = position;
		}
	} else if (url->state == URL_USER) {
		if (byte == ':') {
			url->state = URL_PASSWORD;
			url->length = 0;
		} else if (is(byte, AUTHORITY_END) || byte == '@' || ++url->length > USERINFO_MAX) {
			url->state = URL_OUTSIDE;
		}
	}
	url->slashes =
		(uint8_t)(byte == (uint8_t)begin[url->slashes] ? url->slashes + 1 : byte == ':');
	if (url->slashes == strlen(begin)) {
		url->slashes = 0;
		url->state = URL_USER;
		url->length = 0;
	}
}

/* One match; its groups, if it has some, are the secret. */
static void pattern_mask(const struct pattern_line *line, struct ss_mask *mask,
			 const GMatchInfo *match)
{
	gint groups = g_match_info_get_match_count(match), from, to;

	for (gint i = groups > 1 ? 1 : 0; i < groups; i++) {
		if (g_match_info_fetch_pos(match, i, &from, &to) && from >= 0 && to > from)
			ss_mask_all(mask, line->at + from, (size_t)(to - from));
	}
}

/* The whole line is masked if a pattern would take too long. */
static void pattern_end(struct ss_text *text, struct ss_mask *mask)
{
	struct pattern_line *line = text->pattern;

	for (guint i = 0; line->length && i < text->rules->patterns->len; i++) {
		g_autoptr(GMatchInfo) match = NULL;
		g_autoptr(GError) error = NULL;

		g_regex_match_full(text->rules->patterns->pdata[i], line->bytes,
				   (gssize)line->length, 0, 0, &match, &error);
		while (!error && g_match_info_matches(match)) {
			pattern_mask(line, mask, match);
			g_match_info_next(match, &error);
		}
		if (error)
			ss_mask_all(mask, line->at, line->length);
	}
}

static void pattern_byte(struct ss_text *text, struct ss_mask *mask, uint64_t position,
			 uint8_t byte)
{
	struct pattern_line *line = text->pattern;

	if (!is(byte, LINE_END)) {
		line->bytes[line->length] = (char)byte;
		line->at[line->length++] = position;
		if (line->length < PATTERN_LINE_MAX)
			return;
	}
	pattern_end(text, mask);
	explicit_bzero(line->bytes, line->length);
	line->length = 0;
}

static void scan(struct ss_text *text, struct ss_mask *mask, uint64_t position, uint8_t byte)
{
	line_byte(text, mask, position, byte);
	quoted_byte(text, mask, position, byte);
	form_byte(text, mask, position, byte);
	url_byte(text, mask, position, byte);
	if (text->rules->cards)
		ss_card_byte(&text->card, mask, position, byte);
	if (text->pattern)
		pattern_byte(text, mask, position, byte);
}

/* Does the byte continue "\r\n1a2b\r\n"? */
static bool boundary_takes(const struct ss_text *text, uint8_t byte)
{
	uint8_t length = text->boundary_length, last = length ? text->boundary[length - 1] : 0;

	if (length <= 1)
		return byte == (length ? '\n' : '\r');
	if (last == '\r')
		return byte == '\n';
	if (byte == '\r')
		return length > 2;
	return g_ascii_isxdigit(byte) && length < 2 + CHUNK_SIZE_MAX;
}

static void boundary_release(struct ss_text *text, struct ss_mask *mask)
{
	uint8_t length = text->boundary_length;

	text->boundary_length = 0;
	for (uint8_t i = 0; i < length; i++)
		scan(text, mask, text->boundary_at[i], text->boundary[i]);
}

static void boundary_byte(struct ss_text *text, struct ss_mask *mask, uint64_t position,
			  uint8_t byte)
{
	uint8_t length;

	if (!boundary_takes(text, byte)) {
		boundary_release(text, mask);
		if (!boundary_takes(text, byte)) {
			scan(text, mask, position, byte);
			return;
		}
	}
	length = text->boundary_length;
	text->boundary[length] = byte;
	text->boundary_at[length] = position;
	text->boundary_length++;
	if (length <= 2 || byte != '\n')
		return;
	if (length == 4 && text->boundary[2] == '0') /* the last chunk */
		text->chunked = false;
	text->boundary_length = 0;
}

struct ss_text *ss_text_new(const struct ss_tls_rules *rules)
{
	struct ss_text *text = g_new0(struct ss_text, 1);

	if (!classes['a'])
		classes_init();
	text->rules = rules;
	if (rules->patterns->len)
		text->pattern = g_new0(struct pattern_line, 1);
	return text;
}

void ss_text_free(struct ss_text *text)
{
	if (!text)
		return;
	if (text->pattern)
		explicit_bzero(text->pattern, sizeof(*text->pattern));
	g_free(text->pattern);
	explicit_bzero(text, sizeof(*text));
	g_free(text);
}

void ss_text_byte(struct ss_text *text, struct ss_mask *mask, uint64_t position, uint8_t byte)
{
	if (text->chunked || text->boundary_length)
		boundary_byte(text, mask, position, byte);
	else
		scan(text, mask, position, byte);
}

void ss_text_settle(struct ss_text *text, struct ss_mask *mask, uint64_t position)
{
	line_settle(&text->line, mask);
	quoted_settle(&text->quoted, mask);
	if (text->rules->cards)
		ss_card_end(&text->card, mask);
	if (text->pattern)
		pattern_end(text, mask);
	text->released = position;
}

uint64_t ss_text_hold(const struct ss_text *text)
{
	const struct line *line = &text->line;
	const struct url *url = &text->url;
	uint64_t hold = ss_card_hold(&text->card, text->released), other;

	if (line->state == LINE_SCHEME) {
		other = ss_mask_first(line->at, line->length, text->released);
		hold = MIN(hold, other);
	}
	other = quoted_hold(&text->quoted, text->released);
	hold = MIN(hold, other);
	if (url->state == URL_PASSWORD) {
		other = ss_mask_first(url->at, url->length, text->released);
		hold = MIN(hold, other);
	}
	if (text->pattern) {
		other = ss_mask_first(text->pattern->at, text->pattern->length, text->released);
		hold = MIN(hold, other);
	}
	other = ss_mask_first(text->boundary_at, text->boundary_length, text->released);
	return MIN(hold, other);
}
