/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "endpoint.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>

#include <glib.h>

char *ss_endpoint_text(const struct ss_endpoint *endpoint)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	bool is_ipv4 = memcmp(endpoint->address, mapped, sizeof(mapped)) == 0;
	char text[INET6_ADDRSTRLEN];

	inet_ntop(is_ipv4 ? AF_INET : AF_INET6, endpoint->address + (is_ipv4 ? 12 : 0), text,
		  sizeof(text));
	return g_strdup_printf(is_ipv4 ? "%s:%u" : "[%s]:%u", text, endpoint->port);
}
