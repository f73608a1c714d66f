/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * table.c - what becomes of each system call of a program
 *
 * A call that has no row, because it is newer than this table, passes. So does a row without function.
 */
#include "personality/table.h"

#include "base/compiler.h"
#include "personality/calls.h"
#include "personality/clone.h"
#include "personality/futex.h"
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
