/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Libraries are told apart by the functions they define, whatever the file is called: a program
 * with OpenSSL inside shows the same symbols as libssl.so.3. What stands behind the table: which
 * of two ways to derive keys a libcrypto uses depends on its version, because some distributions
 * gave 1.1.1 an EVP_KDF_derive of another signature.
 *
 * Offsets of points are in the file, because that is what uprobes take.
 */
#include "tls/library.h"

#include <errno.h>
#include <string.h>

#include "tls/boringssl.h"
#include "tls/elf.h"
#include "tls/elf_search.h"
#include "tls/elf_symbols.h"
#include "tls/golang.h"

#define SCAN_MAX (1024 * 1024 * 1024) /* bytes looked at for version strings and the like */

/* What a function belongs to; several can be in one file. */
enum family {
	FAMILY_SSL = 1,         /* OpenSSL's libssl, or BoringSSL's */
	FAMILY_CRYPTO = 2,      /* OpenSSL's libcrypto */
	FAMILY_CRYPTO_3 = 4,    /* since 3.0 */
	FAMILY_BORING = 8,      /* what only BoringSSL and its descendants have */
	FAMILY_BORING_LOG = 16, /* its ssl_log_secret */
	FAMILY_GNUTLS = 32,
	FAMILY_NETTLE = 64,
	FAMILY_JAVA = 128,
	FAMILY_NSS = 256,
	FAMILY_OTHER = 512,
	FAMILY_CRYPTO_1 = 1024, /* libcrypto before 3.0, which says its version */
	FAMILY_RUSTLS = 2048,
	FAMILY_HKDF = 4096, /* BoringSSL's libcrypto, if it is nobody else's */
};

#define NO_POINT SS_TLS_FUNCTIONS

struct function {
	struct ss_elf_name name;
	unsigned family;
	enum ss_tls_function function;
	uint32_t flags;
	const char *detail; /* OTHER: the library's name */
};

