/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The key schedule against the traces of RFC 8448, the key log's lines. */
#include "tls/secret.h"

#include "tls-frames.h"
#include "tls/keylog.h"
#include "tls/transcript.h"

/* Section 3. */
static const char client_hello_3[] =
	"010000c00303cb34ecb1e78163ba1c38c6dacb196a6dffa21a8d9912ec18a2ef6283024dece70000061301"
	"13031302010000910000000b0009000006736572766572ff01000100000a00140012001d00170018001901"
	"00010101020103010400230000003300260024001d002099381de560e4bd43d23d8e435a7dbafeb3c06e51"
	"c13cae4d5413691e529aaf2c002b0003020304000d0020001e040305030603020308040805080604010501"
	"060102010402050206020202002d00020101001c00024001";
static const char server_hello_3[] =
	"020000560303a6af06a4121860dc5e6e60249cd34c95930c8ac5cb1434dac155772ed3e269280013010000"
	"2e00330024001d0020c9828876112095fe66762bdbf7c672e156d6cc253b833df1dd69b1b04e751f0f002b"
	"00020304";
/* Section 5. */
static const char client_hello_5[] =
	"010000b00303b0b1c5a5aa37c5919f2ed1d5c6fff7fcb7849716945a2b8cee9258a346677b6f0000061301"
	"13031302010000810000000b0009000006736572766572ff01000100000a00080006001d00170018003300"
	"260024001d0020e8e8e3f3b93a25ed97a14a7dcacb8a272c6288e585c6484d05262fcad062ad1f002b0003"
	"020304000d0020001e04030503060302030804080508060401050106010201040205020602020200"
	"2d00020101001c00024001";
static const char retry_5[] =
	"020000ac0303cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c0013010000"
	"84003300020017002c0074007271dcd04bb88bc3189119398a00000000eefafc76c146b823b096f8aacad3"
	"65dd0030953f4edf625636e5f21bb2e23fcc654b1b5b40318d10d137abcbb87574e36e8a1f025f7dfa5d6e"
	"50781b5eda4aa15b0c8be778257d16aa3030e9e7841dd9e4c0342267e8ca0caf571fb2b7cff0f934b0002b"
	"00020304";
static const char second_hello_5[] =
	"010001fc0303b0b1c5a5aa37c5919f2ed1d5c6fff7fcb7849716945a2b8cee9258a346677b6f0000061301"
	"13031302010001cd0000000b0009000006736572766572ff01000100000a00080006001d00170018003300"
	"4700450017004104a6da7392ec591e17abfd535964b99894d13befb221b3def2ebe3830eac8f0151812677"
	"c4d6d2237e85cf01d6910cfb83954e76ba7352830534159897e8065780002b0003020304000d0020001e04"
	"0305030603020308040805080604010501060102010402050206020202002c0074007271dcd04bb88bc318"
	"9119398a00000000eefafc76c146b823b096f8aacad365dd0030953f4edf625636e5f21bb2e23fcc654b1b"
	"5b40318d10d137abcbb87574e36e8a1f025f7dfa5d6e50781b5eda4aa15b0c8be778257d16aa3030e9e784"
	"1dd9e4c0342267e8ca0caf571fb2b7cff0f934b0002d00020101001c00024001001500af"; /* and zeros */
static const char server_hello_5[] =
	"020000770303bb341d847fd789c47c387172dc0c9bf147fccacb5043d86ca4c598d3ff571b980013010000"
	"4f003300450017004104583e054b7a66672ae020ad9d2686fcc85b5ad41a134a0f03ee72b893052bd85b4c"
	"8de6776f5b04ac07d83540eab3e3d9c547bc6528c4317d294686093a6cad7d002b00020304";

static struct ss_tls_secret secret_of(const char *hex)
{
	g_autoptr(GByteArray) bytes = from_hex(hex);
	struct ss_tls_secret secret = {0};

	ss_tls_secret_set(&secret, bytes->data, bytes->len);
	return secret;
}

static void assert_secret(const struct ss_tls_secret *secret, const char *hex)
{
	g_autoptr(GByteArray) bytes = from_hex(hex);

	assert_bytes(secret->bytes, secret->length, bytes->data, bytes->len);
}

static void assert_expands(const struct ss_tls_secret *key, const char *label, const char *context,
			   const char *expected)
{
	g_autoptr(GByteArray) hash = from_hex(context);
	struct ss_tls_secret secret;

	ss_tls_hkdf_expand(SS_TLS_SHA256, key, label, hash->data, (uint8_t)hash->len, &secret);
	assert_secret(&secret, expected);
}

