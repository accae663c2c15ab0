// What stat shows, what chmod and its kin change, and how much room there is.
#include <sys/stat.h>

#include <cerrno>

#include "base/clock.h"
#include "base/error.h"
#include "fs/filesystem.h"
#include "index/commit_rows.h"

namespace wfs {
namespace {

constexpr double forever_seconds = 365.0 * 86400;
constexpr double short_seconds = 1;
// All changes go through the kernel, which knows what each may have touched.
constexpr double working_seconds = 60;

}  // namespace

Attributes FileSystem::generated(Ino ino, mode_t mode, std::uint64_t links,
                                 std::int64_t time_ns) const {
  Attributes attributes;
  attributes.ino = ino;
  attributes.mode = mode;
  attributes.links = links;
  attributes.uid = owner_.uid;
  attributes.gid = owner_.gid;
  attributes.atime_ns = attributes.mtime_ns = attributes.ctime_ns = time_ns;
  return attributes;
}

// The kernel asks again for every path it walks when this expires at once.
AttributesReply FileSystem::top_attributes() {
  if (commits_only()) {
    // The kernel keeps the listing until the time changes: it is that of the last change of a name.
    const auto changed = repository_.catalog().read(
        [](Database& database) { return last_ref_change(database); });
    return {generated(root_ino, S_IFDIR | 0555, 2, changed.value_or(0)), short_seconds};
  }
  const auto newest =
      repository_.catalog().read([](Database& database) { return newest_commit(database); });
  const auto links = 2 + capture_->branches().size();
  return {generated(root_ino, S_IFDIR | 0755, links, newest ? newest->commit.time_ns : 0),
          short_seconds};
}

// Written out when it is opened; read without being opened, its size has to be right before.
AttributesReply FileSystem::text_attributes(Ino file) {
  if (!commits_only()) return {generated(file, S_IFREG | 0444, 1, now_ns()), 0};
  const KeptText kept = kept_text(file, Fresh::yes);
  Attributes found = generated(file, S_IFREG | 0444, 1, kept.mtime_ns);
  found.size = kept.text.size();
  return {found, short_seconds};
}

AttributesReply FileSystem::attributes(Ino ino) {
  switch (place_of(ino)) {
    case Place::top:
      return top_attributes();
    case Place::control_folder:
      return {generated(ino, S_IFDIR | 0555, 2, now_ns()), short_seconds};
    case Place::control_file:
      return text_attributes(ino);
    case Place::commit:
      return {snapshots_.attributes(*snapshots_.find(ino)), forever_seconds};
    case Place::link: {
      const auto target = links_.target(ino);
      if (!target) fail(Errc::not_found, "this name is gone");
      Attributes found = generated(ino, S_IFLNK | 0777, 1, target->time_ns);
      found.size = target->path.size();
      return {found, 0};
    }
    case Place::working:
      break;
  }
  return {working(ino)->attributes(node_of(ino)), working_seconds};
}

AttributesReply FileSystem::change(Ino ino, const AttributeChanges& changes) {
  return {changeable(ino)->change(node_of(ino), changes), working_seconds};
}

std::string FileSystem::target_of(Ino symlink) {
  switch (place_of(symlink)) {
    case Place::commit: {
      const auto node = snapshots_.find(symlink);
      if (node->entry.kind != Kind::symlink) fail(Errc::invalid, "this is no symlink");
      return node->entry.target;
    }
    case Place::link: {
      auto target = links_.target(symlink);
      if (!target) fail(Errc::not_found, "this name is gone");
      return target->path;
    }
    case Place::working:
      return working(symlink)->target_of(node_of(symlink));
    default:
      fail(Errc::invalid, "this is no symlink");
  }
}

struct statvfs FileSystem::space() {
  struct statvfs found {};
  if (::statvfs(repository_.path().c_str(), &found) != 0) {
    fail_errno(errno, repository_.path().native());
  }
  found.f_namemax = 255;
  return found;
}

}  // namespace wfs
