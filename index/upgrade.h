// Brings the index of an older weightfs up to this one's version, in place and in one transaction, when it
// is opened for whatever: a crash or an error leaves the old index. One thread a file; several processes
// may come at the same time.
#pragma once

#include "base/file.h"
#include "index/sqlite.h"

namespace wfs {

// The version of index.sqlite this program writes; PRAGMA user_version.
inline constexpr int index_version = 2;
inline constexpr int index_version_min = 1;  // the oldest that is upgraded

int version_of_index(Database& database);

// Requires: the index at `path` is of an older version that is known. Throws Errc::read_only naming the file
// when it cannot be written.
void upgrade_index(const stdfs::path& path);

}  // namespace wfs
