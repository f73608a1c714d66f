/* SPDX-License-Identifier: BSD-2-Clause */
/* list_test.c - a list keeps what it was given, in order */
#include "base/list.h"

#include "harness/harness.h"

struct item {
	int number;
	struct list node;
};

/* The numbers of HEAD's items as a decimal number, forwards, and the same read backwards. */
static void check_numbers(const struct list *head, int64_t expected)
{
	int64_t forwards = 0;
	int64_t backwards = 0;
	int64_t unit = 1;

	for (const struct list *at = head->next; at != head; at = at->next) {
		forwards = forwards * 10 + LIST_ENTRY(at, struct item, node)->number;
		CHECK(at->next->prev == at);
	}
	for (const struct list *at = head->prev; at != head; at = at->prev) {
		backwards += unit * LIST_ENTRY(at, struct item, node)->number;
		unit *= 10;
	}
	CHECK_EQ(forwards, expected);
	CHECK_EQ(backwards, expected);
}

static void append_keeps_the_order(void)
{
	struct item items[] = {{.number = 1}, {.number = 2}, {.number = 3}};
	struct list head;

	list_init(&head);
	CHECK(list_empty(&head));
	for (size_t i = 0; i < ARRAY_SIZE(items); i++)
		list_append(&head, &items[i].node);
	CHECK(!list_empty(&head));
	check_numbers(&head, 123);
}

static void insert_puts_it_before(void)
{
	struct item items[] = {{.number = 1}, {.number = 2}, {.number = 3}};
	struct list head;

	list_init(&head);
	list_append(&head, &items[2].node);
	list_insert_before(&items[2].node, &items[0].node);
	list_insert_before(&items[2].node, &items[1].node);
	check_numbers(&head, 123);
}

static void remove_leaves_the_others(void)
{
	struct item items[] = {{.number = 1}, {.number = 2}, {.number = 3}};
	struct list head;

	list_init(&head);
	for (size_t i = 0; i < ARRAY_SIZE(items); i++)
		list_append(&head, &items[i].node);
	list_remove(&items[1].node);
	check_numbers(&head, 13);
	/* What is in no list may be removed once more. */
	list_remove(&items[1].node);
	check_numbers(&head, 13);
	list_remove(&items[0].node);
	list_remove(&items[2].node);
	CHECK(list_empty(&head));
}

static void pop_takes_the_oldest_until_there_is_none(void)
{
	struct item items[] = {{.number = 1}, {.number = 2}};
	struct list head;

	list_init(&head);
	list_append(&head, &items[0].node);
	list_append(&head, &items[1].node);
	CHECK(list_pop(&head) == &items[0].node);
	CHECK(list_pop(&head) == &items[1].node);
	CHECK(list_pop(&head) == NULL);
}

static void splice_moves_all_behind(void)
{
	struct item items[] = {{.number = 1}, {.number = 2}, {.number = 3}, {.number = 4}};
	struct list head, from;

	list_init(&head);
	list_init(&from);
	list_splice(&head, &from);
	CHECK(list_empty(&head));
	list_append(&head, &items[0].node);
	list_append(&head, &items[1].node);
	list_append(&from, &items[2].node);
	list_append(&from, &items[3].node);
	list_splice(&head, &from);
	check_numbers(&head, 1234);
	CHECK(list_empty(&from));
	list_splice(&from, &head);
	check_numbers(&from, 1234);
	CHECK(list_empty(&head));
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(append_keeps_the_order),	HARNESS_CASE(insert_puts_it_before),
		HARNESS_CASE(remove_leaves_the_others), HARNESS_CASE(pop_takes_the_oldest_until_there_is_none),
		HARNESS_CASE(splice_moves_all_behind),
	};

	return harness_run("list", cases, ARRAY_SIZE(cases), argc, argv);
}
