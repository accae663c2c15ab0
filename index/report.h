// What there is to tell about a repository, as JSON texts of one line (without the newline): for
// mountctl and for the generated files of a mount. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "index/model.h"
#include "index/repository.h"

namespace wfs {

// {"id","parents","branch","author","time","message","complete","writer","metrics"}
std::string log_json(const CommitRow& row);

// A file of a commit, by its path.
struct ListedFile {
  std::string path;
  TreeEntry entry;
};
// Every file and symlink of a commit (or below the folder `tree`), sorted by path.
std::vector<ListedFile> files_of(Repository& repository, const TreeId& tree);

// log_json with "files": [{"path","size","sha256","executable","mtime"} or {"path","target"}].
std::string commit_json(Repository& repository, const CommitRow& row);

struct Stats {
  std::uint64_t commits = 0, branches = 0, tags = 0;
  std::uint64_t contents = 0;  // distinct
  std::uint64_t blocks = 0, packs = 0;
  std::uint64_t deltas = 0;        // those of the blocks that are stored against a base
  std::uint64_t logical_bytes = 0;  // of all files of all commits, each counted every time
  std::uint64_t content_bytes = 0;  // of the distinct contents
  std::uint64_t stored_bytes = 0;   // on disk: packs and staging
  std::uint64_t pack_bytes = 0;
  std::uint64_t staged_contents = 0;  // committed, not packed yet
  std::uint64_t staged_bytes = 0;     // on disk
  std::uint64_t index_bytes = 0;      // on disk
};
Stats stats_of(Repository& repository);
std::string stats_json(const Stats& stats);

// Blocks of a segment that are stored as deltas, of bases that were taken for one reason.
struct BaseReport {
  std::string reason;      // "parent", "similar"
  std::string conversion;  // "F32 to BF16"; empty: the bytes as they are
  std::uint64_t blocks = 0, stored_bytes = 0;
  unsigned depth_min = 0, depth_max = 0;
};

// One segment of a content: a tensor, or bytes between tensors.
struct SegmentReport {
  std::string name;  // of the tensor; empty: none
  std::string dtype;
  std::vector<std::uint64_t> shape;
  std::uint64_t offset = 0, plain_bytes = 0, stored_bytes = 0;
  std::uint64_t blocks = 0;
  std::uint64_t shared_blocks = 0;  // also in another content, or earlier in this one
  std::string encodings;            // "planes 12, raw 1"
  std::vector<BaseReport> bases;
  std::string health;               // JSON; empty: not measured
};
struct ContentReport {
  ContentId id;
  std::uint64_t size = 0;
  bool packed = false;  // false: still in staging, without blocks
  std::string format;
  std::string reason;              // why a file that looked like a format is stored as opaque bytes
  std::uint64_t stored_bytes = 0;  // payloads this content was the first to need
  bool sharing_known =
      true;  // false: too many contents to look through; shared_blocks are of this one
  std::vector<SegmentReport> segments;
};
// Throws Errc::not_found for a content that is not in the repository.
ContentReport explain(Repository& repository, const ContentId& id);
std::string explain_json(const ContentReport& report);

// 2026-11-20T12:00:00Z
std::string time_text(std::int64_t time_ns);

}  // namespace wfs
