/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reap.c - from completions to replies
 *
 * A completion is taken out of the ring before it is acted on: a reply may run an upcall, which may send messages,
 * which may submit. It goes on until the ring is empty, because the kernel delivers deferred ones in portions.
 */
#include <errno.h>
#include <string.h>

#include "base/panic.h"
#include "kport/op.h"
#include "kport/replies.h"
#include "kport/uring/uring.h"
#include "message/message.h"
#include "sys/sys.h"

static struct uring *uring_of(struct kport *kp)
{
	return CONTAINER_OF(kp, struct uring, ur_kport);
}

/* So many completions ahead a message is fetched, and then what its news are for. */
enum { AHEAD = 5, AHEAD_OF_THAT = 2 };

static struct ell_msg *message_of(uint64_t user_data)
{
	return (struct ell_msg *)(uintptr_t)(user_data & (((uint64_t)1 << 48) - 1) & ~(uint64_t)KIND_MASK);
}

/* False if the reply has to wait for the message's cancel. */
static bool reply(struct uring *ur, struct replies *rs, struct ell_msg *m, int64_t result)
{
	struct ell_port *port;

	if (UNLIKELY(m->ms_mark & (MARK_CANCEL_WAITS | MARK_CANCEL_SENT))) {
		submit_hold(ur, m, result);
		return false;
	}
	port = message_finish_to(m, result);
	if (port)
		replies_add(rs, port, m);
	return true;
}

/* Of a socket, POLLPRI comes with any data: what woke the poll is reported, not what is. */
static int32_t known_events(int32_t res)
{
	return res < 0 ? res : res & ~POLLPRI;
}

static void complete(struct uring *ur, struct replies *rs, uint64_t user_data, int32_t res, uint32_t flags)
{
	struct ell_msg *m = message_of(user_data);
	const struct op *row = &op_table[m->ms_op];
	int64_t result = res;
	bool watch;

	if (UNLIKELY((uint16_t)m->ms_gen != user_data >> 48))
		panic("io_uring: a completion (result %d) for message %p of another generation (%u, now %u)", res,
		      (void *)m, (unsigned)(user_data >> 48), (unsigned)(uint16_t)m->ms_gen);
	if (m->ms_op == ELL_OP_WATCH && (flags & IORING_CQE_F_MORE)) {
		kport_above.event(m, known_events(res));
		return;
	}
	kport_has_not(&ur->ur_kport, m, row->class);
	if (row->step && row->step(m, &result, ell_msg_revoked(m))) {
		submit_send(&ur->ur_kport, m);
		return;
	}
	/* With its reply a message may be gone; the memory of a watch is not. */
	watch = m->ms_op == ELL_OP_WATCH;
	if (reply(ur, rs, m, result) && UNLIKELY(watch))
		kport_above.event(m, known_events(res));
}

static inline void act(struct uring *ur, struct replies *rs, const struct io_uring_cqe *cqe)
{
	switch (cqe->user_data & KIND_MASK) {
	case KIND_MESSAGE:
		complete(ur, rs, cqe->user_data, cqe->res, cqe->flags);
		break;
	case KIND_WAKE:
		/* From another ring the result is 0; from the eventfd's poll it is not, and the poll may have ended. */
		if (cqe->res && !(cqe->flags & IORING_CQE_F_MORE))
			submit_wake_arm(ur);
		break;
	case KIND_WAKE_LOST:
		submit_wake_foreign((const struct uring *)(uintptr_t)(cqe->user_data & ~(uint64_t)KIND_MASK));
		break;
	case KIND_CANCEL:
		submit_cancelled(ur, message_of(cqe->user_data), cqe->res);
		break;
	default:
		panic("io_uring: a completion with user_data %#llx", (unsigned long long)cqe->user_data);
	}
}

static inline uint64_t data_ahead(const struct io_uring_cq *cq, unsigned head, unsigned ahead)
{
	return cq->cqes[(head + ahead) & cq->ring_mask].user_data;
}

