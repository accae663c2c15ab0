#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/error.h"
#include "base/fault.h"

namespace wfs {

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

Fd::~Fd() {
  if (fd_ >= 0) ::close(fd_);
}

namespace {

// The path behind a descriptor, for messages.
std::string path_of(const Fd& fd) {
  std::error_code ignored;
  const auto path = stdfs::read_symlink(cat("/proc/self/fd/", fd.get()), ignored);
  return path.empty() ? cat("descriptor ", fd.get()) : path.string();
}

}  // namespace

Fd open_file(const stdfs::path& path, int flags, unsigned mode) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  if (fd < 0) fail_errno(errno, cat("cannot open ", path.string()));
  return Fd(fd);
}

std::uint64_t size_of(const Fd& fd) {
  struct stat status;
  if (::fstat(fd.get(), &status) != 0) fail_errno(errno, cat("cannot stat ", path_of(fd)));
  return static_cast<std::uint64_t>(status.st_size);
}

std::size_t read_some(const Fd& fd, std::uint64_t offset, MutableBytes to) {
  std::size_t done = 0;
  while (done < to.size()) {
    const ssize_t got = ::pread(fd.get(), to.data() + done, to.size() - done,
                                static_cast<off_t>(offset + done));
    if (got < 0) {
      if (errno == EINTR) continue;
      fail_errno(errno, cat("cannot read ", path_of(fd)));
    }
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

void read_exactly(const Fd& fd, std::uint64_t offset, MutableBytes to) {
  if (read_some(fd, offset, to) != to.size()) {
    fail(Errc::corrupt, cat(path_of(fd), " is shorter than it should be: no ", to.size(),
                            " bytes at ", offset));
  }
}

void write_fully(const Fd& fd, std::uint64_t offset, Bytes from) {
  std::size_t done = 0;
  while (done < from.size()) {
    const ssize_t put = ::pwrite(fd.get(), from.data() + done, from.size() - done,
                                 static_cast<off_t>(offset + done));
    if (put < 0) {
      if (errno == EINTR) continue;
      fail_errno(errno, cat("cannot write ", path_of(fd)));
    }
    done += static_cast<std::size_t>(put);
  }
}

void start_writing(const Fd& fd, Range range) noexcept {
  static_cast<void>(::sync_file_range(fd.get(), static_cast<off64_t>(range.offset),
                                      static_cast<off64_t>(range.length), SYNC_FILE_RANGE_WRITE));
}

void sync_file(const Fd& fd) {
  if (::fdatasync(fd.get()) != 0) fail_errno(errno, cat("cannot sync ", path_of(fd)));
}

void sync_folder(const stdfs::path& folder) {
  const Fd fd = open_file(folder, O_RDONLY | O_DIRECTORY);
  if (::fsync(fd.get()) != 0) fail_errno(errno, cat("cannot sync ", folder.string()));
}

void publish(const Fd& fd, const stdfs::path& from, const stdfs::path& to) {
  fault_point("publish.before_sync");
  if (::fsync(fd.get()) != 0) fail_errno(errno, cat("cannot sync ", from.string()));
  fault_point("publish.before_rename");
  if (::rename(from.c_str(), to.c_str()) != 0) {
    fail_errno(errno, cat("cannot rename ", from.string(), " to ", to.string()));
  }
  fault_point("publish.before_folder_sync");
  sync_folder(to.parent_path());
}

Buffer read_file(const stdfs::path& path) {
  const Fd fd = open_file(path, O_RDONLY);
  // The size is a hint: generated files (in /proc, in a mount) tell none.
  Buffer bytes(size_of(fd) + 1);
  for (std::size_t done = 0;;) {
    const std::size_t got = read_some(fd, done, MutableBytes(bytes).subspan(done));
    done += got;
    if (done < bytes.size()) {
      bytes.resize(done);
      return bytes;
    }
    bytes.resize(bytes.size() * 2);
  }
}

void write_file(const stdfs::path& path, Bytes bytes) {
  const stdfs::path temporary = path.string() + ".new";
  const Fd fd = open_file(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW);
  write_fully(fd, 0, bytes);
  publish(fd, temporary, path);
}

}  // namespace wfs
