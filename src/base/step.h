/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * step.h - atomic access, each a point where the simulator may let another kernel thread go on
 *
 * Included by base/atomic.h in the simulator's build, and by nothing else: the macros are replaced by ones that call
 * the simulator first (kport/sim/world.c), and do the same access then. So the code above is simulated as it stands.
 *
 * A plain store may stay in the store buffer of its LWP for a while (kport/sim/stores.c). A store that is sequentially
 * consistent, a read-modify-write and a fence empty the buffer, as on a CPU with total store order.
 */
#ifndef BASE_STEP_H
#define BASE_STEP_H

#include <stddef.h>

/* A load is next. */
void step_load(const char *file, int line);

/* An access that everybody sees at once is next. */
void step_sync(const char *file, int line);

/* A store to the SIZE bytes at P is next. */
void step_store(void *p, size_t size, const char *file, int line);

#undef load_relaxed
#undef load_acquire
#undef load_seq_cst
#undef store_relaxed
#undef store_release
#undef store_seq_cst
#undef xchg_acquire
#undef xchg_acq_rel
#undef xchg_seq_cst
#undef fetch_add_relaxed
#undef fetch_add_acq_rel
#undef fetch_sub_acq_rel
#undef fetch_or_seq_cst
#undef fetch_and_seq_cst
#undef fence_seq_cst
#undef cas_acquire
#undef cas_release
#undef cas_acq_rel
#undef cas_seq_cst

#define STEP_LOAD(p) (step_load(__FILE__, __LINE__), __atomic_load_n((p), __ATOMIC_SEQ_CST))
#define STEP_STORE(p, v)                                                                                               \
	({                                                                                                             \
		__typeof__(p) step_p_ = (p);                                                                           \
		__typeof__(*(p)) step_v_ = (v);                                                                        \
		step_store(step_p_, sizeof(*step_p_), __FILE__, __LINE__);                                             \
		__atomic_store_n(step_p_, step_v_, __ATOMIC_SEQ_CST);                                                  \
	})
#define STEP_SYNC(access) (step_sync(__FILE__, __LINE__), access)
#define STEP_CAS(p, old, new)                                                                                          \
	STEP_SYNC(__atomic_compare_exchange_n((p), (old), (new), false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))

#define load_relaxed(p) STEP_LOAD(p)
#define load_acquire(p) STEP_LOAD(p)
#define load_seq_cst(p) STEP_LOAD(p)
#define store_relaxed(p, v) STEP_STORE(p, v)
#define store_release(p, v) STEP_STORE(p, v)
#define store_seq_cst(p, v) STEP_SYNC(__atomic_store_n((p), (v), __ATOMIC_SEQ_CST))
#define xchg_acquire(p, v) STEP_SYNC(__atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST))
#define xchg_acq_rel(p, v) STEP_SYNC(__atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST))
#define xchg_seq_cst(p, v) STEP_SYNC(__atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST))
#define fetch_add_relaxed(p, v) STEP_SYNC(__atomic_fetch_add((p), (v), __ATOMIC_SEQ_CST))
#define fetch_add_acq_rel(p, v) STEP_SYNC(__atomic_fetch_add((p), (v), __ATOMIC_SEQ_CST))
#define fetch_sub_acq_rel(p, v) STEP_SYNC(__atomic_fetch_sub((p), (v), __ATOMIC_SEQ_CST))
#define fetch_or_seq_cst(p, v) STEP_SYNC(__atomic_fetch_or((p), (v), __ATOMIC_SEQ_CST))
#define fetch_and_seq_cst(p, v) STEP_SYNC(__atomic_fetch_and((p), (v), __ATOMIC_SEQ_CST))
#define fence_seq_cst() STEP_SYNC(__atomic_thread_fence(__ATOMIC_SEQ_CST))
#define cas_acquire(p, old, new) STEP_CAS(p, old, new)
#define cas_release(p, old, new) STEP_CAS(p, old, new)
#define cas_acq_rel(p, old, new) STEP_CAS(p, old, new)
#define cas_seq_cst(p, old, new) STEP_CAS(p, old, new)

#endif
