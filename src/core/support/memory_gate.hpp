// What pictures under way may take together: whoever is about to take memory says how much, and waits until there is
// room. In the order of asking, so that a large picture is not overtaken for ever by small ones.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace j4d {

class MemoryGate {
  public:
    explicit MemoryGate(std::int64_t limit) : limit_(limit) {}

    // Waits for `bytes`, and returns what is to be given back: none where it is more than the limit, which is refused
    // elsewhere.
    std::int64_t enter(std::int64_t bytes) {
        if (bytes > limit_) return 0;
        std::unique_lock<std::mutex> lock(mutex_);
        const std::uint64_t turn = turns_++;
        changed_.wait(lock, [&] { return turn == serving_ && used_ + bytes <= limit_; });
        ++serving_;
        used_ += bytes;
        changed_.notify_all();
        return bytes;
    }

    void leave(std::int64_t bytes) {
        const std::lock_guard<std::mutex> lock(mutex_);
        used_ -= bytes;
        changed_.notify_all();
    }

  private:
    const std::int64_t limit_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::int64_t used_ = 0;
    std::uint64_t turns_ = 0;    // that were asked for
    std::uint64_t serving_ = 0;  // the next to enter
};

}  // namespace j4d
