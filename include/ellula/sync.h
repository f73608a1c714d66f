/* SPDX-License-Identifier: BSD-2-Clause */
/* sync.h - locks and other meeting points of threads */
#ifndef ELLULA_SYNC_H
#define ELLULA_SYNC_H

#include <stddef.h>
#include <stdint.h>

#include <ellula/port.h>
#include <ellula/time.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * All of these work between threads, and between threads and foreign kernel threads. All zero is a valid, free object
 * of each kind but the barrier and the channel. Functions return 0 or an errno, as the pthread function of that name
 * does; a deadline that passes gives ETIMEDOUT. Waiters are served in the order in which they came. None allocates.
 * None is for signal handlers. Finishing an object that is in use gives EBUSY and leaves it as it is.
 */

struct ell_waiter;

/* Who waits on an object, oldest first; guarded by the lock. See src/sync/waiters.h. */
struct ell_waiters {
	uint32_t wq_lock;
	uint32_t wq_count;
	struct ell_waiter *wq_first;
	struct ell_waiter *wq_last;
};

/*
 * A mutex. It has an owner: locking it twice gives EDEADLK, unlocking somebody else's EPERM. A mutex with waiters is
 * handed to the oldest one by unlock. Its memory may be freed by whoever locks it last, as soon as that thread has
 * unlocked it. lock may switch threads; trylock and unlock do not.
 */
struct ell_mutex {
	uint64_t mx_owner;	    /* 0: free; else the owner's name, and a flag: somebody waits */
	struct ell_waiter *mx_heir; /* gets it next, before mx_waiters; the owner's */
	struct ell_waiters mx_waiters;
};
/* clang-format off */
#define ELL_MUTEX_INIT {0, 0, {0, 0, 0, 0}}
/* clang-format on */

void ell_mutex_init(struct ell_mutex *mx);
int ell_mutex_finish(struct ell_mutex *mx);
int ell_mutex_lock(struct ell_mutex *mx);
int ell_mutex_lock_until(struct ell_mutex *mx, ell_time until);
int ell_mutex_trylock(struct ell_mutex *mx); /* EBUSY */
int ell_mutex_unlock(struct ell_mutex *mx);

/*
 * A condition variable. wait releases MX, waits, and owns MX again when it returns, also with ETIMEDOUT; it may switch
 * threads. No wake-up comes without a signal, and none that came in time is answered with ETIMEDOUT. EPERM if the
 * caller does not own MX; EINVAL if others wait with another mutex. A signalled waiter moves to the mutex when that is
 * locked: it wakes once, as its owner; broadcast costs the same for one waiter and for many. signal and broadcast never
 * switch threads, with or without MX locked.
 */
struct ell_cond {
	struct ell_waiters cv_waiters;
	struct ell_mutex *cv_mutex;
	uint64_t cv_next;      /* the number of the next waiter to come */
	uint64_t cv_signalled; /* waiters with lower numbers were signalled */
};
/* clang-format off */
#define ELL_COND_INIT {{0, 0, 0, 0}, 0, 0, 0}
/* clang-format on */

void ell_cond_init(struct ell_cond *cv);
int ell_cond_finish(struct ell_cond *cv);
int ell_cond_wait(struct ell_cond *cv, struct ell_mutex *mx);
int ell_cond_wait_until(struct ell_cond *cv, struct ell_mutex *mx, ell_time until);
int ell_cond_signal(struct ell_cond *cv);
int ell_cond_broadcast(struct ell_cond *cv);

/*
 * A counting semaphore. post may come from anywhere but a signal handler, an upcall included, and hands its unit to the
 * oldest waiter; EOVERFLOW above ELL_SEM_MAX, and EINVAL from init. wait may switch threads; trywait and post do not.
 */
#define ELL_SEM_MAX INT32_MAX
struct ell_sem {
	uint32_t sm_units; /* how many there are, and a flag: there are none and somebody waits */
	uint32_t sm_spare;
	struct ell_waiters sm_waiters;
};

int ell_sem_init(struct ell_sem *sm, uint32_t count);
int ell_sem_finish(struct ell_sem *sm);
int ell_sem_wait(struct ell_sem *sm);
int ell_sem_wait_until(struct ell_sem *sm, ell_time until);
int ell_sem_trywait(struct ell_sem *sm); /* EAGAIN */
int ell_sem_post(struct ell_sem *sm);

