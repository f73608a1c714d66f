/* SPDX-License-Identifier: BSD-2-Clause */
/* fd.h - sockets that the kernel watches for us */
#ifndef CALL_FD_H
#define CALL_FD_H

#include <ellula/time.h>
#include <stdbool.h>
#include <stdint.h>

struct fd_record;

/*
 * FD is new and ours: STREAM, a byte stream, where less than was asked for means that there is no more now. Context: T
 * F.
 */
void fd_track(int fd, bool stream);

/* Is FD ours? Its record, or NULL. Context: T F. */
struct fd_record *fd_tracked(int fd);

/* Does the socket FD carry a byte stream? Context: T F. */
bool fd_is_stream(int fd);

/* Does a receive from FD that gives less than was asked for mean that there is no more now? Context: T F. */
bool fd_drains(int fd);

/*
 * Is FD in non-blocking mode, in which a call that cannot go on gives EAGAIN? For descriptors that are not ours.
 * Context: T F.
 */
bool fd_is_nonblocking(int fd);

/*
 * FD is about to be closed: true if it was watched, and fd_flush() should follow. Who waits on it gets EBADF. Context:
 * T F.
 */
bool fd_forget(int fd);

/* FD was closed, but its watch holds the file: makes the kernel see that now. Context: T F. */
void fd_flush(void);

/* Who waits on REC tries once more. Context: any but S. */
void fd_nudge(struct fd_record *rec);

/* One try to receive: the count or -errno; sets *MORE if there may be more after it. */
typedef int64_t fd_attempt(int fd, void *arg, bool *more);

/*
 * Tries when there may be something to receive, else waits, until the try gives anything but -EAGAIN: that; or
 * -ETIMEDOUT, or -EBADF. Context: T F. Parks.
 */
int64_t fd_receive(struct fd_record *rec, int fd, fd_attempt *attempt, void *arg, ell_time until);

#endif
