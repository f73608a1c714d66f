/* SPDX-License-Identifier: BSD-2-Clause */
/* fiber.cc - the same benchmarks on Boost.Fiber: fiber NAME [ms=N]; rows as in ../micro/bench.h */
#include <boost/fiber/all.hpp>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace fibers = boost::fibers;
using clock_type = std::chrono::steady_clock;

static long ms = 100;

static void row(const char *metric, double value)
{
	std::printf("%s\t%.6g\tns\n", metric, value);
}

/* A stack of the same size as everybody's, from a pool: a fresh one for each fiber would be what is measured. */
static fibers::fiber start(const std::function<void()> &fn)
{
	static boost::context::pooled_fixedsize_stack stacks(65536);

	return fibers::fiber(std::allocator_arg, stacks, fn);
}

/* bench_each() of ../micro/bench.h. */
static double each(const std::function<void(uint64_t)> &round)
{
	clock_type::duration before{};

	for (uint64_t n = 64;; n *= 2) {
		auto begin = clock_type::now();

		round(n);
		auto took = clock_type::now() - begin;
		if (took >= std::chrono::milliseconds(ms) && took / 4 <= before)
			return std::chrono::duration<double, std::nano>(took).count() / static_cast<double>(n);
		before = took;
	}
}

static void both(const std::function<void(uint64_t)> &side)
{
	fibers::fiber first = start([&] { side(0); });
	fibers::fiber second = start([&] { side(1); });

	first.join();
	second.join();
}

static void yield()
{
	constexpr int ring = 8;
	uint64_t switches = 0, yields = 0;

	double ns = each([&](uint64_t n) {
		std::vector<fibers::fiber> members;
		int running = -1;

		switches = 0;
		yields = n;
		for (int me = 0; me < ring; me++)
			members.push_back(start([&, me] {
				for (uint64_t i = 0; i < n / ring; i++) {
					if (running != me) {
						running = me;
						switches++;
					}
					boost::this_fiber::yield();
				}
			}));
		for (auto &member : members)
			member.join();
	});
	row("per switch", ns * static_cast<double>(yields) / static_cast<double>(switches));
}

static void create()
{
	row("create + join", each([](uint64_t n) {
		    for (uint64_t i = 0; i < n; i++)
			    start([] {}).join();
	    }));
	row("create + join, 100 at a time", each([](uint64_t n) {
						    for (uint64_t i = 0; i < n; i++) {
							    std::vector<fibers::fiber> batch;

							    for (int k = 0; k < 100; k++)
								    batch.push_back(start([] {}));
							    for (auto &fiber : batch)
								    fiber.join();
						    }
					    }) / 100);
}

static void handoff()
{
	fibers::mutex mutex;
	fibers::condition_variable cond;

	row("per hand-off", each([&](uint64_t n) {
		    uint64_t turns = n;

		    both([&](uint64_t me) {
			    std::unique_lock<fibers::mutex> lock(mutex);

			    for (;;) {
				    while (turns > 0 && turns % 2 != me)
					    cond.wait(lock);
				    if (turns == 0)
					    break;
				    turns--;
				    cond.notify_one();
			    }
		    });
	    }));
}

static void mutex()
{
	fibers::mutex mutex;

	row("lock + unlock", each([&](uint64_t n) {
		    for (uint64_t i = 0; i < n; i++) {
			    mutex.lock();
			    mutex.unlock();
		    }
	    }));
}

/* Its channel holds one value less than its capacity, a power of two: 64 is not to be had, and 63 is near enough. */
static void channel()
{
	const std::pair<const char *, size_t> rooms[] = {{"per value, room for 1", 2}, {"per value, room for 64", 64}};

	for (auto [metric, capacity] : rooms) {
		fibers::buffered_channel<uint64_t> ch(capacity);

		row(metric, each([&](uint64_t n) {
			    both([&](uint64_t me) {
				    for (uint64_t i = 0; i < n; i++) {
					    if (me == 0)
						    ch.push(i);
					    else if (ch.value_pop() != i)
						    std::abort();
				    }
			    });
		    }));
	}
}

int main(int argc, char **argv)
{
	const std::map<std::string, void (*)()> benches = {
		{"yield", yield}, {"create", create}, {"handoff", handoff}, {"mutex", mutex}, {"chan", channel},
	};
	void (*run)() = nullptr;

	for (int i = 1; i < argc; i++) {
		if (std::strncmp(argv[i], "ms=", 3) == 0)
			ms = std::atol(argv[i] + 3);
		else if (auto found = benches.find(argv[i]); found != benches.end())
			run = found->second;
	}
	if (run == nullptr) {
		std::fprintf(stderr, "usage: %s NAME [ms=N]\n", argv[0]);
		return 2;
	}
	run();
	return 0;
}
