/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is described when: captured pods at once, others when frames have their addresses. */
#include "roster.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include <glib.h>

#include "format/pcapng.h"
#include "output/block.h"

#define HOST "n1"

struct log {
	GString *text; /* a line each */
};

static void on_event(uint64_t time_ns, const struct ss_event *event, void *user_data)
{
	struct log *log = user_data;

	g_string_append_printf(log->text, "%s %s%s%" G_GUINT64_FORMAT "\n", event->message,
			       event->details, time_ns ? " before " : " ", (guint64)time_ns);
}

static void on_name(uint64_t time_ns, const char *address, const char *name, void *user_data)
{
	struct log *log = user_data;

	(void)time_ns;
	g_string_append_printf(log->text, "%s = %s\n", address, name);
}

static struct ss_roster *roster_new(struct log *log)
{
	const struct ss_roster_writer writer = {on_event, on_name, log};
	struct ss_roster *roster = ss_roster_new(&writer, HOST);

	ss_roster_interface(roster, 0, SS_LINKTYPE_RAW);
	ss_roster_interface(roster, 1, SS_LINKTYPE_ETHERNET);
	return roster;
}

static bool said(const struct log *log, const char *text)
{
	return strstr(log->text->str, text) != NULL;
}

static struct ss_pod *pod(const char *name, const char *address)
{
	struct ss_pod *made = ss_pod_new();

	made->namespace = g_strdup("ns");
	made->name = g_strdup(name);
	made->uid = g_strdup_printf("uid-%s", name);
	g_ptr_array_add(made->addresses, g_strdup(address));
	return made;
}

static void tell_pod(struct ss_roster *roster, struct ss_pod *made, bool captured)
{
	ss_roster_pod(roster, SS_OBJECT_SET, made, captured);
	ss_pod_free(made);
}

/* A frame of the raw interface, or of Ethernet. */
static void see(struct ss_roster *roster, uint32_t interface, const char *src, const char *dst,
		uint64_t time_ns)
{
	g_autoptr(GByteArray) blocks = g_byte_array_new();
	uint8_t data[64] = {0}, *ip = data + (interface == 1 ? 14 : 0);
	bool six = strchr(src, ':');
	struct ss_block_frame frame = {
		.interface_id = interface,
		.time_ns = time_ns,
		.data = data,
		.length = (uint32_t)(ip - data) + (six ? 40 : 20),
	};

	data[12] = six ? 0x86 : 0x08;
	data[13] = six ? 0xdd : 0x00;
	ip[0] = six ? 0x60 : 0x45;
	if (interface == 0)
		memset(data + 1, 0, 15);
	g_assert_cmpint(inet_pton(six ? AF_INET6 : AF_INET, src, ip + (six ? 8 : 12)), ==, 1);
	g_assert_cmpint(inet_pton(six ? AF_INET6 : AF_INET, dst, ip + (six ? 24 : 16)), ==, 1);
	ss_block_frame(blocks, &frame);
	ss_roster_see(roster, blocks->data, blocks->len);
}

static void test_captured(void)
{
	struct log log = {g_string_new(NULL)};
	struct ss_roster *roster = roster_new(&log);

	tell_pod(roster, pod("mine", "10.0.0.1"), true);
	g_assert_cmpstr(log.text->str, ==,
			"pod ns/mine \"addresses\":[\"10.0.0.1\"] 0\n10.0.0.1 = mine.ns\n");
	/* The same again is nothing new; more is. */
	g_string_truncate(log.text, 0);
	tell_pod(roster, pod("mine", "10.0.0.1"), false);
	g_assert_cmpstr(log.text->str, ==, "");
	struct ss_pod *more = pod("mine", "10.0.0.1");

	more->workload_kind = g_strdup("Deployment");
	more->workload_name = g_strdup("a\"b");
	tell_pod(roster, more, false);
	g_assert_true(said(&log, "\"workload\":\"Deployment/a\\\"b\""));
	ss_roster_free(roster);
	g_string_free(log.text, TRUE);
}

