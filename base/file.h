// Local files: an owned descriptor, whole reads and writes, and the one way a finished file gets its
// name (fsync, rename, fsync of the folder). Everything throws Error with the path in its message.
#pragma once

#include <filesystem>
#include <string>
#include <utility>

#include "base/bytes.h"

namespace wfs {

namespace stdfs = std::filesystem;

// Owns an open descriptor; -1 is none.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) noexcept : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept;
  ~Fd();

  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  int release() noexcept { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

// open(2) with O_CLOEXEC added.
Fd open_file(const stdfs::path& path, int flags, unsigned mode = 0600);

std::uint64_t size_of(const Fd& fd);

// Fills `to` from `offset`; a file that ends before is Errc::corrupt.
void read_exactly(const Fd& fd, std::uint64_t offset, MutableBytes to);

// Reads up to to.size() bytes and says how many; fewer only at the end of the file.
std::size_t read_some(const Fd& fd, std::uint64_t offset, MutableBytes to);

void write_fully(const Fd& fd, std::uint64_t offset, Bytes from);

// Asks the kernel to begin writing that part of the file to the disk; no more than a hint.
void start_writing(const Fd& fd, Range range) noexcept;
void sync_file(const Fd& fd);    // fdatasync
void sync_folder(const stdfs::path& folder);

// Gives the finished file `from` the name `to` in the same folder: fsync, rename, fsync of the folder.
void publish(const Fd& fd, const stdfs::path& from, const stdfs::path& to);

Buffer read_file(const stdfs::path& path);
// Replaces `path` as a whole, durably: temporary file, fsync, rename, fsync of the folder.
void write_file(const stdfs::path& path, Bytes bytes);

}  // namespace wfs
