/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arrivals.c - signals that the kernel has handed over, until somebody has time for them
 *
 * The handler may have interrupted anybody, so there are no locks: records come from a list of free ones, whose head
 * counts its changes (a record that was taken and given back meanwhile is not mistaken for itself), and go to a list
 * that is taken as a whole. Records are made by the thousand and never unmade.
 */
#include <string.h>
#include <sys/mman.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "sys/sys.h"
#include "upcall/signal.h"

enum { CHUNK = 1024, CHUNKS = 4096 };

static struct signal_record *chunks[CHUNKS];
static uint32_t chunk_count;
static uint64_t free_head; /* the index of the first + 1, and above it the number of changes */
static struct signal_record *arrived;

/* Standard signals for which there was no memory: bits. */
static uint64_t merged;

static struct signal_record *record_at(uint32_t index)
{
	return &load_acquire(&chunks[index / CHUNK])[index % CHUNK];
}

void signal_record_give(struct signal_record *record)
{
	uint64_t head = load_acquire(&free_head), new;

	do {
		store_relaxed(&record->sr_free, (uint32_t)head);
		new = ((head >> 32) + 1) << 32 | (record->sr_index + 1);
	} while (!cas_acq_rel(&free_head, &head, new));
}

/* One more chunk, and a record of it: NULL if there is no memory. */
static struct signal_record *grow(void)
{
	struct signal_record *chunk;
	uint32_t number = load_relaxed(&chunk_count);

	do {
		if (number == CHUNKS)
			return NULL;
	} while (!cas_acq_rel(&chunk_count, &number, number + 1));
	chunk = sys.mmap(NULL, CHUNK * sizeof(*chunk), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (chunk == MAP_FAILED)
		return NULL;
	for (uint32_t i = 0; i < CHUNK; i++)
		chunk[i].sr_index = number * CHUNK + i;
	store_release(&chunks[number], chunk);
	for (uint32_t i = 1; i < CHUNK; i++)
		signal_record_give(&chunk[i]);
	return &chunk[0];
}

struct signal_record *signal_record_take(void)
{
	uint64_t head = load_acquire(&free_head), new;
	struct signal_record *record;

	do {
		if (!(uint32_t)head)
			return grow();
		record = record_at((uint32_t)head - 1);
		new = ((head >> 32) + 1) << 32 | load_relaxed(&record->sr_free);
	} while (!cas_acq_rel(&free_head, &head, new));
	return record;
}

static void push(struct signal_record *record)
{
	struct signal_record *first = load_relaxed(&arrived);

	do
		record->sr_next = first;
	while (!cas_acq_rel(&arrived, &first, record)); /* ORD arrive-1: pairs with ORD arrive-2 */
}

void signal_arrive(const siginfo_t *info, ell_thread to)
{
	struct signal_record *record = signal_record_take();

	if (UNLIKELY(!record)) {
		fetch_or_seq_cst(&merged, SIGNAL_BIT(info->si_signo));
		return;
	}
	record->sr_to = to;
	record->sr_info = *info;
	push(record);
}

/* Those that had no record, if there are some now. */
static void find_merged(void)
{
	uint64_t set = xchg_acq_rel(&merged, UINT64_C(0));

	for (; set; set &= set - 1) {
		siginfo_t info;

		memset(&info, 0, sizeof(info));
		info.si_signo = __builtin_ctzll(set) + 1;
		signal_arrive(&info, 0);
	}
}

struct signal_record *signal_arrived(void)
{
	struct signal_record *newest, *oldest = NULL;

	if (UNLIKELY(load_relaxed(&merged)))
		find_merged();
	newest = xchg_acq_rel(&arrived, NULL); /* ORD arrive-2: pairs with ORD arrive-1 */
	while (newest) {
		struct signal_record *next = newest->sr_next;

		newest->sr_next = oldest;
		oldest = newest;
		newest = next;
	}
	return oldest;
}
