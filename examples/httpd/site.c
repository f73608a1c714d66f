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
 * Looking up takes no lock. A lock in the path of every request is held by a thread that the kernel has just preempted
 * now and then; with a kernel thread per connection all the others then queue up behind it, and the queue feeds itself.
 * So a reader takes a reference first and looks second:
 *
 *	reader					writer, who replaces the entry
 *	1. reads the pointer in the table	1. stores another pointer in the table
 *	2. adds a reference, unless there	2. drops the table's reference; whoever drops the
 *	   is none (it is dead)			   last one frees what the entry holds
 *	3. compares the path			3. the entry is used for another file: fills it,
 *						   and then stores its first reference
 *
 * Between 1 and 2 of the reader all of the writer's steps may happen. It then has a reference to another file than it
 * wants, which 3 shows, as all that is in an entry with a reference stays as it is. Hence entries are never given back
 * to malloc() while the site is open: a pointer to one is always a pointer to one, dead or alive.
 *
 * Locks. One, for changing the table and for the list of dead entries; never held across a system call or a wait. Two
 * threads that miss the same file at once both read it, and the later one's stays in the table: simpler than making one
 * wait for the other.
 *
 * Bounds. BUCKETS times WAYS files; a full bucket gives up the one that was checked longest ago.
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

#define BUCKETS 512
#define WAYS 8
#define INDEX "index.html"

struct entry {
	struct site_file file; /* first: the caller's pointer is ours */
	struct site *site;
	struct entry *next; /* of the dead; guarded by the lock */
	uint32_t refs;	    /* 0: dead */
	uint32_t hash;	    /* also without a reference */
	time_t checked;	    /* when it was last compared with the file; whoever changes it does that */
	dev_t dev;
	ino_t ino;
	struct timespec changed;
	size_t path_len;
	char *path; /* what it was asked for by; all that is allocated begins here */
	char *real; /* the file that was found: the same, or the index in it */
};

struct bucket {
	struct entry *ways[WAYS]; /* each NULL or with a reference of the table's; changed under the lock */
} __attribute__((aligned(64)));

struct site {
	int root;
	struct threads_lock lock;
	struct entry *dead;
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

/* A dead entry, the caller's alone; NULL if there is no memory. */
static struct entry *entry_new(struct site *site)
{
	struct entry *e;

