/* SPDX-License-Identifier: BSD-2-Clause */
/* listing.c - a page that shows what is in a directory */
#include "listing.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LISTING_MAX 10000 /* names; of more, the page shows these and says so */

void listing_escape_url(struct text *t, const char *name)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

	for (; *name; name++) {
		unsigned char c = (unsigned char)*name;
		char escape[3] = {'%', "0123456789ABCDEF"[c >> 4], "0123456789ABCDEF"[c & 15]};

		if (strchr(plain, c))
			text_put(t, name, 1);
		else
			text_put(t, escape, sizeof escape);
	}
}

static void listing_html(FILE *page, const char *s)
{
	for (; *s; s++)
		switch (*s) {
		case '&':
			fputs("&amp;", page);
			break;
		case '<':
			fputs("&lt;", page);
			break;
		case '>':
			fputs("&gt;", page);
			break;
		case '"':
			fputs("&quot;", page);
			break;
		default:
			putc(*s, page);
		}
}

static int listing_order(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool listing_is_directory(DIR *dir, const struct dirent *d)
{
	struct stat st;

	if (d->d_type != DT_UNKNOWN && d->d_type != DT_LNK)
		return d->d_type == DT_DIR;
	return fstatat(dirfd(dir), d->d_name, &st, 0) == 0 && S_ISDIR(st.st_mode);
}

/* The names in DIR, directories with a slash, sorted; *MORE if there were others. Returns how many. */
static size_t listing_read(DIR *dir, char **names, bool *more)
{
	const struct dirent *d;
	size_t count = 0;

	while ((d = readdir(dir))) {
		char *name;

		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
			continue;
		if (count == LISTING_MAX) {
			*more = true;
			break;
		}
		if (asprintf(&name, "%s%s", d->d_name, listing_is_directory(dir, d) ? "/" : "") < 0)
			break;
		names[count++] = name;
	}
	qsort(names, count, sizeof *names, listing_order);
	return count;
}

static void listing_line(FILE *page, char *name)
{
	char url[3 * NAME_MAX + 1];
	struct text t = {url, url + sizeof url, false};
	size_t len = strlen(name);
	const char *slash = name[len - 1] == '/' ? "/" : "";

	if (*slash)
		name[len - 1] = 0;
	listing_escape_url(&t, name);
	fprintf(page, "<li><a href=\"./%.*s%s\">", (int)(t.at - url), url, slash);
	listing_html(page, name);
	fprintf(page, "%s</a></li>\n", slash);
}

char *listing_make(const struct site *site, const char *path, size_t *len)
{
	char **names = malloc(LISTING_MAX * sizeof *names), *text = NULL;
	int fd = site_descriptor(site, path, O_DIRECTORY);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	FILE *page = names && dir ? open_memstream(&text, len) : NULL;
	size_t count, i;
	bool more = false;

	if (page) {
		count = listing_read(dir, names, &more);
		fputs("<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>", page);
		listing_html(page, path);
		fputs("</title></head>\n<body><h1>", page);
		listing_html(page, path);
		fputs("</h1>\n<ul>\n", page);
		if (path[1])
			fputs("<li><a href=\"../\">../</a></li>\n", page);
		for (i = 0; i < count; i++) {
			listing_line(page, names[i]);
			free(names[i]);
		}
		fputs(more ? "</ul>\n<p>and more</p></body></html>\n" : "</ul></body></html>\n", page);
		if (fclose(page)) {
			free(text);
			text = NULL;
		}
	}
	if (dir)
		closedir(dir);
	else if (fd >= 0)
		close(fd);
	free(names);
	return text;
}
