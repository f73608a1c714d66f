/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * clone.c - threads and children of the program
 *
 * Threads: the C library has made stack, thread-local storage and descriptor before it calls clone3(), and relies on
 * three things: the new thread goes on behind the call with the registers of the old one, on its stack, with its thread
 * pointer; the parent is told a number; and when the thread has ended, and nobody uses its stack any more, the word at
 * its child_tid becomes 0 and who waits for that is woken. The registers are copied to the new stack, below what its
 * owner may have put there, and the guest's first context below them.
 *
 * The runtime starts with the first thread: a process that makes none has no ring, no LWP but its own, and everything
 * is as without us.
 *
 * Numbers: 1 << 29, five bits that change with each use of a descriptor, and its index, which finds it again.
 *
 * Not here: children (process.c).
 */
#include "personality/clone.h"

#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "arch/arch.h"
#include "base/atomic.h"
#include "base/compiler.h"
#include "base/lock.h"
#include "base/panic.h"
#include "personality/calls.h"
#include "personality/clib.h"
#include "personality/cpu.h"
#include "personality/descriptors.h"
#include "personality/futex.h"
#include "personality/guest.h"
#include "personality/masks.h"
#include "personality/process.h"
#include "personality/rewrite.h"
#include "personality/robust.h"
#include "personality/route.h"
#include "personality/signals.h"
#include "personality/sockets.h"
#include "personality/stats.h"
#include "sched/current.h"
#include "sched/inside.h"
#include "sched/interrupt.h"
#include "sched/sched.h"
#include "thread/guest.h"

enum { TID_USES = 31, DESCRIPTOR_MOST = 4096 };

_Static_assert(sizeof(struct guest) <= GUEST_ROOM, "what we know about a thread lies behind its descriptor");

static bool started;

/* All threads that have not ended, the first one included; and those that have not begun to. */
static uint32_t living = 1, staying = 1;

/* guest_crowd says what living says: one that is not alone is never taken for one that is. */
static uint32_t crowd_lock;

/* What the kernel does with the word of a thread that has ended. */
static void tell_of_end(uint32_t *word)
{
	uint64_t address = (uint64_t)(uintptr_t)word;

	store_seq_cst(word, 0);
	futex_wake(address, 1, FUTEX_BITSET_MATCH_ANY);
	if (clib_has_word(address))
		RAW(SYS_futex, word, FUTEX_WAKE, 1);
}

/* A thread more: was there one alone before? */
static bool join_crowd(void)
{
	bool first;

	lock_acquire(&crowd_lock);
	__atomic_add_fetch(&living, 1, __ATOMIC_SEQ_CST);
	first = xchg_seq_cst(&guest_crowd, 1) == 0;
	lock_release(&crowd_lock);
	return first;
}

/* One less. Last of all, for who is alone waits in the kernel. */
static void leave_crowd(void)
{
	lock_acquire(&crowd_lock);
	if (__atomic_sub_fetch(&living, 1, __ATOMIC_SEQ_CST) == 1 && load_relaxed(&guest_main.gu_tid) != 0) {
		xchg_seq_cst(&guest_crowd, 0);
		/* The kernel does not know of signals that are noted. */
		if (route_noted())
			xchg_seq_cst(&guest_crowd, 1);
	}
	lock_release(&crowd_lock);
}

static void gone(struct thread *th)
{
	struct guest *gu = guest_room(th);
	uint32_t *tid = gu->gu_clear_tid;

	if (UNLIKELY(load_relaxed(&cpu_asked)) && guest_lwp()->gl_runs == gu)
		cpu_runs(guest_lwp(), NULL);
	robust_bury(gu->gu_robust, gu->gu_tid);
	if (UNLIKELY(gu->gu_left_size))
		RAW(SYS_munmap, gu->gu_left, gu->gu_left_size);
	if (tid)
		tell_of_end(tid);
	/*
	 * Not before: who begins to wait for the word must find the number that is in it, or see that it has changed.
	 */
	futex_pi_bury((uint32_t)xchg_seq_cst(&gu->gu_tid, 0));
	masks_list(gu);
	route_look();
	leave_crowd();
}

