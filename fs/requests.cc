#include "fs/requests.h"

#include <fuse_lowlevel.h>
#include <linux/fuse.h>
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

}  // namespace

void receive_all_requests(fuse_session* session) {
  fuse_custom_io io{};
  io.read = receive;
  io.writev = send;
  const int result = fuse_session_custom_io(session, &io, fuse_session_fd(session));
  if (result != 0) fail_errno(-result, "taking requests of the mount");
}

}  // namespace wfs
