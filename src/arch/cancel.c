/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cancel.c - the signal that ends a system call of another kernel thread
 *
 * The handler is installed by the kernel's own call and not by sigaction(3), because the thread sanitizer puts handlers
 * off to a better moment, which is too late for one that asks which instruction it has interrupted.
 */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "arch/arch.h"

/* cancel.S */
extern const char arch_cancel_begin[], arch_cancel_end[], arch_cancel_out[];

#if defined(__x86_64__)
#define PC(uc) (uc)->uc_mcontext.gregs[REG_RIP]
void arch_cancel_return(void);
#elif defined(__aarch64__)
#define PC(uc) (uc)->uc_mcontext.pc
#endif

__attribute__((no_sanitize("thread"))) static void handler(int number, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	uintptr_t pc = (uintptr_t)PC(uc);

	(void)number;
	(void)info;
	if (pc >= (uintptr_t)arch_cancel_begin && pc < (uintptr_t)arch_cancel_end)
		PC(uc) = (__typeof__(PC(uc)))(uintptr_t)arch_cancel_out;
}

/* The kernel's struct sigaction, which is not the C library's. */
struct kernel_action {
	void (*handler)(int number, siginfo_t *info, void *context);
	unsigned long flags;
#if defined(__x86_64__)
	void (*restorer)(void);
#endif
	uint64_t mask;
};

int arch_cancel_install(int number)
{
	struct kernel_action action = {.handler = handler, .flags = SA_SIGINFO | SA_ONSTACK};

#if defined(__x86_64__)
	/* SA_RESTORER, which only the kernel's headers name. */
	action.flags |= 0x04000000;
	action.restorer = arch_cancel_return;
#endif
	return syscall(SYS_rt_sigaction, number, &action, NULL, sizeof(action.mask)) == 0 ? 0 : -errno;
}
