// Texts that name a commit: a branch, a tag, `latest`, `latest-complete`, or at least 4 hex digits
// of an id, followed by any number of suffixes: ~N (N first parents back), ^N (the N-th parent),
// @{TIME} (the tip at a moment: 2026-11-20T12:00, 2026-11-20T12:00:00Z, 5.minutes.ago, yesterday)
// and @{N} (the tip N changes ago). A name that is a ref is never read as an id. Any thread.
#pragma once

#include <optional>
#include <string_view>

#include "index/model.h"
#include "index/repository.h"

namespace wfs {

// Throws Errc::not_found and Errc::ambiguous with the text, why, and the next step.
CommitId resolve(Repository& repository, std::string_view revision);

// The same for names that are asked for by chance: nullopt when it is no revision or an ambiguous
// one.
std::optional<CommitId> try_resolve(Repository& repository, std::string_view revision);
std::optional<CommitId> find_revision(Database& database, std::string_view revision);

// Whether `text` is spelled as a revision is; asks no index.
bool is_revision_text(std::string_view text);

// The entry at `path` ("a/b", no leading '/') in a commit; the root for an empty path.
// Throws Errc::not_found for an unknown commit only.
std::optional<TreeEntry> find_path(Repository& repository, const CommitId& commit,
                                   std::string_view path);

}  // namespace wfs
