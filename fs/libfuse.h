// What differs between the versions of libfuse: 3.17 can hand a file to the kernel (passthrough),
// older ones cannot. Part of operations.cc, on its threads.
#pragma once

#include <fuse_lowlevel.h>

#include <cerrno>
#include <cstdint>

namespace wfs {

#if FUSE_USE_VERSION >= 317

inline void choose_features(fuse_conn_info* connection, std::uint64_t wanted,
                            std::uint64_t unwanted) noexcept {
  for (std::uint64_t bit = 1; bit != 0; bit <<= 1) {
    if ((wanted & bit) != 0) fuse_set_feature_flag(connection, bit);
    if ((unwanted & bit) != 0) fuse_unset_feature_flag(connection, bit);
  }
}

// Whether the kernel takes files from now on. The files lie on no stacked filesystem.
inline bool choose_passthrough(fuse_conn_info* connection) noexcept {
  connection->max_backing_stack_depth = 0;
  return fuse_set_feature_flag(connection, FUSE_CAP_PASSTHROUGH);
}

// The number the kernel knows the open file `fd` by; 0 and errno: it does not take it.
inline int open_backing(fuse_req_t request, int fd) noexcept {
  errno = 0;
  return fuse_passthrough_open(request, fd);
}

inline void close_backing(fuse_req_t request, int id) noexcept {
  fuse_passthrough_close(request, id);
}

inline void hand_over(fuse_file_info& info, int id) noexcept {
  info.backing_id = id;
  info.keep_cache = 0;
  info.direct_io = 0;
}

#else

inline void choose_features(fuse_conn_info* connection, std::uint64_t wanted,
                            std::uint64_t unwanted) noexcept {
  connection->want |= connection->capable & static_cast<unsigned>(wanted);
  connection->want &= ~static_cast<unsigned>(unwanted);
}

inline bool choose_passthrough(fuse_conn_info*) noexcept {
  return false;
}

inline int open_backing(fuse_req_t, int) noexcept {
  errno = ENOSYS;
  return 0;
}

inline void close_backing(fuse_req_t, int) noexcept {}

inline void hand_over(fuse_file_info&, int) noexcept {}

#endif

}  // namespace wfs
