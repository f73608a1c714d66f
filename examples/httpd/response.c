/* SPDX-License-Identifier: BSD-2-Clause */
/* response.c - what to answer to a request */
#include "response.h"

#include <stdlib.h>
#include <string.h>

#include "date.h"
#include "listing.h"
#include "text.h"

/* The part of a file that is wanted: all of it, or the bytes from FIRST to LAST. */
struct range {
	enum { RANGE_ALL, RANGE_PART, RANGE_OUTSIDE } kind;
	off_t first, last;
};

static const char *response_reason(int status)
{
	switch (status) {
#define REASON(number, name, text)                                                                                     \
	case number:                                                                                                   \
		return #text;
		HTTP_STATUS_MAP(REASON)
#undef REASON
	}
	return "Unknown";
}

static void response_status(struct text *t, int status)
{
	text_str(t, "HTTP/1.1 ");
	text_number(t, (uint64_t)status);
	text_str(t, " ");
	text_str(t, response_reason(status));
	text_str(t, "\r\n");
}

static void response_length(struct text *t, uint64_t length)
{
	text_str(t, "Content-Length: ");
	text_number(t, length);
	text_str(t, "\r\n");
}

/* What ends every header. RQ is NULL if the request was none. */
static void response_tail(struct text *t, const struct response *rs, const struct request *rq, time_t now)
{
	char line[6 + DATE_LEN + 2] = "Date: ";

	date_format(line + 6, now);
	memcpy(line + 6 + DATE_LEN, "\r\n", 2);
	text_put(t, line, sizeof line);
	if (rs->close)
		text_str(t, "Connection: close\r\n");
	else if (rq && !rq->parser.http_minor)
		text_str(t, "Connection: keep-alive\r\n"); /* HTTP/1.0 does not expect it */
	text_str(t, "\r\n");
}

/* An answer that is a line of text, with EXTRA header lines. */
static void response_text(struct response *rs, const struct request *rq, int status, const char *extra, time_t now,
			  struct text *t)
{
	const char *reason = response_reason(status);

	response_status(t, status);
	text_str(t, extra);
	text_str(t, "Content-Type: text/plain; charset=utf-8\r\n");
	response_length(t, 4 + strlen(reason) + 1);
	response_tail(t, rs, rq, now);
	if (rq && rq->parser.method == HTTP_HEAD)
		return;
	text_number(t, (uint64_t)status);
	text_str(t, " ");
	text_str(t, reason);
	text_str(t, "\n");
}

/* Does the list of entity tags LIST name that of FILE? A weak comparison: the prefix W/ does not matter. */
static bool response_etag_in(const char *list, size_t len, const struct site_file *file)
{
	if (len == 1 && *list == '*')
		return true;
	return memmem(list, len, file->etag, file->etag_len);
}

/* Has the client got FILE as it is? */
static bool response_not_modified(const struct request *rq, const struct site_file *file)
{
	const char *value;
	time_t when;
	size_t len;

	value = request_value(rq, REQUEST_IF_NONE_MATCH, &len);
	if (value)
		return response_etag_in(value, len, file);
	value = request_value(rq, REQUEST_IF_MODIFIED_SINCE, &len);
	if (!value)
		return false;
	if (len == DATE_LEN && !memcmp(value, file->date, DATE_LEN))
		return true;
	return date_parse(value, len, &when) && file->modified <= when;
}

/* May the range be taken from FILE, or was it meant for another state of it? */
static bool response_if_range(const struct request *rq, const struct site_file *file)
{
	size_t len;
	const char *value = request_value(rq, REQUEST_IF_RANGE, &len);

	if (!value)
		return true;
	if (*value == '"')
		return len == file->etag_len && !memcmp(value, file->etag, len);
	return len == DATE_LEN && !memcmp(value, file->date, DATE_LEN);
}

/* Digits at *AT, which moves behind them: their number, or -1 if there are none. Too large is INT64_MAX. */
static int64_t range_number(const char **at, const char *end)
{
	int64_t n = 0;

	if (*at == end || **at < '0' || **at > '9')
		return -1;
	for (; *at < end && **at >= '0' && **at <= '9'; ++*at)
		if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, **at - '0', &n))
			n = INT64_MAX;
	return n;
}

/* A header that makes no sense, or that wants several parts, is one to be ignored. */
static struct range response_range(const struct request *rq, const struct site_file *file)
{
	const struct range all = {RANGE_ALL, 0, file->size - 1}, outside = {RANGE_OUTSIDE, 0, 0};
	int64_t first, last;
	size_t len;
	const char *at = request_value(rq, REQUEST_RANGE, &len), *end;

	if (!at || rq->parser.method != HTTP_GET || len < 6 || memcmp(at, "bytes=", 6) || !response_if_range(rq, file))
		return all;
	end = at + len;
	at += 6;
	first = range_number(&at, end);
	if (at == end || *at++ != '-')
		return all;
	last = range_number(&at, end);
	if (at != end || (first < 0 && last < 0) || (last >= 0 && first > last))
		return all;
	if (first < 0) { /* the last so many bytes */
		if (last == 0 || file->size == 0)
			return outside;
		return (struct range){RANGE_PART, last < file->size ? file->size - last : 0, file->size - 1};
	}
	if (first >= file->size)
		return outside;
	return (struct range){RANGE_PART, first, last >= 0 && last < file->size ? last : file->size - 1};
}

