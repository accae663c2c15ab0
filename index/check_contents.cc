// The contents of a repository: whether each can be read, from packs or staging, and is what its name says.
#include <algorithm>

#include "base/error.h"
#include "base/hash.h"
#include "index/block_base.h"
#include "index/check_run.h"

namespace wfs {

void CheckRun::check_contents() {
  if (depth_ == CheckDepth::data) {
    total_ += read([](Database& database) { return sum_of_content_sizes(database); });
  }
  constexpr int page = 500;
  for (std::int64_t after = 0;;) {
    const auto rows = read([&](Database& database) { return contents_after(database, after, page); });
    if (rows.empty()) return;
    for (const ContentRow& row : rows) {
      ++report_.contents;
      try {
        if (row.staged == StagedId::none) {
          check_packed(row);
        } else {
          check_staged(row);
        }
      } catch (const Error& error) {
        const bool packed = row.staged == StagedId::none;
        bad_contents_[row.id].push_back(
            found(packed ? "content" : "staged", hex(row.id), error.what()));
      }
    }
    after = rows.back().number;
  }
}

void CheckRun::check_packed(const ContentRow& row) {
  const auto map = std::make_shared<const SegmentMap>(
      read([&](Database& database) { return load_segment_map(database, row.id); }));
  if (map->size() != row.size) {
    fail(Errc::corrupt, cat("it has ", map->size(), " bytes; the index says ", row.size));
  }
  auto& findings = bad_contents_[row.id];
  findings = damage_below(*map);
  if (!findings.empty()) {
    fail(Errc::corrupt, "blocks of it are damaged or missing; restore the packs from a copy");
  }
  bad_contents_.erase(row.id);
  if (depth_ == CheckDepth::data) check_bytes(row, PackedContent(map, repository_.blocks()));
}

// Findings about the blocks of a content and about all bases below them.
std::vector<CheckRun::FindingIndex> CheckRun::damage_below(const SegmentMap& map) {
  std::vector<FindingIndex> findings;
  std::unordered_set<std::int64_t> seen;
  std::vector<const BlockRef*> open;
  for (const BlockRef& block : map.blocks()) open.push_back(&block);
  while (!open.empty()) {
    const BlockRef& block = *open.back();
    open.pop_back();
    if (!seen.insert(block.number).second) continue;
    if (const auto pack = bad_packs_.find(block.pack); pack != bad_packs_.end()) {
      findings.push_back(pack->second);
    }
    auto bad = bad_blocks_.find(block.id);
    if (bad == bad_blocks_.end() && block.encoding == Encoding::delta && !block.base) {
      bad = bad_blocks_
                .emplace(block.id, found("block", hex(block.id),
                                         "the index lacks its base; run `mountctl rebuild`"))
                .first;
    }
    if (bad != bad_blocks_.end()) findings.push_back(bad->second);
    if (!block.base) continue;
    for (const BlockRef& base : block.base->blocks) open.push_back(&base);
  }
  std::sort(findings.begin(), findings.end());
  findings.erase(std::unique(findings.begin(), findings.end()), findings.end());
  return findings;
}

void CheckRun::check_staged(const ContentRow& row) {
  const auto content = repository_.contents().open(row.id);
  if (content->size() != row.size) {
    fail(Errc::corrupt, cat("it has ", content->size(), " bytes; the index says ", row.size));
  }
  if (const auto* file = dynamic_cast<const StagedFile*>(content.get())) require_local_files(*file);
  if (depth_ == CheckDepth::data) check_bytes(row, *content);
}

// A local file that is shorter than its row says would read as zeros.
void CheckRun::require_local_files(const StagedFile& file) {
  if (file.forwarded()) return;
  const auto path = RepositoryPaths(repository_.path()).staging /
                    std::to_string(static_cast<std::int64_t>(file.id()));
  std::error_code error;
  const std::uint64_t size = stdfs::file_size(path, error);
  if ((error || size < file.size()) && !file.forwarded()) {
    fail(Errc::corrupt, cat(path.string(), error ? " is missing" : " is shorter than it should be"));
  }
  if (const auto base = file.staged_base()) require_local_files(*base);
}

void CheckRun::check_bytes(const ContentRow& row, const ByteSource& content) {
  Sha256 hasher;
  const auto add = [&](Bytes bytes) {
    hasher.add(bytes);
    report_.bytes_read += bytes.size();
    advance(bytes.size());
  };
  if (const auto* packed = dynamic_cast<const PackedContent*>(&content)) {
    for (const BlockRef& block : packed->map().blocks()) {
      add(repository_.blocks().load_uncached(block));
    }
  } else {
    Buffer piece(1 << 20);
    for (std::uint64_t at = 0; at < row.size;) {
      const MutableBytes part =
          MutableBytes(piece).first(std::min<std::uint64_t>(piece.size(), row.size - at));
      content.read(at, part);
      add(part);
      at += part.size();
    }
  }
  if (ContentId{hasher.finish()} != row.id) fail(Errc::corrupt, "its bytes do not match its name");
}

}  // namespace wfs
