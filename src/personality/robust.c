/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * robust.c - what a thread that has ended held of robust locks
 *
 * The C library keeps a list of the robust mutexes that a thread holds, where the kernel finds it when a kernel thread
 * ends. A user thread ends without the kernel's notice, so we go through the list as the kernel would: each word that
 * still has the thread's number gets FUTEX_OWNER_DIED, and one who waits for it is woken. The C library waits for such
 * words as shared ones, whoever shares them: in the kernel, by a helper.
 *
 * When the process ends, by a signal or by exit(), nobody does this for its threads but the first one: the kernel goes
 * through the lists that it knows, and looks in the words for the number of a kernel thread. Other processes find the
 * locks of other threads locked. Rejected: to tell the kernel of the list of who runs, for the numbers in the words are
 * not the LWP's, and threads that wait run nowhere; to do it before the end, for the owners may still change what their
 * locks protect; and a process that shares the memory and outlives this one, to do it then: a lock that is free is
 * taken without a system call, so each program would need one at all times, which its parent's wait(), its limits and a
 * kill of its group would find.
 *
 * Not here: who waits for a lock that inherits priority (futex_pi.c).
 */
#include "personality/robust.h"

#include <linux/futex.h>
#include <stdbool.h>
#include <sys/syscall.h>

#include "base/atomic.h"
#include "personality/futex.h"

/* As many as the kernel looks at, for a list may be a ring by mistake. */
enum { MOST = 2048 };

/* The lowest bit of a link says that its lock inherits priority. */
static bool is_plain(const struct robust_list *link)
{
	return !((uintptr_t)link & 1);
}

static void bury(const struct robust_list *link, long offset, uint32_t tid)
{
	uint32_t *word = (uint32_t *)((char *)((uintptr_t)link & ~UINT64_C(1)) + offset);
	uint32_t old = load_seq_cst(word);

	do {
		if ((old & FUTEX_TID_MASK) != tid)
			return;
	} while (!cas_seq_cst(word, &old, (old & FUTEX_WAITERS) | FUTEX_OWNER_DIED));
	if (!(old & FUTEX_WAITERS) || !is_plain(link))
		return;
	RAW(SYS_futex, (uint64_t)(uintptr_t)word, FUTEX_WAKE, 1, 0, 0, 0);
	futex_wake((uint64_t)(uintptr_t)word, 1, FUTEX_BITSET_MATCH_ANY);
}

void robust_bury(const struct robust_list_head *head, int32_t tid)
{
	const struct robust_list *link, *next, *pending;
	long offset;

	if (!head)
		return;
	offset = head->futex_offset;
	pending = head->list_op_pending;
	link = head->list.next;
	for (int i = 0; link != &head->list && i < MOST; i++) {
		/* Once it is released, its owner may free it. */
		next = ((const struct robust_list *)((uintptr_t)link & ~UINT64_C(1)))->next;
		if (link != pending)
			bury(link, offset, (uint32_t)tid);
		link = next;
	}
	if (pending)
		bury(pending, offset, (uint32_t)tid);
}