static void lwp_begins(void)
{
	int error = entry_arm((unsigned)arch_lwp()->lw_number);

	masks_lwp_begins();
	if (error)
		panic("no dispatch of system calls on LWP %d: error %d", arch_lwp()->lw_number, -error);
}

static bool start(void)
{
	static const struct guest_above above = {.lwp_begins = lwp_begins, .gone = gone};
	size_t size;
	int error;

	if (started)
		return true;
	rewrite_early();
	clib_lend_tls();
	interrupt_begins = entry_handler_begins;
	interrupt_ends = entry_handler_ends;
	descriptors_begin();
	error = guest_init(&above);
	if (error) {
		complain("threads of this program stay kernel threads: %s", strerror(-error));
		return false;
	}
	started = true;
	guest_main.gu_thread = thread_current();
	guest_main.gu_tid = (int32_t)RAW(SYS_gettid);
	RAW(SYS_get_robust_list, 0, &guest_main.gu_robust, &size);
	masks_start();
	route_start();
	return true;
}

bool clone_has_begun(void)
{
	return started;
}

void clone_forked(const struct clone_wish *w)
{
	const struct guest *gu = guest_self;

	if (gu->gu_name[0])
		RAW(SYS_prctl, PR_SET_NAME, gu->gu_name);
	guest_main = (struct guest){
		.gu_clear_tid = w->flags & CLONE_CHILD_CLEARTID ? w->child_tid : NULL,
		.gu_mask = gu->gu_mask,
		.gu_alternate = gu->gu_alternate,
		.gu_errno = gu->gu_errno,
	};
	guest_self = &guest_main;
	started = false;
	living = staying = 1;
	crowd_lock = 0;
	guest_crowd = 0;
}

struct guest *guest_find(int tid)
{
	struct thread *th;
	struct guest *gu;

	if (tid == load_relaxed(&guest_main.gu_tid))
		return tid ? &guest_main : NULL;
	if (tid < GUEST_TID_FIRST || tid >= 2 * GUEST_TID_FIRST || !thread_table)
		return NULL;
	th = load_acquire(&thread_table[(uint32_t)tid & THREAD_INDEX_MASK]);
	if (!th || load_relaxed(&th->th_kind) != THREAD_GUEST)
		return NULL;
	gu = guest_room(th);
	return load_acquire(&gu->gu_tid) == tid ? gu : NULL;
}

/* The first context of a guest, on its stack. */
static void begin(void *previous)
{
	sched_finish_previous(previous);
	inside_arrived();
	guest_self = guest_room(arch_thread());
	/* What the one before has seen; see arch_context_inherit() for our own. */
	__asm__ volatile("fnclex");
	entry_leave();
	entry_resume(guest_self->gu_regs);
}

void clone_read(const struct entry_regs *g, struct clone_wish *w)
{
	const struct clone_args *args = (const struct clone_args *)g->rdi;

	switch (g->rax) {
	case SYS_clone3:
		*w = (struct clone_wish){.flags = args->flags,
					 .stack = args->stack ? args->stack + args->stack_size : 0,
					 .tls = args->tls,
					 .parent_tid = (uint32_t *)args->parent_tid,
					 .child_tid = (uint32_t *)args->child_tid};
		break;
	case SYS_clone:
		*w = (struct clone_wish){.flags = g->rdi,
					 .stack = g->rsi,
					 .tls = g->r8,
					 .parent_tid = (uint32_t *)g->rdx,
					 .child_tid = (uint32_t *)g->r10};
		break;
	case SYS_vfork:
		*w = (struct clone_wish){.flags = CLONE_VFORK | CLONE_VM | SIGCHLD};
		break;
	default:
		*w = (struct clone_wish){.flags = SIGCHLD};
		break;
	}
}

