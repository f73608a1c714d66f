/* SPDX-License-Identifier: BSD-2-Clause */
/* server.h - what serves: a thread per connection here; bench/http has two event loops behind the same function */
#ifndef HTTPD_SERVER_H
#define HTTPD_SERVER_H

#include <stdint.h>

#include "options.h"
#include "site.h"

struct server_totals {
	uint64_t requests;
	uint64_t connections;
	uint64_t most; /* connections at once */
	uint64_t cut;  /* connections that were still at work when the time was up */
};

/*
 * Serves SITE to those who connect to LISTENER until accept fails because the server was told to stop; then to those
 * whose requests are under way, for as long as the options say. When it returns, connections that were cut may still
 * use SITE and O. Runs on a thread of threads_main().
 */
struct server_totals server_run(const struct options *o, struct site *site, int listener);

#endif
