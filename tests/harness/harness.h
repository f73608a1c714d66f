/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * harness.h - a test is a list of cases; each runs in a child of its own
 *
 * A case is a function named after the promise that it checks. It fails if a CHECK in it fails, if it crashes, if it
 * has not returned in time, or if it leaves descriptors open. A test program looks like this:
 *
 *	#include "harness/harness.h"
 *
 *	static void two_sleeps_are_told_apart_by_their_tags(void) { ... CHECK_EQ(ell_msg_send(&m), 0); ... }
 *
 *	int main(int argc, char **argv)
 *	{
 *		static const struct harness_case cases[] = {
 *			HARNESS_CASE(two_sleeps_are_told_apart_by_their_tags, HARNESS_IN_RUN),
 *			HARNESS_CASE(a_second_send_aborts, HARNESS_DIES("sent already")),
 *		};
 *		return harness_run("message", cases, ARRAY_SIZE(cases), argc, argv);
 *	}
 *
 * Its arguments are the names of the cases to run, or parts of them ending in *; none means all. With -d before them
 * they run without child and time-out, for a debugger. The exit code is 1 if any failed.
 *
 * HARNESS_PATIENCE=n in the environment multiplies the time-outs (for valgrind), HARNESS_SEED=n repeats a run.
 */
#ifndef HARNESS_H
#define HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

#ifdef __cplusplus
/* In C++ it warns of designated initializers, too. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
extern "C" {
#endif

struct harness_case {
	const char *name;
	void (*body)(void);
	const char *dies; /* it must die by SIGABRT, having said this on stderr */
	unsigned seconds; /* it may take; 0: HARNESS_SECONDS_DEFAULT */
	bool in_run;	  /* the body is a user thread, started by ell_run() */
	unsigned vcpus;	  /* that ell_run() starts; 0: as many as it likes */
};

#define HARNESS_SECONDS_DEFAULT 60

#define HARNESS_CASE(fn, ...)                                                                                          \
	{                                                                                                              \
		.name = #fn, .body = fn, ##__VA_ARGS__                                                                 \
	}
#define HARNESS_DIES(text) .dies = (text)
#define HARNESS_SECONDS(n) .seconds = (n)
#define HARNESS_IN_RUN .in_run = true
#define HARNESS_VCPUS(n) .vcpus = (n)

/* Two cases: a user thread with one vCPU, and with two. */
#define HARNESS_CASE_ON_1_AND_2(fn, ...)                                                                               \
	{.name = #fn "_on_1_vcpu", .body = fn, ##__VA_ARGS__, .in_run = true, .vcpus = 1},                             \
	{                                                                                                              \
		.name = #fn "_on_2_vcpus", .body = fn, ##__VA_ARGS__, .in_run = true, .vcpus = 2                       \
	}

int harness_run(const char *name, const struct harness_case *cases, size_t count, int argc, char **argv);

/* From here on: inside a case, from any of its threads and from the processes that it forks. */

#define CHECK(cond) ((cond) ? (void)0 : harness_fail(__FILE__, __LINE__, "%s", #cond))
#define CHECK_EQ(a, b) harness_equal(__FILE__, __LINE__, #a, (int64_t)(a), #b, (int64_t)(b))
#define CHECK_STR(a, b) harness_equal_str(__FILE__, __LINE__, #a, (a), #b, (b))
/* Did that happen which a race may or may not bring? If not the case is run again, HARNESS_TRIES times in all. */
#define CHECK_CAME(cond) ((cond) ? (void)0 : harness_missed(__FILE__, __LINE__, #cond))
#define HARNESS_TRIES 10

#define FAIL(...) harness_fail(__FILE__, __LINE__, __VA_ARGS__)

/* What this machine lacks for the case. */
#define SKIP(...) harness_skip(__VA_ARGS__)

/* What follows is about how fast something is, which a machine that is emulated does not show (HARNESS_EMULATED=1). */
#define NEED_PACE()                                                                                                    \
	(harness_emulated() ? SKIP("the pace of an emulated machine says nothing; all but that was checked") : (void)0)

/* What follows is about what a kernel does, for which qemu-user answers as it thinks right (HARNESS_EMULATED=user). */
#define NEED_KERNEL() (harness_emulated_by("user") ? SKIP("qemu-user does not answer as the kernel") : (void)0)

/* What follows is about what valgrind cannot do (HARNESS_EMULATED=valgrind). */
#define NO_VALGRIND(why) (harness_emulated_by("valgrind") ? SKIP("%s", (why)) : (void)0)

/* What follows hands addresses to the kernel that are none. */
#define NEED_BAD_ADDRESSES() NO_VALGRIND("a bad address is an error to valgrind; all but that was checked")

/* What follows qemu-user does not survive (HARNESS_EMULATED=user). */
#define NO_QEMU_USER(why) (harness_emulated_by("user") ? SKIP("%s", (why)) : (void)0)

/* One line that is printed if the case fails, whatever way: the state of the object under test. */
#define NOTE(...) harness_note(__VA_ARGS__)

/* A number for the case's random choices, noted for you. */
uint64_t harness_seed(void);

bool harness_emulated(void);
bool harness_emulated_by(const char *what);

/* How often something is done that is else done N times: a tenth of that on a machine that is emulated. */
unsigned harness_rounds(unsigned n);

void harness_fail(const char *file, int line, const char *fmt, ...) PRINTF(3, 4) __attribute__((noreturn));
void harness_missed(const char *file, int line, const char *what) __attribute__((noreturn));
void harness_skip(const char *fmt, ...) PRINTF(1, 2) __attribute__((noreturn));
/* Ends the case if a process that it forked has said that it is to be skipped. */
void harness_skip_if_skipped(void);
void harness_note(const char *fmt, ...) PRINTF(1, 2);
void harness_equal(const char *file, int line, const char *a, int64_t va, const char *b, int64_t vb);
void harness_equal_str(const char *file, int line, const char *a, const char *va, const char *b, const char *vb);

#ifdef __cplusplus
}
#endif
#endif
