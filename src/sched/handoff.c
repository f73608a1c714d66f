/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handoff.c - a vCPU leaves an LWP that does not schedule, for one that will
 *
 * Purpose: a thread that computes, or that blocks its LWP in a call that is none of ours, keeps nobody waiting but
 * itself. The vCPU, with its run queue, its timers, its inbox and its caches, goes to a spare LWP. The thread goes on
 * where it is, on an LWP without vCPU, until it leaves (parks, yields, ends); then it is queued, and the LWP is spare.
 *
 * Words: an LWP is away from the moment in which its vCPU was taken until its thread leaves; then it is home, and
 * spare. Who takes is the monitor (monitor.c), or the thread itself, which announces that it will block.
 *
 * States of lw_asked, and who moves it, by compare-and-swap where two may:
 *
 *	HOLDS -> ASKED	the monitor, which wants the vCPU
 *	ASKED -> HOLDS	the LWP, which is inside (sched/inside.h) and needs it; or the monitor, giving up
 *	ASKED -> AWAY	the monitor: it has the vCPU
 *	HOLDS -> AWAY	the LWP, inside: it gives the vCPU away itself
 *	AWAY -> HOLDS	the LWP, at home: it was given a vCPU
 *
 * Can both use a vCPU?
 *
 *	the LWP					the monitor
 *	1. lw_inside = 1			1. lw_asked: HOLDS -> ASKED
 *	2. reads lw_asked			2. membarrier: each CPU that runs us passes a full barrier
 *	3. if ASKED: ASKED -> HOLDS,		3. reads lw_inside; if it is 0: ASKED -> AWAY,
 *	   or it is AWAY now			   else ASKED -> HOLDS
 *
 * The LWP's 1 and 2 are plain. The barrier comes before its 1, after its 2, or between them. If not before 1, the
 * monitor sees 1 in lw_inside and gives up; if before, the LWP sees ASKED, or what has become of it. Then both want to
 * change the same word, and one does (ORD inside-1, inside-2). If lw_inside is 0, the monitor sees all that was done
 * inside before (ORD inside-3, inside-4).
 *
 * A blocked thread is not disturbed by any of this: no signal, no EINTR.
 *
 * What is not taken: the vCPU of a thread that runs on the vCPU's TLS (ELL_TLS_SHARED). Others that are queued there
 * use the same block, and two kernel threads cannot.
 *
 * A thread without vCPU does in the library what a foreign kernel thread does: whom it wakes goes to an inbox, what it
 * sends goes to the kernel port of another LWP, it arms other vCPUs' wheels, and it leaves its own LWP's ring alone.
 *
 * The ring stays with its LWP, for the kernel lets no other submit. While that is away
 *	- its kernel port says that it sleeps, and rings the monitor's bell when something has finished there. So what
 *	  is posted to it, and what finishes, comes to the monitor;
 *	- the monitor, with lw_ring_lock, collects what was posted, and replies to what has finished. If the kernel must
 *	  be entered for that, the LWP is kicked: by a signal whose handler hands over what is in the ring, and does
 *	  nothing else, so that it matters not what it interrupts. The thread's system call is restarted.
 * A spare LWP does all this itself: it sleeps in its kernel port. It comes home with lw_ring_lock, before it touches
 * the ring.
 *
 * Who posts to a vCPU wakes its holder, and may have read the last one. The new one looks for posts before it sleeps;
 * if it does not see the post, it came before that in the order of all such accesses, and so did its becoming the
 * holder: the poster reads it (ORD holder-1, holder-2).
 *
 * Locks: handoff.lock guards the list of spare LWPs; lw_ring_lock is held by who serves the ring of an LWP that is
 * away, and when it is decided whether it is.
 *
 * Rejected: to stop the thread by a signal, save its whole context and queue it elsewhere (it may hold a lock of the C
 * library's, or be blocked: EINTR for each hand-off); a full barrier at each entry (20 cycles per switch); to move the
 * ring's messages (the kernel has them); to let a thread without vCPU use its ring (who then waits for the monitor may
 * hold a short lock that the monitor wants).
 */
