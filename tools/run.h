/* SPDX-License-Identifier: BSD-2-Clause */
/* run.h - ellula run: a program on user threads */
#ifndef TOOLS_RUN_H
#define TOOLS_RUN_H

/* ARGV[0] is "run". Returns only if the program cannot be run: the exit code. */
int run_main(int argc, char **argv);

#endif
