#include "index/contents.h"

#include <algorithm>

#include "base/error.h"
#include "index/content_rows.h"
#include "index/staged_rows.h"

namespace wfs {
namespace {

// Reads of this length and more are decoded on several threads.
constexpr std::size_t together_bytes_min = 512 << 10;
constexpr std::size_t together_bytes_max = 4 << 20;

}  // namespace

void PackedContent::read(std::uint64_t offset, MutableBytes to) const {
  if (offset > size() || to.size() > size() - offset) {
    fail(Errc::corrupt, "a read past the end of a content");
  }
  if (deep_bytes_) count_deep(offset, to.size());
  if (to.size() < together_bytes_min) return read_slices(offset, to);
  // In pieces, so that what was decoded is still cached when it is copied.
  for (std::size_t done = 0; done < to.size();) {
    const std::size_t length = std::min(together_bytes_max, to.size() - done);
    const auto [first, last] = map_->blocks_of({offset + done, length});
    blocks_.load_together(map_, first, last);
    read_slices(offset + done, to.subspan(done, length));
    done += length;
  }
}

void PackedContent::read_slices(std::uint64_t offset, MutableBytes to) const {
  std::size_t done = 0;
  for (const BlockSlice& slice : map_->slices({offset, to.size()})) {
    blocks_.read(*slice.block, slice.skip, to.subspan(done, slice.length));
    done += slice.length;
  }
}

void PackedContent::count_deep(std::uint64_t offset, std::uint64_t length) const {
  std::uint64_t deep = 0;
  for (const BlockSlice& slice : map_->slices({offset, length})) {
    if (slice.block->depth > 1 && !blocks_.cached(slice.block->id)) deep += slice.length;
  }
  if (deep > 0) deep_bytes_->fetch_add(deep, std::memory_order_relaxed);
}

Contents::Contents(Catalog& catalog, BlockStore& blocks, Staging& staging)
    : catalog_(catalog), blocks_(blocks), staging_(staging) {}

std::shared_ptr<const ByteSource> Contents::open(const ContentId& id) { return open(id, 0); }

std::shared_ptr<StagedFile> Contents::take_up(StagedId id) { return take_up(id, 0); }

std::shared_ptr<const ByteSource> Contents::find_open(const ContentId& id) {
  auto state = state_.lock();
  if (const auto at = state->staged.find(id); at != state->staged.end()) return at->second;
  const auto at = state->packed.find(id);
  return at == state->packed.end() ? nullptr : at->second.lock();
}

std::shared_ptr<const ByteSource> Contents::open(const ContentId& id, unsigned depth) {
  if (auto held = find_open(id)) return held;
  // A content may be packed between the look at its row and at its bytes: then the second look finds it.
  for (int attempt = 0;; ++attempt) {
    StagedId staged = StagedId::none;
    std::shared_ptr<const SegmentMap> map;
    catalog_.read([&](Database& database) {
      const auto row = find_content(database, id);
      if (!row) fail(Errc::not_found, cat("the index has no content ", hex(id)));
      staged = row->staged;
      if (staged == StagedId::none) {
        map = std::make_shared<const SegmentMap>(load_segment_map(database, id));
      }
    });
    if (map) {
      auto packed = this->packed(id, std::move(map));
      auto state = state_.lock();
      constexpr std::size_t remembered_max = 4096;
      if (state->packed.size() >= remembered_max) {
        std::erase_if(state->packed, [](const auto& entry) { return entry.second.expired(); });
      }
      state->packed[id] = packed;
      return packed;
    }
    try {
      return open_staged(id, staged, depth);
    } catch (const Error& error) {
      if (error.code() != Errc::not_found || attempt > 0) throw;
    }
  }
}

std::shared_ptr<const ByteSource> Contents::open_staged(const ContentId& id, StagedId staged,
                                                        unsigned depth) {
  auto file = take_up(staged, depth + 1);
  // The owner gives up what it lets go of: what a row of contents names is held from now on.
  if (catalog_.writes()) {
    if (!file->content()) file->set_content(id);
    keep(id, file);
  }
  return file;
}

std::shared_ptr<StagedFile> Contents::take_up(StagedId id, unsigned depth) {
  if (auto held = staging_.find(id)) return held;
  // More than any writer lays over one another; it bounds what a damaged index can ask for.
  constexpr unsigned depth_max = 1000;
  if (depth > depth_max) fail(Errc::corrupt, "index.sqlite: staged files without a lowest one");
  const auto row = catalog_.read([&](Database& database) { return find_staged(database, id); });
  if (!row) fail(Errc::not_found, cat("staged file ", static_cast<std::int64_t>(id), " is gone"));
  StagedBase base;
  if (row->base_staged != StagedId::none) {
    try {
      base.staged = take_up(row->base_staged, depth + 1);
      base.bytes = base.staged;
    } catch (const Error& error) {
      // Once committed, its content stands in for it.
      if (error.code() != Errc::not_found || !row->base_content) throw;
    }
  }
  if (!base.bytes && row->base_content) {
    base.bytes = open(*row->base_content, depth + 1);
    base.content = row->base_content;
  }
  return staging_.open(*row, std::move(base));
}

std::shared_ptr<const PackedContent> Contents::packed(const ContentId& id,
                                                      std::shared_ptr<const SegmentMap> map) {
  const auto& blocks = map->blocks();
  const bool deep = std::any_of(blocks.begin(), blocks.end(),
                                [](const BlockRef& block) { return block.depth > 1; });
  std::shared_ptr<std::atomic<std::uint64_t>> counter;
  if (deep) {
    auto state = state_.lock();
    auto& known = state->deep_bytes[id];
    if (!known) known = std::make_shared<std::atomic<std::uint64_t>>(0);
    counter = known;
  }
  return std::make_shared<const PackedContent>(std::move(map), blocks_, std::move(counter));
}

std::vector<std::pair<ContentId, std::uint64_t>> Contents::deep_reads() {
  std::vector<std::pair<ContentId, std::uint64_t>> reads;
  auto state = state_.lock();
  for (const auto& [id, bytes] : state->deep_bytes) {
    if (const std::uint64_t read = bytes->load(); read > 0) reads.emplace_back(id, read);
  }
  return reads;
}

void Contents::reset_deep(const ContentId& id) {
  auto state = state_.lock();
  if (const auto at = state->deep_bytes.find(id); at != state->deep_bytes.end()) *at->second = 0;
  state->deep_bytes.erase(id);
  state->packed.erase(id);
}

std::shared_ptr<StagedFile> Contents::staged(const ContentId& id) {
  auto state = state_.lock();
  const auto at = state->staged.find(id);
  return at == state->staged.end() ? nullptr : at->second;
}

void Contents::keep(const ContentId& id, std::shared_ptr<StagedFile> file) {
  state_.lock()->staged.insert_or_assign(id, std::move(file));
}

void Contents::forget(const ContentId& id) {
  std::shared_ptr<StagedFile> dropped;  // destroyed after the lock is given up
  auto state = state_.lock();
  if (const auto at = state->staged.find(id); at != state->staged.end()) {
    dropped = std::move(at->second);
    state->staged.erase(at);
  }
  state.release();
}

}  // namespace wfs
