// The mount itself: a session with the kernel from mounting to unmounting, and the loop that serves
// it. The signals that end a program end the loop. One Mount a process, used by one thread.
#pragma once

#include <memory>
#include <string>

#include "base/file.h"
#include "fs/operations.h"

struct fuse_session;

namespace wfs {

enum class Audience {
  owner,
  everyone
};  // who sees the mount; the latter is the option allow_other

class Mount {
 public:
  // Mounts at `mountpoint`; `source` is what lists of mounts show. `session` outlives the Mount.
  Mount(Session& session, const stdfs::path& mountpoint, const std::string& source,
        Audience audience);
  ~Mount();  // unmounts; who still has files open gets ENOTCONN
  Mount(Mount&&) = delete;

  // Serves requests until somebody unmounts it, or SIGTERM, SIGINT or SIGHUP comes.
  void serve();

 private:
  struct Destroy {
    void operator()(fuse_session* session) const noexcept;
  };
  std::unique_ptr<fuse_session, Destroy> session_;
  bool mounted_ = false;
};

// Blocks the signals that end a program in this thread, and so in every thread it starts, while it
// lives: the thread that serves the mount takes them.
class BlockedSignals {
 public:
  BlockedSignals();
  ~BlockedSignals();
  BlockedSignals(BlockedSignals&&) = delete;
};

}  // namespace wfs
