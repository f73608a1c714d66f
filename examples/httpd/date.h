/* SPDX-License-Identifier: BSD-2-Clause */
/* date.h - dates as HTTP writes them */
#ifndef HTTPD_DATE_H
#define HTTPD_DATE_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#define DATE_LEN 29 /* Sun, 06 Nov 1994 08:49:37 GMT */

/* Writes WHEN, DATE_LEN bytes and no NUL. */
void date_format(char *to, time_t when);

/* Reads any of the three forms that RFC 9110 wants understood. */
bool date_parse(const char *s, size_t len, time_t *when);

/* The present, to the second; from the clock that costs nothing to read. */
time_t date_now(void);

#endif
