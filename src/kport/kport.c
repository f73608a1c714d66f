/* SPDX-License-Identifier: BSD-2-Clause */
/* kport.c - what all kernel ports have in common: posting, waking, collecting */
#include "kport/kport.h"

#include <errno.h>

#include "base/panic.h"
#include "kport/helper.h"
#include "kport/op_run.h"
#include "message/message.h"
#include "sys/sys.h"

struct kport_above kport_above;
int kport_bell = -1, kport_away = -1;
bool kport_is_mute;
bool kport_able[ELL_OP_COUNT];

/* Adds M to the posted chain at *HEAD by its field LINK. ORD kport-3: pairs with ORD kport-4, the LWP's exchange. */
#define POST(head, m, link)                                                                                            \
	do {                                                                                                           \
		struct ell_msg *first_ = load_relaxed(head);                                                           \
		do                                                                                                     \
			(m)->link = first_;                                                                            \
		while (!cas_seq_cst((head), &first_, (m)));                                                            \
	} while (0)

/* Turns a posted chain, newest first, into one with the oldest first. */
#define REVERSE(chain, link)                                                                                           \
	({                                                                                                             \
		struct ell_msg *from_ = (chain), *to_ = NULL;                                                          \
		while (from_) {                                                                                        \
			struct ell_msg *next_ = from_->link;                                                           \
			from_->link = to_;                                                                             \
			to_ = from_;                                                                                   \
			from_ = next_;                                                                                 \
		}                                                                                                      \
		to_;                                                                                                   \
	})

/* Foreign threads that are posting; and whether they must not begin to, because the process is being forked. */
static uint32_t posting;
static uint32_t shut;

static void post_begin(const struct kport *self)
{
	if (self)
		return; /* an LWP: it stands still while the process is forked */
	for (;;) {
		fetch_add_seq_cst(&posting, 1);
		if (LIKELY(!load_seq_cst(&shut)))
			return;
		fetch_sub_acq_rel(&posting, 1);
		sys.sched_yield();
	}
}

static void post_end(const struct kport *self)
{
	if (!self)
		fetch_sub_acq_rel(&posting, 1);
}

void kport_shut(bool now)
{
	store_seq_cst(&shut, now);
	while (now && load_seq_cst(&posting))
		sys.sched_yield();
}

void kport_send(struct kport *kp, struct ell_msg *m)
{
	const struct kport *self = kport_above.self();

	if (self == kp) {
		kport_send_here(kp, m);
		return;
	}
	post_begin(self);
	POST(&kp->kp_sent, m, ms_next);
	post_end(self);
	kport_wake(kp);
}

/* What another posted to be sent is on its LWP now. */
static void arrive(struct kport *kp, struct ell_msg *m)
{
	if (UNLIKELY(m->ms_mark & MARK_UNWANTED))
		message_reply(m, op_stopped(m));
	else
		kport_send_here(kp, m);
}

static void cancel(struct kport *kp, struct ell_msg *m)
{
	/* Before anything else: once seen, a helper may end it at any moment. */
	if (UNLIKELY(m->ms_mark & MARK_ON_HELPER)) {
		if (helper_revoke(m))
			return;
		/* It is on its way back to us. */
		m->ms_mark &= (uint16_t)~MARK_ARRIVED;
	}
	if (!message_revoke_seen(m))
		return;
	if (LIKELY(m->ms_mark & MARK_ARRIVED))
		kp->kp_ops->cancel(kp, m);
	else
		m->ms_mark |= MARK_UNWANTED;
}

void kport_revoke(struct kport *kp, struct ell_msg *m)
{
	const struct kport *self = kport_above.self();

	if (LIKELY(self == kp)) {
		cancel(kp, m);
		return;
	}
	post_begin(self);
	POST(&kp->kp_revoked, m, ms_link);
	post_end(self);
	kport_wake(kp);
}

/* Is M to be revoked when all are? What is being revoked already is not. */
static bool is_revocable(const struct ell_msg *m)
{
	return !m->ms_drain && op_table[m->ms_op].class == OP_LONG && message_state(m) == MESSAGE_SENT;
}

