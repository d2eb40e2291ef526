/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tables of what is secret, and the file that adds to them. */
#include "tls/rules.h"

#include <errno.h>
#include <string.h>

#define FIELD_MAX 64u /* bytes of a name; longer ones are never secret */
#define FILE_MAX  (1u << 20)
/* Steps the matcher may take, so that no pattern takes seconds for a line. */
#define PATTERN_LIMIT "(*LIMIT_MATCH=100000)"

static const char *const header_names[] = {
	"authorization",
	"proxy-authorization",
	"cookie",
	"set-cookie",
	"x-api-key",
	"api-key",
	"apikey",
	"x-auth-token",
	"x-access-token",
	"x-csrf-token",
	"x-xsrf-token",
	"x-amz-security-token",
	"x-goog-api-key",
	"x-vault-token",
	"x-gitlab-token",
	"private-token",
	"x-session-token",
	"x-session-id",
	"x-forwarded-access-token",
	"x-goog-iap-jwt-assertion",
	"x-amzn-oidc-data",
	"x-amzn-oidc-accesstoken",
	"x-ms-token-aad-access-token",
	"x-hub-signature",
	"x-hub-signature-256",
	"ocp-apim-subscription-key",
	"authentication-info",
	"proxy-authentication-info",
};

static const char *const field_names[] = {
	"password",
	"passwd",
	"pwd",
	"passphrase",
	"passcode",
	"secret",
	"token",
	"apikey",
	"accesskey",
	"secretkey",
	"privatekey",
	"clientsecret",
	"jwt",
	"bearer",
	"credential",
	"credentials",
	"authorization",
	"sessionid",
	"sid",
	"cookie",
	"cardnumber",
	"cardno",
	"ccnumber",
	"creditcard",
	"pan",
	"cvv",
	"cvv2",
	"cvc",
	"cvc2",
	"cardcvv",
	"cardcvc",
	"securitycode",
	"pin",
	"otp",
	"ssn",
	"iban",
	"sig",
	"signature",
	"auth",
	"authtoken",
	"accesstoken",
	"refreshtoken",
	"idtoken",
	"sessiontoken",
	"csrftoken",
	"securitytoken",
	"xamzsignature",
	"xamzsecuritytoken",
	"xamzcredential",
	"clientassertion",
	"assertion",
	"codeverifier",
};

/* Names that end so are secret, whatever is before: db_password, AWS_SECRET_ACCESS_KEY. */
static const char *const field_ends[] = {
	"password",     "passwd",        "secret",       "apikey",     "accesskey", "secretkey",
	"privatekey",   "accesstoken",   "refreshtoken", "idtoken",    "authtoken", "cardnumber",
	"sessiontoken", "securitytoken", "clientsecret", "passphrase",
};

static const char *const schemes[] = {
	"Basic",       "Bearer",        "Digest",      "Negotiate",     "NTLM",
	"Token",       "ApiKey",        "Key",         "OAuth",         "DPoP",
	"Hawk",        "HOBA",          "Mutual",      "GNAP",          "JWT",
	"SharedKey",   "SharedKeyLite", "SCRAM-SHA-1", "SCRAM-SHA-256", "AWS4-HMAC-SHA256",
	"GoogleLogin", "PrivateToken",  "vapid",
};

static bool contains(GHashTable *names, const char *name, size_t length)
{
	g_autofree char *key = g_strndup(name, length);

	return g_hash_table_contains(names, key);
}

bool ss_tls_rules_is_header(const struct ss_tls_rules *rules, const void *name, size_t length)
{
	char lower[FIELD_MAX];

	if (!length || length > sizeof(lower))
		return false;
	for (size_t i = 0; i < length; i++)
		lower[i] = g_ascii_tolower(((const char *)name)[i]);
	return contains(rules->headers, lower, length);
}

/* The byte that an escape at text stands for, %XX or \u00XX; *ret_length is 1 if it is none. */
static char unescape(const char *text, size_t length, size_t *ret_length)
{
	const size_t digits = *text == '%' ? 1 : 4;

	*ret_length = 1;
	if (*text == '%' && length < 3)
		return *text;
	if (*text == '\\' && (length < 6 || text[1] != 'u' || text[2] != '0' || text[3] != '0'))
		return *text;
	if (*text != '%' && *text != '\\')
		return *text;
	if (!g_ascii_isxdigit(text[digits]) || !g_ascii_isxdigit(text[digits + 1]))
		return *text;
	*ret_length = digits + 2;
	return (char)(g_ascii_xdigit_value(text[digits]) << 4 |
		      g_ascii_xdigit_value(text[digits + 1]));
}

/* What is compared: the last part of the name, letters and digits only. */
static size_t simplify(const char *name, size_t length, char *ret_simple)
{
	size_t simple = 0, step;

	for (size_t i = 0; i < length; i += step) {
		char c = unescape(name + i, length - i, &step);

		if (c == '[' || c == '.' || c == '/')
			simple = 0;
		else if (g_ascii_isalnum(c) && simple < FIELD_MAX)
			ret_simple[simple++] = g_ascii_tolower(c);
	}
	return simple;
}

