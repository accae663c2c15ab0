#include "index/base_policy.h"

#include <algorithm>
#include <limits>

namespace wfs {
namespace {

// A stretch of bytes over neighbouring blocks, put together piece by piece.
class Stretch {
 public:
  // False: the piece does not begin where the bytes so far end.
  bool add(const std::vector<BlockRef>& blocks, std::uint64_t skip, std::uint64_t length) {
    for (const BlockRef& block : blocks) {
      if (skip >= block.plain_length) {
        skip -= block.plain_length;
        continue;
      }
      const std::uint64_t take = std::min(block.plain_length - skip, length);
      if (!append(block, skip, take)) return false;
      length -= take;
      skip = 0;
      if (length == 0) return true;
    }
    short_ = true;  // zeros follow: nothing can come behind them
    return !blocks_.empty();
  }

  bool is_empty() const noexcept { return blocks_.empty(); }
  std::uint32_t skip() const noexcept { return skip_; }  // in the first block
  std::vector<BlockRef> blocks() && { return std::move(blocks_); }

 private:
  bool append(const BlockRef& block, std::uint64_t skip, std::uint64_t length) {
    if (short_) return false;
    if (blocks_.empty()) {
      skip_ = static_cast<std::uint32_t>(skip);
      blocks_.push_back(block);
    } else if (blocks_.back().id == block.id && end_ == skip && end_ > 0) {
      // Goes on inside of the same block.
    } else if (end_ == blocks_.back().plain_length && skip == 0) {
      if (blocks_.size() == base_blocks_max) return false;
      blocks_.push_back(block);
    } else {
      return false;
    }
    end_ = skip + length;
    return true;
  }

  std::vector<BlockRef> blocks_;
  std::uint32_t skip_ = 0;
  std::uint64_t end_ = 0;  // in the last block
  bool short_ = false;
};

std::uint64_t scaled(std::uint64_t bytes, Dtype from, Dtype to) {
  return from == to ? bytes : bytes * bits_of(from) / bits_of(to);
}

}  // namespace

unsigned depth_over(const BlockBase& base) noexcept {
  unsigned depth = 0;
  for (const BlockRef& block : base.blocks) depth = std::max<unsigned>(depth, block.depth);
  return depth + 1;
}

unsigned position_of(const BlockRef& block) noexcept {
  return block.base ? block.base->position : 0;
}

std::shared_ptr<const BlockBase> lifted(const BlockBase& base, std::uint32_t plain_length) {
  auto higher = std::make_shared<BlockBase>();
  higher->reason = base.reason;
  higher->from = base.from;
  higher->to = base.to;
  Stretch stretch;
  std::uint64_t left = source_length(base, plain_length);
  std::uint64_t skip = base.skip;
  for (const BlockRef& block : base.blocks) {
    if (left == 0) break;
    if (!block.base) return nullptr;
    const BlockBase& own = *block.base;
    const bool converts = own.from != own.to;
    // Two conversions in a row are not one.
    if (converts && (base.from != base.to || base.blocks.size() > 1)) return nullptr;
    if (converts) {
      higher->from = own.from;
      higher->to = own.to;
    }
    const std::uint64_t take = std::min(block.plain_length - skip, left);
    if (!stretch.add(own.blocks, own.skip + scaled(skip, own.from, own.to),
                     scaled(take, own.from, own.to))) {
      return nullptr;
    }
    left -= take;
    skip = 0;
  }
  if (stretch.is_empty()) return nullptr;
  higher->skip = stretch.skip();
  higher->blocks = std::move(stretch).blocks();
  return higher;
}

std::vector<std::shared_ptr<const BlockBase>> bases_over(const BlockBase& nearest,
                                                         std::uint32_t plain_length, Dtype dtype,
                                                         const BasePolicy& policy) {
  const unsigned position = position_of(nearest.blocks.front()) + 1;
  if (policy.depth_max == 0 || position > std::numeric_limits<std::uint16_t>::max()) return {};
  const unsigned run = std::max(1U, policy.run);
  const unsigned in_run = position % run;
  const unsigned wanted = in_run == 0 ? 0 : position - in_run + (in_run & (in_run - 1));
  const bool star = width_of(dtype) >= 4;
  const bool converted = nearest.from != nearest.to;  // nearly the same values, or the very same

  const auto with_position = [&](const BlockBase& base) {
    auto placed = std::make_shared<BlockBase>(base);
    placed->position = static_cast<std::uint16_t>(position);
    return std::shared_ptr<const BlockBase>(std::move(placed));
  };
  auto at = std::make_shared<const BlockBase>(nearest);
  std::shared_ptr<const BlockBase> chosen;  // the best so far
  bool is_nearest = true;
  for (unsigned lifts = 0; at; at = lifted(*at, plain_length), ++lifts) {
    if (depth_over(*at) > policy.depth_max) continue;
    chosen = at;
    is_nearest = lifts == 0;
    if (converted) break;
    if (star ? depth_over(*at) == 1 : position_of(at->blocks.front()) <= wanted) break;
  }
  if (!chosen) return {};
  std::vector bases{with_position(*chosen)};
  if (!is_nearest && depth_over(nearest) <= policy.depth_max) {
    bases.push_back(with_position(nearest));
  }
  return bases;
}

}  // namespace wfs
