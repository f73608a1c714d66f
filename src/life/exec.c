/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * exec.c - another program, without losing what was sent
 *
 * The kernel lets all that is outstanding end with the old program, and what an LWP has prepared but not submitted it
 * has never seen. So all LWPs are asked to submit, and short and marked messages are waited for, as at exit (exit.c),
 * but nothing is revoked and nothing refused: if the new program cannot be executed, the old one goes on.
 */
#include <ellula/life.h>
#include <fcntl.h>

#include "base/compiler.h"
#include "life/life.h"
#include "sys/sys.h"

EXPORT int ell_execve(const char *path, char *const argv[], char *const envp[])
{
	life_settle(false);
	return sys.execve(path, argv, envp);
}

EXPORT int ell_fexecve(int fd, char *const argv[], char *const envp[])
{
	life_settle(false);
	return sys.execveat(fd, "", argv, envp, AT_EMPTY_PATH);
}
