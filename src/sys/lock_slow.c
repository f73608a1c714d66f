/* SPDX-License-Identifier: BSD-2-Clause */
/* lock_slow.c - wait for a short lock whose holder may have lost its CPU */
#include <sched.h>
#include <time.h>

#include "arch/arch.h"
#include "base/lock.h"
#include "sys/sys.h"

enum { SPINS = 100, YIELDS = 20, NAP_NS = 50000 };

uint64_t lock_gave_up;

void lock_acquire_slow(uint32_t *lock)
{
	const struct timespec nap = {.tv_nsec = NAP_NS};

	for (unsigned tries = 0;; tries++) {
		if (load_relaxed(lock) == 0 && lock_try(lock))
			return;
		if (tries == SPINS)
			fetch_add_relaxed(&lock_gave_up, 1);
		if (tries < SPINS)
			arch_pause();
		else if (tries < SPINS + YIELDS)
			sys.sched_yield();
		else
			sys.nanosleep(&nap, NULL);
	}
}
