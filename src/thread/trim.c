/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trim.c - when unused stacks go back to the system
 *
 * A timer message with an upcall on its port is the clock: a look at the pools every LOOK_NS, and in between, while
 * there is excess, a few batches every STEP_NS, so that the LWP that does it is soon free for threads again. When
 * nothing is free any more the clock stops, and an idle process sleeps; the next batch of stacks that becomes free
 * starts it.
 */
#include <ellula/ops.h>
#include <ellula/port.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "mem/slot.h"
#include "thread/life.h"

#define LOOK_NS (5 * ELL_SEC)
#define STEP_NS (20 * ELL_MSEC)

enum { STEP_BATCHES = 8 };

static struct ell_port port;
static struct ell_msg tick;
static uint32_t running;

static void wind(int64_t ns)
{
	ell_msg_nanosleep(&tick, ns);
	ell_msg_send(&tick);
}

static void on_tick(struct ell_port *at, void *arg)
{
	(void)arg;
	ell_port_get(at);
	if (slot_trim_some(STEP_BATCHES)) {
		wind(STEP_NS);
	} else if (slot_trim_look()) {
		wind(LOOK_NS);
	} else {
		/* What became free since the look waits for the next start. ORD trim-1: pairs with ORD trim-2. */
		store_release(&running, 0);
	}
}

static void start(void)
{
	/* ORD trim-2: pairs with ORD trim-1 */
	if (load_relaxed(&running) == 0 && xchg_acq_rel(&running, 1) == 0)
		wind(LOOK_NS);
}

void trim_watch(void)
{
	ell_port_init(&port, "trim");
	ell_port_upcall(&port, on_tick, NULL);
	ell_msg_init(&tick, &port, NULL);
	slot_has_excess = start;
}
