// The mounts of this machine as the kernel lists them; looking at the list never touches a mount,
// so a dead one cannot hang it. One thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/file.h"

namespace wfs {

inline constexpr const char* weightfs_type = "fuse.weightfs";

struct MountEntry {
  stdfs::path path;
  std::string type;
  std::string source;  // ours: the repository
  std::string device;  // "0:52"
  bool read_only = false;
};

std::vector<MountEntry> all_mounts();

// The mount that shows at `path`, if that is a mount point; entries of automounters do not count.
std::optional<MountEntry> mount_at(const stdfs::path& path);

// `path` without "..", "." and symlinks, except that its last part is not looked at: it may be a
// dead mount.
stdfs::path mountpoint_of(const std::string& path);

// Whether the daemon behind the mount is gone.
bool is_stale(const stdfs::path& mountpoint);

enum class Unmount { when_idle, lazily };
// Throws Errc::busy when it is in use.
void unmount(const stdfs::path& mountpoint, Unmount how);

}  // namespace wfs
