/* SPDX-License-Identifier: BSD-2-Clause */
/* op_misc.c - nothing, and what only a port of the program's understands */
#include <ellula/ops.h>
#include <liburing.h>

#include "base/compiler.h"
#include "kport/op_rows.h"
#include "message/message.h"

EXPORT void ell_msg_nop(struct ell_msg *m)
{
	message_prep(m, ELL_OP_NOP);
}

EXPORT void ell_msg_user(struct ell_msg *m, uint32_t code, void *data)
{
	message_prep(m, ELL_OP_USER);
	m->ms_opflags = code;
	m->ms_addr = data;
}

void op_nop_prep(struct io_uring_sqe *sqe, struct ell_msg *m)
{
	(void)m;
	io_uring_prep_nop(sqe);
}

int64_t op_nop_run(struct ell_msg *m)
{
	(void)m;
	return 0;
}

int64_t op_nop_attempt(struct ell_msg *m, bool again)
{
	(void)again;
	return op_nop_run(m);
}