static const struct function functions[] = {
	/* clang-format off */
	{{"SSL_read", false, false}, 0, SS_TLS_SSL_READ, 0, NULL},
	{{"SSL_read_ex", false, false}, 0, SS_TLS_SSL_READ_EX, 0, NULL},
	{{"SSL_write", false, false}, 0, SS_TLS_SSL_WRITE, 0, NULL},
	{{"SSL_write_ex", false, false}, 0, SS_TLS_SSL_WRITE_EX, 0, NULL},
	{{"SSL_write_ex2", false, false}, 0, SS_TLS_SSL_WRITE_EX, SS_TLS_POINT_WRITE_EX2, NULL},
	{{"SSL_read_early_data", false, false}, 0, SS_TLS_SSL_READ_EARLY_DATA, 0, NULL},
	{{"SSL_write_early_data", false, false}, 0, SS_TLS_SSL_WRITE_EARLY_DATA, 0, NULL},
	{{"SSL_do_handshake", false, false}, FAMILY_SSL, SS_TLS_SSL_HANDSHAKE, 0, NULL},
	{{"SSL_connect", false, false}, 0, SS_TLS_SSL_HANDSHAKE, 0, NULL},
	{{"SSL_accept", false, false}, 0, SS_TLS_SSL_HANDSHAKE, 0, NULL},
	{{"SSL_free", false, false}, 0, SS_TLS_SSL_FREE, 0, NULL},
	{{"SSL_clear", false, false}, 0, SS_TLS_SSL_FREE, 0, NULL},
	{{"SSL_shutdown", false, false}, 0, SS_TLS_SSL_SHUTDOWN, 0, NULL},
	{{"BIO_write", false, false}, 0, SS_TLS_BIO_WRITE, 0, NULL},
	{{"BIO_write_ex", false, false}, 0, SS_TLS_BIO_WRITE, 0, NULL},
	{{"EVP_KDF_fetch", false, false}, FAMILY_CRYPTO_3, NO_POINT, 0, NULL},
	{{"EVP_KDF_derive", false, false}, 0, SS_TLS_EVP_KDF_DERIVE, 0, NULL},
	{{"EVP_PKEY_CTX_ctrl", false, false}, 0, SS_TLS_EVP_PKEY_CTX_CTRL, 0, NULL},
	{{"EVP_PKEY_derive", false, false}, FAMILY_CRYPTO, SS_TLS_EVP_PKEY_DERIVE, 0, NULL},
	{{"SSL_CTX_set_grease_enabled", false, false}, FAMILY_BORING, NO_POINT, 0, NULL},
	{{"ssl_log_secret", false, false}, 0, SS_TLS_BORING_LOG_SECRET, 0, NULL},
	{{"_ZN4bssl14ssl_log_secretE", true, false}, FAMILY_BORING | FAMILY_BORING_LOG,
	 SS_TLS_BORING_LOG_SECRET, 0, NULL},
	{{"gnutls_record_send", false, false}, FAMILY_GNUTLS, SS_TLS_GNUTLS_SEND, 0, NULL},
	{{"gnutls_record_send2", false, false}, 0, SS_TLS_GNUTLS_SEND, 0, NULL},
	{{"gnutls_record_recv", false, false}, FAMILY_GNUTLS, SS_TLS_GNUTLS_RECV, 0, NULL},
	{{"gnutls_deinit", false, false}, 0, SS_TLS_GNUTLS_DEINIT, 0, NULL},
	{{"nettle_hkdf_expand", false, false}, FAMILY_NETTLE, SS_TLS_NETTLE_HKDF_EXPAND, 0, NULL},
	{{"HKDF_expand", false, false}, FAMILY_HKDF, SS_TLS_HKDF_EXPAND, 0, NULL},
	/* "aws_lc_0_31_0_HKDF_expand" */
	{{"_HKDF_expand", false, true}, 0, SS_TLS_HKDF_EXPAND, 0, NULL},
	/* Arguments as the Rust compiler likes, so what they are is proved at run time. */
	{{"_ZN4ring4hkdf8fill_okm17h", true, false}, 0, SS_TLS_RING_FILL_OKM, SS_TLS_POINT_PATTERN, NULL},
	{{"_4ring4hkdf8fill_okm", false, true}, 0, SS_TLS_RING_FILL_OKM, SS_TLS_POINT_PATTERN,
	 NULL},
	{{"JNI_CreateJavaVM", false, false}, FAMILY_JAVA, NO_POINT, 0, NULL},
	{{"SSL_ImportFD", false, false}, FAMILY_NSS, NO_POINT, 0, NULL},
	{{"NSS_NoDB_Init", false, false}, FAMILY_NSS, NO_POINT, 0, NULL},
	{{"mbedtls_ssl_read", false, false}, FAMILY_OTHER, NO_POINT, 0, "Mbed TLS"},
	{{"wolfSSL_read", false, false}, FAMILY_OTHER, NO_POINT, 0, "wolfSSL"},
	{{"s2n_recv", false, false}, FAMILY_OTHER, NO_POINT, 0, "s2n-tls"},
	{{"br_ssl_engine_recvapp_buf", false, false}, FAMILY_OTHER, NO_POINT, 0, "BearSSL"},
	{{"ptls_receive", false, false}, FAMILY_OTHER, NO_POINT, 0, "picotls"},
	/* clang-format on */
};

/* Which functions a kind is probed by. */
#define BIT(function) (UINT64_C(1) << (function))

static const uint64_t ssl_points = BIT(SS_TLS_SSL_READ) | BIT(SS_TLS_SSL_READ_EX) |
				   BIT(SS_TLS_SSL_WRITE) | BIT(SS_TLS_SSL_WRITE_EX) |
				   BIT(SS_TLS_SSL_READ_EARLY_DATA) |
				   BIT(SS_TLS_SSL_WRITE_EARLY_DATA) | BIT(SS_TLS_SSL_HANDSHAKE) |
				   BIT(SS_TLS_SSL_FREE) | BIT(SS_TLS_SSL_SHUTDOWN);
