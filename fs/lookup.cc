// Names to inode numbers: the names of the top folder, entries, and revisions behind an '@'.
#include <sys/stat.h>

#include <algorithm>
#include <thread>

#include "base/error.h"
#include "fs/filesystem.h"
#include "index/commit_rows.h"
#include "index/revision.h"

namespace wfs {
namespace {

constexpr double forever_seconds = 365.0 * 86400;
// All changes of working folders go through the kernel, which keeps what it knows up to date.
constexpr double working_seconds = 60;
// A branch may be deleted without it, and takes all that is below along.
constexpr double branch_seconds = 1;
constexpr std::string_view control_name = ".weightfs";
constexpr std::size_t ahead_queue = 64;

// One more than there are cores: some wait for the disk.
unsigned ahead_threads() noexcept {
  return std::clamp(std::thread::hardware_concurrency() + 1, 3u, 9u);
}

std::uint64_t ahead_bytes_max(const Repository& repository) {
  return std::min<std::uint64_t>(8 << 20, repository.settings().cache_bytes_max / 8);
}

}  // namespace

FileSystem::FileSystem(Repository& repository, Capture& capture, Owner owner)
    : repository_(repository),
      capture_(&capture),
      owner_(owner),
      snapshots_(repository, owner.uid, owner.gid),
      control_files_(repository, &capture),
      ahead_pool_(ahead_threads(), ahead_queue),
      ahead_max_(ahead_bytes_max(repository)) {
  decoded_.emplace(RepositoryPaths(repository.path()).cache, repository.contents(),
                   DecodedFiles::Options{repository.settings().decoded_bytes_max, {}});
}

FileSystem::FileSystem(Repository& repository, Owner owner)
    : repository_(repository),
      owner_(owner),
      snapshots_(repository, owner.uid, owner.gid),
      control_files_(repository, nullptr),
      ahead_pool_(ahead_threads(), ahead_queue),
      ahead_max_(ahead_bytes_max(repository)) {}

FileSystem::~FileSystem() = default;

FileSystem::Place FileSystem::place_of(Ino ino) noexcept {
  if (ino >> 63) return Place::commit;
  if (ino >> 62) return Place::link;
  if (ino == root_ino) return Place::top;
  if (ino == ControlFiles::folder_ino) return Place::control_folder;
  if (ControlFiles::is_file(ino)) return Place::control_file;
  return Place::working;
}

std::shared_ptr<Working> FileSystem::working(Ino ino) {
  auto found = capture_ ? capture_->find(node_of(ino)) : nullptr;
  if (!found) fail(Errc::not_found, "the branch of this file is gone");
  return found;
}

std::shared_ptr<Working> FileSystem::branch(std::string_view name) {
  if (!capture_) return nullptr;
  for (auto& working : capture_->branches()) {
    if (working->branch() == name) return working;
  }
  if (!is_ref_name(name)) return nullptr;
  const auto ref =
      repository_.catalog().read([&](Database& database) { return find_ref(database, name); });
  if (!ref || ref->kind != RefKind::branch) return nullptr;
  return capture_->branch(std::string(name));
}

void FileSystem::refuse(Place place) {
  if (place == Place::commit || place == Place::link) {
    fail(Errc::read_only, "commits are read-only");
  }
  fail(Errc::not_permitted, "only branches can be made and deleted here");
}

std::shared_ptr<Working> FileSystem::changeable(Ino ino) {
  const Place place = place_of(ino);
  if (place != Place::working) refuse(place);
  return working(ino);
}

EntryReply FileSystem::working_reply(Attributes attributes) {
  return {attributes, working_seconds, working_seconds};
}

EntryReply FileSystem::branch_reply(Working& working) {
  return {working.attributes(working.root()), branch_seconds, working_seconds};
}

EntryReply FileSystem::commit_reply(const SnapshotNode& node) const {
  return {snapshots_.attributes(node), forever_seconds, forever_seconds};
}

// A symlink of this name to `commit`: `up` is the way to the top folder, `path` one inside the
// commit.
EntryReply FileSystem::link_reply(Ino parent, std::string_view name, const CommitId& commit,
                                  std::string_view up, std::string_view path) {
  const CommitRow row =
      repository_.catalog().read([&](Database& database) { return load_commit(database, commit); });
  std::string target = cat(up, '@', snapshots_.name_of(commit));
  if (!path.empty()) target += cat('/', path);
  const std::uint64_t length = target.size();
  const std::int64_t time_ns = row.commit.time_ns;
  EntryReply reply;
  reply.attributes =
      generated(links_.put(parent, name, {std::move(target), time_ns}), S_IFLNK | 0777, 1, time_ns);
  reply.attributes.size = length;
  return reply;
}

std::optional<CommitId> FileSystem::commit_of(std::string_view revision) {
  if (!is_revision_text(revision)) return std::nullopt;
  return try_resolve(repository_, revision);
}

std::optional<EntryReply> FileSystem::lookup_top(std::string_view name) {
  if (name == control_name) {
    const auto reply = attributes(ControlFiles::folder_ino);
    return EntryReply{reply.attributes, forever_seconds, reply.timeout_seconds};
  }
  if (auto found = branch(name)) return branch_reply(*found);
  const auto at = name.find('@');
  if (at == name.npos) return std::nullopt;
  if (at > 0) {  // BRANCH@REVISION
    const std::string_view revision = name.substr(at + 1);
    if (!branch(name.substr(0, at))) return std::nullopt;
    const bool of_branch = revision.starts_with('{');
    const auto commit = commit_of(of_branch ? name : revision);
    if (!commit) return std::nullopt;
    return link_reply(root_ino, name, *commit, "", "");
  }
  if (const auto commit = snapshots_.named(name.substr(1))) {
    const auto node = snapshots_.root(*commit);
    if (!node) return std::nullopt;
    return commit_reply(*node);
  }
  const auto commit = commit_of(name.substr(1));
  if (!commit) return std::nullopt;
  return link_reply(root_ino, name, *commit, "", "");
}

// The path of a folder below its branch; asked for only when somebody looks into history by name.
std::string FileSystem::path_of(Working& working, NodeId folder) {
  std::string path;
  while (folder != working.root()) {
    const NodeId parent = working.parent_of(folder);
    std::string name;
    for (const FolderEntry& entry : working.list(parent)) {
      if (entry.ino == ino_of(folder)) name = entry.name;
    }
    if (name.empty()) fail(Errc::not_found, "the folder was removed");
    path = path.empty() ? name : cat(name, '/', path);
    folder = parent;
  }
  return path;
}

// What the first `base_length` bytes of `name` named in that folder at `commit`.
std::optional<EntryReply> FileSystem::entry_at_revision(Working& working, NodeId folder,
                                                        std::string_view name,
                                                        std::size_t base_length,
                                                        const CommitId& commit) {
  const std::string below = path_of(working, folder);
  const std::string_view base = name.substr(0, base_length);
  const std::string path = below.empty() ? std::string(base) : cat(below, '/', base);
  const auto entry = snapshots_.entry_at(commit, path);
  if (!entry) return std::nullopt;
  if (entry->kind == Kind::file) {
    const auto node = snapshots_.at(commit, path);
    if (!node) return std::nullopt;
    EntryReply reply = commit_reply(*node);
    reply.entry_timeout_seconds = 0;
    return reply;
  }
  std::string up = "../";
  for (const char c : below.empty() ? below : cat(below, '/')) {
    if (c == '/') up += "../";
  }
  return link_reply(ino_of(folder), name, commit, up, path);
}

// NAME@REVISION in a working folder. A revision that starts with '~', '^' or '{' is one of the
// branch.
std::optional<EntryReply> FileSystem::lookup_revision(Working& working, NodeId folder,
                                                      std::string_view name) {
  for (auto at = name.find('@', 1); at != name.npos; at = name.find('@', at + 1)) {
    std::string revision(name.substr(at + 1));
    if (revision.empty()) return std::nullopt;
    if (revision.front() == '~' || revision.front() == '^') revision.insert(0, working.branch());
    if (revision.front() == '{') revision.insert(0, cat(working.branch(), '@'));
    const auto commit = commit_of(revision);
    if (!commit) continue;
    if (auto reply = entry_at_revision(working, folder, name, at, *commit)) return reply;
  }
  return std::nullopt;
}

std::optional<EntryReply> FileSystem::lookup(Ino folder, std::string_view name) {
  if (name.size() > 255) fail(Errc::name_too_long, "a name has at most 255 bytes");
  switch (place_of(folder)) {
    case Place::top:
      return lookup_top(name);
    case Place::control_folder: {
      const auto ino = ControlFiles::find(name);
      if (!ino) return std::nullopt;
      const auto reply = attributes(*ino);
      return EntryReply{reply.attributes, forever_seconds, reply.timeout_seconds};
    }
    case Place::commit: {
      const auto node = snapshots_.lookup(*snapshots_.find(folder), name);
      if (!node) return std::nullopt;
      return commit_reply(*node);
    }
    case Place::working: {
      const auto owner = working(folder);
      if (const auto found = owner->lookup(node_of(folder), name)) return working_reply(*found);
      if (name.find('@', 1) == name.npos) return std::nullopt;
      return lookup_revision(*owner, node_of(folder), name);
    }
    case Place::control_file:
    case Place::link:
      break;
  }
  fail(Errc::not_folder, "this is no folder");
}

std::vector<std::optional<EntryReply>> FileSystem::look_up(Ino folder,
                                                           std::span<const FolderEntry> listed) {
  std::vector<std::optional<EntryReply>> found(listed.size());
  if (place_of(folder) == Place::working) {
    const auto attributes = working(folder)->look_up(node_of(folder), listed);
    for (std::size_t i = 0; i < listed.size(); ++i) {
      if (attributes[i]) found[i] = working_reply(*attributes[i]);
    }
    return found;
  }
  for (std::size_t i = 0; i < listed.size(); ++i) {
    const std::string& name = listed[i].name;
    if (name != "." && name != "..") found[i] = lookup(folder, name);
  }
  return found;
}

double FileSystem::absent_timeout_seconds(Ino folder, std::string_view name) const noexcept {
  const Place place = place_of(folder);
  if (place == Place::commit || place == Place::control_folder) return forever_seconds;
  // A revision may come to be at any time; other names are made by way of the kernel.
  return place == Place::working && name.find('@', 1) == name.npos ? working_seconds : 0;
}

void FileSystem::forget(Ino ino, std::uint64_t lookups) noexcept {
  try {
    switch (place_of(ino)) {
      case Place::commit:
        snapshots_.forget(ino, lookups);
        break;
      case Place::link:
        links_.forget(ino, lookups);
        break;
      case Place::working:
        if (const auto owner = capture_ ? capture_->find(node_of(ino)) : nullptr;
            owner && owner->root() != node_of(ino)) {
          owner->forget(node_of(ino), lookups);
        }
        break;
      case Place::top:
      case Place::control_folder:
      case Place::control_file:
        break;
    }
  } catch (const std::exception&) {
    // A node kept too long costs memory; the kernel waits for no answer.
  }
}

}  // namespace wfs
