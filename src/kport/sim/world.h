/* SPDX-License-Identifier: BSD-2-Clause */
/* world.h - a machine made of a seed: its kernel threads take turns on one real thread, and its time is counted */
#ifndef KPORT_SIM_WORLD_H
#define KPORT_SIM_WORLD_H

#include <ellula/time.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

struct actor;

/* What an actor stands for. */
enum actor_kind {
	ACTOR_THREAD, /* a kernel thread: an LWP, or one of the program's own */
	ACTOR_KERNEL, /* the kernel at work on one message: it is not interrupted, but where it waits */
};

/* What a world does besides taking turns: each is 1 in so many occasions, and 0 is never. */
struct world_faults {
	unsigned wf_short;     /* a short count */
	unsigned wf_again;     /* EAGAIN from a call that could have gone on, EINTR from one that waits */
	unsigned wf_no_memory; /* ENOMEM, ENOBUFS */
	unsigned wf_reset;     /* a connection is reset */
	unsigned wf_full;      /* ENOSPC */
	unsigned wf_late;      /* a reply comes some milliseconds late */
	unsigned wf_refuse;    /* the ring takes no submission for a while */
	unsigned wf_freeze;    /* an LWP that is interrupted stays away for long */
	unsigned wf_jump;      /* the clock jumps ahead */
	unsigned wf_hold;      /* a store stays in the store buffer for a while */
	unsigned wf_cq;	       /* completions that a ring holds; more wait in the kernel. 0: many */
};

/*
 * The calling kernel thread becomes the first actor of the world of SEED, which is another one with another SALT. Once
 * in the life of a process.
 */
void world_begin(uint64_t seed, const char *salt);
bool world_runs(void);
extern struct world_faults world_faults;

/* FN(ARG) runs as an actor of its own: it is ready at the time WHEN. Aborts without memory. */
struct actor *world_spawn(const char *name, enum actor_kind kind, ell_time when, void (*fn)(void *arg), void *arg);
struct actor *world_self(void);
enum actor_kind world_kind(void);

/*
 * The caller sleeps until world_wake(ON): true; or until UNTIL: false. When nobody can ever run again that is a dead
 * end: the world ends with world_fail().
 */
bool world_wait(const void *on, ell_time until);

/* Wakes up to MAX of those that sleep on ON, the first first: how many. */
unsigned world_wake(const void *on, unsigned max);

/* Waits until the caller is the only one: the others have a simulated while to come to their ends. */
void world_settle(void);

/* AC, if it sleeps, wakes up whatever it waits for. */
void world_interrupt(struct actor *ac);

/*
 * Signals, as far as calls that wait know of them: a call of the caller's is to end when *WORD is not 0, if a signal
 * comes. Each actor has a number, by which others send it one.
 */
void world_stop_by(const uint32_t *word);
bool world_is_stopped(void);
unsigned world_number(void);
void world_signal(unsigned number);

/* The process has become two, and this is the child, or it has ended: of its kernel threads only the caller is left. */
void world_forget_threads(void);

/* AC, an actor of the kernel's that is not the caller, is no more. */
void world_forget(struct actor *ac);

/* The caller has nothing better to do: somebody else goes on. */
void world_yield(void);

/* The same for a kernel call, which empties the store buffer. */
void world_enter(void);

ell_time world_now(void);

/* A number below LIMIT; true once in N occasions, never if N is 0. */
uint64_t world_random(uint64_t limit);
bool world_chance(unsigned n);

/* The same for the fault NAME of world_faults, and at the occasions that world_script() has named. */
#define world_fault(name) world_fault_of(#name, world_faults.wf_##name)
bool world_fault_of(const char *name, unsigned n);

/* The fault NAME comes at its occasion number NTH, from 1. False: there are too many. Before the world begins. */
bool world_script(const char *name, uint64_t nth);

/* A line of the trace. */
void world_note(const char *fmt, ...) PRINTF(1, 2);

/* The trace goes to stderr as it happens. */
extern bool world_traces;

/* Says what is wrong, what everybody does and the last steps, and ends the process. */
COLD void world_fail(const char *fmt, ...) PRINTF(1, 2) __attribute__((noreturn));

/* What everybody does, and the last steps, to stderr. */
COLD void world_report(void);

/* Called by world_report() for what this room does not know. May be NULL. */
extern void (*world_report_more)(void);

uint64_t world_steps(void);

/* Called before each step of a kernel thread, and must not be one. May be NULL. */
extern void (*world_at_step)(void);

#endif
