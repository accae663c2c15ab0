// Writing what changed in a working folder to its rows.
#include "base/error.h"
#include "base/fault.h"
#include "fs/working.h"
#include "index/staged_rows.h"
#include "index/working_rows.h"

namespace wfs {
namespace {

// Where a version's bytes are, as a row says it.
void put_version(const Version& version, std::optional<ContentId>& content, StagedId& staged) {
  if (version.staged) {
    staged = version.staged->id();
    content = version.staged->content();
  } else {
    content = version.content;
  }
}

}  // namespace

// What one save writes, copied out of the folders so that SQL runs without their lock.
struct Working::Saved {
  struct File {
    NodeRow row;
    std::shared_ptr<StagedFile> current;
    std::shared_ptr<StagedFile> complete;
  };
  std::vector<File> nodes;
  std::vector<NodeId> gone_nodes;
  std::vector<EntryRow> entries;
  std::vector<std::pair<NodeId, std::string>> gone_entries;
  Dirty dirty;
};

Working::Saved Working::take_dirty(Folders& all) const {
  Saved saved;
  saved.dirty = std::exchange(all.dirty, {});
  for (const NodeId id : saved.dirty.nodes) {
    const auto at = all.nodes.find(static_cast<std::uint64_t>(id));
    if (at == all.nodes.end() || (at->second.names.empty() && id != root_)) {
      saved.gone_nodes.push_back(id);
      continue;
    }
    const Node& of = at->second;
    Saved::File file;
    NodeRow& row = file.row;
    row.id = of.id;
    row.kind = of.kind;
    row.mode = of.special | of.mode;
    row.uid = of.uid;
    row.gid = of.gid;
    row.mtime_ns = of.mtime_ns;
    row.ctime_ns = of.ctime_ns;
    row.target = of.target;
    row.xattrs = of.xattrs;
    row.tree = of.tree;
    if (of.kind == Kind::file && of.special == 0) {
      const auto& complete = of.file.flushed ? std::optional(of.file.current) : of.file.complete;
      row.size = of.file.current.size;
      put_version(of.file.current, row.content, row.staged);
      file.current = of.file.current.staged;
      if (complete) {
        row.complete_size = complete->size;
        put_version(*complete, row.complete_content, row.complete_staged);
        file.complete = complete->staged;
      }
    }
    saved.nodes.push_back(std::move(file));
  }
  for (const auto& [parent, name] : saved.dirty.entries) {
    const auto at = all.nodes.find(static_cast<std::uint64_t>(parent));
    if (at != all.nodes.end()) {
      if (const auto entry = at->second.entries.find(name); entry != at->second.entries.end()) {
        saved.entries.push_back({parent, name, entry->second});
        continue;
      }
    }
    saved.gone_entries.emplace_back(parent, name);
  }
  return saved;
}

void Working::save(Durability durability) {
  const std::lock_guard saving(saving_);
  Saved saved;
  {
    auto all = folders_.lock();
    // Rows that were written without a sync become durable with the next ones.
    if (durability == Durability::now && all->saved_later) all->dirty.nodes.insert(root_);
    if (all->dirty.nodes.empty() && all->dirty.entries.empty()) return;
    saved = take_dirty(*all);
    all->saved_later = durability == Durability::later;
  }
  try {
    fault_point("working.before_save");
    repository_.catalog().write(durability, [&](Database& database) {
      for (const auto& file : saved.nodes) {
        if (file.current) put_staged_chain(database, *file.current);
        if (file.complete && file.complete != file.current) {
          put_staged_chain(database, *file.complete);
        }
        put_node(database, branch_, file.row);
      }
      for (const NodeId id : saved.gone_nodes) delete_node(database, id);
      for (const auto& [parent, name] : saved.gone_entries) delete_entry(database, parent, name);
      for (const EntryRow& row : saved.entries) wfs::put_entry(database, row);
    });
  } catch (...) {
    auto all = folders_.lock();
    all->dirty.nodes.merge(saved.dirty.nodes);
    all->dirty.entries.merge(saved.dirty.entries);
    throw;
  }
}

}  // namespace wfs