void kport_revoke_all(struct kport *kp)
{
	struct ell_msg *m = kp->kp_ops->next(kp, NULL);

	while (m) {
		enum message_state state;
		bool stays = (m->ms_mark & MARK_IN_KERNEL) && !kp->kp_ops->ends_at_once;

		if (!is_revocable(m) || !message_to_revoking(m, &state)) {
			m = kp->kp_ops->next(kp, m);
			continue;
		}
		cancel(kp, m);
		/* What the kernel does not have is replied to at once, and its upcall may change the list. */
		m = kp->kp_ops->next(kp, stays ? m : NULL);
	}
}

struct kport_count kport_count(struct kport *kp)
{
	struct kport_count count = {.left = kp->kp_outstanding, .must = kp->kp_outstanding - kp->kp_long_count};

	for (struct ell_msg *m = kp->kp_ops->next(kp, NULL); m; m = kp->kp_ops->next(kp, m)) {
		count.left += !(m->ms_mark & MARK_IN_KERNEL);
		count.must += m->ms_drain || op_table[m->ms_op].class != OP_LONG;
	}
	return count;
}

void kport_orphans(struct ell_msg **orphans, struct ell_msg *from)
{
	while (from) {
		struct ell_msg *next = from->ms_next;

		from->ms_result = -ECANCELED;
		from->ms_next = *orphans;
		*orphans = from;
		from = next;
	}
}

void kport_forked(struct kport *kp, struct ell_msg **orphans)
{
	/* A message that has finished, and waits only for its revoke to come by, stands nowhere else. */
	for (struct ell_msg *m = kp->kp_revoked; m; m = m->ms_link) {
		if (message_is_finished(m)) {
			m->ms_next = *orphans;
			*orphans = m;
		}
	}
	kport_orphans(orphans, kp->kp_sent);
	kp->kp_sent = NULL;
	kp->kp_revoked = NULL;
	kp->kp_sleep = KPORT_AWAKE;
	kp->kp_ops->forked(kp, orphans);
	kp->kp_long = NULL;
	kp->kp_long_count = 0;
	kp->kp_outstanding = 0;
	kp->kp_drains = 0;
}

void kport_wake(struct kport *kp)
{
	uint32_t asleep = KPORT_ASLEEP;

	/* ORD kport-2: pairs with ORD kport-1 in sched/idle.c */
	if (load_seq_cst(&kp->kp_sleep) == KPORT_ASLEEP && cas_seq_cst(&kp->kp_sleep, &asleep, KPORT_WOKEN))
		kp->kp_ops->wake(kp, kport_above.self());
}

void kport_wake_from_handler(struct kport *kp)
{
	uint32_t asleep = KPORT_ASLEEP;

	/* ORD kport-2: pairs with ORD kport-1 in sched/idle.c */
	if (load_seq_cst(&kp->kp_sleep) == KPORT_ASLEEP && cas_seq_cst(&kp->kp_sleep, &asleep, KPORT_WOKEN))
		kp->kp_ops->wake(kp, NULL);
}

bool kport_is_posted(const struct kport *kp)
{
	return load_seq_cst(&kp->kp_sent) || load_seq_cst(&kp->kp_revoked);
}

void kport_collect(struct kport *kp)
{
	struct ell_msg *sent, *revoked;

	if (LIKELY(!load_relaxed(&kp->kp_sent) && !load_relaxed(&kp->kp_revoked)))
		return;
	/* ORD kport-4: pairs with ORD kport-3. */
	sent = REVERSE(xchg_seq_cst(&kp->kp_sent, NULL), ms_next);
	revoked = REVERSE(xchg_seq_cst(&kp->kp_revoked, NULL), ms_link);
	while (sent) {
		struct ell_msg *m = sent;

		sent = m->ms_next;
		m->ms_next = NULL;
		arrive(kp, m);
	}
	while (revoked) {
		struct ell_msg *m = revoked;

		revoked = m->ms_link;
		cancel(kp, m);
	}
}
