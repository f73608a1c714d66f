/* SPDX-License-Identifier: BSD-2-Clause */
/* players.h - a few contexts, each on a stack of its own, that take turns without a scheduler */
#ifndef ARCH_PLAYERS_H
#define ARCH_PLAYERS_H

#include <stdlib.h>
#include <string.h>

#include "arch/arch.h"
#include "harness/harness.h"
#include "mem/valgrind.h"

enum { PLAYER_STACK = 65536, PLAYERS = 5 };

struct player {
	struct arch_context ctx;
	char *stack;
	void (*body)(struct player *self);
	struct player *next;
	unsigned number;
	bool done;
};

/* The context of the case itself, which waits until the others are done. */
static struct arch_context players_home;

/* Not inlined: all contexts are left in this function, and all but new ones come back in it. */
static NOINLINE void player_pass(struct player *self)
{
	struct player *to = self->next;
	struct player *carried = arch_switch(&self->ctx, to->done ? &players_home : &to->ctx, to);

	CHECK(carried == self);
}

static void player_entry(void *carry)
{
	struct player *self = carry;

	self->body(self);
	self->done = true;
	player_pass(self);
	FAIL("context %u was over, and went on", self->number);
}

/* What lies on its stack must not matter, so it is garbage. */
static inline void player_make(struct player *p, void (*body)(struct player *))
{
	if (!p->stack)
		p->stack = aligned_alloc(16, PLAYER_STACK);
	CHECK(p->stack);
	valgrind_stack(p->stack, p->stack + PLAYER_STACK);
	memset(p->stack, 0xa5, PLAYER_STACK);
	p->body = body;
	p->done = false;
	arch_context_make(&p->ctx, p->stack + PLAYER_STACK, player_entry);
}

/* Runs PLAYERS contexts with this body, which has to pass the same number of times in each. */
static inline void players_run(void (*body)(struct player *))
{
	struct player players[PLAYERS] = {0};

	for (unsigned i = 0; i < PLAYERS; i++) {
		player_make(&players[i], body);
		players[i].number = i;
		players[i].next = &players[(i + 1) % PLAYERS];
	}
	CHECK(arch_switch(&players_home, &players[0].ctx, &players[0]) == &players[0]);
	for (unsigned i = 0; i < PLAYERS; i++) {
		CHECK(players[i].done);
		free(players[i].stack);
	}
}

#endif
