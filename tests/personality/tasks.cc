/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tasks.cc - an ordinary program: what the standard library of C++ makes of threads, as often as its argument says
 */
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <mutex>
#include <numeric>
#include <shared_mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

static std::atomic<int> destroyed;

struct Counted {
	int uses = 0;

	~Counted()
	{
		destroyed++;
	}
};

static thread_local Counted counted;

static long sum(const std::vector<int> &values, size_t begin, size_t end)
{
	if (end - begin < 2000)
		return std::accumulate(values.begin() + static_cast<long>(begin),
				       values.begin() + static_cast<long>(end), 0L);
	size_t middle = begin + (end - begin) / 2;
	auto left = std::async(std::launch::async, sum, std::cref(values), begin, middle);
	return sum(values, middle, end) + left.get();
}

static int locals()
{
	std::vector<std::thread> threads;
	std::atomic<int> uses{0};

	for (int i = 0; i < 8; i++) {
		threads.emplace_back([&] {
			for (int n = 0; n < 10; n++) {
				counted.uses++;
				std::this_thread::yield();
			}
			uses += counted.uses;
		});
	}
	for (auto &thread : threads)
		thread.join();
	return uses;
}

static long readers_and_writers()
{
	std::shared_mutex mutex;
	std::vector<std::thread> threads;
	long value = 0;
	std::atomic<int> odd{0};

	for (int i = 0; i < 6; i++) {
		threads.emplace_back([&, i] {
			for (int n = 0; n < 200; n++) {
				if (i < 2) {
					std::unique_lock<std::shared_mutex> lock(mutex);
					value++;
					std::this_thread::yield();
					value++;
				} else {
					std::shared_lock<std::shared_mutex> lock(mutex);
					odd += value % 2 != 0;
				}
			}
		});
	}
	for (auto &thread : threads)
		thread.join();
	return value + 1000000L * odd;
}

static int exceptions()
{
	std::vector<std::future<int>> futures;
	int caught = 0;

	for (int i = 0; i < 20; i++) {
		futures.push_back(std::async(std::launch::async, [i]() -> int {
			std::this_thread::yield();
			if (i % 2)
				throw std::runtime_error("number " + std::to_string(i));
			return i;
		}));
	}
	for (auto &future : futures) {
		try {
			caught += future.get();
		} catch (const std::runtime_error &error) {
			caught += static_cast<int>(std::string(error.what()).size());
		}
	}
	return caught;
}

static int promises()
{
	std::promise<int> promise;
	std::shared_future<int> future = promise.get_future().share();
	std::vector<std::thread> threads;
	std::atomic<int> got{0};
	std::once_flag once;

	for (int i = 0; i < 8; i++) {
		threads.emplace_back([&] {
			std::call_once(once, [&] { got += 1000; });
			got += future.get();
		});
	}
	promise.set_value(5);
	for (auto &thread : threads)
		thread.join();
	return got;
}

int main(int argc, char **argv)
{
	int times = argc > 1 ? std::atoi(argv[1]) : 1;
	std::vector<int> values(50000);
	long summed = 0, written = 0;
	int used = 0, caught = 0, kept = 0;

	std::iota(values.begin(), values.end(), 0);
	for (int i = 0; i < times; i++) {
		summed += sum(values, 0, values.size());
		used += locals();
		written += readers_and_writers();
		caught += exceptions();
		kept += promises();
	}
	std::printf("sum %ld, uses %d, destroyed %d, written %ld, caught %d, kept %d\n", summed, used, destroyed.load(),
		    written, caught, kept);
	return 0;
}
