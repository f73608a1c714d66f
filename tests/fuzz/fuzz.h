/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz.h - what the two programs have in common that are fed with bytes at random
 *
 * Each has the two functions that libFuzzer calls. With -Dfuzz=true that is linked, and thinks up the bytes; in other
 * builds replay.c feeds what is in the corpus.
 */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                                     \
	do {                                                                                                           \
		if (!(cond)) {                                                                                         \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #cond);                             \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

/* The bytes, taken one after the other; 0 when there are no more. */
struct bytes {
	const uint8_t *at, *end;
};

static inline uint8_t bytes_next(struct bytes *b)
{
	return b->at < b->end ? *b->at++ : 0;
}

static inline unsigned bytes_below(struct bytes *b, unsigned n)
{
	return bytes_next(b) % n;
}

#endif
