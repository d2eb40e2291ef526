/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Foreign bytes, read from front to end by something that knows the end. Every read returns 0, or
 * -EBADMSG when fewer bytes are left than it needs; then the cursor and the output are untouched.
 * Integers are little-endian unless the name says be (network byte order), and need no alignment.
 */
#ifndef SS_CURSOR_H
#define SS_CURSOR_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <glib.h>

struct ss_cursor {
	const uint8_t *data; /* what is left */
	size_t length;
};

/* Borrows the bytes. */
static inline struct ss_cursor ss_cursor(const void *data, size_t length)
{
	return (struct ss_cursor){(const uint8_t *)data, length};
}

/* A view of the next length bytes, not a copy. */
static inline int ss_cursor_bytes(struct ss_cursor *cursor, size_t length, const uint8_t **ret_data)
{
	if (length > cursor->length)
		return -EBADMSG;
	*ret_data = cursor->data;
	if (length) /* data may be NULL when there is nothing */
		cursor->data += length;
	cursor->length -= length;
	return 0;
}

static inline int ss_cursor_skip(struct ss_cursor *cursor, size_t length)
{
	const uint8_t *data;

	return ss_cursor_bytes(cursor, length, &data);
}

/* The next length bytes as a cursor of their own. */
static inline int ss_cursor_part(struct ss_cursor *cursor, size_t length,
				 struct ss_cursor *ret_part)
{
	const uint8_t *data;
	int r = ss_cursor_bytes(cursor, length, &data);

	if (r == 0)
		*ret_part = ss_cursor(data, length);
	return r;
}

static inline int ss_cursor_copy(struct ss_cursor *cursor, size_t length, void *ret_copy)
{
	const uint8_t *data;
	int r = ss_cursor_bytes(cursor, length, &data);

	if (r == 0 && length)
		memcpy(ret_copy, data, length);
	return r;
}

static inline int ss_cursor_u8(struct ss_cursor *cursor, uint8_t *ret_value)
{
	return ss_cursor_copy(cursor, sizeof(*ret_value), ret_value);
}

static inline int ss_cursor_u16(struct ss_cursor *cursor, uint16_t *ret_value)
{
	int r = ss_cursor_copy(cursor, sizeof(*ret_value), ret_value);

	if (r == 0)
		*ret_value = GUINT16_FROM_LE(*ret_value);
	return r;
}

static inline int ss_cursor_u32(struct ss_cursor *cursor, uint32_t *ret_value)
{
	int r = ss_cursor_copy(cursor, sizeof(*ret_value), ret_value);

	if (r == 0)
		*ret_value = GUINT32_FROM_LE(*ret_value);
	return r;
}

static inline int ss_cursor_u64(struct ss_cursor *cursor, uint64_t *ret_value)
{
	int r = ss_cursor_copy(cursor, sizeof(*ret_value), ret_value);

	if (r == 0)
		*ret_value = GUINT64_FROM_LE(*ret_value);
	return r;
}

static inline int ss_cursor_be16(struct ss_cursor *cursor, uint16_t *ret_value)
{
	int r = ss_cursor_u16(cursor, ret_value);

	if (r == 0)
		*ret_value = GUINT16_SWAP_LE_BE(*ret_value);
	return r;
}

static inline int ss_cursor_be32(struct ss_cursor *cursor, uint32_t *ret_value)
{
	int r = ss_cursor_u32(cursor, ret_value);

	if (r == 0)
		*ret_value = GUINT32_SWAP_LE_BE(*ret_value);
	return r;
}

/* The next length bytes as a string, not a copy: the last of them, and no other, is NUL. */
static inline int ss_cursor_text(struct ss_cursor *cursor, size_t length, const char **ret_text)
{
	if (length == 0 || length > cursor->length ||
	    memchr(cursor->data, 0, length) != cursor->data + length - 1)
		return -EBADMSG;
	*ret_text = (const char *)cursor->data;
	return ss_cursor_skip(cursor, length);
}

#endif
