/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * submit.c - from messages to submissions
 *
 * Purpose: a message becomes an entry of the submission queue when it is sent, and the kernel sees the entries of a
 * whole scheduling round with one call. When the queue is full it is submitted at once; when the kernel takes no more
 * now (-EBUSY: its own list of completions wants to be reaped first; -EAGAIN: no memory), messages wait in a list, in
 * order.
 *
 * The number of messages that the kernel has is not bounded: a bound would be a deadlock for a program whose ten
 * thousand reads wait for the write that comes after them. What is bounded is what the ring holds; completions beyond
 * its size wait in the kernel (IORING_FEAT_NODROP) and cost time, but are not lost.
 *
 * A cancel can come when its message is nowhere: a read of a pipe that knows no IOCB_NOWAIT (before 6.4) is tried, then
 * lies on the list of deferred work, and only then goes to a worker, where it stays for as long as nothing is written.
 * A cancel in between gets -ENOENT, and would be lost. So a message whose cancel is out is not replied to before the
 * kernel's answer to the cancel is there; if that is -ENOENT and the message has not finished, it is cancelled again.
 * The kernel answers cancels at once, so this costs the reply no time, and keeps the memory of the message ours.
 */
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/panic.h"
#include "kport/op.h"
#include "kport/uring/uring.h"
#include "message/message.h"
#include "sys/sys.h"

static struct uring *uring_of(struct kport *kp)
{
	return CONTAINER_OF(kp, struct uring, ur_kport);
}

static uint64_t user_data(const struct ell_msg *m)
{
	return (uint64_t)(uintptr_t)m | (uint64_t)(uint16_t)m->ms_gen << 48;
}

/* Hands over what is in the queue: false if the kernel takes nothing now. */
static bool enter(struct uring *ur)
{
	int n = sys.io_uring_submit(&ur->ur_ring);

	ur->ur_submits++;
	if (n >= 0 || n == -EINTR)
		return true;
	if (n != -EBUSY && n != -EAGAIN && n != -ENOMEM)
		panic("io_uring_enter: error %d with %u submissions", -n, io_uring_sq_ready(&ur->ur_ring));
	ur->ur_overflows++;
	return false;
}

static inline struct io_uring_sqe *get_sqe(struct uring *ur)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ur->ur_ring);

	if (LIKELY(sqe != NULL))
		return sqe;
	if (UNLIKELY(ur->ur_away))
		return NULL;
	return enter(ur) ? io_uring_get_sqe(&ur->ur_ring) : NULL;
}

static void fill(struct uring *ur, struct io_uring_sqe *sqe, struct ell_msg *m)
{
	const struct op *row = &op_table[m->ms_op];

	row->prep(sqe, m);
	sqe->user_data = user_data(m);
	kport_has(&ur->ur_kport, m, row->class);
	ur->ur_messages++;
}

static void backlog_append(struct uring *ur, struct ell_msg *m)
{
	m->ms_next = NULL;
	m->ms_prev = ur->ur_last;
	if (ur->ur_last)
		ur->ur_last->ms_next = m;
	else
		ur->ur_first = m;
	ur->ur_last = m;
}

static void backlog_remove(struct uring *ur, struct ell_msg *m)
{
	if (m->ms_prev)
		m->ms_prev->ms_next = m->ms_next;
	else
		ur->ur_first = m->ms_next;
	if (m->ms_next)
		m->ms_next->ms_prev = m->ms_prev;
	else
		ur->ur_last = m->ms_prev;
	m->ms_next = NULL;
	m->ms_prev = NULL;
}

void submit_send(struct kport *kp, struct ell_msg *m)
{
	struct uring *ur = uring_of(kp);
	struct io_uring_sqe *sqe = LIKELY(!ur->ur_first) ? get_sqe(ur) : NULL;

	if (LIKELY(sqe != NULL))
		fill(ur, sqe, m);
	else
		backlog_append(ur, m);
}

static bool try_cancel(struct uring *ur, struct ell_msg *m)
{
	struct io_uring_sqe *sqe = get_sqe(ur);

	if (!sqe)
		return false;
	io_uring_prep_cancel64(sqe, user_data(m), 0);
	sqe->user_data = user_data(m) | KIND_CANCEL;
	m->ms_mark |= MARK_CANCEL_SENT;
	return true;
}

/* Between two steps, an operation of several has something to show, or to give back. */
static int64_t result_of_revoked(struct ell_msg *m)
{
	const struct op *row = &op_table[m->ms_op];
	int64_t result = -ECANCELED;

	if (row->step)
		row->step(m, &result, true);
	return result;
}

void submit_cancel(struct kport *kp, struct ell_msg *m)
{
	struct uring *ur = uring_of(kp);

	if (!(m->ms_mark & MARK_IN_KERNEL)) {
		backlog_remove(ur, m);
		message_reply(m, result_of_revoked(m));
	} else if (ur->ur_cancels || !try_cancel(ur, m)) {
		m->ms_mark |= MARK_CANCEL_WAITS;
		m->ms_link = ur->ur_cancels;
		ur->ur_cancels = m;
	}
}

