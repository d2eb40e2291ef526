/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A recursive descent over tokens. What looks odd is Kubernetes': "in" and "notin" are keys and
 * values as well; "key=" wants an empty value; in a list, nothing between two commas is the empty
 * value; "a!=b" fits pods without a.
 */
#include "selector.h"

#include <errno.h>
#include <string.h>

#include "k8s/pod.h"
#include "k8s/podname.h"

#define REQUIREMENTS_MAX 1024
#define VALUES_MAX       4096
#define NAME_MAX_LENGTH  63

enum token { END, WORD, COMMA, NOT, EQUALS, DOUBLE_EQUALS, NOT_EQUALS, OPEN, CLOSE, GREATER, LESS };

enum comparison { EXISTS, EXISTS_NOT, IN, NOT_IN, GREATER_THAN, LESS_THAN };

struct requirement {
	char *key;
	enum comparison comparison;
	GPtrArray *values; /* char * */
	gint64 number;
};

struct ss_selector {
	char *text;
	GPtrArray *requirements; /* struct requirement * */
};

struct parser {
	const char *text, *at; /* at: behind the token */
	enum token token;      /* the next one, not taken yet */
	const char *start;     /* of it */
	size_t length;
	struct ss_error *error;
};

static void requirement_free(gpointer data)
{
	struct requirement *requirement = data;

	g_free(requirement->key);
	g_ptr_array_unref(requirement->values);
	g_free(requirement);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static const struct {
	const char *text;
	enum token token;
} symbols[] = {
	{"==", DOUBLE_EQUALS}, {"!=", NOT_EQUALS}, {"=", EQUALS},  {"!", NOT},  {"(", OPEN},
	{")", CLOSE},          {",", COMMA},       {">", GREATER}, {"<", LESS},
};

static void advance(struct parser *parser)
{
	while (is_blank(*parser->at))
		parser->at++;
	parser->start = parser->at;
	if (!*parser->at) {
		parser->token = END;
		parser->length = 0;
		return;
	}
	for (size_t i = 0; i < G_N_ELEMENTS(symbols); i++) {
		if (!g_str_has_prefix(parser->at, symbols[i].text))
			continue;
		parser->token = symbols[i].token;
		parser->length = strlen(symbols[i].text);
		parser->at += parser->length;
		return;
	}
	while (*parser->at && !is_blank(*parser->at) && !strchr("=!(),><", *parser->at))
		parser->at++;
	parser->token = WORD;
	parser->length = (size_t)(parser->at - parser->start);
}

static int fail_expected(const struct parser *parser, const char *expected)
{
	g_autofree char *found = g_strndup(parser->start, parser->length);

	if (parser->token == END)
		return ss_fail(parser->error, -EINVAL,
			       "label selector '%.300s' ends where %s is expected", parser->text,
			       expected);
	return ss_fail(parser->error, -EINVAL,
		       "label selector '%.300s': '%.80s' at character %zu, where %s is expected",
		       parser->text, found, (size_t)(parser->start - parser->text) + 1, expected);
}

static bool is_word(const struct parser *parser, const char *word)
{
	return parser->token == WORD && parser->length == strlen(word) &&
	       memcmp(parser->start, word, parser->length) == 0;
}

/* Letters and digits, between them '-', '_' and '.'; at most 63. */
static bool is_label_name(const char *text)
{
	size_t length = strlen(text);

	if (length == 0 || length > NAME_MAX_LENGTH || !g_ascii_isalnum(text[0]) ||
	    !g_ascii_isalnum(text[length - 1]))
		return false;
	for (size_t i = 0; i < length; i++)
		if (!g_ascii_isalnum(text[i]) && !strchr("-_.", text[i]))
			return false;
	return true;
}

static bool is_key(const char *text)
{
	const char *slash = strchr(text, '/');

	if (!slash)
		return is_label_name(text);
	return ss_podname_is_subdomain(text, (size_t)(slash - text)) && is_label_name(slash + 1);
}

static int take_key(struct parser *parser, struct requirement *requirement)
{
	if (parser->token != WORD)
		return fail_expected(parser, "a label's key");
	requirement->key = g_strndup(parser->start, parser->length);
	if (!is_key(requirement->key))
		return ss_fail(parser->error, -EINVAL,
			       "label selector '%.300s': '%.80s' is no label key: write NAME or "
			       "DOMAIN/NAME, NAME of at most 63 letters, digits, '-', '_' and '.'",
			       parser->text, requirement->key);
	advance(parser);
	return 0;
}

static int add_value(struct parser *parser, struct requirement *requirement, const char *text,
		     size_t length)
{
	g_autofree char *value = g_strndup(text, length);

	if (length && !is_label_name(value))
		return ss_fail(parser->error, -EINVAL,
			       "label selector '%.300s': '%.80s' is no label value: at most 63 "
			       "letters, digits, '-', '_' and '.', the first and last a letter or "
			       "digit%s",
			       parser->text, value,
			       strpbrk(value, "\"'") ? " (selectors have no quotes)" : "");
	if (requirement->values->len >= VALUES_MAX)
		return ss_fail(parser->error, -EINVAL, "a label selector has too many values");
	g_ptr_array_add(requirement->values, g_steal_pointer(&value));
	return 0;
}

/* "(a, b)" */
static int take_values(struct parser *parser, struct requirement *requirement)
{
	bool empty_place = true; /* nothing yet since "(" or "," */
	int r = 0;

	if (parser->token != OPEN)
		return fail_expected(parser, "'('");
	advance(parser);
	if (parser->token == CLOSE)
		return fail_expected(parser, "a value");
	while (r == 0 && parser->token != CLOSE) {
		if (parser->token == COMMA) {
			if (empty_place)
				r = add_value(parser, requirement, "", 0);
			empty_place = true;
		} else if (parser->token == WORD && empty_place) {
			r = add_value(parser, requirement, parser->start, parser->length);
			empty_place = false;
		} else {
			return fail_expected(parser, empty_place ? "a value" : "',' or ')'");
		}
		advance(parser);
	}
	if (r == 0 && empty_place)
		r = add_value(parser, requirement, "", 0);
	advance(parser);
	return r;
}

static int take_value(struct parser *parser, struct requirement *requirement)
{
	int r;

	if (parser->token == END || parser->token == COMMA)
		return add_value(parser, requirement, "", 0);
	if (parser->token != WORD)
		return fail_expected(parser, "a value");
	r = add_value(parser, requirement, parser->start, parser->length);
	advance(parser);
	return r;
}

static bool to_number(const char *text, gint64 *ret)
{
	return g_ascii_string_to_signed(text, 10, G_MININT64, G_MAXINT64, ret, NULL);
}

static int take_number(struct parser *parser, struct requirement *requirement)
{
	int r = take_value(parser, requirement);

	if (r < 0)
		return r;
	if (!to_number(requirement->values->pdata[0], &requirement->number))
		return ss_fail(parser->error, -EINVAL,
			       "label selector '%.300s': '>' and '<' compare with a whole number, "
			       "not '%.80s'",
			       parser->text, (char *)requirement->values->pdata[0]);
	return 0;
}

static int take_requirement(struct parser *parser, struct requirement *requirement)
{
	bool negated = parser->token == NOT;
	int r;

	if (negated)
		advance(parser);
	r = take_key(parser, requirement);
	if (r < 0)
		return r;
	requirement->comparison = negated ? EXISTS_NOT : EXISTS;
	if (negated || parser->token == END || parser->token == COMMA)
		return 0;
	if (is_word(parser, "in") || is_word(parser, "notin")) {
		requirement->comparison = parser->length == 2 ? IN : NOT_IN;
		advance(parser);
		return take_values(parser, requirement);
	}
	switch (parser->token) {
	case EQUALS:
	case DOUBLE_EQUALS:
		requirement->comparison = IN;
		advance(parser);
		return take_value(parser, requirement);
	case NOT_EQUALS:
		requirement->comparison = NOT_IN;
		advance(parser);
		return take_value(parser, requirement);
	case GREATER:
	case LESS:
		requirement->comparison = parser->token == GREATER ? GREATER_THAN : LESS_THAN;
		advance(parser);
		return take_number(parser, requirement);
	default:
		return fail_expected(parser, "'=', '!=', 'in', 'notin', '<' or '>'");
	}
}

static int parse(struct parser *parser, GPtrArray *requirements)
{
	advance(parser);
	while (parser->token != END) {
		struct requirement *requirement = g_new0(struct requirement, 1);
		int r;

		requirement->values = g_ptr_array_new_with_free_func(g_free);
		g_ptr_array_add(requirements, requirement);
		if (requirements->len > REQUIREMENTS_MAX)
			return ss_fail(parser->error, -EINVAL,
				       "a label selector has too many requirements");
		r = take_requirement(parser, requirement);
		if (r < 0)
			return r;
		if (parser->token == END)
			return 0;
		if (parser->token != COMMA)
			return fail_expected(parser, "','");
		advance(parser);
		if (parser->token == END)
			return fail_expected(parser, "a label's key");
	}
	return 0;
}

int ss_selector_new(const char *text, struct ss_selector **ret, struct ss_error *error)
{
	struct parser parser = {.text = text, .at = text, .error = error};
	struct ss_selector *selector = g_new0(struct ss_selector, 1);
	int r;

	selector->text = g_strdup(text);
	selector->requirements = g_ptr_array_new_with_free_func(requirement_free);
	r = parse(&parser, selector->requirements);
	if (r < 0) {
		ss_selector_free(selector);
		return r;
	}
	*ret = selector;
	return 0;
}

void ss_selector_free(struct ss_selector *selector)
{
	if (!selector)
		return;
	g_free(selector->text);
	g_ptr_array_unref(selector->requirements);
	g_free(selector);
}

static bool has_value(const struct requirement *requirement, const char *value)
{
	return g_ptr_array_find_with_equal_func(requirement->values, value, g_str_equal, NULL);
}

static bool fits(const struct requirement *requirement, const GPtrArray *labels)
{
	const char *value = ss_labels_get(labels, requirement->key);
	gint64 number;

	switch (requirement->comparison) {
	case EXISTS:
		return value != NULL;
	case EXISTS_NOT:
		return value == NULL;
	case IN:
		return value && has_value(requirement, value);
	case NOT_IN:
		return !value || !has_value(requirement, value);
	case GREATER_THAN:
		return value && to_number(value, &number) && number > requirement->number;
	case LESS_THAN:
		return value && to_number(value, &number) && number < requirement->number;
	}
	return false;
}

const char *ss_selector_misfit(const struct ss_selector *selector, const GPtrArray *labels)
{
	for (guint i = 0; i < selector->requirements->len; i++) {
		const struct requirement *requirement = selector->requirements->pdata[i];

		if (!fits(requirement, labels))
			return requirement->key;
	}
	return NULL;
}

bool ss_selector_match(const struct ss_selector *selector, const GPtrArray *labels)
{
	return ss_selector_misfit(selector, labels) == NULL;
}

const char *ss_selector_text(const struct ss_selector *selector)
{
	return selector->text;
}
