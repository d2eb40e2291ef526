/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connections that are in the file twice, under two pairs of addresses: captured before and after a
 * service's address became that of a pod. To Wireshark these are two connections, to a user one.
 *
 * Of TCP the sequence numbers tell, which no translation changes; of UDP that the client's address
 * and port are the same, and that what it asked for is a service with the other one as endpoint.
 */
#ifndef SS_PLUGIN_TWINS_H
#define SS_PLUGIN_TWINS_H

#include "connection.h"

struct ss_twins;

struct ss_twins *ss_twins_new(void);
void ss_twins_free(struct ss_twins *twins);

/*
 * Of the first frame of a connection, before any step: the connection that was seen before on
 * another interface and is the same one; NULL if there is none. Then it is remembered; it, and
 * what it owns, must outlive the twins.
 */
struct ss_connection *ss_twins_meet(struct ss_twins *twins, const packet_info *pinfo,
				    const struct ss_tap *record, struct ss_connection *connection);

#endif
