/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * site.c - the files of a site, with what a response needs to know of each
 *
 * Purpose. A request for a file that was asked for before costs a look-up here and no system call: the header is ready
 * made, and small files are in memory.
 *
 * Freshness. Once a second at most, the first request for a file in that second compares what stat() says with what was
 * true when it was read; the others meanwhile get what there is. A file that changed is read anew into an entry of its
 * own, the old one lives on until the last response made of it has been sent.
 *
 * Ownership. An entry belongs to those who hold a reference: the table has one, each response under way has one.
 *
 * Locks. One per bucket, held for the look-up and the count alone, never across a system call. Two threads that miss
 * the same file at once both read it, and the later one's stays in the table: simpler than making one wait for the
 * other.
 *
 * Bounds. BUCKETS times BUCKET_MAX entries; a full bucket gives up the entry that was checked longest ago.
 *
 * Rejected: keeping the raw path of a request as the key, which saves decoding it, but lets a client fill the table
 * with spellings of one file; and remembering what is not there, which lets it do so with any path at all.
 */
#include "site.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mime.h"
#include "text.h"
#include "threads.h"

#define BUCKETS 256
#define BUCKET_MAX 16
#define INDEX "index.html"

struct entry {
	struct site_file file; /* first: the caller's pointer is ours */
	struct entry *next;    /* in the bucket; guarded by its lock */
	time_t checked;	       /* when it was last compared with the file; guarded by the lock of the bucket */
	uint32_t refs;
	dev_t dev; /* from here on: the same for ever */
	ino_t ino;
	struct timespec changed;
	uint32_t hash;
	size_t path_len;
	char *path; /* what it was asked for by */
	char *real; /* the file that was found: the same, or the index in it */
};

struct bucket {
	struct threads_lock lock;
	struct entry *first;
} __attribute__((aligned(64)));

struct site {
	int root;
	struct bucket buckets[BUCKETS];
};

int site_descriptor(const struct site *site, const char *path, int flags)
{
	struct open_how how = {
		/* A FIFO must not stop us before we see that it is one. */
		.flags = (uint64_t)(O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | flags),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};

	return (int)syscall(SYS_openat2, site->root, path[1] ? path + 1 : ".", &how, sizeof how);
}

static enum site_answer site_error(int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
	case ELOOP:
	case EXDEV: /* a symbolic link out of the root */
	case ENAMETOOLONG:
	case ENXIO: /* a socket */
		return SITE_MISSING;
	case EACCES:
	case EPERM:
		return SITE_FORBIDDEN;
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case EAGAIN:
		return SITE_BUSY;
	default:
		return SITE_BROKEN;
	}
}

static void entry_free(struct entry *e)
{
	if (e->file.fd >= 0)
		close(e->file.fd);
	free(e);
}

void site_put(struct site_file *file)
{
	struct entry *e = (struct entry *)file;

	/* Release: our reads of the entry come before it is freed; acquire: by whoever frees it. */
	if (__atomic_sub_fetch(&e->refs, 1, __ATOMIC_ACQ_REL) == 0)
		entry_free(e);
}

static struct entry *entry_ref(struct entry *e)
{
	__atomic_fetch_add(&e->refs, 1, __ATOMIC_RELAXED);
	return e;
}

/* What a response says about a file, ready made, into TO; it ends where it returns. */
static char *entry_head(struct entry *e, char *to, char *end)
{
	struct site_file *f = &e->file;
	struct text etag = {f->etag, f->etag + sizeof f->etag, false}, head = {to, end, false};

	text_str(&etag, "\"");
	text_hex(&etag, (uint64_t)e->changed.tv_sec * 1000000000 + (uint64_t)e->changed.tv_nsec);
	text_str(&etag, "-");
	text_hex(&etag, (uint64_t)f->size);
	text_str(&etag, "\"");
	f->etag_len = (uint8_t)(etag.at - f->etag);
	date_format(f->date, f->modified);

	f->head = to;
	text_str(&head, "HTTP/1.1 200 OK\r\n");
	f->head_fields = (uint16_t)(head.at - to);
	text_str(&head, "Content-Type: ");
	text_str(&head, mime_type(e->real));
	text_str(&head, "\r\nAccept-Ranges: bytes\r\nLast-Modified: ");
	text_put(&head, f->date, sizeof f->date);
	text_str(&head, "\r\nETag: ");
	text_put(&head, f->etag, f->etag_len);
	text_str(&head, "\r\n");
	f->head_length = (uint16_t)(head.at - to);
	text_str(&head, "Content-Length: ");
	text_number(&head, (uint64_t)f->size);
	text_str(&head, "\r\n");
	f->head_end = (uint16_t)(head.at - to);
	return head.at;
}

