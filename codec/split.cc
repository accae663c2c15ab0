#include "codec/split.h"

#include <algorithm>
#include <array>

#include "base/error.h"

namespace wfs {
namespace {

constexpr std::size_t whole_max = 64 * 1024;  // opaque segments up to this are one block
constexpr std::size_t chunk_min = 32 * 1024;
constexpr std::size_t chunk_target = 96 * 1024;

// A cut is where the upper bits of the hash are all zero: more of them before the target length and
// fewer behind it, which keeps the lengths together.
constexpr std::uint64_t mask_before = 0xffff'c000'0000'0000;  // 18 bits
constexpr std::uint64_t mask_behind = 0xfffc'0000'0000'0000;  // 14 bits

// Fixed for ever: cuts, and with them block names, depend on it.
constexpr std::array<std::uint64_t, 256> make_gear() {
  std::array<std::uint64_t, 256> gear{};
  std::uint64_t state = 0x7765'6967'6874'6673;
  for (std::uint64_t& value : gear) {  // splitmix64
    std::uint64_t mixed = state += 0x9e37'79b9'7f4a'7c15;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58'476d'1ce4'e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d0'49bb'1331'11eb;
    value = mixed ^ (mixed >> 31);
  }
  return gear;
}

constexpr auto gear = make_gear();

// The length of the chunk that `bytes` starts with. Requires: block_size_max bytes, or all there
// are.
std::size_t chunk_length(Bytes bytes) {
  const std::size_t end = std::min<std::size_t>(bytes.size(), block_size_max);
  if (end <= chunk_min) return end;
  const std::size_t target = std::min(end, chunk_target);
  std::uint64_t hash = 0;
  std::size_t at = chunk_min - 64;  // the hash forgets what is 64 bytes away
  for (; at < chunk_min; ++at) hash = (hash << 1) + gear[std::to_integer<std::size_t>(bytes[at])];
  for (; at < target; ++at) {
    hash = (hash << 1) + gear[std::to_integer<std::size_t>(bytes[at])];
    if ((hash & mask_before) == 0) return at + 1;
  }
  for (; at < end; ++at) {
    hash = (hash << 1) + gear[std::to_integer<std::size_t>(bytes[at])];
    if ((hash & mask_behind) == 0) return at + 1;
  }
  return end;
}

void split_evenly(Range range, Dtype dtype, std::vector<PlainBlock>& blocks) {
  // A block starts where a group of quants does.
  const std::uint64_t length_max = block_size_max - block_size_max % group_bytes_of(dtype);
  for (std::uint64_t done = 0; done < range.length; done += length_max) {
    const auto length = std::min(length_max, range.length - done);
    blocks.push_back({{range.offset + done, length}, dtype});
  }
}

void split_by_content(const ByteSource& file, Range range, std::vector<PlainBlock>& blocks) {
  constexpr std::uint64_t window_max = 4 * std::uint64_t{block_size_max};
  Buffer window;
  std::uint64_t next = range.offset;  // of the file, behind the window
  std::size_t used = 0;               // of the window
  for (std::uint64_t at = range.offset; at < range.end();) {
    if (window.size() - used < block_size_max && next < range.end()) {
      window.erase(window.begin(), window.begin() + static_cast<std::ptrdiff_t>(used));
      used = 0;
      const std::size_t kept = window.size();
      const std::uint64_t more = std::min(window_max - kept, range.end() - next);
      window.resize(kept + static_cast<std::size_t>(more));
      file.read(next, MutableBytes(window).subspan(kept));
      next += more;
    }
    const std::size_t length = chunk_length(Bytes(window).subspan(used));
    blocks.push_back({{at, length}, Dtype::opaque});
    used += length;
    at += length;
  }
}

}  // namespace

std::vector<PlainBlock> split(const ByteSource& file, const Layout& layout) {
  std::vector<PlainBlock> blocks;
  for (const Segment& segment : layout.segments) {
    if (segment.tensor) {
      split_evenly(segment.range, segment.tensor->dtype, blocks);
    } else if (segment.range.length <= whole_max) {
      split_evenly(segment.range, Dtype::opaque, blocks);
    } else {
      split_by_content(file, segment.range, blocks);
    }
  }
  return blocks;
}

}  // namespace wfs
