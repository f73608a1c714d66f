/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * poller.c - make and end a kernel port on epoll, and find out what the kernel has
 *
 * Each LWP has an epoll instance, and an eventfd in it that nobody reads: each write is an edge. While an LWP is away
 * its instance is in another one, kport_away, on which the monitor sleeps: any kernel thread may ask an epoll instance,
 * so nobody is disturbed for that.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/compiler.h"
#include "kport/backend.h"
#include "kport/op.h"
#include "kport/op_run.h"
#include "kport/poll/poller.h"
#include "sys/sys.h"

enum { DESCRIPTORS_MAX = 1 << 20 };

/* What the first one found; written before any other LWP exists. */
static bool probed, has_nanoseconds;

static struct poller *poller_of(struct kport *kp)
{
	return CONTAINER_OF(kp, struct poller, pl_kport);
}

static void probe(const struct poller *pl)
{
	const struct timespec none = {0};
	struct epoll_event event;

	if (probed)
		return;
	probed = true;
	has_nanoseconds = sys.epoll_wait_until(pl->pl_epoll, &event, 1, &none) >= 0;
	for (unsigned op = 0; op < ELL_OP_COUNT; op++)
		kport_able[op] = op_table[op].attempt && !kport_unprobed((enum ell_op)op);
	kport_able[ELL_OP_WATCH] = !kport_unprobed(ELL_OP_POLL);
}

/* LEFT: how long at most; ELL_FOREVER. */
int poller_wait(struct poller *pl, struct epoll_event *events, int count, ell_time left)
{
	struct timespec ts = {.tv_sec = left / ELL_SEC, .tv_nsec = left % ELL_SEC};
	int64_t ms;

	if (left == 0)
		return sys.epoll_wait(pl->pl_epoll, events, count, 0);
	if (LIKELY(has_nanoseconds))
		return sys.epoll_wait_until(pl->pl_epoll, events, count, left == ELL_FOREVER ? NULL : &ts);
	/* Not too early; and once more if it is longer than that. */
	ms = left / ELL_MSEC + (left % ELL_MSEC != 0);
	return sys.epoll_wait(pl->pl_epoll, events, count,
			      left == ELL_FOREVER ? -1
			      : ms > INT32_MAX	  ? INT32_MAX
						  : (int)ms);
}

static const char *describe(void)
{
	return has_nanoseconds ? "epoll and helpers" : "epoll and helpers, sleeps in milliseconds";
}

static void destroy(struct kport *kp)
{
	struct poller *pl = poller_of(kp);

	if (pl->pl_eventfd >= 0)
		sys.close(pl->pl_eventfd);
	if (pl->pl_epoll >= 0)
		sys.close(pl->pl_epoll);
	if (pl->pl_descriptors)
		sys.munmap(pl->pl_descriptors, pl->pl_count * sizeof(struct descriptor));
	free(pl);
}

