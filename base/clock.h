// The two clocks of the project. Any thread.
#pragma once

#include <chrono>
#include <cstdint>

namespace wfs {

// Nanoseconds since the epoch: for what is recorded.
inline std::int64_t now_ns() noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// Milliseconds that never go back: for waiting.
inline std::int64_t steady_ms() noexcept {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace wfs
