/* SPDX-License-Identifier: BSD-2-Clause */
/* sockets.h - sockets of the program that are known to be in blocking mode, and are watched */
#ifndef PERSONALITY_SOCKETS_H
#define PERSONALITY_SOCKETS_H

#include <stdbool.h>
#include <stdint.h>

#include <ellula/time.h>

struct fd_record;

/* FD is a new socket, and this process' alone. Context: T. */
void sockets_accepted(int fd);

/*
 * The record of FD (call/fd.h), if that is such a socket, and a receive from it waits, until *UNTIL: else NULL.
 * Context: T.
 */
struct fd_record *sockets_record(int fd, ell_time *until);

/* FD may have another mode now, or another time-out. Context: T. */
void sockets_changed(int fd);

/* FD gets another number, too: from now on it is asked. Context: T. */
void sockets_unsure(int fd);

/* The same for all: other processes are about to have them, or there have been changes that we did not see. */
void sockets_unsure_of_all(void);

/* The descriptors from FIRST to LAST are about to be closed. Afterwards fd_flush(), if that is true. Context: T. */
bool sockets_close(uint64_t first, uint64_t last);

#endif
