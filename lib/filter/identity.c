/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fields come from the interface's description, as in the plugin
 * (plugins/epan/stratoshark/interface.c), so that both decide alike.
 */
#include "identity.h"

#include <string.h>

#include "emit.h"
#include "format/metadata.h"
#include "format/ring.h"

enum source {
	PRESENCE,
	DESCRIPTION, /* by the last part of the field's name */
	CONTAINERS,  /* any of them */
	CONTAINER,   /* that of the frame's process, or the only one */
	NAME,
	FRAME_NAME, /* the same, which Wireshark itself knows */
	DIRECTION,
	FRAME_DIRECTION, /* of epb_flags, which Wireshark itself knows */
};

/* Of frame.p2p_dir; there is no other. */
enum frame_direction {
	FRAME_SENT,
	FRAME_RECEIVED,
};

static const struct ss_value_name directions[] = {
	{"unknown", SS_DIRECTION_UNKNOWN},
	{"in", SS_DIRECTION_IN},
	{"out", SS_DIRECTION_OUT},
	{"local", SS_DIRECTION_LOCAL},
	{NULL, 0},
};

#define TEXT(field_name, source)                                                                   \
	{                                                                                          \
		.name = field_name, .type = SS_FIELD_STRING, .layers = SS_LAYER_FRAME,             \
		.optional = true, .data = source                                                   \
	}

static const struct ss_field fields[] = {
	{.name = "stratoshark",
	 .type = SS_FIELD_PROTOCOL,
	 .layers = SS_LAYER_FRAME,
	 .optional = true,
	 .data = PRESENCE},
	TEXT("stratoshark.pod", DESCRIPTION),
	TEXT("stratoshark.namespace", DESCRIPTION),
	TEXT("stratoshark.node", DESCRIPTION),
	TEXT("stratoshark.runtime", DESCRIPTION),
	TEXT("stratoshark.uid", DESCRIPTION),
	TEXT("stratoshark.device", DESCRIPTION),
	TEXT("stratoshark.hook", DESCRIPTION),
	TEXT("stratoshark.container", CONTAINER),
	TEXT("stratoshark.pod_containers", CONTAINERS),
	TEXT("stratoshark.interface", NAME),
	TEXT("frame.interface_name", FRAME_NAME),
	{.name = "stratoshark.direction",
	 .type = SS_FIELD_NUMBER,
	 .layers = SS_LAYER_FRAME,
	 .bits = 8,
	 .flow = SS_FLOW_VARIES,
	 .optional = true,
	 .data = DIRECTION,
	 .names = directions},
	{.name = "frame.p2p_dir",
	 .type = SS_FIELD_NUMBER,
	 .layers = SS_LAYER_FRAME,
	 .bits = 7, /* signed */
	 .flow = SS_FLOW_VARIES,
	 .optional = true,
	 .data = FRAME_DIRECTION},
};

static enum ss_decision decide(const struct ss_test *test, const char **ret_why)
{
	*ret_why = NULL;
	if (test->slot_bit >= SS_SLOT_VERDICTS_MAX)
		*ret_why = "more tests of pods than the kernel keeps";
	else if (test->sliced)
		*ret_why = "slices are compared by tshark only";
	else if (test->comparison == SS_TEST_MATCHES)
		*ret_why = "regular expressions are tshark's";
	else if (test->field->type == SS_FIELD_PROTOCOL && test->comparison != SS_TEST_PRESENT)
		*ret_why = "bytes are searched by tshark only";
	if (*ret_why)
		return SS_DECISION_NONE;
	if (test->field->data != CONTAINER)
		return SS_DECISION_EXACT;
	*ret_why = "the process of a frame says which container of the pod it is";
	return SS_DECISION_BOUND;
}

/* R0 = the bit of the slot. */
static void emit(struct ss_emitter *emitter, const struct ss_test *test, enum ss_bound bound)
{
	(void)bound;
	ss_emit_slot(emitter);
	ss_emit(emitter, SS_LDX(BPF_W, BPF_REG_0, BPF_REG_1, offsetof(struct ss_slot, flags)));
	ss_emit(emitter, SS_ALUW_IMM(BPF_RSH, BPF_REG_0, SS_SLOT_VERDICTS_SHIFT + test->slot_bit));
	ss_emit(emitter, SS_ALUW_IMM(BPF_AND, BPF_REG_0, 1));
}

const struct ss_family ss_family_identity = {
	.name = "identity",
	.fields = fields,
	.count = G_N_ELEMENTS(fields),
	.decide = decide,
	.emit = emit,
};

/* --- Verdicts --- */

static char *unescape(const char *text)
{
	GString *plain = g_string_new(NULL);

	for (; *text; text++) {
		int high = *text == '%' ? g_ascii_xdigit_value(text[1]) : -1;
		int low = high < 0 ? -1 : g_ascii_xdigit_value(text[2]);

		if (low < 0) {
			g_string_append_c(plain, *text);
			continue;
		}
		g_string_append_c(plain, (char)(high << 4 | low));
		text += 2;
	}
	return g_string_free(plain, FALSE);
}

