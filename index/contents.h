// Opens contents for reading, wherever their bytes are: in packs, or still in staging. The one way from a
// ContentId to bytes. Any thread; an opened content stays readable while it is held, whatever is packed,
// pruned or removed meanwhile.
#pragma once

#include <atomic>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/guarded.h"
#include "codec/byte_source.h"
#include "index/block_store.h"
#include "index/catalog.h"
#include "index/segment_map.h"
#include "index/staging.h"

namespace wfs {

// A content read from packs: immutable, verified block by block.
class PackedContent final : public ByteSource {
 public:
  // Bytes read at a depth of more than one delta and not from the cache are added to `deep_bytes`.
  PackedContent(std::shared_ptr<const SegmentMap> map, BlockStore& blocks,
                std::shared_ptr<std::atomic<std::uint64_t>> deep_bytes = nullptr)
      : map_(std::move(map)), blocks_(blocks), deep_bytes_(std::move(deep_bytes)) {}

  std::uint64_t size() const override { return map_->size(); }
  void read(std::uint64_t offset, MutableBytes to) const override;
  const SegmentMap& map() const noexcept { return *map_; }
  BlockStore& blocks() const noexcept { return blocks_; }
  // Decodes its blocks [first, last) on several threads, as far as they are not cached.
  void load_together(std::size_t first, std::size_t last) const {
    blocks_.load_together(map_, first, last);
  }

 private:
  void read_slices(std::uint64_t offset, MutableBytes to) const;
  void count_deep(std::uint64_t offset, std::uint64_t length) const;

  std::shared_ptr<const SegmentMap> map_;
  BlockStore& blocks_;
  std::shared_ptr<std::atomic<std::uint64_t>> deep_bytes_;  // null: all its blocks are at most one delta deep
};

class Contents {
 public:
  Contents(Catalog& catalog, BlockStore& blocks, Staging& staging);

  // Throws Errc::not_found when the index does not know the content.
  std::shared_ptr<const ByteSource> open(const ContentId& id);

  // The staged file that holds `id` until it is packed, when this process has it.
  std::shared_ptr<StagedFile> staged(const ContentId& id);
  // Keeps `file` for readers of `id` until forget(). Requires: the row of the content names it.
  void keep(const ContentId& id, std::shared_ptr<StagedFile> file);
  void forget(const ContentId& id);

  // The content with this map, which is in packs.
  std::shared_ptr<const PackedContent> packed(const ContentId& id,
                                              std::shared_ptr<const SegmentMap> map);

  // Contents of which bytes were read at a depth of more than one delta, and how many since they were opened
  // first, or since reset_deep().
  std::vector<std::pair<ContentId, std::uint64_t>> deep_reads();
  // Its blocks have other places now, or are to stay where they are: who has it open goes on, and
  // counting starts anew.
  void reset_deep(const ContentId& id);

  // Takes up a staged file, and what it is laid over, from the rows. Throws Errc::not_found when its row
  // or its bytes are gone.
  std::shared_ptr<StagedFile> take_up(StagedId id);

 private:
  std::shared_ptr<const ByteSource> find_open(const ContentId& id);
  std::shared_ptr<const ByteSource> open(const ContentId& id, unsigned depth);
  std::shared_ptr<const ByteSource> open_staged(const ContentId& id, StagedId staged, unsigned depth);
  std::shared_ptr<StagedFile> take_up(StagedId id, unsigned depth);

  struct State {
    std::unordered_map<ContentId, std::shared_ptr<StagedFile>> staged;
    std::unordered_map<ContentId, std::weak_ptr<const ByteSource>> packed;
    std::unordered_map<ContentId, std::shared_ptr<std::atomic<std::uint64_t>>> deep_bytes;
  };

  Catalog& catalog_;
  BlockStore& blocks_;
  Staging& staging_;
  Guarded<State> state_;
};

}  // namespace wfs
