/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * monitor.c - a kernel thread that sees who does not schedule
 *
 * Purpose: to find a vCPU whose LWP has not scheduled for a slice, and to have it handed over (handoff.c).
 *
 * It looks at the counters of each vCPU: a switch or a round changes one. A vCPU that runs, and whose counters are what
 * they were a look before, is stalled. A millisecond later the CPU time of its LWP tells why. It has used none: it is
 * blocked, or the kernel keeps it waiting for long. It has used half of that or more: it computes. In both cases the
 * vCPU is taken. It has used a part: there are more that want to run than the machine has CPUs, and another LWP would
 * not get more.
 *
 * The looks are SLICE_NS apart, and the vCPU is taken whether anybody waits for it or not. After a hand-off they are
 * TICK_MIN_NS apart, then twice that, and so on: where one thread has blocked, others may; and then a vCPU is taken
 * earlier, if somebody waits.
 *
 * When all vCPUs are idle at a look, it sleeps until one is not:
 *
 *	the monitor				the vCPU
 *	1. monitor_sleeps = 1			1. clears its idle bit
 *	2. looks at the idle bits		2. reads monitor_sleeps
 *	3. if all are set: sleeps		3. if 1: changes it to 0, and wakes the monitor
 *
 * Either sees the other (ORD monitor-1, monitor-2). A process that becomes idle and busy all the time does not pay for
 * that each time, for the monitor sleeps only after SLICE_NS without work.
 *
 * It sleeps on an eventfd, its bell. The kernel ports of LWPs that are away ring it, too, or are heard by kport_away.
 *
 * A thread may say that it will block (ell_blocking_enter()). Then it gives its vCPU away itself; where that was not
 * possible, or it has got another one since, the vCPU is taken at once.
 *
 * Spare LWPs are made here, one ahead of the need, and never with the lock: the C library's fork() holds those of
 * malloc when it waits for ours, and a kernel thread is made with malloc.
 */
#include "sched/monitor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>

#include "base/lock.h"
#include "base/panic.h"
#include "kport/kport.h"
#include "sched/handoff.h"
#include "sched/limit.h"
#include "sched/runq.h"
#include "sched/sched.h"
#include "sched/stall.h"
#include "sys/sys.h"

#define SLICE_NS (10 * ELL_MSEC)
#define TICK_MIN_NS (100 * ELL_USEC)
#define CPU_LOOK_NS (1 * ELL_MSEC)
#define SPARE_NS (200 * ELL_USEC)
#define RETRY_NS (1 * ELL_SEC)
#define SLACK_NS (4 * ELL_MSEC)
#define SLACK_SHORT_NS (50 * ELL_USEC)

uint32_t monitor_sleeps;

/* What was seen of a vCPU. */
struct sight {
	uint64_t count; /* of its switches and rounds */
	const struct lwp *lwp;
	ell_time since;	    /* that it does not change */
	ell_time suspected; /* when its LWP had used ...; 0: not suspected */
	ell_time cpu;	    /* ... this CPU time */
};

static struct {
	uint32_t runs;
	bool hands_over;  /* or only looks, for the sake of reports (stall.c) */
	sigset_t signals; /* that are blocked in LWPs, as in who started the runtime */
	int slack;	  /* of the timers of LWPs, as of that */
	unsigned long own_slack;
	uint32_t look;	       /* lock: while it looks, and does something about what it sees */
	uint32_t wanted;       /* 1: somebody has said that a spare LWP will be of use */
	uint32_t making;       /* 1: an LWP is being made */
	ell_time no_lwp_until; /* there are enough, or one could not be made */
	struct sight sights[VCPUS_MAX];
} monitor;

void monitor_ring(void)
{
	const uint64_t one = 1;

	if (kport_bell >= 0)
		while (sys.write(kport_bell, &one, sizeof(one)) < 0 && errno == EINTR)
			;
}

void monitor_wake(void)
{
	uint32_t sleeps = 1;

	if (cas_seq_cst(&monitor_sleeps, &sleeps, 0))
		monitor_ring();
}