static void test_simple(void)
{
	struct ss_tls_secret early, derived, handshake, master, none = {.length = 32};
	struct ss_tls_secret shared =
		secret_of("8bd4054fb55b9d63fdfbacf9f04b9f0d35e6d63f537563efd46272900f89492d");
	uint8_t empty[SS_TLS_HASH_MAX];
	const char *hello = "860c06edc07858ee8e78f0e7428c58edd6b43f2ca3e6e95f02ed063cf0e1cad8";
	const char *finished = "9608102a0f1ccc6db6250b7b7e417b1a000eaada3daae4777a7686c9ff83df13";

	ss_tls_hkdf_extract(SS_TLS_SHA256, &none, &none, &early);
	assert_secret(&early, "33ad0a1c607ec03b09e6cd9893680ce210adf300aa1f2660e1b22e10f170f92a");
	ss_tls_hash_digest(SS_TLS_SHA256, "", 0, empty);
	ss_tls_hkdf_expand(SS_TLS_SHA256, &early, "derived", empty, 32, &derived);
	ss_tls_hkdf_extract(SS_TLS_SHA256, &derived, &shared, &handshake);
	assert_secret(&handshake,
		      "1dc826e93606aa6fdc0aadc12f741b01046aa6b99f691ed221a9f0ca043fbeac");
	assert_expands(&handshake, "c hs traffic", hello,
		       "b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21");
	assert_expands(&handshake, "s hs traffic", hello,
		       "b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38");
	ss_tls_master_secret(SS_TLS_SHA256, &handshake, &master);
	assert_secret(&master, "18df06843d13a08bf2a449844c5f8a478001bc4d4c627984d5a41da8d0402919");
	assert_expands(&master, "c ap traffic", finished,
		       "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5");
	assert_expands(&master, "s ap traffic", finished,
		       "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643");
	assert_expands(&master, "exp master", finished,
		       "fe22f881176eda18eb8f44529e6792c50c9a3f89452f68d8ae311b4309d3cf50");
}

static void test_early(void)
{
	struct ss_tls_secret early, none = {.length = 32};
	struct ss_tls_secret psk =
		secret_of("4ecd0eb6ec3b4d87f5d6028f922ca4c5851a277fd41311c9e62d2c9492e1c4f3");

	ss_tls_hkdf_extract(SS_TLS_SHA256, &none, &psk, &early);
	assert_expands(&early, "c e traffic",
		       "08ad0fa05d7c7233b1775ba2ff9f4c5b8b59276b7f227f13a976245f5d960913",
		       "3fbbe6a60deb66c30a32795aba0eff7eaa10105586e7be5c09678d63b6caab62");
}

static void add(struct ss_tls_transcript *transcript, const char *hex, size_t length)
{
	g_autoptr(GByteArray) message = from_hex(hex);

	if (length > message->len) {
		guint old = message->len;

		g_byte_array_set_size(message, (guint)length);
		memset(message->data + old, 0, length - old);
	}
	ss_tls_transcript_add(transcript, all_of(message));
}

static void assert_digest(const struct ss_tls_transcript *transcript, const char *expected)
{
	g_autoptr(GByteArray) bytes = from_hex(expected);
	uint8_t digest[SS_TLS_HASH_MAX];

	ss_tls_transcript_digest(transcript, SS_TLS_SHA256, digest);
	assert_bytes(digest, 32, bytes->data, bytes->len);
}

static void test_transcript(void)
{
	struct ss_tls_transcript transcript = {0};

	add(&transcript, client_hello_3, 0);
	add(&transcript, server_hello_3, 0);
	assert_digest(&transcript,
		      "860c06edc07858ee8e78f0e7428c58edd6b43f2ca3e6e95f02ed063cf0e1cad8");
	ss_tls_transcript_deinit(&transcript);
}

static void test_retry(void)
{
	struct ss_tls_transcript transcript = {0};
	struct ss_tls_secret handshake =
		secret_of("ce022e5e6e81e50736d773f2d3adfce8220d049bf510f0dbfac927ef4243b148");
	const char *hash = "8aa8e828ec2f8a884fec95a3139de01c15a3daa7ff5bfc3f4bfcc21b438d7bf8";

	add(&transcript, client_hello_5, 0);
	ss_tls_transcript_retry(&transcript);
	add(&transcript, retry_5, 0);
	add(&transcript, second_hello_5, 512);
	add(&transcript, server_hello_5, 0);
	assert_digest(&transcript, hash);
	ss_tls_transcript_deinit(&transcript);
	assert_expands(&handshake, "s hs traffic", hash,
		       "3403e781e2af7b6508da28574f6e95a1abf162de83a97927c37672a4a0cef8a1");
}

static void test_line(void)
{
	struct ss_tls_secret secret = secret_of("00ff10");
	const uint8_t random[SS_TLS_RANDOM_SIZE] = {0xab, [31] = 0x01};
	char line[SS_TLS_LINE_SIZE];

	ss_tls_keylog_line(SS_TLS_SERVER_TRAFFIC, random, &secret, line);
	g_assert_cmpstr(line, ==,
			"SERVER_TRAFFIC_SECRET_0 "
			"ab00000000000000000000000000000000000000000000000000000000000001 00ff10");
}

static void test_labels(void)
{
	g_assert_cmpint(ss_tls_label_parse("CLIENT_RANDOMX", 13), ==, SS_TLS_CLIENT_RANDOM);
	g_assert_cmpint(ss_tls_label_parse("CLIENT_RANDOMX", 14), ==, SS_TLS_LABELS);
	g_assert_cmpint(ss_tls_label_parse("", 0), ==, SS_TLS_LABELS);
	g_assert_cmpint(ss_tls_label_parse_schedule("s ap traffic", 12), ==, SS_TLS_SERVER_TRAFFIC);
	g_assert_cmpint(ss_tls_label_parse_schedule("derived", 7), ==, SS_TLS_LABELS);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/tls-secret/rfc8448-simple", test_simple);
	g_test_add_func("/tls-secret/rfc8448-early", test_early);
	g_test_add_func("/tls-secret/rfc8448-transcript", test_transcript);
	g_test_add_func("/tls-secret/rfc8448-retry", test_retry);
	g_test_add_func("/tls-secret/line", test_line);
	g_test_add_func("/tls-secret/labels", test_labels);
	return g_test_run();
}
