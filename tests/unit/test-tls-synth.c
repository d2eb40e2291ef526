/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tls/synth.h"

#include <arpa/inet.h>
#include <string.h>

#include <glib.h>

#define TCP 20 /* offset in IPv4 */

struct packet {
	uint64_t time_ns;
	bool out;
	char *comment;
	GByteArray *bytes;
};

static void packet_free(gpointer data)
{
	struct packet *packet = data;

	g_byte_array_unref(packet->bytes);
	g_free(packet->comment);
	g_free(packet);
}

static void keep(const struct ss_tls_synth_packet *packet, void *user_data)
{
	struct packet *copy = g_new0(struct packet, 1);

	copy->time_ns = packet->time_ns;
	copy->out = packet->out;
	copy->comment = g_strdup(packet->comment);
	copy->bytes = g_byte_array_new();
	g_byte_array_append(copy->bytes, packet->data, packet->length);
	g_ptr_array_add(user_data, copy);
}

static struct ss_tls_synth_options options_of(const char *local, const char *remote, uint32_t seed)
{
	struct ss_tls_synth_options options = {.local_is_client = true, .seed = seed};

	g_assert_cmpint(inet_pton(AF_INET6, local, options.socket.local), ==, 1);
	g_assert_cmpint(inet_pton(AF_INET6, remote, options.socket.remote), ==, 1);
	options.socket.local_port = 41000;
	options.socket.remote_port = 443;
	return options;
}

static uint32_t number_at(const struct packet *packet, guint offset)
{
	uint32_t value;

	g_assert_cmpuint(offset + 4, <=, packet->bytes->len);
	memcpy(&value, packet->bytes->data + offset, 4);
	return g_ntohl(value);
}

static const struct packet *nth(const GPtrArray *packets, guint n)
{
	g_assert_cmpuint(n, <, packets->len);
	return g_ptr_array_index(packets, n);
}

/* Each packet begins where the one before it of its direction ended, and acknowledges all of the
 * other one. */
static void assert_continuous(const GPtrArray *packets)
{
	uint32_t next[2] = {0};
	bool seen[2] = {false, false};

	for (guint i = 0; i < packets->len; i++) {
		const struct packet *packet = nth(packets, i);
		uint32_t flags = number_at(packet, TCP + 12) >> 16;
		guint header = TCP + 4 * (flags >> 12);

		if (seen[packet->out])
			g_assert_cmpuint(number_at(packet, TCP + 4), ==, next[packet->out]);
		if (seen[!packet->out])
			g_assert_cmpuint(number_at(packet, TCP + 8), ==, next[!packet->out]);
		seen[packet->out] = true;
		next[packet->out] = number_at(packet, TCP + 4) + packet->bytes->len - header +
				    (flags & 3 ? 1 : 0); /* FIN, SYN */
	}
}

static void test_sequence_numbers_wrap(void)
{
	const struct ss_tls_synth_options options =
		options_of("::ffff:10.0.0.1", "::ffff:10.0.0.2", UINT32_MAX - 20000);
	g_autoptr(GPtrArray) packets = g_ptr_array_new_with_free_func(packet_free);
	struct ss_tls_synth *synth = ss_tls_synth_new(&options, keep, packets);

	ss_tls_synth_open(synth, 1, NULL);
	for (int i = 0; i < 10; i++) {
		ss_tls_synth_data(synth, true, NULL, 16384, 2, NULL);
		ss_tls_synth_data(synth, false, NULL, 100, 3, NULL);
	}
	ss_tls_synth_close(synth, true, 4, NULL);
	ss_tls_synth_free(synth);
	g_assert_cmpuint(packets->len, ==, 6 + 20 + 3);
	assert_continuous(packets);
}