static void test_seen(void)
{
	struct log log = {g_string_new(NULL)};
	struct ss_roster *roster = roster_new(&log);

	tell_pod(roster, pod("other", "10.0.0.2"), false);
	tell_pod(roster, pod("six", "fd00::6"), false);
	tell_pod(roster, pod("never", "10.0.0.3"), false);
	g_assert_cmpstr(log.text->str, ==, "");
	see(roster, 0, "10.0.0.1", "10.0.0.2", 1000);
	g_assert_true(said(&log, "ns/other"));
	g_assert_true(said(&log, "before 1000"));
	see(roster, 1, "fd00::1", "fd00::6", 2000);
	g_assert_true(said(&log, "fd00::6 = six.ns"));
	g_assert_false(said(&log, "never"));
	/* Once. */
	g_string_truncate(log.text, 0);
	see(roster, 0, "10.0.0.2", "10.0.0.1", 3000);
	see(roster, 0, "10.0.0.9", "10.0.0.2", 3000);
	g_assert_cmpstr(log.text->str, ==, "");
	/* An address that was seen before anybody knew it. */
	tell_pod(roster, pod("late", "10.0.0.9"), false);
	g_assert_true(said(&log, "ns/late"));
	ss_roster_free(roster);
	g_string_free(log.text, TRUE);
}

static struct ss_service *service(uint16_t node_port)
{
	struct ss_service *made = ss_service_new();
	struct ss_service_endpoint *endpoint = ss_service_endpoint_new("10.0.0.2", "ns", "other");
	uint16_t port = 8080;

	made->namespace = g_strdup("ns");
	made->name = g_strdup("api");
	made->uid = g_strdup("uid-api");
	made->type = g_strdup("ClusterIP");
	g_ptr_array_add(made->addresses, g_strdup("10.96.0.1"));
	g_ptr_array_add(made->ports, ss_service_port_new("http", IPPROTO_TCP, 80, node_port));
	g_array_append_val(endpoint->ports, port);
	g_ptr_array_add(made->endpoints, endpoint);
	return made;
}

static void test_services(void)
{
	struct log log = {g_string_new(NULL)};
	struct ss_roster *roster = roster_new(&log);
	struct ss_service *api = service(30080);
	struct ss_cluster_node *node = ss_cluster_node_new("n2");

	g_ptr_array_add(node->addresses, g_strdup("192.168.0.2"));
	ss_roster_service(roster, SS_OBJECT_SET, api);
	ss_roster_node(roster, SS_OBJECT_SET, node);
	g_assert_cmpstr(log.text->str, ==, "");
	/* By an endpoint, and only once. */
	see(roster, 0, "10.0.0.1", "10.0.0.2", 1000);
	g_assert_true(said(&log, "service ns/api"));
	g_assert_true(said(&log, "\"ports\":[{\"name\":\"http\",\"protocol\":\"TCP\",\"port\":80,"
				 "\"node_port\":30080}]"));
	g_assert_true(said(&log, "\"endpoints\":[{\"address\":\"10.0.0.2\",\"pod\":\"ns/other\","
				 "\"ports\":[8080]}]"));
	g_assert_true(said(&log, "10.96.0.1 = api.ns.svc"));
	g_assert_false(said(&log, "node n2"));
	g_string_truncate(log.text, 0);
	see(roster, 0, "10.0.0.1", "10.96.0.1", 1000);
	g_assert_cmpstr(log.text->str, ==, "");
	see(roster, 0, "10.0.0.1", "192.168.0.2", 1000);
	g_assert_true(said(&log, "192.168.0.2 = n2"));
	/* Gone: of no frame any more. */
	ss_roster_service(roster, SS_OBJECT_GONE, api);
	ss_roster_node(roster, SS_OBJECT_GONE, node);
	ss_service_free(api);
	ss_cluster_node_free(node);
	ss_roster_free(roster);
	g_string_free(log.text, TRUE);
}

static void test_node_ports(void)
{
	struct log log = {g_string_new(NULL)};
	struct ss_roster *roster = roster_new(&log);
	struct ss_service *api = service(30080);
	struct ss_cluster_node *node = ss_cluster_node_new(HOST);

	g_ptr_array_add(node->addresses, g_strdup("192.168.0.1"));
	ss_roster_service(roster, SS_OBJECT_SET, api);
	ss_roster_node(roster, SS_OBJECT_SET, node); /* this one: at once */
	g_assert_true(said(&log, "node n1"));
	g_assert_false(said(&log, "service"));
	see(roster, 0, "198.51.100.1", "192.168.0.1", 1000);
	g_assert_true(said(&log, "service ns/api"));
	ss_service_free(api);
	ss_cluster_node_free(node);
	ss_roster_free(roster);
	g_string_free(log.text, TRUE);
}

