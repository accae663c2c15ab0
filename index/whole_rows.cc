#include "index/whole_rows.h"

#include "base/error.h"
#include "index/id_columns.h"

namespace wfs {
namespace {

std::vector<RecordRow> records_of(Statement& query) {
  std::vector<RecordRow> rows;
  while (query.step()) {
    const Bytes record = query.blob(2);
    rows.push_back(
        {query.number(0), id_at<Digest160>(query, 1), Buffer(record.begin(), record.end())});
  }
  return rows;
}

}  // namespace

std::vector<RecordRow> commit_records_before(Database& database, std::int64_t before, int max) {
  auto query = database.prepare(
      "SELECT number, id, record FROM commits WHERE number < ? ORDER BY number DESC LIMIT ?");
  query.bind(before > 0 ? before : INT64_MAX).bind(max);
  return records_of(query);
}

std::vector<RecordRow> tree_records_after(Database& database, const std::optional<TreeId>& after,
                                          int max) {
  auto query =
      database.prepare("SELECT 0, id, record FROM trees WHERE id > ? ORDER BY id LIMIT ?");
  query.bind(after ? Bytes(after->digest.bytes) : Bytes()).bind(max);
  return records_of(query);
}

bool has_commit(Database& database, const CommitId& id) {
  auto query = database.prepare("SELECT 1 FROM commits WHERE id = ?");
  query.bind(id.digest.bytes);
  return query.step();
}

bool has_tree(Database& database, const TreeId& id) {
  auto query = database.prepare("SELECT 1 FROM trees WHERE id = ?");
  query.bind(id.digest.bytes);
  return query.step();
}

void delete_tree(Database& database, const TreeId& id) {
  database.prepare("DELETE FROM trees WHERE id = ?").bind(id.digest.bytes).run();
}

void forget_missing_trees(Database& database) {
  database.run("UPDATE nodes SET tree = x'' WHERE tree <> x'' AND tree NOT IN (SELECT id FROM trees)");
}

std::vector<ContentRow> contents_after(Database& database, std::int64_t number, int max) {
  auto query = database.prepare(
      "SELECT number, id, size, staged, stored_bytes FROM contents WHERE number > ? "
      "ORDER BY number LIMIT ?");
  query.bind(number).bind(max);
  std::vector<ContentRow> rows;
  while (query.step()) {
    rows.push_back({query.number(0), id_at<ContentId>(query, 1),
                    static_cast<std::uint64_t>(query.number(2)),
                    static_cast<StagedId>(query.number(3)),
                    static_cast<std::uint64_t>(query.number(4)), ""});
  }
  return rows;
}

std::uint64_t sum_of_content_sizes(Database& database) {
  auto query = database.prepare("SELECT TOTAL(size) FROM contents");
  query.step();
  return static_cast<std::uint64_t>(query.number(0));
}

std::map<std::int64_t, std::int64_t> count_blocks_by_pack(Database& database) {
  auto query = database.prepare("SELECT pack, COUNT(*) FROM blocks GROUP BY pack");
  std::map<std::int64_t, std::int64_t> counts;
  while (query.step()) counts.emplace(query.number(0), query.number(1));
  return counts;
}

std::vector<std::string> damage_of_index(Database& database) {
  auto query = database.prepare("PRAGMA quick_check(20)");
  std::vector<std::string> lines;
  while (query.step()) {
    if (auto line = query.text(0); line != "ok") lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace wfs
