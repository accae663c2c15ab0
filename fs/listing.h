// Folders as the kernel reads them: entries in its own form, as many as fit. An entry's offset says
// where the next one is found: the number of the listing and the place in it. The kernel keeps offsets
// longer than the handle they came by; the number says that a folder has changed since. Part of
// operations.cc.
#pragma once

#include "fs/answers.h"

namespace wfs {

// What a READDIR asks for, apart from the folder.
struct Asked {
  std::size_t bytes = 0;     // of the answer, at most
  std::uint64_t number = 0;  // of the listing; 0: from the start of a new one
  std::size_t from = 0;      // index of the first entry
};

Asked asked_of(std::size_t bytes, off_t offset) noexcept;

// Names alone, and names with what a lookup of each gives.
FolderAnswer list_names(const Call& call, const Listing& listing, Asked asked);
FolderAnswer list_entries(const Call& call, Ino folder, const Listing& listing, Asked asked);

}  // namespace wfs
