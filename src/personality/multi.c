/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * multi.c - waiting for several descriptors
 *
 * One look that does not wait; then messages. A mask of signals that comes along is the thread's meanwhile.
 */
#include <ellula/ops.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "base/compiler.h"
#include "call/poll.h"
#include "personality/calls.h"
#include "personality/guest.h"
#include "personality/masks.h"
#include "personality/offload.h"
#include "personality/times.h"

enum { EVENTS_HERE = 64, SELECT_MAX = 65536 };

/* A NULL time-out is for ever; one that makes no sense is negative: -EINVAL. */
static ell_time deadline(const struct timespec *ts)
{
	if (!ts)
		return ELL_FOREVER;
	if (ts->tv_sec < 0 || ts->tv_nsec < 0 || ts->tv_nsec >= ELL_SEC)
		return -EINVAL;
	return times_after(ts);
}

static ell_time deadline_ms(int ms)
{
	return ms < 0 ? ELL_FOREVER : ell_after(ms * ELL_MSEC);
}

/* What is left until UNTIL, for the calls that say so. */
static struct timespec left(ell_time until)
{
	ell_time ns = until - ell_now();

	if (ns < 0)
		ns = 0;
	return (struct timespec){.tv_sec = ns / ELL_SEC, .tv_nsec = ns % ELL_SEC};
}

static bool is_empty(const struct pollfd *fds, uint64_t count)
{
	while (count > 0 && fds[count - 1].fd < 0)
		count--;
	return count == 0;
}

/* Nothing in time; but a signal comes first, even if there was no time. */
static int64_t late(void)
{
	return guest_interrupted() ? -EINTR : 0;
}

static int64_t poll_until(struct pollfd *fds, uint64_t count, ell_time until)
{
	int64_t n = RAW(SYS_poll, fds, count, 0);
	struct ell_msg m;

	if (n != 0)
		return n;
	if (until <= ell_now())
		return late();
	if (is_empty(fds, count))
		return guest_sleep(until) ? -EINTR : 0;
	if (count != 1) {
		int ready = poll_until_by(fds, count, until, guest_wait_port);

		return ready < 0 ? -errno : ready;
	}
	while (n == 0) {
		ell_msg_init(&m, NULL, NULL);
		ell_msg_poll_fd(&m, fds[0].fd, (unsigned short)fds[0].events);
		n = guest_do(&m, until);
		if (n == -ETIMEDOUT)
			return late();
		if (n < 0)
			return n;
		n = RAW(SYS_poll, fds, 1, 0);
	}
	return n;
}

int64_t multi_poll(struct entry_regs *g)
{
	return poll_until((struct pollfd *)g->rdi, g->rsi, deadline_ms((int)g->rdx));
}

/* A wait with a mask, as masks_during() calls it. */
struct wait {
	const struct entry_regs *regs;
	struct pollfd *fds;
	uint64_t count;
	ell_time until;
};

static int64_t wait_poll(void *arg)
{
	const struct wait *w = arg;

	return poll_until(w->fds, w->count, w->until);
}

/* With MASK, of SIZE bytes, if it is not NULL. What is ready already needs none. */
static int64_t poll_masked(struct pollfd *fds, uint64_t count, ell_time until, const uint64_t *mask, uint64_t size)
{
	struct wait w = {.fds = fds, .count = count, .until = until};
	int64_t n = mask ? RAW(SYS_poll, fds, count, 0) : 0;

	if (n != 0)
		return n;
	return mask ? masks_during(mask, size, wait_poll, &w) : poll_until(fds, count, until);
}

int64_t multi_ppoll(struct entry_regs *g)
{
	struct timespec *ts = (struct timespec *)g->rdx;
	ell_time until = deadline(ts);
	int64_t n;

	if (until < 0)
		return until;
	n = poll_masked((struct pollfd *)g->rdi, g->rsi, until, (const uint64_t *)g->r10, g->r8);
	if (ts)
		*ts = left(until);
	return n;
}

static const struct {
	short wanted, found;
} select_events[] = {
	{POLLIN, POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR},
	{POLLOUT, POLLOUT | POLLWRNORM | POLLERR},
	{POLLPRI, POLLPRI},
};

/* The sets of select() as poll() takes them, COUNT numbers: how many are in any. */
static uint64_t to_poll(fd_set *const *sets, int count, struct pollfd *fds)
{
	uint64_t n = 0;

	for (int fd = 0; fd < count; fd++) {
		short events = 0;

		for (size_t i = 0; i < ARRAY_SIZE(select_events); i++) {
			const unsigned long *bits = (const unsigned long *)(const void *)sets[i];

			if (bits && bits[fd / 64] >> fd % 64 & 1)
				events |= select_events[i].wanted;
		}
		if (events)
			fds[n++] = (struct pollfd){.fd = fd, .events = events};
	}
	return n;
}

