/* SPDX-License-Identifier: BSD-2-Clause */
/* monitor.h - a kernel thread that sees who does not schedule */
#ifndef SCHED_MONITOR_H
#define SCHED_MONITOR_H

#include <ellula/ellula.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/compiler.h"

/* 1: all vCPUs were idle, and it sleeps until one is not. */
extern uint32_t monitor_sleeps;

/* Before the first LWP, and if that came to nothing; and when all are there. Context: F. */
void monitor_prepare(void);
void monitor_unprepare(void);
void monitor_start(void);

/* At least it looks from now on: 0 or -errno. Context: T F. */
int monitor_watch(void);

/*
 * Before a fork: the monitor hands nothing over, and serves nobody, until it is released. In the child there is none.
 * Context: T F; K.
 */
void monitor_hold(void);
void monitor_release(void);
void monitor_forked(void);

/* Before the report of a crash: as monitor_hold(), if that is possible by UNTIL, and for good. Context: any. */
void monitor_halt(ell_time until);

/* There is something to look at. Context: any. */
void monitor_ring(void);

/* A thread will block its LWP, and there is no spare one, or no further one: see to that. Context: T. */
void monitor_want_spare(void);

/* An LWP that the monitor has asked for is there, or not (-errno). Context: F, V. */
void monitor_spare_made(int error);

/* The caller, made by the monitor, takes the signals that other LWPs take, and has their timer slack. Context: F. */
void monitor_adopt(void);

COLD void monitor_wake(void);

/* A vCPU is idle no more, and its bit says so. Context: V. */
static inline void monitor_vcpu_runs(void)
{
	/* ORD monitor-1: pairs with ORD monitor-2 in sched/monitor.c */
	if (UNLIKELY(load_seq_cst(&monitor_sleeps)))
		monitor_wake();
}

#endif
