// Where the bytes of a packed content are: its segments and the blocks they are cut into, with the place
// of each block. Immutable once built, shared by readers; reads are arithmetic on it, without SQL.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "codec/encoding.h"
#include "codec/layout.h"
#include "index/ids.h"

namespace wfs {

struct BlockBase;

// One stored block: what it decodes to and where its payload is. With its base, and the base of that, it
// holds all that reading needs.
struct BlockRef {
  BlockId id;
  std::int64_t number = 0;  // row in blocks
  std::int64_t pack = 0;    // row in packs
  std::uint64_t offset = 0; // of the payload in the pack
  std::uint32_t payload_length = 0;
  std::uint32_t plain_length = 0;
  Encoding encoding = Encoding::raw;
  std::uint8_t depth = 0;  // deltas from here to a block without a base
  std::shared_ptr<const BlockBase> base;  // of Encoding::delta, else null
};

// The part of one block that a read wants.
struct BlockSlice {
  const BlockRef* block;
  std::uint32_t skip;
  std::uint32_t length;
};

class SegmentMap {
 public:
  // Requires: the blocks follow one another and the segments cover them.
  SegmentMap(Layout layout, std::vector<BlockRef> blocks);

  std::uint64_t size() const noexcept { return size_; }
  const Layout& layout() const noexcept { return layout_; }
  const std::vector<BlockRef>& blocks() const noexcept { return blocks_; }
  // Offset of block `index` in the content.
  std::uint64_t offset_of(std::size_t index) const noexcept { return offsets_[index]; }

  // The slices that make up `wanted`, in order. Requires: wanted.end() <= size().
  std::vector<BlockSlice> slices(Range wanted) const;
  // The blocks that overlap `wanted`, cut at the end of the content: [first, last) as indexes.
  std::pair<std::size_t, std::size_t> blocks_of(Range wanted) const noexcept;

 private:
  Layout layout_;
  std::vector<BlockRef> blocks_;
  std::vector<std::uint64_t> offsets_;  // one more than blocks: the last is size_
  std::uint64_t size_ = 0;
};

}  // namespace wfs
