/* SPDX-License-Identifier: BSD-2-Clause */
/* response.h - what to answer to a request */
#ifndef HTTPD_RESPONSE_H
#define HTTPD_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "request.h"
#include "site.h"

#define RESPONSE_HEAD_MAX 1280	 /* bytes of status line and header, and of the text of an error */
#define RESPONSE_INLINE_MAX 4096 /* bytes: a body up to this size is cheaper to copy than to send from where it is */

/* Where responses gather, to leave in one send. */
struct output {
	char *space;
	size_t size;
	size_t have;
};

/* What of a response is not in the output. */
struct response {
	const char *body; /* bytes in memory, or else */
	int fd;		  /* a part of this file */
	off_t off;
	size_t left;		/* how many; 0: it is all in the output */
	bool close;		/* it is the last one of its connection */
	bool linger;		/* and the client may still be sending what nobody will read */
	struct site_file *file; /* holds the body */
	char *text;		/* likewise */
};

/*
 * Answers the ready request RQ: puts the header, and the body if that is small, behind what is in OUT, where there must
 * be room for RESPONSE_HEAD_MAX; RS says what else is to be sent. It wants response_done() when that is done.
 */
void response_make(struct response *rs, struct request *rq, struct site *site, struct output *out);

/* Answers a request that is none, with STATUS; the connection ends with it. */
void response_error(struct response *rs, int status, struct output *out);

void response_done(struct response *rs);

#endif
