#include "fs/listing.h"

#include <span>

namespace wfs {
namespace {

constexpr unsigned number_shift = 32;

off_t offset_behind(const Asked& asked, std::size_t index) noexcept {
  return static_cast<off_t>(asked.number << number_shift | (index + 1));
}

// The entries that fit, when each takes `size_of` its name.
template <class SizeOf>
std::span<const FolderEntry> fitting(const Listing& listing, const Asked& asked, SizeOf size_of) {
  const auto all = std::span(*listing);
  const auto rest = all.subspan(std::min(asked.from, all.size()));
  std::size_t count = 0;
  for (std::size_t room = asked.bytes; count < rest.size(); ++count) {
    const std::size_t needed = size_of(rest[count].name.c_str());
    if (needed > room) break;
    room -= needed;
  }
  return rest.first(count);
}

}  // namespace

Asked asked_of(std::size_t bytes, off_t offset) noexcept {
  const auto whole = static_cast<std::uint64_t>(offset);
  constexpr std::uint64_t index_mask = (std::uint64_t{1} << number_shift) - 1;
  return {bytes, whole >> number_shift, static_cast<std::size_t>(whole & index_mask)};
}

FolderAnswer list_names(const Call& call, const Listing& listing, Asked asked) {
  FolderAnswer listed;
  listed.bytes.resize(asked.bytes);
  std::size_t at = 0;
  const auto entries = fitting(listing, asked, [&](const char* name) {
    return fuse_add_direntry(call.request, nullptr, 0, name, nullptr, 0);
  });
  for (std::size_t i = 0; i < entries.size(); ++i) {
    struct stat stat {};
    stat.st_ino = entries[i].ino;
    stat.st_mode = entries[i].type;
    at += fuse_add_direntry(call.request, listed.bytes.data() + at, asked.bytes - at,
                            entries[i].name.c_str(), &stat, offset_behind(asked, asked.from + i));
  }
  listed.bytes.resize(at);
  return listed;
}

FolderAnswer list_entries(const Call& call, Ino folder, const Listing& listing, Asked asked) {
  FolderAnswer listed;
  listed.bytes.resize(asked.bytes);
  std::size_t at = 0;
  const auto entries = fitting(listing, asked, [&](const char* name) {
    return fuse_add_direntry_plus(call.request, nullptr, 0, name, nullptr, 0);
  });
  const auto found = call.files.look_up(folder, entries);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    fuse_entry_param param{};  // number 0: the name alone, without attributes
    if (found[i]) {
      param = entry_of(*found[i]);
      listed.looked_up.push_back(param.ino);
    } else {
      param.attr.st_ino = entries[i].ino;
      param.attr.st_mode = entries[i].type;
    }
    at += fuse_add_direntry_plus(call.request, listed.bytes.data() + at, asked.bytes - at,
                                 entries[i].name.c_str(), &param,
                                 offset_behind(asked, asked.from + i));
  }
  listed.bytes.resize(at);
  return listed;
}

}  // namespace wfs
