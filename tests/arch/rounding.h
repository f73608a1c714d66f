/* SPDX-License-Identifier: BSD-2-Clause */
/* rounding.h - the rounding mode, as the CPU has it */
#ifndef ARCH_ROUNDING_H
#define ARCH_ROUNDING_H

#include <stdint.h>

#if defined(__x86_64__)
enum rounding { ROUND_NEAREST, ROUND_DOWN, ROUND_UP };

/* Twice: for SSE, and for the x87 unit, where long double is computed. */
static inline void rounding_set(enum rounding mode)
{
	uint32_t mxcsr;
	uint16_t control;

	__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
	__asm__ volatile("fnstcw %0" : "=m"(control));
	mxcsr = (mxcsr & ~(3U << 13)) | (uint32_t)mode << 13;
	control = (uint16_t)((control & ~(3U << 10)) | (uint32_t)mode << 10);
	__asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
	__asm__ volatile("fldcw %0" : : "m"(control));
}

#elif defined(__aarch64__)
enum rounding { ROUND_NEAREST, ROUND_UP, ROUND_DOWN };

static inline void rounding_set(enum rounding mode)
{
	uint64_t fpcr;

	__asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
	fpcr = (fpcr & ~(UINT64_C(3) << 22)) | (uint64_t)mode << 22;
	__asm__ volatile("msr fpcr, %0" : : "r"(fpcr));
}
#endif

/* The quotients tell the mode: a double's, and a long double's. */
struct thirds {
	double third;
	long double third_long;
};

static inline struct thirds rounding_show(void)
{
	volatile double one = 1, three = 3;
	volatile long double one_long = 1, three_long = 3;

	return (struct thirds){.third = one / three, .third_long = one_long / three_long};
}

#endif
