#include "index/base_files.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/log.h"
#include "base/wire.h"
#include "codec/half.h"
#include "index/base_policy.h"
#include "index/convert.h"

namespace wfs {
namespace {

constexpr std::size_t blocks_kept_max = 200'000;
constexpr std::size_t pieces = 4;
constexpr std::uint64_t piece_elements = 64;
constexpr std::uint64_t piece_stride = 1024;  // of elements: the pieces are in one block, mostly

// A storage that nothing is known of has the name of its member, and the folder of a PyTorch archive is
// named as the file was when it was saved.
std::string_view key_of(const Layout& layout, const Tensor& tensor) {
  const std::string_view name = tensor.name;
  if (layout.format != Format::torch_zip || tensor.dtype != Dtype::opaque) return name;
  const std::size_t slash = name.find('/');
  return slash == name.npos ? name : name.substr(slash + 1);
}

bool same_rows(const Tensor& a, const Tensor& b) {
  return a.shape == b.shape ||
         (!a.shape.empty() && a.shape.size() == b.shape.size() &&
          std::equal(a.shape.begin() + 1, a.shape.end(), b.shape.begin() + 1));
}

bool matches(const Tensor& a, const Tensor& b) {
  if (a.dtype == b.dtype) return a.dtype == Dtype::opaque ? a.shape == b.shape : same_rows(a, b);
  return convertible(a.dtype, b.dtype) && same_rows(a, b);
}

// The upper half of the number as f32, as an integer that is greater for a greater number.
int ordered(const std::byte* at, Dtype type) {
  std::uint32_t bits = 0;
  if (type == Dtype::f32) bits = load_le<std::uint32_t>(at);
  if (type == Dtype::bf16) bits = f32_of_bf16(load_le<std::uint16_t>(at));
  if (type == Dtype::f16) bits = f32_of_f16(load_le<std::uint16_t>(at));
  return ordered_bf16(static_cast<std::uint16_t>(bits >> 16));
}

}  // namespace

BaseFile::BaseFile(std::shared_ptr<const ByteSource> bytes, std::shared_ptr<const SegmentMap> map)
    : bytes_(std::move(bytes)), map_(std::move(map)) {
  const auto& segments = layout().segments;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    if (segments[i].tensor) by_name_.emplace(key_of(layout(), *segments[i].tensor), i);
  }
}

std::optional<std::size_t> BaseFile::match(const Layout& other, std::size_t segment) const {
  const auto& segments = layout().segments;
  const auto& tensor = other.segments[segment].tensor;
  if (tensor) {
    const auto at = by_name_.find(key_of(other, *tensor));
    if (at == by_name_.end() || !matches(*tensor, *segments[at->second].tensor)) return std::nullopt;
    return at->second;
  }
  if (other.format != layout().format) return std::nullopt;
  const bool same_place = segment == 0 || segments.size() == other.segments.size();
  if (!same_place || segment >= segments.size() || segments[segment].tensor) return std::nullopt;
  return segment;
}

bool BaseFile::can_be_base(std::size_t base_segment, const Segment& of) const noexcept {
  if (base_segment >= layout().segments.size()) return false;
  const auto& tensor = layout().segments[base_segment].tensor;
  if (!tensor || !of.tensor) return !tensor && !of.tensor;
  return tensor->dtype == of.tensor->dtype || convertible(tensor->dtype, of.tensor->dtype);
}

std::optional<BlockBase> BaseFile::base_at(std::size_t base_segment, const Segment& segment,
                                           const Range& range) const {
  const Segment& own = layout().segments[base_segment];
  BlockBase base;
  std::uint64_t offset = range.offset - segment.range.offset;
  std::uint64_t length = range.length;
  if (segment.tensor && segment.tensor->dtype != own.tensor->dtype) {
    base.from = own.tensor->dtype;
    base.to = segment.tensor->dtype;
    offset = offset * bits_of(base.from) / bits_of(base.to);
    length = length * bits_of(base.from) / bits_of(base.to);
  }
  if (offset >= own.range.length) return std::nullopt;
  length = std::min(length, own.range.length - offset);
  const auto slices = map_->slices({own.range.offset + offset, length});
  base.skip = slices.front().skip;
  for (const BlockSlice& slice : slices) {
    if (base.blocks.size() < base_blocks_max) base.blocks.push_back(*slice.block);
  }
  return base;
}

std::shared_ptr<const BaseFile> BaseFiles::open(const ContentId& id) {
  if (const auto at = packed_.find(id); at != packed_.end()) return at->second;
  try {
    if (auto map = session_.find_map(id)) {
      return std::make_shared<const BaseFile>(repository_.contents().open(id), std::move(map));
    }
    const auto bytes = repository_.contents().open(id);
    const auto packed = std::dynamic_pointer_cast<const PackedContent>(bytes);
    if (!packed) return nullptr;
    auto file = std::make_shared<const BaseFile>(
        bytes, std::shared_ptr<const SegmentMap>(packed, &packed->map()));
    blocks_kept_ += file->map().blocks().size();
    if (blocks_kept_ > blocks_kept_max) {
      packed_.clear();
      blocks_kept_ = file->map().blocks().size();
    }
    packed_.emplace(id, file);
    return file;
  } catch (const Error& error) {
    if (error.code() != Errc::corrupt && error.code() != Errc::not_found) throw;
    log(Level::warning, cat("content ", hex(id), " gives no bases: ", error.what()));
    return nullptr;
  }
}

bool is_sampled(const Segment& segment) noexcept {
  return segment.tensor && convertible(segment.tensor->dtype) &&
         segment.range.length / (bits_of(segment.tensor->dtype) / 8) >= 4 * piece_elements;
}

std::optional<double> distance_of(const ByteSource& a, const Segment& segment_a,
                                  const ByteSource& b, const Segment& segment_b) {
  const Dtype type_a = segment_a.tensor->dtype, type_b = segment_b.tensor->dtype;
  const std::uint64_t size_a = bits_of(type_a) / 8, size_b = bits_of(type_b) / 8;
  const std::uint64_t count =
      std::min(segment_a.range.length / size_a, segment_b.range.length / size_b);
  double sum = 0;
  std::size_t compared = 0;
  Buffer in_a(piece_elements * size_a), in_b(piece_elements * size_b);
  for (std::uint64_t k = 0; k < pieces; ++k) {
    const std::uint64_t at = count / 2 + k * piece_stride;
    if (at + piece_elements > count) break;
    a.read(segment_a.range.offset + at * size_a, in_a);
    b.read(segment_b.range.offset + at * size_b, in_b);
    for (std::size_t i = 0; i < piece_elements; ++i) {
      const int apart = ordered(in_a.data() + i * size_a, type_a) - ordered(in_b.data() + i * size_b, type_b);
      sum += std::log2(1.0 + 2.0 * std::abs(apart));
      ++compared;
    }
  }
  if (compared == 0) return std::nullopt;
  return sum / static_cast<double>(compared);
}

}  // namespace wfs
