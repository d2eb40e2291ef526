/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a port tells: of Wireshark, which dissector it asks; of a connection, which end serves. */
#ifndef SS_TLS_PORTS_H
#define SS_TLS_PORTS_H

#include <stdbool.h>
#include <stdint.h>

#include "tls/sniff.h"

/* Is plaintext of the protocol to be carried without TLS, for a reader that goes by the server's
 * port? begins: the stream is seen from its first byte. */
bool ss_tls_ports_is_bare(uint16_t port, enum ss_tls_protocol protocol, bool begins);
/* Does the port's dissector take no TLS? */
bool ss_tls_ports_takes_no_tls(uint16_t port);
/* The same of a client's port, which is asked when the server's has no dissector. */
bool ss_tls_ports_is_taken(uint16_t port);
/* Do servers usually listen there? Tells the client where the content does not. */
bool ss_tls_ports_is_server(uint16_t port);

#endif