static const uint64_t gnutls_points =
	BIT(SS_TLS_GNUTLS_SEND) | BIT(SS_TLS_GNUTLS_RECV) | BIT(SS_TLS_GNUTLS_DEINIT);
static const uint64_t key_points = BIT(SS_TLS_EVP_KDF_DERIVE) | BIT(SS_TLS_EVP_PKEY_DERIVE) |
				   BIT(SS_TLS_NETTLE_HKDF_EXPAND) | BIT(SS_TLS_GO_KEYLOG) |
				   BIT(SS_TLS_BORING_LOG_SECRET) | BIT(SS_TLS_HKDF_EXPAND) |
				   BIT(SS_TLS_RING_FILL_OKM);
static const uint64_t plaintext_points = BIT(SS_TLS_SSL_READ) | BIT(SS_TLS_SSL_WRITE) |
					 BIT(SS_TLS_GNUTLS_SEND) | BIT(SS_TLS_GNUTLS_RECV) |
					 BIT(SS_TLS_GO_READ) | BIT(SS_TLS_GO_WRITE);

/* Texts that tell a version, or a library without symbols. */
enum marker {
	MARKER_OPENSSL,
	MARKER_LIBRESSL,
	MARKER_GNUTLS,
	MARKER_RUSTLS,
	MARKER_BORINGSSL, /* a source file of its */
	MARKER_LABEL,     /* who writes a key log, or could, has it */
	MARKERS,
};

#define MARKER(text)                                                                               \
	{                                                                                          \
		text, sizeof(text) - 1                                                             \
	}

static const struct ss_elf_pattern markers[MARKERS] = {
	[MARKER_OPENSSL] = MARKER("OpenSSL "),
	[MARKER_LIBRESSL] = MARKER("LibreSSL "),
	[MARKER_GNUTLS] = MARKER("Enabled GnuTLS "),
	[MARKER_RUSTLS] = MARKER("rustls-"),
	[MARKER_BORINGSSL] = MARKER("/ssl_lib.cc"),
	[MARKER_LABEL] = MARKER("CLIENT_HANDSHAKE_TRAFFIC_SECRET"),
};

struct found {
	size_t function; /* index in functions[] */
	uint64_t offset;
};

struct reading {
	struct ss_elf *elf;
	const char *name; /* base name of the file */
	GArray *found;    /* struct found */
	unsigned families;
	const char *other;
	char version[MARKERS][32]; /* "3.0.17"; empty: none */
	/* of the key log: C strings; or (Go, Rust) one behind the other */
	bool label_string, label_joined;
	bool boringssl;
	struct ss_tls_library *library;
};

static const struct {
	const char *name, *reason;
} kinds[SS_TLS_LIBRARY_KINDS] = {
	/* clang-format off */
	[SS_TLS_LIBRARY_NONE] = {"no TLS library", NULL},
	[SS_TLS_LIBRARY_OPENSSL] = {"OpenSSL", NULL},
	[SS_TLS_LIBRARY_GNUTLS] = {"GnuTLS", NULL},
	[SS_TLS_LIBRARY_GO] = {"Go crypto/tls", NULL},
	[SS_TLS_LIBRARY_BORINGSSL] = {"BoringSSL", NULL},
	[SS_TLS_LIBRARY_RUSTLS] = {"rustls",
		"rustls can be probed in programs that have their symbols and use ring or AWS-LC; "
		"let the program write a key log (rustls::KeyLogFile and SSLKEYLOGFILE), or "
		"capture lo where a sidecar does the TLS"},
	[SS_TLS_LIBRARY_JAVA] = {"Java (JSSE)",
		"Java does TLS in code that it compiles while running, whose secrets cannot be "
		"read from outside; use a key log agent such as extract-tls-secrets in the JVM, "
		"or capture lo where a sidecar does the TLS"},
	[SS_TLS_LIBRARY_NSS] = {"NSS",
		"NSS keeps its secrets behind handles and is not probed; start the program with "
		"SSLKEYLOGFILE"},
	[SS_TLS_LIBRARY_GO_OBFUSCATED] = {"Go, packed or obfuscated",
		"the program is packed (UPX) or obfuscated (garble), so that its functions cannot "
		"be found; run it as the Go toolchain built it, or set KeyLogWriter in its "
		"tls.Config"},
	[SS_TLS_LIBRARY_OTHER] = {"another TLS library",
		"this TLS library is not supported; start the program with SSLKEYLOGFILE if it "
		"knows that, or capture lo where a sidecar does the TLS"},
	/* clang-format on */
};

