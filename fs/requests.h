// Requests between the kernel and libfuse, which knows none for a file without a name (O_TMPFILE)
// in the versions we support. In all but its number it is the request to create a file of the name
// "/", which no file can have, and so it is handed on as that. On the threads that serve the mount.
#pragma once

#include <string_view>

struct fuse_session;

namespace wfs {

constexpr std::string_view unnamed_name = "/";  // what a file without a name is created as

// Requires: the session is mounted, and not served yet.
void receive_all_requests(fuse_session* session);

}  // namespace wfs
