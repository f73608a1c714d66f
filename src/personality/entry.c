/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * entry.c - a system call of the program comes to us
 *
 * Two ways lead here. The first time that a call site is used, Syscall User Dispatch turns the call into SIGSYS, and
 * on_trap() handles it like any other; that takes 2 us. Then the site is rewritten (rewrite.c), and from then on jumps
 * to a stub, which calls entry_fast(). That decides with general registers alone: most calls go on to the kernel, and
 * nothing but a few pushes was added. What needs more comes to entry_slow(), with the vector registers saved.
 *
 * States of a thread: ENTRY_PROGRAM, its calls are the program's; ENTRY_US, they are ours, and pass. The word is in its
 * thread-local storage, so a rewritten site asks in one instruction. Sites that are not rewritten ask the kernel, which
 * reads the selector of the LWP. Both change in entry_enter() and entry_leave(), for a thread may come back on another
 * LWP than it left on. A handler of the program's that interrupts us, or scheduler context, finds ENTRY_US: its calls
 * pass, too.
 *
 * Children: of fork(), see process.c. A kernel thread begins without dispatch, and one that is not an LWP finds
 * ENTRY_US in its new thread-local storage: those of the runtime's own stay outside.
 */
#include "personality/entry.h"

#include <cpuid.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "base/panic.h"
#include "personality/calls.h"
#include "personality/clib.h"
#include "personality/futex.h"
#include "personality/guest.h"
#include "personality/masks.h"
#include "personality/process.h"
#include "personality/rewrite.h"
#include "personality/route.h"
#include "personality/signals.h"
#include "personality/stats.h"
#include "personality/table.h"
#include "sched/vcpu.h"

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#endif
#ifndef SYS_USER_DISPATCH
#define SYS_USER_DISPATCH 2
#endif

enum { DISPATCH_OFF, DISPATCH_ON, SELECTOR_ALLOW = 0, SELECTOR_BLOCK = 1 };

/* x87, SSE, AVX, and what AVX-512 adds. */
#define VECTOR_STATES UINT64_C(0xe7)

enum { X87_EXCEPTIONS = 0x3f };

__thread uint32_t entry_mode __attribute__((tls_model("initial-exec")));
__thread struct guest *guest_self __attribute__((tls_model("initial-exec")));
struct guest guest_main;
uint32_t guest_crowd;

uint32_t entry_vector_way, entry_vector_size = 512 + 64;
uint64_t entry_vector_mask;

static struct guest_lwp lwps[VCPUS_MAX + LWPS_SPARE_MAX];

struct guest_lwp *guest_lwp(void)
{
	struct lwp *lw = arch_lwp_or_null();

	return &lwps[lw ? lw->lw_number : 0];
}

struct guest_lwp *guest_lwp_of(const struct lwp *lw)
{
	return &lwps[lw->lw_number];
}

bool guest_is_in_program(const struct lwp *lw)
{
	return load_seq_cst(&lwps[lw->lw_number].gl_selector) == SELECTOR_BLOCK;
}

void entry_enter(void)
{
	entry_mode = ENTRY_US;
	guest_lwp()->gl_selector = SELECTOR_ALLOW;
	guest_self->gu_errno = errno;
}

void entry_leave(void)
{
	errno = guest_self->gu_errno;
	if (guest_self->gu_thread)
		masks_settle();
	guest_lwp()->gl_selector = SELECTOR_BLOCK;
	entry_mode = ENTRY_PROGRAM;
	if (UNLIKELY(load_relaxed(&guest_self->gu_pending)))
		signals_deliver();
}

uint32_t entry_handler_begins(void)
{
	uint32_t before = entry_mode;

	if (arch_lwp_or_null()) {
		before |= (uint32_t)guest_lwp()->gl_selector << 8;
		guest_lwp()->gl_selector = SELECTOR_ALLOW;
	}
	entry_mode = ENTRY_US;
	return before;
}

void entry_handler_ends(uint32_t before)
{
	if (arch_lwp_or_null())
		guest_lwp()->gl_selector = (uint8_t)(before >> 8);
	entry_mode = before & 0xff;
	if (entry_mode == ENTRY_PROGRAM && load_relaxed(&guest_self->gu_pending))
		signals_kicked();
}

static int64_t pass(const struct entry_regs *g)
{
	return RAW((long)g->rax, g->rdi, g->rsi, g->rdx, g->r10, g->r8, g->r9);
}

/* A call of our own, or of what the program never sees. */
static void handle_ours(struct entry_regs *g)
{
	uint64_t nr = g->rax;

	if (table_is_clone(nr))
		g->rax = (uint64_t)process_plain(g);
	else
		g->rax = (uint64_t)pass(g);
	if (nr == SYS_futex)
		futex_passed(g);
}

/* The caller has entered. */
static void handle_inside(struct entry_regs *g)
{
	const struct table_row *row = table_row(g->rax);

	if (!row || !row->call || (row->when == TABLE_CROWD && guest_is_alone() && !futex_has_owner(g))) {
		if (g->rax == SYS_futex && !futex_is_wake(g->rsi))
			futex_waits_in_kernel(g->rdi);
		g->rax = (uint64_t)pass(g);
	} else {
		/* It may be that of a handler which has interrupted another one. */
		uint64_t ends = guest_self->gu_ends;
		int64_t result;

		if (UNLIKELY(clib.cancel))
			store_relaxed(&guest_self->gu_ends, clib_cancels(g->rip));
		result = row->call(g);

		while (result == -EINTR && row->restarts && signals_restart()) {
			entry_leave();
			entry_enter();
			result = row->call(g);
		}
		if (UNLIKELY(clib.cancel))
			store_relaxed(&guest_self->gu_ends, ends);
		if (UNLIKELY(result == -EINTR) && guest_self->gu_thread)
			route_await();
		if (UNLIKELY(result == -EPIPE || result == -EFBIG))
			signals_write_failed(result);
		g->rax = (uint64_t)result;
	}
	/* A child of fork() that is to do without us is not brought back. */
	if (LIKELY(!entry_ended()))
		entry_leave();
}