const char *ss_tls_library_kind_name(enum ss_tls_library_kind kind)
{
	return kind < SS_TLS_LIBRARY_KINDS ? kinds[kind].name : "unknown";
}

const char *ss_tls_library_reason(const struct ss_tls_library *library)
{
	return library->points->len ? NULL : kinds[library->kind].reason;
}

static void add_found(size_t index, uint64_t address, uint64_t size, void *user_data)
{
	struct reading *reading = user_data;
	struct found found = {index, 0};

	(void)size;
	if (ss_elf_code_offset(reading->elf, address, &found.offset) < 0)
		return;
	reading->families |= functions[index].family;
	if (functions[index].detail)
		reading->other = functions[index].detail;
	g_array_append_val(reading->found, found);
}

static void find_functions(struct reading *reading)
{
	struct ss_elf_name names[G_N_ELEMENTS(functions)];

	for (size_t i = 0; i < G_N_ELEMENTS(functions); i++)
		names[i] = functions[i].name;
	ss_elf_functions(reading->elf, names, G_N_ELEMENTS(names), add_found, reading);
}

static void add_point(struct ss_tls_library *library, enum ss_tls_function function, uint32_t flags,
		      uint64_t offset)
{
	struct ss_tls_point point = {function, flags, offset};

	for (guint i = 0; i < library->points->len; i++) {
		const struct ss_tls_point *other =
			&g_array_index(library->points, struct ss_tls_point, i);

		if (other->function == point.function && other->offset == point.offset)
			return;
	}
	g_array_append_val(library->points, point);
}

static bool has_point(const struct ss_tls_library *library, enum ss_tls_function function)
{
	for (guint i = 0; i < library->points->len; i++)
		if (g_array_index(library->points, struct ss_tls_point, i).function == function)
			return true;
	return false;
}

static void add_points(struct reading *reading, uint64_t wanted)
{
	for (guint i = 0; i < reading->found->len; i++) {
		const struct found *found = &g_array_index(reading->found, struct found, i);
		const struct function *function = &functions[found->function];

		if (function->function != NO_POINT && wanted & BIT(function->function))
			add_point(reading->library, function->function, function->flags,
				  found->offset);
	}
}

/* "3.0.17 1 Jul 2025", "3.7.9 logging": three numbers and a suffix. The length; 0: something else.
 */
static size_t version_length(const char *text)
{
	const char *p = text;

	for (unsigned number = 0; number < 3; number++) {
		if (!g_ascii_isdigit(*p))
			return 0;
		while (g_ascii_isdigit(*p))
			p++;
		if (number < 2 && *p++ != '.')
			return 0;
	}
	while (g_ascii_isalnum(*p) || *p == '-' || *p == '+')
		p++;
	/* "OpenSSL 1.1.1 (compatible; BoringSSL)" is somebody else's */
	return g_str_has_prefix(p, " (compatible") ? 0 : (size_t)(p - text);
}

static void found_label(struct reading *reading, const char *next)
{
	if (*next == '\0')
		reading->label_string = true;
	else
		reading->label_joined = true;
}

