/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The Huffman code of HTTP/2 header fields (RFC 7541 5.2, B), decoded bit by bit. */
#ifndef SS_TLS_HUFFMAN_H
#define SS_TLS_HUFFMAN_H

#include <stdint.h>

/* Zero is the beginning of a symbol. */
struct ss_huffman {
	uint32_t code, first, index;
	uint8_t length;
};

#define SS_HUFFMAN_MORE    -1 /* the symbol is not complete */
#define SS_HUFFMAN_INVALID -2 /* no symbol has such a code, or the end of string does */

/* A byte, or one of the above. */
int ss_huffman_bit(struct ss_huffman *huffman, unsigned bit);

/* '*' has a code of eight bits: as many octets of it are a string of asterisks. */
#define SS_HUFFMAN_ASTERISK 0xf9u

#endif
