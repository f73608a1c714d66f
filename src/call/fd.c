/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fd.c - sockets that the kernel watches for us
 *
 * Purpose: a server's thread waits for its socket again and again. A message per wait costs the kernel an armed poll
 * each time. Instead each socket is watched once, edge by edge (a multishot poll), and what is there is received by a
 * plain, non-blocking system call.
 *
 * A record belongs to a descriptor's number. fr_ready says that something may have come since it was last cleared:
 *
 *	the thread			the watch
 *	1. ready = false		1. something arrives
 *	2. tries to receive		2. ready = true
 *	3. if in vain, or that was	3. wakes all who wait
 *	   all: looks at ready, and
 *	   waits if it is not set
 *
 * A thread that has received but may have left something sets ready again and wakes the others, under the lock: one of
 * them may have looked in between.
 *
 * What arrives after 2 sets ready after 1, so 3 sees it, or the waiter is on the list when the watch comes to its 3:
 * both are done under the lock. What arrives before 2 is received in 2. When the socket has hung up, each try is worth
 * it: it does not block.
 *
 * The watch is a message (ELL_OP_WATCH) in the record. It is sent at the first wait, by whoever waits, so it lives in
 * the ring of the LWP that ran that thread then; its events wake the thread there. Closing revokes it. Its memory is
 * never freed: the table is reserved as a whole, and touched as descriptors are used. A number may be used again before
 * the revoke of its last watch has ended; until then who waits uses a message of its own.
 *
 * Urgent data: a receive ends where they begin, with more behind them of which the kernel has told already. Only epoll
 * says that there are any (io_uring says so of all data), and to ask the socket each time costs a twentieth of an HTTP
 * request. So a receive that may have ended there leaves a doubt (fr_doubt), and it is asked if the next wait lasts
 * DOUBT_PATIENCE; a socket that had urgent data once is asked at once from then on.
 *
 * Locks: fr_lock, for a few instructions; under it only those of unparking.
 */
#include "call/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "base/guard.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/panic.h"
#include "call/do.h"
#include "kport/kport.h"
#include "message/message.h"
#include "sched/current.h"
#include "sched/inside.h"
#include "sched/park.h"
#include "sched/send.h"
#include "sched/vcpu.h"
#include "sys/sys.h"

#include <ellula/ops.h>

enum { RECORDS_MAX = 1 << 20 };

#define DOUBT_PATIENCE (200 * ELL_MSEC)

/* What an event needs is in one cache line, the beginning of the watch among it. */
struct fd_record {
	uint32_t fr_lock;
	bool fr_tracked;
	bool fr_stream;	       /* a receive that was short has taken all, unless fr_urgent says more */
	bool fr_ready;	       /* also without the lock */
	bool fr_hung;	       /* also without the lock */
	uint32_t fr_uses;      /* changes when the descriptor is closed */
	bool fr_crowded;       /* fr_more is not empty */
	bool fr_urgent;	       /* has had urgent data; also without the lock */
	bool fr_doubt;	       /* the last receive may have ended before some; also without the lock */
	park_ticket fr_waiter; /* who waits, or 0 */
	struct ell_msg fr_watch;
	struct waiter *fr_more; /* who else waits */
} CACHE_ALIGNED;

_Static_assert(offsetof(struct fd_record, fr_watch.ms_state) + sizeof(uint64_t) <= CACHE_LINE, "one line for an event");

struct waiter {
	struct waiter *next;
	park_ticket ticket;
};

static struct fd_record *records;

struct fd_record *fd_tracked(int fd)
{
	/* Another vCPU may be making it. ORD records-3: pairs with ORD records-2 */
	struct fd_record *all = load_acquire(&records), *rec;

	if (UNLIKELY(!all || fd < 0 || fd >= RECORDS_MAX))
		return NULL;
	rec = &all[fd];
	return LIKELY(load_relaxed(&rec->fr_tracked)) ? rec : NULL;
}

