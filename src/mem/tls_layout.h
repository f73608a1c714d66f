/* SPDX-License-Identifier: BSD-2-Clause */
/* tls_layout.h - what lies at the thread pointer in glibc */
#ifndef MEM_TLS_LAYOUT_H
#define MEM_TLS_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Offsets from the thread pointer; 0: not found, and left alone. */
struct tls_layout {
	ptrdiff_t tid;
	ptrdiff_t robust_list;
	ptrdiff_t list;	     /* of all threads that pthread_create made */
	ptrdiff_t keys;	     /* the values of pthread keys 0 to 31 */
	ptrdiff_t keys_used; /* a byte: has there been any? */
	ptrdiff_t rseq_cpu;
};

/* Looks at the calling thread's: false if it is nothing that we know. Context: F. */
bool tls_layout_find(struct tls_layout *layout);

/* Completes a block from _dl_allocate_tls(). TID is what glibc takes for the thread's id, in locks with an owner. */
void tls_layout_fill(const struct tls_layout *layout, uintptr_t tp, int tid);

/* Has the thread used thread-local variables of a library that was loaded later? */
bool tls_layout_has_dynamic(uintptr_t tp);

/* Are the variables of module number MODULE, which the thread has, part of its block? */
bool tls_layout_is_static(uintptr_t tp, size_t module);

/* May it have values under pthread keys? */
bool tls_layout_has_keys(const struct tls_layout *layout, uintptr_t tp);

#endif
