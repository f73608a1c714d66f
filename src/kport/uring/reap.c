/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reap.c - from completions to replies
 *
 * Completions are first copied out of the ring, a batch at a time, and then acted on: a reply may run an upcall, which
 * may send messages, which may submit. It goes on until the ring is empty, because the kernel delivers deferred ones in
 * portions.
 */
#include <errno.h>
#include <string.h>

#include "base/panic.h"
#include "kport/op.h"
#include "kport/uring/uring.h"
#include "message/message.h"

enum { BATCH = 64 };

static struct uring *uring_of(struct kport *kp)
{
	return CONTAINER_OF(kp, struct uring, ur_kport);
}

static void reply(struct ell_msg *m, int64_t result)
{
	m->ms_mark &= (uint16_t)~MARK_IN_KERNEL;
	if (UNLIKELY(m->ms_mark & MARK_CANCEL_WAITS)) {
		m->ms_result = result;
		m->ms_mark |= MARK_FINISHED;
		return;
	}
	message_finish(m, result);
}

static void complete(struct uring *ur, uint64_t user_data, int32_t res, uint32_t flags)
{
	struct ell_msg *m = (struct ell_msg *)(uintptr_t)(user_data & (((uint64_t)1 << 48) - 1));
	const struct op *row = &op_table[m->ms_op];
	int64_t result = res;

	if (UNLIKELY((uint16_t)m->ms_gen != user_data >> 48))
		panic("io_uring: a completion (result %d) for message %p of another generation (%u, now %u)", res,
		      (void *)m, (unsigned)(user_data >> 48), (unsigned)(uint16_t)m->ms_gen);
	if (m->ms_op == ELL_OP_WATCH && (flags & IORING_CQE_F_MORE)) {
		kport_above.event(m, res);
		return;
	}
	ur->ur_kport.kp_outstanding--;
	if (row->step) {
		m->ms_mark &= (uint16_t)~MARK_IN_KERNEL;
		if (row->step(m, &result, ell_msg_revoked(m))) {
			submit_send(&ur->ur_kport, m);
			return;
		}
	}
	reply(m, result);
	if (m->ms_op == ELL_OP_WATCH)
		kport_above.event(m, res);
}

static void act(struct uring *ur, const struct io_uring_cqe *cqe)
{
	switch (cqe->user_data & KIND_MASK) {
	case KIND_MESSAGE:
		complete(ur, cqe->user_data, cqe->res, cqe->flags);
		break;
	case KIND_WAKE:
		/* From another ring the result is 0; from the eventfd's poll it is not, and the poll may have ended. */
		if (cqe->res && !(cqe->flags & IORING_CQE_F_MORE))
			submit_wake_arm(ur);
		break;
	case KIND_NOTHING:
		break;
	default:
		panic("io_uring: a completion with user_data %#llx", (unsigned long long)cqe->user_data);
	}
}

static unsigned take_batch(struct uring *ur, struct io_uring_cqe *batch)
{
	struct io_uring_cqe *cqe;
	unsigned head, n = 0;

	io_uring_for_each_cqe(&ur->ur_ring, head, cqe)
	{
		batch[n++] = *cqe;
		if (n == BATCH)
			break;
	}
	io_uring_cq_advance(&ur->ur_ring, n);
	return n;
}

/* Replies to all that is in the ring: false if that was nothing. */
static bool reap(struct uring *ur)
{
	struct io_uring_cqe batch[BATCH];
	bool any = false;
	unsigned n;

	while ((n = take_batch(ur, batch)) > 0) {
		any = true;
		for (unsigned i = 0; i < n; i++)
			act(ur, &batch[i]);
	}
	return any;
}

/* Must the kernel be entered for completions to appear? */
static bool wants_entry(const struct uring *ur)
{
	unsigned flags = load_acquire(ur->ur_ring.sq.kflags);

	if (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW))
		return true;
	return ur->ur_defers && !ur->ur_flagged && ur->ur_kport.kp_outstanding;
}

static void check_entered(struct uring *ur, int n)
{
	ur->ur_submits++;
	if (n >= 0 || n == -EINTR || n == -ETIME)
		return;
	if (n != -EBUSY && n != -EAGAIN && n != -ENOMEM && n != -EBADR)
		panic("io_uring_enter: error %d with %u submissions", -n, io_uring_sq_ready(&ur->ur_ring));
	ur->ur_overflows++;
}

void reap_flush(struct kport *kp)
{
	struct uring *ur = uring_of(kp);
	bool any;

	if (ur->ur_reaping)
		return;
	ur->ur_reaping = true;
	kport_collect(kp);
	do {
		submit_backlog(ur);
		if (io_uring_sq_ready(&ur->ur_ring) || wants_entry(ur))
			check_entered(ur, io_uring_submit_and_get_events(&ur->ur_ring));
		any = reap(ur);
	} while (any && (ur->ur_first || ur->ur_cancels || wants_entry(ur)));
	ur->ur_reaping = false;
}

void reap_sleep(struct kport *kp, ell_time until)
{
	struct uring *ur = uring_of(kp);
	struct io_uring_cqe *cqe;
	int n;

	submit_backlog(ur);
	if (ur->ur_first || ur->ur_cancels) {
		/* The kernel takes nothing: make room, and do not sleep over what was sent. */
		check_entered(ur, io_uring_submit_and_get_events(&ur->ur_ring));
	} else if (until == ELL_FOREVER) {
		n = io_uring_submit_and_wait(&ur->ur_ring, 1);
		check_entered(ur, n);
	} else {
		ell_time left = until - ell_now();
		struct __kernel_timespec ts = {0};

		if (left > 0)
			ts = (struct __kernel_timespec){.tv_sec = left / ELL_SEC, .tv_nsec = left % ELL_SEC};
		n = io_uring_submit_and_wait_timeout(&ur->ur_ring, &cqe, 1, &ts, NULL);
		check_entered(ur, n);
	}
	ur->ur_reaping = true;
	reap(ur);
	ur->ur_reaping = false;
}
