/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes a TCP connection. Every packet acknowledges all that the other end has sent, so readers
 * find nothing lost or retransmitted; the window is the largest there is, for nobody acknowledges
 * in a long one-sided transfer (an empty ACK every 256 MiB keeps within it).
 *
 * TLS_RSA_WITH_NULL_SHA: readers take the records' content as it is, and can't check its MAC, which
 * is zero, without the session's keys. So there is no Finished, and there must never be a key log
 * line for the made-up client random.
 */
#include "tls/synth.h"

#include <string.h>

#include <glib.h>

#define RECORD_MAX      16384u /* plaintext bytes in a TLS record */
#define MAC_SIZE        20u    /* SHA-1 */
#define RECORD_OVERHEAD (5 + MAC_SIZE)
#define TLS_VERSION     0x0303 /* 1.2 */
#define CIPHER_NULL     0x0002 /* TLS_RSA_WITH_NULL_SHA */
#define UNACKED_MAX     (256u << 20)
#define WINDOW          UINT16_MAX
#define WINDOW_SCALE    14
#define TTL             64
#define IPV4_SIZE       20u
#define IPV6_SIZE       40u
#define TCP_SIZE        20u
#define PROTOCOL_TCP    6
#define SEGMENT_MAX     1460
#define DONT_FRAGMENT   0x4000

enum tcp_flags { FIN = 0x01, SYN = 0x02, PSH = 0x08, ACK = 0x10 };
enum tls_content { CHANGE_CIPHER_SPEC = 20, HANDSHAKE = 22, APPLICATION_DATA = 23 };
enum tls_handshake { CLIENT_HELLO = 1, SERVER_HELLO = 2 };
enum tls_extension { SERVER_NAME = 0, APPLICATION_PROTOCOL = 16 };

struct end {
	uint8_t address[16];
	uint16_t port, ip_id;
	uint32_t next;    /* sequence number */
	uint32_t unacked; /* bytes since the other end's last packet */
};

struct ss_tls_synth {
	struct end ends[2]; /* local, remote */
	bool local_is_client, raw, ipv6;
	char *alpn, *server_name;
	uint32_t seed;
	uint64_t last_ns;
	ss_tls_synth_emit emit;
	void *user_data;
};

static void put_u8(GByteArray *bytes, unsigned value)
{
	uint8_t byte = (uint8_t)value;

	g_byte_array_append(bytes, &byte, 1);
}

static void put_u16(GByteArray *bytes, unsigned value)
{
	put_u8(bytes, value >> 8);
	put_u8(bytes, value & 0xff);
}

static void put_u32(GByteArray *bytes, uint32_t value)
{
	put_u16(bytes, value >> 16);
	put_u16(bytes, value & 0xffff);
}

static void put_text(GByteArray *bytes, const char *text)
{
	g_byte_array_append(bytes, (const guint8 *)text, (guint)strlen(text));
}

static void put_zeros(GByteArray *bytes, size_t length)
{
	guint start = bytes->len;

	g_byte_array_set_size(bytes, start + (guint)length);
	memset(bytes->data + start, 0, length);
}

/* Leaves room for a length of two bytes, counts what was put behind it. */
static guint begin_length(GByteArray *bytes)
{
	put_u16(bytes, 0);
	return bytes->len;
}

static void end_length(GByteArray *bytes, guint start)
{
	guint length = bytes->len - start;

	bytes->data[start - 2] = (uint8_t)(length >> 8);
	bytes->data[start - 1] = (uint8_t)length;
}

/* RFC 1071, not yet folded and inverted. */
static uint32_t sum(const uint8_t *data, size_t length, uint32_t value)
{
	for (; length >= 2; data += 2, length -= 2)
		value += (uint32_t)data[0] << 8 | data[1];
	return length ? value + ((uint32_t)data[0] << 8) : value;
}

