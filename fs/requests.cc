#include "fs/requests.h"

#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <linux/fuse.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstring>

#include "base/error.h"

namespace wfs {
namespace {

constexpr std::uint32_t create_unnamed = 51;  // FUSE_TMPFILE, which older headers lack

// Not noexcept: libfuse ends its threads by cancelling them here, which unwinds the stack.
ssize_t receive(int device, void* to, size_t room, void*) {
  const ssize_t length = ::read(device, to, room);
  fuse_in_header header;
  if (length < static_cast<ssize_t>(sizeof header)) return length;
  std::memcpy(&header, to, sizeof header);
  if (header.opcode == create_unnamed) {
    header.opcode = FUSE_CREATE;
    std::memcpy(to, &header, sizeof header);
  }
  return length;
}

ssize_t send(int device, iovec* parts, int count, void*) {
  return ::writev(device, parts, count);
}

// A descriptor of its own for each thread; libfuse before 3.17 makes it by itself.
[[maybe_unused]] int clone_device(int device) {
  const int cloned = ::open("/dev/fuse", O_RDWR | O_CLOEXEC);
  if (cloned < 0) return -1;
  auto from = static_cast<std::uint32_t>(device);
  if (::ioctl(cloned, FUSE_DEV_IOC_CLONE, &from) == 0) return cloned;
  ::close(cloned);
  return -1;
}

// libfuse 3.17 asks who clones, and how large the table is; before, it cloned by itself.
template <class Io>
int take_over(fuse_session* session, int device) {
  Io io{};
  io.read = receive;
  io.writev = send;
  if constexpr (requires { io.clone_fd; }) io.clone_fd = clone_device;
  if constexpr (requires { fuse_session_custom_io(session, &io, sizeof io, device); }) {
    return fuse_session_custom_io(session, &io, sizeof io, device);
  } else {
    return fuse_session_custom_io(session, &io, device);
  }
}

}  // namespace

void receive_all_requests(fuse_session* session) {
  const int result = take_over<fuse_custom_io>(session, fuse_session_fd(session));
  if (result != 0) fail_errno(-result, "taking requests of the mount");
}

}  // namespace wfs