/* And back: the count of select(), or -EBADF. */
static int64_t from_poll(fd_set *const *sets, int count, const struct pollfd *fds, uint64_t n)
{
	int64_t found = 0;

	for (uint64_t p = 0; p < n; p++) {
		if (fds[p].revents & POLLNVAL)
			return -EBADF;
	}
	for (size_t i = 0; i < ARRAY_SIZE(select_events); i++) {
		if (sets[i])
			memset(sets[i], 0, ((size_t)count + 63) / 64 * 8);
	}
	for (uint64_t p = 0; p < n; p++) {
		for (size_t i = 0; i < ARRAY_SIZE(select_events); i++) {
			unsigned long *bits = (unsigned long *)(void *)sets[i];

			if (!(fds[p].events & select_events[i].wanted) || !(fds[p].revents & select_events[i].found))
				continue;
			bits[fds[p].fd / 64] |= 1UL << fds[p].fd % 64;
			found++;
		}
	}
	return found;
}

static int64_t select_until(const struct entry_regs *g, ell_time until, const uint64_t *mask, uint64_t size)
{
	fd_set *const sets[] = {(fd_set *)g->rsi, (fd_set *)g->rdx, (fd_set *)g->r10};
	int count = (int)g->rdi;
	struct pollfd here[EVENTS_HERE], *fds = here;
	uint64_t n;
	int64_t result;

	if (count < 0)
		return -EINVAL;
	if (count > SELECT_MAX)
		count = SELECT_MAX;
	if (count > EVENTS_HERE) {
		fds = malloc((size_t)count * sizeof(*fds));
		if (!fds)
			return -ENOMEM;
	}
	n = to_poll(sets, count, fds);
	result = poll_masked(fds, n, until, mask, size);
	if (result >= 0)
		result = from_poll(sets, count, fds, n);
	if (fds != here)
		free(fds);
	return result;
}

int64_t multi_select(struct entry_regs *g)
{
	struct timeval *tv = (struct timeval *)g->r8;
	ell_time until = ELL_FOREVER;
	int64_t n;

	if (tv && (tv->tv_sec < 0 || tv->tv_usec < 0))
		return -EINVAL;
	if (tv) {
		struct timespec ts = {.tv_sec = tv->tv_sec + tv->tv_usec / 1000000,
				      .tv_nsec = tv->tv_usec % 1000000 * 1000};

		until = times_after(&ts);
	}
	n = select_until(g, until, NULL, 0);
	if (tv) {
		struct timespec ts = left(until);

		*tv = (struct timeval){.tv_sec = ts.tv_sec, .tv_usec = ts.tv_nsec / 1000};
	}
	return n;
}

int64_t multi_pselect(struct entry_regs *g)
{
	struct timespec *ts = (struct timespec *)g->r8;
	/* The address of the mask, and its size. */
	const uint64_t *mask = (const uint64_t *)g->r9;
	ell_time until = deadline(ts);
	int64_t n;

	if (until < 0)
		return until;
	n = select_until(g, until, mask ? (const uint64_t *)mask[0] : NULL, mask ? mask[1] : 0);
	if (ts)
		*ts = left(until);
	return n;
}

static int64_t epoll_look(const struct entry_regs *g)
{
	return RAW(SYS_epoll_pwait, g->rdi, g->rsi, g->rdx, 0, 0, 0);
}

static int64_t epoll_until(const struct entry_regs *g, ell_time until)
{
	int64_t n = epoll_look(g);
	struct ell_msg m;

	while (n == 0 && until > ell_now()) {
		ell_msg_init(&m, NULL, NULL);
		ell_msg_poll_fd(&m, (int)g->rdi, POLLIN);
		n = guest_do(&m, until);
		if (n == -ETIMEDOUT)
			return late();
		if (n < 0)
			return n;
		n = epoll_look(g);
	}
	return n ? n : late();
}

static int64_t wait_epoll(void *arg)
{
	const struct wait *w = arg;

	return epoll_until(w->regs, w->until);
}

static int64_t epoll_masked(const struct entry_regs *g, ell_time until)
{
	struct wait w = {.regs = g, .until = until};
	int64_t n = g->r8 ? epoll_look(g) : 0;

	if (n != 0)
		return n;
	return g->r8 ? masks_during((const uint64_t *)g->r8, g->r9, wait_epoll, &w) : epoll_until(g, until);
}

int64_t multi_epoll_wait(struct entry_regs *g)
{
	return epoll_until(g, deadline_ms((int)g->r10));
}

int64_t multi_epoll_pwait(struct entry_regs *g)
{
	return epoll_masked(g, deadline_ms((int)g->r10));
}

int64_t multi_epoll_pwait2(struct entry_regs *g)
{
	ell_time until = deadline((const struct timespec *)g->r10);

	return until < 0 ? until : epoll_masked(g, until);
}

static int64_t wait_helper(void *arg)
{
	return offload(arg);
}

int64_t multi_io_pgetevents(struct entry_regs *g)
{
	/* The address of the mask, and its size. */
	const uint64_t *mask = (const uint64_t *)g->r9;
	struct entry_regs plain = *g;

	if (!mask || !mask[0])
		return offload(g);
	plain.r9 = 0;
	return masks_during((const uint64_t *)mask[0], mask[1], wait_helper, &plain);
}
