/* SPDX-License-Identifier: BSD-2-Clause */
/* thread.h - user threads, and the runtime that they need */
#ifndef ELLULA_THREAD_H
#define ELLULA_THREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ellula/time.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A thread's name for other threads. It is never used twice: one whose thread is gone gives ESRCH. 0 is no thread. */
typedef uint64_t ell_thread;

#define ELL_NAME_MAX 16		/* with its final NUL, as in the kernel */
#define ELL_STACK_MIN 16384	/* bytes, usable */
#define ELL_STACK_DEFAULT 65536 /* bytes, the guard included */
#define ELL_VCPU_ANY (-1)

enum ell_tls {
	ELL_TLS_PRIVATE, /* errno, __thread and thread_local, locale, malloc state: the thread's own */
	ELL_TLS_SHARED	 /* only errno is its own; it stays on the vCPU on which it started; smaller and faster */
};

/* What a new thread is like. ell_attr_init() sets each field to what is said in brackets; then assign. */
struct ell_attr {
	size_t stack_size; /* bytes, guard included; rounded up to a power of two [ELL_STACK_DEFAULT] */
	size_t guard_size; /* bytes below the stack, rounded up to pages; 0: no guard [one page] */
	const char *name;  /* copied, cut at ELL_NAME_MAX - 1 bytes [NULL: "thread"] */
	int vcpu;	   /* the only vCPU that may run it [ELL_VCPU_ANY] */
	enum ell_tls tls;  /* [ELL_TLS_PRIVATE] */
	bool detached;	   /* nobody will join it [false] */
};

void ell_attr_init(struct ell_attr *attr);

/*
 * Starts the runtime, runs MAIN_FN(ARG) as its first thread and returns what that returned, when it has: the other
 * threads are then abandoned where they are, as by returning from main(). The calling kernel thread is an LWP
 * meanwhile; if a thread blocks it then, in a call that is none of the library's, ell_run() returns after that. Errors
 * come as -errno: -EALREADY, the runtime has been started; -EINVAL, an ELLULA_ variable in the environment that makes
 * no sense (a line on stderr says which); -ENOMEM; -EAGAIN, no more kernel threads; and what io_uring_setup(2) says
 * where io_uring is refused, -ENOSYS and -EPERM above all.
 */
int ell_run(int (*main_fn)(void *arg), void *arg);

/*
 * Starts the runtime around the caller: when it returns 0, the caller is a thread, on the stack that it has. Errors as
 * ell_run(). Call it from main(), before other kernel threads need the library. There is no opposite: the runtime ends
 * with the process.
 */
int ell_init(void);

/* How many vCPUs there are; 0 before the start. Safe in a signal handler. */
int ell_vcpus(void);

/*
 * From now on at most COUNT vCPUs run threads that may move, and the others rest: they run what is bound to them, and
 * all that was sent there is replied to. 0; EINVAL, COUNT is less than 1 or more than ell_vcpus(); ENXIO, the runtime
 * is not started. A thread that is running leaves a vCPU that rests at its next switch or soon after. What the system
 * allows (CPU affinity, cgroup quota) is a limit of the same kind, see libellula(7). Not for signal handlers.
 */
int ell_vcpus_limit(int count);

/* The vCPU that runs the caller, from 0; -1 on a foreign kernel thread. It may be another one right afterwards. */
int ell_vcpu(void);

/*
 * Makes a thread that runs FN(ARG), puts its name into *THREAD (may be NULL) and returns 0. ATTR NULL means the
 * defaults. Returns an errno as pthread_create does: EINVAL, an attribute out of range; ENOMEM or EAGAIN, no stack (a
 * line on stderr names the limit that was hit, once); ENXIO, the runtime is not started. The thread starts later; the
 * caller goes on. Also for foreign kernel threads; not for signal handlers.
 */
int ell_create(ell_thread *thread, const struct ell_attr *attr, void *(*fn)(void *), void *arg);

/*
 * Waits for THREAD to end, and gives what it returned in *RESULT (may be NULL): 0. ESRCH, no such thread, or joined
 * already; EINVAL, detached, or another thread is joining it; EDEADLK, it is the caller. ETIMEDOUT (ell_join_until), it
 * goes on. May switch threads.
 */
int ell_join(ell_thread thread, void **result);
int ell_join_until(ell_thread thread, void **result, ell_time until);

/* Nobody will join THREAD: 0, ESRCH or EINVAL as ell_join(). Never switches threads. */
int ell_detach(ell_thread thread);

/*
 * Ends the calling thread with RESULT, after its thread_local destructors: as returning from its function (an int, cast
 * by way of intptr_t, in that of ell_run()). The thread that called ell_init() must return from main() or call exit()
 * instead; there, and on a foreign kernel thread, this aborts.
 */
void ell_exit(void *result) __attribute__((noreturn));

/* The caller. A foreign kernel thread gets a name of its own at its first use of the library. */
ell_thread ell_self(void);

static inline bool ell_equal(ell_thread a, ell_thread b)
{
	return a == b;
}

/*
 * Lets the other threads that are ready run first. Switches threads if there is any. On a foreign thread:
 * sched_yield().
 */
void ell_yield(void);

/*
 * The name of THREAD into BUF of SIZE bytes, always ended by NUL: 0, ESRCH, or ERANGE if it is cut. ell_name_set names
 * the caller. Never switches threads.
 */
int ell_name(ell_thread thread, char *buf, size_t size);
void ell_name_set(const char *name);

/*
 * Sleeps until somebody calls ell_unpark(SELF), or returns at once if that has happened since the last ell_park: a
 * permit, at most one. ell_park_until returns false if UNTIL passed first. Foreign kernel threads may park, too. May
 * switch threads.
 */
void ell_park(void);
bool ell_park_until(ell_time until);

/*
 * Gives THREAD its permit: 0 or ESRCH. From any thread, also a foreign one. Never switches threads; not for signal
 * handlers.
 */
int ell_unpark(ell_thread thread);

/* The bytes of stack that the caller has used at most, as far as pages tell; 0 on a foreign thread. */
size_t ell_stack_high_water(void);

#ifdef __cplusplus
}
#endif
#endif
