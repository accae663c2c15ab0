// Listing folders.
#include <sys/stat.h>

#include <map>

#include "base/error.h"
#include "fs/filesystem.h"
#include "index/commit_rows.h"

namespace wfs {
namespace {

constexpr int commits_at_once = 1000;

}  // namespace

FolderHandle* FileSystem::open_folder(Ino folder) {
  const Place place = place_of(folder);
  if (place == Place::control_file || place == Place::link) {
    fail(Errc::not_folder, "this is no folder");
  }
  auto handle = std::make_unique<FolderHandle>();
  handle->ino = folder;
  handle->immutable = place == Place::commit;
  FolderHandle* const kept = handle.get();
  folder_handles_.lock()->emplace(kept, std::move(handle));
  return kept;
}

void FileSystem::release_folder(FolderHandle* handle) noexcept {
  const auto released = folder_handles_.lock()->extract(handle);  // dropped without the lock
}

std::vector<FolderEntry> FileSystem::list_top() {
  std::vector<FolderEntry> listed{{".weightfs", ControlFiles::folder_ino, S_IFDIR}};
  const auto add_link = [&](std::string name) {
    const Ino ino = Links::ino_of(root_ino, name);
    listed.push_back({std::move(name), ino, S_IFLNK});
  };
  const auto refs =
      repository_.catalog().read([](Database& database) { return all_refs(database); });
  for (const Ref& ref : refs) {
    if (ref.kind == RefKind::tag) {
      add_link(cat('@', ref.name));
    } else if (const auto found = branch(ref.name)) {
      listed.push_back({ref.name, ino_of(found->root()), S_IFDIR});
    }
  }
  std::vector<CommitId> commits;
  bool any_complete = false;
  for (std::int64_t before = 0;;) {
    const auto rows = repository_.catalog().read(
        [&](Database& database) { return recent_commits(database, before, commits_at_once); });
    for (const CommitRow& row : rows) {
      commits.push_back(row.id);
      any_complete = any_complete || row.commit.complete;
    }
    if (rows.size() < static_cast<std::size_t>(commits_at_once)) break;
    before = rows.back().number;
  }
  if (!commits.empty()) add_link("@latest");
  if (any_complete) add_link("@latest-complete");
  std::map<std::string, unsigned> names;  // how many commits start with these digits
  for (const CommitId& id : commits) ++names[hex(id).substr(0, 12)];
  for (const CommitId& id : commits) {
    const std::string digits = hex(id);
    const std::string name = names[digits.substr(0, 12)] > 1 ? digits : digits.substr(0, 12);
    listed.push_back({cat('@', name), Snapshots::ino_of(id, ""), S_IFDIR});
  }
  return listed;
}

Listing FileSystem::list(FolderHandle& handle, bool from_start) {
  if (!from_start) {
    if (Listing kept = *handle.listing.lock()) return kept;
  }
  Ino parent = root_ino;
  std::vector<FolderEntry> names;
  switch (place_of(handle.ino)) {
    case Place::top:
      names = list_top();
      break;
    case Place::control_folder:
      names = ControlFiles::list();
      break;
    case Place::commit: {
      const auto node = snapshots_.find(handle.ino);
      names = snapshots_.list(*node);
      parent = Snapshots::parent_of(*node);
      break;
    }
    default: {
      const auto owner = working(handle.ino);
      names = owner->list(node_of(handle.ino));
      if (owner->root() != node_of(handle.ino)) {
        parent = ino_of(owner->parent_of(node_of(handle.ino)));
      }
    }
  }
  std::vector<FolderEntry> all{{".", handle.ino, S_IFDIR}, {"..", parent, S_IFDIR}};
  all.insert(all.end(), std::make_move_iterator(names.begin()),
             std::make_move_iterator(names.end()));
  auto listing = std::make_shared<const std::vector<FolderEntry>>(std::move(all));
  *handle.listing.lock() = listing;
  return listing;
}

void FileSystem::sync_folder(Ino folder) {
  if (place_of(folder) == Place::working) working(folder)->save(Durability::now);
}

}  // namespace wfs
