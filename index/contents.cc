#include "index/contents.h"

#include <cstring>

#include "base/error.h"
#include "index/content_rows.h"
#include "index/staged_rows.h"

namespace wfs {

void PackedContent::read(std::uint64_t offset, MutableBytes to) const {
  if (offset > size() || to.size() > size() - offset) {
    fail(Errc::corrupt, "a read past the end of a content");
  }
  std::byte* at = to.data();
  for (const BlockSlice& slice : map_->slices({offset, to.size()})) {
    const Block block = blocks_.load(*slice.block);
    std::memcpy(at, block->data() + slice.skip, slice.length);
    at += slice.length;
  }
}

Contents::Contents(Catalog& catalog, BlockStore& blocks, Staging& staging)
    : catalog_(catalog), blocks_(blocks), staging_(staging) {}

std::shared_ptr<const ByteSource> Contents::open(const ContentId& id) {
  // A content may be packed between the look at its row and at its bytes: then the second look finds it.
  for (int attempt = 0;; ++attempt) {
    {
      auto state = state_.lock();
      if (const auto at = state->staged.find(id); at != state->staged.end()) return at->second;
      if (const auto at = state->packed.find(id); at != state->packed.end()) {
        if (auto held = at->second.lock()) return held;
      }
    }
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
      auto packed = std::make_shared<const PackedContent>(std::move(map), blocks_);
      auto state = state_.lock();
      constexpr std::size_t remembered_max = 4096;
      if (state->packed.size() >= remembered_max) {
        std::erase_if(state->packed, [](const auto& entry) { return entry.second.expired(); });
      }
      state->packed[id] = packed;
      return packed;
    }
    try {
      return take_up(staged);
    } catch (const Error& error) {
      if (error.code() != Errc::not_found || attempt > 0) throw;
    }
  }
}

std::shared_ptr<StagedFile> Contents::take_up(StagedId id) {
  std::vector<StagedRow> rows;
  catalog_.read([&](Database& database) {
    constexpr std::size_t depth_max = 1000;
    for (StagedId at = id; at != StagedId::none && rows.size() < depth_max;) {
      auto row = find_staged(database, at);
      if (!row) {
        if (rows.empty()) {
          fail(Errc::not_found, cat("staged file ", static_cast<std::int64_t>(at), " is gone"));
        }
        break;
      }
      at = row->base_staged;
      rows.push_back(*std::move(row));
    }
  });
  // From the lowest base up.
  std::shared_ptr<StagedFile> file;
  for (auto row = rows.rbegin(); row != rows.rend(); ++row) {
    StagedBase base;
    if (row->base_staged != StagedId::none && file) {
      base = {file, std::nullopt, file};
    } else if (row->base_content) {
      base = {open(*row->base_content), row->base_content, nullptr};
    } else if (row->base_staged != StagedId::none) {
      fail(Errc::not_found, cat("the base of staged file ", static_cast<std::int64_t>(row->id),
                                " is gone"));
    }
    file = staging_.open(*row, std::move(base));
  }
  return file;
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