static int64_t make_guest(const struct entry_regs *g, const struct clone_wish *w)
{
	struct entry_regs *regs = (struct entry_regs *)((w->stack - CLONE_RED_ZONE) & ~UINT64_C(15)) - 1;
	struct thread *th;
	struct guest *gu;
	int32_t tid;

	th = guest_create(w->tls, regs, begin);
	if (!th)
		return -EAGAIN;
	*regs = *g;
	regs->rax = 0;
	regs->rsp = w->stack;
	tid = GUEST_TID_FIRST | (int32_t)(th->th_uses & TID_USES) << THREAD_INDEX_BITS | (int32_t)th->th_slot.sl_number;
	gu = guest_room(th);
	*gu = (struct guest){
		.gu_thread = th,
		.gu_regs = regs,
		.gu_clear_tid = w->flags & CLONE_CHILD_CLEARTID ? w->child_tid : NULL,
		.gu_mask = guest_self->gu_mask,
		.gu_alternate = {.ss_flags = SS_DISABLE},
	};
	memcpy(gu->gu_name, guest_self->gu_name, sizeof(gu->gu_name));
	store_release(&gu->gu_tid, tid);
	masks_list(gu);
	arch_tls_adopt(w->tls);
	if (w->flags & CLONE_PARENT_SETTID)
		*w->parent_tid = (uint32_t)tid;
	if (w->flags & CLONE_CHILD_SETTID)
		*w->child_tid = (uint32_t)tid;
	__atomic_add_fetch(&staying, 1, __ATOMIC_SEQ_CST);
	if (join_crowd())
		sockets_unsure_of_all();
	count_up(&stats.threads, 1);
	sched_ready(th, READY_LAST);
	return tid;
}

/*
 * What becomes 0 when the first thread ends, of which nobody has told us: where that of the thread lies which W is for,
 * from its thread pointer, or one word for all.
 */
static uint32_t *word_of_main(const struct clone_wish *w)
{
	uint64_t word = (uint64_t)(uintptr_t)w->child_tid;

	if (!(w->flags & CLONE_CHILD_CLEARTID))
		return NULL;
	if (word - w->tls < DESCRIPTOR_MOST)
		word += arch_tls() - w->tls;
	return (uint32_t *)word;
}

int64_t clone_call(struct entry_regs *g)
{
	struct clone_wish w;

	clone_read(g, &w);
	if (!(w.flags & CLONE_VM) || (w.flags & CLONE_VFORK))
		return process_make(g, &w);
	if (!(w.flags & CLONE_THREAD)) {
		/* It would share its thread-local storage with us, and run beside us. */
		return w.flags & CLONE_SETTLS ? process_plain(g) : refuse("a process that shares this one's memory");
	}
	if (!w.stack || !(w.flags & CLONE_SETTLS))
		return refuse("a thread without stack or thread pointer of its own");
	if (!start()) {
		entry_end();
		return process_plain(g);
	}
	clib_note_number((char *)w.parent_tid - (char *)w.tls);
	if (!guest_main.gu_clear_tid)
		guest_main.gu_clear_tid = word_of_main(&w);
	return make_guest(g, &w);
}

int64_t clone_exit(struct entry_regs *g)
{
	struct guest *gu = guest_self;

	(void)g;
	if (!started)
		return RAW(SYS_exit, g->rdi);
	if (__atomic_sub_fetch(&staying, 1, __ATOMIC_SEQ_CST) == 0) {
		/* What it calls now may make others. */
		store_seq_cst(&staying, 1);
		/* The C library counts our LWPs, too, and so does not see that this was the last thread. */
		clib_end_last(gu);
		entry_leave();
		exit(0);
	}
	if (gu != &guest_main)
		guest_exit();
	robust_bury(gu->gu_robust, gu->gu_tid);
	if (gu->gu_clear_tid)
		tell_of_end(gu->gu_clear_tid);
	futex_pi_bury((uint32_t)xchg_seq_cst(&gu->gu_tid, 0));
	/* Not before, as in gone(): who is alone waits in the kernel. */
	__atomic_sub_fetch(&living, 1, __ATOMIC_SEQ_CST);
	route_look();
	for (;;)
		park_commit(park_prepare(), PARK_SLEEP, ELL_FOREVER);
}

int64_t clone_set_tid_address(struct entry_regs *g)
{
	store_relaxed(&guest_self->gu_clear_tid, (uint32_t *)g->rdi);
	if (guest_self == &guest_main)
		RAW(SYS_set_tid_address, g->rdi);
	return started ? guest_self->gu_tid : RAW(SYS_gettid);
}
