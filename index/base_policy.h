// How long chains of deltas may get: which stored bytes a block is encoded against, once it is known which
// stored bytes it is like. A block has a position in its run, one more than that of its predecessor; its
// base is an ancestor few deltas away from a block without a base. Functions without state; any thread.
#pragma once

#include <memory>
#include <vector>

#include "index/block_base.h"

namespace wfs {

struct BasePolicy {
  unsigned depth_max = 3;  // deltas from a block to one without a base; 0: no deltas
  unsigned run = 8;        // positions after which the base is the beginning of the run again
};

// Further blocks than this make a base too costly to read.
inline constexpr std::size_t base_blocks_max = 16;

// Deltas from a block with this base to a block without one.
unsigned depth_over(const BlockBase& base) noexcept;
// The place in its run of what `base` starts with.
unsigned position_of(const BlockRef& block) noexcept;

// The bytes that `base` itself was encoded against, for the same plain bytes; null when they have no such
// bytes in one piece.
std::shared_ptr<const BlockBase> lifted(const BlockBase& base, std::uint32_t plain_length);

// What to encode a block against, in the order to be tried, at most two; the first that gives a delta
// serves. `nearest` is its predecessor: reason and the bytes it is like; its position is filled in here.
// Numbers of 4 and 8 bytes drift slowly and read twice as fast as shorter ones: they take the ancestor
// without a base, and the predecessor where that has become too unlike. Others take that of position
// i & (i - 1) within a run. What is converted from another type takes the predecessor.
std::vector<std::shared_ptr<const BlockBase>> bases_over(const BlockBase& nearest,
                                                         std::uint32_t plain_length, Dtype dtype,
                                                         const BasePolicy& policy);

}  // namespace wfs
