/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One end of a connection. */
#ifndef SS_ENDPOINT_H
#define SS_ENDPOINT_H

#include <stdint.h>

struct ss_endpoint {
	uint8_t address[16]; /* IPv4 as ::ffff:a.b.c.d */
	uint16_t port;       /* host byte order */
	uint16_t unused;     /* 0: endpoints are compared as bytes */
};

/* "10.0.0.1:80", "[fd00::1]:80". g_free(). */
char *ss_endpoint_text(const struct ss_endpoint *endpoint);

#endif