void submit_hold(struct uring *ur, struct ell_msg *m, int64_t result)
{
	m->ms_result = result;
	m->ms_mark |= MARK_FINISHED;
	m->ms_prev = NULL;
	m->ms_next = ur->ur_finished;
	if (ur->ur_finished)
		ur->ur_finished->ms_prev = m;
	ur->ur_finished = m;
	/* Nobody may think that all is done. */
	store_relaxed(&ur->ur_kport.kp_outstanding, ur->ur_kport.kp_outstanding + 1);
}

static void finish(struct uring *ur, struct ell_msg *m)
{
	/* With its reply a message may be gone; the memory of a watch is not. */
	bool watch = m->ms_op == ELL_OP_WATCH;
	int32_t events = (int32_t)m->ms_result;

	store_relaxed(&ur->ur_kport.kp_outstanding, ur->ur_kport.kp_outstanding - 1);
	if (m->ms_prev)
		m->ms_prev->ms_next = m->ms_next;
	else
		ur->ur_finished = m->ms_next;
	if (m->ms_next)
		m->ms_next->ms_prev = m->ms_prev;
	m->ms_next = NULL;
	m->ms_prev = NULL;
	message_finish(m, m->ms_result);
	if (UNLIKELY(watch))
		kport_above.event(m, events);
}

void submit_cancelled(struct uring *ur, struct ell_msg *m, int32_t res)
{
	m->ms_mark &= (uint16_t)~MARK_CANCEL_SENT;
	if (m->ms_mark & MARK_FINISHED)
		finish(ur, m);
	else if (res == -ENOENT)
		submit_cancel(&ur->ur_kport, m);
}

void submit_backlog(struct uring *ur)
{
	struct io_uring_sqe *sqe;

	if (UNLIKELY(ur->ur_deaf))
		submit_wake_arm(ur);
	while (ur->ur_cancels) {
		struct ell_msg *m = ur->ur_cancels;

		if (!(m->ms_mark & MARK_FINISHED) && !try_cancel(ur, m))
			return;
		ur->ur_cancels = m->ms_link;
		m->ms_mark &= (uint16_t)~MARK_CANCEL_WAITS;
		if (m->ms_mark & MARK_FINISHED)
			finish(ur, m);
	}
	while (ur->ur_first && (sqe = get_sqe(ur)) != NULL) {
		struct ell_msg *m = ur->ur_first;

		backlog_remove(ur, m);
		fill(ur, sqe, m);
	}
}

struct ell_msg *submit_next(struct kport *kp, struct ell_msg *after)
{
	struct uring *ur = uring_of(kp);

	if (!after && kp->kp_long)
		return kp->kp_long;
	if (after && after->ms_next)
		return after->ms_next;
	return !after || (after->ms_mark & MARK_IN_KERNEL) ? ur->ur_first : NULL;
}

bool submit_is_pending(const struct kport *kp)
{
	const struct uring *ur = CONTAINER_OF(kp, struct uring, ur_kport);

	return io_uring_sq_ready(&ur->ur_ring) || submit_is_behind(ur);
}

/*
 * Foreign threads wake us by writing to an eventfd, which nobody reads: each write is an edge. What was written while
 * nothing was armed is found by the arming, for the counter is not 0.
 */
void submit_wake_arm(struct uring *ur)
{
	struct io_uring_sqe *sqe = get_sqe(ur);

	ur->ur_deaf = !sqe;
	if (!sqe)
		return;
	io_uring_prep_poll_multishot(sqe, ur->ur_eventfd, POLLIN);
	sqe->poll32_events |= EPOLLET;
	sqe->user_data = KIND_WAKE;
}

void submit_wake(struct kport *target, struct kport *from)
{
	struct uring *to = uring_of(target);
	struct io_uring_sqe *sqe = from && ring_can(IORING_OP_MSG_RING) ? get_sqe(uring_of(from)) : NULL;

	if (sqe) {
		io_uring_prep_msg_ring(sqe, to->ur_ring.ring_fd, 0, KIND_WAKE, 0);
		sqe->user_data = (uint64_t)(uintptr_t)to | KIND_WAKE_LOST;
		sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
		/* The kernel may have taken less than all: what is left goes with the next round, which may be far. */
		if (enter(uring_of(from)) && !io_uring_sq_ready(&uring_of(from)->ur_ring))
			return;
	}
	submit_wake_foreign(to);
}

void submit_wake_foreign(const struct uring *to)
{
	const uint64_t one = 1;

	/* The counter cannot overflow in the life of a machine; a full one would still be a wake-up. */
	while (sys.write(to->ur_eventfd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}
