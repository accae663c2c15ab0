#include "index/block_cache.h"

#include <algorithm>
#include <optional>

namespace wfs {

BlockCache::BlockCache(std::uint64_t bytes_max)
    : shard_bytes_max_(std::max<std::uint64_t>(1, bytes_max / shard_count)) {}

Guarded<BlockCache::Shard>& BlockCache::shard_of(const BlockId& id) noexcept {
  return shards_[std::to_integer<std::size_t>(id.hash.bytes[15]) % shard_count];
}

Block BlockCache::load(const BlockId& id, const std::function<Block()>& decode, DecodeRank rank) {
  std::promise<Block> promise;
  {
    auto shard = shard_of(id).lock();
    if (const auto at = shard->entries.find(id); at != shard->entries.end()) {
      shard->by_age.splice(shard->by_age.end(), shard->by_age, at->second.age);
      const std::shared_future<Block> block = at->second.block;
      const bool may_wait = at->second.bytes != 0 || at->second.depth < rank.waits_below;
      shard.release();
      return may_wait ? block.get() : decode();
    }
    shard->by_age.push_back(id);
    shard->entries.emplace(
        id, Entry{promise.get_future().share(), 0, rank.depth, std::prev(shard->by_age.end())});
  }
  try {
    Block block = decode();
    promise.set_value(block);
    auto shard = shard_of(id).lock();
    const auto at = shard->entries.find(id);
    at->second.bytes = block->size();
    shard->bytes += block->size();
    // What is being decoded now (0 bytes) is waited for, and stays.
    for (auto oldest = shard->by_age.begin();
         shard->bytes > shard_bytes_max_ && oldest != shard->by_age.end();) {
      const auto entry = shard->entries.find(*oldest);
      if (entry->second.bytes == 0 || *oldest == id) {
        ++oldest;
        continue;
      }
      shard->bytes -= entry->second.bytes;
      shard->entries.erase(entry);
      oldest = shard->by_age.erase(oldest);
    }
    return block;
  } catch (...) {
    promise.set_exception(std::current_exception());
    auto shard = shard_of(id).lock();
    const auto at = shard->entries.find(id);
    shard->by_age.erase(at->second.age);
    shard->entries.erase(at);
    throw;
  }
}

Block BlockCache::find(const BlockId& id) {
  auto shard = shard_of(id).lock();
  const auto at = shard->entries.find(id);
  if (at == shard->entries.end() || at->second.bytes == 0) return nullptr;
  shard->by_age.splice(shard->by_age.end(), shard->by_age, at->second.age);
  return at->second.block.get();
}

bool BlockCache::holds(const BlockId& id) {
  auto shard = shard_of(id).lock();
  return shard->entries.contains(id);
}

std::uint64_t BlockCache::bytes() {
  std::uint64_t bytes = 0;
  for (auto& shard : shards_) bytes += shard.lock()->bytes;
  return bytes;
}

}  // namespace wfs
