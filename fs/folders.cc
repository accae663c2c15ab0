// Listing folders.
#include <sys/stat.h>

#include "base/error.h"
#include "fs/filesystem.h"
#include "index/commit_rows.h"

namespace wfs {
namespace {

struct Newest {
  std::vector<FolderEntry> folders;  // of the newest commits
  bool any = false;
  bool any_complete = false;
};

Newest newest_of(Database& database, int count) {
  Newest newest;
  newest.any = newest_commit(database).has_value();
  newest.any_complete = newest_complete_commit(database).has_value();
  for (const CommitRow& row : recent_commits(database, 0, count)) {
    newest.folders.push_back({cat('@', Snapshots::name_of(database, row.id)),
                              Snapshots::ino_of(row.id, ""), S_IFDIR});
  }
  return newest;
}

}  // namespace

FolderHandle* FileSystem::open_folder(Ino folder) {
  const Place place = place_of(folder);
  if (place == Place::control_file || place == Place::link) {
    fail(Errc::not_folder, "this is no folder");
  }
  auto handle = std::make_unique<FolderHandle>();
  handle->ino = folder;
  handle->cached = place == Place::commit || place == Place::working;
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
    } else if (commits_only()) {
      if (ref.tip) add_link(cat('@', ref.name));
    } else if (const auto found = branch(ref.name)) {
      listed.push_back({ref.name, ino_of(found->root()), S_IFDIR});
    }
  }
  const Newest newest = repository_.catalog().read([&](Database& database) {
    return newest_of(database, static_cast<int>(repository_.settings().listed_commits));
  });
  if (newest.any) add_link("@latest");
  if (newest.any_complete) add_link("@latest-complete");
  listed.insert(listed.end(), newest.folders.begin(), newest.folders.end());
  return listed;
}

Listing FileSystem::listing_of(Ino folder) {
  Ino parent = root_ino;
  std::vector<FolderEntry> names;
  switch (place_of(folder)) {
    case Place::top:
      names = list_top();
      break;
    case Place::control_folder:
      names = ControlFiles::list();
      break;
    case Place::commit: {
      const auto node = snapshots_.find(folder);
      names = snapshots_.list(*node);
      parent = Snapshots::parent_of(*node);
      break;
    }
    default: {
      const auto owner = working(folder);
      names = owner->list(node_of(folder));
      if (owner->root() != node_of(folder)) {
        parent = ino_of(owner->parent_of(node_of(folder)));
      }
    }
  }
  std::vector<FolderEntry> all{{".", folder, S_IFDIR}, {"..", parent, S_IFDIR}};
  all.insert(all.end(), std::make_move_iterator(names.begin()),
             std::make_move_iterator(names.end()));
  return std::make_shared<const std::vector<FolderEntry>>(std::move(all));
}

NumberedListing FileSystem::list_unopened(Ino folder, std::uint64_t number) {
  if (number != 0) {
    if (const auto known = listings_.find(number)) return {*known, number};
  } else {
    number = ++listings_made_;
  }
  // One that was dropped meanwhile is made again; of a commit it is the same.
  constexpr std::size_t weight_least = 16;
  Listing listed = listing_of(folder);
  const std::size_t weight = weight_least + listed->size();
  return {*listings_.put(number, std::make_shared<const Listing>(std::move(listed)), weight),
          number};
}

NumberedListing FileSystem::list(FolderHandle& handle, std::uint64_t number) {
  if (number != 0) {
    const NumberedListing last = *handle.last.lock();
    if (last.number == number) return last;
  }
  NumberedListing listed = list_unopened(handle.ino, number);
  *handle.last.lock() = listed;
  return listed;
}

void FileSystem::sync_folder(Ino folder) {
  if (place_of(folder) == Place::working) working(folder)->save(Durability::now);
}

}  // namespace wfs