void monitor_want_spare(void)
{
	if (!monitor.hands_over)
		return;
	store_release(&monitor.wanted, 1);
	monitor_ring();
}

void monitor_adopt(void)
{
	sys.pthread_sigmask(SIG_SETMASK, &monitor.signals, NULL);
	if (monitor.slack > 0)
		sys.prctl(PR_SET_TIMERSLACK, (unsigned long)monitor.slack);
}

void monitor_hold(void)
{
	lock_acquire(&monitor.look);
}

void monitor_release(void)
{
	lock_release(&monitor.look);
}

/* No lock_acquire(): who crashes may hold it. */
void monitor_halt(ell_time until)
{
	const struct timespec nap = {.tv_nsec = 1000000};

	guard_enter();
	while (!lock_try(&monitor.look) && ell_now() < until)
		sys.nanosleep(&nap, NULL);
}

void monitor_unprepare(void)
{
	if (kport_bell >= 0)
		sys.close(kport_bell);
	if (kport_away >= 0)
		sys.close(kport_away);
	kport_bell = kport_away = -1;
}

void monitor_forked(void)
{
	monitor_unprepare();
	monitor_sleeps = 0;
	monitor.runs = 0;
	monitor.hands_over = false;
	monitor.making = monitor.wanted = 0;
	monitor.no_lwp_until = 0;
	/* The forker holds it. */
	lock_release(&monitor.look);
	handoff_forked();
}

static bool is_idle(unsigned vcpu)
{
	return load_seq_cst(&runtime.rt_idle[vcpu / 64]) & UINT64_C(1) << vcpu % 64;
}

static bool all_idle(void)
{
	for (unsigned i = 0; i < runtime.rt_count; i++) {
		if (!is_idle(i))
			return false;
	}
	return true;
}

/* Does anything wait for VC? What is read here may be of different moments. */
static bool has_waiters(const struct vcpu *vc, ell_time now)
{
	const struct kport *kp = vcpu_kport(vc);

	return runq_has_some(vc) || load_relaxed(&vc->vc_next) || load_relaxed(&vc->vc_own_next) ||
	       load_relaxed(&vc->vc_own_first) || load_relaxed(&vc->vc_inbox) || timer_next(&vc->vc_wheel) <= now ||
	       kport_is_posted(kp) || kp->kp_ops->has_news(kp);
}

/* The CPU time of a kernel thread: the clock's number is made as clock_getcpuclockid(3) does it. */
static ell_time cpu_time(pid_t tid)
{
	struct timespec ts;

	if (sys.clock_gettime((clockid_t)(~(unsigned)tid << 3 | 6), &ts) != 0)
		return 0;
	return ts.tv_sec * ELL_SEC + ts.tv_nsec;
}

enum verdict { INNOCENT, UNDECIDED, GUILTY };

/*
 * It has not scheduled for a slice: is that its own doing? If it uses its CPU it computes; if it uses none it is
 * blocked. If it gets some, it would like more.
 */
static enum verdict judge(struct sight *s, const struct lwp *lw, ell_time now)
{
	ell_time cpu = cpu_time(lw->lw_tid), used = cpu - s->cpu;

	if (!s->suspected) {
		s->cpu = cpu;
		s->suspected = now;
		return UNDECIDED;
	}
	if (used == 0 || used * 2 >= now - s->suspected)
		return GUILTY;
	s->suspected = 0;
	return INNOCENT;
}

static void make_spare(ell_time now)
{
	uint32_t nobody = 0;
	unsigned number = runtime.rt_lwp_count;
	int error;

	if (handoff_has_spare() || now < monitor.no_lwp_until || !cas_acq_rel(&monitor.making, &nobody, 1))
		return;
	error = number < runtime.rt_lwp_max ? sched_spare_create(number) : -EAGAIN;
	if (error)
		monitor_spare_made(error);
}

