/* SPDX-License-Identifier: BSD-2-Clause */
/* table.h - what becomes of each system call of a program */
#ifndef PERSONALITY_TABLE_H
#define PERSONALITY_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "personality/entry.h"

enum { TABLE_SIZE = 512 };

/* When a call is ours at all. */
enum table_when {
	TABLE_PASS,   /* never */
	TABLE_CROWD,  /* when there is more than one thread: before, the kernel does it right */
	TABLE_ALWAYS, /* always */
};

/* For people: docs/personality.md is made of it. */
enum table_class { CLASS_NONE, CLASS_PASS, CLASS_THREAD, CLASS_MESSAGE, CLASS_HELPER, CLASS_EMULATE, CLASS_REFUSE };

struct table_row {
	const char *name;
	uint8_t class;			       /* enum table_class */
	uint8_t when;			       /* enum table_when */
	bool restarts;			       /* begun again after a handler with SA_RESTART */
	int64_t (*call)(struct entry_regs *g); /* the result or -errno. Context: T, ENTRY_US. Parks. NULL: passes */
	const char *why;
};

/* The row of call NR, or NULL if we know none. Context: any. */
const struct table_row *table_row(uint64_t nr);

/* The column `when` by itself. Written at the start. */
extern uint8_t table_ways[TABLE_SIZE];
void table_begin(void);

/* Those that change the credentials of the caller are ours, too. At the start. */
void table_ask_about_credentials(void);

/*
 * The calls in LIST, names with commas between them, pass: NULL, or the name of one of which there is none, or that
 * the threads cannot do without, in NAME.
 */
const char *table_pass(const char *list, char *name, size_t size);

static inline __attribute__((always_inline)) bool table_is_clone(uint64_t nr)
{
	return nr == SYS_clone || nr == SYS_clone3 || nr == SYS_fork || nr == SYS_vfork;
}

#endif
