// Independent pieces of work on several threads.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <thread>
#include <vector>

namespace j4d {

// Calls `work(0)` .. `work(count - 1)`, each once, on `threads` threads; `work` must not throw. Meanwhile the calling
// thread asks `go_on()` ten times a second; after the first no, nothing new is begun. Returns whether all was done.
template <typename Work, typename GoOn>
bool on_threads(std::size_t count, int threads, Work work, GoOn go_on) {
    std::atomic<std::size_t> next{0};
    std::atomic<bool> stop{false};
    std::mutex mutex;
    std::condition_variable finished;
    int running = 0;
    const auto run = [&] {
        for (std::size_t i; !stop && (i = next++) < count;) work(i);
        const std::lock_guard<std::mutex> lock(mutex);
        if (--running == 0) finished.notify_one();
    };
    std::vector<std::thread> workers;
    std::unique_lock<std::mutex> lock(mutex);
    for (int i = 0; i < threads && static_cast<std::size_t>(i) < count; ++i) {
        try {
            workers.emplace_back(run);
        } catch (...) {  // no more threads to be had: those that run do the work
            if (workers.empty()) throw;
            break;
        }
        ++running;
    }
    while (!finished.wait_for(lock, std::chrono::milliseconds(100), [&] { return running == 0; })) {
        lock.unlock();
        if (!go_on()) stop = true;
        lock.lock();
    }
    lock.unlock();
    for (std::thread& worker : workers) worker.join();
    return !stop;
}

}  // namespace j4d
