/* SPDX-License-Identifier: BSD-2-Clause */
/* crew.h - a crew of threads, some of them foreign kernel threads, that all do the same work */
#ifndef SYNC_CREW_H
#define SYNC_CREW_H

#include <ellula/sync.h>
#include <ellula/thread.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomic.h"
#include "harness/harness.h"

enum { CREW_MAX = 128 };

struct crew;

struct hand {
	struct crew *crew;
	unsigned index;
	uint64_t random;
	ell_thread thread;
	pthread_t pthread;
};

struct crew {
	unsigned users; /* hands below are threads of the library, the others foreign ones */
	unsigned size;
	void (*work)(struct hand *hand);
	struct ell_sem done;
	struct hand hands[CREW_MAX];
};

static inline void *crew_hand(void *arg)
{
	struct hand *hand = arg;

	hand->crew->work(hand);
	ell_sem_post(&hand->crew->done);
	return NULL;
}

static inline void crew_start(struct crew *crew, unsigned users, unsigned foreigners, void (*work)(struct hand *hand))
{
	uint64_t seed = harness_seed();

	CHECK(users + foreigners <= CREW_MAX);
	*crew = (struct crew){.users = users, .size = users + foreigners, .work = work};
	for (unsigned i = 0; i < crew->size; i++) {
		struct hand *hand = &crew->hands[i];

		*hand = (struct hand){.crew = crew, .index = i, .random = seed + i * UINT64_C(0x9e3779b97f4a7c15) + 1};
		CHECK_EQ(i < users ? ell_create(&hand->thread, NULL, crew_hand, hand)
				   : pthread_create(&hand->pthread, NULL, crew_hand, hand),
			 0);
	}
}

/* The semaphore comes first, because pthread_join() would keep the vCPU from the threads that are not done. */
static inline void crew_join(struct crew *crew)
{
	for (unsigned i = 0; i < crew->size; i++)
		CHECK_EQ(ell_sem_wait(&crew->done), 0);
	for (unsigned i = 0; i < crew->size; i++)
		CHECK_EQ(i < crew->users ? ell_join(crew->hands[i].thread, NULL)
					 : pthread_join(crew->hands[i].pthread, NULL),
			 0);
}

/* A number below N: the hand's own sequence, the same for the same HARNESS_SEED. */
static inline unsigned crew_random(struct hand *hand, unsigned n)
{
	hand->random ^= hand->random << 13;
	hand->random ^= hand->random >> 7;
	hand->random ^= hand->random << 17;
	return (unsigned)(hand->random >> 32) % n;
}

static inline int crew_main(void *body)
{
	(*(void (**)(void))body)();
	return 0;
}

/* Runs BODY as a thread with VCPUS vCPUs, in a process of its own: the runtime's descriptors are no leak. */
static inline void crew_run(unsigned vcpus, void (*body)(void))
{
	char number[12];
	int status;
	pid_t pid;

	snprintf(number, sizeof(number), "%u", vcpus);
	setenv("ELLULA_VCPUS", number, 1);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		CHECK_EQ(ell_run(crew_main, &body), 0);
		exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

/* Lets others run: also those that wait for this CPU, which a yield between threads of the library does not. */
static inline void crew_pause(unsigned tries)
{
	if (tries % 16 < 15)
		ell_yield();
	else
		ell_park_until(ell_after(20 * ELL_USEC));
}

/* The harness ends a case in which COND never comes true. */
#define WAIT_FOR(cond)                                                                                                 \
	do {                                                                                                           \
		for (unsigned tries_ = 0; !(cond); tries_++)                                                           \
			crew_pause(tries_);                                                                            \
	} while (0)

#define WAITERS(wq) load_relaxed(&(wq).wq_count)

static inline void sleep_until(ell_time until)
{
	while (ell_now() < until)
		ell_park_until(until);
}

#endif
