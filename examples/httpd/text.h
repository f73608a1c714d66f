/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * text.h - text appended to a buffer of fixed size
 *
 * What does not fit is left out and remembered, so that a writer checks once, at the end.
 */
#ifndef HTTPD_TEXT_H
#define HTTPD_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct text {
	char *at;
	char *end;
	bool cut;
};

static inline void text_put(struct text *t, const char *s, size_t len)
{
	if ((size_t)(t->end - t->at) < len) {
		t->cut = true;
		return;
	}
	memcpy(t->at, s, len);
	t->at += len;
}

static inline void text_str(struct text *t, const char *s)
{
	text_put(t, s, strlen(s));
}

static inline void text_number(struct text *t, uint64_t n)
{
	char digits[20];
	size_t i = sizeof digits;

	do
		digits[--i] = (char)('0' + n % 10);
	while (n /= 10);
	text_put(t, digits + i, sizeof digits - i);
}

static inline void text_hex(struct text *t, uint64_t n)
{
	char digits[16];
	size_t i = sizeof digits;

	do
		digits[--i] = "0123456789abcdef"[n & 15];
	while (n >>= 4);
	text_put(t, digits + i, sizeof digits - i);
}

#endif
