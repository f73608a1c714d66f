/* SPDX-License-Identifier: BSD-2-Clause */
/* start.c - the beginning and the end of the runtime */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/panic.h"
#include "kport/kport.h"
#include "mem/tls.h"
#include "message/message.h"
#include "sched/current.h"
#include "sched/deadline.h"
#include "sched/end.h"
#include "sched/interrupt.h"
#include "sched/sanitizer.h"
#include "sched/sched.h"
#include "sched/send.h"
#include "sys/cpus.h"
#include "sys/sys.h"

struct runtime runtime;

void (*sched_lwp_begins)(void);
void (*sched_begun)(void);
void (*sched_ending)(void);
void (*sched_crash)(int number);

static struct lwp *lwps;

/* How the new LWPs tell that they are there, or why not. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned ready;
	unsigned gone; /* of these, because there was an error */
	int error;
} starting = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static struct kport *own_kport(void)
{
	struct lwp *lw = arch_lwp_or_null();

	return lw ? lw->lw_kport : NULL;
}

static void note_stack(struct lwp *lw)
{
	pthread_attr_t attr;
	void *low = NULL;

	if (sys.pthread_getattr_np(pthread_self(), &attr) != 0)
		return;
	pthread_attr_getstack(&attr, &low, &lw->lw_stack_size);
	pthread_attr_destroy(&attr);
	lw->lw_stack_low = low;
}

/* Not inlined: the address must not be remembered from before a change of TLS. */
NOINLINE int *lwp_errno(void)
{
	__asm__ volatile("");
	return &errno;
}

void lwp_resign(void)
{
	arch_lwp_set(NULL);
	ell_critical_self.cr_depth = 0;
}

/* The calling kernel thread becomes LWP number NUMBER: 0 or -errno. */
static int become_lwp(unsigned number)
{
	struct lwp *lw = &lwps[number];
	int error = 0;

	*lw = (struct lwp){
		.lw_self = lw,
		.lw_vcpu = &runtime.rt_vcpus[number],
		.lw_errno = lwp_errno(),
		.lw_tls = arch_tls(),
		.lw_kernel_tls = arch_tls(),
		.lw_pthread = pthread_self(),
		.lw_tid = sys.gettid(),
		.lw_number = (int)number,
	};
	note_stack(lw);
	sanitizer_lwp_begin(lw);
	lw->lw_kport = kport_create(number, &error);
	if (!lw->lw_kport)
		return error;
	lw->lw_vcpu->vc_lwp = lw;
	arch_lwp_set(lw);
	/* Scheduler context: nobody interrupts that. */
	ell_critical_self.cr_depth = 1;
	sched_lwp_begins();
	interrupt_allow();
	return 0;
}

/* The start has failed: the calling kernel thread is no LWP any more. */
static void leave_lwp(struct lwp *lw)
{
	lwp_resign();
	if (lw->lw_kport)
		lw->lw_kport->kp_ops->destroy(lw->lw_kport);
	lw->lw_kport = NULL;
}

static void *lwp_main(void *arg)
{
	unsigned number = (unsigned)(uintptr_t)arg;
	int error = become_lwp(number);
	bool failed;

	sys.pthread_mutex_lock(&starting.lock);
	starting.ready++;
	if (error)
		starting.error = error;
	/* The other LWPs wait here, too: one signal might find only them. */
	sys.pthread_cond_broadcast(&starting.changed);
	/* Nobody may steal from a vCPU, or wake it, before all are there. */
	while (!error && !runtime.rt_count && !starting.error)
		sys.pthread_cond_wait(&starting.changed, &starting.lock);
	failed = !runtime.rt_count;
	sys.pthread_mutex_unlock(&starting.lock);
	if (failed) {
		leave_lwp(&lwps[number]);
		sys.pthread_mutex_lock(&starting.lock);
		starting.gone++;
		sys.pthread_cond_broadcast(&starting.changed);
		sys.pthread_mutex_unlock(&starting.lock);
		return NULL;
	}
	sched_loop(&lwps[number]);
	end_linger(&lwps[number]);
	lwp_resign();
	return NULL;
}

