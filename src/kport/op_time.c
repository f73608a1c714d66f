/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * op_time.c - sleeping: the vCPU's timer wheel does it, so there is nothing here to submit or to run
 *
 *	ms_off (an ell_time, or nanoseconds), ms_opflags (op_time.h)
 */
#include "kport/op_time.h"

#include <ellula/ops.h>

#include "base/compiler.h"
#include "kport/op_args.h"
#include "kport/op_rows.h"
#include "message/message.h"

EXPORT void ell_msg_nanosleep(struct ell_msg *m, int64_t ns)
{
	message_prep(m, ELL_OP_TIMER);
	m->ms_off = (uint64_t)ns;
	m->ms_opflags = OP_TIMER_FROM_SEND;
}

EXPORT void ell_msg_timer(struct ell_msg *m, ell_time when)
{
	message_prep(m, ELL_OP_TIMER);
	m->ms_off = (uint64_t)when;
}

int op_timer_check(const struct ell_msg *m)
{
	return (m->ms_opflags & OP_TIMER_FROM_SEND) && (int64_t)m->ms_off < 0 ? -EINVAL : 0;
}
