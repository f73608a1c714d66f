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
 * does; a deadline that passes gives ETIMEDOUT. Waiters are served in the order in which they came. None allocates. None
 * is for signal handlers. Finishing an object that is in use gives EBUSY and leaves it as it is.
 */

/* Who waits on an object, oldest first; guarded by the lock. */
struct ell_waiters {
	uint32_t wq_lock;
	uint32_t wq_count;
	void *wq_first;
	void *wq_last;
};

/*
 * A mutex. It has an owner: locking it twice gives EDEADLK, unlocking somebody else's EPERM. A mutex with waiters is
 * handed to the oldest one by unlock. lock may switch threads, unlock does not.
 */
struct ell_mutex {
	uint64_t mx_owner;
	struct ell_waiters mx_waiters;
};
#define ELL_MUTEX_INIT                                                                                                 \
	{                                                                                                              \
		0, { 0, 0, 0, 0 }                                                                                      \
	}

void ell_mutex_init(struct ell_mutex *mx);
int ell_mutex_finish(struct ell_mutex *mx);
int ell_mutex_lock(struct ell_mutex *mx);
int ell_mutex_lock_until(struct ell_mutex *mx, ell_time until);
int ell_mutex_trylock(struct ell_mutex *mx); /* EBUSY */
int ell_mutex_unlock(struct ell_mutex *mx);

/*
 * A condition variable. wait releases MX, waits, and owns MX again when it returns, also with ETIMEDOUT; it may switch
 * threads. No wake-up comes without a signal. EPERM if the caller does not own MX; EINVAL if others wait with another
 * mutex. A signalled waiter moves to the mutex when that is locked: it wakes once, as its owner.
 */
struct ell_cond {
	struct ell_waiters cv_waiters;
	struct ell_mutex *cv_mutex;
};
#define ELL_COND_INIT                                                                                                  \
	{                                                                                                              \
		{ 0, 0, 0, 0 }, 0                                                                                      \
	}

void ell_cond_init(struct ell_cond *cv);
int ell_cond_finish(struct ell_cond *cv);
int ell_cond_wait(struct ell_cond *cv, struct ell_mutex *mx);
int ell_cond_wait_until(struct ell_cond *cv, struct ell_mutex *mx, ell_time until);
int ell_cond_signal(struct ell_cond *cv);
int ell_cond_broadcast(struct ell_cond *cv);

/* A counting semaphore. post may come from anywhere; EOVERFLOW above INT32_MAX. */
struct ell_sem {
	uint32_t sm_count;
	uint32_t sm_spare;
	struct ell_waiters sm_waiters;
};

void ell_sem_init(struct ell_sem *sm, uint32_t count);
int ell_sem_finish(struct ell_sem *sm);
int ell_sem_wait(struct ell_sem *sm);
int ell_sem_wait_until(struct ell_sem *sm, ell_time until);
int ell_sem_trywait(struct ell_sem *sm); /* EAGAIN */
int ell_sem_post(struct ell_sem *sm);

/*
 * A reader-writer lock, fair: who comes while a writer waits, waits behind it. unlock releases whichever kind the caller
 * holds; EPERM if nobody holds it, EDEADLK if the caller has it for writing already.
 */
struct ell_rwlock {
	uint64_t rw_state;
	uint64_t rw_writer;
	struct ell_waiters rw_waiters;
};

void ell_rwlock_init(struct ell_rwlock *rw);
int ell_rwlock_finish(struct ell_rwlock *rw);
int ell_rwlock_rdlock(struct ell_rwlock *rw);
int ell_rwlock_rdlock_until(struct ell_rwlock *rw, ell_time until);
int ell_rwlock_tryrdlock(struct ell_rwlock *rw);
int ell_rwlock_wrlock(struct ell_rwlock *rw);
int ell_rwlock_wrlock_until(struct ell_rwlock *rw, ell_time until);
int ell_rwlock_trywrlock(struct ell_rwlock *rw);
int ell_rwlock_unlock(struct ell_rwlock *rw);

/* FN runs once, whoever comes first; the others wait until it has returned. */
struct ell_once {
	uint32_t oc_state;
	struct ell_waiters oc_waiters;
};
#define ELL_ONCE_INIT                                                                                                  \
	{                                                                                                              \
		0, { 0, 0, 0, 0 }                                                                                      \
	}

int ell_once(struct ell_once *oc, void (*fn)(void));

/* COUNT threads meet (1 or more, else EINVAL); one of them gets ELL_BARRIER_SERIAL, the others 0. */
#define ELL_BARRIER_SERIAL (-1)
struct ell_barrier {
	uint32_t br_count;
	uint32_t br_here;
	struct ell_waiters br_waiters;
};

int ell_barrier_init(struct ell_barrier *br, uint32_t count);
int ell_barrier_finish(struct ell_barrier *br);
int ell_barrier_wait(struct ell_barrier *br);

/*
 * A channel of values of SIZE bytes with room for COUNT of them, any number of senders and receivers. It is built on
 * ports: COUNT messages, each with a value behind it, go round between a port of free ones and a port of full ones.
 * SPACE is the caller's, ELL_CHAN_SPACE(COUNT, SIZE) bytes aligned as for malloc; COUNT and SIZE are 1 or more, else EINVAL.
 * close wakes everybody: send then gives EPIPE; recv gives what is left, and then EPIPE.
 */
#define ELL_CHAN_SPACE(count, size) ((count) * (sizeof(struct ell_msg) + (((size_t)(size) + 15) & ~(size_t)15)))

struct ell_chan {
	struct ell_port ch_full;
	struct ell_port ch_free;
	struct ell_mutex ch_send; /* the receiver of ch_free */
	struct ell_mutex ch_recv; /* the receiver of ch_full */
	size_t ch_size;
	size_t ch_count;
	struct ell_msg ch_last[2]; /* what close puts into the two ports */
	uint32_t ch_closed;
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