/*
 * A reader-writer lock, fair: who comes while others wait, waits behind them, so a reader must not lock it for reading
 * again. unlock releases whichever kind the caller holds; EPERM if nobody holds it, or another thread for writing;
 * EDEADLK if the caller has it for writing already. rdlock and wrlock may switch threads; the rest does not.
 */
struct ell_rwlock {
	uint64_t rw_state;  /* how many readers hold it, or that a writer does, and whether somebody waits */
	uint64_t rw_writer; /* the name of the writer that holds it */
	struct ell_waiters rw_waiters;
};

void ell_rwlock_init(struct ell_rwlock *rw);
int ell_rwlock_finish(struct ell_rwlock *rw);
int ell_rwlock_rdlock(struct ell_rwlock *rw);
int ell_rwlock_rdlock_until(struct ell_rwlock *rw, ell_time until);
int ell_rwlock_tryrdlock(struct ell_rwlock *rw); /* EBUSY */
int ell_rwlock_wrlock(struct ell_rwlock *rw);
int ell_rwlock_wrlock_until(struct ell_rwlock *rw, ell_time until);
int ell_rwlock_trywrlock(struct ell_rwlock *rw); /* EBUSY */
int ell_rwlock_unlock(struct ell_rwlock *rw);

/*
 * FN runs once, on whoever comes first; the others wait until it has returned. EDEADLK if FN itself comes again. May
 * switch threads.
 */
struct ell_once_control {
	uint32_t oc_state;
	uint32_t oc_spare;
	uint64_t oc_runner;
	struct ell_waiters oc_waiters;
};
/* clang-format off */
#define ELL_ONCE_INIT {0, 0, 0, {0, 0, 0, 0}}
/* clang-format on */

int ell_once(struct ell_once_control *oc, void (*fn)(void));

/*
 * COUNT threads meet (1 or more, else EINVAL), again and again; the last one to come gets ELL_BARRIER_SERIAL, the
 * others 0. As soon as one of them has returned, the barrier may be finished and freed. wait may switch threads.
 */
#define ELL_BARRIER_SERIAL (-1)
struct ell_barrier {
	uint32_t br_count;
	uint32_t br_spare;
	struct ell_waiters br_waiters;
};

int ell_barrier_init(struct ell_barrier *br, uint32_t count);
int ell_barrier_finish(struct ell_barrier *br);
int ell_barrier_wait(struct ell_barrier *br);

/*
 * A channel of values of SIZE bytes with room for COUNT of them, any number of senders and receivers. It is built on
 * ports: COUNT messages, each with a value behind it, go round between a port of free ones and a port of full ones.
 * SPACE is the caller's, ELL_CHAN_SPACE(COUNT, SIZE) bytes aligned as for malloc; COUNT and SIZE are 1 or more, else
 * EINVAL; ENXIO if the runtime is not started. close wakes everybody: send then gives EPIPE; recv gives what is left,
 * and then EPIPE; so does a second close. finish drops the values that nobody has received. All but init may switch
 * threads.
 */
#define ELL_CHAN_SPACE(count, size) ((count) * (sizeof(struct ell_msg) + (((size_t)(size) + 15) & ~(size_t)15)))

struct ell_chan {
	struct ell_port ch_full;
	struct ell_port ch_free;
	struct ell_mutex ch_send; /* the receiver of ch_free */
	struct ell_mutex ch_recv; /* the receiver of ch_full */
	size_t ch_size;
	size_t ch_count;
	size_t ch_sent;		   /* values, ever; under ch_send */
	size_t ch_taken;	   /* values, ever; under ch_recv */
	struct ell_msg ch_last[2]; /* what close puts into the two ports */
	uint32_t ch_closed;
	uint32_t ch_drained; /* a receiver has met the end; under ch_recv */
};

int ell_chan_init(struct ell_chan *ch, void *space, size_t count, size_t size);
int ell_chan_finish(struct ell_chan *ch);
int ell_chan_send(struct ell_chan *ch, const void *value);
int ell_chan_send_until(struct ell_chan *ch, const void *value, ell_time until);
int ell_chan_recv(struct ell_chan *ch, void *value);
int ell_chan_recv_until(struct ell_chan *ch, void *value, ell_time until);
int ell_chan_close(struct ell_chan *ch);

#ifdef __cplusplus
}
#endif
#endif
