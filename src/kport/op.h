/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * op.h - the operations: what a row of the table says
 *
 * Each operation is one row of op_table[] (op_table.c), and its functions stand in the file of its family, op_*.c. A
 * row says how a message becomes a submission of io_uring, and how it runs by a plain blocking system call instead, on
 * a helper LWP, where the kernel has no such submission.
 */
#ifndef KPORT_OP_H
#define KPORT_OP_H

#include <ellula/message.h>
#include <stdbool.h>
#include <stdint.h>

struct io_uring_sqe;

/* What death does to a message (docs/messages.md). */
enum op_class {
	OP_LONG,  /* I/O, network: may take for ever, can be revoked */
	OP_SHORT, /* process, security, metadata: ends by itself, soon */
	OP_TIME,  /* the vCPU's timer wheel */
	OP_PORT,  /* goes to a port of the program's */
};

struct op {
	const char *name;
	enum op_class class;
	int16_t uring; /* the IORING_OP_ number; -1: has none */

	/*
	 * Is the message one that a kernel could take? 0 or -errno. NULL: nothing can be wrong that the kernel would
	 * not notice. Context: T V.
	 */
	int (*check)(const struct ell_msg *m);

	/* Fills SQE, all zero, but for its user_data. NULL: no such form. Context: T V, on the LWP of the ring. */
	void (*prep)(struct io_uring_sqe *sqe, struct ell_msg *m);

	/* Runs it, blocking: the result or -errno. Never NULL for OP_LONG and OP_SHORT. Context: F (a helper LWP). */
	int64_t (*run)(struct ell_msg *m);

	/*
	 * On a helper, for a kernel port that can wait for the descriptor: does what goes without that, and counts it
	 * in ms_scratch[0]: the result or -errno, or OP_WAIT(events). NULL: it is run to its end. Context: F.
	 */
	int64_t (*proceed)(struct ell_msg *m);

	/*
	 * Does it, or its next step, if that needs no waiting: the result or -errno, OP_WAIT(events) or OP_BLOCKS.
	 * AGAIN: it was tried before. NULL: only a helper can tell. Context: T V.
	 */
	int64_t (*attempt)(struct ell_msg *m, bool again);

	/*
	 * An operation of several steps: takes the result of a step, and returns true with the message changed so that
	 * prep makes the next one; or false, with *RESULT the final result and all that the steps held given back.
	 * REVOKED: the sender asked for an end. NULL: one step. Context: V.
	 */
	bool (*step)(struct ell_msg *m, int64_t *result, bool revoked);
};

/*
 * What an attempt says when there is no result yet: that it is worth another one after one of these events of poll(2),
 * which are never 0; or that the system call may block, whatever poll(2) says, and is for a helper. No result is that
 * small.
 */
#define OP_WAIT(events) (INT64_MIN | (int64_t)(uint16_t)(events))
#define OP_BLOCKS OP_WAIT(0)

static inline bool op_is_result(int64_t attempted)
{
	return attempted > (INT64_MIN | UINT16_MAX);
}

extern const struct op op_table[ELL_OP_COUNT];

/* The most that one read or write of the kernel takes (MAX_RW_COUNT of a kernel with 4 KiB pages). */
#define OP_MAX_COUNT UINT64_C(0x7ffff000)

#endif
