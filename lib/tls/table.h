/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The TCP connections that are TLS, and those that may become so, by their ends. Of bounded size:
 * who was not seen for long goes first, those whose handshake goes on and the others apart.
 */
#ifndef SS_TLS_TABLE_H
#define SS_TLS_TABLE_H

#include "tls/connection.h"

#define SS_TLS_HANDSHAKING_MAX 4096u
#define SS_TLS_SETTLED_MAX     16384u
#define SS_TLS_BUFFERED_MAX    (32u << 20) /* bytes, of all handshakes */

struct ss_tls_table;

struct ss_tls_table *ss_tls_table_new(void);
/* Must be empty. */
void ss_tls_table_free(struct ss_tls_table *table);

struct ss_tls_connection *ss_tls_table_find(struct ss_tls_table *table,
					    const struct ss_tls_tuple *tuple);
/* This connection looks like one whose handshake we missed, but any bytes may look so once. Returns
 * whether it did lately. */
bool ss_tls_table_suspect(struct ss_tls_table *table, const struct ss_tls_tuple *tuple);
/* The caller removes what _excess names before and after. */
void ss_tls_table_add(struct ss_tls_table *table, struct ss_tls_connection *connection);
/* Its handshake went on, or it settled. */
void ss_tls_table_update(struct ss_tls_table *table, struct ss_tls_connection *connection);
/* Does not free it. */
void ss_tls_table_remove(struct ss_tls_table *table, struct ss_tls_connection *connection);
/* Somebody who must go, not keep, or NULL if there is room. */
struct ss_tls_connection *ss_tls_table_excess(struct ss_tls_table *table,
					      const struct ss_tls_connection *keep);
struct ss_tls_connection *ss_tls_table_any(struct ss_tls_table *table);

#endif
