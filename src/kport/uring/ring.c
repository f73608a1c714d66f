/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ring.c - make and end a ring, and find out what it can do
 *
 * A ring belongs to one LWP for life: SINGLE_ISSUER and DEFER_TASKRUN save the kernel its locks and its interrupts, and
 * want the same kernel thread to submit and to reap. Each set of flags is tried, from the best down; nothing is
 * compared with a kernel's version.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/panic.h"
#include "kport/backend.h"
#include "kport/op.h"
#include "kport/uring/uring.h"
#include "message/message.h"
#include "sys/sys.h"

/* Newer than the headers of the baseline. */
#ifndef IORING_SETUP_SINGLE_ISSUER
#define IORING_SETUP_SINGLE_ISSUER (1U << 12)
#endif
#ifndef IORING_SETUP_DEFER_TASKRUN
#define IORING_SETUP_DEFER_TASKRUN (1U << 13)
#endif

enum { SQ_ENTRIES = 256, CQ_ENTRIES = 4096, OPS = 256 };

static const unsigned flag_sets[] = {
	IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
	IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
	0,
};

/* What the first ring found; written before any other LWP exists. */
static struct {
	bool done;
	unsigned flags;
	unsigned features;
	bool can[OPS];
} probed;

/* Pretends that the kernel lacks what ELLULA_UNPROBE names. */
static void unprobe(void)
{
	for (unsigned op = 0; op < ELL_OP_COUNT; op++) {
		if (op_table[op].uring >= 0 && kport_unprobed((enum ell_op)op))
			probed.can[op_table[op].uring] = false;
	}
}

static void probe(struct io_uring *ring, unsigned flags)
{
	struct io_uring_probe *answer;

	if (probed.done)
		return;
	answer = sys.io_uring_get_probe_ring(ring);
	for (int op = 0; answer && op < OPS; op++)
		probed.can[op] = io_uring_opcode_supported(answer, op);
	io_uring_free_probe(answer);
	probed.flags = flags;
	probed.features = ring->features;
	probed.done = true;
	unprobe();
	for (unsigned op = 0; op < ELL_OP_COUNT; op++) {
		const struct op *row = &op_table[op];

		kport_able[op] = row->prep && row->uring >= 0 && ring_can((unsigned)row->uring);
	}
}

bool ring_can(unsigned opcode)
{
	return opcode < OPS && probed.can[opcode];
}

static const char *describe(void)
{
	static char text[128];

	snprintf(text, sizeof(text), "io_uring, %s, features %#x",
		 probed.flags & IORING_SETUP_DEFER_TASKRUN  ? "single issuer, deferred task work"
		 : probed.flags & IORING_SETUP_COOP_TASKRUN ? "cooperative task work"
							    : "no flags",
		 probed.features);
	return text;
}

static int open_ring(struct io_uring *ring, unsigned *flags)
{
	int error = -EINVAL;

	for (size_t i = 0; i < ARRAY_SIZE(flag_sets) && error == -EINVAL; i++) {
		struct io_uring_params params = {
			.flags = flag_sets[i] | IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL,
			.cq_entries = CQ_ENTRIES,
		};

		*flags = flag_sets[i];
		error = sys.io_uring_queue_init_params(SQ_ENTRIES, ring, &params);
	}
	return error;
}

/* UR, all of whose other fields are 0, gets a ring: 0 or -errno. */
static int equip(struct uring *ur)
{
	unsigned flags;
	int error = open_ring(&ur->ur_ring, &flags);

	if (error < 0)
		return error;
	probe(&ur->ur_ring, flags);
	ur->ur_defers = flags & IORING_SETUP_DEFER_TASKRUN;
	ur->ur_flagged = flags & IORING_SETUP_TASKRUN_FLAG;
	ur->ur_eventfd = sys.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (ur->ur_eventfd < 0) {
		error = -errno;
		sys.io_uring_queue_exit(&ur->ur_ring);
		return error;
	}
	/* A child would write to the same queues. */
	io_uring_ring_dontfork(&ur->ur_ring);
	/* It saves the kernel a look-up; where it fails, the descriptor itself serves. */
	sys.io_uring_register_ring_fd(&ur->ur_ring);
	ur->ur_kport.kp_ops = &uring_ops;
	if (kport_bell >= 0 && sys.io_uring_register_eventfd(&ur->ur_ring, kport_bell) != 0)
		store_relaxed(&kport_is_mute, true);
	reap_ring_bell(&ur->ur_kport, false);
	submit_wake_arm(ur);
	return 0;
}

