#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "fs/daemon.h"
#include "mountctl/arguments.h"
#include "mountctl/background.h"
#include "mountctl/mounts.h"
#include "mountctl/output.h"

namespace wfs {
namespace {

struct Options {
  std::string repository;
  std::string mountpoint;
  bool foreground = false;
  bool allow_other = false;
  bool read_only = false;
  std::optional<double> settle;
  std::optional<std::string> capture;
  std::optional<unsigned> read_ahead;
  std::string log = "info";
};

const std::map<std::string, Level> levels = {{"error", Level::error},
                                             {"warning", Level::warning},
                                             {"info", Level::info},
                                             {"debug", Level::debug}};

void require_device() {
  const Fd device(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
  if (device) return;
  if (errno == ENOENT || errno == ENODEV || errno == ENXIO) {
    fail(Errc::io,
         "/dev/fuse is missing, so nothing can be mounted; load it with `modprobe fuse`, or start "
         "the container with --device /dev/fuse --cap-add SYS_ADMIN");
  }
  const int reason = errno;
  fail(Errc::denied,
       cat("/dev/fuse cannot be opened: ", std::generic_category().message(reason),
           "; make it readable and writable for you (`chmod 666 /dev/fuse` as root), or start "
           "the container with --device /dev/fuse"));
}

void require_allow_other() {
  if (::geteuid() == 0) return;
  std::ifstream file("/etc/fuse.conf");
  for (std::string line; std::getline(file, line);) {
    line.erase(std::remove(line.begin(), line.end(), ' '), line.end());
    if (line == "user_allow_other") return;
  }
  fail(Errc::denied,
       "--allow-other needs the line user_allow_other in /etc/fuse.conf, which root can add");
}

// Whether there is nothing to do: this repository shows there already. A dead mount is taken away.
bool is_mounted_already(const stdfs::path& repository, const stdfs::path& mountpoint,
                        bool read_only, const Common& common) {
  auto mount = mount_at(mountpoint);
  // A daemon that was killed a moment ago may still be answering its last request: whether it lives
  // is told by the lock it holds.
  const bool is_ours = mount && mount->type == weightfs_type &&
                       mount->source == repository.native() && !mount->read_only;
  if (mount && (is_stale(mountpoint) || (is_ours && !Repository::holder(repository)))) {
    say(common, cat(mountpoint.native(), " was left by a daemon that is gone; unmounting it"));
    unmount(mountpoint, Unmount::lazily);
    mount = mount_at(mountpoint);
  }
  if (!mount) return false;
  if (mount->type != weightfs_type) {
    fail(Errc::busy, cat(mountpoint.native(), " is a mount point of another filesystem (",
                         mount->type, "); choose an empty folder"));
  }
  const auto shown = repository_around(mountpoint);
  std::error_code error;
  if (shown && stdfs::equivalent(*shown, repository, error)) {
    if (mount->read_only == read_only) return true;
    fail(Errc::busy,
         cat(mountpoint.native(), " shows this repository ",
             read_only ? "with its branches" : "read-only", " already; run `mountctl umount ",
             mountpoint.native(), "` first, or choose another folder"));
  }
  fail(Errc::busy,
       cat(mountpoint.native(), " shows another repository already",
           shown ? cat(", ", shown->native()) : std::string(),
           "; choose another folder, or run `mountctl umount ", mountpoint.native(), "`"));
}

void require_empty_folder(const stdfs::path& mountpoint) {
  std::error_code error;
  const auto status = stdfs::status(mountpoint, error);
  if (!stdfs::exists(status)) {
    fail(Errc::not_found, cat("the mount point ", mountpoint.native(),
                              " does not exist; make it with `mkdir ", mountpoint.native(), "`"));
  }
  if (!stdfs::is_directory(status)) {
    fail(Errc::not_folder,
         cat("the mount point ", mountpoint.native(), " is not a folder; choose an empty folder"));
  }
  if (!stdfs::is_empty(mountpoint, error)) {
    if (error) fail_errno(error.value(), cat("cannot look into ", mountpoint.native()));
    fail(Errc::not_empty,
         cat("the mount point ", mountpoint.native(), " is not empty; choose an empty folder"));
  }
}

Exit serve(const Options& options, const MountOptions& mount, const std::function<void()>& ready) {
  set_log_level(levels.at(options.log));
  // libfuse takes only signals that nobody else has taken.
  ::signal(SIGINT, SIG_DFL);
  serve_mount(mount, ready);
  return Exit::ok;
}

Exit run_mount(const Options& options, const Common& common) {
  Common named = common;
  named.repository = options.repository;
  MountOptions mount;
  mount.repository = stdfs::canonical(find_repository(named));
  mount.mountpoint = mountpoint_of(options.mountpoint);
  mount.settle_seconds = options.settle;
  mount.read_ahead_kib = options.read_ahead;
  mount.allow_other = options.allow_other;
  mount.read_only = options.read_only;
  if (options.capture) mount.capture = capture_mode_of(*options.capture);
  const auto told = cat(mount.repository.native(), " is mounted at ", mount.mountpoint.native());
  const auto tell = [&] {
    if (common.json) {
      print(nlohmann::ordered_json{{"repository", mount.repository.native()},
                                   {"mount", mount.mountpoint.native()}}
                .dump());
    }
  };
  if (is_mounted_already(mount.repository, mount.mountpoint, options.read_only, common)) {
    say(common, cat(told, " already"));
    tell();
    return Exit::ok;
  }
  require_empty_folder(mount.mountpoint);
  require_device();
  if (options.allow_other) require_allow_other();
  if (options.foreground) {
    return serve(options, mount, [&] {
      say(common, cat(told, "; Ctrl-C ends the mount"));
      tell();
      std::fflush(stdout);
    });
  }
  const pid_t caller = ::getpid();
  const Exit status = run_in_background(
      mount.repository / "daemon.log",
      [&](const std::function<void()>& ready) { return serve(options, mount, ready); });
  if (::getpid() != caller) return status;  // this is the daemon, at its end
  say(common, told);
  tell();
  return status;
}

}  // namespace

Run add_mount(CLI::App& app, const Common& common) {
  auto options = std::make_shared<Options>();
  app.add_option("REPOSITORY", options->repository, "The repository")->required();
  app.add_option("MOUNTPOINT", options->mountpoint, "An empty folder")->required();
  app.add_flag("--foreground", options->foreground, "Stay, and log to standard error");
  auto* settle = app.add_option("--settle", options->settle,
                                "Seconds without a change after which a branch is committed (2)")
                     ->check(CLI::Range(0.0, 86'400.0))
                     ->type_name("SECONDS");
  auto* capture =
      app.add_option("--capture", options->capture,
                     "When commits appear by themselves: settle, close (at once) or manual")
          ->check(CLI::IsMember({"settle", "close", "manual"}))
          ->type_name("MODE");
  app.add_flag("--read-only", options->read_only,
               "Commits only; any number of these beside the one that writes")
      ->excludes(settle)
      ->excludes(capture);
  app.add_flag("--allow-other", options->allow_other, "Let other users see the mount");
  app.add_option("--read-ahead", options->read_ahead, "What the kernel reads ahead (1024)")
      ->check(CLI::Range(0u, 1u << 20))
      ->type_name("KIB");
  app.add_option("--log", options->log, "error, warning, info or debug")
      ->check(CLI::IsMember(levels))
      ->type_name("LEVEL");
  return [options, &common] { return run_mount(*options, common); };
}

}  // namespace wfs