#include "sched/handoff.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <signal.h>
#include <time.h>

#include "base/lock.h"
#include "base/panic.h"
#include "kport/kport.h"
#include "mem/tls.h"
#include "sched/current.h"
#include "sched/end.h"
#include "sched/inside.h"
#include "sched/interrupt.h"
#include "sched/monitor.h"
#include "sched/sched.h"
#include "sched/stall.h"
#include "sys/sys.h"

enum { KICK_WAIT_NS = 2000000, KICK_NAP_NS = 20000 };

/* lw_kick: what the handler is to do. */
enum { KICK_NONE, KICK_WANTED, KICK_RUNS };

static struct {
	uint32_t lock;
	struct lwp *spares; /* by lw_next, last one first; lock */
} handoff;

/* Each CPU that runs a thread of the process passes a full barrier. */
static void barrier_everywhere(void)
{
	/* ORD inside-2: pairs with ORD inside-1 in sched/inside.h */
	if (sys.membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) != 0)
		panic("membarrier failed, and worked before: error %d", errno);
}

bool handoff_probe(void)
{
	return tls_works() && sys.membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0;
}

bool handoff_has_spare(void)
{
	return load_relaxed(&handoff.spares) != NULL;
}

void handoff_count(unsigned *spare, unsigned *away)
{
	*spare = *away = 0;
	/* ORD lwps-1: pairs with ORD lwps-2 in sched/start.c */
	for (unsigned i = 0; i < load_acquire(&runtime.rt_lwp_count); i++)
		*away += load_acquire(&runtime.rt_lwps[i].lw_asked) == HANDOFF_AWAY;
	lock_acquire(&handoff.lock);
	for (const struct lwp *lw = handoff.spares; lw; lw = lw->lw_next)
		++*spare;
	lock_release(&handoff.lock);
	*away = *away > *spare ? *away - *spare : 0;
}

void handoff_forked(void)
{
	handoff.lock = 0;
	handoff.spares = NULL;
}

void inside_asked(struct lwp *lw)
{
	uint32_t asked = HANDOFF_ASKED;

	if (!cas_acq_rel(&lw->lw_asked, &asked, HANDOFF_HOLDS) && asked == HANDOFF_AWAY)
		lw->lw_vcpu = NULL;
}

static struct lwp *spare_pop(void)
{
	struct lwp *lw;

	lock_acquire(&handoff.lock);
	lw = handoff.spares;
	if (lw)
		store_relaxed(&handoff.spares, lw->lw_next);
	lock_release(&handoff.lock);
	return lw;
}

static void spare_push(struct lwp *lw)
{
	lock_acquire(&handoff.lock);
	lw->lw_next = handoff.spares;
	store_relaxed(&handoff.spares, lw);
	lock_release(&handoff.lock);
}

/* VC, which nobody holds, is TO's from now on. */
static void give(struct vcpu *vc, struct lwp *to, ell_time decided)
{
	to->lw_given_at = decided;
	/* ORD holder-2: pairs with ORD holder-1 in sched/vcpu.h: before the look for posts, in handoff_wait(). */
	store_seq_cst(&vc->vc_lwp, to);
	store_seq_cst(&to->lw_given, vc);
	kport_wake(to->lw_kport);
	count_up(&vc->vc_handoffs, 1);
}

/* The kernel port of LW has nobody at home: who posts to it, and what finishes there, is to come to the monitor. */
static void listen_locked(struct lwp *lw)
{
	lw->lw_kport->kp_ops->ring_bell(lw->lw_kport, true);
	store_seq_cst(&lw->lw_kport->kp_sleep, KPORT_ASLEEP); /* ORD kport-1: pairs with ORD kport-2 in kport/kport.c */
}

static bool has_news(const struct lwp *lw)
{
	return kport_is_posted(lw->lw_kport) || load_relaxed(&lw->lw_kport->kp_sleep) == KPORT_WOKEN ||
	       lw->lw_kport->kp_ops->has_news(lw->lw_kport);
}

