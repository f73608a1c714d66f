/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * httpd.c - scenarios: the HTTP server of the examples, and clients that are not always kind
 *
 * The server is examples/httpd as it stands, but for its main() and what reads the command line and takes signals. Its
 * clients are kernel threads of their own that know nothing of the library, as if they were other machines: each has a
 * few connections, sends requests, several at once, in pieces of any size, and checks every byte of every answer, in
 * order. Or it goes away in the middle, says nothing more, or talks no HTTP. One of them stops the server.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/atomic.h"
#include "listener.h"
#include "server.h"
#include "sim.h"
#include "sys/sys.h"

enum { PORT = 8080, CLIENTS_MAX = 4, REQUESTS_MAX = 4, SENT_MAX = 256, LINE_MAX = 256 };

/* The site: of each kind of body that the server has. */
static const struct page {
	const char *path;
	unsigned size;
} pages[] = {{"/site/index.html", 80}, {"/site/s", 100}, {"/site/m", 6000}, {"/site/l", 17000}, {"/site/e", 0}};

static char content(const struct page *page, size_t at)
{
	return (char)('a' + (at * 7 + at / 26 + page->size) % 26);
}

static void make_site(void)
{
	static char bytes[17000];

	sim_file_make("/site", NULL, 0);
	for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
		for (size_t at = 0; at < pages[i].size; at++)
			bytes[at] = content(&pages[i], at);
		sim_file_make(pages[i].path, bytes, pages[i].size);
	}
}

/* What the clients have in common. */
static struct {
	bool breaks;	/* connections may, and the server may lack something */
	unsigned left;	/* clients that are not through */
	unsigned last;	/* so many are left when the server is stopped */
	uint32_t stops; /* it is being stopped */
	uint32_t answers;
	uint32_t connections;
	int listener;
} run;

bool listener_stopped(void)
{
	return load_seq_cst(&run.stops);
}

/* A connection, seen from the client. */
struct client {
	int fd;
	size_t at, have;
	char buf[LINE_MAX];
};

/* What is asked for, and what is to come. */
struct ask {
	const char *text;
	int status;
	const struct page *page;
	unsigned from, count; /* bytes of it */
	bool only_head;
	bool is_last; /* the server ends the connection */
};

