// Guarded<T>: data that can be reached only through its lock. Locks are short: never held over I/O,
// decoding, or a reply to the kernel, except where a class says so in its header.
#pragma once

#include <condition_variable>
#include <mutex>
#include <utility>

namespace wfs {

template <class T>
class Guarded {
 public:
  class Lock {
   public:
    T* operator->() noexcept { return value_; }
    T& operator*() noexcept { return *value_; }

    // Gives the lock up before the end of the scope.
    void release() { lock_.unlock(); }

    // Sleeps until `ready()` holds; the lock is free meanwhile.
    template <class Ready>
    void wait(std::condition_variable& condition, Ready ready) {
      condition.wait(lock_, ready);
    }
    template <class Duration, class Ready>
    bool wait_for(std::condition_variable& condition, Duration duration, Ready ready) {
      return condition.wait_for(lock_, duration, ready);
    }

   private:
    friend class Guarded;
    Lock(std::mutex& mutex, T& value) : lock_(mutex), value_(&value) {}
    std::unique_lock<std::mutex> lock_;
    T* value_;
  };

  Guarded() = default;
  template <class... Args>
  explicit Guarded(std::in_place_t, Args&&... args) : value_(std::forward<Args>(args)...) {}

  Lock lock() { return Lock(mutex_, value_); }

 private:
  std::mutex mutex_;
  T value_{};
};

}  // namespace wfs