enum handoff_result handoff_take(struct vcpu *vc)
{
	struct lwp *lw = load_relaxed(&vc->vc_lwp), *spare;
	uint32_t state = HANDOFF_HOLDS;
	const struct thread *th;
	ell_time begin = ell_now();
	bool taken = false;

	spare = spare_pop();
	if (!spare)
		return HANDOFF_NOBODY;
	if (cas_seq_cst(&lw->lw_asked, &state, HANDOFF_ASKED)) {
		barrier_everywhere();
		state = HANDOFF_ASKED;
		/* ORD inside-4: pairs with ORD inside-3 in sched/inside.h */
		if (load_acquire(&lw->lw_inside) == 0 && (th = load_relaxed(&lw->lw_current)) != NULL && th->th_tls)
			taken = cas_seq_cst(&lw->lw_asked, &state, HANDOFF_AWAY);
		else
			cas_seq_cst(&lw->lw_asked, &state, HANDOFF_HOLDS);
	}
	if (!taken) {
		spare_push(spare);
		return HANDOFF_BUSY;
	}
	give(vc, spare, begin);
	lock_acquire(&lw->lw_ring_lock);
	if (!lw->lw_home)
		listen_locked(lw);
	lock_release(&lw->lw_ring_lock);
	return HANDOFF_DONE;
}

bool handoff_give(struct lwp *lw)
{
	struct lwp *spare = spare_pop();
	struct vcpu *vc = lw->lw_vcpu;

	if (!spare)
		return false;
	ASSERT(lw->lw_inside && vc);
	lw->lw_vcpu = NULL;
	/* Who announces it does not stall. */
	store_relaxed(&lw->lw_stalled, (ell_time)0);
	/* The monitor, which may be asking, finds that it is not HOLDS any more. */
	store_seq_cst(&lw->lw_asked, HANDOFF_AWAY);
	give(vc, spare, ell_now());
	lock_acquire(&lw->lw_ring_lock);
	listen_locked(lw);
	lock_release(&lw->lw_ring_lock);
	if (has_news(lw))
		monitor_ring();
	return true;
}

/* LW is away no more. Context: V, on LW. */
static void come_home(struct lwp *lw)
{
	lock_acquire(&lw->lw_ring_lock);
	lw->lw_home = true;
	lw->lw_kport->kp_ops->ring_bell(lw->lw_kport, false);
	store_seq_cst(&lw->lw_kport->kp_sleep, KPORT_AWAKE);
	lock_release(&lw->lw_ring_lock);
}

void handoff_end(struct lwp *lw)
{
	if (!lw->lw_vcpu && !lw->lw_home)
		come_home(lw);
}

void handoff_wait(struct lwp *lw)
{
	struct kport *kp = lw->lw_kport;
	struct vcpu *vc;

	come_home(lw);
	/* What it has out will come while it waits. */
	kp->kp_ops->flush(kp);
	spare_push(lw);
	while (!(vc = load_seq_cst(&lw->lw_given)) && !load_acquire(&runtime.rt_ended)) {
		interrupt_point();
		store_seq_cst(&kp->kp_sleep, KPORT_ASLEEP); /* ORD kport-1: pairs with ORD kport-2 in kport/kport.c */
		if (!load_seq_cst(&lw->lw_given) && !kport_is_posted(kp) && !load_seq_cst(&runtime.rt_ended) &&
		    load_seq_cst(&runtime.rt_question) == lw->lw_answered && !load_seq_cst(&interrupt_stop)) {
			if (sched_idles)
				sched_idles();
			kp->kp_ops->sleep(kp, ELL_FOREVER);
		}
		store_seq_cst(&kp->kp_sleep, KPORT_AWAKE);
		kp->kp_ops->flush(kp);
		end_answer(lw);
	}
	if (!vc)
		return;
	lw->lw_given = NULL;
	count_up(&lw->lw_handoff_ns, (uint64_t)(ell_now() - lw->lw_given_at));
	/* What it has answered was without this vCPU's timers. */
	store_relaxed(&lw->lw_answered, 0);
	lw->lw_vcpu = vc;
	store_release(&lw->lw_home, false);
	store_release(&lw->lw_asked, HANDOFF_HOLDS);
}

