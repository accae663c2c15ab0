// rename(2) in a working folder: the one operation that changes two folders at once.
#include "base/clock.h"
#include "base/error.h"
#include "fs/working.h"

namespace wfs {

// What the ignore rules name depends on the path: no folder below has a tree any more, also not one that
// changed while it was ignored.
void Working::drop_trees(Folders& all, Node& moved) {
  if (moved.kind != Kind::folder || all.ignore.empty()) return;
  moved.tree.reset();
  all.dirty.nodes.insert(moved.id);
  for (const auto& [name, id] : moved.entries) drop_trees(all, node(all, id));
}

void Working::rename(NodeId from_folder, std::string_view from, NodeId to_folder,
                     std::string_view to, Existing existing) {
  if (!is_entry_name(to)) fail(to.size() > 255 ? Errc::name_too_long : Errc::invalid, "not a name");
  if (existing == Existing::replace) await_protected(to_folder, to);
  auto all = folders_.lock();
  Node& source = folder(*all, from_folder);
  Node& target = folder(*all, to_folder);
  const auto entry = source.entries.find(from);
  if (entry == source.entries.end()) fail(Errc::not_found, cat("there is no ", from));
  Node& moved = node(*all, entry->second);
  if (target.names.empty() && target.id != root_) fail(Errc::not_found, "the folder is gone");
  const auto refuse_own_descendant = [&](const Node& folder_moved, const Node& into) {
    if (folder_moved.kind != Kind::folder) return;
    for (const Node* at = &into;; at = &node(*all, at->names.front().parent)) {
      if (at->id == folder_moved.id) fail(Errc::invalid, "a folder cannot move into itself");
      if (at->names.empty()) return;
    }
  };
  refuse_own_descendant(moved, target);

  const auto there = target.entries.find(to);
  Node* const replaced = there == target.entries.end() ? nullptr : &node(*all, there->second);
  if (existing == Existing::keep && replaced != nullptr) fail(Errc::exists, cat(to, " exists"));
  if (existing == Existing::exchange) {
    if (replaced == nullptr) fail(Errc::not_found, cat("there is no ", to));
    if (replaced == &moved) return;
    refuse_own_descendant(*replaced, source);
    drop_entry(*all, source, from, moved);
    drop_entry(*all, target, to, *replaced);
    drop_trees(*all, moved);
    drop_trees(*all, *replaced);
    put_entry(*all, source, from, *replaced);
    put_entry(*all, target, to, moved);
    return;
  }
  if (replaced == &moved) return;  // two names of one file: POSIX does nothing
  if (replaced != nullptr) {
    if (replaced->kind == Kind::folder) {
      if (moved.kind != Kind::folder) fail(Errc::is_folder, cat(to, " is a folder"));
      if (!replaced->entries.empty()) fail(Errc::not_empty, cat(to, " is not empty"));
    } else if (moved.kind == Kind::folder) {
      fail(Errc::not_folder, cat(to, " is not a folder"));
    }
    protect(*all, *replaced);
    drop_entry(*all, target, to, *replaced);
    drop_if_unused(*all, replaced->id);
  }
  drop_entry(*all, source, from, moved);
  drop_trees(*all, moved);
  put_entry(*all, target, to, moved);
}

}  // namespace wfs
