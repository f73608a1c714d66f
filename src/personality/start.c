/* SPDX-License-Identifier: BSD-2-Clause */
/* start.c - the first thing that happens in a program that is to run on user threads */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/panic.h"
#include "personality/entry.h"
#include "personality/process.h"
#include "personality/stats.h"
#include "personality/table.h"

struct stats stats;
bool stats_wanted, strict;

/* The place of NAME, or of the end. The C library does not know its environment yet. */
static char **find(char **environment, const char *name)
{
	size_t len = strlen(name);

	while (*environment && !(strncmp(*environment, name, len) == 0 && (*environment)[len] == '='))
		environment++;
	return environment;
}

static const char *value_of(char **environment, const char *name)
{
	const char *entry = *find(environment, name);

	return entry ? entry + strlen(name) + 1 : "";
}

static bool is_set(char **environment, const char *name)
{
	const char *value = value_of(environment, name);

	return *value && strcmp(value, "0") != 0;
}

/* Children go on, and what the program starts begins, without us: takes us, who are the first, out of LD_PRELOAD. */
static void stay_alone(char **environment)
{
	char **at = find(environment, "LD_PRELOAD"), *list, *rest;

	process_alone = true;
	if (!*at || !strstr(*at, "libellula-personality.so"))
		return;
	list = strchr(*at, '=') + 1;
	rest = list + strcspn(list, ":");
	if (*rest)
		memmove(list, rest + 1, strlen(rest + 1) + 1);
	else
		for (; *at; at++)
			at[0] = at[1];
}

static void choose_what_passes(char **environment)
{
	char name[64];

	if (strcmp(value_of(environment, "ELLULA_STACKS"), "plain") == 0)
		table_pass("mmap,mprotect,munmap", name, sizeof(name));
	if (table_pass(value_of(environment, "ELLULA_PASS"), name, sizeof(name))) {
		complain("ELLULA_PASS: \"%s\" is no call that can be left alone", name);
		RAW(SYS_exit_group, 125);
	}
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
	/* Without arguments for constructors a C library has made its own ready before. */
	if (environ)
		environment = environ;
	stats_wanted = is_set(environment, "ELLULA_STATS");
	strict = is_set(environment, "ELLULA_STRICT");
	table_begin();
	choose_what_passes(environment);
	if (strcmp(value_of(environment, "ELLULA_CHILDREN"), "no") == 0)
		stay_alone(environment);
	error = entry_begin();
	if (error)
		complain("the program runs as without the personality: %s", strerror(-error));
}