/* What the completions that follow are about may be far away, and there is time to fetch it. */
static inline void prefetch(const struct io_uring_cq *cq, unsigned head)
{
	/* Acquire, for the kernel's release: what is looked through here has been written. */
	unsigned count = load_acquire(cq->ktail) - head;
	uint64_t data;

	if (count > AHEAD)
		__builtin_prefetch(message_of(data_ahead(cq, head, AHEAD)), 1);
	if (count <= AHEAD_OF_THAT)
		return;
	data = data_ahead(cq, head, AHEAD_OF_THAT);
	if ((data & KIND_MASK) == KIND_MESSAGE && message_of(data)->ms_op == ELL_OP_WATCH)
		kport_above.expect(message_of(data));
}

/* Replies to all that is in the ring: false if that was nothing. */
static bool reap(struct uring *ur)
{
	struct replies rs = {0};
	struct io_uring_cqe *slot;
	unsigned head;
	bool any = false;

	io_uring_for_each_cqe(&ur->ur_ring, head, slot)
	{
		const struct io_uring_cqe cqe = {.user_data = slot->user_data, .res = slot->res, .flags = slot->flags};

		io_uring_cq_advance(&ur->ur_ring, 1);
		prefetch(&ur->ur_ring.cq, head);
		act(ur, &rs, &cqe);
		any = true;
	}
	replies_deliver(&rs);
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
			check_entered(ur, sys.io_uring_submit_and_get_events(&ur->ur_ring));
		any = reap(ur);
	} while (any && (submit_is_behind(ur) || wants_entry(ur)));
	ur->ur_reaping = false;
}

void reap_sleep(struct kport *kp, ell_time until)
{
	struct uring *ur = uring_of(kp);
	struct io_uring_cqe *cqe;
	int n;

	submit_backlog(ur);
	if (submit_is_behind(ur)) {
		/* The kernel takes nothing: make room, and do not sleep over what was sent. */
		check_entered(ur, sys.io_uring_submit_and_get_events(&ur->ur_ring));
	} else if (until == ELL_FOREVER) {
		n = sys.io_uring_submit_and_wait(&ur->ur_ring, 1);
		check_entered(ur, n);
	} else {
		ell_time left = until - ell_now();
		struct __kernel_timespec ts = {0};

		if (left > 0)
			ts = (struct __kernel_timespec){.tv_sec = left / ELL_SEC, .tv_nsec = left % ELL_SEC};
		n = sys.io_uring_submit_and_wait_timeout(&ur->ur_ring, &cqe, 1, &ts, NULL);
		check_entered(ur, n);
	}
	ur->ur_reaping = true;
	reap(ur);
	ur->ur_reaping = false;
}

void reap_ring_bell(struct kport *kp, bool on)
{
	io_uring_cq_eventfd_toggle(&uring_of(kp)->ur_ring, on);
}

bool reap_has_news(const struct kport *kp)
{
	const struct uring *ur = CONTAINER_OF(kp, const struct uring, ur_kport);
	const struct io_uring *ring = &ur->ur_ring;

	return wants_entry(ur) || load_relaxed(ring->cq.ktail) != load_relaxed(ring->cq.khead) ||
	       load_relaxed(&ring->sq.sqe_tail) != load_relaxed(ring->sq.khead);
}

bool reap_prepare(struct kport *kp, bool revoke)
{
	struct uring *ur = uring_of(kp);

	ur->ur_away = true;
	kport_collect(kp);
	if (revoke)
		kport_revoke_all(kp);
	submit_backlog(ur);
	ur->ur_away = false;
	return io_uring_sq_ready(&ur->ur_ring) || wants_entry(ur);
}

void reap_enter(struct kport *kp)
{
	struct uring *ur = uring_of(kp);

	sys.io_uring_submit_and_get_events(&ur->ur_ring);
	ur->ur_submits++;
}

void reap_away(struct kport *kp)
{
	struct uring *ur = uring_of(kp);

	ur->ur_away = true;
	reap(ur);
	ur->ur_away = false;
}
