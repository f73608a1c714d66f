/* SPDX-License-Identifier: BSD-2-Clause */
/* start.c - the first thing that happens in a program that is to run on user threads */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/compiler.h"
#include "base/panic.h"
#include "personality/entry.h"
#include "personality/stats.h"
#include "personality/table.h"

struct stats stats;
bool stats_wanted, strict;

/* The C library does not know its environment yet. */
static bool is_set(char *const *environment, const char *name)
{
	size_t len = strlen(name);

	for (; *environment; environment++) {
		const char *value = *environment + len + 1;

		if (strncmp(*environment, name, len) == 0 && value[-1] == '=')
			return *value && strcmp(value, "0") != 0;
	}
	return false;
}

void stats_print(void)
{
	if (!stats_wanted)
		return;
	complain("%llu threads, %llu waits; %llu messages, %llu calls by helpers; %llu calls trapped, %llu sites "
		 "rewritten",
		 (unsigned long long)stats.threads, (unsigned long long)stats.waits, (unsigned long long)stats.messages,
		 (unsigned long long)stats.helped, (unsigned long long)stats.traps, (unsigned long long)stats.sites);
}

/* Before the constructors of the program and of its libraries: linked with -z initfirst. */
static __attribute__((constructor)) void begin(int argc, char **argv, char **environment)
{
	int error;

	(void)argc;
	(void)argv;
	stats_wanted = is_set(environment, "ELLULA_STATS");
	strict = is_set(environment, "ELLULA_STRICT");
	table_begin();
	error = entry_begin();
	if (error)
		complain("the program runs as without the personality: %s", strerror(-error));
}