static void handle(struct entry_regs *g)
{
	entry_enter();
	handle_inside(g);
}

void entry_slow(struct entry_regs *g)
{
	if (UNLIKELY(entry_mode != ENTRY_PROGRAM))
		handle_ours(g);
	else
		handle(g);
}

static void load(struct entry_regs *g, const greg_t *r)
{
	*g = (struct entry_regs){
		.r15 = (uint64_t)r[REG_R15],
		.r14 = (uint64_t)r[REG_R14],
		.r13 = (uint64_t)r[REG_R13],
		.r12 = (uint64_t)r[REG_R12],
		.rbx = (uint64_t)r[REG_RBX],
		.rbp = (uint64_t)r[REG_RBP],
		.r9 = (uint64_t)r[REG_R9],
		.r8 = (uint64_t)r[REG_R8],
		.r10 = (uint64_t)r[REG_R10],
		.rdx = (uint64_t)r[REG_RDX],
		.rsi = (uint64_t)r[REG_RSI],
		.rdi = (uint64_t)r[REG_RDI],
		.rax = (uint64_t)r[REG_RAX],
		.rsp = (uint64_t)r[REG_RSP],
		.rip = (uint64_t)r[REG_RIP],
	};
}

/* The kernel has begun our handler with floating-point modes of its own, and a new thread is to get the program's. */
static void load_modes(fpregset_t state)
{
	uint32_t mxcsr = state->mxcsr | (state->swd & X87_EXCEPTIONS);

	__asm__ volatile("ldmxcsr %0\n\tfldcw %1" : : "m"(mxcsr), "m"(state->cwd));
}

/* The end of a handler of the program's. */
static void handle_sigreturn(const struct entry_regs *g, bool ours)
{
	if (!ours)
		signals_return((const ucontext_t *)g->rsp);
	entry_sigreturn(g->rsp);
}

static void on_trap(int signal, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	greg_t *r = uc->uc_mcontext.gregs;
	struct entry_regs g;

	(void)signal;
	if (info->si_code != SYS_USER_DISPATCH)
		panic("SIGSYS, code %d, for system call %d: by a filter, or sent", info->si_code, info->si_syscall);
	load(&g, r);
	if (g.rax == SYS_rt_sigreturn)
		handle_sigreturn(&g, entry_mode != ENTRY_PROGRAM);
	if (entry_mode != ENTRY_PROGRAM) {
		handle_ours(&g);
	} else {
		uint64_t nr = g.rax;

		load_modes(uc->uc_mcontext.fpregs);
		entry_enter();
		count_up(&stats.traps, 1);
		if (!stacks_unmaps_own(&g))
			rewrite_seen(&g);
		handle_inside(&g);
		if (guest_self->gu_thread || nr == SYS_rt_sigprocmask)
			memcpy(&uc->uc_sigmask, &guest_self->gu_mask, sizeof(guest_self->gu_mask));
		if (guest_self->gu_thread || nr == SYS_sigaltstack)
			uc->uc_stack = guest_self->gu_alternate;
	}
	r[REG_RAX] = (greg_t)g.rax;
}

static void find_vector_way(void)
{
	unsigned a, b, c, d;
	uint32_t low, high;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
		return;
	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	entry_vector_mask = ((uint64_t)high << 32 | low) & VECTOR_STATES;
	entry_vector_way = 1;
	if (__get_cpuid_count(13, 1, &a, &b, &c, &d) && (a & 2))
		entry_vector_way = 2;
	/* The standard layout is the largest: where the last state ends. */
	for (unsigned state = 2; state < 8; state++) {
		if ((entry_vector_mask & (UINT64_C(1) << state)) && __get_cpuid_count(13, state, &a, &b, &c, &d) &&
		    b + a > entry_vector_size)
			entry_vector_size = b + a;
	}
}

int entry_arm(unsigned lwp)
{
	/* In a child there was another one. */
	lwps[lwp] = (struct guest_lwp){0};
	return (int)RAW(SYS_prctl, PR_SET_SYSCALL_USER_DISPATCH, DISPATCH_ON, entry_region_begin,
			entry_region_end - entry_region_begin, &lwps[lwp].gl_selector);
}

int entry_begin(void)
{
	/* As the kernel knows it. */
	const struct {
		void (*handler)(int, siginfo_t *, void *);
		uint64_t flags;
		const char *restorer;
		uint64_t mask;
	} action = {on_trap, SA_SIGINFO | SA_NODEFER | 0x04000000, entry_restorer, 0};
	int error;

	find_vector_way();
	clib_begin();
	rewrite_begin();
	guest_self = &guest_main;
	error = (int)RAW(SYS_rt_sigaction, SIGSYS, &action, NULL, 8);
	if (!error)
		error = entry_arm(0);
	if (error)
		return error;
	masks_begin();
	guest_lwp()->gl_selector = SELECTOR_BLOCK;
	entry_mode = ENTRY_PROGRAM;
	return 0;
}

static bool ended;

bool entry_ended(void)
{
	return ended;
}

void entry_end(void)
{
	ended = true;
	entry_mode = ENTRY_US;
}