/* Reads up to LEN bytes from the start of FD: how many there were, or -1. */
static ssize_t entry_read(int fd, char *to, size_t len)
{
	size_t have = 0;

	while (have < len) {
		ssize_t n = threads_pread(fd, to + have, len - have, (off_t)have);

		if (n < 0)
			return -1;
		if (n == 0)
			break;
		have += (size_t)n;
	}
	return (ssize_t)have;
}

#define HEAD_MAX 512

/* One allocation: the entry, the two paths, the header, and the content of a small file. FD is used up. */
static enum site_answer entry_make(const char *path, size_t len, const char *index, int fd, const struct stat *st,
				   struct entry **made)
{
	size_t index_len = strlen(index), small = st->st_size <= SITE_BODY_MAX ? (size_t)st->st_size : 0;
	struct entry *e = malloc(sizeof *e + len + 1 + len + index_len + 1 + HEAD_MAX + small);
	char *space = (char *)(e + 1);
	ssize_t got;

	if (!e) {
		close(fd);
		return SITE_BUSY;
	}
	*e = (struct entry){
		.file = {.fd = fd, .size = st->st_size, .modified = st->st_mtim.tv_sec},
		.refs = 1,
		.dev = st->st_dev,
		.ino = st->st_ino,
		.changed = st->st_mtim,
		.path = memcpy(space, path, len),
		.path_len = len,
		.real = memcpy(space + len + 1, path, len),
	};
	e->path[len] = 0;
	memcpy(e->real + len, index, index_len + 1);
	space = e->real + len + index_len + 1;
	space = entry_head(e, space, space + HEAD_MAX);
	if (st->st_size > SITE_BODY_MAX) {
		*made = e;
		return SITE_FILE;
	}
	got = entry_read(fd, space, small);
	/* Cut in this very moment: what was announced is not there, so the next request shall look again. */
	if (got >= 0 && (size_t)got < small) {
		entry_free(e);
		return SITE_BUSY;
	}
	if (got < 0) {
		enum site_answer answer = site_error(errno);

		entry_free(e);
		return answer;
	}
	close(fd);
	e->file.fd = -1;
	e->file.body = space;
	*made = e;
	return SITE_FILE;
}

/* The index of the directory PATH, which ends with a slash: its descriptor, or -1 with errno. */
static int site_index(const struct site *site, const char *path, size_t len)
{
	char *index = malloc(len + sizeof INDEX);
	int fd, error;

	if (!index)
		return -1;
	memcpy(index, path, len);
	memcpy(index + len, INDEX, sizeof INDEX);
	fd = site_descriptor(site, index, 0);
	error = errno;
	free(index);
	errno = error;
	return fd;
}

static enum site_answer site_load(const struct site *site, const char *path, size_t len, struct entry **made)
{
	int fd = site_descriptor(site, path, 0);
	const char *index = "";
	struct stat st;

	if (fd < 0)
		return site_error(errno);
	if (fstat(fd, &st) < 0)
		goto broken;
	if (S_ISDIR(st.st_mode)) {
		close(fd);
		if (path[len - 1] != '/')
			return SITE_MOVED;
		index = INDEX;
		fd = site_index(site, path, len);
		if (fd < 0)
			return errno == ENOENT ? SITE_LISTING : site_error(errno);
		if (fstat(fd, &st) < 0)
			goto broken;
	}
	if (S_ISREG(st.st_mode)) {
		fcntl(fd, F_SETFL, 0); /* now it may wait for the disk */
		return entry_make(path, len, index, fd, &st, made);
	}
	close(fd);
	return SITE_FORBIDDEN;
broken:
	close(fd);
	return SITE_BROKEN;
}

