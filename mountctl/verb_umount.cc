#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>

#include "index/repository.h"
#include "mountctl/mounts.h"
#include "mountctl/output.h"

namespace wfs {
namespace {

// The process that serves the mount, held by a descriptor: its number cannot come to mean another.
Fd daemon_of(const stdfs::path& repository) {
  const auto holder = Repository::holder(repository);
  if (!holder || holder->pid <= 0) return Fd();
  return Fd(static_cast<int>(::syscall(SYS_pidfd_open, static_cast<pid_t>(holder->pid), 0)));
}

void wait_for_end(const Fd& daemon, const stdfs::path& repository, const Common& common) {
  constexpr int patience_ms = 2000;
  pollfd ended{daemon.get(), POLLIN, 0};
  bool told = false;
  for (;;) {
    const int ready = ::poll(&ended, 1, patience_ms);
    if (ready > 0) return;
    if (ready < 0 && errno != EINTR) fail_errno(errno, "cannot wait for the daemon");
    if (ready == 0 && !told) {
      told = true;
      say(common, cat("waiting for the daemon to write out what is staged; see ",
                      (repository / "daemon.log").native()));
    }
  }
}

Exit run_umount(const std::string& given, const Common& common) {
  const stdfs::path mountpoint = mountpoint_of(given);
  const auto mount = mount_at(mountpoint);
  if (!mount) {
    fail(Errc::not_mounted, cat("nothing is mounted at ", mountpoint.native(),
                                "; `mountctl status` tells where a repository is mounted"));
  }
  if (mount->type != weightfs_type) {
    fail(Errc::not_mounted, cat(mountpoint.native(), " is a mount of ", mount->type,
                                ", not of weightfs; use `umount`"));
  }
  if (is_stale(mountpoint)) {
    unmount(mountpoint, Unmount::lazily);
    say(common, cat(mountpoint.native(), " was left by a daemon that is gone; it is unmounted"));
    return Exit::ok;
  }
  const stdfs::path repository = mount->source;
  // Who shows commits only has nothing to write out.
  const Fd daemon = mount->read_only ? Fd() : daemon_of(repository);
  unmount(mountpoint, Unmount::when_idle);
  if (daemon) wait_for_end(daemon, repository, common);
  if (common.json) print(nlohmann::json{{"unmounted", mountpoint.native()}}.dump());
  say(common, cat("unmounted ", mountpoint.native()));
  return Exit::ok;
}

}  // namespace

Run add_umount(CLI::App& app, const Common& common) {
  auto mountpoint = std::make_shared<std::string>();
  app.add_option("MOUNTPOINT", *mountpoint, "Where the repository is mounted")->required();
  return [mountpoint, &common] { return run_umount(*mountpoint, common); };
}

}  // namespace wfs
