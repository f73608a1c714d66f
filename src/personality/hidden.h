/* SPDX-License-Identifier: BSD-2-Clause */
/* hidden.h - kernel threads of ours, which the program never sees */
#ifndef PERSONALITY_HIDDEN_H
#define PERSONALITY_HIDDEN_H

#include <stddef.h>

/*
 * One that runs MAIN(ARG) on a stack of SIZE bytes, and takes no signal but OPEN, if that is not 0. Nobody joins it: 0
 * or an errno. Context: T F.
 */
int hidden_thread(void *(*main)(void *), void *arg, size_t size, int open);

#endif
