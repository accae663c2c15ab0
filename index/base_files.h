// Stored contents as they give bases: their segments by the names of tensors, how alike their values are to
// those of a new file, and the stretch of blocks that a block of the new file is like.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "index/block_base.h"
#include "index/pack_session.h"
#include "index/repository.h"

namespace wfs {

// Immutable once built; any thread.
class BaseFile {
 public:
  BaseFile(std::shared_ptr<const ByteSource> bytes, std::shared_ptr<const SegmentMap> map);

  const SegmentMap& map() const noexcept { return *map_; }
  const Layout& layout() const noexcept { return map_->layout(); }
  const ByteSource& bytes() const noexcept { return *bytes_; }

  // The segment that has the same tensor as `segment` of `layout`: by name, with the same shape or more or
  // fewer rows, of the same type or another float type. Of a segment without a tensor: the one in its place.
  std::optional<std::size_t> match(const Layout& layout, std::size_t segment) const;

  // Whether the types of the two allow a base.
  bool can_be_base(std::size_t base_segment, const Segment& of) const noexcept;

  // The bytes of `base_segment` that lie where `range` does in `segment`, as a base; nullopt when it is too
  // short. Requires: can_be_base(). Position and reason are not set.
  std::optional<BlockBase> base_at(std::size_t base_segment, const Segment& segment,
                                   const Range& range) const;

 private:
  std::shared_ptr<const ByteSource> bytes_;
  std::shared_ptr<const SegmentMap> map_;
  std::unordered_map<std::string_view, std::size_t> by_name_;
};

// Opens base files and keeps the ones used lately. One thread.
class BaseFiles {
 public:
  BaseFiles(Repository& repository, const PackSession& session)
      : repository_(repository), session_(session) {}

  // Null: not stored yet, or damaged.
  std::shared_ptr<const BaseFile> open(const ContentId& id);

 private:
  Repository& repository_;
  const PackSession& session_;
  std::unordered_map<ContentId, std::shared_ptr<const BaseFile>> packed_;
  std::size_t blocks_kept_ = 0;
};

// Whether the values can be compared across types.
bool is_sampled(const Segment& segment) noexcept;

// How unlike the values of two segments are, from some of them: mean log2(1 + 2 |a - b|) over their upper 16
// bits as ordered integers. The scale is that of codec/sketch.h.
// nullopt: not enough of them. Requires: is_sampled() both.
std::optional<double> distance_of(const ByteSource& a, const Segment& segment_a,
                                  const ByteSource& b, const Segment& segment_b);

}  // namespace wfs
