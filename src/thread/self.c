/* SPDX-License-Identifier: BSD-2-Clause */
/* self.c - who is calling, and the small things about oneself */
#include "thread/self.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "sched/current.h"
#include "sched/sched.h"
#include "sys/sys.h"
#include "thread/life.h"

enum { PAGE = 4096 };

EXPORT ell_thread ell_self(void)
{
	return thread_self();
}

EXPORT void ell_yield(void)
{
	if (UNLIKELY(!arch_lwp_or_null()))
		sys.sched_yield();
	else
		sched_yield_self();
}

EXPORT int ell_vcpus(void)
{
	return (int)runtime.rt_count;
}

EXPORT int ell_vcpu(void)
{
	struct lwp *lw = arch_lwp_or_null();

	if (!lw)
		return -1;
	/* Of a thread, the one that it runs on, or has run on before its vCPU was given to another LWP. */
	return lw->lw_current ? lw->lw_current->th_last->vc_number : lw->lw_vcpu ? lw->lw_vcpu->vc_number : -1;
}

EXPORT int ell_name(ell_thread thread, char *buf, size_t size)
{
	struct thread *th = thread_find(thread);
	char name[ELL_NAME_MAX];
	size_t n;

	if (!th)
		return ESRCH;
	thread_name_get(th, name);
	if (size == 0)
		return ERANGE;
	n = strnlen(name, ELL_NAME_MAX - 1);
	memcpy(buf, name, n < size ? n : size - 1);
	buf[n < size ? n : size - 1] = '\0';
	return n < size ? 0 : ERANGE;
}

EXPORT void ell_name_set(const char *name)
{
	thread_name_copy(thread_current(), name);
}

EXPORT size_t ell_stack_high_water(void)
{
	struct thread *th = thread_current();
	unsigned char present;
	char *page;

	if (th->th_kind != THREAD_USER)
		return 0;
	for (page = th->th_stack_low; page < th->th_stack_high; page += PAGE) {
		if (sys.mincore(page, PAGE, &present) == 0 && (present & 1))
			break;
	}
	return (size_t)(th->th_stack_high - page);
}