/* "tokio-rustls-0.26.6" has a version of its own. */
static bool has_prefix_name(struct ss_elf *elf, uint64_t offset)
{
	char before = 0;

	return offset && ss_elf_read(elf, offset - 1, &before, 1) == 0 && before == '-';
}

static bool found_marker(size_t marker, uint64_t offset, void *user_data)
{
	struct reading *reading = user_data;
	char text[sizeof(reading->version[0])];
	size_t length;

	if (reading->version[marker][0] ||
	    ss_elf_read_text(reading->elf, offset + markers[marker].length, text, sizeof(text)) < 0)
		return true;
	if (marker == MARKER_RUSTLS && has_prefix_name(reading->elf, offset))
		return true;
	if (marker == MARKER_LABEL) {
		found_label(reading, text);
		return true;
	}
	reading->boringssl = reading->boringssl || marker == MARKER_BORINGSSL;
	length = version_length(text);
	memcpy(reading->version[marker], text, length);
	reading->version[marker][length] = '\0';
	return true;
}

static void find_markers(struct reading *reading)
{
	uint64_t left = SCAN_MAX;
	size_t count;
	const struct ss_elf_segment *segments = ss_elf_segments(reading->elf, &count);

	for (size_t i = 0; i < count; i++) {
		uint64_t length = MIN(segments[i].size, left);

		ss_elf_search(reading->elf, segments[i].offset, length, markers, MARKERS,
			      found_marker, reading);
		left -= length;
	}
}

/* "OpenSSL 3.0.17", or without a version "OpenSSL (libssl.so.3)". */
static void set_detail(struct reading *reading, const char *name, const char *version)
{
	g_autofree char *soname = NULL;

	if (version && version[0]) {
		reading->library->detail = g_strdup_printf("%s %s", name, version);
		reading->library->versioned = true;
		return;
	}
	soname = ss_elf_soname(reading->elf);
	reading->library->detail =
		g_strdup_printf("%s (%s)", name, soname ? soname : reading->name);
}

static void read_go(struct reading *reading, struct ss_golang *golang)
{
	struct ss_tls_library *library = reading->library;

	library->detail =
		golang->version ? g_strconcat("Go ", golang->version, NULL) : g_strdup("Go");
	if (golang->points->len == 0) {
		library->kind = SS_TLS_LIBRARY_GO_OBFUSCATED;
		return;
	}
	library->kind = SS_TLS_LIBRARY_GO;
	g_array_append_vals(library->points, golang->points->data, golang->points->len);
}

/* The loader that UPX puts in front of a packed program says so. */
static bool is_packed(struct ss_elf *elf)
{
	char head[512];
	size_t length = (size_t)MIN(sizeof(head), ss_elf_size(elf));

	return ss_elf_read(elf, 0, head, length) == 0 && memmem(head, length, "UPX!", 4);
}

/* A function that is not exported, so shared libraries have no symbol for it. */
static bool add_boring_log(struct reading *reading, uint64_t *ret_offset)
{
	if (has_point(reading->library, SS_TLS_BORING_LOG_SECRET) || !reading->label_string ||
	    ss_boringssl_find(reading->elf, ret_offset) < 0)
		return false;
	add_point(reading->library, SS_TLS_BORING_LOG_SECRET, SS_TLS_POINT_PATTERN, *ret_offset);
	return true;
}

static void add_boring_calls(struct reading *reading, uint64_t log)
{
	struct ss_boringssl_calls calls;

	if (ss_boringssl_find_calls(reading->elf, log, &calls) < 0)
		return;
	add_point(reading->library, SS_TLS_SSL_READ, SS_TLS_POINT_PATTERN, calls.read);
	add_point(reading->library, SS_TLS_SSL_WRITE, SS_TLS_POINT_PATTERN, calls.write);
}

static void read_boringssl(struct reading *reading)
{
	uint64_t log;

	reading->library->kind = SS_TLS_LIBRARY_BORINGSSL;
	reading->library->detail = g_strdup("BoringSSL");
	add_points(reading, ssl_points | BIT(SS_TLS_BORING_LOG_SECRET));
	add_boring_log(reading, &log);
}

