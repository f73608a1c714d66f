/* SPDX-License-Identifier: BSD-2-Clause */
/* backend.h - what there is to choose from when kernel ports are made */
#ifndef KPORT_BACKEND_H
#define KPORT_BACKEND_H

#include <ellula/message.h>
#include <stdbool.h>

struct kport;

struct kport_backend {
	const char *name; /* for ELLULA_KPORT */

	/*
	 * Makes a kernel port of the calling LWP: NULL and *ERROR (-errno). The first one probes what there is and
	 * enters in kport_able[] what the back end executes itself. Context: F, becoming an LWP.
	 */
	struct kport *(*create)(int *error);

	/* What was found, for people. Valid once one exists. */
	const char *(*describe)(void);
};

extern const struct kport_backend uring_backend;
extern const struct kport_backend poll_backend;

/*
 * One that is not in the library but in the program, which sets this before the runtime starts: it is chosen. NULL:
 * none. The simulator (sim/) is such a one.
 */
extern const struct kport_backend *kport_brought;

/* Is OP one that ELLULA_UNPROBE wants helpers to execute? Asked when the first kernel port is made. */
bool kport_unprobed(enum ell_op op);

#endif