void monitor_spare_made(int error)
{
	if (error)
		store_relaxed(&monitor.no_lwp_until, ell_now() + RETRY_NS);
	else
		store_release(&runtime.rt_lwp_count, runtime.rt_lwp_count + 1);
	store_release(&monitor.making, 0);
}

/* Does the thread on LW say that it will block? */
static bool is_announced(const struct lwp *lw)
{
	const struct thread *th = load_relaxed(&lw->lw_current);

	return th && load_relaxed(&th->th_blocking);
}

/* VC is stalled: how soon to look again. */
static ell_time take(struct vcpu *vc, ell_time now)
{
	struct lwp *lw = load_relaxed(&vc->vc_lwp);
	ell_time since = is_announced(lw) ? 0 : monitor.sights[vc->vc_number].since;
	enum handoff_result result = handoff_take(vc);

	if (result == HANDOFF_DONE)
		store_relaxed(&lw->lw_stalled, since);
	store_release(&monitor.wanted, 1);
	if (result == HANDOFF_DONE)
		return TICK_MIN_NS;
	return result == HANDOFF_NOBODY && now >= monitor.no_lwp_until ? SPARE_NS : SLICE_NS;
}

/* Looks at VC: how soon to look again. */
static ell_time look_at(struct vcpu *vc, ell_time now, ell_time tick)
{
	struct sight *s = &monitor.sights[vc->vc_number];
	uint64_t count = load_relaxed(&vc->vc_switches) + load_relaxed(&vc->vc_rounds);
	const struct lwp *lw = load_relaxed(&vc->vc_lwp);

	if (!is_idle((unsigned)vc->vc_number) && is_announced(lw) && monitor.hands_over)
		return take(vc, now);
	if (count != s->count || lw != s->lwp || is_idle((unsigned)vc->vc_number)) {
		*s = (struct sight){.count = count, .lwp = lw, .since = now};
		return SLICE_NS;
	}
	if (!monitor.hands_over)
		return SLICE_NS;
	if (now - s->since < tick && now - s->since < SLICE_NS)
		return SLICE_NS;
	if (now - s->since < SLICE_NS && !has_waiters(vc, now))
		return SLICE_NS;
	switch (judge(s, lw, now)) {
	case GUILTY:
		return take(vc, now);
	case UNDECIDED:
		store_release(&monitor.wanted, 1);
		return CPU_LOOK_NS;
	default:
		return SLICE_NS;
	}
}

/* Reports who has not scheduled for long, with a vCPU or without; is there somebody of whom a report may still come? */
static bool look_for_stalls(ell_time now)
{
	bool more = false;

	if (!stall_is_watched())
		return false;
	for (unsigned i = 0; i < runtime.rt_count; i++) {
		const struct sight *s = &monitor.sights[i];
		struct lwp *lw = load_relaxed(&runtime.rt_vcpus[i].vc_lwp);

		if (lw == s->lwp && !is_idle(i) && load_relaxed(&lw->lw_current) && !is_announced(lw))
			stall_look(lw, s->since, now);
	}
	/* ORD lwps-1: pairs with ORD lwps-2 in sched/start.c */
	for (unsigned i = 0; i < load_acquire(&runtime.rt_lwp_count); i++) {
		struct lwp *lw = &runtime.rt_lwps[i];

		ell_time since = load_relaxed(&lw->lw_stalled);

		if (load_acquire(&lw->lw_asked) == HANDOFF_AWAY && !load_relaxed(&lw->lw_home) && since)
			more |= stall_look(lw, since, now);
	}
	return more;
}

/* Nobody minds when exactly a slice is over: then the kernel need not wake up for that alone, a fifth of the cost. */
static void set_slack(int timeout_us)
{
	unsigned long wanted = timeout_us * ELL_USEC < SLICE_NS ? SLACK_SHORT_NS : SLACK_NS;

	if (monitor.own_slack != wanted)
		sys.prctl(PR_SET_TIMERSLACK, wanted);
	monitor.own_slack = wanted;
}

