// Where a file is cut into blocks: at every segment start; tensors at multiples of the block size
// from there (of whole groups, for quants), so that equal tensors give equal blocks in any file; long
// opaque segments where their content says, so that an insertion moves few cuts. The same bytes and
// layout give the same blocks for ever.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "codec/layout.h"

namespace wfs {

inline constexpr std::uint32_t block_size_max = 256 * 1024;

struct PlainBlock {
  Range range;  // of the file
  Dtype dtype = Dtype::opaque;

  bool operator==(const PlainBlock&) const = default;
};

// The blocks cover the file in ascending order; none is empty or longer than block_size_max.
std::vector<PlainBlock> split(const ByteSource& file, const Layout& layout);

}  // namespace wfs
