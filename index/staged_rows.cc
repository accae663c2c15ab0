#include "index/staged_rows.h"

#include "base/wire.h"

namespace wfs {
namespace {

StagedRow row_at(const Statement& query) {
  StagedRow row;
  row.id = static_cast<StagedId>(query.number(0));
  row.size = static_cast<std::uint64_t>(query.number(1));
  const Bytes content = query.blob(2);
  if (content.size() == sizeof(ContentId)) {
    ContentId id;
    std::copy(content.begin(), content.end(), id.digest.bytes.begin());
    row.base_content = id;
  }
  row.base_staged = static_cast<StagedId>(query.number(3));
  row.base_length = static_cast<std::uint64_t>(query.number(4));
  Cursor ranges(query.blob(5));
  while (!ranges.at_end()) {
    const auto offset = ranges.number<std::uint64_t>();
    row.written.push_back({offset, ranges.number<std::uint64_t>()});
  }
  return row;
}

}  // namespace

std::optional<StagedRow> find_staged(Database& database, StagedId id) {
  auto query = database.prepare(
      "SELECT id, size, base_content, base_staged, base_length, ranges FROM staged WHERE id = ?");
  query.bind(static_cast<std::int64_t>(id));
  if (!query.step()) return std::nullopt;
  return row_at(query);
}

std::vector<StagedRow> all_staged(Database& database) {
  auto query = database.prepare(
      "SELECT id, size, base_content, base_staged, base_length, ranges FROM staged ORDER BY id");
  std::vector<StagedRow> rows;
  while (query.step()) rows.push_back(row_at(query));
  return rows;
}

void put_staged(Database& database, const StagedRow& row) {
  Buffer ranges;
  for (const Range& range : row.written) {
    append_le(ranges, range.offset);
    append_le(ranges, range.length);
  }
  auto query = database.prepare(
      "INSERT OR REPLACE INTO staged (id, size, base_content, base_staged, base_length, ranges) "
      "VALUES (?, ?, ?, ?, ?, ?)");
  query.bind(static_cast<std::int64_t>(row.id)).bind(static_cast<std::int64_t>(row.size));
  query.bind(row.base_content ? Bytes(row.base_content->digest.bytes) : Bytes());
  query.bind(static_cast<std::int64_t>(row.base_staged));
  query.bind(static_cast<std::int64_t>(row.base_length)).bind(ranges).run();
}

void delete_staged(Database& database, StagedId id) {
  database.prepare("DELETE FROM staged WHERE id = ?").bind(static_cast<std::int64_t>(id)).run();
}

StagedId next_staged_id(Database& database) {
  auto query = database.prepare("SELECT COALESCE(MAX(id), 0) + 1 FROM staged");
  query.step();
  return static_cast<StagedId>(query.number(0));
}

void put_staged_chain(Database& database, const StagedFile& file) {
  put_staged(database, file.row());
  for (auto base = file.staged_base(); base; base = base->staged_base()) {
    put_staged(database, base->row());
  }
}

}  // namespace wfs
