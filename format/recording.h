/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The recording of a session's input: numbers. Described for readers in recording.md. */
#ifndef SS_FORMAT_RECORDING_H
#define SS_FORMAT_RECORDING_H

/* As PNG's: shows at once when a transfer changed line ends or cut the eighth bit. */
#define SS_RECORDING_MAGIC       "\x89SSR\r\n\x1a\n"
#define SS_RECORDING_MAGIC_SIZE  8u
#define SS_RECORDING_VERSION     2u  /* 2: SECRETS; a reader takes older ones, too */
#define SS_RECORDING_HEADER_SIZE 16u /* magic, u32 version, u32 zero */
#define SS_RECORDING_RECORD_SIZE 8u  /* u32 type, u32 length of the payload that follows */

/* A reader refuses longer payloads; a writer begins a new FRAMES record after so many bytes. */
#define SS_RECORDING_LENGTH_MAX 0x4000000u
#define SS_RECORDING_FRAMES_MAX 0x400000u

enum ss_recording_type {
	SS_RECORDING_INTERFACE = 1,
	SS_RECORDING_NAME = 2,
	SS_RECORDING_FRAMES = 3,
	SS_RECORDING_EVENT = 4,
	SS_RECORDING_COUNTERS = 5,
	SS_RECORDING_END = 6,
	SS_RECORDING_SECRETS = 7,
};

#endif