/* LWPs 1 to COUNT - 1: 0 or -errno. */
static int start_others(unsigned count)
{
	unsigned started = 1;

	for (; started < count; started++) {
		pthread_t thread;
		int error = sys.pthread_create(&thread, NULL, lwp_main, (void *)(uintptr_t)started);

		if (error) {
			starting.error = -error;
			break;
		}
		pthread_detach(thread);
	}
	sys.pthread_mutex_lock(&starting.lock);
	while (starting.ready + 1 < started)
		sys.pthread_cond_wait(&starting.changed, &starting.lock);
	if (!starting.error)
		store_release(&runtime.rt_count, count);
	sys.pthread_cond_broadcast(&starting.changed);
	/* What they have is about to be freed. */
	while (starting.error && starting.gone < starting.ready)
		sys.pthread_cond_wait(&starting.changed, &starting.lock);
	sys.pthread_mutex_unlock(&starting.lock);
	return starting.error;
}

/* ELLULA_VCPUS, or what the process may use: 0 if the variable makes no sense. */
static unsigned vcpus_wanted(void)
{
	const char *text = getenv("ELLULA_VCPUS");
	unsigned long n;
	char *end;

	if (!text || !*text) {
		unsigned cpus = cpus_allowed();

		return cpus < VCPUS_MAX ? cpus : VCPUS_MAX;
	}
	errno = 0;
	n = strtoul(text, &end, 10);
	/* To strtoul(), "-18446744073709551615" is 1. */
	if (*text < '0' || *text > '9' || *end || errno || n < 1 || n > VCPUS_MAX) {
		complain("ELLULA_VCPUS=%s: a number from 1 to %d is wanted", text, VCPUS_MAX);
		return 0;
	}
	return (unsigned)n;
}

/* After a start that has failed: all is as before it, and it can be tried again. */
static void forget(void)
{
	free(runtime.rt_vcpus);
	free(lwps);
	runtime.rt_vcpus = NULL;
	lwps = NULL;
	starting.ready = starting.gone = 0;
	starting.error = 0;
}

static bool allocate(unsigned count)
{
	ell_time now = ell_now();

	runtime.rt_vcpus = aligned_alloc(CACHE_LINE, count * sizeof(struct vcpu));
	lwps = aligned_alloc(CACHE_LINE, count * sizeof(struct lwp));
	if (!runtime.rt_vcpus || !lwps) {
		forget();
		return false;
	}
	memset(runtime.rt_vcpus, 0, count * sizeof(struct vcpu));
	memset(lwps, 0, count * sizeof(struct lwp));
	for (unsigned i = 0; i < count; i++) {
		runtime.rt_vcpus[i].vc_number = (int)i;
		wheel_init(&runtime.rt_vcpus[i].vc_wheel, now);
		runtime.rt_vcpus[i].vc_wheel.wh_due = deadline_due;
	}
	return true;
}

int sched_start(struct lwp **self)
{
	unsigned count;
	int error;

	if (runtime.rt_vcpus)
		return -EALREADY;
	arch_probe();
	count = vcpus_wanted();
	if (!count || kport_choose() < 0)
		return -EINVAL;
	tls_probe();
	if (!allocate(count))
		return -ENOMEM;
	kport_above.self = own_kport;
	interrupt_start();
	runtime.rt_solo = count == 1;
	runtime.rt_migrate = count > 1 && getenv("ELLULA_MIGRATE");
	error = become_lwp(0);
	if (!error)
		error = start_others(count);
	if (error) {
		complain("cannot start: %s", strerror(-error));
		leave_lwp(&lwps[0]);
		forget();
		return error;
	}
	send_connect();
	*self = &lwps[0];
	return 0;
}

void sched_end(void)
{
	store_seq_cst(&runtime.rt_ended, 1);
	for (unsigned i = 0; i < runtime.rt_count; i++)
		kport_wake(runtime.rt_vcpus[i].vc_lwp->lw_kport);
}