static const struct ask asks[] = {
	{"GET /s HTTP/1.1\r\nHost: x\r\n\r\n", 200, &pages[1], 0, 100, false, false},
	{"GET /m HTTP/1.1\r\nHost: x\r\n\r\n", 200, &pages[2], 0, 6000, false, false},
	{"GET /l HTTP/1.1\r\nHost: x\r\n\r\n", 200, &pages[3], 0, 17000, false, false},
	{"GET /e HTTP/1.1\r\nHost: x\r\n\r\n", 200, &pages[4], 0, 0, false, false},
	{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 200, &pages[0], 0, 80, false, false},
	{"HEAD /l HTTP/1.1\r\nHost: x\r\n\r\n", 200, &pages[3], 0, 17000, true, false},
	{"GET /m HTTP/1.1\r\nHost: x\r\nRange: bytes=90-99\r\n\r\n", 206, &pages[2], 90, 10, false, false},
	{"GET /l HTTP/1.1\r\nHost: x\r\nRange: bytes=-999\r\n\r\n", 206, &pages[3], 16001, 999, false, false},
	{"GET /none HTTP/1.1\r\nHost: x\r\n\r\n", 404, NULL, 0, 0, false, false},
	{"PUT /s HTTP/1.1\r\nHost: x\r\n\r\n", 405, NULL, 0, 0, false, false},
	{"GET /s HTTP/1.0\r\n\r\n", 200, &pages[1], 0, 100, false, true},
	{"GET /s HTTP/1.1\r\n\r\n", 400, NULL, 0, 0, false, true},
	{"GET /m HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 200, &pages[2], 0, 6000, false, true},
	{"no such thing\r\n\r\nat all", 400, NULL, 0, 0, false, true},
};

/* The beginning of a request, of which no more comes. */
static const struct ask unfinished = {"GET /s", 408, NULL, 0, 0, false, true};

/* The next byte, or -1: no more will come. */
static int next_byte(struct client *c)
{
	ssize_t n = 0;

	if (c->at < c->have)
		return (unsigned char)c->buf[c->at++];
	do
		n = sys.recv(c->fd, c->buf, any(1, sizeof(c->buf)), 0);
	while (n < 0 && (errno == EINTR || errno == ENOMEM));
	CHECK(n >= 0 || errno == ECONNRESET);
	if (n <= 0)
		return -1;
	c->have = (size_t)n;
	c->at = 1;
	return (unsigned char)c->buf[0];
}

/* A line of an answer's head, without its end: -1, the connection has ended before it. */
static int next_line(struct client *c, char *line)
{
	int n = 0, byte;

	while ((byte = next_byte(c)) >= 0 && byte != '\n') {
		CHECK(n < LINE_MAX - 1);
		line[n++] = (char)byte;
	}
	if (byte < 0) {
		/* In the middle of an answer only an accident ends it. */
		CHECK(n == 0 || run.breaks);
		return -1;
	}
	CHECK(n > 0 && line[n - 1] == '\r');
	line[n - 1] = '\0';
	return n - 1;
}

/* May STATUS come instead of what was to come? Who is stopped reads no further, not even in the middle of a request. */
static bool is_excuse(int status)
{
	if (status == 500 || status == 503)
		return run.breaks;
	return status == 400 && load_seq_cst(&run.stops);
}

static void check_range(const struct ask *ask, const char *value)
{
	unsigned first, last, size;

	CHECK(ask->page && sscanf(value, "bytes %u-%u/%u", &first, &last, &size) == 3);
	CHECK(first == ask->from && last == ask->from + ask->count - 1 && size == ask->page->size);
}

/* The answer to ASK: false, and the connection is over. */
static bool take_answer(struct client *c, const struct ask *ask)
{
	char line[LINE_MAX];
	int status, len = next_line(c, line);
	unsigned length = UINT32_MAX;
	bool closes = false;

	if (len < 0)
		return false;
	CHECK(sscanf(line, "HTTP/1.1 %d ", &status) == 1);
	world_note("client: %d to %.20s", status, ask->text);
	CHECK(status == ask->status || is_excuse(status));
	while ((len = next_line(c, line)) > 0) {
		sscanf(line, "Content-Length: %u", &length);
		closes |= strcmp(line, "Connection: close") == 0;
		if (strncmp(line, "Content-Range: ", 15) == 0)
			check_range(ask, line + 15);
	}
	CHECK(len == 0 || run.breaks);
	if (len < 0)
		return false;
	CHECK(closes || !ask->is_last || status != ask->status);
	if (status == ask->status && ask->page)
		CHECK(length == ask->count);
	for (unsigned i = 0; i < length && !ask->only_head; i++) {
		int byte = next_byte(c);

		CHECK(byte >= 0 || run.breaks);
		if (byte < 0)
			return false;
		CHECK(status != ask->status || !ask->page || byte == content(ask->page, ask->from + i));
	}
	fetch_add_acq_rel(&run.answers, 1);
	return !closes;
}

/* LEN bytes, in pieces: false, nobody takes them. */
static bool send_pieces(const struct client *c, const char *text, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = sys.send(c->fd, text + done, any(1, (unsigned)(len - done)), MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR && errno != ENOBUFS) {
			CHECK(errno == EPIPE || errno == ECONNRESET);
			return false;
		}
		done += n > 0 ? (size_t)n : 0;
		if (any(0, 7) == 0)
			sys.nanosleep(&(struct timespec){.tv_nsec = any(0, 100000)}, NULL);
	}
	return true;
}

/* What a client does when it has sent what it wants to send. */
enum way {
	STAYS,	/* takes all answers, and goes */
	ENDS,	/* says that it will send no more, and takes all answers */
	STALLS, /* has sent a part of a last request, and waits */
	LEAVES, /* is not there any more, perhaps in the middle of a request */
	WAYS
};

