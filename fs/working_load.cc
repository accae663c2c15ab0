// A working folder between its rows and memory.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "fs/working.h"
#include "index/commit_rows.h"
#include "index/staged_rows.h"
#include "index/working_rows.h"

namespace wfs {
namespace {

constexpr std::uint64_t counter_bits = 40;
constexpr std::uint64_t counter_mask = (std::uint64_t{1} << counter_bits) - 1;
constexpr std::uint64_t ignore_bytes_max = 1 << 20;

}  // namespace

Working::Working(Repository& repository, std::string branch, CutRules rules)
    : repository_(repository), branch_(std::move(branch)), rules_(std::move(rules)) {
  auto all = folders_.lock();
  repository_.catalog().read([&](Database& database) { load_rows(*all, database); });
  if (root_ == NodeId::none) load_tip(*all);
  refresh_ignored(*all);
  all->changed_ms = steady_ms();
}

std::optional<Version> Working::load_version(const std::optional<ContentId>& content,
                                             StagedId staged, std::uint64_t size) {
  if (staged != StagedId::none) {
    try {
      auto file = repository_.contents().take_up(staged);
      const std::uint64_t actual = file->size();
      return Version{std::move(file), {}, actual};
    } catch (const Error& error) {
      if (!content) log(Level::error, cat("branch ", branch_, ": bytes are lost: ", error.what()));
    }
  }
  if (!content) return std::nullopt;
  return Version{nullptr, *content, size};
}

void Working::load_rows(Folders& all, Database& database) {
  const auto rows = load_nodes(database, branch_);
  if (rows.empty()) return;
  root_ = rows.front().id;
  std::set<NodeId> lost;
  for (const NodeRow& row : rows) {
    Node of;
    of.id = row.id;
    of.kind = row.kind;
    of.mode = row.mode & 07777;
    if (row.kind == Kind::file) of.special = row.mode & S_IFMT;
    of.uid = row.uid;
    of.gid = row.gid;
    of.atime_ns = of.mtime_ns = row.mtime_ns;
    of.ctime_ns = row.ctime_ns;
    of.target = row.target;
    of.xattrs = row.xattrs;
    of.tree = row.tree;
    of.changed = 1;
    all.next = std::max(all.next, static_cast<std::uint64_t>(row.id) & counter_mask);
    if (row.kind == Kind::file && of.special == 0) {
      of.file.complete =
          load_version(row.complete_content, row.complete_staged, row.complete_size);
      auto current = load_version(row.content, row.staged, row.size);
      // Bytes that a crash took fall back to the last complete ones; a file without those is gone.
      if (!current && !of.file.complete) {
        lost.insert(row.id);
        continue;
      }
      of.file.current = current ? *current : *of.file.complete;
      of.file.complete_mtime_ns = row.mtime_ns;
      of.file.completed = of.file.complete && of.file.complete->staged ? 1 : 0;
    }
    all.nodes.emplace(static_cast<std::uint64_t>(row.id), std::move(of));
  }
  for (const EntryRow& row : load_entries(database, branch_)) {
    const auto parent = all.nodes.find(static_cast<std::uint64_t>(row.parent));
    const auto child = all.nodes.find(static_cast<std::uint64_t>(row.node));
    if (parent == all.nodes.end() || child == all.nodes.end()) {
      log(Level::error, cat("branch ", branch_, ": ", row.name, " is lost"));
      continue;
    }
    add_name(parent->second, row.name, child->second);
  }
  if (!lost.empty()) node(all, root_).tree.reset();
  // Files that had no name any more when the process ended.
  std::erase_if(all.nodes, [&](const auto& entry) {
    const Node& of = entry.second;
    if (!of.names.empty() || of.id == root_) return false;
    all.dirty.nodes.insert(of.id);
    return true;
  });
}

void Working::load_tip(Folders& all) {
  const auto number = repository_.catalog().write(
      Durability::now, [](Database& database) { return next_branch_number(database); });
  const auto tip = repository_.catalog().read([&](Database& database) -> std::optional<Commit> {
    const auto ref = find_ref(database, branch_);
    if (!ref || ref->kind != RefKind::branch) {
      fail(Errc::not_found, cat("there is no branch ", branch_));
    }
    if (!ref->tip) return std::nullopt;
    return load_commit(database, *ref->tip).commit;
  });
  all.next = 1;
  root_ = static_cast<NodeId>(static_cast<std::uint64_t>(number) << counter_bits | all.next);
  Node root;
  root.id = root_;
  root.kind = Kind::folder;
  root.mode = 0755;
  root.uid = ::getuid();
  root.gid = ::getgid();
  root.atime_ns = root.mtime_ns = root.ctime_ns = tip ? tip->time_ns : now_ns();
  root.tree = tip ? tip->tree : tree_id_of(record_of(Tree()));
  all.dirty.nodes.insert(root_);
  all.nodes.emplace(static_cast<std::uint64_t>(root_), std::move(root));
  if (tip) load_tree(all, root_, tip->tree);
}

void Working::load_tree(Folders& all, NodeId folder_id, const TreeId& id) {
  const Tree tree =
      repository_.catalog().read([&](Database& database) { return wfs::load_tree(database, id); });
  for (const TreeEntry& entry : tree.entries) {
    Node of;
    of.id = next_id(all);
    of.kind = entry.kind;
    of.mode = entry.kind == Kind::folder || entry.executable ? 0755 : 0644;
    if (entry.kind == Kind::symlink) of.mode = 0777;
    of.uid = ::getuid();
    of.gid = ::getgid();
    of.atime_ns = of.mtime_ns = of.ctime_ns = entry.mtime_ns;
    of.target = entry.target;
    of.xattrs = entry.xattrs;
    if (entry.kind == Kind::folder) of.tree = entry.tree;
    if (entry.kind == Kind::file) {
      of.file.current = Version{nullptr, entry.content, entry.size};
      of.file.complete = of.file.current;
      of.file.complete_mtime_ns = entry.mtime_ns;
    }
    const NodeId child = of.id;
    all.dirty.nodes.insert(child);
    all.dirty.entries.emplace(folder_id, entry.name);
    Node& added = all.nodes.emplace(static_cast<std::uint64_t>(child), std::move(of)).first->second;
    add_name(node(all, folder_id), entry.name, added);
    if (entry.kind != Kind::folder) continue;
    load_tree(all, child, entry.tree);
  }
}

void Working::refresh_ignored(Folders& all) {
  std::string text;
  const Node& root = node(all, root_);
  if (const auto entry = root.entries.find(".weightfsignore"); entry != root.entries.end()) {
    const Node& file = node(all, entry->second);
    if (file.kind == Kind::file && file.file.complete &&
        file.file.complete->size <= ignore_bytes_max) {
      try {
        text.resize(file.file.complete->size);
        open_bytes(*file.file.complete)
            ->read(0, {reinterpret_cast<std::byte*>(text.data()), text.size()});
      } catch (const Error& error) {
        log(Level::warning, cat("branch ", branch_, ": .weightfsignore: ", error.what()));
        text.clear();
      }
    }
  }
  if (text == all.ignore_text) return;
  all.ignore = IgnoreRules(text);
  all.ignore_text = std::move(text);
  // A branch that equals its tip was cut under these rules: nothing is to be looked at again.
  if (root.tree) return;
  // What is history may differ anywhere: every folder is looked at again by the next cut.
  for (auto& [id, of] : all.nodes) {
    if (of.kind != Kind::folder || !of.tree) continue;
    of.tree.reset();
    of.changed = all.stamp;
    all.dirty.nodes.insert(of.id);
  }
}

}  // namespace wfs
