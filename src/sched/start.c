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
#include "sched/handoff.h"
#include "sched/inside.h"
#include "sched/interrupt.h"
#include "sched/limit.h"
#include "sched/monitor.h"
#include "sched/sanitizer.h"
#include "sched/sched.h"
#include "sched/send.h"
#include "sched/stall.h"
#include "sys/cpus.h"
#include "sys/nodes.h"
#include "sys/sys.h"

struct runtime runtime;

void (*sched_lwp_begins)(void);
void (*sched_begun)(void);
void (*sched_ending)(void);
void (*sched_crash)(int number);

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

	/* One that is away leaves its ring to the monitor. */
	return lw && lw->lw_vcpu ? lw->lw_kport : NULL;
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

/*
 * Threads of VC without TLS of their own have this in common. Not the LWP's: VC may come to another one. LW is the
 * first.
 */
static bool share_tls(struct vcpu *vc, const struct lwp *lw)
{
	vc->vc_tls = lw->lw_tls;
	vc->vc_errno = lw->lw_errno;
	if (!tls_works())
		return true;
	vc->vc_tls = tls_create();
	if (!vc->vc_tls)
		return false;
	arch_tls_set(vc->vc_tls);
	tls_enter(false);
	vc->vc_errno = lwp_errno();
	arch_tls_set(lw->lw_tls);
	tls_guard(vc->vc_tls);
	return true;
}

static void begin_vcpu(struct vcpu *vc, unsigned number)
{
	memset(vc, 0, sizeof(*vc));
	vc->vc_number = (int)number;
	vc->vc_node = nodes_current();
	wheel_init(&vc->vc_wheel, ell_now());
	vc->vc_wheel.wh_due = deadline_due;
}

/* The calling kernel thread becomes LWP number NUMBER, the holder of VC if that is not NULL: 0 or -errno. */
static int become_lwp(unsigned number, struct vcpu *vc)
{
	struct lwp *lw = &runtime.rt_lwps[number];
	int error = 0;

	if (vc)
		begin_vcpu(vc, number);
	*lw = (struct lwp){
		.lw_self = lw,
		.lw_inside = 1,
		.lw_asked = vc ? HANDOFF_HOLDS : HANDOFF_AWAY,
		.lw_home = !vc,
		.lw_vcpu = vc,
		.lw_errno = lwp_errno(),
		.lw_tls = arch_tls(),
		.lw_kernel_tls = arch_tls(),
		.lw_pthread = pthread_self(),
		.lw_tid = sys.gettid(),
		.lw_number = (int)number,
	};
	if (vc && !share_tls(vc, lw))
		return -ENOMEM;
	note_stack(lw);
	sanitizer_lwp_begin(lw);
	lw->lw_kport = kport_create(number, &error);
	if (!lw->lw_kport)
		return error;
	if (vc)
		vc->vc_lwp = lw;
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
	if (lw->lw_vcpu && lw->lw_vcpu->vc_tls && lw->lw_vcpu->vc_tls != lw->lw_tls)
		tls_destroy(lw->lw_vcpu->vc_tls);
}

static void *lwp_main(void *arg)
{
	unsigned number = (unsigned)(uintptr_t)arg;
	int error = become_lwp(number, &runtime.rt_vcpus[number]);
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
		leave_lwp(&runtime.rt_lwps[number]);
		sys.pthread_mutex_lock(&starting.lock);
		starting.gone++;
		sys.pthread_cond_broadcast(&starting.changed);
		sys.pthread_mutex_unlock(&starting.lock);
		return NULL;
	}
	sched_loop(&runtime.rt_lwps[number]);
	handoff_end(&runtime.rt_lwps[number]);
	end_linger(&runtime.rt_lwps[number]);
	lwp_resign();
	return NULL;
}

static void *spare_main(void *arg)
{
	unsigned number = (unsigned)(uintptr_t)arg;
	int error;

	monitor_adopt();
	error = become_lwp(number, NULL);
	if (error)
		leave_lwp(&runtime.rt_lwps[number]);
	monitor_spare_made(error);
	if (error)
		return NULL;
	sched_loop(&runtime.rt_lwps[number]);
	handoff_end(&runtime.rt_lwps[number]);
	end_linger(&runtime.rt_lwps[number]);
	lwp_resign();
	return NULL;
}

