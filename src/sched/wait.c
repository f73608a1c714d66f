/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wait.c - threads wait for replies: where messages and threads meet
 *
 * Who waits looks first, then leaves a ticket in the message or in the port, and parks. If nothing else is ready on the
 * vCPU the kernel port is flushed before: what completes at once is then there without a switch.
 *
 * At the deadline the kernel port is flushed, too, and the last look comes after that: so a deadline in the past gets
 * what is there, however busy the vCPU is.
 */
#include <ellula/port.h>
#include <errno.h>

#include "base/compiler.h"
#include "base/guard.h"
#include "base/panic.h"
#include "kport/kport.h"
#include "kport/op.h"
#include "message/message.h"
#include "message/port.h"
#include "sched/current.h"
#include "sched/inside.h"
#include "sched/runq.h"
#include "sched/sched.h"
#include "sched/wait.h"

static void flush_inside(struct lwp *lw)
{
	if (UNLIKELY(!lw->lw_vcpu))
		return;
	if (timer_next(&lw->lw_vcpu->vc_wheel) != ELL_FOREVER)
		timer_run(&lw->lw_vcpu->vc_wheel, ell_now(), sched_expire);
	lw->lw_kport->kp_ops->flush(lw->lw_kport);
}

/* Submits and collects, and ends the sleeps that are over, if the caller is on an LWP with a vCPU. */
static void flush(void)
{
	struct lwp *lw;

	guard_enter();
	lw = arch_lwp_or_null();
	if (lw) {
		inside_enter(lw);
		flush_inside(lw);
		inside_leave(lw);
	}
	guard_leave();
}

static void flush_if_alone(void)
{
	struct lwp *lw;

	guard_enter();
	lw = arch_lwp_or_null();
	if (lw) {
		inside_enter(lw);
		if (lw->lw_vcpu && runq_is_empty(lw->lw_vcpu))
			lw->lw_kport->kp_ops->flush(lw->lw_kport);
		inside_leave(lw);
	}
	guard_leave();
}

/*
 * Waits for a message without port, until UNTIL has passed, or, with OPEN, a signal handler has run that ends calls.
 */
static inline enum park_end wait_open(struct ell_msg *m, ell_time until, bool open)
{
	struct thread *th = open ? thread_current() : NULL;
	bool in_time = true;

	while (message_state(m) != MESSAGE_REPLIED) {
		park_ticket ticket;
		enum park_end end;

		if (!in_time)
			return PARK_EXPIRED;
		ticket = park_prepare();
		if (!message_wait_begin(m, ticket) && park_cancel(ticket))
			break;
		end = park_commit_open(ticket, PARK_MESSAGE, until, open);
		if (LIKELY(end == PARK_WOKEN))
			continue;
		message_wait_end(m);
		if (end == PARK_INTERRUPTED && th->th_broken)
			return PARK_INTERRUPTED;
		in_time = end != PARK_EXPIRED;
		if (!in_time)
			flush();
	}
	message_taken(m);
	return PARK_WOKEN;
}

/* The same: false if UNTIL passed first. */
static bool wait_here(struct ell_msg *m, ell_time until)
{
	return wait_open(m, until, false) == PARK_WOKEN;
}

static bool wait_in_port(struct ell_msg *m, ell_time until)
{
	struct ell_port *port = m->ms_port;
	bool in_time = true;

	port_enter(port, thread_current()->th_id);
	while (!port_take_this(port, m)) {
		bool is_coming = message_state(m) == MESSAGE_REPLIED;
		park_ticket ticket;

		if (!in_time && !is_coming)
			break;
		ticket = park_prepare();
		if (!port_wait_begin(port, ticket)) {
			if (park_cancel(ticket))
				continue;
		}
		/* It is replied, and its author is about to put it here: no deadline can pass between these two. */
		in_time = park_commit(ticket, PARK_PORT, is_coming ? ELL_FOREVER : until);
		port_wait_end(port, ticket);
		if (!in_time)
			flush();
	}
	port_leave(port);
	return in_time || message_state(m) == MESSAGE_IDLE;
}

/* ell_msg_do_until(), or with OPEN a part of wait_do(). */
static inline int64_t do_until(struct ell_msg *m, ell_time until, bool open)
{
	struct ell_port *port = m->ms_port;
	enum park_end end;
	int error;

	m->ms_port = NULL;
	error = ell_msg_send(m);
	if (UNLIKELY(error)) {
		m->ms_port = port;
		return error;
	}
	flush_if_alone();
	end = wait_open(m, until, open);
	if (UNLIKELY(end != PARK_WOKEN)) {
		ell_msg_revoke(m);
		wait_here(m, ELL_FOREVER);
	}
	m->ms_port = port;
	if (LIKELY(end == PARK_WOKEN) || m->ms_result != -ECANCELED)
		return m->ms_result;
	return end == PARK_EXPIRED ? -ETIMEDOUT : -EINTR;
}

