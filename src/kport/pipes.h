/* SPDX-License-Identifier: BSD-2-Clause */
/* pipes.h - a few empty pipes at hand, for what moves data through one */
#ifndef KPORT_PIPES_H
#define KPORT_PIPES_H

#include <stdbool.h>
#include <stdint.h>

/* A pipe in use. */
struct pipe_pair {
	int pp_in;	       /* where it is read */
	int pp_out;	       /* where it is written */
	uint8_t pp_generation; /* of the process, see pipes_forget() */
};

/* Gets an empty pipe: 0 or -errno. Context: T V F. */
int pipes_get(struct pipe_pair *pipe);

/*
 * Gives PIPE back, which is EMPTY or will not be used again: false if it was got before a fork, by our parent.
 * Context: T V F K.
 */
bool pipes_put(const struct pipe_pair *pipe, bool empty);

/*
 * In the child after fork, before anything else runs: closes what is kept, and what is in use will not be kept,
 * because all of it is the parent's, too, and data would go astray. Context: K.
 */
void pipes_forget(void);

#endif
