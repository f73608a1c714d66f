/* SPDX-License-Identifier: BSD-2-Clause */
/* descriptors.h - which of the process' descriptors are the library's own */
#ifndef PERSONALITY_DESCRIPTORS_H
#define PERSONALITY_DESCRIPTORS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/atomic.h"

/* Above that nothing is known. */
enum { DESCRIPTORS_MOST = 65536 };

extern uint64_t descriptors_map[DESCRIPTORS_MOST / 64];

static inline bool descriptors_are_ours(uint32_t fd)
{
	return fd < DESCRIPTORS_MOST && (load_relaxed(&descriptors_map[fd / 64]) >> (fd % 64) & 1);
}

/* The first one of ours from FIRST to LAST, or LAST + 1. */
uint64_t descriptors_next(uint32_t first, uint32_t last);

/* Those that are made from now on are known. The runtime has not started. */
void descriptors_begin(void);

#endif
