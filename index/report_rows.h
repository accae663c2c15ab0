// Counts and sums over the rows of the index, for reports. Each function is one query in the
// caller's transaction.
#pragma once

#include <cstdint>
#include <vector>

#include "index/ids.h"
#include "index/sqlite.h"

namespace wfs {

struct ContentCounts {
  std::uint64_t contents = 0;
  std::uint64_t bytes = 0;
  std::uint64_t staged = 0;
};
ContentCounts count_contents(Database& database);
// Blocks that are deltas.
std::uint64_t count_deltas(Database& database);
// Packed contents but `left_out`, the newest first, at most `max`.
std::vector<ContentId> packed_contents(Database& database, const ContentId& left_out, int max);

}  // namespace wfs
