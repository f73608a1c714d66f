/* SPDX-License-Identifier: BSD-2-Clause */
/* tls_objects_test.cc - thread_local objects live and die with their thread; exceptions are the thread's, too */
#include <ellula/ellula.h>

#include <cstdlib>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "harness/harness.h"

namespace
{

enum { WORKERS = 6, ROUNDS = 1000 };

#if defined(WITH_ASAN) || defined(WITH_TSAN)
const bool threads_have_tls = false;
#else
const bool threads_have_tls = true;
#endif

void need_private_tls()
{
	if (!threads_have_tls)
		SKIP("with a sanitizer, threads share the TLS of their LWP");
}

unsigned made, destroyed;

/* Knows its thread, and waits even while it is destroyed. */
class resident
{
      public:
	resident() : thread(ell_self()), text("a string that is too long to be kept inside of its object")
	{
		__atomic_add_fetch(&made, 1, __ATOMIC_RELAXED);
	}

	~resident()
	{
		CHECK_EQ(thread, ell_self());
		ell_yield();
		CHECK_EQ(thread, ell_self());
		CHECK_EQ(text.back(), 't');
		thread = 0;
		__atomic_add_fetch(&destroyed, 1, __ATOMIC_RELAXED);
	}

	ell_thread thread;
	std::string text;
	std::vector<unsigned> visits;
};

thread_local resident one;
thread_local std::unique_ptr<resident> another;

void move_on(unsigned i)
{
	if (i % 2)
		ell_yield();
	else
		ell_sleep_until(ell_after(1));
}

void *visit(void *leaves_early)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		one.visits.push_back(i);
		move_on(i);
		CHECK_EQ(one.thread, ell_self());
		CHECK_EQ(one.visits.size(), i + 1);
		CHECK_EQ(one.visits[i], i);
		if (i == 10)
			another.reset(new resident);
	}
	if (leaves_early)
		ell_exit(nullptr);
	return nullptr;
}

void run_workers(void *(*fn)(void *))
{
	ell_thread threads[WORKERS];

	for (uintptr_t i = 0; i < WORKERS; i++)
		CHECK_EQ(ell_create(&threads[i], nullptr, fn, reinterpret_cast<void *>(i % 2)), 0);
	for (unsigned i = 0; i < WORKERS; i++)
		CHECK_EQ(ell_join(threads[i], nullptr), 0);
}

void objects_live_and_die_with_their_thread()
{
	need_private_tls();
	for (unsigned again = 1; again <= 3; again++) {
		run_workers(visit);
		CHECK_EQ(made, again * 2 * WORKERS);
		CHECK_EQ(destroyed, made);
	}
}

void *visit_not(void *)
{
	return nullptr;
}

void objects_that_nobody_used_were_never_made()
{
	run_workers(visit_not);
	CHECK_EQ(made, 0);
}

/* Destroyed in the opposite order, and what a destructor makes is destroyed as well. */
std::string order;

template <char name> void touch()
{
	struct tracer {
		~tracer()
		{
			order += name;
			if (name == 'b')
				touch<'c'>();
		}
	};
	static thread_local tracer here;

	(void)here;
}

void *use_tracers(void *)
{
	touch<'a'>();
	touch<'b'>();
	return nullptr;
}

void destructors_run_in_the_opposite_order()
{
	ell_thread thread;

	need_private_tls();
	CHECK_EQ(ell_create(&thread, nullptr, use_tracers, nullptr), 0);
	CHECK_EQ(ell_join(thread, nullptr), 0);
	CHECK_STR(order.c_str(), "bca");
}

/*
 * Exceptions: what is being thrown and caught is the thread's own
 */
void throw_deep(unsigned depth, unsigned value)
{
	struct waiter {
		unsigned i;
		~waiter()
		{
			/* During unwinding, too. */
			int in_flight = std::uncaught_exceptions();

			move_on(i);
			CHECK_EQ(std::uncaught_exceptions(), in_flight);
		}
	} waiter = {value};

	if (depth == 0)
		throw std::runtime_error(std::to_string(value));
	throw_deep(depth - 1, value);
}

void *throw_and_catch(void *index)
{
	for (unsigned i = 0; i < ROUNDS / 10; i++) {
		unsigned value = i * WORKERS + static_cast<unsigned>(reinterpret_cast<uintptr_t>(index));

		try {
			throw_deep(5, value);
			FAIL("nothing was thrown");
		} catch (const std::exception &outer) {
			move_on(i);
			CHECK_STR(outer.what(), std::to_string(value).c_str());
			try {
				throw_deep(2, value + 1);
			} catch (const std::runtime_error &inner) {
				move_on(i + 1);
				CHECK_STR(inner.what(), std::to_string(value + 1).c_str());
			}
			move_on(i);
			try {
				std::rethrow_exception(std::current_exception());
			} catch (const std::runtime_error &again) {
				CHECK(&again == &outer);
			}
			CHECK_EQ(std::uncaught_exceptions(), 0);
		}
		CHECK(!std::current_exception());
	}
	return nullptr;
}

void threads_throw_and_catch_at_the_same_time()
{
	need_private_tls();
	run_workers(throw_and_catch);
}

void *throw_out(void *)
{
	throw std::runtime_error("nobody catches this");
}

void an_exception_that_nobody_catches_ends_the_process()
{
	ell_thread thread;

	CHECK_EQ(ell_create(&thread, nullptr, throw_out, nullptr), 0);
	ell_join(thread, nullptr);
}

} /* namespace */

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(objects_live_and_die_with_their_thread, HARNESS_IN_RUN, HARNESS_VCPUS(2)),
		HARNESS_CASE(objects_that_nobody_used_were_never_made, HARNESS_IN_RUN),
		HARNESS_CASE(destructors_run_in_the_opposite_order, HARNESS_IN_RUN),
		HARNESS_CASE(threads_throw_and_catch_at_the_same_time, HARNESS_IN_RUN, HARNESS_VCPUS(2)),
		HARNESS_CASE(an_exception_that_nobody_catches_ends_the_process, HARNESS_DIES("nobody catches this"),
			     HARNESS_IN_RUN),
	};

	setenv("ELLULA_MIGRATE", "1", 1);
	return harness_run("tls_objects", cases, ARRAY_SIZE(cases), argc, argv);
}
