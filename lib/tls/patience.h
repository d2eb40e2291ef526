/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For whose secrets it is worth to wait: not where there were none, again and again. */
#ifndef SS_TLS_PATIENCE_H
#define SS_TLS_PATIENCE_H

#include <stdbool.h>

#include "tls/keys.h"

struct ss_tls_patience;

struct ss_tls_patience *ss_tls_patience_new(void);
void ss_tls_patience_free(struct ss_tls_patience *patience);

bool ss_tls_patience_has(const struct ss_tls_patience *patience, const struct ss_endpoint *client,
			 const struct ss_endpoint *server);
/* A wait was in vain; a secret came. */
void ss_tls_patience_lose(struct ss_tls_patience *patience, const struct ss_endpoint *client,
			  const struct ss_endpoint *server);
void ss_tls_patience_regain(struct ss_tls_patience *patience, const struct ss_endpoint *client,
			    const struct ss_endpoint *server);

#endif
