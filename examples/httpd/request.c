/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * request.c - one HTTP request, read in place from the buffer into which it came
 *
 * http_parser is fed with each piece as it comes and never sees a byte twice. It calls back with pointers into the
 * buffer; here they become offsets, because the buffer may move when it is compacted or grows. Nothing is copied: a
 * header that comes in two pieces is contiguous in the buffer again. Parsing stops behind the empty line: bodies are
 * for other servers.
 */
#include "request.h"

#include <string.h>
#include <strings.h>

/* Extends SPAN by a piece, or starts it. */
static void span_add(struct span *span, size_t off, size_t len)
{
	if (!span->off)
		span->off = (uint16_t)off;
	span->len = (uint16_t)(span->len + len);
}

/* A callback that does not return 0 ends the parsing. */
static int request_fail(struct request *rq, int status)
{
	rq->error = (uint16_t)status;
	return -1;
}

static int request_on_url(http_parser *parser, const char *at, size_t len)
{
	struct request *rq = parser->data;

	span_add(&rq->target, (size_t)(at - rq->base), len);
	return rq->target.len > REQUEST_TARGET_MAX ? request_fail(rq, 414) : 0;
}

static int request_on_name(http_parser *parser, const char *at, size_t len)
{
	struct request *rq = parser->data;

	if (rq->in_value || !rq->fields) {
		if (++rq->fields > REQUEST_FIELDS_MAX)
			return request_fail(rq, 431);
		rq->in_value = false;
		rq->name = (struct span){0, 0};
	}
	span_add(&rq->name, (size_t)(at - rq->base), len);
	return 0;
}

static enum request_field request_field(const char *name, size_t len)
{
	static const struct {
		const char *name;
		size_t len;
	} fields[REQUEST_FIELDS] = {
		[REQUEST_HOST] = {"host", 4},
		[REQUEST_RANGE] = {"range", 5},
		[REQUEST_IF_RANGE] = {"if-range", 8},
		[REQUEST_IF_NONE_MATCH] = {"if-none-match", 13},
		[REQUEST_IF_MODIFIED_SINCE] = {"if-modified-since", 17},
	};
	enum request_field field;

	for (field = 0; field < REQUEST_FIELDS; field++)
		if (fields[field].len == len && !strncasecmp(fields[field].name, name, len))
			return field;
	return REQUEST_OTHER;
}

static int request_on_value(http_parser *parser, const char *at, size_t len)
{
	struct request *rq = parser->data;
	size_t off = (size_t)(at - rq->base);

	if (!rq->in_value) {
		const char *name = rq->base + rq->name.off;

		rq->in_value = true;
		/* http_parser may be built to let spaces through; some then see another name than others do. */
		if (memchr(name, ' ', rq->name.len))
			return request_fail(rq, 400);
		rq->field = (uint8_t)request_field(name, rq->name.len);
		if (rq->field != REQUEST_OTHER && rq->value[rq->field].off) {
			/* Two hosts are an attempt to be taken for two sites; of other headers the first one counts. */
			if (rq->field == REQUEST_HOST)
				return request_fail(rq, 400);
			rq->field = REQUEST_OTHER;
		}
	} else if (off != rq->value_end) {
		return request_fail(rq, 400); /* a header folded into two lines */
	}
	rq->value_end = (uint16_t)(off + len);
	if (rq->field != REQUEST_OTHER)
		span_add(&rq->value[rq->field], off, len);
	return 0;
}

static int request_on_headers(http_parser *parser)
{
	struct request *rq = parser->data;

	rq->keep_alive = http_should_keep_alive(parser);
	rq->body = parser->uses_transfer_encoding || (parser->content_length && parser->content_length != UINT64_MAX);
	return 1; /* no body, and no other protocol after an upgrade */
}

static int request_on_complete(http_parser *parser)
{
	http_parser_pause(parser, 1); /* what follows is the next request */
	return 0;
}

static const http_parser_settings request_settings = {
	.on_url = request_on_url,
	.on_header_field = request_on_name,
	.on_header_value = request_on_value,
	.on_headers_complete = request_on_headers,
	.on_message_complete = request_on_complete,
};

void request_init(struct request *rq)
{
	memset(rq, 0, sizeof *rq);
	http_parser_init(&rq->parser, HTTP_REQUEST);
}

