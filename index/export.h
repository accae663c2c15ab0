// Writes a commit as plain files.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "index/repository.h"

namespace wfs {

struct Exported {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  std::vector<std::string> unreadable;  // "PATH: REASON" of files that are damaged, and not written
};

// Writes the files, folders and symlinks of `commit` into `destination`, which must be missing or
// an empty folder, with their times, xattrs and the executable bit. Every block is verified as it
// is read; a file that is damaged is left out and told. What was written before a failure stays.
// `progress(bytes done)` is called now and then. Throws Errc::not_empty, Errc::not_folder,
// Errc::corrupt for a damaged tree, Errc::io.
Exported export_tree(Repository& repository, const CommitId& commit, const stdfs::path& destination,
                     const std::function<void(std::uint64_t)>& progress);

}  // namespace wfs
