/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames of a pod with three containers, of which one is wanted: which ones come out. */
#include "containers.h"

#include <arpa/inet.h>

#include "blocks.h"
#include "format/metadata.h"
#include "format/ring.h"
#include "output/block.h"
#include "tests/offer.h"

#define ETH0 0u
#define LO   1u

#define APP     "a000000000010000000000000000000000000000000000000000000000000000"
#define PROXY   "b000000000020000000000000000000000000000000000000000000000000000"
#define METRICS "c000000000030000000000000000000000000000000000000000000000000000"

struct fixture {
	GPtrArray *names;
	struct ss_containers *containers;
	struct ss_stage stage;
	struct ss_pod *pod;
	GByteArray *blocks;
	guint starts[16], count;
	int left_out;
	uint64_t time_ns;
};

static void left_out(uint32_t interface_id, void *user_data)
{
	g_assert_cmpuint(interface_id, <=, LO);
	((struct fixture *)user_data)->left_out++;
}

static void set_up(struct fixture *fixture, gconstpointer data)
{
	const char *const containers[][2] = {{"app", APP}, {"proxy", PROXY}, {"metrics", METRICS}};

	(void)data;
	fixture->names = g_ptr_array_new();
	g_ptr_array_add(fixture->names, (gpointer)(uintptr_t) "app");
	fixture->containers = ss_containers_new(fixture->names, left_out, fixture);
	fixture->pod = ss_pod_new();
	fixture->pod->uid = g_strdup("uid");
	for (size_t i = 0; i < G_N_ELEMENTS(containers); i++)
		g_ptr_array_add(fixture->pod->containers,
				ss_container_new(containers[i][0], containers[i][1]));
	ss_containers_pod(fixture->containers, SS_POD_ADDED, fixture->pod);
	fixture->stage = ss_containers_stage(fixture->containers);
	add_place(&fixture->stage, (struct ss_place){.interface_id = LO,
						     .owner = 1,
						     .link_type = SS_LINKTYPE_RAW,
						     .is_lo = true,
						     .pod = fixture->pod});
	fixture->blocks = g_byte_array_new();
	fixture->time_ns = 1000000000;
}

static void tear_down(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	g_byte_array_unref(fixture->blocks);
	ss_containers_free(fixture->containers);
	ss_pod_free(fixture->pod);
	g_ptr_array_unref(fixture->names);
}

/* A UDP datagram from one port to another; container: of its process, NULL: not known. */
static void put(struct fixture *fixture, uint32_t interface_id, const char *container,
		uint16_t from, uint16_t to)
{
	uint8_t packet[28] = {0x45, 0, 0,   28, 0, 0, 0x40, 0, 64, 17,
			      0,    0, 127, 0,  0, 1, 127,  0, 0,  1};
	const uint32_t size = 28 + sizeof(packet) + 4 * SS_SLOT_OPTION_WORDS + 4 + 4;
	uint64_t tlv = container ? ss_block_container_tlv(container) : 0;
	const uint16_t ports[] = {htons(from), htons(to), htons(8)};
	uint32_t words[SS_SLOT_OPTION_WORDS] = {
		[0] = 4u << 16 | SS_EPB_FLAGS,
		[2] = 28u << 16 | SS_OPT_CUSTOM_BIN,
		[3] = SS_METADATA_PEN,
		[SS_SLOT_PROCESS_WORD - 1] = SS_METADATA_MAGIC0 | SS_METADATA_MAGIC1 << 8 |
					     SS_METADATA_PROCESS << 16 | SS_PROCESS_SIZE << 24,
		[SS_SLOT_PROCESS_WORD] = container ? 42 : 0,
		[SS_SLOT_CONTAINER_WORD] = (uint32_t)tlv,
		[SS_SLOT_CONTAINER_WORD + 1] = (uint32_t)(tlv >> 32),
	};

	memcpy(packet + 20, ports, sizeof(ports));
	fixture->starts[fixture->count++] = fixture->blocks->len;
	put_word(fixture->blocks, SS_PCAPNG_EPB);
	put_word(fixture->blocks, size);
	put_word(fixture->blocks, interface_id);
	put_word(fixture->blocks, (uint32_t)(fixture->time_ns >> 32));
	put_word(fixture->blocks, (uint32_t)fixture->time_ns);
	put_word(fixture->blocks, sizeof(packet));
	put_word(fixture->blocks, sizeof(packet));
	g_byte_array_append(fixture->blocks, packet, sizeof(packet));
	for (size_t i = 0; i < SS_SLOT_OPTION_WORDS; i++)
		put_word(fixture->blocks, words[i]);
	put_word(fixture->blocks, SS_OPT_END);
	put_word(fixture->blocks, size);
}

