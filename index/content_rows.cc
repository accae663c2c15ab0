#include "index/content_rows.h"

#include "base/error.h"
#include "index/content_record.h"
#include "index/id_columns.h"

namespace wfs {
namespace {

ContentRow content_at(const Statement& query) {
  ContentRow row;
  row.number = query.number(0);
  row.id = id_at<ContentId>(query, 1);
  row.size = static_cast<std::uint64_t>(query.number(2));
  row.staged = static_cast<StagedId>(query.number(3));
  row.stored_bytes = static_cast<std::uint64_t>(query.number(4));
  row.health = query.text(5);
  return row;
}

std::vector<ContentRow> contents_of(Statement& query) {
  std::vector<ContentRow> rows;
  while (query.step()) rows.push_back(content_at(query));
  return rows;
}

std::int64_t one_number(Database& database, std::string_view sql) {
  auto query = database.prepare(sql);
  query.step();
  return query.number(0);
}

}  // namespace

std::optional<ContentRow> find_content(Database& database, const ContentId& id) {
  auto query = database.prepare(
      "SELECT number, id, size, staged, stored_bytes, health FROM contents WHERE id = ?");
  query.bind(id.digest.bytes);
  if (!query.step()) return std::nullopt;
  return content_at(query);
}

void insert_staged_content(Database& database, const ContentId& id, std::uint64_t size,
                           StagedId staged) {
  database
      .prepare("INSERT INTO contents (id, size, staged, map, stored_bytes, health) "
               "VALUES (?, ?, ?, x'', 0, '')")
      .bind(id.digest.bytes).bind(static_cast<std::int64_t>(size))
      .bind(static_cast<std::int64_t>(staged)).run();
}

std::vector<ContentRow> staged_contents(Database& database) {
  auto query = database.prepare(
      "SELECT number, id, size, staged, stored_bytes, health FROM contents WHERE staged <> 0 "
      "ORDER BY number");
  return contents_of(query);
}

std::vector<ContentRow> all_contents(Database& database) {
  auto query = database.prepare(
      "SELECT number, id, size, staged, stored_bytes, health FROM contents ORDER BY number");
  return contents_of(query);
}

std::int64_t count_staged_contents(Database& database) {
  return one_number(database, "SELECT COUNT(*) FROM contents WHERE staged <> 0");
}

bool is_staged_content(Database& database, StagedId staged) {
  auto query = database.prepare("SELECT 1 FROM contents WHERE staged <> 0 AND staged = ?");
  query.bind(static_cast<std::int64_t>(staged));
  return query.step();
}

void put_packed_content(Database& database, const ContentId& id, const SegmentMap& map,
                        std::uint64_t stored_bytes, std::string_view health) {
  std::vector<std::int64_t> numbers;
  numbers.reserve(map.blocks().size());
  for (const BlockRef& block : map.blocks()) numbers.push_back(block.number);
  database
      .prepare("INSERT INTO contents (id, size, staged, map, stored_bytes, health) "
               "VALUES (?, ?, 0, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET staged = 0, "
               "map = excluded.map, stored_bytes = excluded.stored_bytes, health = excluded.health")
      .bind(id.digest.bytes).bind(static_cast<std::int64_t>(map.size()))
      .bind(bytes_of_map(map.layout(), numbers)).bind(static_cast<std::int64_t>(stored_bytes))
      .bind(health).run();
}

SegmentMap load_segment_map(Database& database, const ContentId& id) {
  auto query = database.prepare("SELECT map FROM contents WHERE id = ? AND staged = 0");
  query.bind(id.digest.bytes);
  if (!query.step()) fail(Errc::not_found, cat("the index has no packed content ", hex(id)));
  StoredMap stored = map_of(query.blob(0));
  const auto found = load_blocks(database, stored.blocks);
  std::vector<BlockRef> blocks;
  blocks.reserve(stored.blocks.size());
  for (const std::int64_t number : stored.blocks) {
    const auto at = found.find(number);
    if (at == found.end()) {
      fail(Errc::corrupt, cat("content ", hex(id), ": the index lacks one of its blocks; run "
                              "`mountctl rebuild`"));
    }
    blocks.push_back(at->second);
  }
  return SegmentMap(std::move(stored.layout), std::move(blocks));
}

std::int64_t insert_pack(Database& database, const PackId& id, std::uint64_t size) {
  database.prepare("INSERT OR IGNORE INTO packs (id, size) VALUES (?, ?)")
      .bind(id.hash.bytes).bind(static_cast<std::int64_t>(size)).run();
  if (database.changes() == 1) return database.last_row();
  auto query = database.prepare("SELECT number FROM packs WHERE id = ?");
  query.bind(id.hash.bytes);
  query.step();
  return query.number(0);
}

std::optional<PackId> find_pack(Database& database, std::int64_t number) {
  auto query = database.prepare("SELECT id FROM packs WHERE number = ?");
  query.bind(number);
  if (!query.step()) return std::nullopt;
  return id_at<PackId>(query, 0);
}

std::vector<PackRow> all_packs(Database& database) {
  auto query = database.prepare("SELECT number, id, size FROM packs ORDER BY number");
  std::vector<PackRow> rows;
  while (query.step()) {
    rows.push_back({query.number(0), id_at<PackId>(query, 1),
                    static_cast<std::uint64_t>(query.number(2))});
  }
  return rows;
}

}  // namespace wfs
