/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * idle.pml - an LWP goes to sleep (src/kport/kport.h, src/sched/idle.c): what is posted to it is not missed
 *
 * The LWP announces its sleep, looks once more, and sleeps; others post, look whether it sleeps, and wake it. Its store
 * goes through a store buffer, as on a CPU with total store order: others see it when it leaves the buffer, which a
 * sequentially consistent store waits for.
 *
 * Broken on purpose: NO_FENCE, it does not wait; LATE, it announces its sleep after it has looked; WAKE_FIRST, others
 * look before they post.
 */
#define POSTERS 2

mtype = { AWAKE, ASLEEP, WOKEN };

mtype sleep = AWAKE;
mtype buffered;
bool pending; /* a store of the LWP's to sleep */
byte posted;
byte taken;
bool wake; /* a completion in its ring */

inline announce(value)
{
	atomic { buffered = value; pending = true };
#ifndef NO_FENCE
	!pending;
#endif
}

/* The CPU empties the buffer, some time. */
active proctype buffer()
{
end:
	do
	:: atomic { pending -> sleep = buffered; pending = false }
	od
}

active proctype lwp()
{
	byte seen;

	do
	:: taken == POSTERS -> break
	:: else ->
		atomic { taken = taken + posted; posted = 0 };
#ifdef LATE
		seen = posted;
		announce(ASLEEP);
#else
		announce(ASLEEP);
		seen = posted;
#endif
		if
		:: seen == 0 && taken < POSTERS -> atomic { wake -> wake = false }
		:: else
		fi;
		/* The same CPU's stores leave in order. */
		!pending;
		atomic { buffered = AWAKE; pending = true };
		!pending
	od
}

active [POSTERS] proctype poster()
{
	bool asleep;

#ifdef WAKE_FIRST
	asleep = (sleep == ASLEEP);
	posted++;
#else
	posted++;
	asleep = (sleep == ASLEEP);
#endif
	if
	:: asleep ->
		atomic {
			if
			:: sleep == ASLEEP -> sleep = WOKEN; wake = true
			:: else
			fi
		}
	:: else
	fi
}