/* What is asked is asked once, by whoever waits for the answer: late signals find nothing. */
void handoff_kicked(struct lwp *lw)
{
	uint32_t wanted = KICK_WANTED;

	stall_report_here(lw);
	if (cas_acq_rel(&lw->lw_kick, &wanted, KICK_RUNS)) {
		lw->lw_kport->kp_ops->enter(lw->lw_kport);
		store_release(&lw->lw_kick, KICK_NONE);
	}
}

/* The handler, on the LWP. */
static void on_kick(int number)
{
	int error = errno;
	struct lwp *lw = arch_lwp_or_null();

	(void)number;
	if (lw)
		handoff_kicked(lw);
	errno = error;
}

bool handoff_signal(struct lwp *lw)
{
	int number = runtime.rt_guests ? interrupt_signal() : HANDOFF_SIGNAL;

	return sys.pthread_kill(lw->lw_pthread, number) == 0;
}

void handoff_watch_signal(void)
{
	struct sigaction action = {.sa_handler = on_kick, .sa_flags = SA_RESTART | SA_ONSTACK};

	/* That one is the program's. */
	if (runtime.rt_guests)
		return;
	sigemptyset(&action.sa_mask);
	sys.sigaction(HANDOFF_SIGNAL, &action, NULL);
}

/* LW, away, enters the kernel for what is in its ring: false if it does not react. */
static bool kick(struct lwp *lw)
{
	const struct timespec nap = {.tv_nsec = KICK_NAP_NS};
	ell_time until = ell_now() + KICK_WAIT_NS;
	uint32_t wanted = KICK_WANTED;

	store_release(&lw->lw_kick, KICK_WANTED);
	count_up(&lw->lw_kicks, 1);
	if (handoff_signal(lw)) {
		while (load_acquire(&lw->lw_kick) != KICK_NONE && ell_now() < until)
			sys.nanosleep(&nap, NULL);
	}
	/* It blocks the signal, or does not get to run. But a handler that has begun is to be waited for. */
	if (cas_acq_rel(&lw->lw_kick, &wanted, KICK_NONE))
		return false;
	while (load_acquire(&lw->lw_kick) != KICK_NONE)
		sys.nanosleep(&nap, NULL);
	return true;
}

/* With the ring of LW in hand. */
static bool serve_held(struct lwp *lw)
{
	const struct kport_ops *ops = lw->lw_kport->kp_ops;
	bool revoke, well = true;
	uint64_t question = end_unanswered(lw, &revoke);

	/* Replies make cancels, and deferred completions come in portions. */
	while (well && ops->prepare(lw->lw_kport, question && revoke)) {
		revoke = false;
		well = kick(lw);
		ops->reap(lw->lw_kport);
	}
	ops->reap(lw->lw_kport);
	if (well && question)
		end_answer_for(lw, question);
	return well;
}

/* Sees to the kernel port of LW, which has news: false if that was not possible now. */
static bool serve(struct lwp *lw)
{
	bool well = true;

	lock_acquire(&lw->lw_ring_lock);
	if (!load_relaxed(&lw->lw_home)) {
		well = serve_held(lw);
		listen_locked(lw);
	}
	lock_release(&lw->lw_ring_lock);
	return well && !has_news(lw);
}

bool handoff_serve(void)
{
	unsigned count = load_acquire(&runtime.rt_lwp_count); /* ORD lwps-1: pairs with ORD lwps-2 in sched/start.c */
	bool again = false;

	for (unsigned i = 0; i < count; i++) {
		struct lwp *lw = &runtime.rt_lwps[i];

		if (load_acquire(&lw->lw_asked) == HANDOFF_AWAY && !load_relaxed(&lw->lw_home) && has_news(lw) &&
		    !serve(lw))
			again = true;
	}
	return again;
}
