/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * httpd.c - any bytes for the HTTP server of the examples: a well-formed answer, from the site and nothing else
 *
 * The first bytes say into what pieces the rest is cut. What comes in pieces must be understood as what comes at once.
 * Each request that is understood is answered from a small site, whose files say at each byte where that byte is.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz/fuzz.h"
#include "request.h"
#include "response.h"

enum { REQUESTS = 8, PIECES = 8, SMALL = 1000, LARGE = 40000 };

static char root[] = "/tmp/ellula-fuzz-XXXXXX";
static struct site *site;

static const struct {
	const char *path;
	unsigned size;
} files[] = {{"index.html", 300}, {"small.txt", SMALL}, {"large.bin", LARGE}, {"empty", 0}, {"sub/a b.css", 10}};

enum { FILES = sizeof(files) / sizeof(files[0]) };

static char byte_at(unsigned file, size_t off)
{
	return (char)(off * 7 + off / 251 + file);
}

static const char *full(const char *path)
{
	static char text[128];

	snprintf(text, sizeof(text), "%s/%s", root, path);
	return text;
}

static void clean(void)
{
	site_close(site);
	for (unsigned i = 0; i < FILES; i++)
		unlink(full(files[i].path));
	unlink(full("out"));
	rmdir(full("sub"));
	rmdir(root);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static char content[LARGE];

	(void)argc;
	(void)argv;
	MUST(mkdtemp(root) && mkdir(full("sub"), 0700) == 0);
	for (unsigned i = 0; i < FILES; i++) {
		int fd = open(full(files[i].path), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

		for (unsigned n = 0; n < files[i].size; n++)
			content[n] = byte_at(i, n);
		MUST(fd >= 0 && write(fd, content, files[i].size) == (ssize_t)files[i].size);
		close(fd);
	}
	/* The way out, which must not be found. */
	MUST(symlink("/etc/passwd", full("out")) == 0);
	site = site_open(root);
	MUST(site);
	atexit(clean);
	return 0;
}

/* BUF of LEN bytes, in a block of memory that is not one byte longer. */
static char *copy_of(const char *buf, size_t len)
{
	char *copy = malloc(len ? len : 1);

	MUST(copy);
	memcpy(copy, buf, len);
	return copy;
}

/*
 * Reads the request at DATA as it would come in pieces of the lengths CUTS, each time into another place. *AT is where
 * it lies in the end, for the caller to free.
 */
static int parse(struct request *rq, const char *data, size_t size, const uint8_t *cuts, unsigned count, char **at)
{
	int status = REQUEST_MORE;
	size_t have = 0;

	request_init(rq);
	*at = NULL;
	for (unsigned i = 0; status == REQUEST_MORE && have < size; i++) {
		size_t piece = i < count ? (size_t)cuts[i] * cuts[i] / 8 + 1 : size;
		char *next;

		have = piece < size - have ? have + piece : size;
		/* As large as the server's buffer is, then the parser has to have had enough. */
		if (have > REQUEST_MAX)
			have = REQUEST_MAX;
		next = copy_of(data, have);
		free(*at);
		*at = next;
		status = request_parse(rq, next, have);
		MUST(status != REQUEST_MORE || have < REQUEST_MAX);
		if (have == REQUEST_MAX)
			break;
	}
	MUST(status == REQUEST_MORE || status == REQUEST_READY || (status >= 400 && status < 600));
	MUST(rq->parsed <= have);
	return status;
}

static void check_path(const char *path, size_t len)
{
	MUST(len >= 1 && path[0] == '/' && path[len] == '\0' && strlen(path) == len);
	MUST(!strstr(path, "//") && !strstr(path, "/../") && !strstr(path, "/./"));
	MUST(len < 3 || strcmp(path + len - 3, "/..") != 0);
}

/* The number behind NAME in HEAD, or -1. */
static long number_of(const char *head, const char *name)
{
	const char *found = strstr(head, name);

	return found ? strtol(found + strlen(name), NULL, 10) : -1;
}

/* The body is a piece of one of the files, from FIRST on. */
static void check_content(const char *body, size_t len, size_t first)
{
	for (unsigned i = 0; i < FILES; i++) {
		size_t n = 0;

		if (first + len > files[i].size)
			continue;
		while (n < len && body[n] == byte_at(i, first + n))
			n++;
		if (n == len)
			return;
	}
	MUST(!"a part of a file of the site");
}

static void check_answer(const struct response *rs, const struct request *rq, const struct output *out)
{
	char head[RESPONSE_HEAD_MAX + 1];
	const char *end;
	size_t len, have, all;
	long status, said;
	char *body;

	MUST(out->have <= out->size);
	end = memmem(out->space, out->have, "\r\n\r\n", 4);
	MUST(end && end - out->space < RESPONSE_HEAD_MAX);
	len = (size_t)(end - out->space) + 2;
	memcpy(head, out->space, len);
	head[len] = '\0';
	MUST(strncmp(head, "HTTP/1.1 ", 9) == 0 && strlen(head) == len);
	status = strtol(head + 9, NULL, 10);
	MUST(status >= 200 && status < 600);
	MUST(strstr(head, "\r\nDate: "));
	MUST(rs->close == (strstr(head, "\r\nConnection: close\r\n") != NULL));
	have = out->have - len - 2;
	said = number_of(head, "\r\nContent-Length: ");
	all = have + rs->left;
	if (status == 304 || (rq && rq->parser.method == HTTP_HEAD)) {
		MUST(all == 0);
		return;
	}
	MUST(said >= 0 && (size_t)said == all);
	if (!rs->file || (status != 200 && status != 206))
		return;
	/* Together again, wherever the parts are. */
	body = malloc(all + 1);
	MUST(body && (have == 0 || rs->left == 0));
	memcpy(body, out->space + len + 2, have);
	if (rs->left && rs->body)
		memcpy(body, rs->body, rs->left);
	else if (rs->left)
		MUST(pread(rs->fd, body, rs->left, rs->off) == (ssize_t)rs->left);
	said = status == 206 ? number_of(head, "\r\nContent-Range: bytes ") : 0;
	MUST(said >= 0);
	check_content(body, all, (size_t)said);
	free(body);
}

static void answer(struct request *rq, int status)
{
	struct output out = {.size = RESPONSE_HEAD_MAX + (status == REQUEST_READY ? rq->parsed % 3000 : 0)};
	struct response rs;

	out.space = malloc(out.size);
	MUST(out.space);
	if (status == REQUEST_READY)
		response_make(&rs, rq, site, &out);
	else
		response_error(&rs, status, &out);
	check_answer(&rs, status == REQUEST_READY ? rq : NULL, &out);
	response_done(&rs);
	free(out.space);
}

/* The path of RQ, from a copy of its bytes, which are decoded in place: "" if it has none. */
static void path_of(const struct request *rq, size_t have, char path[REQUEST_MAX])
{
	struct request copy = *rq;
	const char *at;
	size_t len;

	copy.base = copy_of(rq->base, have);
	path[0] = '\0';
	if (request_path(&copy, &at, &len) == 0) {
		check_path(at, len);
		memcpy(path, at, len + 1);
	}
	free(copy.base);
}

static void compare(const struct request *a, const struct request *b)
{
	static char of_a[REQUEST_MAX], of_b[REQUEST_MAX];

	MUST(a->parsed == b->parsed && a->keep_alive == b->keep_alive && a->body == b->body);
	MUST(memcmp(&a->target, &b->target, sizeof(a->target)) == 0);
	MUST(memcmp(a->value, b->value, sizeof(a->value)) == 0);
	path_of(a, a->parsed, of_a);
	path_of(b, b->parsed, of_b);
	MUST(strcmp(of_a, of_b) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned count = size ? data[0] % PIECES : 0;
	const char *text = (const char *)data + 1 + count;
	size_t left;

	if (size < 1 + count)
		return 0;
	left = size - 1 - count;
	for (int i = 0; i < REQUESTS && left; i++) {
		struct request rq, in_pieces;
		char *at, *at_pieces;
		int status = parse(&rq, text, left, NULL, 0, &at);
		int other = parse(&in_pieces, text, left, data + 1, count, &at_pieces);

		MUST(status == other);
		if (status == REQUEST_READY) {
			compare(&rq, &in_pieces);
			text += rq.parsed;
			left -= rq.parsed;
		}
		if (status != REQUEST_MORE)
			answer(&in_pieces, status);
		free(at);
		free(at_pieces);
		if (status != REQUEST_READY || rq.body)
			break;
	}
	return 0;
}
