#include "base/error.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <system_error>

#include "base/bytes.h"

namespace wfs {

void fail(Errc code, const std::string& message, std::source_location where) {
  throw Error(code, message, where);
}

namespace {

Errc code_of_errno(int error_number) noexcept {
  switch (error_number) {
    case ENOENT: return Errc::not_found;
    case EEXIST: return Errc::exists;
    case EINVAL: return Errc::invalid;
    case EROFS: return Errc::read_only;
    case EBUSY: return Errc::busy;
    case ENOSPC:
    case EDQUOT: return Errc::no_space;
    case ENOTSUP: return Errc::unsupported;
    case EACCES: return Errc::denied;
    case EPERM: return Errc::not_permitted;
    case ENOTEMPTY: return Errc::not_empty;
    case EISDIR: return Errc::is_folder;
    case ENOTDIR: return Errc::not_folder;
    case ENAMETOOLONG: return Errc::name_too_long;
    case EFBIG: return Errc::too_large;
    case EXDEV: return Errc::cross_device;
    default: return Errc::io;
  }
}

}  // namespace

void fail_errno(int error_number, std::string_view what, std::source_location where) {
  throw Error(code_of_errno(error_number),
              cat(what, ": ", std::generic_category().message(error_number)), where);
}

void expects(bool holds, const char* what, std::source_location where) {
  if (holds) return;
  std::fprintf(stderr, "weightfs: bug: %s (%s:%u)\n", what, where.file_name(), where.line());
  std::abort();
}

int errno_of(Errc code) noexcept {
  switch (code) {
    case Errc::not_found: return ENOENT;
    case Errc::exists: return EEXIST;
    case Errc::invalid: return EINVAL;
    case Errc::read_only: return EROFS;
    case Errc::busy: return EBUSY;
    case Errc::conflict: return EAGAIN;
    case Errc::no_space: return ENOSPC;
    case Errc::unsupported: return ENOTSUP;
    case Errc::corrupt: return EIO;
    case Errc::io: return EIO;
    case Errc::denied: return EACCES;
    case Errc::not_empty: return ENOTEMPTY;
    case Errc::is_folder: return EISDIR;
    case Errc::not_folder: return ENOTDIR;
    case Errc::name_too_long: return ENAMETOOLONG;
    case Errc::too_large: return EFBIG;
    case Errc::cross_device: return EXDEV;
    case Errc::no_attribute: return ENODATA;
    case Errc::beyond_end: return ENXIO;
    case Errc::not_permitted: return EPERM;
    case Errc::locked: return EBUSY;
    case Errc::no_repository: return ENOENT;
    case Errc::not_mounted: return ENOTCONN;
    case Errc::ambiguous: return EINVAL;
  }
  return EIO;
}

std::string_view name_of(Errc code) noexcept {
  switch (code) {
    case Errc::not_found: return "not_found";
    case Errc::exists: return "exists";
    case Errc::invalid: return "invalid";
    case Errc::read_only: return "read_only";
    case Errc::busy: return "busy";
    case Errc::conflict: return "conflict";
    case Errc::no_space: return "no_space";
    case Errc::unsupported: return "unsupported";
    case Errc::corrupt: return "corrupt";
    case Errc::io: return "io";
    case Errc::denied: return "denied";
    case Errc::not_empty: return "not_empty";
    case Errc::is_folder: return "is_folder";
    case Errc::not_folder: return "not_folder";
    case Errc::name_too_long: return "name_too_long";
    case Errc::too_large: return "too_large";
    case Errc::cross_device: return "cross_device";
    case Errc::no_attribute: return "no_attribute";
    case Errc::beyond_end: return "beyond_end";
    case Errc::not_permitted: return "not_permitted";
    case Errc::locked: return "locked";
    case Errc::no_repository: return "no_repository";
    case Errc::not_mounted: return "not_mounted";
    case Errc::ambiguous: return "ambiguous";
  }
  return "unknown";
}

}  // namespace wfs
