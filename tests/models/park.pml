/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * park.pml - park and unpark (src/sched/park.c): no wake-up is lost, and none comes twice
 *
 * A thread receives MESSAGES messages from a port: one word that holds nothing, the ticket of who sleeps, or the news.
 * Each waker swaps the news in, and unparks the ticket that it finds. A timer may end any sleep. th_wait is one word,
 * so number and state change together. Whatever runs next on the LWP settles the thread when its context is saved.
 *
 * If a wake-up were lost the thread would wait for ever: an invalid end state. The assertions say that it is made ready
 * only when its context is saved, by one, and once.
 *
 * Broken on purpose: SETTLE_BLIND, the thread is declared parked without a look; NO_RECHECK, the ticket is left without
 * a look at what is there; ANY_NUMBER, an unpark ends whatever sleep it finds.
 */
#define MESSAGES 3
#define NOTHING 0
#define NEWS 100

mtype = { AWAKE, ARMED, PARKED, WOKEN, EXPIRED };

byte number;
mtype state = AWAKE;
byte word = NOTHING; /* or NEWS, or a ticket */
byte arrived;	     /* messages in the port */
bool saved;	     /* the context of the thread */
byte ready;	     /* how often it stands in the run queue */
bool over;

inline end_sleep(ticket, how)
{
	do
	:: atomic {
#ifndef ANY_NUMBER
		number != ticket -> break
#else
		false -> break
#endif
	   }
	:: atomic { number == ticket && state == ARMED -> state = how; break }
	:: atomic {
		number == ticket && state == PARKED -> state = how;
		assert(saved && ready == 0);
		ready++;
		break
	   }
#ifdef ANY_NUMBER
	:: atomic { number != ticket && state == ARMED -> state = how; break }
	:: atomic { number != ticket && state == PARKED -> state = how; assert(saved && ready == 0); ready++; break }
#endif
	:: atomic { number == ticket && state != ARMED && state != PARKED -> break }
	od
}

active proctype thread()
{
	byte taken = 0;
	byte mine;
	bool sleeps;

	do
	:: taken < MESSAGES ->
		if
		:: atomic { arrived > 0 && word == NEWS -> arrived--; taken++;
			    if :: arrived == 0 -> word = NOTHING :: else fi }
		:: else ->
			atomic { number++; mine = number; state = ARMED }
			sleeps = true;
#ifdef NO_RECHECK
			atomic { if :: word == NOTHING -> word = mine :: else fi }
#else
			atomic { if :: word == NOTHING -> word = mine :: else -> sleeps = false fi };
			if
			:: sleeps
			:: !sleeps ->
				/* park_cancel(); a waker or the timer may have been faster, and then commit follows. */
				atomic { if :: state == ARMED -> state = AWAKE :: else -> sleeps = true fi }
			fi;
#endif
			if
			:: !sleeps
			:: sleeps && state != ARMED
			:: sleeps && state == ARMED ->
				saved = true;
				/* Whoever runs next. */
#ifdef SETTLE_BLIND
				state = PARKED;
#else
				atomic { if :: state == ARMED -> state = PARKED :: else -> ready++ fi };
#endif
				atomic { ready > 0 -> ready--; saved = false }
			fi;
			if
			:: sleeps -> assert(state == WOKEN || state == EXPIRED)
			:: else
			fi;
			state = AWAKE;
			/* Takes its ticket back, if it is still there. */
			atomic { if :: word == mine -> word = NOTHING :: else fi }
		fi
	:: taken == MESSAGES -> break
	od;
	over = true
}

active [MESSAGES] proctype waker()
{
	byte old;

	atomic { old = word; word = NEWS; arrived++ }
	if
	:: old != NOTHING && old != NEWS -> end_sleep(old, WOKEN)
	:: else
	fi
}

active proctype timer()
{
	byte ticket;

	atomic { ticket = number };
	if
	:: ticket > 0 -> end_sleep(ticket, EXPIRED)
	:: true
	fi
}
