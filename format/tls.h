/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the TLS probes tell user space: records in the BPF ring buffer of bpf/tls.bpf.c, read by
 * lib/source/tls.c, understood by lib/tls/. And the functions that can be probed, which lib/tls/
 * finds in files and lib/source/tls.c attaches to. Never leaves the machine: host byte order.
 *
 * Records hold secrets. Who copies one wipes the copy.
 */
#ifndef SS_FORMAT_TLS_H
#define SS_FORMAT_TLS_H

#include <linux/types.h>

/*
 * Functions of libraries and programs. A point is one place in one file: the entry of a function,
 * its return, or (Go, which forbids return probes) each of its return instructions.
 */
enum ss_tls_function {
	SS_TLS_EVP_KDF_DERIVE,     /* OpenSSL >= 3.0: entry and return; secrets */
	SS_TLS_EVP_PKEY_CTX_CTRL,  /* OpenSSL 1.1.1: entry */
	SS_TLS_EVP_PKEY_DERIVE,    /* OpenSSL 1.1.1: entry and return; secrets */
	SS_TLS_NETTLE_HKDF_EXPAND, /* GnuTLS' key schedule: entry and return; secrets of TLS 1.3 */
	SS_TLS_GO_KEYLOG, /* crypto/tls.(*Config).writeKeyLog: entry; label, random, secret */
	SS_TLS_BORING_LOG_SECRET, /* BoringSSL ssl_log_secret: entry; label, secret */
	SS_TLS_HKDF_EXPAND,       /* BoringSSL, AWS-LC (rustls): entry, return; TLS 1.3 */
	SS_TLS_RING_FILL_OKM,     /* ring::hkdf::fill_okm (rustls): entry, return; TLS 1.3 */
	SS_TLS_SSL_READ,          /* entry and return, as all of the SSL_ family */
	SS_TLS_SSL_READ_EX,
	SS_TLS_SSL_WRITE,
	SS_TLS_SSL_WRITE_EX,
	SS_TLS_SSL_READ_EARLY_DATA,
	SS_TLS_SSL_WRITE_EARLY_DATA,
	SS_TLS_SSL_HANDSHAKE, /* SSL_do_handshake, SSL_connect, SSL_accept */
	SS_TLS_SSL_FREE,      /* SSL_free, SSL_clear: entry */
	SS_TLS_SSL_SHUTDOWN,  /* entry */
	SS_TLS_BIO_WRITE,     /* BIO_write: entry; ciphertext fingerprints of memory BIOs */
	SS_TLS_GNUTLS_SEND,   /* gnutls_record_send and _send2, gnutls_record_recv: entry, return */
	SS_TLS_GNUTLS_RECV,
	SS_TLS_GNUTLS_DEINIT, /* entry */
	SS_TLS_GO_READ,       /* crypto/tls.(*Conn).Read, .Write: entry, then each RET */
	SS_TLS_GO_READ_RET,
	SS_TLS_GO_WRITE,
	SS_TLS_GO_WRITE_RET,
	SS_TLS_GO_CLOSE, /* crypto/tls.(*Conn).Close: entry */
	SS_TLS_FUNCTIONS
};

/* Of a point. */
#define SS_TLS_POINT_GO_STACK  0x1u /* Go <= 1.16: arguments on the stack, g at fs:-8 */
#define SS_TLS_POINT_WRITE_EX2 0x2u /* SSL_write_ex2: flags come before the written count */
#define SS_TLS_POINT_PATTERN   0x4u /* found by what it looks like: to be proved at run time */

/* What a probe's program knows of its point: the attach cookie. */
#define SS_TLS_COOKIE(library, function, flags)                                                    \
	((__u64)(library) | (__u64)(function) << 32 | (__u64)(flags) << 48)
#define SS_TLS_COOKIE_LIBRARY(cookie)  ((__u32)(cookie))
#define SS_TLS_COOKIE_FUNCTION(cookie) ((__u32)((cookie) >> 32) & 0xffffu)
#define SS_TLS_COOKIE_FLAGS(cookie)    ((__u32)((cookie) >> 48))

#define SS_TLS_PODS_MAX 4096 /* selected at once */

struct ss_tls_point {
	__u32 function; /* enum ss_tls_function */
	__u32 flags;    /* SS_TLS_POINT_* */
	__u64 offset;   /* in the file, bytes */
};

enum ss_tls_record_type {
	SS_TLS_RECORD_KDF = 1,  /* struct ss_tls_kdf: a key derivation and its result */
	SS_TLS_RECORD_LABELLED, /* struct ss_tls_labelled: a secret the library itself would log */
	SS_TLS_RECORD_DATA,     /* struct ss_tls_data: plaintext */
	SS_TLS_RECORD_CLOSE, /* struct ss_tls_close: the connection object is gone or shut down */
	SS_TLS_RECORD_EXEC,  /* struct ss_tls_record alone: a process of the pod began a program */
	SS_TLS_RECORD_EXIT,  /* likewise: it ended (its last thread) */
};

