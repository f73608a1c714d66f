/* SPDX-License-Identifier: BSD-2-Clause */
/* time.h - points in time and deadlines */
#ifndef ELLULA_TIME_H
#define ELLULA_TIME_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A point in time: nanoseconds on CLOCK_MONOTONIC. Every deadline of the library is one. A deadline in
 * the past still gets what is there at once, as poll(2) with a zero time-out does.
 */
typedef int64_t ell_time;

#define ELL_FOREVER INT64_MAX
#define ELL_USEC INT64_C(1000)
#define ELL_MSEC INT64_C(1000000)
#define ELL_SEC INT64_C(1000000000)

/* The present. Never switches threads; safe in a signal handler. */
ell_time ell_now(void);

/*
 * The deadline NS nanoseconds from now; ELL_FOREVER when the sum does not fit. A negative NS gives a point in
 * the past. Never switches threads; safe in a signal handler.
 */
ell_time ell_after(int64_t ns);

#ifdef __cplusplus
}
#endif
#endif
