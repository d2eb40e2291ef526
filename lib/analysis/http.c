/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What could surprise: a body's end may come in a gap, and be told with the segment behind it. */
#include "http.h"

#include <string.h>

#define WORD_MAX  24        /* bytes of a method */
#define AGAIN_MAX (1 << 20) /* bytes that are sent once more; what is further back is new */

static bool begins_with(const char *line, const char *word)
{
	return g_ascii_strncasecmp(line, word, strlen(word)) == 0;
}

/* "GET /x HTTP/1.1", as much of it as there is. */
static bool is_request_line(const char *line, size_t length)
{
	static const char version[] = " HTTP/1.";
	size_t word = 0;

	while (word < MIN(length, WORD_MAX) && (g_ascii_isupper(line[word]) || line[word] == '-'))
		word++;
	if (!word || word == WORD_MAX || (word < length && line[word] != ' '))
		return false;
	if (word == length || !memchr(line, '\n', length))
		return true; /* the rest is not there */
	while (length && strchr("\r\n", line[length - 1]))
		length--;
	return length > word + strlen(version) &&
	       memcmp(line + length - strlen(version) - 1, version, strlen(version)) == 0;
}

/* "HTTP/1.1 200 OK", likewise. */
static bool is_status_line(const char *line, size_t length)
{
	static const char pattern[] = "HTTP/1.# ###";

	for (size_t i = 0; i < MIN(length, sizeof(pattern) - 1); i++)
		if (pattern[i] == '#' ? !g_ascii_isdigit(line[i]) : line[i] != pattern[i])
			return false;
	return length > 1; /* "H" is the beginning of HEAD, too */
}

enum ss_http_event ss_http_beginning(struct ss_cursor payload)
{
	const char *text = (const char *)payload.data;
	const char *end = payload.length ? memchr(text, '\n', payload.length) : NULL;
	size_t length = end ? (size_t)(end - text) + 1 : payload.length;

	if (!length)
		return SS_HTTP_NONE;
	if (is_status_line(text, length) && (!end || length > 12))
		return SS_HTTP_RESPONSE;
	return is_request_line(text, length) ? SS_HTTP_REQUEST : SS_HTTP_NONE;
}

static void begin_line(struct ss_http_side *side)
{
	side->length = 0;
	side->line[0] = '\0';
}

static void begin(struct ss_http_side *side, bool is_response)
{
	side->state = SS_HTTP_HEAD;
	side->first = true;
	side->is_response = is_response;
	side->has_length = side->chunked = false;
	side->content_length = 0;
	side->is_head = side->is_connect = false;
	side->answers_head = side->answers_connect = false;
	side->code = 0;
	begin_line(side);
}

static void end(struct ss_http_side *side, ss_http_told told, void *user_data)
{
	side->state = SS_HTTP_IDLE;
	told(SS_HTTP_END, user_data);
}

/* Adds to the line. Returns how many bytes it took; *ret_whole: the line is. */
static size_t take_line(struct ss_http_side *side, const uint8_t *bytes, size_t length,
			bool *ret_whole)
{
	const uint8_t *newline = memchr(bytes, '\n', length);
	size_t taken = newline ? (size_t)(newline - bytes) + 1 : length;
	size_t kept = MIN(side->length, SS_HTTP_LINE_MAX);
	size_t fits = MIN(taken, SS_HTTP_LINE_MAX - kept);

	memcpy(side->line + kept, bytes, fits);
	side->line[kept + fits] = '\0';
	side->length += taken;
	*ret_whole = newline;
	return taken;
}

static bool is_empty_line(const struct ss_http_side *side)
{
	return side->line[strspn(side->line, "\r\n")] == '\0';
}

/* False: it is none. */
static bool take_first_line(struct ss_http_side *side)
{
	size_t length = strlen(side->line);

	if (side->is_response) {
		if (!is_status_line(side->line, length) || length < 12)
			return false;
		side->code = (unsigned)g_ascii_strtoull(side->line + 9, NULL, 10);
		return true;
	}
	side->is_head = begins_with(side->line, "HEAD ");
	side->is_connect = begins_with(side->line, "CONNECT ");
	return side->length > SS_HTTP_LINE_MAX || is_request_line(side->line, length);
}

static void take_header(struct ss_http_side *side)
{
	static const char content_length[] = "content-length:", encoding[] = "transfer-encoding:";

	if (begins_with(side->line, content_length)) {
		side->has_length = true;
		side->content_length =
			g_ascii_strtoull(side->line + strlen(content_length), NULL, 10);
	} else if (begins_with(side->line, encoding)) {
		g_autofree char *value = g_ascii_strdown(side->line, -1);

		side->chunked = strstr(value, "chunked");
	}
}

static void take_head_end(struct ss_http_side *side, ss_http_told told, void *user_data)
{
	bool none =
		side->is_response && (side->answers_head || side->code < 200 || side->code == 204 ||
				      side->code == 304 || ss_http_side_is_switch(side));

	begin_line(side);
	if (!none && side->chunked) {
		side->state = SS_HTTP_CHUNK_SIZE;
	} else if (!none && side->is_response && !side->has_length) {
		side->state = SS_HTTP_UNTIL_FIN;
	} else if (!none && side->content_length) {
		side->state = SS_HTTP_BODY;
		side->left = side->content_length;
	} else {
		end(side, told, user_data);
	}
}