static void test_records_are_of_legal_size(void)
{
	const struct ss_tls_synth_options options =
		options_of("::ffff:10.0.0.1", "::ffff:10.0.0.2", 1);
	g_autoptr(GPtrArray) packets = g_ptr_array_new_with_free_func(packet_free);
	struct ss_tls_synth *synth = ss_tls_synth_new(&options, keep, packets);

	ss_tls_synth_data(synth, true, NULL, 40000, 1, "once");
	ss_tls_synth_free(synth);
	g_assert_cmpuint(packets->len, ==, 3);
	g_assert_cmpuint(nth(packets, 0)->bytes->len, ==, TCP + 20 + 5 + 16384 + 20);
	g_assert_cmpuint(nth(packets, 2)->bytes->len, ==, TCP + 20 + 5 + 40000 - 2 * 16384 + 20);
	g_assert_cmpstr(nth(packets, 0)->comment, ==, "once");
	g_assert_cmpstr(nth(packets, 1)->comment, ==, NULL);
	assert_continuous(packets);
}

static void test_time_never_goes_back(void)
{
	const struct ss_tls_synth_options options =
		options_of("::ffff:10.0.0.1", "::ffff:10.0.0.2", 1);
	g_autoptr(GPtrArray) packets = g_ptr_array_new_with_free_func(packet_free);
	struct ss_tls_synth *synth = ss_tls_synth_new(&options, keep, packets);

	ss_tls_synth_data(synth, true, NULL, 1, 50, NULL);
	ss_tls_synth_data(synth, false, NULL, 1, 40, NULL);
	ss_tls_synth_data(synth, true, NULL, 1, 60, NULL);
	ss_tls_synth_free(synth);
	g_assert_cmpuint(nth(packets, 1)->time_ns, ==, 50);
	g_assert_cmpuint(nth(packets, 2)->time_ns, ==, 60);
}

/* Sum of a whole packet with its pseudo-header, checksum included: all ones. */
static uint32_t folded(const uint8_t *data, size_t length, uint32_t sum)
{
	for (size_t i = 0; i < length; i++)
		sum += i % 2 ? data[i] : (uint32_t)data[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void test_checksums(void)
{
	static const char *const ends[][2] = {{"::ffff:10.0.0.1", "::ffff:10.0.0.2"},
					      {"fd00::1", "fd00::2"}};

	for (size_t i = 0; i < G_N_ELEMENTS(ends); i++) {
		const struct ss_tls_synth_options options =
			options_of(ends[i][0], ends[i][1], 12345);
		g_autoptr(GPtrArray) packets = g_ptr_array_new_with_free_func(packet_free);
		struct ss_tls_synth *synth = ss_tls_synth_new(&options, keep, packets);

		ss_tls_synth_open(synth, 1, NULL);
		ss_tls_synth_data(synth, true, (const uint8_t *)"odd", 3, 1, NULL);
		ss_tls_synth_free(synth);
		for (guint n = 0; n < packets->len; n++) {
			const GByteArray *bytes = nth(packets, n)->bytes;
			guint ip = i ? 40 : 20, from = i ? 8 : 12, length = bytes->len - ip;

			if (!i)
				g_assert_cmphex(folded(bytes->data, ip, 0), ==, 0xffff);
			g_assert_cmphex(folded(bytes->data + ip, length,
					       folded(bytes->data + from, ip - from, 6 + length)),
					==, 0xffff);
		}
	}
}

static void test_raw(void)
{
	struct ss_tls_synth_options options = options_of("::ffff:10.0.0.1", "::ffff:10.0.0.2", 1);
	g_autoptr(GPtrArray) packets = g_ptr_array_new_with_free_func(packet_free);
	struct ss_tls_synth *synth;

	options.raw = true;
	options.local_is_client = false;
	synth = ss_tls_synth_new(&options, keep, packets);
	ss_tls_synth_open(synth, 1, NULL);
	ss_tls_synth_data(synth, true, (const uint8_t *)"hello", 5, 1, NULL);
	ss_tls_synth_free(synth);
	g_assert_cmpuint(packets->len, ==, 4);
	g_assert_false(nth(packets, 0)->out); /* the client's SYN */
	g_assert_true(!memcmp(nth(packets, 3)->bytes->data + TCP + 20, "hello", 5));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/tls/synth/sequence-numbers-wrap", test_sequence_numbers_wrap);
	g_test_add_func("/tls/synth/records-are-of-legal-size", test_records_are_of_legal_size);
	g_test_add_func("/tls/synth/time-never-goes-back", test_time_never_goes_back);
	g_test_add_func("/tls/synth/checksums", test_checksums);
	g_test_add_func("/tls/synth/raw", test_raw);
	return g_test_run();
}