static void put_checksum(uint8_t *at, uint32_t value)
{
	while (value >> 16)
		value = (value & 0xffff) + (value >> 16);
	value = ~value;
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void wipe(GByteArray *bytes)
{
	explicit_bzero(bytes->data, bytes->len);
	g_byte_array_unref(bytes);
}

static void put_ip(const struct ss_tls_synth *synth, GByteArray *packet, struct end *from,
		   const struct end *to, unsigned length)
{
	if (synth->ipv6) {
		put_u32(packet, 0x60000000);
		put_u16(packet, length);
		put_u8(packet, PROTOCOL_TCP);
		put_u8(packet, TTL);
		g_byte_array_append(packet, from->address, 16);
		g_byte_array_append(packet, to->address, 16);
		return;
	}
	put_u16(packet, 0x4500);
	put_u16(packet, IPV4_SIZE + length);
	put_u16(packet, ++from->ip_id);
	put_u16(packet, DONT_FRAGMENT);
	put_u8(packet, TTL);
	put_u8(packet, PROTOCOL_TCP);
	put_u16(packet, 0);
	g_byte_array_append(packet, from->address + 12, 4);
	g_byte_array_append(packet, to->address + 12, 4);
	put_checksum(packet->data + 10, sum(packet->data, IPV4_SIZE, 0));
}

static void put_syn_options(GByteArray *packet)
{
	put_u8(packet, 2); /* maximum segment size */
	put_u8(packet, 4);
	put_u16(packet, SEGMENT_MAX);
	put_u8(packet, 1); /* no operation, to align */
	put_u8(packet, 3); /* window scale */
	put_u8(packet, 3);
	put_u8(packet, WINDOW_SCALE);
}

static void segment(struct ss_tls_synth *synth, bool out, unsigned flags, const uint8_t *data,
		    size_t length, uint64_t time_ns, const char *comment)
{
	struct end *from = &synth->ends[out ? 0 : 1], *to = &synth->ends[out ? 1 : 0];
	unsigned options = flags & SYN ? 8 : 0, ip = synth->ipv6 ? IPV6_SIZE : IPV4_SIZE;
	unsigned tcp_length = TCP_SIZE + options + (unsigned)length;
	GByteArray *packet = g_byte_array_sized_new(ip + tcp_length);
	uint32_t pseudo;

	put_ip(synth, packet, from, to, tcp_length);
	put_u16(packet, from->port);
	put_u16(packet, to->port);
	put_u32(packet, from->next);
	put_u32(packet, flags & ACK ? to->next : 0);
	put_u16(packet, (TCP_SIZE + options) / 4 << 12 | flags);
	put_u16(packet, WINDOW);
	put_u32(packet, 0);
	if (options)
		put_syn_options(packet);
	g_byte_array_append(packet, data, (guint)length);
	pseudo = sum(from->address, 16, sum(to->address, 16, PROTOCOL_TCP + tcp_length));
	if (!synth->ipv6) /* the ffff of mapped addresses does not count */
		pseudo = sum(from->address + 12, 4,
			     sum(to->address + 12, 4, PROTOCOL_TCP + tcp_length));
	put_checksum(packet->data + ip + 16, sum(packet->data + ip, tcp_length, pseudo));

	from->next += (uint32_t)length + (flags & (SYN | FIN) ? 1 : 0);
	from->unacked += (uint32_t)length;
	to->unacked = 0;
	synth->last_ns = MAX(synth->last_ns, time_ns);
	synth->emit(
		&(struct ss_tls_synth_packet){
			.time_ns = synth->last_ns,
			.out = out,
			.data = packet->data,
			.length = packet->len,
			.comment = comment,
		},
		synth->user_data);
	wipe(packet);
	if (from->unacked >= UNACKED_MAX)
		segment(synth, !out, ACK, NULL, 0, time_ns, NULL);
}

static guint begin_record(GByteArray *record, enum tls_content type)
{
	put_u8(record, type);
	put_u16(record, TLS_VERSION);
	return begin_length(record);
}

static void put_alpn(GByteArray *record, const char *alpn)
{
	guint extension, list;

	put_u16(record, APPLICATION_PROTOCOL);
	extension = begin_length(record);
	list = begin_length(record);
	put_u8(record, (unsigned)strlen(alpn));
	put_text(record, alpn);
	end_length(record, list);
	end_length(record, extension);
}

static void put_server_name(GByteArray *record, const char *name)
{
	guint extension, list, entry;

	put_u16(record, SERVER_NAME);
	extension = begin_length(record);
	list = begin_length(record);
	put_u8(record, 0); /* host_name */
	entry = begin_length(record);
	put_text(record, name);
	end_length(record, entry);
	end_length(record, list);
	end_length(record, extension);
}

/* RFC 5246 7.4.1: no session id, one cipher, no compression. */
static void put_hello(const struct ss_tls_synth *synth, GByteArray *record, enum tls_handshake type)
{
	static const char random[] = "StratoShark: made-up session"; /* then the seed */
	guint start, message, extensions;

	G_STATIC_ASSERT(sizeof(random) - 1 == 28);
	start = begin_record(record, HANDSHAKE);
	put_u8(record, type);
	put_u8(record, 0); /* the length has three bytes */
	message = begin_length(record);
	put_u16(record, TLS_VERSION);
	g_byte_array_append(record, (const guint8 *)random, sizeof(random) - 1);
	put_u32(record, synth->seed);
	put_u8(record, 0);
	if (type == CLIENT_HELLO) {
		put_u16(record, 2);
		put_u16(record, CIPHER_NULL);
		put_u16(record, 0x0100); /* one method: null */
	} else {
		put_u16(record, CIPHER_NULL);
		put_u8(record, 0);
	}
	if (synth->alpn || (type == CLIENT_HELLO && synth->server_name)) {
		extensions = begin_length(record);
		if (type == CLIENT_HELLO && synth->server_name)
			put_server_name(record, synth->server_name);
		if (synth->alpn)
			put_alpn(record, synth->alpn);
		end_length(record, extensions);
	}
	end_length(record, message);
	end_length(record, start);
}

static void put_change_cipher_spec(GByteArray *record)
{
	guint start = begin_record(record, CHANGE_CIPHER_SPEC);

	put_u8(record, 1);
	end_length(record, start);
}

/* Takes the bytes. */
static void send(struct ss_tls_synth *synth, bool out, GByteArray *bytes, uint64_t time_ns,
		 const char *comment)
{
	segment(synth, out, PSH | ACK, bytes->data, bytes->len, time_ns, comment);
	wipe(bytes);
}

struct ss_tls_synth *ss_tls_synth_new(const struct ss_tls_synth_options *options,
				      ss_tls_synth_emit emit, void *user_data)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	const struct ss_tls_socket *socket = &options->socket;
	struct ss_tls_synth *synth = g_new0(struct ss_tls_synth, 1);

	memcpy(synth->ends[0].address, socket->local, 16);
	memcpy(synth->ends[1].address, socket->remote, 16);
	synth->ends[0].port = socket->local_port;
	synth->ends[1].port = socket->remote_port;
	synth->ends[0].next = options->seed;
	synth->ends[1].next = options->seed * 2654435761u + 1; /* any other number */
	synth->ipv6 = memcmp(socket->local, mapped, sizeof(mapped)) ||
		      memcmp(socket->remote, mapped, sizeof(mapped));
	synth->local_is_client = options->local_is_client;
	synth->raw = options->raw;
	synth->alpn = g_strdup(options->alpn);
	synth->server_name = g_strdup(options->server_name);
	synth->seed = options->seed;
	synth->emit = emit;
	synth->user_data = user_data;
	return synth;
}

