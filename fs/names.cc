// Making, removing and renaming names. In the top folder these are branches.
#include <sys/stat.h>

#include "base/error.h"
#include "fs/filesystem.h"

namespace wfs {

void FileSystem::require_writable(Ino folder) {
  changeable(folder);
}

EntryReply FileSystem::make_file(Ino folder, std::string_view name, mode_t mode,
                                 const Caller& caller) {
  return working_reply(changeable(folder)->make_file(node_of(folder), name, mode, caller));
}

EntryReply FileSystem::make_folder(Ino folder, std::string_view name, mode_t mode,
                                   const Caller& caller) {
  if (place_of(folder) != Place::top) {
    return working_reply(changeable(folder)->make_folder(node_of(folder), name, mode, caller));
  }
  if (commits_only()) refuse(Place::commit);
  if (!is_ref_name(name)) {
    fail(Errc::invalid, cat('"', name, "\" cannot be the name of a branch"));
  }
  capture_->create_branch(std::string(name), std::nullopt);
  return branch_reply(*capture_->branch(std::string(name)));
}

EntryReply FileSystem::make_symlink(Ino folder, std::string_view name, std::string_view target,
                                    const Caller& caller) {
  return working_reply(changeable(folder)->make_symlink(node_of(folder), name, target, caller));
}

EntryReply FileSystem::make_special(Ino folder, std::string_view name, mode_t mode,
                                    const Caller& caller) {
  return working_reply(changeable(folder)->make_special(node_of(folder), name, mode, caller));
}

EntryReply FileSystem::link(Ino file, Ino folder, std::string_view name) {
  const auto to = changeable(folder);
  if (place_of(file) != Place::working || working(file) != to) {
    fail(Errc::cross_device, "a hard link stays in its branch");
  }
  return working_reply(to->link(node_of(file), node_of(folder), name));
}

void FileSystem::unlink(Ino folder, std::string_view name) {
  changeable(folder)->unlink(node_of(folder), name);
}

void FileSystem::remove_folder(Ino folder, std::string_view name) {
  if (place_of(folder) != Place::top) {
    changeable(folder)->remove_folder(node_of(folder), name);
    return;
  }
  if (name.starts_with('@')) refuse(Place::commit);
  const auto found = branch(name);
  if (!found) refuse(Place::top);
  if (!found->list(found->root()).empty()) {
    fail(Errc::not_empty, cat("branch ", name, " holds files; delete it with mountctl branch"));
  }
  capture_->delete_branch(std::string(name));
}

void FileSystem::rename(Ino from_folder, std::string_view from, Ino to_folder, std::string_view to,
                        Existing existing) {
  if (place_of(from_folder) == Place::top && from.starts_with('@')) refuse(Place::commit);
  const auto source = changeable(from_folder);
  if (changeable(to_folder) != source) {
    fail(Errc::cross_device, "a file moves to another branch as a copy");
  }
  source->rename(node_of(from_folder), from, node_of(to_folder), to, existing);
}

}  // namespace wfs
