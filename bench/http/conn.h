/* SPDX-License-Identifier: BSD-2-Clause */
/* conn.h - one connection of an event loop: what httpd's thread does, as a state machine */
#ifndef BENCH_CONN_H
#define BENCH_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include "request.h"
#include "response.h"
#include "server.h"
#include "site.h"

struct conn {
	int fd;
	bool closing;  /* the last response is made */
	bool linger;   /* and the client may still be sending */
	bool draining; /* what it sends is thrown away */
	bool over;     /* the loop's: it waits for nothing but its own end */
	struct conn *next, **link;
	char *held; /* input that is to wait: the beginning of a request, or requests behind an output that is stuck */
	uint32_t held_have;
	uint32_t rest_off, rest_end;
	char *rest;		  /* output that the socket did not take */
	struct response response; /* its body comes after the rest; left 0: none */
	struct request request;
};

/* Before the first conn_open(). */
void conn_setup(const struct options *o, struct site *site);

/* Takes FD, which does not block; NULL and closed if there is no memory. */
struct conn *conn_open(int fd);
void conn_close(struct conn *c);

/*
 * Does all that can be done on C now. ENDED: the event said that the client has shut its side down. False: close it.
 * Events are edges: they come when the socket becomes readable or writable.
 */
bool conn_event(struct conn *c, bool ended);

/* The server is to stop: ends what is idle by an event that makes recv() give 0. */
void conn_stop(void);

/* Is there anything left to wait for? */
bool conn_going(void);

/* Milliseconds that the loop may sleep; -1: for ever. */
int conn_patience(void);

struct server_totals conn_totals(void);

#endif
