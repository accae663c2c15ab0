#include "index/base_trees.h"

#include <algorithm>

#include "base/error.h"
#include "index/base_names.h"
#include "index/tree_diff.h"

namespace wfs {
namespace {

constexpr std::size_t changes_max = 200'000;
constexpr std::size_t trees_max = 4096;        // kept in memory
constexpr std::size_t siblings_max = 2;
constexpr std::size_t names_tried_max = 8;
constexpr std::size_t siblings_looked_at_max = 2000;  // a folder of more is no run of checkpoints
constexpr std::size_t entries_max = 20'000;    // looked at for other files
constexpr std::size_t others_max = 64;
constexpr std::uint64_t other_bytes_min = 64 * 1024;

std::vector<std::string> components_of(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    parts.emplace_back(path.substr(0, slash));
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return parts;
}

void add_once(std::vector<ContentId>& contents, const ContentId& content) {
  if (std::find(contents.begin(), contents.end(), content) == contents.end()) {
    contents.push_back(content);
  }
}

// What was deleted since is in the trees before.
std::vector<TreeId> roots_of(const ContentUse& use) {
  std::vector<TreeId> roots{use.tree};
  roots.insert(roots.end(), use.parents.begin(), use.parents.end());
  return roots;
}

}  // namespace

ContentUses uses_of(Database& database, const std::vector<UnpackedRecord>& commits,
                    const std::unordered_set<ContentId>& contents) {
  ContentUses uses;
  std::int64_t order = 0;
  for (const UnpackedRecord& record : commits) {
    ++order;
    const Commit commit = commit_of(record.record);
    std::vector<std::optional<TreeId>> befores;
    for (const CommitId& id : commit.parents) {
      if (const auto parent = find_commit(database, id)) befores.push_back(parent->commit.tree);
    }
    ContentUse use{order, "", commit.tree, {}, {}};
    for (const auto& before : befores) use.parents.push_back(*before);
    if (befores.empty()) befores.push_back(std::nullopt);
    for (const auto& before : befores) {
      for (TreeChange& change : tree_changes(database, before, commit.tree, changes_max)) {
        if (!change.after || change.after->kind != Kind::file) continue;
        if (!contents.contains(change.after->content)) continue;
        const auto [at, added] = uses.try_emplace(change.after->content, use);
        if (added) at->second.path = change.path;
        if (at->second.order != order || at->second.path != change.path) continue;
        if (!change.before || change.before->kind != Kind::file) continue;
        add_once(at->second.before, change.before->content);
      }
    }
  }
  return uses;
}

std::shared_ptr<const Tree> BaseTrees::load(const TreeId& id) {
  if (const auto at = loaded_.find(id); at != loaded_.end()) return at->second;
  auto tree = std::make_shared<Tree>();
  catalog_.read([&](Database& database) {
    if (auto found = find_tree(database, id)) *tree = std::move(*found);
  });
  if (loaded_.size() >= trees_max) loaded_.clear();
  loaded_.emplace(id, tree);
  return tree;
}

std::shared_ptr<const Tree> BaseTrees::folder(const TreeId& root, const std::vector<std::string>& path,
                                              std::size_t length) {
  auto tree = load(root);
  for (std::size_t i = 0; i < length; ++i) {
    const TreeEntry* entry = tree->find(path[i]);
    if (entry == nullptr || entry->kind != Kind::folder) return nullptr;
    tree = load(entry->tree);
  }
  return tree;
}

// The entry lives as long as the tree it is in, which loaded_ keeps until the next load().
const TreeEntry* BaseTrees::find_file(std::shared_ptr<const Tree> from,
                                      const std::vector<std::string>& path, std::size_t first) {
  for (std::size_t i = first; i < path.size(); ++i) {
    const TreeEntry* entry = from->find(path[i]);
    if (entry == nullptr) return nullptr;
    if (i + 1 == path.size()) return entry->kind == Kind::file ? entry : nullptr;
    if (entry->kind != Kind::folder) return nullptr;
    from = load(entry->tree);
  }
  return nullptr;
}

// Replaces component `level` of the path by names that come before it.
void BaseTrees::find_siblings(const ContentUse& use, const std::vector<std::string>& path,
                              std::size_t level, std::vector<ContentId>& found) {
  if (numbered(path[level]).numbers.empty()) return;
  std::vector<std::shared_ptr<const Tree>> folders;
  std::vector<std::string> names;
  for (const TreeId& root : roots_of(use)) {
    auto at = folder(root, path, level);
    if (!at || at->entries.size() > siblings_looked_at_max) continue;
    for (const TreeEntry& entry : at->entries) names.push_back(entry.name);
    folders.push_back(std::move(at));
  }
  std::size_t tried = 0;
  for (const std::string& name : names_before(path[level], names)) {
    if (++tried > names_tried_max || found.size() >= siblings_max) return;
    std::vector<std::string> same = path, changed = path;
    same[level] = changed[level] = name;
    for (std::size_t i = level + 1; i < path.size(); ++i) {
      changed[i] = renumbered(path[i], path[level], name);
    }
    for (const auto& at : folders) {
      const TreeEntry* entry = find_file(at, same, level);
      if (entry == nullptr) entry = find_file(at, changed, level);
      if (entry == nullptr) continue;
      add_once(found, entry->content);
      break;
    }
  }
}

std::vector<ContentId> BaseTrees::siblings(const ContentUse& use) {
  const std::vector<std::string> path = components_of(use.path);
  std::vector<ContentId> found;
  for (std::size_t level = path.size() - 1; level-- > 0 && found.empty();) {
    find_siblings(use, path, level, found);
  }
  // Numbers of files in one folder may be those of shards: folders go first.
  if (found.empty() && !path.empty()) find_siblings(use, path, path.size() - 1, found);
  return found;
}

void BaseTrees::list(const TreeId& tree, const std::string& prefix, std::vector<OtherFile>& files,
                     std::size_t& entries) {
  const auto loaded = load(tree);
  for (const TreeEntry& entry : loaded->entries) {
    if (++entries > entries_max) return;
    if (entry.kind == Kind::folder) list(entry.tree, prefix + entry.name + '/', files, entries);
    if (entry.kind != Kind::file || entry.size < other_bytes_min) continue;
    files.push_back({entry.content, entry.mtime_ns, prefix + entry.name});
  }
}

const std::vector<ContentId>& BaseTrees::others(const ContentUse& use) {
  std::vector<TreeId> roots = roots_of(use);
  if (roots == others_of_) return others_;
  std::vector<OtherFile> files;
  for (const TreeId& root : roots) {
    std::size_t entries = 0;
    list(root, "", files, entries);
  }
  std::stable_sort(files.begin(), files.end(), [](const OtherFile& a, const OtherFile& b) {
    if (a.mtime_ns != b.mtime_ns) return a.mtime_ns > b.mtime_ns;
    return natural_less(b.path, a.path);
  });
  others_.clear();
  for (const OtherFile& file : files) {
    if (others_.size() < others_max) add_once(others_, file.content);
  }
  others_of_ = std::move(roots);
  return others_;
}

}  // namespace wfs
