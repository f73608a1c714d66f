/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * op_proc.c - waiting for a child
 *
 *	ms_fd2 (idtype), ms_fd (id), ms_addr (siginfo_t), ms_opflags (options)
 */
#include <ellula/ops.h>
#include <liburing.h>
#include <sys/wait.h>

#include "base/compiler.h"
#include "kport/op_newer.h"
#include "kport/op_rows.h"
#include "kport/op_run.h"
#include "message/message.h"
#include "sys/sys.h"

EXPORT void ell_msg_waitid(struct ell_msg *m, idtype_t idtype, id_t id, siginfo_t *info, int options)
{
	message_prep(m, ELL_OP_WAITID);
	m->ms_fd2 = (int32_t)idtype;
	m->ms_fd = (int32_t)id;
	m->ms_addr = info;
	m->ms_opflags = (uint32_t)options;
}

void op_waitid_prep(struct io_uring_sqe *sqe, struct ell_msg *m)
{
	io_uring_prep_rw(OP_URING_WAITID, sqe, m->ms_fd, NULL, (unsigned)m->ms_fd2, (uintptr_t)m->ms_addr);
	sqe->file_index = m->ms_opflags;
}

/* A NULL siginfo is the kernel's to allow. */
int64_t op_waitid_run(struct ell_msg *m)
{
	return OP_CALL(SYS_waitid, m->ms_fd2, m->ms_fd, m->ms_addr, m->ms_opflags, NULL, 0);
}
