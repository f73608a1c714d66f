/* SPDX-License-Identifier: BSD-2-Clause */
/* listing.h - a page that shows what is in a directory */
#ifndef HTTPD_LISTING_H
#define HTTPD_LISTING_H

#include <stddef.h>

#include "site.h"
#include "text.h"

/* The page for the directory PATH, to be freed, and its length; NULL if it cannot be read. */
char *listing_make(const struct site *site, const char *path, size_t *len);

/* NAME as a segment of a URL. */
void listing_escape_url(struct text *t, const char *name);

#endif
