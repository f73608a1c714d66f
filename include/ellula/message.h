/* SPDX-License-Identifier: BSD-2-Clause */
/* message.h - one request to the kernel or to a port, and its one reply */
#ifndef ELLULA_MESSAGE_H
#define ELLULA_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ellula/time.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ell_port;

/*
 * What a message asks for. The numbers are not an interface: <ellula/ops.h> has a typed function for each that
 * prepares a message, and that is the only way to set ms_op.
 */
enum ell_op {
	ELL_OP_NONE, /* prepared for nothing yet: cannot be sent */
	ELL_OP_USER, /* a program's own, for ell_port_put() */
	ELL_OP_NOP,
	ELL_OP_READ,
	ELL_OP_WRITE,
	ELL_OP_READV,
	ELL_OP_WRITEV,
	ELL_OP_FSYNC,
	ELL_OP_SYNC_FILE_RANGE,
	ELL_OP_FALLOCATE,
	ELL_OP_FTRUNCATE,
	ELL_OP_FADVISE,
	ELL_OP_MADVISE,
	ELL_OP_SPLICE,
	ELL_OP_TEE,
	ELL_OP_SENDFILE,
	ELL_OP_OPENAT,
	ELL_OP_CLOSE,
	ELL_OP_STATX,
	ELL_OP_UNLINKAT,
	ELL_OP_RENAMEAT,
	ELL_OP_MKDIRAT,
	ELL_OP_LINKAT,
	ELL_OP_SYMLINKAT,
	ELL_OP_GETXATTR,
	ELL_OP_SETXATTR,
	ELL_OP_FGETXATTR,
	ELL_OP_FSETXATTR,
	ELL_OP_SOCKET,
	ELL_OP_BIND,
	ELL_OP_LISTEN,
	ELL_OP_ACCEPT,
	ELL_OP_CONNECT,
	ELL_OP_SEND,
	ELL_OP_RECV,
	ELL_OP_SENDTO,
	ELL_OP_RECVFROM,
	ELL_OP_SENDMSG,
	ELL_OP_RECVMSG,
	ELL_OP_SHUTDOWN,
	ELL_OP_POLL,
	ELL_OP_TIMER,
	ELL_OP_WAITID,
	ELL_OP_CALL,
	ELL_OP_WATCH, /* the library's own: reports what happens to a descriptor */
	ELL_OP_COUNT
};

/*
 * A message. The caller owns the memory, from ell_msg_init() until it needs it no more; while the message is
 * sent, its fields and its buffers belong to the library. Only ms_tag, ms_port and ms_result are the
 * program's to read, and the first two its to write, while the message is not sent.
 */
struct ell_msg {
	void *ms_tag;		  /* the caller's, handed back untouched */
	struct ell_port *ms_port; /* where the reply goes; NULL: whoever waits for this very message */
	int64_t ms_result;	  /* of the reply: what the call returned, or -errno */

	/* The library's; with the above in one cache line, for a reply needs no more. */
	uint8_t ms_op;		 /* enum ell_op, set by the functions of <ellula/ops.h>, as the arguments */
	uint8_t ms_drain;	 /* 1: the end of the process waits for it */
	uint16_t ms_mark;	 /* the kernel port's notes */
	uint32_t ms_gen;	 /* how often it was sent */
	uint64_t ms_state;	 /* see src/message/message.h */
	struct ell_msg *ms_next; /* in a port, or in what waits for a ring */
	uint32_t ms_work;	 /* how far a revoke has come */
	int32_t ms_fd;
	struct ell_msg *ms_prev; /* in the list of what a port's receiver has collected */

	/* The other arguments. */
	int32_t ms_fd2;
	uint32_t ms_opflags;
	void *ms_addr;
	void *ms_addr2;
	uint64_t ms_len;
	uint64_t ms_off;

	void *ms_home;		 /* the LWP or the vCPU that works on it */
	struct ell_msg *ms_link; /* in the list of what is to be revoked */
	uint64_t ms_scratch[4];	 /* a timer's place in the wheel; the stage of an operation of several steps */
};

/*
 * Makes M a message that is not sent, with TAG and reply port PORT (NULL: the reply stays with the message,
 * for ell_msg_do() and ell_msg_wait()). An all-zero struct ell_msg is such a message too.
 * Never switches threads; safe in a signal handler.
 */
void ell_msg_init(struct ell_msg *m, struct ell_port *port, void *tag);

/*
 * Is the end of the process to wait for M, within its bound, instead of revoking it? See <ellula/life.h>. False after
 * ell_msg_init(), and kept from one sending to the next, as the tag is. Not while M is sent. Never switches threads;
 * safe in a signal handler.
 */
void ell_msg_drain(struct ell_msg *m, bool drain);

/*
 * Sends a prepared message and returns at once: 0. The request leaves for the kernel with the next round of the vCPU:
 * at the latest when the calling thread waits and nothing else is ready, or after some dozens of switches between
 * threads. Messages that a thread sends without a wait in between start in the order in which they were sent, if they
 * are for the kernel port (a helper or a timer has a pace of its own), and if the thread is not handed over in between,
 * as one that computes for 10 ms is (<ellula/blocking.h>); they end in any order. Every error of the operation itself
 * comes with the reply. Errors of the sending: -EINVAL, the message was not prepared; -ENXIO, ell_run() or ell_init()
 * has not been called; -ESHUTDOWN, the process is ending (<ellula/life.h>). Sending a message that is sent already, or
 * whose reply was not taken, aborts and names the message. Never switches threads; not for signal handlers.
 */
int ell_msg_send(struct ell_msg *m);

/*
 * Sends M and waits for its reply, whatever its reply port: the result, or -errno. When UNTIL passes first the
 * message is revoked, and its result is -ETIMEDOUT unless the operation won the race.
 * May switch threads; not for signal handlers.
 */
int64_t ell_msg_do(struct ell_msg *m);
int64_t ell_msg_do_until(struct ell_msg *m, ell_time until);

/*
 * Waits for the reply of M, which was sent before, and takes it, out of its reply port too: 0, and m->ms_result
 * is set; or -ETIMEDOUT, and the message is still sent. Only the receiver of the reply port may wait for it.
 * A message that is not sent gives -EINVAL.
 * May switch threads; not for signal handlers.
 */
int ell_msg_wait(struct ell_msg *m, ell_time until);

/*
 * Has M been replied to? Submits and collects what is there, without waiting. The reply still has to be taken.
 * Never switches threads; not for signal handlers.
 */
bool ell_msg_poll(struct ell_msg *m);

/*
 * Asks for an early reply of M: -ECANCELED if the request wins its race, the operation's own result if not.
 * Either way there is one reply, and until it has come the buffers belong to the message. 0: asked;
 * -EALREADY: it was replied to, or is being revoked, already; -EINVAL: it is not sent.
 * Any thread may ask while it is certain that the message exists. Never switches threads; not for signal handlers.
 */
int ell_msg_revoke(struct ell_msg *m);

/*
 * Replies to a message that ell_port_get() or ell_port_wait() took as a REQUEST from a port of the caller's:
 * its ms_result becomes RESULT and it goes to its reply port. From here on it belongs to its sender again.
 * Replying to a message that is no request in hand aborts and names it.
 * Never switches threads; not for signal handlers.
 */
void ell_msg_reply(struct ell_msg *m, int64_t result);

/* Did the sender revoke the request M, which the caller holds? Never switches threads. */
bool ell_msg_revoked(const struct ell_msg *m);

#ifdef __cplusplus
}
#endif
#endif
