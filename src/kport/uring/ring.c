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

struct uring *ring_create(int *error)
{
	struct uring *ur = aligned_alloc(CACHE_LINE, (sizeof(*ur) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
	unsigned flags;

	*error = -ENOMEM;
	if (!ur)
		return NULL;
	memset(ur, 0, sizeof(*ur));
	*error = open_ring(&ur->ur_ring, &flags);
	if (*error < 0) {
		free(ur);
		return NULL;
	}
	probe(&ur->ur_ring, flags);
	ur->ur_kport.kp_ops = &uring_ops;
	ur->ur_defers = flags & IORING_SETUP_DEFER_TASKRUN;
	ur->ur_flagged = flags & IORING_SETUP_TASKRUN_FLAG;
	ur->ur_eventfd = sys.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (ur->ur_eventfd < 0) {
		*error = -errno;
		sys.io_uring_queue_exit(&ur->ur_ring);
		free(ur);
		return NULL;
	}
	/* It saves the kernel a look-up; where it fails, the descriptor itself serves. */
	sys.io_uring_register_ring_fd(&ur->ur_ring);
	submit_wake_arm(ur);
	return ur;
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
	.destroy = destroy,
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
