// Decoded blocks that were wanted lately, bounded in bytes and split into shards with a lock each. A
// block being decoded by one thread is waited for by the others: one decode for concurrent readers. Who
// decodes a delta waits only for blocks of less depth than its own, so no two can wait for each other.
// Any thread.
#pragma once

#include <array>
#include <climits>
#include <functional>
#include <future>
#include <list>
#include <memory>
#include <unordered_map>

#include "base/bytes.h"
#include "base/guarded.h"
#include "index/ids.h"

namespace wfs {

using Block = std::shared_ptr<const Buffer>;

// How deep the delta is that is to be decoded, and what it may wait for while others decode it.
struct DecodeRank {
  unsigned depth = 0;
  unsigned waits_below = UINT_MAX;  // the depth of the delta that wants this one as its base
};

class BlockCache {
 public:
  explicit BlockCache(std::uint64_t bytes_max);

  // The block from the cache, or what `decode` gives; an exception of it reaches every waiter and is not
  // kept. Past the cache when it would have to wait for what it may not.
  Block load(const BlockId& id, const std::function<Block()>& decode, DecodeRank rank = {});
  // The decoded block; null when it is not there, or not yet.
  Block find(const BlockId& id);
  bool holds(const BlockId& id);  // decoded, or being decoded
  std::uint64_t bytes();

 private:
  struct Entry {
    std::shared_future<Block> block;
    std::uint64_t bytes = 0;  // 0 while it is being decoded
    unsigned depth = 0;
    std::list<BlockId>::iterator age;
  };
  struct Shard {
    std::unordered_map<BlockId, Entry> entries;
    std::list<BlockId> by_age;  // oldest first
    std::uint64_t bytes = 0;
  };
  static constexpr std::size_t shard_count = 16;

  Guarded<Shard>& shard_of(const BlockId& id) noexcept;

  std::uint64_t shard_bytes_max_;
  std::array<Guarded<Shard>, shard_count> shards_;
};

}  // namespace wfs
