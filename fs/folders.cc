// Listing folders.
#include <sys/stat.h>

#include <algorithm>

#include "base/error.h"
#include "fs/filesystem.h"
#include "index/commit_rows.h"

namespace wfs {
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
  struct Newest {
    std::vector<CommitRow> commits;
    std::vector<std::string> names;
    bool any_complete = false;
  };
  const auto newest = repository_.catalog().read([&](Database& database) {
    Newest found;
    const auto count = static_cast<int>(repository_.settings().listed_commits);
    found.commits = recent_commits(database, 0, std::max(count, 1));
    found.any_complete = newest_complete_commit(database).has_value();
    for (const CommitRow& row : found.commits) {
      const std::string digits = hex(row.id);
      const std::string prefix = digits.substr(0, 12);
      const bool unique = commits_with_prefix(database, prefix, 2).size() == 1;
      found.names.push_back(unique ? prefix : digits);
    }
    if (count == 0) found.names.clear();
    return found;
  });
  if (!newest.commits.empty()) add_link("@latest");
  if (newest.any_complete) add_link("@latest-complete");
  for (std::size_t i = 0; i < newest.names.size(); ++i) {
    listed.push_back({cat('@', newest.names[i]), Snapshots::ino_of(newest.commits[i].id, ""), S_IFDIR});
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