/* Is the file still the one that E was made of? */
static bool site_same(const struct site *site, const struct entry *e)
{
	struct stat st;

	return fstatat(site->root, e->real + 1, &st, 0) == 0 && st.st_dev == e->dev && st.st_ino == e->ino &&
	       st.st_size == e->file.size && st.st_mtim.tv_sec == e->changed.tv_sec &&
	       st.st_mtim.tv_nsec == e->changed.tv_nsec;
}

static uint32_t site_hash(const char *path, size_t len)
{
	uint32_t hash = 2166136261;

	while (len--)
		hash = (hash ^ (unsigned char)*path++) * 16777619;
	return hash ^ hash >> 15;
}

/* The link that points to the entry of PATH, or to NULL at the end. The lock of the bucket is held. */
static struct entry **bucket_find(struct bucket *b, uint32_t hash, const char *path, size_t len)
{
	struct entry **link = &b->first;

	while (*link && !((*link)->hash == hash && (*link)->path_len == len && !memcmp((*link)->path, path, len)))
		link = &(*link)->next;
	return link;
}

/* Takes out and returns the entry at LINK, with the table's reference. The lock of the bucket is held. */
static struct entry *bucket_take(struct entry **link)
{
	struct entry *e = *link;

	if (e)
		*link = e->next;
	return e;
}

/* Takes out the entry that was checked longest ago, if the bucket is full. Its lock is held. */
static struct entry *bucket_evict(struct bucket *b)
{
	struct entry **link, **oldest = &b->first;
	unsigned count = 0;

	for (link = &b->first; *link; link = &(*link)->next, count++)
		if ((*link)->checked < (*oldest)->checked)
			oldest = link;
	return count < BUCKET_MAX ? NULL : bucket_take(oldest);
}

enum site_answer site_get(struct site *site, const char *path, size_t len, time_t now, struct site_file **file)
{
	uint32_t hash = site_hash(path, len);
	struct bucket *b = &site->buckets[hash % BUCKETS];
	struct entry *e, *fresh = NULL, *old = NULL, *evicted = NULL;
	bool check = false;
	enum site_answer answer;

	threads_lock(&b->lock);
	e = *bucket_find(b, hash, path, len);
	if (e) {
		entry_ref(e);
		check = e->checked != now;
		e->checked = now;
	}
	threads_unlock(&b->lock);
	if (e && (!check || site_same(site, e))) {
		*file = &e->file;
		return SITE_FILE;
	}
	if (e)
		site_put(&e->file);

	answer = site_load(site, path, len, &fresh);
	threads_lock(&b->lock);
	old = bucket_take(bucket_find(b, hash, path, len));
	if (fresh) {
		evicted = bucket_evict(b);
		fresh->hash = hash;
		fresh->checked = now;
		fresh->next = b->first;
		b->first = entry_ref(fresh);
		*file = &fresh->file;
	}
	threads_unlock(&b->lock);
	if (old)
		site_put(&old->file);
	if (evicted)
		site_put(&evicted->file);
	return answer;
}

struct site *site_open(const char *root)
{
	struct site *site = aligned_alloc(_Alignof(struct site), sizeof *site);
	size_t i;

	if (!site)
		return NULL;
	site->root = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (site->root < 0) {
		free(site);
		return NULL;
	}
	for (i = 0; i < BUCKETS; i++) {
		threads_lock_init(&site->buckets[i].lock);
		site->buckets[i].first = NULL;
	}
	return site;
}

void site_close(struct site *site)
{
	struct entry *e;
	size_t i;

	for (i = 0; i < BUCKETS; i++)
		while ((e = bucket_take(&site->buckets[i].first)))
			site_put(&e->file);
	close(site->root);
	free(site);
}