/* Wakes all who wait on REC. */
static void wake_all_locked(struct fd_record *rec)
{
	park_ticket first = rec->fr_waiter;
	struct waiter *w;

	rec->fr_waiter = 0;
	if (first)
		park_unpark(first);
	if (LIKELY(!rec->fr_crowded))
		return;
	w = rec->fr_more;
	rec->fr_more = NULL;
	rec->fr_crowded = false;
	while (w) {
		/* Once unparked, the waiter's node is gone. */
		struct waiter *next = w->next;

		park_unpark(w->ticket);
		w = next;
	}
}

static void add_waiter_locked(struct fd_record *rec, struct waiter *w)
{
	if (LIKELY(!rec->fr_waiter)) {
		rec->fr_waiter = w->ticket;
		return;
	}
	w->next = rec->fr_more;
	rec->fr_more = w;
	rec->fr_crowded = true;
}

/*
 * kport_above.event. On an LWP without vCPU an event costs a signal or a wake-up more: the next wait is to use another.
 */
static void on_event(struct ell_msg *watch, int32_t events)
{
	struct fd_record *rec = CONTAINER_OF(watch, struct fd_record, fr_watch);
	const struct lwp *lw = arch_lwp_or_null();

	lock_acquire(&rec->fr_lock);
	store_relaxed(&rec->fr_ready, true);
	/* -ECANCELED is the last of the number's use before this one. */
	if (events > 0 && (events & POLLPRI))
		store_relaxed(&rec->fr_urgent, true);
	if (events < 0 ? events != -ECANCELED : events & (POLLHUP | POLLRDHUP | POLLERR))
		store_relaxed(&rec->fr_hung, true);
	wake_all_locked(rec);
	lock_release(&rec->fr_lock);
	if (UNLIKELY(!lw || !lw->lw_vcpu))
		ell_msg_revoke(watch);
}

/* kport_above.expect: who waits may be far away. */
static void on_expect(const struct ell_msg *watch)
{
	const struct fd_record *rec = CONTAINER_OF(watch, const struct fd_record, fr_watch);

	park_prefetch(load_relaxed(&rec->fr_waiter));
}

/* kport_above.forked: whoever held the lock, or waits, is gone. */
static void on_fork(struct ell_msg *watch)
{
	struct fd_record *rec = CONTAINER_OF(watch, struct fd_record, fr_watch);

	rec->fr_lock = 0;
}

