/* SPDX-License-Identifier: BSD-2-Clause */
/* signal.h - POSIX signals of user threads */
#ifndef ELLULA_SIGNAL_H
#define ELLULA_SIGNAL_H

#include <signal.h>

#include <ellula/thread.h>
#include <ellula/time.h>
#include <ellula/upcall.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Each user thread has a mask, a pending set and an alternate stack of its own; the actions are the process'. A signal
 * to the process (kill(2), a kernel timer, SIGCHLD) goes to one thread that does not block it, or stays pending; one to
 * a thread goes to that, whether it runs, is ready or is parked. Handlers are called on the thread, outside critical
 * sections, and may do what the thread may where it was interrupted; siglongjmp(3) out of them works. A foreign kernel
 * thread has the kernel's mask: what is called by one is said below. Nothing here is for handlers that were installed
 * by sigaction(2).
 *
 * The library's own are SIGKILL and SIGSTOP, which nobody has, SIGABRT, SIGURG, SIGRTMAX - 1 and SIGRTMAX: those are
 * EINVAL in ell_sigaction(), and are never waited for or held back.
 */

/*
 * As sigaction(2), with SA_SIGINFO, SA_RESTART, SA_NODEFER, SA_RESETHAND and SA_ONSTACK, and the flags for SIGCHLD.
 * What is pending is dropped if it is to be ignored now. 0, or -1 and errno: EINVAL. From any thread; never switches
 * threads.
 */
int ell_sigaction(int number, const struct sigaction *action, struct sigaction *old);

/*
 * As pthread_sigmask(3), for the caller: 0 or EINVAL. What is pending and becomes unblocked is handled before it
 * returns. A new thread begins with the mask of the one that made it. A foreign thread's is the kernel's mask.
 */
int ell_sigmask(int how, const sigset_t *set, sigset_t *old);

/* What is pending for the caller or the process, and blocked by the caller: 0. Nothing, on a foreign thread. */
int ell_sigpending(sigset_t *set);

/*
 * NUMBER to THREAD: 0; EINVAL; ESRCH; EAGAIN, there is no memory. 0 as the number sends nothing. Handled, if the thread
 * is the caller, before it returns. ell_sigqueue() adds VALUE; ELL_THREAD_ANY is the process. Foreign threads get
 * ell_kill()'s from the kernel; ell_sigqueue() does not reach them: ESRCH.
 */
int ell_kill(ell_thread thread, int number);
int ell_sigqueue(ell_thread thread, int number, union sigval value);

/*
 * Wait for one of SET, which the caller should block: ell_sigwait() returns 0 or an error number, the others the number
 * of the signal or -1 and errno. EINVAL; EINTR, a handler ran; EAGAIN, the time is over; ENOTSUP, a foreign thread.
 * INFO may be NULL. ell_sigtimedwait()'s time is relative, that of ell_sigwait_until() a deadline. They park.
 */
int ell_sigwait(const sigset_t *set, int *number);
int ell_sigwaitinfo(const sigset_t *set, siginfo_t *info);
int ell_sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout);
int ell_sigwait_until(const sigset_t *set, siginfo_t *info, ell_time until);

/*
 * As sigsuspend(2): -1 and EINTR when a handler has run, or ENOTSUP on a foreign thread. In a critical section no
 * handler runs, and it does not return. Parks.
 */
int ell_sigsuspend(const sigset_t *mask);

/*
 * As sigaltstack(2), for handlers with SA_ONSTACK on the calling thread: 0, or -1 and errno: EINVAL, ENOMEM, EPERM in
 * such a handler, ENOTSUP on a foreign thread. With one, a stack overflow is a SIGSEGV like any other.
 */
int ell_sigaltstack(const stack_t *stack, stack_t *old);

/*
 * From now on NUMBER, sent to the process or to any thread, dispatches UPCALL to THREAD (or ELL_THREAD_ANY) instead of
 * what its action says, whoever blocks it; UPCALL 0 ends that. 0 or EINVAL. From any thread.
 */
int ell_upcall_on_signal(ell_upcall upcall, ell_thread thread, int number);

#ifdef __cplusplus
}
#endif
#endif
