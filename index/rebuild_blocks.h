// The rows of blocks that a rebuild makes from packs. Packs come in any order: a delta waits until its bases
// are there, so that no chain of rows leads back to its begin; one whose bases never come is lost, and told
// so. One thread.
#pragma once

#include <map>
#include <vector>

#include "base/file.h"
#include "index/block_base.h"
#include "index/pack.h"
#include "index/rebuild.h"
#include "index/sqlite.h"

namespace wfs {

class RebuildBlocks {
 public:
  explicit RebuildBlocks(Rebuilt& rebuilt) : rebuilt_(rebuilt) {}

  // Before the blocks of the pack.
  void add_pack(std::int64_t number, const stdfs::path& path);
  void add(Database& database, const Fd& file, std::int64_t pack, const FooterRow& row);
  // When all packs are read: what is left cannot be read.
  void finish(Database& database);

 private:
  struct Delta {
    BlockRef block;
    BaseNames names;
  };

  // Whether its bases are there.
  bool place_delta(Database& database, const Delta& delta);
  void place(Database& database, BlockRef block);
  bool is_readable(const BlockRef& block);

  Rebuilt& rebuilt_;
  std::map<std::int64_t, stdfs::path> packs_;
  std::vector<Delta> waiting_;  // without bases, so far
};

}  // namespace wfs
