/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * names.c - what the rooms below call by names that not every C library has
 *
 * The personality is one object for programs of glibc and of musl: a program of the one starts programs of the other,
 * and LD_PRELOAD goes with it. So what it takes from the C library must be there under the same name and at the same
 * binary interface in both (tests/personality/run looks). Types of pthreads, signals, sockets and files are of one
 * shape in both, for that is the kernel's, or was glibc's first. What is left is defined here, or in plain.c, hidden:
 * in this object it stands before the C library's.
 */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The headers' names for arguments begin with two underscores. */
/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name) */
int backtrace(void **frames, int most)
{
	int (*theirs)(void **, int) = (int (*)(void **, int))dlsym(RTLD_DEFAULT, "backtrace");

	return theirs ? theirs(frames, most) : 0;
}

void backtrace_symbols_fd(void *const *frames, int count, int fd)
{
	void (*theirs)(void *const *, int, int) =
		(void (*)(void *const *, int, int))dlsym(RTLD_DEFAULT, "backtrace_symbols_fd");

	if (theirs)
		theirs(frames, count, fd);
}

const char *sigabbrev_np(int number)
{
	static const char *const names[] = {"0",      "HUP",  "INT",	"QUIT", "ILL",	 "TRAP", "ABRT", "BUS",
					    "FPE",    "KILL", "USR1",	"SEGV", "USR2",	 "PIPE", "ALRM", "TERM",
					    "STKFLT", "CHLD", "CONT",	"STOP", "TSTP",	 "TTIN", "TTOU", "URG",
					    "XCPU",   "XFSZ", "VTALRM", "PROF", "WINCH", "POLL", "PWR",	 "SYS"};

	return number >= 0 && number < (int)(sizeof(names) / sizeof(names[0])) ? names[number] : "of another kind";
}

/* In glibc it is part of what each program is linked with, and made of a function with one argument more. */
int pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
	int (*of_glibc)(void (*)(void), void (*)(void), void (*)(void), void *) =
		(int (*)(void (*)(void), void (*)(void), void (*)(void), void *))dlsym(RTLD_DEFAULT,
										       "__register_atfork");
	int (*of_others)(void (*)(void), void (*)(void), void (*)(void)) =
		(int (*)(void (*)(void), void (*)(void), void (*)(void)))dlsym(RTLD_DEFAULT, "pthread_atfork");

	if (of_glibc)
		return of_glibc(prepare, parent, child, NULL);
	return of_others ? of_others(prepare, parent, child) : ENOSYS;
}

/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */

/* Newer headers of glibc call these by names of their own, for a prefix that no number here has. */
unsigned long __isoc23_strtoul(const char *text, char **end, int base);
long __isoc23_strtol(const char *text, char **end, int base);
int __isoc23_sscanf(const char *text, const char *format, ...);

extern unsigned long plain_strtoul(const char *text, char **end, int base) __asm__("strtoul");
extern long plain_strtol(const char *text, char **end, int base) __asm__("strtol");
extern int plain_vsscanf(const char *text, const char *format, va_list args) __asm__("__isoc99_vsscanf");

unsigned long __isoc23_strtoul(const char *text, char **end, int base)
{
	return plain_strtoul(text, end, base);
}

long __isoc23_strtol(const char *text, char **end, int base)
{
	return plain_strtol(text, end, base);
}

int __isoc23_sscanf(const char *text, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = plain_vsscanf(text, format, args);
	va_end(args);
	return n;
}