/* Whoever it is: a message from ring to ring has no counterpart here. */
static void wake(struct kport *target, struct kport *from)
{
	const uint64_t one = 1;

	(void)from;
	/* The counter cannot overflow in the life of a machine; a full one would still be a wake-up. */
	while (sys.write(poller_of(target)->pl_eventfd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

static void orphan(struct ell_msg **orphans, struct ell_msg *m, int64_t result)
{
	m->ms_result = result;
	m->ms_next = *orphans;
	*orphans = m;
}

/* The parent's epoll instance is shared by the descriptor only: closed here, it goes on there. */
static void forked(struct kport *kp, struct ell_msg **orphans)
{
	struct poller *pl = poller_of(kp);
	struct ell_msg *m;

	while ((m = pl->pl_done.first) != NULL) {
		chain_remove(&pl->pl_done, m);
		orphan(orphans, m, m->ms_result);
	}
	while ((m = round_next(kp, NULL)) != NULL) {
		if (m->ms_mark & MARK_QUEUED)
			chain_remove(&pl->pl_sent, m);
		else
			descriptor_remove(pl, m);
		orphan(orphans, m, m->ms_op == ELL_OP_WATCH ? -ECANCELED : op_stopped(m));
	}
	sys.close(pl->pl_eventfd);
	sys.close(pl->pl_epoll);
	memset(pl->pl_descriptors, 0, pl->pl_end * sizeof(struct descriptor));
	pl->pl_eventfd = pl->pl_epoll = -1;
	pl->pl_lowest = pl->pl_end = 0;
	pl->pl_busy = pl->pl_fresh = false;
}

static void ring_bell(struct kport *kp, bool on)
{
	const struct poller *pl = poller_of(kp);
	struct epoll_event event = {.events = EPOLLIN};

	/* It fails if it was so before, and where memory or watches are short: then the monitor looks now and then. */
	if (sys.epoll_ctl(kport_away, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, pl->pl_epoll, &event) != 0 && on &&
	    errno != EEXIST)
		store_relaxed(&kport_is_mute, true);
}

static bool has_news(const struct kport *kp)
{
	const struct poller *pl = CONTAINER_OF(kp, const struct poller, pl_kport);
	struct pollfd pfd = {.fd = pl->pl_epoll, .events = POLLIN};

	return load_relaxed(&pl->pl_sent.first) || sys.poll(&pfd, 1, 0) > 0;
}

static const struct kport_ops poller_ops = {
	.name = "poll",
	.send = round_send,
	.cancel = round_cancel,
	.flush = round_flush,
	.sleep = round_sleep,
	.wake = wake,
	.next = round_next,
	.ends_at_once = true,
	.is_behind = round_is_behind,
	.forked = forked,
	.destroy = destroy,
	.ring_bell = ring_bell,
	.has_news = has_news,
	.prepare = round_prepare,
	.reap = round_flush,
};

/* Descriptors of higher numbers are for helpers. Pages are touched as numbers are used. */
static bool reserve(struct poller *pl)
{
	struct rlimit limit = {.rlim_max = DESCRIPTORS_MAX};
	void *map;

	sys.getrlimit(RLIMIT_NOFILE, &limit);
	pl->pl_count = limit.rlim_max < DESCRIPTORS_MAX ? (uint32_t)limit.rlim_max : DESCRIPTORS_MAX;
	map = sys.mmap(NULL, pl->pl_count * sizeof(struct descriptor), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED)
		return false;
	pl->pl_descriptors = map;
	return true;
}

static bool set_up(struct poller *pl)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = POLLER_WAKE};

	pl->pl_epoll = sys.epoll_create1(EPOLL_CLOEXEC);
	if (pl->pl_epoll < 0)
		return false;
	pl->pl_eventfd = sys.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return pl->pl_eventfd >= 0 && sys.epoll_ctl(pl->pl_epoll, EPOLL_CTL_ADD, pl->pl_eventfd, &event) == 0;
}

bool poller_revive(struct poller *pl)
{
	if (set_up(pl))
		return true;
	if (pl->pl_eventfd >= 0)
		sys.close(pl->pl_eventfd);
	if (pl->pl_epoll >= 0)
		sys.close(pl->pl_epoll);
	pl->pl_epoll = pl->pl_eventfd = -1;
	return false;
}

static struct kport *create(int *error)
{
	struct poller *pl = aligned_alloc(CACHE_LINE, (sizeof(*pl) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);

	*error = -ENOMEM;
	if (!pl)
		return NULL;
	memset(pl, 0, sizeof(*pl));
	pl->pl_kport.kp_ops = &poller_ops;
	pl->pl_epoll = pl->pl_eventfd = -1;
	if (kport_bell >= 0 && kport_away < 0)
		kport_away = sys.epoll_create1(EPOLL_CLOEXEC);
	if ((kport_bell >= 0 && kport_away < 0) || !set_up(pl) || !reserve(pl)) {
		*error = -errno;
		destroy(&pl->pl_kport);
		return NULL;
	}
	probe(pl);
	return &pl->pl_kport;
}

const struct kport_backend poll_backend = {
	.name = "poll",
	.create = create,
	.describe = describe,
};
