/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pcapng blocks that user space makes (the kernel makes the frames'), appended to a byte array.
 * draft-ietf-opsawg-pcapng; numbers in format/pcapng.h. Strings longer than an option can hold are
 * cut.
 */
#ifndef SS_OUTPUT_BLOCK_H
#define SS_OUTPUT_BLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <glib.h>

#include "interface.h"

/* Type of a block that was a packet and is not to be written: the pump passes over it. Not in any
 * file. */
#define SS_BLOCK_LEFT_OUT 0x8000ffffu

void ss_block_section(GByteArray *bytes);
void ss_block_interface(GByteArray *bytes, const struct ss_interface *interface);
/* One name for one address in text form (IPv4 or IPv6); nothing if it is neither, or without a
 * name. */
void ss_block_name(GByteArray *bytes, const char *address, const char *name);
/* An event record on interface_id: json is one object, info the line for people. What readers would
 * refuse as too long (SS_PCAPNG_BLOCK_MAX) is cut off. */
void ss_block_event(GByteArray *bytes, uint32_t interface_id, uint64_t time_ns, const char *info,
		    const char *json);
/* Key log lines (NSS), each with its newline; in blocks of at most SS_DSB_MAX. */
void ss_block_secrets(GByteArray *bytes, const char *lines);
/* A frame that user space made. */
struct ss_block_frame {
	uint32_t interface_id;
	uint32_t length;
	uint64_t time_ns; /* UTC */
	const void *data;
	uint32_t flags;       /* SS_EPB_FLAG_*; 0: not said */
	const char *comment;  /* NULL without; cut at SS_BLOCK_COMMENT_MAX bytes */
	const void *metadata; /* TLVs of format/metadata.h, up to SS_BLOCK_METADATA_MAX bytes */
	uint32_t metadata_length;
};
#define SS_BLOCK_COMMENT_MAX  4096u
#define SS_BLOCK_METADATA_MAX 4096u
/* What readers would refuse as too long (SS_PCAPNG_BLOCK_MAX) is cut off the data; its original
 * length is kept. */
void ss_block_frame(GByteArray *bytes, const struct ss_block_frame *frame);
/* Times are UTC in nanoseconds. */
void ss_block_statistics(GByteArray *bytes, uint32_t interface_id, uint64_t start_ns,
			 uint64_t end_ns, const struct ss_interface_counters *counters);

/* A field of a finished block: four bytes, little-endian. */
static inline uint32_t ss_block_word(const void *bytes)
{
	uint32_t word;

	memcpy(&word, bytes, sizeof(word));
	return GUINT32_FROM_LE(word);
}

/* Of a whole block. */
uint32_t ss_block_type(const void *block);
/* The stamp of the Enhanced Packet Block at the front; 0 when there is none. */
uint64_t ss_block_time(const void *data, size_t length);
/* The value of a packet block's epb_flags; 0 when it has none. length: of the block. */
uint32_t ss_block_flags(const void *block, size_t length);
/* The process that the kernel named in a packet block: the value of SS_METADATA_PROCESS, pid first.
 * False if it names none. length: of the block, which need not be one of ours. */
bool ss_block_process(const void *block, size_t length, uint64_t *ret_process);
/* Likewise its container: the TLV SS_METADATA_CONTAINER, its first byte lowest. */
bool ss_block_container(const void *block, size_t length, uint64_t *ret_container);
/* That TLV, of a container's id; 0 if that is none. */
uint64_t ss_block_container_tlv(const char *id);
/* Says it in a packet block of the kernel part that names a process. */
void ss_block_set_container(void *block, size_t length, uint64_t container);
void ss_block_set_type(void *block, uint32_t type);
/* Of an Enhanced Packet Block. */
void ss_block_set_interface(void *block, uint32_t interface_id);
void ss_block_set_time(void *block, uint64_t time_ns);
/* Says in a packet block's option 2989 whether the frame is only there as context. One without such
 * an option stays as it is. */
void ss_block_set_context(void *block, size_t length, bool is_context);
bool ss_block_is_context(const void *block, size_t length);

#endif
