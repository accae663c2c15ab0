// Makes a commit of a plain folder, without a mount.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "index/commit.h"
#include "index/repository.h"

namespace wfs {

struct ImportRequest {
  stdfs::path source;  // a folder or a file; "folder/." stands for what is in it
  std::string branch;
  std::string message;  // empty: generated
  std::string author;   // empty: the default
};

// Does what `cp -a SOURCE MNT/BRANCH/` would: the source appears under its own name in the root of
// the branch, is merged with what is there under that name, and all else of the tip stays.
// Temporary names and what the .weightfsignore of the branch names are left out, and so are
// sockets, pipes and devices. The new contents stay in staging; packing follows. `progress(bytes
// read)` is called now and then. Nullopt: there is nothing to commit and the branch has no commit.
// Throws Errc::not_found for a branch or a source that is not there, Errc::invalid for a source
// that holds the repository, Errc::busy when files of the branch are not committed.
std::optional<Committed> import_folder(Repository& repository, const ImportRequest& request,
                                       const std::function<void(std::uint64_t)>& progress);

}  // namespace wfs