static bool request_is_token(const char *s, const char *end)
{
	const char *at = s;

	while (at < end && ((*at >= 'A' && *at <= 'Z') || (*at >= 'a' && *at <= 'z') || *at == '-' || *at == '_'))
		at++;
	return at == end && at > s;
}

/* A method that http_parser does not know: 501 if the line is a request at all. Only the whole line tells. */
static int request_odd(const char *line, size_t have)
{
	const char *end = memchr(line, '\n', have), *target, *version;

	if (!end)
		return have < REQUEST_MAX ? REQUEST_MORE : 400;
	target = memchr(line, ' ', (size_t)(end - line));
	version = target ? memchr(target + 1, ' ', (size_t)(end - target - 1)) : NULL;
	if (!version || end - version < 9 || memcmp(version, " HTTP/1.", 8))
		return 400;
	return request_is_token(line, target) ? 501 : 400;
}

static int request_check(const struct request *rq)
{
	if (rq->parser.http_major != 1)
		return 505;
	if (rq->parser.http_minor && !rq->value[REQUEST_HOST].off)
		return 400;
	return REQUEST_READY;
}

int request_parse(struct request *rq, char *base, size_t have)
{
	enum http_errno error;

	if (rq->odd)
		return request_odd(base, have);
	if (have == rq->parsed)
		return REQUEST_MORE; /* http_parser would take no bytes for the end of the connection */
	rq->base = base;
	rq->parser.data = rq;
	rq->parsed += http_parser_execute(&rq->parser, &request_settings, base + rq->parsed, have - rq->parsed);
	error = HTTP_PARSER_ERRNO(&rq->parser);
	switch (error) {
	case HPE_OK:
		return have < REQUEST_MAX ? REQUEST_MORE : 431;
	case HPE_PAUSED:
		return rq->parsed <= REQUEST_MAX ? request_check(rq) : 431;
	case HPE_HEADER_OVERFLOW:
		return 431;
	case HPE_INVALID_METHOD:
		rq->odd = true;
		return request_odd(base, have);
	default:
		return rq->error ? rq->error : 400;
	}
}

static int request_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Reads %XX at AT: the byte, or -1 if it is none or one that no file name can hold. */
static int request_escape(const char *at, const char *end)
{
	int high, low;

	if (end - at < 3)
		return -1;
	high = request_hex(at[1]);
	low = request_hex(at[2]);
	if (high < 0 || low < 0)
		return -1;
	high = high << 4 | low;
	return high && high != '/' ? high : -1;
}

/*
 * Decodes, then takes dot segments away: the other order would let an escaped dot through. TO never overtakes AT. An
 * escaped slash is refused, because it would be a part of a name that cannot exist.
 */
static int request_decode(char *at, const char *end, size_t *len)
{
	char *const root = at, *to = at;

	while (at < end && *at != '?' && *at != '#') {
		char *segment;

		while (at < end && *at == '/')
			at++;
		if (to == root || to[-1] != '/')
			*to++ = '/';
		segment = to;
		while (at < end && *at != '/' && *at != '?' && *at != '#') {
			int c = (unsigned char)*at;

			if (c == '%') {
				c = request_escape(at, end);
				if (c < 0)
					return 400;
				at += 2;
			}
			at++;
			*to++ = (char)c;
		}
		if (to - segment == 1 && segment[0] == '.') {
			to = segment;
		} else if (to - segment == 2 && segment[0] == '.' && segment[1] == '.') {
			to = segment - 1;
			if (to == root)
				return 400;
			while (to[-1] != '/')
				to--;
		}
	}
	*to = 0;
	*len = (size_t)(to - root);
	return 0;
}

int request_path(struct request *rq, const char **path, size_t *len)
{
	char *at = rq->base + rq->target.off, *end = at + rq->target.len;

	/* The form that proxies get, and origin servers must understand: the host is not looked at. */
	if (rq->target.len > 7 && !strncasecmp(at, "http://", 7)) {
		at += 7;
		while (at < end && *at != '/' && *at != '?' && *at != '#')
			at++;
		if (at == end || *at != '/')
			*--at = '/'; /* the host has at least one byte to spare */
	}
	if (at == end || *at != '/')
		return 400;
	*path = at;
	return request_decode(at, end, len);
}
