/* SPDX-License-Identifier: BSD-2-Clause */
/* chan.c - one thread sends numbers to another through a channel with room for 1, and for 64 */
#include "threads.h"

#ifdef BENCH_NPTL

/* What a pthread program has instead: a ring of values, a mutex and two condition variables. */
struct chan {
	pthread_mutex_t mutex;
	pthread_cond_t not_full;
	pthread_cond_t not_empty;
	uint64_t values[64];
	uint64_t sent;
	uint64_t taken;
	uint64_t room;
};

static void chan_init(struct chan *ch, uint64_t room)
{
	*ch = (struct chan){.mutex = PTHREAD_MUTEX_INITIALIZER,
			    .not_full = PTHREAD_COND_INITIALIZER,
			    .not_empty = PTHREAD_COND_INITIALIZER,
			    .room = room};
}

static void chan_send(struct chan *ch, uint64_t value)
{
	pthread_mutex_lock(&ch->mutex);
	while (ch->sent - ch->taken == ch->room)
		pthread_cond_wait(&ch->not_full, &ch->mutex);
	ch->values[ch->sent++ % ch->room] = value;
	pthread_cond_signal(&ch->not_empty);
	pthread_mutex_unlock(&ch->mutex);
}

static uint64_t chan_recv(struct chan *ch)
{
	uint64_t value;

	pthread_mutex_lock(&ch->mutex);
	while (ch->sent == ch->taken)
		pthread_cond_wait(&ch->not_empty, &ch->mutex);
	value = ch->values[ch->taken++ % ch->room];
	pthread_cond_signal(&ch->not_full);
	pthread_mutex_unlock(&ch->mutex);
	return value;
}

#define chan_finish(ch) ((void)(ch))

#else

struct chan {
	struct ell_chan ch;
	_Alignas(max_align_t) char space[ELL_CHAN_SPACE(64, sizeof(uint64_t))];
};

static void chan_init(struct chan *ch, uint64_t room)
{
	BENCH_OK(ell_chan_init(&ch->ch, ch->space, room, sizeof(uint64_t)));
}

static void chan_send(struct chan *ch, uint64_t value)
{
	BENCH_OK(ell_chan_send(&ch->ch, &value));
}

static uint64_t chan_recv(struct chan *ch)
{
	uint64_t value;

	BENCH_OK(ell_chan_recv(&ch->ch, &value));
	return value;
}

static void chan_finish(struct chan *ch)
{
	BENCH_OK(ell_chan_finish(&ch->ch));
}

#endif

static struct chan chan;
static uint64_t values;

static void *chan_sender(void *arg)
{
	for (uint64_t i = 0; i < values; i++)
		chan_send(&chan, i);
	return arg;
}

static void *chan_receiver(void *arg)
{
	for (uint64_t i = 0; i < values; i++)
		if (chan_recv(&chan) != i)
			bench_fail("a value out of order", 0);
	return arg;
}

static int64_t chan_round(uint64_t n)
{
	int64_t start = bench_now();
	threads_t sender, receiver;

	values = n;
	BENCH_OK(threads_create(&sender, chan_sender, NULL));
	BENCH_OK(threads_create(&receiver, chan_receiver, NULL));
	BENCH_OK(threads_join(sender));
	BENCH_OK(threads_join(receiver));
	return bench_now() - start;
}

static void *chan_bench(void *arg)
{
	(void)arg;
	chan_init(&chan, 1);
	bench_row("per value, room for 1", bench_each(chan_round), "ns");
	chan_finish(&chan);
	chan_init(&chan, 64);
	bench_row("per value, room for 64", bench_each(chan_round), "ns");
	chan_finish(&chan);
	return NULL;
}

int main(int argc, char **argv)
{
	return threads_main(argc, argv, chan_bench);
}
