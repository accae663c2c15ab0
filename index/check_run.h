// One run of check(): its phases, and the findings they share. What is damaged is remembered by the finding
// that names it, so that the last phase can say which files cannot be read for it. Memory grows with the
// number of packs and with the damage, not with the repository. One thread.
#pragma once

#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "index/check.h"
#include "index/content_rows.h"
#include "index/pack_scan.h"
#include "index/whole_rows.h"

namespace wfs {

class CheckRun {
 public:
  using Progress = std::function<void(std::uint64_t, std::uint64_t)>;

  CheckRun(Repository& repository, CheckDepth depth, const Progress& progress)
      : repository_(repository), depth_(depth), progress_(progress) {}

  CheckReport run();

 private:
  using FindingIndex = std::size_t;

  template <class Query>
  auto read(Query query) {
    return repository_.catalog().read(query);
  }

  FindingIndex found(std::string object, std::string name, std::string what);
  void advance(std::uint64_t bytes);

  void check_index();

  // check_packs.cc
  void check_packs();
  void check_pack(const PackRow& row, std::int64_t indexed_blocks);
  BlockRef block_of(const Fd& pack, const PackRow& row, const FooterRow& record);
  void check_record(const Fd& pack, const PackRow& row, const FooterRow& record);
  void compare_with_index(const PackRow& row, const PackContents& contents,
                          std::int64_t indexed_blocks);

  // check_contents.cc
  void check_contents();
  void check_packed(const ContentRow& row);
  std::vector<FindingIndex> damage_below(const SegmentMap& map);
  void check_staged(const ContentRow& row);
  void require_local_files(const StagedFile& file);
  void check_bytes(const ContentRow& row, const ByteSource& content);

  void check_refs();
  void check_commits();
  void check_trees();
  void check_entry(Database& database, const TreeId& tree, const TreeEntry& entry);
  void name_paths();
  void name_paths_in(const TreeId& root, const std::string& commit);

  Repository& repository_;
  const CheckDepth depth_;
  const Progress& progress_;
  CheckReport report_;
  std::uint64_t done_ = 0;
  std::uint64_t total_ = 0;
  std::unordered_map<std::int64_t, FindingIndex> bad_packs_;  // none of their blocks can be read
  std::unordered_map<BlockId, FindingIndex> bad_blocks_;
  std::unordered_map<ContentId, std::vector<FindingIndex>> bad_contents_;
  std::unordered_set<TreeId> named_trees_;
};

}  // namespace wfs
