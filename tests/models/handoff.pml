/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handoff.pml - a model of the hand-off, for Spin: src/sched/handoff.c
 *
 * One vCPU, two LWPs. LWP 0 holds the vCPU, and its thread is about to block, compute and use the library by turns; LWP
 * 1 is spare. The monitor takes the vCPU, serves the ring of who is away, and gives the vCPU on, also back. Somebody
 * posts to the vCPU, and completions arrive in the ring of LWP 0.
 *
 * An LWP's store of lw_inside goes through a store buffer of one entry, which empties at any time; so does the
 * monitor's barrier empty it, on all CPUs.
 *
 * Checked: two never use the vCPU at once, nor a ring; and when nothing can happen any more, nothing is left: no post in
 * the inbox, no completion in a ring.
 *
 * Broken on purpose, with -D: NO_BARRIER, the monitor reads lw_inside at once; NO_SWAP, it takes without looking at
 * lw_asked again; NO_LOOK, the new holder sleeps without looking for posts; NO_LOCK, the ring is served without
 * lw_ring_lock.
 */
#define LWPS 2
#define POSTS 1
#define COMPLETIONS 1
#define ENTRIES 2

mtype = { HOLDS, ASKED, AWAY };

mtype asked[LWPS] = HOLDS;
bit inside[LWPS], buffer[LWPS];
bool buffered[LWPS];	/* buffer has not reached inside yet */
bool given[LWPS], home[LWPS], asleep[LWPS], ring_lock[LWPS];
byte news[LWPS];	/* completions in the ring */
byte inbox, vcpu_users, ring_users[LWPS];
byte holder;		/* vc_lwp */
bool bell;
byte spare = 1;		/* LWPS: none */

#define DRAIN(i)	atomic { if :: buffered[i] -> inside[i] = buffer[i]; buffered[i] = false :: else fi }
#define STORE(i, v)	DRAIN(i); atomic { buffer[i] = v; buffered[i] = true }
#define USE_VCPU	vcpu_users++; assert(vcpu_users == 1); vcpu_users--
#define USE_RING(i)	ring_users[i]++; assert(ring_users[i] == 1); news[i] = 0; ring_users[i]--

/* The store buffers of both CPUs. */
active proctype buffers()
{
end:	do
	:: atomic { buffered[0] -> inside[0] = buffer[0]; buffered[0] = false }
	:: atomic { buffered[1] -> inside[1] = buffer[1]; buffered[1] = false }
	od
}

/* With the vCPU, or without it: scheduler context, which is inside all the time. */
inline scheduler(i)
{
	do
	:: asked[i] == AWAY ->
		/* comes home */
		atomic { !ring_lock[i] -> ring_lock[i] = true }
		home[i] = true;
		asleep[i] = false;
		ring_lock[i] = false;
		USE_RING(i);
		atomic { assert(spare == LWPS || spare != i); (spare == LWPS) -> spare = i }
		do
		:: given[i] -> break
		:: else ->
			asleep[i] = true;
			if
			:: !given[i] && news[i] == 0 ->
endspare:			(!asleep[i] || news[i] > 0)
			:: else
			fi;
			asleep[i] = false;
			USE_RING(i)
		od;
		given[i] = false;
		home[i] = false;
		asked[i] = HOLDS
	:: else ->
		USE_VCPU;
		inbox = 0;
		USE_RING(i);
		asleep[i] = true;
		if
#ifdef NO_LOOK
		:: true ->
#else
		:: inbox == 0 && news[i] == 0 ->
#endif
endidle:		(!asleep[i] || news[i] > 0)
		:: else
		fi;
		asleep[i] = false
	od
}

/* LWP 0: its thread enters the library a few times, and then blocks for ever, or waits in the library. */
active proctype first()
{
	byte entries = 0;
	bool has;

	do
	:: entries < ENTRIES ->
		entries++;
		STORE(0, 1);
		has = true;
		if
		:: asked[0] == HOLDS
		:: asked[0] == ASKED ->
			atomic {
				if
				:: asked[0] == ASKED -> asked[0] = HOLDS
				:: asked[0] == AWAY -> has = false
				:: else
				fi
			}
		:: asked[0] == AWAY -> has = false
		fi;
		if
		:: has -> USE_VCPU; USE_RING(0)
		:: else
		fi;
		STORE(0, 0)
	:: goto blocks
	:: break
	od;
	/* It leaves. */
	STORE(0, 1);
	if
	:: asked[0] == ASKED ->
		atomic { if :: asked[0] == ASKED -> asked[0] = HOLDS :: else fi }
	:: else
	fi;
	scheduler(0);
blocks:
end:	false
}

/* LWP 1, spare. */
active proctype second()
{
	do
	:: given[1] -> break
	:: else ->
		asleep[1] = true;
		if
		:: !given[1] ->
end:			!asleep[1]
		:: else
		fi;
		asleep[1] = false
	od;
	given[1] = false;
	home[1] = false;
	asked[1] = HOLDS;
	scheduler(1)
}

active proctype monitor()
{
	byte to;

end:	do
	/* The holder does not schedule. */
	:: holder == 0 && asked[0] == HOLDS && spare == 1 ->
		asked[0] = ASKED;
#ifndef NO_BARRIER
		DRAIN(0);
#endif
		if
		:: inside[0] == 0 ->
			atomic {
				if
#ifdef NO_SWAP
				:: true -> asked[0] = AWAY; to = 1
#else
				:: asked[0] == ASKED -> asked[0] = AWAY; to = 1
				:: else -> to = LWPS
#endif
				fi
			};
			if
			:: to == 1 ->
				spare = LWPS;
				holder = 1;
				given[1] = true;
				asleep[1] = false;
				atomic { !ring_lock[0] -> ring_lock[0] = true }
				if :: !home[0] -> asleep[0] = true :: else fi;
				ring_lock[0] = false
			:: else
			fi
		:: else ->
			atomic { if :: asked[0] == ASKED -> asked[0] = HOLDS :: else fi }
		fi
	/* Who is away has something in the ring. */
	:: asked[0] == AWAY && !home[0] && news[0] > 0 ->
#ifdef NO_LOCK
		USE_RING(0)
#else
		atomic { !ring_lock[0] -> ring_lock[0] = true }
		if :: !home[0] -> USE_RING(0); asleep[0] = true :: else fi;
		ring_lock[0] = false
#endif
	od
}

active proctype poster()
{
	byte posts = 0, to;

	do
	:: posts < POSTS ->
		posts++;
		inbox++;
		to = holder;
		asleep[to] = false
	:: else -> break
	od
}

active proctype kernel()
{
	byte n = 0;

	do
	:: n < COMPLETIONS -> n++; news[0]++
	:: else -> break
	od
}

/* When nothing else can happen. */
active proctype last()
{
end:	timeout;
	assert(inbox == 0);
	assert(news[0] == 0)
}
