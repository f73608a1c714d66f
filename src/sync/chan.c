/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * chan.c - a channel of values, built on two ports
 *
 * Words: a SLOT is a message with a value behind it. There are ch_count of them, and each goes round:
 *
 *	ch_free --send takes it, fills it--> ch_full --recv takes it, empties it, replies to it--> ch_free
 *
 * To send a value is to put a request into ch_full; to receive one is to reply to it; ch_free is the reply port of all.
 * So a full channel makes a sender wait for a reply, and an empty one a receiver for a request.
 *
 * A port has one receiver at a time. ch_send makes the senders queue for being that of ch_free, and ch_recv the
 * receivers for that of ch_full. One thread waits at the port, with the mutex locked; the rest wait for the mutex, in
 * order.
 *
 * So a mutex that is locked may mean that its owner waits at an empty port, and a deadline then is kept; or that it
 * will go within instructions, and who has no time to lose is to wait for that, because there is something in the
 * port. ch_sent and ch_taken tell which; each is written by the owner of its side's mutex.
 *
 * Close: ch_closed is set first. Then a last message into ch_free lets the sender go that waits there; the others find
 * ch_closed set, one after the other, and go, too; then close locks ch_send itself, and puts another last message into
 * ch_full. No value comes after it, for senders put theirs there under ch_send and look at ch_closed after they took
 * the slot. The receiver that meets the last message sets ch_drained for those who come later.
 *
 * Ordering: values are ordered by the ports. ch_closed: a sender that took the last message sees it through the port;
 * one that took a slot may miss it, and then close comes after it by ch_send.
 *
 * Rejected: to wake the sleeping receivers and senders one by one from close (it cannot know them); a list of values
 * under one mutex with two condition variables (the mutex is then shared by both sides).
 */
#include <ellula/ops.h>
#include <ellula/sync.h>
#include <errno.h>
#include <string.h>

#include "base/atomic.h"
#include "base/compiler.h"

/* How long who has no time to lose waits for a mutex that goes soon, before it looks again whether it does. */
#define SOON (50 * ELL_USEC)

static size_t slot_size(const struct ell_chan *ch)
{
	return ELL_CHAN_SPACE(1, ch->ch_size);
}

EXPORT int ell_chan_init(struct ell_chan *ch, void *space, size_t count, size_t size)
{
	int rc;

	if (count == 0 || size == 0)
		return EINVAL;
	*ch = (struct ell_chan){.ch_count = count, .ch_size = size};
	ell_port_init(&ch->ch_full, "channel");
	ell_port_init(&ch->ch_free, "channel, room");
	for (int i = 0; i < 2; i++) {
		ell_msg_init(&ch->ch_last[i], NULL, ch);
		ell_msg_user(&ch->ch_last[i], 0, NULL);
	}
	for (size_t i = 0; i < count; i++) {
		struct ell_msg *m = (struct ell_msg *)(void *)((char *)space + i * slot_size(ch));

		ell_msg_init(m, &ch->ch_free, ch);
		ell_msg_user(m, 0, m + 1);
		/* A slot begins as one that was just emptied. */
		rc = ell_port_put(&ch->ch_full, m);
		if (rc)
			return -rc;
		ell_msg_reply(ell_port_get(&ch->ch_full), 0);
	}
	return 0;
}

static bool has_end(const struct ell_chan *ch)
{
	return load_relaxed(&ch->ch_closed);
}

static void count(size_t *counter)
{
	store_release(counter, load_relaxed(counter) + 1); /* ORD chan-2: pairs with ORD chan-1 */
}

/*
 * The two counts are read one after the other, and both may go on meanwhile: the one that is read last may only have
 * come nearer to a yes, or a channel that is never empty would seem to be. Who counts has seen what was counted before
 * on the other side, through the port; so does who reads then.
 */
static bool has_value(const struct ell_chan *ch)
{
	size_t taken = load_acquire(&ch->ch_taken); /* ORD chan-1: pairs with ORD chan-2 */

	return load_relaxed(&ch->ch_sent) != taken || has_end(ch);
}

static bool has_room(const struct ell_chan *ch)
{
	size_t sent = load_acquire(&ch->ch_sent); /* ORD chan-1: pairs with ORD chan-2 */

	return sent - load_relaxed(&ch->ch_taken) != ch->ch_count || has_end(ch);
}

EXPORT int ell_chan_send_until(struct ell_chan *ch, const void *value, ell_time until)
{
	struct ell_msg *m;
	int rc;

	rc = ell_mutex_lock_until(&ch->ch_send, until);
	while (rc == ETIMEDOUT && has_room(ch))
		rc = ell_mutex_lock_until(&ch->ch_send, ell_after(SOON));
	if (rc)
		return rc;
	m = has_end(ch) ? NULL : ell_port_wait(&ch->ch_free, until);
	if (has_end(ch)) {
		rc = EPIPE; /* what was taken, a slot or the last message, nobody needs any more */
	} else if (!m) {
		rc = ETIMEDOUT;
	} else {
		memcpy(m->ms_addr, value, ch->ch_size);
		rc = -ell_port_put(&ch->ch_full, m);
		count(&ch->ch_sent);
	}
	ell_mutex_unlock(&ch->ch_send);
	return rc;
}

EXPORT int ell_chan_send(struct ell_chan *ch, const void *value)
{
	return ell_chan_send_until(ch, value, ELL_FOREVER);
}

EXPORT int ell_chan_recv_until(struct ell_chan *ch, void *value, ell_time until)
{
	struct ell_msg *m;
	int rc;

	rc = ell_mutex_lock_until(&ch->ch_recv, until);
	while (rc == ETIMEDOUT && has_value(ch))
		rc = ell_mutex_lock_until(&ch->ch_recv, ell_after(SOON));
	if (rc)
		return rc;
	m = ch->ch_drained ? &ch->ch_last[0] : ell_port_wait(&ch->ch_full, until);
	if (!m) {
		rc = ETIMEDOUT;
	} else if (m == &ch->ch_last[0]) {
		ch->ch_drained = true;
		rc = EPIPE;
	} else {
		memcpy(value, m->ms_addr, ch->ch_size);
		count(&ch->ch_taken);
		ell_msg_reply(m, 0);
	}
	ell_mutex_unlock(&ch->ch_recv);
	return rc;
}

EXPORT int ell_chan_recv(struct ell_chan *ch, void *value)
{
	return ell_chan_recv_until(ch, value, ELL_FOREVER);
}

EXPORT int ell_chan_close(struct ell_chan *ch)
{
	if (xchg_acq_rel(&ch->ch_closed, 1))
		return EPIPE;
	ell_port_put(&ch->ch_free, &ch->ch_last[1]);
	ell_mutex_lock(&ch->ch_send);
	ell_port_put(&ch->ch_full, &ch->ch_last[0]);
	ell_mutex_unlock(&ch->ch_send);
	return 0;
}

EXPORT int ell_chan_finish(struct ell_chan *ch)
{
	if (ell_mutex_trylock(&ch->ch_send))
		return EBUSY;
	if (ell_mutex_trylock(&ch->ch_recv)) {
		ell_mutex_unlock(&ch->ch_send);
		return EBUSY;
	}
	while (ell_port_get(&ch->ch_full) || ell_port_get(&ch->ch_free))
		;
	ell_port_finish(&ch->ch_full);
	ell_port_finish(&ch->ch_free);
	ell_mutex_unlock(&ch->ch_recv);
	ell_mutex_unlock(&ch->ch_send);
	return 0;
}
