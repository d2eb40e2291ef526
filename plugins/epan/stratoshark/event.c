/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Takes over LINKTYPE_WIRESHARK_UPPER_PDU to show event records as ours. Records of others, and
 * any whose tags we cannot read, go to the stock dissector unchanged.
 */
#include "event.h"

#include <string.h>

#include <epan/strutil.h>

#include "description.h"
#include "fields.h"
#include "json.h"
#include "process.h"

#include "format/pcapng.h"

static dissector_handle_t switch_handle, event_handle, json_handle, stock_handle;

/* Members of the object that are fields. */
static const struct {
	const char *key;
	enum ss_field field;
} rows[] = {
	{"event", SS_FIELD_EVENT},
	{"message", SS_FIELD_MESSAGE},
	{"comm", SS_FIELD_COMM},
	{"executable", SS_FIELD_EXE},
	{"container", SS_FIELD_CONTAINER},
	{"pod", SS_FIELD_POD},
	{"namespace", SS_FIELD_NAMESPACE},
	{"node", SS_FIELD_NODE},
	{"uid", SS_FIELD_UID},
	{"interface", SS_FIELD_INTERFACE},
	{"tls_state", SS_FIELD_TLS_STATE},
	{"tls_reason", SS_FIELD_TLS_REASON},
	{"client", SS_FIELD_TLS_CLIENT},
	{"server", SS_FIELD_TLS_SERVER},
	{"server_name", SS_FIELD_TLS_SERVER_NAME},
	{"alpn", SS_FIELD_TLS_ALPN},
	{"dns_failure", SS_FIELD_DNS_FAILURE},
	{"dns_name", SS_FIELD_DNS_NAME},
	{"dns_type", SS_FIELD_DNS_TYPE},
	{"dns_server", SS_FIELD_DNS_SERVER},
	{"dns_client", SS_FIELD_DNS_CLIENT},
	{"dns_transport", SS_FIELD_DNS_TRANSPORT},
	{"dns_rcode", SS_FIELD_DNS_RCODE},
};

struct event {
	wmem_allocator_t *scope;
	const char *values[G_N_ELEMENTS(rows)];
	struct ss_json_span spans[G_N_ELEMENTS(rows)];
	struct ss_process_event process;
};

/* Tag values are padded with NUL up to their length. */
static bool tag_is(tvbuff_t *tvb, int offset, int length, const char *text)
{
	int text_length = (int)strlen(text);

	if (length < text_length || tvb_strneql(tvb, offset, text, text_length) != 0)
		return false;
	for (int i = text_length; i < length; i++) {
		if (tvb_get_ptr(tvb, offset + i, 1)[0] != '\0')
			return false;
	}
	return true;
}

/* Where the payload of an event of ours begins; negative when the record is not one. */
static int find_payload(tvbuff_t *tvb)
{
	int captured = (int)tvb_captured_length(tvb);
	bool ours = false;
	int offset = 0;

	while (captured - offset >= 4) {
		unsigned tag = tvb_get_ntohs(tvb, offset);
		int length = tvb_get_ntohs(tvb, offset + 2);

		offset += 4;
		if (length > captured - offset)
			return -1;
		if (tag == SS_PDU_TAG_END)
			return ours ? offset + length : -1;
		if (tag == SS_PDU_TAG_COL_PROT_TEXT)
			ours = tag_is(tvb, offset, length, SS_PDU_PROTOCOL);
		offset += length;
	}
	return -1;
}

static void on_member(const char *text, struct ss_json_span key, struct ss_json_value value,
		      void *data)
{
	struct event *event = (struct event *)data;

	ss_process_member(&event->process, text, key, value);
	if (value.type != SS_JSON_STRING)
		return;
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		if (event->values[i] || !ss_json_key_is(text, key, rows[i].key))
			continue;
		event->values[i] = ss_json_decode(event->scope, text, value.span);
		event->spans[i] = value.span;
	}
}

