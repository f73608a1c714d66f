/* SPDX-License-Identifier: BSD-2-Clause */
/* tls_lib.h - a shared library with a variable of each thread's own */
#ifndef MEM_TLS_LIB_H
#define MEM_TLS_LIB_H

#include <stdbool.h>

enum { TLS_LIB_FIRST = 7 };

int tls_lib_count(void);
int tls_lib_bump(void);
const void *tls_lib_address(void);

/* Has the calling thread not bumped yet? */
bool tls_lib_is_new(void);

#endif
