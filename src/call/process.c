/* SPDX-License-Identifier: BSD-2-Clause */
/* process.c - wait for children */
#include <ellula/call.h>
#include <ellula/ops.h>
#include <string.h>

#include "base/compiler.h"
#include "call/do.h"
#include "sys/sys.h"

EXPORT int ell_waitid_until(idtype_t idtype, id_t id, siginfo_t *info, int options, ell_time until)
{
	struct ell_msg m;

	if (options & WNOHANG)
		return sys.waitid(idtype, id, info, options);
	ell_msg_init(&m, NULL, NULL);
	ell_msg_waitid(&m, idtype, id, info, options);
	return (int)call_result(call_do(&m, until));
}

EXPORT int ell_waitid(idtype_t idtype, id_t id, siginfo_t *info, int options)
{
	return ell_waitid_until(idtype, id, info, options, ELL_FOREVER);
}

/* The status word of wait(2), from what waitid(2) says. */
static int status_of(const siginfo_t *info)
{
	switch (info->si_code) {
	case CLD_EXITED:
		return (info->si_status & 0xff) << 8;
	case CLD_KILLED:
		return info->si_status & 0x7f;
	case CLD_DUMPED:
		return (info->si_status & 0x7f) | 0x80;
	case CLD_CONTINUED:
		return 0xffff;
	default: /* CLD_STOPPED, CLD_TRAPPED */
		return (info->si_status & 0xff) << 8 | 0x7f;
	}
}

EXPORT pid_t ell_waitpid_until(pid_t pid, int *status, int options, ell_time until)
{
	/*
	 * 0 and below -1 are groups: the caller's, and the one of that number. waitid() takes 0 for the caller's, too.
	 */
	idtype_t idtype = pid > 0 ? P_PID : pid == -1 ? P_ALL : P_PGID;
	id_t id = pid > 0 ? (id_t)pid : pid < -1 ? (id_t)-pid : 0;
	int known = WNOHANG | WUNTRACED | WCONTINUED;
	siginfo_t info;

	if (options & ~known)
		return (pid_t)call_result(-EINVAL);
	memset(&info, 0, sizeof(info));
	if (ell_waitid_until(idtype, id, &info, options | WEXITED, until) < 0)
		return -1;
	if (status && info.si_pid)
		*status = status_of(&info);
	return info.si_pid;
}

EXPORT pid_t ell_waitpid(pid_t pid, int *status, int options)
{
	return ell_waitpid_until(pid, status, options, ELL_FOREVER);
}