struct uring *ring_create(int *error)
{
	struct uring *ur = aligned_alloc(CACHE_LINE, (sizeof(*ur) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);

	*error = -ENOMEM;
	if (!ur)
		return NULL;
	memset(ur, 0, sizeof(*ur));
	*error = equip(ur);
	if (*error < 0) {
		free(ur);
		return NULL;
	}
	return ur;
}

/*
 * In the child after a fork a kernel port has no ring until something needs one: most children execute another program.
 */

static int equip_late(struct kport *kp)
{
	struct uring *ur = CONTAINER_OF(kp, struct uring, ur_kport);

	return equip(ur);
}

static void late_send(struct kport *kp, struct ell_msg *m)
{
	int error = equip_late(kp);

	if (error)
		message_finish(m, error);
	else
		submit_send(kp, m);
}

static void late_flush(struct kport *kp)
{
	kport_collect(kp);
}

static void late_sleep(struct kport *kp, ell_time until)
{
	const struct timespec nap = {.tv_nsec = 1000000};

	/* Without descriptors or memory it looks around now and then, until there are some. */
	if (equip_late(kp) == 0)
		reap_sleep(kp, until);
	else
		sys.nanosleep(&nap, NULL);
}

static void late_cancel(struct kport *kp, struct ell_msg *m)
{
	panic("a message %p is to be cancelled by kernel port %u, which has none", (const void *)m, kp->kp_number);
}

/* Nobody sleeps for longer than a nap. */
static void late_wake(struct kport *target, struct kport *from)
{
	(void)target;
	(void)from;
}

static struct ell_msg *late_next(struct kport *kp, struct ell_msg *after)
{
	(void)kp;
	(void)after;
	return NULL;
}

static bool late_is_behind(const struct kport *kp)
{
	(void)kp;
	return false;
}

/* A second fork, before there was a ring. */
static void late_forked(struct kport *kp, struct ell_msg **orphans)
{
	(void)kp;
	(void)orphans;
}

static void late_destroy(struct kport *kp)
{
	free(CONTAINER_OF(kp, struct uring, ur_kport));
}

static const struct kport_ops late_ops = {
	.name = "uring",
	.send = late_send,
	.cancel = late_cancel,
	.flush = late_flush,
	.sleep = late_sleep,
	.wake = late_wake,
	.next = late_next,
	.is_behind = late_is_behind,
	.forked = late_forked,
	.destroy = late_destroy,
};

/* Newer than the headers of the baseline may be. */
#ifndef IORING_ASYNC_CANCEL_ALL
#define IORING_ASYNC_CANCEL_ALL (1U << 0)
#endif
#ifndef IORING_ASYNC_CANCEL_ANY
#define IORING_ASYNC_CANCEL_ANY (1U << 2)
#endif

/* Where the kernel cannot (before 6.0), what is out goes on. */
static void crash(struct kport *kp, int64_t ns)
{
	struct io_uring_sync_cancel_reg all = {
		.flags = IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_ANY,
		.timeout = {.tv_sec = ns / ELL_SEC, .tv_nsec = ns % ELL_SEC},
	};

	sys.io_uring_register_sync_cancel(&CONTAINER_OF(kp, struct uring, ur_kport)->ur_ring, &all);
}

static void forked(struct kport *kp, struct ell_msg **orphans)
{
	struct uring *ur = CONTAINER_OF(kp, struct uring, ur_kport);

	kport_orphans(orphans, kp->kp_long);
	kport_orphans(orphans, ur->ur_first);
	/* Those that have finished keep their results. */
	while (ur->ur_finished) {
		struct ell_msg *m = ur->ur_finished;

		ur->ur_finished = m->ms_next;
		m->ms_next = *orphans;
		*orphans = m;
	}
	/* Not io_uring_queue_exit(): the queues were not mapped here. */
	sys.close(ur->ur_ring.ring_fd);
	sys.close(ur->ur_eventfd);
	*ur = (struct uring){.ur_kport = ur->ur_kport};
	kp->kp_ops = &late_ops;
}

void ring_destroy(struct uring *ur)
{
	sys.io_uring_queue_exit(&ur->ur_ring);
	sys.close(ur->ur_eventfd);
	free(ur);
}

static void destroy(struct kport *kp)
{
	ring_destroy(CONTAINER_OF(kp, struct uring, ur_kport));
}

const struct kport_ops uring_ops = {
	.name = "uring",
	.send = submit_send,
	.cancel = submit_cancel,
	.flush = reap_flush,
	.sleep = reap_sleep,
	.wake = submit_wake,
	.next = submit_next,
	.is_behind = submit_is_pending,
	.crash = crash,
	.forked = forked,
	.destroy = destroy,
	.ring_bell = reap_ring_bell,
	.has_news = reap_has_news,
	.prepare = reap_prepare,
	.enter = reap_enter,
	.reap = reap_away,
};

static struct kport *create(int *error)
{
	struct uring *ur = ring_create(error);

	return ur ? &ur->ur_kport : NULL;
}

const struct kport_backend uring_backend = {
	.name = "uring",
	.create = create,
	.describe = describe,
};
