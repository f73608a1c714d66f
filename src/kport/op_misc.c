/* SPDX-License-Identifier: BSD-2-Clause */
/* op_misc.c - nothing, a function of the program's, and what only a port of the program's understands */
#include <ellula/ops.h>
#include <errno.h>
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

EXPORT void ell_msg_call(struct ell_msg *m, int64_t (*fn)(void *arg), void *arg)
{
	message_prep(m, ELL_OP_CALL);
	m->ms_off = (uint64_t)(uintptr_t)fn;
	m->ms_addr = arg;
}

int op_call_check(const struct ell_msg *m)
{
	return m->ms_off ? 0 : -EFAULT;
}

int64_t op_call_run(struct ell_msg *m)
{
	return ((int64_t(*)(void *))(uintptr_t)m->ms_off)(m->ms_addr);
}

int64_t op_nop_attempt(struct ell_msg *m, bool again)
{
	(void)again;
	return op_nop_run(m);
}
