#include "index/report_rows.h"

#include "codec/encoding.h"
#include "index/id_columns.h"

namespace wfs {

ContentCounts count_contents(Database& database) {
  auto query = database.prepare(
      "SELECT COUNT(*), COALESCE(SUM(size), 0), COALESCE(SUM(staged <> 0), 0) FROM contents");
  query.step();
  return {static_cast<std::uint64_t>(query.number(0)), static_cast<std::uint64_t>(query.number(1)),
          static_cast<std::uint64_t>(query.number(2))};
}

std::uint64_t count_deltas(Database& database) {
  auto query = database.prepare("SELECT COUNT(*) FROM blocks WHERE encoding = ?");
  query.bind(static_cast<std::int64_t>(Encoding::delta));
  query.step();
  return static_cast<std::uint64_t>(query.number(0));
}

std::vector<ContentId> packed_contents(Database& database, const ContentId& left_out, int max) {
  auto query = database.prepare(
      "SELECT id FROM contents WHERE staged = 0 AND id <> ? ORDER BY number DESC LIMIT ?");
  query.bind(Bytes(left_out.digest.bytes)).bind(max);
  std::vector<ContentId> ids;
  while (query.step()) ids.push_back(id_at<ContentId>(query, 0));
  return ids;
}

}  // namespace wfs