static void talk(struct client *c)
{
	enum way way = any(0, 1) ? STAYS : any(0, WAYS - 1);
	unsigned count = any(1, REQUESTS_MAX), taken = 0;
	const struct ask *list[REQUESTS_MAX + 1];
	char text[SENT_MAX] = "";
	bool is_over;
	size_t len;

	for (unsigned i = 0; i < count; i++) {
		list[i] = &asks[any(0, ARRAY_SIZE(asks) - 1)];
		strcat(text, list[i]->text);
		if (list[i]->is_last)
			count = i + 1;
	}
	if (way == STALLS && !list[count - 1]->is_last) {
		list[count++] = &unfinished;
		strcat(text, unfinished.text);
	}
	len = strlen(text);
	CHECK(len < SENT_MAX);
	is_over = list[count - 1]->is_last;
	if (way == LEAVES) {
		len = any(0, (unsigned)len);
		count = any(0, count);
	}
	if (!send_pieces(c, text, len))
		CHECK(run.breaks || run.last || is_over);
	if (way == ENDS)
		sys.shutdown(c->fd, SHUT_WR);
	if (way == LEAVES && text[len])
		return;
	while (taken < count && take_answer(c, list[taken]))
		taken++;
	/* Has the connection ended without a reason that the client would know of? */
	if (taken + 1 < count || (taken < count && !list[taken]->is_last))
		CHECK(run.breaks || load_seq_cst(&run.stops));
	else if (way != LEAVES && (is_over || way == ENDS))
		CHECK(next_byte(c) < 0);
}

/* A connection from its beginning to its end. */
static void connect_and_talk(void)
{
	const struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	struct client c = {.fd = sys.socket(AF_INET, SOCK_STREAM, 0)};

	CHECK(c.fd >= 0 || run.breaks);
	if (c.fd < 0)
		return;
	if (sys.connect(c.fd, (const struct sockaddr *)&in, sizeof(in)) == 0) {
		fetch_add_acq_rel(&run.connections, 1);
		talk(&c);
	} else {
		CHECK(errno == ECONNREFUSED && (run.breaks || load_seq_cst(&run.stops)));
	}
	CHECK(sys.close(c.fd) == 0);
}

static void be_client(void *unused)
{
	(void)unused;
	for (unsigned i = any(1, 2); i > 0; i--)
		connect_and_talk();
	if (fetch_sub_acq_rel(&run.left, 1) == run.last + 1) {
		store_seq_cst(&run.stops, 1);
		CHECK(sys.shutdown(run.listener, SHUT_RD) == 0);
	}
}

static int open_listener(void)
{
	const struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	int fd;

	while ((fd = ell_socket(AF_INET, SOCK_STREAM, 0)) < 0)
		CHECK(run.breaks);
	CHECK(ell_bind(fd, (const struct sockaddr *)&in, sizeof(in)) == 0);
	CHECK(ell_listen(fd, 8) == 0);
	return fd;
}

static int serve(bool breaks)
{
	/* The clock may jump, but not so far. */
	const struct options o = {.program = "httpd",
				  .header_ns = 1000 * ELL_SEC,
				  .idle_ns = 2000 * ELL_SEC,
				  .write_ns = 1000 * ELL_SEC,
				  .grace_ns = 5000 * ELL_SEC};
	struct server_totals totals;
	struct site *site;

	run.breaks = breaks;
	make_site();
	while (!(site = site_open("/site")))
		CHECK(run.breaks);
	run.listener = open_listener();
	run.left = any(1, CLIENTS_MAX);
	run.last = any(0, 1) ? 0 : any(0, run.left - 1);
	for (unsigned i = run.left; i > 0; i--)
		sim_foreign("client", be_client, NULL);
	totals = server_run(&o, site, run.listener);
	CHECK(load_seq_cst(&run.stops));
	while (load_acquire(&run.left) > 0)
		nap(100);
	CHECK(totals.cut == 0);
	CHECK(totals.connections <= load_acquire(&run.connections));
	CHECK(ell_close(run.listener) == 0);
	site_close(site);
	return 0;
}

static int httpd_main(void *unused)
{
	(void)unused;
	return serve(false);
}

static int httpd_reset_main(void *unused)
{
	(void)unused;
	return serve(true);
}

const struct scenario httpd[] = {
	{.name = "httpd", .main_fn = httpd_main, .faults = FAULTS_CALLS},
	{.name = "httpd_reset", .main_fn = httpd_reset_main, .faults = FAULTS_HARD},
	{.name = NULL},
};
