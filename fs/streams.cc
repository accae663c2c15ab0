#include "fs/streams.h"

#include <algorithm>

namespace wfs {
namespace {

// The kernel sends several reads of one reader at a time and they are served in any order; and who reads
// tensors skips some. A read this many of its own lengths from the end of a stream still belongs to it.
constexpr std::uint64_t near_lengths = 4;
constexpr std::uint64_t near_bytes_max = 4 << 20;
constexpr unsigned run_min = 2;
constexpr unsigned run_that_flows = 4;
// The kernel asks for this much only where it has seen a reader go on, or maps.
constexpr std::uint64_t long_read = 128 << 10;
// A stream that saw none of this many reads has ended, and needs no part of the window.
constexpr std::uint64_t rest_max = 64;

}  // namespace

Streams::Stream* Streams::stream_near(Range wanted) noexcept {
  Stream* nearest = nullptr;
  std::uint64_t least = 0;
  for (Stream& stream : streams_) {
    if (stream.age == 0) continue;
    const std::uint64_t near =
        std::min(near_lengths * std::max(wanted.length, stream.longest), near_bytes_max);
    if (wanted.offset > stream.end + near || wanted.end() + near < stream.end) continue;
    const std::uint64_t distance = wanted.offset > stream.end ? wanted.offset - stream.end
                                                              : stream.end - wanted.offset;
    if (nearest != nullptr && distance >= least) continue;
    nearest = &stream;
    least = distance;
  }
  return nearest;
}

std::uint64_t Streams::window_limit() const noexcept {
  std::uint64_t running = 0;
  for (const Stream& stream : streams_) {
    if (stream.window > 0 && stream.age + rest_max > reads_) ++running;
  }
  return std::max(window_max_ / std::max<std::uint64_t>(running, 1), window_first_bytes);
}

Range Streams::grow(Stream& stream) {
  stream.window = std::clamp(stream.window * 2, window_first_bytes, window_limit());
  const std::uint64_t from = std::max(stream.asked, stream.end);
  const std::uint64_t to = std::min(stream.end + stream.window, size_);
  // Half a window at a time, so that not every read makes the threads look for work.
  if (to <= from || (to - from < stream.window / 2 && to < size_)) return {};
  stream.asked = to;
  return {from, to - from};
}

Range Streams::next(Range wanted) {
  ++reads_;
  if (Stream* stream = stream_near(wanted)) {
    latest_ = static_cast<std::size_t>(stream - streams_.data());
    stream->age = reads_;
    stream->longest = std::max(stream->longest, wanted.length);
    if (wanted.end() <= stream->end) return {};
    stream->end = wanted.end();
    if (++stream->run < run_min) return {};
    if (stream->run >= run_that_flows) flows_ = true;
    return grow(*stream);
  }
  const auto rested = std::min_element(
      streams_.begin(), streams_.end(),
      [](const Stream& left, const Stream& right) { return left.age < right.age; });
  *rested = {wanted.end(), wanted.end(), 0, wanted.length, reads_, 1};
  latest_ = static_cast<std::size_t>(rested - streams_.begin());
  if (!flows_ || wanted.length < long_read) return {};
  return grow(*rested);
}

}  // namespace wfs
