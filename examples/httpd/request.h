/* SPDX-License-Identifier: BSD-2-Clause */
/* request.h - one HTTP request, read in place from the buffer into which it came */
#ifndef HTTPD_REQUEST_H
#define HTTPD_REQUEST_H

#include <http_parser.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REQUEST_MAX 8192	/* bytes of request line and headers: else 431 */
#define REQUEST_TARGET_MAX 4096 /* bytes of request target: else 414 */
#define REQUEST_FIELDS_MAX 100	/* headers: else 431 */

/* What request_parse() says: one of these or, 400 and more, the status of the error to answer with. */
enum {
	REQUEST_MORE, /* it has not come in full */
	REQUEST_READY,
};

/* The headers that matter here; http_parser itself sees to the framing ones. */
enum request_field {
	REQUEST_HOST,
	REQUEST_RANGE,
	REQUEST_IF_RANGE,
	REQUEST_IF_NONE_MATCH,
	REQUEST_IF_MODIFIED_SINCE,
	REQUEST_FIELDS,
	REQUEST_OTHER = REQUEST_FIELDS
};

/* A part of the request, from its first byte; the buffer may move while the request comes in. off 0: there is none. */
struct span {
	uint16_t off, len;
};

struct request {
	http_parser parser;
	char *base;	    /* where the request begins, as of the last request_parse() */
	uint32_t parsed;    /* bytes; when it is ready: its whole length without the body */
	uint16_t error;	    /* a status that a callback decided on */
	uint8_t fields;	    /* headers so far */
	uint8_t field;	    /* which one the value is of */
	bool in_value;	    /* the last piece was one of a value */
	bool odd;	    /* the method is none that http_parser knows */
	bool keep_alive;    /* the client wants to go on */
	bool body;	    /* a body follows: it is not read, so the connection ends with the response */
	uint16_t value_end; /* of the last piece of a value */
	struct span name;
	struct span target;
	struct span value[REQUEST_FIELDS];
};

/* Makes RQ ready for the first byte of a request. */
void request_init(struct request *rq);

/*
 * Reads on in a request of which HAVE bytes are at BASE, the ones seen before included. BASE must not be on the stack
 * of a caller that has returned; but it may differ from call to call.
 */
int request_parse(struct request *rq, char *base, size_t have);

/*
 * The path of a ready request, once: decoded in place, without dot segments, double slashes and query, NUL at its end.
 * It begins with '/'. 0, or the status of an error.
 */
int request_path(struct request *rq, const char **path, size_t *len);

static inline const char *request_value(const struct request *rq, enum request_field field, size_t *len)
{
	const struct span *value = &rq->value[field];

	*len = value->len;
	return value->off ? rq->base + value->off : NULL;
}

#endif