/* Its TLS 1.3 derives everything there. */
static void read_boring_crypto(struct reading *reading)
{
	reading->library->kind = SS_TLS_LIBRARY_BORINGSSL;
	set_detail(reading, "BoringSSL", NULL);
	add_points(reading, BIT(SS_TLS_HKDF_EXPAND));
}

static void read_openssl(struct reading *reading)
{
	const char *version = reading->version[MARKER_OPENSSL];
	uint64_t wanted = ssl_points | BIT(SS_TLS_BIO_WRITE);

	reading->library->kind = SS_TLS_LIBRARY_OPENSSL;
	if (reading->version[MARKER_LIBRESSL][0]) {
		set_detail(reading, "LibreSSL", reading->version[MARKER_LIBRESSL]);
		add_points(reading, wanted);
		return;
	}
	set_detail(reading, "OpenSSL", version);
	if (reading->families & FAMILY_CRYPTO_3)
		wanted |= BIT(SS_TLS_EVP_KDF_DERIVE);
	else if (g_str_has_prefix(version, "1.1."))
		wanted |= BIT(SS_TLS_EVP_PKEY_CTX_CTRL) | BIT(SS_TLS_EVP_PKEY_DERIVE);
	add_points(reading, wanted);
}

static void read_gnutls(struct reading *reading)
{
	reading->library->kind = SS_TLS_LIBRARY_GNUTLS;
	if (reading->families & FAMILY_GNUTLS)
		set_detail(reading, "GnuTLS", reading->version[MARKER_GNUTLS]);
	else
		set_detail(reading, "Nettle", NULL);
	add_points(reading, gnutls_points | BIT(SS_TLS_NETTLE_HKDF_EXPAND));
}

/* Its symbols are there, or at least the labels of its key log; ring is used by others, too. */
static void read_rustls(struct reading *reading)
{
	reading->library->kind = SS_TLS_LIBRARY_RUSTLS;
	set_detail(reading, "rustls", reading->version[MARKER_RUSTLS]);
	add_points(reading, BIT(SS_TLS_RING_FILL_OKM) | BIT(SS_TLS_HKDF_EXPAND));
}

static void read_java(struct reading *reading)
{
	reading->library->kind = SS_TLS_LIBRARY_JAVA;
	set_detail(reading, "Java", NULL);
}

static void read_nss(struct reading *reading)
{
	g_autofree char *soname = ss_elf_soname(reading->elf);

	reading->library->kind = SS_TLS_LIBRARY_NSS;
	reading->library->detail = g_strdup_printf("%s (NSS)", soname ? soname : reading->name);
}

static void read_other(struct reading *reading)
{
	reading->library->kind = SS_TLS_LIBRARY_OTHER;
	reading->library->detail = g_strdup(reading->other);
}

/* The first whose functions are there; more particular ones come first. */
static const struct {
	unsigned families; /* all of them */
	void (*read)(struct reading *reading);
} readers[] = {
	{FAMILY_SSL | FAMILY_BORING, read_boringssl},
	{FAMILY_BORING_LOG, read_boringssl},
	{FAMILY_SSL, read_openssl},
	/* not BoringSSL's libcrypto, which derives keys without these functions */
	{FAMILY_CRYPTO | FAMILY_CRYPTO_3, read_openssl},
	{FAMILY_CRYPTO | FAMILY_CRYPTO_1, read_openssl},
	{FAMILY_GNUTLS, read_gnutls},
	{FAMILY_NETTLE, read_gnutls},
	{FAMILY_JAVA, read_java},
	{FAMILY_NSS, read_nss},
	{FAMILY_OTHER, read_other},
	{FAMILY_RUSTLS, read_rustls},
	{FAMILY_HKDF, read_boring_crypto},
};

