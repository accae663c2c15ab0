// From what was typed to what is meant: the repository, and REV:PATH. One thread.
#pragma once

#include <optional>
#include <string>

#include "base/file.h"
#include "index/repository.h"
#include "mountctl/verb.h"

namespace wfs {

// The repository a verb works on: -r, else WEIGHTFS_REPOSITORY, else the one that the current
// folder lies in, or that is mounted around it. -r may name a mount, too. Throws
// Errc::no_repository with the next step.
stdfs::path find_repository(const Common& common);

// The repository that is mounted around `path`.
std::optional<stdfs::path> repository_around(const stdfs::path& path);

struct RevisionPath {
  std::string revision;
  std::optional<std::string> path;  // none: without ':'; cleaned: "a/b", empty for the root
};
RevisionPath revision_path_of(std::string_view text);

}  // namespace wfs
