#include "index/segment_map.h"

#include <algorithm>

#include "base/error.h"

namespace wfs {

SegmentMap::SegmentMap(Layout layout, std::vector<BlockRef> blocks)
    : layout_(std::move(layout)), blocks_(std::move(blocks)) {
  offsets_.reserve(blocks_.size() + 1);
  for (const BlockRef& block : blocks_) {
    offsets_.push_back(size_);
    size_ += block.plain_length;
  }
  offsets_.push_back(size_);
  std::uint64_t covered = 0;
  for (const Segment& segment : layout_.segments) covered += segment.range.length;
  if (covered != size_) fail(Errc::corrupt, "the segments of a content do not cover its blocks");
}

std::pair<std::size_t, std::size_t> SegmentMap::blocks_of(Range wanted) const noexcept {
  if (wanted.offset >= size_ || wanted.empty()) return {0, 0};
  const std::uint64_t end = wanted.offset + std::min(wanted.length, size_ - wanted.offset);
  const auto first = std::upper_bound(offsets_.begin(), offsets_.end(), wanted.offset) - 1;
  const auto last = std::lower_bound(first, offsets_.end(), end);
  return {static_cast<std::size_t>(first - offsets_.begin()),
          static_cast<std::size_t>(last - offsets_.begin())};
}

std::vector<BlockSlice> SegmentMap::slices(Range wanted) const {
  expects(wanted.offset <= size_ && wanted.length <= size_ - wanted.offset,
          "a read stays inside its content");
  std::vector<BlockSlice> slices;
  const auto [first, last] = blocks_of(wanted);
  for (std::size_t i = first; i < last; ++i) {
    const std::uint64_t from = std::max(wanted.offset, offsets_[i]);
    const std::uint64_t to = std::min(wanted.end(), offsets_[i + 1]);
    slices.push_back({&blocks_[i], static_cast<std::uint32_t>(from - offsets_[i]),
                      static_cast<std::uint32_t>(to - from)});
  }
  return slices;
}

}  // namespace wfs
