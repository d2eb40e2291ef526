/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The families, and what they have. */
#include "field.h"

#include <string.h>

#include "dns.h"
#include "headers.h"
#include "http.h"
#include "identity.h"
#include "process.h"
#include "tls.h"

const struct ss_family *const ss_families[] = {
	&ss_family_headers,  &ss_family_http,    &ss_family_dns, &ss_family_tls,
	&ss_family_identity, &ss_family_process, NULL,
};

const struct ss_field *ss_field_find(const char *name, const struct ss_family **ret_family)
{
	for (size_t i = 0; ss_families[i]; i++) {
		for (size_t j = 0; j < ss_families[i]->count; j++) {
			const struct ss_field *field = &ss_families[i]->fields[j];

			if (strcmp(field->name, name) != 0)
				continue;
			if (ret_family)
				*ret_family = ss_families[i];
			return field;
		}
	}
	return NULL;
}