static bool reserve(void)
{
	static uint32_t lock;

	if (LIKELY(load_acquire(&records) != NULL)) /* ORD records-1: pairs with ORD records-2 */
		return true;
	lock_acquire(&lock);
	if (!records) {
		void *map = sys.mmap(NULL, sizeof(struct fd_record) * RECORDS_MAX, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		/* Before the first watch there is no event. */
		kport_above.event = on_event;
		kport_above.expect = on_expect;
		kport_above.forked = on_fork;
		if (map != MAP_FAILED)
			store_release(&records, map); /* ORD records-2: pairs with ORD records-1, ORD records-3 */
	}
	lock_release(&lock);
	return records != NULL;
}

bool fd_is_stream(int fd)
{
	socklen_t len = sizeof(int);
	int type;

	return sys.getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM;
}

bool fd_drains(int fd)
{
	socklen_t len = sizeof(int);
	int domain;

	/* A receive from a local stream may end early, where descriptors or credentials were sent along. */
	return sys.getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
	       (domain == AF_INET || domain == AF_INET6) && fd_is_stream(fd);
}

bool fd_is_nonblocking(int fd)
{
	int flags = sys.fcntl(fd, F_GETFL, 0);

	return flags >= 0 && (flags & O_NONBLOCK);
}

void fd_track(int fd, bool stream)
{
	struct fd_record *rec;

	if (fd < 0 || fd >= RECORDS_MAX || !reserve() || !kport_can(ELL_OP_WATCH))
		return;
	rec = &records[fd];
	/* A close(2) that we did not see has left the watch of another file behind. */
	if (UNLIKELY(load_relaxed(&rec->fr_tracked)))
		fd_forget(fd);
	lock_acquire(&rec->fr_lock);
	rec->fr_stream = stream;
	store_relaxed(&rec->fr_urgent, false);
	store_relaxed(&rec->fr_doubt, false);
	store_relaxed(&rec->fr_hung, false);
	store_relaxed(&rec->fr_ready, true);
	store_relaxed(&rec->fr_tracked, true);
	lock_release(&rec->fr_lock);
}

bool fd_forget(int fd)
{
	struct fd_record *rec = fd_tracked(fd);
	bool watched;

	if (!rec)
		return false;
	lock_acquire(&rec->fr_lock);
	store_relaxed(&rec->fr_tracked, false);
	rec->fr_uses++;
	watched = message_state(&rec->fr_watch) == MESSAGE_SENT;
	wake_all_locked(rec);
	lock_release(&rec->fr_lock);
	if (watched)
		ell_msg_revoke(&rec->fr_watch);
	return watched;
}

void fd_flush(void)
{
	struct lwp *lw;

	guard_enter();
	lw = arch_lwp_or_null();
	if (lw) {
		inside_enter(lw);
		if (lw->lw_vcpu)
			lw->lw_kport->kp_ops->flush(lw->lw_kport);
		inside_leave(lw);
	}
	guard_leave();
}

/* Makes the watch ready to be sent: false if it is out, or cannot be used now (*STUCK). */
static bool watch_prepare_locked(struct fd_record *rec, bool *stuck)
{
	enum message_state state = message_state(&rec->fr_watch);
	struct kport *own = kport_above.self();

	*stuck = state == MESSAGE_REVOKING;
	if (state == MESSAGE_REPLIED)
		message_taken(&rec->fr_watch);
	else if (state != MESSAGE_IDLE)
		return false;
	message_prep(&rec->fr_watch, ELL_OP_WATCH);
	rec->fr_watch.ms_fd = (int32_t)(rec - records);
	rec->fr_watch.ms_opflags = POLLIN | POLLPRI | POLLRDHUP | EPOLLET;
	message_begin(&rec->fr_watch);
	message_to_sent(&rec->fr_watch, MESSAGE_SENT, own ? own : vcpu_kport(&runtime.rt_vcpus[0]));
	return true;
}

static void watch_send(struct fd_record *rec)
{
	struct lwp *lw = arch_lwp_or_null();

	if (lw)
		inside_enter(lw);
	kport_send(rec->fr_watch.ms_home, &rec->fr_watch);
	if (lw)
		inside_leave(lw);
}

static void remove_waiter(struct fd_record *rec, const struct waiter *w)
{
	lock_acquire(&rec->fr_lock);
	if (rec->fr_waiter == w->ticket)
		rec->fr_waiter = 0;
	for (struct waiter **at = &rec->fr_more; *at; at = &(*at)->next) {
		if (*at == w) {
			*at = w->next;
			break;
		}
	}
	rec->fr_crowded = rec->fr_more != NULL;
	lock_release(&rec->fr_lock);
}

/* There may be more: for who receives next, and for who has begun to wait while we received. */
void fd_nudge(struct fd_record *rec)
{
	lock_acquire(&rec->fr_lock);
	store_relaxed(&rec->fr_ready, true);
	wake_all_locked(rec);
	lock_release(&rec->fr_lock);
}

/* Waits by a message of one's own. Its frame is large, and would lie between those of all who wait the usual way. */
NOINLINE static int64_t wait_once(int fd, ell_time until)
{
	struct ell_msg m;
	int64_t events;

	ell_msg_init(&m, NULL, NULL);
	ell_msg_poll_fd(&m, fd, POLLIN | POLLRDHUP);
	events = call_do(&m, until);
	return events < 0 ? events : 0;
}

/* Is the descriptor still what it was? */
static bool is_use(const struct fd_record *rec, uint32_t uses)
{
	return load_relaxed(&rec->fr_tracked) && load_relaxed(&rec->fr_uses) == uses;
}

/* Has the last receive ended where urgent data begin, with more behind them? */
static bool is_at_mark(struct fd_record *rec)
{
	int at = 0;

	if (sys.ioctl((int)(rec - records), SIOCATMARK, &at) == 0 && !at)
		return false;
	store_relaxed(&rec->fr_urgent, true);
	return true;
}

/* After a receive of RESULT bytes, with MORE behind them or not: may there be something now? */
static bool may_be_ready(struct fd_record *rec, int64_t result, bool more)
{
	if (more || !rec->fr_stream || result <= 0)
		return true;
	/* Somebody else who waits already would not know of the doubt. */
	if (UNLIKELY(load_relaxed(&rec->fr_urgent) || load_relaxed(&rec->fr_waiter)))
		return is_at_mark(rec);
	store_release(&rec->fr_doubt, true); /* ORD doubt-1: pairs with ORD doubt-2 */
	return false;
}

/* The wait has lasted. Whose doubt is taken away has received before we ask. */
static void resolve_doubt(struct fd_record *rec)
{
	if (xchg_acq_rel(&rec->fr_doubt, false) && is_at_mark(rec)) /* ORD doubt-2: pairs with ORD doubt-1 */
		fd_nudge(rec);
}

/* To a few milliseconds; in half the time of ell_now(). */
static ell_time about_now(void)
{
	struct timespec ts;

	sys.clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return ts.tv_sec * ELL_SEC + ts.tv_nsec;
}

/* Sleeps as the waiter W: 0, or why there is nothing to receive, as wait_ready(). */
static int64_t sleep_on(struct fd_record *rec, const struct waiter *w, ell_time until)
{
	ell_time doubtful = load_relaxed(&rec->fr_doubt) ? about_now() + DOUBT_PATIENCE : ELL_FOREVER;
	struct thread *th = thread_current();
	enum park_end end;

	store_relaxed(&th->th_touches, rec); /* who looks ahead may be late */
	end = park_commit_open(w->ticket, PARK_FD, until < doubtful ? until : doubtful, true);
	if (end == PARK_WOKEN)
		return 0;
	remove_waiter(rec, w);
	resolve_doubt(rec);
	if (end == PARK_INTERRUPTED)
		return th->th_broken ? -EINTR : 0;
	return until <= doubtful && !load_relaxed(&rec->fr_ready) ? -ETIMEDOUT : 0;
}

/* Waits until REC, in its use number USES, is ready: 0; -ETIMEDOUT; -EINTR; -EBADF if it was closed. */
static int64_t wait_ready(struct fd_record *rec, uint32_t uses, ell_time until)
{
	struct waiter w = {.ticket = park_prepare()};
	bool stuck = false, arm = false, done;
	int64_t error = 0;

	thread_current()->th_broken = false;
	lock_acquire(&rec->fr_lock);
	done = load_relaxed(&rec->fr_ready) || !is_use(rec, uses);
	if (!done && UNLIKELY(send_is_closed())) {
		lock_release(&rec->fr_lock);
		park_cancel(w.ticket);
		return -ECANCELED;
	}
	if (!done)
		arm = watch_prepare_locked(rec, &stuck);
	if (!done && !stuck)
		add_waiter_locked(rec, &w);
	lock_release(&rec->fr_lock);
	if (done || stuck) {
		park_cancel(w.ticket);
		if (stuck)
			error = wait_once((int)(rec - records), until);
		if (stuck && !error)
			fd_nudge(rec);
	} else {
		if (arm)
			watch_send(rec);
		error = sleep_on(rec, &w, until);
	}
	if (error)
		return error;
	return is_use(rec, uses) ? 0 : -EBADF;
}

int64_t fd_receive(struct fd_record *rec, int fd, fd_attempt *attempt, void *arg, ell_time until)
{
	uint32_t uses = load_relaxed(&rec->fr_uses);

	for (;;) {
		if (xchg_acq_rel(&rec->fr_ready, false) || load_relaxed(&rec->fr_hung)) {
			bool more = false;
			int64_t result = attempt(fd, arg, &more);

			if (result != -EAGAIN) {
				if (may_be_ready(rec, result, more))
					fd_nudge(rec);
				return result;
			}
		}
		int64_t error = wait_ready(rec, uses, until);

		if (error)
			return error;
	}
}
