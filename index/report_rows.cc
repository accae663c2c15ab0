#include "index/report_rows.h"

#include "base/error.h"

namespace wfs {

ContentCounts count_contents(Database& database) {
  auto query = database.prepare(
      "SELECT COUNT(*), COALESCE(SUM(size), 0), COALESCE(SUM(staged <> 0), 0) FROM contents");
  query.step();
  return {static_cast<std::uint64_t>(query.number(0)), static_cast<std::uint64_t>(query.number(1)),
          static_cast<std::uint64_t>(query.number(2))};
}

std::vector<ContentId> packed_contents(Database& database, const ContentId& left_out, int max) {
  auto query = database.prepare(
      "SELECT id FROM contents WHERE staged = 0 AND id <> ? ORDER BY number DESC LIMIT ?");
  query.bind(Bytes(left_out.digest.bytes)).bind(max);
  std::vector<ContentId> ids;
  while (query.step()) {
    const Bytes blob = query.blob(0);
    ContentId id;
    if (blob.size() != sizeof id) fail(Errc::corrupt, "index.sqlite: an id has a wrong length");
    __builtin_memcpy(&id, blob.data(), sizeof id);
    ids.push_back(id);
  }
  return ids;
}

}  // namespace wfs
