/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What Wireshark looks up in stratoshark.so. A plugin loads only into the major.minor version that
 * it was built for.
 */
#include "cluster.h"
#include "conversations.h"
#include "event.h"
#include "fields.h"
#include "flows.h"
#include "follow.h"
#include "interface.h"
#include "metadata.h"
#include "process.h"
#include "stats.h"
#include "transport.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT extern const char plugin_version[];
EXPORT extern const int plugin_want_major;
EXPORT extern const int plugin_want_minor;
EXPORT void plugin_register(void);
EXPORT uint32_t plugin_describe(void);

const char plugin_version[] = SS_VERSION;
const int plugin_want_major = WIRESHARK_VERSION_MAJOR;
const int plugin_want_minor = WIRESHARK_VERSION_MINOR;

static void register_protocol(void)
{
	ss_fields_register();
	ss_cluster_register();
	ss_interface_register();
	ss_process_register();
	ss_metadata_register();
	ss_event_register();
	ss_stats_register();
	ss_transport_register();
	ss_flows_register();
	ss_conversations_register();
}

static void hand_off(void)
{
	ss_event_handoff();
	ss_transport_handoff();
	ss_follow_handoff();
}

void plugin_register(void)
{
	static const proto_plugin plugin = {
		.register_protoinfo = register_protocol,
		.register_handoff = hand_off,
	};

	proto_register_plugin(&plugin);
}

/* 4.4 and later ask what the plugin is: WS_PLUGIN_DESC_DISSECTOR. */
uint32_t plugin_describe(void)
{
	return 1;
}