static void take_head_line(struct ss_http_side *side, ss_http_told told, void *user_data)
{
	if (side->first && !take_first_line(side)) {
		side->state = SS_HTTP_IDLE;
		told(SS_HTTP_NONE, user_data);
		return;
	}
	if (!side->first && is_empty_line(side)) {
		take_head_end(side, told, user_data);
		return;
	}
	if (!side->first)
		take_header(side);
	side->first = false;
	begin_line(side);
}

static void take_chunk_size(struct ss_http_side *side)
{
	uint64_t size = g_ascii_strtoull(side->line, NULL, 16);

	begin_line(side);
	side->state = size ? SS_HTTP_CHUNK : SS_HTTP_TRAILER;
	side->left = MIN(size, UINT64_MAX - 2) + 2;
}

/* The line is whole. */
static void take_whole_line(struct ss_http_side *side, ss_http_told told, void *user_data)
{
	if (side->state == SS_HTTP_HEAD) {
		take_head_line(side, told, user_data);
	} else if (side->state == SS_HTTP_CHUNK_SIZE) {
		take_chunk_size(side);
	} else if (is_empty_line(side)) {
		end(side, told, user_data);
	} else {
		begin_line(side);
	}
}

/* Of a body or chunk, there or not. */
static void take_body(struct ss_http_side *side, uint64_t length, ss_http_told told,
		      void *user_data)
{
	side->left -= length;
	if (side->left)
		return;
	if (side->state == SS_HTTP_BODY)
		end(side, told, user_data);
	else
		side->state = SS_HTTP_CHUNK_SIZE;
}

static void take_gap(struct ss_http_side *side, uint32_t length, ss_http_told told, void *user_data)
{
	switch (side->state) {
	case SS_HTTP_BODY:
	case SS_HTTP_CHUNK:
		if (length <= side->left)
			take_body(side, length, told, user_data);
		else
			end(side, told, user_data);
		break;
	case SS_HTTP_HEAD:
	case SS_HTTP_CHUNK_SIZE:
	case SS_HTTP_TRAILER:
		end(side, told, user_data);
		break;
	case SS_HTTP_IDLE:
	case SS_HTTP_UNTIL_FIN:
	case SS_HTTP_OTHER:
		break;
	}
}

/* Empty lines between messages are nobody's. Takes all if no message begins. */
static size_t take_idle(struct ss_http_side *side, const uint8_t *bytes, size_t length,
			ss_http_told told, void *user_data)
{
	enum ss_http_event event;
	size_t at = 0;

	while (at < length && (bytes[at] == '\r' || bytes[at] == '\n'))
		at++;
	event = ss_http_beginning(ss_cursor(bytes + at, length - at));
	if (event == SS_HTTP_NONE)
		return length;
	begin(side, event == SS_HTTP_RESPONSE);
	told(event, user_data);
	return at;
}

/* What is there; returns how much of it was taken. */
static size_t take_bytes(struct ss_http_side *side, const uint8_t *bytes, size_t length,
			 ss_http_told told, void *user_data)
{
	bool whole = false;
	size_t taken;

	switch (side->state) {
	case SS_HTTP_IDLE:
		return take_idle(side, bytes, length, told, user_data);
	case SS_HTTP_BODY:
	case SS_HTTP_CHUNK:
		taken = (size_t)MIN(side->left, length);
		take_body(side, taken, told, user_data);
		return taken;
	case SS_HTTP_HEAD:
	case SS_HTTP_CHUNK_SIZE:
	case SS_HTTP_TRAILER:
		taken = take_line(side, bytes, length, &whole);
		if (whole)
			take_whole_line(side, told, user_data);
		return taken;
	case SS_HTTP_UNTIL_FIN:
	case SS_HTTP_OTHER:
		break;
	}
	return length;
}

void ss_http_side_take(struct ss_http_side *side, uint32_t sequence, struct ss_cursor payload,
		       uint32_t length, ss_http_told told, void *user_data)
{
	int32_t ahead = side->started ? (int32_t)(sequence - side->next) : 0;
	size_t at = 0;

	if (ahead < -AGAIN_MAX) { /* the ports of another connection */
		if (side->state != SS_HTTP_IDLE)
			end(side, told, user_data);
	} else if (ahead < 0) {
		if ((uint64_t) - (int64_t)ahead >= length)
			return; /* once more */
		at = (size_t) - (int64_t)ahead;
	} else if (ahead > 0) {
		take_gap(side, (uint32_t)ahead, told, user_data);
	}
	side->started = true;
	side->next = sequence + length;
	if (side->state != SS_HTTP_IDLE && side->state != SS_HTTP_OTHER)
		told(SS_HTTP_MORE, user_data);
	while (at < payload.length)
		at += take_bytes(side, payload.data + at, payload.length - at, told, user_data);
	if (at < length)
		take_gap(side, (uint32_t)(length - at), told, user_data);
}

void ss_http_side_end(struct ss_http_side *side, ss_http_told told, void *user_data)
{
	if (side->state != SS_HTTP_IDLE && side->state != SS_HTTP_OTHER)
		end(side, told, user_data);
	side->state = SS_HTTP_OTHER;
}
