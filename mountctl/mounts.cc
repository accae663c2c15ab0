#include "mountctl/mounts.h"

#include <spawn.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <sstream>

#include "base/error.h"

namespace wfs {
namespace {

// Undoes the kernel's "\040" for a blank.
std::string unescaped(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto is_octal = [&](std::size_t at) { return text[at] >= '0' && text[at] <= '7'; };
    if (text[i] == '\\' && i + 3 < text.size() && is_octal(i + 1) && is_octal(i + 2) &&
        is_octal(i + 3)) {
      plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                                 (text[i + 3] - '0'));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

// Runs fusermount3, which may unmount what a user has mounted; its own words are not for our users.
int run_fusermount(const stdfs::path& mountpoint, Unmount how) {
  std::string program = "fusermount3", flags = how == Unmount::lazily ? "-uzq" : "-uq";
  std::string end = "--", path = mountpoint.native();
  char* const words[] = {program.data(), flags.data(), end.data(), path.data(), nullptr};
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, program.c_str(), &actions, nullptr, words, environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    fail(Errc::io, "cannot run fusermount3; install the package fuse3");
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

std::vector<MountEntry> all_mounts() {
  std::ifstream list("/proc/self/mountinfo");
  std::vector<MountEntry> mounts;
  for (std::string line; std::getline(list, line);) {
    std::istringstream fields(line);
    std::string ignored, root, path, word;
    MountEntry mount;
    fields >> ignored >> ignored >> mount.device >> root >> path;
    while (fields >> word && word != "-") {
    }
    std::string options;
    fields >> mount.type >> mount.source >> options;
    mount.read_only = options == "ro" || options.starts_with("ro,");
    mount.path = unescaped(path);
    mount.source = unescaped(mount.source);
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

std::optional<MountEntry> mount_at(const stdfs::path& path) {
  std::optional<MountEntry> last;
  for (MountEntry& mount : all_mounts()) {
    if (mount.path == path && mount.type != "autofs") last = std::move(mount);
  }
  return last;
}

stdfs::path mountpoint_of(const std::string& path) {
  stdfs::path whole = stdfs::absolute(path).lexically_normal();
  if (whole.filename().empty() && whole.has_relative_path()) whole = whole.parent_path();
  if (mount_at(whole)) return whole;
  std::error_code error;
  const stdfs::path real = stdfs::canonical(whole, error);
  if (!error) return real;
  const stdfs::path folder = stdfs::weakly_canonical(whole.parent_path(), error);
  return error ? whole : folder / whole.filename();
}

bool is_stale(const stdfs::path& mountpoint) {
  // The kernel always asks the daemon for this; attributes it may still have in its cache.
  struct ::statvfs space {};
  return ::statvfs(mountpoint.c_str(), &space) != 0 && (errno == ENOTCONN || errno == ECONNABORTED);
}

void unmount(const stdfs::path& mountpoint, Unmount how) {
  if (::geteuid() == 0) {
    const int flags = UMOUNT_NOFOLLOW | (how == Unmount::lazily ? MNT_DETACH : 0);
    if (::umount2(mountpoint.c_str(), flags) == 0) return;
    if (errno != EBUSY && errno != EPERM) {
      fail_errno(errno, cat("cannot unmount ", mountpoint.native()));
    }
    if (errno == EBUSY) {
      fail(Errc::busy, cat(mountpoint.native(), " is in use; `fuser -vm ", mountpoint.native(),
                           "` lists by whom. Close the files, leave the folder, and try again"));
    }
  }
  if (run_fusermount(mountpoint, how) == 0) return;
  fail(Errc::busy, cat("cannot unmount ", mountpoint.native(),
                       ": it is in use, or not yours; `fuser -vm ", mountpoint.native(),
                       "` lists by whom. Close the files, leave the folder, and try again"));
}

}  // namespace wfs
