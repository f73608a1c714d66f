/* SPDX-License-Identifier: BSD-2-Clause */
/* blocking.h - what blocks, and is none of the library's: a library's own calls, long computations, names */
#ifndef ELLULA_BLOCKING_H
#define ELLULA_BLOCKING_H

#include <netdb.h>
#include <sys/socket.h>

#include <ellula/time.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A thread that blocks its LWP, or computes, keeps the others of its vCPU waiting for 10 ms, until the monitor gives
 * the vCPU to another LWP (docs/handoff.md). Between these two calls it keeps nobody waiting from the start: the vCPU
 * goes at once, if an LWP is spare, and the thread goes on as a kernel thread of its own; ell_blocking_leave() waits
 * for a vCPU. Sections nest. All of the library may be used inside; a thread that has waited there has a vCPU, and
 * loses it a little later than at once. Neither changes errno. ell_blocking_leave() without its other half aborts, and
 * may switch threads. On a foreign kernel thread, and where there is no hand-off, they do nothing. Not for signal
 * handlers.
 */
void ell_blocking_enter(void);
void ell_blocking_leave(void);

/*
 * Runs FN(ARG) on a helper LWP while the calling thread is parked, and returns 0 when it has returned; or an errno, and
 * FN was not called: EFAULT, FN is NULL; EAGAIN, no more kernel threads; ECANCELED, ESHUTDOWN, the process ends; ENXIO,
 * the runtime is not started. To FN the caller is a foreign kernel thread; it may block as it likes, and takes
 * no signals. May switch threads; not for signal handlers. Foreign kernel threads may call it, too.
 */
int ell_offload(void (*fn)(void *arg), void *arg);

/*
 * The same until UNTIL: ETIMEDOUT, and the caller waits no longer. If FN has begun it is not interrupted, so ARG must
 * outlive this call: it belongs to the job, and when FN is through (or will never be called) DROP(ARG) is, unless DROP
 * is NULL. With any other result ARG is the caller's again. ENOMEM is possible. DROP must not wait.
 */
int ell_offload_until(void (*fn)(void *arg), void *arg, void (*drop)(void *arg), ell_time until);

/*
 * As getaddrinfo(3) and getnameinfo(3), of POSIX, on a helper LWP: same arguments, same results, and the list is freed
 * by freeaddrinfo(3). EAI_SYSTEM with errno ETIMEDOUT: UNTIL has passed; the resolver goes on, and what it finds is
 * thrown away. EAI_MEMORY also if there is no memory or no kernel thread for the job. May switch threads.
 */
int ell_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result);
int ell_getaddrinfo_until(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result,
			  ell_time until);
int ell_getnameinfo(const struct sockaddr *addr, socklen_t len, char *host, socklen_t host_size, char *service,
		    socklen_t service_size, int flags);
int ell_getnameinfo_until(const struct sockaddr *addr, socklen_t len, char *host, socklen_t host_size, char *service,
			  socklen_t service_size, int flags, ell_time until);

#ifdef __cplusplus
}
#endif
#endif
