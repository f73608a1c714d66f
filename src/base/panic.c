/* SPDX-License-Identifier: BSD-2-Clause */
/* panic.c - the end of a process whose invariants are broken */
#include "base/panic.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void write_line(const char *fmt, va_list args)
{
	char line[512] = "libellula: ";
	size_t used = sizeof("libellula: ") - 1;
	int n = vsnprintf(line + used, sizeof(line) - used - 1, fmt, args);
	ssize_t ignored;

	if (n > 0)
		used += (size_t)n < sizeof(line) - used - 1 ? (size_t)n : sizeof(line) - used - 2;
	line[used++] = '\n';
	ignored = write(STDERR_FILENO, line, used);
	(void)ignored;
}

void complain(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	write_line(fmt, args);
	va_end(args);
}

void panic(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	write_line(fmt, args);
	va_end(args);
	abort();
}
