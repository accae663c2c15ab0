// Which open files the kernel reads by itself, from a decoded file, without asking the daemon
// (passthrough). The kernel takes one way for an inode at a time: while a handle of it is open that
// reads through the daemon, every other one does, and while one is open that passes through, every
// other one does, with the same backing id. This counts them. Asking the kernel for a backing id is
// short and done under the lock, so that two first opens do not get two. Any thread.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/file.h"
#include "base/guarded.h"
#include "fs/types.h"

namespace wfs {

// Of the library this program runs with.
std::string libfuse_version();

// Why no file can be handed to the kernel here, with the next step; empty: it is possible. The
// kernel has the last word when something is mounted.
std::string passthrough_obstacle();

class Passthrough {
 public:
  // The kernel offers it. Called at most once, before the first open.
  void turn_on() { on_ = active_ = true; }
  void turn_off(const std::string& why);

  bool on() const noexcept { return on_; }
  std::string obstacle();  // empty: it is on

  struct Way {
    bool counted = false;  // leave() is due
    int backing_id = 0;    // 0: through the daemon
  };
  // A handle of `ino` is being opened, whose decoded file is `decoded`, if there is one. `open`
  // gives a backing id for it; 0 and errno when the kernel does not take it: then it is off.
  Way enter(Ino ino, const Fd& decoded, const std::function<int(int fd)>& open);
  void leave(Ino ino) noexcept;

  // Backing ids that no handle uses any more; the caller tells the kernel.
  std::vector<int> take_unused();

 private:
  struct Opened {
    std::uint64_t handles = 0;
    int backing_id = 0;
  };
  struct State {
    std::unordered_map<Ino, Opened> opened;
    std::vector<int> unused;
    std::string obstacle = "the kernel has not been asked";
  };

  std::atomic<bool> on_ = false;      // new files are handed over
  std::atomic<bool> active_ = false;  // files may be handed over now
  std::atomic<bool> has_unused_ = false;
  Guarded<State> state_;
};

}  // namespace wfs