static void response_content_range(struct text *t, const struct range *range, off_t size)
{
	text_str(t, "Content-Range: bytes ");
	if (range->kind == RANGE_OUTSIDE) {
		text_str(t, "*");
	} else {
		text_number(t, (uint64_t)range->first);
		text_str(t, "-");
		text_number(t, (uint64_t)range->last);
	}
	text_str(t, "/");
	text_number(t, (uint64_t)size);
	text_str(t, "\r\n");
}

static void response_file(struct response *rs, const struct request *rq, time_t now, struct text *t)
{
	const struct site_file *file = rs->file;
	struct range range;

	if (response_not_modified(rq, file)) {
		response_status(t, 304);
		text_put(t, file->head + file->head_fields, (size_t)(file->head_length - file->head_fields));
		response_tail(t, rs, rq, now);
		return;
	}
	range = response_range(rq, file);
	switch (range.kind) {
	case RANGE_OUTSIDE:
		response_status(t, 416);
		response_content_range(t, &range, file->size);
		response_length(t, 0);
		response_tail(t, rs, rq, now);
		return;
	case RANGE_PART:
		response_status(t, 206);
		text_put(t, file->head + file->head_fields, (size_t)(file->head_length - file->head_fields));
		response_content_range(t, &range, file->size);
		response_length(t, (uint64_t)(range.last - range.first + 1));
		break;
	case RANGE_ALL:
		text_put(t, file->head, file->head_end);
		break;
	}
	response_tail(t, rs, rq, now);
	if (rq->parser.method == HTTP_HEAD)
		return;
	rs->left = (size_t)(range.last - range.first + 1);
	rs->off = range.first;
	rs->fd = file->fd;
	if (file->body)
		rs->body = file->body + range.first;
}

static void response_listing(struct response *rs, const struct request *rq, struct site *site, const char *path,
			     time_t now, struct text *t)
{
	size_t len;

	rs->text = listing_make(site, path, &len);
	if (!rs->text) {
		response_text(rs, rq, 503, "", now, t);
		return;
	}
	response_status(t, 200);
	text_str(t, "Content-Type: text/html; charset=utf-8\r\n");
	response_length(t, len);
	response_tail(t, rs, rq, now);
	if (rq->parser.method == HTTP_HEAD)
		return;
	rs->body = rs->text;
	rs->left = len;
}

/*
 * To the same name with a slash. The location is relative to the request's, so that it can be no other host's, and the
 * name is one that exists, so that it is not long. Not inlined: its buffer would be on the stack of every request.
 */
__attribute__((noinline)) static void response_moved(struct response *rs, const struct request *rq, const char *path,
						     time_t now, struct text *t)
{
	char extra[RESPONSE_HEAD_MAX / 2 + 256];
	struct text location = {extra, extra + sizeof extra - 1, false};

	text_str(&location, "Location: ./");
	listing_escape_url(&location, strrchr(path, '/') + 1);
	text_str(&location, "/\r\n");
	*location.at = 0;
	if (location.cut)
		response_text(rs, rq, 404, "", now, t);
	else
		response_text(rs, rq, 301, extra, now, t);
}

static void response_answer(struct response *rs, struct request *rq, struct site *site, struct text *t)
{
	time_t now = date_now();
	const char *path;
	size_t len;
	int status;

	if (rq->parser.method != HTTP_GET && rq->parser.method != HTTP_HEAD) {
		response_text(rs, rq, 405, "Allow: GET, HEAD\r\n", now, t);
		return;
	}
	status = request_path(rq, &path, &len);
	if (status) {
		response_text(rs, rq, status, "", now, t);
		return;
	}
	switch (site_get(site, path, len, now, &rs->file)) {
	case SITE_FILE:
		response_file(rs, rq, now, t);
		return;
	case SITE_LISTING:
		response_listing(rs, rq, site, path, now, t);
		return;
	case SITE_MOVED:
		response_moved(rs, rq, path, now, t);
		return;
	case SITE_MISSING:
		status = 404;
		break;
	case SITE_FORBIDDEN:
		status = 403;
		break;
	case SITE_BUSY:
		status = 503;
		break;
	case SITE_BROKEN:
		status = 500;
		break;
	}
	response_text(rs, rq, status, "", now, t);
}

void response_make(struct response *rs, struct request *rq, struct site *site, struct output *out)
{
	struct text t = {out->space + out->have, out->space + out->size, false};

	*rs = (struct response){.fd = -1, .close = !rq->keep_alive || rq->body, .linger = rq->body};
	response_answer(rs, rq, site, &t);
	if (rs->body && rs->left <= RESPONSE_INLINE_MAX && rs->left <= (size_t)(t.end - t.at)) {
		text_put(&t, rs->body, rs->left);
		rs->left = 0;
	}
	out->have = (size_t)(t.at - out->space);
}

void response_error(struct response *rs, int status, struct output *out)
{
	struct text t = {out->space + out->have, out->space + out->size, false};

	*rs = (struct response){.fd = -1, .close = true, .linger = true};
	response_text(rs, NULL, status, "", date_now(), &t);
	out->have = (size_t)(t.at - out->space);
}

void response_done(struct response *rs)
{
	if (rs->file)
		site_put(rs->file);
	free(rs->text);
}
