/* SPDX-License-Identifier: BSD-2-Clause */
/* site.h - the files of a site, with what a response needs to know of each */
#ifndef HTTPD_SITE_H
#define HTTPD_SITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "date.h"

#define SITE_BODY_MAX 16384 /* bytes: smaller files are kept in memory, of others the descriptor */

struct site;

/* A file as it was when it was last looked at. It does not change; a changed file is another struct site_file. */
struct site_file {
	const char *body; /* the content, if it is small; else NULL */
	int fd;		  /* and then it is here */
	off_t size;
	time_t modified;
	char date[DATE_LEN]; /* the same, as in the header */
	uint8_t etag_len;
	char etag[48];
	/*
	 * The header of a plain answer without its date: first 200's status line; from head_fields on, what is true of
	 * a part of the file, too; from head_length on Content-Length.
	 */
	const char *head;
	uint16_t head_fields, head_length, head_end;
};

/* What is there under a path. */
enum site_answer {
	SITE_FILE,
	SITE_MOVED,   /* a directory, asked for without the final slash */
	SITE_LISTING, /* a directory without an index.html */
	SITE_MISSING,
	SITE_FORBIDDEN,
	SITE_BUSY, /* no descriptors or no memory left: may work later */
	SITE_BROKEN,
};

/* The site at directory ROOT; NULL with errno. */
struct site *site_open(const char *root);
void site_close(struct site *site);

/*
 * What PATH of LEN bytes, decoded and beginning with '/', stands for at the time NOW. With SITE_FILE, *FILE is the
 * caller's until site_put(). Nothing outside of the root is ever found, whatever the path and whatever symbolic links
 * there are.
 */
enum site_answer site_get(struct site *site, const char *path, size_t len, time_t now, struct site_file **file);
void site_put(struct site_file *file);

/* Opens a file or a directory below the root, by a path that begins with '/'; -1 with errno. */
int site_descriptor(const struct site *site, const char *path, int flags);

#endif
