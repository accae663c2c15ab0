// Makes index.sqlite anew from the packs. What only the old index knows (refs, settings, working folders,
// contents not packed yet) is carried over when it can still be read.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/file.h"

namespace wfs {

struct Rebuilt {
  std::uint64_t packs = 0, blocks = 0, contents = 0, trees = 0, commits = 0, refs = 0;
  std::vector<std::string> lost;  // what could not be brought back, a line each
};

// Takes the lock of the repository. The old index is replaced only when the new one is whole, and is kept
// beside it as index.sqlite.old. Staged files that no row names any more are kept in staging/ under
// recovered-N. Throws Errc::no_repository, Errc::locked.
Rebuilt rebuild(const stdfs::path& repository,
                const std::function<void(std::uint64_t, std::uint64_t)>& progress);

}  // namespace wfs
