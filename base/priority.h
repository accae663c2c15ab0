// Work that gives way: encoding, and decoding of what nobody waits for, must not slow a trainer down
// that has all cores busy. Linux has priorities for each thread, of the processor and of the disk.
#pragma once

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace wfs {

enum class Priority : int { background = 5, idle = 19 };  // as of nice(1)

// Of the calling thread, and of those it starts from then on.
inline void lower_priority(Priority to) noexcept {
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), static_cast<int>(to));
  constexpr int this_thread = 1, idle_class = 3 << 13;  // of ioprio_set(2)
  if (to == Priority::idle) ::syscall(SYS_ioprio_set, this_thread, 0, idle_class);
}

}  // namespace wfs
