/* SPDX-License-Identifier: BSD-2-Clause */
/* advice.h - what the C library's headers do not have yet of madvise(2) */
#ifndef MEM_ADVICE_H
#define MEM_ADVICE_H

/* Linux 6.13: pages that fault, without a mapping of their own; and no more. */
#define GUARD_INSTALL 102
#define GUARD_REMOVE 103

#endif
