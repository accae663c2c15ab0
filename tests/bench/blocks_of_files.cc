#include "tests/bench/blocks_of_files.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <algorithm>
#include <map>
#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "tests/bench/stopwatch.h"

namespace wfs {
namespace {

constexpr std::uint64_t in_memory_min = 64'000'000;

void repeat(Buffer& bytes, std::uint64_t copies) {
  const std::size_t size = bytes.size();
  bytes.resize(size * copies);
  for (std::uint64_t copy = 1; copy < copies; ++copy) {
    std::copy_n(bytes.begin(), size, bytes.begin() + static_cast<std::ptrdiff_t>(copy * size));
  }
}

class BaseRanges {
 public:
  explicit BaseRanges(Bytes file) : size_(file.size()), layout_(layout_of(MemorySource(file))) {
    for (const Segment& segment : layout_.segments) {
      if (segment.tensor) segments_.emplace(segment.tensor->name, &segment);
    }
  }
  BaseRanges(const BaseRanges&) = delete;
  BaseRanges& operator=(const BaseRanges&) = delete;

  // Where the base of `block` starts, which lies in `segment` of a file of `format`.
  std::optional<std::uint64_t> find(Format format, const Segment& segment, Range block) const {
    if (!segment.tensor) {
      const bool same_place = format == Format::opaque && layout_.format == Format::opaque;
      return same_place && block.end() <= size_ ? std::optional(block.offset) : std::nullopt;
    }
    const auto found = segments_.find(segment.tensor->name);
    if (found == segments_.end()) return std::nullopt;
    const Segment& base = *found->second;
    const std::uint64_t skip = block.offset - segment.range.offset;
    const bool covers = skip + block.length <= base.range.length;
    if (base.tensor->dtype != segment.tensor->dtype || !covers) return std::nullopt;
    return base.range.offset + skip;
  }

 private:
  std::uint64_t size_;
  Layout layout_;
  std::map<std::string, const Segment*> segments_;
};

}  // namespace

void leave_caches([[maybe_unused]] Bytes bytes) noexcept {
  constexpr std::size_t line = 64;
#if defined(__SSE2__)
  for (std::size_t at = 0; at < bytes.size(); at += line) _mm_clflush(bytes.data() + at);
  _mm_mfence();
#elif defined(__aarch64__)
  for (std::size_t at = 0; at < bytes.size(); at += line) {
    asm volatile("dc civac, %0" ::"r"(bytes.data() + at) : "memory");
  }
  asm volatile("dsb sy" ::: "memory");
#endif
}

void BlocksOfFiles::leave_caches() const noexcept {
  wfs::leave_caches(file_);
  wfs::leave_caches(base_);
}

BlocksOfFiles::BlocksOfFiles(const std::string& file, const std::string& base)
    : file_(read_file(file)) {
  if (file_.empty()) fail(Errc::invalid, cat(file, " is empty"));
  if (!base.empty()) base_ = read_file(base);
  const std::size_t file_size = file_.size(), base_size = base_.size();
  const Layout layout = layout_of(MemorySource(file_));
  format_ = layout.format;
  const Stopwatch watch;
  const auto blocks = split(MemorySource(file_), layout);
  split_mbps_ = static_cast<double>(file_size) / 1e6 / watch.seconds();
  const BaseRanges bases(base_);
  copies_ = (in_memory_min + file_size - 1) / file_size;
  repeat(file_, copies_);
  repeat(base_, copies_);
  for (std::uint64_t copy = 0; copy < copies_; ++copy) {
    auto segment = layout.segments.begin();
    for (const PlainBlock& block : blocks) {
      while (segment->range.end() <= block.range.offset) ++segment;
      const std::size_t at = copy * file_size + block.range.offset;
      BlockPair pair{Bytes(file_).subspan(at, block.range.length), {}, block.dtype};
      if (const auto offset = bases.find(format_, *segment, block.range)) {
        pair.base = Bytes(base_).subspan(copy * base_size + *offset, block.range.length);
        bytes_with_base_ += block.range.length;
      }
      pairs_.push_back(pair);
    }
  }
}

}  // namespace wfs
