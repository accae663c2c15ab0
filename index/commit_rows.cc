#include "index/commit_rows.h"

#include "base/error.h"
#include "index/id_columns.h"

namespace wfs {
namespace {

Bytes bytes_of(const TreeId& id) { return id.digest.bytes; }
Bytes bytes_of(const CommitId& id) { return id.digest.bytes; }

CommitRow commit_at(const Statement& query) {
  return {query.number(0), id_at<CommitId>(query, 1), commit_of(query.blob(2))};
}

std::optional<CommitRow> one_commit(Statement& query) {
  if (!query.step()) return std::nullopt;
  return commit_at(query);
}

std::vector<UnpackedRecord> unpacked(Statement& query) {
  std::vector<UnpackedRecord> records;
  while (query.step()) {
    const Bytes record = query.blob(1);
    records.push_back({id_at<Digest160>(query, 0), Buffer(record.begin(), record.end())});
  }
  return records;
}

void log_ref(Database& database, std::string_view name, Bytes tip, std::int64_t time_ns,
             std::string_view reason) {
  database.prepare("INSERT INTO ref_log (name, tip, time_ns, reason) VALUES (?, ?, ?, ?)")
      .bind(name).bind(tip).bind(time_ns).bind(reason).run();
}

Ref ref_at_row(const Statement& query) {
  Ref ref{query.text(0), static_cast<RefKind>(query.number(1)), std::nullopt};
  if (!query.blob(2).empty()) ref.tip = id_at<CommitId>(query, 2);
  return ref;
}

}  // namespace

void insert_tree(Database& database, const TreeId& id, Bytes record) {
  database.prepare("INSERT OR IGNORE INTO trees (id, record, packed) VALUES (?, ?, 0)")
      .bind(bytes_of(id)).bind(record).run();
}

std::optional<Tree> find_tree(Database& database, const TreeId& id) {
  auto query = database.prepare("SELECT record FROM trees WHERE id = ?");
  query.bind(bytes_of(id));
  if (!query.step()) return std::nullopt;
  return tree_of(query.blob(0));
}

Tree load_tree(Database& database, const TreeId& id) {
  auto tree = find_tree(database, id);
  if (!tree) {
    fail(Errc::corrupt, cat("the index has no tree ", hex(id), "; run `mountctl rebuild`"));
  }
  return *std::move(tree);
}

bool insert_commit(Database& database, const CommitId& id, const Commit& commit) {
  database
      .prepare("INSERT OR IGNORE INTO commits (id, time_ns, complete, record, packed) "
               "VALUES (?, ?, ?, ?, 0)")
      .bind(bytes_of(id)).bind(commit.time_ns).bind(commit.complete ? 1 : 0)
      .bind(record_of(commit)).run();
  return database.changes() == 1;
}

std::optional<CommitRow> find_commit(Database& database, const CommitId& id) {
  auto query = database.prepare("SELECT number, id, record FROM commits WHERE id = ?");
  query.bind(bytes_of(id));
  return one_commit(query);
}

CommitRow load_commit(Database& database, const CommitId& id) {
  auto row = find_commit(database, id);
  if (!row) fail(Errc::not_found, cat("there is no commit ", hex(id), "; see `mountctl log`"));
  return *std::move(row);
}

std::vector<CommitId> commits_with_prefix(Database& database, std::string_view hex_prefix, int max) {
  // The range of ids that start with the digits: filled up with zeros, and with ones.
  const std::string digits(hex_prefix.substr(0, 40));
  const auto low = unhex(digits + std::string(40 - digits.size(), '0'));
  const auto high = unhex(digits + std::string(40 - digits.size(), 'f'));
  std::vector<CommitId> ids;
  if (!low || !high || hex_prefix.size() > 40) return ids;
  auto query = database.prepare("SELECT id FROM commits WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?");
  query.bind(*low).bind(*high).bind(max);
  while (query.step()) ids.push_back(id_at<CommitId>(query, 0));
  return ids;
}

std::vector<CommitRow> recent_commits(Database& database, std::int64_t before, int max) {
  auto query = database.prepare(
      "SELECT number, id, record FROM commits WHERE number < ? ORDER BY number DESC LIMIT ?");
  query.bind(before > 0 ? before : INT64_MAX).bind(max);
  std::vector<CommitRow> rows;
  while (query.step()) rows.push_back(commit_at(query));
  return rows;
}

std::optional<CommitRow> newest_commit(Database& database) {
  auto query =
      database.prepare("SELECT number, id, record FROM commits ORDER BY number DESC LIMIT 1");
  return one_commit(query);
}

std::optional<CommitRow> newest_complete_commit(Database& database) {
  auto query = database.prepare(
      "SELECT number, id, record FROM commits WHERE complete = 1 ORDER BY number DESC LIMIT 1");
  return one_commit(query);
}

std::optional<std::int64_t> oldest_complete_number(Database& database) {
  auto query = database.prepare(
      "SELECT number FROM commits WHERE complete = 1 ORDER BY number LIMIT 1");
  if (!query.step()) return std::nullopt;
  return query.number(0);
}

std::int64_t count_commits(Database& database) {
  auto query = database.prepare("SELECT COUNT(*) FROM commits");
  query.step();
  return query.number(0);
}

std::vector<UnpackedRecord> unpacked_trees(Database& database) {
  auto query = database.prepare("SELECT id, record FROM trees WHERE packed = 0 ORDER BY id");
  return unpacked(query);
}

std::vector<UnpackedRecord> unpacked_commits(Database& database) {
  auto query = database.prepare("SELECT id, record FROM commits WHERE packed = 0 ORDER BY number");
  return unpacked(query);
}

void set_tree_packed(Database& database, const TreeId& id) {
  database.prepare("UPDATE trees SET packed = 1 WHERE id = ?").bind(bytes_of(id)).run();
}

void set_commit_packed(Database& database, const CommitId& id) {
  database.prepare("UPDATE commits SET packed = 1 WHERE id = ?").bind(bytes_of(id)).run();
}

std::optional<Ref> find_ref(Database& database, std::string_view name) {
  auto query = database.prepare("SELECT name, kind, tip FROM refs WHERE name = ?");
  query.bind(name);
  if (!query.step()) return std::nullopt;
  return ref_at_row(query);
}

std::vector<Ref> all_refs(Database& database) {
  auto query = database.prepare("SELECT name, kind, tip FROM refs ORDER BY name");
  std::vector<Ref> refs;
  while (query.step()) refs.push_back(ref_at_row(query));
  return refs;
}

void put_ref(Database& database, const Ref& ref, std::int64_t time_ns, std::string_view reason) {
  const Bytes tip = ref.tip ? bytes_of(*ref.tip) : Bytes();
  database.prepare("INSERT OR REPLACE INTO refs (name, kind, tip) VALUES (?, ?, ?)")
      .bind(ref.name).bind(static_cast<std::int64_t>(ref.kind)).bind(tip).run();
  log_ref(database, ref.name, tip, time_ns, reason);
}

void delete_ref(Database& database, std::string_view name, std::int64_t time_ns,
                std::string_view reason) {
  database.prepare("DELETE FROM refs WHERE name = ?").bind(name).run();
  log_ref(database, name, Bytes(), time_ns, reason);
}

std::optional<std::int64_t> last_ref_change(Database& database) {
  auto query = database.prepare("SELECT time_ns FROM ref_log ORDER BY number DESC LIMIT 1");
  if (!query.step()) return std::nullopt;
  return query.number(0);
}

std::optional<CommitId> ref_at(Database& database, std::string_view name, std::int64_t time_ns) {
  auto query = database.prepare(
      "SELECT tip FROM ref_log WHERE name = ? AND time_ns <= ? ORDER BY number DESC LIMIT 1");
  query.bind(name).bind(time_ns);
  if (!query.step() || query.blob(0).empty()) return std::nullopt;
  return id_at<CommitId>(query, 0);
}

std::optional<CommitId> ref_before(Database& database, std::string_view name,
                                   std::int64_t changes_ago) {
  auto query = database.prepare(
      "SELECT tip FROM ref_log WHERE name = ? AND tip <> x'' ORDER BY number DESC LIMIT 1 OFFSET ?");
  query.bind(name).bind(changes_ago);
  if (!query.step()) return std::nullopt;
  return id_at<CommitId>(query, 0);
}

}  // namespace wfs
