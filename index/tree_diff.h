// What differs between two trees, path by path. Folders that are the same tree are not looked into, so the
// cost is that of the difference.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "index/model.h"
#include "index/sqlite.h"

namespace wfs {

struct TreeChange {
  std::string path;
  std::optional<TreeEntry> before;  // none: added
  std::optional<TreeEntry> after;   // none: removed
};

// The files and symlinks that differ, sorted by path, at most `max` of them. nullopt: an empty tree.
std::vector<TreeChange> tree_changes(Database& database, std::optional<TreeId> before,
                                     std::optional<TreeId> after, std::size_t max);

// One line that says what changed: the message of an automatic commit.
std::string describe_changes(const std::vector<TreeChange>& changes);

}  // namespace wfs