	threads_lock(&site->lock);
	e = site->dead;
	if (e)
		site->dead = e->next;
	threads_unlock(&site->lock);
	if (!e) {
		e = calloc(1, sizeof *e);
		if (e)
			e->site = site;
	}
	return e;
}

/* E has no references: frees what it holds. */
static void entry_end(struct entry *e)
{
	struct site *site = e->site;

	if (e->file.fd >= 0)
		close(e->file.fd);
	free(e->path);
	threads_lock(&site->lock);
	e->next = site->dead;
	site->dead = e;
	threads_unlock(&site->lock);
}

void site_put(struct site_file *file)
{
	struct entry *e = (struct entry *)file;

	/*
	 * Release: our reads of the entry come before its end; acquire: those of the others do, too, if it is we who
	 * end it.
	 */
	if (__atomic_sub_fetch(&e->refs, 1, __ATOMIC_ACQ_REL) == 0)
		entry_end(e);
}

/* Adds a reference, unless E is dead. */
static bool entry_ref(struct entry *e)
{
	uint32_t refs = __atomic_load_n(&e->refs, __ATOMIC_RELAXED);

	/* Acquire: what entry_make() wrote before it stored the first reference. */
	while (refs)
		if (__atomic_compare_exchange_n(&e->refs, &refs, refs + 1, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return true;
	return false;
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

/*
 * An entry with one reference, for the file behind FD, which is used up. One allocation holds the two paths, the
 * header, and the content of a small file.
 */
static enum site_answer entry_make(struct site *site, const char *path, size_t len, const char *index, int fd,
				   const struct stat *st, struct entry **made)
{
	size_t index_len = strlen(index), small = st->st_size <= SITE_BODY_MAX ? (size_t)st->st_size : 0;
	char *space = malloc(len + 1 + len + index_len + 1 + HEAD_MAX + small);
	struct entry *e = space ? entry_new(site) : NULL;
	enum site_answer answer = SITE_FILE;
	ssize_t got;

	if (!e) {
		free(space);
		close(fd);
		return SITE_BUSY;
	}
	e->file = (struct site_file){.fd = fd, .size = st->st_size, .modified = st->st_mtim.tv_sec};
	e->dev = st->st_dev;
	e->ino = st->st_ino;
	e->changed = st->st_mtim;
	e->path_len = len;
	e->path = memcpy(space, path, len);
	e->path[len] = 0;
	e->real = memcpy(space + len + 1, path, len);
	memcpy(e->real + len, index, index_len + 1);
	space = e->real + len + index_len + 1;
	space = entry_head(e, space, space + HEAD_MAX);
	if (st->st_size <= SITE_BODY_MAX) {
		got = entry_read(fd, space, small);
		if (got < 0)
			answer = site_error(errno);
		else if ((size_t)got < small)
			answer = SITE_BUSY; /* cut in this very moment: the next request shall look again */
		close(fd);
		e->file.fd = -1;
		e->file.body = space;
	}
	if (answer != SITE_FILE) {
		entry_end(e);
		return answer;
	}
	/* Release: pairs with the acquire in entry_ref(). */
	__atomic_store_n(&e->refs, 1, __ATOMIC_RELEASE);
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

static enum site_answer site_load(struct site *site, const char *path, size_t len, struct entry **made)
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
		return entry_make(site, path, len, index, fd, &st, made);
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

/* The entry of PATH, with a reference of the caller's; or NULL. */
static struct entry *bucket_get(const struct bucket *b, uint32_t hash, const char *path, size_t len)
{
	size_t i;

	for (i = 0; i < WAYS; i++) {
		struct entry *e = __atomic_load_n(&b->ways[i], __ATOMIC_ACQUIRE);

		if (!e || __atomic_load_n(&e->hash, __ATOMIC_RELAXED) != hash || !entry_ref(e))
			continue;
		if (e->path_len == len && !memcmp(e->path, path, len))
			return e;
		site_put(&e->file);
	}
	return NULL;
}

/* The way for an entry of PATH: where there is one, or one that is free, or that of whom we can spare. Locked. */
static struct entry **bucket_way(struct bucket *b, const struct entry *fresh)
{
	struct entry **best = &b->ways[0], **way;

	for (way = b->ways; way < b->ways + WAYS; way++) {
		const struct entry *e = *way;

		if (e && e->hash == fresh->hash && !strcmp(e->path, fresh->path))
			return way;
		if (*best && (!e || e->checked < (*best)->checked))
			best = way;
	}
	return best;
}
/* Puts FRESH in, with a reference of the table's. */
static void bucket_put(struct site *site, struct bucket *b, struct entry *fresh)
{
	struct entry **way, *old;

	entry_ref(fresh);
	threads_lock(&site->lock);
	way = bucket_way(b, fresh);
	old = *way;
	__atomic_store_n(way, fresh, __ATOMIC_RELEASE);
	threads_unlock(&site->lock);
	if (old)
		site_put(&old->file);
}

/* Takes OLD out, if it is still there. */
static void bucket_drop(struct site *site, struct bucket *b, struct entry *old)
{
	bool found = false;
	size_t i;

	threads_lock(&site->lock);
	for (i = 0; i < WAYS && !found; i++)
		if (b->ways[i] == old) {
			__atomic_store_n(&b->ways[i], NULL, __ATOMIC_RELEASE);
			found = true;
		}
	threads_unlock(&site->lock);
	if (found)
		site_put(&old->file);
}

/* May E be used as it is? If it was not compared with the file in this second, one caller does that. */
static bool site_fresh(const struct site *site, struct entry *e, time_t now)
{
	time_t checked = __atomic_load_n(&e->checked, __ATOMIC_RELAXED);

	return checked == now ||
	       !__atomic_compare_exchange_n(&e->checked, &checked, now, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED) ||
	       site_same(site, e);
}

enum site_answer site_get(struct site *site, const char *path, size_t len, time_t now, struct site_file **file)
{
	uint32_t hash = site_hash(path, len);
	struct bucket *b = &site->buckets[hash % BUCKETS];
	struct entry *e = bucket_get(b, hash, path, len), *fresh = NULL;
	enum site_answer answer;

	if (e && site_fresh(site, e, now)) {
		*file = &e->file;
		return SITE_FILE;
	}
	answer = site_load(site, path, len, &fresh);
	if (answer == SITE_FILE) {
		__atomic_store_n(&fresh->hash, hash, __ATOMIC_RELAXED);
		__atomic_store_n(&fresh->checked, now, __ATOMIC_RELAXED);
		bucket_put(site, b, fresh);
		*file = &fresh->file;
	} else if (e) {
		bucket_drop(site, b, e);
	}
	if (e)
		site_put(&e->file);
	return answer;
}

struct site *site_open(const char *root)
{
	struct site *site = aligned_alloc(_Alignof(struct site), sizeof *site);

	if (!site)
		return NULL;
	memset(site, 0, sizeof *site);
	site->root = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (site->root < 0) {
		free(site);
		return NULL;
	}
	threads_lock_init(&site->lock);
	return site;
}

void site_close(struct site *site)
{
	struct entry *e;
	size_t i;

	for (i = 0; i < BUCKETS * WAYS; i++)
		if ((e = site->buckets[i / WAYS].ways[i % WAYS]))
			site_put(&e->file);
	while ((e = site->dead)) {
		site->dead = e->next;
		free(e);
	}
	close(site->root);
	free(site);
}