void ss_tls_synth_free(struct ss_tls_synth *synth)
{
	if (!synth)
		return;
	g_free(synth->alpn);
	g_free(synth->server_name);
	g_free(synth);
}

void ss_tls_synth_open(struct ss_tls_synth *synth, uint64_t time_ns, const char *comment)
{
	bool client = synth->local_is_client;
	GByteArray *record;

	segment(synth, client, SYN, NULL, 0, time_ns, comment);
	segment(synth, !client, SYN | ACK, NULL, 0, time_ns, NULL);
	segment(synth, client, ACK, NULL, 0, time_ns, NULL);
	if (synth->raw)
		return;

	record = g_byte_array_new();
	put_hello(synth, record, CLIENT_HELLO);
	send(synth, client, record, time_ns, NULL);
	record = g_byte_array_new();
	put_hello(synth, record, SERVER_HELLO);
	put_change_cipher_spec(record);
	send(synth, !client, record, time_ns, NULL);
	record = g_byte_array_new();
	put_change_cipher_spec(record);
	send(synth, client, record, time_ns, NULL);
}

void ss_tls_synth_data(struct ss_tls_synth *synth, bool out, const uint8_t *data, size_t length,
		       uint64_t time_ns, const char *comment)
{
	while (length) {
		size_t part = MIN(length, RECORD_MAX);
		GByteArray *record = g_byte_array_sized_new((guint)part + RECORD_OVERHEAD);
		guint start = 0;

		if (!synth->raw)
			start = begin_record(record, APPLICATION_DATA);
		if (data)
			g_byte_array_append(record, data, (guint)part);
		else
			put_zeros(record, part);
		if (!synth->raw) {
			put_zeros(record, MAC_SIZE);
			end_length(record, start);
		}
		send(synth, out, record, time_ns, comment);
		comment = NULL;
		data = data ? data + part : NULL;
		length -= part;
	}
}

void ss_tls_synth_close(struct ss_tls_synth *synth, bool out, uint64_t time_ns, const char *comment)
{
	segment(synth, out, FIN | ACK, NULL, 0, time_ns, comment);
	segment(synth, !out, FIN | ACK, NULL, 0, time_ns, NULL);
	segment(synth, out, ACK, NULL, 0, time_ns, NULL);
}
