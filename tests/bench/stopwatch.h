// Seconds that the calling thread has computed since it was made: others on the machine slow it down
// only by what they do to caches and memory. One thread.
#pragma once

#include <ctime>

namespace wfs {

class Stopwatch {
 public:
  double seconds() const noexcept { return now() - start_; }

 private:
  static double now() noexcept {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
  }

  double start_ = now();
};

}  // namespace wfs
