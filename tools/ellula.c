/* SPDX-License-Identifier: BSD-2-Clause */
/* ellula.c - the command: what the library is, and what it has found here */
#include <ellula/thread.h>
#include <stdio.h>
#include <string.h>

#include "arch/arch.h"
#include "kport/kport.h"
#include "kport/op.h"
#include "mem/slot.h"
#include "mem/tls.h"
#include "run.h"
#include "sys/cpus.h"

static const char usage[] = "usage: ellula info | version | help\n"
			    "       ellula run [--vcpus N] [--stats] [--strict] PROGRAM [ARGUMENT...]\n"
			    "\n"
			    "  run      a program of kernel threads, unchanged, on user threads\n"
			    "  info     what the library has found on this machine, and how it will run\n"
			    "  version  the version\n";

/* The operations that the kernel lacks, or all of them, folded. */
static void print_operations(void)
{
	unsigned lacking = 0, count = 0;

	for (unsigned op = 0; op < ELL_OP_COUNT; op++) {
		const struct op *row = &op_table[op];

		if (!row->run)
			continue;
		count++;
		if (kport_can((enum ell_op)op))
			continue;
		printf(lacking++ ? ", %s" : "by helpers:   %s", row->name);
	}
	printf(lacking ? "\n" : "by helpers:   none\n");
	printf("operations:   %u, %u of them by the kernel port\n", count, count - lacking);
}

static void *nothing(void *arg)
{
	return arg;
}

static int info(void *unused)
{
	ell_thread thread;

	(void)unused;
	/* Guards are probed by the first stack. */
	if (ell_create(&thread, NULL, nothing, NULL) == 0)
		ell_join(thread, NULL);
	printf("kernel port:  %s\n", kport_describe());
	if (kport_reason())
		printf("because:      %s\n", kport_reason());
	print_operations();
	printf("vCPUs:        %d (%u CPUs allowed; ELLULA_VCPUS overrides)\n", ell_vcpus(), cpus_allowed(NULL));
	printf("switch:       %s\n", arch_describe());
	printf("TLS:          %s\n", tls_describe());
	printf("stack guards: %s\n", slot_describe());
	return 0;
}

int main(int argc, char **argv)
{
	const char *command = argc == 2 ? argv[1] : "";

#ifdef WITH_PERSONALITY
	if (argc > 1 && strcmp(argv[1], "run") == 0)
		return run_main(argc - 1, argv + 1);
#endif

	if (strcmp(command, "version") == 0) {
		printf("ellula %s\n", ELL_VERSION);
		return 0;
	}
	if (strcmp(command, "info") == 0)
		return ell_run(info, NULL) != 0;
	if (strcmp(command, "help") == 0) {
		fputs(usage, stdout);
		return 0;
	}
	fputs(usage, stderr);
	return 2;
}
