/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sockets.c - sockets of the program that are known to be in blocking mode, and are watched
 *
 * Purpose: a server's thread waits for its socket again and again. To try first, ask whether it is in blocking mode
 * (and for its time-out), and then wait by a message costs four system calls for each wait; a socket that is watched
 * (call/fd.c) costs one. That takes knowledge of its mode, which anybody may change who has the socket.
 *
 * A socket that accept() has made here is ours alone. Its mode and its time-out are asked at its first wait, and then
 * known until
 *	- the program changes them, after which they are asked once more (sockets_changed());
 *	- it makes a second number for the socket (sockets_unsure());
 *	- another process may have it: there is a child, or a message with descriptors (sockets_unsure_of_all());
 *	- there was one thread only, for then we do not see what it changes.
 * After the last three it is like any other, and asked at each wait. What another process takes out of this one by
 * pidfd_getfd(2) we do not see.
 *
 * States of known[fd], with the time that it is of, for a word of an earlier time says nothing, and a number that is
 * new after each change:
 *
 *	ASKED -> NEW	who has accepted it
 *	NEW -> PLAIN	who has asked, by compare-and-swap: not if there was a change meanwhile
 *	NEW -> ASKED	the same, because it is in non-blocking mode
 *	NEW, PLAIN -> NEW	sockets_changed(), after the change
 *	any -> ASKED	sockets_unsure(); sockets_close()
 */
#include "personality/sockets.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "call/fd.h"
#include "personality/entry.h"

enum { SOCKETS = 1 << 16 };

/* The time is the upper half of the word. */
enum { ASKED, NEW, PLAIN, STATE_MASK = 3, CHANGE = 4 };
#define TIME (UINT64_C(1) << 32)

static uint64_t known[SOCKETS];
static uint64_t now = TIME;
static ell_time patience[SOCKETS]; /* of PLAIN ones: how long they wait, or ELL_FOREVER */

static bool is_one(int fd)
{
	return fd >= 0 && fd < SOCKETS;
}

void sockets_accepted(int fd)
{
	if (is_one(fd))
		store_relaxed(&known[fd], load_relaxed(&now) | NEW);
}

/* How long a receive from FD waits: -1 if not at all. */
static ell_time ask(int fd)
{
	int64_t flags = RAW(SYS_fcntl, fd, F_GETFL);
	struct timeval tv = {0};
	socklen_t len = sizeof(tv);

	if (flags < 0 || (flags & O_NONBLOCK) || RAW(SYS_getsockopt, fd, SOL_SOCKET, SO_RCVTIMEO, &tv, &len) != 0)
		return -1;
	return tv.tv_sec || tv.tv_usec ? tv.tv_sec * ELL_SEC + tv.tv_usec * ELL_USEC : ELL_FOREVER;
}

/* It is new, or was changed: what it is from now on. */
COLD static uint64_t learn(int fd, uint64_t seen)
{
	ell_time waits = ask(fd);
	uint64_t becomes = (seen & ~(uint64_t)STATE_MASK) | (waits < 0 ? ASKED : PLAIN);

	if (waits >= 0) {
		store_relaxed(&patience[fd], waits);
		if (!fd_tracked(fd))
			fd_track(fd, fd_drains(fd));
	}
	return cas_acq_rel(&known[fd], &seen, becomes) ? becomes : 0;
}

struct fd_record *sockets_record(int fd, ell_time *until)
{
	uint64_t word = is_one(fd) ? load_acquire(&known[fd]) : 0; /* ORD sockets-1: pairs with ORD sockets-2 */
	ell_time waits;

	if ((word & -TIME) != load_relaxed(&now))
		return NULL;
	if (UNLIKELY((word & STATE_MASK) == NEW))
		word = learn(fd, word);
	if ((word & STATE_MASK) != PLAIN)
		return NULL;
	waits = load_relaxed(&patience[fd]);
	*until = waits == ELL_FOREVER ? ELL_FOREVER : ell_after(waits);
	return fd_tracked(fd);
}

static void change(int fd, bool still_ours)
{
	uint64_t word = is_one(fd) ? load_relaxed(&known[fd]) : 0, becomes;

	do {
		if ((word & STATE_MASK) == ASKED)
			return;
		becomes = ((word + CHANGE) & ~(uint64_t)STATE_MASK) | (still_ours ? NEW : ASKED);
		/* ORD sockets-2: pairs with ORD sockets-1: who sees the word asks after the change */
	} while (!cas_acq_rel(&known[fd], &word, becomes));
}

void sockets_changed(int fd)
{
	change(fd, true);
}

void sockets_unsure(int fd)
{
	change(fd, false);
}

void sockets_unsure_of_all(void)
{
	__atomic_fetch_add(&now, TIME, __ATOMIC_SEQ_CST);
}

bool sockets_close(uint64_t first, uint64_t last)
{
	bool watched = false;

	for (uint64_t fd = first; fd <= last && fd < SOCKETS; fd++) {
		sockets_unsure((int)fd);
		watched |= fd_forget((int)fd);
	}
	return watched;
}
