/* SPDX-License-Identifier: BSD-2-Clause */
/* life.h - the end of a process with messages outstanding */
#ifndef ELLULA_LIFE_H
#define ELLULA_LIFE_H

#include <stdint.h>

#include <ellula/time.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * When the process ends by exit(3), by returning from main(), or when ell_run() ends, new messages are refused
 * (-ESHUTDOWN), those of the classes long and time are revoked, and short ones, and those marked by ell_msg_drain(),
 * are completed. That takes NS at most, and a tenth of it if only revoked ones are left that cannot be stopped: a
 * kernel that never answers does not keep a process. 2 s, if this is not called and ELLULA_EXIT_BOUND (in
 * milliseconds) is not in the environment; 0 waits for nothing. Returns what it was. Never switches threads; safe in
 * a signal handler.
 */
int64_t ell_exit_bound(int64_t ns);

/*
 * As execve(2) and fexecve(3): but before that, what was sent is handed to the kernel, and short messages, and those
 * marked by ell_msg_drain(), are completed within the bound of ell_exit_bound(). The rest end with the old program. No
 * descriptor of the library's stays open in the new one. -1 and errno if it cannot be executed, and then everything
 * goes on. From any thread; never switches threads; not for signal handlers.
 */
int ell_execve(const char *path, char *const argv[], char *const envp[]);
int ell_fexecve(int fd, char *const argv[], char *const envp[]);

#ifdef __cplusplus
}
#endif
#endif