/* Of "key=value; key=value"; NULL: not there. */
static char *find_value(const char *description, const char *key)
{
	g_auto(GStrv) pairs = g_strsplit(description, "; ", -1);
	size_t length = strlen(key);

	for (int i = 0; pairs[i]; i++)
		if (strncmp(pairs[i], key, length) == 0 && pairs[i][length] == '=' &&
		    pairs[i][length + 1])
			return g_strdup(pairs[i] + length + 1);
	return NULL;
}

static void add_value(GPtrArray *values, const char *escaped)
{
	if (escaped && *escaped)
		g_ptr_array_add(values, unescape(escaped));
}

/* The values of a string field. */
static GPtrArray *find_values(const struct ss_field *field, const struct ss_identity *identity)
{
	GPtrArray *values = g_ptr_array_new_with_free_func(g_free);
	g_autofree char *text = NULL;
	g_auto(GStrv) containers = NULL;

	if (field->data == FRAME_NAME)
		g_ptr_array_add(values, g_strdup(identity->name));
	if (!identity->present)
		return values;
	switch ((enum source)field->data) {
	case DESCRIPTION:
		text = find_value(identity->description, strrchr(field->name, '.') + 1);
		add_value(values, text);
		break;
	case NAME:
		if (*identity->name)
			g_ptr_array_add(values, g_strdup(identity->name));
		break;
	case CONTAINER:
	case CONTAINERS:
		text = find_value(identity->description, SS_INTERFACE_KEY_CONTAINER);
		containers = g_strsplit(text ? text : "", ",", -1);
		for (int i = 0; containers[i]; i++)
			add_value(values, containers[i]);
		break;
	default:
		break;
	}
	return values;
}

/* By bytes, as strcmp. */
static int compare_text(const char *text, const struct ss_value *value)
{
	gsize size;
	const char *data = g_bytes_get_data(value->string, &size);
	size_t length = strlen(text);
	int order = memcmp(text, data ? data : "", MIN(length, size));

	return order ? order : (length > size) - (length < size);
}

static bool contains(const char *text, const struct ss_value *value)
{
	gsize size;
	const char *data = g_bytes_get_data(value->string, &size);

	return size == 0 || memmem(text, strlen(text), data, size);
}

static bool text_satisfies(const struct ss_test *test, const char *text)
{
	if (test->comparison == SS_TEST_CONTAINS)
		return contains(text, ss_test_value(test));
	if (test->comparison != SS_TEST_IN)
		return ss_test_order_satisfies(test, compare_text(text, ss_test_value(test)));
	for (guint i = 0; i < test->ranges->len; i++) {
		const struct ss_range *range = ss_test_range(test, i);
		int order = compare_text(text, &range->from);

		if (order == 0 ||
		    (order > 0 && !range->single && compare_text(text, &range->to) <= 0))
			return true;
	}
	return false;
}

static bool frame_direction_satisfies(const struct ss_test *test, unsigned direction)
{
	if (direction != SS_DIRECTION_IN && direction != SS_DIRECTION_OUT)
		return false;
	return test->comparison == SS_TEST_PRESENT ||
	       ss_test_number_satisfies(test,
					direction == SS_DIRECTION_IN ? FRAME_RECEIVED : FRAME_SENT);
}

static bool satisfies(const struct ss_test *test, const struct ss_identity *identity)
{
	g_autoptr(GPtrArray) values = NULL;
	guint hits = 0;

	if (test->field->data == PRESENCE)
		return identity->present;
	if (test->field->data == FRAME_DIRECTION)
		return frame_direction_satisfies(test, identity->direction);
	if (test->field->data == DIRECTION)
		return identity->present && (test->comparison == SS_TEST_PRESENT ||
					     ss_test_number_satisfies(test, identity->direction));
	values = find_values(test->field, identity);
	if (test->field->data == CONTAINER && identity->present && !values->len)
		return true; /* not known yet */
	if (test->comparison == SS_TEST_PRESENT)
		return values->len > 0;
	for (guint i = 0; i < values->len; i++)
		hits += text_satisfies(test, values->pdata[i]);
	/* Of containers a frame has one. */
	return test->all && test->field->data != CONTAINER ? values->len && hits == values->len
							   : hits > 0;
}

static uint32_t collect(const struct ss_expression *expression, const struct ss_identity *identity)
{
	const struct ss_test *test = expression->test;
	const char *why;

	if (expression->kind != SS_EXPRESSION_TEST)
		return collect(expression->left, identity) |
		       (expression->right ? collect(expression->right, identity) : 0);
	if (test->family != &ss_family_identity || test->comparison == SS_TEST_OPAQUE ||
	    decide(test, &why) == SS_DECISION_NONE || !satisfies(test, identity))
		return 0;
	return UINT32_C(1) << (SS_SLOT_VERDICTS_SHIFT + test->slot_bit);
}

uint32_t ss_filter_verdicts(const struct ss_filter *filter, const struct ss_identity *identity)
{
	const struct ss_expression *expression = ss_filter_expression(filter);

	return expression ? collect(expression, identity) : 0;
}