EXPORT int64_t ell_msg_do_until(struct ell_msg *m, ell_time until)
{
	return do_until(m, until, false);
}

int64_t wait_do(struct ell_msg *m, ell_time until)
{
	struct thread *th = thread_current();
	/* What may take for ever may be ended: the rest is over soon. */
	bool open = op_table[m->ms_op].class == OP_LONG;
	int64_t result;

	/* A signal may have got into the kernel's way, but no handler has run that ends calls. */
	do {
		th->th_broken = false;
		result = do_until(m, until, open);
	} while (result == -EINTR && !th->th_broken);
	return result;
}

EXPORT int64_t ell_msg_do(struct ell_msg *m)
{
	return ell_msg_do_until(m, ELL_FOREVER);
}

EXPORT int ell_msg_wait(struct ell_msg *m, ell_time until)
{
	if (message_state(m) == MESSAGE_IDLE)
		return -EINVAL;
	flush_if_alone();
	if (!(m->ms_port ? wait_in_port(m, until) : wait_here(m, until)))
		return -ETIMEDOUT;
	return 0;
}

EXPORT bool ell_msg_poll(struct ell_msg *m)
{
	if (message_state(m) == MESSAGE_REPLIED)
		return true;
	flush();
	return message_state(m) == MESSAGE_REPLIED;
}

/* The receiver's id; scheduler context, where upcalls run, is one, too. */
static ell_thread receiver(void)
{
	struct lwp *lw = arch_lwp_or_null();

	return lw && !arch_thread() ? ~UINT64_C(0) - (unsigned)lw->lw_number : thread_current()->th_id;
}

EXPORT struct ell_msg *ell_port_get(struct ell_port *port)
{
	struct ell_msg *m = port_take_ready(port);

	if (m)
		return m;
	port_enter(port, receiver());
	m = port_take(port);
	if (!m) {
		/* An upcall may run in here, and be a receiver of this port itself. */
		port_leave(port);
		flush();
		port_enter(port, receiver());
		m = port_take(port);
	}
	port_leave(port);
	return m;
}

/* ell_port_wait_any(), or with HANDLED wait_port_open(). */
static struct ell_msg *wait_any(struct ell_port *const *ports, size_t count, ell_time until, size_t *which,
				bool *handled)
{
	struct thread *th = thread_current();
	ell_thread self = th->th_id;
	struct ell_msg *m = NULL;
	bool in_time = true;
	size_t left = 0, i;

	if (count == 0)
		return NULL;
	for (i = 0; i < count; i++)
		port_enter(ports[i], self);
	for (bool flushed = false;; flushed = true) {
		park_ticket ticket;

		for (i = 0; i < count && !(m = port_take(ports[i])); i++)
			;
		if (m || !in_time || (handled && *handled))
			break;
		if (!flushed) {
			flush_if_alone();
			continue;
		}
		ticket = park_prepare();
		for (left = 0; left < count && port_wait_begin(ports[left], ticket); left++)
			;
		if (left == count || !park_cancel(ticket))
			in_time = park_commit_open(ticket, PARK_PORT, until, handled != NULL) != PARK_EXPIRED;
		while (left-- > 0)
			port_wait_end(ports[left], ticket);
		if (handled)
			*handled = th->th_handled;
		if (!in_time)
			flush();
	}
	for (size_t p = 0; p < count; p++)
		port_leave(ports[p]);
	if (m && which)
		*which = i;
	return m;
}

EXPORT struct ell_msg *ell_port_wait_any(struct ell_port *const *ports, size_t count, ell_time until, size_t *which)
{
	return wait_any(ports, count, until, which, NULL);
}

struct ell_msg *wait_port_open(struct ell_port *port, ell_time until, bool *handled)
{
	thread_current()->th_handled = *handled = false;
	return wait_any(&port, 1, until, NULL, handled);
}

EXPORT struct ell_msg *ell_port_wait(struct ell_port *port, ell_time until)
{
	struct ell_msg *m = port_take_ready(port);

	if (LIKELY(m != NULL))
		return m;
	return ell_port_wait_any(&port, 1, until, NULL);
}