/* Begins every record. */
struct ss_tls_record {
	__u32 type;      /* enum ss_tls_record_type */
	__u32 size;      /* of the whole record, bytes */
	__u64 time_ns;   /* CLOCK_BOOTTIME: writes when they entered, the rest when they returned */
	__u64 cgroup_id; /* of the selected pod, as user space put it into the map of pods */
	__u32 pid, tid;  /* of the process, of the thread; in the host's pid namespace */
	__u32 library;   /* number user space gave to the file when it attached */
	__u32 cpu;
	char comm[16]; /* of the thread, not always NUL-terminated */
};

#define SS_TLS_SECRET_MAX 64 /* bytes */

enum ss_tls_kdf_kind {
	SS_TLS_KDF_EXTRACT = 1, /* HKDF-Extract(salt, key) */
	SS_TLS_KDF_EXPAND,      /* TLS 1.3 HKDF-Expand-Label(key, label, context) */
	SS_TLS_KDF_PRF, /* TLS 1.2 PRF(key = secret, label and seed): context holds label || seed */
};

/*
 * RFC 8446 7.1, RFC 5246 5. What a call did not have is of length 0; longer input is cut.
 *
 * EXTRACT with the label "derived" (OpenSSL >= 3.0) is two steps: salt is the secret before, and
 * the salt of RFC 8446 is Derive-Secret(salt, "derived", ""); without key it is zeros. EXTRACT
 * without label (OpenSSL 1.1.1) is the plain one, and has an EXPAND "derived" before it.
 * Derivations of record keys ("key", "iv") are left out.
 */
struct ss_tls_kdf {
	struct ss_tls_record head;
	__u8 kind; /* enum ss_tls_kdf_kind */
	__u8 key_length, salt_length, label_length, context_length, out_length;
	__u8 key_is_identity; /* 1: key is not the key, but equal for equal keys (GnuTLS) */
	__u8 unused;
	__u8 key[SS_TLS_SECRET_MAX]; /* EXTRACT: input keying material */
	__u8 salt[SS_TLS_SECRET_MAX];
	__u8 label[32];              /* EXPAND: without "tls13 "; EXTRACT: see above */
	__u8 context[160];           /* EXPAND: transcript hash; PRF: label || seed */
	__u8 out[SS_TLS_SECRET_MAX]; /* the beginning of the result */
};

struct ss_tls_labelled {
	struct ss_tls_record head;
	__u64 connection;                                /* SSL object or 0 */
	__u8 label_length, random_length, secret_length; /* random_length 0: not known here */
	__u8 unused[5];
	__u8 label[48]; /* "CLIENT_HANDSHAKE_TRAFFIC_SECRET" */
	__u8 random[32];
	__u8 secret[SS_TLS_SECRET_MAX];
};

enum ss_tls_socket_state {
	SS_TLS_SOCKET_UNKNOWN, /* not seen yet: memory BIO, or nothing sent since we attached */
	SS_TLS_SOCKET_INET,
	SS_TLS_SOCKET_NONE, /* TLS over a pipe, a unix socket */
};

/* IPv4 as ::ffff:a.b.c.d. Ports in host byte order. */
struct ss_tls_socket {
	__u8 local[16], remote[16];
	__u16 local_port, remote_port;
	__u8 state; /* enum ss_tls_socket_state */
	__u8 unused[3];
	__u32 netns; /* inode number */
	__u32 padding;
};

#define SS_TLS_DATA_MAX 16384u /* plaintext bytes in one record */

/*
 * A piece of one call's plaintext. position counts the bytes of this connection and direction since
 * it was first seen, lost ones included: a hole in it is a gap.
 */
struct ss_tls_data {
	struct ss_tls_record head;
	__u64 connection; /* pid and this name a connection until SS_TLS_RECORD_CLOSE */
	__u64 position;   /* of data[0] in the direction's stream */
	struct ss_tls_socket socket;
	__u32 length; /* of data; 0: nothing could be read, see lost */
	__u32 lost;   /* bytes of the call behind data that were not copied: budget, unreadable */
	__u32 moved; /* bytes the socket sent or received inside the call; 0: none, not seen, or the
		      * call has several records */
	__u8 write;  /* 1: the process sent it */
	__u8 pattern; /* 1: by a point that was found by pattern */
	__u8 unused[2];
	__u8 data[];
};

struct ss_tls_close {
	struct ss_tls_record head;
	__u64 connection;
	__u8 freed; /* 0: shut down, its memory may still be used */
	__u8 unused[7];
};

/* Why records were lost, per CPU. */
struct ss_tls_counters {
	__u64 records;
	__u64 ring_full;  /* records */
	__u64 lost_bytes; /* of plaintext, any reason */
	__u64 unreadable; /* user memory that could not be read */
};

#endif
