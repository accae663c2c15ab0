#include "fs/daemon.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "base/error.h"
#include "base/log.h"
#include "fs/capture.h"
#include "fs/control.h"
#include "fs/filesystem.h"
#include "fs/mount.h"
#include "index/repository.h"

namespace wfs {
namespace {

bool is_inside(const stdfs::path& path, const stdfs::path& folder) {
  const auto relative = path.lexically_relative(folder);
  return !relative.empty() && *relative.begin() != "..";
}

// Asks the kernel to read ahead further than its 128 KiB; it lets only root choose.
void raise_read_ahead(dev_t device, unsigned kib) {
  const std::string path =
      cat("/sys/class/bdi/", major(device), ':', minor(device), "/read_ahead_kb");
  std::ofstream file(path);
  file << kib << std::flush;
  if (!file) log(Level::info, cat("the kernel's read-ahead stays small: cannot write ", path));
}

// Waits, on a thread of its own, until the kernel has begun, and then until the mount answers it
// like any other process: only then may the kernel's settings of the mount be changed, and only
// then is it ready.
class Readiness {
 public:
  Readiness(stdfs::path mountpoint, unsigned read_ahead_kib, std::function<void()> on_ready)
      : thread_([this, mountpoint = std::move(mountpoint), read_ahead_kib,
                 on_ready = std::move(on_ready)] {
          state_.wait(waiting);
          if (state_ == over) return;
          struct stat found {};
          if (::stat(mountpoint.c_str(), &found) != 0) return;  // gone already
          raise_read_ahead(found.st_dev, read_ahead_kib);
          on_ready();
        }) {}
  // Requires: nobody is left waiting for an answer of the mount.
  ~Readiness() {
    int expected = waiting;
    state_.compare_exchange_strong(expected, over);
    state_.notify_all();
  }

  void begun() noexcept {
    state_ = started;
    state_.notify_all();
  }

 private:
  static constexpr int waiting = 0, started = 1, over = 2;
  std::atomic<int> state_ = waiting;
  std::jthread thread_;
};

Settings settings_of(const Repository& repository, const MountOptions& options) {
  Settings settings = repository.settings();
  if (options.settle_seconds) settings.settle_seconds = *options.settle_seconds;
  if (options.capture) settings.capture = *options.capture;
  if (options.read_ahead_kib) settings.read_ahead_kib = *options.read_ahead_kib;
  return settings;
}

void serve_session(FileSystem& files, const MountOptions& options, const Settings& settings,
                   const stdfs::path& folder, const stdfs::path& mountpoint,
                   const std::function<void()>& on_ready) {
  Readiness readiness(mountpoint, settings.read_ahead_kib, on_ready);
  Session session{files, [&] { readiness.begun(); }};
  Mount mount(session, mountpoint, folder,
              options.allow_other ? Audience::everyone : Audience::owner);
  mount.serve();
}

// Beside whoever writes the repository, and without ever writing to it.
void serve_commits(const MountOptions& options, const stdfs::path& folder,
                   const stdfs::path& mountpoint, const std::function<void()>& on_ready) {
  Repository repository(folder, Repository::Access::read);
  FileSystem files(repository, {::geteuid(), ::getegid()});
  serve_session(files, options, settings_of(repository, options), folder, mountpoint, on_ready);
}

}  // namespace

void serve_mount(const MountOptions& options, const std::function<void()>& on_ready) {
  const stdfs::path mountpoint = stdfs::canonical(options.mountpoint);
  const stdfs::path folder = stdfs::canonical(options.repository);
  if (is_inside(folder, mountpoint) || is_inside(mountpoint, folder)) {
    fail(Errc::invalid, cat("the repository ", folder.native(), " and the mount point ",
                            mountpoint.native(), " must not lie in one another"));
  }
  const BlockedSignals blocked;
  ::umask(0);  // the kernel has taken each program's own umask off already
  if (options.read_only) return serve_commits(options, folder, mountpoint, on_ready);
  Repository repository(folder, Repository::Access::write);
  const Settings settings = settings_of(repository, options);
  Capture capture(repository, settings);
  FileSystem files(repository, capture, {::geteuid(), ::getegid()});
  repository.set_mount(mountpoint);
  {
    ControlServer control(repository, capture, files, mountpoint);
    serve_session(files, options, settings, folder, mountpoint, on_ready);
    files.decoded().stop();  // nobody waits for a file to be decoded any more
  }
  capture.stop();
}

}  // namespace wfs