/* "1" and "0": stays, is left out. */
static void assert_admitted(struct fixture *fixture, const char *expected)
{
	GString *said = g_string_new(NULL);
	int before = fixture->left_out, gone = 0;

	offer(&fixture->stage, fixture->blocks->data, fixture->blocks->len, 0);
	for (guint i = 0; i < fixture->count; i++) {
		bool stays =
			ss_block_type(fixture->blocks->data + fixture->starts[i]) == SS_PCAPNG_EPB;

		g_string_append_c(said, stays ? '1' : '0');
		gone += !stays;
	}
	g_assert_cmpstr(said->str, ==, expected);
	g_assert_cmpint(fixture->left_out - before, ==, gone);
	g_string_free(said, TRUE);
	g_byte_array_set_size(fixture->blocks, 0);
	fixture->count = 0;
}

static void test_by_process(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	put(fixture, ETH0, APP, 5000, 80);
	put(fixture, ETH0, PROXY, 5001, 80);
	put(fixture, ETH0, NULL, 5002, 80);
	assert_admitted(fixture, "101");
}

/* A container that nobody has told of yet, and one of a pod that went. */
static void test_unknown(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	put(fixture, ETH0, "d0000000000400", 5000, 80);
	assert_admitted(fixture, "1");
	ss_containers_pod(fixture->containers, SS_POD_REMOVED, fixture->pod);
	put(fixture, ETH0, PROXY, 5001, 80);
	assert_admitted(fixture, "1");
}

/* It is known when the frames come to be written: the answer is there. */
static void test_either_end_of_loopback(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	put(fixture, LO, PROXY, 5000, 8080);
	put(fixture, LO, APP, 8080, 5000);
	put(fixture, LO, PROXY, 5001, 9090);
	put(fixture, LO, METRICS, 9090, 5001);
	put(fixture, LO, APP, 5002, 9090);
	put(fixture, LO, METRICS, 9090, 5002);
	assert_admitted(fixture, "110011");
}

/* Nobody has sent from there: kept. Later it is known, and at last too long ago. */
static void test_a_receiver_that_is_silent(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	put(fixture, LO, PROXY, 5000, 9090);
	assert_admitted(fixture, "1");
	put(fixture, LO, METRICS, 9090, 5000);
	assert_admitted(fixture, "0");
	put(fixture, LO, PROXY, 5003, 9090);
	assert_admitted(fixture, "0");
	fixture->time_ns += 11000000000ull;
	put(fixture, LO, PROXY, 5004, 9090);
	assert_admitted(fixture, "1");
}

static void test_a_restarted_container(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	g_ptr_array_set_size(fixture->pod->containers, 0);
	g_ptr_array_add(fixture->pod->containers,
			ss_container_new("app", "e000000000050000000000000000000000000000000000000"
						"000000000000000"));
	ss_containers_pod(fixture->containers, SS_POD_CHANGED, fixture->pod);
	put(fixture, ETH0, APP, 5000, 80);
	put(fixture, ETH0, "e0000000000500", 5001, 80);
	put(fixture, ETH0, PROXY, 5002, 80);
	assert_admitted(fixture, "110");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
#define TEST(name, function)                                                                       \
	g_test_add("/containers/" name, struct fixture, NULL, set_up, function, tear_down)
	TEST("by-process", test_by_process);
	TEST("unknown", test_unknown);
	TEST("either-end-of-loopback", test_either_end_of_loopback);
	TEST("a-receiver-that-is-silent", test_a_receiver_that_is_silent);
	TEST("a-restarted-container", test_a_restarted_container);
	return g_test_run();
}
