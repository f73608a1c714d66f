/* SPDX-License-Identifier: BSD-2-Clause */
/* stores.h - the store buffer of a simulated CPU */
#ifndef KPORT_SIM_STORES_H
#define KPORT_SIM_STORES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STORES_MAX = 16 };

struct store {
	void *so_at;
	uint64_t so_other; /* its actor runs: what the others see. It does not: what it sees itself */
	size_t so_size;
};

/* The oldest first. */
struct stores {
	struct store st_list[STORES_MAX];
	unsigned st_count;
};

/* The running actor, whose buffer SS is, is about to store to the SIZE bytes at AT: only it will see that for now. */
void stores_hold(struct stores *ss, void *at, size_t size);

/* The actor stops: memory becomes what the others see. And the reverse, when it goes on. */
void stores_out(struct stores *ss);
void stores_in(struct stores *ss);

/* The oldest COUNT stores are seen by all from now on. IN: their actor runs. */
void stores_commit(struct stores *ss, unsigned count, bool in);

#endif
