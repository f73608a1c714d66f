/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * table.c - what becomes of each system call of a program
 *
 * A call that has no row, because it is newer than this table, passes. So does a row without function.
 */
#include "personality/table.h"
#include "personality/timers.h"

#include <string.h>

#include "base/compiler.h"
#include "personality/calls.h"
#include "personality/clib.h"
#include "personality/clone.h"
#include "personality/cpu.h"
#include "personality/futex.h"
#include "personality/masks.h"
#include "personality/offload.h"
#include "personality/signals.h"

static const struct table_row rows[TABLE_SIZE] = {
#define ROW(NAME, CLASS, WHEN, RESTARTS, CALL, WHY)                                                                    \
	[SYS_##NAME] = {#NAME, CLASS_##CLASS, TABLE_##WHEN, RESTARTS, CALL, WHY},
#include "personality/table_rows.inc"
#undef ROW
};

uint8_t table_ways[TABLE_SIZE];

const struct table_row *table_row(uint64_t nr)
{
	return nr < TABLE_SIZE && rows[nr].name ? &rows[nr] : NULL;
}

void table_begin(void)
{
	for (unsigned nr = 0; nr < TABLE_SIZE; nr++)
		table_ways[nr] = rows[nr].when;
}

void table_ask_about_credentials(void)
{
	for (unsigned nr = 0; nr < TABLE_SIZE; nr++) {
		if (rows[nr].call == clib_credentials)
			table_ways[nr] = TABLE_ALWAYS;
	}
}

/*
 * The rest is not about calls that wait, but about there being threads at all, or about what is known of descriptors.
 */
static bool may_pass(const struct table_row *row)
{
	return row->class == CLASS_MESSAGE || row->class == CLASS_HELPER || row->call == stacks_mmap ||
	       row->call == stacks_mprotect || row->call == stacks_munmap || row->when == TABLE_PASS;
}

static bool pass(const char *name)
{
	for (unsigned nr = 0; nr < TABLE_SIZE; nr++) {
		if (rows[nr].name && strcmp(rows[nr].name, name) == 0 && may_pass(&rows[nr])) {
			table_ways[nr] = TABLE_PASS;
			return true;
		}
	}
	return false;
}

const char *table_pass(const char *list, char *name, size_t size)
{
	while (*list) {
		size_t len = strcspn(list, ",");
		size_t n = len < size ? len : size - 1;

		memcpy(name, list, n);
		name[n] = '\0';
		if (len && !pass(name))
			return name;
		list += len + (list[len] == ',');
	}
	return NULL;
}
