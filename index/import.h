// Makes a commit of a plain folder, without a mount.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "index/commit.h"
#include "index/repository.h"

namespace wfs {

struct ImportRequest {
  stdfs::path source;   // a folder, or one file
  std::string branch;
  std::string message;  // empty: generated
  std::string author;   // empty: the default
};

// Does what `cp -a SOURCE MNT/BRANCH/` would: the source appears under its own name in the branch's root, is
// merged with what is there under that name, and all else of the tip stays. Temporary names and what
// .weightfsignore of the branch names are left out, and so are sockets, pipes and devices. Then packs.
// Nullopt: nothing to commit, and the branch has no commit. Throws Errc::not_found for a branch or source that
// is not there, Errc::busy when the branch has files that are not committed.
std::optional<Committed> import_folder(Repository& repository, const ImportRequest& request,
                                       const std::function<void(std::uint64_t)>& progress);

}  // namespace wfs
