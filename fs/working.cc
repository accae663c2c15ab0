#include "fs/working.h"

#include <sys/stat.h>

#include <algorithm>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "index/staged_rows.h"
#include "index/working_rows.h"

namespace wfs {
namespace {

constexpr mode_t permission_bits = 07777;

}  // namespace

Working::~Working() = default;

mode_t Working::type_of(const Node& of) noexcept {
  switch (of.kind) {
    case Kind::file: return of.special != 0 ? of.special : S_IFREG;
    case Kind::folder: return S_IFDIR;
    case Kind::symlink: return S_IFLNK;
  }
  return S_IFREG;
}

Working::Node& Working::node(Folders& all, NodeId id) {
  const auto at = all.nodes.find(static_cast<std::uint64_t>(id));
  if (at == all.nodes.end()) fail(Errc::not_found, "the file is gone");
  return at->second;
}

Working::Node& Working::folder(Folders& all, NodeId id) {
  Node& found = node(all, id);
  if (found.kind != Kind::folder) fail(Errc::not_folder, "not a folder");
  return found;
}

NodeId Working::next_id(Folders& all) const {
  constexpr std::uint64_t counter_bits = 40;
  const auto number = static_cast<std::uint64_t>(root_) >> counter_bits;
  return static_cast<NodeId>(number << counter_bits | ++all.next);
}

Working::Node& Working::add(Folders& all, Kind kind, mode_t mode, const Caller& caller,
                            const Node& parent) {
  Node made;
  made.id = next_id(all);
  made.kind = kind;
  made.mode = mode & permission_bits;
  made.uid = caller.uid;
  made.gid = caller.gid;
  if ((parent.mode & S_ISGID) != 0) {
    made.gid = parent.gid;
    if (kind == Kind::folder) made.mode |= S_ISGID;
  }
  made.atime_ns = made.mtime_ns = made.ctime_ns = now_ns();
  all.dirty.nodes.insert(made.id);
  return all.nodes.emplace(static_cast<std::uint64_t>(made.id), std::move(made)).first->second;
}

void Working::add_name(Node& parent, std::string_view name, Node& child) {
  const auto entry = parent.entries.emplace(name, child.id).first;
  child.names.push_back({parent.id, entry->first});
  if (has_model_name(name)) ++child.model_names;
  if (child.kind == Kind::folder) ++parent.folders;
}

void Working::put_entry(Folders& all, Node& parent, std::string_view name, Node& child) {
  add_name(parent, name, child);
  all.dirty.entries.emplace(parent.id, name);
  names_changed(all, parent, name, child);
  // A name that counts may be the first one of bytes that were completed under a temporary name: no cut made
  // meanwhile holds them.
  auto& complete = child.file.complete;
  if (complete && complete->staged && !complete->staged->content()) {
    child.file.completed = ++all.stamp;
  }
  if (complete) parent.uncut_models = true;
  if (complete && complete->staged) note_unhashed(all, child);
}

void Working::drop_entry(Folders& all, Node& parent, std::string_view name, Node& child) {
  names_changed(all, parent, name, child);
  std::erase_if(child.names, [&](const Name& one) {
    return one.parent == parent.id && one.text == name;
  });
  if (has_model_name(name)) --child.model_names;
  parent.entries.erase(parent.entries.find(name));
  if (child.kind == Kind::folder) --parent.folders;
  child.ctime_ns = now_ns();
  all.dirty.entries.emplace(parent.id, name);
  all.dirty.nodes.insert(child.id);
}

void Working::drop_if_unused(Folders& all, NodeId id) {
  const auto at = all.nodes.find(static_cast<std::uint64_t>(id));
  if (at == all.nodes.end() || id == root_) return;
  const Node& unused = at->second;
  if (!unused.names.empty() || unused.lookups > 0 || unused.file.writers > 0 ||
      unused.file.readers > 0) {
    return;
  }
  all.dirty.nodes.insert(id);
  all.nodes.erase(at);
}

void Working::touch(Folders& all, Node& touched) {
  const std::uint64_t stamp = ++all.stamp;
  for (Node* at = &touched;;) {
    at->changed = stamp;
    if (at->tree) {
      at->tree.reset();
      all.dirty.nodes.insert(at->id);
    }
    if (at->names.empty()) break;
    at = &node(all, at->names.front().parent);
  }
  all.changed_ms = steady_ms();
}

void Working::touch_parents(Folders& all, const Node& child) {
  NodeId last = NodeId::none;  // names of one folder often follow one another
  for (const Name& name : child.names) {
    if (name.parent != last) touch(all, node(all, name.parent));
    last = name.parent;
  }
}

void Working::names_changed(Folders& all, Node& parent, std::string_view name, const Node& child) {
  parent.mtime_ns = parent.ctime_ns = now_ns();
  all.dirty.nodes.insert(parent.id);
  if (is_history(all, parent, name, child)) touch(all, parent);
}

std::string Working::path_of(Folders& all, const Node& of) const {
  std::string path;
  for (const Node* at = &of; !at->names.empty();) {
    const auto& [parent, name] = at->names.front();
    path = path.empty() ? std::string(name) : cat(name, '/', path);
    at = &node(all, parent);
  }
  return path;
}

bool Working::is_history(Folders& all, const Node& parent, std::string_view name,
                         const Node& child) const {
  if (child.special != 0 || is_temporary_name(name)) return false;
  if (all.ignore.empty()) return true;
  const std::string folder = path_of(all, parent);
  const std::string path = folder.empty() ? std::string(name) : cat(folder, '/', name);
  return !all.ignore.ignored(path, child.kind == Kind::folder);
}

bool Working::is_history(Folders& all, const Node& file) const {
  return std::any_of(file.names.begin(), file.names.end(), [&](const Name& name) {
    return is_history(all, node(all, name.parent), name.text, file);
  });
}

Attributes Working::attributes_of(const Node& of) const {
  Attributes attributes;
  attributes.ino = static_cast<Ino>(of.id);
  attributes.mode = type_of(of) | of.mode;
  attributes.uid = of.uid;
  attributes.gid = of.gid;
  attributes.atime_ns = of.atime_ns;
  attributes.mtime_ns = of.mtime_ns;
  attributes.ctime_ns = of.ctime_ns;
  switch (of.kind) {
    case Kind::file:
      attributes.links = of.names.size();
      attributes.size = of.file.current.size;
      break;
    case Kind::symlink:
      attributes.links = of.names.size();
      attributes.size = of.target.size();
      break;
    case Kind::folder:
      attributes.links = of.names.empty() && of.id != root_ ? 0 : 2 + of.folders;
      attributes.size = 4096;
      break;
  }
  return attributes;
}

Attributes Working::reply(Node& of) {
  ++of.lookups;
  return attributes_of(of);
}

Attributes Working::attributes(NodeId id) {
  auto all = folders_.lock();
  return attributes_of(node(*all, id));
}

std::optional<Attributes> Working::lookup(NodeId folder_id, std::string_view name) {
  auto all = folders_.lock();
  Node& in = folder(*all, folder_id);
  const auto entry = in.entries.find(name);
  if (entry == in.entries.end()) return std::nullopt;
  return reply(node(*all, entry->second));
}

std::vector<std::optional<Attributes>> Working::look_up(NodeId folder_id,
                                                        std::span<const FolderEntry> listed) {
  std::vector<std::optional<Attributes>> found(listed.size());
  auto all = folders_.lock();
  const Node& in = folder(*all, folder_id);
  for (std::size_t i = 0; i < listed.size(); ++i) {
    const auto entry = in.entries.find(listed[i].name);
    if (entry != in.entries.end()) found[i] = reply(node(*all, entry->second));
  }
  return found;
}

void Working::forget(NodeId id, std::uint64_t lookups) noexcept {
  auto all = folders_.lock();
  const auto at = all->nodes.find(static_cast<std::uint64_t>(id));
  if (at == all->nodes.end()) return;
  at->second.lookups -= std::min(at->second.lookups, lookups);
  drop_if_unused(*all, id);
}

std::vector<FolderEntry> Working::list(NodeId folder_id) {
  auto all = folders_.lock();
  std::vector<FolderEntry> entries;
  for (const auto& [name, id] : folder(*all, folder_id).entries) {
    entries.push_back({name, static_cast<Ino>(id), type_of(node(*all, id))});
  }
  return entries;
}

NodeId Working::parent_of(NodeId folder_id) {
  auto all = folders_.lock();
  const Node& of = folder(*all, folder_id);
  return of.names.empty() ? NodeId::none : of.names.front().parent;
}

Working::Node& Working::existing_folder(Folders& all, NodeId id) {
  Node& found = folder(all, id);
  if (found.names.empty() && found.id != root_) fail(Errc::not_found, "the folder is gone");
  return found;
}

Working::Node& Working::new_entry(Folders& all, NodeId folder_id, std::string_view name, Kind kind,
                                  mode_t mode, const Caller& caller) {
  if (name.size() > 255) fail(Errc::name_too_long, "a name has at most 255 bytes");
  if (!is_entry_name(name)) fail(Errc::invalid, "not a name");
  Node& parent = existing_folder(all, folder_id);
  if (parent.entries.contains(name)) fail(Errc::exists, cat(name, " exists"));
  return add(all, kind, mode, caller, parent);
}

Attributes Working::make_file(NodeId folder_id, std::string_view name, mode_t mode,
                              const Caller& caller) {
  // The local file is made before the lock is taken, and dropped when the name is refused.
  Version empty{repository_.staging().create(), {}, 0};
  auto all = folders_.lock();
  Node& made = new_entry(*all, folder_id, name, Kind::file, mode, caller);
  made.file.current = std::move(empty);
  put_entry(*all, folder(*all, folder_id), name, made);
  return reply(made);
}

Attributes Working::make_folder(NodeId folder_id, std::string_view name, mode_t mode,
                                const Caller& caller) {
  auto all = folders_.lock();
  Node& made = new_entry(*all, folder_id, name, Kind::folder, mode, caller);
  put_entry(*all, folder(*all, folder_id), name, made);
  return reply(made);
}

Attributes Working::make_symlink(NodeId folder_id, std::string_view name, std::string_view target,
                                 const Caller& caller) {
  auto all = folders_.lock();
  Node& made = new_entry(*all, folder_id, name, Kind::symlink, 0777, caller);
  made.target = target;
  put_entry(*all, folder(*all, folder_id), name, made);
  return reply(made);
}

Attributes Working::make_special(NodeId folder_id, std::string_view name, mode_t mode,
                                 const Caller& caller) {
  auto all = folders_.lock();
  Node& made = new_entry(*all, folder_id, name, Kind::file, mode, caller);
  made.special = mode & S_IFMT;
  put_entry(*all, folder(*all, folder_id), name, made);
  return reply(made);
}

Attributes Working::make_unnamed(NodeId folder_id, mode_t mode, const Caller& caller) {
  Version empty{repository_.staging().create(), {}, 0};
  auto all = folders_.lock();
  Node& made = add(*all, Kind::file, mode, caller, existing_folder(*all, folder_id));
  made.file.current = std::move(empty);
  made.unnamed = true;
  return reply(made);
}

Attributes Working::link(NodeId file, NodeId folder_id, std::string_view name) {
  auto all = folders_.lock();
  Node& linked = node(*all, file);
  if (linked.kind == Kind::folder) fail(Errc::not_permitted, "a folder has one name");
  if (linked.names.empty() && !linked.unnamed) fail(Errc::not_found, "the file is gone");
  if (!is_entry_name(name)) fail(Errc::name_too_long, "not a name");
  Node& parent = existing_folder(*all, folder_id);
  if (parent.entries.contains(name)) fail(Errc::exists, cat(name, " exists"));
  put_entry(*all, parent, name, linked);
  linked.unnamed = false;
  linked.ctime_ns = now_ns();
  all->dirty.nodes.insert(linked.id);
  return reply(linked);
}

void Working::unlink(NodeId folder_id, std::string_view name) {
  await_protected(folder_id, name);
  auto all = folders_.lock();
  Node& parent = folder(*all, folder_id);
  const auto entry = parent.entries.find(name);
  if (entry == parent.entries.end()) fail(Errc::not_found, cat("there is no ", name));
  Node& child = node(*all, entry->second);
  if (child.kind == Kind::folder) fail(Errc::is_folder, cat(name, " is a folder"));
  protect(*all, child);
  drop_entry(*all, parent, name, child);
  drop_if_unused(*all, child.id);
}

void Working::remove_folder(NodeId folder_id, std::string_view name) {
  auto all = folders_.lock();
  Node& parent = folder(*all, folder_id);
  const auto entry = parent.entries.find(name);
  if (entry == parent.entries.end()) fail(Errc::not_found, cat("there is no ", name));
  Node& child = folder(*all, entry->second);
  if (!child.entries.empty()) fail(Errc::not_empty, cat(name, " is not empty"));
  drop_entry(*all, parent, name, child);
  drop_if_unused(*all, child.id);
}

std::string Working::target_of(NodeId symlink) {
  auto all = folders_.lock();
  const Node& of = node(*all, symlink);
  if (of.kind != Kind::symlink) fail(Errc::invalid, "not a symbolic link");
  return of.target;
}

Working::State Working::state() {
  auto all = folders_.lock();
  const Node& root = node(*all, root_);
  State state;
  state.pending = !root.tree && root.changed > all->cut_stamp;
  state.changed_ms = all->changed_ms;
  for (const NodeId id : all->writing) {
    const auto at = all->nodes.find(static_cast<std::uint64_t>(id));
    if (at == all->nodes.end()) continue;
    ++state.open_writers;
    const Node& file = at->second;
    if (file.file.flushed) ++state.closing;
    if (is_model(file)) {
      state.model_written_ms = std::max(state.model_written_ms, file.file.written_ms);
    }
  }
  return state;
}

}  // namespace wfs
