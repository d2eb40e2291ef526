/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Numbers of the pcapng file format that we write (draft-ietf-opsawg-pcapng, section in brackets).
 * Everything we write is little-endian: the capture is read on the machine that made it, or on
 * another little-endian one; readers learn it from the byte-order magic.
 */
#ifndef SS_FORMAT_PCAPNG_H
#define SS_FORMAT_PCAPNG_H

/* Block types. */
#define SS_PCAPNG_IDB 0x00000001u /* Interface Description Block [4.2] */
#define SS_PCAPNG_NRB 0x00000004u /* Name Resolution Block [4.5] */
#define SS_PCAPNG_ISB 0x00000005u /* Interface Statistics Block [4.6] */
#define SS_PCAPNG_EPB 0x00000006u /* Enhanced Packet Block [4.3] */
#define SS_PCAPNG_DSB 0x0000000Au /* Decryption Secrets Block [4.7] */
#define SS_PCAPNG_SHB 0x0A0D0D0Au /* Section Header Block [4.1] */

#define SS_PCAPNG_BYTE_ORDER_MAGIC 0x1A2B3C4Du

/* Options of every block. */
#define SS_OPT_END        0
#define SS_OPT_COMMENT    1
#define SS_OPT_CUSTOM_STR 2988 /* custom string, copied by editors; begins with a u32 PEN */
#define SS_OPT_CUSTOM_BIN 2989 /* custom binary, copied by editors; begins with a u32 PEN */

/* Section Header Block. */
#define SS_SHB_HARDWARE 2
#define SS_SHB_OS       3
#define SS_SHB_USERAPPL 4

/* Interface Description Block. */
#define SS_IF_NAME        2
#define SS_IF_DESCRIPTION 3
#define SS_IF_MACADDR     6  /* 6 bytes */
#define SS_IF_TSRESOL     9  /* 1 byte; 9 = nanoseconds */
#define SS_IF_FILTER      11 /* 1 byte 0 = pcap-filter string, then the string */
#define SS_IF_OS          12

/* Enhanced Packet Block. */
#define SS_EPB_FLAGS     2 /* u32, see SS_EPB_FLAG_* */
#define SS_EPB_DROPCOUNT 4 /* u64: frames of this interface lost since the previous one */

/* epb_flags [4.3]: bits 0-1 direction, 2-4 reception type. */
#define SS_EPB_FLAG_IN        0x1u
#define SS_EPB_FLAG_OUT       0x2u
#define SS_EPB_FLAG_UNICAST   (1u << 2)
#define SS_EPB_FLAG_MULTICAST (2u << 2)
#define SS_EPB_FLAG_BROADCAST (3u << 2)
#define SS_EPB_FLAG_PROMISC   (4u << 2)

/* Interface Statistics Block. */
#define SS_ISB_STARTTIME    2
#define SS_ISB_ENDTIME      3
#define SS_ISB_IFRECV       4 /* frames that reached the hook */
#define SS_ISB_IFDROP       5
#define SS_ISB_FILTERACCEPT 6 /* frames the capture filter let through */
#define SS_ISB_OSDROP       7 /* frames lost between hook and file, all causes */
#define SS_ISB_USRDELIV     8 /* frames in the file */

/* Name Resolution Block records. */
#define SS_NRB_END  0
#define SS_NRB_IPV4 1
#define SS_NRB_IPV6 2

/* Decryption Secrets Block: u32 type, u32 length, secrets. */
#define SS_DSB_TLS_KEYLOG 0x544c534bu /* NSS key log lines */
#define SS_DSB_MAX        0x10000u /* Wireshark 4.0 ends a capture at blocks of 256 KiB and more */

/* Link types (tcpdump.org/linktypes.html). */
#define SS_LINKTYPE_ETHERNET  1
#define SS_LINKTYPE_RAW       101 /* begins with an IPv4 or IPv6 header */
#define SS_LINKTYPE_UPPER_PDU 252 /* Wireshark "exported PDU" tags, then the payload */

/* Wireshark refuses a data block above this, options included (WTAP_MAX_PACKET_SIZE_STANDARD). */
#define SS_PCAPNG_BLOCK_MAX 262144u
/* 28 bytes EPB header, 4 trailing length. */
#define SS_EPB_HEADER_SIZE  28u
#define SS_EPB_TRAILER_SIZE 4u

/* Tags of an UPPER_PDU record: u16 tag, u16 length, both big-endian, then the value. A length is a
 * multiple of 4: it counts the NULs that pad a text. */
#define SS_PDU_TAG_END            0
#define SS_PDU_TAG_DISSECTOR_NAME 12
#define SS_PDU_TAG_COL_PROT_TEXT  33
#define SS_PDU_TAG_COL_INFO_TEXT  36
/* COL_PROT_TEXT of our event records: by it the plugin knows them. */
#define SS_PDU_PROTOCOL "StratoShark"

#endif
