// Plain values that cross the boundary between the kernel adapter and the filesystem: no request, no
// libfuse type. Times are nanoseconds since the epoch.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

namespace wfs {

// Inode number as the kernel sees it. 1 is the root of the mount; numbers below 2^20 are its generated
// files; working files are NodeIds (branch number << 40 | counter); entries of commits have bit 63 set.
using Ino = std::uint64_t;

struct Caller {
  uid_t uid = 0;
  gid_t gid = 0;
  pid_t pid = 0;
  mode_t umask = 0;
};

struct Attributes {
  Ino ino = 0;
  mode_t mode = 0;  // with the file type
  std::uint64_t links = 1;
  uid_t uid = 0;
  gid_t gid = 0;
  std::uint64_t size = 0;
  std::int64_t atime_ns = 0;
  std::int64_t mtime_ns = 0;
  std::int64_t ctime_ns = 0;
};

// What setattr changes; a member that is not set stays as it is.
struct AttributeChanges {
  std::optional<mode_t> mode;  // permission bits
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
  std::optional<std::uint64_t> size;
  std::optional<std::int64_t> atime_ns;
  std::optional<std::int64_t> mtime_ns;
};

struct FolderEntry {
  std::string name;
  Ino ino = 0;
  mode_t type = 0;  // S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO, S_IFSOCK
};

enum class Existing { replace, keep, exchange };  // rename: flags 0, RENAME_NOREPLACE, RENAME_EXCHANGE

struct OpenMode {
  bool reads = true;
  bool writes = false;
  bool truncates = false;
  bool appends = false;
};

}  // namespace wfs
