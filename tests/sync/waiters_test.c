/* SPDX-License-Identifier: BSD-2-Clause */
/* waiters_test.c - the queue itself: order, and both links of each node */
#include "sync/waiters.h"

#include "harness/harness.h"

static struct ell_waiter nodes[5];

static void fill(struct ell_waiters *wq, int from, int to)
{
	for (int i = from; i < to; i++)
		waiters_link(wq, &nodes[i]);
	CHECK(waiters_is_valid(wq));
}

static void expect(const struct ell_waiters *wq, int n, const int *order)
{
	const struct ell_waiter *wn = wq->wq_first;

	CHECK(waiters_is_valid(wq));
	CHECK_EQ(wq->wq_count, n);
	for (int i = 0; i < n; i++, wn = wn->wn_next)
		CHECK_EQ(wn - nodes, order[i]);
	CHECK(!wn);
}

static void the_oldest_is_the_first(void)
{
	struct ell_waiters wq = {0};

	CHECK(waiters_empty(&wq) && waiters_seem_empty(&wq) && waiters_is_valid(&wq));
	fill(&wq, 0, 5);
	expect(&wq, 5, (int[]){0, 1, 2, 3, 4});
	CHECK(!waiters_empty(&wq) && !waiters_seem_empty(&wq));
}

static void any_node_can_be_taken_out(void)
{
	struct ell_waiters wq = {0};

	fill(&wq, 0, 5);
	waiters_remove(&wq, &nodes[2]);
	expect(&wq, 4, (int[]){0, 1, 3, 4});
	waiters_remove(&wq, &nodes[0]);
	expect(&wq, 3, (int[]){1, 3, 4});
	waiters_remove(&wq, &nodes[4]);
	expect(&wq, 2, (int[]){1, 3});
	waiters_remove(&wq, &nodes[1]);
	waiters_remove(&wq, &nodes[3]);
	expect(&wq, 0, NULL);
	CHECK(waiters_empty(&wq));
}

static void a_splice_keeps_the_order_and_empties_its_source(void)
{
	struct ell_waiters wq = {0};
	struct ell_waiters from = {0};

	waiters_splice(&wq, &from);
	expect(&wq, 0, NULL);
	fill(&from, 0, 2);
	waiters_splice(&wq, &from);
	expect(&wq, 2, (int[]){0, 1});
	expect(&from, 0, NULL);
	fill(&from, 2, 5);
	waiters_splice(&wq, &from);
	expect(&wq, 5, (int[]){0, 1, 2, 3, 4});
	expect(&from, 0, NULL);
}

static void a_granted_node_is_in_no_queue(void)
{
	struct ell_waiters wq = {0};

	fill(&wq, 0, 3);
	nodes[0].wn_ticket = 77;
	CHECK_EQ(waiters_grant(&wq, &nodes[0]), 77);
	CHECK(nodes[0].wn_granted);
	expect(&wq, 2, (int[]){1, 2});
}

static void a_broken_queue_is_told_from_a_whole_one(void)
{
	struct ell_waiters wq = {0};

	fill(&wq, 0, 3);
	nodes[1].wn_prev = &nodes[2];
	CHECK(!waiters_is_valid(&wq));
	nodes[1].wn_prev = &nodes[0];
	CHECK(waiters_is_valid(&wq));
	wq.wq_count++;
	CHECK(!waiters_is_valid(&wq));
	wq.wq_count--;
	wq.wq_last = &nodes[1];
	CHECK(!waiters_is_valid(&wq));
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(the_oldest_is_the_first),
		HARNESS_CASE(any_node_can_be_taken_out),
		HARNESS_CASE(a_splice_keeps_the_order_and_empties_its_source),
		HARNESS_CASE(a_granted_node_is_in_no_queue),
		HARNESS_CASE(a_broken_queue_is_told_from_a_whole_one),
	};

	return harness_run("waiters", cases, ARRAY_SIZE(cases), argc, argv);
}
