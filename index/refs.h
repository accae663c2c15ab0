// Branches and tags as their owner handles them: the rules of names, and each change with a line in
// the log of refs. Branches and tags share one set of names. Any thread; each change is durable on
// return.
#pragma once

#include <optional>
#include <string>

#include "index/repository.h"

namespace wfs {

// An empty branch, or one whose tip is `tip`. Throws Errc::invalid for a name no ref can have,
// Errc::exists for a name in use, Errc::not_found for an unknown commit.
void create_branch(Repository& repository, const std::string& name, std::optional<CommitId> tip);

// Its commits stay. Throws Errc::not_found, and Errc::invalid for the last branch.
void delete_branch(Repository& repository, const std::string& name);

// A tag never moves: Errc::exists for a name in use, even by a tag of the same commit.
void create_tag(Repository& repository, const std::string& name, const CommitId& commit);
void delete_tag(Repository& repository, const std::string& name);

}  // namespace wfs
