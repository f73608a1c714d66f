/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * op_table.c - every operation, one row each
 *
 * The class says what death does to a message: OP_LONG is revoked, OP_SHORT completed. waitid, though it belongs to
 * processes, is OP_LONG: a child may live for ever, and an exit that waited for it would hang.
 *
 * A name is what tools print, and what ELLULA_UNPROBE takes.
 */
#include <liburing.h>

#include "kport/op.h"
#include "kport/op_newer.h"
#include "kport/op_rows.h"

#define CHECK(name) .check = op_##name##_check
#define STEP(name) .step = op_##name##_step
/* Can be submitted, and can be run; and can be tried as well. */
#define BOTH(opcode, name) .uring = (opcode), .prep = op_##name##_prep, .run = op_##name##_run
#define TRY(opcode, name) BOTH(opcode, name), .attempt = op_##name##_attempt

const struct op op_table[ELL_OP_COUNT] = {
	[ELL_OP_NONE] = {"none", OP_PORT, .uring = -1},
	[ELL_OP_USER] = {"user", OP_PORT, .uring = -1},
	[ELL_OP_NOP] = {"nop", OP_SHORT, TRY(IORING_OP_NOP, nop)},

	[ELL_OP_READ] = {"read", OP_LONG, TRY(IORING_OP_READ, read), CHECK(read), STEP(once)},
	[ELL_OP_WRITE] = {"write", OP_LONG, TRY(IORING_OP_WRITE, write), CHECK(write), STEP(write)},
	[ELL_OP_READV] = {"readv", OP_LONG, TRY(IORING_OP_READV, readv), CHECK(readv), STEP(once)},
	[ELL_OP_WRITEV] = {"writev", OP_LONG, TRY(IORING_OP_WRITEV, writev), CHECK(writev), STEP(writev)},

	[ELL_OP_FSYNC] = {"fsync", OP_LONG, BOTH(IORING_OP_FSYNC, fsync), CHECK(fd), STEP(once)},
	[ELL_OP_SYNC_FILE_RANGE] = {"sync_file_range", OP_LONG, BOTH(IORING_OP_SYNC_FILE_RANGE, sync_file_range),
				    CHECK(sync_file_range), STEP(range)},
	[ELL_OP_FALLOCATE] = {"fallocate", OP_LONG, BOTH(IORING_OP_FALLOCATE, fallocate), CHECK(fd), STEP(once)},
	[ELL_OP_FTRUNCATE] = {"ftruncate", OP_SHORT, BOTH(OP_URING_FTRUNCATE, ftruncate), CHECK(fd)},
	[ELL_OP_FADVISE] = {"fadvise", OP_SHORT, BOTH(IORING_OP_FADVISE, fadvise), CHECK(fadvise), STEP(range)},
	[ELL_OP_MADVISE] = {"madvise", OP_SHORT, BOTH(IORING_OP_MADVISE, madvise), CHECK(madvise), STEP(range)},

	[ELL_OP_SPLICE] = {"splice", OP_LONG, BOTH(IORING_OP_SPLICE, splice), CHECK(splice), STEP(once)},
	[ELL_OP_TEE] = {"tee", OP_LONG, BOTH(IORING_OP_TEE, tee), CHECK(tee), STEP(once)},
	[ELL_OP_SENDFILE] = {"sendfile", OP_LONG, TRY(IORING_OP_SPLICE, sendfile), CHECK(sendfile), STEP(sendfile),
			     .proceed = op_sendfile_proceed},

	[ELL_OP_OPENAT] = {"openat", OP_LONG, BOTH(IORING_OP_OPENAT, openat), CHECK(path), STEP(once)},
	[ELL_OP_CLOSE] = {"close", OP_SHORT, BOTH(IORING_OP_CLOSE, close), CHECK(fd)},
	[ELL_OP_STATX] = {"statx", OP_SHORT, BOTH(IORING_OP_STATX, statx), CHECK(pointers)},
	[ELL_OP_UNLINKAT] = {"unlinkat", OP_SHORT, BOTH(IORING_OP_UNLINKAT, unlinkat), CHECK(path)},
	[ELL_OP_RENAMEAT] = {"renameat", OP_SHORT, BOTH(IORING_OP_RENAMEAT, renameat), CHECK(pointers)},
	[ELL_OP_MKDIRAT] = {"mkdirat", OP_SHORT, BOTH(IORING_OP_MKDIRAT, mkdirat), CHECK(path)},
	[ELL_OP_LINKAT] = {"linkat", OP_SHORT, BOTH(IORING_OP_LINKAT, linkat), CHECK(pointers)},
	[ELL_OP_SYMLINKAT] = {"symlinkat", OP_SHORT, BOTH(IORING_OP_SYMLINKAT, symlinkat), CHECK(pointers)},

	[ELL_OP_GETXATTR] = {"getxattr", OP_SHORT, BOTH(IORING_OP_GETXATTR, getxattr), CHECK(getxattr)},
	[ELL_OP_SETXATTR] = {"setxattr", OP_SHORT, BOTH(IORING_OP_SETXATTR, setxattr), CHECK(setxattr)},
	[ELL_OP_FGETXATTR] = {"fgetxattr", OP_SHORT, BOTH(IORING_OP_FGETXATTR, fgetxattr), CHECK(fgetxattr)},
	[ELL_OP_FSETXATTR] = {"fsetxattr", OP_SHORT, BOTH(IORING_OP_FSETXATTR, fsetxattr), CHECK(fsetxattr)},

	[ELL_OP_SOCKET] = {"socket", OP_SHORT, TRY(IORING_OP_SOCKET, socket)},
	[ELL_OP_BIND] = {"bind", OP_SHORT, TRY(OP_URING_BIND, bind), CHECK(sockaddr)},
	[ELL_OP_LISTEN] = {"listen", OP_SHORT, TRY(OP_URING_LISTEN, listen), CHECK(fd)},
	[ELL_OP_ACCEPT] = {"accept", OP_LONG, TRY(IORING_OP_ACCEPT, accept), CHECK(accept)},
	[ELL_OP_CONNECT] = {"connect", OP_LONG, TRY(IORING_OP_CONNECT, connect), CHECK(sockaddr)},
	[ELL_OP_SEND] = {"send", OP_LONG, TRY(IORING_OP_SEND, send), CHECK(send), STEP(send)},
	[ELL_OP_RECV] = {"recv", OP_LONG, TRY(IORING_OP_RECV, recv), CHECK(recv)},
	/* SEND takes an address since there is SENDMSG_ZC, and only that can be probed. */
	[ELL_OP_SENDTO] = {"sendto", OP_LONG, TRY(IORING_OP_SENDMSG_ZC, sendto), CHECK(sendto), STEP(send)},
	[ELL_OP_RECVFROM] = {"recvfrom", OP_LONG, TRY(IORING_OP_RECVMSG, recvfrom), CHECK(recv)},
	[ELL_OP_SENDMSG] = {"sendmsg", OP_LONG, TRY(IORING_OP_SENDMSG, sendmsg), CHECK(msghdr), STEP(sendmsg)},
	[ELL_OP_RECVMSG] = {"recvmsg", OP_LONG, TRY(IORING_OP_RECVMSG, recvmsg), CHECK(msghdr)},
	[ELL_OP_SHUTDOWN] = {"shutdown", OP_SHORT, TRY(IORING_OP_SHUTDOWN, shutdown), CHECK(fd)},

	[ELL_OP_POLL] = {"poll", OP_LONG, TRY(IORING_OP_POLL_ADD, poll), CHECK(poll)},
	[ELL_OP_TIMER] = {"timer", OP_TIME, .uring = -1, CHECK(timer)},
	[ELL_OP_WAITID] = {"waitid", OP_LONG, BOTH(OP_URING_WAITID, waitid)},
	[ELL_OP_CALL] = {"call", OP_LONG, .uring = -1, .run = op_call_run, CHECK(call)},
	[ELL_OP_WATCH] = {"watch", OP_LONG, .uring = IORING_OP_POLL_ADD, .prep = op_watch_prep},
};
