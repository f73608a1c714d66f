/* SPDX-License-Identifier: BSD-2-Clause */
/* route.h - a signal to the process finds a thread */
#ifndef PERSONALITY_ROUTE_H
#define PERSONALITY_ROUTE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct guest;

/* As the kernel has it. */
struct action {
	void *handler;
	uint64_t flags;
	void *restorer;
	uint64_t mask;
};

/*
 * GU, which has a signal pending, takes it even if it is in the program and makes no call: its LWP is kicked. Whether
 * it was there is decided as for the router's signals. Context: T F.
 */
void route_interrupt(const struct guest *gu);

/* What the program asks for becomes what the kernel is asked for, and back. Context: T. */
void route_wrap(int number, struct action *action);
void route_unwrap(int number, struct action *action);

/* The runtime has started: there may be threads that the kernel does not know. Context: T. */
void route_start(void);

/* In a child: there is no router, and no signal is on its way. Context: K. */
void route_forked(void);

/* INFO's signal, to this process, reaches a guest; false: the kernel is to find somebody. Context: T. */
bool route_send(const siginfo_t *info);

/* INFO's signal is for GU alone: false, too many are on their way. Context: T. */
bool route_queue(struct guest *gu, const siginfo_t *info);

/* Signals to the process that GU, the caller, has been given are raised here; false: there is none. Context: T. */
bool route_deliver(const struct guest *gu, int number);

/* Is there one? */
bool route_is_given(const struct guest *gu, int number);

/*
 * A wait of the caller has ended by a signal. If it is alone that may be on its way to its LWP, and comes before this
 * returns. Context: T.
 */
void route_await(void);

/* What came with one of them, which is taken; false: there is none. Context: T S. */
bool route_take(const struct guest *gu, int number, siginfo_t *info);

/* Signals to the process that nobody has been given: the set. One of SET with what came with it: 0 if there is none. */
uint64_t route_noted(void);
int route_take_noted(uint64_t set, siginfo_t *info);

/* A thread's mask has changed, or a thread has ended: signals that nobody took are looked at again. Context: T V. */
void route_look(void);

#endif
