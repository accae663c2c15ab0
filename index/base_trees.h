// Which stored contents a new one may come from, by the paths of commits: what its path named in the commit
// before, the same file of the checkpoint before, and the other files of the branch. One thread.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "index/catalog.h"
#include "index/commit_rows.h"
#include "index/model.h"

namespace wfs {

// Where a content first appears: in the tree of a commit, at a path.
struct ContentUse {
  std::int64_t order = 0;  // of its commit among those not packed
  std::string path;
  TreeId tree;
  std::vector<TreeId> parents;     // trees of the parent commits
  std::vector<ContentId> before;   // what the path named there
};
using ContentUses = std::unordered_map<ContentId, ContentUse>;

// The uses of these contents in commits that are not packed yet.
ContentUses uses_of(Database& database, const std::vector<UnpackedRecord>& commits,
                    const std::unordered_set<ContentId>& contents);

class BaseTrees {
 public:
  explicit BaseTrees(Catalog& catalog) : catalog_(catalog) {}

  // The same file in the folder or under the name of the checkpoint before, the likeliest first.
  std::vector<ContentId> siblings(const ContentUse& use);

  // The larger files of the use's tree and of those before it, the newest first.
  const std::vector<ContentId>& others(const ContentUse& use);

 private:
  struct OtherFile {
    ContentId content;
    std::int64_t mtime_ns = 0;
    std::string path;
  };

  std::shared_ptr<const Tree> load(const TreeId& id);
  std::shared_ptr<const Tree> folder(const TreeId& root, const std::vector<std::string>& path,
                                     std::size_t length);
  const TreeEntry* find_file(std::shared_ptr<const Tree> from, const std::vector<std::string>& path,
                             std::size_t first);
  void find_siblings(const ContentUse& use, const std::vector<std::string>& path, std::size_t level,
                     std::vector<ContentId>& found);
  void list(const TreeId& tree, const std::string& prefix, std::vector<OtherFile>& files,
            std::size_t& entries);

  Catalog& catalog_;
  std::unordered_map<TreeId, std::shared_ptr<const Tree>> loaded_;
  std::vector<TreeId> others_of_;
  std::vector<ContentId> others_;
};

}  // namespace wfs