bool ss_tls_rules_is_field(const struct ss_tls_rules *rules, const void *name, size_t length)
{
	char simple[FIELD_MAX];
	size_t simple_length = simplify(name, length, simple);

	if (!simple_length)
		return false;
	for (size_t i = 0; i < G_N_ELEMENTS(field_ends); i++) {
		size_t end = strlen(field_ends[i]);

		if (simple_length > end &&
		    !memcmp(simple + simple_length - end, field_ends[i], end))
			return true;
	}
	return contains(rules->fields, simple, simple_length);
}

bool ss_tls_rules_is_scheme(const void *word, size_t length)
{
	for (size_t i = 0; i < G_N_ELEMENTS(schemes); i++) {
		if (strlen(schemes[i]) == length && !g_ascii_strncasecmp(schemes[i], word, length))
			return true;
	}
	return false;
}

static int add_header(struct ss_tls_rules *rules, const char *name, const char **ret_reason)
{
	if (!*name || strlen(name) > FIELD_MAX || strpbrk(name, " \t:")) {
		*ret_reason = "\"header\" needs the name of one header";
		return -EINVAL;
	}
	g_hash_table_add(rules->headers, g_ascii_strdown(name, -1));
	return 0;
}

static int add_field(struct ss_tls_rules *rules, const char *name, const char **ret_reason)
{
	char simple[FIELD_MAX];
	size_t length = simplify(name, strlen(name), simple);

	if (!length || strpbrk(name, " \t")) {
		*ret_reason = "\"field\" needs the name of one field";
		return -EINVAL;
	}
	g_hash_table_add(rules->fields, g_strndup(simple, length));
	return 0;
}

static int add_pattern(struct ss_tls_rules *rules, const char *pattern, const char **ret_reason)
{
	g_autofree char *bounded = g_strconcat(PATTERN_LIMIT, pattern, NULL);
	GRegex *regex = g_regex_new(bounded, G_REGEX_RAW, 0, NULL);

	if (!*pattern || !regex) {
		*ret_reason = "\"pattern\" needs a regular expression (PCRE)";
		return -EINVAL;
	}
	g_ptr_array_add(rules->patterns, regex);
	return 0;
}

static int no_cards(struct ss_tls_rules *rules, const char *argument, const char **ret_reason)
{
	if (*argument) {
		*ret_reason = "\"no-cards\" stands alone";
		return -EINVAL;
	}
	rules->cards = false;
	return 0;
}

static const struct {
	const char *name;
	int (*add)(struct ss_tls_rules *rules, const char *argument, const char **ret_reason);
} kinds[] = {
	{"header", add_header},
	{"field", add_field},
	{"pattern", add_pattern},
	{"no-cards", no_cards},
};

static int add_line(struct ss_tls_rules *rules, char *line, const char **ret_reason)
{
	size_t word;

	g_strstrip(line);
	if (!*line || *line == '#')
		return 0;
	word = strcspn(line, " \t");
	for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
		if (strlen(kinds[i].name) == word && !memcmp(line, kinds[i].name, word))
			return kinds[i].add(rules, g_strchug(line + word), ret_reason);
	}
	*ret_reason = "a rule begins with \"header\", \"field\", \"pattern\" or \"no-cards\"";
	return -EINVAL;
}

static int add_file(struct ss_tls_rules *rules, const char *path, struct ss_error *error)
{
	g_autoptr(GError) reason = NULL;
	g_autofree char *contents = NULL;
	g_auto(GStrv) lines = NULL;
	gsize length;

	if (!g_file_get_contents(path, &contents, &length, &reason))
		return ss_fail(error, -EIO, "cannot read the rules: %s", reason->message);
	if (length > FILE_MAX || memchr(contents, 0, length))
		return ss_fail(error, -EINVAL, "'%s' is no file of rules", path);
	lines = g_strsplit(contents, "\n", -1);
	for (size_t i = 0; lines[i]; i++) {
		const char *sentence = NULL;
		int r = add_line(rules, lines[i], &sentence);

		if (r < 0)
			return ss_fail(error, r, "%s, line %zu: %s", path, i + 1, sentence);
	}
	return 0;
}

int ss_tls_rules_init(struct ss_tls_rules *rules, const char *path, struct ss_error *error)
{
	int r;

	rules->headers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	rules->fields = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	rules->patterns = g_ptr_array_new_with_free_func((GDestroyNotify)g_regex_unref);
	rules->cards = true;
	for (size_t i = 0; i < G_N_ELEMENTS(header_names); i++)
		g_hash_table_add(rules->headers, g_strdup(header_names[i]));
	for (size_t i = 0; i < G_N_ELEMENTS(field_names); i++)
		g_hash_table_add(rules->fields, g_strdup(field_names[i]));
	if (!path)
		return 0;
	r = add_file(rules, path, error);
	if (r < 0)
		ss_tls_rules_deinit(rules);
	return r;
}

void ss_tls_rules_deinit(struct ss_tls_rules *rules)
{
	g_hash_table_unref(rules->headers);
	g_hash_table_unref(rules->fields);
	g_ptr_array_unref(rules->patterns);
}
