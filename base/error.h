// The one exception type of the project and its closed set of causes. A cause exists only where some
// caller treats it differently: the FUSE edge maps it to an errno, mountctl to an exit status.
#pragma once

#include <source_location>
#include <stdexcept>
#include <string>
#include <string_view>

namespace wfs {

enum class Errc {
  not_found,        // ENOENT
  exists,           // EEXIST
  invalid,          // EINVAL
  read_only,        // EROFS
  busy,             // EBUSY
  conflict,         // EAGAIN: somebody else moved the branch first
  no_space,         // ENOSPC
  unsupported,      // ENOTSUP
  corrupt,          // EIO, and a finding of check
  io,               // EIO
  denied,           // EACCES
  not_empty,        // ENOTEMPTY
  is_folder,        // EISDIR
  not_folder,       // ENOTDIR
  name_too_long,    // ENAMETOOLONG
  too_large,        // EFBIG
  cross_device,     // EXDEV
  no_attribute,     // ENODATA
  beyond_end,       // ENXIO: a seek for data past the end
  not_permitted,    // EPERM
  locked,           // another process writes the repository
  no_repository,    // there is none, or it is not ours
  not_mounted,      // the verb needs a mount
  ambiguous,        // a prefix names several things
};

class Error : public std::runtime_error {
 public:
  Error(Errc code, const std::string& message,
        std::source_location where = std::source_location::current())
      : std::runtime_error(message), code_(code), where_(where) {}

  Errc code() const noexcept { return code_; }
  const std::source_location& where() const noexcept { return where_; }

 private:
  Errc code_;
  std::source_location where_;
};

[[noreturn]] void fail(Errc code, const std::string& message,
                       std::source_location where = std::source_location::current());

// Throws the Error that `error_number` stands for; the message becomes "what: reason".
[[noreturn]] void fail_errno(int error_number, std::string_view what,
                             std::source_location where = std::source_location::current());

// Aborts when `holds` is false: for bugs of ours, never for input. On in every build.
void expects(bool holds, const char* what,
             std::source_location where = std::source_location::current());

// The errno a failed request is answered with.
int errno_of(Errc code) noexcept;

std::string_view name_of(Errc code) noexcept;

}  // namespace wfs
