/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * send.c - the way of a message to whoever executes it
 *
 * A message of the time class goes to the timer wheel of the vCPU; one that the kernel port can execute, to the kernel
 * port of the LWP; the rest to helper LWPs. A foreign thread has neither wheel nor ring, and uses those of the first
 * vCPU.
 */
#include "sched/send.h"

#include <errno.h>
#include <string.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "base/guard.h"
#include "base/lock.h"
#include "kport/helper.h"
#include "kport/kport.h"
#include "kport/op.h"
#include "kport/op_time.h"
#include "message/message.h"
#include "sched/current.h"
#include "sched/inside.h"
#include "sched/sched.h"

_Static_assert(sizeof(struct timer) <= sizeof(((struct ell_msg *)NULL)->ms_scratch), "a timer fits in a message");

static struct timer *timer_of(struct ell_msg *m)
{
	return (struct timer *)(void *)m->ms_scratch;
}

static void send_timer(struct ell_msg *m, const struct lwp *lw)
{
	struct vcpu *vc = lw && lw->lw_vcpu ? lw->lw_vcpu : &runtime.rt_vcpus[0];
	ell_time when = m->ms_opflags & OP_TIMER_FROM_SEND ? ell_after((int64_t)m->ms_off) : (ell_time)m->ms_off;

	memset(m->ms_scratch, 0, sizeof(m->ms_scratch));
	/* Who sees it sent, and revokes it, finds it armed. */
	lock_acquire(&vc->vc_wheel.wh_lock);
	message_to_sent(m, MESSAGE_SENT, &vc->vc_wheel);
	timer_start_locked(&vc->vc_wheel, timer_of(m), when, (uint64_t)(uintptr_t)m);
	lock_release(&vc->vc_wheel.wh_lock);
	if (UNLIKELY(!lw || !lw->lw_vcpu)) {
		/* The wheel's owner may be about to sleep: ORD kport-2, as for what is posted. */
		fence_seq_cst();
		kport_wake(vcpu_kport(vc));
	}
}

/* What a timer's owner wants to be told: a ticket, marked by its lowest bit, or a message. */
void sched_expire(uint64_t what)
{
	if (what & 1)
		park_expire(what >> 1);
	else
		message_finish((struct ell_msg *)(uintptr_t)what, 0);
}

static enum message_state state_of(const struct op *row)
{
	return row->class == OP_SHORT ? MESSAGE_SHORT : MESSAGE_SENT;
}

/* For who has no ring, or must not use it. */
NOINLINE static void send_elsewhere(struct ell_msg *m, const struct op *row)
{
	struct kport *first = vcpu_kport(&runtime.rt_vcpus[0]);

	message_to_sent(m, state_of(row), first);
	kport_send(first, m);
}

/* What the kernel port of the LWP does not get. */
NOINLINE static void send_another_way(struct ell_msg *m, const struct op *row, struct lwp *lw, int error)
{
	if (UNLIKELY(error)) {
		message_refuse(m, error);
	} else if (row->class == OP_TIME) {
		if (LIKELY(lw != NULL))
			inside_enter(lw);
		send_timer(m, lw);
		if (LIKELY(lw != NULL))
			inside_leave(lw);
	} else if (!kport_can((enum ell_op)m->ms_op)) {
		helper_send(m, state_of(row));
	} else {
		send_elsewhere(m, row);
	}
}

static int send(struct ell_msg *m)
{
	const struct op *row = &op_table[m->ms_op];
	struct lwp *lw;
	int error;

	guard_enter();
	lw = arch_lwp_or_null();
	error = row->check ? row->check(m) : 0;
	if (LIKELY(lw && !error && row->class != OP_TIME && kport_can((enum ell_op)m->ms_op))) {
		inside_enter(lw);
		if (LIKELY(lw->lw_vcpu != NULL)) {
			message_to_sent(m, state_of(row), lw->lw_kport);
			kport_send_here(lw->lw_kport, m);
		} else {
			send_elsewhere(m, row);
		}
		inside_leave(lw);
	} else {
		send_another_way(m, row, lw, error);
	}
	guard_leave();
	return 0;
}

static void revoke(struct ell_msg *m)
{
	guard_enter();
	if (op_table[m->ms_op].class == OP_TIME) {
		if (timer_stop(m->ms_home, timer_of(m)))
			message_reply(m, -ECANCELED);
		else
			message_revoke_seen(m);
	} else if (!kport_can((enum ell_op)m->ms_op)) {
		helper_revoke(m);
	} else {
		struct lwp *lw = arch_lwp_or_null();

		if (lw)
			inside_enter(lw);
		kport_revoke(m->ms_home, m);
		if (lw)
			inside_leave(lw);
	}
	guard_leave();
}

/* What is sent from now on. */
static int refuse(struct ell_msg *m)
{
	(void)m;
	return -ESHUTDOWN;
}

void send_close(void)
{
	store_relaxed(&message_above.send, refuse);
}

void send_disconnect(void)
{
	store_relaxed(&message_above.send, NULL);
}

bool send_is_closed(void)
{
	return load_relaxed(&message_above.send) == refuse;
}

void send_connect(void)
{
	message_above =
		(struct message_above){.unpark = park_unpark, .upcall = sched_upcall, .send = send, .revoke = revoke};
}
