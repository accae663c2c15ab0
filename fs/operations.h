// The edge between the kernel and FileSystem: takes each request apart, calls one function, and
// answers exactly once, with what it gave or with the errno of the Error it threw. The only place
// that knows requests. Runs on the threads of libfuse.
#pragma once

#include <functional>

#include "fs/filesystem.h"

struct fuse_lowlevel_ops;

namespace wfs {

// What libfuse carries along as the session's data.
struct Session {
  FileSystem& files;
  std::function<void()> on_init;  // the kernel has said hello; its answer is on the way
};

const fuse_lowlevel_ops& operations(const FileSystem& files);

}  // namespace wfs
