/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * --extcap-config: the rows of the option table that have an extcap type, as sentences. Every
 * interface gets the same ones: Wireshark 4.4 re-reads saved values only if the last one has any.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "extcap.h"

/* A sentence ends its value at the first "}". */
static void print_field(const char *key, const char *text, size_t length)
{
	printf("{%s=", key);
	for (size_t i = 0; i < length; i++)
		putchar(text[i] == '{' ? '(' : text[i] == '}' ? ')' : text[i]);
	putchar('}');
}

static void print_values(unsigned number, const struct ss_option *row)
{
	const char *text = row->values;

	while (text) {
		const char *comma = strchr(text, ',');
		size_t length = comma ? (size_t)(comma - text) : strlen(text);

		printf("value {arg=%u}", number);
		print_field("value", text, length);
		print_field("display", text, length);
		if (row->extcap_default && strlen(row->extcap_default) == length &&
		    strncmp(row->extcap_default, text, length) == 0)
			printf("{default=true}");
		putchar('\n');
		text = comma ? comma + 1 : NULL;
	}
}

int ss_answer_config(void)
{
	unsigned number = 0;

	for (const struct ss_option *row = ss_option_table; row->name; row++) {
		if (!row->extcap_type)
			continue;
		printf("arg {number=%u}{call=--%s}", number, row->name);
		print_field("display", row->extcap_display, strlen(row->extcap_display));
		printf("{type=%s}", row->extcap_type);
		if (row->extcap_default && !row->values)
			print_field("default", row->extcap_default, strlen(row->extcap_default));
		if (row->help)
			print_field("tooltip", row->help, strlen(row->help));
		printf("{group=Capture}\n");
		if (row->values)
			print_values(number, row);
		number++;
	}
	return EXIT_SUCCESS;
}