unsigned ss_tls_point_part(const struct ss_tls_point *point)
{
	if (!(point->flags & SS_TLS_POINT_PATTERN))
		return 0;
	return key_points & BIT(point->function) ? SS_TLS_PART_KEYS : SS_TLS_PART_PLAINTEXT;
}

static void set_abilities(struct ss_tls_library *library)
{
	uint64_t have = 0;

	for (guint i = 0; i < library->points->len; i++) {
		const struct ss_tls_point *point =
			&g_array_index(library->points, struct ss_tls_point, i);

		have |= BIT(point->function);
		library->unproven |= ss_tls_point_part(point);
	}
	library->keys = have & key_points;
	library->plaintext = have & plaintext_points;
}

/* false: no Go program, or one without TLS of Go's own. */
static bool read_kind_go(struct reading *reading)
{
	struct ss_golang golang;
	bool known;

	if (ss_golang_read(reading->elf, &golang) < 0)
		return false;
	find_markers(reading);
	/* with tables, but without names: TLS is there if its labels are */
	known = golang.points->len || !golang.tables || reading->label_joined;
	if (known)
		read_go(reading, &golang);
	ss_golang_deinit(&golang);
	return known;
}

/* Without symbols: by the labels of the key log and what is known about the rest. */
static void read_kind_stripped(struct reading *reading)
{
	struct ss_tls_library *library = reading->library;
	const char *openssl = reading->version[MARKER_OPENSSL];
	uint64_t offset;

	if (reading->label_string && openssl[0]) {
		library->kind = SS_TLS_LIBRARY_OTHER;
		library->detail = g_strdup_printf("OpenSSL %s, built in without symbols", openssl);
	} else if (reading->label_string && reading->boringssl) {
		library->kind = SS_TLS_LIBRARY_BORINGSSL;
		library->detail = g_strdup("BoringSSL, without symbols");
		if (add_boring_log(reading, &offset))
			add_boring_calls(reading, offset);
	}
}

static void read_kind(struct reading *reading)
{
	if (is_packed(reading->elf)) {
		reading->library->kind = SS_TLS_LIBRARY_GO_OBFUSCATED;
		reading->library->detail = g_strdup("packed by UPX");
		return;
	}
	if (read_kind_go(reading))
		return;
	find_functions(reading);
	find_markers(reading);
	if (g_str_has_prefix(reading->version[MARKER_OPENSSL], "1.") ||
	    reading->version[MARKER_LIBRESSL][0])
		reading->families |= FAMILY_CRYPTO_1;
	if (reading->label_joined && reading->version[MARKER_RUSTLS][0])
		reading->families |= FAMILY_RUSTLS;
	for (size_t i = 0; i < G_N_ELEMENTS(readers); i++) {
		if ((reading->families & readers[i].families) != readers[i].families)
			continue;
		readers[i].read(reading);
		return;
	}
	read_kind_stripped(reading);
}

int ss_tls_library_read(int fd, const char *name, struct ss_tls_library *ret_library,
			struct ss_error *error)
{
	struct ss_tls_library library = {};
	g_autofree char *base = g_path_get_basename(name);
	struct reading reading = {.name = base, .library = &library};
	int r = ss_elf_new(fd, &reading.elf);

	if (r == -EBADMSG)
		return ss_fail(error, r, "'%s' is not an ELF file for x86-64 or arm64", name);
	if (r < 0)
		return ss_fail(error, r, "cannot read '%s': %s", name, g_strerror(-r));
	library.points = g_array_new(FALSE, FALSE, sizeof(struct ss_tls_point));
	reading.found = g_array_new(FALSE, FALSE, sizeof(struct found));
	read_kind(&reading);
	set_abilities(&library);
	g_array_unref(reading.found);
	ss_elf_free(reading.elf);
	*ret_library = library;
	return 0;
}

void ss_tls_library_deinit(struct ss_tls_library *library)
{
	g_clear_pointer(&library->detail, g_free);
	g_clear_pointer(&library->points, g_array_unref);
	*library = (struct ss_tls_library){};
}