static void test_new_file(void)
{
	struct log log = {g_string_new(NULL)}, file = {g_string_new(NULL)};
	const struct ss_roster_writer writer = {on_event, on_name, &file};
	struct ss_roster *roster = roster_new(&log);

	tell_pod(roster, pod("mine", "10.0.0.1"), true);
	tell_pod(roster, pod("other", "10.0.0.2"), false);
	tell_pod(roster, pod("never", "10.0.0.3"), false);
	see(roster, 0, "10.0.0.1", "10.0.0.2", 1000);
	ss_roster_new_file(roster, &writer, UINT64_MAX);
	g_assert_true(g_str_has_prefix(file.text->str, "pod ns/mine"));
	g_assert_true(said(&file, "ns/other"));
	g_assert_false(said(&file, "never"));
	/* What the second file did not need, the third does not have; nor what has no room. */
	g_string_truncate(file.text, 0);
	ss_roster_new_file(roster, &writer, UINT64_MAX);
	g_assert_true(said(&file, "ns/mine"));
	g_assert_false(said(&file, "ns/other"));
	g_string_truncate(file.text, 0);
	ss_roster_new_file(roster, &writer, 10);
	g_assert_cmpstr(file.text->str, ==, "");
	/* When it is needed again, it is told again. */
	g_string_truncate(log.text, 0);
	see(roster, 0, "10.0.0.1", "10.0.0.2", 1000);
	g_assert_true(said(&log, "ns/other"));
	g_assert_true(said(&log, "ns/mine"));
	ss_roster_free(roster);
	g_string_free(log.text, TRUE);
	g_string_free(file.text, TRUE);
}

static void test_many(void)
{
	struct log log = {g_string_new(NULL)};
	struct ss_roster *roster = roster_new(&log);

	for (unsigned i = 0; i < SS_ROSTER_OBJECTS_MAX + 10; i++) {
		g_autofree char *name = g_strdup_printf("p%u", i);
		g_autofree char *address =
			g_strdup_printf("10.%u.%u.%u", 1 + i / 65536, i / 256 % 256, i % 256);

		tell_pod(roster, pod(name, address), false);
	}
	g_assert_cmpuint(ss_roster_left_out(roster), ==, 10);
	tell_pod(roster, pod("mine", "10.0.0.1"), true);
	g_assert_true(said(&log, "ns/mine"));
	ss_roster_free(roster);
	g_string_free(log.text, TRUE);
}

/* Blocks that say more than there is, or nothing that we know. */
static void test_odd_blocks(void)
{
	struct log log = {g_string_new(NULL)};
	struct ss_roster *roster = roster_new(&log);
	g_autoptr(GByteArray) blocks = g_byte_array_new();
	uint8_t data[60] = {[0] = 0x45};
	struct ss_block_frame frame = {.interface_id = 7, .data = data, .length = sizeof(data)};

	ss_block_frame(blocks, &frame);
	frame.interface_id = 1;
	for (frame.length = 0; frame.length < sizeof(data); frame.length++) {
		data[12] = frame.length & 1 ? 0x81 : 0x08;
		data[13] = 0;
		ss_block_frame(blocks, &frame);
	}
	for (size_t length = 0; length <= blocks->len; length++)
		ss_roster_see(roster, blocks->data, length);
	for (guint at = 0; at + 4 <= 64; at++) { /* lies about lengths */
		g_autoptr(GByteArray) copy = g_byte_array_new();

		g_byte_array_append(copy, blocks->data, blocks->len);
		memset(copy->data + at, 0xff, 4);
		ss_roster_see(roster, copy->data, copy->len);
	}
	ss_roster_free(roster);
	g_string_free(log.text, TRUE);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/roster/captured-at-once", test_captured);
	g_test_add_func("/roster/others-when-seen", test_seen);
	g_test_add_func("/roster/services", test_services);
	g_test_add_func("/roster/node-ports", test_node_ports);
	g_test_add_func("/roster/new-file", test_new_file);
	g_test_add_func("/roster/bounded", test_many);
	g_test_add_func("/roster/odd-blocks", test_odd_blocks);
	return g_test_run();
}
