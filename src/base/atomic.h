/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * atomic.h - atomic access with the memory order in the name
 *
 * Public structs are plain so that C++ can include them, hence the builtins and not <stdatomic.h>. A store_release or
 * cas_acq_rel that another file's load_acquire relies on carries an ORD tag on both sides (docs/ordering.md lists
 * them).
 */
#ifndef BASE_ATOMIC_H
#define BASE_ATOMIC_H

#include <stdbool.h>

#define load_relaxed(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define load_seq_cst(p) __atomic_load_n((p), __ATOMIC_SEQ_CST)
#define store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define store_seq_cst(p, v) __atomic_store_n((p), (v), __ATOMIC_SEQ_CST)
#define xchg_acquire(p, v) __atomic_exchange_n((p), (v), __ATOMIC_ACQUIRE)
#define xchg_acq_rel(p, v) __atomic_exchange_n((p), (v), __ATOMIC_ACQ_REL)
#define xchg_seq_cst(p, v) __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
#define fetch_add_relaxed(p, v) __atomic_fetch_add((p), (v), __ATOMIC_RELAXED)
#define fetch_add_acq_rel(p, v) __atomic_fetch_add((p), (v), __ATOMIC_ACQ_REL)
#define fetch_sub_acq_rel(p, v) __atomic_fetch_sub((p), (v), __ATOMIC_ACQ_REL)
#define fetch_add_seq_cst(p, v) __atomic_fetch_add((p), (v), __ATOMIC_SEQ_CST)
#define fetch_or_seq_cst(p, v) __atomic_fetch_or((p), (v), __ATOMIC_SEQ_CST)
#define fetch_and_seq_cst(p, v) __atomic_fetch_and((p), (v), __ATOMIC_SEQ_CST)

/* gcc warns that its thread sanitizer does not understand fences, and calls this all the same. */
#ifdef __SANITIZE_THREAD__
void __tsan_atomic_thread_fence(int order);
#define fence_seq_cst() __tsan_atomic_thread_fence(__ATOMIC_SEQ_CST)
#else
#define fence_seq_cst() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#endif

/* Compare and swap: *OLD is what the word must hold; on failure *OLD becomes what it does hold. */
#define cas_acquire(p, old, new)                                                                                       \
	__atomic_compare_exchange_n((p), (old), (new), false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)
#define cas_release(p, old, new)                                                                                       \
	__atomic_compare_exchange_n((p), (old), (new), false, __ATOMIC_RELEASE, __ATOMIC_RELAXED)
#define cas_acq_rel(p, old, new)                                                                                       \
	__atomic_compare_exchange_n((p), (old), (new), false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)
#define cas_seq_cst(p, old, new)                                                                                       \
	__atomic_compare_exchange_n((p), (old), (new), false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)

/* A counter with one writer that others may read: no locked instruction. */
#define count_up(p, n) store_relaxed((p), load_relaxed(p) + (n))

/* The simulator's build looks at each access before it happens. */
#ifdef ELL_STEPS
#include "base/step.h"
#endif

#endif