int sched_spare_create(unsigned number)
{
	pthread_t thread;
	int error = sys.pthread_create(&thread, NULL, spare_main, (void *)(uintptr_t)number);

	if (!error)
		pthread_detach(thread);
	return -error;
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
	if (!starting.error) {
		/* ORD lwps-2: pairs with ORD lwps-1 */
		store_release(&runtime.rt_lwp_count, count);
		store_release(&runtime.rt_count, count);
	}
	sys.pthread_cond_broadcast(&starting.changed);
	/* What they have is about to be freed. */
	while (starting.error && starting.gone < starting.ready)
		sys.pthread_cond_wait(&starting.changed, &starting.lock);
	sys.pthread_mutex_unlock(&starting.lock);
	return starting.error;
}

/* The number in the environment variable NAME, DEFLT if there is none: 0 if it is not from 1 to MOST. */
static unsigned wanted(const char *name, unsigned deflt, unsigned most)
{
	const char *text = getenv(name);
	unsigned long n;
	char *end;

	if (!text || !*text)
		return deflt < most ? deflt : most;
	errno = 0;
	n = strtoul(text, &end, 10);
	/* To strtoul(), "-18446744073709551615" is 1. */
	if (*text < '0' || *text > '9' || *end || errno || n < 1 || n > most) {
		complain("%s=%s: a number from 1 to %u is wanted", name, text, most);
		return 0;
	}
	return (unsigned)n;
}

void sched_start_forget(void)
{
	runtime.rt_vcpus = NULL;
	runtime.rt_lwps = NULL;
	store_release(&runtime.rt_lwp_count, 0); /* ORD lwps-2: pairs with ORD lwps-1 */
	starting.ready = starting.gone = 0;
	starting.error = 0;
}

/* After a start that has failed: all is as before it, and it can be tried again. */
static void forget(void)
{
	free(runtime.rt_vcpus);
	free(runtime.rt_lwps);
	sched_start_forget();
}

/* Nothing is touched here: see struct vcpu. */
static bool allocate(unsigned count, unsigned lwps)
{
	runtime.rt_lwp_max = lwps > count ? lwps : count;
	runtime.rt_vcpus = aligned_alloc(_Alignof(struct vcpu), count * sizeof(struct vcpu));
	runtime.rt_lwps = aligned_alloc(_Alignof(struct lwp), runtime.rt_lwp_max * sizeof(struct lwp));
	if (runtime.rt_vcpus && runtime.rt_lwps)
		return true;
	forget();
	return false;
}

int sched_start(struct lwp **self)
{
	unsigned count, lwps;
	int error;

	if (runtime.rt_vcpus)
		return -EALREADY;
	arch_probe();
	count = wanted("ELLULA_VCPUS", cpus_allowed(NULL), VCPUS_MAX);
	lwps = wanted("ELLULA_LWPS_MAX", count + LWPS_SPARE_MAX, VCPUS_MAX + LWPS_SPARE_MAX);
	if (!count || !lwps || !stall_configure() || kport_choose() < 0)
		return -EINVAL;
	tls_probe();
	nodes_read(NODES_ROOT);
	/* One for each vCPU, and for the scheduler of the first LWP. */
	if (!tls_reserve(count + 1) || !allocate(count, lwps))
		return -ENOMEM;
	kport_above.self = own_kport;
	interrupt_start();
	limit_begin(count, !getenv("ELLULA_VCPUS"));
	runtime.rt_solo = count == 1;
	runtime.rt_migrate = count > 1 && getenv("ELLULA_MIGRATE");
	monitor_prepare();
	error = become_lwp(0, &runtime.rt_vcpus[0]);
	if (!error)
		error = start_others(count);
	if (error) {
		complain("cannot start: %s", strerror(-error));
		leave_lwp(&runtime.rt_lwps[0]);
		monitor_unprepare();
		forget();
		return error;
	}
	send_connect();
	monitor_start();
	*self = &runtime.rt_lwps[0];
	return 0;
}

void sched_wake_lwps(void)
{
	struct lwp *lw;

	guard_enter();
	lw = arch_lwp_or_null();
	if (lw)
		inside_enter(lw);
	/* ORD lwps-1: pairs with ORD lwps-2. One that comes later looks by itself. */
	for (unsigned i = 0; i < load_acquire(&runtime.rt_lwp_count); i++)
		kport_wake(runtime.rt_lwps[i].lw_kport);
	if (lw)
		inside_leave(lw);
	guard_leave();
}

void sched_end(void)
{
	store_seq_cst(&runtime.rt_ended, 1);
	sched_wake_lwps();
	monitor_ring();
}
