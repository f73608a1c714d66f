/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stores.c - the store buffer of a simulated CPU
 *
 * On a CPU with total store order a store waits in a buffer. The CPU itself sees it at once, the others when it leaves
 * the buffer, the oldest first; meanwhile the CPU goes on and loads. Two that each store to one word and then load the
 * other's may both see the old value: what a fence between store and load is there to prevent.
 *
 * Here the memory always is what the running actor sees. When it stops, the stores in its buffer are undone, from the
 * newest to the oldest, and done again when it goes on; so plain accesses of its own to the same words, which nobody
 * tells us of, are right as well. When a store leaves the buffer of an actor that does not run it is written to memory;
 * if it does, there is nothing to do but to forget it.
 *
 * Stores that are not atomic are seen at once. That is earlier than their place among the others, but who may look at
 * plain memory of another's does so after a synchronization, by which time the buffer is empty.
 *
 * Not here: loads that are satisfied early or late, as CPUs with a weaker order do.
 */
#include "kport/sim/stores.h"

#include <string.h>

#include "base/panic.h"

static void swap(struct store *so)
{
	uint64_t was = 0;

	memcpy(&was, so->so_at, so->so_size);
	memcpy(so->so_at, &so->so_other, so->so_size);
	so->so_other = was;
}

void stores_hold(struct stores *ss, void *at, size_t size)
{
	struct store *so;

	ASSERT(size <= sizeof(so->so_other));
	if (ss->st_count == STORES_MAX)
		stores_commit(ss, 1, true);
	so = &ss->st_list[ss->st_count++];
	*so = (struct store){.so_at = at, .so_size = size};
	memcpy(&so->so_other, at, size);
}

void stores_out(struct stores *ss)
{
	for (unsigned i = ss->st_count; i-- > 0;)
		swap(&ss->st_list[i]);
}

void stores_in(struct stores *ss)
{
	for (unsigned i = 0; i < ss->st_count; i++)
		swap(&ss->st_list[i]);
}

void stores_commit(struct stores *ss, unsigned count, bool in)
{
	ASSERT(count <= ss->st_count);
	for (unsigned i = 0; i < count && !in; i++)
		memcpy(ss->st_list[i].so_at, &ss->st_list[i].so_other, ss->st_list[i].so_size);
	ss->st_count -= count;
	memmove(ss->st_list, ss->st_list + count, ss->st_count * sizeof(ss->st_list[0]));
}
