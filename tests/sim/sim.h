/* SPDX-License-Identifier: BSD-2-Clause */
/* sim.h - scenarios for the simulator: small programs, each run once per seed */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include <ellula/ellula.h>

#include "kport/sim/sim.h"

/* What may go wrong around a scenario, beside the order of things. */
enum sim_faults {
	FAULTS_NONE = 0,
	FAULTS_CALLS = 1, /* short counts and EINTR: nothing that a caller sees */
	FAULTS_HARD = 2,  /* errors, too: no memory, no room, connections reset */
};

struct scenario {
	const char *name;
	int (*main_fn)(void *arg); /* of ell_run() */
	enum sim_faults faults;
	unsigned vcpus;	     /* at least; the seed chooses up to 4 */
	void (*after)(void); /* what is to be true when the process ends */
	bool exits;	     /* by exit(3), with whatever is still out */
};

extern const struct scenario locks[], messages[], threads[], calls[], life[], httpd[];

/* From now on the scheduler's queues are looked at all the time (checks.c). */
void checks_begin(void);

/* The scenario is wrong here. */
#define CHECK(cond)                                                                                                    \
	do {                                                                                                           \
		if (!(cond))                                                                                           \
			world_fail("%s:%d: not so: %s", __FILE__, __LINE__, #cond);                                    \
	} while (0)

/* The process is another program by now: the run is over, and went well. */
void run_over(void) __attribute__((noreturn));

/* A number from LOW to HIGH, by the seed. */
unsigned any(unsigned low, unsigned high);

/*
 * Lets others run, and US microseconds pass. Who waits for a time that is over does not wait, so a loop of such waits
 * would keep its vCPU when the time between two steps is long.
 */
void nap(unsigned us);

/* Starts a thread, or COUNT of them with arguments 0, 1, ...; waits for their ends. */
ell_thread start(void *(*fn)(void *arg), void *arg);
void crew(unsigned count, void *(*fn)(void *arg));

#endif
