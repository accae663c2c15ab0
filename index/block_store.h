// From a block's place to its decoded bytes: read from the pack, checked, decoded, checked against its
// name, and cached. What fails a check is Errc::corrupt naming the block and the pack, is noted for
// `.weightfs/health`, and is never served. Any thread; no lock is held over reading or decoding.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "index/block_cache.h"
#include "index/pack_files.h"
#include "index/segment_map.h"

namespace wfs {

class BlockStore {
 public:
  BlockStore(PackFiles& packs, std::uint64_t cache_bytes_max);

  Block load(const BlockRef& block);
  // Decodes past the cache: for check and for comparing bytes.
  Buffer load_uncached(const BlockRef& block);
  bool cached(const BlockId& id) { return cache_.holds(id); }

  std::uint64_t cache_bytes() { return cache_.bytes(); }
  // What was found damaged since the start: one line each, at most 1000.
  std::vector<std::string> damage();

 private:
  PackFiles& packs_;
  BlockCache cache_;
  Guarded<std::set<std::string>> damage_;
};

}  // namespace wfs
