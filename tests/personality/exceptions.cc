/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * exceptions.cc - an ordinary program: std::thread, std::async, exceptions in threads, and cancelled ones that unwind
 */
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <future>
#include <mutex>
#include <pthread.h>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

static std::atomic<int> unwound;

struct Guard {
	~Guard()
	{
		unwound++;
	}
};

static int deep(int n)
{
	Guard guard;

	if (n == 0) {
		std::this_thread::yield();
		throw std::runtime_error("deep");
	}
	return deep(n - 1) + 1;
}

static void *sleeper(void *)
{
	Guard guard;

	for (;;)
		sleep(1000);
	return nullptr;
}

static void *reader(void *arg)
{
	Guard guard;
	char c;

	while (read(*static_cast<int *>(arg), &c, 1) >= 0)
		;
	return nullptr;
}

int main()
{
	std::mutex mutex;
	std::condition_variable changed;
	std::vector<std::thread> threads;
	int caught = 0, pipes[2];
	bool go = false;

	for (int i = 0; i < 20; i++) {
		threads.emplace_back([&, i] {
			std::unique_lock<std::mutex> lock(mutex);
			changed.wait(lock, [&] { return go; });
			try {
				deep(i);
			} catch (const std::exception &) {
				caught++;
			}
		});
	}
	{
		std::lock_guard<std::mutex> lock(mutex);
		go = true;
	}
	changed.notify_all();
	for (auto &thread : threads)
		thread.join();
	std::printf("caught %d, unwound %d\n", caught, unwound.load());

	auto future = std::async(std::launch::async, [] { return deep(3); });
	try {
		future.get();
	} catch (const std::runtime_error &error) {
		std::printf("future: %s\n", error.what());
	}

	unwound = 0;
	if (pipe(pipes) != 0)
		return 1;
	for (int i = 0; i < 10; i++) {
		pthread_t thread;
		void *result;

		if (i % 2)
			pthread_create(&thread, nullptr, sleeper, nullptr);
		else
			pthread_create(&thread, nullptr, reader, &pipes[0]);
		usleep(1000);
		pthread_cancel(thread);
		pthread_join(thread, &result);
		if (result != PTHREAD_CANCELED)
			std::printf("not cancelled\n");
	}
	std::printf("cancelled, unwound %d\n", unwound.load());
	return 0;
}
