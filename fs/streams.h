// Sees in the reads of one handle what will be read next. A handle may have several sequential readers:
// threads that read ranges of their own, faults of a map, one tensor after another. Each is a stream;
// a read belongs to the stream whose end it is near, or begins a new one in the place of the
// stream that rested longest. Random reads begin streams that nobody follows, and ask for nothing.
// A value; one thread at a time.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"

namespace wfs {

class Streams {
 public:
  static constexpr std::uint64_t window_first_bytes = 1 << 20;
  static constexpr std::size_t count = 8;

  // `size` of the file; `window_max`: how far all its streams together run ahead.
  Streams(std::uint64_t size, std::uint64_t window_max) : size_(size), window_max_(window_max) {}

  // What to decode now that `wanted` is read; empty: nothing.
  Range next(Range wanted);

  // How far the stream that was read last runs ahead; 0: it is none yet.
  std::uint64_t window() const noexcept { return streams_[latest_].window; }

 private:
  struct Stream {
    std::uint64_t end = 0;      // of its furthest read
    std::uint64_t asked = 0;    // everything before it was asked for
    std::uint64_t window = 0;
    std::uint64_t longest = 0;  // of its reads
    std::uint64_t age = 0;      // when it was read last; 0: free
    unsigned run = 0;           // reads that went on from one another
  };

  Stream* stream_near(Range wanted) noexcept;
  Range grow(Stream& stream);
  std::uint64_t window_limit() const noexcept;

  std::uint64_t size_;
  std::uint64_t window_max_;
  std::array<Stream, count> streams_{};
  std::size_t latest_ = 0;
  std::uint64_t reads_ = 0;
  bool flows_ = false;  // some stream went on for long: a new one is likely to do so too
};

}  // namespace wfs
