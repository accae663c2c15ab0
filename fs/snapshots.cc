#include "fs/snapshots.h"

#include <sys/stat.h>

#include <algorithm>

#include "base/error.h"
#include "index/commit_rows.h"

namespace wfs {
namespace {

constexpr std::size_t name_digits = 12;
constexpr std::size_t kept_entries_max = 200'000;  // of trees, all together
constexpr Ino mark = Ino{1} << 63;

std::string join(std::string_view folder, std::string_view name) {
  return folder.empty() ? std::string(name) : cat(folder, '/', name);
}

bool all_hex(std::string_view text) noexcept {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

mode_t type_of(Kind kind) noexcept {
  switch (kind) {
    case Kind::file:
      return S_IFREG;
    case Kind::folder:
      return S_IFDIR;
    case Kind::symlink:
      return S_IFLNK;
  }
  return S_IFREG;
}

}  // namespace

std::string Snapshots::name_of(Database& database, const CommitId& id) {
  const std::string digits = hex(id);
  const std::string name = digits.substr(0, name_digits);
  return commits_with_prefix(database, name, 2).size() > 1 ? digits : name;
}

std::string Snapshots::name_of(const CommitId& id) {
  return repository_.catalog().read([&](Database& database) { return name_of(database, id); });
}

std::optional<CommitId> Snapshots::named(std::string_view name) {
  if ((name.size() != name_digits && name.size() != 2 * sizeof(CommitId)) || !all_hex(name)) {
    return std::nullopt;
  }
  const auto found = repository_.catalog().read([&](Database& database) {
    return commits_with_prefix(database, name.substr(0, name_digits), 2);
  });
  if (found.size() == 1) {
    if (name.size() == name_digits) return found.front();
    return std::nullopt;
  }
  if (found.empty() || name.size() == name_digits) return std::nullopt;
  const auto id = id_of_hex<CommitId>(name);
  const bool there = repository_.catalog().read(
      [&](Database& database) { return find_commit(database, *id).has_value(); });
  return there ? id : std::nullopt;
}

Ino Snapshots::ino_of(const CommitId& id, std::string_view path) noexcept {
  return xxh3_64(as_bytes(path), xxh3_64(Bytes(id.digest.bytes))) | mark;
}

Ino Snapshots::parent_of(const SnapshotNode& folder) noexcept {
  if (folder.path.empty()) return 1;
  const auto slash = folder.path.rfind('/');
  return ino_of(folder.commit, slash == std::string::npos
                                   ? std::string_view()
                                   : std::string_view(folder.path).substr(0, slash));
}

std::shared_ptr<const Tree> Snapshots::tree(const TreeId& id) {
  {
    auto trees = trees_.lock();
    const auto found = trees->by_id.find(id);
    if (found != trees->by_id.end()) {
      trees->by_age.splice(trees->by_age.end(), trees->by_age, found->second.age);
      return found->second.tree;
    }
  }
  auto loaded = std::make_shared<const Tree>(
      repository_.catalog().read([&](Database& database) { return load_tree(database, id); }));
  auto trees = trees_.lock();
  const auto [at, is_new] = trees->by_id.try_emplace(id);
  if (!is_new) return at->second.tree;
  at->second = {loaded, trees->by_age.insert(trees->by_age.end(), id)};
  trees->entries += loaded->entries.size();
  while (trees->entries > kept_entries_max && trees->by_age.size() > 1) {
    const auto oldest = trees->by_id.find(trees->by_age.front());
    trees->entries -= oldest->second.tree->entries.size();
    trees->by_id.erase(oldest);
    trees->by_age.pop_front();
  }
  return loaded;
}

// A node the kernel knows already; counts one lookup.
SnapshotNodePtr Snapshots::known(const CommitId& id, std::string_view path) {
  auto nodes = nodes_.lock();
  const auto found = nodes->by_ino.find(ino_of(id, path));
  if (found == nodes->by_ino.end()) return nullptr;
  const SnapshotNodePtr& node = found->second.node;
  if (node->commit != id || node->path != path) return nullptr;
  ++found->second.lookups;
  return node;
}

SnapshotNodePtr Snapshots::put(SnapshotNode node) {
  auto nodes = nodes_.lock();
  // Two entries whose hashes are equal: the later one looks for a free number.
  for (Ino ino = ino_of(node.commit, node.path);; ino = xxh3_64(as_bytes(node.path), ino) | mark) {
    auto [at, is_new] = nodes->by_ino.try_emplace(ino);
    if (is_new) {
      node.ino = ino;
      at->second = {std::make_shared<const SnapshotNode>(std::move(node)), 1};
      return at->second.node;
    }
    if (at->second.node->commit == node.commit && at->second.node->path == node.path) {
      ++at->second.lookups;
      return at->second.node;
    }
  }
}

SnapshotNodePtr Snapshots::root(const CommitId& id) {
  if (auto node = known(id, "")) return node;
  const auto row =
      repository_.catalog().read([&](Database& database) { return find_commit(database, id); });
  if (!row) return nullptr;
  SnapshotNode node;
  node.commit = id;
  node.commit_time_ns = row->commit.time_ns;
  node.entry.kind = Kind::folder;
  node.entry.mtime_ns = row->commit.time_ns;
  node.entry.tree = row->commit.tree;
  return put(std::move(node));
}

SnapshotNodePtr Snapshots::lookup(const SnapshotNode& folder, std::string_view name) {
  if (folder.entry.kind != Kind::folder) fail(Errc::not_folder, cat(folder.path, " is no folder"));
  std::string path = join(folder.path, name);
  if (auto node = known(folder.commit, path)) return node;
  const auto entries = tree(folder.entry.tree);
  const TreeEntry* entry = entries->find(name);
  if (!entry) return nullptr;
  return put(SnapshotNode{0, folder.commit, folder.commit_time_ns, std::move(path), *entry});
}

std::optional<TreeEntry> Snapshots::entry_at(const CommitId& id, std::string_view path) {
  const auto row =
      repository_.catalog().read([&](Database& database) { return find_commit(database, id); });
  if (!row) return std::nullopt;
  TreeEntry entry;
  entry.kind = Kind::folder;
  entry.tree = row->commit.tree;
  entry.mtime_ns = row->commit.time_ns;
  while (!path.empty()) {
    if (entry.kind != Kind::folder) return std::nullopt;
    const auto slash = path.find('/');
    const auto entries = tree(entry.tree);
    const TreeEntry* next = entries->find(path.substr(0, slash));
    if (!next) return std::nullopt;
    entry = *next;
    path = slash == path.npos ? std::string_view() : path.substr(slash + 1);
  }
  return entry;
}

SnapshotNodePtr Snapshots::at(const CommitId& id, std::string_view path) {
  if (path.empty()) return root(id);
  if (auto node = known(id, path)) return node;
  auto entry = entry_at(id, path);
  if (!entry) return nullptr;
  const CommitRow row =
      repository_.catalog().read([&](Database& database) { return load_commit(database, id); });
  return put(SnapshotNode{0, id, row.commit.time_ns, std::string(path), std::move(*entry)});
}

SnapshotNodePtr Snapshots::find(Ino ino) {
  auto nodes = nodes_.lock();
  const auto found = nodes->by_ino.find(ino);
  if (found == nodes->by_ino.end()) fail(Errc::not_found, "no such entry of a commit");
  return found->second.node;
}

void Snapshots::forget(Ino ino, std::uint64_t lookups) noexcept {
  auto nodes = nodes_.lock();
  const auto found = nodes->by_ino.find(ino);
  if (found == nodes->by_ino.end()) return;
  if (found->second.lookups > lookups) {
    found->second.lookups -= lookups;
  } else {
    nodes->by_ino.erase(found);
  }
}

Attributes Snapshots::attributes(const SnapshotNode& node) const {
  Attributes attributes;
  attributes.ino = node.ino;
  switch (node.entry.kind) {
    case Kind::file:
      attributes.mode = S_IFREG | (node.entry.executable ? 0555 : 0444);
      break;
    case Kind::folder:
      attributes.mode = S_IFDIR | 0555;
      break;
    case Kind::symlink:
      attributes.mode = S_IFLNK | 0777;
      break;
  }
  attributes.links = node.entry.kind == Kind::folder ? 2 : 1;
  attributes.uid = uid_;
  attributes.gid = gid_;
  attributes.size = node.entry.kind == Kind::folder ? 0 : node.entry.size;
  attributes.mtime_ns = node.entry.mtime_ns;
  attributes.atime_ns = node.entry.mtime_ns;
  attributes.ctime_ns = node.commit_time_ns;
  return attributes;
}

std::vector<FolderEntry> Snapshots::list(const SnapshotNode& folder) {
  if (folder.entry.kind != Kind::folder) fail(Errc::not_folder, cat(folder.path, " is no folder"));
  const auto entries = tree(folder.entry.tree);
  std::vector<FolderEntry> listed;
  listed.reserve(entries->entries.size());
  for (const TreeEntry& entry : entries->entries) {
    listed.push_back(
        {entry.name, ino_of(folder.commit, join(folder.path, entry.name)), type_of(entry.kind)});
  }
  return listed;
}

}  // namespace wfs
