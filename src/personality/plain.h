/* SPDX-License-Identifier: BSD-2-Clause */
/* plain.h - the runtime's own calls, made without the C library */
#ifndef PERSONALITY_PLAIN_H
#define PERSONALITY_PLAIN_H

/* What a system call has returned, RESULT, as the C library says it: -1, and the number is in errno. Context: any. */
long plain_result(long result);

#endif
