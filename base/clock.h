// The two clocks of the project. Any thread.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <ctime>

namespace wfs {

// Nanoseconds since the epoch: for what is recorded.
inline std::int64_t now_ns() noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// A time of a file as such nanoseconds; one they cannot hold becomes the nearest they can.
inline std::int64_t ns_of(const timespec& time) noexcept {
  constexpr std::int64_t seconds_max = 9'223'372'035;  // the years 1677 to 2262
  const std::int64_t seconds = std::clamp(std::int64_t{time.tv_sec}, -seconds_max, seconds_max);
  return seconds * 1'000'000'000 + time.tv_nsec;
}

// Milliseconds that never go back: for waiting.
inline std::int64_t steady_ms() noexcept {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace wfs
