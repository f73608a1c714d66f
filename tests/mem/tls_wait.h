/* SPDX-License-Identifier: BSD-2-Clause */
/* tls_wait.h - waits in many ways, and variables of another file, for tls_test.c */
#ifndef MEM_TLS_WAIT_H
#define MEM_TLS_WAIT_H

extern __thread unsigned long tls_foreign_count;
extern __thread char tls_foreign_text[32];

/* Waits in a way that I chooses, and that leaves errno alone. Counts when the thread has moved to another vCPU. */
void wait_quietly(unsigned i);

/* The same, also in ways that may change errno. */
void wait_somehow(unsigned i);

/* How often threads have moved. */
unsigned long tls_moves(void);

/* Counts in the caller's own tls_foreign_count, with a wait in the middle. */
void tls_count_slowly(unsigned i);

#endif