/* Sleeps until TIMEOUT has passed, or somebody rings. */
static void sleep_for(int timeout_us)
{
	struct pollfd bells[] = {{.fd = kport_bell, .events = POLLIN}, {.fd = kport_away, .events = POLLIN}};
	const struct timespec ts = {.tv_nsec = timeout_us * 1000L};
	uint64_t rings;

	set_slack(timeout_us);
	if (timeout_us >= 0 && timeout_us < 1000) {
		sys.nanosleep(&ts, NULL);
		sys.read(kport_bell, &rings, sizeof(rings));
	} else if (sys.poll(bells, 2, timeout_us < 0 ? -1 : timeout_us / 1000) > 0) {
		sys.read(kport_bell, &rings, sizeof(rings));
	}
}

static void *monitor_main(void *unused)
{
	ell_time tick = SLICE_NS;

	(void)unused;
	/* In a child it is another one, which has that of who made it. */
	monitor.own_slack = 0;
	while (!load_acquire(&runtime.rt_ended)) {
		ell_time now = ell_now(), soon = SLICE_NS;
		bool again;

		lock_acquire(&monitor.look);
		for (unsigned i = 0; i < runtime.rt_count; i++) {
			ell_time next = look_at(&runtime.rt_vcpus[i], now, tick);

			if (next < soon)
				soon = next;
		}
		tick = soon == TICK_MIN_NS ? TICK_MIN_NS : tick * 2 < SLICE_NS ? tick * 2 : SLICE_NS;
		again = look_for_stalls(now);
		again |= handoff_serve();
		/* Within: a child must not get the descriptor with which it reads. */
		limit_look(now);
		lock_release(&monitor.look);
		if (xchg_acq_rel(&monitor.wanted, 0))
			make_spare(now);
		if (!again && !load_relaxed(&kport_is_mute) && tick == SLICE_NS && soon == SLICE_NS && all_idle()) {
			store_seq_cst(&monitor_sleeps, 1); /* ORD monitor-2: pairs with ORD monitor-1 in monitor.h */
			if (all_idle() && !load_seq_cst(&runtime.rt_ended))
				sleep_for(-1);
			store_seq_cst(&monitor_sleeps, 0);
		} else {
			sleep_for((int)((soon < tick ? soon : tick) / ELL_USEC));
		}
	}
	return NULL;
}

void monitor_prepare(void)
{
	const char *wish = getenv("ELLULA_MONITOR");

	sys.pthread_sigmask(SIG_SETMASK, NULL, &monitor.signals);
	monitor.slack = sys.prctl(PR_GET_TIMERSLACK, 0);
	monitor.hands_over = !(wish && strcmp(wish, "off") == 0) && handoff_probe();
	if (monitor.hands_over)
		kport_bell = sys.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (kport_bell < 0)
		monitor.hands_over = false;
}

/* 0 or an errno. */
static int start_thread(void)
{
	sigset_t all, before;
	pthread_attr_t attr;
	pthread_t thread;
	int error;

	if (kport_bell < 0)
		kport_bell = sys.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (kport_bell < 0)
		return errno;
	handoff_watch_signal();
	sigfillset(&all);
	sys.pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	error = sys.pthread_create(&thread, &attr, monitor_main, NULL);
	pthread_attr_destroy(&attr);
	sys.pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}

int monitor_watch(void)
{
	uint32_t no = 0;
	int error;

	if (!cas_acq_rel(&monitor.runs, &no, 1))
		return 0;
	error = start_thread();
	if (error)
		store_release(&monitor.runs, 0);
	return -error;
}

void monitor_start(void)
{
	int error;

	if (!vcpu_kport(&runtime.rt_vcpus[0])->kp_ops->ring_bell)
		monitor.hands_over = false;
	if (!(monitor.hands_over || stall_is_watched() || limit_follows()))
		return;
	error = -monitor_watch();
	if (error)
		complain("no monitor: %s", strerror(error));
}
