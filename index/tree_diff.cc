#include "index/tree_diff.h"

#include <set>

#include "base/error.h"
#include "index/commit_rows.h"

namespace wfs {
namespace {

class Comparison {
 public:
  Comparison(Database& database, std::size_t max) : database_(database), max_(max) {}

  void compare(const std::string& prefix, const Tree& before, const Tree& after) {
    std::set<std::string_view> names;
    for (const auto& entry : before.entries) names.insert(entry.name);
    for (const auto& entry : after.entries) names.insert(entry.name);
    for (const std::string_view name : names) {
      if (changes_.size() >= max_) return;
      compare(prefix + std::string(name), before.find(name), after.find(name));
    }
  }

  Tree load(const TreeId& id) { return load_tree(database_, id); }
  std::vector<TreeChange> take() { return std::move(changes_); }

 private:
  void compare(const std::string& path, const TreeEntry* before, const TreeEntry* after) {
    if (before != nullptr && after != nullptr && *before == *after) return;
    const bool was_folder = before != nullptr && before->kind == Kind::folder;
    const bool is_folder = after != nullptr && after->kind == Kind::folder;
    if (was_folder || is_folder) {
      if (was_folder && is_folder && before->tree == after->tree) return;
      compare(path + "/", was_folder ? load(before->tree) : Tree(),
              is_folder ? load(after->tree) : Tree());
    }
    TreeChange change{path, std::nullopt, std::nullopt};
    if (before != nullptr && !was_folder) change.before = *before;
    if (after != nullptr && !is_folder) change.after = *after;
    if (change.before || change.after) changes_.push_back(std::move(change));
  }

  Database& database_;
  std::size_t max_;
  std::vector<TreeChange> changes_;
};

// "a/x, a/y" as "a/ (2 files)" when everything of one kind is in one top folder; else the first path and
// how many more there are.
std::string summary_of(const std::vector<std::string>& paths) {
  if (paths.size() == 1) return paths.front();
  const auto slash = paths.front().find('/');
  const std::string folder = slash == std::string::npos ? "" : paths.front().substr(0, slash + 1);
  bool together = !folder.empty();
  for (const auto& path : paths) together = together && path.starts_with(folder);
  if (together) return cat(folder, " (", paths.size(), " files)");
  return cat(paths.front(), " and ", paths.size() - 1, " more");
}

}  // namespace

std::vector<TreeChange> tree_changes(Database& database, std::optional<TreeId> before,
                                     std::optional<TreeId> after, std::size_t max) {
  if (before == after) return {};
  Comparison comparison(database, max);
  comparison.compare("", before ? comparison.load(*before) : Tree(),
                     after ? comparison.load(*after) : Tree());
  return comparison.take();
}

std::string describe_changes(const std::vector<TreeChange>& changes) {
  std::vector<std::string> added, changed, removed;
  for (const TreeChange& change : changes) {
    auto& list = !change.before ? added : !change.after ? removed : changed;
    list.push_back(change.path);
  }
  std::string text;
  const auto say = [&text](std::string_view verb, const std::vector<std::string>& paths) {
    if (paths.empty()) return;
    text += text.empty() ? std::string(verb) : cat("; ", static_cast<char>(verb[0] | 0x20), verb.substr(1));
    text += ' ' + summary_of(paths);
  };
  say("Add", added);
  say("Change", changed);
  say("Remove", removed);
  return text.empty() ? "Change folders" : text;
}

}  // namespace wfs
