// The life of a mounted repository in one call: open, mount, serve, unmount, commit what settled,
// close. mountctl calls it in the process that is to serve, after it has put itself in the
// background.
#pragma once

#include <functional>
#include <optional>

#include "base/file.h"
#include "index/settings.h"

namespace wfs {

struct MountOptions {
  stdfs::path repository;
  stdfs::path mountpoint;
  std::optional<double> settle_seconds;  // these replace the settings of the repository
  std::optional<CaptureMode> capture;
  std::optional<unsigned> read_ahead_kib;
  bool read_only = false;    // commits only, beside whoever writes the repository
  bool allow_other = false;  // other users see the mount too
};

// Returns when the mount is gone: unmounted, or ended by SIGTERM, SIGINT or SIGHUP. `on_ready` is
// called once, from another thread, when the mount answers. Throws, before that, what Repository
// throws, and Errc::invalid and Errc::io when it cannot be mounted there. Requires: the process has
// no other thread yet.
void serve_mount(const MountOptions& options, const std::function<void()>& on_ready);

}  // namespace wfs
