// Verifies a repository: structure always, every stored byte when asked. Reads only; several may run.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "index/repository.h"

namespace wfs {

enum class CheckDepth { structure, data };

// One thing that is wrong: what kind of thing, its name, and what is wrong with it.
struct Finding {
  std::string object;  // "index", "pack", "block", "content", "tree", "commit", "ref", "staged"
  std::string name;    // id, path or ref name
  std::string what;
  std::vector<std::string> paths;  // "BRANCH-or-ID:path" of files that cannot be read for it, at most 20
};

struct CheckReport {
  std::uint64_t commits = 0, trees = 0, contents = 0, blocks = 0, packs = 0, bytes_read = 0;
  std::vector<Finding> findings;
};

// `progress(done, total)` in bytes, called now and then.
CheckReport check(Repository& repository, CheckDepth depth,
                  const std::function<void(std::uint64_t, std::uint64_t)>& progress);

}  // namespace wfs
