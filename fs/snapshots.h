// Commits as the mount shows them: read-only folders that never change. A node is one entry of one
// commit; its inode number is a hash of both, so every name that leads to it leads to one page
// cache. Trees are loaded once and kept while they are wanted. Nodes live as long as the kernel
// knows them. Any thread; no lock is held over the index.
#pragma once

#include <list>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/guarded.h"
#include "fs/types.h"
#include "index/model.h"
#include "index/repository.h"

namespace wfs {

struct SnapshotNode {
  Ino ino = 0;
  CommitId commit;
  std::int64_t commit_time_ns = 0;
  std::string path;  // below the folder of the commit; empty: that folder itself
  TreeEntry entry;   // of the folder of the commit: a folder without a name
};

using SnapshotNodePtr = std::shared_ptr<const SnapshotNode>;

class Snapshots {
 public:
  Snapshots(Repository& repository, uid_t uid, gid_t gid)
      : repository_(repository), uid_(uid), gid_(gid) {}

  // The name of a commit's folder without the '@': 12 digits of its id, all of them when 12 are
  // ambiguous.
  std::string name_of(const CommitId& id);
  static std::string name_of(Database& database, const CommitId& id);
  // The commit that has exactly this name.
  std::optional<CommitId> named(std::string_view name);

  // The folder of a commit, and an entry in a folder; each counts one lookup. Null: there is none.
  SnapshotNodePtr root(const CommitId& id);
  SnapshotNodePtr lookup(const SnapshotNode& folder, std::string_view name);
  // The entry at `path` of a commit, without counting.
  std::optional<TreeEntry> entry_at(const CommitId& id, std::string_view path);
  // The node at `path` of a commit; counts one lookup.
  SnapshotNodePtr at(const CommitId& id, std::string_view path);

  SnapshotNodePtr find(Ino ino);  // throws Errc::not_found
  void forget(Ino ino, std::uint64_t lookups) noexcept;

  Attributes attributes(const SnapshotNode& node) const;
  std::vector<FolderEntry> list(const SnapshotNode& folder);
  static Ino ino_of(const CommitId& id, std::string_view path) noexcept;
  static Ino parent_of(const SnapshotNode& folder) noexcept;

 private:
  struct Nodes {
    struct Counted {
      SnapshotNodePtr node;
      std::uint64_t lookups = 0;
    };
    std::unordered_map<Ino, Counted> by_ino;
  };
  struct Trees {
    struct Kept {
      std::shared_ptr<const Tree> tree;
      std::list<TreeId>::iterator age;
    };
    std::unordered_map<TreeId, Kept> by_id;
    std::list<TreeId> by_age;  // oldest first
    std::size_t entries = 0;
  };

  std::shared_ptr<const Tree> tree(const TreeId& id);
  SnapshotNodePtr known(const CommitId& id, std::string_view path);
  SnapshotNodePtr put(SnapshotNode node);

  Repository& repository_;
  uid_t uid_;
  gid_t gid_;
  Guarded<Nodes> nodes_;
  Guarded<Trees> trees_;
};

}  // namespace wfs