static const char *value_of(const struct event *event, enum ss_field field)
{
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		if (rows[i].field == field)
			return event->values[i];
	}
	return NULL;
}

static proto_item *add_tree(proto_tree *tree, tvbuff_t *payload, const struct event *event)
{
	const char *name = value_of(event, SS_FIELD_EVENT);
	proto_item *item = proto_tree_add_protocol_format(
		tree, ss_proto, payload, 0, -1, "Kubernetes event: %s", name ? name : "(unnamed)");
	proto_tree *ours = proto_item_add_subtree(item, ss_tree);

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		if (event->values[i])
			proto_tree_add_string(ours, ss_fields[rows[i].field], payload,
					      (int)event->spans[i].offset,
					      (int)event->spans[i].length, event->values[i]);
	}
	if (event->process.has_pid)
		proto_tree_add_uint(ours, ss_fields[SS_FIELD_PID], payload, 0, 0,
				    event->process.pid);
	return item;
}

/* The JSON dissector names itself in the columns; they are ours. */
static void call_json(tvbuff_t *payload, packet_info *pinfo, proto_tree *tree)
{
	col_set_writable(pinfo->cinfo, COL_PROTOCOL, false);
	col_set_writable(pinfo->cinfo, COL_INFO, false);
	call_dissector(json_handle, payload, pinfo, tree);
	col_set_writable(pinfo->cinfo, COL_PROTOCOL, true);
	col_set_writable(pinfo->cinfo, COL_INFO, true);
}

static int dissect_event(tvbuff_t *payload, packet_info *pinfo, proto_tree *tree, void *data)
{
	size_t length = tvb_captured_length(payload);
	struct event event = {.scope = pinfo->pool, .process.scope = pinfo->pool};
	const char *message;
	proto_item *item;
	bool valid;

	(void)data;
	valid = length > 0 && ss_json_members((const char *)tvb_get_ptr(payload, 0, (int)length),
					      length, on_member, &event);

	message = value_of(&event, SS_FIELD_MESSAGE);
	if (!message)
		message = value_of(&event, SS_FIELD_EVENT);
	if (!message)
		message = "Event";
	col_set_str(pinfo->cinfo, COL_PROTOCOL, SS_PDU_PROTOCOL);
	col_add_str(pinfo->cinfo, COL_INFO,
		    (const char *)format_text(pinfo->pool, (const void *)message, strlen(message)));
	if (valid)
		ss_process_learn(pinfo, &event.process);
	if (valid && value_of(&event, SS_FIELD_EVENT) && !pinfo->fd->visited)
		ss_description_read(pinfo, value_of(&event, SS_FIELD_EVENT),
				    (const char *)tvb_get_ptr(payload, 0, (int)length), length);
	item = add_tree(tree, payload, &event);
	if (valid) {
		call_json(payload, pinfo, tree);
	} else {
		expert_add_info_format(pinfo, item, &ss_expert_malformed,
				       "The event cannot be read: it is not one JSON object");
		call_data_dissector(payload, pinfo, tree);
	}
	return (int)length;
}

static int choose(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data)
{
	int offset = find_payload(tvb);

	if (offset < 0)
		return call_dissector_with_data(stock_handle, tvb, pinfo, tree, data);
	call_dissector(event_handle, tvb_new_subset_remaining(tvb, offset), pinfo, tree);
	return (int)tvb_captured_length(tvb);
}

void ss_event_register(void)
{
	event_handle = register_dissector("stratoshark_event", dissect_event, ss_proto);
	/* Without a protocol: records of others must not list ours in frame.protocols. */
	switch_handle = create_dissector_handle(choose, -1);
}

void ss_event_handoff(void)
{
	json_handle = find_dissector_add_dependency("json", ss_proto);
	stock_handle = find_dissector_add_dependency("exported_pdu", ss_proto);
	/* Plugins come after what is built in: this replaces the stock dissector. */
	if (json_handle && stock_handle)
		dissector_add_uint("wtap_encap", WTAP_ENCAP_WIRESHARK_UPPER_PDU, switch_handle);
}
