// From a block's place to its decoded bytes: read from the pack, checked, decoded, checked against its
// name, and cached. A delta takes its base the same way, so bases stay cached as well. What fails a check is
// Errc::corrupt naming the block and the pack, is noted for `.weightfs/health`, and is never served. Any
// thread; no lock is held over reading or decoding.
#pragma once

#include <array>
#include <atomic>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/pool.h"
#include "index/block_cache.h"
#include "index/pack_files.h"
#include "index/pack_pieces.h"
#include "index/segment_map.h"

namespace wfs {

class BlockStore {
 public:
  BlockStore(PackFiles& packs, std::uint64_t cache_bytes_max);

  Block load(const BlockRef& block);
  // Decodes past the cache, but for bases: for check and for comparing bytes.
  Buffer load_uncached(const BlockRef& block);
  bool cached(const BlockId& id) { return cache_.holds(id); }

  // Fills `to` with the bytes of a block from `skip` on. A first small read of a block that is not cached
  // decodes no further than it must; a second one decodes it whole into the cache.
  // Requires: skip + to.size() <= plain_length.
  void read(const BlockRef& block, std::uint32_t skip, MutableBytes to);

  // The block from the cache or decoded beside it. No reader ever waits for what decodes here: for threads
  // of low priority.
  Block load_apart(const BlockRef& block);

  // Decodes what is not cached of these blocks of `map`, [first, last), into the cache, on this thread: bases
  // first, neighbours in a pack read with one call. What cannot be read is left to whoever reads it.
  void load_run(const SegmentMap& map, std::size_t first, std::size_t last);
  // The same on several threads. Not for the threads of a pool that others wait for.
  void load_together(const std::shared_ptr<const SegmentMap>& map, std::size_t first,
                     std::size_t last);

  std::uint64_t cache_bytes() { return cache_.bytes(); }
  // What was decoded since the start, bases and parts of blocks included.
  std::uint64_t decoded_bytes() const noexcept { return decoded_bytes_; }
  // What was found damaged since the start: one line each, at most 1000.
  std::vector<std::string> damage();

 private:
  // Blocks that had a small read lately: bounded and forgetful.
  class Touched {
   public:
    bool note(const BlockId& id) noexcept;  // whether it is there already

   private:
    std::array<std::atomic<std::uint64_t>, 4096> names_{};
  };
  struct HeldBase {
    Block block;
    Buffer bytes;
    Bytes view;  // of either
  };
  struct Stored {
    Encoding encoding;
    Bytes payload;  // in memory of the thread, until it reads the next record
  };

  // Whose decoding of a base may be waited for: that of all, or of this thread alone.
  enum class Sharing { shared, apart };

  // `record`: the bytes of the block's record; empty: they are to be read.
  Block load(const BlockRef& block, unsigned waits_below, Bytes record);
  void load_missing(std::vector<const BlockRef*> blocks, PageCache page_cache);
  Buffer decoded(const BlockRef& block, Bytes record, Sharing sharing);
  // Decoded as far as `wanted`, in a buffer as long as the block.
  Buffer decoded_front(const BlockRef& block, std::uint32_t wanted);
  HeldBase base_of(const BlockRef& block, Sharing sharing);
  HeldBase base_front_of(const BlockRef& block, std::uint32_t wanted);
  Stored read_stored(const BlockRef& block);
  static Stored stored_in(const BlockRef& block, Bytes record);
  // Runs `act`; what it finds damaged is told with the name and place of the block.
  template <class Act>
  auto naming(const BlockRef& block, Act act);
  [[noreturn]] void tell_damage(const BlockRef& block, const Error& error);
  Pool& pool();

  PackFiles& packs_;
  BlockCache cache_;
  Touched touched_;
  std::atomic<std::uint64_t> decoded_bytes_ = 0;
  Guarded<std::set<std::string>> damage_;
  std::once_flag pool_made_;
  std::unique_ptr<Pool> pool_;  // the last: its threads use the other members
};

}  // namespace wfs
