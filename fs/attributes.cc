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

AttributesReply FileSystem::attributes(Ino ino) {
  switch (place_of(ino)) {
    case Place::top: {
      const auto newest =
          repository_.catalog().read([](Database& database) { return newest_commit(database); });
      const auto links = 2 + capture_.branches().size();
      // The kernel asks again for every path it walks when this expires at once.
      return {generated(ino, S_IFDIR | 0755, links, newest ? newest->commit.time_ns : 0),
              short_seconds};
    }
    case Place::control_folder:
      return {generated(ino, S_IFDIR | 0555, 2, now_ns()), short_seconds};
    case Place::control_file:
      return {generated(ino, S_IFREG | 0444, 1, now_ns()), 0};
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
  return {working(ino)->attributes(node_of(ino)), short_seconds};
}

AttributesReply FileSystem::change(Ino ino, const AttributeChanges& changes) {
  return {changeable(ino)->change(node_of(ino), changes), short_seconds};
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
