/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * others.h - another thread for a test of messages: beside the caller, on another vCPU, or a kernel thread of its own
 */
#ifndef MESSAGE_OTHERS_H
#define MESSAGE_OTHERS_H

#include <ellula/ops.h>
#include <ellula/thread.h>
#include <pthread.h>

#include "base/atomic.h"
#include "harness/harness.h"

enum where { HERE, ELSEWHERE, FOREIGN, WHERES };

static const char *const where_names[WHERES] = {"on the same vCPU", "on another vCPU", "on a foreign thread"};

struct other {
	enum where where;
	void (*fn)(void *arg);
	void *arg;
	uint32_t done;
	ell_thread starter;
	ell_thread thread;
	pthread_t pthread;
};

static inline void *other_main(void *arg)
{
	struct other *other = arg;

	other->fn(other->arg);
	store_release(&other->done, 1);
	ell_unpark(other->starter);
	return NULL;
}

/* With one vCPU, another one is the same. */
static inline void other_start(struct other *other, enum where where, void (*fn)(void *arg), void *arg)
{
	struct ell_attr attr;

	*other = (struct other){.where = where, .fn = fn, .arg = arg, .starter = ell_self()};
	if (where == FOREIGN) {
		CHECK_EQ(pthread_create(&other->pthread, NULL, other_main, other), 0);
		return;
	}
	ell_attr_init(&attr);
	attr.vcpu = where == HERE ? ell_vcpu() : (ell_vcpu() + 1) % ell_vcpus();
	CHECK_EQ(ell_create(&other->thread, &attr, other_main, other), 0);
}

/* pthread_join() alone would keep the vCPU from threads that OTHER waits for. */
static inline void other_join(struct other *other)
{
	while (!load_acquire(&other->done))
		ell_park();
	CHECK_EQ(other->where == FOREIGN ? pthread_join(other->pthread, NULL) : ell_join(other->thread, NULL), 0);
}

/* Sleeps, whatever wakes the caller meanwhile. */
static inline void other_pause(int64_t ns)
{
	struct ell_msg m;

	ell_msg_init(&m, NULL, NULL);
	ell_msg_nanosleep(&m, ns);
	CHECK_EQ(ell_msg_do(&m), 0);
}

#endif
