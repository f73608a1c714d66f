/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bank.c - every kind of lock at once, and money that must not change
 *
 * Customers move money between accounts, each with a mutex, and a condition for those who wait for a deposit. A
 * semaphore counts the tellers. Some orders go to clerks, through a channel. An auditor stops the bank by writing its
 * rwlock and counts the money. All waits but few have deadlines of about the time that they take, so that most races
 * are lost now and then. Customers, clerks and auditors are threads of the library and foreign ones.
 */
#include <errno.h>

#include "sync/crew.h"

enum { ACCOUNTS = 12, BALANCE = 100, TELLERS = 6, ORDERS = 4 };
enum { CUSTOMERS = 40, CLERKS = 6, AUDITORS = 2, HANDS = CUSTOMERS + CLERKS + AUDITORS, TRANSFERS = 8000 };

struct account {
	struct ell_mutex mutex;
	struct ell_cond deposited;
	int64_t balance;
};

struct order {
	unsigned from, to;
	int64_t amount;
	struct ell_sem *done;
};

static struct account accounts[ACCOUNTS];
static struct ell_rwlock open_for_business;
static struct ell_sem tellers;
static struct ell_chan orders;
static _Alignas(max_align_t) char order_space[ELL_CHAN_SPACE(ORDERS, sizeof(struct order))];
static struct crew crew;
static unsigned customers_left;
static uint64_t moved, refused, audits;

static ell_time soon(struct hand *hand)
{
	return ell_after(crew_random(hand, 200) * ELL_USEC);
}

static bool withdraw(struct hand *hand, struct account *a, int64_t amount)
{
	ell_time until = soon(hand);
	bool enough;

	if (ell_mutex_lock_until(&a->mutex, until))
		return false;
	while (!(enough = a->balance >= amount) && ell_cond_wait_until(&a->deposited, &a->mutex, until) == 0)
		;
	if (enough)
		a->balance -= amount;
	CHECK_EQ(ell_mutex_unlock(&a->mutex), 0);
	return enough;
}

static void deposit(struct hand *hand, struct account *a, int64_t amount)
{
	bool first = crew_random(hand, 2);

	CHECK_EQ(ell_mutex_lock(&a->mutex), 0);
	a->balance += amount;
	if (first)
		CHECK_EQ(ell_cond_signal(&a->deposited), 0);
	CHECK_EQ(ell_mutex_unlock(&a->mutex), 0);
	if (!first)
		CHECK_EQ(ell_cond_broadcast(&a->deposited), 0);
}

/* Under the bank's rwlock, as a reader. */
static bool serve(struct hand *hand, const struct order *order)
{
	bool done;

	if (ell_sem_wait_until(&tellers, soon(hand)))
		return false;
	done = withdraw(hand, &accounts[order->from], order->amount);
	if (done)
		deposit(hand, &accounts[order->to], order->amount);
	CHECK_EQ(ell_sem_post(&tellers), 0);
	return done;
}

static void transfer(struct hand *hand, const struct order *order)
{
	bool done = false;

	if (ell_rwlock_rdlock_until(&open_for_business, soon(hand)) == 0) {
		done = serve(hand, order);
		CHECK_EQ(ell_rwlock_unlock(&open_for_business), 0);
	}
	fetch_add_relaxed(done ? &moved : &refused, 1);
}

static void be_customer(struct hand *hand)
{
	struct ell_sem done = {0};

	for (unsigned i = 0; i < TRANSFERS; i++) {
		struct order order = {.from = crew_random(hand, ACCOUNTS),
				      .to = crew_random(hand, ACCOUNTS),
				      .amount = 1 + crew_random(hand, BALANCE),
				      .done = &done};

		if (crew_random(hand, 3)) {
			transfer(hand, &order);
		} else if (ell_chan_send_until(&orders, &order, soon(hand)) == 0) {
			CHECK_EQ(ell_sem_wait(&done), 0);
		} else {
			fetch_add_relaxed(&refused, 1);
		}
	}
	CHECK_EQ(ell_sem_finish(&done), 0);
	if (fetch_sub_acq_rel(&customers_left, 1) == 1)
		CHECK_EQ(ell_chan_close(&orders), 0);
}

static void be_clerk(struct hand *hand)
{
	struct order order;
	int rc;

	while ((rc = ell_chan_recv_until(&orders, &order, soon(hand))) != EPIPE) {
		if (rc == ETIMEDOUT) {
			crew_pause(crew_random(hand, 16));
			continue;
		}
		CHECK_EQ(rc, 0);
		transfer(hand, &order);
		CHECK_EQ(ell_sem_post(order.done), 0);
	}
}

static int64_t count_money(void)
{
	int64_t sum = 0;

	for (unsigned i = 0; i < ACCOUNTS; i++)
		sum += accounts[i].balance;
	return sum;
}

static void be_auditor(struct hand *hand)
{
	while (load_acquire(&customers_left)) {
		ell_park_until(ell_after(crew_random(hand, 500) * ELL_USEC));
		if (ell_rwlock_wrlock_until(&open_for_business, soon(hand)))
			continue;
		CHECK_EQ(count_money(), ACCOUNTS * BALANCE);
		CHECK_EQ(load_relaxed(&tellers.sm_units), TELLERS);
		CHECK_EQ(ell_rwlock_unlock(&open_for_business), 0);
		fetch_add_relaxed(&audits, 1);
	}
}

/* The foreign threads are the last of the crew; with a stride some of them get each role. */
static void play_role(struct hand *hand)
{
	unsigned role = hand->index * 7 % HANDS;

	if (role < CUSTOMERS)
		be_customer(hand);
	else if (role < CUSTOMERS + CLERKS)
		be_clerk(hand);
	else
		be_auditor(hand);
}

static void run_the_bank(void)
{
	for (unsigned i = 0; i < ACCOUNTS; i++)
		accounts[i].balance = BALANCE;
	CHECK_EQ(ell_sem_init(&tellers, TELLERS), 0);
	CHECK_EQ(ell_chan_init(&orders, order_space, ORDERS, sizeof(struct order)), 0);
	customers_left = CUSTOMERS;
	crew_start(&crew, HANDS - 8, 8, play_role);
	crew_join(&crew);
	NOTE("%llu moved, %llu refused, %llu audits", (unsigned long long)moved, (unsigned long long)refused,
	     (unsigned long long)audits);
	CHECK_EQ(count_money(), ACCOUNTS * BALANCE);
	CHECK_EQ(moved + refused, (uint64_t)CUSTOMERS * TRANSFERS);
	CHECK_CAME(moved > 0 && refused > 0 && audits > 0);
	for (unsigned i = 0; i < ACCOUNTS; i++) {
		CHECK_EQ(ell_cond_finish(&accounts[i].deposited), 0);
		CHECK_EQ(ell_mutex_finish(&accounts[i].mutex), 0);
	}
	CHECK_EQ(tellers.sm_units, TELLERS);
	CHECK_EQ(ell_rwlock_finish(&open_for_business), 0);
	CHECK_EQ(ell_chan_finish(&orders), 0);
}

static void the_money_stays_the_same_on_one_vcpu(void)
{
	crew_run(1, run_the_bank);
}

static void the_money_stays_the_same_on_two_vcpus(void)
{
	crew_run(2, run_the_bank);
}

static void the_money_stays_the_same_on_more_vcpus_than_cores(void)
{
	crew_run(5, run_the_bank);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(the_money_stays_the_same_on_one_vcpu, HARNESS_SECONDS(180)),
		HARNESS_CASE(the_money_stays_the_same_on_two_vcpus, HARNESS_SECONDS(180)),
		HARNESS_CASE(the_money_stays_the_same_on_more_vcpus_than_cores, HARNESS_SECONDS(180)),
	};

	return harness_run("bank", cases, ARRAY_SIZE(cases), argc, argv);
}
